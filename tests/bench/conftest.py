"""What the bench's tests measure: a scripted daemon whose answers are known, and the real one with the null engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import zmq

from depthwire.bench import launch
from depthwire.bench.images import BenchImage, synthetic
from depthwire.protocol import BadImageError, error_header, parse_request, result_header
from depthwire.protocol.frames import BufferRef, array_header

IDLE_S = 1.0


@dataclass
class ScriptedDaemon:
    """Answers depth requests in a thread as told, and remembers what it saw.

    `hold` is how many requests it wants to have waiting before it answers one; `stall_at` the request, counted from 1,
    before whose answer it does nothing for `stall_s`; `fail_every` makes each n-th answer a BAD_IMAGE.
    """

    hold: int = 1
    stall_at: int = 0
    stall_s: float = 0.0
    fail_every: int = 0
    endpoint: str = ""
    answered: int = 0
    failed: int = 0
    most_waiting: int = 0
    answered_with_all_waiting: int = 0
    _waiting: list[tuple[bytes, int, str]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def serve(self, router: zmq.Socket[Any]) -> None:
        while not self._stop.is_set():
            arrived = router.poll(1000 * IDLE_S if self._waiting else 50)
            while arrived and router.poll(0):
                self._take(router)
            self.most_waiting = max(self.most_waiting, len(self._waiting))
            # Silence while some wait: the load has ended, or keeps fewer in flight than it should.
            while self._waiting and (len(self._waiting) >= self.hold or not arrived):
                self.answered_with_all_waiting += len(self._waiting) == self.hold
                self._answer(router)

    def _take(self, router: zmq.Socket[Any]) -> None:
        identity, *body = router.recv_multipart()
        request = parse_request(body)
        if request.op == "health":
            header = result_header(request.id, "health", {"status": "ok", "ready": True, "workers": []})
            router.send_multipart([identity, header])
        else:
            self._waiting.append((identity, request.id, request.op))

    def _answer(self, router: zmq.Socket[Any]) -> None:
        identity, request_id, op = self._waiting.pop(0)
        self.answered += 1
        if self.answered == self.stall_at:
            time.sleep(self.stall_s)
        if self.fail_every and self.answered % self.fail_every == 0:
            self.failed += 1
            router.send_multipart([identity, error_header(request_id, op, BadImageError("scripted"))])
            return
        depth = np.ones((16, 16), np.float32)
        fields = {"depth_map": array_header("<f4", depth.shape, BufferRef(0)), "timing": {"batch_size": 3}}
        router.send_multipart([identity, result_header(request_id, op, fields), depth.tobytes()])


@pytest.fixture
def scripted() -> Iterator[ScriptedDaemon]:
    """A scripted daemon that answers at once; a test sets what else it shall do before it sends."""
    daemon = ScriptedDaemon()
    context: zmq.Context[Any] = zmq.Context()
    router = context.socket(zmq.ROUTER)
    router.setsockopt(zmq.LINGER, 0)
    port = router.bind_to_random_port("tcp://127.0.0.1")
    daemon.endpoint = f"tcp://127.0.0.1:{port}"
    thread = threading.Thread(target=daemon.serve, args=(router,), daemon=True)
    thread.start()
    yield daemon
    daemon._stop.set()
    thread.join()
    router.close()
    context.term()


@pytest.fixture(scope="session")
def null_daemon() -> Iterator[str]:
    """The endpoint of a real daemon with the null engine."""
    with launch.daemon(["--engine", "null"]) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def picture() -> BenchImage:
    return synthetic(160, 120)
