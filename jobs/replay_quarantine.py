"""Rejected lines of landed files → bronze.events, where a corrected mapping takes them now."""

from affinity.core.vocabulary import Feed
from affinity.features.readings import taken
from affinity.io.entry import main
from affinity.io.job import Inputs, Job, Kind, Outputs
from affinity.io.quarantine import ReplaySettings
from affinity.tables import bronze, ops


def transform(inputs: Inputs, settings: ReplaySettings) -> Outputs:
    """Choose the lines that were rejected for the reason and are taken now."""
    return Outputs({bronze.EVENTS: taken(inputs.rows, inputs[bronze.EVENTS], settings.reason)})


JOB = Job(
    name="replay_quarantine",
    kind=Kind.REPLAY,
    doc="Read lines again that were rejected for one reason, and add those that the mapping now takes, once.",
    reads=(bronze.EVENTS, ops.DISPOSITIONS),
    writes=(bronze.EVENTS,),
    settings=ReplaySettings,
    transform=transform,
    feed=Feed.EVENTS,
)


if __name__ == "__main__":
    main(JOB)
