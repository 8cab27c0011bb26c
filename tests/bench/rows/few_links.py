"""A day of few new links: who is who, beside graphs of more and more links that were known before."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.transaction import AddAction, RemoveAction
from pyspark.sql import functions as F

from affinity.algorithms.identities import IdentityRules
from affinity.algorithms.identity_changes import changed_by_few, news_of_few
from affinity.features.known_ids import IdFiles, KnownIds
from affinity.io.platform import Platform
from affinity.privacy.columns import customer_id_sql
from affinity.tables import silver
from affinity.tables.spec import TableSpec
from tests.bench.events import OUT
from tests.bench.harness import Row, Sample, Variant, equal
from tests.bench.shop_runs import root_in

_N_FRESH = 1_000
_COOKIES = 4
_FILES = 8
_OF_IDS = (silver.LINKS, silver.IDENTITY_CHANGES)
_RUN = "night"
_DAY = date(2026, 6, 2)
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
    false AS is_shared, false AS is_capped, DATE '2026-01-01' AS valid_from_date, 1 AS change_no,
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
def row(n_runs: int = 5) -> Iterator[Row]:
    """The same new links of the same people: new cookies, and accounts that are merged by two."""
    OUT.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=OUT, prefix="links-") as scratch:
        folder = Path(scratch)
        sizes = [20_000, 200_000, 2_000_000, 10_000_000]
        first, last = sizes[0], sizes[-1]
        session = root_in(folder, "session").spark
        roots = {n_links: root_in(folder, str(n_links), session) for n_links in sizes}
        copied: dict[str, float] = {}
        for n_links, platform in roots.items():
            _know(platform, n_links // _COOKIES)
            begun = time.perf_counter()
            _known(platform)
            copied[f"copies of {n_links:,}, s"] = round(time.perf_counter() - begun, 2)
        names = {n_links: f"{n_links:,} links known" for n_links in sizes}
        try:
            yield Row(
                name="few_links",
                doc=f"{_N_FRESH:,} new links, and whose ids are whose by them, looked up and written, where {first:,} "
                f"to {last:,} links were known before, of customers with an account and {_COOKIES} cookies each. The "
                "same rows come out. Copies in which tokens are in order were made before.",
                variants=[Variant(names[n_links], partial(_night, roots[n_links])) for n_links in sizes],
                difference=equal,
                peer=names[first],
                n_runs=n_runs,
                n_warm_ups=1,
                notes={"spark": session.version, "duckdb": duckdb.__version__, **copied},
            )
        finally:
            session.stop()


def _know(platform: Platform, n_people: int) -> None:
    asked = {"n": n_people, "cookies": _COOKIES}
    ids = {"own": customer_id_sql("key"), "whose": customer_id_sql("account")}
    _fill(platform, silver.LINKS, _LINKS.format(**asked))
    _fill(platform, silver.IDENTITY_CHANGES, _IDENTITIES.format(**asked, **ids))


def _fill(platform: Platform, spec: TableSpec, rows: str) -> None:
    platform.store.ensure(spec)
    home = platform.root.table(spec)
    added: list[AddAction | RemoveAction] = []
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(f"CREATE TEMP VIEW made AS SELECT *, hash(subject_key) % {_FILES} AS file_no FROM ({rows})")
        for number in range(_FILES):
            mixed = "ORDER BY hash(subject_key)"  # those that are asked for do not lie together
            chosen = f"SELECT * EXCLUDE (file_no) FROM made WHERE file_no = {number} {mixed}"
            path = home / f"{number}.parquet"
            connection.execute(f"COPY ({chosen}) TO '{path}' (FORMAT parquet)")
            stats = json.dumps({"numRecords": pq.read_metadata(path).num_rows})
            added.append(AddAction(path.name, path.stat().st_size, {}, 0, data_change=True, stats=stats))
    table = DeltaTable(str(home))
    table.create_write_transaction(added, "append", table.schema())


def _known(platform: Platform) -> KnownIds:
    links, identities = (platform.store.files(spec, platform.store.version(spec)) for spec in _OF_IDS)
    return IdFiles(links, identities, ["file"], platform.root.index).opened()


def _night(platform: Platform) -> Sample:
    store, begun = platform.store, time.perf_counter()
    with duckdb.connect() as connection:
        told = platform.spark.createDataFrame(connection.sql(_FRESH).to_arrow_table())
    before = {spec: store.version(spec) for spec in _OF_IDS}
    known = _known(platform)
    fresh, n_fresh = news_of_few(told, known)
    changed = changed_by_few(fresh, known, IdentityRules(), _DAY)
    looked_up = time.perf_counter()
    found = {silver.LINKS: fresh, silver.IDENTITY_CHANGES: changed}
    staged = {spec: store.stage(frame.withColumn("run_id", F.lit(_RUN)), spec, _RUN) for spec, frame in found.items()}
    for spec, frame in staged.items():
        store.publish(frame, spec, _RUN, [])
    written = time.perf_counter()
    rows = sorted(map(str, staged[silver.IDENTITY_CHANGES].collect()))
    for spec, version in before.items():
        DeltaTable(str(platform.root.table(spec))).restore(version)
    seconds = {"looked up, s": looked_up - begun, "written, s": written - looked_up}
    return Sample(rows, [{"new links": n_fresh, "rows that changed": len(rows), **seconds}])
