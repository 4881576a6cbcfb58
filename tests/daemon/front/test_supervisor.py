"""There is always a worker: whichever way one ends, it is buried, the front is told, and another one starts.

Real worker processes with the null engine; where a test must not depend on time, it hands `tick` its own.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from depthwire.daemon.front.supervisor import Patience, Supervisor, WorkerLink, WorkerState
from depthwire.daemon.seam import jobs
from depthwire.daemon.seam.arena import Arena

NULL = jobs.WorkerOptions(
    engine="null",
    device="cpu",
    precision="auto",
    max_batch=4,
    threads=1,
    decode="exact",
    checkpoints=None,
    download=False,
    log_level="warning",
    log_format="text",
)
IMPOSSIBLE = replace(NULL, engine="abacus")
LIMIT_S = 60.0
"""Only a broken supervisor needs so long."""
AGES_S = 1e6


def freeze(pid: int) -> None:
    """Stop a child process; returns when all its threads stand still, so that none answers what is sent after this."""
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)


class House:
    """A supervisor with the little of the front that it needs: one that listens to the workers."""

    def __init__(self, options: jobs.WorkerOptions = NULL, patience: Patience | None = None) -> None:
        self.arena = Arena(2**20)
        self.deaths: list[tuple[int, str]] = []
        self.heard: list[jobs.Message] = []
        self.supervisor = Supervisor([options], self.arena.fd, patience or Patience(), self._on_death)

    def _on_death(self, link: WorkerLink, problem: str) -> None:
        self.deaths.append((link.pid, problem))

    @property
    def link(self) -> WorkerLink:
        (link,) = self.supervisor.links
        assert link is not None
        return link

    def hear(self, now: float) -> None:
        for link in self.supervisor.links:
            if link is None:
                continue
            for message in link.receive():
                link.heard_at = now
                assert link.hear(message)
                self.heard.append(message)
                if isinstance(message, jobs.Hello):
                    self.supervisor.welcome(link, message, None)
            if link.state is WorkerState.DEAD:
                self.supervisor.bury(link, link.exit_text, now)

    def tick_until(self, start: float, end: float) -> None:
        """Go round from one time to another, as often as the front does at the least."""
        now = start
        while now < end:
            now = min(end, now + 0.5)
            self.supervisor.tick(now)

    def wait_for_word(self) -> None:
        """Until the worker has said something that is not read yet, or hung up."""
        poll = select.poll()
        poll.register(self.link.fileno(), select.POLLIN)
        assert poll.poll(1e3 * LIMIT_S), "the worker says nothing"

    def live_until_ready(self, besides: int | None = None) -> WorkerLink:
        """Go on as the front does until a worker, other than the one with pid `besides`, is ready."""
        give_up = time.monotonic() + LIMIT_S
        while time.monotonic() < give_up:
            self.supervisor.tick(time.monotonic())
            poll = select.poll()
            for link in self.supervisor.links:
                if link is not None:
                    poll.register(link.fileno(), select.POLLIN)
            poll.poll(20)
            self.hear(time.monotonic())
            for link in self.supervisor.ready:
                if link.pid != besides:
                    return link
        raise AssertionError("no worker becomes ready")

    def wait_for_exit(self) -> None:
        self.link.wait(LIMIT_S)
        assert self.link.has_exited()

    def close(self) -> None:
        for link in self.supervisor.links:
            if link is not None:
                link.kill(LIMIT_S)
        self.arena.close()


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.close()


@pytest.fixture
def strict_house() -> Iterator[House]:
    house = House(patience=Patience(ping_interval_s=0.05, silence_s=1.0))
    yield house
    house.close()


@pytest.fixture
def doomed_house() -> Iterator[House]:
    house = House(IMPOSSIBLE, Patience(restart_pause_s=1.0, restart_pause_max_s=2.0, refused_pause_max_s=4.0))
    yield house
    house.close()


def test_a_worker_introduces_itself_and_is_ready(house: House) -> None:
    house.supervisor.tick(time.monotonic())
    assert house.link.state is WorkerState.STARTING
    assert house.supervisor.ready == []
    link = house.live_until_ready()
    assert link.hello is not None
    assert link.hello.pid == link.pid
    assert (link.hello.engine, link.hello.max_batch) == ("null", 4)
    assert link.residency.budget_bytes == link.hello.memory_bytes
    assert house.supervisor.restarts == [0]
    assert house.deaths == []


def test_a_killed_worker_is_replaced_and_the_front_is_told(house: House) -> None:
    first = house.live_until_ready()
    os.kill(first.pid, signal.SIGKILL)
    second = house.live_until_ready(besides=first.pid)
    assert second is not first
    ((pid, problem),) = house.deaths
    assert pid == first.pid
    assert problem in ("was killed by signal 9", "hung up")
    assert house.supervisor.restarts == [1]


def test_a_frozen_worker_is_replaced(strict_house: House) -> None:
    first = strict_house.live_until_ready()
    freeze(first.pid)
    strict_house.live_until_ready(besides=first.pid)
    assert strict_house.deaths[0] == (first.pid, "has not answered for 1 s")
    assert first.has_exited()


def test_a_worker_that_never_starts_is_replaced(house: House) -> None:
    house.supervisor.tick(0.0)
    freeze(house.link.pid)
    pid = house.link.pid
    house.tick_until(0.0, 119.0)
    assert house.deaths == []
    house.tick_until(119.0, 121.0)
    assert house.deaths == [(pid, "did not start within 120 s")]


def with_patience_for_pings(link: WorkerLink) -> None:
    """For a test by a clock that leaps past the worker's own: that it is alive is not the question."""
    link.heard_at = link.pinged_at = float("inf")


