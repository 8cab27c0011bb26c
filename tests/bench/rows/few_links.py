"""A day of few new links: who is who, beside graphs of more and more links that were known before."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
from pyspark.sql import SparkSession

from affinity.algorithms.identities import IdentityRules
from affinity.algorithms.identity_updates import updated
from affinity.features.grouped import Files
from affinity.features.known_ids import IdFiles, Link
from affinity.privacy.columns import customer_id_sql
from affinity.tables import silver
from affinity.tables.spec import TableSpec
from tests.bench.events import OUT
from tests.bench.harness import Row, Sample, Variant, equal
from tests.bench.shop_runs import root_in

_N_FRESH = 1_000
_COOKIES = 4
_FILES = 8
_LINKS = """
SELECT least(account, cookie) AS subject_key, if(account < cookie, 'account', 'cookie') AS subject_kind,
    greatest(account, cookie) AS other_key, if(account < cookie, 'cookie', 'account') AS other_kind,
    DATE '2026-01-01' + (p % 100)::INTEGER + c::INTEGER AS first_date, 'file' AS file_id, 'run' AS run_id
FROM (
    SELECT p, c, sha256('a' || p) AS account, sha256('c' || p || '/' || c) AS cookie
    FROM range({n}) r(p), range({cookies}) s(c)
)
"""
_IDENTITIES = """
SELECT key AS subject_key, kind AS subject_kind, {own} AS subject_id, {whose} AS customer_id, linked_date,
    false AS is_shared, false AS is_capped, DATE '2026-01-01' AS valid_from_date, NULL::DATE AS valid_to_date,
    'run' AS run_id
FROM (
    SELECT sha256('a' || p) AS key, 'account' AS kind, sha256('a' || p) AS account, NULL::DATE AS linked_date
    FROM range({n}) r(p)
    UNION ALL
    SELECT sha256('c' || p || '/' || c), 'cookie', sha256('a' || p), DATE '2026-01-01' + (p % 100)::INTEGER + c::INTEGER
    FROM range({n}) r(p), range({cookies}) s(c)
)
"""
_FRESH = f"""
SELECT * REPLACE (DATE '2026-06-01' AS first_date) FROM (
    SELECT least(one, two) AS subject_key, if(one < two, 'account', kind) AS subject_kind,
        greatest(one, two) AS other_key, if(one < two, kind, 'account') AS other_kind,
        DATE '2026-06-01' AS first_date, 'new' AS file_id
    FROM (
        SELECT sha256('a' || p) AS one, sha256('new' || p) AS two, 'cookie' AS kind FROM range({_N_FRESH // 2}) r(p)
        UNION ALL
        SELECT sha256('a' || 2 * p), sha256('a' || (2 * p + 1)), 'account' FROM range({_N_FRESH // 2}) r(p)
    )
)
"""


@contextmanager
def row(n_runs: int = 3) -> Iterator[Row]:
    """The same new links of the same people: new cookies, and accounts that are merged by two."""
    OUT.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=OUT, prefix="links-") as scratch:
        folder = Path(scratch)
        spark = root_in(folder, "root").spark
        sizes = [20_000, 200_000, 2_000_000, 10_000_000]
        first, last = sizes[0], sizes[-1]
        known = {n_links: _graph(spark, folder / str(n_links), n_links // _COOKIES) for n_links in sizes}
        names = {n_links: f"{n_links:,} links known" for n_links in sizes}
        try:
            yield Row(
                name="few_links",
                doc=f"{_N_FRESH:,} new links, and whose ids are whose by them, where {first:,} to {last:,} links "
                f"were known before, of customers with an account and {_COOKIES} cookies each. The same rows come out.",
                variants=[Variant(names[n_links], partial(_run, known[n_links])) for n_links in sizes],
                difference=equal,
                peer=names[first],
                n_runs=n_runs,
                n_warm_ups=1,
                notes={"spark": spark.version, "duckdb": duckdb.__version__},
            )
        finally:
            spark.stop()


def _graph(spark: SparkSession, folder: Path, n_people: int) -> IdFiles:
    asked = {"n": n_people, "cookies": _COOKIES}
    ids = {"own": customer_id_sql("key"), "whose": customer_id_sql("account")}
    links = _written(spark, folder / "links", silver.LINKS, _LINKS.format(**asked))
    identities = _written(spark, folder / "identities", silver.IDENTITIES, _IDENTITIES.format(**asked, **ids))
    return IdFiles(links, identities, ["file"], folder / "scratch")


def _written(spark: SparkSession, folder: Path, spec: TableSpec, rows: str) -> Files:
    folder.mkdir(parents=True)
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(f"CREATE TEMP VIEW made AS SELECT *, hash(subject_key) % {_FILES} AS file_no FROM ({rows})")
        for number in range(_FILES):
            mixed = "ORDER BY hash(subject_key)"  # those that are asked for do not lie together
            chosen = f"SELECT * EXCLUDE (file_no) FROM made WHERE file_no = {number} {mixed}"
            connection.execute(f"COPY ({chosen}) TO '{folder}/{number}.parquet' (FORMAT parquet)")
    kinds = {column.name: column.type for column in spec.columns}
    return Files(spark, [str(path) for path in sorted(folder.glob("*.parquet"))], kinds)


def _run(files: IdFiles) -> Sample:
    with duckdb.connect() as connection:
        told: pa.Table = connection.sql(_FRESH).to_arrow_table()
    with files.opened() as known:
        fresh = known.news(told).select(Link._fields)
        found = sorted(updated((Link(**row) for row in fresh.to_pylist()), known, IdentityRules()))
    return Sample(found, [{"new links": fresh.num_rows, "rows that changed": len(found)}])
