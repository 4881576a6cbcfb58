"""What becomes of requests where one of several workers fails, refuses to start or dies: a real front, turned by hand.

The workers are played by the test, at the other end of the supervisor's own socket pairs, and time is a number.
"""

from __future__ import annotations

import itertools
import os
import random
import socket
import subprocess
import time
import typing
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import cv2
import msgpack
import numpy as np
import pytest
import zmq

from depthwire.daemon.__main__ import default_model
from depthwire.daemon.config import Config
from depthwire.daemon.front import loop as front_module
from depthwire.daemon.front.loop import Front
from depthwire.daemon.seam import jobs
from depthwire.protocol import DepthwireError, Reply, Request, parse_reply

IMAGE = bytes(cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1].tobytes())
MODEL_BYTES, MEMORY_BYTES = 10_000_000, 150_000_000
"""One file of 99 MB is let in beside what is loaded, and no second one while that loads."""
PAUSE_S = 6.0
"""More than the longest pause before a worker is replaced."""
SHORT_PAUSE_S = 0.5
"""The same, where the one before came up."""
LIMIT_S = 20.0
"""Only a broken front needs so long."""

Heard = TypeVar("Heard", bound=tuple[Any, ...])


class Puppet:
    """In place of a worker's process: it does what the test says, and keeps what it hears. It answers pings itself."""

    pids = itertools.count(100_000)

    def __init__(self, _: Sequence[str], *, pass_fds: tuple[int, int, int], **__: Any) -> None:
        self.channel, self.starts = (socket.socket(fileno=os.dup(descriptor)) for descriptor in pass_fds[:2])
        self.channel.setblocking(False)
        self.pid = next(self.pids)
        self.status: int | None = None
        self.is_stuck = False
        """In its device's driver, so that not even a kill ends it yet."""
        self.heard: list[jobs.Message] = []

    def say(self, message: jobs.Message) -> None:
        self.channel.send(jobs.pack(message))

    def get_ready(self, max_shapes: int = 0) -> None:
        self.say(jobs.Hello(self.pid, "puppet", "cpu", "float32", 4, max_shapes, MEMORY_BYTES))

    def load(self, job: jobs.Load) -> None:
        self.say(jobs.Loaded(*job, MODEL_BYTES))

    def start(self, *work: jobs.Stage) -> None:
        self.starts.send(jobs.pack(jobs.Started([job.ticket for job in work])))

    def answer(self, job: jobs.Stage) -> None:
        self.start(job)
        self.say(jobs.Done(job.ticket, 0.5, 1.0, 1.0, 1.0, 1.0, 1))

    def exit(self, status: int) -> None:
        self.status = status
        self.channel.close()
        self.starts.close()

    def hear(self) -> None:
        while self.status is None:
            try:
                datagram = self.channel.recv(jobs.MAX_MESSAGE_BYTES)
            except BlockingIOError:
                return
            if not datagram:
                return
            message = jobs.unpack_numbered(datagram)[1]
            if isinstance(message, jobs.Ping):
                self.say(jobs.Pong(message.number))
            else:
                self.heard.append(message)

    # ---- what the supervisor asks of a process ----------------------------------------------------------------

    def poll(self) -> int | None:
        return self.status

    def wait(self, timeout: float) -> int:
        if self.status is None:
            raise subprocess.TimeoutExpired("puppet", timeout)
        return self.status

    def kill(self) -> None:
        if self.status is None and not self.is_stuck:
            self.exit(-9)


