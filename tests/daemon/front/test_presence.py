"""Whether the front knows who has left, when the system gives a connection's number to the next one at once."""

from __future__ import annotations

import itertools
import random
import struct
import time
from collections import deque
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


class House:
    """A model of what the front sees: descriptors that the system gives again at once, connections whose messages may
    be read long after they have ended, and a monitor that tells of their beginnings and ends in the order of things.
    """

    def __init__(self, first_number: int, *, chosen: frozenset[int] = frozenset()) -> None:
        self.events: deque[tuple[int, int]] = deque()
        self.open: dict[Client, int] = {}
        self.heard: set[Client] = set()
        """Of those that are open, whose requests the front has read."""
        self.pipes: dict[Client, deque[Any]] = {}
        self._chosen = chosen
        """Which connections choose their routing id themselves, all of them the same."""
        self.silent: set[Client] = set()
        """Who was never heard."""
        self._count = 0
        self._first_number = first_number
        monitor: Any = SimpleNamespace(getsockopt=lambda _: zmq.POLLIN if self.events else 0, recv_multipart=self._tell)
        router: Any = SimpleNamespace(get_monitor_socket=lambda _: monitor)
        self.presence = Presence(router, lambda _: True)

    def _tell(self, _: int) -> list[bytes]:
        event, descriptor = self.events.popleft()
        return [struct.pack("=HI", event, descriptor), b"endpoint"]

    def connect(self) -> None:
        taken = set(self.open.values())
        descriptor = next(number for number in itertools.count(7) if number not in taken)
        number = (self._first_number + self._count) % 2**32
        is_chosen = self._count in self._chosen
        client: Client = (b"robot",) if is_chosen else (b"\0" + number.to_bytes(4, "big"),)
        self._count += 1
        if client in self.open:
            return  # ROUTER turns a second one of the same name away
        self.open[client] = descriptor
        self.events.append((zmq.Event.ACCEPTED, descriptor))
        self.pipes.setdefault(client, deque())
        self.silent.add(client)

    def send(self, client: Client) -> None:
        properties = {zmq.SRCFD: self.open[client], "Identity": "robot" if client[0] == b"robot" else ""}
        self.pipes[client].append(SimpleNamespace(get=properties.get))

    def read(self, client: Client) -> None:
        frame = self.pipes[client].popleft()
        self.presence.note(client, frame)
        self.silent.discard(client)
        if self.open.get(client) == frame.get(zmq.SRCFD):
            self.heard.add(client)

    def leave(self, client: Client) -> None:
        self.events.append((zmq.Event.DISCONNECTED, self.open.pop(client)))
        self.heard.discard(client)


@pytest.mark.parametrize("chosen", [frozenset(), frozenset(range(1, 1000, 3))], ids=["numbered", "some choose a name"])
@pytest.mark.parametrize("seed", range(40))
def test_nobody_who_is_there_is_taken_for_gone_whatever_the_order_of_things(seed: int, chosen: frozenset[int]) -> None:
    rng = random.Random(seed)
    house = House(2**32 - 50 if seed % 2 else rng.randrange(2**32), chosen=chosen)
    told_gone: set[Client] = set()
    for _ in range(300):
        is_told = bool(house.events)
        for _ in range(rng.randrange(8)):  # what clients do, and what the front reads of it, mixed
            action = rng.random()
            waiting = [client for client, pipe in house.pipes.items() if pipe]
            if action < 0.2 and len(house.open) < 4:
                house.connect()
            elif action < 0.55 and house.open:
                house.send(rng.choice(list(house.open)))
            elif action < 0.65 and house.open:
                house.leave(rng.choice(list(house.open)))
            elif waiting:
                house.read(rng.choice(waiting))
        gone = house.presence.departed(is_told)
        assert not house.heard & set(gone), "somebody who is there was taken for gone"
        told_gone.update(gone)
    for client in list(house.open):
        house.leave(client)
    for client, pipe in house.pipes.items():
        while pipe:
            house.read(client)
    told_gone.update(house.presence.departed(TOLD))
    still_there = {client for known in house.presence._clients.values() for client in known}
    assert still_there <= {(b"robot",)}, "somebody who has gone is still counted as being there"
    assert told_gone | still_there == house.pipes.keys() - house.silent


def test_what_somebody_sent_before_he_went_does_not_end_who_has_his_number_now() -> None:
    house = House(0)
    house.connect()
    (old,) = house.open
    for _ in range(4):
        house.send(old)
    house.leave(old)
    house.connect()
    (new,) = house.open
    for _ in range(4):
        house.send(new)
    gone: list[Client] = []
    for _ in range(4):
        for client in (old, new):
            house.read(client)
        gone += house.presence.departed(NOT_TOLD)
    assert set(gone) == {old}


def test_an_invented_number_says_nothing_of_who_comes_next() -> None:
    house = House(5)
    liar: Client = (b"\0\x7f\xff\xff\xff",)
    for properties in ({zmq.SRCFD: 7, "Identity": liar[0].decode("latin-1")}, {zmq.SRCFD: 7}):
        frame: Any = SimpleNamespace(get=lambda name, known=properties: _property(known, name))
        house.presence.note(liar, frame)
    house.events.append((zmq.Event.DISCONNECTED, 7))
    assert house.presence.departed(TOLD) == [liar]
    house.connect()
    (honest,) = house.open
    house.send(honest)
    house.read(honest)
    assert house.presence.departed(TOLD) == []


def _property(known: dict[Any, Any], name: Any) -> Any:
    try:
        return known[name]
    except KeyError:
        raise zmq.ZMQError(22) from None
