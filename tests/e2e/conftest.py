"""A real daemon for end-to-end tests: the installed `depthwired` as a process, at a free loopback port."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from depthwire.client import DepthClient
from depthwire.client.core import ConnectionLostError

PHOTOS = Path(__file__).parents[3] / "shared" / "photos"


def free_endpoint() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{probe.getsockname()[1]}"


@dataclass
class Daemon:
    """A running `depthwired` and what a test wants to do with it."""

    endpoint: str
    arguments: list[str]
    log_path: Path
    environment: dict[str, str] = field(default_factory=dict)
    keys: dict[str, Any] = field(default_factory=dict)
    """The client's arguments for a daemon with keys."""
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self, wait: bool = True) -> None:
        command = [sys.executable, "-m", "depthwire.daemon", "--bind", self.endpoint, *self.arguments]
        with self.log_path.open("ab") as log:
            environment = {**os.environ, **self.environment}
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        with DepthClient(self.endpoint, timeout=60, **self.keys) as client:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and self.process.poll() is None:
                with contextlib.suppress(ConnectionLostError):  # a loaded machine may take long until it listens
                    if client.health()["ready"]:
                        return
                time.sleep(0.05)
        raise AssertionError(f"the daemon is not ready:\n{self.log}")

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    @property
    def worker_pid(self) -> int:
        with DepthClient(self.endpoint, timeout=10, **self.keys) as client:
            pid: int = client.health()["workers"][0]["pid"]
            return pid

    def memory(self) -> int:
        """Resident bytes of front and workers together, shared pages counted once."""
        front = psutil.Process(self.process.pid)
        family = [front, *front.children()]
        return sum(p.memory_info().rss - p.memory_info().shared for p in family) + max(
            p.memory_info().shared for p in family
        )

    def terminate(self, timeout: float = 60) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.terminate(10)
            self.kill()


DaemonFactory = Callable[..., Daemon]


@pytest.fixture
def start_daemon(tmp_path: Path) -> Iterator[DaemonFactory]:
    """Start daemons with the given arguments; all end with the test."""
    daemons: list[Daemon] = []

    def start(*arguments: str, wait: bool = True, environment: dict[str, str] | None = None) -> Daemon:
        log_path = tmp_path / f"daemon{len(daemons)}.log"
        daemon = Daemon(free_endpoint(), list(arguments), log_path, environment or {})
        daemons.append(daemon)
        daemon.start(wait)
        return daemon

    yield start
    for daemon in daemons:
        daemon.stop()


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for a whole file, with the built-in model on the CPU in float32."""
    folder = tmp_path_factory.mktemp("starter")
    empty = folder / "checkpoints"
    empty.mkdir()
    arguments = [
        "--device",
        "cpu",
        "--engine",
        "torch",
        "--precision",
        "float32",
        "--model",
        "vitt_starter",
        "--checkpoints",
        str(empty),
    ]
    daemon = Daemon(free_endpoint(), [*arguments, "--log-level", "debug"], folder / "daemon.log")
    daemon.start()
    yield daemon
    daemon.stop()


def children_gone(pid: int) -> bool:
    """Whether a process that is not ours to wait for has ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
