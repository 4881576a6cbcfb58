"""The images of an open bag: which topics have them, their messages, and the CameraInfo of each.

`bag` converts them, and `depthwire stream` reads them as its source.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from depthwire.client.ros.bag_files import deserialized, messages_in
from depthwire.client.ros.bag_topics import CameraInfos, ImageTopic, choose_topics, stamp_ns
from depthwire.client.ros.bit_depth import BitDepths
from depthwire.client.ros.camera import check_camera
from depthwire.client.ros.errors import CameraInfoError, MessageError
from depthwire.client.ros.images import image_source

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader
    from rosbags.interfaces import Connection

_LOOKED_AT = 5
"""How many messages of an image topic are looked at for a picture."""


class BagImages:
    """The image messages of the topics `named` (else of all with pictures), in the order of time.

    `info` is the CameraInfo topic of all of them, else the one beside each counts. Raises BagError as `choose_topics`.
    """

    def __init__(self, reader: AnyReader, named: Sequence[str] = (), info: str | None = None) -> None:
        self._reader = reader
        self.bits = BitDepths()
        kinds = {connection.topic: connection.msgtype for connection in reader.connections}
        topics = choose_topics(kinds, self._is_picture, named, info)
        self.topics = {topic.name: topic for topic in topics}
        self._infos = {name: self._read_infos(name) for name in {topic.info for topic in topics} if name}

    def __len__(self) -> int:
        return sum(connection.msgcount for connection in self._connections(self.topics))

    def __iter__(self) -> Iterator[tuple[Connection, int, bytes]]:
        """(connection, time in nanoseconds, serialised message). Raises BagError as `messages_in`."""
        return messages_in(self._reader, self._connections(self.topics))

    def read(self, connection: Connection, data: bytes) -> tuple[Any, Any]:
        """An image message and the CameraInfo that was valid at its stamp, or None.

        Raises MessageError where the bytes are damaged.
        """
        topic = self.topics[connection.topic]
        message = deserialized(self._reader, connection, data)
        return message, None if topic.info is None else self._infos[topic.info].at(stamp_ns(message))

    def infos_of(self, topic: ImageTopic) -> list[Any]:
        """All CameraInfos of an image topic that differ from the one before."""
        return [] if topic.info is None else list(self._infos[topic.info])

    def check_cameras(self, advice: str) -> None:
        """Raises CameraInfoError, with `advice`, where one of the cameras is uncalibrated or has lens distortion."""
        for topic in self.topics.values():
            self.check_camera(topic, advice)

    def check_camera(self, topic: ImageTopic, advice: str, rectify: bool = False) -> None:
        """The same of one topic, whose pictures will be rectified, or not."""
        for info in self.infos_of(topic):
            try:
                check_camera(info, rectified=topic.is_rectified, rectify=rectify)
            except CameraInfoError as error:
                raise CameraInfoError(f"{topic.name}: {error.message} {advice}", field=error.field) from None

    def leave_out(self, topic: str) -> None:
        """Take a topic out of those whose messages are read."""
        del self.topics[topic]

    def _connections(self, topics: Iterable[str]) -> list[Connection]:
        wanted = set(topics)
        return [connection for connection in self._reader.connections if connection.topic in wanted]

    def _is_picture(self, topic: str) -> bool:
        for count, (connection, _, data) in enumerate(messages_in(self._reader, self._connections([topic]))):
            if count == _LOOKED_AT:
                break
            try:
                image_source(deserialized(self._reader, connection, data), self.bits)
            except MessageError:
                continue
            return True
        return False

    def _read_infos(self, topic: str) -> CameraInfos:
        def readable() -> Iterator[Any]:
            for connection, _, data in messages_in(self._reader, self._connections([topic])):
                try:
                    yield deserialized(self._reader, connection, data)
                except MessageError:
                    continue  # the ones before and after it say the same

        return CameraInfos(readable())


def label_of(topic: str, time: int) -> str:
    """A message as a person finds it again: its topic and time in the bag, in seconds."""
    return f"{topic} at {time // 10**9}.{time % 10**9:09d}"
