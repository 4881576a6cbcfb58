"""Processes that a measurement starts: the daemon, and whatever it is compared with. All are gone at the end.

Each gets a session of its own, so that ending it ends its workers too, and a log file that is shown when it fails.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import click

from depthwire.client import DepthClient, DepthwireError
from depthwire.daemon.seam.launch import module_command

READY_TIMEOUT_S = 180.0
_STOP_TIMEOUT_S = 10.0
_LOG_TAIL_LINES = 15


def free_port() -> int:
    """A TCP port of this machine that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(
    module: str,
    arguments: Sequence[str],
    why_not_ready: Callable[[], str],
    environment: Mapping[str, str] | None = None,
    timeout_s: float = READY_TIMEOUT_S,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python -m module arguments`, from when `why_not_ready` has nothing to say to the end of the block.

    Raises click.ClickException with the end of its log where it ends or is not ready in time.
    """
    with tempfile.TemporaryFile(prefix="depthwire-bench-") as log:
        process = subprocess.Popen(  # noqa: S603 - modules of this package
            module_command(module, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + timeout_s
            while reason := why_not_ready():
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    tail = log.read().decode(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
                    what = (
                        "ended" if process.poll() is not None else f"was not ready within {timeout_s:.0f} s: {reason}"
                    )
                    raise click.ClickException("\n".join([f"{module} {what}; its log ends:", *tail]))
                time.sleep(0.02)
            yield process
        finally:
            _stop(process)


@contextlib.contextmanager
def daemon(
    arguments: Sequence[str] = (),
    endpoints: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """A depthwired of our own with these flags; yields its first endpoint, a free port where none is given."""
    binds = list(endpoints) or [f"tcp://127.0.0.1:{free_port()}"]
    flags = [*(flag for bind in binds for flag in ("--bind", bind)), "--log-level", "warning", *arguments]
    # One client for the whole wait: it reconnects by itself, and asks for nothing but health.
    with (
        DepthClient(binds[0], timeout=0.5, connect_timeout=READY_TIMEOUT_S, retries=0) as probe,
        running("depthwire.daemon", flags, lambda: _why_not_ready(probe), environment),
    ):
        yield binds[0]


@contextlib.contextmanager
def ipc_endpoint() -> Iterator[str]:
    """An ipc endpoint in a folder of its own, short enough for the kernel's 107 characters."""
    with tempfile.TemporaryDirectory(prefix="dwb-") as folder:
        yield f"ipc://{Path(folder) / 's'}"


def _why_not_ready(probe: DepthClient) -> str:
    try:
        health = probe.health()
    except DepthwireError as error:
        return str(error)
    return "" if health.get("ready") else f"its status is {health.get('status')}"


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process, then whatever it left in its own session."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_TIMEOUT_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
