"""`health --watch`: what it makes of two health reports, and how it ends, against reports written by hand."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import pytest

from depthwire.client.cli.watch import Recorder, line, view
from depthwire.protocol import result_header
from tests.client.fake_daemon import FakeDaemon, Heard

BOUNDS = [1, 10, 100]


def report(uptime_s: float, ok: int, **more: Any) -> dict[str, Any]:
    """A daemon that has answered `ok` pictures, each in 10 to 100 ms, in batches of two."""
    return {
        "status": "ok",
        "ready": True,
        "uptime_s": uptime_s,
        "models_loaded": ["vits_hypersim_518", "vitt_starter_154"],
        "workers": [{"pid": 7, "state": "ready", "ready": True, "device": "cuda:0", "restarts": 2}],
        "queue": {"waiting": 3, "waiting_bytes": 2**20, "in_flight": 4, "arena_bytes": 2**30, "arena_used_bytes": 0},
        "counters": {
            "answers": {"pc": {"OK": ok, "OVERLOADED": ok // 2}, "health": {"OK": 10 * ok}},
            "models": {"vits_hypersim_518": ok},
            "dropped": {"gone": ok // 10},
        },
        "latency": {
            "bounds_ms": BOUNDS,
            "stages": {"total": {"counts": [0, 0, ok, 0], "sum_ms": 50.0 * ok}},
            "batch_size": {"bounds": [1, 2], "counts": [0, ok // 2, 0], "sum": ok},
        },
    } | more


def test_rates_are_what_changed_over_the_daemon_s_own_seconds() -> None:
    recorder = Recorder()
    assert recorder.add(report(10.0, 100)) is None
    activity = recorder.add(report(12.0, 300))
    assert activity is not None
    assert activity.results == 100.0
    assert activity.by_code == {"OVERLOADED": 50.0}
    assert activity.errors == 50.0
    assert activity.dropped == 10.0
    assert activity.by_model == {"vits_hypersim_518": 100.0}
    assert activity.batch_size == 2.0
    assert activity.latency["total"] == pytest.approx((55.0, 99.1))
    assert activity.latency["queue"] is None
    assert list(recorder.history) == [100.0]


def test_the_window_moves_on() -> None:
    recorder = Recorder()
    for second in range(20):
        activity = recorder.add(report(float(second), 1000 if second > 2 else 0))
    assert activity is not None
    assert activity.results == 0.0


def test_a_daemon_that_began_again_has_no_negative_rates() -> None:
    recorder = Recorder()
    recorder.add(report(1000.0, 5000))
    assert recorder.add(report(1.0, 3)) is None
    activity = recorder.add(report(2.0, 5))
    assert activity is not None
    assert activity.results == 2.0


@pytest.mark.parametrize(
    "fields", [{}, {"uptime_s": None, "workers": None}, {"uptime_s": 1.0, "counters": 7, "latency": [], "queue": "x"}]
)
def test_a_daemon_that_says_little_is_shown_all_the_same(fields: dict[str, Any]) -> None:
    recorder = Recorder()
    for uptime_s in (1.0, 2.0):
        says = fields | ({"uptime_s": uptime_s} if "counters" in fields else {})
        activity = recorder.add(says)
        assert view(says, activity, "tcp://x")
        assert line(says, activity)


def test_the_view_names_everything_that_an_operator_looks_for() -> None:
    recorder = Recorder()
    recorder.add(report(10.0, 100))
    problem = report(12.0, 300, problems=["worker 0 has not answered for 4 s"], ready=False, status="degraded")
    text = "\n".join(view(problem, recorder.add(problem), "tcp://lab:5555"))
    for words in (
        "DEGRADED, NOT READY",
        "! worker 0 has not answered for 4 s",
        "100.0 /s",
        "OVERLOADED 50.0",
        "3 waiting (1 MiB), 4 in flight",
        "cuda:0, pid 7, 2 restarts",
        "vits_hypersim_518  100.0 /s",
        "vitt_starter_154  0.0 /s",
    ):
        assert words in text, text


def test_what_the_daemon_says_cannot_steer_the_terminal() -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\n"
    says = report(1.0, 1, status=evil, notice=evil, models_loaded=[evil], problems=[evil], version=evil)
    for text in [*view(says, None, "tcp://x"), line(says, None)]:
        assert text.isprintable() or text == "", text


def watch(endpoint: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "depthwire.client.cli", "--endpoint", endpoint, "health", "--watch", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_it_waits_for_a_daemon_that_is_not_there_and_ctrl_c_ends_it_well(no_daemon: str) -> None:
    process = watch(no_daemon, "--interval", "0.1")
    assert process.stdout is not None
    assert "no daemon" in process.stdout.readline().lower() or process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_a_reader_that_has_enough_ends_it_without_a_traceback(daemon: FakeDaemon) -> None:
    def answer(fake: FakeDaemon, heard: Heard) -> None:
        fake.send(heard, result_header(heard.request.id, "health", report(1.0, 1)))

    daemon.script = answer
    process = watch(daemon.endpoint, "--interval", "0.1")
    assert process.stdout is not None
    assert process.stderr is not None
    assert "ok  ready" in process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr.read() == ""
    process.stderr.close()


def test_ready_and_watch_contradict_each_other(daemon: FakeDaemon) -> None:
    process = watch(daemon.endpoint, "--ready")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "leave one of them out" in errors
