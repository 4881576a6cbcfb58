"""The inbox: how requests arrive. Makes the ROUTER and reads one whole message after another from it, within bounds.

The front's loop owns it and asks it in every turn; replies leave through the same socket by the outbox.
"""

from __future__ import annotations

import zmq

from depthwire.daemon.config import Config
from depthwire.protocol.frames import MAX_BUFFERS, MAX_ENVELOPE_FRAMES

_MESSAGE_FRAMES = MAX_ENVELOPE_FRAMES + 1 + MAX_BUFFERS + 1
"""One more than any message has: enough to see that it has too many."""

_SKIPPED_FRAMES = 2000
"""Frames thrown away in one turn, of a message that has far too many."""

_READABLE = int(zmq.POLLIN)
_DONTWAIT = int(zmq.DONTWAIT)
"""Plain numbers: what the enumeration's own `&` does takes longer than asking ZeroMQ."""


class Inbox:
    def __init__(self, router: zmq.Socket[bytes]) -> None:
        self._router = router
        self._is_skipping = False
        """Whether what comes next still belongs to a message that is answered already."""

    @property
    def has_messages(self) -> bool:
        """Whether frames wait. ZeroMQ's descriptor tells of changes only, so this is to be asked before any sleep."""
        return bool(int(self._router.getsockopt(zmq.EVENTS)) & _READABLE)

    def receive(self) -> tuple[bytes, list[zmq.Frame]] | None:
        """The routing id that ROUTER puts in front of a message, and the frames that came; None if no message waits.

        At most one frame more than any message has: the rest of one that has far too many is thrown away by and by.
        """
        if not self.has_messages or (self._is_skipping and not self._skip()):
            return None
        routing_id = self._router.recv(_DONTWAIT)
        # Not recv_multipart: it asks the socket behind every frame whether more follow, which the frame itself knows.
        frames = [self._router.recv(copy=False)]
        while frames[-1].more:
            if len(frames) == _MESSAGE_FRAMES:
                self._is_skipping = True
                break
            frames.append(self._router.recv(copy=False))
        return routing_id, frames

    def _skip(self) -> bool:
        """Throw away what is left of a message of too many frames; whether a new one may be read."""
        for _ in range(_SKIPPED_FRAMES):
            if not self._router.recv(copy=False).more:
                self._is_skipping = False
                return self.has_messages
        return False


def make_router(context: zmq.Context[zmq.Socket[bytes]], config: Config) -> zmq.Socket[bytes]:
    """The ROUTER, not bound yet: every option is set before the first bind, which is when they take effect."""
    router: zmq.Socket[bytes] = context.socket(zmq.ROUTER)
    router.setsockopt(zmq.ROUTER_MANDATORY, 1)
    router.setsockopt(zmq.SNDHWM, config.send_queue)
    router.setsockopt(zmq.RCVHWM, 1000)
    router.setsockopt(zmq.LINGER, 0)
    # An image a little above the limit still gets its TOO_LARGE; far above it libzmq ends the connection.
    router.setsockopt(zmq.MAXMSGSIZE, int(4 * config.max_image_mb * 2**20) + 2**20)
    # The heartbeat's timer restarts on whole frames only: it must outlast the slowest honest image.
    router.setsockopt(zmq.HEARTBEAT_IVL, 10_000)
    router.setsockopt(zmq.HEARTBEAT_TIMEOUT, 30_000)
    router.setsockopt(zmq.HEARTBEAT_TTL, 60_000)
    # Behind a reply that does not move there is no heartbeat, so the kernel has to notice that nobody takes its bytes.
    router.setsockopt(zmq.TCP_MAXRT, 30_000)
    # Whoever connects and says nothing holds a descriptor that long.
    router.setsockopt(zmq.HANDSHAKE_IVL, 10_000)
    router.setsockopt(zmq.BACKLOG, 1024)
    return router
