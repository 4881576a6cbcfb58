"""Workers that die, freeze or fail under load: nothing wrong is returned, nobody waits for ever, `health` knows."""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from depthwire.client import DepthClient
from tests.e2e.conftest import Daemon, DaemonFactory
from tests.reliability.conftest import Count, Faults
from tests.reliability.oracle import Oracle, grey_jpeg
from tests.reliability.watch import NOTICE_S, Fault, HealthWatch, lies

CLIENTS = 6
BATCH_S = 0.02
"""Long enough for what six clients ask meanwhile to share the next batch."""
SILENCE_S = 1.0
PING_S = 1.0
PROBE_S = 2.0
RECENT_S = 2 * PROBE_S + 1


@dataclass(frozen=True)
class Kind:
    """A way in which a worker can fail."""

    name: str
    is_fatal: bool = True
    signal: signal.Signals | None = None
    errors: tuple[tuple[str, bool], ...] = ()
    """What a request that was hit may be answered with instead of its result: code, and whether it is retryable."""
    errors_each: int = 0
    """Exactly how many are, each time."""


KINDS = [
    Kind("kill -9", signal=signal.SIGKILL),
    Kind("SIGSTOP", signal=signal.SIGSTOP),
    Kind("segfault"),
    Kind("poisoned"),
    # Where the batch that has no memory is a single request, only its client can try again.
    Kind("out_of_memory", is_fatal=False, errors=(("INTERNAL", True),)),
    # The culprit has been run twice, the second time alone: it would fail a third time.
    Kind("batch_item", is_fatal=False, errors=(("INTERNAL", False),), errors_each=1),
]


@contextlib.contextmanager
def clients(endpoint: str) -> Iterator[list[Oracle]]:
    """Oracles that do not try again by themselves, so that what the daemon answers is what is counted.

    Their pictures have one size, so that they share batches, and no brightness in common.
    """
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Oracle(endpoint, greys=range(10 + n, 250, 10))) for n in range(CLIENTS)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name.replace(" ", ""))
def test_a_fault_of_the_worker_costs_no_right_answer_and_no_trust_in_health(
    kind: Kind, count: Count, figures: dict[str, Any], faulty_daemon: DaemonFactory, faults: Faults
) -> None:
    daemon = faulty_daemon(
        *("--silence-timeout-s", str(SILENCE_S), "--probe-interval-s", str(PROBE_S)),
        environment={"DEPTHWIRE_TEST_BATCH_S": str(BATCH_S)},
    )
    times, happened, recovery_s, hit = count(2, 20), [], [], []
    with HealthWatch(daemon.endpoint) as watch, clients(daemon.endpoint) as oracles:
        for _ in range(times):
            for oracle in oracles:
                oracle.wait_for_answers(3)
            fault = _strike(kind, daemon, faults, watch)
            happened.append(fault)
            recovery_s.append(_time_of_a_right_answer(daemon.endpoint))
            hit.append(faults.hit(kind.name) if kind.signal is None else _in_flight(watch, fault))
            watch.wait_for_ready(fault.at, other_than=fault.pid if kind.is_fatal else None)
        for oracle in oracles:
            oracle.wait_for_answers(3)
    answers = [answer for oracle in oracles for answer in oracle.answers]
    errors = Counter((answer.code, answer.retryable) for answer in answers if answer.code != "OK")
    figures |= {
        "faults": times,
        "answers": len(answers),
        "errors": {f"{code}{' (retryable)' if again else ''}": n for (code, again), n in errors.items()},
        "in_batch_hit_median": statistics.median(hit),
        "recovery_s_median": round(statistics.median(recovery_s), 3),
        "recovery_s_max": round(max(recovery_s), 3),
        "health_samples": len(watch.samples),
    }
    assert [text for oracle in oracles for text in oracle.wrong] == []
    assert set(errors) <= set(kind.errors)
    assert not kind.errors_each or sum(errors.values()) == times * kind.errors_each
    assert lies(watch.samples, happened, RECENT_S) == []
    assert watch.samples[-1].worker["restarts"] == times * kind.is_fatal
    assert watch.samples[-1].report["queue"]["dropped"] == 0
    assert max(hit) > 1, "the load made no batches, so nobody had a neighbour"


def _strike(kind: Kind, daemon: Daemon, faults: Faults, watch: HealthWatch) -> Fault:
    """Let it happen, under load."""
    pid = watch.samples[-1].worker["pid"]
    noticed_within_s = NOTICE_S + (PING_S + SILENCE_S if kind.signal is signal.SIGSTOP else 0.0)
    if kind.signal is not None:
        at = time.monotonic()
        os.kill(pid, kind.signal)
        return Fault(at, pid, noticed_within_s)
    at = time.monotonic()
    faults.order(kind.name, least=2)  # so that a neighbour is hit as well
    while not faults.is_taken(kind.name):
        assert time.monotonic() < at + 10, "nothing ran"
        time.sleep(0.001)
    return Fault(time.monotonic(), pid, noticed_within_s, kind.is_fatal)


def _in_flight(watch: HealthWatch, fault: Fault) -> int:
    """How many requests were with the worker, by what `health` last said before the fault."""
    before = [sample for sample in watch.samples[-1000:] if sample.heard_at <= fault.at]
    return int(before[-1].report["queue"]["in_flight"])


def _time_of_a_right_answer(endpoint: str) -> float:
    """Seconds that a client who asks in this moment waits for its right answer."""
    begun = time.monotonic()
    with DepthClient(endpoint, timeout=60.0) as client:
        assert np.all(client.metric_depth(grey_jpeg(64, 48, 77), max_depth=1.0).depth == 77)
    return time.monotonic() - begun
