"""A small published root, written by delta-rs from the specifications: no JVM, and every figure by hand.

Two customers, ann (raw id 17850) and bob (17851), and one anonymous visitor. Slices of 2011-08-25 (features only) and
2011-09-01 are released; rows of 2011-09-02 were written by a run that died before its release.
"""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from affinity.io.config import load_config
from affinity.io.ops import OpsStore
from affinity.io.root import Root, open_root
from affinity.privacy.tokens import customer_id_of, read_key, token
from affinity.tables import gold, ops, silver
from affinity.tables.spec import TableSpec

AS_OF, BEFORE, UNRELEASED = date(2011, 9, 1), date(2011, 8, 25), date(2011, 9, 2)
AT = datetime(2011, 8, 31, 9, tzinfo=UTC)
_TYPES = {
    "string": pa.string(),
    "bigint": pa.int64(),
    "int": pa.int32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "decimal(18,4)": pa.decimal128(18, 4),
    "array<string>": pa.list_(pa.string()),
}
_FILLED = {
    "string": "x",
    "bigint": 1,
    "int": 1,
    "double": 0.5,
    "boolean": True,
    "date": AS_OF,
    "timestamp": AT,
    "decimal(18,4)": Decimal(0),
    "array<string>": [],
}


def customer_of(root: Root, raw: str) -> str:
    """The pseudonym of a raw id."""
    return customer_id_of(token(read_key(root.key_file), "customer", raw))


def write(root: Root, spec: TableSpec, *rows: dict[str, Any], without: str = "") -> None:
    """Append rows in one commit; what they leave out is null, or a filler where null is not allowed."""
    columns = [column for column in spec.columns if column.name != without]
    schema = pa.schema([pa.field(column.name, _TYPES[column.type], column.nullable) for column in columns])
    filled = [{c.name: row.get(c.name, None if c.nullable else _FILLED[c.type]) for c in columns} for row in rows]
    table = pa.Table.from_pylist(filled, schema=schema)
    write_deltalake(str(root.table(spec)), table, mode="append", partition_by=list(spec.partition_by) or None)


def release(root: Root, spec: TableSpec, version: int, *slices: date | None, run_id: str = "run") -> None:
    """Let readers see a version."""
    stamp = {"table_version": version, "digest": None, "is_maintenance": False, "released_ts": AT, "run_id": run_id}
    rows = [{**stamp, "table_name": spec.full_name, "slice_date": day} for day in slices]
    OpsStore(root).append(ops.RELEASES, rows)


def publish(path: Path) -> Root:
    """Make the root at ``path``."""
    root = open_root(load_config(overrides=[f"store.root={path}"]), create=True)
    ann, bob = customer_of(root, "17850"), customer_of(root, "17851")
    _silver(root, ann, bob)
    _gold(root, ann, bob)
    _ops(root)
    return root


def _silver(root: Root, ann: str, bob: str) -> None:
    for raw, customer_id in (("17850", ann), ("17851", bob)):
        key = token(read_key(root.key_file), "customer", raw)
        ids = {"subject_id": customer_id, "customer_id": customer_id}
        write(root, silver.IDENTITY_CHANGES, {"subject_key": key, "subject_kind": "customer", **ids})
        write(root, silver.CUSTOMERS, {"subject_id": customer_id, "country": "France", "observed_date": BEFORE})
    release(root, silver.IDENTITY_CHANGES, 1, None)
    release(root, silver.CUSTOMERS, 1, BEFORE)
    items = [("tea", "Tea", True), ("cup", "Cup", True), ("mug", "=Mug", True), ("POST", "Postage", False)]
    named = ("item_id", "description", "is_recommendable")
    days = {"observed_date": BEFORE, "observed_ts": AT}
    write(root, silver.ITEMS, *({**days, **dict(zip(named, item, strict=True))} for item in items))
    release(root, silver.ITEMS, 0, BEFORE)
    money = {"event_date": date(2011, 8, 31), "event_ts": AT, "currency": "GBP"}
    bought, returned = {**money, "event_type": "purchase"}, {**money, "event_type": "return"}
    write(
        root,
        silver.EVENTS,
        {**bought, "event_id": "1", "subject_id": ann, "order_id": "o1", "amount": Decimal(60)},
        {**bought, "event_id": "2", "subject_id": ann, "order_id": "o2", "amount": Decimal(30)},
        {**returned, "event_id": "3", "subject_id": ann, "order_id": "o3", "amount": Decimal(10)},
        {**bought, "event_id": "4", "subject_id": bob, "order_id": "o4", "amount": Decimal(30)},
        {**bought, "event_id": "5", "order_id": "o5", "amount": Decimal("2.5")},
    )
    release(root, silver.EVENTS, 0, date(2011, 8, 31))
    write(root, silver.EVENTS, {**money, "event_id": "6", "event_date": UNRELEASED, "event_type": "purchase"})


