"""The reference pages are made from specifications and jobs, and the committed ones are current."""

from pathlib import Path

import pytest

from affinity.io.config import load_config
from affinity.io.docs import jobs_page, pages, stale, tables_page, views, write_pages
from affinity.jobs.catalog import JOBS
from affinity.tables.catalog import TABLES
from affinity.tables.gold import CUSTOMER_SEGMENTS

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return pages(JOBS, load_config())


def test_the_committed_pages_are_current(made: dict[str, str]) -> None:
    assert stale(DOCS, made) == [], "run `affinity docs` and commit what it writes"


def test_a_missing_or_changed_page_is_stale(made: dict[str, str], tmp_path: Path) -> None:
    write_pages(tmp_path, made)
    assert stale(tmp_path, made) == []
    (tmp_path / "jobs.md").write_text("old", encoding="utf-8")
    (tmp_path / "views.sql").unlink()
    assert stale(tmp_path, made) == [tmp_path / "jobs.md", tmp_path / "views.sql"]


def test_every_table_and_every_column_is_described() -> None:
    page = tables_page()
    for spec in TABLES:
        assert f"## {spec.full_name}\n\n{spec.doc}" in page
        assert all(column.comment.replace("|", "\\|") in page for column in spec.columns)


def test_a_table_says_key_checks_and_personal_class() -> None:
    page = tables_page([CUSTOMER_SEGMENTS], [])
    assert "- Key: `as_of_date`, `customer_id`" in page
    assert "| `customer_id` | `string` |  | Pseudonymous customer | pseudonym |" in page
    assert "| segment_positive | `segment_id >= 1` | critical |" in page


def test_a_job_says_reads_writes_and_the_shipped_defaults() -> None:
    page = jobs_page(JOBS, load_config())
    assert "- Reads: `gold.customer_features`, `models.segments`" in page
    assert "| `horizon_days` | int, ≥ 1, ≤ 730 | `92` |" in page


def test_gold_tables_have_a_view_of_their_newest_slice() -> None:
    assert views([CUSTOMER_SEGMENTS]).endswith(
        "CREATE OR REPLACE VIEW gold.customer_segments_latest AS\n"
        "SELECT * FROM gold.customer_segments\n"
        "WHERE as_of_date = (SELECT max(as_of_date) FROM gold.customer_segments);\n"
    )
