"""What follows from the defects of a line: whether it is rejected, as what, and what would have been right."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from affinity.core.source import DefectRule, EventFeed, SourceMapping
from affinity.core.vocabulary import FILTERING, QUARANTINING, Defect, Disposition

_FOR_THE_PERSON = pa.array([str(Defect.SUBJECT_SUPPRESSED), str(Defect.CUSTOMER_MISSING)])
_PLACES = {defect: place for place, defect in enumerate(Defect)}


def bit(defect: Defect) -> int:
    """The flag of a defect as a number."""
    return 1 << _PLACES[defect]


def rejecting(feed: EventFeed) -> dict[Defect, Disposition]:
    """Which defects reject a line of this source, and as what, by priority."""
    usual = dict.fromkeys(QUARANTINING, DefectRule.QUARANTINE) | dict.fromkeys(FILTERING, DefectRule.FILTER)
    rules = {defect: feed.defects.get(defect, usual.get(defect, DefectRule.ACCEPT)) for defect in Defect}
    as_what = {DefectRule.FILTER: Disposition.FILTERED, DefectRule.QUARANTINE: Disposition.QUARANTINED}
    return {defect: as_what[rule] for defect, rule in rules.items() if rule is not DefectRule.ACCEPT}


def columns_at_fault(feed: EventFeed) -> dict[Defect, str]:
    """The column whose value is at fault, for defects that have one."""
    times = (Defect.EVENT_TS_INVALID, Defect.EVENT_TS_FUTURE, Defect.EVENT_TS_LATE, Defect.EVENT_TS_OUTSIDE)
    price = feed.unit_price or feed.amount
    named = {
        **dict.fromkeys(times, feed.ts_columns[0]),
        Defect.EVENT_TYPE_UNKNOWN: feed.type_words.column if feed.type_words else None,
        Defect.QUANTITY_INVALID: feed.quantity,
        Defect.STOCK_CORRECTION: feed.quantity,
        Defect.PRICE_INVALID: price,
        Defect.PRICE_NOT_POSITIVE: price,
        Defect.AMOUNT_INVALID: price,
        Defect.DESCRIPTION_MISSING: feed.description,
        Defect.EVENT_ID_MISSING: feed.id_columns[0] if feed.id_columns else None,
    }
    return {defect: column for defect, column in named.items() if column}


class Verdicts:
    """The columns that depend on the flags alone: few combinations of flags occur, and each is worked out once."""

    def __init__(self, mapping: SourceMapping, feed: EventFeed) -> None:
        self._rejecting = rejecting(feed)
        self._columns = columns_at_fault(feed) | (
            {Defect.CUSTOMER_MISSING: mapping.subject.column} if mapping.subject else {}
        )
        self._expected = _expected(mapping, feed)

    def of(self, flags: pa.ChunkedArray, got: pa.ChunkedArray) -> dict[str, pa.Array]:
        """``defects, rejection, rejected_as, column_name, expected`` of each line, and what it ``got``.

        Of a line that is rejected for the person nothing is shown, whatever else it may lack.
        """
        found = flags.combine_chunks().dictionary_encode()
        verdicts = [self._verdict(bits) for bits in found.dictionary.to_pylist()]
        listed = pa.array([v["defects"] for v in verdicts], pa.list_(pa.string()))
        names = ("rejection", "rejected_as", "column_name", "expected")
        told = {name: pa.array([v[name] for v in verdicts], pa.string()) for name in names}
        of_line = {name: values.take(found.indices) for name, values in ({"defects": listed} | told).items()}
        is_hidden = pc.is_in(of_line["rejection"], value_set=_FOR_THE_PERSON)
        return of_line | {"got": pc.if_else(is_hidden, None, got.combine_chunks())}

    def _verdict(self, bits: int) -> Mapping[str, object]:
        defects = [defect for defect in Defect if bits & bit(defect)]
        reason = next((defect for defect in defects if defect in self._rejecting), None)
        return {
            "defects": [str(defect) for defect in defects],
            "rejection": reason and str(reason),
            "rejected_as": reason and str(self._rejecting[reason]),
            "column_name": reason and self._columns.get(reason),
            "expected": reason and self._expected.get(reason),
        }


def _expected(mapping: SourceMapping, feed: EventFeed) -> dict[Defect, str]:
    """What a right line would have had."""
    sign = "below" if feed.returns == "negative" else "above"
    return {
        Defect.SUBJECT_SUPPRESSED: "nobody who was erased or opted out",
        Defect.UNPARSABLE: whole_line(mapping),
        Defect.EVENT_TS_INVALID: f"{feed.event_ts_format} in {mapping.time_zone}",
        Defect.EVENT_TS_FUTURE: f"at most {feed.max_ahead_days} days after the date of the file",
        Defect.EVENT_TS_LATE: f"at most {feed.max_late_days} days before the date of the file",
        Defect.EVENT_TS_OUTSIDE: f"a day from {feed.earliest or 'any'} to {feed.latest or 'any'}",
        Defect.EVENT_TYPE_UNKNOWN: f"one of {', '.join(feed.type_words.words)}" if feed.type_words else "a type",
        Defect.QUANTITY_INVALID: f"a number but 0; {sign} 0 for a return",
        Defect.STOCK_CORRECTION: "above 0, but for a return",
        Defect.PRICE_INVALID: "a number, and a currency of three capitals",
        Defect.PRICE_NOT_POSITIVE: "above 0",
        Defect.AMOUNT_INVALID: "quantity times price below 10^11",
        Defect.CUSTOMER_MISSING: "an id",
        Defect.EVENT_ID_MISSING: "an id",
        Defect.CANCELLATION: "no return",
        Defect.DESCRIPTION_MISSING: "a text",
        Defect.REPEATED_LINE: "a line that is not in the file yet",
    }


def whole_line(mapping: SourceMapping) -> str:
    """What a line has to be so that it can be read."""
    layout = mapping.files
    fields = "as many fields as the header" if layout.header else f"{len(layout.columns)} fields"
    return {"csv": f"{fields}, in UTF-8", "jsonl": "one JSON object in UTF-8", "parquet": "a row"}[layout.format]
