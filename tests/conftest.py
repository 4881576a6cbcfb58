"""For all tests: a cache of this run alone, and an interrupt key that works however the run was started."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

import depthwire.daemon.engines  # noqa: F401 - which keeps `import openvino` of any test from calling home


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("depthwire")
    group.addoption("--full", action="store_true", help="also what repeats at more sizes what another test has shown")
    group.addoption("--soak", action="store_true", help="reliability campaigns at full counts (hours, not minutes)")
    group.addoption("--figures", metavar="FILE", help="append what campaigns measure to this file, as JSON lines")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked `full` are left out, not skipped, unless they are asked for: they need nothing but time."""
    if config.getoption("--full") or config.getoption("--soak"):
        return
    left_out = [item for item in items if item.get_closest_marker("full")]
    items[:] = [item for item in items if not item.get_closest_marker("full")]
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """A shell starts what runs in its background with SIGINT ignored, and nohup with SIGHUP, and every process would
    inherit that from us.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def private_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Neither use nor fill the cache of the person who runs the tests; daemons started by tests inherit this."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before
