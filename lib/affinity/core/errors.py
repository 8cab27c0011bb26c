"""One root error and the documented exit codes."""

from collections.abc import Iterable
from difflib import get_close_matches
from enum import IntEnum


class ExitCode(IntEnum):
    """What the process says to its scheduler. Only ``LEASE_HELD`` and ``INFRASTRUCTURE`` are worth a retry."""

    DONE = 0
    DEFECT = 1
    BAD_INPUT = 2
    AUDIT_FAILED = 3
    LEASE_HELD = 4
    INFRASTRUCTURE = 5


RETRYABLE = frozenset({ExitCode.LEASE_HELD, ExitCode.INFRASTRUCTURE})


class AffinityError(Exception):
    """The root of our errors: the message names what was expected, what was got and what to do."""

    exit_code = ExitCode.DEFECT


class BadInput(AffinityError):
    """Settings, files, dates or names that cannot be used as they are."""

    exit_code = ExitCode.BAD_INPUT


class AuditFailed(AffinityError):
    """Staged rows failed their suite, or the audit itself could not be made: nothing was published."""

    exit_code = ExitCode.AUDIT_FAILED


class LeaseHeld(AffinityError):
    """Another run is writing one of the tables."""

    exit_code = ExitCode.LEASE_HELD


class Infrastructure(AffinityError):
    """A store, a cluster or a server did not answer; the same command may work later."""

    exit_code = ExitCode.INFRASTRUCTURE


class NotYet(AffinityError):
    """There is not enough history, or no promoted model: the job is skipped with this reason, which is no failure."""

    exit_code = ExitCode.DONE


def nearest(word: str, known: Iterable[str]) -> str:
    """The hint to append to an error about an unknown word; empty where nothing known resembles it.

    >>> nearest("n_factor", ["n_factors", "seed"])
    '; did you mean "n_factors"?'
    >>> nearest("zzz", ["n_factors", "seed"])
    ''
    """
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else ""
