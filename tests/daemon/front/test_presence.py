"""Whether the front knows who has left, when the system gives a connection's number to the next one at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import zmq

from depthwire.daemon.__main__ import default_model
from depthwire.daemon.config import Config
from depthwire.daemon.front.loop import Front
from depthwire.daemon.front.presence import CLIENTS_REMEMBERED, Presence
from depthwire.daemon.front.scheduler import Client
from depthwire.protocol import Request

PATIENCE_S = 10
TOLD, NOT_TOLD = True, False


class Door:
    """A ROUTER, clients of it, and what their requests were read through."""

    def __init__(self, endpoint: str) -> None:
        self.context: zmq.Context[Any] = zmq.Context()
        self.router: zmq.Socket[Any] = self.context.socket(zmq.ROUTER)
        self.router.bind(endpoint)
        self.endpoint = endpoint
        self.busy: set[Client] = set()
        self.presence = Presence(self.router, self.busy.__contains__)

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


def test_of_the_many_behind_one_connection_only_those_with_open_requests_are_remembered_for_ever(door: Door) -> None:
    proxy = door.newcomer()
    _, descriptor = door.read()
    router_id = next(iter(door.presence._clients[descriptor]))[0]
    proxy.send(b"request")
    assert door.router.poll(1e3 * PATIENCE_S)
    frame = door.router.recv_multipart(copy=False)[-1]
    door.busy.update((router_id, b"busy %d" % number) for number in range(100))
    forgotten: list[Client] = []
    for client in [*door.busy, *((router_id, b"%d" % number) for number in range(10_000))]:
        forgotten += door.presence.note(client, frame)
    remembered = door.presence._clients[descriptor]
    assert len(remembered) <= CLIENTS_REMEMBERED + 1
    assert door.busy <= set(remembered)
    assert not door.busy & set(forgotten)
    assert len(forgotten) + len(remembered) == 10_101
    proxy.close()
    assert set(door.left()) == set(remembered)


def test_a_proxy_of_many_short_lived_peers_leaves_no_growing_list_behind(tmp_path: Path) -> None:
    peers = 10_000
    config = Config(engine="null", bind=[f"ipc://{tmp_path}/front"])
    front = Front(config, default_model(config))
    authenticator: Any = SimpleNamespace(name_of=lambda _: "proxy", close=lambda: None)
    front.authenticator = authenticator
    context: zmq.Context[Any] = zmq.Context()
    proxy = context.socket(zmq.DEALER)
    proxy.linger = 0
    proxy.connect(front.endpoints[0])
    for start in range(0, peers, 100):
        for number in range(start, start + 100):
            proxy.send_multipart([b"peer %d" % number, b"", *Request(1, "cancel", target=2).to_frames()])
        while sum(front.metrics.requests.values()) < start + 100:
            assert front._router.poll(1e3 * PATIENCE_S)
            front._read_requests()
        for _ in range(100):
            proxy.recv_multipart()
    (known,) = front._presence._clients.values()
    assert len(known) <= CLIENTS_REMEMBERED + 1
    assert front.metrics.names.keys() == known.keys()
    assert front.metrics.requests == {("cancel", "", "OK", "proxy"): peers}
    context.destroy(linger=0)
    front._close()
