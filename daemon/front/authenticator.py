"""Who may talk to the daemon: the allow-list of public keys, and the ZAP handler that ZeroMQ asks at each handshake.

It has no thread: the front calls `serve` every turn. A thread of its own can die while everything else goes on (pyzmq's
does, on an exception in a callback), while a front that has stopped admits nobody anyway; and no lock is needed
between the handler, the allow-list and whoever asks for a name. The price is that a handshake waits for the front's
turn, which is short because the front never blocks. Without a handler, or with one that says nothing, ZeroMQ admits
nobody: ZAP_ENFORCE_DOMAIN.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import stat
from collections.abc import Sequence
from pathlib import Path

import zmq
from zmq.utils import z85

from depthwire.daemon.config import Config, InvalidSettings
from depthwire.daemon.logs import Rarely
from depthwire.protocol.keys import (
    PUBLIC_SUFFIX,
    InvalidKeyError,
    KeyPair,
    check_name,
    read_key_file,
    read_public_key,
)

log = logging.getLogger("depthwire.authenticator")

ZAP_ENDPOINT = "inproc://zeromq.zap.01"
"""Where ZeroMQ looks for the handler (RFC 27)."""

ZAP_DOMAIN = b"depthwire"
_TURN_HANDSHAKES = 32
"""Handshakes decided before requests get their turn again."""
_REREAD_S = 0.5
_RESTART_S = 1.0


class AllowList:
    """The folder of public keys as a table, read again when it changes. What cannot be read admits nobody."""

    def __init__(self, folder: Path) -> None:
        """Raises InvalidSettings for a folder that cannot be trusted, OSError for one that cannot be read."""
        if os.stat(folder).st_mode & stat.S_IWOTH:  # noqa: PTH116
            raise InvalidSettings(f"{folder} decides who may use the daemon, and everybody may write into it")
        self.folder = folder
        self.names: dict[str, str] = {}
        """Public keys in Z85, and what their owners are called."""
        self._signature: object = None
        self._is_settled = False
        self._next_look = float("-inf")
        self._complaint = ""

    def refresh(self, now: float) -> None:
        """Read the folder again if anything in it changed; a look at most every half second, so call it always."""
        if now < self._next_look:
            return
        self._next_look = now + _REREAD_S
        try:
            files = sorted((entry for entry in os.scandir(self.folder) if _is_public_key(entry)), key=lambda e: e.name)
            status = [(entry.name, entry.stat()) for entry in files]
        except OSError as error:
            if self._signature is not error.errno:
                log.error("%s cannot be read, so nobody is let in: %s", self.folder, error)  # noqa: TRY400
            self._signature, self._is_settled, before, self.names = error.errno, True, self.names, {}
            self._tell(before)
            return
        signature = [(name, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for name, s in status]
        changed = signature != self._signature
        if changed or not self._is_settled:
            # The clock of files is coarse: a change right after the last look may not show, so it is read once more.
            self._is_settled, self._signature = not changed, signature
            before, self.names = self.names, self._read([Path(entry.path) for entry in files])
            self._tell(before)

    def _read(self, files: Sequence[Path]) -> dict[str, str]:
        names: dict[str, str] = {}
        complaints = []
        for file in files:
            try:
                name, key = check_name(file.stem), read_public_key(file)
            except (InvalidKeyError, OSError) as error:
                complaints.append(str(error))
                continue
            if key in names:
                complaints.append(f"{names[key]} and {name} have the same key; it is called {names[key]}")
            names.setdefault(key, name)
        complaint = "; ".join(complaints)
        if complaint and complaint != self._complaint:
            log.warning("in %s: %s", self.folder, complaint)
        self._complaint = complaint
        return names

    def _tell(self, before: dict[str, str]) -> None:
        gone = sorted(name for key, name in before.items() if key not in self.names)
        new = sorted(name for key, name in self.names.items() if key not in before)
        if gone or new:
            changes = [f"+{name}" for name in new] + [f"-{name}" for name in gone]
            log.info("%s authorizes %d clients: %s", self.folder, len(self.names), " ".join(changes))


class Authenticator:
    """The ZAP handler over an allow-list."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], allowed: AllowList, poller: select.epoll) -> None:
        """Ready to be asked when this returns; the front's poller wakes the front for it."""
        self.allowed = allowed
        self.refused = 0
        """Handshakes that were refused since the start."""
        self.is_busy = False
        """Whether more handshakes wait than one turn decides."""
        self._context = context
        self._poller = poller
        self._restart_at = 0.0
        self._refusals = Rarely()
        self._socket: zmq.Socket[bytes] | None = None
        self._fileno = -1
        allowed.refresh(float("-inf"))  # whatever the front's clock says
        self._start()

    @property
    def is_alive(self) -> bool:
        """Whether handshakes are decided; if not, nobody new gets in until it runs again. Any thread may ask."""
        return self._socket is not None

    def serve(self, now: float) -> None:
        """Decide the handshakes that wait; never waits, and never raises for what a peer or the disk does."""
        try:
            self.allowed.refresh(now)
            if not self.is_alive:
                if now < self._restart_at:
                    return
                self._start()
                log.info("the authenticator runs again")
            self._decide_waiting(now)
        except (zmq.ZMQError, OSError) as error:
            log.error("the authenticator failed, nobody new gets in until it is back: %s", error)  # noqa: TRY400
            self.close()
            self._restart_at = now + _RESTART_S

    def name_of(self, frame: zmq.Frame) -> str | None:
        """What the sender of a received frame is called; None if its key is not on the list any more.

        Asked for each message, it makes a revoked key useless on connections that were open before, too.
        """
        return self.allowed.names.get(str(frame.get("User-Id")))

    def close(self) -> None:
        self.is_busy = False
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._poller.unregister(self._fileno)
            self._socket.close(linger=0)
        self._socket = None

    def _start(self) -> None:
        # A ROUTER, because it holds no state between a question and its answer that an exception could leave halfway.
        socket: zmq.Socket[bytes] = self._context.socket(zmq.ROUTER)
        try:
            socket.setsockopt(zmq.LINGER, 0)
            socket.bind(ZAP_ENDPOINT)
            self._fileno = socket.fileno()
            self._poller.register(self._fileno, select.EPOLLIN)
        except BaseException:
            socket.close(linger=0)
            raise
        self._socket = socket

    def _decide_waiting(self, now: float) -> None:
        assert self._socket is not None
        for _ in range(_TURN_HANDSHAKES):
            self.is_busy = bool(int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)
            if not self.is_busy:
                return
            question = self._socket.recv_multipart(zmq.DONTWAIT)
            answer = self._answer(question, now)
            if answer is not None:
                self._socket.send_multipart(answer, zmq.DONTWAIT)

    def _answer(self, question: list[bytes], now: float) -> list[bytes] | None:
        """The reply to ZeroMQ's question as RFC 27 frames it; None where there is nothing to reply to."""
        if len(question) < 4:
            return None
        peer, delimiter, version, request_id, *rest = question
        try:
            key = self._decide(version, rest, now)
        except Exception:  # whatever it is, this one is not let in, and the next one gets a decision
            log.exception("a handshake could not be decided")
            return [peer, delimiter, version, request_id, b"500", b"internal error", b"", b""]
        if key is None:
            return [peer, delimiter, version, request_id, b"400", b"not authorized", b"", b""]
        return [peer, delimiter, version, request_id, b"200", b"OK", key.encode(), b""]

    def _decide(self, version: bytes, rest: Sequence[bytes], now: float) -> str | None:
        """The key in Z85 if it may come in. Its name is looked up when it is used: the list may change."""
        domain, address, _, mechanism, *credentials = rest
        if (version, domain, mechanism) != (b"1.0", ZAP_DOMAIN, b"CURVE") or [len(c) for c in credentials] != [32]:
            self._note_refused("a peer without a CURVE key", address, now)
            return None
        key = z85.encode(credentials[0]).decode()
        if key in self.allowed.names:
            log.debug("%s connected from %s", self.allowed.names[key], address.decode(errors="replace") or "here")
            return key
        self._note_refused(f"key {key}", address, now)
        return None

    def _note_refused(self, who: str, address: bytes, now: float) -> None:
        self.refused += 1
        if (before := self._refusals.due(now)) is not None:
            whence = address.decode(errors="replace") or "this machine"
            log.warning("%s from %s is not in %s: refused%s", who, whence, self.allowed.folder, before)


