"""The arena is one pool with shares: nobody can take it all, nothing blocks what would fit, and `health` tells."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest

from depthwire.daemon.front.outbox import Outbox
from depthwire.daemon.front.room import PASSED_FOR_S, PRESSING_AFTER_S, Room
from depthwire.daemon.front.scheduler import Pending
from depthwire.daemon.seam.arena import Arena

MakePending: TypeAlias = Callable[..., Pending]
MIB = 2**20
ARENA_BYTES = 64 * MIB


class House:
    """An arena, who may have what of it, and a time that is a number."""

    def __init__(self, make_pending: MakePending) -> None:
        self.make_pending = make_pending
        self.now = 100.0
        self.arena = Arena(ARENA_BYTES)
        no_router: Any = None
        self.outbox = Outbox(no_router, self.arena, ARENA_BYTES, 10.0, lambda: self.now)
        self.room = Room(self.arena, self.outbox, lambda: self.now)

    def ask(self, client: bytes, size_bytes: int) -> Pending:
        """A request whose result takes about so much."""
        return self.make_pending(client, width=64, height=max(1, size_bytes // 256))

    def place(self, pending: Pending) -> bool:
        """What the dispatcher does with the request whose turn it is."""
        self.room.begin_turn()
        if not self.room.fits(pending):
            return False
        if not self.room.reserve(pending):
            return False
        pending.worker = 0
        return True

    def fill(self, client: bytes, size_bytes: int = 4 * MIB) -> list[Pending]:
        """As many results as one client gets."""
        placed = []
        while self.place(pending := self.ask(client, size_bytes)):
            placed.append(pending)
        pending.answered = True  # it is cancelled
        return placed

    def fill_most(self) -> list[Pending]:
        """More than half, by two clients."""
        return self.fill(b"greedy") + self.fill(b"another greedy")

    def free(self, pending: Pending) -> None:
        """It is answered, and read."""
        for block in (pending.image_block, pending.result_block):
            self.outbox.release(block)

    def lie_unread(self, pending: Pending) -> None:
        """ZeroMQ has the result, and keeps it."""
        self.outbox._unread.sent(pending.client[0], pending.result_block, pending.layout.bytes, self.now)


@pytest.fixture
def house(make_pending: MakePending) -> Iterator[House]:
    house = House(make_pending)
    yield house
    house.arena.close()


def test_a_client_gets_no_more_than_it_leaves_free(house: House) -> None:
    free = ARENA_BYTES
    for number in range(3):
        held = 4 * MIB * len(house.fill(b"greedy %d" % number))
        assert 0 < held <= (free - held)
        free -= held
    assert house.place(house.ask(b"new", 4 * MIB))


def test_however_many_take_what_they_can_a_small_result_has_room(house: House) -> None:
    rng = random.Random(5)
    for number in range(200):
        house.fill(b"%d" % number, rng.choice([200_000, MIB, 4 * MIB, 20 * MIB]))
    assert not house.place(house.ask(b"another", 4 * MIB))
    for number in range(20):
        assert house.place(house.ask(b"small %d" % number, 40_000))


def test_what_has_no_room_for_its_own_client_s_results_does_not_count_as_waiting_for_others(house: House) -> None:
    house.fill(b"greedy")
    waiting = house.ask(b"greedy", 20 * MIB)
    for _ in range(10):
        assert not house.place(waiting)
        house.now += 0.5
    assert house.room.problem() is None
    assert not house.room.is_pressing


def test_who_waits_for_room_is_told_of_until_it_has_it(house: House) -> None:
    placed = house.fill_most()
    waiting = house.ask(b"another", 31 * MIB)
    assert not house.place(waiting)
    assert house.room.problem() is None
    house.now += PRESSING_AFTER_S
    assert not house.place(waiting)
    assert house.room.is_pressing
    problem = house.room.problem()
    assert problem is not None
    assert "requests wait for room among the results, the first for 1 s: 44 of 64 MB are taken" in problem
    for pending in placed:
        house.free(pending)
    assert house.place(waiting)
    assert house.room.problem() is None
    assert not house.room.is_pressing


@pytest.mark.parametrize("end", ["answered", "not asked for again"])
def test_who_does_not_wait_any_more_is_not_told_of(house: House, end: str) -> None:
    house.fill_most()
    waiting = house.ask(b"another", 31 * MIB)
    house.place(waiting)
    house.now += 1.5
    house.place(waiting)
    assert house.room.is_pressing
    if end == "answered":
        waiting.answered = True
        house.room.begin_turn()
    else:  # no worker has room, say: it is that which it waits for
        house.now += 1.5
    assert not house.room.is_pressing
    assert house.room.problem() is None


def test_a_large_one_lets_others_pass_for_a_while_and_then_has_its_room_come_together(house: House) -> None:
    held = house.fill_most()
    large = house.ask(b"large", 31 * MIB)
    assert not house.place(large)
    passing = house.ask(b"other", 4 * MIB)
    assert house.place(passing)
    house.free(passing)
    house.now += PASSED_FOR_S
    assert not house.place(large)
    assert not house.place(house.ask(b"other", 4 * MIB))  # it would take from the room of the large one
    assert house.place(house.ask(b"other", 40_000))
    for pending in held[-4:]:  # side by side
        house.free(pending)
    assert house.place(large)


def test_a_large_one_whose_room_does_not_come_together_lets_others_pass_again(house: House) -> None:
    house.fill_most()
    large = house.ask(b"large", 31 * MIB)
    passed = []
    for _ in range(40):
        house.place(large)
        passed.append(house.place(other := house.ask(b"other", 4 * MIB)))
        if passed[-1]:
            house.free(other)
        else:
            other.answered = True
        house.now += 0.5
    assert passed == [True] * 4 + [False] * 10 + [True] * 10 + [False] * 10 + [True] * 6


def test_who_does_not_read_gets_nothing_more_of_the_second_half(house: House) -> None:
    pending = house.ask(b"slow", MIB)
    assert house.place(pending)
    house.lie_unread(pending)
    house.now += 2.0
    assert house.place(house.ask(b"slow", MIB))
    house.fill_most()
    assert not house.place(house.ask(b"slow", MIB))
    assert house.place(house.ask(b"another", MIB))
    house.free(pending)  # it reads
    assert house.place(house.ask(b"slow", MIB))


def test_what_seemed_to_fit_and_found_no_place_lets_others_try(house: House) -> None:
    """Its image is reserved last, and there may be room enough for it in pieces only."""
    blocks = [house.arena.reserve(length * MIB) for length in (4, 20, 4, 4, 4, 4, 4, 4, 16)]
    for block in blocks[1::2]:
        assert block is not None
        house.arena.release(block)
    pending, other = house.ask(b"robot", 12 * MIB), house.ask(b"another", 10 * MIB)
    pending.image_bytes = 10 * MIB
    used = house.arena.used
    assert house.room.fits(pending)
    assert not house.room.reserve(pending)
    assert house.arena.used == used
    assert not house.room.fits(pending)
    assert house.room.is_tight
    assert house.room.fits(other)
    house.room.begin_turn()
    assert house.room.fits(pending)


def test_small_results_do_not_cut_the_room_to_pieces(house: House) -> None:
    for number in range(10):
        house.place(house.ask(b"%d" % number, MIB))
        house.place(house.ask(b"%d" % number, 40_000))
    assert house.arena.largest == house.arena.size - house.arena.used