def stage(link: WorkerLink, ticket: int) -> None:
    """Have the front's books say that the worker holds a job."""
    numbers = [0] * 6
    link.debts.note_sent(jobs.Stage(ticket, "v", "s", 14, 14, 0, 0, "jpeg", *numbers[:2], *numbers[2:4], *[1.0] * 6))


def test_a_worker_that_sits_in_one_batch_is_replaced_though_it_answers_pings(house: House) -> None:
    link = house.live_until_ready()
    stage(link, 1)
    assert link.hear(jobs.Started([1]))
    with_patience_for_pings(link)
    now = time.monotonic()
    house.tick_until(now, now + 120.0)
    assert house.deaths == []
    house.tick_until(now + 120.0, now + 122.0)
    assert house.deaths == [(link.pid, "has been in one batch for more than 120 s")]
    assert link.blamed == {1}


@pytest.mark.parametrize("hear", [[], [jobs.Started([1])]], ids=["decoding", "running"])
def test_what_was_frozen_together_with_the_front_is_not_blamed(hear: list[jobs.Message], house: House) -> None:
    """As a container that is paused: no time has passed for anything in it, whatever the clock says."""
    link = house.live_until_ready()
    stage(link, 1)
    assert all(map(link.hear, hear))
    with_patience_for_pings(link)
    now = time.monotonic()
    for pause in range(1, 20):
        house.supervisor.tick(now + pause * AGES_S)
    assert house.deaths == []


def test_a_worker_that_never_starts_is_not_blamed_for_the_time_it_was_frozen(house: House) -> None:
    house.supervisor.tick(0.0)
    freeze(house.link.pid)
    house.supervisor.tick(AGES_S)
    assert house.deaths == []
    house.tick_until(AGES_S, AGES_S + 121.0)
    assert len(house.deaths) == 1


@pytest.mark.parametrize(
    ("message", "limit_s", "problem"),
    [
        (jobs.Load("vits", "hypersim"), 1800.0, "has been loading a model for more than 1800 s"),
        (jobs.Warm("v", "s", 14, 28), 120.0, "has been making an input size ready for more than 120 s"),
    ],
)
def test_a_worker_that_is_stuck_in_a_load_or_warm_up_is_replaced(
    message: jobs.Message, limit_s: float, problem: str, house: House
) -> None:
    link = house.live_until_ready()
    link.debts.note_sent(message)
    with_patience_for_pings(link)
    now = time.monotonic()
    house.tick_until(now, now + limit_s)
    assert house.deaths == []
    house.tick_until(now + limit_s, now + limit_s + 2.0)
    assert house.deaths == [(link.pid, problem)]
    assert link.blamed == set()


def test_a_worker_that_starts_nothing_of_what_it_was_given_is_replaced(house: House) -> None:
    link = house.live_until_ready()
    stage(link, 1)
    with_patience_for_pings(link)
    now = time.monotonic()
    house.tick_until(now, now + 120.0)
    assert house.deaths == []
    house.tick_until(now + 120.0, now + 122.0)
    assert house.deaths == [(link.pid, "has not started any of its work for more than 120 s")]


def test_a_worker_whose_answer_lies_unread_is_not_blamed_for_the_front_s_absence(house: House) -> None:
    """As after the front was stopped and continued, or its machine was: what was said meanwhile is heard first."""
    link = house.live_until_ready()
    now = time.monotonic()
    link.ping(now)
    house.wait_for_word()
    house.supervisor.tick(now + AGES_S)
    assert house.deaths == []
    house.hear(now + AGES_S)
    house.supervisor.tick(now + AGES_S + 0.5)
    assert house.deaths == []


def test_a_worker_that_was_not_asked_is_not_silent(house: House) -> None:
    link = house.live_until_ready()
    now = time.monotonic()
    link.ping(now)
    house.wait_for_word()
    house.hear(now)
    house.supervisor.tick(now + AGES_S)
    assert house.deaths == []
    assert link.asked_at == now + AGES_S


def test_silence_counts_from_the_first_ping_that_was_not_answered(house: House) -> None:
    link = house.live_until_ready()
    freeze(link.pid)
    now = link.heard_at
    house.tick_until(now, now + 10.5)
    assert house.deaths == []
    house.tick_until(now + 10.5, now + 12.0)
    assert house.deaths == [(link.pid, "has not answered for 10 s")]


