"""The outbox: how replies leave. The front and the dispatcher hand it messages; nothing here ever waits.

A result is sent from where the worker wrote it: ZeroMQ gets views of the arena, and the memory comes back when the
last of them has died, which is when the kernel has the bytes or the client is gone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import zmq

from depthwire.daemon.front.connections import Connections
from depthwire.daemon.front.scheduler import Client, Pending
from depthwire.daemon.front.unread import Unread
from depthwire.daemon.logs import Rarely
from depthwire.daemon.seam.arena import Arena
from depthwire.daemon.seam.jobs import Done
from depthwire.protocol import result_header

log = logging.getLogger("depthwire.outbox")

ZERO_COPY_FROM_BYTES = 64 * 1024
"""Below this a copy is cheaper than the thread that ZeroMQ wakes to give the memory back."""

_SNDMORE = int(zmq.SNDMORE)
_DONTWAIT = int(zmq.DONTWAIT)
"""Plain numbers: the enumeration's own `|` takes time that every frame would pay for."""


class Outbox:
    def __init__(
        self,
        router: zmq.Socket[bytes],
        arena: Arena,
        max_unsent_bytes: int,
        stall_timeout_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        connections: Connections | None = None,
    ) -> None:
        self._router = router
        self._max_unsent_bytes = max_unsent_bytes
        self._clock = clock
        self._drops = Rarely()
        self.slow_clients: set[Client] = set()
        """Those with so many bytes made or unread that nothing more is run for them until they read."""
        self._arena = arena
        self._unsent: dict[Client, int] = {}
        self._owners: dict[int, tuple[Client, int]] = {}
        self._unread = Unread(connections or Connections(), stall_timeout_s)
        """What ZeroMQ holds: where it holds nothing of a client, it is not the client who is slow."""

    def send(self, envelope: Sequence[bytes], frames: Sequence[Any]) -> bool:
        """Send one reply, never waiting; False if its client is gone or reads too slowly, and the reply is dropped."""
        try:
            if not self._begin(envelope[0]):
                self._router.getsockopt(zmq.EVENTS)  # has ZeroMQ take note of what the client has read meanwhile
                if not self._begin(envelope[0]):
                    if (before := self._drops.due(self._clock())) is not None:
                        log.warning("a client does not read its replies: one was dropped%s", before)
                    return False
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            return False
        # ROUTER has taken the first frame and with it the whole message: the rest neither blocks nor fails.
        for part in envelope[1:]:
            self._router.send(part, _SNDMORE)
        for frame in frames[:-1]:
            self._router.send(frame, _SNDMORE, copy=len(frame) < ZERO_COPY_FROM_BYTES)
        self._router.send(frames[-1], copy=len(frames[-1]) < ZERO_COPY_FROM_BYTES)
        return True

    def _begin(self, routing_id: bytes) -> bool:
        try:
            self._router.send(routing_id, _SNDMORE | _DONTWAIT)
        except zmq.Again:
            return False
        return True

    def send_result(self, pending: Pending, done: Done, total_ms: float) -> bool:
        """Send the result that lies in the request's block; the caller then gives up its own hold on the block."""
        request, block = pending.request, pending.result_block
        fields: dict[str, Any] = {}
        views: list[npt.NDArray[np.uint8]] = []
        for array in pending.layout.arrays:
            fields[array.name] = array.header
            views.append(self._arena.view(block, block + array.start, array.length))
        fields |= {
            "min": done.minimum,
            "max": done.maximum,
            "model": pending.model,
            "timing": {
                "queue_ms": max(0.0, total_ms - done.decode_ms - done.infer_ms - done.post_ms),
                "decode_ms": done.decode_ms,
                "infer_ms": done.infer_ms,
                "post_ms": done.post_ms,
                "total_ms": total_ms,
                "batch_size": done.batch_size,
            },
        }
        if pending.kept_camera is not None:
            fields["camera_intrinsics"] = pending.kept_camera.to_wire()
        sent = self.send(pending.envelope, [result_header(request.id, request.op, fields, request.meta), *views])
        if sent and block in self._owners:
            client, length = self._owners[block]
            self._unread.sent(client[0], block, length, self._clock())
        return sent

    def reserve(self, client: Client, length: int, *, at_end: bool = False) -> int | None:
        """A block of the arena for a result of this client, or None where there is no room now."""
        block = self._arena.reserve(length, at_end=at_end)
        if block is not None:
            self._owners[block] = (client, length)
            self._count(client, length)
        return block

    def unsent_bytes(self, client: Client) -> int:
        """Bytes of results that are made for this client, or that it has not taken yet."""
        return self._unsent.get(client, 0)

    def lags(self, client: Client) -> bool:
        """Whether the oldest result sent to this client has lain unread for a while."""
        return self._unread.lags(client[0], self._clock())

    @property
    def lagging_bytes(self) -> int:
        """Bytes of the results that lie with clients who do not read. Any thread may ask."""
        return self._unread.lagging_bytes(self._clock())

    def stalled(self, *, is_pressing: bool = False) -> list[Client]:
        """Clients that have not read one of the results sent to them in time; named once each time it is up.

        Those are the clients held back; and, where others wait for room (`is_pressing`), any that stand still.
        """
        held_back = {client[0] for client in self.slow_clients}
        named: dict[Client, None] = {}
        for routing_id in self._unread.stalled(held_back, self._clock(), is_pressing=is_pressing):
            named |= {self._owners[block][0]: None for block in self._unread.blocks(routing_id)}
        return list(named)

    def release(self, block: int) -> None:
        """Give up one hold on a block."""
        if self._arena.release(block):
            self._freed(block)

    def collect(self) -> None:
        """Take back the memory of what has been sent since the last call."""
        for block in self._arena.collect():
            self._freed(block)

    def _freed(self, block: int) -> None:
        if (owner := self._owners.pop(block, None)) is not None:
            client, length = owner
            self._unread.freed(client[0], block, self._clock())
            self._count(client, -length)

    def _count(self, client: Client, change: int) -> None:
        unsent = self._unsent.pop(client, 0) + change
        if unsent > 0:
            self._unsent[client] = unsent
        if unsent >= self._max_unsent_bytes:
            self.slow_clients.add(client)
        else:
            self.slow_clients.discard(client)
