"""Everything held and decided about one customer."""

import re

from affinity.core.errors import BadInput
from affinity.core.source import SourceMapping, Subject
from affinity.io.ask import ask, connect, query
from affinity.io.ops import Row
from affinity.io.root import Root
from affinity.privacy.tokens import canonical, customer_id_of, read_key, token

_CUSTOMER_ID = re.compile(r"c[0-9a-f]{24}")

# Decisions are those of each table's newest released slice. Tokens are shortened: whole ones are not for reading.
SECTIONS = {
    "identities": """
        SELECT subject_kind, left(subject_key, 12) || '…' AS subject_key, linked_date, is_shared, is_capped,
            valid_from_date, valid_to_date
        FROM silver.identities WHERE customer_id = $customer_id ORDER BY ALL""",
    "attributes": """
        SELECT source, max(observed_date) AS observed_date,
            arg_max(country, (observed_ts, file_id, subject_key)) FILTER (WHERE country IS NOT NULL) AS country,
            arg_max(tier, (observed_ts, file_id, subject_key)) FILTER (WHERE tier IS NOT NULL) AS tier
        FROM silver.customers WHERE customer_id = $customer_id GROUP BY source ORDER BY source""",
    "events": """
        SELECT event_type, count(*) AS n_events, count(DISTINCT order_id) AS n_orders, sum(amount) AS amount, currency,
            min(event_ts) AS first_ts, max(event_ts) AS last_ts
        FROM silver.events WHERE customer_id = $customer_id GROUP BY ALL ORDER BY ALL""",
    "features": "SELECT * EXCLUDE (customer_id) FROM gold.customer_features_latest WHERE customer_id = $customer_id",
    "segment": """
        SELECT s.as_of_date, s.segment_id, p.segment_name, s.distance, s.model_version, s.run_id
        FROM gold.customer_segments_latest AS s
        LEFT JOIN gold.segment_profiles AS p ON p.as_of_date = s.as_of_date AND p.segment_id = s.segment_id
        WHERE s.customer_id = $customer_id""",
    "propensity": "SELECT * EXCLUDE (customer_id) FROM gold.propensity_scores_latest WHERE customer_id = $customer_id",
    "recommendations": """
        SELECT r.as_of_date, r.rank, r.item_id, i.description, r.score, r.strategy, r.model_version, r.run_id
        FROM gold.recommendations_latest AS r
        LEFT JOIN (
            SELECT item_id, arg_max(description, (observed_ts, file_id, source)) AS description
            FROM silver.items WHERE description IS NOT NULL GROUP BY item_id
        ) AS i ON i.item_id = r.item_id
        WHERE r.customer_id = $customer_id ORDER BY r.rank""",
}


def customer(root: Root, customer_id: str) -> dict[str, list[Row]]:
    """Section → rows: what is held of the customer, and what the newest released slices decided.

    Raises:
        BadInput: no table knows the customer.
    """
    connection = connect(root, " ".join(SECTIONS.values()))
    found = {name: query(connection, sql, {"customer_id": customer_id}).records() for name, sql in SECTIONS.items()}
    if not any(found.values()):
        raise BadInput("No released table knows this customer; `affinity tables` says what was released, and when.")
    return found


def customer_today(root: Root, customer_id: str) -> str:
    """The customer that a pseudonym means today: an id may have come to belong to another."""
    sql = "SELECT customer_id FROM silver.identities WHERE subject_id = $id AND valid_to_date IS NULL"
    known = ask(root, sql, {"id": customer_id})
    return str(known[0]["customer_id"]) if known else customer_id


def checked_customer_id(text: str) -> str:
    """``text`` if it is a pseudonym of ours. The message never holds it: it may be a person's id.

    Raises:
        BadInput: it is anything else.
    """
    if not _CUSTOMER_ID.fullmatch(text):
        raise BadInput(
            "The argument is no pseudonym of ours; expected c and 24 hexadecimal digits, as in gold.customer_features. "
            "For an id as the source spells it pass - and type it on standard input: arguments are seen by `ps` and "
            "kept by the shell."
        )
    return text


def customer_id_for(root: Root, subject: Subject, raw: str) -> str:
    """The customer that a raw id means today; what was typed stands in no message.

    Raises:
        BadInput: the id is blank, or the key is missing.
    """
    spelled = canonical(raw, subject)
    if spelled is None:
        raise BadInput("Standard input held no id; expected one line with the id as the source spells it.")
    key = token(read_key(root.key_file), subject.kind, spelled)
    sql = "SELECT customer_id FROM silver.identities WHERE subject_key = $key AND valid_to_date IS NULL"
    known = ask(root, sql, {"key": key})
    return str(known[0]["customer_id"]) if known else customer_id_of(key)


def subject_of(mapping: SourceMapping) -> Subject:
    """How a source spells its customers.

    Raises:
        BadInput: it names nobody.
    """
    if mapping.subject is None:
        raise BadInput(f"Source {mapping.name} names no customer; pass --source with one that does.")
    return mapping.subject


def only_source(root: Root) -> str:
    """The one source whose files were ingested.

    Raises:
        BadInput: there is none, or more than one to choose from.
    """
    sources = [row["source"] for row in ask(root, "SELECT DISTINCT source FROM ops.files ORDER BY source")]
    if len(sources) != 1:
        raise BadInput(
            f"Pass --source: its mapping says how ids are spelled. Ingested so far: {', '.join(sources) or 'none'}."
        )
    return str(sources[0])
