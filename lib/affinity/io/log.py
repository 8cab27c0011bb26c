"""Structured log: one JSON object per line, with the run id, and nothing of any customer."""

import json
import logging
import sys
from datetime import UTC, datetime

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


def start_log(program: str, *, level: int = logging.INFO) -> None:
    """Write our log to standard error as JSON lines; other libraries speak up from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.getLogger().handlers = [handler]
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("affinity").setLevel(level)
    logging.getLogger("affinity").debug("%s begins", program)
