"""A small scripted daemon on a real ROUTER socket, for the client's tests.

It speaks through protocol's own functions; a test tells it how to answer, holds requests back, or takes it away.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import zmq

from depthwire.protocol import DepthwireError, Request, error_header, parse_request, result_header
from depthwire.protocol.frames import BufferRef, array_header
from depthwire.protocol.options import DEPTH_DTYPES

PATIENCE_S = 20.0
"""How long a test waits for what must happen; only a broken client ever waits that long."""

HEIGHT, WIDTH = 24, 32


@dataclass
class Heard:
    """A request as the daemon heard it: from whom, what, and when on the monotonic clock."""

    peer: bytes
    request: Request
    at: float = field(default_factory=time.monotonic)

    @property
    def number(self) -> int:
        """What the test wrote into the request's meta, so that answers can be told apart by content."""
        return (self.request.meta or {}).get("n", 0)


def answer_frames(request: Request, number: float) -> list[Any]:
    """A good answer, as its options want it, whose arrays are filled with `number`."""
    if request.op == "health":
        return [result_header(request.id, "health", {"status": "ok", "models_loaded": []})]
    if request.op == "cancel":
        return [result_header(request.id, "cancel", {"cancelled": True})]
    options = request.options
    columns, rows = options.map_size(WIDTH, HEIGHT)
    unit = 1000 if options.depth_format == "uint16_mm" else 1
    fields = {"min": float(number), "max": float(number), "model": "vits_hypersim_518", "timing": {"batch_size": 1}}
    arrays = {"depth_map": np.full((rows, columns), unit * number, DEPTH_DTYPES[options.depth_format])}
    if request.op == "pc":
        cloud = (rows, columns, 3) if options.organized else (rows * columns, 3)
        arrays["pointcloud"] = np.full(cloud, number, np.float32)
        if options.colors:
            arrays["colors"] = np.full(cloud, number, np.uint8)
    if options.stride > 1 and request.intrinsics is not None:
        kept = request.intrinsics.scaled_to(WIDTH, HEIGHT).decimated(options.stride)
        fields["camera_intrinsics"] = kept.to_wire()
    for index, (name, array) in enumerate(arrays.items()):
        fields[name] = array_header(array.dtype, array.shape, BufferRef(index))
    return [result_header(request.id, request.op, fields, request.meta), *arrays.values()]


class FakeDaemon:
    """A daemon that answers everything at once, until `script` says otherwise.

    `script(daemon, heard)` runs in the daemon's thread for each request except cancels, which are always answered.
    """

    def __init__(self) -> None:
        self.script: Callable[[FakeDaemon, Heard], None] = FakeDaemon.answer
        self.heard: list[Heard] = []
        self.cancels: list[int] = []
        self._news = threading.Condition()
        self._context = zmq.Context()
        self._router: Any = None
        self._thread: threading.Thread | None = None
        self._wake: Any = None
        self._todo: list[Callable[[], None]] = []
        self.port = 0
        self.start()

    @property
    def endpoint(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Bind; from the second time on to the port it had."""
        self._router = self._context.socket(zmq.ROUTER)
        self._router.setsockopt(zmq.LINGER, 0)
        if self.port == 0:
            self.port = self._router.bind_to_random_port("tcp://127.0.0.1")
        else:
            self._bind_again()
        wake_in = self._context.socket(zmq.PAIR)
        self._wake = self._context.socket(zmq.PAIR)
        address = f"inproc://{id(wake_in)}"
        wake_in.bind(address)
        self._wake.connect(address)
        self._thread = threading.Thread(target=self._run, args=(self._router, wake_in), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Go away like a process that was killed: connections drop, nothing held is answered."""
        if self._thread is not None:
            self._wake.send(b"stop")
            self._thread.join(PATIENCE_S)
            self._wake.close(linger=0)
            self._thread = None

    def close(self) -> None:
        self.stop()
        self._context.term()

    def answer(self, heard: Heard) -> None:
        self.send(heard, *answer_frames(heard.request, heard.number))

    def refuse(self, heard: Heard, error: DepthwireError) -> None:
        self.send(heard, error_header(heard.request.id, heard.request.op, error))

    def hold(self, heard: Heard) -> None:
        """As a script: listen and say nothing."""

    def send(self, heard: Heard, *frames: Any) -> None:
        """Send any frames to a request's peer, from any thread."""
        if threading.current_thread() is self._thread:
            self._router.send_multipart([heard.peer, *frames])
        else:
            self._todo.append(lambda: self._router.send_multipart([heard.peer, *frames]))
            self._wake.send(b"todo")

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until what the daemon has heard fulfils the condition."""
        with self._news:
            assert self._news.wait_for(condition, PATIENCE_S), "the daemon never heard what it waits for"

    def wait_for_requests(self, count: int) -> list[Heard]:
        self.wait_until(lambda: len(self.heard) >= count)
        return list(self.heard)

    def _bind_again(self) -> None:
        give_up_at = time.monotonic() + PATIENCE_S
        while True:
            try:
                self._router.bind(self.endpoint)
                return
            except zmq.ZMQError:  # the port is given back in the background
                assert time.monotonic() < give_up_at
                time.sleep(0.01)

    def _run(self, router: Any, wake: Any) -> None:
        poller = zmq.Poller()
        poller.register(router, zmq.POLLIN)
        poller.register(wake, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if wake in ready:
                if wake.recv() == b"stop":
                    break
                self._todo.pop(0)()
            if router in ready:
                peer, *frames = router.recv_multipart()
                self._take(Heard(peer, parse_request(frames)))
        router.close()
        wake.close()

    def _take(self, heard: Heard) -> None:
        with self._news:
            if heard.request.op == "cancel":
                self.cancels.append(heard.request.target or 0)
            else:
                self.heard.append(heard)
            self._news.notify_all()
        if heard.request.op == "cancel":
            self.answer(heard)
        else:
            self.script(self, heard)
