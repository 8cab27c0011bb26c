"""Structured log: one JSON object per line, with the run id, and nothing of any customer."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

_FIELDS = ("run_id", "attempt_id", "reason", "job")


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name in _FIELDS if (value := getattr(record, name, None)) is not None},
        }
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        return json.dumps(
            entry, ensure_ascii=True
        )  # a line break or control character in a value stays inside its line


@contextmanager
def logged_to(file: Path) -> Iterator[None]:
    """Append our log to a file as JSON lines, where the terminal belongs to a person."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(file, encoding="utf-8", delay=True)
    handler.setFormatter(_JsonLines())
    ours = logging.getLogger("affinity")
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    try:
        yield
    finally:
        ours.removeHandler(handler)
        handler.close()


def start_log(program: str, *, level: int = logging.INFO) -> None:
    """Write our log to standard error as JSON lines; other libraries speak up from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.getLogger().handlers = [handler]
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("affinity").setLevel(level)
    logging.getLogger("affinity").debug("%s begins", program)
