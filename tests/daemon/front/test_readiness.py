"""Readiness is what a worker's engine has shown lately; where requests do not show it, a probe does, in their way.

No processes: links are stand-ins that hold what the real ones do, and time is a number.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from depthwire.daemon.front.prober import Prober, is_probe
from depthwire.daemon.front.proof import Proof
from depthwire.daemon.front.readiness import FAILURES_IN_A_ROW, Limits, assess, is_tended
from depthwire.daemon.front.residency import Bucket, Residency, State
from depthwire.daemon.front.scheduler import Pending
from depthwire.daemon.front.supervisor import WorkerState
from depthwire.daemon.models import catalogue
from depthwire.daemon.seam.arena import Arena

LIMITS = Limits.of(probe_interval_s=30.0, silence_timeout_s=10.0, start_timeout_s=120.0)
STARTER = catalogue.lookup("vitt", "starter")
OTHER = catalogue.lookup("vits", "vkitti")
NOW = 1000.0


def link_of(*, hello: bool = True, served_at: float | None = NOW - 1, max_shapes: int = 0, **fields: Any) -> Any:
    proof = Proof(served_at=served_at, is_concluded=served_at is not None)
    return SimpleNamespace(
        **{
            "hello": object() if hello else None,
            "state": WorkerState.READY if hello else WorkerState.STARTING,
            "proof": proof,
            "residency": Residency(2**40, max_shapes),
            "in_flight": {},
            "heard_at": NOW,
            "asked_at": float("-inf"),
            **fields,
        }
    )


def judge(*links: Any, restarts: list[int] | None = None, draining: bool = False, refused: tuple[int, ...] = ()) -> Any:
    supervisor: Any = SimpleNamespace(
        links=list(links), restarts=restarts or [0] * len(links), refuses=lambda slot: slot in refused
    )
    return assess(supervisor, LIMITS, NOW, draining)


def test_a_worker_that_served_lately_is_ready() -> None:
    state = judge(link_of())
    assert (state.status, state.ready, state.degraded, state.problems) == ("ok", True, False, [])


@pytest.mark.parametrize("link", [link_of(hello=False, served_at=None), link_of(served_at=None)])
def test_a_first_worker_that_has_shown_nothing_yet_is_loading(link: Any) -> None:
    state = judge(link)
    assert (state.status, state.ready, state.degraded) == ("loading", False, False)
    assert len(state.problems) == 1


def test_before_any_worker_was_started_it_is_loading_and_after_one_has_ended_degraded() -> None:
    assert judge(None, restarts=[-1]).status == "loading"
    assert judge(None, restarts=[0]).status == "degraded"
    assert judge(link_of(hello=False), restarts=[1]).status == "degraded"


def test_readiness_is_lost_when_success_is_long_ago_or_a_ping_waits() -> None:
    old = judge(link_of(served_at=NOW - LIMITS.recent_s - 1))
    assert (old.status, old.ready, old.degraded) == ("degraded", False, True)
    silent = judge(link_of(heard_at=NOW - 6, asked_at=NOW - 5))
    assert (silent.ready, silent.problems) == (False, ["worker 0 has not answered for 5 s"])
    assert judge(link_of(heard_at=NOW - 6, asked_at=NOW - 1)).ready


def test_failures_degrade_and_several_in_a_row_cost_readiness_until_one_success() -> None:
    link = link_of()
    for count in range(1, FAILURES_IN_A_ROW):
        link.proof.failed(NOW)
        assert (judge(link).status, judge(link).ready) == ("degraded", True), count
    link.proof.failed(NOW)
    assert (judge(link).status, judge(link).ready) == ("degraded", False)
    link.proof.succeeded(NOW)
    assert (judge(link).status, judge(link).ready) == ("degraded", True), "that it failed a moment ago is still true"
    link.proof.failed_at = NOW - 60
    assert judge(link).status == "ok"


def test_a_probe_that_does_not_come_back_costs_readiness() -> None:
    link = link_of(served_at=NOW - 35)
    link.proof.probing_since = NOW - 2
    assert judge(link).ready
    link.proof.probing_since = NOW - 20
    assert not judge(link).ready


def test_a_model_that_cannot_be_loaded_is_no_longer_loading() -> None:
    link = link_of(served_at=None)
    link.residency.set(STARTER, State.FAILED, 0, NOW)
    state = judge(link)
    assert (state.status, state.ready) == ("degraded", False)
    assert "could not load" in state.problems[0]


def test_one_of_two_is_ready_and_degraded() -> None:
    state = judge(link_of(), None, restarts=[0, 3])
    assert (state.status, state.ready, state.degraded) == ("degraded", True, True)
    assert state.problems == ["worker 1 has ended and is being replaced"]


@pytest.mark.parametrize("link", [None, link_of(hello=False, served_at=None)], ids=["gone", "tried again"])
def test_a_worker_whose_device_is_not_there_is_a_problem_that_says_so(link: Any) -> None:
    state = judge(link_of(), link, restarts=[0, 3], refused=(1,))
    assert (state.status, state.ready, state.degraded) == ("degraded", True, True)
    assert len(state.problems) == 1
    assert state.problems[0].startswith("worker 1 cannot start, as with a device that is not there")
    assert judge(link_of(), link_of(), refused=(1,)).problems == [], "it has come up, and is not told of as such"


def test_while_draining_nothing_new_is_ready() -> None:
    state = judge(link_of(), draining=True)
    assert (state.status, state.ready) == ("draining", False)


def test_the_watchdog_is_fed_for_workers_that_live_or_come_back_and_not_for_ever_without_one() -> None:
    assert is_tended([link_of()], LIMITS, NOW - 1e6, NOW)
    assert is_tended([None], LIMITS, NOW - 1, NOW)
    assert not is_tended([None], LIMITS, NOW - 2 * LIMITS.start_s - 1, NOW)
    silent = link_of(heard_at=NOW - 500, asked_at=NOW - 400)
    assert not is_tended([silent], LIMITS, NOW - 500, NOW)


class House:
    """A prober and what it asks the dispatcher for."""

    def __init__(self) -> None:
        self.arena = Arena(2**20)
        self.loads: list[str] = []
        self.warmed: list[Bucket] = []
        self.handed: list[Pending] = []
        self.prober = Prober(STARTER, 30.0, self.arena, self._load, self._warm, self._hand_over)

    def _load(self, link: Any, checkpoint: catalogue.Checkpoint) -> bool:
        self.loads.append(checkpoint.name)
        return True

    def _warm(self, link: Any, bucket: Bucket) -> None:
        self.warmed.append(bucket)

    def _hand_over(self, link: Any, pending: Pending) -> bool:
        self.handed.append(pending)
        return True


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.arena.close()


def test_a_new_worker_loads_the_default_model_and_is_probed_with_it(house: House) -> None:
    link = link_of(served_at=None)
    assert not house.prober.turn(link, NOW)
    assert house.loads == ["vitt_starter"]
    link.residency.set(STARTER, State.LOADING, 1, NOW)
    assert not house.prober.turn(link, NOW)
    link.residency.set(STARTER, State.READY, 1, NOW)
    assert house.prober.turn(link, NOW)
    (pending,) = house.handed
    assert is_probe(pending.ticket)
    assert pending.answered
    assert (pending.input_height, pending.input_width) == (56, 56)
    assert not house.prober.turn(link, NOW), "one at a time"
    assert house.loads == ["vitt_starter"]


def test_a_default_model_that_does_not_load_is_not_asked_for_all_the_time(house: House) -> None:
    link = link_of(served_at=None)
    for tick in range(1000):
        house.prober.turn(link, NOW + 0.1 * tick)
    assert len(house.loads) == 2


def test_a_busy_worker_is_not_probed_and_an_idle_one_once_an_interval(house: House) -> None:
    link = link_of(served_at=NOW)
    link.residency.set(STARTER, State.READY, 1, NOW)
    assert not house.prober.turn(link, NOW + 29)
    link.in_flight[1] = object()
    assert not house.prober.turn(link, NOW + 31)
    link.in_flight.clear()
    assert house.prober.turn(link, NOW + 31)


def test_after_a_failure_even_a_busy_worker_is_probed_soon(house: House) -> None:
    link = link_of(served_at=NOW)
    link.residency.set(STARTER, State.READY, 1, NOW)
    link.in_flight[1] = object()
    link.proof.failed(NOW)
    assert not house.prober.turn(link, NOW + 1)
    assert house.prober.turn(link, NOW + 3)


def test_the_model_and_size_in_use_are_probed_so_that_nothing_is_displaced(house: House) -> None:
    link = link_of(served_at=NOW, max_shapes=4)
    link.residency.set(STARTER, State.READY, 1, NOW)
    link.residency.set(OTHER, State.READY, 1, NOW + 5)
    for size in ((518, 686), (518, 518)):
        link.residency.set_shape(Bucket(OTHER, *size), State.READY, NOW)
    assert house.prober.turn(link, NOW + 40)
    assert house.handed[0].bucket == Bucket(OTHER, 518, 518)
    assert not house.warmed


def test_where_sizes_must_be_warm_and_none_is_the_tiny_one_is_warmed_first(house: House) -> None:
    link = link_of(served_at=None, max_shapes=4)
    link.residency.set(STARTER, State.READY, 1, NOW)
    assert not house.prober.turn(link, NOW)
    assert house.warmed == [Bucket(STARTER, 56, 56)]


def test_a_full_arena_is_no_failure_and_keeps_nothing(house: House) -> None:
    link = link_of(served_at=None)
    link.residency.set(STARTER, State.READY, 1, NOW)
    block = house.arena.reserve(2**20 - 2048)  # room for the picture, none for its result
    assert block is not None
    used = house.arena.used
    assert not house.prober.turn(link, NOW)
    assert house.arena.used == used
    assert link.proof.probing_since is None
