"""All tables: retention from the specification, compaction, and removal of files nothing needs."""

from affinity.core.settings import Settings
from affinity.io.entry import main
from affinity.io.job import Inputs, Job, Kind, Outputs
from affinity.tables.catalog import SPARK_TABLES


def transform(_inputs: Inputs, _settings: Settings) -> Outputs:
    """Maintenance changes files, not rows: there is nothing to transform."""
    return Outputs()


JOB = Job(
    name="maintain_tables",
    kind=Kind.MAINTAIN,
    doc="Drop rows past their retention, compact, and remove old files, under the leases.",
    reads=(),
    writes=SPARK_TABLES,
    settings=Settings,
    transform=transform,
)


if __name__ == "__main__":
    main(JOB)
