"""Full disks and damaged files, real ones: whoever needs the file is told which and what to do, all others go on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depthwire.client import DepthClient, DepthwireError
from depthwire.daemon.engines.compiled_cache import CompiledCache
from depthwire.daemon.models.catalogue import Checkpoint, lookup
from tests.e2e.conftest import Daemon, DaemonFactory, free_endpoint
from tests.hub import StandInHub, serve_hub
from tests.pictures import jpeg
from tests.reliability.conftest import Count, Faults, injected
from tests.reliability.oracle import Oracle

DISK_BYTES = 4 * 2**20
IMAGE = jpeg(96, 72)

GARBAGE, CUT, UNREADABLE = lookup("vits", "hypersim"), lookup("vits", "vkitti"), lookup("vitl", "hypersim")
TOO_LARGE, BROKEN_OFF = lookup("vitb", "hypersim"), lookup("vitb", "vkitti")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that is full after DISK_BYTES."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a small file system cannot be mounted here: {error}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=10)


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(4096))
    assert os.statvfs(disk).f_bavail == 0


def test_checkpoints_that_cannot_be_read_or_fetched_fail_alone_and_say_what_to_do(
    disk: Path, tmp_path: Path, start_daemon: DaemonFactory
) -> None:
    (disk / GARBAGE.file_name).write_bytes(os.urandom(100_000))
    (disk / CUT.file_name).write_bytes(b"PK\x03\x04" + bytes(200_000))  # begins as torch's files do
    (disk / UNREADABLE.file_name).symlink_to("/proc/self/mem")  # a file that is there, and fails when it is read
    with serve_hub(StandInHub(os.urandom(2 * DISK_BYTES), TOO_LARGE, BROKEN_OFF)) as hub:
        daemon = start_daemon(
            *("--device", "cpu", "--engine", "torch", "--model", "vitt_starter", "--checkpoints", str(disk)),
            environment={"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "hub")},
        )
        with DepthClient(daemon.endpoint, timeout=60, retries=0) as client:
            expected = client.metric_depth(IMAGE).depth
            for checkpoint, code, parts in (
                (GARBAGE, "INTERNAL", ["100000 bytes", "replace it, or delete it"]),
                (CUT, "INTERNAL", ["200004 bytes", "replace it, or delete it"]),
                (UNREADABLE, "INTERNAL", ["cannot be read (Input/output error)"]),
                (TOO_LARGE, "MODEL_NOT_FOUND", ["No space left on device", "Put the file", "--checkpoints"]),
                (BROKEN_OFF, "MODEL_NOT_FOUND", ["the download failed", "Put the file", "--checkpoints"]),
            ):
                hub.breaks_off = checkpoint is BROKEN_OFF
                error = _failure_beside_others(client, checkpoint, expected)
                assert error.code == code
                assert not error.retryable
                for part in (checkpoint.file_name, str(disk), *parts):
                    assert part in error.message
                assert "\n" not in error.message
                assert "weights_only" not in error.message, "that is advice to run what a stranger's file holds"
            info = client.health()
        put = {checkpoint.file_name for checkpoint in (GARBAGE, CUT, UNREADABLE)}
        assert {path.name for path in disk.iterdir()} == put, "a download left a rest"
    assert (info["ready"], info["workers"][0]["restarts"]) == (True, 0)
    assert info["counters"]["model_load_failures"] == 5


def _failure_beside_others(client: DepthClient, checkpoint: Checkpoint, expected: Any) -> DepthwireError:
    """What a request for this checkpoint is answered with; until then another model answers as ever."""
    failing = client.submit("metric_depth", IMAGE, encoder=checkpoint.encoder, dataset=checkpoint.dataset)
    while True:
        np.testing.assert_array_equal(client.metric_depth(IMAGE).depth, expected)
        if failing.done():
            error = failing.exception()
            assert isinstance(error, DepthwireError)
            return error


def test_a_daemon_whose_log_has_no_room_left_answers_as_before(disk: Path, faults: Faults, tmp_path: Path) -> None:
    environment = {**injected(), "DEPTHWIRE_TEST_FAULTS": str(tmp_path / "faults")}
    arguments = ["--engine", "null", "--log-level", "debug"]
    daemon = Daemon(free_endpoint(), arguments, disk / "daemon.log", environment)
    daemon.start()
    try:
        with Oracle(daemon.endpoint) as oracle:
            oracle.wait_for_answers(10)
            fill(disk)
            oracle.wait_for_answers(300)
            os.kill(daemon.worker_pid, signal.SIGKILL)
            oracle.wait_for_answers(20)
        assert oracle.wrong == []
        assert set(oracle.codes) == {"OK"}
        assert daemon.terminate() == 0
    finally:
        daemon.stop()


def test_a_cache_without_room_is_no_cache_and_leaves_no_rest(disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = CompiledCache(disk / "cache")

    def make(folder: Path) -> None:
        (folder / "network.bin").write_bytes(bytes(2 * DISK_BYTES))

    assert cache.store("vits", {}, make) is None
    assert "No space left on device" in caplog.text
    assert list((disk / "cache").iterdir()) == []


def test_a_cache_that_is_full_or_damaged_costs_a_restart_time_and_nothing_else(
    disk: Path, tmp_path: Path, count: Count, start_daemon: DaemonFactory
) -> None:
    """The engine that keeps converted networks, started anew on each kind of cache."""
    if not count(0, 1):
        pytest.skip("converts three times; tests/daemon has the short forms")
    arguments = ("--device", "cpu", "--engine", "openvino", "--model", "vitt_starter")

    def answer(cache: Path) -> tuple[Any, str]:
        daemon = start_daemon(*arguments, environment={"XDG_CACHE_HOME": str(cache)})
        with DepthClient(daemon.endpoint, timeout=60) as client:
            depth = client.metric_depth(IMAGE).depth
            assert client.health()["status"] == "ok"
        daemon.terminate()
        return depth, daemon.log

    expected, log = answer(tmp_path / "cache")
    assert "converting" in log
    unchanged, log = answer(tmp_path / "cache")
    assert "converting" not in log
    np.testing.assert_array_equal(unchanged, expected)

    (weights,) = (tmp_path / "cache").rglob("network.bin")
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 0xFF
    weights.write_bytes(content)
    repaired, log = answer(tmp_path / "cache")
    assert f"the cached network {weights.parent} is damaged" in log
    np.testing.assert_array_equal(repaired, expected)

    uncached, log = answer(disk)
    assert "converted networks are not cached" in log
    assert "Traceback" not in log
    assert [path for path in disk.rglob("*") if path.is_file()] == []
    np.testing.assert_allclose(uncached, expected, atol=1e-5 * float(np.ptp(expected)))
