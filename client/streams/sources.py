"""Sources of frames on the command line: a camera, a video, pictures, a bag. `depthwire stream` and `view` read them.

`open_source` finds the one that a word stands for among OPENERS; another kind of source is one more class and opener.
OpenCV is imported only by cameras and videos.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import click

from depthwire.client.images import MissingEncoderError
from depthwire.client.ros.bag_files import open_bag
from depthwire.client.ros.bag_images import BagImages
from depthwire.client.ros.bag_topics import stamp_ns
from depthwire.client.ros.camera import camera_intrinsics
from depthwire.client.ros.errors import BagError, CameraInfoError, MessageError
from depthwire.client.ros.images import image_source
from depthwire.client.streams.image_files import IMAGE_SUFFIXES, Source, sources_of
from depthwire.client.streams.items import Frame
from depthwire.client.view.faults import CommandError, Exit, Fault
from depthwire.protocol import CameraIntrinsics
from depthwire.protocol.distribution import install_hint

BAG_SUFFIXES: Final = frozenset({".bag", ".mcap", ".db3"})
DEFAULT_VIDEO_FPS: Final = 30.0
NETWORK_SCHEMES: Final = ("rtsp://", "rtsps://", "rtmp://", "udp://", "http://", "https://")


class FrameSource(Protocol):
    """Frames for a stream. Iterating raises OSError where the source breaks off."""

    label: str
    """What the user calls it."""
    is_live: bool
    """Whether frames come by themselves: then the newest counts, and the source never ends on purpose."""
    has_cameras: bool
    """Whether its frames come with the intrinsics of their cameras."""

    def __iter__(self) -> Iterator[Frame]: ...

    def at_own_pace(self) -> Iterator[Frame]:
        """The frames of a recording, as far apart as they were when it was made."""

    def close(self) -> None:
        """Give the device or file back; from any thread, any number of times."""


class Pictures:
    """Files, folders of pictures, an image's URL or standard input, in order of name."""

    def __init__(self, label: str, sources: list[Source]) -> None:
        self.is_live = self.has_cameras = False
        self.label = label
        self._sources = sources

    def __iter__(self) -> Iterator[Frame]:
        for source in self._sources:
            try:
                yield Frame(source.read(), name=source.name)
            except Exception as error:
                if len(self._sources) == 1:
                    raise
                yield Frame(b"", name=source.name, error=error)

    def at_own_pace(self) -> Iterator[Frame]:
        return paced(iter(self), DEFAULT_VIDEO_FPS)

    def close(self) -> None:
        """Nothing is held open."""


class Capture:
    """A camera, a video file or a network stream, as OpenCV opens them; frames are BGR arrays (H, W, 3) uint8."""

    def __init__(self, label: str, target: int | str, is_live: bool) -> None:
        self.label = label
        self.is_live = is_live
        self.has_cameras = False
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
        self._fps = fps if 0 < fps < 1000 else DEFAULT_VIDEO_FPS

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

    def at_own_pace(self) -> Iterator[Frame]:
        return paced(iter(self), self._fps)

    def close(self) -> None:
        if self._lock.acquire(timeout=1.0):  # a read that hangs keeps it, and the process is about to end
            self._capture.release()
            self._lock.release()


Cameras = Literal["needed", "welcome", "ignored"]


@dataclass(frozen=True)
class Choice:
    """What to take of a source that holds more than one stream of frames: a bag's topics, by name or None.

    `cameras` says what its own are for: `needed`, so that one that cannot be used is an error; `welcome`; `ignored`.
    """

    topic: str | None = None
    camera_info: str | None = None
    cameras: Cameras = "welcome"


