"""A daemon that is killed again and again under clients that try again: no request is lost, doubled or swapped."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from depthwire.client import DepthClient
from depthwire.client.core import Core
from depthwire.client.results import DepthMap
from depthwire.protocol import parse_reply
from depthwire.protocol.frames import Buffer
from tests.e2e.conftest import DaemonFactory
from tests.reliability.conftest import Count
from tests.reliability.oracle import grey_jpeg

CLIENTS = 8
WINDOW = 4
"""Requests that each client has in flight."""


class Caller:
    """One retrying client with numbered requests; each number has a brightness and a size of its own."""

    def __init__(self, endpoint: str, number: int) -> None:
        self.endpoint = endpoint
        self.number = number
        self.asked = 0
        self.answers: dict[int, list[Any]] = {}
        """What came of each request. Exactly one entry each, whatever happens."""
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        gate = threading.Semaphore(WINDOW)
        with DepthClient(self.endpoint, timeout=120, retries=1000, connect_timeout=60) as client:
            for n in itertools.count():
                if self.is_over.is_set():
                    break
                gate.acquire()
                grey, width, height = self.question(n)
                picture = grey_jpeg(width, height, grey)
                self.answers[n] = []
                future = client.submit("metric_depth", picture, max_depth=1.0, meta={"client": self.number, "n": n})

                def note(future: Any, n: int = n) -> None:
                    self.answers[n].append(future.exception() or future.result())
                    gate.release()

                future.add_done_callback(note)
                self.asked += 1
            for _ in range(WINDOW):
                gate.acquire()

    def question(self, n: int) -> tuple[int, int, int]:
        return 10 + (31 * n + 7 * self.number) % 230, 16 + 2 * (n % 8), 16 + 2 * self.number

    def wrong(self) -> list[str]:
        """What is not one right answer to a request."""
        return [text for n, answers in self.answers.items() for text in self._faults_of(n, answers)]

    def _faults_of(self, n: int, answers: Sequence[Any]) -> list[str]:
        if len(answers) != 1:
            return [f"client {self.number}, request {n}: {len(answers)} answers"]
        answer = answers[0]
        if not isinstance(answer, DepthMap):
            return [f"client {self.number}, request {n}: {answer!r}"]
        grey, width, height = self.question(n)
        right = answer.depth.shape == (height, width) and bool(np.all(answer.depth == grey))
        if not right or answer.meta != {"client": self.number, "n": n}:
            return [f"client {self.number}, request {n}: the answer to something else, {answer.meta}"]
        return []


class Wire:
    """Counts replies below the client, where those that it ignores are still seen."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.replies: Counter[tuple[int, int | None]] = Counter()
        heard = Core.on_message

        def on_message(core: Core, frames: Sequence[Buffer]) -> None:
            self.replies[id(core), parse_reply(frames).id] += 1
            heard(core, frames)

        monkeypatch.setattr(Core, "on_message", on_message)


def test_a_daemon_killed_under_load_loses_doubles_and_swaps_nothing(
    count: Count, figures: dict[str, Any], faulty_daemon: DaemonFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    kills, requests = count(3, 20), count(300, 5000)
    daemon = faulty_daemon()
    wire = Wire(monkeypatch)
    callers = [Caller(daemon.endpoint, number) for number in range(CLIENTS)]
    for caller in callers:
        caller.thread.start()
    back_s, in_flight = [], []
    for kill in range(kills):
        _wait(lambda goal=(kill + 1) * requests // (kills + 1): _answered(callers) >= goal)
        begun = time.monotonic()
        daemon.kill()
        answered = _answered(callers)
        in_flight.append(sum(caller.asked for caller in callers) - answered)
        daemon.start(wait=False)
        _wait(lambda goal=answered + 1: _answered(callers) >= goal)
        back_s.append(time.monotonic() - begun)
    _wait(lambda: _answered(callers) >= requests)
    for caller in callers:
        caller.is_over.set()
    for caller in callers:
        caller.thread.join(150)
    asked = sum(caller.asked for caller in callers)
    figures |= {
        "kills": kills,
        "requests": asked,
        "in_flight_at_kills": sum(in_flight),
        "replies": wire.replies.total(),
        "back_s_median": round(float(np.median(back_s)), 3),
        "back_s_max": round(max(back_s), 3),
    }
    assert not any(caller.thread.is_alive() for caller in callers), "a request is lost"
    assert asked >= requests
    assert sum(in_flight) >= kills, "the kills hit nothing"
    assert sum(len(caller.answers) for caller in callers) == asked
    assert [text for caller in callers for text in caller.wrong()] == []
    assert [name for name, times in wire.replies.items() if times > 1] == []


def _answered(callers: Sequence[Caller]) -> int:
    return sum(len(answers) for caller in callers for answers in list(caller.answers.values()))


def _wait(is_true: Any, timeout_s: float = 120.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.005)
