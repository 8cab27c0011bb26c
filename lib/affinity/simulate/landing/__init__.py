"""One writer per channel: events as the files of a company, in the words, clocks and formats of each system."""

from collections.abc import Iterator

from affinity.simulate.landing.batch import Batch, File
from affinity.simulate.landing.clicks import click_files
from affinity.simulate.landing.email import email_files
from affinity.simulate.landing.orders import order_files
from affinity.simulate.landing.tills import till_files
from affinity.simulate.sessions import Feed


def files(batch: Batch, *, suffix: str = "", in_pence: bool = False) -> Iterator[File]:
    """The files of a feed's day; nothing where there is nothing to tell."""
    if not len(batch.events):
        return iter(())
    if batch.feed is Feed.ORDERS:
        return order_files(batch, suffix)
    if batch.feed is Feed.TILLS:
        return till_files(batch, suffix, in_pence=in_pence)
    if batch.feed is Feed.EMAIL:
        return email_files(batch, suffix)
    return click_files(batch)
