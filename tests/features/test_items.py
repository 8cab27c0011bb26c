from datetime import UTC, date, datetime

import pytest

from affinity.features.items import current_items

CUT = date(2011, 6, 3)


@pytest.fixture
def observations(spark):
    def make(*rows):
        schema = (
            "item_id string, observed_date date, observed_ts timestamp, file_id string, source string, "
            "description string"
        )
        return spark.createDataFrame([(i, ts.date(), ts, f, s, d) for i, ts, f, s, d in rows], schema)

    return make


def newest(frame):
    return sorted((row.item_id, row.description) for row in current_items(frame, as_of=CUT).collect())


def test_the_newest_before_the_date_holds(observations):
    first, second = datetime(2011, 6, 1, 9, tzinfo=UTC), datetime(2011, 6, 2, 9, tzinfo=UTC)
    frame = observations(
        ("tea", first, "f1", "shop", "Tea"),
        ("tea", second, "f0", "shop", "Green tea"),
        ("tea", datetime(2011, 6, 3, 0, tzinfo=UTC), "f2", "shop", "of the future"),
        ("cup", first, "f1", "shop", None),
    )
    assert newest(frame) == [("cup", None), ("tea", "Green tea")]


def test_ties_go_to_the_greater_file_then_source(observations):
    ts = datetime(2011, 6, 1, 9, tzinfo=UTC)
    rows = [("tea", ts, "f1", "shop", "1"), ("tea", ts, "f2", "shop", "2"), ("tea", ts, "f2", "web", "3")]
    assert newest(observations(*rows)) == newest(observations(*reversed(rows))) == [("tea", "3")]


def test_nothing_observed(observations):
    assert newest(observations()) == []
