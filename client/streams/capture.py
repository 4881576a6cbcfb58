"""Cameras, videos and network streams as OpenCV opens them, and the pace at which recordings are played.

`sources` opens them. A camera that goes away is opened again, and one that is silent is said to be. OpenCV is imported
only here.
"""

from __future__ import annotations

import queue
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from depthwire.client.streams.items import Frame
from depthwire.client.threads import SOURCE_PATIENCE_S, start_thread
from depthwire.client.view.faults import CommandError, Exit, Fault, say
from depthwire.client.web import is_url
from depthwire.protocol import DepthwireError
from depthwire.protocol.distribution import install_hint

DEFAULT_VIDEO_FPS: Final = 30.0
SILENCE_S: Final = 10.0
"""A camera that has given nothing for so long is said to be silent, and again after as long."""
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 10.0
"""Before a camera that went away is opened again; doubled each time that it does not give a frame."""
LONGEST_GAP_S: Final = 3600.0
"""Two frames further apart are not of one drive: a clock was set between them, and nobody waits for it."""


class CameraLostError(DepthwireError):
    """Client only: a camera gives no frames at the moment; its stream goes on when it does."""

    code = "CAMERA_LOST"
    retryable_by_default = True


class Capture:
    """A camera, a video file or a network stream; frames are BGR arrays (H, W, 3) uint8 of the stored pixels.

    What is live never ends by itself: where it gives no frames any more it is opened again, and where it gives none for
    SILENCE_S it is waited for. A frame with a CameraLostError tells of both. Raises CommandError where it cannot be
    opened at first, and, while iterating, OSError where it never gives a frame.
    """

    def __init__(self, label: str, target: int | str, is_live: bool) -> None:
        self.label = label
        self.is_live = is_live
        self.has_cameras = False
        self._name = _name_of(target)
        self._target = target
        self._cv2 = _opencv()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._capture = self._cv2.VideoCapture()
        if not self._open():
            raise CommandError(
                Fault(f"{label} cannot be opened as a camera or video: see that it is there", Exit.FAILED)
            )
        fps = self._capture.get(self._cv2.CAP_PROP_FPS)
        self._fps = fps if 0 < fps < 1000 else DEFAULT_VIDEO_FPS
        if (turned := self._capture.get(self._cv2.CAP_PROP_ORIENTATION_META)) in (90, 180, 270):  # -1: not known
            say(
                f"{label} says that it is to be shown turned by {turned:.0f}°: depth and intrinsics belong to the "
                f"stored pixels, as they are"
            )

    def __iter__(self) -> Iterator[Frame]:
        return self._live() if self.is_live else self._recorded()

    def at_own_pace(self) -> Iterator[Frame]:
        return paced(iter(self), self._fps)

    def close(self) -> None:
        self._closed.set()
        if self._lock.acquire(timeout=1.0):  # a read that hangs keeps it, and the process is about to end
            self._capture.release()
            self._lock.release()

    def _recorded(self) -> Iterator[Frame]:
        number = 0
        while (picture := self._read()) is not None:
            yield Frame(picture, name=f"{self._name}_{number:06d}")
            number += 1
        if number == 0:
            raise OSError(f"{self.label} gives no frames")

    def _live(self) -> Iterator[Frame]:
        mail: queue.Queue[Frame | OSError] = queue.Queue(maxsize=1)
        ended = threading.Event()
        # It reads in C++, where the interpreter's end must not meet it; a read that hangs is not waited for long.
        start_thread(partial(self._watch, mail, ended), ended.set, "depthwire camera", SOURCE_PATIENCE_S)
        try:
            while not self._closed.is_set():
                try:
                    given = mail.get(timeout=SILENCE_S)
                except queue.Empty:
                    given = self._lost(f"{self.label} has given no frame for {SILENCE_S:.3g} s")
                if isinstance(given, OSError):
                    raise given
                yield given
        finally:
            ended.set()

    def _watch(self, mail: queue.Queue[Frame | OSError], ended: threading.Event) -> None:
        """Read what is live, and open it again when it breaks off, until nobody wants it any more."""

        def put(item: Frame | OSError) -> None:
            while not (ended.is_set() or self._closed.is_set()):
                try:
                    mail.put(item, timeout=0.1)
                except queue.Full:
                    continue
                return

        number, pause_s = 0, FIRST_PAUSE_S
        while not (ended.is_set() or self._closed.is_set()):
            if (picture := self._read()) is not None:
                put(Frame(picture, taken=time.monotonic(), name=f"{self._name}_{number:06d}"))
                number, pause_s = number + 1, FIRST_PAUSE_S
            elif number == 0:
                put(OSError(f"{self.label} gives no frames"))
                return
            else:
                put(self._lost(f"{self.label} gives no frames any more; it is opened again until it does"))
                if self._closed.wait(pause_s):
                    return
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                self._open()

    def _lost(self, text: str) -> Frame:
        return Frame(b"", name=self._name, error=CameraLostError(text))

    def _open(self) -> bool:
        with self._lock:
            if self._closed.is_set():
                return False
            self._capture.release()
            if not self._capture.open(self._target):
                return False
            # Turned frames would have other rows and columns than the intrinsics of the camera that took them.
            self._capture.set(self._cv2.CAP_PROP_ORIENTATION_AUTO, 0)
            if self.is_live:
                self._capture.set(self._cv2.CAP_PROP_BUFFERSIZE, 1)  # or the driver's queue makes every frame old
            return True

    def _read(self) -> npt.NDArray[np.uint8] | None:
        with self._lock:
            is_there, picture = (False, None) if self._closed.is_set() else self._capture.read()
        return picture if is_there else None


def paced(frames: Iterator[Frame], fps: float) -> Iterator[Frame]:
    """The frames at `fps` a second."""
    return spaced(frames, lambda before, after: 1 / fps)


def spaced(frames: Iterator[Frame], gap_s: Callable[[Frame, Frame], float]) -> Iterator[Frame]:
    """The frames as many seconds apart as `gap_s` says of two that follow each other.

    One that is late is not made up for by the next coming sooner. What comes before the one in front of it, or more
    than LONGEST_GAP_S behind it, is not waited for.
    """
    due, before = time.monotonic(), None
    for frame in frames:
        if before is not None:
            gap = gap_s(before, frame)
            due = max(due + (gap if gap <= LONGEST_GAP_S else 0.0), time.monotonic())
        before = frame
        time.sleep(max(0.0, due - time.monotonic()))
        yield frame


def _name_of(target: int | str) -> str:
    """What files made of the frames begin with; nothing of a URL's user and password."""
    if isinstance(target, int):
        return f"camera{target}"
    path = urllib.parse.urlsplit(target).path if is_url(target) else target
    return Path(path).stem or "stream"


def _opencv() -> Any:
    try:
        import cv2
    except ImportError:
        text = f"cameras and videos need OpenCV: {install_hint('camera')}"
        raise CommandError(Fault(text, Exit.FAILED, {"code": "MISSING_PACKAGE"})) from None
    return cv2
