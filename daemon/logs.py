"""Logging of front and workers: text for people or one JSON object a line for machines, on standard error."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime, timezone

_EVERY_S = 1.0

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Rarely:
    """For a line that strangers can cause without end: it is due once a second, and says how many were left out.

    The log and the disk must not be theirs.
    """

    def __init__(self) -> None:
        self._due_at = float("-inf")
        self._left_out = 0

    def due(self, now: float) -> str | None:
        """What to put at the line's end, or None if it is to be left out."""
        if now < self._due_at:
            self._left_out += 1
            return None
        before = f", and {self._left_out} before" if self._left_out else ""
        self._due_at, self._left_out = now + _EVERY_S, 0
        return before


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (ISO 8601, UTC), level, logger, message, and whatever `extra` carried."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up_logging(level: str, log_format: str) -> None:
    """Send everything from `level` (`debug` … `error`) on to standard error, as `text` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    if log_format == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
