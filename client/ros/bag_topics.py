"""Which topics of a bag are pictures, what their outputs are called, and which CameraInfo belongs to an image.

Called by `bag`; needs no rosbags.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from depthwire.client.ros.camera import calibration
from depthwire.client.ros.conversion import is_rectified_topic
from depthwire.client.ros.errors import BagError

RAW, COMPRESSED, CAMERA_INFO = (f"sensor_msgs/msg/{name}" for name in ("Image", "CompressedImage", "CameraInfo"))
_OWN = "depthwire"


@dataclass(frozen=True)
class ImageTopic:
    """An image topic to convert, and the topic of its CameraInfo where there is one."""

    name: str
    info: str | None

    @property
    def base(self) -> str:
        """The name without the transport: `/camera/image_raw` of `/camera/image_raw/compressed`."""
        return _base(self.name)

    @property
    def is_rectified(self) -> bool:
        return is_rectified_topic(self.name)

    def output(self, name: str) -> str:
        """The topic of an output: `/camera/image_raw/depthwire/depth`."""
        return f"{self.base}/{_OWN}/{name}"


def choose_topics(
    types: Mapping[str, str], is_picture: Callable[[str], bool], named: Sequence[str], info: str | None
) -> list[ImageTopic]:
    """The image topics to convert, in order of name.

    `types` are the bag's topics and their types, `is_picture` looks into a topic for pictures (not depth or video),
    `named` are those that the user wants (else all with pictures, of two with one base the compressed one), `info` the
    CameraInfo topic for all of them (else `camera_info` beside the image or its base).
    Raises BagError for a named topic that is no picture, two of one base, and where there is none at all.
    """
    for topic in named:
        if types.get(topic) not in (RAW, COMPRESSED):
            raise BagError(f"{topic} is no image topic of the bag; {_those_there_are(types)}", field="topic")
        if not is_picture(topic):
            raise BagError(f"{topic} holds no pictures that can be sent (depth, video, or all damaged)", field="topic")
    if info is not None and types.get(info) != CAMERA_INFO:
        raise BagError(f"{info} is no CameraInfo topic of the bag", field="camera_info")
    found = {_base(topic): topic for topic in named}
    if len(found) < len(set(named)):
        raise BagError("raw and compressed form of one image have the same outputs: name one of them", field="topic")
    if not named:
        candidates = [topic for topic in types if f"/{_OWN}/" not in topic]
        for wanted in (RAW, COMPRESSED):  # a compressed topic takes the place of the raw one: it is sent as it is
            found |= {_base(topic): topic for topic in candidates if types[topic] == wanted and is_picture(topic)}
    if not found:
        raise BagError(f"the bag has no topic with pictures; {_those_there_are(types)}", field="topic")
    return [ImageTopic(topic, info or _info_beside(topic, types)) for _, topic in sorted(found.items())]


class CameraInfos:
    """The CameraInfos of one topic over time; of equal ones in a row only the first is kept."""

    def __init__(self, messages: Iterable[Any]) -> None:
        self._stamps: list[int] = []
        self._infos: list[Any] = []
        last = None
        for stamp, info in sorted(((stamp_ns(info), info) for info in messages), key=lambda pair: pair[0]):
            if (found := calibration(info)) != last:
                self._stamps.append(stamp)
                self._infos.append(info)
                last = found

    def __iter__(self) -> Iterator[Any]:
        return iter(self._infos)

    def at(self, stamp: int) -> Any:
        """The one valid at an image's stamp (nanoseconds): the last before or at it, else the first; None if empty."""
        if not self._infos:
            return None
        return self._infos[max(0, bisect.bisect_right(self._stamps, stamp) - 1)]


def stamp_ns(message: Any) -> int:
    """The header's stamp of a message of rosbags, in nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)


def _base(topic: str) -> str:
    return topic.removesuffix("/compressed")


def _info_beside(topic: str, types: Mapping[str, str]) -> str | None:
    """Beside the topic, else beside its base, as image_transport has it; else below it."""
    base = _base(topic)
    places = (topic.rpartition("/")[0], base.rpartition("/")[0], base)
    beside = (f"{place}/camera_info" for place in places)
    return next((name for name in beside if types.get(name) == CAMERA_INFO), None)


def _those_there_are(types: Mapping[str, str]) -> str:
    images = sorted(topic for topic, kind in types.items() if kind in (RAW, COMPRESSED))
    return f"image topics are {', '.join(images)}" if images else "there are no image topics"
