"""Whether the daemon can be relied on, from what is known of each worker: `health`, metrics and systemd are told this.

A worker counts as ready while a real inference through its engine is recent, its engine has not failed several times
in a row, and it answers pings. Where no request shows that, prober.py runs a tiny one. Only reads: any thread may ask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from depthwire.daemon.front.residency import State
from depthwire.daemon.front.supervisor import Supervisor, WorkerLink

FAILURES_IN_A_ROW = 3
"""One failed request may be the picture's doing, and a second one bad luck."""

_FAILURE_IS_FRESH_S = 10.0

_STALE_S = 3.0
"""A ping that waits this long is not a busy interpreter any more. The silence timeout, which kills, comes later."""

_PROBE_STALE_S = 10.0
"""A tiny inference that takes this long is stuck."""


@dataclass(frozen=True)
class Limits:
    """Seconds after which a worker is not believed any more."""

    recent_s: float
    """How old the last success may be."""
    stale_s: float
    """How long a ping may wait."""
    start_s: float
    """How long a worker may take to start."""

    @classmethod
    def of(cls, probe_interval_s: float, silence_timeout_s: float, start_timeout_s: float) -> Limits:
        return cls(2 * probe_interval_s + 1, min(_STALE_S, silence_timeout_s / 2), start_timeout_s)


@dataclass(frozen=True)
class Readiness:
    """`status` as `health` tells it, and why it is not `ok`, one line for each worker that has a problem."""

    status: str
    ready: bool
    degraded: bool
    problems: list[str] = field(default_factory=list)


def problem_of(link: WorkerLink | None, limits: Limits, now: float) -> str | None:
    """Why a worker cannot be relied on now; None if it can."""
    if link is None:
        return "has ended and is being replaced"
    if link.hello is None:
        return "is starting"
    silent_s = now - link.asked_at if link.heard_at < link.asked_at else 0.0
    proof = link.proof
    if silent_s > limits.stale_s:
        return f"has not answered for {silent_s:.0f} s"
    if proof.failures >= FAILURES_IN_A_ROW:
        return f"failed {proof.failures} times in a row"
    if proof.served_at is None:
        if proof.failures:
            return "has run nothing yet but failed"
        if any(resident.state is State.FAILED for resident in link.residency.snapshot()):
            return "could not load its model"
        return "has run nothing yet"
    if proof.probing_since is not None and now - max(proof.probing_since, proof.served_at) > _PROBE_STALE_S:
        return f"has been at a tiny inference for {now - proof.probing_since:.0f} s"
    if now - proof.served_at > limits.recent_s:
        return f"has run nothing for {now - proof.served_at:.0f} s"
    return None


def assess(supervisor: Supervisor, limits: Limits, now: float, draining: bool = False) -> Readiness:
    """The state of the whole daemon."""
    links, restarts = list(supervisor.links), list(supervisor.restarts)
    found = [problem_of(link, limits, now) for link in links]
    for slot, link in enumerate(links):
        if supervisor.refuses(slot) and (link is None or link.hello is None):
            found[slot] = "cannot start, as with a device that is not there; the log says why, and it is tried again"
    problems = [f"worker {slot} {problem}" for slot, problem in enumerate(found) if problem is not None]
    failing = [
        f"worker {slot} failed {now - link.proof.failed_at:.0f} s ago"
        for slot, (link, problem) in enumerate(zip(links, found, strict=True))
        if problem is None and link is not None and _fails(link, now)
    ]
    ready = None in found and not draining
    coming_up = [
        problem is not None and _comes_up(link, n) for link, problem, n in zip(links, found, restarts, strict=True)
    ]
    degraded = bool(failing) or any(p is not None and not up for p, up in zip(found, coming_up, strict=True))
    if draining:
        status = "draining"
    elif ready:
        status = "degraded" if degraded else "ok"
    else:
        status = "degraded" if degraded else "loading"
    return Readiness(status, ready, degraded, problems + failing)


def hampered(state: Readiness, problem: str) -> Readiness:
    """The same daemon with a problem that is no worker's: it answers, but keeps requests waiting."""
    status = "degraded" if state.status == "ok" else state.status
    return replace(state, status=status, degraded=True, problems=[*state.problems, problem])


def is_tended(links: Sequence[WorkerLink | None], limits: Limits, last_ready_at: float, now: float) -> bool:
    """Whether a worker is alive, or on its way and not overdue: what the service manager's watchdog is fed for.

    False where workers start and end without ever coming up for two start timeouts: then only a new daemon may help.
    """
    for link in links:
        if link is not None and link.hello is not None:
            silent_s = now - link.asked_at if link.heard_at < link.asked_at else 0.0
            if silent_s < limits.start_s:
                return True
    return now - last_ready_at < 2 * limits.start_s


def _fails(link: WorkerLink, now: float) -> bool:
    return link.proof.failures > 0 or now - link.proof.failed_at < _FAILURE_IS_FRESH_S


def _comes_up(link: WorkerLink | None, restarts: int) -> bool:
    """Whether a worker that is not ready is just the first of its slot on its way."""
    if link is None:
        return restarts < 0
    if restarts > 0 or link.proof.failures or link.proof.served_at is not None:
        return False
    return not any(resident.state is State.FAILED for resident in link.residency.snapshot())
