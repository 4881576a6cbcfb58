"""Campaigns against a real daemon, with small counts in `make test` and large ones in `make soak`, same code.

Each test takes its counts from `count(fast, soak)` and notes what it measured with `figures`; a run with
`--figures FILE` appends them there as JSON lines, from which tests/RELIABILITY.md is written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Daemon, DaemonFactory, start_daemon

__all__ = ["start_daemon"]

INJECTION = Path(__file__).parent / "injection"

Count = Callable[[int, int], int]


def injected() -> dict[str, str]:
    """The environment in which a daemon heeds the variables of injection/sitecustomize.py."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(INJECTION), os.environ.get("PYTHONPATH"))))}


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Count:
    """`count(fast, soak)`: how often to do it in this run."""
    is_soak = request.config.getoption("--soak")
    return lambda fast, soak: soak if is_soak else fast


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Put counts and measurements in here; they are printed, and written where `--figures` says."""
    noted: dict[str, Any] = {}
    yield noted
    record = {"test": request.node.nodeid, "soak": request.config.getoption("--soak"), **noted}
    print(f"\nfigures: {json.dumps(record)}")
    if path := request.config.getoption("--figures"):
        with Path(path).open("a") as file:
            file.write(json.dumps(record) + "\n")


class Faults:
    """Orders faults of a daemon started by `faulty_daemon`; see injection/sitecustomize.py for their names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def order(self, name: str, least: int = 1) -> None:
        """The next batch of at least so many requests has this fault."""
        (self._folder / f"{name}.new").write_text(str(least))
        (self._folder / f"{name}.new").rename(self._folder / name)  # whole from the first moment

    def is_taken(self, name: str) -> bool:
        """Whether the fault has happened."""
        return not (self._folder / name).exists()

    def hit(self, name: str) -> int:
        """How many requests were in the batch that the fault hit last."""
        return int((self._folder / f"{name}.hit").read_text())


@pytest.fixture
def faults(tmp_path: Path) -> Faults:
    folder = tmp_path / "faults"
    folder.mkdir()
    return Faults(folder)


@pytest.fixture
def faulty_daemon(start_daemon: DaemonFactory, faults: Faults, tmp_path: Path) -> DaemonFactory:
    """Like `start_daemon`, with a null engine that answers by content and fails as `faults` says.

    `environment` may hold more of what injection/sitecustomize.py goes by.
    """

    def start(*arguments: str, environment: dict[str, str] | None = None, **keywords: Any) -> Daemon:
        own = {**injected(), "DEPTHWIRE_TEST_FAULTS": str(tmp_path / "faults")}
        return start_daemon("--engine", "null", *arguments, environment={**own, **(environment or {})}, **keywords)

    return start
