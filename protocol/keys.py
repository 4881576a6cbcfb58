"""CURVE keys as files and as text: what `depthwire keygen` writes, and the daemon and the client read.

A file holds `public-key = "…"` and, where it is a key file (`NAME.key`) and not a public one (`NAME.pub`), `secret-key
= "…"`: 40 characters of Z85 each. That is the form of ZeroMQ's own certificates, so that czmq and pyzmq read them too.
Nothing here needs ZeroMQ.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

KEY_SUFFIX: Final = ".key"
PUBLIC_SUFFIX: Final = ".pub"
KEY_CHARS: Final = 40
"""Of a key in Z85, which makes 5 characters of 4 bytes."""
MAX_FILE_BYTES: Final = 16 * 1024

_Z85: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_VALUES: Final = {character: value for value, character in enumerate(_Z85)}
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_LINE: Final = re.compile(r'\s*(public-key|secret-key)\s*=\s*"?(\S+?)"?\s*')


class InvalidKeyError(ValueError):
    """A key, a key's name or a key file is not what it must be; the text never holds a secret."""


@dataclass(frozen=True)
class KeyPair:
    """Both halves of a key in Z85."""

    public: str
    secret: str = field(repr=False)


def check_name(name: str) -> str:
    """The name if it can be a key's: it becomes a file's name, and stands in logs and metrics. Or InvalidKeyError."""
    if not _NAME.fullmatch(name):
        raise InvalidKeyError(
            f"{name!r} cannot be a key's name; it is 1 … 64 letters, digits and _ . @ -, a letter or digit first"
        )
    return name


def is_key(text: str) -> bool:
    """Whether this is a public or secret key in Z85: 40 characters, each 5 of them the number of 4 bytes."""
    if len(text) != KEY_CHARS or not all(character in _VALUES for character in text):
        return False
    return all(_number(text[start : start + 5]) < 2**32 for start in range(0, KEY_CHARS, 5))


def read_key_file(path: str | os.PathLike[str]) -> KeyPair:
    """Both halves from a NAME.key file. Raises InvalidKeyError, also where others may read the file, or OSError."""
    file = Path(path)
    with file.open("rb") as stream:
        mode = os.fstat(stream.fileno()).st_mode
        keys = _parse(file, stream.read(MAX_FILE_BYTES + 1))
    if "secret-key" not in keys:
        raise InvalidKeyError(f"{file} holds no secret key; the file wanted here is the one that ends in {KEY_SUFFIX}")
    # Group may read: how secrets are mounted into containers. Windows has no such bits.
    if os.name == "posix" and stat.S_ISREG(mode) and mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise InvalidKeyError(
            f"{file} is a secret key that others may read or change (mode {stat.S_IMODE(mode):04o}): "
            f"chmod 600 it, and make a new one if somebody could have read it"
        )
    return KeyPair(keys["public-key"], keys["secret-key"])


def read_public_key(path: str | os.PathLike[str]) -> str:
    """The public key in a NAME.pub (or NAME.key) file. Raises InvalidKeyError or OSError."""
    file = Path(path)
    with file.open("rb") as stream:
        return _parse(file, stream.read(MAX_FILE_BYTES + 1))["public-key"]


def public_key_text(pair: KeyPair, name: str) -> str:
    """What stands in NAME.pub."""
    return (
        f"# Public key of {name}, for depthwire (CURVE). Not a secret.\n"
        f'metadata\n    name = "{name}"\ncurve\n    public-key = "{pair.public}"\n'
    )


def key_file_text(pair: KeyPair, name: str) -> str:
    """What stands in NAME.key."""
    return (
        f"# Secret key of {name}, for depthwire (CURVE). Whoever can read this file is {name}.\n"
        f'metadata\n    name = "{name}"\ncurve\n    public-key = "{pair.public}"\n    secret-key = "{pair.secret}"\n'
    )


def _parse(file: Path, content: bytes) -> dict[str, str]:
    if len(content) > MAX_FILE_BYTES:
        raise InvalidKeyError(f"{file} is larger than any key file")
    keys: dict[str, str] = {}
    for line in content.decode("ascii", errors="replace").splitlines():
        if match := _LINE.fullmatch(line):
            which, key = match.groups()
            if which in keys:
                raise InvalidKeyError(f"{file} holds two {which}s")
            if not is_key(key):
                raise InvalidKeyError(f"the {which} in {file} is not {KEY_CHARS} characters of Z85")
            keys[which] = key
    if "public-key" not in keys:
        raise InvalidKeyError(f'{file} is not a key file: it has no line `public-key = "…"`')
    return keys


def _number(group: str) -> int:
    number = 0
    for character in group:
        number = 85 * number + _VALUES[character]
    return number
