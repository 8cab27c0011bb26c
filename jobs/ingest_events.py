"""Landed files → bronze.events: every line once, people as tokens."""

from affinity.core.settings import Settings
from affinity.core.vocabulary import Feed
from affinity.features.landed import events
from affinity.features.lines import parsed
from affinity.io.entry import main
from affinity.io.job import Inputs, Job, Kind, Outputs
from affinity.tables import bronze


def transform(inputs: Inputs, _settings: Settings) -> Outputs:
    """Parse, tokenise and type the lines."""
    rows = parsed(inputs.lines, inputs.source_mapping, key_file=str(inputs.key_file))
    return Outputs({bronze.EVENTS: events(rows, inputs.source_mapping, business_zone=inputs.business_zone)})


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
