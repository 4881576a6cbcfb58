"""`depthwired --check`: what it says of settings, keys, models, memory and workers, and its exit code, 0 or 78."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from depthwire.daemon.check import Report, check_keys, check_listening, check_memory, check_models
from depthwire.daemon.config import Config
from tests.curve import Keys


def lines(check: object, config: Config) -> list[str]:
    said: list[str] = []
    report = Report(said.append)
    check(report, config)  # type: ignore[operator]
    assert report.faults == sum(line.startswith("FAULT") for line in said)
    return said


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "depthwire.daemon", "--check", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=150, env={**os.environ, **variables}, check=False
    )


def test_settings_that_work_are_run() -> None:
    done = run("--engine", "null", "--bind", "tcp://127.0.0.1:*", "--preload", "vitt_starter_56")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    verdicts = {line.split()[0] for line in done.stdout.splitlines()}
    assert verdicts == {"ok"}
    *_, workers = done.stdout.splitlines()
    assert "null on cpu" in workers
    assert "vitt_starter loaded and run" in workers


def test_a_worker_that_cannot_start_is_a_fault() -> None:
    done = run("--engine", "openvino", "--device", "cuda:7", "--bind", "tcp://127.0.0.1:*")
    assert done.returncode == os.EX_CONFIG
    assert "FAULT  workers" in done.stdout
    assert "runs on the CPU, not on cuda:7" in done.stderr


def test_a_checkpoint_that_cannot_be_loaded_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "depth_anything_v2_metric_hypersim_vits.pth").write_bytes(b"cut off")
    done = run("--engine", "torch", "--device", "cpu", "--checkpoints", str(tmp_path), "--bind", "tcp://127.0.0.1:*")
    assert done.returncode == os.EX_CONFIG
    assert "could not load vits_hypersim" in done.stdout


@pytest.mark.parametrize("arguments", [["--no-such-setting"], ["--max-batch", "many"], ["--config", "/nowhere.yaml"]])
def test_settings_that_cannot_be_read_end_with_78_too(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == os.EX_CONFIG
    assert arguments[0] in done.stderr


def test_the_variable_of_that_name_checks_nothing() -> None:
    """Every other setting has one; this is none, and a daemon that only checks itself would be no daemon."""
    done = subprocess.run(
        [sys.executable, "-m", "depthwire.daemon", "--bind", "http://nonsense"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "DEPTHWIRE_CHECK": "1", "DEPTHWIRE_CHECKING": "1"},
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")


def test_endpoints_and_the_metrics_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = f"127.0.0.1:{server.getsockname()[1]}"
        said = lines(check_listening, Config(bind=[f"tcp://{taken}", "tcp://0.0.0.0:9"], metrics=taken))
    assert [line.split()[0] for line in said if "endpoints" in line] == ["FAULT", "note", "ok"]
    assert "there are no keys" in said[0]
    assert said[1].endswith("is in use: a daemon that runs already, or else another program")
    assert said[-1].startswith("note   metrics")
    (elsewhere,) = lines(check_listening, Config(bind=["tcp://192.0.2.1:5555"], insecure=True))
    assert elsewhere.startswith("FAULT")
    assert "cannot listen on tcp://192.0.2.1:5555" in elsewhere


def test_keys(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    (none,) = lines(check_keys, Config())
    assert none.startswith("ok")
    (half,) = lines(check_keys, Config(curve_key=keys.lab))
    assert half.startswith("FAULT")
    (empty,) = lines(check_keys, Config(curve_key=keys.lab, authorized_clients=keys.clients))
    assert empty.startswith("note")
    assert "nobody may use the daemon yet" in empty
    keys.make("robot", authorized=True)
    (good,) = lines(check_keys, Config(curve_key=keys.lab, authorized_clients=keys.clients))
    assert good.startswith("ok")
    assert keys.server_public.decode() in good
    (wrong,) = lines(check_keys, Config(curve_key=keys.folder / "lab.pub", authorized_clients=keys.clients))
    assert wrong.startswith("FAULT")


def test_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    wanted = Config(model="vits_hypersim_518", preload=["vitt_starter"])
    missing, starter = lines(check_models, wanted)
    assert missing.startswith("note")
    assert "a start downloads it (99 MB" in missing
    assert starter.startswith("ok")
    refused, _ = lines(check_models, Config(model="vits_hypersim_518", preload=["vitt_starter"], download=False))
    assert refused.startswith("FAULT")
    (unknown,) = lines(check_models, Config(model="vits_atlantis"))
    assert "vits_atlantis" in unknown


def test_memory() -> None:
    (good,) = lines(check_memory, Config(arena_mb=64))
    assert good.startswith("ok")
    (too_much,) = lines(check_memory, Config(arena_mb=2**32))
    assert too_much.startswith("FAULT")
