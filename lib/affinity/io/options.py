"""Options that every command line of ours shares; light to import, for asking must be quick."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from affinity.io.config import Config
    from affinity.io.platform import Platform
    from affinity.io.root import Root

AsOf = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Cut: only events before this date are known.")
]
Sources = Annotated[
    list[str],
    typer.Option("--source", help="Source mapping, as in conf/sources/<name>.toml; may be repeated."),
]
Landing = Annotated[Path | None, typer.Option(help="Folder of the landed files of an ingest job.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", envvar="AFFINITY_CONFIG", help="Settings file.")]
Env = Annotated[str | None, typer.Option(envvar="AFFINITY_ENV", help="Overlay conf/env/<name>.toml.")]
Set = Annotated[list[str], typer.Option("--set", help="One setting, as in --set store.root=/data/affinity.")]
RootDir = Annotated[Path | None, typer.Option("--root", envvar="AFFINITY_ROOT", help="Root of tables and models.")]
Restate = Annotated[bool, typer.Option(help="Replace a slice that was published before.")]
Wait = Annotated[float, typer.Option(help="Seconds to wait for another run to end.")]


def program(command: Callable[..., None]) -> None:
    """Run one function as a program; an error of ours is one paragraph and its documented exit code."""
    from affinity.core.errors import AffinityError

    app = typer.Typer(add_completion=False)
    app.command()(command)
    try:
        app()
    except AffinityError as error:
        typer.echo(f"{command.__name__}: {error}", err=True)
        raise SystemExit(int(error.exit_code)) from None


def config_of(config: Path | None, env: str | None, root: Path | None, overrides: Sequence[str]) -> "Config":
    """The settings of the command line's options."""
    from affinity.io.config import load_config

    return load_config(config, env, [*overrides, f"store.root={root}"] if root else overrides)


def platform_of(config: Path | None, env: str | None, root: Path | None, overrides: Sequence[str]) -> "Platform":
    """The platform of the command line's options, to run jobs on."""
    from affinity.io.platform import Platform

    return Platform.open(config_of(config, env, root, overrides), create=True)


def root_of(config: "Config") -> "Root":
    """The root of the settings, to ask; it must exist."""
    from affinity.io.root import open_root

    return open_root(config, create=False)
