"""What files say of events: the rows of bronze.events as a statement."""

from collections.abc import Mapping

from affinity.core.source import EventFeed, SourceMapping
from affinity.core.vocabulary import Defect, EventType
from affinity.reading.columns import NULL, SEPARATOR, Columns, event_feed, people_texts
from affinity.reading.people import FLAGS, people_columns
from affinity.reading.spelling import local_date, quoted, ts
from affinity.reading.verdicts import bit, columns_at_fault, rejecting

_MONEY = f"({quoted(EventType.PURCHASE)}, {quoted(EventType.RETURN)})"
EVENT_COLUMNS = {
    "file_id": "string",
    "file_date": "date",
    "line_no": "bigint",
    "event_id": "string",
    "event_type": "string",
    "event_ts": "timestamp",
    "event_date": "date",
    "subject_kind": "string",
    "subject_key": "string",
    "linked": "array<string>",
    "order_id": "string",
    "item_id": "string",
    "quantity": "decimal(18,4)",
    "unit_price": "decimal(18,4)",
    "amount": "decimal(18,4)",
    "currency": "string",
    "payload": "string",
    "defects": "array<string>",
    "rejection": "string",
    "rejected_as": "string",
    "column_name": "string",
    "expected": "string",
    "got": "string",
}
# The others follow from the flags and the file alone.
_BY_QUERY = (
    "file_date",
    "line_no",
    "event_id",
    "event_type",
    "event_ts",
    "event_date",
    "order_id",
    "item_id",
    "quantity",
    "unit_price",
    "amount",
    "currency",
    "payload",
)


def event_rows(mapping: SourceMapping, zone: str, *, numbers_lines: bool) -> str:
    """``EVENT_COLUMNS``, but what follows from flags, ids and file, of each line."""
    feed = event_feed(mapping)
    own = {
        "event_id": _event_id(mapping, feed, numbers_lines=numbers_lines),
        "amount": "amount_of(amount_wide)",
    }
    listed = ", ".join(f"{own[name]} AS {name}" if name in own else name for name in _BY_QUERY)
    is_repeated = _is_repeated(feed, numbers_lines=numbers_lines)
    in_order = " ORDER BY file_no, line_no" if feed.event_id is None and numbers_lines else ""  # a window has its own
    return f"""
WITH typed AS ({typed(mapping, feed, zone)}),
judged AS (
    SELECT *, {_amount(feed)} AS amount_wide, {is_repeated} AS is_repeated FROM typed
),
flagged AS (SELECT *, {_flags(mapping, feed)} AS {FLAGS} FROM judged)
SELECT file_no, {", ".join(people_columns(mapping))}, {listed}, {FLAGS}, {_got(mapping, feed)} AS got
FROM flagged{in_order}
"""


def typed(mapping: SourceMapping, feed: EventFeed, zone: str) -> str:
    """Fields as the values of an event, as far as they can be read, and what flags and identity need."""
    columns = Columns(mapping)
    said = ts(columns.joined(feed.ts_columns), feed.event_ts_format, mapping.time_zone)
    return f"""
SELECT *, plausible(said_ts) AS event_ts, {local_date("plausible(said_ts)", zone)} AS event_date
FROM (
    SELECT fields.*,
        {people_texts(mapping)},
        {said} AS said_ts,
        {_event_type(columns, feed)} AS event_type,
        {columns.identity(feed.id_columns)} AS native_id,
        {columns.text(feed.order_id)} AS order_id,
        {columns.text(feed.item_id)} AS item_id,
        {_quantity(columns, feed)} AS quantity,
        {columns.number(feed.unit_price)} AS unit_price,
        {_said_amount(columns, feed)} AS said_amount,
        {_currency(columns, mapping, feed)} AS currency,
        {columns.told(feed.description)} AS description,
        {_payload(mapping)} AS payload,
        {_line_id(mapping, feed)} AS event_id
    FROM fields
)
"""


def _quantity(columns: Columns, feed: EventFeed) -> str:
    """The units; of a purchase or return that says none, the source's usual number with the sign of its type."""
    said = columns.number(feed.quantity)
    if feed.default_quantity is None:
        return said
    back = -feed.default_quantity if feed.returns == "negative" else feed.default_quantity
    usual = (
        f"WHEN {quoted(EventType.PURCHASE)} THEN {feed.default_quantity} WHEN {quoted(EventType.RETURN)} THEN {back}"
    )
    chosen = f"CASE WHEN {columns.told(feed.quantity)} IS NULL THEN CASE event_type {usual} END ELSE {said} END"
    return f"CAST({chosen} AS DECIMAL(18, 4))"


def _said_amount(columns: Columns, feed: EventFeed) -> str:
    """What the line costs in all; some logs say what is paid back with a minus, others without."""
    said = columns.number(feed.amount)
    return (
        f"CASE WHEN event_type = {quoted(EventType.RETURN)} THEN abs({said}) ELSE {said} END" if feed.amount else said
    )


