"""One id with a third of all events: what it costs, and whether anybody else's row changes."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from pyspark.sql import functions as F

from affinity.io.platform import Platform
from affinity.privacy.columns import customer_id
from tests.bench.events import OUT
from tests.bench.harness import Row, Sample, Variant, equal
from tests.bench.lines import features_of, make_lines, read_by_tasks
from tests.bench.shop_runs import root_in

_MANY, _ONE = "many ids have the third", "one id has it"


@contextmanager
def row(n_lines: int = 10_000_000, n_people: int = 200_000, n_runs: int = 3) -> Iterator[Row]:
    """The same lines twice; in one of them a third is of one id, in the other of as many as the rest."""
    OUT.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=OUT, prefix="heavy-") as scratch:
        folder = Path(scratch)
        rest = n_lines // 3 * 2 // 800 * 800
        make_lines(folder / "rest", rest, n_people)
        make_lines(folder / "third", n_lines // 3 // 800 * 800, n_people, first=rest)
        platform = root_in(folder, "root")
        spark = platform.spark
        people = spark.read.parquet(str(folder / "rest")).select(customer_id(F.col("subject_key")).alias("customer_id"))
        people.distinct().write.parquet(str(folder / "people"))
        others = F.concat(F.lit("other"), F.substring("subject_key", 6, 64))
        for name, key in {_ONE: F.lit("the one"), _MANY: others}.items():
            third = spark.read.parquet(str(folder / "third")).withColumn("subject_key", key)
            third.coalesce(8).write.parquet(str(folder / name))
        try:
            yield Row(
                name="heavy_id",
                doc=f"{n_lines:,} lines of {n_people:,} people over 180 days to features; a third of the lines is of "
                "as many others, or of one id. Compared are the features of the people.",
                variants=[Variant(name, partial(_run, platform, folder, name)) for name in (_ONE, _MANY)],
                difference=equal,
                peer=_MANY,
                n_runs=n_runs,
                n_warm_ups=1,
                notes={"spark": spark.version},
            )
        finally:
            spark.stop()


def _run(platform: Platform, folder: Path, third: str) -> Sample:
    out = folder / "features"
    lines = read_by_tasks(platform.spark, folder / "rest", folder / third)
    features_of(platform, lines, folder / "scratch").write.mode("overwrite").parquet(str(out))
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT count(*), sum(hash(f::VARCHAR)::HUGEINT) FROM read_parquet('{out}/*.parquet') AS f "
            f"SEMI JOIN read_parquet('{folder}/people/*.parquet') USING (customer_id)"
        ).fetchone()
    return Sample(found)
