"""The instruments themselves: the oracle gets right answers, and each fault happens when it is ordered."""

from __future__ import annotations

import time

import pytest

from depthwire.client import DepthClient
from tests.e2e.conftest import DaemonFactory
from tests.reliability.conftest import Faults
from tests.reliability.oracle import Oracle

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
