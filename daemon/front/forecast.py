"""The forecast: how long requests take, as measured, so that what will be too late is known before it is.

Kept for each bucket, as models and input sizes differ forty-fold. The dispatcher notes what its workers report, the
scheduler asks. All times are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from depthwire.daemon.front.residency import Bucket

MAX_BUCKETS = 256
"""Buckets remembered: clients choose input sizes freely. The one noted longest ago is forgotten first."""

KEEPS_S = 10.0
"""A bucket that has answered nothing for this long is unknown again: what is refused is not measured either."""

_TRUSTED_PASSES = 4
"""Before the network has run this often nothing is certain: its first passes compile, or find cold caches."""

_SPAN_S, _SPAN_PASSES = 5.0, 32
"""The least value is that of this span or the one before it, so that it can rise again."""

_CERTAIN = 0.9
"""What is certain is this much of the least time measured: a pass may always turn out a little quicker than any yet."""

_WEIGHT = 1 / 32
"""Of one answer in the mean of the last few dozen."""


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
    seconds: float = 0.0
    answers: float = 0.0
    """How long answers took, and how many those were; the last few dozen weigh most."""
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
        """From a worker's getting a request to its client's having the answer, rarely more.

        Mean and four mean deviations, as RFC 6298 has it of round trips, and a quarter of the mean for the way back.
        """
        return 1.25 * self._held_s + 4 * self._swing_s

    @property
    def request_s(self) -> float:
        """What a busy worker takes for one answer after another: its real rate, whatever limits it."""
        return self.seconds / self.answers

    def note_answer(self, infer_s: float, batch_size: int, since_last_s: float, held_s: float, now: float) -> None:
        self.noted_at = now
        self.seconds += since_last_s - _WEIGHT * self.seconds
        self.answers += 1 - _WEIGHT * self.answers
        span = self._span
        if span.passes >= _SPAN_PASSES and now - span.began >= _SPAN_S:
            self._before, self._span = span, _Span(now)
            span = self._span
        span.passes += 1 / batch_size
        if infer_s < span.pass_s:
            span.pass_s = infer_s
        if infer_s < batch_size * span.request_s:
            span.request_s = infer_s / batch_size
        if batch_size > self.largest_batch:
            self.largest_batch = batch_size
        self.note_held(held_s)

    def note_held(self, held_s: float) -> None:
        """A worker had a request for so long until it was answered, or too late."""
        if not self._held_s:
            self._held_s, self._swing_s = held_s, held_s / 2
            return
        change = held_s - self._held_s
        self._swing_s += (abs(change) - self._swing_s) / 4
        self._held_s += change / 8


class Forecast:
    def __init__(self) -> None:
        self._paces: dict[Bucket, Pace] = {}

    def note_answer(
        self, bucket: Bucket, infer_s: float, batch_size: int, since_last_s: float, held_s: float, now: float
    ) -> None:
        """A worker answered a request: the time of its pass, since the worker's last answer, and since it got it."""
        pace = self._paces.get(bucket)
        if pace is None or now - pace.noted_at > KEEPS_S:
            if len(self._paces) >= MAX_BUCKETS:
                del self._paces[min(self._paces, key=lambda known: self._paces[known].noted_at)]
            pace = self._paces[bucket] = Pace(now)
        pace.note_answer(infer_s, batch_size, since_last_s, held_s, now)

    def note_too_late(self, bucket: Bucket, held_s: float) -> None:
        """A worker had a request for so long and could not answer it in time."""
        if (pace := self._paces.get(bucket)) is not None:
            pace.note_held(held_s)

    def pace(self, bucket: Bucket, now: float) -> Pace | None:
        """What is known of a bucket; None where that is nothing, or long ago."""
        pace = self._paces.get(bucket)
        return pace if pace is not None and now - pace.noted_at <= KEEPS_S else None

    def mean_request_s(self, bucket: Bucket | None = None) -> float:
        """What a worker takes for a request of this bucket; of any, where this one is not known. 0 if nothing is."""
        if bucket is not None and (pace := self._paces.get(bucket)) is not None:
            return pace.request_s
        answers = sum(pace.answers for pace in self._paces.values())
        return sum(pace.seconds for pace in self._paces.values()) / answers if answers else 0.0
