"""Who may talk to the daemon: the allow-list of public keys, and the ZAP handler that ZeroMQ asks at each handshake.

It has no thread: the front calls `serve` every turn. A thread of its own can die while everything else goes on (pyzmq's
does, on an exception in a callback), while a front that has stopped admits nobody anyway; and no lock is needed
between the handler, the allow-list and whoever asks for a name. The price is that a handshake waits for the front's
turn, which is short because the front never blocks. Without a handler, or with one that says nothing, ZeroMQ admits
nobody: ZAP_ENFORCE_DOMAIN.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import select
import stat
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
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
_TURN_LOOKS = 256
_TURN_READS = 32
"""Files of the folder that are looked at, and that are read, before requests get their turn again."""
_KEEP_S = 60.0
"""How long a key that cannot be looked at still counts, where the fault may be the machine's and pass."""
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOMEM})
_TOLD_AT_ONCE = 10
"""Names in one line of the log."""


@dataclass
class _Entry:
    """One file of the folder, as it was when it was last read."""

    signature: tuple[int, ...]
    key: str | None
    complaint: str = ""
    is_settled: bool = False
    """Whether it was read again after it had changed."""
    doubtful_since: float | None = None
    """Since when it cannot be looked at, by a fault that may pass."""


class AllowList:
    """The folder of public keys as a table, which follows every change. What is no key admits nobody.

    Each file is judged by itself: what one of them is, or is not, says nothing of the others. Only those that changed
    are read, and few in one call.
    """

    def __init__(self, folder: Path) -> None:
        """Raises InvalidSettings for a folder that cannot be trusted, OSError for one that cannot be read."""
        if os.stat(folder).st_mode & stat.S_IWOTH:  # noqa: PTH116
            raise InvalidSettings(f"{folder} decides who may use the daemon, and everybody may write into it")
        self.folder = folder
        self.names: dict[str, str] = {}
        """Public keys in Z85, and what their owners are called."""
        self._entries: dict[str, _Entry] = {}
        self._unseen: deque[str] = deque()
        """The files that the look under way has not come to."""
        self._has_changed = False
        """Whether the table is to be made anew."""
        self._next_look = float("-inf")
        self._failure: int | None = None
        """Why the folder could not be listed at the last look, as errno has it."""
        self._told: frozenset[str] = frozenset()

    @property
    def problem(self) -> str | None:
        """Why the folder cannot be listed, for an operator; None if it can. Any thread may ask."""
        failure = self._failure
        return None if failure is None else f"the folder of authorized clients cannot be read: {os.strerror(failure)}"

    @property
    def is_busy(self) -> bool:
        """Whether a look at the folder is under way: `refresh` is to be called again soon."""
        return bool(self._unseen)

    def refresh(self, now: float) -> None:
        """Look at the folder, and go on with that; a look begins at most every half second, so call it always."""
        if not self._unseen:
            if now < self._next_look:
                return
            self._next_look = now + _REREAD_S
            self._begin()
        reads = 0
        for _ in range(min(_TURN_LOOKS, len(self._unseen))):
            if reads >= _TURN_READS:
                break
            reads += self._look_at(self._unseen.popleft(), now)
        if self._has_changed and not self._unseen:
            self._publish()

    def _begin(self) -> None:
        """List the folder; what it does not hold any more counts no more from here on."""
        try:
            found = [name for name in os.listdir(self.folder) if _may_be_key(name)]  # noqa: PTH208 - names are all
        except OSError as error:
            if self._failure != error.errno:
                what = "its keys are looked at one by one" if error.errno in _PASSING else "nobody is let in"
                log.error("%s cannot be read, so %s: %s", self.folder, what, error)  # noqa: TRY400
            self._failure = error.errno
            # With no descriptor left, the files that are known can still be looked at.
            found = list(self._entries) if error.errno in _PASSING else []
        else:
            self._failure = None
        for name in self._entries.keys() - set(found):
            self._set(name, None)
        if self._has_changed:
            self._publish()
        self._unseen.extend(sorted(found))

    def _look_at(self, name: str, now: float) -> bool:
        """Judge one file; whether it had to be read."""
        path, known, is_same = f"{self.folder}/{name}", self._entries.get(name), False
        try:
            status = os.stat(path)  # noqa: PTH116
            if not stat.S_ISREG(status.st_mode):  # opening a pipe would stop the front
                self._set(name, None)
                return False
            signature = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            is_same = known is not None and known.signature == signature
            if known is not None and is_same:
                known.doubtful_since = None
                if known.is_settled:
                    return False
            check_name(name.removesuffix(PUBLIC_SUFFIX))
            # The clock of files is coarse: a change right after a look may not show, so it is read once more.
            self._set(name, _Entry(signature, read_public_key(path), is_settled=is_same))
        except FileNotFoundError:  # it went between the two looks, or is a link to nowhere
            self._set(name, None)
            return False
        except InvalidKeyError as error:
            self._set(name, _Entry(signature, None, str(error), is_settled=is_same))
        except OSError as error:
            if known is not None and error.errno in _PASSING:
                if is_same:  # what it held is what it holds
                    return True
                known.doubtful_since = now if known.doubtful_since is None else known.doubtful_since
                if now - known.doubtful_since < _KEEP_S:
                    return True
            self._set(name, _Entry((), None, str(error)))
        return True

    def _set(self, name: str, entry: _Entry | None) -> None:
        known = self._entries.get(name)
        if entry is None:
            self._has_changed |= self._entries.pop(name, None) is not None
            return
        self._has_changed |= known is None or (known.key, known.complaint) != (entry.key, entry.complaint)
        self._entries[name] = entry

    def _publish(self) -> None:
        """Make the table that handshakes and requests are judged by, and tell what changed in it."""
        self._has_changed = False
        names: dict[str, str] = {}
        complaints = []
        for file, entry in sorted(self._entries.items()):
            if entry.complaint:
                complaints.append(entry.complaint)
            if entry.key is None:
                continue
            name = file.removesuffix(PUBLIC_SUFFIX)
            if names.setdefault(entry.key, name) != name:
                complaints.append(f"{names[entry.key]} and {name} have the same key; it is called {names[entry.key]}")
        before, self.names = self.names, names
        if fresh := [complaint for complaint in complaints if complaint not in self._told]:
            log.warning("in %s: %s", self.folder, _shortened(fresh, "; "))
        self._told = frozenset(complaints)
        gone = [f"-{name}" for name in sorted(name for key, name in before.items() if key not in names)]
        new = [f"+{name}" for name in sorted(name for key, name in names.items() if key not in before)]
        if gone or new:
            log.info("%s authorizes %d clients: %s", self.folder, len(names), _shortened([*new, *gone], " "))


