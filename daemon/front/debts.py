"""What a worker owes the front: an answer to each ping, load, warm-up and job, counted from what the two say.

supervisor.py keeps one for each worker and judges by it who is stuck; dispatcher.py has it check all that a worker
says. Time is that in which the front itself went round, so that who was stopped together with it is not blamed.
"""

from __future__ import annotations

from dataclasses import dataclass

from depthwire.daemon.seam import jobs
from depthwire.daemon.seam.jobs import Violation


@dataclass
class _Work:
    """One job that is with the worker. Times are those of Debts, None until the first tick after it."""

    place: int
    given_at: float | None = None
    is_started: bool = False
    started_at: float | None = None
    is_passed_over: bool = False
    """Whether a batch ran though this job was to run before all of it: it is not decoded yet."""
    passed_over_at: float | None = None


@dataclass(frozen=True)
class Overdue:
    """What a worker has been at for too long, and the jobs that are to blame; None where any of them may be."""

    problem: str
    tickets: frozenset[int] | None = frozenset()


class Debts:
    def __init__(self) -> None:
        self._turned_s = 0.0
        self._has_introduced_itself = False
        self._work: dict[int, _Work] = {}
        self._progress_at = 0.0
        """When a batch last started, or a job ended."""
        self._pings = 0
        self._loads: dict[tuple[str, str], float | None] = {}
        self._downloads: set[tuple[str, str]] = set()
        self._warm_ups: dict[tuple[str, str, int, int], float | None] = {}
        self._warmed_at = 0.0
        self._is_new = False
        """Whether anything came since the last tick that has no time yet."""

    def pass_time(self, seconds: float) -> None:
        """The front has gone round again and heard all that was said: that much time counts."""
        self._turned_s += seconds
        if not self._is_new:
            return
        self._is_new = False
        now = self._turned_s
        for key, since in self._loads.items():
            self._loads[key] = now if since is None else since
        for size, since in self._warm_ups.items():
            self._warm_ups[size] = now if since is None else since
        for work in self._work.values():
            work.given_at = now if work.given_at is None else work.given_at
            if work.is_started and work.started_at is None:
                work.started_at = now
            if work.is_passed_over and work.passed_over_at is None:
                work.passed_over_at = now

    def note_sent(self, message: jobs.Message) -> None:
        """The front has asked for something."""
        match message:
            case jobs.Stage():
                self._work[message.ticket] = _Work(message.place)
            case jobs.Ping():
                self._pings += 1
                return
            case jobs.Load(encoder, dataset):
                self._loads[encoder, dataset] = None
            case jobs.Warm(encoder, dataset, height, width):
                self._warm_ups[encoder, dataset, height, width] = None
            case _:
                return
        self._is_new = True

    def note_heard(self, message: jobs.Message) -> None:
        """The worker has said something. Raises Violation if nobody had asked for that."""
        if not self._has_introduced_itself and not isinstance(message, jobs.Hello):
            raise Violation(f"{type(message).__name__} before Hello")
        match message:
            case jobs.Done(ticket) | jobs.Failed(ticket) | jobs.Dropped(ticket):
                if self._work.pop(ticket, None) is None:
                    raise Violation(f"{type(message).__name__} of ticket {ticket}, which it does not hold")
                self._progress_at = self._turned_s
            case jobs.Started(tickets):
                self._note_started(tickets)
            case jobs.Pong():
                if not self._pings:
                    raise Violation("Pong without a ping")
                self._pings -= 1
            case jobs.Fetched(encoder, dataset):
                if (encoder, dataset) not in self._downloads:
                    raise Violation("Fetched of a model that it does not download")
                self._downloads.remove((encoder, dataset))
            case jobs.LoadFailed(encoder, dataset) if (encoder, dataset) in self._downloads:
                self._downloads.remove((encoder, dataset))
            case jobs.Loaded(encoder, dataset) | jobs.LoadFailed(encoder, dataset) | jobs.Fetching(encoder, dataset):
                if (encoder, dataset) not in self._loads:
                    raise Violation(f"{type(message).__name__} of a model that it was not told to load")
                del self._loads[encoder, dataset]
                if isinstance(message, jobs.Fetching):  # which takes as long as the link makes it
                    self._downloads.add((encoder, dataset))
            case jobs.Warmed(encoder, dataset, height, width) | jobs.WarmFailed(encoder, dataset, height, width):
                if (encoder, dataset, height, width) not in self._warm_ups:
                    raise Violation(f"{type(message).__name__} of an input size that it was not told to make ready")
                del self._warm_ups[encoder, dataset, height, width]
                self._warmed_at = self._turned_s
            case jobs.Hello():
                if self._has_introduced_itself:
                    raise Violation("Hello for the second time")
                self._has_introduced_itself = True

    def _note_started(self, tickets: list[int]) -> None:
        for ticket in tickets:
            work = self._work.get(ticket)
            if work is None or work.is_started:
                raise Violation(f"Started with ticket {ticket}, which {'runs already' if work else 'it does not hold'}")
        for ticket in tickets:
            self._work[ticket].is_started = True
        first = min(self._work[ticket].place for ticket in tickets)
        for work in self._work.values():
            # What is decoded runs in the order of places.
            if not work.is_started and work.place < first:
                work.is_passed_over = True
        self._progress_at = self._turned_s
        self._is_new = True

    def overdue(self, batch_s: float, load_s: float, warm_s: float) -> Overdue | None:
        """What takes longer than it may; None if nothing does."""
        now = self._turned_s
        if late := self._late(now - batch_s):
            return late
        if any(since is not None and now - since > load_s for since in self._loads.values()):
            return Overdue(f"has been loading a model for more than {load_s:g} s")
        # One after another: each has its time from the end of the one before.
        if any(since is not None and now - max(since, self._warmed_at) > warm_s for since in self._warm_ups.values()):
            return Overdue(f"has been making an input size ready for more than {warm_s:g} s")
        return None

    def _late(self, before: float) -> Overdue | None:
        """What has not moved since `before`."""
        seconds = f"{self._turned_s - before:g} s"
        running, passed_over, waiting = [], [], []
        for ticket, work in self._work.items():
            if work.is_started:
                if work.started_at is not None and work.started_at < before:
                    running.append(ticket)
            elif work.passed_over_at is not None and work.passed_over_at < before:
                passed_over.append(ticket)
            elif work.given_at is not None and work.given_at < before:
                waiting.append(ticket)
        if running:
            return Overdue(f"has been in one batch for more than {seconds}", frozenset(running))
        if passed_over:
            return Overdue(f"has been decoding one picture for more than {seconds}", frozenset(passed_over))
        # While others run it may be their turn, and who runs is judged above.
        if waiting and self._progress_at < before and not any(work.is_started for work in self._work.values()):
            return Overdue(f"has not started any of its work for more than {seconds}", frozenset(waiting))
        return None
