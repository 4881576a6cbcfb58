"""The instruments themselves: the oracle is answered right, ordered faults happen, and lies of `health` are found."""

from __future__ import annotations

import time

import pytest

from depthwire.client import DepthClient
from tests.e2e.conftest import DaemonFactory
from tests.reliability.conftest import Faults
from tests.reliability.oracle import Oracle
from tests.reliability.watch import Fault, Sample, lies

ERRORS = {
    "out_of_memory": [("INTERNAL", True)],
    "item_memory": [("INTERNAL", True)],
    "batch_item": [("INTERNAL", False)],
}
"""What a lone request is answered with, code and whether it is retryable; the result where none is named."""


def test_the_oracle_is_answered_right(faulty_daemon: DaemonFactory) -> None:
    daemon = faulty_daemon()
    with Oracle(daemon.endpoint) as oracle:
        oracle.wait_for_answers(50)
    assert oracle.wrong == []
    assert set(oracle.codes) == {"OK"}


@pytest.mark.parametrize(
    "fault",
    ["segfault", "exit", "poisoned", "hang", "out_of_memory", "item_memory", "item", "finish", "once", "batch_item"],
)
def test_a_fault_that_is_ordered_happens(fault: str, faulty_daemon: DaemonFactory, faults: Faults) -> None:
    daemon = faulty_daemon("--batch-timeout-s", "1")
    with Oracle(daemon.endpoint) as oracle:
        oracle.wait_for_answers(5)
        faults.order(fault)
        deadline = time.monotonic() + 10
        while not faults.is_taken(fault):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        oracle.wait_for_answers(5)
        with DepthClient(daemon.endpoint) as client:
            health = client.health()
    assert oracle.wrong == []
    assert health["workers"][0]["restarts"] == (fault in ("segfault", "exit", "poisoned", "hang"))
    errors = [(answer.code, answer.retryable) for answer in oracle.answers if answer.code != "OK"]
    # A request that has no neighbour is tried again all the same; memory, though, only time can bring.
    assert errors == ERRORS.get(fault, [])


def said(at: float, pid: int, is_ready: bool, proven_s: float, **report: object) -> Sample:
    """An answer of `health` at this second."""
    worker = {"pid": pid, "ready": is_ready, "state": "ready" if is_ready else "starting", "proven_s": proven_s}
    problems = [] if is_ready else ["worker 0 is starting"]
    truth = {"live": True, "ready": is_ready, "degraded": not is_ready, "problems": problems, "workers": [worker]}
    return Sample(at, at, {**truth, "status": "ok" if is_ready else "degraded", **report})


BEFORE, GAP, AFTER = said(9, 1, True, 0.1), said(11, 2, False, 0.0), said(12, 2, True, 0.1)
KILLED = Fault(10.0, 1)


def test_the_truth_about_a_killed_worker_is_no_lie() -> None:
    assert lies([BEFORE, GAP, AFTER], [KILLED], recent_s=5.0) == []


@pytest.mark.parametrize(
    ("samples", "text"),
    [
        ([BEFORE, said(11.5, 1, True, 0.1), GAP, AFTER], "ready 1.50 s after"),
        ([BEFORE, AFTER], "never said that worker 1 was missing"),
        ([BEFORE, GAP], "never ready again"),
        ([BEFORE, GAP, said(12, 2, True, 3.0)], "a proof from before the fault"),
        ([said(9, 1, True, 6.0), GAP, AFTER], "succeeded was 6.0 s ago"),
        ([BEFORE, said(11, 2, False, 0.0, ready=True), GAP, AFTER], "its only worker False"),
        ([BEFORE, said(11, 2, False, 0.0, status="ok"), GAP, AFTER], "ready False and ok"),
        ([BEFORE, said(11, 2, False, 0.0, live=False), GAP, AFTER], "it is not live"),
    ],
)
def test_a_lie_of_health_is_found(samples: list[Sample], text: str) -> None:
    assert any(text in lie for lie in lies(samples, [KILLED], recent_s=5.0))