class House:
    """A front whose workers are puppets, and one client of it."""

    def __init__(self, workers: int, **settings: Any) -> None:
        self.now = 1000.0
        settings = {"bind": ["tcp://127.0.0.1:*"], **settings}
        config = Config(engine="null", device=",".join(["cpu"] * workers), **settings)
        self.front = Front(config, default_model(config), clock=lambda: self.now)
        self.context = zmq.Context()
        self.client = self.context.socket(zmq.DEALER)
        self.client.connect(self.front.endpoints[0])
        self.turn()

    def puppet(self, slot: int = 0) -> Any:
        link = self.front.supervisor.links[slot]
        assert link is not None
        return link._process

    def turn(self) -> None:
        """Two turns: the first hears what there is, the second does what only a later turn may."""
        for _ in range(2):
            self.front._turn()
            for link in self.front.supervisor.links:
                if link is not None:
                    self.puppet(link.slot).hear()

    def pass_time(self, seconds: float) -> None:
        """Turn as often as the supervisor must, so that nobody seems silent."""
        ends_at = self.now + seconds
        while self.now < ends_at:
            self.now = min(ends_at, self.now + 0.5)
            self.turn()

    def hears(self, kind: type[Heard], slot: int = 0) -> Heard:
        """Turn until a worker is told something of this kind, and take it off its list."""
        gives_up = time.monotonic() + LIMIT_S
        while True:
            puppet = self.puppet(slot)
            for message in puppet.heard:
                if isinstance(message, kind):
                    puppet.heard.remove(message)
                    return message
            assert time.monotonic() < gives_up, f"worker {slot} hears no {kind.__name__} but {puppet.heard}"
            self.turn()

    def get_ready(self, slot: int = 0, max_shapes: int = 0) -> None:
        """Have a worker come up, load the model that answers by default, and run its probe."""
        self.puppet(slot).get_ready(max_shapes)
        self.puppet(slot).load(self.hears(jobs.Load, slot))
        if max_shapes:
            self.puppet(slot).say(jobs.Warmed(*self.hears(jobs.Warm, slot)))
        self.puppet(slot).answer(self.hears(jobs.Stage, slot))
        self.turn()

    def ask(self, request_id: int, encoder: str | None = None, dataset: str | None = None) -> None:
        request = Request(request_id, "rel_depth", IMAGE, encoder=encoder, dataset=dataset)
        self.client.send_multipart(request.to_frames())

    def reply(self) -> Reply:
        gives_up = time.monotonic() + LIMIT_S
        while not self.client.poll(0):
            assert time.monotonic() < gives_up, "no answer"
            self.turn()
        return parse_reply(self.client.recv_multipart())

    def error(self) -> DepthwireError:
        error = self.reply().error
        assert error is not None
        return error

    def hears_nothing(self) -> bool:
        """Whether the client is still without an answer after a few turns."""
        for _ in range(5):
            self.turn()
        return not self.client.poll(0)

    def close(self) -> int:
        """The daemon's exit code."""
        for link in self.front.supervisor.links:
            if link is not None:
                self.puppet(link.slot).exit(0)
        self.client.close(0)
        self.context.term()
        return self.front._close()


@pytest.fixture(autouse=True)
def puppets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", Puppet)
    monkeypatch.setattr(front_module, "_TICK_S", 0.01)


@pytest.fixture
def alone() -> Iterator[House]:
    house = House(workers=1)
    yield house
    house.close()


@pytest.fixture
def pair() -> Iterator[House]:
    house = House(workers=2)
    yield house
    house.close()


def test_a_request_whose_model_no_worker_can_load_is_answered_when_the_last_of_them_has_failed(pair: House) -> None:
    for slot in range(2):
        pair.get_ready(slot)
    pair.ask(1, "vits", "hypersim")
    for slot in range(2):
        assert pair.hears(jobs.Load, slot) == ("vits", "hypersim")
    pair.puppet(0).say(jobs.LoadFailed("vits", "hypersim", "MODEL_NOT_FOUND", "it is not on disk"))
    assert pair.hears_nothing()  # the other may still manage
    pair.puppet(1).say(jobs.LoadFailed("vits", "hypersim", "MODEL_NOT_FOUND", "it is not on disk"))
    assert pair.error().code == "MODEL_NOT_FOUND"


def test_a_model_that_is_ready_is_served_while_one_is_loading_and_a_third_waits_for_room(alone: House) -> None:
    alone.get_ready()
    alone.ask(1, "vits", "hypersim")
    assert alone.hears(jobs.Load) == ("vits", "hypersim")
    alone.ask(2, "vits", "vkitti")
    alone.pass_time(5.0)
    alone.ask(3)
    alone.puppet().answer(alone.hears(jobs.Stage))
    assert alone.reply().id == 3
    assert not any(isinstance(message, jobs.Load) for message in alone.puppet().heard)


def test_a_worker_that_refuses_to_start_beside_others_is_tried_again_and_the_daemon_goes_on(pair: House) -> None:
    pair.get_ready(0)
    for restarts in range(1, 4):
        pair.puppet(1).exit(os.EX_CONFIG)
        pair.pass_time(PAUSE_S)
        assert pair.front.supervisor.restarts == [0, restarts]
        assert pair.front._dispatcher.failure is None
    assert pair.front.readiness().status == "degraded"
    pair.ask(1)
    pair.puppet(0).answer(pair.hears(jobs.Stage, 0))
    assert pair.reply().error is None


