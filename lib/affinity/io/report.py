"""The report: one HTML file whose first page answers in people and money, every figure with its SQL."""

import json
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from jinja2 import Environment, PackageLoader, StrictUndefined

import affinity
from affinity.core.errors import BadInput
from affinity.io import ask
from affinity.io.answers import text_of
from affinity.io.ops import OpsStore, Row, now
from affinity.io.releases import Releases
from affinity.io.report_sql import QUERIES
from affinity.io.root import Root
from affinity.tables.catalog import TABLES

_GOLD = tuple(spec for spec in TABLES if spec.layer == "gold")
UNKNOWN, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
_SIGNS = {"GBP": "£", "EUR": "€", "USD": "$"}


@dataclass(frozen=True)
class Asked:
    """A query and what it gave."""

    sql: str
    rows: Sequence[Row]

    @property
    def first(self) -> Row:
        """The first row; nothing where there is none."""
        return self.rows[0] if self.rows else {}

    def total(self, column: str) -> Any:
        """Sum of a column; unknown values count nothing."""
        return sum(row[column] or 0 for row in self.rows)


def write_report(root: Root, as_of: date | None = None, out: Path | None = None) -> Path:
    """Write the report of a released date, by default of the newest, and return its path.

    Raises:
        BadInput: nothing was released yet, or not for this date.
    """
    releases = Releases.of(OpsStore(root))
    day = _released_day(releases, as_of)
    with closing(ask.connect(root)) as connection:
        asked = {name: _asked(connection, sql, day) for name, sql in QUERIES.items()}
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            as_of=day,
            asked=asked,
            found=_found(root, day),
            runs=ask.runs(root, 25),
            tables=ask.tables(root),
            version=affinity.__version__,
            written_ts=now(),
        )
    )
    path = out or root.reports / f"{day}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(page, encoding="utf-8")
    return scratch.replace(path)


def truth_file(root: Root, as_of: date) -> Path:
    """Where the comparison with a simulated shop's truth is noted."""
    return root.reports / f"{as_of}-truth.json"


def _found(root: Root, as_of: date) -> list[Row]:
    """What was found beside what is planted, where the events are of a simulated shop; empty else."""
    file = truth_file(root, as_of)
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []


def _released_day(releases: Releases, as_of: date | None) -> date:
    days = sorted({day for spec in _GOLD for day in releases.slices(spec) if day is not None})
    if not days:
        raise BadInput(
            "Nothing was published yet, so there is nothing to report; `affinity run` publishes a first date."
        )
    if as_of is not None and as_of not in days:
        newest = ", ".join(str(day) for day in days[-5:])
        raise BadInput(f"Nothing was published for --as-of {as_of}; the newest published dates are {newest}.")
    return as_of or days[-1]


def _asked(connection: duckdb.DuckDBPyConnection, template: str, as_of: date) -> Asked:
    sql = template.replace("{as_of}", f"DATE '{as_of}'")
    return Asked(sql, ask.query(connection, sql).records())


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("affinity.io"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "money": money,
        "number": number,
        "share": share,
        "text": text_of,
        "when": lambda value: f"{value:%Y-%m-%d %H:%M:%S}" if value else UNKNOWN,
        "from_json": json.loads,
    }
    return environment


def money(amount: Decimal | float | None, currency: str | None, digits: int = 0) -> str:
    r"""An amount with its currency.

    >>> money(Decimal("5239240.562"), "GBP"), money(3, "SEK")
    ('£5,239,241', 'SEK\xa03')
    """
    if amount is None or currency is None:
        return UNKNOWN
    sign = _SIGNS.get(currency, f"{currency}\N{NO-BREAK SPACE}")
    return f"{MINUS if amount < 0 else ''}{sign}{abs(amount):,.{digits}f}"


def number(value: Decimal | float | None, digits: int = 0) -> str:
    """A number with its thousands grouped; a dash where it is unknown.

    >>> number(3317), number(0.74605, 3), number(None) == UNKNOWN
    ('3,317', '0.746', True)
    """
    return UNKNOWN if value is None else f"{value:,.{digits}f}"


def share(value: float | None, digits: int = 0) -> str:
    r"""A share as percent; what is less than all never reads 100.

    >>> share(0.276), share(0.99996, 1), share(1.0)
    ('28\xa0%', '> 99.9\xa0%', '100\xa0%')
    """
    if value is None:
        return UNKNOWN
    most = 100 - 10.0**-digits
    percent = 100 * value
    is_rounded_up = value < 1 and round(percent, digits) >= 100
    return f"> {most:.{digits}f}\N{NO-BREAK SPACE}%" if is_rounded_up else f"{percent:,.{digits}f}\N{NO-BREAK SPACE}%"
