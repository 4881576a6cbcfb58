"""What lies unread with ZeroMQ, by connection, and which peers have stopped taking it. The outbox keeps it.

ZeroMQ tells of a result only when all its bytes have left, in the order in which they were sent; of a TCP connection
the kernel also tells how far it is.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from depthwire.daemon.front.connections import Connections

SLOWEST_BYTES_PER_S = 2**20
"""A client that takes this much is slow, but reads: a cloud may be 200 MB, and the link a robot's."""

SLOWEST_LOCAL_BYTES_PER_S = 16 * 2**20
"""The same on this machine, where there is no link that could be slow."""

LAGS_AFTER_S = 1.0
"""How long a result may lie unread before its client counts as one that does not read."""

STANDSTILL_S = 5.0
"""While others wait for room: how long nothing at all may arrive at a peer. A radio link may pause for a while."""

LOCAL_STANDSTILL_S = 2.0

_LOOK_S = 0.05

_AWAY_S = 1.0
"""A front that has not looked for so long was not there: it looks several times a second."""


@dataclass
class Lying:
    """The results of one connection that ZeroMQ holds."""

    moved_at: float
    """When the oldest became the oldest."""
    blocks: dict[int, int] = field(default_factory=dict)
    """Their bytes by block, oldest first."""
    acknowledged: int | None = None
    """What had arrived, in bytes since the connection began, when it was last looked at."""
    acknowledged_at: float = 0.0
    """When that had last changed."""

    @property
    def oldest_bytes(self) -> int:
        return next(iter(self.blocks.values()))

    @property
    def bytes(self) -> int:
        return sum(self.blocks.values())


class Unread:
    def __init__(self, connections: Connections, stall_timeout_s: float) -> None:
        self._connections = connections
        self._stall_timeout_s = stall_timeout_s
        self._lying: dict[bytes, Lying] = {}
        """By the connection's routing id."""
        self._looked_at: float | None = None

    def sent(self, routing_id: bytes, block: int, length: int, now: float) -> None:
        """ZeroMQ has taken a result."""
        if (lying := self._lying.get(routing_id)) is None:
            lying = self._lying[routing_id] = Lying(now)
        lying.blocks[block] = length

    def freed(self, routing_id: bytes, block: int, now: float) -> None:
        """A block is free: if it was a result that ZeroMQ held, the kernel has it, or the connection is gone."""
        lying = self._lying.get(routing_id)
        if lying is None or lying.blocks.pop(block, None) is None:
            return
        lying.moved_at = now
        if not lying.blocks:
            del self._lying[routing_id]

    def lags(self, routing_id: bytes, now: float) -> bool:
        """Whether its oldest result has lain unread for a while."""
        lying = self._lying.get(routing_id)
        return lying is not None and now - lying.moved_at >= LAGS_AFTER_S

    def lagging_bytes(self, now: float) -> int:
        """What all those hold together that do not read. Any thread may ask."""
        return sum(lying.bytes for lying in self._lying.copy().values() if now - lying.moved_at >= LAGS_AFTER_S)

    def blocks(self, routing_id: bytes) -> Collection[int]:
        return self._lying[routing_id].blocks.keys()

    def stalled(self, held_back: Collection[bytes], now: float, *, is_pressing: bool) -> list[bytes]:
        """The connections that have not taken a result in time; named once each time it is up.

        Of those `held_back`, because they have too much unread, it is the stall timeout and what the result takes at
        the slowest pace that counts as reading. Where others wait for room (`is_pressing`), of anybody: a shorter time,
        and the one that holds most alone, since that may be room enough.
        """
        away_s = _LOOK_S if self._looked_at is None else now - self._looked_at
        if away_s < _LOOK_S:
            return []
        self._looked_at = now
        if away_s > _AWAY_S:  # stopped or frozen, the front itself took nothing from anybody
            for lying in self._lying.values():
                lying.moved_at = min(now, lying.moved_at + away_s)
                lying.acknowledged_at = min(now, lying.acknowledged_at + away_s)
        late = [rid for rid, lying in self._lying.items() if rid in held_back and self._is_over(lying, now)]
        for routing_id, lying in self._lying.items():
            self._note_progress(routing_id, lying, now)
        if is_pressing and not late:
            still = [rid for rid, lying in self._lying.items() if self._stands_still(rid, lying, now)]
            late = [max(still, key=lambda rid: self._lying[rid].bytes)] if still else []
        for routing_id in late:
            self._lying[routing_id].moved_at = now
        return late

    def _is_over(self, lying: Lying, now: float) -> bool:
        return now - lying.moved_at >= self._stall_timeout_s + lying.oldest_bytes / SLOWEST_BYTES_PER_S

    def _stands_still(self, routing_id: bytes, lying: Lying, now: float) -> bool:
        if self._connections.is_local(routing_id):
            patience_s = LOCAL_STANDSTILL_S + lying.oldest_bytes / SLOWEST_LOCAL_BYTES_PER_S
        else:
            patience_s = STANDSTILL_S + lying.oldest_bytes / SLOWEST_BYTES_PER_S
            if lying.acknowledged is not None and now - max(lying.moved_at, lying.acknowledged_at) >= STANDSTILL_S:
                return True
        return now - lying.moved_at >= patience_s

    def _note_progress(self, routing_id: bytes, lying: Lying, now: float) -> None:
        if now - lying.moved_at < LAGS_AFTER_S:
            return
        acknowledged = self._connections.acknowledged(routing_id)
        if acknowledged != lying.acknowledged:
            lying.acknowledged, lying.acknowledged_at = acknowledged, now
