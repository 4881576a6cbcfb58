"""What a worker owes, and from when on it owes it for too long: by the two's words alone, without a process."""

from __future__ import annotations

import pytest

from depthwire.daemon.front.debts import Debts, Overdue
from depthwire.daemon.seam import jobs
from depthwire.daemon.seam.jobs import Violation

BATCH_S, LOAD_S, WARM_S = 120.0, 1800.0, 60.0
HELLO = jobs.Hello(1, "null", "cpu", "float32", 4, 0, 2**30)


def stage(ticket: int, place: int | None = None) -> jobs.Stage:
    job = jobs.Stage(ticket, "v", "s", 14, 14, 0, 0, "jpeg", 14, 14, 0, -1, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
    return job._replace(place=ticket if place is None else place)


def done(ticket: int) -> jobs.Done:
    return jobs.Done(ticket, 0.0, 1.0, 1.0, 1.0, 1.0, 1)


class Book(Debts):
    """Debts, and the time that passes in ticks."""

    def __init__(self, *jobs_given: jobs.Message) -> None:
        super().__init__()
        self.note_heard(HELLO)
        for job in jobs_given:
            self.note_sent(job)

    def wait(self, seconds: float) -> Overdue | None:
        for _ in range(round(seconds)):
            self.pass_time(1.0)
        return self.overdue(BATCH_S, LOAD_S, WARM_S)


UNTRUE = [
    HELLO,
    jobs.Pong(0),
    jobs.Loaded("vits", "hypersim", 1),
    jobs.LoadFailed("vits", "vkitti", "INTERNAL", "x"),
    jobs.Warmed("v", "s", 28, 14),
    jobs.WarmFailed("v", "s", 14, 28, "x"),
    jobs.Started([1, 7]),
    jobs.Started([2]),
    done(7),
    jobs.Failed(-1, "INTERNAL", "x", False),
    jobs.Dropped(2**63),
]


@pytest.mark.parametrize("message", UNTRUE, ids=repr)
def test_what_nobody_asked_for_is_refused(message: jobs.Message) -> None:
    book = Book(stage(1), stage(2), jobs.Load("vits", "hypersim"), jobs.Warm("v", "s", 28, 14))
    book.note_heard(jobs.Started([2]))
    book.note_heard(jobs.Loaded("vits", "hypersim", 1))
    book.note_heard(jobs.Warmed("v", "s", 28, 14))
    with pytest.raises(Violation):
        book.note_heard(message)


def test_nothing_is_believed_before_the_worker_has_introduced_itself() -> None:
    debts = Debts()
    debts.note_sent(jobs.Ping(0))
    with pytest.raises(Violation, match="Pong before Hello"):
        debts.note_heard(jobs.Pong(0))


@pytest.mark.parametrize("end", [done(1), jobs.Failed(1, "INTERNAL", "x", False), jobs.Dropped(1)], ids=repr)
def test_a_job_ends_once(end: jobs.Message) -> None:
    book = Book(stage(1))
    book.note_heard(end)
    with pytest.raises(Violation, match="ticket 1, which it does not hold"):
        book.note_heard(end)


def test_one_stuck_decode_among_others_that_go_on_is_noticed_and_alone_to_blame() -> None:
    book = Book(stage(1))
    for ticket in range(2, 12):
        book.note_sent(stage(ticket))
        book.note_heard(jobs.Started([ticket]))
        assert book.wait(10.0) is None
        book.note_heard(done(ticket))
    for ticket in range(12, 16):
        book.note_sent(stage(ticket))
        book.note_heard(jobs.Started([ticket]))
        overdue = book.wait(10.0)
        book.note_heard(done(ticket))
    assert overdue == Overdue("has been decoding one picture for more than 120 s", frozenset({1}))


def test_who_waits_its_turn_in_a_slow_worker_is_not_stuck() -> None:
    book = Book(*map(stage, range(1, 9)))
    for ticket in range(1, 9):
        book.note_heard(jobs.Started([ticket]))
        assert book.wait(BATCH_S - 2) is None
        book.note_heard(done(ticket))


def test_a_result_that_is_never_finished_is_noticed_though_later_batches_run() -> None:
    book = Book(stage(1))
    book.note_heard(jobs.Started([1]))
    overdue = None
    for ticket in range(2, 30):
        book.note_sent(stage(ticket))
        book.note_heard(jobs.Started([ticket]))
        overdue = overdue or book.wait(10.0)
        book.note_heard(done(ticket))
    assert overdue == Overdue("has been in one batch for more than 120 s", frozenset({1}))


def test_warm_ups_have_their_time_one_after_another_and_loads_from_when_they_were_asked_for() -> None:
    sizes = [(14 * n, 14) for n in range(1, 5)]
    book = Book(*(jobs.Warm("v", "s", *size) for size in sizes), jobs.Load("vits", "vkitti"))
    for size in sizes:
        assert book.wait(WARM_S - 2) is None
        book.note_heard(jobs.Warmed("v", "s", *size))
    assert book.wait(LOAD_S - 4 * WARM_S) is None
    overdue = book.wait(4 * WARM_S)
    assert overdue == Overdue("has been loading a model for more than 1800 s")
