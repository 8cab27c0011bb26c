"""Landed files → bronze.events: every line once, people as tokens."""

from affinity.core.settings import Settings
from affinity.core.vocabulary import Defect, Feed
from affinity.features.repeated import numbered
from affinity.io.entry import main
from affinity.io.job import Inputs, Job, Kind, Outputs
from affinity.reading.columns import event_feed
from affinity.reading.verdicts import rejecting
from affinity.tables import bronze


def transform(inputs: Inputs, _settings: Settings) -> Outputs:
    """Number the equal lines of files that were read in parts; rows of all others are written as they were read."""
    rejected_as = rejecting(event_feed(inputs.source_mapping)).get(Defect.REPEATED_LINE)
    return Outputs({bronze.EVENTS: numbered(inputs.rows, rejected_as)})


JOB = Job(
    name="ingest_events",
    kind=Kind.INGEST,
    doc="Read the landed files that the manifest does not know, each exactly once.",
    reads=(),
    writes=(bronze.EVENTS,),
    settings=Settings,
    transform=transform,
    feed=Feed.EVENTS,
)


if __name__ == "__main__":
    main(JOB)
