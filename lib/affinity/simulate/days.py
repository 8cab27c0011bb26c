"""A day of the shop: everything that arrives on it, as files, and the truth about it."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa

from affinity.simulate import landing, text
from affinity.simulate.baskets import Lines
from affinity.simulate.bots import bot_cookies, bots, joined_with, n_views
from affinity.simulate.ceilings import rules
from affinity.simulate.customers import customers
from affinity.simulate.draws import Ints
from affinity.simulate.events import Events, events
from affinity.simulate.faults import Fault, with_faults
from affinity.simulate.landing.batch import Batch, File
from affinity.simulate.landing.catalogue import catalogue
from affinity.simulate.landing.crm import news
from affinity.simulate.place import COUNTS, Shop, write
from affinity.simulate.sessions import DAILY, EVENT_FEEDS, Deed, Delivery, Feed, Rows, is_corrected
from affinity.simulate.truth.days import delivery_table, event_table, ledger_row, ledger_table
from affinity.simulate.world import world_of


class Day:
    """Writes one day; counts what it wrote."""

    def __init__(self, shop: Shop, day: int) -> None:
        self.shop, self.day, self.world = shop, day, world_of(shop.config)
        self.n_events = self.n_lines = self.n_bytes = 0
        self._events: list[pa.Table] = []
        self._ledger: list[pa.Table] = []
        self._orders: list[tuple[Rows, Ints, Ints]] = []
        self._delivered: list[tuple[str, str, int, int, int]] = []

    @property
    def n_files(self) -> int:
        """Files written, catalogue and CRM included."""
        return len(self._delivered)

    def write(self, arrived: Rows) -> None:
        """Write everything that arrives, and what is true of it."""
        for feed in EVENT_FEEDS:
            of_feed = arrived.take(arrived.feed == feed)
            self._deliver(feed, of_feed.take(of_feed.delivery < Delivery.AGAIN))
            if feed in DAILY:
                self._deliver_again(feed, of_feed.take((of_feed.delivery & Delivery.AGAIN) > 0))
                self._correct(feed, of_feed.take((of_feed.delivery & Delivery.CORRECTION) > 0))
        self._put("catalogue", catalogue(self.world, self.day), n_lines=0)
        changed = np.unique(arrived.customer[arrived.feed == Feed.CRM])
        if file := news(customers(self.shop.config, changed), self.day):
            self._put("crm", file, n_lines=0)
        self._note_what_is_common()
        self._keep()

    def _deliver(self, feed: Feed, arrived: Rows) -> None:
        """The files of a feed that come for the first time."""
        made = events(self.world, arrived, feed)
        if feed is Feed.WEB:
            arrived, made = joined_with(arrived, made, self.world, self.day)
        batch = Batch(self.world, feed, self.day, arrived, with_faults(self.shop.config, feed, arrived, made))
        true = batch.events.take(~batch.events.is_extra & ((arrived.delivery & Delivery.COPY) == 0)[batch.events.row])
        self.n_events += len(true)
        self._events.append(event_table(self.world, arrived, true, feed))
        if feed in (Feed.TILLS, Feed.ORDERS):
            self._count_orders(arrived, true)
        is_wrong = self._is_corrected(feed)
        files = list(landing.files(batch, in_pence=is_wrong))
        self._ledger.append(ledger_table(files, batch.events))
        for file in files:
            if is_wrong:
                self._ledger.append(ledger_row(Fault.FILE_CORRECTED, file.path))
            if not (is_wrong and self.day + 2 < self.shop.end):  # else its correction is written, once
                self._put(feed.name.lower(), file, n_lines=len(file.events))

    def _count_orders(self, arrived: Rows, true: Events) -> None:
        """Keep the orders and their items, for what they say of planted pairs and of what sells."""
        is_order = (arrived.deed == Deed.ORDER) & ((arrived.delivery & Delivery.COPY) == 0)
        kept = is_order[true.row]
        items, position = true.item[kept], np.cumsum(is_order) - 1
        self._orders.append((arrived.take(is_order), position[true.row[kept]], items))

    def _rules(self) -> pa.Table:
        orders, rows, items = zip(*self._orders, strict=True)
        starts = np.cumsum([0, *(len(some) for some in orders)])
        row = np.concatenate([some + start for some, start in zip(rows, starts, strict=False)])
        lines = Lines(row, np.zeros(len(row), np.int64), np.concatenate(items))
        return rules.counts(self.world, Rows.concat(list(orders)), lines)

    def _bought(self) -> pa.Table:
        """Lines by item and day of the order."""
        days = np.concatenate([orders.when[row] for orders, row, _ in self._orders])
        items = np.concatenate([items for *_, items in self._orders])
        pairs, n = np.unique(days * len(self.world.item) + items, return_counts=True)
        return pa.table({"item": pairs % len(self.world.item), "day": pairs // len(self.world.item), "n": n})

    def _is_corrected(self, feed: Feed) -> bool:
        return bool(is_corrected(self.shop.config, np.array([feed]), np.array([self.day]))[0])

    def _deliver_again(self, feed: Feed, repeated: Rows) -> None:
        """Yesterday's daily file once more, byte for byte, under another name."""
        for file in landing.files(self._as_delivered(feed, repeated, 1), suffix="-again"):
            self._ledger.append(ledger_row(Fault.FILE_AGAIN, file.path))
            self._put(feed.name.lower(), file, n_lines=len(file.events))

    def _correct(self, feed: Feed, repeated: Rows) -> None:
        """The right file in place of the wrong one of the day before yesterday."""
        for file in landing.files(self._as_delivered(feed, repeated, 2)):
            self._put(feed.name.lower(), file, n_lines=len(file.events))

    def _as_delivered(self, feed: Feed, repeated: Rows, days_ago: int) -> Batch:
        first = replace(repeated, arrival=repeated.arrival - days_ago, delivery=repeated.delivery & Delivery.COPY)
        made = with_faults(self.shop.config, feed, first, events(self.world, first, feed))
        return Batch(self.world, feed, self.day - days_ago, first, made)

    def _put(self, feed: str, file: File, *, n_lines: int) -> None:
        n_bytes = write(self.shop.landing / file.path, file.content)
        self.n_lines, self.n_bytes = self.n_lines + n_lines, self.n_bytes + n_bytes
        self._delivered.append((file.path, feed, self.day, len(file.events), n_bytes))

    def _note_what_is_common(self) -> None:
        """Faults that are not of one line: the bots of the day, and on one day a new column."""
        config, world = self.shop.config, self.world
        date = config.start_date + timedelta(days=self.day)
        numbers = bots(config)
        active = numbers[n_views(config, numbers, world, self.day) > 0]
        names = text.hexadecimal(bot_cookies(config, active), 12).to_pylist()
        self._ledger += [ledger_row(Fault.BOT, f"web/{date}", f"k{name}") for name in names]
        if self.day == config.drift_day:
            files = {path.rpartition("/")[0] if feed == "web" else path for path, feed, *_ in self._delivered}
            drifting = sorted(path for path in files if path in (f"web/{date}", f"orders/orders-{date}.parquet"))
            self._ledger += [ledger_row(Fault.SCHEMA_DRIFT, path) for path in drifting]

    def _keep(self) -> None:
        part = f"day-{self.day:05d}"
        self.shop.keep("events", part, pa.concat_tables(self._events))
        self.shop.keep("ledger", part, pa.concat_tables(self._ledger))
        self.shop.keep("deliveries", part, delivery_table(self._delivered))
        self.shop.keep(f"{COUNTS}/rules", part, self._rules())
        self.shop.keep(f"{COUNTS}/items", part, self._bought())
