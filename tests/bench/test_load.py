"""Loads keep to their plan and leave nothing out. The daemon is scripted, so that every figure has a known cause."""

import pytest

from depthwire.bench.images import BenchImage
from depthwire.bench.load import run_load, sweep
from depthwire.bench.plan import LoadPlan
from tests.bench.conftest import ScriptedDaemon


def test_open_loop_latency_counts_from_the_intended_moment_so_that_a_stall_shows(
    scripted: ScriptedDaemon, picture: BenchImage
) -> None:
    scripted.stall_at, scripted.stall_s = 10, 1.0
    plan = LoadPlan(
        scripted.endpoint,
        [picture],
        {"metric_depth": 1},
        "open",
        rate=50.0,
        arrivals="fixed",
        duration_s=2.0,
        warmup_s=0,
    )
    run = run_load(plan)
    latency_ms = run.measured.latency_ms
    assert len(latency_ms) == 99  # every due request is there, also those that could not be answered in the window
    # A generator that waits for its answers would have met the stall once. Here whatever was due in it waited.
    assert (latency_ms > 500).sum() >= 20
    assert run.report()["latency_ms"]["p99"] > 900


def test_closed_loop_keeps_exactly_the_requests_in_flight_that_were_asked_for(
    scripted: ScriptedDaemon, picture: BenchImage
) -> None:
    plan = LoadPlan(
        scripted.endpoint, [picture], {"metric_depth": 1}, clients=3, in_flight=2, duration_s=0.5, warmup_s=0
    )
    scripted.hold = 6
    run = run_load(plan)
    assert scripted.most_waiting == 6
    assert scripted.answered > 6
    # All but the first answer, before the load, and the drain at its end was given with exactly six waiting.
    assert scripted.answered_with_all_waiting >= scripted.answered - 6
    assert run.report()["load"] == 6


def test_errors_are_counted_by_their_code_and_are_no_results(scripted: ScriptedDaemon, picture: BenchImage) -> None:
    scripted.fail_every = 4  # the first answer comes before the load, and so is none of these
    plan = LoadPlan(
        scripted.endpoint, [picture], {"rel_depth": 1}, "open", rate=100.0, arrivals="fixed", duration_s=1.0, warmup_s=0
    )
    report = run_load(plan).report()
    assert report["errors"] == {"BAD_IMAGE": scripted.failed}
    assert scripted.failed == 25
    assert report["ok"] == report["requests"] - 25 == report["latency_ms"]["samples"]
    assert report["batch_sizes"] == {"3": report["ok"]}
    assert report["daemon"] is None  # it names no processes of its own


def test_goodput_counts_what_came_within_the_deadline_against_all_that_was_due(
    scripted: ScriptedDaemon, picture: BenchImage
) -> None:
    scripted.stall_at, scripted.stall_s = 10, 0.6
    plan = LoadPlan(
        scripted.endpoint,
        [picture],
        {"metric_depth": 1},
        "open",
        rate=40.0,
        arrivals="fixed",
        duration_s=1.0,
        warmup_s=0,
        deadline_ms=500,
    )
    run = run_load(plan)
    good = run.report()["goodput"]
    late = int((run.measured.latency_ms > 500).sum())
    assert late >= 1
    assert good["share"] == pytest.approx(1 - late / len(run.measured), abs=1e-3)
    assert good["per_s"] == pytest.approx(len(run.measured) - late)


def test_warm_up_is_not_measured(scripted: ScriptedDaemon, picture: BenchImage) -> None:
    plan = LoadPlan(
        scripted.endpoint,
        [picture],
        {"metric_depth": 1},
        "open",
        rate=100.0,
        arrivals="fixed",
        duration_s=0.5,
        warmup_s=0.5,
    )
    run = run_load(plan)
    assert scripted.answered >= 100
    assert len(run.measured) == pytest.approx(50, abs=1)
    assert min(run.measured.intended) > run.begin


def test_a_sweep_measures_each_load_with_its_own_number_of_clients(
    scripted: ScriptedDaemon, picture: BenchImage
) -> None:
    plan = LoadPlan(scripted.endpoint, [picture], {"metric_depth": 1}, duration_s=0.2, warmup_s=0, processes=2)
    lines: list[str] = []
    runs = sweep(plan, [1.0, 3.0], lines.append)
    assert [run.report()["load"] for run in runs] == [1, 3]
    assert [run.plan.clients for run in runs] == [1, 3]
    assert all(run.throughput > 0 for run in runs)
    assert any(line.startswith("[3] ") for line in lines)


def test_the_clients_are_divided_among_the_generators_without_loss(picture: BenchImage) -> None:
    plan = LoadPlan("tcp://127.0.0.1:1", [picture], {"pc": 1}, clients=7, processes=3)
    assert [plan.clients_of(part) for part in range(3)] == [3, 2, 2]
