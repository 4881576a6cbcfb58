"""A stand-in for the few parts of rclpy that the ROS 2 node uses, as strict as the real ones.

The setters of messages check what rosidl's generated Python classes check (rosidl_generator_py, `_msg.py.em`).
"""

from __future__ import annotations

import array
from types import SimpleNamespace
from typing import Any

import numpy as np


def _message(kind: str, /, *, bytes_of: str = "", matrices: dict[str, int] | None = None, **defaults: Any) -> type:
    """A message class: keyword arguments only, no unknown fields, arrays of the types that rclpy takes at once."""
    sizes = matrices or {}

    def init(self: Any, **given: Any) -> None:
        unknown = set(given) - set(defaults)
        assert not unknown, f"Invalid arguments passed to constructor: {unknown}"
        for field, default in defaults.items():
            value = given.get(field, default)
            if field == bytes_of:
                assert isinstance(value, array.array)
                assert value.typecode == "B"
            elif field == "d":
                assert isinstance(value, array.array)
                assert value.typecode == "d"
            elif field in sizes:
                value = np.array(value, np.float64)
                assert value.shape == (sizes[field],)
            elif isinstance(default, (bool, int, float, str, bytes)):
                assert isinstance(value, type(default)), f"The '{field}' field must be of type '{type(default)}'"
            setattr(self, field, value)

    class_fields = dict.fromkeys(defaults)  # the real ones are properties, which a class has too
    fields = {"__init__": init, "get_fields_and_field_types": classmethod(lambda _: dict(defaults)), **class_fields}
    return type(kind, (), fields)


SENSOR_MSGS = SimpleNamespace(
    Image=_message(
        "Image",
        bytes_of="data",
        header=None,
        height=0,
        width=0,
        encoding="",
        is_bigendian=0,
        step=0,
        data=array.array("B"),
    ),
    CompressedImage=_message("CompressedImage", bytes_of="data", header=None, format="", data=array.array("B")),
    PointField=_message("PointField", name="", offset=0, datatype=0, count=0),
    PointCloud2=_message(
        "PointCloud2",
        bytes_of="data",
        header=None,
        height=0,
        width=0,
        fields=[],
        is_bigendian=False,
        point_step=0,
        row_step=0,
        data=array.array("B"),
        is_dense=False,
    ),
    RegionOfInterest=_message("RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
    CameraInfo=_message(
        "CameraInfo",
        matrices={"k": 9, "r": 9, "p": 12},
        header=None,
        height=0,
        width=0,
        distortion_model="",
        d=array.array("d"),
        k=np.zeros(9),
        r=np.zeros(9),
        p=np.zeros(12),
        binning_x=0,
        binning_y=0,
        roi=None,
    ),
)