def _payload(mapping: SourceMapping) -> str:
    """JSON of the columns that may be kept, without empty ones; of a line that cannot be read its shape."""
    columns = Columns(mapping)
    pairs = [f"{quoted(_key(name))} || to_json({columns.text(name)})" for name in mapping.kept_columns]
    return f"CASE WHEN is_whole THEN '{{' || concat_ws(',', {', '.join(pairs)}) || '}}' ELSE shape END"


def _key(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}":'


def _line_id(mapping: SourceMapping, feed: EventFeed) -> str:
    """What tells a line without an id of its own from others: its kept columns, and tokens of the rest of it."""
    columns = Columns(mapping)
    spelled = [f"coalesce({columns.text(name)}, chr(0))" for name in mapping.kept_columns]
    people = [f"token_{number}({columns.text(name)})" for number, name in enumerate(mapping.id_columns)]
    hidden = [f"coalesce({columns.text(name)}, chr(0))" for name in mapping.files.withheld]
    withheld = [f"token('withheld', concat_ws({quoted(SEPARATOR)}, {', '.join(hidden)}))"] if hidden else []
    whole = ", ".join([*spelled, *people, *withheld])
    of_line = f"CASE WHEN is_whole THEN concat_ws({quoted(SEPARATOR)}, {whole}) ELSE token('line', whole_line) END"
    of_line = f"sha256({of_line})"
    if feed.event_id is None:
        return of_line
    return f"CASE WHEN {columns.identity(feed.id_columns)} IS NULL THEN {of_line} END"


_PLACE = "row_number() OVER (PARTITION BY file_no, event_id ORDER BY line_no)"


def _is_repeated(feed: EventFeed, *, numbers_lines: bool) -> str:
    """Whether an equal line came before in the file."""
    return f"{_PLACE} > 1" if feed.event_id is None and numbers_lines else "false"


def _event_id(mapping: SourceMapping, feed: EventFeed, *, numbers_lines: bool) -> str:
    """n and the digest of source and native id; or l and that of source, line and its place among equal ones."""
    source = quoted(f"{mapping.name}|")
    if feed.event_id is None and not numbers_lines:
        return "event_id"
    if feed.event_id is None:
        return f"'l' || left(sha256({source} || event_id || '|' || {_PLACE}), 31)"
    by_line = f"'l' || left(sha256({source} || event_id), 31)"
    return f"CASE WHEN native_id IS NULL THEN {by_line} ELSE 'n' || left(sha256({source} || native_id), 31) END"


def _currency(columns: Columns, mapping: SourceMapping, feed: EventFeed) -> str:
    priced = columns.number(feed.unit_price or feed.amount)
    stated = quoted(mapping.currency) if mapping.currency else NULL
    return f"CASE WHEN {priced} IS NOT NULL THEN coalesce({columns.told(feed.currency)}, {stated}) END"


def _event_type(columns: Columns, feed: EventFeed) -> str:
    """The first rule that fits, else the word, else the default."""
    decided = quoted(feed.default_type) if feed.default_type else NULL
    if feed.type_words:
        word = columns.told(feed.type_words.column)
        cases = [f"WHEN {quoted(said)} THEN {quoted(kind)}" for said, kind in feed.type_words.words.items()]
        decided = f"CASE {word} {' '.join(cases)} END"
    rules = [
        f"WHEN starts_with({columns.text(rule.column)}, {quoted(rule.starts_with)}) THEN {quoted(rule.type)}"
        for rule in feed.types
    ]
    return f"CASE {' '.join(rules)} ELSE {decided} END" if rules else decided


def _amount(feed: EventFeed) -> str:
    """What the line costs in all, with the sign of its quantity."""
    return "said_amount * sign(quantity)" if feed.amount else "TRY(CAST(quantity AS DECIMAL(20, 4)) * unit_price)"


def _flags(mapping: SourceMapping, feed: EventFeed) -> str:
    """The flags of a line as bits, by their place in the vocabulary; ``verdicts`` knows what follows from them.

    Most lines of most logs have nothing to do with money, and are not asked one by one whether it is right.
    """
    columns = Columns(mapping)
    said = [columns.text(column) for column in (feed.quantity, feed.unit_price, feed.amount) if column]
    is_plain = " AND ".join([f"coalesce(event_type NOT IN {_MONEY}, true)", *(f"{text} IS NULL" for text in said)])
    money = _sum_of_bits(_money_conditions(mapping, feed))
    return f"{_sum_of_bits(_conditions(mapping, feed))} + CASE WHEN {is_plain} THEN 0 ELSE {money} END"


