"""The forecast: how long requests take, as measured, so that what will be too late is known before it is.

Kept for each bucket, as models and input sizes differ forty-fold. The dispatcher notes what its workers report, the
scheduler asks. All times are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from depthwire.daemon.residency import Bucket

MAX_BUCKETS = 256
"""Buckets remembered: clients choose input sizes freely. The one noted longest ago is forgotten first."""

KEEPS_S = 60.0
"""A bucket that has answered nothing for this long is unknown again."""

_TRUSTED_PASSES = 4
"""Before the network has run this often nothing is certain: its first passes compile, or find cold caches."""

_SPAN_S, _SPAN_PASSES = 5.0, 32
"""The least value is that of this span or the one before it, so that it can rise again."""

_CERTAIN = 0.9
"""What is certain is this much of the least time measured: a pass may always turn out a little quicker than any yet."""

_WEIGHT = 1 / 32


@dataclass
class Average:
    """A mean over the last few dozen values, right from the first one on."""

    _sum: float = 0.0
    _count: float = 0.0

    def note(self, value: float) -> None:
        self._sum += value - _WEIGHT * self._sum
        self._count += 1 - _WEIGHT * self._count

    @property
    def value(self) -> float:
        return self._sum / self._count if self._count else 0.0


@dataclass
class _Span:
    """The least times of a stretch of passes."""

    began: float
    passes: float = 0.0
    request_s: float = float("inf")
    pass_s: float = float("inf")


@dataclass
class Pace:
    """How fast one bucket is answered."""

    noted_at: float
    largest_batch: int = 1
    request_s: Average = field(default_factory=Average)
    """What a busy worker takes for one answer after another: its real rate, whatever limits it."""
    _held_s: float = 0.0
    _swing_s: float = 0.0
    _span: _Span = field(init=False)
    _before: _Span = field(init=False)

    def __post_init__(self) -> None:
        self._span, self._before = _Span(self.noted_at), _Span(self.noted_at)

    @property
    def is_certain(self) -> bool:
        """Whether the network has run often enough for `least_pass_s` and `least_request_s` to mean something."""
        return self._span.passes + self._before.passes >= _TRUSTED_PASSES

    @property
    def least_pass_s(self) -> float:
        """No answer takes less: a pass of the network, whatever the batch."""
        return _CERTAIN * min(self._span.pass_s, self._before.pass_s)

    @property
    def least_request_s(self) -> float:
        """No worker answers one after another faster: a request's part of a pass."""
        return _CERTAIN * min(self._span.request_s, self._before.request_s)

    @property
    def likely_s(self) -> float:
        """From a worker's getting a request to its answer, rarely more: mean and four mean deviations, as RFC 6298."""
        return self._held_s + 4 * self._swing_s

    def note_pass(self, infer_s: float, batch_size: int, now: float) -> None:
        """One request of a pass of `batch_size` was answered."""
        span = self._span
        if span.passes >= _SPAN_PASSES and now - span.began >= _SPAN_S:
            self._before, self._span = span, _Span(now)
            span = self._span
        span.passes += 1 / batch_size
        span.pass_s = min(span.pass_s, infer_s)
        span.request_s = min(span.request_s, infer_s / batch_size)
        self.largest_batch = max(self.largest_batch, batch_size)

    def note_held(self, held_s: float) -> None:
        """A worker had a request for so long until it was answered, or too late."""
        if not self._held_s:
            self._held_s, self._swing_s = held_s, held_s / 2
            return
        self._swing_s += (abs(held_s - self._held_s) - self._swing_s) / 4
        self._held_s += (held_s - self._held_s) / 8


class Forecast:
    def __init__(self) -> None:
        self._paces: dict[Bucket, Pace] = {}
        self.request_s = Average()
        """As in Pace, over all buckets."""

    def note_answer(
        self, bucket: Bucket, infer_s: float, batch_size: int, since_last_s: float, held_s: float, now: float
    ) -> None:
        """A worker answered a request: the time of its pass, since the worker's last answer, and since it got it."""
        pace = self._paces.pop(bucket, None)
        if pace is None or now - pace.noted_at > KEEPS_S:
            pace = Pace(now)
        self._paces[bucket] = pace  # at the end: the first one is the one noted longest ago
        if len(self._paces) > MAX_BUCKETS:
            del self._paces[next(iter(self._paces))]
        pace.noted_at = now
        pace.note_pass(infer_s, batch_size, now)
        pace.request_s.note(since_last_s)
        pace.note_held(held_s)
        self.request_s.note(since_last_s)

    def note_too_late(self, bucket: Bucket, held_s: float) -> None:
        """A worker had a request for so long and could not answer it in time."""
        if (pace := self._paces.get(bucket)) is not None:
            pace.note_held(held_s)

    def pace(self, bucket: Bucket, now: float) -> Pace | None:
        """What is known of a bucket; None where that is nothing, or long ago."""
        pace = self._paces.get(bucket)
        return pace if pace is not None and now - pace.noted_at <= KEEPS_S else None

    def mean_request_s(self, bucket: Bucket) -> float:
        """What a worker takes for a request of this bucket; of any, where this one is not known."""
        pace = self._paces.get(bucket)
        return pace.request_s.value if pace is not None else self.request_s.value
