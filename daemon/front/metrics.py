"""What the daemon counts: plain integers that the front's thread bumps, one dictionary entry or list cell an event.

The front and the dispatcher call it for each answer, batch and model; `health` reports from it, and exposition.py
turns it into Prometheus' text in another thread, which only reads.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Final

from depthwire.protocol import OPS

STAGES: Final = ("queue", "decode", "infer", "post", "total")
LATENCY_BOUNDS_MS: Final = (
    0.5,
    1,
    2,
    3,
    5,
    7.5,
    10,
    15,
    20,
    30,
    50,
    75,
    100,
    150,
    200,
    300,
    500,
    1000,
    2500,
    5000,
    10000,
)
BATCH_BOUNDS: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256)

MAX_SERIES: Final = 400
"""Different (op, model, code, client) that are told apart: requests choose model sizes freely, so without a limit
anybody could fill the daemon's memory and the scraper's. What comes later is counted under the model and client
`other`, so that sums stay right."""

ANONYMOUS: Final = "anonymous"
"""The client label of everybody who has not proved who they are. A routing id is random for each connection, or chosen
by the peer: as a label it would be endless in the one case and a stranger's to forge in the other."""

NO_MODEL: Final = ""
OTHER: Final = "other"

RequestKey = tuple[str, str, str, str]
"""op, model, code, client."""


class Histogram:
    """How often a value fell into each bucket (the last one is above all bounds), and the values' sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Metrics:
    """Owned by the front's thread: nobody else calls a method. Other threads may read, and copy what they iterate."""

    def __init__(self) -> None:
        self.requests: dict[RequestKey, int] = {}
        """Answers sent, by op, model, code (`OK` or an error's) and client."""
        self.dropped: dict[str, int] = {"gone": 0, "stalled": 0, "unanswerable": 0}
        """Admitted requests that nobody was left to answer: the client went away, reads nothing, or took no reply."""
        self.names: dict[tuple[bytes, ...], str] = {}
        """Clients who proved who they are, and the name of their key. Whoever authenticates them keeps this."""
        self.latency_ms = {stage: Histogram(LATENCY_BOUNDS_MS) for stage in STAGES}
        self.batch_sizes = Histogram(BATCH_BOUNDS)
        self.loads: dict[str, int] = {}
        self.load_failures: dict[str, int] = {}
        self.evictions: dict[str, int] = {}
        self.engine_failures = 0
        """Requests and probes that ended in INTERNAL inside a worker."""
        self.refused_early = 0
        """Requests refused with DEADLINE_EXCEEDED before their deadline, because they could not be answered by then."""
        self.probes = 0
        """Inferences that the daemon ran for itself, to know that it is ready."""
        self._stages = tuple(self.latency_ms[stage] for stage in STAGES)

    @property
    def requests_dropped(self) -> int:
        return sum(self.dropped.values())

    def answered(self, op: str | None, model: str, code: str, client: tuple[bytes, ...]) -> None:
        """An answer was sent. `op` is what the request said, whatever that was."""
        requests = self.requests
        key = (op if op in OPS else OTHER, model, code, self.names.get(client, ANONYMOUS) if self.names else ANONYMOUS)
        if key in requests:
            requests[key] += 1
            return
        if len(requests) >= MAX_SERIES:
            key = (key[0], OTHER, code, OTHER)
        requests[key] = requests.get(key, 0) + 1

    def timed(self, decode_ms: float, infer_ms: float, post_ms: float, total_ms: float) -> None:
        """A result was sent: where its time went."""
        queue, decode, infer, post, total = self._stages
        queue.observe(max(0.0, total_ms - decode_ms - infer_ms - post_ms))
        decode.observe(decode_ms)
        infer.observe(infer_ms)
        post.observe(post_ms)
        total.observe(total_ms)

    def note(self, counts: dict[str, int], name: str) -> None:
        """One more of what is counted by checkpoint: `loads`, `load_failures` or `evictions`."""
        counts[name] = counts.get(name, 0) + 1

    def by_op(self) -> dict[str, dict[str, int]]:
        """Answers by op and code."""
        return _folded(self.requests, 0, 2)

    def by_model(self) -> dict[str, int]:
        """Results by model."""
        models: dict[str, int] = {}
        for (_, model, code, _), count in self.requests.items():
            if code == "OK" and model != NO_MODEL:
                models[model] = models.get(model, 0) + count
        return models


def _folded(requests: Mapping[RequestKey, int], outer: int, inner: int) -> dict[str, dict[str, int]]:
    folded: dict[str, dict[str, int]] = {}
    for key, count in requests.items():
        row = folded.setdefault(key[outer], {})
        row[key[inner]] = row.get(key[inner], 0) + count
    return folded
