"""A table written by an older specification: additions are made, anything else is refused with the migration's name."""

from dataclasses import replace

import pytest

from affinity.core.errors import BadInput
from affinity.io.ops import layout, table_properties
from affinity.tables import silver
from affinity.tables.ddl import SPEC_VERSION
from affinity.tables.spec import Check
from tests.shop import Shop


def _written_by_older(shop: Shop, *lacking: str) -> None:
    """A table of specification version 0, which lacked some columns, with one row."""
    values = {
        "source": "'shop'",
        "item_id": "'tea'",
        "observed_date": "DATE '2011-01-04'",
        "observed_ts": "TIMESTAMP '2011-01-04 10:00:00'",
        "description": "'TEA POT'",
        "unit_price": "1.5",
        "currency": "'GBP'",
        "is_recommendable": "true",
        "file_id": "'f'",
        "run_id": "'r'",
    }
    columns = tuple(column for column in silver.ITEMS.columns if column.name not in lacking)
    shop.platform.store.ensure(replace(silver.ITEMS, columns=columns, version=0))
    given = [values.get(column.name, "NULL") for column in columns]
    path = shop.platform.root.table(silver.ITEMS)
    shop.platform.spark.sql(f"INSERT INTO delta.`{path}` SELECT {', '.join(given)}")


def test_a_new_nullable_column_is_added_and_old_rows_hold_null(shop: Shop) -> None:
    _written_by_older(shop, "description")

    assert shop.run("ingest_items").rows == {"silver.items": 2}

    old = shop.read(silver.ITEMS).where("source = 'shop'").collect()
    assert [(row["item_id"], row["description"]) for row in old] == [("tea", None)]
    assert shop.read(silver.ITEMS).count() == 3
    assert table_properties(shop.platform.root, silver.ITEMS)[SPEC_VERSION] == "1"


def test_a_change_that_is_no_addition_names_the_migration(shop: Shop) -> None:
    _written_by_older(shop)
    retyped = tuple(
        replace(column, type="double") if column.name == "unit_price" else column for column in silver.ITEMS.columns
    )
    with pytest.raises(BadInput, match=r"changed types \['unit_price'\].*migration silver_items_v0_to_v1"):
        shop.platform.store.ensure(replace(silver.ITEMS, columns=retyped))
    with pytest.raises(BadInput, match=r"removed columns \['description'\]"):
        shop.platform.store.ensure(
            replace(silver.ITEMS, columns=tuple(c for c in silver.ITEMS.columns if c.name != "description"))
        )


def test_checks_and_loosened_columns_are_brought_up_to_date(shop: Shop) -> None:
    spec = silver.ITEMS
    _written_by_older(shop)
    newer = replace(
        spec,
        version=2,
        columns=tuple(
            replace(column, nullable=True) if column.name == "file_id" else column for column in spec.columns
        ),
        checks=(Check("price_positive", "unit_price > 0"),),
    )

    shop.platform.store.ensure(newer)

    found = layout(shop.platform.root, spec)
    assert found.constraints == {"price_positive": "unit_price > 0"}
    assert "file_id" in found.nullable
    changed = replace(newer, version=3, checks=(Check("price_positive", "unit_price > 1"),))
    shop.platform.store.ensure(changed)
    assert layout(shop.platform.root, spec).constraints == {"price_positive": "unit_price > 1"}
    with pytest.raises(BadInput, match=r"newly required columns \['file_id'\]"):
        shop.platform.store.ensure(replace(spec, version=4))
