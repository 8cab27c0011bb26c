"""The report says what the tables hold, and nothing that was not released."""

import re
from datetime import date
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from affinity.core.errors import BadInput
from affinity.io import ask
from affinity.io.config import load_config
from affinity.io.report import write_report
from affinity.io.root import Root, open_root
from tests.io.published import AS_OF, BEFORE, customer_of


class _Page(HTMLParser):
    """Text of a page, its sections and its SQL; and whether every element that was opened was closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.sql: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "rect"):
            self.open.append(tag)
        if tag == "pre":
            self.sql.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("meta", "br", "rect"):
            assert self.open.pop() == tag
        self.text += " " if tag in ("td", "th", "p", "b", "text") else ""

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "pre":
            self.sql[-1] += data
        elif "style" not in self.open:
            self.text += data


@pytest.fixture(scope="module")
def html(published: Root, tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_report(published, out=tmp_path_factory.mktemp("report") / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def text(html: str) -> str:
    return re.sub(r"\s+", " ", _Page(html).text)


def test_it_tells_of_ids_that_were_joined_and_of_those_that_were_not(text: str) -> None:
    assert "2 ids were seen together with another one: 2 customers have them." in text
    assert "2 were seen with several people and stand for none of them, and 2 are in groups too large" in text


def test_it_is_one_well_formed_file(html: str) -> None:
    page = _Page(html)
    assert page.open == []
    assert not re.search(r"(?:src|href)=\"(?!#)", html)
    assert html.count("<svg") == 5


def test_it_answers_five_questions(text: str) -> None:
    assert "1 of 2 customers, 50 %, bring 75 % of the money (£90): segment <1>" in text
    assert "Tea and Cup were in 4 baskets together; chance alone would give 2." in text
    # 0.9 + 0.2 expected buyers, of two customers.
    assert "About 1 of 2 customers are expected to buy within 92 days" in text
    assert "The model is not told apart from showing everyone the best sellers." in text
    assert "Yes, every row is accounted for: 7 came in, 5 count, 2 do not" in text
    assert "1 of 2 checks passed" in text


def test_money_stands_side_by_side(text: str) -> None:
    assert "known customers £120.00 £10.00 £110.00" in text
    assert "anonymous £2.50 £0.00 £2.50" in text


def test_models_stand_beside_their_baselines(text: str) -> None:
    assert "AUC 0.7500 0.5000 recency alone" in text
    assert "The difference is 0.1000, 95 % interval -0.0500 to 0.2500, over 2 customers" in text


def test_postage_is_no_good_that_sells_together(text: str) -> None:
    assert "Postage " not in text.replace("Postage and fees are left out", "")


def test_names_of_the_data_are_no_markup(html: str) -> None:
    assert "segment <1>" not in html
    assert "segment &lt;1&gt;" in html


def test_people_are_pseudonyms(published: Root, html: str) -> None:
    assert customer_of(published, "17850") in html
    assert "17850" not in html.replace(customer_of(published, "17850"), "")


def test_every_query_runs_as_it_is_shown(published: Root, html: str) -> None:
    shown = [unescape(sql) for sql in _Page(html).sql]
    assert len(shown) >= 15
    connection = ask.connect(published)
    for sql in shown:
        ask.query(connection, sql).records()


def test_it_lies_below_the_root_by_its_date(published: Root) -> None:
    assert write_report(published) == published.reports / f"{AS_OF}.html"


def test_a_date_with_some_tables_only_says_what_is_missing(published: Root, tmp_path: Path) -> None:
    page = write_report(published, BEFORE, tmp_path / "before.html").read_text(encoding="utf-8")
    assert page.count("Nothing was published for this date.") >= 3


def test_a_date_that_was_not_released_is_refused(published: Root) -> None:
    with pytest.raises(BadInput, match=r"Nothing was published for --as-of 2011-09-02; .* 2011-08-25, 2011-09-01"):
        write_report(published, date(2011, 9, 2))


def test_an_empty_root_has_nothing_to_report(tmp_path: Path) -> None:
    root = open_root(load_config(overrides=[f"store.root={tmp_path / 'root'}"]), create=True)
    with pytest.raises(BadInput, match="Nothing was published yet"):
        write_report(root)
