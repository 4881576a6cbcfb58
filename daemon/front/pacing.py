"""Pacing: when a request whose turn it is may go to a worker, so that what workers get is wanted, and soon done.

The dispatcher asks it about every request that it might hand over. What is with a worker is finished, so a worker gets
a frame no sooner than it needs it, large pictures no more than leave a decoder to others, and of what takes long the
very next one only.
"""

from __future__ import annotations

from collections.abc import Sequence

from depthwire.daemon.front.scheduler import Client, Pending, Scheduler
from depthwire.daemon.front.supervisor import WorkerLink

_COSTLY_S = 0.1
"""What takes a worker longer is handed over only as its very next, and when it is really its client's turn."""

_ANTICIPATION = 0.05
"""Of what a costly request takes, how long a worker may idle for who has had less and will ask again at once."""

_LARGE_PIXELS = 4_000_000
"""Pictures above are decoded beside each other only where a decoder is left for the small ones."""

_HAND_OVER_S = 0.002
"""From the front's waking to a picture's being decoded."""


class Pacing:
    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.wake_at = float("inf")
        """When a frame that is held back for a fresher one has to be handed over at last."""
        self._held: dict[Pending, WorkerLink] = {}
        self._places: dict[tuple[Client, str | None], int] = {}
        """By stream: where its held frame comes among what its worker gets meanwhile."""
        self._kept_places: dict[tuple[Client, str | None], int] = {}
        self._last_place = 0

    def begin_turn(self) -> None:
        """All that waits is looked at anew. What is held again keeps its place."""
        self.wake_at = float("inf")
        if self._held:
            self._held.clear()
        if self._places or self._kept_places:
            self._kept_places, self._places = self._places, {}

    def may_go(self, links: Sequence[WorkerLink], pending: Pending) -> bool:
        """False for what lets others pass: a frame behind one that has not run yet, a picture too large for now."""
        if pending.request.stream is not None and (pending in self._held or self._scheduler.is_overtaking(pending)):
            return False
        return any(self.may_decode(link, pending) and link.residency.is_ready(pending.bucket) for link in links)

    def may_decode(self, link: WorkerLink, pending: Pending) -> bool:
        """False where large pictures are with all decoders of a worker but one, which is for the small ones."""
        if pending.width * pending.height <= _LARGE_PIXELS:
            return True
        large = sum(
            not other.started and other.width * other.height > _LARGE_PIXELS for other in link.in_flight.values()
        )
        return large < max(1, self._scheduler.forecast.threads - 1)

    def is_too_early(
        self, links: Sequence[WorkerLink], link: WorkerLink, pending: Pending, cost_s: float, now: float
    ) -> bool:
        """Whether a request takes so long that others' turns should come before it, though nothing of theirs waits.

        Who sends one request after the other has none waiting at the moment of its answer. Without a moment's patience
        each of its requests would cost it one such as this, and not its share of the time. (Anticipatory scheduling:
        Iyer and Druschel 2001.)
        """
        if cost_s <= _COSTLY_S:
            return False
        if link.staged:
            return True
        if any(not other.in_flight for other in links if other is not link):
            return False  # there is a worker left for the others
        served = {other.client for other in link.in_flight.values()}
        until = self._scheduler.expects(pending, served, _ANTICIPATION * cost_s)
        if until > now:
            self.wake_at = min(self.wake_at, until)
        return until > now

    def holds(self, link: WorkerLink, pending: Pending, now: float) -> bool:
        """Whether a frame of a stream, whose turn it is, had better wait: a fresher one may come before it is needed.

        Its place with the worker is kept for it.
        """
        if pending.request.stream is None:
            return False
        key = pending.client, pending.request.stream
        place = self._kept_places.get(key) or self._next_place()
        needed_at = self._needed_at(link, pending, place)
        self._places[key] = place
        if needed_at <= now:
            return False
        self.wake_at = min(self.wake_at, needed_at)
        self._held[pending] = link
        return True

    def held_for(self, link: WorkerLink) -> int:
        """How many frames a worker will get later, and has to have room for."""
        return sum(other is link for other in self._held.values()) if self._held else 0

    def place(self, pending: Pending) -> int:
        """Where a request that is handed over now comes among those that its worker has."""
        return self._places.pop((pending.client, pending.request.stream), 0) or self._next_place()

    def _next_place(self) -> int:
        self._last_place += 1
        return self._last_place

    def _needed_at(self, link: WorkerLink, pending: Pending, place: int) -> float:
        """When a frame must be handed over to be decoded by the time that it can run.

        At once where that is not known. So an engine never waits for it, nothing is decoded in vain, and of a camera
        that is faster than the network the newest frame runs.
        """
        decode_s = self._scheduler.forecast.decode_s(pending)
        running = next((link.in_flight[ticket] for ticket in link.running if ticket in link.in_flight), None)
        if decode_s is None or running is None or link.batch_started is None or link.hello is None:
            return float("-inf")
        pace = self._scheduler.forecast.pace(running.bucket, link.batch_started)
        if pace is None or not pace.is_certain:
            return float("-inf")
        before = [other for other in link.in_flight.values() if not other.started and other.place_at_worker < place]
        passes = 1
        if all(other.bucket == running.bucket for other in before):
            passes += len(before) // link.hello.max_batch
        return link.batch_started + passes * pace.shortest_pass_s - decode_s - _HAND_OVER_S
