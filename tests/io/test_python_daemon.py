"""Python workers that Spark lets go."""

from socket import socketpair
from typing import NoReturn

import pytest

from affinity.io import python_daemon


def test_worker_without_a_reader_ends_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def speak(*_: object) -> NoReturn:
        raise BrokenPipeError

    monkeypatch.setattr(python_daemon, "_work", speak)
    mine, theirs = socketpair()
    with mine, theirs:
        assert python_daemon._worker(mine, False) == 1
    assert capfd.readouterr().err == ""
