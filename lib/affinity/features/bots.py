"""Programs among the customers, of whom nothing is to be learnt; ``tables.views`` says what tells them."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def without_bots(rows: DataFrame, features: DataFrame) -> DataFrame:
    """The rows of people: nothing is to be learnt from programs.

    Columns in: ``rows`` with customer_id, null for anonymous ones, which stay; gold.customer_features. Bots are few:
    they are sent to every task.
    """
    known = features.where("is_bot").select("customer_id")
    return rows.join(F.broadcast(known), on="customer_id", how="left_anti")