def _gold(root: Root, ann: str, bob: str) -> None:
    day = {"as_of_date": AS_OF}
    spent = {"monetary_amount": Decimal(90), "returns_amount": Decimal(10), "net_amount": Decimal(80)}
    write(root, gold.CUSTOMER_FEATURES, {"as_of_date": BEFORE, "customer_id": ann, "currency": "GBP"})
    write(
        root,
        gold.CUSTOMER_FEATURES,
        {**day, **spent, "customer_id": ann, "currency": "GBP"},
        {**day, "customer_id": bob, "monetary_amount": Decimal(30), "net_amount": Decimal(30), "currency": "GBP"},
    )
    release(root, gold.CUSTOMER_FEATURES, 1, BEFORE, AS_OF)
    for number, (customer_id, amount, probability) in enumerate(((ann, 90, 0.9), (bob, 30, 0.2)), start=1):
        share = {"customers_share": 1 / 2, "monetary_share": amount / 120, "monetary_mean_amount": Decimal(amount)}
        segment = {**day, "segment_id": number}
        write(root, gold.CUSTOMER_SEGMENTS, {**segment, "customer_id": customer_id, "model_version": "1"})
        named = {"segment_name": f"segment <{number}>", "currency": "GBP"}
        write(root, gold.SEGMENT_PROFILES, {**segment, **share, **named})
        score = {"probability": probability, "decile": number, "horizon_days": 92, "model_version": "1"}
        write(root, gold.PROPENSITY_SCORES, {**day, **score, "customer_id": customer_id})
        shown = {"item_id": "mug", "strategy": "als", "model_version": "1"}
        write(root, gold.RECOMMENDATIONS, {**day, **shown, "customer_id": customer_id})
    rule = {**day, "n_baskets": 4, "support": 0.4, "confidence": 0.8, "lift": 2.0, "leverage": 0.2}
    write(
        root,
        gold.ASSOCIATION_RULES,
        {**rule, "antecedent": ["tea"], "antecedent_key": "tea", "consequent": "cup"},
        {**rule, "antecedent": ["cup"], "antecedent_key": "cup", "consequent": "tea", "confidence": 0.5},
        {**rule, "antecedent": ["tea"], "antecedent_key": "tea", "consequent": "POST", "leverage": 0.9},
    )
    for spec in (gold.CUSTOMER_SEGMENTS, gold.SEGMENT_PROFILES, gold.PROPENSITY_SCORES, gold.RECOMMENDATIONS):
        release(root, spec, 1, AS_OF)
    release(root, gold.ASSOCIATION_RULES, 0, AS_OF)
    write(root, gold.RECOMMENDATIONS, {"as_of_date": UNRELEASED, "customer_id": ann})


def _ops(root: Root) -> None:
    counts = {"n_rows": 7, "n_accepted": 5, "n_duplicate": 1, "n_filtered": 0, "n_quarantined": 1}
    landed = {"source": "online_retail", "feed": "events", "file_date": date(2011, 8, 31), "state": "cleaned"}
    write(root, ops.FILES, {**landed, **counts, "defects": '{"customer_missing":1,"cancellation":2}'})
    release(root, ops.FILES, 0, None)
    audit = {"table_name": "gold.recommendations", "severity": "critical"}
    write(root, ops.QUALITY_RESULTS, {**audit, "is_success": True}, {**audit, "check_name": "y", "is_success": False})
    store = OpsStore(root)
    propensity = {"n": 2.0, "auc": 0.75, "recency_auc": 0.5, "base_rate": 0.5, "brier": 0.1, "recency_brier": 0.2}
    recommender = {"n_customers": 2.0, "als_ndcg": 0.2, "popularity_ndcg": 0.1, "ndcg_difference": 0.1}
    interval = {"ndcg_difference_low": -0.05, "ndcg_difference_high": 0.25}
    ended: dict[str, tuple[str, int, dict[str, float] | None]] = {
        "train_propensity": ("done", 0, propensity),
        "train_recommender": ("done", 0, recommender | interval),
        "mine_rules": ("failed", 3, None),
    }
    for number, (job, (status, code, metrics)) in enumerate(ended.items()):
        started, final = AT.replace(minute=number), AT.replace(minute=number, second=30)
        store.append(ops.RUNS, [_run(job, status="started", at_ts=started)])
        end = {"duration_secs": 30.0, "exit_code": code, "metrics": json.dumps(metrics) if metrics else None}
        store.append(ops.RUNS, [_run(job, status=status, at_ts=final, **end)])
    store.append(ops.RUNS, [_run("maintain_tables", status="started", at_ts=AT.replace(minute=50))])
    stamp = {"table_version": 1, "slice_date": AS_OF, "is_maintenance": False, "released_ts": AT}
    for name in ("propensity", "recommender"):
        store.append(ops.RELEASES, [{**stamp, "table_name": f"models.{name}", "run_id": f"run-train_{name}"}])


def _run(job: str, **given: Any) -> dict[str, Any]:
    fixed = {"run_id": f"run-{job}", "attempt_id": job, "job": job, "as_of_date": AS_OF}
    said = {"settings": "{}", "inputs": "{}", "code_version": "1", "config_digest": "d"}
    return dict.fromkeys(ops.RUNS.column_names) | fixed | said | given
