"""The client's state machine under a clock that only the test moves."""

from __future__ import annotations

import random

import pytest

from depthwire.client.core import Call, ClientClosedError
from depthwire.client.results import DepthMap
from depthwire.protocol import (
    DeadlineExceededError,
    DepthwireError,
    OverloadedError,
    ProtocolError,
    Request,
    SupersededError,
    result_header,
)
from depthwire.protocol.frames import pack_header
from tests.client.core_bench import IMAGE, Bench, Box


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.core.on_connected()
    return bench


def test_a_request_waits_for_the_connection_and_is_then_sent() -> None:
    bench = Bench()
    bench.submit()
    assert bench.sent() == []
    bench.core.on_connected()
    (request,) = bench.sent()
    assert (request.op, bytes(request.image or b""), request.timeout_ms) == ("metric_depth", IMAGE, None)


def test_answers_find_their_requests_in_any_order(bench: Bench) -> None:
    boxes = [bench.submit()[1] for _ in range(5)]
    for number, request in reversed(list(enumerate(bench.sent()))):
        bench.answer(request, number)
    for number, box in enumerate(boxes):
        (result,) = box.outcomes
        assert isinstance(result, DepthMap)
        assert (result.depth == number).all()


def test_a_message_that_could_not_be_sent_is_offered_again(bench: Bench) -> None:
    bench.submit()
    assert bench.core.next_outgoing() is not None
    assert len(bench.sent()) == 1
    assert bench.sent() == []


def test_a_second_answer_to_the_same_request_is_dropped(bench: Bench) -> None:
    _, box = bench.submit()
    (request,) = bench.sent()
    bench.answer(request, 1)
    bench.answer(request, 2)
    assert len(box.outcomes) == 1


def test_at_the_deadline_the_request_fails_and_the_daemon_is_told(bench: Bench) -> None:
    _, box = bench.submit(timeout=0.2)
    (request,) = bench.sent()
    assert bench.wait_for_timer() == pytest.approx(0.2)
    assert isinstance(box.outcomes[0], DeadlineExceededError)
    (cancel,) = bench.sent()
    assert (cancel.op, cancel.target) == ("cancel", request.id)
    assert cancel.id != request.id


def test_a_request_that_expires_before_it_is_sent_is_never_sent(bench: Bench) -> None:
    _, box = bench.submit(timeout=0.2)
    bench.now += 0.3
    assert bench.sent() == []
    bench.deliver()
    assert isinstance(box.outcomes[0], DeadlineExceededError)


def test_at_the_deadline_without_a_daemon_the_error_says_so() -> None:
    bench = Bench()
    _, box = bench.submit(timeout=0.2)
    bench.wait(0.2)
    assert isinstance(box.outcomes[0], DeadlineExceededError)
    assert "tcp://there:1: is depthwired running there?" in str(box.outcomes[0])


def test_cancelling_tells_the_daemon_only_what_it_may_be_working_on(bench: Bench) -> None:
    in_flight, box = bench.submit()
    (request,) = bench.sent()
    unsent, _ = bench.submit()
    bench.core.cancel(in_flight)
    bench.core.cancel(unsent)
    bench.core.cancel(unsent)
    assert [(cancel.op, cancel.target) for cancel in bench.sent()] == [("cancel", request.id)]
    bench.answer(request)
    assert box.outcomes == []
    assert len(bench.core) == 0


def test_a_newer_request_of_a_stream_replaces_one_that_was_not_sent() -> None:
    bench = Bench()
    _, old = bench.submit(stream="camera")
    _, other = bench.submit(stream="other")
    bench.submit(stream="camera", meta={"n": 2})
    bench.deliver()
    assert isinstance(old.outcomes[0], SupersededError)
    bench.core.on_connected()
    assert [request.meta for request in bench.sent()] == [None, {"n": 2}]
    assert other.outcomes == []


def test_the_newest_of_a_stream_is_the_one_that_was_asked_last_not_the_one_whose_image_loaded_last() -> None:
    bench = Bench()
    slow_box, fast_box = Box(), Box()
    slow, fast = (
        Call(Request(0, "rel_depth", image=IMAGE, stream="camera"), box, submitted=bench.now)
        for box in (slow_box, fast_box)
    )
    bench.core.submit(fast)
    bench.core.submit(slow)
    bench.deliver()
    assert isinstance(slow_box.outcomes[0], SupersededError)
    assert fast_box.outcomes == []


