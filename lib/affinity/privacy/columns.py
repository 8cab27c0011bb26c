"""Columns that turn raw ids into tokens before anything is written."""

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.functions import arrow_udf  # type: ignore[attr-defined]  # missing in PySpark's own list

from affinity.privacy.tokens import read_key, token


def subject_key(canonical: Column, kind: str, key_file: str) -> Column:
    """Token of a canonical id; null where it is null.

    An Arrow function because ``hmac`` is no built-in of Spark 4.2 and a key literal would stand in every plan: here
    the plan holds the path only, and each Python worker reads the mounted file itself.
    """

    @arrow_udf("string")  # type: ignore[call-overload,untyped-decorator,unused-ignore]
    def tokenise(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
        key = read_key(key_file)
        for ids in batches:
            distinct = ids.dictionary_encode()
            tokens = [None if v is None else token(key, kind, v) for v in distinct.dictionary.to_pylist()]
            yield pa.array(tokens, pa.string()).take(distinct.indices)

    result: Column = tokenise(canonical)
    return result


def customer_id(key: Column) -> Column:
    """The customer that a token alone stands for, while identities are one to one; null for null."""
    return F.concat(F.lit("c"), F.substring(F.sha2(F.concat(F.lit("customer:"), key), 256), 1, 24))


def customer_id_sql(key: str) -> str:
    """``customer_id`` as DuckDB says it."""
    return f"'c' || left(sha256('customer:' || {key}), 24)"
