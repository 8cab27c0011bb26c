"""A hundred million events through ingest, clean and features."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.harness import Row
from tests.bench.scale import scale_row


@contextmanager
def row() -> Iterator[Row]:
    """The shop `large`; it takes an hour and 60 GB of disk."""
    with scale_row("scale_large", ["large"]) as made:
        yield made
