"""The intake: every message heard once, in order, and pictures decoded by as many threads as there may be."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from depthwire.daemon.seam import jobs
from depthwire.daemon.worker.intake import Intake

DECODERS = 3
LIMIT_S = 20.0


def stage(ticket: int) -> jobs.Stage:
    return jobs.Stage(ticket, "vits", "hypersim", 1, 1, 0, 0, "jpeg", 1, 1, 0, -1, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0)


@dataclass
class Room:
    """An intake with what it was told, whose decoders wait at a gate."""

    near: socket.socket = field(init=False)
    heard: list[jobs.Message] = field(default_factory=list)
    decoded: list[int] = field(default_factory=list)
    busy: int = 0
    peak: int = 0
    gate: threading.Event = field(default_factory=threading.Event)
    sent: int = 0

    def __post_init__(self) -> None:
        self.near, self.far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.lock = threading.Lock()
        self.intake = Intake(self.far, DECODERS, self.hear, self.decode)
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        try:
            self.intake.run()
        except BaseException as error:
            self.failure = error

    def hear(self, message: jobs.Message) -> bool:
        self.heard.append(message)
        if isinstance(message, jobs.Forget):
            raise LookupError("nobody knows it")  # noqa: TRY004 - any error will do
        return not isinstance(message, jobs.Stop)

    def decode(self, job: jobs.Stage) -> None:
        with self.lock:
            self.busy += 1
            self.peak = max(self.peak, self.busy)
        assert self.gate.wait(LIMIT_S)
        with self.lock:
            self.busy -= 1
            self.decoded.append(job.ticket)

    def send(self, message: jobs.Message) -> None:
        self.near.send(jobs.pack_numbered(self.sent, message))
        self.sent += 1

    def wait_for(self, heard: int, decoded: int = 0) -> None:
        deadline = time.monotonic() + LIMIT_S
        while len(self.heard) < heard or len(self.decoded) < decoded:
            assert time.monotonic() < deadline
            time.sleep(0.001)


@pytest.fixture
def room() -> Iterator[Room]:
    room = Room()
    yield room
    room.gate.set()
    room.near.close()
    room.thread.join(LIMIT_S)
    assert not room.thread.is_alive()


def test_everything_is_heard_once_and_in_order_whoever_reads_it(room: Room) -> None:
    room.gate.set()
    messages: list[jobs.Message] = [stage(n) if n % 3 else jobs.Ping(n) for n in range(2000)]
    for message in messages:
        room.send(message)
    room.wait_for(heard=2000, decoded=1333)
    assert room.heard == messages
    assert sorted(room.decoded) == [n for n in range(2000) if n % 3]


def test_while_every_decoder_is_busy_it_still_hears_and_the_rest_waits_its_turn(room: Room) -> None:
    for ticket in range(DECODERS + 4):
        room.send(stage(ticket))
    room.send(jobs.Ping(1))
    room.wait_for(heard=DECODERS + 5)
    assert room.decoded == []
    room.gate.set()
    room.wait_for(heard=0, decoded=DECODERS + 4)
    assert room.peak == DECODERS


def test_a_stop_ends_it_also_while_pictures_are_decoded(room: Room) -> None:
    room.send(stage(1))
    room.send(jobs.Stop())
    room.thread.join(LIMIT_S)
    assert not room.thread.is_alive()
    assert room.failure is None


def test_what_goes_wrong_while_hearing_comes_out_where_it_was_started(room: Room) -> None:
    room.send(jobs.Forget("vits", "hypersim", 1, 1))
    room.thread.join(LIMIT_S)
    assert isinstance(room.failure, LookupError)


def test_what_waits_for_a_decoder_can_be_taken_back_and_is_not_decoded(room: Room) -> None:
    for ticket in range(DECODERS + 2):
        room.send(stage(ticket))
    room.wait_for(DECODERS + 2)
    deadline = time.monotonic() + LIMIT_S
    while room.busy < DECODERS:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    waiting = {job.ticket for job in room.intake._backlog}
    withdrawn = min(waiting)
    taken_back = room.intake.withdraw(withdrawn)
    assert taken_back is not None
    assert taken_back.ticket == withdrawn
    assert room.intake.withdraw(withdrawn) is None
    assert room.intake.withdraw(next(iter(set(range(DECODERS + 2)) - waiting))) is None  # a decoder has it
    room.gate.set()
    room.wait_for(DECODERS + 2, DECODERS + 1)
    assert withdrawn not in room.decoded
