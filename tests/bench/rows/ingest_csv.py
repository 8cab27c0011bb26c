"""CSV to typed bronze beside DuckDB with delta-rs and Spark's own reading."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.bench.harness import Row
from tests.bench.ingest import ingest_row


@contextmanager
def row(n_events: int = 10_000_000, n_files: int = 40) -> Iterator[Row]:
    """The whole job into a fresh root: read, audited, committed, noted in the manifest."""
    with ingest_row("csv", n_events, n_files) as made:
        yield made
