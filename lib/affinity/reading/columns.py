"""The columns of a source mapping as SQL over ``fields``, for every feed."""

from collections.abc import Sequence

from affinity.core.source import EventFeed, SourceMapping
from affinity.reading.people import people_columns
from affinity.reading.spelling import quoted

SEPARATOR = "\x1f"
NULL = "CAST(NULL AS VARCHAR)"


class Columns:
    """The columns of a mapping as SQL."""

    def __init__(self, mapping: SourceMapping) -> None:
        self._decimal = mapping.files.decimal
        self._places = {name: f"v{number}" for number, name in enumerate(mapping.files.columns)}

    def text(self, column: str | None) -> str:
        """The text of a column; null where it is empty, or where no column is named."""
        return f"nullif({self._places[column]}, '')" if column else NULL

    def told(self, column: str | None) -> str:
        """``text`` without spaces around it; null where nothing is left."""
        return f"told({self._places[column]})" if column else NULL

    def number(self, column: str | None) -> str:
        """The amount that a column says."""
        if column is None:
            return "CAST(NULL AS DECIMAL(18, 4))"
        return f"{'number' if self._decimal == '.' else 'comma_number'}({self.told(column)})"

    def identity(self, columns: Sequence[str]) -> str:
        """The values of the columns as one id; null where one of them is blank, or where there are none."""
        return f" || {quoted(SEPARATOR)} || ".join(self.told(column) for column in columns) or NULL

    def joined(self, columns: Sequence[str]) -> str:
        """Several columns as one text, with a space between; null where one is empty."""
        return " || ' ' || ".join(self.told(column) for column in columns)


def people_texts(mapping: SourceMapping) -> str:
    """What stands in the columns with ids of the person."""
    columns = Columns(mapping)
    texts = [f"CASE WHEN is_whole THEN {columns.text(name)} END" for name in mapping.id_columns]
    return ", ".join(f"{text} AS {name}" for text, name in zip(texts or [NULL], people_columns(mapping), strict=True))


def event_feed(mapping: SourceMapping) -> EventFeed:
    """The events section of a mapping that has one."""
    if mapping.events is None:
        raise ValueError(f"{mapping.name} has no events feed")
    return mapping.events
