"""A detector of leaks: memory and descriptors of a daemon before and after many requests, each answer checked.

Used by test_leaks.py. Requests go in rounds with several in flight on several connections; between rounds nothing is
under way, and that is when memory is read. The first rounds warm up: pools, caches, the arena's pages.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil
import zmq

from depthwire.client import DepthClient
from depthwire.protocol import Reply, frames, parse_reply
from tests.e2e.conftest import Daemon

ROUNDS = 23
WARM_UP_ROUNDS = 3
WINDOW = 5
"""Rounds whose lowest reading stands for the beginning and the end."""

Ask = Callable[[int], tuple[dict[str, Any], Callable[[Reply], bool]]]
"""For the number of a request: its fields, but for `v` and `id`, and whether a reply is right."""


@dataclass
class Readings:
    """What was read between the rounds, after the warm-up."""

    requests: int = 0
    memory: list[int] = field(default_factory=list)
    """Resident bytes of front and worker, by daemon.memory()."""
    descriptors: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def growth(self) -> int:
        """Bytes from the first rounds to the last. The lowest of each, because freed pages that the allocator has not
        given back yet come and go (27 MB of a photo's, in a third of the rounds), while what leaks is always there.
        """
        return min(self.memory[-WINDOW:]) - min(self.memory[:WINDOW])

    def check(self, limit_bytes: int) -> None:
        """Raises AssertionError with what has grown."""
        assert self.wrong == []
        assert self.descriptors[-1] == self.descriptors[0], f"descriptors went {self.descriptors}"
        grown = f"memory grew by {self.growth / 1e6:.1f} MB in {self.requests} requests"
        assert self.growth < limit_bytes, grown


def read_beside(daemon: Daemon, requests: int, ask: Ask, connections: int = 6, in_flight: int = 12) -> Readings:
    """Make so many requests after the warm-up, on connections that are opened anew for each round."""
    context: zmq.Context[Any] = zmq.Context()
    readings = Readings()
    numbers = itertools.count()
    size = -(-requests // (ROUNDS - WARM_UP_ROUNDS))
    with DepthClient(daemon.endpoint, timeout=60) as client:
        client.health()  # from here on its connection is one of those that stay
        baseline = _connections(daemon)
        for turn in range(ROUNDS):
            readings.wrong += _round(
                context, daemon.endpoint, itertools.islice(numbers, size), ask, connections, in_flight
            )
            if turn < WARM_UP_ROUNDS:
                continue
            readings.requests += size
            _wait(lambda: client.health()["queue"]["arena_used_bytes"] == 0 and _connections(daemon) == baseline)
            family = [psutil.Process(daemon.process.pid), *psutil.Process(daemon.process.pid).children()]
            readings.memory.append(daemon.memory())
            readings.descriptors.append(sum(process.num_fds() for process in family))
    context.term()
    return readings


def _round(
    context: zmq.Context[Any], endpoint: str, numbers: Iterator[int], ask: Ask, connections: int, in_flight: int
) -> Sequence[str]:
    """Ask these on new connections, a fixed number in flight on each, and take every answer; returns what is wrong."""
    wrong: list[str] = []
    poller = zmq.Poller()
    waiting: dict[Any, dict[int, Callable[[Reply], bool]]] = {}
    for _ in range(connections):
        dealer = context.socket(zmq.DEALER)
        dealer.linger = 0
        dealer.connect(endpoint)
        poller.register(dealer, zmq.POLLIN)
        waiting[dealer] = {}
        _ask_next(dealer, itertools.islice(numbers, in_flight), ask, waiting[dealer])
    while any(waiting.values()):
        ready = poller.poll(60_000)
        assert ready, "answers are missing"
        for dealer, _ in ready:
            answered = 0
            while dealer.getsockopt(zmq.EVENTS) & zmq.POLLIN:
                message = dealer.recv_multipart(copy=False)
                reply = parse_reply([frame.buffer for frame in message])
                is_right = waiting[dealer].pop(reply.id, None) if reply.id is not None else None
                if is_right is None or not is_right(reply):
                    wrong.append(f"{reply.id}: {reply.op} {reply.error}")
                answered += 1
            _ask_next(dealer, itertools.islice(numbers, answered), ask, waiting[dealer])
    for dealer in waiting:
        dealer.close()
    return wrong


def _ask_next(dealer: Any, numbers: Iterator[int], ask: Ask, waiting: dict[int, Callable[[Reply], bool]]) -> None:
    for number in numbers:
        fields, waiting[number] = ask(number)
        dealer.send_multipart(frames.encode({"v": 1, "id": number, **fields}))


def _connections(daemon: Daemon) -> int:
    return len(psutil.Process(daemon.process.pid).net_connections("tcp"))


def _wait(is_true: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < deadline, "the daemon does not come to rest"
        time.sleep(0.02)
