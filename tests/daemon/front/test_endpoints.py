"""Where the daemon may listen without keys, and ipc sockets: private, never stolen, gone at the end."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

from depthwire.daemon.config import InvalidSettings
from depthwire.daemon.front import endpoints
from depthwire.daemon.front.endpoints import Listener, check_endpoints, is_private

PRIVATE = [
    "tcp://127.0.0.1:5555",
    "tcp://127.1.2.3:*",
    "tcp://localhost:5555",
    "tcp://[::1]:5555",
    "ipc:///run/depthwire/socket",
    "ipc://relative/socket",
    "ipc://*",
]
REACHABLE = [
    "tcp://*:5555",
    "tcp://0.0.0.0:5555",
    "tcp://[::]:5555",
    "tcp://192.168.1.7:5555",
    "tcp://[fe80::1%eth0]:5555",
    "tcp://[::ffff:127.0.0.1]:5555",
    "tcp://eth0:5555",
    "tcp://lo:5555",
    "tcp://gpu.lab:5555",
    "tcp://localhost.example:5555",
    "tcp://127.0.0.1.example:5555",
    "tcp://127.1:5555",
    "tcp://0:5555",
    "tcp://:5555",
    "tcp://127.0.0.1;0.0.0.0:5555",
    "ipc://@abstract",
]


@pytest.mark.parametrize("endpoint", PRIVATE)
def test_what_only_this_machine_or_user_can_reach_needs_no_keys(endpoint: str) -> None:
    assert is_private(endpoint)
    check_endpoints([endpoint], has_keys=False, insecure=False)


@pytest.mark.parametrize("endpoint", REACHABLE)
def test_anything_else_is_refused_with_both_ways_out(endpoint: str) -> None:
    assert not is_private(endpoint)
    with pytest.raises(InvalidSettings) as caught:
        check_endpoints(["tcp://127.0.0.1:1", endpoint], has_keys=False, insecure=False)
    text = str(caught.value)
    assert endpoint in text
    assert "--curve-key" in text
    assert "--insecure" in text
    assert "tcp://127.0.0.1:1" not in text


@pytest.mark.parametrize("endpoint", REACHABLE)
def test_with_keys_or_insecure_it_is_allowed_and_insecure_is_said_aloud(
    endpoint: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        check_endpoints([endpoint], has_keys=True, insecure=False)
        assert not caplog.records
        check_endpoints([endpoint], has_keys=False, insecure=True)
    assert "--insecure" in caplog.text
    assert endpoint in caplog.text


@pytest.mark.parametrize("endpoint", ["tipc://{1,2,3}", "inproc://a", "udp://127.0.0.1:1", "127.0.0.1:5555", ""])
def test_other_transports_are_no_way_round(endpoint: str) -> None:
    with pytest.raises(InvalidSettings, match=r"write tcp://ADDRESS:PORT or ipc://PATH"):
        check_endpoints([endpoint], has_keys=True, insecure=True)


# ipc


@pytest.fixture
def listener() -> Iterator[Callable[[], Listener]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()

    def make() -> Listener:
        router = context.socket(zmq.ROUTER)
        router.setsockopt(zmq.LINGER, 0)
        return Listener(router)

    yield make
    context.destroy(linger=0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "s"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_socket_and_new_folder_are_the_owner_s_alone_and_the_socket_goes_at_the_end(
    listener: Callable[[], Listener], path: Path
) -> None:
    before = os.umask(0)
    try:
        mine = listener()
        mine.bind_all([f"ipc://{path}"])
    finally:
        os.umask(before)
    assert mode_of(path) == 0o600
    assert mode_of(path.parent) == 0o700
    assert mine.endpoints == [f"ipc://{path}"]
    mine.unlink()
    assert not path.exists()


def test_the_socket_is_private_from_its_first_moment(
    listener: Callable[[], Listener], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "chmod", lambda *_: None)
    before = os.umask(0)
    try:
        listener().bind_all([f"ipc://{path}"])
    finally:
        os.umask(before)
    assert mode_of(path) & 0o077 == 0


def test_a_live_endpoint_is_not_taken(listener: Callable[[], Listener], path: Path) -> None:
    first = listener()
    first.bind_all([f"ipc://{path}"])
    identity = path.lstat().st_ino
    with pytest.raises(OSError, match="another daemon answers there"):
        listener().bind_all([f"ipc://{path}"])
    assert path.lstat().st_ino == identity
    first.unlink()


def test_a_socket_that_a_dead_daemon_left_is_replaced(listener: Callable[[], Listener], path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    replacing = listener()
    replacing.bind_all([f"ipc://{path}"])
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(path))


def test_what_is_no_socket_is_left_alone(listener: Callable[[], Listener], path: Path) -> None:
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(OSError, match="not a socket"):
        listener().bind_all([f"ipc://{path}"])
    assert path.read_text() == "precious"


def test_a_folder_where_everybody_can_swap_the_socket_is_refused(listener: Callable[[], Listener], path: Path) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o777)
    with pytest.raises(OSError, match="folder of its own"):
        listener().bind_all([f"ipc://{path}"])
    path.parent.chmod(0o1777)  # as /tmp is: only its owner can swap a file
    listener().bind_all([f"ipc://{path}"])


def test_two_that_start_at_once_do_not_pass_each_other(
    listener: Callable[[], Listener], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one is between its look and its bind, which is as long as it holds the folder, the other waits."""
    monkeypatch.setattr(endpoints, "_LOCK_PATIENCE_S", 0.1)
    path.parent.mkdir()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="locked by another process"):
            listener().bind_all([f"ipc://{path}"])
    finally:
        os.close(folder)
    listener().bind_all([f"ipc://{path}"])


def test_one_only_removes_its_own_socket(listener: Callable[[], Listener], path: Path) -> None:
    mine = listener()
    mine.bind_all([f"ipc://{path}"])
    path.rename(path.with_name("moved"))
    path.write_text("another's")
    mine.unlink()
    assert path.read_text() == "another's"


def test_a_path_that_the_kernel_cannot_take_is_told(listener: Callable[[], Listener], tmp_path: Path) -> None:
    with pytest.raises(OSError, match="107 bytes"):
        listener().bind_all([f"ipc://{tmp_path / ('x' * 100)}"])


def test_a_bind_that_fails_leaves_no_socket_of_the_ones_before(listener: Callable[[], Listener], path: Path) -> None:
    with pytest.raises(OSError, match="not-a-port"):
        listener().bind_all([f"ipc://{path}", "tcp://127.0.0.1:not-a-port"])
    assert not path.exists()


def test_localhost_and_ipv6_loopback_are_bound_as_written(listener: Callable[[], Listener]) -> None:
    mine = listener()
    mine.bind_all(["tcp://localhost:*"])
    assert mine.endpoints[0].startswith("tcp://127.0.0.1:")
    if Path("/proc/net/if_inet6").exists():
        mine.bind_all(["tcp://[::1]:*"])
        assert mine.endpoints[1].startswith("tcp://[::1]:")


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:70000", "tcp://[::1]:65536", "tcp://127.0.0.1:99999999999"])
def test_a_port_that_is_none_is_refused(endpoint: str) -> None:
    """ZeroMQ takes its low bits for one: 70000 listened on 4464."""
    with pytest.raises(InvalidSettings, match="ports go up to 65535"):
        check_endpoints([endpoint], has_keys=True, insecure=False)
