"""A peer that has stopped taking its results is told from one that is slow, and its connection can be ended."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from depthwire.daemon.front.connections import Connections
from depthwire.daemon.front.outbox import Outbox
from depthwire.daemon.front.unread import LOCAL_STANDSTILL_S, STANDSTILL_S, Unread
from depthwire.daemon.seam.arena import Arena

MIB = 2**20
STALL_TIMEOUT_S = 10.0


class Counted(Connections):
    """Connections of which the test says how far they are."""

    def __init__(self, *, is_local: bool) -> None:
        super().__init__()
        self.bytes: int | None = None if is_local else 0
        self._is_local = is_local

    def is_local(self, routing_id: bytes) -> bool:
        return self._is_local

    def acknowledged(self, routing_id: bytes) -> int | None:
        return self.bytes


def first_named(unread: Unread, *, is_pressing: bool, until: float, moves: Counted | None = None) -> float | None:
    """When a connection is named first, looked at twice a second from 0 on."""
    for step in range(int(2 * until)):
        if moves is not None:
            assert moves.bytes is not None
            moves.bytes += 1000
        if unread.stalled([b"held"], step / 2, is_pressing=is_pressing):
            return step / 2
    return None


@pytest.mark.parametrize(
    ("is_local", "is_pressing", "expected"),
    [
        (True, True, LOCAL_STANDSTILL_S + 1.0),
        (False, True, STANDSTILL_S + 1.0),  # of which the first second is not looked at
        (True, False, None),
        (False, False, None),
    ],
)
def test_who_takes_nothing_is_named_soon_where_others_wait_for_room_and_else_not(
    is_local: bool, is_pressing: bool, expected: float | None
) -> None:
    unread = Unread(Counted(is_local=is_local), STALL_TIMEOUT_S)
    unread.sent(b"a", 0, 16 * MIB, 0.0)
    assert first_named(unread, is_pressing=is_pressing, until=60.0) == expected


@pytest.mark.parametrize("is_pressing", [True, False])
def test_who_is_held_back_is_named_after_the_stall_timeout_and_a_second_for_each_mib(is_pressing: bool) -> None:
    unread = Unread(moving := Counted(is_local=False), STALL_TIMEOUT_S)
    unread.sent(b"held", 0, 3 * MIB, 0.0)
    expected = STANDSTILL_S + 3.0 if is_pressing else STALL_TIMEOUT_S + 3.0
    assert first_named(unread, is_pressing=is_pressing, until=60.0, moves=moving) == expected


def test_who_takes_bytes_over_a_slow_link_has_the_time_that_its_result_takes_there() -> None:
    unread = Unread(moving := Counted(is_local=False), STALL_TIMEOUT_S)
    unread.sent(b"a", 0, 100 * MIB, 0.0)
    assert first_named(unread, is_pressing=True, until=100.0, moves=moving) is None


def test_who_reads_one_after_the_other_is_not_named() -> None:
    unread = Unread(Counted(is_local=True), STALL_TIMEOUT_S)
    for block in range(20):
        unread.sent(b"held", block, MIB, 0.0)
    for block in range(20):
        for now in (2.0 * block, 2.0 * block + 0.9, 2.0 * block + 1.8):
            assert unread.stalled([b"held"], now, is_pressing=True) == []
        unread.freed(b"held", block, 2.0 * block + 1.9)


def test_the_one_that_holds_most_is_named_first() -> None:
    unread = Unread(Counted(is_local=True), STALL_TIMEOUT_S)
    for routing_id, size in ((b"a", 1), (b"b", 3), (b"c", 2)):
        unread.sent(routing_id, size, size * MIB, 0.0)
    assert unread.lagging_bytes(0.5) == 0
    assert unread.lagging_bytes(1.5) == 6 * MIB
    assert [unread.stalled([], now, is_pressing=True) for now in (1.0, 2.0, 3.0)] == [[], [], [b"b"]]
    unread.freed(b"b", 3, 3.0)
    assert unread.stalled([], 3.1, is_pressing=True) == [b"c"]


# ---- with ZeroMQ ------------------------------------------------------------------------------------------------


class Wire:
    """A ROUTER over ipc or tcp, its connections, and a peer that reads nothing."""

    names = itertools.count()

    def __init__(self, endpoint: str) -> None:
        self.context: Any = zmq.Context()
        self.router: Any = self.context.socket(zmq.ROUTER)
        self.router.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self.router.setsockopt(zmq.LINGER, 0)
        self.router.bind(endpoint)
        self.endpoint = self.router.getsockopt_string(zmq.LAST_ENDPOINT)
        self.connections = Connections()
        self.arena = Arena(64 * MIB)
        self.outbox = Outbox(self.router, self.arena, MIB, STALL_TIMEOUT_S, time.monotonic, self.connections)
        self.dealers: list[Any] = []

    def connect(self) -> tuple[Any, bytes]:
        """A client that has said hello, and the routing id that it got."""
        dealer = self.context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.RCVHWM, 1)
        dealer.setsockopt(zmq.RCVTIMEO, 20_000)
        dealer.connect(self.endpoint)
        dealer.send(b"hello")
        self.dealers.append(dealer)
        return dealer, self.hear()

    def hear(self) -> bytes:
        """A hello comes in; the routing id of who said it."""
        assert self.router.poll(20_000)
        routing_id = bytes(self.router.recv())
        self.connections.note(routing_id, self.router.recv(copy=False))
        return routing_id

    def send(self, routing_id: bytes, size_bytes: int) -> None:
        block = self.outbox.reserve((routing_id,), size_bytes)
        assert block is not None
        assert self.outbox.send([routing_id], [self.arena.view(block, block, size_bytes)])
        self.outbox.release(block)

    def settle(self) -> None:
        gives_up = time.monotonic() + 20.0
        while self.arena.used:
            assert time.monotonic() < gives_up, "memory does not come back"
            self.router.getsockopt(zmq.EVENTS)
            self.outbox.collect()
            time.sleep(0.01)

    def close(self) -> None:
        for one in (*self.dealers, self.router):
            one.close(linger=0)
        self.context.term()
        self.arena.close()


@pytest.fixture(params=["ipc", "tcp"])
def wire(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Wire]:
    wire = Wire(f"ipc://{tmp_path}/s" if request.param == "ipc" else "tcp://127.0.0.1:*")
    yield wire
    wire.close()


def test_ending_a_connection_gives_back_what_its_peer_never_read_and_nobody_else_s(wire: Wire) -> None:
    _, asleep = wire.connect()
    awake, other = wire.connect()
    assert wire.connections.is_local(asleep) == wire.endpoint.startswith("ipc")
    for _ in range(10):
        wire.send(asleep, 4 * MIB)
    time.sleep(0.2)
    wire.outbox.collect()
    assert wire.arena.used >= 20 * MIB  # some of it the kernel has
    assert wire.connections.end(asleep)
    wire.settle()
    assert wire.outbox.unsent_bytes((asleep,)) == 0
    wire.send(other, MIB)
    assert len(awake.recv()) == MIB
    wire.settle()


def test_a_peer_whose_connection_was_ended_can_come_again(wire: Wire) -> None:
    dealer, first = wire.connect()
    wire.send(first, 4 * MIB)
    wire.connections.end(first)
    gives_up = time.monotonic() + 20.0
    while not wire.router.poll(100):  # what is said before the client has noticed is lost with the connection
        assert time.monotonic() < gives_up
        dealer.send(b"hello again")
    assert wire.hear() != first


def test_a_descriptor_that_is_another_s_by_now_is_left_alone(wire: Wire) -> None:
    _, routing_id = wire.connect()
    peer = wire.connections._peers[routing_id]
    wire.connections._peers[routing_id] = peer.__class__(peer.descriptor, peer.inode + 1, peer.is_local)
    assert not wire.connections.end(routing_id)
    assert wire.connections.acknowledged(routing_id) is None


def test_what_is_forgotten_or_never_came_is_no_error(wire: Wire) -> None:
    _, routing_id = wire.connect()
    wire.connections.forget(routing_id)
    wire.connections.forget(routing_id)
    assert not wire.connections.end(routing_id)
    assert not wire.connections._ids
    assert wire.connections.acknowledged(b"nobody") is None


def test_tcp_tells_how_many_bytes_have_arrived(tmp_path: Path) -> None:
    wire = Wire("tcp://127.0.0.1:*")
    dealer, routing_id = wire.connect()
    before = wire.connections.acknowledged(routing_id)
    assert before is not None
    wire.send(routing_id, MIB)
    assert len(dealer.recv()) == MIB
    gives_up = time.monotonic() + 20.0
    while (now := wire.connections.acknowledged(routing_id)) is None or now < before + MIB:
        assert time.monotonic() < gives_up
    assert now < before + MIB + 1000
    wire.close()
