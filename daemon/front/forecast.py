"""The forecast: how long requests take, as measured, so that what will be too late is known before it is.

Kept for each bucket, as models and input sizes differ forty-fold. The dispatcher notes what its workers report, the
scheduler asks. All times are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from depthwire.daemon.front.fair_queue import Pending
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

MAX_PICTURES = 256
"""Formats and sizes of pictures remembered, as buckets are."""


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
    network_s: float = 0.0
    """A request's share of a pass of the network, on average."""
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
        return _CERTAIN * self.shortest_pass_s

    @property
    def shortest_pass_s(self) -> float:
        """The least time that a pass of the network has taken lately."""
        return min(self._span.pass_s, self._before.pass_s)

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
        share_s = infer_s / batch_size
        self.network_s = min(share_s, self.network_s + (share_s - self.network_s) / 8) if self.network_s else share_s
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


@dataclass
class Around:
    """What pictures of one format and size cost beside the network: decoding before it, the result's making after it.

    Mean and mean deviation, as RFC 6298 has them of round trips.
    """

    decode_s: float
    swing_s: float
    post_s: float

    def note(self, decode_s: float, post_s: float) -> None:
        change = decode_s - self.decode_s
        self.swing_s += (abs(change) - self.swing_s) / 4
        self.decode_s += change / 8
        self.post_s += (post_s - self.post_s) / 8


class Forecast:
    def __init__(self) -> None:
        self._paces: dict[Bucket, Pace] = {}
        self._around: dict[tuple[str, int, int], Around] = {}
        self.threads = 1
        """Of one worker: as many pictures are decoded beside each other."""

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

    def note_around(self, pending: Pending, decode_s: float, post_s: float) -> None:
        """Decoding a request's picture and making its result took so long, each in one thread."""
        key = pending.image_format, pending.width, pending.height
        if (around := self._around.get(key)) is not None:
            around.note(decode_s, post_s)
            return
        if len(self._around) >= MAX_PICTURES:
            del self._around[next(iter(self._around))]  # if it is still in use, it is soon known again
        self._around[key] = Around(decode_s, decode_s / 2, post_s)

    def decode_s(self, pending: Pending) -> float | None:
        """How long decoding a request's picture takes, rarely more; None where nothing is known of such pictures."""
        around = self._around.get((pending.image_format, pending.width, pending.height))
        return None if around is None else 1.25 * around.decode_s + 4 * around.swing_s

    def decode_cost_s(self, pending: Pending) -> float:
        """What decoding a request's picture takes of a worker's time, whose threads decode beside each other."""
        around = self._around.get((pending.image_format, pending.width, pending.height))
        return 0.0 if around is None else around.decode_s / self.threads

    def cost_s(self, pending: Pending) -> float:
        """What a request will probably take of a worker's time: of decoding, network and result its share of each.

        A bucket that was never measured is taken for one at the pace of others, by its pixels; 0 if there is none.
        """
        around = self._around.get((pending.image_format, pending.width, pending.height))
        beside_s = 0.0 if around is None else (around.decode_s + around.post_s) / self.threads
        return beside_s + self._network_s(pending.bucket)

    def measured_cost_s(self, infer_s: float, batch_size: int, decode_s: float, post_s: float) -> float:
        """What a request has taken of a worker's time."""
        return infer_s / batch_size + (decode_s + post_s) / self.threads

    def _network_s(self, bucket: Bucket) -> float:
        pace = self._paces.get(bucket)
        if pace is not None:
            return pace.network_s
        alike = [known for known in self._paces if known.checkpoint == bucket.checkpoint] or list(self._paces)
        if not alike:
            return 0.0
        seconds = sum(self._paces[known].network_s for known in alike)
        pixels = sum(known.input_height * known.input_width for known in alike)
        return seconds * bucket.input_height * bucket.input_width / pixels

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
