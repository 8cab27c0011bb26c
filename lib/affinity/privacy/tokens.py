"""Tokens for people: raw ids become keyed digests before anything is written."""

import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.functions import arrow_udf

from affinity.core.errors import BadInput
from affinity.core.source import Subject

KEY_VERSION = "1"
_MIN_KEY_BYTES = 32


def read_key(key_file: str | Path) -> bytes:
    """The secret of the mounted key file, at least 32 bytes written as hexadecimal.

    Raises:
        BadInput: the file is missing, is not hexadecimal, or the key is too short. The message never holds the key.
    """
    path = Path(key_file)
    if not path.is_file():
        raise BadInput(
            f"Key file {path} is missing. Expected a file of at least {2 * _MIN_KEY_BYTES} hexadecimal digits; "
            "mount the key this root was created with, or set privacy.key_file to where it is."
        )
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        key = b""
    if len(key) < _MIN_KEY_BYTES:
        raise BadInput(
            f"Key file {path} does not hold a key. Expected at least {2 * _MIN_KEY_BYTES} hexadecimal digits; "
            "`openssl rand -hex 32` makes one."
        )
    return key


def fingerprint(key: bytes) -> str:
    """What may be stored of a key: enough to tell another one, nothing to compute tokens with."""
    return hmac.new(key, b"affinity key fingerprint", hashlib.sha256).hexdigest()[:16]


def token(key: bytes, kind: str, canonical_id: str) -> str:
    """HMAC-SHA256 (RFC 2104) of key version, id kind and canonical id, in hexadecimal.

    >>> token(b"k" * 32, "customer", "17850") == token(b"k" * 32, "customer", "17850")
    True
    >>> token(b"k" * 32, "customer", "17850") == token(b"k" * 32, "card", "17850")
    False
    """
    message = "\x1f".join((KEY_VERSION, kind, canonical_id)).encode("utf-8", "surrogatepass")
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def canonical_id(raw: Column, subject: Subject) -> Column:
    """The one spelling of an id: trimmed; ``integer`` drops a zero fraction; blank, ``null`` and ``nan`` are null."""
    trimmed = F.trim(raw)
    spelled = F.regexp_replace(trimmed, r"^(\d+)\.0*$", "$1") if subject.canonical == "integer" else trimmed
    return F.when(~F.lower(trimmed).isin("", "null", "none", "nan"), spelled)


def canonical_text(raw: str, subject: Subject) -> str:
    """``canonical_id`` for one id outside Spark.

    >>> canonical_text(" 17850.0 ", Subject(column="c", kind="customer", canonical="integer"))
    '17850'
    """
    trimmed = raw.strip(" ")
    whole, _, fraction = trimmed.partition(".")
    if subject.canonical == "integer" and whole.isdecimal() and not fraction.strip("0"):
        return whole
    return trimmed


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


def customer_id_of(key: str) -> str:
    """``customer_id`` for one token outside Spark.

    >>> customer_id_of("00ff")
    'c1e2baa8cd57d5f4a66f8dd1b'
    """
    return "c" + hashlib.sha256(f"customer:{key}".encode()).hexdigest()[:24]