def test_what_a_busy_worker_has_not_read_is_kept_for_it_in_order(house: House) -> None:
    link = house.live_until_ready()
    freeze(link.pid)
    numbers = list(range(3000))
    assert all(link.send(jobs.Ping(number)) for number in numbers)
    os.kill(link.pid, signal.SIGCONT)
    house.heard.clear()
    while len(house.heard) < len(numbers):
        house.wait_for_word()
        house.hear(time.monotonic())
        house.supervisor.tick(link.pinged_at or 0.0)
    assert house.heard == [jobs.Pong(number) for number in numbers]


def test_a_worker_that_is_gone_takes_no_message(house: House) -> None:
    link = house.live_until_ready()
    os.kill(link.pid, signal.SIGKILL)
    link.wait(LIMIT_S)
    assert not link.send(jobs.Ping(1))
    house.hear(0.0)
    assert house.deaths == [(link.pid, "was killed by signal 9")]


@pytest.mark.parametrize(
    "options", [IMPOSSIBLE, replace(NULL, engine="torch", device="cuda:7")], ids=["no such engine", "no such device"]
)
def test_a_worker_that_can_never_start_says_so_by_its_exit_code(options: jobs.WorkerOptions) -> None:
    house = House(options)
    house.supervisor.tick(0.0)
    link = house.link
    house.wait_for_word()  # it hangs up, which comes a moment before it exits
    house.hear(0.1)
    assert [pid for pid, _ in house.deaths] == [link.pid]
    assert link.exit_text == f"exited with code {os.EX_CONFIG}"
    assert link.refuses_to_start
    house.close()


def test_a_worker_that_was_killed_does_not_refuse_to_start(house: House) -> None:
    link = house.live_until_ready()
    assert not link.refuses_to_start
    link.kill(LIMIT_S)
    assert not link.refuses_to_start


def test_the_pause_before_a_restart_doubles_up_to_its_limit(doomed_house: House) -> None:
    supervisor, now = doomed_house.supervisor, 1000.0
    supervisor.tick(now)
    for pause in (1.0, 2.0, 4.0, 4.0):
        doomed_house.wait_for_exit()
        supervisor.tick(now)
        assert supervisor.links == [None]
        supervisor.tick(now + pause - 0.01)
        assert supervisor.links == [None]
        now += pause
        supervisor.tick(now)
        assert supervisor.links != [None]
    assert supervisor.restarts == [4]


def test_one_that_refuses_to_start_is_asked_ever_more_rarely_and_one_that_crashes_soon_again(house: House) -> None:
    supervisor, patience, now = house.supervisor, Patience(), 1000.0
    link = SimpleNamespace(
        slot=0,
        pid=1,
        exit_text="ended",
        kill=lambda _: True,
        has_exited=lambda: True,
        close=lambda: None,
        refuses_to_start=True,
    )
    tries = 0
    while now < 1000.0 + 3600:
        supervisor.bury(cast(WorkerLink, link), None, now)
        assert supervisor.refuses(0)
        now, tries = supervisor._start_at[0], tries + 1
    assert tries < 30  # 720 with a pause of 5 s
    link.refuses_to_start = False
    supervisor.bury(cast(WorkerLink, link), None, now)
    assert not supervisor.refuses(0)
    supervisor.bury(cast(WorkerLink, link), None, now)
    assert supervisor._start_at[0] - now == patience.restart_pause_max_s


def test_a_worker_that_got_ready_ends_the_growth_of_the_pause(house: House) -> None:
    supervisor = house.supervisor
    supervisor._pauses = [4.0]
    link = house.live_until_ready()
    supervisor.bury(link, "is replaced by a test", now=50.0)
    supervisor.tick(50.09)
    assert supervisor.links == [None]
    supervisor.tick(50.1)
    assert supervisor.links != [None]


def test_a_machine_that_cannot_start_processes_now_is_asked_again(
    doomed_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: Any, **__: Any) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    supervisor = doomed_house.supervisor
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "Popen", no_memory)
        supervisor.tick(1000.0)
        supervisor.tick(1000.5)
    assert supervisor.links == [None]
    supervisor.tick(1000.9)
    assert supervisor.links == [None]
    supervisor.tick(1001.0)
    assert supervisor.links != [None]
    assert supervisor.restarts == [1]


def test_stopping_lets_workers_end_by_themselves(house: House) -> None:
    link = house.live_until_ready()
    house.supervisor.stop(timeout_s=LIMIT_S)
    assert link.exit_text == "exited with code 0"
    assert house.deaths == []


def test_stopping_ends_a_frozen_worker_too(house: House) -> None:
    link = house.live_until_ready()
    freeze(link.pid)
    house.supervisor.stop(timeout_s=0.01)
    assert link.exit_text == "was killed by signal 9"


def test_a_worker_inherits_the_arena_and_its_two_channels_and_nothing_else(house: House) -> None:
    secret = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(secret, True)
    try:
        link = house.live_until_ready()
        names = {str(entry.readlink()) for entry in Path(f"/proc/{link.pid}/fd").iterdir()}
        assert any(name.startswith("/memfd:depthwire-arena") for name in names)
        assert len([name for name in names if name.startswith("socket:")]) == 2
    finally:
        os.close(secret)
