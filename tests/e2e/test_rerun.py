"""Running again changes nothing; an older date leaves the newer one as it was."""

from datetime import date

import pytest

from affinity.core.vocabulary import Status
from affinity.io import plan
from affinity.io.chain import forecast
from affinity.io.plan import Request
from affinity.io.releases import Releases
from affinity.jobs.catalog import JOBS
from affinity.tables import gold
from tests.digest import spark_digest
from tests.e2e.conftest import AS_OF, Demo

OLDER = date(2011, 6, 1)


def test_a_second_and_third_run_find_nothing_to_do(demo: Demo) -> None:
    before = demo.versions()
    for _ in range(2):
        results = demo.walk()
        assert {result.job: result.status for result in results} == {job.name: Status.NOTHING_TO_DO for job in JOBS}
    assert demo.versions() == before


def test_a_restated_slice_is_equal_and_there_once(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _features_digest(demo)
    monkeypatch.setattr(plan, "code_version", lambda: "another release")

    kept, done = demo.run("build_features", AS_OF), demo.run("build_features", AS_OF, restate=True)

    assert (kept.status, done.status) == (Status.KEPT, Status.DONE)
    assert _features_digest(demo) == before
    released = Releases.of(demo.platform.ops).slice(gold.CUSTOMER_FEATURES, AS_OF)
    assert released is not None
    assert released.run_id == done.run_id


def test_an_older_date_after_a_newer_one(demo: Demo) -> None:
    newer = _features_digest(demo)

    assert demo.run("build_features", OLDER).status in (Status.DONE, Status.NOTHING_TO_DO)

    slices = demo.read(gold.CUSTOMER_FEATURES).groupBy("as_of_date").count().collect()
    assert {row["as_of_date"]: row["count"] for row in slices} == {OLDER: 2_718, AS_OF: 3_317}
    assert _features_digest(demo) == newer


def test_a_score_for_an_older_date_uses_no_younger_model(demo: Demo) -> None:
    demo.run("build_features", OLDER)
    result = demo.run("assign_segments", OLDER)
    assert result.status is Status.SKIPPED
    assert result.reason is not None
    assert "no model 'segments' was promoted yet" in result.reason


def test_a_dry_run_says_so_and_does_nothing(demo: Demo) -> None:
    before = demo.versions()
    said = list(forecast(demo.platform, JOBS, Request(date(2011, 8, 1), ("online_retail",), demo.landing)))
    assert {result.job for result in said if result.status is Status.STARTED} >= {"build_features", "assign_segments"}
    assert demo.versions() == before


def _features_digest(demo: Demo) -> str:
    return spark_digest(demo.read(gold.CUSTOMER_FEATURES).where(f"as_of_date = DATE '{AS_OF}'"), gold.CUSTOMER_FEATURES)
