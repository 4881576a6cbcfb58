"""Who may talk to the daemon, where the one who decides has stopped; and under which name clients are counted."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from depthwire.client import DepthClient
from depthwire.daemon.__main__ import default_model
from depthwire.daemon.config import Config
from depthwire.daemon.front.loop import Front
from tests.curve import PATIENCE_S, STRANGERS, Keys, Peer, robot_and_stranger, with_key
from tests.e2e.conftest import Daemon, free_endpoint
from tests.e2e.test_seeing_it_run import metrics_port, scrape
from tests.pictures import jpeg
from tests.reliability.conftest import Count

WAIT_S = 2.0
"""What a handshake takes when somebody decides it is a hundredth of that."""


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return robot_and_stranger(tmp_path / "keys")


@pytest.fixture
def front(keys: Keys) -> Iterator[Front]:
    config = Config(bind=["tcp://127.0.0.1:*"], engine="null", curve_key=keys.lab, authorized_clients=keys.clients)
    front = Front(config, default_model(config))
    yield front
    front._close()


def turn_for(front: Front, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        front._turn()


@pytest.mark.parametrize("how", ["stopped", "dead"])
def test_while_the_authenticator_is_stopped_or_dead_nobody_gets_in_not_even_who_may(
    how: str, front: Front, keys: Keys, count: Count, figures: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    each = count(2, 25)
    authenticator = front.authenticator
    assert authenticator is not None
    everybody = [*STRANGERS.values(), lambda keys: with_key(keys, keys.folder / "robot.key")]
    let_in: list[object] = []
    with monkeypatch.context() as patch, contextlib.ExitStack() as peers:
        patch.setattr(front, "_on_message", let_in.append)
        patch.setattr(authenticator, "serve", lambda now: None)
        if how == "dead":
            authenticator.close()
        for configure in everybody * each:
            peer = peers.enter_context(Peer(front.endpoints[0], configure(keys)))
            peer.send(b"let me in")
        turn_for(front, WAIT_S)
        problems = front.readiness().problems
    figures |= {"attempts": each * len(everybody), "let_in": len(let_in)}
    assert let_in == []
    assert any("authenticator" in problem for problem in problems) == (how == "dead")
    with Peer(front.endpoints[0], with_key(keys, keys.folder / "robot.key")) as robot:  # once it is back
        robot.send(b"let me in")
        assert robot.outcome(front._turn)
        deadline = time.monotonic() + PATIENCE_S
        while not robot.socket.poll(0):
            front._turn()
            assert time.monotonic() < deadline


def test_each_client_is_counted_under_its_key_s_name_and_no_other(keys: Keys, tmp_path: Path) -> None:
    port = metrics_port()
    arguments = ["--engine", "null", "--curve-key", str(keys.lab), "--authorized-clients", str(keys.clients)]
    keys.make("rover", authorized=True)
    known = {"server_key": keys.folder / "lab.pub"}
    robot = {**known, "client_key": keys.folder / "robot.key"}
    daemon = Daemon(free_endpoint(), [*arguments, "--metrics", f":{port}"], tmp_path / "daemon.log", keys=robot)
    daemon.start()
    try:
        for name, requests in (("robot", 3), ("rover", 2)):
            with DepthClient(daemon.endpoint, **known, client_key=keys.folder / f"{name}.key") as client:
                for _ in range(requests):
                    client.metric_depth(jpeg(64, 48))
        counted: dict[str, float] = {}
        deadline = time.monotonic() + PATIENCE_S
        while counted != {"robot": 3, "rover": 2}:  # a page is up to a second old
            assert time.monotonic() < deadline, counted
            counted = {
                dict(labels)["client"]: value
                for (name, labels), value in scrape(port).items()
                if name == "depthwire_requests_total" and ("op", "metric_depth") in labels
            }
            time.sleep(0.1)
    finally:
        daemon.stop()
