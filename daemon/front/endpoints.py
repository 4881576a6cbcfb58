"""Where the daemon may listen: which endpoints need keys, and ipc sockets that are private and never stolen.

The front binds through it. Everything that goes wrong is an OSError or InvalidSettings whose text is for the operator.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import ipaddress
import logging
import os
import re
import socket
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import zmq

from depthwire.daemon.config import InvalidSettings

log = logging.getLogger("depthwire.endpoints")

_MAX_IPC_BYTES = 107
"""What the kernel takes as a socket's path."""

_MAX_PORT = 65535
_LOCK_PATIENCE_S = 5.0
_PROBE_TIMEOUT_S = 2.0
_TCP = re.compile(r"tcp://(\[[0-9a-fA-F:.]*\]|[^:/\[\]]+):[^:/]*")


def check_endpoints(endpoints: Sequence[str], *, has_keys: bool, insecure: bool) -> None:
    """Raises InvalidSettings for what would be open to others without keys, and for other transports."""
    for endpoint in endpoints:
        if not endpoint.startswith(("tcp://", "ipc://")):
            # Others would go round the check below: tipc, for one, crosses the network.
            raise InvalidSettings(f"{endpoint} is not an endpoint; write tcp://ADDRESS:PORT or ipc://PATH")
        port = endpoint.rpartition(":")[2]
        if endpoint.startswith("tcp://") and port.isdecimal() and int(port) > _MAX_PORT:  # ZeroMQ takes its low bits
            raise InvalidSettings(f"{endpoint} is not an endpoint: ports go up to {_MAX_PORT}")
    reachable = [endpoint for endpoint in endpoints if not is_private(endpoint)]
    if reachable and not has_keys and not insecure:
        raise InvalidSettings(
            f"{', '.join(reachable)} can be reached from outside, and there are no keys: whoever connects could use "
            "this daemon, and whoever is on the way could read every picture. Either give it keys (`depthwire keygen "
            "NAME`, then --curve-key NAME.key --authorized-clients FOLDER), or say --insecure"
        )
    for endpoint in reachable:
        if not has_keys:
            log.warning("--insecure: %s has no encryption, and whoever can reach it may use this daemon", endpoint)


def is_private(endpoint: str) -> bool:
    """Whether only this machine (loopback), or this user (an ipc socket with a path), can reach an endpoint.

    In doubt it is not: a name of a network interface, also `lo`, may be anything.
    """
    if endpoint.startswith("ipc://"):
        return not endpoint.startswith("ipc://@")  # Linux's abstract names have no permissions
    match = _TCP.fullmatch(endpoint)
    if match is None:
        return False
    host = match.group(1)
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Listener:
    """Binds a ROUTER to its endpoints, and takes the ipc sockets away again."""

    def __init__(self, router: zmq.Socket[bytes]) -> None:
        self._router = router
        self._sockets: list[tuple[Path, tuple[int, int]]] = []
        self.endpoints: list[str] = []
        """Where it listens, with what was chosen where the endpoint said `*`."""

    def bind_all(self, endpoints: Sequence[str]) -> None:
        """Listen on all of them. Raises OSError, also where another process answers on an ipc path already."""
        try:
            for endpoint in endpoints:
                self._bind(endpoint)
        except OSError:
            self.unlink()
            raise

    def _bind(self, endpoint: str) -> None:
        try:
            if endpoint.startswith("ipc://") and endpoint[6:7] not in ("@", "*"):
                self._bind_ipc(Path(endpoint[6:]))
            else:
                # Counts for this bind alone: with it, `*` would mean IPv6 as well.
                self._router.setsockopt(zmq.IPV6, int("[" in endpoint))
                # The folder that ZeroMQ makes for ipc://* is private by itself, the socket in it by this.
                with _private_umask():
                    self._router.bind(endpoint.replace("tcp://localhost:", "tcp://127.0.0.1:"))
        except zmq.ZMQError as error:
            raise OSError(f"cannot listen on {endpoint}: {error}; does another daemon run there?") from None
        self.endpoints.append(self._router.getsockopt_string(zmq.LAST_ENDPOINT))

    def unlink(self) -> None:
        """Remove the ipc sockets that are still ours, while they still answer: so that nobody takes them for stale."""
        for path, identity in self._sockets:
            with contextlib.suppress(OSError):
                if _identity(path) == identity:
                    path.unlink()
        self._sockets.clear()

    def _bind_ipc(self, path: Path) -> None:
        if not path.name or len(os.fsencode(path)) > _MAX_IPC_BYTES:
            raise OSError(f"cannot listen on ipc://{path}: a socket's path has 1 … {_MAX_IPC_BYTES} bytes")
        folder = path.parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(f"cannot listen on ipc://{path}: {folder}: {error.strerror}") from None
        mode = folder.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise OSError(
                f"cannot listen on ipc://{path}: everybody may write into {folder} and put another socket in the "
                "daemon's place; use a folder of its own"
            )
        # Two daemons that start at once must not both find a dead socket, and one remove what the other just bound.
        with _locked(folder):
            _clear_the_way(path)
            with _private_umask():
                self._router.bind(f"ipc://{path}")
            path.chmod(0o600)
            self._sockets.append((path, _identity(path)))


def _clear_the_way(path: Path) -> None:
    """Remove a socket that a daemon left behind. Raises OSError if anything else is there, such as a live one."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(f"cannot listen on ipc://{path}: what is there is not a socket, and is left alone")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_TIMEOUT_S)
        try:
            probe.connect(str(path))
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.ECONNREFUSED:  # among others a full queue, which a live daemon may have
                raise OSError(f"cannot listen on ipc://{path}: another process seems to ({error})") from None
        else:
            raise OSError(f"cannot listen on ipc://{path}: another daemon answers there; stop it, or use another path")
    log.info("%s was left behind by a daemon that is gone; replaced", path)
    path.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder itself against other starting daemons: no lock file is left behind."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        give_up_at = time.monotonic() + _LOCK_PATIENCE_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up_at:
                    raise OSError(f"{folder} has been locked by another process for {_LOCK_PATIENCE_S:g} s") from None
                time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _private_umask() -> Iterator[None]:
    """Sockets are their owner's alone from the first moment. For start-up, while there is one thread."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _identity(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino
