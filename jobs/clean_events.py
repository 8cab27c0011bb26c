"""bronze.events → silver: one disposition for every line, identities, and whose days changed."""

from affinity.core.settings import Settings
from affinity.features import cleaning
from affinity.io.entry import main
from affinity.io.job import Inputs, Job, Kind, Outputs
from affinity.tables import bronze, ops, silver


def transform(inputs: Inputs, _settings: Settings) -> Outputs:
    """Judge the lines of the touched days and sort them into events and quarantine."""
    rows = cleaning.judged(inputs[bronze.EVENTS], inputs.rivals)
    return Outputs(
        {
            silver.EVENTS: cleaning.accepted_events(rows),
            silver.QUARANTINE: cleaning.rejected_rows(rows),
            silver.IDENTITIES: cleaning.identities(rows),
            ops.DISPOSITIONS: cleaning.disposition_counts(rows),
            ops.TOUCHED: cleaning.touched(rows, inputs[silver.EVENTS]),
        },
        shared=(rows,),
    )


JOB = Job(
    name="clean_events",
    kind=Kind.CLEAN,
    doc="Accept, filter, quarantine or recognise as duplicate every line of the days that new files touch.",
    reads=(bronze.EVENTS,),
    writes=(silver.EVENTS, silver.QUARANTINE, silver.IDENTITIES, ops.DISPOSITIONS, ops.TOUCHED),
    settings=Settings,
    transform=transform,
)


if __name__ == "__main__":
    main(JOB)
