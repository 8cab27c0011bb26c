"""Who the customers are: everything that does not change by what they do. All functions take customer numbers."""

from dataclasses import dataclass

import numpy as np

from affinity.simulate.draws import Bools, Draws, Floats, Ints, Keys, choice, exponential, normal
from affinity.simulate.params import ARCHETYPES, FOREVER, N_TOPICS, NEVER, TIER_SHARES, TRAIT_SD, TRAITS, ShopConfig

BURN_IN = 28
"""Days lived before the span, so that its first day is a day like others."""
TASTE_ALPHA = 0.1
COOKIE_DAYS, DEVICE_DAYS = 90, 400
"""How long a browser keeps its cookie and a phone is kept."""

_SHARES = np.array([archetype.share for archetype in ARCHETYPES])
_GROUP_B = np.array([archetype.group_b for archetype in ARCHETYPES])
N_TRAITS = 3
COUNTRIES = ("GB", "IE", "FR", "DE")
_COUNTRY_SHARES = np.array([0.88, 0.05, 0.04, 0.03])


@dataclass(frozen=True)
class Customers:
    """The traits of some customers, one entry each."""

    config: ShopConfig
    draws: Draws
    number: Ints
    join_day: Ints
    archetype: Ints
    switch_day: Ints
    archetype_after: Ints
    tier: Ints
    is_group_b: Bools
    noise: Floats  # customers by traits

    def archetype_at(self, day: Ints | int) -> Ints:
        """Archetype on a day, one per customer."""
        return np.where(np.asarray(day) < self.switch_day, self.archetype, self.archetype_after)

    def traits(self, *, after: bool = False) -> Floats:
        """Customers by (log browsing rate, log of lines less one, log of units less one); ``after`` the switch."""
        centre = TRAITS[self.archetype_after if after else self.archetype]
        return np.asarray(centre + TRAIT_SD * self.noise)

    def uniform(self, what: str) -> Floats:
        """A draw per customer."""
        return self.draws.uniform(f"customer {what}", self.number)


def customers(config: ShopConfig, number: Ints) -> Customers:
    """The traits of customers by their numbers."""
    draws = Draws(config.seed)

    def uniform(what: str) -> Floats:
        return draws.uniform(f"customer {what}", number)

    archetype = choice(uniform("archetype"), _SHARES)
    switches = uniform("switches") < config.switch_share
    another = (archetype + 1 + (uniform("switch to") * (len(ARCHETYPES) - 1)).astype(np.int64)) % len(ARCHETYPES)
    join_later = uniform("joins") >= config.joined_share
    traits = np.arange(N_TRAITS)[None, :]
    return Customers(
        config=config,
        draws=draws,
        number=number,
        join_day=np.where(join_later, (FOREVER * uniform("join")).astype(np.int64), -BURN_IN),
        archetype=archetype,
        switch_day=np.where(switches, 30 + (FOREVER * uniform("switch day")).astype(np.int64), NEVER),
        archetype_after=np.where(switches, another, archetype),
        tier=choice(uniform("tier"), TIER_SHARES[archetype]),
        is_group_b=uniform("group") < _GROUP_B[archetype],
        noise=normal(draws.uniform("trait", number[:, None], traits)),
    )


def tastes(config: ShopConfig, number: Ints) -> Floats:
    """Customers by topics: shares of their interest, most of it in few topics.

    The weights are E * U ** (1 / alpha) with E exponential and U uniform: near a Dirichlet of parameters alpha, and
    made of inverse distribution functions alone.
    """
    draws, topics = Draws(config.seed), np.arange(N_TOPICS)[None, :]
    spread = exponential(draws.uniform("taste e", number[:, None], topics))
    logs = np.log(spread) + np.log(draws.uniform("taste u", number[:, None], topics)) / TASTE_ALPHA
    weights = np.exp(logs - logs.max(axis=1, keepdims=True))
    shares: Floats = weights / np.cumsum(weights, axis=1)[:, -1:]
    return shares


# --- Ids. Numbers of customers are never seen outside the truth area: what lands are these. ---


def account(number: Ints, *, second: bool = False) -> Ints:
    """Account number: 8 digits, all different for all customers and both accounts."""
    return 10_000_000 + (number * 2 + int(second)) * 48_271 % 89_999_999


def card(number: Ints) -> Ints:
    """Loyalty card number: 12 digits."""
    return 630_000_000_000 + number * 999_979 % 9_999_999_967


def email_keys(config: ShopConfig, number: Ints) -> tuple[Keys, Keys]:
    """The two halves of the hash of an e-mail address."""
    draws = Draws(config.seed)
    return draws.keys("email 1", number), draws.keys("email 2", number)


def shares_browser(config: ShopConfig, number: Ints) -> Bools:
    """Whether a customer's household of two (2i and 2i + 1) has one browser."""
    return Draws(config.seed).uniform("household", number // 2) < config.shared_cookie_share


def cookie(config: ShopConfig, number: Ints, day: Ints) -> Keys:
    """The cookie of a customer's browser on a day."""
    owner = np.where(shares_browser(config, number), -1 - number // 2, number)
    return Draws(config.seed).keys("cookie", owner, day // COOKIE_DAYS) >> np.uint64(16)


def is_linked(config: ShopConfig, cookies: Keys) -> Bools:
    """Whether a cookie ever logs in."""
    return Draws(config.seed).uniform("cookie links", cookies) >= config.unlinked_cookie_share


def device(config: ShopConfig, number: Ints, day: Ints) -> Keys:
    """The phone of a customer on a day."""
    return Draws(config.seed).keys("device", number, day // DEVICE_DAYS) >> np.uint64(16)


def merge_day(config: ShopConfig, number: Ints) -> Ints:
    """The day on which a second account was merged into the first; before day 0 for those who never had two."""
    draws = Draws(config.seed)
    has_two = draws.uniform("second account", number) < config.second_account_share
    return np.where(has_two, 10 + (170 * draws.uniform("merge day", number)).astype(np.int64), -NEVER)


def account_on(config: ShopConfig, number: Ints, day: Ints) -> Ints:
    """The account that a customer uses on a day."""
    return np.where(day < merge_day(config, number), account(number, second=True), account(number))


def has_card(config: ShopConfig, number: Ints) -> Bools:
    """Whether a customer carries a loyalty card."""
    return Draws(config.seed).uniform("card", number) < 0.7


def card_is_known(config: ShopConfig, number: Ints) -> Bools:
    """Whether the CRM knows which account a card belongs to."""
    return Draws(config.seed).uniform("card in crm", number) < 0.8


def wants_email(config: ShopConfig, number: Ints) -> Bools:
    """Consent to e-mail."""
    return Draws(config.seed).uniform("consent email", number) < 0.65


def wants_profiling(config: ShopConfig, number: Ints) -> Bools:
    """Consent to profiling."""
    return Draws(config.seed).uniform("consent profiling", number) < 0.92


def country(config: ShopConfig, number: Ints) -> Ints:
    """Position in ``COUNTRIES``."""
    return choice(Draws(config.seed).uniform("country", number), _COUNTRY_SHARES)


def birth_year(config: ShopConfig, number: Ints) -> Ints:
    """Year of birth."""
    return 1940 + (68 * Draws(config.seed).uniform("birth year", number)).astype(np.int64)
