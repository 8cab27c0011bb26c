"""bronze.events → silver: one disposition for every line, and whose each id is."""

from affinity.algorithms.identities import IdentityRules, resolved
from affinity.algorithms.identity_changes import changed_anew, changed_by_few, news_of_few, news_of_many
from affinity.io.entry import main
from affinity.io.job import Inputs, Job, Kind, Outputs
from affinity.tables import bronze, ops, silver

_FEW_LINKS = 50_000
"""So many one process resolves with all that they concern: some ten kilobytes for each."""


def transform(inputs: Inputs, settings: IdentityRules) -> Outputs:
    """Learn from lines and statements whose ids are whose; the lines themselves are sorted where they lie."""
    standing, identities = inputs[silver.LINKS], inputs[silver.IDENTITY_CHANGES]
    known = inputs.known_ids.opened() if inputs.known_ids else None
    if known is not None and inputs.are_few:
        fresh, n_fresh = news_of_few(inputs.told, known)
    else:
        fresh, n_fresh = news_of_many(inputs.told, inputs.seen_again, standing)
    if known is not None and n_fresh <= _FEW_LINKS:
        changed = changed_by_few(fresh, known, settings, inputs.cut)
    elif n_fresh or inputs.is_anew:
        changed = changed_anew(standing.unionByName(fresh), identities, settings, inputs.cut)
    else:
        changed = identities.drop("run_id").limit(0)
    return Outputs({silver.LINKS: fresh, silver.IDENTITY_CHANGES: changed}, release=(fresh,))


JOB = Job(
    name="clean_events",
    kind=Kind.CLEAN,
    doc="Accept, filter, quarantine or recognise as duplicate every line of new files; judge anew what they take back.",
    reads=(bronze.EVENTS, silver.CUSTOMERS),
    writes=(
        silver.EVENTS,
        silver.SUBJECT_DAILY,
        silver.QUARANTINE,
        silver.LINKS,
        silver.IDENTITY_CHANGES,
        ops.DISPOSITIONS,
    ),
    settings=IdentityRules,
    transform=transform,
    resolve=resolved,
)


if __name__ == "__main__":
    main(JOB)