def test_a_worker_that_came_up_once_and_then_refuses_does_not_end_the_daemon(alone: House) -> None:
    """As when the driver has lost its GPU for a while: a daemon that is gone would not come back with it."""
    alone.get_ready()
    alone.puppet().exit(-11)
    alone.pass_time(PAUSE_S)
    alone.puppet().exit(os.EX_CONFIG)
    alone.pass_time(PAUSE_S)
    assert alone.front._dispatcher.failure is None
    alone.get_ready()
    assert alone.front.readiness().ready


def test_the_daemon_ends_with_78_when_every_worker_has_refused_and_none_ever_came_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pair = House(workers=2)
    pair.puppet(0).exit(os.EX_CONFIG)
    pair.turn()
    assert pair.front._dispatcher.failure is None
    assert "a new one starts" in caplog.text
    caplog.clear()
    pair.puppet(1).exit(os.EX_CONFIG)
    pair.turn()
    assert pair.front._dispatcher.failure is not None
    assert "a new one starts" not in caplog.text
    assert pair.close() == os.EX_CONFIG


def test_a_worker_that_ended_otherwise_since_it_refused_may_still_come_up(pair: House) -> None:
    pair.puppet(0).exit(os.EX_CONFIG)
    pair.pass_time(PAUSE_S)
    pair.puppet(0).exit(os.EX_TEMPFAIL)
    pair.puppet(1).exit(os.EX_CONFIG)
    pair.turn()
    assert pair.front._dispatcher.failure is None


def test_a_request_whose_model_ends_the_worker_that_loads_it_is_given_up_after_the_second(alone: House) -> None:
    alone.get_ready()
    alone.ask(1, "vits", "hypersim")
    alone.hears(jobs.Load)
    alone.puppet().exit(-9)
    alone.pass_time(PAUSE_S)
    alone.get_ready()
    assert alone.hears_nothing()
    assert alone.hears(jobs.Load) == ("vits", "hypersim")
    alone.puppet().exit(-9)
    error = alone.error()
    assert (error.code, error.retryable) == ("INTERNAL", False)
    assert error.message == "the worker was killed by signal 9 while it loaded vits_hypersim, twice"
    alone.pass_time(PAUSE_S)
    alone.get_ready()
    assert alone.front.readiness().ready


def test_a_model_that_another_worker_has_is_served_though_a_worker_ends_over_it_twice(pair: House) -> None:
    for slot in range(2):
        pair.get_ready(slot)
    pair.ask(1, "vits", "hypersim")
    pair.puppet(1).load(pair.hears(jobs.Load, 1))
    pair.puppet(1).answer(pair.hears(jobs.Stage, 1))
    assert pair.reply().error is None
    for _ in range(2):
        for number in range(2, 6):
            pair.ask(number, "vits", "hypersim")
        pair.hears(jobs.Load, 0)
        pair.puppet(0).exit(-9)
        pair.pass_time(PAUSE_S)
        pair.get_ready(0)
        for _ in range(2, 6):
            pair.puppet(1).answer(pair.hears(jobs.Stage, 1))
            assert pair.reply().error is None


def test_what_ran_is_suspect_beside_what_was_loading_and_what_only_waited_in_the_worker_is_not(alone: House) -> None:
    alone.get_ready()
    alone.ask(1)
    running = alone.hears(jobs.Stage)
    alone.ask(2)
    alone.hears(jobs.Stage)
    alone.puppet().start(running)
    alone.ask(3, "vits", "hypersim")
    alone.hears(jobs.Load)
    alone.puppet().exit(-11)
    alone.turn()
    assert {p.request.id: p.attempts for p in alone.front.scheduler.all_open()} == {1: 1, 2: 0, 3: 0}


def test_what_waits_in_a_worker_is_not_blamed_for_a_model_whose_loading_ends_it(alone: House) -> None:
    alone.get_ready()
    alone.ask(1)
    alone.hears(jobs.Stage)
    alone.ask(2, "vits", "hypersim")
    alone.hears(jobs.Load)
    alone.puppet().exit(-11)
    alone.turn()
    assert [pending.attempts for pending in alone.front.scheduler.all_open()] == [0, 0]


def test_a_model_that_a_worker_ended_over_is_loaded_again_when_no_other_one_is_loading(alone: House) -> None:
    """Or the model that answers by default would be given up with it: the successor has to load both."""
    alone.get_ready()
    alone.ask(1, "vits", "hypersim")
    alone.hears(jobs.Load)
    alone.puppet().exit(-9)
    alone.pass_time(PAUSE_S)
    alone.puppet().get_ready()
    default = alone.hears(jobs.Load)
    assert alone.hears_nothing()
    assert not any(isinstance(message, jobs.Load) for message in alone.puppet().heard)
    alone.puppet().load(default)
    assert alone.hears(jobs.Load) == ("vits", "hypersim")


