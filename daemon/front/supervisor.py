"""The supervisor: keeps one worker process for each device alive, and is the front's only way to speak to one.

A worker that exits, stops answering pings, is at one thing for too long (debts.py) or says what was not its to say is
killed and replaced; the front is told which requests it held. A worker on another machine would be another class with
WorkerLink's methods.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import os
import select
import socket
import subprocess
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from depthwire.daemon.front.debts import Debts, Overdue
from depthwire.daemon.front.proof import Proof
from depthwire.daemon.front.residency import Residency
from depthwire.daemon.front.scheduler import Pending
from depthwire.daemon.seam import jobs
from depthwire.daemon.seam.launch import module_command

log = logging.getLogger("depthwire.supervisor")

_LAST_WORD_S = 0.1
"""What a worker that hung up gets for ending by itself."""

_REAP_AT_ONCE_S = 0.05
"""What a killed process nearly always ends in. The front stands still meanwhile, so its ticks look after others."""

_REAP_S = 5.0
"""Then its work goes on without it: a process stuck in its device's driver ends when the driver lets it."""

_MAX_UNREAD = 256
"""Messages taken from a worker at once, so that a talkative one cannot keep the front from its sockets."""

_COUNTED_S = 1.0
"""What counts at most of the time between two ticks. The front ticks ten times a second: where it was away for longer,
stopped or frozen, so may its workers have been, and none of that is held against them."""


@dataclass(frozen=True)
class Patience:
    """How long a worker may be silent, or at one thing, in seconds, before it is replaced."""

    start_s: float = 120.0
    """To come up, and to make one input size ready."""
    ping_interval_s: float = 1.0
    silence_s: float = 10.0
    batch_s: float = 120.0
    """To run one batch, and to decode one picture."""
    load_s: float = 1800.0
    """To load one model, which it may have to download first."""
    restart_pause_s: float = 0.1
    restart_pause_max_s: float = 5.0
    refused_pause_max_s: float = 300.0
    """Where workers end by saying that they cannot start: a device may come back, but not because it is asked often."""


class WorkerState(enum.Enum):
    STARTING = "starting"
    READY = "ready"
    DEAD = "dead"


