"""Which pictures the words of a command line stand for: files, folders, URLs, standard input, told apart by name.

The commands that send pictures and the sources of `depthwire stream` ask.
"""

from __future__ import annotations

import contextlib
import re
import sys
import urllib.parse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from depthwire.client.images import MAX_IMAGE_BYTES, encoded_image
from depthwire.protocol import BadImageError, TooLargeError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
OWN_OUTPUT = re.compile(r"_(depth_mm|depth_picture|relative_picture)(_\d+)?\.png")
"""What `depthwire depth` writes: not an image to send when it lies in the folder that is read."""


@dataclass(frozen=True)
class Source:
    """One image that was asked for: `label` as the user knows it, `name` what its output files begin with."""

    label: str
    name: str

    def read(self) -> bytes:
        """The encoded bytes. Raises OSError and what `encoded_image` raises."""
        if self.label != "-":
            return encoded_image(self.label if _is_url(self.label) else user_path(self.label))
        data = sys.stdin.buffer.read(MAX_IMAGE_BYTES + 1)
        if len(data) > MAX_IMAGE_BYTES:
            raise TooLargeError(f"standard input holds more than {MAX_IMAGE_BYTES} bytes", field="image")
        if not data:
            raise BadImageError("standard input is empty", field="image")
        return data


def sources_of(arguments: Sequence[str]) -> list[Source]:
    """The images that files, folders (their pictures, in order of name), URLs and `-` (standard input) stand for.

    Raises click.UsageError for a folder without pictures, an empty name and a second `-`.
    """
    labels: list[str] = []
    for argument in arguments:
        if not argument:
            raise click.UsageError("an image's name is empty")
        if argument == "-" and "-" in labels:
            raise click.UsageError("standard input can be read only once: give - a single time")
        labels += _pictures_in(argument) if _is_folder(argument) else [argument]
    return [Source(label, name) for label, name in zip(labels, _told_apart([*map(_name_of, labels)]), strict=True)]


def user_path(name: str) -> Path:
    """The path that a name on the command line means: as it is where something has that name, else with ~ as home.

    It is absolute where it would begin with ~, so that nobody takes that for a home once more.
    """
    path = Path(name)
    if not str(path).startswith("~"):
        return path
    if not path.exists() and not name.startswith("./"):
        with contextlib.suppress(RuntimeError):  # there is nobody of that name
            return path.expanduser()
    return path.absolute()


def source_word(word: str) -> str:
    """A source of frames as its openers take it: with ~ told apart as `user_path` does. Raises click.UsageError."""
    if not word:
        raise click.UsageError("the source's name is empty")
    return str(user_path(word)) if str(Path(word)).startswith("~") else word


def _is_folder(argument: str) -> bool:
    return argument != "-" and not _is_url(argument) and user_path(argument).is_dir()


def _is_url(label: str) -> bool:
    return label.lower().startswith(("http://", "https://"))


def _pictures_in(folder: str) -> list[str]:
    files: Iterable[Path] = user_path(folder).iterdir()
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
    parts = urllib.parse.urlsplit(label)
    stem = Path(urllib.parse.unquote(parts.path)).stem or parts.hostname or "image"
    return re.sub(r"[^\w.-]+", "_", stem)