def test_an_answer_to_another_operation_is_not_taken_for_the_right_one(bench: Bench) -> None:
    _, box = bench.submit()
    (request,) = bench.sent()
    bench.core.on_message([result_header(request.id, "health", {"status": "ok"})])
    bench.deliver()
    assert isinstance(box.outcomes[0], ProtocolError)


def test_a_broken_answer_fails_its_own_request_at_once(bench: Bench) -> None:
    _, box = bench.submit()
    _, other = bench.submit()
    request, _ = bench.sent()
    broken = {"v": 1, "id": request.id, "op": request.op, "ok": True, "depth_map": "none"}
    bench.core.on_message([pack_header(broken)])
    bench.deliver()
    assert isinstance(box.outcomes[0], ProtocolError)
    assert other.outcomes == []


@pytest.mark.parametrize("garbage", [[], [b""], [b"\xff\xfe"], [b"\x81\xa1v\x01"], [b"\x80"] * 30])
def test_garbage_is_dropped(bench: Bench, garbage: list[bytes]) -> None:
    _, box = bench.submit()
    (request,) = bench.sent()
    bench.core.on_message(garbage)
    bench.answer(request)
    assert isinstance(box.outcomes[0], DepthMap)


def test_closing_ends_every_request_and_takes_back_what_is_in_flight(bench: Bench) -> None:
    boxes = [bench.submit()[1]]
    (request,) = bench.sent()
    boxes.append(bench.submit()[1])
    bench.core.close()
    bench.deliver()
    assert all(isinstance(box.outcomes[0], ClientClosedError) for box in boxes)
    assert [cancel.target for cancel in bench.sent()] == [request.id]


def test_a_request_that_cannot_be_encoded_fails_alone(bench: Bench) -> None:
    _, wrong = bench.submit(max_depth=-1.0)
    _, right = bench.submit()
    (request,) = bench.sent()
    bench.answer(request)
    assert isinstance(wrong.outcomes[0], DepthwireError)
    assert isinstance(right.outcomes[0], DepthMap)


def test_answered_requests_leave_nothing_behind(bench: Bench) -> None:
    for _ in range(2000):
        bench.submit(timeout=30, stream="camera")
        bench.answer(bench.sent()[0])
    assert len(bench.core) == 0
    assert len(bench.core._timers) < 200
    assert bench.core.next_deadline() is None


@pytest.mark.parametrize("seed", range(40))
def test_whatever_happens_every_request_gets_exactly_one_outcome_and_it_is_its_own(seed: int) -> None:
    rng = random.Random(seed)
    bench = Bench(retries=rng.randrange(4), connect_timeout_s=2.0)
    bench.core._jitter = rng.random
    calls: list[tuple[Call, Box, int]] = []
    at_daemon: list[Request] = []
    seen_ids: set[int] = set()
    cancelled: set[Call] = set()
    for step in range(300):
        move = rng.random()
        if move < 0.3:
            stream = rng.choice([None, None, "a", "b"])
            timeout = rng.choice([0.05, 1.0, float("inf")])
            calls.append((*bench.submit(timeout, stream=stream, meta={"n": step}), step))
        elif move < 0.4:
            bench.core.on_connected()
        elif move < 0.45:
            bench.core.on_disconnected()
            at_daemon = [request for request in at_daemon if rng.random() < 0.3]  # some late answers to old attempts
        elif move < 0.5 and calls:
            call, box, _ = rng.choice(calls)
            if not box.outcomes:
                bench.core.cancel(call)
                cancelled.add(call)
        elif move < 0.8 and at_daemon:
            request = at_daemon.pop(rng.randrange(len(at_daemon)))
            if rng.random() < 0.7:
                bench.answer(request, (request.meta or {})["n"])
            else:
                bench.refuse(request, OverloadedError("full", retry_after_ms=rng.choice([None, 20.0])))
        else:
            bench.wait(rng.random() * 0.3)
        sent = bench.sent()
        assert not seen_ids & {request.id for request in sent}
        seen_ids |= {request.id for request in sent}
        at_daemon += [request for request in sent if request.op != "cancel"]
    bench.core.close()
    bench.deliver()
    assert len(bench.core) == 0
    for call, box, number in calls:
        assert len(box.outcomes) <= 1
        assert len(box.outcomes) == 1 or call in cancelled
        if box.outcomes and isinstance(box.outcomes[0], DepthMap):
            assert (box.outcomes[0].depth == number).all()
