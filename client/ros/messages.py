"""Depth maps, point clouds and intrinsics as sensor_msgs messages, for rospy, rclpy and rosbags with one code.

The bag converter and both nodes build everything they publish here; so may any node of yours.
"""

from __future__ import annotations

import array
import dataclasses
import importlib
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from depthwire.client.view.pictures import depth_millimetres
from depthwire.protocol import CameraIntrinsics

DepthEncoding: TypeAlias = Literal["32FC1", "16UC1"]
DEPTH_ENCODINGS: tuple[DepthEncoding, ...] = ("32FC1", "16UC1")

FLOAT32 = 7
"""The datatype of a PointField of 4-byte floats, the same in every ROS."""


class MessageBuilder:
    """Makes messages of one ROS: rospy's, rclpy's or those of rosbags' typestores.

    `source` is the module `sensor_msgs.msg` of rospy or rclpy (imported where it is not given), or a rosbags typestore.
    `header` of every message built is the object that is given, normally the image's own: nothing in it is changed.
    Raises ImportError without `source` where there is no ROS.
    """

    def __init__(self, source: Any = None) -> None:
        source = importlib.import_module("sensor_msgs.msg") if source is None else source
        self._image = message_type(source, "sensor_msgs", "Image")
        self._point_cloud = message_type(source, "sensor_msgs", "PointCloud2")
        self._point_field = message_type(source, "sensor_msgs", "PointField")
        self._camera_info = message_type(source, "sensor_msgs", "CameraInfo")
        self._region = message_type(source, "sensor_msgs", "RegionOfInterest")
        self._containers = _containers(self._image)

    def depth_image(self, depth: npt.NDArray[Any], header: Any, encoding: DepthEncoding = "32FC1") -> Any:
        """A depth map as sensor_msgs/Image (REP 118).

        depth: (H, W) floats, metres, or uint16 millimetres with 0 for no depth. `32FC1` holds metres, what is invalid
        as NaN, and infinities as they are (REP 117); `16UC1` holds millimetres, with 0 for all that is not finite, not
        positive or beyond 65.535 m. Float32 metres are not copied for rosbags, and once for the others.
        Raises ValueError for another shape, dtype or encoding.
        """
        if depth.ndim != 2 or not (depth.dtype.kind == "f" or depth.dtype == np.uint16):
            raise ValueError(f"depth must be floats or uint16 of shape (H, W), not {depth.dtype} of {depth.shape}")
        if encoding == "16UC1":
            pixels = (depth if depth.dtype == np.uint16 else depth_millimetres(depth)).astype("<u2", copy=False)
        elif encoding == "32FC1":
            pixels = _metres(depth).astype("<f4", copy=False)
        else:
            raise ValueError(f"encoding is {encoding}; depth images are {' or '.join(DEPTH_ENCODINGS)}")
        height, width = depth.shape
        return self._image(
            header=header,
            height=height,
            width=width,
            encoding=encoding,
            is_bigendian=0,
            step=width * pixels.itemsize,
            data=self._containers.to_bytes(pixels),
        )

    def point_cloud(self, points: npt.NDArray[Any], header: Any, colors: npt.NDArray[np.uint8] | None = None) -> Any:
        """Points as sensor_msgs/PointCloud2: organized where they are H×W×3, else one row.

        points: (H, W, 3) or (N, 3) floats, metres, NaN where invalid. colors: uint8 red, green, blue, as many as there
        are points, or None. The fields are x, y, z as float32 and, with colours, `rgb`: a float32 whose bits are
        0x00RRGGBB, as RViz and PCL read it. Points without colours are not copied for rosbags, once for the others.
        Raises ValueError for other shapes or dtypes.
        """
        if points.ndim not in (2, 3) or points.shape[-1] != 3 or points.dtype.kind != "f":
            raise ValueError(f"points must be floats, (H, W, 3) or (N, 3), not {points.dtype} of {points.shape}")
        if colors is not None and (colors.dtype != np.uint8 or colors.size != points.size or colors.shape[-1] != 3):
            raise ValueError(f"colors must be uint8, three for each point of {points.shape}, not {colors.shape}")
        height, width = points.shape[:2] if points.ndim == 3 else (1, len(points))
        rows = points.astype("<f4", copy=False) if colors is None else _with_packed_colour(points, colors)
        names = ("x", "y", "z") if colors is None else ("x", "y", "z", "rgb")
        fields = [
            self._point_field(name=name, offset=4 * index, datatype=FLOAT32, count=1)
            for index, name in enumerate(names)
        ]
        point_step = 4 * len(names)
        return self._point_cloud(
            header=header,
            height=height,
            width=width,
            fields=fields,
            is_bigendian=False,
            point_step=point_step,
            row_step=point_step * width,
            data=self._containers.to_bytes(rows),
            is_dense=bool(np.isfinite(points).all()),
        )

    def camera_info(self, intrinsics: CameraIntrinsics, header: Any, stride: int = 1) -> Any:
        """The sensor_msgs/CameraInfo of a depth map: K and P from the intrinsics, no distortion, no rotation.

        The intrinsics need width and height, those of the picture. `stride` is for a map of every stride-th pixel in
        both directions, beginning with the first: its size is rounded up, and pixel u there is pixel u·stride here, so
        that fx, fy, cx and cy are divided by it. Raises ValueError without a size and for a stride below 1.
        """
        if intrinsics.width is None or intrinsics.height is None or stride < 1:
            raise ValueError("a CameraInfo needs intrinsics with width and height, and a stride of at least 1")
        fx, fy, cx, cy = (value / stride for value in (intrinsics.fx, intrinsics.fy, intrinsics.cx, intrinsics.cy))
        to_array, to_sequence = self._containers.to_array, self._containers.to_sequence
        fields = {name: to_array(values) for name, values in _matrices(fx, fy, cx, cy).items()}
        fields["D"] = to_sequence([0.0] * 5)
        lower = hasattr(self._camera_info, "k") or "k" in getattr(self._camera_info, "__dataclass_fields__", {})
        return self._camera_info(
            header=header,
            height=-(-intrinsics.height // stride),
            width=-(-intrinsics.width // stride),
            distortion_model="plumb_bob",
            binning_x=0,
            binning_y=0,
            roi=self._region(x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
            **{name.lower() if lower else name: value for name, value in fields.items()},  # ROS 2 renamed K to k
        )


def message_type(source: Any, package: str, name: str) -> Any:
    """The class `package/name` in a `package.msg` module of rospy or rclpy, or in a rosbags typestore."""
    types = getattr(source, "types", None)
    return getattr(source, name) if types is None else types[f"{package}/msg/{name}"]


def finite_points(
    points: npt.NDArray[Any], colors: npt.NDArray[np.uint8] | None = None
) -> tuple[npt.NDArray[Any], npt.NDArray[np.uint8] | None]:
    """The points (N×3) that are finite, and their colours: what a cloud that is not organized needs to hold."""
    points = points.reshape(-1, 3)
    finite = np.isfinite(points).all(axis=1)
    return points[finite], None if colors is None else colors.reshape(-1, 3)[finite]


@dataclasses.dataclass(frozen=True)
class _Containers:
    """What the classes of one ROS want as uint8[], float64[] and float64[N], made with as few copies as they allow."""

    to_bytes: Callable[[npt.NDArray[Any]], Any]
    to_sequence: Callable[[Sequence[float]], Any]
    to_array: Callable[[Sequence[float]], Any]


def _containers(message_class: Any) -> _Containers:
    if dataclasses.is_dataclass(message_class):  # rosbags: an array, over the same memory
        return _Containers(_flat_bytes, np.array, np.array)
    if hasattr(message_class, "get_fields_and_field_types"):  # rclpy: looks at every item of all but these
        return _Containers(_byte_array, lambda values: array.array("d", values), np.array)
    return _Containers(np.ndarray.tobytes, list, list)  # rospy: struct.pack wants bytes


def _flat_bytes(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8)


def _byte_array(values: npt.NDArray[Any]) -> array.array[int]:
    copied = array.array("B")
    copied.frombytes(_flat_bytes(values).data)
    return copied


def _metres(depth: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if depth.dtype.kind == "f":
        return depth
    metres: npt.NDArray[Any] = depth.astype(np.float32) / np.float32(1000)
    metres[depth == 0] = np.nan
    return metres


def _with_packed_colour(points: npt.NDArray[Any], colors: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(N, 4) float32: x, y, z and a float whose bits are 0x00RRGGBB, little-endian."""
    rows = np.empty((points.size // 3, 4), "<f4")
    red_green_blue = rows.view(np.uint8).reshape(-1, 16)[:, 14:11:-1]
    for channel in range(3):  # column by column, which is many times faster in numpy than rows of three
        rows[:, channel] = points.reshape(-1, 3)[:, channel]
        red_green_blue[:, channel] = colors.reshape(-1, 3)[:, channel]
    rows.view(np.uint8).reshape(-1, 16)[:, 15] = 0
    return rows


def _matrices(fx: float, fy: float, cx: float, cy: float) -> dict[str, list[float]]:
    return {
        "K": [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0],
        "R": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        "P": [fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    }