def test_a_preloaded_model_that_has_ended_two_workers_does_not_end_the_third_as_it_starts() -> None:
    house = House(workers=1, preload=["vits_hypersim"])
    for _ in range(2):
        house.puppet().get_ready()
        assert house.hears(jobs.Load) == ("vits", "hypersim")
        house.puppet().exit(-9)
        house.pass_time(PAUSE_S)
    house.get_ready()
    assert house.front.readiness().ready
    house.ask(0, "vits", "hypersim")
    assert "while it loaded vits_hypersim, twice" in house.error().message
    house.pass_time(11.0)
    house.ask(1, "vits", "hypersim")
    house.puppet().load(house.hears(jobs.Load))  # asked for, it is tried again after a while
    house.puppet().answer(house.hears(jobs.Stage))
    assert house.reply().error is None
    house.close()


def test_few_descriptors_left_show_in_health_while_who_is_in_is_served(
    alone: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone.get_ready()
    assert alone.front.readiness().problems == []
    monkeypatch.setattr(alone.front._descriptors, "_limit", 8)  # fewer than are open
    alone.pass_time(1.5)
    state = alone.front.readiness()
    assert (state.status, state.ready, state.degraded) == ("degraded", True, True)
    assert any("file descriptors are left" in problem for problem in state.problems)


def test_what_is_to_be_preloaded_and_has_no_room_is_told(caplog: pytest.LogCaptureFixture) -> None:
    house = House(workers=1, preload=["vits_hypersim", "vits_vkitti"])
    house.puppet().get_ready()
    assert house.hears(jobs.Load) == ("vits", "hypersim")
    assert "--preload: vits_vkitti has no room beside the others in the 143 MB for models of worker 0" in caplog.text
    assert "--preload: vits_hypersim" not in caplog.text
    house.close()


def test_a_request_whose_input_size_ends_the_worker_that_warms_it_is_given_up_after_the_second(alone: House) -> None:
    """As where the device is poisoned by it: the worker ends itself."""
    alone.get_ready(max_shapes=4)
    alone.ask(1)
    for _ in range(2):
        assert alone.hears_nothing()
        assert isinstance(alone.hears(jobs.Warm), jobs.Warm)
        alone.puppet().exit(70)
        alone.pass_time(PAUSE_S)
        if not alone.client.poll(0):
            alone.get_ready(max_shapes=4)
    error = alone.error()
    assert (error.code, error.retryable) == ("INTERNAL", False)
    assert "exited with code 70 while it made vitt_starter ready for an input of" in error.message
    alone.get_ready(max_shapes=4)
    assert alone.front.readiness().ready


# A worker is trusted no more than a client: whatever it says, the front lives, and each request gets its one answer.

SAID: list[type[Any]] = [
    kind for kind in typing.get_args(jobs.Message) if kind not in (jobs.Load, jobs.Unload, jobs.Warm, jobs.Forget)
]


def done(ticket: int, *, decode_ms: Any = 1.0, batch_size: Any = 1) -> bytes:
    return jobs.pack(jobs.Done(ticket, 0.5, 1.0, decode_ms, 1.0, 1.0, batch_size))


LIES: dict[str, Callable[[int], bytes]] = {
    "garbage": lambda _: b"\xc1\xff\x00garbage",
    "no list": lambda _: msgpack.packb({"a": 1}),
    "no known kind": lambda _: msgpack.packb([99]),
    "a kind below zero": lambda _: msgpack.packb([-1, 7]),
    "a field too few": lambda _: msgpack.packb([16]),
    "a field too many": lambda ticket: msgpack.packb([16, ticket, 1]),
    "what the front says": lambda _: jobs.pack(jobs.Stop()),
    "a ticket of nobody": lambda _: done(424242),
    "a ticket that is text": lambda _: msgpack.packb([14, "1", 0.5, 1.0, 1.0, 1.0, 1.0, 1]),
    "a time that is no number": lambda ticket: done(ticket, decode_ms=float("nan")),
    "a time before it began": lambda ticket: done(ticket, decode_ms=-1.0),
    "a batch of none": lambda ticket: done(ticket, batch_size=0),
    "a batch of too many": lambda ticket: done(ticket, batch_size=2**40),
    "failed: a ticket of nobody": lambda _: jobs.pack(jobs.Failed(424242, "INTERNAL", "x", False)),
    "failed: a text without end": lambda ticket: jobs.pack(jobs.Failed(ticket, "INTERNAL", "x" * 9000, False)),
    "dropped: somebody waits": lambda ticket: jobs.pack(jobs.Dropped(ticket)),
    "loaded: a model that is none": lambda _: jobs.pack(jobs.Loaded("vitx", "moon", 1)),
    "loaded: not asked for": lambda _: jobs.pack(jobs.Loaded("vits", "hypersim", 1)),
    "not loaded: not asked for": lambda _: jobs.pack(jobs.LoadFailed("vits", "hypersim", "INTERNAL", "x")),
    "warmed: not asked for": lambda _: jobs.pack(jobs.Warmed("vitt", "starter", 56, 56)),
    "a second hello": lambda _: jobs.pack(jobs.Hello(1, "puppet", "cpu", "float32", 4, 0, MEMORY_BYTES)),
    "a pong too many": lambda _: jobs.pack(jobs.Pong(0)),
}


def deal_with_it(house: House) -> None:
    """The worker is replaced, and its successor answers what it held."""
    before = house.puppet()
    house.turn()
    assert house.front.supervisor.links == [None], "it is believed"
    assert before.status is not None
    house.pass_time(SHORT_PAUSE_S)
    house.get_ready()
    house.puppet().answer(house.hears(jobs.Stage))
    assert house.reply().error is None
    assert house.hears_nothing()


@pytest.mark.parametrize("lie", LIES)
def test_a_worker_that_says_what_is_not_so_is_replaced_and_its_request_answered(lie: str, alone: House) -> None:
    alone.get_ready()
    alone.ask(1)
    ticket = alone.hears(jobs.Stage).ticket
    alone.puppet().channel.send(LIES[lie](ticket))
    deal_with_it(alone)


@pytest.mark.parametrize(
    "lie", [b"garbage", jobs.pack(jobs.Started([424242])), jobs.pack(jobs.Started([])), jobs.pack(jobs.Pong(0))]
)
def test_a_worker_that_lies_about_its_batches_is_replaced_and_its_request_answered(lie: bytes, alone: House) -> None:
    alone.get_ready()
    alone.ask(1)
    alone.hears(jobs.Stage)
    alone.puppet().starts.send(lie)
    alone.now += 0.5
    deal_with_it(alone)


def test_a_batch_that_starts_twice_and_a_job_that_ends_twice_are_lies(alone: House) -> None:
    alone.get_ready()
    alone.ask(1)
    job = alone.hears(jobs.Stage)
    alone.puppet().start(job)
    alone.puppet().start(job)
    alone.now += 0.5
    deal_with_it(alone)
    alone.ask(2)
    job = alone.hears(jobs.Stage)
    alone.puppet().answer(job)
    assert alone.reply().id == 2
    alone.puppet().say(jobs.Dropped(job.ticket))
    alone.turn()
    assert alone.front.supervisor.links == [None]


def test_a_hello_beyond_what_numbers_can_mean_is_no_hello(alone: House) -> None:
    for name, value in (("max_batch", 0), ("max_batch", 10**6), ("memory_bytes", -1), ("engine", "a\nb")):
        hello = jobs.Hello(1, "puppet", "cpu", "float32", 4, 0, MEMORY_BYTES)
        alone.puppet().say(hello._replace(**{name: value}))
        alone.turn()
        assert alone.front.supervisor.links == [None]
        alone.pass_time(PAUSE_S)


def test_a_request_that_two_workers_lied_over_is_given_up(alone: House) -> None:
    alone.get_ready()
    alone.ask(1)
    for _ in range(2):
        job = alone.hears(jobs.Stage)
        alone.puppet().start(job)
        alone.puppet().channel.send(b"garbage")
        alone.turn()
        if not alone.client.poll(0):
            alone.pass_time(SHORT_PAUSE_S)
            alone.get_ready()
    error = alone.error()
    assert (error.code, error.retryable) == ("INTERNAL", False)
    assert error.message.startswith("the worker said 7 bytes that are no message")


def some_words(random_: random.Random, ticket: int) -> bytes:
    """What a worker out of its mind may say: noise, a message with any values, or one with some bytes changed."""
    if random_.random() < 0.2:
        return random_.randbytes(random_.randint(1, 200))
    values: dict[Any, list[Any]] = {
        int: [ticket, 0, -1, 1, 2**40, True, 1.5],
        float: [0.0, 1.0, float("nan"), float("inf"), -1.0, "1"],
        str: ["vitt", "starter", "vits", "hypersim", "moon", "", "x" * 3000, b"x"],
        bool: [True, False, 1],
        list[int]: [[ticket], [], [ticket, ticket], [1, 2], 3, ["1"]],
        dict[str, Any] | None: [None, {}, 1],
    }
    kind = random_.choice(SAID)
    fields = [random_.choice(values[hint]) for hint in typing.get_type_hints(kind).values()]
    words = bytearray(msgpack.packb([jobs._NUMBERS[kind], *fields]))
    for _ in range(random_.choice([0, 0, 1, 3])):
        words[random_.randrange(len(words))] = random_.randrange(256)
    return bytes(words)


def test_whatever_a_worker_says_the_front_lives_and_each_request_gets_one_answer(alone: House) -> None:
    random_ = random.Random(13)
    alone.get_ready()
    replaced = 0
    for number in range(1, 81):
        alone.ask(number)
        job, puppet = alone.hears(jobs.Stage), alone.puppet()
        if random_.random() < 0.5:
            puppet.start(job)
        channel = puppet.starts if random_.random() < 0.3 else puppet.channel
        channel.send(some_words(random_, job.ticket))
        alone.now += 0.5
        alone.turn()
        alone.turn()
        if alone.front.supervisor.links == [None]:
            replaced += 1
            alone.pass_time(SHORT_PAUSE_S)
            alone.get_ready()
        if not alone.client.poll(0):  # unless its words were, by chance, an end of the job
            if puppet is not alone.puppet():
                alone.puppet().answer(alone.hears(jobs.Stage))
            else:
                puppet.channel.send(done(job.ticket))
        assert alone.reply().id == number
        assert not alone.client.poll(0)
    assert replaced > 50


class Asker:
    """One more client of a house."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.socket = house.context.socket(zmq.DEALER)
        self.socket.connect(house.front.endpoints[0])

    def ask(self, request_id: int, image: bytes) -> None:
        self.socket.send_multipart(Request(request_id, "rel_depth", image).to_frames())

    def hand_over(self, request_id: int, image: bytes) -> jobs.Stage:
        self.ask(request_id, image)
        return self.house.hears(jobs.Stage)


def picture(width: int, height: int) -> bytes:
    return bytes(cv2.imencode(".jpg", np.zeros((height, width, 3), np.uint8))[1].tobytes())


def test_a_large_request_without_room_keeps_no_small_one_waiting_and_health_tells_of_it() -> None:
    house = House(workers=1, arena_mb=16, drain_timeout_s=0)
    house.get_ready()
    askers = [Asker(house) for _ in range(4)]
    large = picture(1400, 1200)  # 6.4 MiB of depth
    held = [asker.hand_over(1, large) for asker in askers[:2]]
    askers[2].ask(2, large)
    while len(house.front.scheduler) < 3:
        house.turn()
    assert house.front.readiness().status == "ok"
    small = askers[3].hand_over(3, IMAGE)
    house.puppet().answer(small)
    house.pass_time(1.5)
    state = house.front.readiness()
    assert (state.status, state.ready, state.degraded) == ("degraded", True, True)
    assert "requests wait for room among the results, the first for" in state.problems[-1]
    house.pass_time(3.0)
    house.puppet().answer(askers[3].hand_over(4, IMAGE))
    house.puppet().answer(held[0])
    house.puppet().answer(house.hears(jobs.Stage))
    assert house.front.readiness().status == "ok"
    for asker in askers:
        asker.socket.close(0)
    house.close()


def test_a_peer_that_stands_still_is_ended_where_others_wait_for_room(tmp_path: Path) -> None:
    house = House(workers=1, arena_mb=16, drain_timeout_s=0, bind=[f"ipc://{tmp_path}/s"])
    house.get_ready()
    large = picture(1400, 1200)
    asleep = [Asker(house) for _ in range(2)]
    for asker in asleep:
        asker.socket.close(0)
        asker.socket = house.context.socket(zmq.DEALER)
        asker.socket.setsockopt(zmq.RCVHWM, 1)
        asker.socket.connect(house.front.endpoints[0])
        for number in range(2):
            house.puppet().answer(asker.hand_over(number, large))
            house.turn()
        assert house.front.arena.used >= 6 * 2**20
    awake = Asker(house)
    awake.ask(1, large)
    house.pass_time(10.0)
    house.puppet().answer(house.hears(jobs.Stage))
    gives_up = time.monotonic() + LIMIT_S
    while not awake.socket.poll(0):
        assert time.monotonic() < gives_up
        house.turn()
    assert parse_reply(awake.socket.recv_multipart()).error is None
    assert house.front.readiness().status == "ok"
    for asker in (*asleep, awake):
        asker.socket.close(0)
    house.close()


def test_who_asks_for_a_model_that_could_not_be_had_a_moment_ago_is_told_at_once_and_later_it_is_tried_again(
    pair: House,
) -> None:
    for slot in range(2):
        pair.get_ready(slot)
    pair.ask(1, "vits", "hypersim")
    for slot in range(2):
        pair.puppet(slot).say(jobs.LoadFailed(*pair.hears(jobs.Load, slot), "MODEL_NOT_FOUND", "it is not on disk"))
    first = pair.error()
    for number in range(2, 5):
        pair.pass_time(2.0)
        pair.ask(number, "vits", "hypersim")
        again = pair.error()
        assert (again.code, again.message) == (first.code, first.message) == ("MODEL_NOT_FOUND", "it is not on disk")
    pair.pass_time(5.0)
    pair.ask(5, "vits", "hypersim")
    pair.puppet(1).load(pair.hears(jobs.Load, 1))
    pair.puppet(1).answer(pair.hears(jobs.Stage, 1))
    assert pair.reply().error is None
    pair.ask(6, "vits", "hypersim")  # the other worker may fail again meanwhile
    pair.puppet(0).say(jobs.LoadFailed(*pair.hears(jobs.Load, 0), "MODEL_NOT_FOUND", "it is not on disk"))
    pair.puppet(1).answer(pair.hears(jobs.Stage, 1))
    assert pair.reply().error is None


def test_models_that_are_downloaded_keep_no_other_from_loading_and_take_no_memory() -> None:
    house = House(workers=1, preload=["vits_hypersim"])
    house.puppet().get_ready()
    house.puppet().say(jobs.Fetching(*house.hears(jobs.Load)))
    assert house.hears(jobs.Load) == ("vitt", "starter")  # to show that the engine works
    house.ask(1, "vits", "vkitti")  # which has no room beside the first
    job = house.hears(jobs.Load)
    assert job == ("vits", "vkitti")
    house.puppet().load(job)
    house.puppet().answer(house.hears(jobs.Stage))  # the probe
    house.puppet().answer(house.hears(jobs.Stage))
    assert house.reply().error is None
    house.close()


def test_what_was_downloaded_is_loaded(alone: House) -> None:
    alone.get_ready()
    alone.ask(1, "vits", "hypersim")
    job = alone.hears(jobs.Load)
    alone.puppet().say(jobs.Fetching(*job))
    alone.pass_time(20.0)
    assert not any(isinstance(message, jobs.Load) for message in alone.puppet().heard)
    alone.puppet().say(jobs.Fetched(*job))
    assert alone.hears(jobs.Load) == job
    alone.puppet().load(job)
    alone.puppet().answer(alone.hears(jobs.Stage))
    assert alone.reply().error is None


def test_a_load_that_takes_too_long_ends_its_worker_and_is_given_up_with_the_second() -> None:
    """Nobody can end a thread, and those that load are few."""
    house = House(workers=1, load_timeout_s=20.0)
    for _ in range(2):
        house.get_ready()
        if not len(house.front.scheduler):
            house.ask(1, "vits", "hypersim")
        assert house.hears(jobs.Load) == ("vits", "hypersim")
        house.pass_time(19.0)
        assert house.front.supervisor.links[0] is not None
        house.pass_time(2.0)
        assert house.front.supervisor.links == [None]
        house.pass_time(PAUSE_S)
    error = house.error()
    assert (error.code, error.retryable) == ("INTERNAL", False)
    assert "has been loading a model for more than 20 s while it loaded vits_hypersim, twice" in error.message
    house.close()


def test_a_download_that_takes_too_long_is_told_as_that_and_goes_on() -> None:
    house = House(workers=1, download_timeout_s=60.0, load_timeout_s=10.0, probe_interval_s=1000.0)
    house.get_ready()
    house.ask(1, "vits", "hypersim")
    job = house.hears(jobs.Load)
    house.puppet().say(jobs.Fetching(*job))
    house.pass_time(62.0)
    error = house.error()
    assert (error.code, error.retryable) == ("MODEL_NOT_FOUND", True)
    assert "the download of vits_hypersim has taken more than 60 s" in error.message
    house.puppet().say(jobs.Fetched(*job))
    house.pass_time(11.0)
    house.ask(2, "vits", "hypersim")
    house.puppet().load(house.hears(jobs.Load))
    house.puppet().answer(house.hears(jobs.Stage))
    assert house.reply().error is None
    house.close()


def shape(number: int) -> bytes:
    """A picture whose network input is another one than that of other numbers."""
    return picture(64, 64 + 16 * number)


def test_more_input_sizes_than_a_worker_keeps_are_all_answered(alone: House) -> None:
    alone.get_ready(max_shapes=2)
    for number in range(5):
        alone.client.send_multipart(Request(number, "rel_depth", shape(number)).to_frames())
    while len(alone.front.scheduler) < 5:
        alone.turn()
    warms, answered = 0, set()
    gives_up = time.monotonic() + LIMIT_S
    while len(answered) < 5:
        assert time.monotonic() < gives_up, answered
        for message in alone.puppet().heard:
            if isinstance(message, jobs.Warm):
                warms += 1
                alone.puppet().say(jobs.Warmed(*message))
            elif isinstance(message, jobs.Stage):
                alone.puppet().answer(message)
        alone.puppet().heard.clear()
        alone.turn()
        while alone.client.poll(0):
            answered.add(parse_reply(alone.client.recv_multipart()).id)
    assert warms == 1  # beside the one that the probe runs with


def test_a_size_that_has_ended_two_workers_is_refused_at_once_and_longer_each_time(alone: House) -> None:
    alone.get_ready(max_shapes=4)
    alone.ask(1)
    for _ in range(2):
        alone.hears(jobs.Warm)
        alone.puppet().exit(70)
        alone.pass_time(PAUSE_S)
        if not alone.client.poll(0):
            alone.get_ready(max_shapes=4)
    assert "twice" in alone.error().message
    alone.get_ready(max_shapes=4)
    for number in range(2, 10):
        alone.ask(number)
        assert "twice" in alone.error().message
    assert alone.front.supervisor.restarts == [2]
    alone.pass_time(11.0)
    alone.ask(10)
    alone.hears(jobs.Warm)
    alone.puppet().exit(70)
    assert "twice" in alone.error().message
    alone.pass_time(PAUSE_S)
    alone.get_ready(max_shapes=4)
    alone.pass_time(11.0)
    alone.ask(11)
    assert "twice" in alone.error().message
    assert alone.front.supervisor.restarts == [3]


def test_a_size_that_one_worker_cannot_warm_is_answered_by_the_other(pair: House) -> None:
    for slot in range(2):
        pair.get_ready(slot, max_shapes=4)
    pair.ask(1)
    warms = [pair.hears(jobs.Warm, slot) for slot in range(2)]
    pair.puppet(0).say(jobs.WarmFailed(*warms[0], "no memory"))
    assert pair.hears_nothing()
    pair.puppet(1).say(jobs.Warmed(*warms[1]))
    pair.puppet(1).answer(pair.hears(jobs.Stage, 1))
    assert pair.reply().error is None


def test_a_size_that_no_worker_can_warm_is_refused_and_then_at_once(pair: House) -> None:
    for slot in range(2):
        pair.get_ready(slot, max_shapes=4)
    pair.ask(1)
    for slot in range(2):
        pair.puppet(slot).say(jobs.WarmFailed(*pair.hears(jobs.Warm, slot), "no memory"))
    for number in range(2, 4):
        assert pair.error().message.endswith("no memory")
        pair.ask(number)
    assert pair.error().message.endswith("no memory")


def test_a_killed_worker_that_does_not_end_at_once_keeps_nobody_waiting_and_its_memory_until_it_is_gone(
    pair: House,
) -> None:
    for slot in range(2):
        pair.get_ready(slot)
    pair.ask(1)
    pair.ask(2)
    pair.hears(jobs.Stage, 0)
    other = pair.hears(jobs.Stage, 1)
    stuck = pair.puppet(0)
    stuck.is_stuck = True
    stuck.channel.send(b"garbage")
    begun = time.monotonic()
    pair.turn()
    pair.puppet(1).answer(other)
    assert pair.reply().error is None
    assert time.monotonic() - begun < 2.0, "the front stood still"
    pair.pass_time(1.0)
    assert pair.front.arena.used > 0, "another may get memory that a process alive can write to"
    assert pair.hears_nothing()
    stuck.exit(-9)
    pair.pass_time(0.2)
    pair.puppet(1).answer(pair.hears(jobs.Stage, 1))
    assert pair.reply().error is None


def test_a_killed_worker_that_never_ends_is_given_up(pair: House) -> None:
    for slot in range(2):
        pair.get_ready(slot)
    pair.ask(1)
    pair.hears(jobs.Stage, 0)
    pair.puppet(0).is_stuck = True
    pair.puppet(0).channel.send(b"garbage")
    pair.pass_time(6.0)
    pair.puppet(1).answer(pair.hears(jobs.Stage, 1))
    assert pair.reply().error is None
