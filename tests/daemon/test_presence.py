"""Whether the front knows who has left, when the system gives a connection's number to the next one at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from depthwire.daemon.presence import Presence
from depthwire.daemon.scheduler import Client

PATIENCE_S = 10
TOLD, NOT_TOLD = True, False


class Door:
    """A ROUTER, clients of it, and what their requests were read through."""

    def __init__(self, endpoint: str) -> None:
        self.context: zmq.Context[Any] = zmq.Context()
        self.router: zmq.Socket[Any] = self.context.socket(zmq.ROUTER)
        self.router.bind(endpoint)
        self.endpoint = endpoint
        self.presence = Presence(self.router)

    def newcomer(self) -> zmq.Socket[Any]:
        """A client that has sent a request."""
        dealer: zmq.Socket[Any] = self.context.socket(zmq.DEALER)
        dealer.linger = 0
        dealer.connect(self.endpoint)
        dealer.send(b"request")
        return dealer

    def read(self) -> tuple[Client, int]:
        """Note the next request: its client and the descriptor that it came through."""
        assert self.router.poll(1e3 * PATIENCE_S)
        envelope, frame = self.router.recv_multipart(copy=False)
        client: Client = (envelope.bytes,)
        self.presence.note(client, frame)
        return client, int(frame.get(zmq.SRCFD))

    def left(self) -> list[Client]:
        """The clients that the monitor tells of, as soon as it does."""
        ends = time.monotonic() + PATIENCE_S
        while time.monotonic() < ends:
            if gone := self.presence.departed(TOLD):
                return gone
            time.sleep(0.01)
        return []


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(f"ipc://{tmp_path}/door")
    yield made
    made.presence.close()
    made.context.destroy(linger=0)


def test_a_client_that_leaves_is_told_of_once(door: Door) -> None:
    dealer = door.newcomer()
    client, _ = door.read()
    assert door.presence.departed(TOLD) == []
    dealer.close()
    assert door.left() == [client]
    assert door.presence.departed(TOLD) == []


def test_whoever_takes_over_a_descriptor_is_not_taken_for_the_one_who_left(door: Door) -> None:
    """The turn had asked the system what is readable before the one left and the other came."""
    for _ in range(50):
        first = door.newcomer()
        left, old = door.read()
        door.presence.departed(TOLD)
        first.close()
        time.sleep(0.05)  # until the system has the number back
        second = door.newcomer()
        stays, new = door.read()
        gone = door.presence.departed(NOT_TOLD)
        gone += door.presence.departed(TOLD)
        assert left in gone
        assert stays not in gone
        second.close()
        assert door.left() == [stays]
        if new == old:
            return
    pytest.fail("the system never gave the number to the next connection, so nothing was tried")
