"""Who gets room in the arena. The dispatcher asks before it hands a request out, the front tells `health` who waits.

The arena is one pool for all, so it has shares: what a client may hold shrinks as the pool fills, who does not read
gets nothing more of its second half, a part is kept for small results and probes, and one that waits lets others pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from depthwire.daemon.front.outbox import ZERO_COPY_FROM_BYTES, Outbox
from depthwire.daemon.front.scheduler import Pending
from depthwire.daemon.seam.arena import Arena

PRESSING_AFTER_S = 1.0
"""How long a request waits for room before `health` tells of it, and before peers that stand still are ended for it."""

PASSED_FOR_S = 2.0
"""How long what needs less room may pass one that waits for more."""

_HOLD_S = 5.0
"""Then nothing passes for this long, so that the room comes together, then others for as long, and so on: what is in
the way may also be a slow reader's, which no holding back can hurry."""

_KEPT_SHARE = 16
"""One part in so many of the arena is for small results, and for probes."""

_SEEN_S = 1.0


@dataclass
class Wait:
    """A request that found no room, though nobody but others was in its way."""

    pending: Pending
    since: float
    seen_at: float
    """When it was last refused: later on it waits for something else."""


class Room:
    def __init__(self, arena: Arena, outbox: Outbox, clock: Callable[[], float]) -> None:
        self._arena = arena
        self._outbox = outbox
        self._clock = clock
        self._kept_bytes = arena.size // _KEPT_SHARE
        self._waits: dict[int, Wait] = {}
        self._unplaced: set[int] = set()
        """Tickets that found no place in this turn, though there were bytes enough: those are in pieces."""

    def begin_turn(self) -> None:
        """Forget what is not waiting any more."""
        self._unplaced.clear()
        if self._waits:
            waits = self._waits.items()
            self._waits = {t: w for t, w in waits if not w.pending.answered and w.pending.worker is None}

    @property
    def is_tight(self) -> bool:
        """Whether there is any need to ask `fits`: it is asked for every client, for each request handed out."""
        return bool(self._waits or self._unplaced) or self._arena.used > self._arena.size // 4

    def fits(self, pending: Pending) -> bool:
        """Whether a waiting request may have room now. Takes note of those that wait because others have it."""
        needed, now = _bytes_of(pending), self._clock()
        if pending.ticket in self._unplaced:
            return False
        if _is_small(pending):
            return self._note(pending, now, fits=needed <= self._arena.largest)
        spare = self._arena.size - self._arena.used - self._kept_bytes
        held = self._outbox.unsent_bytes(pending.client)
        if held and held + needed > spare:
            return False  # its share: whoever has nothing may take what is left of the pool, others as much as is free
        if self._arena.used > self._arena.size // 2 and self._outbox.lags(pending.client):
            return False
        has_room = needed <= spare and max(pending.layout.bytes, pending.image_bytes) <= self._arena.largest
        return self._note(pending, now, fits=has_room and not self._is_held_for_another(pending, spare - needed, now))

    def reserve(self, pending: Pending) -> bool:
        """Reserve the blocks of a request's image and result; False if there is no place, and others are to try."""
        at_end = _is_small(pending)
        result_block = self._outbox.reserve(pending.client, pending.layout.bytes, at_end=at_end)
        if result_block is not None:
            image_block = self._arena.reserve(pending.image_bytes, at_end=at_end)
            if image_block is not None:
                pending.image_block, pending.result_block = image_block, result_block
                return True
            self._outbox.release(result_block)
        self._unplaced.add(pending.ticket)
        return self._note(pending, self._clock(), fits=False)

    @property
    def is_pressing(self) -> bool:
        """Whether a request has waited for room for so long that who stands still is in the way."""
        now = self._clock()
        return any(self._is_current(wait, now) for wait in self._waits.values())

    def problem(self) -> str | None:
        """What `health` says of those that wait for room; None if that is nothing. Any thread may ask."""
        now = self._clock()
        waits = [wait for wait in self._waits.copy().values() if self._is_current(wait, now)]
        if not waits:
            return None
        longest_s = max(now - wait.since for wait in waits)
        unread = self._outbox.lagging_bytes
        return (
            f"requests wait for room among the results, the first for {longest_s:.0f} s:"
            f" {self._arena.used >> 20} of {self._arena.size >> 20} MB are taken, {unread >> 20} MB of them by clients"
            " that do not read"
        )

    def _note(self, pending: Pending, now: float, *, fits: bool) -> bool:
        if fits:
            self._waits.pop(pending.ticket, None)
        elif (wait := self._waits.get(pending.ticket)) is not None:
            wait.seen_at = now
        else:
            self._waits[pending.ticket] = Wait(pending, now, now)
        return fits

    def _is_held_for_another(self, pending: Pending, left: int, now: float) -> bool:
        """Whether room for the request that has waited longest comes together now, which this one would take from."""
        first = min(self._waits.values(), key=lambda wait: wait.since, default=None)
        if first is None or first.pending is pending or now - first.seen_at > _SEEN_S:
            return False
        held_s = now - first.since - PASSED_FOR_S
        return held_s >= 0 and held_s % (2 * _HOLD_S) < _HOLD_S and left < _bytes_of(first.pending)

    def _is_current(self, wait: Wait, now: float) -> bool:
        return now - wait.since >= PRESSING_AFTER_S and now - wait.seen_at <= _SEEN_S


def _is_small(pending: Pending) -> bool:
    """Whether its frames are copied, so that its room is back as soon as it is answered, whoever reads."""
    return _bytes_of(pending) < ZERO_COPY_FROM_BYTES


def _bytes_of(pending: Pending) -> int:
    return pending.layout.bytes + pending.image_bytes
