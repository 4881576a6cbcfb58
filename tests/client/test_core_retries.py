"""When the state machine sends a request again, and when it gives up."""

from __future__ import annotations

import pytest

from depthwire.client.results import DepthMap
from depthwire.protocol import (
    BadImageError,
    ConnectionLostError,
    InternalError,
    OverloadedError,
    ShuttingDownError,
    SupersededError,
)
from tests.client.core_bench import Bench


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.core.on_connected()
    return bench


def test_what_was_in_flight_is_sent_again_under_a_new_id(bench: Bench) -> None:
    _, box = bench.submit()
    (first,) = bench.sent()
    bench.reconnect()
    bench.wait_for_timer()
    (second,) = bench.sent()
    assert second.id != first.id
    bench.answer(first, 1)
    assert box.outcomes == []
    bench.answer(second, 2)
    assert box.outcomes[0].max == 2


def test_resends_are_spread_by_the_jitter_and_keep_their_order() -> None:
    bench = Bench(jitter=1.0)
    bench.core.on_connected()
    for number in range(3):
        bench.submit(meta={"n": number})
    bench.sent()
    bench.reconnect()
    assert bench.sent() == []
    assert bench.wait_for_timer() == pytest.approx(0.05)
    assert [request.meta for request in bench.sent()] == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_a_request_is_lost_with_the_connection_after_its_retries() -> None:
    bench = Bench(retries=2)
    bench.core.on_connected()
    _, box = bench.submit()
    for _ in range(3):
        assert len(bench.sent()) == 1
        assert box.outcomes == []
        bench.reconnect()
        bench.core.on_time()
    (error,) = box.outcomes
    assert isinstance(error, ConnectionLostError)
    assert bench.sent() == []


def test_the_time_that_is_left_travels_with_each_attempt(bench: Bench) -> None:
    bench.submit(timeout=5.0)
    bench.now += 1.0
    (first,) = bench.sent()
    bench.now += 1.5
    bench.reconnect()
    bench.core.on_time()
    (second,) = bench.sent()
    assert first.timeout_ms == pytest.approx(4000)
    assert second.timeout_ms == pytest.approx(2500)


def test_without_a_daemon_a_request_gives_up_after_the_connect_timeout() -> None:
    bench = Bench(connect_timeout_s=3.0)
    bench.now += 50
    _, box = bench.submit(timeout=30)
    bench.wait(2.9)
    assert box.outcomes == []
    bench.wait(0.2)
    assert isinstance(box.outcomes[0], ConnectionLostError)
    assert "is depthwired running there?" in str(box.outcomes[0])


def test_the_connect_timeout_runs_anew_from_a_disconnection() -> None:
    bench = Bench(connect_timeout_s=3.0)
    _, box = bench.submit()
    bench.wait(2)
    bench.core.on_connected()
    bench.sent()
    bench.wait(100)
    bench.core.on_disconnected()
    bench.wait(2.9)
    assert box.outcomes == []
    bench.wait(0.2)
    assert isinstance(box.outcomes[0], ConnectionLostError)


def test_an_overloaded_daemon_is_asked_again_no_sooner_than_it_said(bench: Bench) -> None:
    _, box = bench.submit()
    bench.refuse(bench.sent()[0], OverloadedError("full", retry_after_ms=700))
    bench.wait(0.69)
    assert bench.sent() == []
    bench.wait(0.02)
    bench.answer(bench.sent()[0])
    assert isinstance(box.outcomes[0], DepthMap)


def test_tries_come_ever_later_and_end_with_the_daemons_own_error() -> None:
    bench = Bench(jitter=1.0, retries=9)
    bench.core.on_connected()
    _, box = bench.submit()
    waits = []
    for _ in range(9):
        bench.refuse(bench.sent()[0], OverloadedError("full"))
        waits.append(round(bench.wait_for_timer(), 6))
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    bench.refuse(bench.sent()[0], OverloadedError("full to the end"))
    assert isinstance(box.outcomes[0], OverloadedError)
    assert "full to the end" in str(box.outcomes[0])


def test_a_retry_that_could_not_end_in_time_is_not_waited_for(bench: Bench) -> None:
    _, box = bench.submit(timeout=0.5)
    bench.refuse(bench.sent()[0], OverloadedError("full", retry_after_ms=800))
    assert isinstance(box.outcomes[0], OverloadedError)


@pytest.mark.parametrize("retry_after_ms", [float("nan"), float("inf"), -5.0, 1e12])
def test_a_senseless_retry_after_does_not_hold_a_request_forever(bench: Bench, retry_after_ms: float) -> None:
    bench.submit()
    bench.refuse(bench.sent()[0], OverloadedError("full", retry_after_ms=retry_after_ms))
    assert 0 < bench.wait_for_timer() <= 30
    assert len(bench.sent()) == 1


def test_a_draining_daemon_is_given_time_to_come_back() -> None:
    bench = Bench(jitter=1.0)
    bench.core.on_connected()
    bench.submit()
    bench.refuse(bench.sent()[0], ShuttingDownError("draining"))
    assert bench.wait_for_timer() == pytest.approx(1.0)
    assert len(bench.sent()) == 1


def test_only_errors_that_may_pass_are_retried(bench: Bench) -> None:
    _, passing = bench.submit()
    _, lasting = bench.submit()
    _, wrong = bench.submit()
    first, second, third = bench.sent()
    bench.refuse(first, InternalError("worker died", retryable=True))
    bench.refuse(second, InternalError("bug"))
    bench.refuse(third, BadImageError("not a picture"))
    assert passing.outcomes == []
    assert isinstance(lasting.outcomes[0], InternalError)
    assert isinstance(wrong.outcomes[0], BadImageError)


def test_an_older_request_of_a_stream_is_not_sent_again_after_a_newer_one(bench: Bench) -> None:
    _, old = bench.submit(stream="camera")
    (first,) = bench.sent()
    bench.submit(stream="camera", meta={"n": 2})
    bench.refuse(first, OverloadedError("full"))
    assert isinstance(old.outcomes[0], SupersededError)
    assert [request.meta for request in bench.sent()] == [{"n": 2}]


def test_a_host_name_that_leads_nowhere_is_told_until_the_host_is_found() -> None:
    bench = Bench()
    _, box = bench.submit()
    bench.core.on_unresolved("the host name gpu cannot be resolved")
    bench.wait(20)
    (outcome,) = box.outcomes
    assert isinstance(outcome, ConnectionLostError)
    assert outcome.field == "endpoint"
    assert "the host name gpu cannot be resolved" in str(outcome)
    _, box = bench.submit()
    bench.core.on_refused("")
    bench.wait(20)
    (outcome,) = box.outcomes
    assert isinstance(outcome, ConnectionLostError)
    assert outcome.field is None
    assert "is depthwired running there?" in str(outcome)
