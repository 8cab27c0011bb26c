"""Where a shop lies: its landing area, its truth area, and the days that are written."""

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from affinity.core.errors import BadInput
from affinity.simulate.params import ShopConfig

_UNIQUE = ("event_id", "session", "line_id", "order_id")
COUNTS = "_counts"
"""Counts that the ceilings are made from; kept, so that days can be added."""
_TOLD_ANEW = ("customers", "identities", "states", "hazard_sample", "contacts", "segment_labels", "relevant_items")


@dataclass(frozen=True)
class Shop:
    """One shop at one place, and its days [first, end) that are written; what the tasks on the workers are told.

    ``begin`` is the first day that lies there at the end: before ``first`` where days are added.
    """

    config: ShopConfig
    out: Path
    first: int
    end: int
    begin: int = 0

    @property
    def landing(self) -> Path:
        """Where the files of the company lie."""
        return self.out / "landing"

    @property
    def truth(self) -> Path:
        """Where the answers lie."""
        return self.out / "truth"

    def keep(self, table: str, part: str, content: pa.Table) -> None:
        """Write one part of a truth table."""
        write(self.truth / table / f"{part}.parquet", content)

    def make_room(self) -> None:
        """Forget the truth that is told anew up to the new end; days and their files stay."""
        for table in (*_TOLD_ANEW, f"{COUNTS}/propensity", f"{COUNTS}/segments"):
            shutil.rmtree(self.truth / table, ignore_errors=True)
        self.landing.mkdir(parents=True, exist_ok=True)
        self.truth.mkdir(parents=True, exist_ok=True)

    def as_delta(self) -> None:
        """Make the parts of each truth table one Delta table; its log begins anew with what lies there now."""
        from deltalake import convert_to_deltalake  # on the driver alone: workers start sooner without

        for table in sorted(path for path in self.truth.iterdir() if path.is_dir() and path.name != COUNTS):
            shutil.rmtree(table / "_delta_log", ignore_errors=True)
            convert_to_deltalake(str(table))


def placed(shop: Shop, *, add: bool) -> Shop:
    """The shop with the day at which its files begin.

    Raises:
        BadInput: days outside the span; a folder that holds something, unless the next days of the very shop in it
            are to be added. Nothing was written.
    """
    if not 0 <= shop.first < shop.end <= shop.config.days:
        raise BadInput(
            f"Days from {shop.first} to {shop.end} cannot be made of a shop of {shop.config.days} days: expected "
            f"0 <= --from-day < --to-day <= {shop.config.days} (the last day is not included)."
        )
    out = shop.out
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is a file. Expected a new or empty folder for the shop: pass another --out.")
    if not out.is_dir() or not any(out.iterdir()):
        return replace(shop, begin=shop.first)
    if not add:
        raise BadInput(
            f"Folder {out} is not empty. Expected a new or empty one, so that no file of another shop lies among those "
            "of this one: pass another --out, or --add to write further days of the shop that lies there."
        )
    told = _told(shop)
    wanted = {name: str(value) for name, value in settings_of(shop.config).items()}
    other = [f"{name} {told.get(name)} (wanted {value})" for name, value in wanted.items() if told.get(name) != value]
    if other:
        raise BadInput(
            f"The shop in {out} was made with other settings: {', '.join(other)}. Days can be added with equal "
            "settings only: pass them, or another --out."
        )
    if int(told["end_day"]) != shop.first:
        raise BadInput(
            f"The shop in {out} ends before day {told['end_day']}, so the next day to add is that one, got --from-day "
            f"{shop.first}."
        )
    return replace(shop, begin=int(told["first_day"]))


def _told(shop: Shop) -> dict[str, str]:
    """What lies there of settings and days."""
    parts = sorted((shop.truth / "parameters").glob("*.parquet"))
    if not parts:
        raise BadInput(f"Folder {shop.out} holds something else than a finished simulated shop: pass another --out.")
    return {row["name"]: row["value"] for row in pq.read_table(parts[0]).to_pylist()}


def settings_of(config: ShopConfig) -> dict[str, object]:
    """Every setting by its name, those of the faults with their group's name in front."""
    faults = {f"faults.{name}": value for name, value in config.faults.model_dump().items()}
    return {**config.model_dump(exclude={"faults"}), **faults}


def _write_parquet(table: pa.Table, path: str) -> None:
    """Without statistics, which nobody reads here, and without Arrow's own schema: dictionaries are plain strings."""
    repeated = [name for name in table.column_names if name not in _UNIQUE]
    pq.write_table(
        table,
        path,
        compression="zstd",
        coerce_timestamps="us",
        use_dictionary=repeated,
        write_statistics=False,
        store_schema=False,
    )


def write(path: Path, content: bytes | memoryview | pa.Table) -> int:
    """Write a file and return its size in bytes: whoever looks sees none of it or all of it."""
    scratch = f"{path.parent}/.{path.name}.tmp"
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, pa.Table):
        _write_parquet(content, scratch)
    else:
        with open(scratch, "wb", buffering=0) as file:  # noqa: PTH123 - thousands of small files: every call counts
            file.write(content)
    n_bytes = os.stat(scratch).st_size  # noqa: PTH116
    os.replace(scratch, path)  # noqa: PTH105
    return n_bytes
