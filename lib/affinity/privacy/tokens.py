"""Tokens for people: keyed digests of ids, one id at a time and without Spark; ``columns`` has the Spark columns."""

import hashlib
import hmac
from pathlib import Path

from affinity.core.errors import BadInput
from affinity.core.source import Subject

KEY_VERSION = "1"
_MIN_KEY_BYTES = 32
_SMALL = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
NOBODY = frozenset(("", "null", "none", "nan", "undefined", "n/a", "-", "\\n", "(not set)"))


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
    return hmac.digest(key, message, "sha256").hex()


def canonical(raw: str, subject: Subject) -> str | None:
    """The one spelling of an id as a column or a person gives it; null where it is blank or a word for nobody.

    >>> subject = Subject(column="c", kind="customer", canonical="integer")
    >>> canonical(" 17850.0 ", subject), canonical("NaN", subject)
    ('17850', None)
    """
    trimmed = raw.strip(" ")
    small = trimmed.lower()
    if small in NOBODY or small in subject.nobody:
        return None
    if subject.canonical == "lowercase":
        return trimmed.translate(_SMALL)
    whole, _, fraction = trimmed.partition(".")
    if subject.canonical == "integer" and whole.isascii() and whole.isdecimal() and not fraction.strip("0"):
        return whole
    return trimmed


def customer_id_of(key: str) -> str:
    """``columns.customer_id`` for one token outside Spark.

    >>> customer_id_of("00ff")
    'c307b4f28877134fad5ada2d0'
    """
    return "c" + hashlib.sha256(f"customer:{key}".encode()).hexdigest()[:24]
