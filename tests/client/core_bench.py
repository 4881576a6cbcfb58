"""A core under a clock that only the test moves, with the daemon's side of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from depthwire.client.core import Call, Core
from depthwire.protocol import DepthwireError, Request, error_header, parse_request, result_header
from depthwire.protocol.frames import array_header

IMAGE = b"\xff\xd8" + bytes(1000)


class Box:
    """A receiver that keeps what it is given."""

    def __init__(self) -> None:
        self.outcomes: list[Any] = []

    def deliver(self, outcome: Any) -> None:
        self.outcomes.append(outcome)


class Bench:
    """A core with its clock, and a daemon's side of it."""

    def __init__(self, jitter: float = 0.0, **settings: Any) -> None:
        self.now = 100.0
        self.core = Core("tcp://there:1", clock=lambda: self.now, jitter=lambda: jitter, **settings)

    def submit(self, timeout: float = float("inf"), **fields: Any) -> tuple[Call, Box]:
        box = Box()
        request = Request(0, fields.pop("op", "metric_depth"), image=IMAGE, **fields)
        call = Call(request, box, submitted=self.now, deadline=self.now + timeout)
        self.core.submit(call)
        return call, box

    def sent(self) -> list[Request]:
        requests = []
        while (message := self.core.next_outgoing()) is not None:
            requests.append(parse_request(message))
            self.core.on_sent()
        return requests

    def answer(self, request: Request, number: float = 1.0) -> None:
        depth = array_header("<f4", (2, 3), np.full((2, 3), number, "<f4").tobytes())
        fields = {"depth_map": depth, "min": number, "max": number, "model": "m", "timing": {}}
        self.core.on_message([result_header(request.id, request.op, fields)])
        self.deliver()

    def refuse(self, request: Request, error: DepthwireError) -> None:
        self.core.on_message([error_header(request.id, request.op, error)])
        self.deliver()

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.core.on_time()
        self.deliver()

    def wait_for_timer(self) -> float:
        due = self.core.next_deadline()
        assert due is not None
        waited = due - self.now
        self.wait(waited)
        return waited

    def deliver(self) -> None:
        for receiver, outcome in self.core.take_finished():
            receiver.deliver(outcome)

    def reconnect(self) -> None:
        self.core.on_disconnected()
        self.core.on_connected()
        self.deliver()