def _sum_of_bits(conditions: Mapping[Defect, str]) -> str:
    return " + ".join(f"CASE WHEN {holds} THEN {bit(defect)} ELSE 0 END" for defect, holds in conditions.items())


def _conditions(mapping: SourceMapping, feed: EventFeed) -> dict[Defect, str]:
    holds = {
        Defect.UNPARSABLE: "NOT is_whole",
        Defect.EVENT_TS_INVALID: "event_ts IS NULL",
        Defect.EVENT_TYPE_UNKNOWN: "event_type IS NULL",
        **time_conditions(feed),
    }
    if feed.event_id is None:
        holds[Defect.REPEATED_LINE] = "is_repeated"
    else:
        holds[Defect.EVENT_ID_MISSING] = "native_id IS NULL"
    if feed.description:
        holds[Defect.DESCRIPTION_MISSING] = "description IS NULL"
    ahead, late = holds.get(Defect.EVENT_TS_FUTURE, "false"), holds.get(Defect.EVENT_TS_LATE, "false")
    unread = f"event_ts IS NULL AND NOT coalesce({ahead}, false) AND NOT coalesce({late}, false)"
    return holds | {Defect.EVENT_TS_INVALID: unread}


def time_conditions(feed: EventFeed) -> dict[Defect, str]:
    """Times beside the nominal date of the file, and outside the window that the mapping states."""
    is_far = "said_ts >= TIMESTAMPTZ '2262-01-01 00:00:00+00'"
    is_ahead = f"{is_far} OR event_date > file_date + {feed.max_ahead_days}"
    holds = {Defect.EVENT_TS_FUTURE: f"file_date IS NOT NULL AND ({is_ahead})"}
    if feed.max_late_days is not None:
        is_early = "said_ts < TIMESTAMPTZ '1970-01-03 00:00:00+00'"
        is_late = f"{is_early} OR event_date < file_date - {feed.max_late_days}"
        holds[Defect.EVENT_TS_LATE] = f"file_date IS NOT NULL AND ({is_late})"
    outside = [f"event_date < DATE '{feed.earliest}'"] if feed.earliest else []
    outside += [f"event_date > DATE '{feed.latest}'"] if feed.latest else []
    return holds | ({Defect.EVENT_TS_OUTSIDE: " OR ".join(outside)} if outside else {})


def _money_conditions(mapping: SourceMapping, feed: EventFeed) -> dict[Defect, str]:
    """Flags of quantity and price: purchases and returns need both, of others they are only to be readable."""
    columns = Columns(mapping)
    has_money = f"event_type IN {_MONEY}"
    sign = ">" if feed.returns == "negative" else "<"
    wrong_return = f"(event_type = {quoted(EventType.RETURN)} AND quantity {sign} 0)"
    unread = f"quantity IS NULL AND ({has_money} OR {columns.told(feed.quantity)} IS NOT NULL)"
    price, priced = ("unit_price", feed.unit_price) if feed.amount is None else ("said_amount", feed.amount)
    no_price = f"{price} IS NULL AND ({has_money} OR {columns.told(priced)} IS NOT NULL)"
    no_currency = f"{price} IS NOT NULL AND NOT coalesce(regexp_full_match(currency, '[A-Z]{{3}}'), false)"
    is_return = f"event_type = {quoted(EventType.RETURN)}"
    holds = {
        Defect.QUANTITY_INVALID: f"({unread}) OR quantity = 0 OR {wrong_return}",
        Defect.STOCK_CORRECTION: f"NOT ({is_return}) AND quantity < 0",
        Defect.CANCELLATION: is_return,
    }
    if priced is None:
        return holds
    return holds | {
        Defect.PRICE_INVALID: f"({no_price}) OR ({no_currency})",
        Defect.PRICE_NOT_POSITIVE: f"{price} < 0 OR ({has_money} AND {price} <= 0)",
        Defect.AMOUNT_INVALID: "quantity IS NOT NULL AND unit_price IS NOT NULL AND amount_of(amount_wide) IS NULL",
    }


def _got(mapping: SourceMapping, feed: EventFeed) -> str:
    """What stood in the column at fault, without what could tell of a person; null where the line is not rejected."""
    columns = Columns(mapping)
    at_fault = columns_at_fault(feed)
    cases = []
    for defect in rejecting(feed):
        value = "fault" if defect is Defect.UNPARSABLE else "NULL"
        if column := at_fault.get(defect):
            is_time = column == feed.ts_columns[0]
            value = f"shown({columns.joined(feed.ts_columns) if is_time else columns.text(column)})"
        cases.append(f"WHEN {FLAGS} & {bit(defect)} > 0 THEN {value}")
    bits = sum(bit(defect) for defect in rejecting(feed))
    return f"CASE WHEN {FLAGS} & {bits} = 0 THEN NULL {' '.join(cases)} END"
