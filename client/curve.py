"""The client's side of CURVE: which keys a connection uses. `base` loads them, `connection` puts them on its socket."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import zmq

from depthwire.protocol import InvalidRequestError
from depthwire.protocol.keys import InvalidKeyError, is_key, read_key_file, read_public_key


@dataclass(frozen=True)
class CurveKeys:
    """The daemon's public key, by which the client knows it, and the client's own pair, by which the daemon does."""

    server_public: bytes
    public: bytes
    secret: bytes = field(repr=False)


def load_keys(server_key: str | os.PathLike[str] | None, client_key: str | os.PathLike[str] | None) -> CurveKeys | None:
    """The keys that these arguments name, or None where neither is given.

    `server_key` is the daemon's public key as text, or its .pub file; `client_key` is the client's .key file.
    Raises InvalidRequestError naming the argument.
    """
    if server_key is None and client_key is None:
        return None
    if server_key is None or client_key is None:
        given, missing = ("server_key", "client_key") if client_key is None else ("client_key", "server_key")
        raise InvalidRequestError(
            f"{given} is given without {missing}: client and daemon know each other by both", field=missing
        )
    if not zmq.has("curve"):
        raise InvalidRequestError("this installation of ZeroMQ has no CURVE; pyzmq's wheels do", field="server_key")
    try:
        server_public = _server_public_key(server_key)
    except (InvalidKeyError, OSError) as error:
        raise InvalidRequestError(f"server_key: {_text(error)}", field="server_key") from None
    try:
        secret = read_key_file(Path(client_key).expanduser()).secret.encode()
    except (InvalidKeyError, OSError) as error:
        raise InvalidRequestError(f"client_key: {_text(error)}", field="client_key") from None
    # Derived and not read: a public half that does not fit would fail without a word, in the handshake.
    return CurveKeys(server_public.encode(), zmq.curve_public(secret), secret)


def _server_public_key(server_key: str | os.PathLike[str]) -> str:
    if isinstance(server_key, str) and is_key(server_key) and not Path(server_key).is_file():
        return server_key  # asked last: Z85 has / and . too, so a path of 40 characters may look like a key
    return read_public_key(Path(server_key).expanduser())


def _text(error: Exception) -> str:
    return f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
