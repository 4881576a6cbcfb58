"""Who is next: clients take turns whatever they send, and nobody waits behind a request that nobody waits for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from depthwire.daemon.front.residency import Bucket, Residency, State
from depthwire.daemon.front.scheduler import Pending, QueueLimits, Scheduler
from depthwire.daemon.models import catalogue
from depthwire.protocol import Request

MakePending: TypeAlias = Callable[..., Pending]


def table_with(*names: str, max_shapes: int = 0) -> Residency:
    table = Residency(2**40, max_shapes)
    for name in names:
        checkpoint = catalogue.lookup(*name.split("_"))
        table.set(checkpoint, State.READY, checkpoint.size_bytes, 0.0)
    return table


ALL = [table_with("vits_hypersim", "vitb_hypersim", "vitt_starter")]


def run_all(scheduler: Scheduler, tables: list[Residency] | None = None) -> list[Pending]:
    """Take what is ready until nothing is."""
    taken = []
    while (pending := scheduler.next_ready(tables or ALL, 0.0)) is not None:
        scheduler.take(pending, scheduler.forecast.cost_s(pending))
        pending.worker = 0
        taken.append(pending)
    return taken


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler(QueueLimits())


def admit(scheduler: Scheduler, *requests: Pending) -> None:
    for pending in requests:
        assert scheduler.admit(pending) is None


def test_requests_of_one_client_run_in_the_order_of_arrival(scheduler: Scheduler, make_pending: MakePending) -> None:
    sent = [make_pending() for _ in range(5)]
    admit(scheduler, *sent)
    assert run_all(scheduler) == sent


def test_a_quiet_client_is_next_but_one_however_much_another_has_sent(
    scheduler: Scheduler, make_pending: MakePending
) -> None:
    flood = [make_pending(b"flood") for _ in range(20)]
    quiet = [make_pending(b"quiet") for _ in range(3)]
    admit(scheduler, *flood, *quiet)
    order = [pending.client[0] for pending in run_all(scheduler)]
    assert order[:6] == [b"flood", b"quiet"] * 3
    assert order[6:] == [b"flood"] * 17


@pytest.mark.parametrize(
    "other", [{"input_width": 686}, {"encoder": "vitb"}], ids=["another input size", "another model"]
)
def test_clients_take_turns_across_buckets_too(
    scheduler: Scheduler, make_pending: MakePending, other: dict[str, str | int]
) -> None:
    flood = [make_pending(b"flood") for _ in range(20)]
    quiet = [make_pending(b"quiet", **other) for _ in range(3)]
    admit(scheduler, *flood, *quiet)
    order = [pending.client[0] for pending in run_all(scheduler)]
    assert order[:6] == [b"flood", b"quiet"] * 3


def test_a_client_gets_no_more_turns_by_sending_many_input_sizes(
    scheduler: Scheduler, make_pending: MakePending
) -> None:
    admit(scheduler, *[make_pending(b"flood", input_width=518 + 14 * n) for n in range(20)])
    admit(scheduler, *[make_pending(b"quiet") for _ in range(3)])
    order = [pending.client[0] for pending in run_all(scheduler)]
    assert order[:6] == [b"flood", b"quiet"] * 3


def test_three_clients_take_turns_also_when_they_join_later(scheduler: Scheduler, make_pending: MakePending) -> None:
    admit(scheduler, *[make_pending(b"a") for _ in range(4)], *[make_pending(b"b") for _ in range(4)])
    order = []
    for _ in range(3):
        pending = scheduler.next_ready(ALL, 0.0)
        assert pending is not None
        scheduler.take(pending, scheduler.forecast.cost_s(pending))
        pending.worker = 0
        order.append(pending.client[0])
    admit(scheduler, make_pending(b"c"))
    order += [pending.client[0] for pending in run_all(scheduler)]
    assert order == [b"a", b"b", b"a", b"b", b"c", b"a", b"b", b"a", b"b"]


def test_only_requests_whose_model_is_ready_run(scheduler: Scheduler, make_pending: MakePending) -> None:
    loading, ready = make_pending(encoder="vitb"), make_pending()
    admit(scheduler, loading, ready)
    assert run_all(scheduler, [table_with("vits_hypersim")]) == [ready]
    assert scheduler.heads() == [loading]
    assert run_all(scheduler, [table_with("vits_hypersim"), table_with("vitb_hypersim")]) == [loading]


def test_only_requests_whose_input_size_is_ready_run_where_sizes_must_be_warmed(
    scheduler: Scheduler, make_pending: MakePending
) -> None:
    square, wide = make_pending(), make_pending(input_width=686)
    admit(scheduler, square, wide)
    table = table_with("vits_hypersim", max_shapes=2)
    assert run_all(scheduler, [table]) == []
    table.set_shape(Bucket(wide.checkpoint, 518, 686), State.READY, 0.0)
    assert run_all(scheduler, [table]) == [wide]


def test_a_client_that_is_held_back_gets_no_turn_and_keeps_its_place(
    scheduler: Scheduler, make_pending: MakePending
) -> None:
    slow, quick = make_pending(b"slow"), make_pending(b"quick")
    admit(scheduler, slow, quick)
    assert scheduler.next_ready(ALL, 0.0, {(b"slow",)}) is quick
    assert scheduler.next_ready(ALL, 0.0, {(b"slow",), (b"quick",)}) is None
    assert run_all(scheduler) == [slow, quick]


def test_a_newer_request_of_a_stream_supersedes_the_one_that_waits(
    scheduler: Scheduler, make_pending: MakePending
) -> None:
    old, new = make_pending(stream="left"), make_pending(stream="left")
    assert scheduler.admit(old) is None
    assert scheduler.admit(new) is old
    scheduler.close(old)
    assert run_all(scheduler) == [new]


def test_streams_of_other_names_clients_and_requests_without_one_are_left_alone(
    scheduler: Scheduler, make_pending: MakePending
) -> None:
    sent = [
        make_pending(b"a", stream="left"),
        make_pending(b"a", stream="right"),
        make_pending(b"b", stream="left"),
        make_pending(b"a"),
        make_pending(b"a"),
    ]
    admit(scheduler, *sent)
    assert len(run_all(scheduler)) == len(sent)


def test_a_request_that_is_with_a_worker_is_finished_and_holds_back_the_next_of_its_stream_until_it_has_started(
    scheduler: Scheduler, make_pending: MakePending
) -> None:
    """Or a camera that is faster than its own decoding would never get a result."""
    staged, next_one, last = (make_pending(stream="left") for _ in range(3))
    admit(scheduler, staged)
    run_all(scheduler)
    assert scheduler.admit(next_one) is None
    assert scheduler.is_overtaking(next_one)
    assert not scheduler.is_overtaking(make_pending(stream="right"))
    assert scheduler.admit(last) is next_one
    scheduler.close(next_one)
    staged.started = True
    assert not scheduler.is_overtaking(last)


@pytest.mark.parametrize("how", ["answered", "its worker died"])
def test_a_request_that_no_worker_has_any_more_holds_back_nothing(
    scheduler: Scheduler, make_pending: MakePending, how: str
) -> None:
    staged, next_one = (make_pending(stream="left") for _ in range(2))
    admit(scheduler, staged)
    run_all(scheduler)
    admit(scheduler, next_one)
    if how == "answered":
        scheduler.close(staged)
    else:
        scheduler.requeue(staged)
    assert not scheduler.is_overtaking(next_one)


def test_the_stream_is_the_newest_request_s_when_an_older_one_is_answered(
    scheduler: Scheduler, make_pending: MakePending
) -> None:
    running, waiting, newest = (make_pending(stream="left") for _ in range(3))
    admit(scheduler, running)
    run_all(scheduler)
    running.started = True
    assert scheduler.admit(waiting) is None
    scheduler.close(running)
    assert scheduler.admit(newest) is waiting


def test_a_stream_keeps_its_place_in_the_row_when_its_frame_is_replaced(
    scheduler: Scheduler, make_pending: MakePending
) -> None:
    first = make_pending(b"robot", stream="left")
    admit(scheduler, first, *[make_pending(b"other") for _ in range(5)])
    newer = make_pending(b"robot", stream="left")
    assert scheduler.admit(newer) is first
    scheduler.close(first)
    assert run_all(scheduler)[0] is newer


def test_a_stream_keeps_its_place_among_its_own_client_s_requests(
    scheduler: Scheduler, make_pending: MakePending
) -> None:
    frame, *others = make_pending(stream="a"), make_pending(), make_pending()
    admit(scheduler, frame, *others)
    for _ in range(3):  # a camera that is quicker than the row
        newer = make_pending(stream="a")
        assert scheduler.admit(newer) is frame
        scheduler.close(frame)
        frame = newer
    assert run_all(scheduler) == [frame, *others]


def test_a_stream_in_the_middle_of_its_client_s_row_stays_there(
    scheduler: Scheduler, make_pending: MakePending
) -> None:
    before, frame, after = make_pending(), make_pending(stream="a"), make_pending()
    admit(scheduler, before, frame, after)
    newer = make_pending(stream="a")
    scheduler.admit(newer)
    scheduler.close(frame)
    assert run_all(scheduler) == [before, newer, after]


def test_a_stream_keeps_its_place_also_when_its_newer_frame_has_another_size(
    scheduler: Scheduler, make_pending: MakePending
) -> None:
    frame, other = make_pending(stream="a"), make_pending()
    admit(scheduler, frame, other)
    newer = make_pending(stream="a", input_width=686)
    scheduler.admit(newer)
    scheduler.close(frame)
    assert run_all(scheduler) == [newer, other]


def test_a_waiting_request_that_is_closed_never_runs(scheduler: Scheduler, make_pending: MakePending) -> None:
    sent = [make_pending(client) for client in (b"a", b"b") for _ in range(4)]
    admit(scheduler, *sent)
    for cancelled in (sent[0], sent[2], sent[5], sent[7]):
        scheduler.close(cancelled)
        assert scheduler.find(cancelled.client, cancelled.request.id) is None
    assert set(run_all(scheduler)) == {sent[1], sent[3], sent[4], sent[6]}


def test_closing_twice_counts_once(scheduler: Scheduler, make_pending: MakePending) -> None:
    pending, other = make_pending(), make_pending()
    admit(scheduler, pending, other)
    scheduler.close(pending)
    scheduler.close(pending)
    assert (scheduler.waiting, len(scheduler)) == (1, 1)


def test_what_is_closed_lets_its_image_go_waiting_or_not(scheduler: Scheduler, make_pending: MakePending) -> None:
    """A deadline a day ahead must not keep a frame of the wire in memory for a day."""
    waiting, running = make_pending(deadline=1e5), make_pending(b"b", deadline=1e5)
    admit(scheduler, running)
    run_all(scheduler)
    admit(scheduler, waiting)
    for pending in (waiting, running):
        scheduler.close(pending)
        assert pending.image == b""
        assert pending.request.image is None


def test_answered_requests_with_far_deadlines_do_not_pile_up(scheduler: Scheduler, make_pending: MakePending) -> None:
    for _ in range(5000):
        pending = make_pending(deadline=1e9)
        admit(scheduler, pending)
        run_all(scheduler)
        scheduler.close(pending)
    assert len(scheduler._deadlines) < 100
    assert scheduler.expired(2e9) == []


def test_requests_expire_in_the_order_of_their_deadlines_each_once(
    scheduler: Scheduler, make_pending: MakePending
) -> None:
    late, soon, never, tie = (make_pending(deadline=d) for d in (30.0, 10.0, float("inf"), 30.0))
    admit(scheduler, late, soon, never, tie)
    assert scheduler.next_deadline() == 10.0
    assert scheduler.expired(9.9) == []
    assert scheduler.expired(10.0) == [soon]
    assert scheduler.expired(100.0) == [late, tie]
    assert scheduler.expired(1e9) == []
    assert scheduler.next_deadline() == float("inf")


def test_an_answered_request_does_not_expire(scheduler: Scheduler, make_pending: MakePending) -> None:
    answered, other = make_pending(deadline=10.0), make_pending(deadline=20.0)
    admit(scheduler, answered, other)
    scheduler.close(answered)
    assert scheduler.expired(15.0) == []
    assert scheduler.expired(20.0) == [other]


def test_a_request_whose_worker_died_goes_first(scheduler: Scheduler, make_pending: MakePending) -> None:
    victim = make_pending(b"robot")
    admit(scheduler, victim)
    run_all(scheduler)
    admit(scheduler, *[make_pending(client) for client in (b"a", b"b", b"robot", b"a")])
    victim.started = True
    scheduler.requeue(victim)
    assert (victim.worker, victim.started) == (None, False)
    assert run_all(scheduler)[0] is victim


def test_several_victims_go_first_in_their_old_order(scheduler: Scheduler, make_pending: MakePending) -> None:
    victims = [make_pending(client) for client in (b"a", b"a", b"b")]
    admit(scheduler, *victims)
    run_all(scheduler)
    admit(scheduler, make_pending(b"c"), make_pending(b"a"))
    for victim in reversed(victims):
        scheduler.requeue(victim)
    order = run_all(scheduler)
    assert order[0] is victims[0]
    assert order.index(victims[2]) < 2
    assert order.index(victims[0]) < order.index(victims[1]) < 5


def test_a_requeued_request_can_be_closed(scheduler: Scheduler, make_pending: MakePending) -> None:
    victim = make_pending()
    admit(scheduler, victim)
    run_all(scheduler)
    scheduler.requeue(victim)
    scheduler.close(victim)
    assert run_all(scheduler) == []
    assert (scheduler.waiting, scheduler.waiting_bytes, len(scheduler)) == (0, 0, 0)


def test_waiting_requests_are_found_by_model_and_input_size(scheduler: Scheduler, make_pending: MakePending) -> None:
    small, wide, other = make_pending(), make_pending(input_width=686), make_pending(encoder="vitb")
    admit(scheduler, small, wide, other)
    assert scheduler.waiting_for(small.checkpoint) == [small, wide]
    assert scheduler.waiting_for(small.checkpoint, (518, 686)) == [wide]
    assert scheduler.of_client((b"robot",)) == [small, wide, other]
    run_all(scheduler)
    assert scheduler.waiting_for(small.checkpoint) == []
    assert scheduler.all_open() == [small, wide, other]


class SchedulerLife(RuleBasedStateMachine):
    """Any order of admitting, running, losing workers, cancelling and expiring, against a plain list."""

    clients = st.sampled_from([b"a", b"b", b"c"])

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = Scheduler(QueueLimits())
        self.now = 0.0
        self.ticket = 0
        self.waiting: list[Pending] = []
        self.running: list[Pending] = []

    @rule(
        client=clients,
        encoder=st.sampled_from(["vits", "vitb"]),
        width=st.sampled_from([518, 686]),
        stream=st.sampled_from([None, None, "left", "right"]),
        patience=st.sampled_from([1.0, 5.0, float("inf")]),
        size=st.integers(1, 50),
    )
    def admit(self, client: bytes, encoder: str, width: int, stream: str | None, patience: float, size: int) -> None:
        self.ticket += 1
        pending = Pending(
            ticket=self.ticket,
            client=(client,),
            envelope=[client],
            request=Request(self.ticket, "rel_depth", stream=stream),
            checkpoint=catalogue.lookup(encoder, "hypersim"),
            model="",
            image=bytes(size),
            image_format="png",
            width=16,
            height=16,
            input_height=518,
            input_width=width,
            scale=1.0,
            camera=None,
            arrived=self.now,
            deadline=self.now + patience,
        )
        superseded = self.scheduler.admit(pending)
        if superseded is not None:
            assert (superseded.client, superseded.request.stream) == ((client,), stream)
            assert not superseded.answered
            assert superseded.worker is None
            self.close(superseded)
        self.waiting.append(pending)

    @rule(table=st.sampled_from([ALL[0], table_with("vits_hypersim"), table_with()]))
    def run_next(self, table: Residency) -> None:
        pending = self.scheduler.next_ready([table], self.now)
        able = [other for other in self.waiting if table.is_ready(other.bucket)]
        if pending is None:
            assert not able
            return
        assert pending in able
        mine = [other for other in able if other.client == pending.client and other.bucket == pending.bucket]
        assert pending.attempts or pending is min(
            mine, key=lambda other: (not other.attempts, other.place, other.ticket)
        )
        self.scheduler.take(pending, self.scheduler.forecast.cost_s(pending))
        pending.worker = 0
        self.waiting.remove(pending)
        self.running.append(pending)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.running)).started = True

    @precondition(lambda self: self.running)
    @rule()
    def worker_dies(self) -> None:
        for pending in sorted(self.running, key=lambda other: -other.ticket):
            pending.attempts += 1
            self.scheduler.requeue(pending)
            self.waiting.append(pending)
        self.running.clear()

    @precondition(lambda self: self.waiting or self.running)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        self.close(data.draw(st.sampled_from(self.waiting + self.running)))

    @rule(seconds=st.sampled_from([0.5, 3.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        due = [pending for pending in self.waiting + self.running if pending.deadline <= self.now]
        late = self.scheduler.expired(self.now)
        assert late == sorted(due, key=lambda pending: (pending.deadline, pending.ticket))
        for pending in late:
            self.close(pending)

    def close(self, pending: Pending) -> None:
        self.scheduler.close(pending)
        (self.waiting if pending in self.waiting else self.running).remove(pending)

    @invariant()
    def the_counters_are_what_is_there(self) -> None:
        scheduler = self.scheduler
        assert scheduler.waiting == len(self.waiting)
        assert scheduler.waiting_bytes == sum(len(pending.image) for pending in self.waiting)
        assert len(scheduler) == len(self.waiting) + len(self.running)
        assert {head.bucket for head in scheduler.heads()} == {pending.bucket for pending in self.waiting}
        assert all(head in self.waiting for head in scheduler.heads())

    def teardown(self) -> None:
        for pending in self.waiting + self.running:
            self.close(pending)
        scheduler = self.scheduler
        assert (scheduler.waiting, scheduler.waiting_bytes, len(scheduler)) == (0, 0, 0)
        assert not scheduler._queues
        assert not len(scheduler._quotas)
        assert not scheduler._streams
        assert not scheduler._turns
        assert not scheduler._ahead
        assert scheduler.next_ready(ALL, 0.0) is None


TestSchedulerLife = SchedulerLife.TestCase
TestSchedulerLife.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
