"""A million events and ten million through ingest, clean and features."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.harness import Row
from tests.bench.scale import scale_row


@contextmanager
def row() -> Iterator[Row]:
    """The shop `small` and the shop `bench`."""
    with scale_row("scale", ["small", "bench"]) as made:
        yield made
