"""What the front knows of its workers' batches, for which it is not woken: a real front, turned by hand."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
import zmq

from depthwire.daemon.__main__ import default_model
from depthwire.daemon.config import Config
from depthwire.daemon.front.forecast import Forecast
from depthwire.daemon.front.loop import Front
from depthwire.daemon.front.supervisor import WorkerLink
from depthwire.protocol import Reply, Request, parse_reply

LIMIT_S = 60.0
IMAGE = bytes(cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1].tobytes())


class House:
    """A front with a null engine, and one client of it."""

    def __init__(self) -> None:
        config = Config(engine="null", bind=["tcp://127.0.0.1:*"])
        self.front = Front(config, default_model(config))
        self.context = zmq.Context()
        self.client = self.context.socket(zmq.DEALER)
        self.client.connect(self.front.endpoints[0])

    def ask(self, request_id: int, stream: str | None = None, timeout_ms: float | None = None) -> None:
        request = Request(request_id, "metric_depth", IMAGE, stream=stream, timeout_ms=timeout_ms)
        self.client.send_multipart(request.to_frames())

    def turn_until_answered(self) -> Reply:
        give_up = time.monotonic() + LIMIT_S
        while not self.client.poll(0):
            assert time.monotonic() < give_up, "no answer"
            self.front._turn()
        return parse_reply(self.client.recv_multipart())

    def turn_until_handed_over(self) -> WorkerLink:
        give_up = time.monotonic() + LIMIT_S
        while not (links := [link for link in self.front.supervisor.ready if link.in_flight]):
            assert time.monotonic() < give_up, "no worker gets it"
            self.front._turn()
        return links[0]

    def close(self) -> None:
        self.client.close(0)
        self.front._close()
        self.context.term()


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    house.ask(0)
    assert house.turn_until_answered().error is None  # so that the model is loaded
    yield house
    house.close()


def wait_for(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    assert poll.poll(1e3 * LIMIT_S)


def test_a_batch_s_start_is_known_when_somebody_asks(house: House) -> None:
    house.ask(1)
    link = house.turn_until_handed_over()
    wait_for(link.starts_fileno)
    house.front._dispatcher.hear_starts()
    (ticket,) = link.in_flight
    assert link.running == {ticket}
    assert link.in_flight[ticket].started
    assert link.batch_started is not None
    assert link.staged == 0
    assert house.turn_until_answered().id == 1
    assert link.batch_started is None
    assert link.running == set()


def test_what_runs_is_not_superseded_though_its_start_lies_unread(house: House) -> None:
    house.ask(1, stream="left")
    link = house.turn_until_handed_over()
    wait_for(link.starts_fileno)
    (pending,) = link.in_flight.values()
    assert not pending.started
    house.ask(2, stream="left")
    assert house.front._router.poll(1e3 * LIMIT_S)
    replies = [house.turn_until_answered() for _ in range(2)]
    assert [(reply.id, reply.error) for reply in replies] == [(1, None), (2, None)]


def test_what_has_become_too_late_is_not_handed_over(house: House) -> None:
    front = house.front
    house.ask(1)
    house.ask(2, timeout_ms=5000)
    while len(front.scheduler) < 2:
        assert front._router.poll(1e3 * LIMIT_S)
        front._read_requests()
    bucket = front.scheduler.all_open()[0].bucket
    front.scheduler.forecast = Forecast()  # of a slow engine, from here on
    for _ in range(4):
        front.scheduler.forecast.note_answer(bucket, 10.0, 1, 10.0, 10.0, front.clock())
    replies = {reply.id: reply.error for reply in [house.turn_until_answered() for _ in range(2)]}
    assert replies[1] is None
    assert replies[2] is not None
    assert replies[2].code == "DEADLINE_EXCEEDED"
    assert "before it could run" in replies[2].message
    assert front.metrics.refused_early == 1


def test_what_workers_take_is_measured_for_each_bucket(house: House) -> None:
    forecast, clock = house.front.scheduler.forecast, house.front.clock
    for request_id in range(1, 6):
        house.ask(request_id)
        assert house.turn_until_answered().error is None
    (pace,) = forecast._paces.values()
    assert pace.is_certain
    assert 0 < pace.least_pass_s < pace.likely_s < LIMIT_S
    assert 0 < pace.request_s < LIMIT_S
    assert clock() - pace.noted_at < LIMIT_S
