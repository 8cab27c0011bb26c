"""What may be shown of a text that might tell of a person."""

import re

_MAX_SHAPE = 1000
_MAX_SHOWN = 40
_DIGIT = re.compile(r"\d")
_LETTER = re.compile(r"[^\W\d_]")


def masked(text: str) -> str:
    """What a text looks like without what it says: letters as a, digits as 9.

    >>> masked("Ann-17850 <ann@x.org>")
    'aaa-99999 <aaa@a.aaa>'
    """
    return _LETTER.sub("a", _DIGIT.sub("9", text[:_MAX_SHAPE]))


def shown(text: str) -> str:
    """The beginning of a value that could not be used: digits as 9, and words only where nothing but words is there.

    >>> shown("n/a"), shown("12,50"), shown("ann@x.org"), shown("AB12")
    ('n/a', '99,99', 'aaa@a.aaa', 'aa99')
    """
    start = text[:_MAX_SHOWN]
    return masked(start) if "@" in start or _DIGIT.search(start) else start
