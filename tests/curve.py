"""For tests of CURVE: keys in a folder, and raw peers that try to get in, whose failure is an event, not a timeout."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq
from zmq.utils.monitor import recv_monitor_message

from depthwire.client.cli.keys import write_key_pair
from depthwire.protocol.keys import read_key_file, read_public_key

PATIENCE_S = 60.0
"""Only what is broken ever waits that long."""

_FAILED = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL


class Keys:
    """A folder of key pairs, one of them the daemon's (`lab`), and the folder of those that are authorized."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clients = folder / "clients"
        self.clients.mkdir(parents=True)
        self.lab = self.make("lab")

    def make(self, name: str, *, authorized: bool = False) -> Path:
        key, public, _ = write_key_pair(name, self.folder)
        if authorized:
            shutil.copy(public, self.clients)
        return key

    def revoke(self, name: str) -> None:
        (self.clients / f"{name}.pub").unlink()

    @property
    def server_public(self) -> bytes:
        return read_public_key(self.folder / "lab.pub").encode()


def robot_and_stranger(folder: Path) -> Keys:
    """Keys of the daemon, of `robot`, who is authorized, and of `stranger`, who is not."""
    keys = Keys(folder)
    keys.make("robot", authorized=True)
    keys.make("stranger")
    return keys


class Peer:
    """A DEALER as somebody else's program would make it. `outcome` is what became of its first handshake."""

    def __init__(self, endpoint: str, configure: Callable[[Any], object] = lambda _: None) -> None:
        self._context: zmq.Context[Any] = zmq.Context()
        self.socket = self._context.socket(zmq.DEALER)
        self.socket.linger = 0
        configure(self.socket)
        self._monitor = self.socket.get_monitor_socket(_FAILED | zmq.EVENT_HANDSHAKE_SUCCEEDED)
        self.socket.connect(endpoint)

    def send(self, *frames: Any) -> None:
        """Hand a message to ZeroMQ, which takes none any more where the daemon has refused for good already."""
        with contextlib.suppress(zmq.Again):
            self.socket.send_multipart(frames, zmq.DONTWAIT)

    def outcome(self, meanwhile: Callable[[], object] = lambda: time.sleep(0.002)) -> bool:
        """Whether the daemon let it in, waiting for one or the other."""
        give_up_at = time.monotonic() + PATIENCE_S
        while not self._monitor.poll(0):
            assert time.monotonic() < give_up_at, "neither let in nor refused"
            meanwhile()
        return int(recv_monitor_message(self._monitor)["event"]) == int(zmq.EVENT_HANDSHAKE_SUCCEEDED)

    def close(self) -> None:
        self.socket.disable_monitor()
        self._monitor.close()
        self.socket.close()
        self._context.term()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def with_key(keys: Keys, key_file: Path) -> Callable[[Any], None]:
    """Configure a socket with this key, as a client that is let in would."""
    pair = read_key_file(key_file)

    def configure(socket: Any) -> None:
        socket.curve_serverkey = keys.server_public
        socket.curve_publickey, socket.curve_secretkey = pair.public.encode(), pair.secret.encode()

    return configure


def _plain(socket: Any) -> None:
    socket.plain_username, socket.plain_password = b"robot", b"robot"


def _other_server(keys: Keys) -> Callable[[Any], None]:
    def configure(socket: Any) -> None:
        with_key(keys, keys.folder / "robot.key")(socket)
        socket.curve_serverkey = zmq.curve_keypair()[0]

    return configure


def _borrowed_public_key(keys: Keys) -> Callable[[Any], None]:
    """Who has only seen robot's public key."""

    def configure(socket: Any) -> None:
        with_key(keys, keys.folder / "robot.key")(socket)
        socket.curve_secretkey = zmq.curve_keypair()[1]

    return configure


STRANGERS: dict[str, Callable[[Keys], Callable[[Any], None]]] = {
    "no keys": lambda keys: lambda socket: None,
    "PLAIN": lambda keys: _plain,
    "unknown key": lambda keys: with_key(keys, keys.folder / "stranger.key"),
    "the daemon's own key": lambda keys: with_key(keys, keys.lab),
    "wrong server key": _other_server,
    "another's public key": _borrowed_public_key,
}
"""Who must not get in. They need pairs `robot`, which is authorized, and `stranger`, which is not."""
