"""What clients get of a worker, second by second, in a simulation: the real dispatcher and scheduler, a worker of known
times, and a clock that only the simulation moves.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from depthwire.daemon.config import Config
from depthwire.daemon.front import supervisor
from depthwire.daemon.front.dispatcher import Dispatcher
from depthwire.daemon.front.metrics import Metrics
from depthwire.daemon.front.outbox import Outbox
from depthwire.daemon.front.residency import Residency, State
from depthwire.daemon.front.scheduler import Pending, QueueLimits, Scheduler
from depthwire.daemon.front.supervisor import WorkerLink, WorkerState
from depthwire.daemon.models import catalogue
from depthwire.daemon.seam import jobs
from depthwire.daemon.seam.arena import Arena
from depthwire.protocol import DepthwireError, Request

CHECKPOINT = catalogue.lookup("vits", "hypersim")
DECODERS = 2


class Picture:
    """What a client sends: pixels of the picture and of the network's input, and what they take, in seconds."""

    def __init__(self, decode_s: float, infer_s: float, width: int = 640, height: int = 480, input_width: int = 518):
        self.decode_s, self.infer_s = decode_s, infer_s
        self.width, self.height, self.input_width = width, height, input_width


class Simulation:
    def __init__(self, max_batch: int = 1) -> None:
        self.now = 0.0
        self.answers: list[tuple[float, Pending]] = []
        self.refused: Counter[tuple[bytes, str]] = Counter()
        self.decoded = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._tickets = itertools.count(1)
        self._pictures: dict[int, Picture] = {}
        self._on_answer: dict[int, Callable[[], None]] = {}
        self.scheduler = Scheduler(QueueLimits(max_in_flight_per_client=1000))
        self._arena = Arena(2**28)
        router: Any = None
        self._dispatcher = Dispatcher(
            Config(engine="null", device="cpu", threads=DECODERS),
            self._arena,
            self.scheduler,
            Outbox(router, self._arena, 2**40, clock=lambda: self.now),
            lambda: self.now,
            self._deliver,
            self._refuse,
            CHECKPOINT,
            Metrics(),
        )
        self._max_batch = max_batch
        self._link = self._make_link()
        self._dispatcher.supervisor.links[0] = self._link
        self._backlog: deque[jobs.Stage] = deque()
        self._decoding = 0
        self._ready: list[tuple[jobs.Stage, float]] = []
        self._is_running = False

    def _make_link(self) -> WorkerLink:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(supervisor.subprocess, "Popen", lambda *_, **__: None)  # it speaks to this simulation instead
            options = self._dispatcher.supervisor._options[0]
            link: Any = WorkerLink(0, options, self._arena.fd, self.now)
        link.state, link.proof.is_concluded = WorkerState.READY, True
        link.hello = jobs.Hello(1, "null", "cpu", "float32", self._max_batch, 0, 2**40)
        assert link.hear(link.hello)
        link.residency = Residency(2**40)
        link.residency.set(CHECKPOINT, State.READY, 1, 0.0)
        link.send = self._hear
        link.receive_starts = lambda *_: []
        made: WorkerLink = link
        return made

    # ---- clients ----------------------------------------------------------------------------------------------

    def at(self, time: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._order), do))

    def ask(
        self, client: bytes, picture: Picture, stream: str | None = None, then: Callable[[], None] = lambda: None
    ) -> int:
        ticket = next(self._tickets)
        pending = Pending(
            ticket, (client,), [client], Request(ticket, "rel_depth", stream=stream), CHECKPOINT, "vits", b"image",
            "jpeg", picture.width, picture.height, 518, picture.input_width, 1.0, None, self.now, float("inf"),
        )  # fmt: skip
        self._pictures[ticket], self._on_answer[ticket] = picture, then
        if (superseded := self.scheduler.admit(pending)) is not None:
            self._refuse(superseded, DepthwireError("superseded"))
        return ticket

    def camera(self, client: bytes, picture: Picture, interval_s: float, stream: str = "left") -> None:
        def frame() -> None:
            self.ask(client, picture, stream)
            self.at(self.now + interval_s, frame)

        frame()

    def loop(self, client: bytes, picture: Picture, in_flight: int = 1) -> None:
        """A client that has always so many requests in flight."""
        for _ in range(in_flight):
            self.ask(client, picture, then=lambda: self.loop(client, picture))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            self._dispatcher._pacing.begin_turn()
            self._dispatcher._dispatch()
            due = min(self._events[0][0] if self._events else end, self._dispatcher.wake_at)
            if due >= end:
                self.now = end
                return
            self.now = max(self.now, due)
            while self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()

    def results(self, client: bytes) -> int:
        return sum(pending.client[0] == client for _, pending in self.answers)

    def seconds(self, client: bytes) -> float:
        """What its results have cost of the worker's time."""
        return sum(pending.charged_s for _, pending in self.answers if pending.client[0] == client)

    def _deliver(self, pending: Pending, done: jobs.Done) -> None:
        self.answers.append((self.now, pending))
        self.scheduler.close(pending)
        self._on_answer[pending.ticket]()

    def _refuse(self, pending: Pending, error: DepthwireError) -> None:
        self.refused[pending.client[0], error.message] += 1
        self._dispatcher.abandon(pending)

    # ---- the worker -------------------------------------------------------------------------------------------

    def _hear(self, message: jobs.Message) -> bool:
        self._link.debts.note_sent(message)
        if isinstance(message, jobs.Stage):
            self._backlog.append(message)
            self._decode()
        return True

    def _decode(self) -> None:
        while self._backlog and self._decoding < DECODERS:
            job = self._backlog.popleft()
            self._decoding += 1
            self.decoded += 1

            def decoded(job: jobs.Stage = job) -> None:
                self._decoding -= 1
                self._ready.append((job, self.now))
                self._infer()
                self._decode()

            self.at(self.now + self._pictures[job.ticket].decode_s, decoded)

    def _infer(self) -> None:
        if self._is_running or not self._ready:
            return
        self._ready.sort(key=lambda ready: ready[0].place)
        first = self._ready[0][0]
        batch = [job for job, _ in self._ready if job.input_width == first.input_width][: self._max_batch]
        self._ready = [ready for ready in self._ready if ready[0] not in batch]
        self._is_running = True
        self._link.batch_started = self.now
        self._dispatcher._on_started(self._link, jobs.Started([job.ticket for job in batch]))
        infer_s = max(self._pictures[job.ticket].infer_s for job in batch)

        def done() -> None:
            self._is_running = False
            self._link.heard_at = self.now
            for job in batch:
                decode_ms = 1e3 * self._pictures[job.ticket].decode_s
                answer = jobs.Done(job.ticket, 0.0, 1.0, decode_ms, 1e3 * infer_s, 0.0, len(batch))
                assert self._link.hear(answer)
                self._dispatcher._on_done(self._link, answer)
            self._infer()

        self.at(self.now + infer_s, done)


@pytest.fixture(params=[1, 8], ids=["one at a time", "batches"])
def simulation(request: pytest.FixtureRequest) -> Iterator[Simulation]:
    made = Simulation(request.param)
    yield made
    made._arena.close()


@pytest.mark.parametrize("interval_s", [0.002, 0.033, 0.1])
@pytest.mark.parametrize(
    ("decode_s", "infer_s"),
    [(0.05, 0.005), (0.005, 0.05), (0.05, 0.05), (0.15, 0.01), (0.5, 0.1), (0.002, 1.0), (0.08, 0.1), (0.001, 0.001)],
)
def test_a_camera_gets_results_at_its_own_pace_or_the_worker_s_whichever_is_slower(
    simulation: Simulation, decode_s: float, infer_s: float, interval_s: float
) -> None:
    """However its frames come between decoding and the network's passes; none is decoded for nobody."""
    picture = Picture(decode_s, infer_s)
    simulation.camera(b"robot", picture, interval_s)
    simulation.run(15.0)
    pace = min(1 / interval_s, 1 / (decode_s + infer_s))
    assert simulation.results(b"robot") >= 0.8 * pace * 15.0
    assert simulation.decoded <= simulation.results(b"robot") + 3
    ages = sorted(time - pending.arrived for time, pending in simulation.answers[10:])
    assert ages[len(ages) // 2] <= 1.25 * (decode_s + infer_s) + 2 * interval_s + 0.2 * infer_s + 0.005


@pytest.mark.parametrize("decode_s", [0.005, 0.15, 0.5])
def test_a_camera_that_is_too_fast_leaves_others_their_share(simulation: Simulation, decode_s: float) -> None:
    large, small = Picture(decode_s, 0.02, 4000, 3000), Picture(0.002, 0.02)
    simulation.camera(b"camera", large, 0.033)
    for name in (b"a", b"b", b"c"):
        simulation.loop(name, small)
    simulation.run(60.0)
    alone = 60.0 / (small.decode_s + small.infer_s)
    for name in (b"a", b"b", b"c"):
        assert simulation.results(name) >= 0.8 * alone / 4
    assert simulation.results(b"camera") >= 0.5 * min(60.0 / 0.033, 60.0 / (decode_s + 4 * 0.022))


def test_two_clients_get_equal_seconds_of_the_network_however_large_their_inputs(simulation: Simulation) -> None:
    dear, cheap = Picture(0.02, 2.0, input_width=1400), Picture(0.005, 0.04)
    simulation.loop(b"dear", dear, in_flight=16)
    simulation.loop(b"cheap", cheap, in_flight=4 * simulation._max_batch)
    simulation.run(120.0)
    assert simulation.seconds(b"cheap") == pytest.approx(simulation.seconds(b"dear"), rel=0.2)
    assert simulation.seconds(b"cheap") > 40.0


@pytest.mark.parametrize("think_s", [0.0, 0.002])
def test_who_asks_one_thing_after_the_other_gets_its_share_of_the_time_too(
    simulation: Simulation, think_s: float
) -> None:
    """At the moment of its answer nothing of it waits: the other's next one must not slip in each time."""
    dear, cheap = Picture(0.02, 2.0, input_width=1400), Picture(0.005, 0.04)
    simulation.loop(b"dear", dear, in_flight=16)

    def ask() -> None:
        simulation.ask(b"cheap", cheap, then=lambda: simulation.at(simulation.now + think_s, ask))

    ask()
    simulation.run(200.0)
    assert simulation.seconds(b"cheap") == pytest.approx(simulation.seconds(b"dear"), rel=0.2)
    assert simulation.seconds(b"cheap") + simulation.seconds(b"dear") > 0.85 * 200.0


def test_who_does_not_come_back_is_not_waited_for(simulation: Simulation) -> None:
    dear, cheap = Picture(0.02, 2.0, input_width=1400), Picture(0.005, 0.04)
    simulation.loop(b"dear", dear, in_flight=16)
    for second in range(1, 100):
        simulation.at(second, lambda: simulation.ask(b"rare", cheap) and None)
    simulation.run(100.0)
    assert simulation.seconds(b"dear") > 0.9 * 100.0 * 2.0 / 2.1


def test_large_pictures_leave_a_decoder_to_small_ones(simulation: Simulation) -> None:
    huge, tiny = Picture(1.0, 0.02, 7000, 5600), Picture(0.001, 0.02)
    simulation.loop(b"huge", huge, in_flight=60)
    waits: list[float] = []

    def ask() -> None:
        sent = simulation.now
        simulation.ask(b"tiny", tiny, then=lambda: (waits.append(simulation.now - sent), ask())[0])

    simulation.at(5.0, ask)
    simulation.run(60.0)
    assert max(waits) < 0.2
    assert simulation.results(b"huge") >= 0.8 * 60 / (1.0 + 0.02)
