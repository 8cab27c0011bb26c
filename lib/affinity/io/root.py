"""The root: where everything of one installation lives, and what was fixed when it was made."""

import json
import os
import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from filelock import FileLock

from affinity.core.errors import BadInput
from affinity.io.config import Config
from affinity.privacy.tokens import KEY_VERSION, fingerprint, read_key
from affinity.tables.spec import ModelSpec, TableSpec

LAYOUT_VERSION = 7


@dataclass(frozen=True)
class Root:
    """Paths below the root; made by ``open_root``."""

    path: Path
    business_zone: str
    key_file: Path
    lease: str
    tracking_uri: str
    artifacts: str

    def table(self, spec: TableSpec) -> Path:
        """Folder of a table."""
        return _inside(self.path, self.path / "tables" / spec.layer / spec.name)

    def staging(self, run_id: str, spec: TableSpec) -> Path:
        """Folder of a run's staged rows of a table."""
        return self.path / "staging" / run_id / spec.full_name

    def scratch(self, run_id: str) -> Path:
        """A folder that is not there yet, for what a run writes for its own tasks."""
        return self.path.absolute() / "staging" / run_id / uuid.uuid4().hex

    def lock(self, spec: TableSpec | ModelSpec) -> Path:
        """Lock file of a table or model."""
        return self.path / "locks" / f"{spec.full_name}.lock"

    def models(self, spec: ModelSpec, run_id: str) -> Path:
        """Folder of the files of one model version."""
        return self.path / "models" / spec.name / run_id

    @property
    def index(self) -> Path:
        """Folder of what helps to find rows of links and identities; it follows from these, and may be removed."""
        return self.path.absolute() / "index"

    @property
    def checkpoints(self) -> Path:
        """Folder of Spark's own checkpoints."""
        return self.path / "checkpoints"

    @property
    def reports(self) -> Path:
        """Folder of the HTML reports."""
        return self.path / "reports"


def open_root(config: Config, *, create: bool, may_be_missing: bool = False) -> Root:
    """Open the root, or with ``create`` make it and its key on first use; only who may write needs the key.

    Raises:
        BadInput: it does not exist and may neither be made nor be missing, lies on an object store, or its business
            zone or key is not the one it was made with.
    """
    store = config.store
    if "://" in store.root:
        raise BadInput(
            f"store.root = {store.root!r}: object stores are not supported yet. Expected a folder on a local or "
            "shared disk."
        )
    path = Path(store.root).expanduser().absolute()
    _check_zone(store.business_zone)
    key_file = Path(config.privacy.key_file).expanduser() if config.privacy.key_file else path / "secrets/subject.key"
    marker = path / "root.json"
    if create:
        os.umask(0o027)  # tables, models and logs are nobody else's
        _make_once(path, store.business_zone, key_file, own_key=not config.privacy.key_file)
    elif not marker.exists() and not may_be_missing:
        raise BadInput(f"There is no Affinity root at {path}; `affinity run` or `affinity demo` makes one.")
    if marker.exists():
        fixed = json.loads(marker.read_text(encoding="utf-8"))
        _check_fixed(path, fixed, store.business_zone)
        if create:
            _check_key(path, fixed, key_file)
    tracking_uri = config.tracking.uri or f"sqlite:///{path}/mlflow.db"
    artifacts = config.tracking.artifacts or str(path / "mlflow")
    return Root(path, store.business_zone, key_file, store.lease, tracking_uri, artifacts)


def _inside(root: Path, path: Path) -> Path:
    """``path`` if it lies in ``root`` once links are followed; nothing is read or written elsewhere."""
    if not path.resolve().is_relative_to(root.resolve()):
        raise BadInput(
            f"Table path {path} leads to {path.resolve()}, outside the root {root}. Remove the link; a table lives "
            "below its root."
        )
    return path


def _make_once(path: Path, business_zone: str, key_file: Path, *, own_key: bool) -> None:
    """Make the root where it is missing; of several first runs one makes it and the others wait."""
    if (path / "root.json").exists():
        return
    if not own_key:
        read_key(key_file)  # nothing is made where the key is no key
    path.mkdir(parents=True, exist_ok=True)
    with FileLock(path / ".root.lock"):
        if not (path / "root.json").exists():
            _make(path, business_zone, key_file, own_key=own_key)


def _make(path: Path, business_zone: str, key_file: Path, *, own_key: bool) -> None:
    if own_key and not key_file.exists():
        key_file.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
    fixed = {
        "layout_version": LAYOUT_VERSION,
        "business_zone": business_zone,
        "key_fingerprint": fingerprint(read_key(key_file)),
        "key_version": KEY_VERSION,
    }
    scratch = path / f".root.json.{os.getpid()}"
    scratch.write_text(json.dumps(fixed, indent=2) + "\n", encoding="utf-8")
    scratch.rename(path / "root.json")


def _check_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise BadInput(
            f"store.business_zone = {zone!r} is no IANA time zone; expected one like Europe/London."
        ) from None


def _check_fixed(path: Path, fixed: dict[str, object], zone: str) -> None:
    if fixed["layout_version"] != LAYOUT_VERSION:
        raise BadInput(
            f"Root {path} has layout {fixed['layout_version']}, this release reads layout {LAYOUT_VERSION}: use the "
            "release that made it, or migrate it first."
        )
    if fixed["business_zone"] != zone:
        raise BadInput(
            f"store.business_zone is {zone!r}, but the root {path} was made with {fixed['business_zone']!r}. Days of "
            "all tables are counted in that zone: set it back, or make another root."
        )


def _check_key(path: Path, fixed: dict[str, object], key_file: Path) -> None:
    if fixed["key_fingerprint"] != fingerprint(read_key(key_file)):
        raise BadInput(
            f"Key file {key_file} holds another key than the one the tables in {path} were made with (expected "
            f"fingerprint {fixed['key_fingerprint']}). Customers would no longer match: mount the original key."
        )
