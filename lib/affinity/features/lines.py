"""From the lines of landed files to strings by name, with the person as a token, by a source mapping."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from affinity.core.source import SourceMapping
from affinity.privacy.columns import canonical_id, subject_key

_END = "_end"
_CORRUPT = "_corrupt"
_MAX_SHAPE = 1000
_SEPARATOR = "\x1f"


def header(mapping: SourceMapping) -> str | None:
    """The header line that every file must begin with; None where files have none."""
    layout = mapping.files
    return layout.delimiter.join(layout.columns) if layout.format == "csv" else None


def real_lines(lines: DataFrame, mapping: SourceMapping) -> DataFrame:
    """The lines that tell of something: all but the header and blank ones; columns in and out ``…, line``."""
    told = lines.where(F.trim("line") != "")
    return told if (first := header(mapping)) is None else told.where(F.col("line") != F.lit(first))


def parsed(lines: DataFrame, mapping: SourceMapping, *, key_file: str) -> DataFrame:
    """Read the columns of each line and replace the person by a token.

    ``file_id, file_date, line`` → ``source, file_id, file_date, line_digest, line_length, subject_kind, subject_key,
    raw`` (struct of strings, the columns that are kept; null where the line cannot be parsed), ``is_unparsable`` and
    ``shape`` (of an unparsable line: letters as a, digits as 9; null else). Header and blank lines are left out. No raw
    id leaves this projection, nor anything it could be guessed from: a line's digest has tokens in place of the id and
    of what is withheld, and where the id cannot be told from the rest, the whole line becomes a token.
    """
    fields, is_whole = _read(mapping)
    kept = mapping.kept_columns
    raw = F.struct(*[F.col(f"fields.`{name}`").alias(name) for name in kept])
    return (
        real_lines(lines, mapping)
        .select("file_id", "file_date", "line", fields.alias("fields"))
        .withColumn("is_unparsable", ~F.coalesce(is_whole, F.lit(False)))
        .select(
            F.lit(mapping.name).alias("source"),
            "file_id",
            "file_date",
            F.length("line").alias("line_length"),
            *_person(mapping, key_file),
            subject_key(F.when(F.col("is_unparsable"), F.col("line")), "line", key_file).alias("line_key"),
            _withheld_key(mapping, key_file).alias("withheld_key"),
            F.when(~F.col("is_unparsable"), raw).alias("raw"),
            _spelled(kept).alias("spelled"),
            "is_unparsable",
            F.when(F.col("is_unparsable"), _shape(F.col("line"))).alias("shape"),
        )
        .withColumn("line_digest", _digest())
        .drop("line_key", "withheld_key", "spelled")
    )


def _read(mapping: SourceMapping) -> tuple[Column, Column]:
    """The struct of a line's fields, and whether the line is whole, of columns ``line`` and ``fields``."""
    return _read_csv(mapping) if mapping.files.format == "csv" else _read_json(mapping)


def _read_csv(mapping: SourceMapping) -> tuple[Column, Column]:
    # A last column of our own tells whether a line has all the others: an empty last one is null, like a missing one.
    layout = mapping.files
    options = {"sep": layout.delimiter, "quote": layout.quote, "escape": layout.escape}
    ended = F.concat("line", F.lit(f"{layout.delimiter}{_END}"))
    schema = _strings(*layout.columns, _END, _CORRUPT)
    fields = F.from_csv(ended, schema, {**options, "columnNameOfCorruptRecord": _CORRUPT})
    return fields, F.col(f"fields.{_CORRUPT}").isNull() & (F.col(f"fields.{_END}") == _END)


def _read_json(mapping: SourceMapping) -> tuple[Column, Column]:
    # The reader takes the first value of a line and leaves what follows: as an array of one the line is all or nothing.
    options = {"columnNameOfCorruptRecord": _CORRUPT, "allowSingleQuotes": "false"}
    fields = F.from_json("line", _strings(*mapping.files.columns, _CORRUPT), options)
    is_one = F.json_array_length(F.concat(F.lit("["), "line", F.lit("]"))) == 1
    return fields, F.col(f"fields.{_CORRUPT}").isNull() & F.trim("line").startswith("{") & is_one


def _strings(*names: str) -> str:
    return T.StructType([T.StructField(name, T.StringType()) for name in names]).simpleString()


def _person(mapping: SourceMapping, key_file: str) -> tuple[Column, Column]:
    """Kind and token of the person's id; null where the source names nobody."""
    subject = mapping.subject
    if subject is None:
        nobody = F.lit(None).cast("string")
        return nobody.alias("subject_kind"), nobody.alias("subject_key")
    person = F.when(~F.col("is_unparsable"), canonical_id(F.col(f"fields.`{subject.column}`"), subject))
    return F.lit(subject.kind).alias("subject_kind"), subject_key(person, subject.kind, key_file).alias("subject_key")


def _withheld_key(mapping: SourceMapping, key_file: str) -> Column:
    """One token of all that is withheld of a line, so that lines which differ there alone are two."""
    if not mapping.files.withheld:
        return F.lit(None).cast("string")
    return subject_key(F.when(~F.col("is_unparsable"), _spelled(mapping.files.withheld)), "withheld", key_file)


def _spelled(names: tuple[str, ...]) -> Column:
    return F.concat_ws(_SEPARATOR, *[F.coalesce(F.col(f"fields.`{name}`"), F.lit("\0")) for name in names])


def _digest() -> Column:
    whole = F.concat_ws(_SEPARATOR, "spelled", "subject_key", "withheld_key")
    return F.sha2(F.coalesce("line_key", whole), 256)


def _shape(line: Column) -> Column:
    """What a line looks like without what it says."""
    letters = F.regexp_replace(F.substring(line, 1, _MAX_SHAPE), r"\p{L}", "a")
    return F.regexp_replace(letters, r"\p{N}", "9")
