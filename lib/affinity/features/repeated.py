"""Equal lines of files that were read in parts: each is an event of its own."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from affinity.core.vocabulary import Defect, Disposition


def numbered(rows: DataFrame, rejected_as: Disposition | None) -> DataFrame:
    """Give equal lines of a file their own ids, by their place among them, and flag all but the first.

    Columns in and out: those of bronze.events; ``event_id`` comes in as the digest of the line. ``rejected_as`` is what
    the source does with a repeated line, None where it is an event like the first.
    """
    equal = Window.partitionBy("file_id", "event_id").orderBy("line_no")
    placed = rows.withColumn("place", F.row_number().over(equal))
    is_repeated = F.col("place") > 1
    flag = F.lit(str(Defect.REPEATED_LINE))
    frame = placed.withColumns(
        {
            "event_id": F.concat(F.lit("l"), F.left(F.sha2(_spelled(), 256), F.lit(31))),
            "defects": F.when(is_repeated, F.array_append("defects", flag)).otherwise(F.col("defects")),
        }
    )
    if rejected_as is not None:
        is_news = is_repeated & F.col("rejection").isNull()
        told = {"rejection": flag, "rejected_as": F.lit(str(rejected_as))}
        frame = frame.withColumns({name: F.when(is_news, to).otherwise(F.col(name)) for name, to in told.items()})
    return frame.drop("place")


def _spelled() -> Column:
    return F.concat_ws("|", "source", "event_id", F.col("place").cast("string"))
