"""The reader of one process: splits in, typed rows out, with people as tokens before anything leaves it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from duckdb.func import FunctionNullHandling, PythonUDFType

from affinity.core.source import SourceMapping
from affinity.core.vocabulary import Feed
from affinity.privacy.masks import masked, shown
from affinity.privacy.tokens import read_key
from affinity.reading.blocks import BLOCK_BYTES, Unreadable, parquet_blocks, text_blocks
from affinity.reading.fields import as_texts, fields, split_quoted
from affinity.reading.people import FLAGS, People, tokens
from affinity.reading.queries import COLUMNS, query
from affinity.reading.spelling import MACROS
from affinity.reading.splits import Split
from affinity.reading.verdicts import Verdicts

_ARROW = {
    "string": pa.string(),
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "decimal(18,4)": pa.decimal128(18, 4),
    "array<string>": pa.list_(pa.string()),
}


def schema(feed: Feed) -> str:
    """The columns that ``Reader.read`` gives for a feed, as Spark writes a schema."""
    return ", ".join(f"{name} {kind}" for name, kind in COLUMNS[feed].items())


@dataclass
class Reader:
    """One source's reader: a connection in memory and the tokens of the people seen last.

    ``numbers_lines`` where every file lies whole in one block, so that equal lines of it can be told apart here.
    ``suppressed`` are Parquet files with a column ``subject_key`` of people of whom nothing is to be kept.
    ``told`` counts the lines that say something by file_id; ``reading`` is the file_id that is read, or was last.
    """

    mapping: SourceMapping
    feed: Feed
    business_zone: str
    key_file: str | Path
    numbers_lines: bool = True
    suppressed: Sequence[str] = ()
    told: Counter[str] = field(default_factory=Counter)
    reading: str = ""
    _connection: duckdb.DuckDBPyConnection = field(init=False)

    def __post_init__(self) -> None:
        self._connection = duckdb.connect(config={"threads": 1, "memory_limit": "2GB", "temp_directory": ""})
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute(MACROS)
        known = tokens(read_key(self.key_file))
        self._connection.create_function(
            "token", known.of_each, ["VARCHAR", "VARCHAR"], "VARCHAR", type=PythonUDFType.ARROW
        )
        for number, each in enumerate(self.mapping.ids):
            of_person = partial(known.of_person, each)
            self._connection.create_function(
                f"token_{number}",
                of_person,
                ["VARCHAR"],
                "VARCHAR",
                type=PythonUDFType.ARROW,
                null_handling=FunctionNullHandling.SPECIAL,
            )
        self._connection.create_function("masked", masked, ["VARCHAR"], "VARCHAR")
        self._connection.create_function("shown", shown, ["VARCHAR"], "VARCHAR")
        listed = [pq.read_table(path, columns=["subject_key"]).to_pydict() for path in self.suppressed]
        suppressed = pa.array([key for file in listed for key in file["subject_key"]], pa.string())
        self._people = People(known, self.mapping, suppressed)
        self._query = query(self.mapping, self.feed, business_zone=self.business_zone, numbers_lines=self.numbers_lines)
        self._verdicts = Verdicts(self.mapping, self.mapping.events) if self.mapping.events else None
        self._verdicts = self._verdicts if self.feed is Feed.EVENTS else None
        self._schema = pa.schema([(name, _ARROW[kind]) for name, kind in COLUMNS[self.feed].items()])

    def read(self, splits: Sequence[Split]) -> Iterator[pa.Table]:
        """The rows of the splits with the columns of ``COLUMNS``, by the line; small files are read together.

        Raises:
            Unreadable: a file is damaged.
            RuntimeError: the rows cannot be made; the message holds nothing of them.
        """
        for columns, alike in groupby(splits, key=lambda part: part.columns):
            for blocks in _together(self._blocks(part) for part in alike):
                yield self._rows(blocks, columns)

    def texts(self, part: Split) -> Iterator[pa.Table]:
        """What the lines of a split say as it stands, ids and all, to be shown at most: nothing of it is to be kept.

        Columns out: ``line_no, is_whole, fault`` and one text ``v0, v1, …`` per column of the mapping.
        """
        listed = ", ".join(f"v{place}" for place in range(len(self.mapping.files.columns)))
        for _part, block in self._blocks(part):
            of_file = _of_file(block, 0, part)
            yield self._asked(of_file, part.columns, f"SELECT line_no, is_whole, fault, {listed} FROM fields")

    def _blocks(self, part: Split) -> Iterator[tuple[Split, pa.Table]]:
        layout = self.mapping.files
        self.reading = part.file_id
        if layout.format == "parquet":
            blocks = parquet_blocks(part)
        else:
            has_header = layout.format == "csv" and layout.header
            blocks = text_blocks(part, has_header=has_header, encoding=layout.encoding)
        return ((part, block) for block in blocks)

    def _rows(self, blocks: Sequence[tuple[Split, pa.Table]], columns: Sequence[str]) -> pa.Table:
        numbered = [_of_file(block, number, part) for number, (part, block) in enumerate(blocks)]
        for part, lines in blocks:
            self.told[part.file_id] += len(lines)
        try:
            rows = self._asked(pa.concat_tables(numbered), columns, self._query)
        except duckdb.Error as error:  # its text may hold a line
            if self.mapping.files.format == "parquet":
                raise Unreadable(f"it has a column of a type that cannot be read ({type(error).__name__})") from None
            names = sorted({Path(part.path).name for part, _block in blocks})
            raise RuntimeError(f"The lines of {names[:5]} could not be read: {type(error).__name__}.") from None
        file_ids = pa.array([part.file_id for part, _block in blocks], pa.string())
        rows = rows.append_column("file_id", file_ids.take(rows["file_no"].combine_chunks()))
        rows = rows if self.feed is Feed.ITEMS else self._people.named(rows)
        for name, values in self._verdicts.of(rows[FLAGS], rows["got"]).items() if self._verdicts else ():
            rows = rows.drop_columns([name]) if name in rows.column_names else rows
            rows = rows.append_column(name, values)
        return rows.select(self._schema.names).cast(self._schema)

    def _asked(self, block: pa.Table, columns: Sequence[str], of_fields: str) -> pa.Table:
        layout = self.mapping.files
        if layout.format == "csv":
            for name, values in split_quoted(block["line"].combine_chunks(), layout).items():
                block = block.append_column(name, values)
        connection = self._connection
        connection.register("arrived", block)
        spelled = ", ".join(f"{text} AS {name}" for name, text in as_texts(block).items())
        replaced = f"* REPLACE ({spelled})" if layout.format == "parquet" and spelled else "*"
        read = f"WITH block AS (SELECT {replaced} FROM arrived), fields AS ({fields(layout, columns)}) "
        return connection.sql(f"{read} SELECT * FROM ({of_fields})").to_arrow_table()


def _of_file(block: pa.Table, number: int, part: Split) -> pa.Table:
    """The block with the number of its file among those read together, and the date of the file."""
    stamps = {"file_no": pa.scalar(number, pa.int32()), "file_date": pa.scalar(part.file_date, pa.date32())}
    for name, stamp in stamps.items():
        block = block.append_column(name, pa.repeat(stamp, len(block)))
    return block


def _together(parts: Iterable[Iterator[tuple[Split, pa.Table]]]) -> Iterator[list[tuple[Split, pa.Table]]]:
    """Blocks of many small files as one, up to the size of a block."""
    held: list[tuple[Split, pa.Table]] = []
    n_bytes = 0
    for part in parts:
        for split, block in part:
            is_other = bool(held) and block.schema != held[-1][1].schema  # a column of Parquet may change its type
            if held and (is_other or n_bytes + block.nbytes > BLOCK_BYTES):
                yield held
                held, n_bytes = [], 0
            if len(block):
                held.append((split, block))
                n_bytes += block.nbytes
    if held:
        yield held
