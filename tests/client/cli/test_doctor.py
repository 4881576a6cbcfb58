"""`depthwire doctor`: where all is well, and for each thing that can be wrong the step that names it."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from click.testing import CliRunner, Result

from depthwire.client.cli import __main__ as cli
from depthwire.client.cli import doctor as doctor_module
from depthwire.client.cli.doctor import grey_png
from depthwire.client.view.faults import Exit
from depthwire.daemon.images.decode import decode_image
from depthwire.protocol import BadImageError, result_header
from depthwire.protocol.distribution import installed_version
from tests.client.fake_daemon import FakeDaemon, Heard
from tests.curve import Keys

WELL = {"status": "ok", "ready": True, "version": installed_version(), "engine": "null", "device": "cpu"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_module, "LOOK_TIMEOUT_S", 2.0)


@pytest.fixture
def daemon() -> Iterator[FakeDaemon]:
    fake = FakeDaemon()
    yield fake
    fake.close()


def with_health(**fields: Any) -> Callable[[FakeDaemon, Heard], None]:
    def script(daemon: FakeDaemon, heard: Heard) -> None:
        if heard.request.op == "health":
            daemon.send(heard, result_header(heard.request.id, "health", {**WELL, **fields}))
        else:
            daemon.answer(heard)

    return script


def examine(endpoint: str, *more: str) -> Result:
    return CliRunner().invoke(cli.main, ["--endpoint", endpoint, *more, "doctor"])


def last(result: Result) -> str:
    return result.stdout.splitlines()[-1]


@contextlib.contextmanager
def listener(answer: bytes | None) -> Iterator[str]:
    """Something else that listens: it says `answer` to whoever connects and hangs up, or with None says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    held.append(connection)
                    if answer is not None:
                        connection.sendall(answer)
                        connection.shutdown(socket.SHUT_WR)

        threading.Thread(target=serve, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        for connection in held:
            connection.close()


def test_all_is_well(daemon: FakeDaemon) -> None:
    daemon.script = with_health()
    result = examine(daemon.endpoint)
    assert result.exit_code == Exit.DONE, result.output
    steps = [line.split()[:2] for line in result.stdout.splitlines()]
    assert [verdict for verdict, _ in steps] == ["ok"] * len(steps)
    assert [name for _, name in steps] == ["version", "settings", "address", "connection", "health", "round", "picture"]
    assert installed_version() in result.stdout
    assert "vits_hypersim_518" in last(result)


def test_as_json(daemon: FakeDaemon) -> None:
    daemon.script = with_health()
    result = CliRunner().invoke(cli.main, ["--endpoint", daemon.endpoint, "doctor", "--json"])
    document = json.loads(result.stdout)
    assert document["ok"] is True
    assert {step["verdict"] for step in document["steps"]} == {"ok"}


def test_another_version_and_a_degraded_daemon_are_noted(daemon: FakeDaemon) -> None:
    daemon.script = with_health(version="9.9.9", status="degraded", degraded=True, problems=["worker 1 is gone"])
    result = examine(daemon.endpoint)
    assert result.exit_code == Exit.DONE
    notes = [line for line in result.stdout.splitlines() if line.startswith("note")]
    assert len(notes) == 2
    assert "worker 1 is gone" in notes[0]
    assert "9.9.9" in notes[1]


def test_a_daemon_that_is_not_ready(daemon: FakeDaemon) -> None:
    daemon.script = with_health(ready=False, status="loading", problems=["worker 0 is starting"])
    result = examine(daemon.endpoint)
    assert result.exit_code == Exit.REFUSED
    assert last(result).startswith("FAULT  health")
    assert "worker 0 is starting" in last(result)


def test_a_picture_that_is_refused(daemon: FakeDaemon) -> None:
    def script(daemon: FakeDaemon, heard: Heard) -> None:
        if heard.request.op == "health":
            with_health()(daemon, heard)
        else:
            daemon.refuse(heard, BadImageError("no such picture"))

    daemon.script = script
    result = examine(daemon.endpoint)
    assert result.exit_code == Exit.REFUSED
    assert last(result).startswith("FAULT  picture")


def test_nobody_listens() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    result = examine(endpoint)
    assert result.exit_code == Exit.NO_DAEMON
    assert last(result).startswith(f"FAULT  connection nothing listens on {endpoint}")


def test_a_name_that_nobody_has() -> None:
    result = examine("tcp://no-such-host.invalid:5555")
    assert result.exit_code == Exit.NO_DAEMON
    assert last(result).startswith("FAULT  address")
    assert "no-such-host.invalid is no host" in last(result)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n and more than that", b"", None])
def test_something_else_listens(answer: bytes | None) -> None:
    with listener(answer) as endpoint:
        result = examine(endpoint)
    assert result.exit_code == Exit.NO_DAEMON
    assert "does not speak ZeroMQ" in last(result)
    assert ("says nothing" in last(result)) == (not answer)


def test_keys_that_are_missing_on_either_side(daemon: FakeDaemon, tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys")
    robot = keys.make("robot")
    ours = ("--server-key", str(keys.folder / "lab.pub"), "--client-key", str(robot))
    result = examine(daemon.endpoint, *ours)
    assert result.exit_code == Exit.NO_DAEMON
    assert "the daemon there has no keys" in last(result)
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        public, secret = zmq.curve_keypair()
        router.curve_server, router.curve_secretkey, router.curve_publickey = True, secret, public
        port = router.bind_to_random_port("tcp://127.0.0.1")
        result = examine(f"tcp://127.0.0.1:{port}")
    assert result.exit_code == Exit.NO_DAEMON
    assert "the daemon there has keys" in last(result)
    assert "--client-key" in last(result)


def test_settings_that_are_wrong(tmp_path: Path) -> None:
    result = examine("tcp://127.0.0.1:1", "--server-key", str(tmp_path / "no.pub"), "--client-key", "no.key")
    assert result.exit_code == Exit.USAGE
    assert last(result).startswith("FAULT  settings")
    assert "no.pub" in last(result)


def test_a_socket_that_is_not_there_or_left_behind(tmp_path: Path) -> None:
    result = examine(f"ipc://{tmp_path / 'socket'}")
    assert result.exit_code == Exit.NO_DAEMON
    assert "there is no such socket" in last(result)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "socket"))
    result = examine(f"ipc://{tmp_path / 'socket'}")
    assert "is gone" in last(result)


def test_the_picture_is_one() -> None:
    assert decode_image(memoryview(grey_png(64)), "png", 64, 64, None).shape == (64, 64, 3)
