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

from depthwire.client.images import MAX_IMAGE_BYTES, encoded_image, user_path
from depthwire.client.streams.orientation import TURNS, orientation
from depthwire.client.view.faults import say
from depthwire.client.web import FETCH_TIMEOUT_S, is_url, without_secrets
from depthwire.protocol import BadImageError, TooLargeError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
OTHER_SUFFIXES = frozenset(
    {".avif", ".bmp", ".dng", ".gif", ".heic", ".heif", ".hif", ".jp2", ".jxl", ".pgm", ".ppm", ".tif", ".tiff"}
)
"""Pictures that cannot be sent; in a folder they are named."""
_NAMES_SHOWN = 5
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
    told: set[str] = field(default_factory=set, repr=False, compare=False)
    """What was said already; all images of one command share it."""

    def read(self) -> bytes:
        """The encoded bytes; once says that EXIF rotation is not applied. Raises OSError, and as `encoded_image`."""
        data = self._read()
        if "rotation" not in self.told and (turn := TURNS.get(orientation(data))):
            self.told.add("rotation")
            say(
                f"{self.label} is to be shown turned ({turn}), says its EXIF: depth and intrinsics belong to the "
                f"stored pixels, as they are"
            )
        return data

    def _read(self) -> bytes:
        if self.word != "-":
            return encoded_image(
                self.word if _is_url(self.word) else user_path(self.word), fetch_timeout_s=self.fetch_timeout_s
            )
        data = sys.stdin.buffer.read(MAX_IMAGE_BYTES + 1)
        if len(data) > MAX_IMAGE_BYTES:
            raise TooLargeError(f"standard input holds more than {MAX_IMAGE_BYTES} bytes", field="image")
        if not data:
            raise BadImageError("standard input is empty", field="image")
        return data


def sources_of(arguments: Sequence[str], fetch_timeout_s: float | None = None) -> list[Source]:
    """The images that files, folders (their pictures, in order of name), URLs and `-` (standard input) stand for.

    `fetch_timeout_s` is how long fetching one URL may take, where that is not to be the client's own.

    Raises click.UsageError for a folder without pictures, an empty name and a second `-`.
    """
    words: list[str] = []
    for argument in arguments:
        if not argument:
            raise click.UsageError("an image's name is empty")
        if argument == "-" and "-" in words:
            raise click.UsageError("standard input can be read only once: give - a single time")
        words += _pictures_in(argument) if _is_folder(argument) else [argument]
    names = _told_apart([*map(_name_of, words)])
    limit_s = FETCH_TIMEOUT_S if fetch_timeout_s is None else fetch_timeout_s
    told: set[str] = set()
    return [Source(without_secrets(word), name, word, limit_s, told) for word, name in zip(words, names, strict=True)]


def source_word(word: str) -> str:
    """A source of frames as its openers take it: with ~ told apart as `user_path` does. Raises click.UsageError."""
    if not word:
        raise click.UsageError("the source's name is empty")
    return str(user_path(word)) if str(Path(word)).startswith("~") else word


def _is_folder(argument: str) -> bool:
    return argument != "-" and not _is_url(argument) and user_path(argument).is_dir()


def _is_url(label: str) -> bool:
    return is_url(label)


def _pictures_in(folder: str) -> list[str]:
    """Hidden files, as systems and editors make them (`._a.jpg`), are passed over."""
    files: Iterable[Path] = user_path(folder).iterdir()
    found, others = [], []
    for file in sorted(file for file in files if not file.name.startswith(".")):
        suffix = file.suffix.lower()
        if suffix in IMAGE_SUFFIXES and not OWN_OUTPUT.search(file.name) and file.is_file():
            found.append(str(file))
        elif suffix in OTHER_SUFFIXES and file.is_file():
            others.append(file.name)
    names = ", ".join(others[:_NAMES_SHOWN]) + (", …" if len(others) > _NAMES_SHOWN else "")
    advice = f"{names} cannot be sent: make them JPEG, PNG or WebP first"
    if not found:
        raise click.UsageError(
            f"no JPEG, PNG or WebP pictures in the folder {folder}" + (f"; {advice}" if others else "")
        )
    if others:
        say(f"{folder}: {len(others)} pictures are passed over: {advice}")
    return found


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
