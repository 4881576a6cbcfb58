"""Fixtures of the client's tests: a scripted daemon, and an endpoint without one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import zmq

from tests.client.fake_daemon import FakeDaemon


@pytest.fixture
def daemon() -> Iterator[FakeDaemon]:
    daemon = FakeDaemon()
    yield daemon
    daemon.close()


@pytest.fixture
def no_daemon() -> str:
    """An endpoint at which nobody listens."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        return f"tcp://127.0.0.1:{router.bind_to_random_port('tcp://127.0.0.1')}"
