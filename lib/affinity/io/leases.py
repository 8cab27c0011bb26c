"""One writer per table: a file lock that the kernel frees with its holder."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from affinity.core.errors import LeaseHeld
from affinity.io.root import Root
from affinity.tables.spec import ModelSpec, TableSpec


@contextmanager
def leases(root: Root, specs: Sequence[TableSpec | ModelSpec], *, wait_secs: float = 0) -> Iterator[None]:
    """Hold the writer lease of every table or model, taken in name order so that two runs cannot wait for each other.

    With ``store.lease = "external"`` the scheduler vouches for one writer at a time and no file is locked.

    Raises:
        LeaseHeld: another process holds one of them and did not give it up within ``wait_secs``.
    """
    with _held(root, {spec.full_name: root.lock(spec) for spec in specs}, wait_secs):
        yield


@contextmanager
def walk_lease(root: Root, *, wait_secs: float = 0) -> Iterator[None]:
    """Let one walk of the chain be at work below a root; single jobs go by the leases of their tables.

    Raises:
        LeaseHeld: another walk is at work and did not end within ``wait_secs``.
    """
    with _held(root, {"the tables of this root": root.path / "locks" / "walk.lock"}, wait_secs):
        yield


@contextmanager
def _held(root: Root, locks: Mapping[str, Path], wait_secs: float) -> Iterator[None]:
    with ExitStack() as held:
        for what, path in sorted(locks.items() if root.lease == "file" else ()):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                held.enter_context(FileLock(path).acquire(timeout=wait_secs))
            except Timeout:
                raise LeaseHeld(
                    f"Another run is writing {what} (lease {path}). Nothing was changed; run the same command again "
                    "when it has ended, or with --wait SECONDS."
                ) from None
        yield