def make_authenticator(
    config: Config, context: zmq.Context[zmq.Socket[bytes]], poller: select.epoll
) -> Authenticator | None:
    """The one that the settings ask for, or None without keys. Raises InvalidSettings or OSError."""
    if config.curve_key is None and config.authorized_clients is None:
        return None
    if config.curve_key is None:
        raise InvalidSettings("--authorized-clients needs --curve-key, the daemon's own key (`depthwire keygen NAME`)")
    if config.authorized_clients is None:
        raise InvalidSettings(
            "--curve-key needs --authorized-clients, a folder with the .pub files of those who may use the daemon"
        )
    if not zmq.has("curve"):
        raise InvalidSettings("this installation of ZeroMQ has no CURVE; pyzmq's wheels do")
    return Authenticator(context, AllowList(config.authorized_clients), poller)


def demand_keys(router: zmq.Socket[bytes], key_file: Path) -> str:
    """Have a socket, before it is bound, speak CURVE and nothing else. Its public key. Raises InvalidSettings."""
    try:
        pair: KeyPair = read_key_file(key_file)
    except InvalidKeyError as error:
        raise InvalidSettings(f"--curve-key: {error}") from None
    secret = pair.secret.encode()
    public = zmq.curve_public(secret)
    router.setsockopt(zmq.CURVE_SERVER, 1)
    router.setsockopt(zmq.CURVE_SECRETKEY, secret)
    router.setsockopt(zmq.CURVE_PUBLICKEY, public)
    # Without these two, ZeroMQ lets everybody in while no handler answers.
    router.setsockopt(zmq.ZAP_DOMAIN, ZAP_DOMAIN)
    router.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    return str(public.decode())


def _is_public_key(entry: os.DirEntry[str]) -> bool:
    """Only plain files: opening a pipe would stop the front."""
    return entry.name.endswith(PUBLIC_SUFFIX) and not entry.name.startswith(".") and entry.is_file()
