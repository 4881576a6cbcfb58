"""Who may talk to a real daemon: strangers of every kind beside a good client, revoked keys, binds that are refused."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from depthwire.client import DepthClient, InvalidRequestError
from depthwire.client.core import ConnectionLostError
from depthwire.protocol import frames
from tests.curve import PATIENCE_S, STRANGERS, Keys, Peer, with_key
from tests.e2e.conftest import Daemon, DaemonFactory, free_endpoint
from tests.pictures import jpeg

ATTEMPTS = int(os.environ.get("DEPTHWIRE_TEST_ATTEMPTS", "5"))
"""Of each kind of stranger, on new connections."""

STRANGERS_WIDTH, GOOD_WIDTH = 50, 64
"""The pictures' widths, by which the daemon's log tells whose request it was."""


def request(width: int) -> list[Any]:
    return list(frames.encode({"v": 1, "id": 1, "op": "metric_depth", "image": jpeg(width, 48)}))


def good_answer(client: DepthClient) -> None:
    """The null engine's plane, of this picture's size: a right answer by its content."""
    depth = client.metric_depth(jpeg(GOOD_WIDTH, 48)).depth
    assert depth.shape == (48, GOOD_WIDTH)
    assert np.ptp(depth) == 0
    assert depth[0, 0] > 0


def wait_until(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


def client_keys(keys: Keys, name: str = "robot") -> dict[str, Any]:
    return {"server_key": keys.folder / "lab.pub", "client_key": keys.folder / f"{name}.key"}


def secured(endpoint: str, keys: Keys, log_path: Path, *arguments: str) -> Daemon:
    options = ["--engine", "null", "--log-level", "debug", "--curve-key", str(keys.lab)]
    options += ["--silence-timeout-s", "60"]  # a worker that a test has stopped is not to be replaced meanwhile
    options += ["--authorized-clients", str(keys.clients), *arguments]
    return Daemon(endpoint, options, log_path, keys=client_keys(keys))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    keys = Keys(tmp_path_factory.mktemp("keys"))
    keys.make("robot", authorized=True)
    keys.make("stranger")
    return keys


@pytest.fixture(scope="module")
def daemon(keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("secured")
    daemon = secured(free_endpoint(), keys, folder / "daemon.log", "--bind", f"ipc://{folder}/run/s")
    daemon.start()
    yield daemon
    daemon.stop()


@pytest.fixture
def ipc(daemon: Daemon) -> str:
    return daemon.arguments[-1]


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
@pytest.mark.parametrize("who", STRANGERS)
def test_no_stranger_is_served_and_the_good_client_is(
    who: str, transport: str, daemon: Daemon, ipc: str, keys: Keys
) -> None:
    endpoint = daemon.endpoint if transport == "tcp" else ipc
    with DepthClient(daemon.endpoint, timeout=PATIENCE_S, **daemon.keys) as good:
        for _ in range(ATTEMPTS):
            with Peer(endpoint, STRANGERS[who](keys)) as stranger:
                stranger.send(*request(STRANGERS_WIDTH))
                assert not stranger.outcome()
                good_answer(good)
                assert not stranger.socket.poll(0)
        health = good.health()
    assert health["ready"]
    assert f" {STRANGERS_WIDTH}x48 " not in daemon.log


def test_each_request_is_logged_under_its_key_s_name(daemon: Daemon) -> None:
    with DepthClient(daemon.endpoint, timeout=PATIENCE_S, **daemon.keys) as client:
        good_answer(client)
    wait_until(lambda: re.search(rf"robot: metric_depth \d+ \S+ {GOOD_WIDTH}x48 OK", daemon.log) is not None)


def test_work_of_a_client_that_went_away_is_dropped_under_its_name(daemon: Daemon, keys: Keys) -> None:
    """Presence still sees who leaves where everything is encrypted: a stopped worker keeps the requests waiting."""
    os.kill(daemon.worker_pid, signal.SIGSTOP)
    try:
        with DepthClient(daemon.endpoint, timeout=PATIENCE_S, **daemon.keys) as good:
            with Peer(daemon.endpoint, with_key(keys, keys.folder / "robot.key")) as leaving:
                leaving.send(*request(GOOD_WIDTH))
                wait_until(lambda: sum(good.health()["queue"][n] for n in ("waiting", "in_flight")) > 0)
            wait_until(lambda: "client robot went away: 1 of its requests were dropped" in daemon.log)
    finally:
        os.kill(daemon.worker_pid, signal.SIGCONT)
    daemon.wait_ready()


def test_a_new_key_counts_and_a_revoked_one_does_not_on_open_connections_either(daemon: Daemon, keys: Keys) -> None:
    keys.make("guest")
    with DepthClient(daemon.endpoint, timeout=PATIENCE_S, **client_keys(keys, "guest")) as guest:
        early = guest.submit("metric_depth", jpeg(GOOD_WIDTH, 48))  # refused, and served once its key is there
        wait_until(lambda: "is not in" in daemon.log)
        (keys.clients / "guest.pub").write_bytes((keys.folder / "guest.pub").read_bytes())
        assert early.result(PATIENCE_S).depth.shape == (48, GOOD_WIDTH)
        keys.revoke("guest")
        wait_until(lambda: "-guest" in daemon.log)
        for call in (lambda: good_answer(guest), guest.health):
            with pytest.raises(InvalidRequestError, match="not authorized any more"):
                call()
    with Peer(daemon.endpoint, with_key(keys, keys.folder / "guest.key")) as guest_again:
        guest_again.send(*request(STRANGERS_WIDTH))
        assert not guest_again.outcome()
        with DepthClient(daemon.endpoint, timeout=PATIENCE_S, **daemon.keys) as good:
            good_answer(good)
    assert f" {STRANGERS_WIDTH}x48 " not in daemon.log


def test_an_empty_folder_admits_nobody(keys: Keys, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    daemon = secured(free_endpoint(), keys, tmp_path / "daemon.log", "--authorized-clients", str(empty))
    daemon.start(wait=False)
    try:
        wait_until(lambda: "listening on" in daemon.log)
        for configure in (*STRANGERS.values(), lambda keys: with_key(keys, keys.folder / "robot.key")):
            with Peer(daemon.endpoint, configure(keys)) as peer:
                peer.send(*request(STRANGERS_WIDTH))
                assert not peer.outcome()
        (empty / "robot.pub").write_bytes((keys.folder / "robot.pub").read_bytes())
        daemon.wait_ready()
        with DepthClient(daemon.endpoint, timeout=PATIENCE_S, **daemon.keys) as good:
            good_answer(good)
        assert f" {STRANGERS_WIDTH}x48 " not in daemon.log
    finally:
        daemon.stop()


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ((None, None), "server_key and client_key are wanted"),
        (("lab", "stranger"), "does not accept this client's key"),
        (("stranger", "robot"), "see that server_key is its public key"),
    ],
)
def test_the_client_says_what_about_its_keys_is_wrong(
    names: tuple[str | None, str | None], text: str, daemon: Daemon, keys: Keys
) -> None:
    server, client = names
    arguments = {
        "server_key": server and keys.folder / f"{server}.pub",
        "client_key": client and keys.folder / f"{client}.key",
    }
    with (
        DepthClient(daemon.endpoint, connect_timeout=0.7, **arguments) as refused,
        pytest.raises(ConnectionLostError, match=text),
    ):
        refused.health()


def test_the_command_line_takes_keys_from_flags_variables_and_profiles(
    daemon: Daemon, keys: Keys, tmp_path: Path
) -> None:
    profiles = tmp_path / "profiles.yaml"
    server, own = str(keys.folder / "lab.pub"), str(keys.folder / "robot.key")
    profiles.write_text(
        f"profiles:\n  lab: {{endpoint: '{daemon.endpoint}', server_key: {server}, client_key: {own}}}\n"
    )
    plain = {name: value for name, value in os.environ.items() if not name.startswith("DEPTHWIRE_")}
    to_daemon = ["--endpoint", daemon.endpoint]
    for arguments, variables in (
        ([*to_daemon, "--server-key", server, "--client-key", own], {}),
        (to_daemon, {"DEPTHWIRE_SERVER_KEY": server, "DEPTHWIRE_CLIENT_KEY": own}),
        (["--profile", "lab"], {"DEPTHWIRE_PROFILES": str(profiles)}),
    ):
        command = [sys.executable, "-m", "depthwire.client.cli", *arguments, "health", "--ready"]
        ended = subprocess.run(command, env=plain | variables, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 0, ended.stderr


# where it listens


def refused(*arguments: str) -> str:
    """What a daemon that must not start says."""
    command = [sys.executable, "-m", "depthwire.daemon", "--engine", "null", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "listening on" not in ended.stderr
    return ended.stderr


@pytest.mark.parametrize("endpoint", ["tcp://0.0.0.0:45671", "tcp://*:45671"])
def test_a_daemon_open_to_the_network_without_keys_does_not_start(endpoint: str) -> None:
    text = refused("--bind", "tcp://127.0.0.1:*", "--bind", endpoint)
    assert endpoint in text
    assert "--curve-key" in text
    assert "--insecure" in text


def test_insecure_is_said_aloud(start_daemon: DaemonFactory) -> None:
    """An abstract ipc name stands for all that others can reach: no test listens on a network."""
    daemon = start_daemon("--engine", "null", "--insecure", "--bind", f"ipc://@depthwire-test-{os.getpid()}")
    assert re.search(r"WARNING .*--insecure: ipc://@depthwire-test", daemon.log)


def test_keys_that_others_can_read_or_without_an_allow_list_are_refused(keys: Keys, tmp_path: Path) -> None:
    assert "--authorized-clients" in refused("--curve-key", str(keys.lab))
    open_key = tmp_path / "open.key"
    open_key.write_bytes(keys.lab.read_bytes())
    open_key.chmod(0o644)
    assert "chmod 600" in refused("--curve-key", str(open_key), "--authorized-clients", str(keys.clients))


def test_a_second_daemon_does_not_take_a_live_ipc_endpoint(start_daemon: DaemonFactory, tmp_path: Path) -> None:
    path = tmp_path / "run" / "s"
    first = start_daemon("--engine", "null", "--bind", f"ipc://{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with DepthClient(f"ipc://{path}", timeout=PATIENCE_S, retries=0) as client:
        good_answer(client)
        assert "another daemon answers there" in refused("--bind", f"ipc://{path}")
        good_answer(client)
    with DepthClient(f"ipc://{path}", timeout=PATIENCE_S) as newcomer:
        good_answer(newcomer)
    assert first.terminate() == 0
    assert not path.exists()


def test_what_a_killed_daemon_left_is_replaced(start_daemon: DaemonFactory, tmp_path: Path) -> None:
    path = tmp_path / "run" / "s"
    daemon = start_daemon("--engine", "null", "--bind", f"ipc://{path}")
    with DepthClient(f"ipc://{path}", timeout=PATIENCE_S, retries=20) as client:
        good_answer(client)
        daemon.kill()
        assert path.exists()
        daemon.start()
        good_answer(client)
    assert "left behind" in daemon.log


def test_ipv6_loopback_works_from_end_to_end(start_daemon: DaemonFactory) -> None:
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("no IPv6 here")
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.ipv6 = True
        port = router.bind_to_random_port("tcp://[::1]")
    start_daemon("--engine", "null", "--bind", f"tcp://[::1]:{port}")
    with DepthClient(f"tcp://[::1]:{port}", timeout=PATIENCE_S) as client:
        good_answer(client)
