"""What a robot would record, for tests: messages of rosbags' types from real camera pictures, and bags of them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_typestore

from tests.pictures import scene

KINDS = ("ros1", "sqlite3", "mcap")
FX, FY, CX, CY = 210.0, 205.0, 158.0, 121.0
PLUMB_BOB = [-0.28, 0.09, 0.001, -0.002, 0.0]


@dataclass
class Ros:
    """The message types and the serialisation of ROS 1 or 2, as rosbags has them."""

    is_ros2: bool

    def __post_init__(self) -> None:
        self.store = get_typestore(Stores.ROS2_HUMBLE if self.is_ros2 else Stores.ROS1_NOETIC)

    def type(self, name: str) -> Any:
        return self.store.types[name.replace("/", "/msg/")]

    def header(self, stamp_ns: int = 0, frame_id: str = "camera_optical") -> Any:
        stamp = self.type("builtin_interfaces/Time")(sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
        more = {} if self.is_ros2 else {"seq": 7}
        return self.type("std_msgs/Header")(stamp=stamp, frame_id=frame_id, **more)

    def compressed(self, data: bytes, stamp_ns: int, kind: str = "jpeg") -> Any:
        return self.type("sensor_msgs/CompressedImage")(self.header(stamp_ns), kind, np.frombuffer(data, np.uint8))

    def raw(self, pixels: np.ndarray, encoding: str, stamp_ns: int = 0, padding: int = 0, big: bool = False) -> Any:
        height, width = pixels.shape[:2]
        rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(height, -1)
        rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=0xAA)
        return self.type("sensor_msgs/Image")(
            self.header(stamp_ns), height, width, encoding, int(big), rows.shape[1], rows.reshape(-1)
        )

    def camera_info(
        self,
        width: int,
        height: int,
        stamp_ns: int = 0,
        *,
        model: str = "plumb_bob",
        distortion: Iterable[float] = (0.0,) * 5,
        k: Iterable[float] = (FX, 0, CX, 0, FY, CY, 0, 0, 1),
        p: Iterable[float] = (FX - 10, 0, CX + 1, 0, 0, FY - 10, CY + 2, 0, 0, 0, 1, 0),
        binning: tuple[int, int] = (0, 0),
        roi: tuple[int, int, int, int] = (0, 0, 0, 0),
    ) -> Any:
        """`roi` is x_offset, y_offset, width, height."""
        region = self.type("sensor_msgs/RegionOfInterest")(roi[0], roi[1], roi[3], roi[2], False)
        matrices = [np.array(list(values), np.float64) for values in (distortion, k, np.eye(3).ravel(), p)]
        return self.type("sensor_msgs/CameraInfo")(
            self.header(stamp_ns), height, width, model, *matrices, *binning, region
        )

    def serialized(self, message: Any) -> bytes:
        serialize = self.store.serialize_cdr if self.is_ros2 else self.store.serialize_ros1
        return bytes(serialize(message, message.__msgtype__))

    def deserialized(self, data: bytes, kind: str) -> Any:
        deserialize = self.store.deserialize_cdr if self.is_ros2 else self.store.deserialize_ros1
        return deserialize(data, kind)


ROS1, ROS2 = Ros(False), Ros(True)


PHOTOS = sorted(file for folder in Path(__file__).parents for file in (folder / "shared" / "photos").glob("*.jpg"))


def photo(number: int) -> Image.Image:
    """One of the camera's pictures beside the repository, or a made one where there are none."""
    if PHOTOS:
        return Image.open(PHOTOS[number % len(PHOTOS)]).convert("RGB")
    return Image.fromarray(scene(640, 480, number)[:, :, ::-1])


def jpeg(number: int, width: int = 320) -> bytes:
    """A crop of one of the camera's pictures, another for each number."""
    picture = photo(number)
    left = 3 * number % 40
    picture = picture.crop((left, 0, picture.width - 40 + left, picture.height))
    file = io.BytesIO()
    picture.resize((width, width * 3 // 4)).save(file, "JPEG", quality=90)
    return file.getvalue()


@dataclass
class Recording:
    """Messages in the order of time, written as a bag of any kind: (topic, time in ns, message or its bytes, type)."""

    ros: Ros
    entries: list[tuple[str, int, bytes, str]] = field(default_factory=list)

    def add(self, topic: str, time_ns: int, message: Any) -> None:
        self.entries.append((topic, time_ns, self.ros.serialized(message), message.__msgtype__))

    def add_bytes(self, topic: str, time_ns: int, data: bytes, kind: str) -> None:
        self.entries.append((topic, time_ns, data, kind))

    def write(self, path: Path, kind: str) -> Path:
        writer: Any
        if kind == "ros1":
            writer = Writer1(path)
        else:
            writer = Writer2(path, version=8, storage_plugin=StoragePlugin[kind.upper()])
        with writer:
            topics = {(topic, msgtype) for topic, _, _, msgtype in self.entries}
            connections = {
                topic: writer.add_connection(topic, msgtype, typestore=self.ros.store)
                for topic, msgtype in sorted(topics)
            }
            for topic, time_ns, data, _ in sorted(self.entries, key=lambda entry: entry[1]):
                writer.write(connections[topic], time_ns, data)
        return path
