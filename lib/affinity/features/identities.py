"""Whose events are whose: from the ids of one log to customers."""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def known_before(identities: DataFrame, as_of: date) -> DataFrame:
    """Whose subjects are that are not their own: silver.identities → ``subject_id`` (unique), ``customer_id``.

    By links that were seen before ``as_of`` alone: one that was first seen on the day somebody bought would tell of the
    purchase. An id whose customer came to be known later is a customer of its own until then.
    """
    holding = F.col("valid_to_date").isNull() & (F.col("linked_date") < F.lit(as_of))
    return identities.where(holding).select("subject_id", "customer_id")


def of_customers(rows: DataFrame, identities: DataFrame, as_of: date) -> DataFrame:
    """Rows with ``subject_id`` → the same and ``customer_id``, by what was known before ``as_of``.

    ``identities`` are rows of silver.identities; of those that hold today one per subject_id. A subject that is not
    among them is a customer of its own; where there is no subject, there is no customer.
    """
    mapped = rows.join(known_before(identities, as_of), on="subject_id", how="left")
    return mapped.select(*rows.columns, F.coalesce("customer_id", "subject_id").alias("customer_id"))


def changed(all_of_them: DataFrame, current: DataFrame) -> DataFrame:
    """What is new or differs when all ids were resolved anew, of ids without a link left that they are their own."""
    columns = all_of_them.columns
    known = current.select(*columns)
    unlinked = known.join(all_of_them, on="subject_key", how="left_anti").withColumns(
        {
            "customer_id": F.col("subject_id"),
            "linked_date": F.lit(None).cast("date"),
            "is_shared": F.lit(False),
            "is_capped": F.lit(False),
        }
    )
    return all_of_them.unionByName(unlinked).exceptAll(known)


def dated(changed: DataFrame, identities: DataFrame, day: date) -> DataFrame:
    """Rows of silver.identities, without ``run_id``, that a change of ``day`` adds or ends.

    ``changed`` are ids with whose they are from then on: the columns of ``algorithms.identities.resolved``. What held
    of them until then ends on ``day``, or, where it began later because files came out of order, on the day on which it
    began; what began on that day is replaced.
    """
    holding = identities.where(F.col("valid_to_date").isNull())
    began = holding.select("subject_key", F.greatest("valid_from_date", F.lit(day)).alias("valid_from_date"))
    begun = (
        changed.join(began, on="subject_key", how="left")
        .withColumn("valid_from_date", F.coalesce("valid_from_date", F.lit(day)))
        .withColumn("valid_to_date", F.lit(None).cast("date"))
    )
    days = begun.select("subject_key", F.col("valid_from_date").alias("day"))
    ended = holding.join(days, on="subject_key", how="inner").where(F.col("valid_from_date") < F.col("day"))
    return begun.unionByName(ended.withColumn("valid_to_date", F.col("day")).select(*begun.columns))
