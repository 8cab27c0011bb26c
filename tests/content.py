"""What readers see of a root, whichever runs and files brought it: by it roots are compared."""

from collections.abc import Mapping
from types import MappingProxyType

from affinity.io.ask import ask
from affinity.io.root import Root
from affinity.tables import gold, ops, silver

CONTENT: Mapping[str, str] = MappingProxyType(
    {
        "silver.events": f"SELECT {', '.join(silver.EVENTS.digest_columns)}, customer_id FROM silver.events",
        "silver.quarantine": f"SELECT {', '.join(silver.QUARANTINE.digest_columns)} FROM silver.quarantine",
        "silver.customer_daily": "SELECT * FROM silver.customer_daily",
        # A witness that was corrected away stays in the table, and so does one before which an earlier came.
        "silver.links": "SELECT subject_key, other_key, min(first_date) AS first_date FROM silver.links SEMI JOIN "
        "(FROM ops.files WHERE state = 'cleaned') USING (file_id) GROUP BY ALL",
        "silver.identities": "SELECT subject_key, customer_id, linked_date, is_shared, is_capped "
        "FROM silver.identities WHERE valid_to_date IS NULL",
        "silver.customers": f"SELECT {', '.join(silver.CUSTOMERS.digest_columns)} FROM silver.customers",
        "ops.dispositions": f"SELECT {', '.join(ops.DISPOSITIONS.digest_columns)} FROM ops.dispositions",
        "gold.customer_features": f"SELECT {', '.join(gold.CUSTOMER_FEATURES.digest_columns)} "
        "FROM gold.customer_features_latest",
    }
)
"""Table or view → its rows; of identities those that hold, of features the newest."""


def digests(root: Root) -> dict[str, str]:
    """Of each, the number of rows and a sum of their digests, free of order."""
    return {name: digest_of(root, rows) for name, rows in CONTENT.items()}


def digest_of(root: Root, rows: str) -> str:
    """That of the rows of any statement."""
    said = f"SELECT count(*) || ' ' || sum(hash(each)::HUGEINT) AS digest FROM ({rows}) AS each"
    digest = ask(root, said)[0]["digest"]
    assert digest is not None, f"empty tables prove nothing: {rows}"
    return str(digest)
