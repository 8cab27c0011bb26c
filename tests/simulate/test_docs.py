"""The query of the page gives what it promises."""

import re
from pathlib import Path

import duckdb
import pytest

from affinity.simulate.place import Shop
from affinity.simulate.shop import Written

PAGE = Path(__file__).resolve().parents[2] / "docs" / "simulated-shop.md"


def test_the_true_chances_gain_all_there_is_to_gain(made: tuple[Shop, Written]) -> None:
    (query,) = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    query = query.replace("_30", "_7").replace("= 30", "= 7")  # a tiny shop is too short for thirty days
    truth = made[0].truth
    with duckdb.connect() as connection:
        for table in ("states", "ceilings"):
            connection.execute(f"CREATE VIEW {table} AS SELECT * FROM '{truth}/{table}/*.parquet'")
        connection.execute("CREATE VIEW my_scores AS SELECT customer, p_7 AS p FROM states WHERE p_7 IS NOT NULL")
        (gain,) = connection.execute(query).fetchone() or (None,)
    assert gain == pytest.approx(1.0)