class BagFrames:
    """The pictures of one image topic of a ROS bag, with stamp, frame_id and, where it has them, its CameraInfo.

    The meta of a frame is its `topic`, `frame_id`, `stamp` and `time` in the bag, both in nanoseconds.
    Raises BagError where the bag cannot be read or several topics have pictures, CameraInfoError.
    """

    def __init__(self, label: str, path: Path, choice: Choice) -> None:
        self.label, self.is_live = label, False
        self._lock = threading.Lock()
        with contextlib.ExitStack() as opened:
            reader = opened.enter_context(open_bag(path))
            self._images = BagImages(reader, [choice.topic] if choice.topic else [], choice.camera_info)
            names = list(self._images.topics)
            if len(names) > 1:
                raise BagError(f"{label} has several image topics: name one with --topic: {', '.join(names)}")
            self._topic = self._images.topics[names[0]]
            self.has_cameras = choice.cameras != "ignored" and bool(self._images.infos_of(self._topic))
            if choice.cameras == "needed":
                self._images.check_cameras("(`depthwire bag --rectify` does), or give --intrinsics or --fov")
            self._open = opened.pop_all()

    def __iter__(self) -> Iterator[Frame]:
        messages = iter(self._images)
        for number in itertools.count():
            with self._lock:  # a file that is closed while it is read may take the process with it
                found = next(messages, None)
                frame = None if found is None else self._frame(number, *found)
            if frame is None:
                return
            yield frame

    def at_own_pace(self) -> Iterator[Frame]:
        return spaced(iter(self), lambda before, after: 1e-9 * (_time_of(after) - _time_of(before)))

    def close(self) -> None:
        if self._lock.acquire(timeout=1.0):
            self._open.close()
            self._lock.release()

    def _frame(self, number: int, connection: Any, time_ns: int, data: bytes) -> Frame:
        name = f"{self._topic.base.strip('/').replace('/', '_')}_{number:06d}"
        meta: dict[Any, Any] = {"topic": self._topic.name, "time": time_ns}
        try:
            message, info = self._images.read(connection, data)
            meta |= {"stamp": stamp_ns(message), "frame_id": message.header.frame_id}
            return Frame(image_source(message), meta, self._camera_of(info), name=name)
        except (MessageError, MissingEncoderError) as error:
            return Frame(b"", meta, name=name, error=error)

    def _camera_of(self, info: Any) -> CameraIntrinsics | None:
        if info is None or not self.has_cameras:
            return None
        try:
            return camera_intrinsics(info, rectified=self._topic.is_rectified)
        except CameraInfoError:
            return None  # checked at the beginning where it is needed


def _time_of(frame: Frame) -> int:
    return int((frame.meta or {})["time"])


Opener = Callable[[str, Choice], "FrameSource | None"]


def _bag(word: str, choice: Choice) -> FrameSource | None:
    path = Path(word).expanduser()
    is_folder = path.is_dir() and any(next(path.glob(name), None) for name in ("metadata.yaml", "*.mcap", "*.db3"))
    is_file = path.is_file() and path.suffix in BAG_SUFFIXES
    return BagFrames(word, path, choice) if is_folder or is_file else None


def _camera(word: str, _: Choice) -> FrameSource | None:
    if word.isdecimal():
        return Capture(f"camera {word}", int(word), is_live=True)
    return Capture(word, word, is_live=True) if word.startswith("/dev/") else None


def _pictures(word: str, _: Choice) -> FrameSource | None:
    path = word.split("?")[0] if "://" in word else word
    if word == "-" or Path(path).suffix.lower() in IMAGE_SUFFIXES or Path(word).expanduser().is_dir():
        return Pictures(word, sources_of([word]))
    return None


def _network(word: str, _: Choice) -> FrameSource | None:
    return Capture(word, word, is_live=True) if word.lower().startswith(NETWORK_SCHEMES) else None


def _video(word: str, _: Choice) -> FrameSource | None:
    return Capture(word, word, is_live=False) if Path(word).expanduser().is_file() else None


OPENERS: Final[list[Opener]] = [_camera, _bag, _pictures, _network, _video]
"""Each knows its own words and returns None for others; the first that knows a word opens it."""


def open_source(word: str, choice: Choice) -> FrameSource:
    """The source that a word stands for.

    Raises click.UsageError where it is none or has no topics to choose from, CommandError or DepthwireError where it
    does not open.
    """
    for opener in OPENERS:
        if (source := opener(word, choice)) is not None:
            if (choice.topic or choice.camera_info) and not isinstance(source, BagFrames):
                raise click.UsageError(f"--topic and --camera-info are for bags, and {word} is none")
            return source
    raise click.UsageError(f"{word!r} is no camera number, video, folder, picture or bag that is there")


def paced(frames: Iterator[Frame], fps: float) -> Iterator[Frame]:
    """The frames at `fps` a second."""
    return spaced(frames, lambda before, after: 1 / fps)


def spaced(frames: Iterator[Frame], gap_s: Callable[[Frame, Frame], float]) -> Iterator[Frame]:
    """The frames as many seconds apart as `gap_s` says of two that follow each other.

    One that is late is not made up for by the next coming sooner.
    """
    due, before = time.monotonic(), None
    for frame in frames:
        if before is not None:
            due = max(due + gap_s(before, frame), time.monotonic())
        before = frame
        time.sleep(max(0.0, due - time.monotonic()))
        yield frame


def _opencv() -> Any:
    try:
        import cv2
    except ImportError:
        text = f"cameras and videos need OpenCV: {install_hint('camera')}"
        raise CommandError(Fault(text, Exit.FAILED, {"code": "MISSING_PACKAGE"})) from None
    return cv2
