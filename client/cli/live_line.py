"""The line that says how a stream goes: rate, age, drops. `stream` notes every item; on a terminal it is redrawn.

Elsewhere it is a new line every few seconds, so that it reads well in a log.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import Any

import click

from depthwire.client.streams.items import StreamCounts, StreamItem
from depthwire.client.view.faults import fault_of, say

WINDOW_S = 5.0
"""What the rate and the ages are taken over."""
REDRAW_S, LOG_S = 0.25, 5.0
MAX_AGES = 20_000
"""Of how many items the summary knows the ages; more would grow for ever."""


class LiveLine:
    """Tells on stderr how a stream goes, and reports each kind of error once in a row."""

    def __init__(self, label: str, counts: StreamCounts, quiet: bool) -> None:
        self.results = 0
        self._label, self._counts, self._quiet = label, counts, quiet
        self._in_place = sys.stderr.isatty()
        self._begun = self._drawn_at = time.monotonic()
        self._recent: deque[tuple[float, float]] = deque()  # (when, age) of the window's results
        self._ages: deque[float] = deque(maxlen=MAX_AGES)
        self._last_error = ""

    def note(self, item: StreamItem[Any], error: Exception | None) -> None:
        """An item was delivered, with its error or that of writing it down."""
        now = time.monotonic()
        if error is None:
            self.results += 1
            self._last_error = ""
            self._ages.append(item.age)
            self._recent.append((now, item.age))
        elif not self._quiet:
            self._tell(f"{item.frame.name or f'frame {item.index}'}: {fault_of(error).message}")
        while self._recent and now - self._recent[0][0] > WINDOW_S:
            self._recent.popleft()
        if not self._quiet and now - self._drawn_at >= (REDRAW_S if self._in_place else LOG_S):
            self._drawn_at = now
            self._draw(self.text(now))

    def text(self, now: float) -> str:
        """The line for this moment."""
        rate = len(self._recent) / min(WINDOW_S, max(now - self._begun, 1e-3))
        return f"{self._label}: {rate:.1f}/s  {_ages([age for _, age in self._recent])}  {self._tail()}"

    def end(self) -> None:
        """Leave one line about all of it."""
        if self._quiet:
            return
        seconds = time.monotonic() - self._begun
        pace = f"{self.results} results in {seconds:.1f} s, {self.results / max(seconds, 1e-3):.1f}/s"
        self._clear()
        say(f"{self._label}: {pace}, {_ages(self._ages)}, {self._tail()}")

    def _tail(self) -> str:
        failed = self._counts.errors
        return f"{self._counts.dropped} of {self._counts.taken} frames dropped" + (
            f", {failed} failed" if failed else ""
        )

    def _tell(self, text: str) -> None:
        message = text.split(": ", 1)[-1]
        if message != self._last_error:
            self._last_error = message
            self._clear()
            say(text)

    def _draw(self, text: str) -> None:
        if self._in_place:
            click.echo(f"\r\x1b[K{text}", nl=False, err=True)
        else:
            click.echo(text, err=True)

    def _clear(self) -> None:
        if self._in_place:
            click.echo("\r\x1b[K", nl=False, err=True)


def _ages(ages: Any) -> str:
    """Median and 99th percentile of ages in seconds, as text in milliseconds."""
    if not ages:
        return "no results yet"
    ordered = sorted(ages)
    p50, p99 = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
    return f"age p50 {1e3 * p50:.0f} ms p99 {1e3 * p99:.0f} ms"
