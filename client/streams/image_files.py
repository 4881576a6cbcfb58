"""Which pictures the words of a command line stand for: files, folders, URLs, standard input, told apart by name.

The commands that send pictures and the sources of `depthwire stream` ask.
"""

from __future__ import annotations

import re
import sys
import urllib.parse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from depthwire.client.images import MAX_IMAGE_BYTES, encoded_image
from depthwire.client.web import FETCH_TIMEOUT_S, is_url, without_secrets
from depthwire.protocol import BadImageError, TooLargeError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
OWN_OUTPUT = re.compile(r"_(depth_mm|depth_picture|relative_picture)(_\d+)?\.png")
"""What `depthwire depth` writes: not an image to send when it lies in the folder that is read."""


@dataclass(frozen=True)
class Source:
    """One image that was asked for: `label` as it may be shown, `name` what its output files begin with.

    `word` is the path, the URL with its password, or `-`; `fetch_timeout_s` how long a URL may take.
    """

    label: str
    name: str
    word: str = field(repr=False)
    fetch_timeout_s: float = FETCH_TIMEOUT_S

    def read(self) -> bytes:
        """The encoded bytes. Raises OSError and what `encoded_image` raises."""
        if self.word != "-":
            return encoded_image(self.word, fetch_timeout_s=self.fetch_timeout_s)
        data = sys.stdin.buffer.read(MAX_IMAGE_BYTES + 1)
        if len(data) > MAX_IMAGE_BYTES:
            raise TooLargeError(f"standard input holds more than {MAX_IMAGE_BYTES} bytes", field="image")
        if not data:
            raise BadImageError("standard input is empty", field="image")
        return data


def sources_of(arguments: Sequence[str], fetch_timeout_s: float | None = None) -> list[Source]:
    """The images that files, folders (their pictures, in order of name), URLs and `-` (standard input) stand for.

    `fetch_timeout_s` is how long fetching one URL may take, where that is not to be the client's own.

    Raises click.UsageError for a folder without pictures and a second `-`.
    """
    words: list[str] = []
    for argument in arguments:
        if argument == "-" and "-" in words:
            raise click.UsageError("standard input can be read only once: give - a single time")
        words += _pictures_in(argument) if _is_folder(argument) else [argument]
    names = _told_apart([*map(_name_of, words)])
    limit_s = FETCH_TIMEOUT_S if fetch_timeout_s is None else fetch_timeout_s
    return [Source(without_secrets(word), name, word, limit_s) for word, name in zip(words, names, strict=True)]


def _is_folder(argument: str) -> bool:
    return argument != "-" and not _is_url(argument) and Path(argument).expanduser().is_dir()


def _is_url(label: str) -> bool:
    return is_url(label)


def _pictures_in(folder: str) -> list[str]:
    files: Iterable[Path] = Path(folder).expanduser().iterdir()
    found = sorted(
        file
        for file in files
        if file.suffix.lower() in IMAGE_SUFFIXES and not OWN_OUTPUT.search(file.name) and file.is_file()
    )
    if not found:
        raise click.UsageError(f"no JPEG, PNG or WebP pictures in the folder {folder}")
    return [str(file) for file in found]


def _told_apart(names: Sequence[str]) -> Iterator[str]:
    """The names, with _2, _3, … behind those that were there before; never one that another image has by itself."""
    own = set(names)
    numbers: dict[str, int] = {}
    for name in names:
        number = numbers.get(name, 0) + 1
        while number > 1 and f"{name}_{number}" in own:
            number += 1
        numbers[name] = number  # where the next one goes on, so that thousands of one name take no longer
        yield name if number == 1 else f"{name}_{number}"


def _name_of(label: str) -> str:
    if label == "-":
        return "stdin"
    if not _is_url(label):
        return Path(label).stem
    try:
        parts = urllib.parse.urlsplit(label)
    except ValueError:  # fetching it will say what is wrong
        return "image"
    stem = Path(urllib.parse.unquote(parts.path)).stem or parts.hostname or "image"
    return re.sub(r"[^\w.-]+", "_", stem)
