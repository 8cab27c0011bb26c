"""Asking the released tables: what is seen, what is not, and what is refused."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable

from affinity.core.errors import BadInput, Infrastructure
from affinity.io import ask
from affinity.io.config import load_config
from affinity.io.customer import checked_customer_id, customer
from affinity.io.ops import OpsStore
from affinity.io.root import Root, open_root
from affinity.jobs import cli
from affinity.tables import ops, silver
from affinity.tables.catalog import TABLES
from affinity.tables.spec import ViewSpec
from affinity.tables.views import VIEWS, type_of
from tests.io.published import AS_OF, AT, BEFORE, customer_of, release, write

Affinity = Callable[..., tuple[int, str, str]]


@pytest.fixture
def affinity(published: Root, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Affinity:
    """The command line over the published root: exit code, output, errors."""

    def call(*arguments: str, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["affinity", *arguments, "--root", str(published.path)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out, told.err

    return call


def test_rows_of_a_run_that_died_before_its_release_are_not_seen(published: Root) -> None:
    assert ask.ask(published, "SELECT count(*) AS n, max(as_of_date) AS day FROM gold.recommendations") == [
        {"n": 2, "day": AS_OF}
    ]
    assert ask.ask(published, "SELECT count(*) AS n FROM silver.events") == [{"n": 5}]


def test_latest_is_the_newest_released_slice(published: Root) -> None:
    days = "SELECT as_of_date, count(*) AS n FROM gold.customer_features{} GROUP BY ALL ORDER BY ALL"
    assert ask.ask(published, days.format("")) == [{"as_of_date": BEFORE, "n": 1}, {"as_of_date": AS_OF, "n": 2}]
    assert ask.ask(published, days.format("_latest")) == [{"as_of_date": AS_OF, "n": 2}]


def test_merged_rows_are_found_by_their_words(tmp_path: Path) -> None:
    root = open_root(load_config(overrides=[f"store.root={tmp_path}"]), create=True)
    for spec, key, named in ((ops.FILES, "file_id", "reason"), (ops.SUPPRESSIONS, "subject_key", "reason")):
        write(root, spec, {key: "a", named: "erased"}, {key: "b", named: "opted_out"})
        OpsStore(root).upsert(spec, DeltaTable(str(root.table(spec))).to_pyarrow_table().to_pylist(), "run")
        release(root, spec, 1, None)
        found = ask.ask(
            root,
            f"SELECT count(*) AS n FROM {spec.full_name} AS a JOIN {spec.full_name} AS b USING "
            f"({named}) WHERE {named} = 'erased'",
        )
        assert found == [{"n": 1}]


def test_a_table_that_was_never_released_is_empty_with_its_columns(published: Root) -> None:
    described = ask.ask(published, "DESCRIBE silver.quarantine")
    assert tuple(row["column_name"] for row in described) == silver.QUARANTINE.column_names
    assert {row["column_type"] for row in described} == {"VARCHAR", "DATE", "BIGINT", "VARCHAR[]"}
    assert ask.ask(published, "SELECT * FROM silver.quarantine") == []


def test_every_table_of_the_catalog_has_a_view(published: Root) -> None:
    shown = ask.ask(published, "SELECT schema_name || '.' || view_name AS name FROM duckdb_views()")
    assert {spec.full_name for spec in (*TABLES, *VIEWS)} <= {row["name"] for row in shown}


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.full_name)
def test_a_view_has_the_columns_that_its_page_describes(published: Root, view: ViewSpec) -> None:
    found = ask.ask(published, f"DESCRIBE {view.full_name}")
    described = [(column.name, type_of(column.type).upper()) for column in view.columns]
    assert [(row["column_name"], row["column_type"]) for row in found] == described


def test_an_empty_root_answers_with_empty_tables(tmp_path: Path) -> None:
    root = open_root(load_config(overrides=[f"store.root={tmp_path / 'root'}"]), create=True)
    assert ask.ask(root, "SELECT * FROM gold.recommendations_latest") == []
    assert ask.runs(root) == []
    assert {row["rows"] for row in ask.tables(root)} == {None}


def test_a_column_that_an_older_release_did_not_write_is_null(tmp_path: Path) -> None:
    root = open_root(load_config(overrides=[f"store.root={tmp_path / 'root'}"]), create=True)
    write(root, silver.CUSTOMERS, {"subject_id": "c1"}, without="country")
    release(root, silver.CUSTOMERS, 0, BEFORE)
    assert ask.ask(root, "SELECT customer_id, country FROM silver.customers") == [
        {"customer_id": "c1", "country": None}
    ]


@pytest.mark.parametrize("version", [0, 3])
def test_a_release_without_its_version_is_told(tmp_path: Path, version: int) -> None:
    root = open_root(load_config(overrides=[f"store.root={tmp_path / 'root'}"]), create=True)
    if version:
        write(root, silver.CUSTOMERS, {"subject_id": "c1"})
    release(root, silver.CUSTOMERS, version, BEFORE)
    with pytest.raises(
        Infrastructure, match=f"silver.customers was released at version {version}, but .* does not have"
    ):
        ask.ask(root, "SELECT * FROM silver.customers")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM '/etc/passwd'",
        "COPY (SELECT 1) TO '{path}'",
        "COPY gold.recommendations TO '{path}' (FORMAT parquet)",
        "EXPORT DATABASE '{path}'",
        "ATTACH '{path}' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "RESET lock_configuration",
    ],
)
def test_nothing_but_the_tables_is_reached(published: Root, tmp_path: Path, sql: str) -> None:
    statement = sql.format(path=tmp_path / "out")
    with pytest.raises(BadInput):
        ask.query(ask.connect(published), statement)
    # A notebook that holds the connection itself reaches no more.
    with pytest.raises(duckdb.Error):
        ask.connect(published).execute(statement)
    assert list(tmp_path.iterdir()) == []


def test_files_are_refused_in_plain_words(published: Root) -> None:
    with pytest.raises(BadInput, match=r"SQL was refused: .*It may read the published tables, and nothing else"):
        ask.ask(published, "SELECT * FROM read_csv('/etc/passwd')")


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT * FROM gold.recomendations", 'did you mean "gold.recommendations"'),
        ("SELECT * FROM recommendations", 'did you mean "gold.recommendations"'),
        ("SELECT nope FROM gold.recommendations", 'Referenced column "nope" not found'),
        ("SELEC 1", "syntax error"),
        ("SELECT 1; SELECT 2", "Expected one SQL statement, got 2"),
        ("", "Expected one SQL statement, got 0"),
        ("DROP VIEW gold.recommendations", "A DROP statement was refused"),
    ],
)
def test_a_fault_in_the_sql_is_told(published: Root, sql: str, said: str) -> None:
    with pytest.raises(BadInput) as told:
        ask.ask(published, sql)
    assert said in str(told.value)
    assert "\n" not in str(told.value)


def test_tables_tell_rows_slices_and_release(published: Root) -> None:
    by_name = {row["name"]: row for row in ask.tables(published)}
    features = by_name["gold.customer_features"]
    assert (features["rows"], features["slices"], features["newest_slice"], features["version"]) == (3, 2, AS_OF, 1)
    assert features["released_ts"] == AT
    assert (by_name["ops.runs"]["rows"], by_name["ops.runs"]["released_ts"]) == (7, None)
    assert by_name["silver.quarantine"]["version"] is None


def test_runs_show_each_attempt_once_with_its_end(published: Root) -> None:
    attempts = [(row["job"], row["status"], row["exit_code"]) for row in ask.runs(published)]
    assert attempts == [
        ("maintain_tables", "started", None),
        ("mine_rules", "failed", 3),
        ("train_recommender", "done", 0),
        ("train_propensity", "done", 0),
    ]
    assert len(ask.runs(published, limit=1)) == 1


def test_a_customer_shows_what_is_held_and_decided(published: Root) -> None:
    found = customer(published, customer_of(published, "17850"))
    assert [(row["event_type"], row["n_events"], row["amount"]) for row in found["events"]] == [
        ("purchase", 2, Decimal(90)),
        ("return", 1, Decimal(10)),
    ]
    assert found["attributes"] == [{"source": "x", "observed_date": BEFORE, "country": "France", "tier": None}]
    assert [row["net_amount"] for row in found["features"]] == [Decimal(80)]
    assert [row["segment_name"] for row in found["segment"]] == ["segment <1>"]
    assert [row["probability"] for row in found["propensity"]] == [0.9]
    assert [(row["item_id"], row["description"]) for row in found["recommendations"]] == [("mug", "=Mug")]
    assert len(found["identities"][0]["subject_key"]) == 13


def test_an_unknown_customer_is_told(published: Root) -> None:
    with pytest.raises(BadInput, match="No released table knows this customer"):
        customer(published, "c" + "0" * 24)


@pytest.mark.parametrize(
    "text", ["17850", "C" + "0" * 24, "c" + "0" * 23, "c" + "0" * 24 + "\n", "ann@shop.example", ""]
)
def test_what_is_no_pseudonym_is_refused_unseen(text: str) -> None:
    with pytest.raises(BadInput) as told:
        checked_customer_id(text)
    assert not text or text.strip() not in str(told.value)


def test_a_raw_id_is_asked_for_on_standard_input_only(published: Root, affinity: Affinity) -> None:
    ann = customer_of(published, "17850")
    code, out, err = affinity("customer", "show", "-", typed=" 17850.0 \n")
    assert (code, err) == (0, "")
    assert ann in out
    assert "17850" not in out.replace(ann, "")
    code, out, err = affinity("customer", "show", "17850", "Smith")
    assert code == 2
    assert "17850" not in out + err
    assert "Smith" not in out + err


@pytest.mark.parametrize("typed", ["", "\n", "  nan \n"])
def test_a_blank_id_is_nobody(affinity: Affinity, typed: str) -> None:
    code, _, err = affinity("customer", "show", "-", typed=typed)
    assert code == 2
    assert "Standard input held no id" in err


def test_csv_is_quoted_and_runs_no_formula(affinity: Affinity) -> None:
    sql = (
        """SELECT '=1+1' AS formula, 'a "b", c' AS quoted, -1.5::DECIMAL(5,2) AS amount, NULL AS none, ['x'] AS list"""
    )
    assert affinity("sql", sql, "--format", "csv")[1] == (
        'formula,quoted,amount,none,list\n\'=1+1,"a ""b"", c",-1.50,,"[""x""]"\n'
    )


def test_json_keeps_digits_and_iso_times(affinity: Affinity) -> None:
    times = "DATE '2011-09-01' AS day, TIMESTAMPTZ '2011-09-01 08:00:00+00' AS ts"
    sql = f"SELECT 1.10::DECIMAL(5,2) AS amount, {times}, 'nan'::DOUBLE AS x"
    assert json.loads(affinity("sql", sql, "--format", "json")[1]) == [
        {"amount": "1.10", "day": "2011-09-01", "ts": "2011-09-01T08:00:00Z", "x": None}
    ]
    assert json.loads(affinity("sql", "SELECT 1 AS a WHERE false", "--format", "json")[1]) == []
    assert affinity("sql", "SELECT 1 AS a, 2 AS a", "--format", "json")[0] == 2


def test_a_table_shows_text_as_it_is(affinity: Affinity) -> None:
    out = affinity("sql", "SELECT '[bold]x' AS markup, chr(27) || '[31m' AS control, 1234567 AS n")[1]
    assert "[bold]x" in out
    assert "\x1b" not in out
    assert "1,234,567" in out


def test_a_long_table_says_that_it_is_cut(affinity: Affinity) -> None:
    assert "The first 200 rows" in affinity("sql", "SELECT * FROM range(201)")[1]
    assert "The first 200 rows" not in affinity("sql", "SELECT * FROM range(200)")[1]


def test_commands_list_tables_and_runs(affinity: Affinity) -> None:
    assert "gold.segment_profiles" in affinity("tables")[1]
    first = json.loads(affinity("runs", "--limit", "1", "--format", "json")[1])
    assert [row["job"] for row in first] == ["maintain_tables"]


def test_asking_imports_neither_spark_nor_mlflow_nor_gx(published: Root) -> None:
    script = (
        "import sys\n"
        "from affinity.jobs import cli\n"
        f"sys.argv = ['affinity', 'tables', '--root', {str(published.path)!r}]\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        "found = {'pyspark', 'delta', 'mlflow', 'great_expectations', 'matplotlib', 'py4j'} & set(sys.modules)\n"
        "sys.exit(f'imported {found}' if found else 0)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
