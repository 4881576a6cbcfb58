"""Fixtures of the ROS tests: a daemon with the built-in model, small bags of two cameras, and the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from depthwire.client.cli import __main__ as cli
from tests.e2e.conftest import Daemon, free_endpoint

Run = Callable[..., Result]
SMALL = ("--model-input-size", "56")
"""A network input at which the built-in model answers within milliseconds."""


@pytest.fixture(autouse=True)
def _nobody_elses_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DEPTHWIRE_ENDPOINT", raising=False)
    monkeypatch.setenv("DEPTHWIRE_PROFILES", str(tmp_path / "profiles.yaml"))


@pytest.fixture(scope="session")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon with the built-in model for all of these tests; one that kills it starts it again."""
    folder = tmp_path_factory.mktemp("starter")
    arguments = ["--device", "cpu", "--engine", "torch", "--model", "vitt_starter", "--checkpoints", str(folder)]
    daemon = Daemon(free_endpoint(), arguments, folder / "daemon.log")
    daemon.start()
    yield daemon
    daemon.stop()


@pytest.fixture
def bag(starter: Daemon) -> Run:
    """`depthwire bag` with the given arguments, at the built-in model's smallest input."""

    def run(*arguments: object) -> Result:
        words = ["--endpoint", starter.endpoint, "bag", *map(str, arguments), *SMALL]
        return CliRunner().invoke(cli.main, words)

    return run


@pytest.fixture
def no_daemon(tmp_path: Path) -> Run:
    """The same where nobody listens."""

    def run(*arguments: object) -> Result:
        words = ["--endpoint", f"ipc://{tmp_path}/nobody", "--timeout", "0.5", "bag", *map(str, arguments), *SMALL]
        return CliRunner().invoke(cli.main, words)

    return run


@pytest.fixture
def null_daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon of its own, to be killed and started again: a constant plane at the speed of light."""
    daemon = Daemon(free_endpoint(), ["--engine", "null", "--model", "vitt_starter"], tmp_path / "daemon.log")
    daemon.start()
    yield daemon
    daemon.stop()
