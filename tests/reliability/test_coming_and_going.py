"""Clients that come, storm and go, over workers that are killed beside them: each request has its one answer.

The system gives the descriptor of a client that left to the next one at once, while what the first one sent is still
being read; connections here live for moments, so that this happens all the time.
"""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import zmq

from depthwire.client import CameraIntrinsics, DepthClient
from depthwire.protocol import Reply, Request, parse_reply
from tests.e2e.conftest import DaemonFactory
from tests.pictures import jpeg
from tests.reliability.conftest import Count

VISITORS = 6
HEIGHT = 48
PICTURES = [(width, jpeg(width, HEIGHT)) for width in range(20, 420, 17)]
"""The width tells one answer from another."""
CAMERA = CameraIntrinsics(500.0, 500.0, 160.0, 24.0)
UNREAD = 400
"""The daemon may drop replies of a client that leaves more than its --send-queue unread, which is not tried here."""
PATIENCE_S = 40.0


class Visitor(threading.Thread):
    """Connects, sends whatever comes to its mind, counts the answers to each request, leaves, and comes again."""

    def __init__(self, endpoint: str, seed: int, until: float) -> None:
        super().__init__(name=f"visitor {seed}", daemon=True)
        self.totals: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._endpoint = endpoint
        self._rng = random.Random(seed)
        self._until = until

    def run(self) -> None:
        with zmq.Context() as context:
            while time.monotonic() < self._until:
                with context.socket(zmq.DEALER) as dealer:
                    dealer.linger = 0
                    dealer.rcvhwm = 0
                    dealer.connect(self._endpoint)
                    self._visit(dealer)
                self.totals["visits"] += 1

    def _visit(self, dealer: zmq.Socket[bytes]) -> None:
        rng = self._rng
        ends = min(self._until, time.monotonic() + rng.uniform(0.3, 4))
        self._widths: dict[int, int] = {}
        self._expected: Counter[int] = Counter()
        self._answered: Counter[int] = Counter()
        while time.monotonic() < ends:
            if self._expected.total() - self._answered.total() > UNREAD:
                self._take(dealer, 0.1)
            else:
                self._ask(dealer, self._expected.total() + 1)
            if rng.random() < 0.5:
                while self._take(dealer, rng.choice([0, 0, 0.003, 0.02])):
                    pass
        self.totals["requests"] += self._expected.total()
        if rng.random() < 0.3:
            return  # without a word, with much under way
        while self._answered != self._expected and self._take(dealer, PATIENCE_S):
            pass
        self._take(dealer, 0.1)  # one too many would come now
        if self._answered != self._expected:
            both = self._expected.keys() | self._answered.keys()
            numbers = sorted(n for n in both if self._expected[n] != self._answered[n])
            self.wrong.append(f"{len(numbers)} requests, {numbers[:5]}…, were not answered once each")

    def _ask(self, dealer: zmq.Socket[bytes], number: int) -> None:
        rng, more = self._rng, dict[str, Any]()
        choice = rng.random()
        if choice < 0.12 and self._widths:
            request = Request(number, "cancel", target=rng.choice(list(self._widths)))
        elif choice < 0.15:
            request = Request(number, "health")
        else:
            width, picture = rng.choice(PICTURES)
            if rng.random() < 0.4:
                more["stream"] = rng.choice("abc")
            if rng.random() < 0.3:
                more["timeout_ms"] = rng.choice([0.001, 0.5, 3, 20, 100, 2000])
            op = rng.choice(["pc", "metric_depth", "rel_depth"])
            if op == "pc":
                more["intrinsics"] = CAMERA
            request = Request(number, op, memoryview(picture), meta={"width": width}, **more)
            self._widths[number] = width
        dealer.send_multipart(request.to_frames())
        self._expected[number] += 1

    def _take(self, dealer: zmq.Socket[bytes], patience_s: float) -> bool:
        """Check the next answer; False if none comes."""
        if not dealer.poll(1e3 * patience_s):
            return False
        reply: Reply = parse_reply(dealer.recv_multipart())
        assert reply.id is not None
        self._answered[reply.id] += 1
        self.totals["OK" if reply.error is None else reply.error.code] += 1
        if reply.error is None and reply.id in self._widths:
            width = self._widths[reply.id]
            if reply.fields["depth_map"].shape != (HEIGHT, width) or reply.fields["meta"] != {"width": width}:
                self.wrong.append(f"{reply.id}, {width} wide, got {reply.fields['depth_map'].shape}")
        return True


def test_each_request_of_clients_that_come_and_go_has_its_one_right_answer(
    count: Count, figures: dict[str, Any], start_daemon: DaemonFactory, tmp_path: Path
) -> None:
    small = ["--arena-mb", "16", "--max-unsent-mb-per-client", "4", "--silence-timeout-s", "3"]
    endpoint = f"ipc://{tmp_path}/run/door"
    daemon = start_daemon("--engine", "null", "--device", "cpu,cpu", *small, "--bind", endpoint)
    seconds = count(30, 3600)
    until = time.monotonic() + seconds
    visitors = [Visitor(endpoint, seed, until) for seed in range(VISITORS)]
    for visitor in visitors:
        visitor.start()
    rng, killed = random.Random(seconds), 0
    while time.monotonic() < until:
        time.sleep(rng.uniform(2, 5))
        workers = psutil.Process(daemon.process.pid).children()
        if workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                rng.choice(workers).send_signal(rng.choice([signal.SIGKILL, signal.SIGSTOP, signal.SIGSEGV]))
                killed += 1
    for visitor in visitors:
        visitor.join(3 * PATIENCE_S)
        assert not visitor.is_alive()
    totals = sum((visitor.totals for visitor in visitors), Counter[str]())
    figures |= {"seconds": seconds, "workers_killed": killed, **totals}
    assert [wrong for visitor in visitors for wrong in visitor.wrong] == []
    assert totals["OK"] > 20 * seconds, "the clients hardly got to anything"
    _nothing_is_left(daemon.endpoint)


def _nothing_is_left(endpoint: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    with DepthClient(endpoint) as client:
        while True:
            info = client.health()
            held = {name: info["queue"][name] for name in ("arena_used_bytes", "waiting", "in_flight")}
            if info["ready"] and not any(held.values()):
                return
            assert time.monotonic() < deadline, f"{info['status']}, {held}"
            time.sleep(0.2)
