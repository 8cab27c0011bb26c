"""A source mapping as SQL: from fields by name to the rows of bronze, or to what files say of items and customers.

Every query reads ``fields``: ``file_no, file_date, line_no, is_whole, shape, whole_line, fault`` and one text ``v0, v1,
…`` per column of the mapping; it gives ``file_no``, for which the reader puts ``file_id``, and of events and customers
``person_0, person_1, …``, the ids as they stand, for which it puts kind, token and what is linked to it.
"""

from affinity.core.source import SourceMapping
from affinity.core.vocabulary import Feed
from affinity.reading.described_rows import CUSTOMER_COLUMNS, ITEM_COLUMNS, customer_rows, item_rows
from affinity.reading.event_rows import EVENT_COLUMNS, event_rows

COLUMNS = {Feed.EVENTS: EVENT_COLUMNS, Feed.ITEMS: ITEM_COLUMNS, Feed.CUSTOMERS: CUSTOMER_COLUMNS}


def query(
    mapping: SourceMapping,
    feed: Feed,
    *,
    business_zone: str,
    numbers_lines: bool = True,
) -> str:
    """The rows that ``fields`` make for a feed, with the columns of ``COLUMNS`` but what follows from flags and file.

    Without ``numbers_lines`` equal lines have one ``event_id``, the digest of the line: ``repeated.numbered`` is next.
    """
    if feed is Feed.EVENTS:
        return event_rows(mapping, business_zone, numbers_lines=numbers_lines)
    return item_rows(mapping, business_zone) if feed is Feed.ITEMS else customer_rows(mapping, business_zone)