class Authenticator:
    """The ZAP handler over an allow-list."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], allowed: AllowList, poller: select.epoll) -> None:
        """Ready to be asked when this returns; the front's poller wakes the front for it."""
        self.allowed = allowed
        self.refused = 0
        """Handshakes that were refused since the start."""
        self._has_waiting = False
        self._context = context
        self._poller = poller
        self._restart_at = 0.0
        self._refusals = Rarely()
        self._socket: zmq.Socket[bytes] | None = None
        self._fileno = -1
        allowed.refresh(float("-inf"))  # whatever the front's clock says
        while allowed.is_busy:
            allowed.refresh(float("-inf"))
        self._start()

    @property
    def is_alive(self) -> bool:
        """Whether handshakes are decided; if not, nobody new gets in until it runs again. Any thread may ask."""
        return self._socket is not None

    @property
    def is_busy(self) -> bool:
        """Whether more handshakes wait than one turn decides, or more files than one turn looks at."""
        return self._has_waiting or self.allowed.is_busy

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
        self._has_waiting = False
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
            self._has_waiting = bool(int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)
            if not self._has_waiting:
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


def _may_be_key(name: str) -> bool:
    return name.endswith(PUBLIC_SUFFIX) and not name.startswith(".")


def _shortened(texts: Sequence[str], between: str) -> str:
    left_out = len(texts) - _TOLD_AT_ONCE
    return between.join([*texts[:_TOLD_AT_ONCE], *([f"and {left_out} more"] if left_out > 0 else [])])
