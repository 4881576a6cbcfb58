"""The stream's state machine, without a daemon, a thread or a clock."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthwire.client.streams.core import AllFrames, LatestFrames, StreamCore, Ticket
from depthwire.client.streams.items import Frame
from depthwire.protocol import BadImageError, ConnectionLostError, DepthwireError, SupersededError

RESULT: Any = object()


def never(_: float) -> None:
    return None


def frame(number: int) -> Frame:
    return Frame(b"jpeg", {"n": number})


def test_latest_sends_the_newest_of_the_frames_that_came_meanwhile() -> None:
    core = LatestFrames(1, never)
    core.offer(frame(0), 0.0)
    first = core.next_to_send(0.0)
    assert first is not None
    for number in range(1, 6):
        core.offer(frame(number), number / 10)
    assert core.next_to_send(0.6) is None
    core.answered(first, RESULT, 0.7)
    second = core.next_to_send(0.7)
    assert second is not None
    assert second.index == 5
    assert core.counts.dropped == 4


def test_latest_replaces_what_waits_in_the_daemon_at_most_four_times_a_result() -> None:
    core, tickets, sent = LatestFrames(3, never), list[Ticket](), 0
    for step in range(1, 1001):  # a frame every 10 ms, a result every 100 ms
        now = step / 100
        core.offer(frame(step), now)
        if (ticket := core.next_to_send(now)) is not None:
            tickets.append(ticket)
            sent += 1
            if len(tickets) > 2:
                core.answered(tickets.pop(1), SupersededError("newer"), now)
        if step % 10 == 0:
            core.answered(tickets.pop(0), RESULT, now)
            core.take(now)
    assert core.counts.results == 100
    assert 200 < sent <= 510


def test_latest_delivers_nothing_older_than_what_was_delivered() -> None:
    core = LatestFrames(2, never)
    tickets = []
    for number in range(2):
        core.offer(frame(number), 0.0)
        tickets.append(core.next_to_send(0.0))
    older, newer = tickets
    assert older is not None
    assert newer is not None
    core.answered(newer, RESULT, 1.0)
    assert (item := core.take(1.0)) is not None
    assert (item.index, item.dropped) == (1, 1)
    core.answered(older, RESULT, 1.1)
    assert core.take(1.1) is None


def test_an_error_that_waits_for_delivery_is_not_lost_to_a_newer_result() -> None:
    core = LatestFrames(2, never)
    bad = BadImageError("cut off")
    for outcome in (bad, RESULT, RESULT):
        core.offer(frame(0), 0.0)
        ticket = core.next_to_send(0.0)
        assert ticket is not None
        core.answered(ticket, outcome, 0.0)
    error, result = core.take(0.0), core.take(0.0)
    assert error is not None
    assert result is not None
    assert (error.error, error.index) == (bad, 0)
    assert (result.index, result.dropped) == (2, 1)
    with pytest.raises(BadImageError):
        _ = error.result


def test_an_error_that_is_quicker_than_the_result_before_it_waits_for_that() -> None:
    core = LatestFrames(2, never)
    tickets = []
    for number in range(2):
        core.offer(frame(number), 0.0)
        tickets.append(core.next_to_send(0.0))
    good, bad = tickets
    assert good is not None
    assert bad is not None
    core.answered(bad, BadImageError("cut off"), 0.1)
    assert core.take(0.1) is None
    core.answered(good, RESULT, 0.2)
    items = [core.take(0.2), core.take(0.2)]
    assert [item and (item.index, item.error is None) for item in items] == [(0, True), (1, False)]


def test_a_latest_stream_says_from_time_to_time_that_nothing_comes() -> None:
    def stalled(quiet_s: float) -> DepthwireError | None:
        return ConnectionLostError("nobody there") if quiet_s >= 1 else None

    core, errors, open_tickets = LatestFrames(3, stalled), 0, list[Ticket]()
    for step in range(1, 501):
        now = step / 100
        core.offer(frame(step), now)
        if (ticket := core.next_to_send(now)) is not None:
            open_tickets.append(ticket)
        if len(open_tickets) == 3:  # as the client does where no daemon is connected
            core.answered(open_tickets.pop(0), SupersededError("newer"), now)
        if (item := core.take(now)) is not None:
            assert isinstance(item.error, ConnectionLostError)
            errors += 1
    assert errors == 4


def test_a_source_that_paused_is_not_taken_for_a_stall() -> None:
    core = LatestFrames(3, lambda quiet_s: ConnectionLostError("nobody") if quiet_s > 1 else None)
    for number in range(3):
        core.offer(frame(number), 1000.0 + number / 100)
    assert core.take(1001.0) is None
    assert core.counts.dropped == 2


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["offer", "send", "answer", "fail", "take"]), max_size=120),
    st.integers(1, 4),
    st.booleans(),
)
def test_whatever_happens_items_come_in_order_and_every_frame_is_accounted_for(
    steps: list[str], in_flight: int, latest: bool
) -> None:
    core: StreamCore = LatestFrames(in_flight, never) if latest else AllFrames(in_flight)
    tickets: list[Ticket] = []
    delivered: list[int] = []

    def do(step: str) -> None:
        if step == "offer" and core.has_room():
            core.offer(frame(0), 0.0)
        elif step == "send" and len(tickets) < in_flight and (ticket := core.next_to_send(0.0)) is not None:
            tickets.append(ticket)
        elif step in ("answer", "fail") and tickets:
            outcome = RESULT if step == "answer" else BadImageError("cut off")
            core.answered(tickets.pop(len(tickets) // 2), outcome, 0.0)
        elif step == "take" and (item := core.take(0.0)) is not None:
            delivered.append(item.index)
        assert len(core.outstanding) <= in_flight

    for step in steps:
        do(step)
    core.end()
    while not core.is_over:
        for step in ("send", "answer", "take"):
            do(step)
    assert delivered == sorted(set(delivered))
    counts = core.counts
    assert counts.results + counts.errors + counts.dropped == counts.taken
    if not latest:
        assert delivered == list(range(counts.taken))
