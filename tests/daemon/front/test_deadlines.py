"""Deadlines in the scheduler: what certainly misses its own is refused, what probably does lets its neighbours pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthwire.daemon.front.residency import Residency, State
from depthwire.daemon.front.scheduler import Pending, QueueLimits, Scheduler
from depthwire.daemon.models import catalogue
from depthwire.protocol import Request

MakePending: TypeAlias = Callable[..., Pending]

TABLE = Residency(2**40)
for _name in ("vits_hypersim", "vitb_hypersim"):
    TABLE.set(catalogue.lookup(*_name.split("_")), State.READY, 1, 0.0)

NOW = 100.0


def measure(scheduler: Scheduler, like: Pending, pass_s: float, batch: int = 1, held_s: float = 0.001) -> None:
    """Twenty passes of the bucket that `like` is in."""
    for _ in range(20 * batch):
        scheduler.forecast.note_answer(like.bucket, pass_s, batch, pass_s / batch, held_s, NOW)


@pytest.fixture
def scheduler(make_pending: MakePending) -> Scheduler:
    """A bucket takes 100 ms a request, so that 90 ms are certain."""
    scheduler = Scheduler(QueueLimits(max_in_flight_per_client=1000))
    measure(scheduler, make_pending(), 0.1)
    return scheduler


def test_what_cannot_have_its_turn_in_time_is_refused_and_what_can_is_not(
    scheduler: Scheduler, make_pending: MakePending
) -> None:
    for _ in range(9):
        scheduler.admit(make_pending())
    late, just = make_pending(deadline=NOW + 0.899), make_pending(deadline=NOW + 0.901)
    refusal = scheduler.certainly_late(late, NOW, workers=1)
    assert refusal is not None
    assert (refusal.code, refusal.field, refusal.retryable) == ("DEADLINE_EXCEEDED", "timeout_ms", False)
    assert "9 requests come first" in refusal.message
    assert scheduler.certainly_late(just, NOW, workers=1) is None
    assert scheduler.certainly_late(make_pending(), NOW, workers=1) is None


def test_two_workers_are_twice_as_fast(scheduler: Scheduler, make_pending: MakePending) -> None:
    for _ in range(10):
        scheduler.admit(make_pending())
    assert scheduler.certainly_late(make_pending(deadline=NOW + 0.44), NOW, workers=2) is not None
    assert scheduler.certainly_late(make_pending(deadline=NOW + 0.46), NOW, workers=2) is None


def test_only_what_a_fair_turn_puts_first_counts(scheduler: Scheduler, make_pending: MakePending) -> None:
    for _ in range(50):
        scheduler.admit(make_pending(b"flood"))
    newcomer = make_pending(b"quiet", deadline=NOW + 0.2)
    assert scheduler.certainly_late(newcomer, NOW, workers=1) is None  # one of the flood, then this one
    scheduler.admit(newcomer)
    assert scheduler.certainly_late(make_pending(b"quiet", deadline=NOW + 0.2), NOW, workers=1) is not None
    assert scheduler.certainly_late(make_pending(b"flood", deadline=NOW + 4.0), NOW, workers=1) is not None
    for _ in range(3):
        scheduler.admit(make_pending(b"later"))
    refusal = scheduler.certainly_late(make_pending(b"quiet", deadline=NOW + 0.1), NOW, workers=1)
    assert refusal is not None
    assert "4 requests come first" in refusal.message  # its own, two of the flood, one of who came later


def test_clients_held_back_other_buckets_and_what_a_newer_frame_replaces_do_not_count(
    scheduler: Scheduler, make_pending: MakePending
) -> None:
    for _ in range(20):
        scheduler.admit(make_pending(b"deaf"))
        scheduler.admit(make_pending(b"base", encoder="vitb"))
    frame = make_pending(b"robot", stream="left", deadline=NOW + 9)
    scheduler.admit(frame)
    newer = make_pending(b"robot", stream="left", deadline=NOW + 0.1)
    assert scheduler.certainly_late(newer, NOW, 1, held_back={(b"deaf",)}) is None
    assert scheduler.certainly_late(newer, NOW, 1) is not None


def test_only_what_stands_before_the_replaced_frame_counts_for_the_newer_one(
    scheduler: Scheduler, make_pending: MakePending
) -> None:
    scheduler.admit(make_pending())
    scheduler.admit(make_pending(stream="left"))
    for _ in range(20):
        scheduler.admit(make_pending())
    assert scheduler.certainly_late(make_pending(stream="left", deadline=NOW + 0.19), NOW, workers=1) is None
    refusal = scheduler.certainly_late(make_pending(stream="left", deadline=NOW + 0.17), NOW, workers=1)
    assert refusal is not None
    assert "1 requests come first" in refusal.message
    assert scheduler.certainly_late(make_pending(stream="right", deadline=NOW + 0.19), NOW, workers=1) is not None


def test_who_has_had_more_of_the_time_has_more_requests_before_its_own(
    scheduler: Scheduler, make_pending: MakePending
) -> None:
    for _ in range(20):
        scheduler.admit(make_pending(b"greedy"))
    for _ in range(4):
        first = scheduler.next_ready([TABLE], NOW)
        assert first is not None
        scheduler.take(first, scheduler.forecast.cost_s(first))
        first.worker = 0
    for _ in range(6):
        scheduler.admit(make_pending(b"late"))
    refusal = scheduler.certainly_late(make_pending(b"late", deadline=NOW + 0.1), NOW, workers=1)
    assert refusal is not None
    assert "12 requests come first" in refusal.message  # six of its own, and six of the other, who had one more


def test_nothing_is_refused_while_nothing_else_is_open(scheduler: Scheduler, make_pending: MakePending) -> None:
    hasty = make_pending(deadline=NOW + 0.001)
    assert scheduler.certainly_late(hasty, NOW, workers=1) is None
    scheduler.admit(hasty)
    assert not scheduler.is_too_late(hasty, NOW)
    another = make_pending(deadline=NOW + 0.001)
    assert scheduler.certainly_late(another, NOW, workers=1) is not None
    scheduler.admit(another)
    assert scheduler.is_too_late(hasty, NOW)


def test_a_bucket_that_was_never_measured_is_never_refused(scheduler: Scheduler, make_pending: MakePending) -> None:
    for _ in range(50):
        scheduler.admit(make_pending(encoder="vitb"))
    pending = make_pending(encoder="vitb", deadline=NOW + 1e-3)
    assert scheduler.certainly_late(pending, NOW, workers=1) is None
    scheduler.admit(pending)
    assert not scheduler.is_too_late(pending, NOW)


def test_what_will_probably_be_too_late_lets_its_client_s_others_pass_the_newest_of_it_first(
    make_pending: MakePending,
) -> None:
    scheduler = Scheduler(QueueLimits())
    measure(scheduler, make_pending(), 0.05, held_s=0.3)
    old = [make_pending(deadline=NOW + 0.01 * n) for n in range(3)]
    fresh = [make_pending(deadline=NOW + 5), make_pending()]
    for pending in [*old, *fresh]:
        scheduler.admit(pending)
    order = run_all(scheduler)
    assert order == [*fresh, *reversed(old)]
    assert [pending.put_aside for pending in order] == [False, False, True, True, True]


def test_what_is_put_aside_keeps_its_client_s_turn_and_can_be_closed(make_pending: MakePending) -> None:
    scheduler = Scheduler(QueueLimits())
    measure(scheduler, make_pending(), 0.05, held_s=0.3)
    hasty = [make_pending(b"hasty", deadline=NOW + 0.1) for _ in range(3)]
    for pending in hasty:
        scheduler.admit(pending)
    for _ in range(3):
        scheduler.admit(make_pending(b"patient"))
    first = scheduler.next_ready([TABLE], NOW)
    assert first is hasty[2]
    scheduler.close(hasty[0])
    assert [pending.client[0] for pending in run_all(scheduler)] == [b"hasty", b"patient"] * 2 + [b"patient"]


def test_what_is_put_aside_does_not_come_before_a_newer_request(make_pending: MakePending) -> None:
    scheduler = Scheduler(QueueLimits())
    measure(scheduler, make_pending(), 0.1, held_s=0.2)
    for _ in range(10):
        scheduler.admit(make_pending(deadline=NOW + 0.15))
    newer = make_pending(deadline=NOW + 0.5)
    assert scheduler.certainly_late(newer, NOW, workers=1) is not None
    scheduler.next_ready([TABLE], NOW)
    assert scheduler.certainly_late(newer, NOW, workers=1) is None


def run_all(scheduler: Scheduler) -> list[Pending]:
    taken = []
    while (pending := scheduler.next_ready([TABLE], NOW)) is not None:
        scheduler.take(pending, scheduler.forecast.cost_s(pending))
        pending.worker = 0
        taken.append(pending)
    return taken


SLOW, QUICK = "vits", "vitb"


@settings(max_examples=300, deadline=None)
@given(
    waiting=st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([SLOW, SLOW, QUICK])), min_size=1, max_size=40),
    client=st.sampled_from("abcde"),
    workers=st.integers(1, 3),
    max_batch=st.sampled_from([1, 1, 2, 8]),
    fixed_s=st.sampled_from([0.0, 0.03, 0.2]),
)
def test_nothing_is_refused_that_would_be_in_time_if_every_pass_were_the_fastest_measured(
    waiting: list[tuple[str, str]], client: str, workers: int, max_batch: int, fixed_s: float
) -> None:
    """Against a simulation of workers that take batches in turn, each pass as fast as any of that size was."""
    scheduler, tickets = Scheduler(QueueLimits(max_in_flight_per_client=1000)), iter(range(1000))

    def make(client: str, encoder: str) -> Pending:
        ticket, name = next(tickets), client.encode()
        request, checkpoint = Request(ticket, "rel_depth"), catalogue.lookup(encoder, "hypersim")
        return Pending(
            ticket, (name,), [name], request, checkpoint, encoder, b"", "png", 16, 16, 518, 518,
            scale=1.0, camera=None, arrived=NOW + 1e-6 * ticket, deadline=float("inf"),
        )  # fmt: skip

    def pass_s(encoder: str, size: int) -> float:
        return (fixed_s + 0.05 * size) * (1 if encoder == SLOW else 0.025)

    for encoder in (SLOW, QUICK):
        for size in (1, max_batch):
            measure(scheduler, make("x", encoder), pass_s(encoder, size), size)
    for name, encoder in waiting:
        scheduler.admit(make(name, encoder))
    asked = make(client, SLOW)
    refused_s = least_timeout_s(scheduler, asked, workers)
    asked.deadline = float("inf")
    scheduler.admit(asked)
    free_at = [NOW] * workers
    while asked.worker is None:
        worker = free_at.index(min(free_at))
        batch = take_batch(scheduler, max_batch)
        free_at[worker] += pass_s(batch[0].model, len(batch))
    assert refused_s <= free_at[worker] - NOW


def least_timeout_s(scheduler: Scheduler, asked: Pending, workers: int) -> float:
    """The longest time that the scheduler says cannot be kept."""
    low, high = 0.0, 100.0
    for _ in range(40):
        asked.deadline = NOW + (low + high) / 2
        if scheduler.certainly_late(asked, NOW, workers) is None:
            high = (low + high) / 2
        else:
            low = (low + high) / 2
    return low


def take_batch(scheduler: Scheduler, max_batch: int) -> list[Pending]:
    """What goes into one pass: the next in row and those behind it that fit beside it."""
    batch: list[Pending] = []
    while len(batch) < max_batch and (pending := scheduler.next_ready([TABLE], NOW)) is not None:
        if batch and pending.bucket != batch[0].bucket:
            break
        scheduler.take(pending, scheduler.forecast.cost_s(pending))
        pending.worker = 0
        batch.append(pending)
    return batch
