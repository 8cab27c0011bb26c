"""The commands that ask: no JVM is started, and heavy imports wait until a command needs them."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from affinity.core.errors import BadInput, ExitCode
from affinity.core.vocabulary import Suppression
from affinity.io import answers, options
from affinity.io.answers import Format

if TYPE_CHECKING:
    from affinity.io.config import Config
    from affinity.io.job import Job


AskForm = Annotated[Format, typer.Option("--format", help="table to look at, csv or json to go on with.")]
Jobs = Callable[[], "Sequence[Job]"]


def register(app: typer.Typer, jobs: Jobs) -> None:
    """Add the commands to ``app``; ``jobs`` are looked up only where they are described."""
    app.command("tables")(tables)
    app.command("sql")(sql)
    app.command("runs")(runs)
    customers = typer.Typer(no_args_is_help=True, help="Ask about one customer.")
    customers.callback()(_ask_about_one)
    customers.command("show")(show)
    customers.command("suppress")(suppress)
    app.add_typer(customers, name="customer")
    sources = typer.Typer(no_args_is_help=True, help="List the sources, and try a mapping on a file.")
    sources.command("list")(list_sources)
    sources.command("check")(check_source)
    app.add_typer(sources, name="source")
    app.command("report")(report)
    app.command("docs")(_docs(jobs))
    app.command("dag")(_dag(jobs))


def tables(
    form: AskForm = Format.TABLE,
    config: options.ConfigFile = None,
    env: options.Env = None,
    root: options.RootDir = None,
    set_: options.Set = [],  # noqa: B006 - typer reads it, nobody writes it
) -> None:
    """List the tables: grain, rows, newest slice, and the version that was released."""
    from affinity.io import ask

    _write(ask.tables(options.root_of(options.config_of(config, env, root, set_))), form)


def sql(
    query: Annotated[
        str, typer.Argument(help="One reading statement over layer.table, as in gold.recommendations_latest.")
    ],
    form: AskForm = Format.TABLE,
    config: options.ConfigFile = None,
    env: options.Env = None,
    root: options.RootDir = None,
    set_: options.Set = [],  # noqa: B006 - typer reads it, nobody writes it
) -> None:
    """Ask the released tables by SQL (DuckDB's)."""
    from affinity.io import ask

    connection = ask.connect(options.root_of(options.config_of(config, env, root, set_)), query)
    answers.write(ask.query(connection, query), form, sys.stdout)


def runs(
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest attempts.")] = 20,
    form: AskForm = Format.TABLE,
    config: options.ConfigFile = None,
    env: options.Env = None,
    root: options.RootDir = None,
    set_: options.Set = [],  # noqa: B006 - typer reads it, nobody writes it
) -> None:
    """List the newest attempts with how they ended."""
    from affinity.io import ask

    _write(ask.runs(options.root_of(options.config_of(config, env, root, set_)), limit), form)


def _ask_about_one() -> None:
    """Ask about one customer."""


def show(
    customer: Annotated[
        list[str], typer.Argument(help="Pseudonym (c and 24 hex digits), or - to type a raw id on standard input.")
    ],
    source: Annotated[
        str | None, typer.Option(help="Source whose ids are typed; default: the only one ingested.")
    ] = None,
    form: AskForm = Format.TABLE,
    config: options.ConfigFile = None,
    env: options.Env = None,
    root: options.RootDir = None,
    set_: options.Set = [],  # noqa: B006 - typer reads it, nobody writes it
) -> None:
    """Show everything held and decided about one customer."""
    from affinity.io.customer import checked_customer_id, customer_today
    from affinity.io.customer import customer as ask_customer

    # All words are taken and none is echoed: a raw id of two words would else stand in the usage error.
    chosen = customer[0] if customer == ["-"] else checked_customer_id(" ".join(customer))
    settings = options.config_of(config, env, root, set_)
    if chosen == "-":
        chosen = _typed_customer(settings, source)
    opened = options.root_of(settings)
    meant = customer_today(opened, chosen)
    if meant != chosen:
        typer.echo(f"{chosen} belongs to {meant} today.", err=True)
    _write_sections(meant, ask_customer(opened, meant), form)


def list_sources(
    form: AskForm = Format.TABLE,
    config: options.ConfigFile = None,
    env: options.Env = None,
    set_: options.Set = [],  # noqa: B006 - typer reads it, nobody writes it
) -> None:
    """List the mappings beside the settings file: format, feeds and time zone."""
    from affinity.core.vocabulary import Feed
    from affinity.io.config import load_source, source_names

    settings = options.config_of(config, env, None, set_)
    mappings = [load_source(settings, name) for name in source_names(settings)]
    rows = [
        {
            "source": mapping.name,
            "format": mapping.files.format,
            "feeds": ", ".join(feed for feed in Feed if mapping.has(feed)),
            "time_zone": mapping.time_zone,
            "pattern": mapping.files.pattern,
        }
        for mapping in mappings
    ]
    _write(rows, form)


def check_source(
    file: Annotated[Path, typer.Argument(help="A file of the source.")],
    source: Annotated[str, typer.Option(help="Name of a source, or the path of a mapping: a file that ends in .toml.")],
    lines: Annotated[int, typer.Option(min=1, help="How many of the first lines are looked at.")] = 1000,
    config: options.ConfigFile = None,
    env: options.Env = None,
    set_: options.Set = [],  # noqa: B006 - typer reads it, nobody writes it
) -> None:
    """Show what a mapping makes of the first lines of a file; nothing is written, and no key or root is needed."""
    from affinity.io.config import load_source, read_source
    from affinity.io.source_check import checked

    settings = options.config_of(config, env, None, set_)
    mapping = read_source(Path(source)) if source.endswith(".toml") else load_source(settings, source)
    found = checked(file, mapping, business_zone=settings.store.business_zone, n_lines=lines)
    typer.echo(f"{file} as {mapping.name}: {found.n_lines} lines from its beginning")
    for note in found.notes:
        typer.echo(f"- {note}")
    for feed in found.feeds:
        typer.echo(f"\n{feed.feed}")
        _write(feed.outcomes, Format.TABLE)
        for example in feed.examples:
            typer.echo(f"\n{feed.feed}, line {example.line_no}: {example.becomes}")
            _write(example.fields, Format.TABLE)


def report(
    out: Annotated[Path | None, typer.Option(help="File to write; default: <root>/reports/<as_of>.html.")] = None,
    as_of: options.AsOf = None,
    config: options.ConfigFile = None,
    env: options.Env = None,
    root: options.RootDir = None,
    set_: options.Set = [],  # noqa: B006 - typer reads it, nobody writes it
) -> None:
    """Write the report of a date, by default of the newest released one, as one HTML file."""
    from affinity.io.report import write_report

    opened = options.root_of(options.config_of(config, env, root, set_))
    typer.echo(write_report(opened, as_of.date() if as_of else None, out))


def _docs(jobs: Jobs) -> Callable[..., None]:
    def docs(
        out: Annotated[Path, typer.Option(help="Folder of the documentation.")] = Path("docs"),
        check: Annotated[
            bool, typer.Option("--check", help="Write nothing; fail where a page is not what it would be.")
        ] = False,
        config: options.ConfigFile = None,
    ) -> None:
        """Make the reference of tables and jobs from their specifications."""
        from affinity.io.docs import pages, stale, write_pages

        made = pages(jobs(), options.config_of(config, None, None, ()))
        if not check:
            typer.echo("\n".join(str(path) for path in write_pages(out, made)))
            return
        if old := stale(out, made):
            names = ", ".join(str(path) for path in old)
            typer.echo(
                f"affinity: {names} is not what tables and jobs say now; run `affinity docs` and commit it.", err=True
            )
            raise typer.Exit(int(ExitCode.BAD_INPUT))

    return docs


def _dag(jobs: Jobs) -> Callable[..., None]:
    def dag() -> None:
        """Print the jobs as a DAG file for Airflow 3."""
        from affinity.io.airflow import render

        typer.echo(render(jobs()), nl=False)

    return dag


def suppress(
    source: Annotated[str, typer.Option(help="Source whose ids are given: its mapping says how they are spelled.")],
    reason: Annotated[Suppression, typer.Option(help="Why nothing of them is to be kept from now on.")],
    config: options.ConfigFile = None,
    env: options.Env = None,
    root: options.RootDir = None,
    set_: options.Set = [],  # noqa: B006 - typer reads it, nobody writes it
) -> None:
    """List people whose events are not to be kept when they arrive; raw ids come on standard input, one per line."""
    from affinity.io.config import load_source
    from affinity.io.customer import subject_of
    from affinity.io.suppression import suppress as add

    settings = options.config_of(config, env, root, set_)
    subject = subject_of(load_source(settings, source))
    n_ids = add(options.root_of(settings), subject, sys.stdin, reason)
    typer.echo(f"{n_ids} ids of kind {subject.kind} are listed as {reason}: what arrives of them is counted, not kept.")


def _typed_customer(settings: "Config", source: str | None) -> str:
    """The customer of the one raw id on standard input, which is neither shown nor kept."""
    from getpass import getpass

    from affinity.io.config import load_source
    from affinity.io.customer import customer_id_for, only_source, subject_of

    opened = options.root_of(settings)
    subject = subject_of(load_source(settings, source or only_source(opened)))
    raw = getpass("Id: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    return customer_id_for(opened, subject, raw)


def _write(rows: Sequence[dict[str, Any]], form: Format) -> None:
    answers.write(answers.answer_of(rows), form, sys.stdout)


def _write_sections(customer_id: str, sections: dict[str, list[dict[str, Any]]], form: Format) -> None:
    if form is Format.CSV:
        raise BadInput("What is held of a customer is no single table: pass --format table or json.")
    if form is Format.JSON:
        typer.echo(answers.to_json_line({"customer_id": customer_id, **sections}))
        return
    for name, rows in {"customer": [{"customer_id": customer_id}], **sections}.items():
        typer.echo(f"\n{name}")
        wide = len(rows) == 1 and len(rows[0]) > 8
        shown = [{"column": key, "value": answers.text_of(value)} for key, value in rows[0].items()] if wide else rows
        answers.write(answers.answer_of(shown), Format.TABLE, sys.stdout)
