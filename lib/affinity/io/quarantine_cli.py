"""The command that shows what was not accepted; no JVM is started."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from affinity.io import answers, options
from affinity.io.answers import Format

if TYPE_CHECKING:
    from affinity.io.ops import Row

_HEADINGS = {
    "counts": "Lines by reason",
    "files": "By file",
    "samples": "Samples: of every text that stood there one, the commonest first (n_alike lines have it)",
    "refused": "Files refused whole; every ingest looks at them again",
}


def quarantine(
    context: typer.Context,
    source: Annotated[str | None, typer.Option(help="Lines of this source only.")] = None,
    reason: Annotated[str | None, typer.Option(help="Lines rejected for this reason only.")] = None,
    samples: Annotated[int, typer.Option(min=1, help="Lines to show per reason.")] = 3,
    duplicates: Annotated[bool, typer.Option("--duplicates", help="Also lines that repeat an event.")] = False,
    form: Annotated[
        Format, typer.Option("--format", help="table to look at; json with all sections; csv with the samples.")
    ] = Format.TABLE,
    config: options.ConfigFile = None,
    env: options.Env = None,
    root: options.RootDir = None,
    set_: options.Set = [],  # noqa: B006 - typer reads it, nobody writes it
) -> None:
    """Show what was not accepted and why: counts by reason and file, samples of lines, files refused whole."""
    if context.invoked_subcommand is not None:
        return
    from affinity.io import quarantine as told

    opened = options.root_of(options.config_of(config, env, root, set_))
    found = told.sections(opened, told.Wanted(source, reason, duplicates, samples))
    if form is Format.CSV:
        answers.write(answers.answer_of(found["samples"]), form, sys.stdout)
    elif form is Format.JSON:
        typer.echo(answers.to_json_line(found))
    else:
        _show(found)
        typer.echo(_advice(found, told.n_uncleaned(opened)))


def _show(found: "dict[str, list[Row]]") -> None:
    for name, rows in found.items():
        if rows:
            typer.echo(f"{_HEADINGS[name]}\n")
            answers.write(answers.answer_of(rows), Format.TABLE, sys.stdout)
            typer.echo("")


def _advice(found: "dict[str, list[Row]]", n_uncleaned: int) -> str:
    """A short word on what to do next."""
    waiting = f" {n_uncleaned} files were not judged yet: `affinity job clean_events`." if n_uncleaned else ""
    if not found["counts"]:
        return f"No line was rejected.{waiting}"
    first = found["counts"][0]
    check = f"affinity source check FILE --source {first['source']}"
    replay = f"affinity quarantine replay --reason {first['reason']} --source {first['source']} --landing DIR"
    mapping = f"conf/sources/{first['source']}.toml"
    return f"If such lines are good, mend {mapping}, try it with `{check}`, and take them in with `{replay}`.{waiting}"
