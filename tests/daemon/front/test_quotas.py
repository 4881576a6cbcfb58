"""What one client, and all together, may have under way: each limit is named, and room comes back with each answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest

from depthwire.daemon.front.scheduler import Pending, QueueLimits, Scheduler
from depthwire.protocol import OverloadedError

MakePending: TypeAlias = Callable[..., Pending]


def admit(scheduler: Scheduler, *requests: Pending) -> None:
    for pending in requests:
        scheduler.check_room(pending, workers=1)
        superseded = scheduler.admit(pending)
        if superseded is not None:
            scheduler.close(superseded)


def hand_over(scheduler: Scheduler, *requests: Pending) -> None:
    """They are with a worker from here on."""
    for pending in requests:
        scheduler.take(pending, scheduler.forecast.cost_s(pending))
        pending.worker = 0


def refusal(scheduler: Scheduler, pending: Pending, workers: int = 1) -> OverloadedError:
    with pytest.raises(OverloadedError) as caught:
        scheduler.check_room(pending, workers)
    assert caught.value.retryable
    assert caught.value.retry_after_ms is not None
    assert caught.value.retry_after_ms >= 10
    return caught.value


def test_the_limit_of_one_client_is_named_and_others_are_let_in(make_pending: MakePending) -> None:
    scheduler = Scheduler(QueueLimits(max_in_flight_per_client=3))
    sent = [make_pending(b"robot") for _ in range(3)]
    admit(scheduler, *sent)
    hand_over(scheduler, *sent)  # with a worker they count on
    assert "this client has 3 requests in flight" in refusal(scheduler, make_pending(b"robot")).message
    scheduler.check_room(make_pending(b"other"), workers=1)
    scheduler.close(sent[0])
    scheduler.check_room(make_pending(b"robot"), workers=1)


def test_the_limit_of_waiting_requests_is_named(make_pending: MakePending) -> None:
    scheduler = Scheduler(QueueLimits(max_waiting=2))
    sent = [make_pending(b"a"), make_pending(b"b")]
    admit(scheduler, *sent)
    assert "2 requests are waiting" in refusal(scheduler, make_pending(b"c")).message
    hand_over(scheduler, *sent)
    scheduler.check_room(make_pending(b"c"), workers=1)


def test_the_limit_of_waiting_bytes_is_named(make_pending: MakePending) -> None:
    scheduler = Scheduler(QueueLimits(max_waiting_bytes=100))
    admit(scheduler, make_pending(b"a", image=bytes(60)))
    assert "100 bytes" in refusal(scheduler, make_pending(b"b", image=bytes(41))).message
    scheduler.check_room(make_pending(b"b", image=bytes(40)), workers=1)


def test_the_limit_of_one_client_s_waiting_bytes_is_named_and_others_are_let_in(make_pending: MakePending) -> None:
    scheduler = Scheduler(QueueLimits(max_waiting_bytes_per_client=100))
    running, waiting = make_pending(b"robot", image=bytes(80)), make_pending(b"robot", image=bytes(60))
    admit(scheduler, running)
    hand_over(scheduler, running)  # what is with a worker lies in the arena
    admit(scheduler, waiting)
    error = refusal(scheduler, make_pending(b"robot", image=bytes(41)))
    assert "of this client would exceed 100 bytes" in error.message
    assert error.field == "image"
    scheduler.check_room(make_pending(b"other", image=bytes(90)), workers=1)
    scheduler.close(waiting)
    scheduler.check_room(make_pending(b"robot", image=bytes(90)), workers=1)


@pytest.mark.parametrize("limits", [QueueLimits(max_waiting_bytes=100), QueueLimits(max_waiting_bytes_per_client=100)])
def test_an_image_larger_than_a_limit_of_waiting_bytes_is_let_in_alone(
    limits: QueueLimits, make_pending: MakePending
) -> None:
    scheduler = Scheduler(limits)
    admit(scheduler, make_pending(b"a", image=bytes(1000)))
    refusal(scheduler, make_pending(b"a", image=bytes(1)))


def test_the_limit_of_different_models_is_named_and_room_comes_back_with_the_answers(make_pending: MakePending) -> None:
    scheduler = Scheduler(QueueLimits(max_models_per_client=2))
    small = [make_pending(), make_pending()]
    base, large = make_pending(encoder="vitb"), make_pending(encoder="vitl")
    admit(scheduler, *small, base)
    error = refusal(scheduler, large)
    assert "this client has 2 different models in flight" in error.message
    assert error.field == "encoder"
    scheduler.check_room(make_pending(encoder="vitb"), workers=1)
    scheduler.check_room(make_pending(b"other", encoder="vitl"), workers=1)
    scheduler.close(small[0])
    refusal(scheduler, large)
    scheduler.close(small[1])
    admit(scheduler, large)


def test_the_limit_of_different_streams_is_named_and_room_comes_back_with_the_answers(
    make_pending: MakePending,
) -> None:
    scheduler = Scheduler(QueueLimits(max_streams_per_client=2))
    left = make_pending(stream="left")
    admit(scheduler, left, make_pending(stream="right"))
    error = refusal(scheduler, make_pending(stream="rear"))
    assert "this client has 2 streams in flight" in error.message
    assert error.field == "stream"
    admit(scheduler, make_pending(), make_pending(b"other", stream="rear"))
    newer = make_pending(stream="left")
    admit(scheduler, newer)  # a newer picture of a stream in flight is no other stream
    refusal(scheduler, make_pending(stream="rear"))
    scheduler.close(newer)
    admit(scheduler, make_pending(stream="rear"))


def test_a_newer_picture_of_a_stream_is_let_in_where_all_is_full_unless_it_is_too_large(
    make_pending: MakePending,
) -> None:
    scheduler = Scheduler(QueueLimits(max_waiting=1, max_in_flight_per_client=1, max_waiting_bytes_per_client=100))
    admit(scheduler, make_pending(stream="left", image=bytes(60)))
    refusal(scheduler, make_pending())
    refusal(scheduler, make_pending(stream="left", image=bytes(101)))
    admit(scheduler, make_pending(stream="left", image=bytes(100)))


def note(scheduler: Scheduler, pending: Pending, seconds: float, now: float = 0.0) -> None:
    scheduler.forecast.note_answer(pending.bucket, seconds, 1, seconds, seconds, now)


def test_the_time_to_come_back_is_what_waits_at_the_pace_of_its_model_on_so_many_workers(
    make_pending: MakePending,
) -> None:
    scheduler = Scheduler(QueueLimits(max_waiting=11))
    for _ in range(5):
        note(scheduler, make_pending(), 0.05)
        note(scheduler, make_pending(encoder="vitl"), 2.0)
    admit(scheduler, *[make_pending() for _ in range(10)], make_pending(b"slow", encoder="vitl"))
    assert refusal(scheduler, make_pending(b"b")).retry_after_ms == pytest.approx(1e3 * (10 * 0.05 + 2.0))
    assert refusal(scheduler, make_pending(b"b"), workers=4).retry_after_ms == pytest.approx(250 * (10 * 0.05 + 2.0))


def test_what_is_with_the_workers_counts_into_the_time_to_come_back(make_pending: MakePending) -> None:
    scheduler = Scheduler(QueueLimits(max_in_flight_per_client=4))
    sent = [make_pending() for _ in range(4)]
    admit(scheduler, *sent)
    hand_over(scheduler, *sent)
    note(scheduler, sent[0], 0.2)
    assert refusal(scheduler, make_pending()).retry_after_ms == pytest.approx(800)


def test_a_model_never_measured_is_taken_to_be_as_fast_as_what_is(make_pending: MakePending) -> None:
    scheduler = Scheduler(QueueLimits(max_waiting=2))
    note(scheduler, make_pending(), 0.3)
    admit(scheduler, *[make_pending(encoder="vitb") for _ in range(2)])
    assert refusal(scheduler, make_pending()).retry_after_ms == pytest.approx(600)
