"""Sessions by Spark, in whatever pieces events arrive, against sessions by a loop over one person's times."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from affinity.tables import views
from tests.features.days import asked, belonging, contributions, days

GAP = views.SESSION_GAP
MS = timedelta(milliseconds=1)
START = datetime(2025, 10, 6, 22, tzinfo=UTC)  # two hours before midnight
PAUSES = (
    *(timedelta(0), MS, timedelta(minutes=7), GAP - MS, GAP, GAP, GAP + MS, GAP + MS),
    *(timedelta(hours=1), timedelta(hours=2), timedelta(hours=23), timedelta(days=2)),
)
N_CASES = 150


def brute_force(times: Sequence[datetime], gap: timedelta = GAP) -> list[tuple[datetime, datetime]]:
    """Sessions of one person, one event after the other."""
    sessions: list[tuple[datetime, datetime]] = []
    for time in sorted(times):
        if sessions and time - sessions[-1][1] <= gap:
            sessions[-1] = (sessions[-1][0], time)
        else:
            sessions.append((time, time))
    return sessions


def generated(number: int) -> list[dict[str, Any]]:
    """Events of one customer: pauses around the gap, of up to three devices, in up to three runs."""
    random = Random(number)
    n_devices, n_runs = random.choice((1, 2, 3)), random.choice((1, 2, 3))
    ts, made = START, []
    for _ in range(random.randint(1, 12)):
        ts += random.choice(PAUSES)
        event_type = random.choice(("view", "cart", "purchase"))
        subject, run = f"c{number}-{random.randrange(n_devices)}", random.randrange(n_runs)
        about = {"event_ts": ts, "event_date": ts.date(), "event_type": event_type}
        made.append({**about, "customer_id": subject, "run": run})
    return made


@pytest.fixture(scope="module")
def cases() -> list[dict[str, Any]]:
    return [event for number in range(N_CASES) for event in generated(number)]


@pytest.fixture(scope="module")
def begun(cases) -> dict[tuple[str, date], int]:
    """Sessions by the day on which they begin."""
    times: dict[str, list[datetime]] = {}
    for event in cases:
        times.setdefault(event["customer_id"].partition("-")[0], []).append(event["event_ts"])
    starts = [(who, start.date()) for who, some in times.items() for start, _ in brute_force(some)]
    return Counter(starts)


@pytest.mark.parametrize("n_runs", [1, 3])
def test_generated_cases_match_the_loop_however_they_arrive(spark, events_of, cases, begun, n_runs):
    batches = [[event for event in cases if event["run"] % n_runs == run] for run in range(n_runs)]
    plain = [[{key: value for key, value in event.items() if key != "run"} for event in batch] for batch in batches]
    subjects = sorted({event["customer_id"] for event in cases})
    identities = belonging(spark, {subject: subject.partition("-")[0] for subject in subjects})

    daily = days(*(events_of(*batch) for batch in plain), identities=identities)

    assert {(row.customer_id, row.event_date): row.n_sessions for row in daily if row.n_sessions} == begun
    assert sum(row.n_events for row in daily) == len(cases)


def test_contributions_of_one_run_match_the_loop_day_by_day(events_of, cases):
    plain = [{key: value for key, value in event.items() if key != "run"} for event in cases]
    times: dict[tuple[str, date], list[datetime]] = {}
    for event in plain:
        times.setdefault((event["customer_id"], event["event_date"]), []).append(event["event_ts"])
    found: dict[tuple[str, date], list[tuple[datetime, datetime]]] = {}
    views_only = events_of(*({**event, "event_type": "view"} for event in plain))
    for row in contributions(views_only).toArrow().to_pylist():
        pairs = zip(row["session_starts"], row["session_ends"], strict=True)
        found[row["subject_id"], row["event_date"]] = list(pairs)
    assert found == {who_and_day: brute_force(some) for who_and_day, some in times.items()}


def begun_of(*pairs):
    """How many sessions begin, of intervals in minutes after ten that came in as many contributions."""
    ten = datetime(2025, 10, 6, 10, tzinfo=UTC)
    spans = [[[ten + timedelta(minutes=m)] for m in pair] for pair in pairs]
    columns = {"customer_id": ["ann"] * len(spans), "event_date": [ten.date()] * len(spans)}
    columns |= {"session_starts": [start for start, _ in spans], "session_ends": [end for _, end in spans]}
    times = pa.list_(pa.timestamp("us", "UTC"))
    kinds = {"customer_id": pa.string(), "event_date": pa.date32(), "session_starts": times, "session_ends": times}
    return [row.n_sessions for row in asked(views.sessions_begun("rows"), pa.table(columns, pa.schema(kinds.items())))]


@pytest.mark.parametrize(
    ("given", "n_sessions"),
    [
        ([], []),
        ([(0, 0)], [1]),
        ([(0, 10), (40, 50)], [1]),  # exactly the gap
        ([(0, 10), (41, 50)], [2]),
        ([(0, 120), (5, 6), (130, 131)], [1]),  # one within another
        ([(0, 10), (0, 10), (0, 0)], [1]),  # the same twice
        ([(0, 10), (60, 70), (35, 35)], [1]),  # what arrives late joins two
        ([(0, 50), (20, 30), (81, 90), (85, 200), (231, 231)], [3]),
    ],
)
def test_intervals_join(given, n_sessions):
    assert begun_of(*given) == n_sessions
