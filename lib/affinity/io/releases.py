"""The release pointers: which version of which table an analyst may trust."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from affinity.io.intact import damaged
from affinity.io.ops import OpsStore, Row, to_json
from affinity.tables import ops
from affinity.tables.spec import ModelSpec, TableSpec


@dataclass(frozen=True)
class Release:
    """One released slice of a table or model."""

    slice_date: date | None
    table_version: int
    run_id: str
    digest: str | None


class Releases:
    """All releases, read once; per table and slice the highest version holds, whatever the clocks of the writers.

    Of releases of one version, which a run makes that changed nothing of a table, the later one does.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self._slices: dict[str, dict[date | None, Release]] = {}
        self._versions: dict[str, int] = {}
        self._newest: dict[str, Release] = {}
        for row in sorted(rows, key=lambda row: (row["table_version"], row["released_ts"])):
            self._versions[row["table_name"]] = row["table_version"]
            if not row["is_maintenance"]:
                release = Release(row["slice_date"], row["table_version"], row["run_id"], row["digest"])
                self._slices.setdefault(row["table_name"], {})[row["slice_date"]] = release
                self._newest[row["table_name"]] = release

    @classmethod
    def of(cls, store: OpsStore) -> "Releases":
        """The releases below a root.

        Raises:
            Infrastructure: there are none, though runs ended that released something.
        """
        rows = store.read(ops.RELEASES)
        if not rows and any(json.loads(row["outputs"] or "{}") for row in store.read(ops.RUNS)):
            raise damaged(ops.RELEASES, "it holds nothing, though ops.runs tells of released tables")
        return cls(rows)

    def version(self, spec: TableSpec) -> int | None:
        """The Delta version to read; null where nothing was released yet."""
        return self._versions.get(spec.full_name)

    def manifest(self, store: OpsStore) -> list[Row]:
        """The released rows of ops.files."""
        version = self.version(ops.FILES)
        return [] if version is None else store.read(ops.FILES, version)

    def slices(self, spec: TableSpec | ModelSpec) -> dict[date | None, Release]:
        """The released slices."""
        return self._slices.get(spec.full_name, {})

    def slice(self, spec: TableSpec, as_of: date | None) -> Release | None:
        """The release of one slice; null where it was never published."""
        return self.slices(spec).get(as_of)

    def newest(self, spec: TableSpec) -> Release | None:
        """What was released last of a table, upkeep apart."""
        return self._newest.get(spec.full_name)

    def model(self, spec: ModelSpec, as_of: date) -> Release | None:
        """The promoted model trained on the newest data before ``as_of``; null where there is none."""
        trained = [day for day in self.slices(spec) if day is not None and day <= as_of]
        return self.slices(spec)[max(trained)] if trained else None

    def fingerprint(self, spec: TableSpec, as_of: date | None) -> str:
        """What identifies the content that a job for ``as_of`` may see of a table: the runs that wrote its slices.

        Compaction and later slices leave it as it is.
        """
        seen = sorted(
            (str(day), release.run_id) for day, release in self.slices(spec).items() if _is_visible(spec, day, as_of)
        )
        return hashlib.sha256(to_json(seen).encode()).hexdigest()[:16]


def _is_visible(spec: TableSpec, day: date | None, as_of: date | None) -> bool:
    if day is None or as_of is None:
        return True
    return day == as_of if spec.slice_column == "as_of_date" else day < as_of
