"""A shop with planted truth → landing files of all its channels, and the answers beside them as Delta tables."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from affinity.io import options

Out = Annotated[Path, typer.Option(help="New folder of the shop: landing/ and truth/ are made in it.")]
Size = Annotated[str | None, typer.Option(help="Named size: tiny, demo, small, bench or large.")]
Customers = Annotated[int | None, typer.Option(help="Customers, instead of a named size or to change one.")]
Items = Annotated[int | None, typer.Option(help="Items of the catalogue, likewise.")]
Days = Annotated[int | None, typer.Option(help="Days of the span, likewise.")]
Seed = Annotated[int, typer.Option(help="Another seed is another shop of the same kind.")]
Start = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day; by default 2025-10-06.")]
FromDay = Annotated[int, typer.Option(help="First day that is written, from 0.")]
ToDay = Annotated[int | None, typer.Option(help="Day before which writing ends; by default the end of the span.")]
Add = Annotated[bool, typer.Option("--add", help="Add days to the shop that lies in the folder.")]
Set = Annotated[list[str], typer.Option("--set", help="A setting of the shop, as in --set faults.late=0.02.")]


def simulate(
    out: Out,
    size: Size = None,
    customers: Customers = None,
    items: Items = None,
    days: Days = None,
    seed: Seed = 1,
    start: Start = None,
    from_day: FromDay = 0,
    to_day: ToDay = None,
    add: Add = False,
    set_: Set = [],  # noqa: B006 - typer reads it, nobody writes it
    config: options.ConfigFile = None,
    env: options.Env = None,
) -> None:
    """Write the event logs of a simulated shop, and beside them what is true."""
    from affinity.io.session import plain_session
    from affinity.simulate import tell
    from affinity.simulate.settings import shop_config, shop_of

    sizes = {"customers": customers, "items": items, "days": days}
    settings = shop_config(size, sizes, {"seed": seed, "start_date": start and start.date()}, set_)
    shop = shop_of(settings, out, from_day, to_day, add=add)
    with tell.stopwatch() as seconds:
        spark = plain_session(lambda: options.config_of(config, env, None, []), "affinity simulate")
        written = tell.with_progress(spark, shop)
    tell.show(shop, written, seconds())


if __name__ == "__main__":
    options.program(simulate)
