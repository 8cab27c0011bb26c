"""Whose events are whose: from the ids of one log to customers."""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def holding(changes: DataFrame) -> DataFrame:
    """The rows of silver.identity_changes that hold: of each id the last."""
    ended = changes.where("change_no > 1").select("subject_key", (F.col("change_no") - 1).alias("change_no"))
    return changes.join(ended, on=["subject_key", "change_no"], how="left_anti").select(*changes.columns)


def known_before(identities: DataFrame, as_of: date) -> DataFrame:
    """Whose subjects are that are not their own: rows that hold → ``subject_id`` (unique), ``customer_id``.

    By links that were seen before ``as_of`` alone: one that was first seen on the day somebody bought would tell of the
    purchase. An id whose customer came to be known later is a customer of its own until then.
    """
    return identities.where(F.col("linked_date") < F.lit(as_of)).select("subject_id", "customer_id")


def of_customers(rows: DataFrame, identities: DataFrame, as_of: date) -> DataFrame:
    """Rows with ``subject_id`` → the same and ``customer_id``, by what was known before ``as_of``.

    ``identities`` are the rows that hold, one per subject_id. A subject that is not among them is a customer of its
    own; where there is no subject, there is no customer.
    """
    mapped = rows.join(known_before(identities, as_of), on="subject_id", how="left")
    return mapped.select(*rows.columns, F.coalesce("customer_id", "subject_id").alias("customer_id"))


def still_apart(customers: DataFrame, identities: DataFrame, as_of: date) -> DataFrame:
    """Rows of customers of a slice → those who are no other's, by links from before ``as_of`` that came since.

    Columns in and out: any, with ``customer_id``; ``identities`` are the rows that hold.
    """
    others = known_before(identities, as_of).where("subject_id <> customer_id")
    return customers.join(others.select(F.col("subject_id").alias("customer_id")), on="customer_id", how="left_anti")


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


def dated(changed: DataFrame, current: DataFrame, day: date) -> DataFrame:
    """Rows of silver.identity_changes, without ``run_id``, by which a change of ``day`` is told.

    ``changed`` are ids with whose they are from then on: the columns of ``algorithms.identities.resolved``; ``current``
    what held of them. A change holds from ``day`` or, where what it replaces began later because files came out of
    order, from the day on which that began.
    """
    held = current.select("subject_key", F.col("valid_from_date").alias("began"), F.col("change_no").alias("n_before"))
    return changed.join(held, on="subject_key", how="left").select(
        *changed.columns,
        F.greatest(F.lit(day), "began").alias("valid_from_date"),
        (F.coalesce("n_before", F.lit(0)) + 1).alias("change_no"),
    )