class WorkerLink:
    """One worker process as the front sees it: send it jobs, receive what it says, know what it holds."""

    def __init__(self, slot: int, options: jobs.WorkerOptions, arena_fd: int, now: float) -> None:
        self.slot = slot
        self.state = WorkerState.STARTING
        self.hello: jobs.Hello | None = None
        self.residency = Residency(0)
        self.proof = Proof()
        self.in_flight: dict[int, Pending] = {}
        self.staged = 0
        """Jobs in flight that have not started to run."""
        self.busy_since = now
        """When it was last idle, or its last answer came: the next answer's time counts from there."""
        self.load_waits_since: float | None = None
        """Since when a checkpoint cannot be loaded because those that are here are in use."""
        self.running: set[int] = set()
        self.batch_started: float | None = None
        self.debts = Debts()
        self.blamed: frozenset[int] | None = None
        """The tickets for which it is replaced, where that is known: none of the others did anything."""
        self.fault: str | None = None
        """What it said that was not its to say: nothing more of it is heard."""
        self.waited_s = 0.0
        """How long the front has waited for its first word, or since then for the answer to a ping."""
        self.heard_at = now
        self.pinged_at: float | None = None
        self.asked_at = float("-inf")
        """When the first of the pings that are not answered yet was sent."""
        self._outgoing: deque[bytes] = deque()
        self._numbered = 0
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._starts, their_starts = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.setblocking(False)
        self._starts.setblocking(False)
        descriptors = (theirs.fileno(), their_starts.fileno(), arena_fd)
        command = module_command("depthwire.daemon.worker", *map(str, descriptors), options.to_json())
        with theirs, their_starts:
            self._process = subprocess.Popen(  # noqa: S603 - our own module with our own arguments
                command, pass_fds=descriptors, stdin=subprocess.DEVNULL, start_new_session=True
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def fileno(self) -> int:
        return self._channel.fileno()

    @property
    def starts_fileno(self) -> int:
        """What becomes readable when a batch starts, for a front that waits for that."""
        return self._starts.fileno()

    def send(self, message: jobs.Message) -> bool:
        """Hand a message over, never waiting; False if the worker is gone.

        The channel holds some 280 messages: what a busy worker has not read yet must neither be lost nor pass for its
        death, so that it waits here. Whether a worker hangs, its pings tell.
        """
        self.debts.note_sent(message)
        self._outgoing.append(jobs.pack_numbered(self._numbered, message))
        self._numbered += 1
        return self.flush()

    @property
    def has_outgoing(self) -> bool:
        """Whether something waits for room in the channel."""
        return bool(self._outgoing)

    def flush(self) -> bool:
        """Send what could not be sent before; False if the worker is gone."""
        try:
            while self._outgoing:
                self._channel.send(self._outgoing[0])
                self._outgoing.popleft()
        except BlockingIOError:
            pass
        except OSError:
            return False
        return True

    def receive(self, at_most: int = _MAX_UNREAD) -> list[jobs.Message]:
        """What the worker said since the last call; while there is more than `at_most`, the descriptor stays readable.

        The state is DEAD afterwards if it hung up. Where it said what no worker says, `fault` is set.
        """
        messages, hung_up = self._read(self._channel, min(at_most, _MAX_UNREAD))
        if hung_up:
            self.state = WorkerState.DEAD
        return messages

    def receive_starts(self, at_most: int = _MAX_UNREAD) -> list[jobs.Started]:
        """The batches that started since the last call. Each is there before anything that came of it."""
        messages = self._read(self._starts, at_most)[0]
        starts = [message for message in messages if isinstance(message, jobs.Started)]
        if len(starts) < len(messages):
            self.fault = "said something else where it tells of batches"
        return starts

    def hear(self, message: jobs.Message) -> bool:
        """Whether a message may be believed: nothing is done about one that nobody asked for, and `fault` is set."""
        if self.fault is None:
            try:
                self.debts.note_heard(message)
            except jobs.Violation as violation:
                self.fault = f"said {violation}"
        return self.fault is None

    def _read(self, channel: socket.socket, at_most: int) -> tuple[list[jobs.Message], bool]:
        """The messages that lie in a channel, and whether the other end is gone."""
        messages: list[jobs.Message] = []
        while len(messages) < at_most and self.fault is None:
            try:
                datagram = channel.recv(jobs.MAX_MESSAGE_BYTES)
            except BlockingIOError:
                break
            except OSError:
                datagram = b""
            if not datagram:
                return messages, True
            try:
                messages.append(jobs.unpack_said(datagram))
            except jobs.Violation as violation:
                self.fault = f"said {violation}"
        return messages, False

    def has_unread(self) -> bool:
        """Whether the worker has said, or closed, something that `receive` has not been asked for yet."""
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        return bool(poll.poll(0))

    def ping(self, now: float) -> None:
        if self.heard_at >= self.asked_at:
            self.asked_at = now
        self.pinged_at = now
        self.send(jobs.Ping(0))

    def stop(self) -> None:
        """Ask the process to end by itself; it holds nothing any more."""
        self.send(jobs.Stop())

    def has_exited(self) -> bool:
        return self._process.poll() is not None

    def kill(self, patience_s: float) -> bool:
        """End the process at once; whether it is gone within `patience_s`. Then only the front touches the arena."""
        if self.state is WorkerState.DEAD:  # it hung up, so it is about to end by itself and to say why
            self.wait(_LAST_WORD_S)
        self.state = WorkerState.DEAD
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self.wait(patience_s)
        return self.has_exited()

    def close(self) -> None:
        """Nothing more is heard of it."""
        self._channel.close()
        self._starts.close()

    @property
    def refuses_to_start(self) -> bool:
        """Whether it ended by saying that it cannot start with its settings (a device that is not there, say)."""
        return self._process.poll() == os.EX_CONFIG

    def wait(self, timeout_s: float) -> None:
        """Give the process time to end by itself."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)

    @property
    def exit_text(self) -> str:
        code = self._process.poll()
        if code is None:
            return "hung up"
        return f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"


class Supervisor:
    """Owns the links. `tick` is called at least every `ping_interval_s` and does all that takes time to notice."""

    def __init__(
        self,
        options: list[jobs.WorkerOptions],
        arena_fd: int,
        patience: Patience,
        on_death: Callable[[WorkerLink, str], None],
    ) -> None:
        self._options = options
        self._arena_fd = arena_fd
        self._patience = patience
        self._on_death = on_death
        self._start_at: list[float] = [0.0] * len(options)
        self._pauses = [patience.restart_pause_s] * len(options)
        self.links: list[WorkerLink | None] = [None] * len(options)
        self.restarts = [-1] * len(options)
        """For each slot, how often its worker has been replaced."""
        self.changes = 0
        """Grows with every worker that starts or goes."""
        self._dying: dict[int, tuple[str | None, float]] = {}
        """By slot, workers that are killed and not gone yet: why, and since when."""
        self._has_come_up = False
        self._ticked_at: float | None = None
        self._refused: set[int] = set()
        """The slots whose last worker refused to start."""

    @property
    def ready(self) -> list[WorkerLink]:
        return [link for link in self.links if link is not None and link.state is WorkerState.READY]

    def refuses(self, slot: int) -> bool:
        """Whether this slot's last worker ended by saying that it cannot start, and none has come up since."""
        return slot in self._refused

    @property
    def is_hopeless(self) -> bool:
        """Whether a worker of every slot has refused to start and none ever came up, so that the settings are at fault.

        Beside others, or where it worked before, a refusal may pass: a device can be gone for a while.
        """
        return not self._has_come_up and len(self._refused) == len(self.links)

    def tick(self, now: float) -> None:
        """Start what is missing, ping what is silent, kill what is stuck."""
        passed_s = 0.0 if self._ticked_at is None else min(max(0.0, now - self._ticked_at), _COUNTED_S)
        self._ticked_at = now
        for slot, link in enumerate(self.links):
            if link is None:
                if now >= self._start_at[slot]:
                    self._start(slot, now)
                continue
            if slot in self._dying:
                self._reap(link, now)
                continue
            link.flush()
            problem = self._problem(link, passed_s)
            if problem is not None:
                self.bury(link, problem, now)
            elif link.state is WorkerState.READY and now - (link.pinged_at or 0) >= self._patience.ping_interval_s:
                link.ping(now)

    def welcome(self, link: WorkerLink, hello: jobs.Hello, budget_bytes: int | None) -> None:
        """The worker is up."""
        link.hello, link.state, link.waited_s = hello, WorkerState.READY, 0.0
        self._has_come_up = True
        self._refused.discard(link.slot)
        link.residency = Residency(budget_bytes or hello.memory_bytes, hello.max_shapes)
        self._pauses[link.slot] = self._patience.restart_pause_s

    def bury(self, link: WorkerLink, problem: str | None, now: float) -> None:
        """End a worker, tell the front when it is dead, and plan its successor. None: it ended by itself."""
        if link.slot in self._dying:
            return
        self._dying[link.slot] = problem, now
        self.changes += 1
        link.kill(_REAP_AT_ONCE_S)
        self._reap(link, now)

    def _reap(self, link: WorkerLink, now: float) -> None:
        """Take leave of a killed worker once it is gone, or cannot be waited for any longer."""
        problem, since = self._dying[link.slot]
        if not link.has_exited() and now - since < _REAP_S:
            return
        del self._dying[link.slot]
        link.close()
        problem = problem or link.exit_text
        self.links[link.slot] = None
        self.changes += 1
        if link.refuses_to_start:
            self._refused.add(link.slot)
        else:
            self._refused.discard(link.slot)
        pause = self._plan_start(link.slot, now)
        if self.is_hopeless:
            log.error("worker %d (pid %d) %s", link.slot, link.pid, problem)
        else:
            log.error("worker %d (pid %d) %s; a new one starts in %.1f s", link.slot, link.pid, problem, pause)
        self._on_death(link, problem)

    def stop(self, timeout_s: float) -> None:
        """End all workers: politely, then not."""
        links = [link for link in self.links if link is not None]
        for link in links:
            link.stop()
        for link in links:
            link.wait(timeout_s)
            link.kill(_REAP_S)
            link.close()

    def _start(self, slot: int, now: float) -> None:
        self.restarts[slot] += 1
        self.changes += 1
        try:
            self.links[slot] = WorkerLink(slot, self._options[slot], self._arena_fd, now)
        except OSError as error:  # no memory, processes or descriptors left: that may pass
            pause = self._plan_start(slot, now)
            log.error("worker %d cannot be started (%s); next try in %.1f s", slot, error, pause)  # noqa: TRY400

    def _plan_start(self, slot: int, now: float) -> float:
        pause = self._pauses[slot]
        self._start_at[slot] = now + pause
        refused = slot in self._refused
        longest = self._patience.refused_pause_max_s if refused else self._patience.restart_pause_max_s
        self._pauses[slot] = min(2 * pause, longest)
        return pause

    def _problem(self, link: WorkerLink, passed_s: float) -> str | None:
        if link.has_exited():
            return link.exit_text
        overdue = self._overdue(link, passed_s)
        # Something unread may be the answer: hear first, judge later.
        if overdue is None or link.has_unread():
            return None
        link.blamed = overdue.tickets
        return overdue.problem

    def _overdue(self, link: WorkerLink, passed_s: float) -> Overdue | None:
        """What this worker takes too long for, after so much more time in which the front went round."""
        patience = self._patience
        link.debts.pass_time(passed_s)
        is_waited_for = link.state is WorkerState.STARTING or link.heard_at < link.asked_at
        link.waited_s = link.waited_s + passed_s if is_waited_for else 0.0
        if link.state is WorkerState.STARTING:
            late = link.waited_s > patience.start_s
            return Overdue(f"did not start within {patience.start_s:g} s", None) if late else None
        if (overdue := link.debts.overdue(patience.batch_s, patience.load_s, patience.start_s)) is not None:
            return overdue
        if link.waited_s > patience.silence_s:
            return Overdue(f"has not answered for {patience.silence_s:g} s", None)
        return None
