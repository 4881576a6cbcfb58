"""What an operator sees of a real daemon: metrics, health, the live view, what systemd hears. All of it is true."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from prometheus_client.parser import text_string_to_metric_families

from depthwire.client import BadImageError, CameraIntrinsics, DepthClient
from depthwire.protocol import frames, parse_reply
from tests.e2e.conftest import Daemon, DaemonFactory, free_endpoint
from tests.pictures import jpeg

IMAGE = jpeg(96, 72)
CAMERA = CameraIntrinsics(80.0, 80.0, 48.0, 36.0)
LIMIT_S = 60.0
"""Only a broken daemon needs so long."""
MODEL = "vitt_starter_154"

Sample = tuple[str, frozenset[tuple[str, str]]]


def metrics_port() -> str:
    return free_endpoint().rsplit(":", 1)[1]


def scrape(port: str) -> dict[Sample, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=LIMIT_S) as reply:
        text = reply.read().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def page(port: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=LIMIT_S) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def value(samples: dict[Sample, float], name: str, **labels: str) -> float:
    return samples["depthwire_" + name, frozenset(labels.items())]


def until(holds: Callable[[], Any], what: str) -> Any:
    give_up = time.monotonic() + LIMIT_S
    while not (found := holds()):
        assert time.monotonic() < give_up, what
        time.sleep(0.02)
    return found


def test_metrics_count_exactly_what_was_asked(start_daemon: DaemonFactory) -> None:
    port = metrics_port()
    daemon = start_daemon("--engine", "null", "--metrics", f":{port}", "--max-batch", "1")
    before = scrape(port)
    assert value(before, "ready") == 1
    assert value(before, "stage_seconds_count", stage="total") == 0, "the daemon's own probe is nobody's request"
    assert value(before, "probes_total") == 1
    with DepthClient(daemon.endpoint, timeout=LIMIT_S, retries=0) as client:
        for _ in range(7):
            client.metric_depth(IMAGE)
        for _ in range(5):
            client.pc(IMAGE, CAMERA)
        for _ in range(3):
            client.rel_depth(IMAGE, encoder="vits", dataset="hypersim", model_input_size=98)
        for _ in range(2):
            with pytest.raises(BadImageError):
                client.metric_depth(b"no picture at all, but long enough to be looked at")
        malformed = zmq.Context.instance().socket(zmq.DEALER)
        malformed.linger = 0
        malformed.connect(daemon.endpoint)
        malformed.send_multipart(frames.encode({"v": 1, "id": 1, "op": "levitate"}))
        error = parse_reply(malformed.recv_multipart()).error
        assert error is not None
        assert error.code == "UNKNOWN_OP"
        malformed.close()
        health = client.health()
    # A page is up to a second old. Once the last of these requests is on it, the others are.
    last: Sample = ("depthwire_requests_total", frozenset(_labels("other", "", "UNKNOWN_OP").items()))
    after = until(lambda: last in (samples := scrape(port)) and samples, "the page stays old")
    assert value(after, "requests_total", **_labels("metric_depth", MODEL)) == 7
    assert value(after, "requests_total", **_labels("pc", MODEL)) == 5
    assert value(after, "requests_total", **_labels("rel_depth", "vits_hypersim_98")) == 3
    assert value(after, "requests_total", **_labels("metric_depth", "", "BAD_IMAGE")) == 2
    assert value(after, "requests_total", **_labels("other", "", "UNKNOWN_OP")) == 1
    images = [
        v
        for (name, labels), v in after.items()
        if name == "depthwire_requests_total" and ("op", "health") not in labels
    ]
    assert sum(images) == 18
    for stage in ("queue", "decode", "infer", "post", "total"):
        assert value(after, "stage_seconds_count", stage=stage) == 15
    parts = sum(value(after, "stage_seconds_sum", stage=stage) for stage in ("queue", "decode", "infer", "post"))
    assert parts >= 0.999 * value(after, "stage_seconds_sum", stage="total")
    assert value(after, "batch_size_count") == 15
    assert value(after, "batch_size_sum") == 15
    assert value(after, "model_loads_total", model="vitt_starter") == 1
    assert value(after, "model_loads_total", model="vits_hypersim") == 1
    assert value(after, "models_loaded", model="vits_hypersim") == 1
    assert value(after, "worker_restarts_total", worker="0") == 0
    assert value(after, "queue_requests") == value(after, "queue_bytes") == value(after, "open_requests") == 0
    assert value(after, "requests_dropped_total", reason="gone") == 0
    assert health["counters"]["answers"]["metric_depth"] == {"OK": 7, "BAD_IMAGE": 2}
    assert health["counters"]["models"] == {MODEL: 12, "vits_hypersim_98": 3}
    assert sum(health["latency"]["stages"]["total"]["counts"]) == 15


def _labels(op: str, model: str, code: str = "OK") -> dict[str, str]:
    return {"op": op, "model": model, "code": code, "client": "anonymous"}


def test_readiness_is_lost_with_a_stopped_worker_and_back_with_it(start_daemon: DaemonFactory) -> None:
    port = metrics_port()
    daemon = start_daemon("--engine", "null", "--silence-timeout-s", "60", "--metrics", f"127.0.0.1:{port}")
    assert page(port, "/ready") == (200, "ok\n")
    with DepthClient(daemon.endpoint, timeout=LIMIT_S) as client:
        worker = client.health()["workers"][0]
        os.kill(worker["pid"], signal.SIGSTOP)
        lost = until(lambda: not (info := client.health())["ready"] and info, "readiness outlives the worker's silence")
        assert (lost["status"], lost["live"], lost["degraded"]) == ("degraded", True, True)
        assert "has not answered" in lost["problems"][0]
        assert page(port, "/live")[0] == 200
        status, why = page(port, "/ready")
        assert status == 503
        assert "has not answered" in why
        os.kill(worker["pid"], signal.SIGCONT)
        back = until(lambda: (info := client.health())["ready"] and info, "readiness does not come back")
    assert (back["status"], back["problems"]) == ("ok", [])
    assert back["workers"][0]["pid"] == worker["pid"]
    assert back["workers"][0]["restarts"] == 0


def test_a_killed_worker_is_missing_until_its_successor_has_run_something(start_daemon: DaemonFactory) -> None:
    daemon = start_daemon("--engine", "null")
    with DepthClient(daemon.endpoint, timeout=LIMIT_S) as client:
        probes = client.health()["counters"]["probes"]
        os.kill(daemon.worker_pid, signal.SIGKILL)
        lost = until(lambda: not (info := client.health())["ready"] and info, "nobody misses the worker")
        assert lost["status"] == "degraded"
        back = until(lambda: (info := client.health())["ready"] and info, "no successor")
    assert back["workers"][0]["restarts"] == back["counters"]["worker_restarts"] == 1
    assert back["counters"]["probes"] == probes + 1


def test_a_daemon_whose_model_cannot_be_loaded_is_live_and_not_ready(
    start_daemon: DaemonFactory, tmp_path: Path
) -> None:
    daemon = start_daemon(
        *("--device", "cpu", "--engine", "torch", "--no-download", "--checkpoints", str(tmp_path)),
        *("--model", "vitb_hypersim_518"),
        wait=False,
    )
    with DepthClient(daemon.endpoint, timeout=LIMIT_S) as client:
        info = until(lambda: (info := client.health())["status"] == "degraded" and info, "it claims to be well")
        assert (info["live"], info["ready"]) == (True, False)
        assert "could not load" in info["problems"][0]
        assert info["counters"]["model_load_failures"] == 1
        # A model that is there shows that the engine works.
        assert client.metric_depth(IMAGE, encoder="vitt", dataset="starter").model == MODEL
        assert client.health()["ready"]


def test_an_idle_worker_is_probed_again_and_again(start_daemon: DaemonFactory) -> None:
    daemon = start_daemon("--engine", "null", "--probe-interval-s", "0.2")
    with DepthClient(daemon.endpoint, timeout=LIMIT_S) as client:
        info = until(lambda: (info := client.health())["counters"]["probes"] >= 4 and info, "it trusts its past")
    assert info["counters"]["answers"].keys() == {"health"}


@pytest.fixture
def null_daemon(start_daemon: DaemonFactory) -> Iterator[Daemon]:
    daemon = start_daemon("--engine", "null")
    with DepthClient(daemon.endpoint, timeout=LIMIT_S) as client:
        client.metric_depth(IMAGE)
    return daemon


def watch_command(daemon: Daemon, *arguments: str) -> list[str]:
    command = [sys.executable, "-m", "depthwire.client.cli", "--endpoint", daemon.endpoint, "health", "--watch"]
    return [*command, "--interval", "0.2", *arguments]


def test_the_live_view_on_a_terminal(null_daemon: Daemon) -> None:
    terminal, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40", "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen(watch_command(null_daemon), stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = read_until(terminal, b"latency        p50")
    assert shown.startswith("\x1b[?1049h")
    assert "OK, ready for images" in shown
    assert f"model     {MODEL}" in shown
    assert "worker 0  ready, cpu" in shown
    with DepthClient(null_daemon.endpoint, timeout=LIMIT_S) as client:
        client.metric_depth(IMAGE)
    null_daemon.kill()
    read_until(terminal, b"no daemon", lower=True)
    null_daemon.start()
    read_until(terminal, b"OK, ready for images")
    process.send_signal(signal.SIGINT)
    left = read_until(terminal, b"\x1b[?1049l")
    assert process.wait(LIMIT_S) == 0
    assert "Traceback" not in left
    os.close(terminal)


def read_until(terminal: int, marker: bytes, lower: bool = False) -> str:
    seen = b""
    give_up = time.monotonic() + LIMIT_S
    while marker not in (seen.lower() if lower else seen):
        assert time.monotonic() < give_up, seen
        if select.select([terminal], [], [], 1.0)[0]:
            seen += os.read(terminal, 65536)
    return seen.decode("utf-8", "replace")


def test_the_live_view_through_a_pipe_is_plain_lines(null_daemon: Daemon) -> None:
    process = subprocess.Popen(watch_command(null_daemon), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, errors) == (0, "")
    for text in lines:
        assert text.strip().isprintable()
        assert "ok  ready" in text
        assert "1 of 1 workers" in text
    assert "0.0/s" in lines[2]


def test_the_live_view_as_json_is_an_object_a_line(null_daemon: Daemon) -> None:
    command = watch_command(null_daemon, "--json")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    reports = [json.loads(process.stdout.readline()) for _ in range(2)]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0
    assert [report["status"] for report in reports] == ["ok", "ok"]


def test_systemd_hears_ready_the_heartbeat_and_the_end(start_daemon: DaemonFactory, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(LIMIT_S)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        daemon = start_daemon("--engine", "null", wait=False, environment=environment)
        with DepthClient(daemon.endpoint, timeout=LIMIT_S) as client:
            heard = [manager.recv(4096)]
            while heard[-1] != b"READY=1":
                heard.append(manager.recv(4096))
            assert client.health()["ready"]
            assert any(text.startswith(b"STATUS=loading") for text in heard)
            while heard[-1] != b"STATUS=ok":
                heard.append(manager.recv(4096))
            for _ in range(3):
                assert manager.recv(4096) == b"WATCHDOG=1"
            worker = Path(f"/proc/{client.health()['workers'][0]['pid']}/environ").read_bytes()
            assert b"NOTIFY_SOCKET" not in worker
            assert b"WATCHDOG_USEC" not in worker
        daemon.process.send_signal(signal.SIGTERM)
        heard = [manager.recv(4096)]
        while heard[-1] != b"STOPPING=1":
            heard.append(manager.recv(4096))
        assert daemon.process.wait(LIMIT_S) == 0
        manager.settimeout(0)
        rest = []
        try:
            while True:
                rest.append(manager.recv(4096))
        except BlockingIOError:
            pass
        assert b"READY=1" not in rest


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(["--metrics", "nowhere"], "is not an address"), (["--metrics", ":{}"], "cannot serve metrics")],
)
def test_metrics_that_cannot_be_served_end_the_daemon_with_a_clear_word(arguments: list[str], text: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        arguments = [argument.format(taken.getsockname()[1]) for argument in arguments]
        command = [sys.executable, "-m", "depthwire.daemon", "--bind", free_endpoint(), "--engine", "null", *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S)
    assert ended.returncode not in (0, None)
    assert text in " ".join(ended.stderr.replace("│", " ").split())
    assert "Traceback" not in ended.stderr
