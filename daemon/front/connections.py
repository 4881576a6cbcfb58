"""The connections behind the ROUTER: how far a peer has taken its bytes, and the means to end one.

ROUTER can do neither. The front notes the descriptor of each connection that asks for work; unread.py asks for its
progress, and the front ends the connection of a peer that has stopped reading.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import zmq

_ACKNOWLEDGED_AT = 120
"""Where tcpi_bytes_acked lies in the kernel's struct tcp_info (Linux 4.1 and later)."""


@dataclass(frozen=True)
class Peer:
    """One connection. The inode tells whether the descriptor's number still means it."""

    descriptor: int
    inode: int
    is_local: bool


class Connections:
    def __init__(self) -> None:
        self._peers: dict[bytes, Peer] = {}
        """By the routing id that ROUTER gave the connection."""
        self._ids: dict[int, bytes] = {}
        """By descriptor, so that there are never more peers than descriptors."""

    def note(self, routing_id: bytes, frame: zmq.Frame) -> None:
        """A request that asks for work came with this frame."""
        if routing_id in self._peers:
            return
        try:
            descriptor = int(frame.get(zmq.SRCFD))
            inode = os.fstat(descriptor).st_ino
            with _opened(descriptor) as own:
                is_local = own.family == socket.AF_UNIX
        except (zmq.ZMQError, OSError):  # it has gone already, or has no descriptor
            return
        self._peers.pop(self._ids.get(descriptor, b""), None)
        self._peers[routing_id] = Peer(descriptor, inode, is_local)
        self._ids[descriptor] = routing_id

    def forget(self, routing_id: bytes) -> None:
        """The connection has ended."""
        if (peer := self._peers.pop(routing_id, None)) is not None:
            del self._ids[peer.descriptor]

    def is_local(self, routing_id: bytes) -> bool:
        """Whether the peer is on this machine for sure (ipc)."""
        return (peer := self._peers.get(routing_id)) is not None and peer.is_local

    def acknowledged(self, routing_id: bytes) -> int | None:
        """Bytes that the peer's kernel has taken since the connection began; None where nobody counts them (ipc)."""
        peer = self._peers.get(routing_id)
        if peer is None or peer.is_local:
            return None
        try:
            with self._open(peer) as own:
                info = own.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKNOWLEDGED_AT + 8)
            return int(struct.unpack_from("Q", info, _ACKNOWLEDGED_AT)[0])
        except (OSError, struct.error):
            return None

    def end(self, routing_id: bytes) -> bool:
        """End a connection, so that ZeroMQ lets go of all that it holds for it; False if it has gone already.

        ZeroMQ learns of it as of a peer that hung up: it drops the messages, and the monitor tells.
        """
        peer = self._peers.get(routing_id)
        if peer is None:
            return False
        try:
            with self._open(peer) as own:
                own.shutdown(socket.SHUT_RDWR)
        except OSError:
            return False
        return True

    @contextlib.contextmanager
    def _open(self, peer: Peer) -> Iterator[socket.socket]:
        """The peer's socket under a number of our own, which ZeroMQ's thread cannot give to another meanwhile."""
        with _opened(peer.descriptor) as own:
            if os.fstat(own.fileno()).st_ino != peer.inode:
                raise ConnectionError("the descriptor is another connection's by now")
            yield own


@contextlib.contextmanager
def _opened(descriptor: int) -> Iterator[socket.socket]:
    with socket.socket(fileno=os.dup(descriptor)) as own:
        yield own
