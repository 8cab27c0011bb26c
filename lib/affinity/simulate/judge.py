"""Found beside planted: published tables held against the truth of the shop that their events came from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from pathlib import Path

import numpy as np
from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from affinity.core.errors import BadInput
from affinity.metrics.agreement import adjusted_rand_index, pair_scores
from affinity.metrics.classification import classification_metrics, probability_metrics
from affinity.metrics.ranking import mean_ranking, ranking_at_k
from affinity.privacy.columns import customer_id, subject_key
from affinity.simulate.ceilings.segments import MIN_VISIT_DAYS
from affinity.simulate.ceilings.tastes import TOP_K

ID_KINDS = ("account", "card", "email", "cookie", "device")
_TABLES = ("segment_labels", "states", "relevant_items", "complements", "traps", "identities")
MIN_LIFT = 1.2
"""A planted pair is to be found, and a trap is stepped into, from this lift up."""


@dataclass(frozen=True)
class Finding:
    """One figure of what was found, between a naive answer and the best possible one on the same rows."""

    task: str
    metric: str
    found: float | None
    naive: float | None
    ceiling: float | None
    n: int
    note: str


def judged(published: Mapping[str, DataFrame], truth: Mapping[str, DataFrame], who: DataFrame) -> list[Finding]:
    """Hold identities, segments, rules, recommendations and propensities of one date against the truth.

    ``published`` and ``truth`` hold tables by name, as of the same date, those of identities as they are now:
    ``identities`` are subject_key with customer_id and naive_customer_id, ``subjects`` are those of ``subjects_of``.
    ``who`` maps customer_id to customer, one row per pair. Every comparison is made on the rows that both sides have,
    so that found, naive and ceiling are of the same customers; tables that are missing in ``published`` are passed
    over. What comes to the driver are counts and means.
    """
    judges = {
        "identities": _identities,
        "customer_segments": _segments,
        "association_rules": _rules,
        "recommendations": _recommendations,
        "propensity_scores": _propensity,
    }
    return [
        finding
        for table, judge in judges.items()
        if table in published
        for finding in judge(published[table], truth, who)
    ]


def truth_frames(spark: SparkSession, truth: Path) -> tuple[dict[str, DataFrame], date]:
    """The tables of a truth area that answers are held against, cut at their common date; and that date.

    Raises:
        BadInput: the folder is no truth area, or its span was too short for any window.
    """
    missing = [name for name in _TABLES if not (truth / name / "_delta_log").is_dir()]
    if missing:
        raise BadInput(
            f"{truth} does not hold the tables {', '.join(missing)}. Expected the truth area of a shop that was "
            "simulated from its first day on: <out>/truth of `affinity simulate --out <out>`."
        )
    frames = {name: spark.read.format("delta").load(str(truth / name)) for name in _TABLES}
    day = frames["segment_labels"].agg(F.max("as_of_day")).collect()[0][0]
    states = frames["states"].where(F.col("as_of_day") == day)
    as_of: date = states.agg(F.max("as_of")).collect()[0][0]
    return {**frames, "states": states}, as_of


def customers_of(identities: DataFrame, key_file: str) -> DataFrame:
    """customer_id → customer of everybody's accounts: the ids of the truth made to tokens as ingestion makes them."""
    accounts = identities.where(F.col("kind") == "account")
    token = subject_key(F.col("id"), "account", key_file)
    return accounts.select(customer_id(token).alias("customer_id"), "customer").distinct()


def subjects_of(identities: DataFrame, key_file: str) -> DataFrame:
    """subject_key → customer, is_recoverable, of all ids by which one person alone can be met."""
    tokens = [
        identities.where(F.col("kind") == kind).withColumn("subject_key", subject_key(F.col("id"), kind, key_file))
        for kind in ID_KINDS
    ]
    people = (
        reduce(DataFrame.unionByName, tokens)
        .groupBy("subject_key")
        .agg(
            F.min("customer").alias("customer"),
            F.bool_or("recoverable").alias("is_recoverable"),
            F.count_distinct("customer").alias("n_customers"),
        )
    )
    return people.where("n_customers = 1").drop("n_customers")  # what a family shares belongs to none of them


def _identities(found: DataFrame, truth: Mapping[str, DataFrame], _who: DataFrame) -> Iterator[Finding]:
    known = truth["subjects"].persist()
    try:
        ours = pair_scores(found, known)
        naive = pair_scores(found.select("subject_key", F.col("naive_customer_id").alias("customer_id")), known)
    finally:
        known.unpersist()
    note = "every link taken for proof"
    for metric, n in (("pair_precision", "n_pairs_found"), ("pair_recall", "n_pairs_recoverable")):
        yield Finding("identities", metric.replace("_", " "), ours[metric], naive[metric], 1.0, int(ours[n]), note)


def _segments(found: DataFrame, truth: Mapping[str, DataFrame], who: DataFrame) -> Iterator[Finding]:
    labels = truth["segment_labels"].where((F.col("visit_days") >= MIN_VISIT_DAYS) & (F.col("n_orders") > 0))
    rows = found.join(who, on="customer_id", how="inner").join(labels, on="customer", how="inner")
    classes = F.floor(F.log2(F.col("n_orders"))).cast("int")
    counted = rows.groupBy("archetype", "bayes_archetype", "segment_id", classes.alias("class")).count().collect()
    index = {name: _rand(counted, name) for name in ("segment_id", "class", "bayes_archetype")}
    n = sum(row["count"] for row in counted)
    note = "classes by number of orders; archetypes by the best observer"
    yield Finding(
        "segments", "adjusted Rand index", index["segment_id"], index["class"], index["bayes_archetype"], n, note
    )


