"""Sources of frames on the command line: a camera, a video, pictures. `depthwire stream` and `view` read them.

`open_source` finds the one that a word stands for among OPENERS; another kind of source is one more class and opener.
OpenCV is imported only by cameras and videos.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Protocol

import click

from depthwire.client.cli_images import IMAGE_SUFFIXES, Source, sources_of
from depthwire.client.cli_session import CommandError, Exit, Fault
from depthwire.client.stream_items import Frame

DEFAULT_VIDEO_FPS: Final = 30.0
NETWORK_SCHEMES: Final = ("rtsp://", "rtsps://", "rtmp://", "udp://", "http://", "https://")


class FrameSource(Protocol):
    """Frames for a stream. Iterating raises OSError where the source breaks off."""

    label: str
    """What the user calls it."""
    is_live: bool
    """Whether frames come by themselves: then the newest counts, and the source never ends on purpose."""
    fps: float | None
    """How many frames a second it was recorded at, where that is known."""

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None:
        """Give the device or file back; from any thread, any number of times."""


class Pictures:
    """Files, folders of pictures, an image's URL or standard input, in order of name."""

    def __init__(self, label: str, sources: list[Source]) -> None:
        self.is_live = False
        self.fps: float | None = None
        self.label = label
        self._sources = sources

    def __iter__(self) -> Iterator[Frame]:
        for source in self._sources:
            try:
                yield Frame(source.read(), name=source.name)
            except Exception:
                if len(self._sources) == 1:
                    raise
                yield Frame(source.label, name=source.name)  # the stream reads it again, and says what is wrong with it

    def close(self) -> None:
        """Nothing is held open."""


class Capture:
    """A camera, a video file or a network stream, as OpenCV opens them; frames are BGR arrays (H, W, 3) uint8."""

    def __init__(self, label: str, target: int | str, is_live: bool) -> None:
        self.label = label
        self.is_live = is_live
        self._name = f"camera{target}" if isinstance(target, int) else (Path(target).stem or "stream")
        cv2 = _opencv()
        self._lock = threading.Lock()
        self._capture = cv2.VideoCapture(target)
        if not self._capture.isOpened():
            raise CommandError(
                Fault(f"{label} cannot be opened as a camera or video: see that it is there", Exit.FAILED)
            )
        if is_live:
            self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # or the driver's queue makes every frame old
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps: float | None = fps if 0 < fps < 1000 else None

    def __iter__(self) -> Iterator[Frame]:
        number = 0
        while True:
            with self._lock:
                is_there, picture = self._capture.read()
            if not is_there:
                break
            yield Frame(picture, name=f"{self._name}_{number:06d}")
            number += 1
        if self.is_live or number == 0:
            raise OSError(f"{self.label} gives no frames" + (" any more" if number else ""))

    def close(self) -> None:
        if self._lock.acquire(timeout=1.0):  # a read that hangs keeps it, and the process is about to end
            self._capture.release()
            self._lock.release()


Opener = Callable[[str], "FrameSource | None"]


def _camera(word: str) -> FrameSource | None:
    if word.isdecimal():
        return Capture(f"camera {word}", int(word), is_live=True)
    return Capture(word, word, is_live=True) if word.startswith("/dev/") else None


def _pictures(word: str) -> FrameSource | None:
    path = word.split("?")[0] if "://" in word else word
    if word == "-" or Path(path).suffix.lower() in IMAGE_SUFFIXES or Path(word).expanduser().is_dir():
        return Pictures(word, sources_of([word]))
    return None


def _network(word: str) -> FrameSource | None:
    return Capture(word, word, is_live=True) if word.lower().startswith(NETWORK_SCHEMES) else None


def _video(word: str) -> FrameSource | None:
    return Capture(word, word, is_live=False) if Path(word).expanduser().is_file() else None


OPENERS: Final[list[Opener]] = [_camera, _pictures, _network, _video]
"""Each knows its own words and returns None for others; the first that knows a word opens it."""


def open_source(word: str) -> FrameSource:
    """The source that a word stands for. Raises click.UsageError where it is none, CommandError where none opens."""
    for opener in OPENERS:
        if (source := opener(word)) is not None:
            return source
    raise click.UsageError(f"{word!r} is no camera number, video, folder or picture that is there")


def paced(frames: Iterator[Frame], fps: float) -> Iterator[Frame]:
    """The frames at `fps` a second: one that is late is not made up for by the next coming sooner."""
    due = time.monotonic()
    for frame in frames:
        time.sleep(max(0.0, due - time.monotonic()))
        due = max(due + 1 / fps, time.monotonic())
        yield frame


def _opencv() -> Any:
    try:
        import cv2
    except ImportError:
        text = "cameras and videos need OpenCV: install depthwire[camera], as in `pip install 'depthwire[camera]'`"
        raise CommandError(Fault(text, Exit.FAILED, {"code": "MISSING_PACKAGE"})) from None
    return cv2