def _rand(counted: Sequence[Row], by: str) -> float:
    """Agreement of one labelling with the archetypes, from counts by label and archetype."""
    rows = [(row[by], row["archetype"], row["count"]) for row in counted]
    labels, archetypes = sorted({row[0] for row in rows}), sorted({row[1] for row in rows})
    table = np.zeros((max(len(labels), 1), max(len(archetypes), 1)), np.int64)
    for label, archetype, count in rows:
        table[labels.index(label), archetypes.index(archetype)] += count
    return adjusted_rand_index(table)


def _rules(found: DataFrame, truth: Mapping[str, DataFrame], _who: DataFrame) -> Iterator[Finding]:
    single = found.where(F.size("antecedent") == 1).select(
        F.col("antecedent")[0].alias("antecedent"), "consequent", F.col("confidence").alias("counted"), "lift"
    )
    planted = truth["complements"].where(F.col("lift") >= MIN_LIFT).drop("lift")
    paired = planted.join(single, on=["antecedent", "consequent"], how="left")
    gap = F.abs(F.col("counted") - F.col("confidence"))
    row = paired.agg(F.count("*").alias("n"), F.count("counted").alias("n_found"), F.avg(gap).alias("gap")).collect()[0]
    share = row["n_found"] / row["n"] if row["n"] else None
    yield Finding("rules", "planted pairs found", share, 0.0, 1.0, row["n"], f"pairs of lift {MIN_LIFT} or more")
    if row["n_found"]:
        yield Finding("rules", "error of their confidence", row["gap"], None, 0.0, row["n_found"], "mean absolute")
    traps = truth["traps"].select(F.col("a").alias("antecedent"), F.col("b").alias("consequent"))
    both_ways = traps.unionByName(
        traps.select(F.col("consequent").alias("antecedent"), F.col("antecedent").alias("consequent"))
    )
    caught = single.where(F.col("lift") >= MIN_LIFT).join(both_ways, on=["antecedent", "consequent"], how="left_semi")
    pairs = F.array_sort(F.array("antecedent", "consequent"))
    n_caught, n_traps = caught.select(pairs).distinct().count(), truth["traps"].count()
    yield Finding(
        "rules",
        "traps taken for rules",
        n_caught / n_traps if n_traps else None,
        None,
        0.0,
        n_traps,
        f"at lift {MIN_LIFT}",
    )


def _recommendations(found: DataFrame, truth: Mapping[str, DataFrame], who: DataFrame) -> Iterator[Finding]:
    known = found.select("customer_id").distinct().join(who, on="customer_id", how="inner")
    rows = truth["relevant_items"].join(known, on="customer", how="inner")
    relevant = rows.select("customer_id", F.explode("items").alias("item_id"))
    means = mean_ranking(ranking_at_k(found, relevant, k=TOP_K))
    best = rows.agg(
        F.count("*").alias("n"), F.avg("popularity").alias("naive"), F.avg("oracle").alias("oracle")
    ).collect()[0]
    note = "most bought items; the true chances"
    yield Finding("recommendations", f"nDCG@{TOP_K}", means.get("ndcg"), best["naive"], best["oracle"], best["n"], note)


def _propensity(found: DataFrame, truth: Mapping[str, DataFrame], who: DataFrame) -> Iterator[Finding]:
    days = found.select("horizon_days").first()
    if days is None or f"p_{days[0]}" not in truth["states"].columns:
        return
    horizon = days[0]
    states = truth["states"].where(F.col("has_bought") & F.col(f"p_{horizon}").isNotNull())
    rows = found.join(who, on="customer_id", how="inner").join(
        states.select("customer", "recency", f"p_{horizon}", F.col(f"bought_{horizon}").cast("double").alias("label")),
        on="customer",
        how="inner",
    ).persist()  # fmt: skip
    try:
        model, best = (_judged(rows, score) for score in (F.col("probability"), F.col(f"p_{horizon}")))
        recency = _judged(rows, 1 / (1 + F.col("recency")))
        rate = rows.agg(F.avg("label")).collect()[0][0]
        flat = (
            probability_metrics(rows.select("label", F.lit(rate).cast("double").alias("probability"))) if rate else {}
        )
    finally:
        rows.unpersist()
    n = int(model["n"])
    note = f"{horizon} days; recency alone; the true chances"
    yield Finding("propensity", "AUC", model.get("auc"), recency.get("auc"), best.get("auc"), n, note)
    if flat and flat["log_loss"] > best["log_loss"]:
        gain = (flat["log_loss"] - model["log_loss"]) / (flat["log_loss"] - best["log_loss"])
        yield Finding(
            "propensity", "share of the gain", gain, 0.0, 1.0, n, "log-loss, from prevalence to the true chances"
        )


def _judged(rows: DataFrame, score: Column) -> dict[str, float]:
    return classification_metrics(rows.select("label", score.cast("double").alias("probability")))
