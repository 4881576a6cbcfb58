"""A stand-in for the few parts of rclpy that the ROS 2 node uses, as strict as the real ones.

The setters of messages check what rosidl's generated Python classes check (rosidl_generator_py, `_msg.py.em`).
"""

from __future__ import annotations

import array
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest


def _message(kind: str, /, *, bytes_of: str = "", matrices: dict[str, int] | None = None, **defaults: Any) -> type:
    """A message class: keyword arguments only, no unknown fields, arrays of the types that rclpy takes at once."""
    sizes = matrices or {}

    def init(self: Any, **given: Any) -> None:
        unknown = set(given) - set(defaults)
        assert not unknown, f"Invalid arguments passed to constructor: {unknown}"
        for key, default in defaults.items():
            value = given.get(key, default)
            if key == bytes_of:
                assert isinstance(value, array.array)
                assert value.typecode == "B"
            elif key == "d":
                assert isinstance(value, array.array)
                assert value.typecode == "d"
            elif key in sizes:
                assert isinstance(value, np.ndarray)
                assert (value.dtype, value.size) == (np.float64, sizes[key])
            elif isinstance(default, (bool, int, float, str, bytes)):
                assert isinstance(value, type(default)), f"The '{key}' field must be of type '{type(default)}'"
            setattr(self, key, value)

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

DIAGNOSTIC_MSGS = SimpleNamespace(
    KeyValue=_message("KeyValue", key="", value=""),
    DiagnosticStatus=_message("DiagnosticStatus", level=b"\x00", name="", message="", hardware_id="", values=[]),
    DiagnosticArray=lambda: SimpleNamespace(header=SimpleNamespace(stamp=None, frame_id=""), status=[]),
)
for _level, _value in {"OK": b"\x00", "WARN": b"\x01", "ERROR": b"\x02", "STALE": b"\x03"}.items():
    setattr(DIAGNOSTIC_MSGS.DiagnosticStatus, _level, _value)


@dataclass(frozen=True)
class Stamp:
    sec: int
    nanosec: int


def header(number: int, frame_id: str = "camera_optical") -> Any:
    return SimpleNamespace(stamp=Stamp(number, 5), frame_id=frame_id)


@dataclass
class Publisher:
    topic: str
    qos: Any
    subscription_count: int = 0
    sent: list[Any] = field(default_factory=list)

    def get_subscription_count(self) -> int:
        return self.subscription_count

    def publish(self, message: Any) -> None:
        self.sent.append(message)


@dataclass(eq=False)
class Subscription:
    kind: type
    topic: str
    callback: Callable[[Any], None]
    qos: Any


class Node:
    """One node: parameters and remappings given at its start, publishers and subscriptions by their topics."""

    def __init__(self, parameters: dict[str, Any], remappings: dict[str, str]) -> None:
        self._parameters, self._remappings = parameters, remappings
        self.publishers: dict[str, Publisher] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.timers: list[Callable[[], None]] = []
        self.logged: list[str] = []
        self.is_destroyed = False

    def declare_parameter(self, name: str, value: Any = None) -> Any:
        given = self._parameters.pop(name, value)
        assert type(given) is type(value), f"Trying to set parameter '{name}' to a value of another type"
        return SimpleNamespace(value=given)

    def resolve_topic_name(self, topic: str, *, only_expand: bool = False) -> str:
        return self._remappings.get(topic, f"/{topic}" if not topic.startswith("/") else topic)

    def create_publisher(self, kind: type, topic: str, qos: Any) -> Publisher:
        return self.publishers.setdefault(topic, Publisher(topic, qos))

    def create_subscription(self, kind: type, topic: str, callback: Callable[[Any], None], qos: Any) -> Subscription:
        made = Subscription(kind, self.resolve_topic_name(topic), callback, qos)
        assert made.topic not in self.subscriptions
        return self.subscriptions.setdefault(made.topic, made)

    def destroy_subscription(self, subscription: Subscription) -> bool:
        del self.subscriptions[subscription.topic]
        return True

    def create_timer(self, timer_period_sec: float, callback: Callable[[], None]) -> Any:
        self.timers.append(callback)
        return object()

    def get_logger(self) -> Any:
        return SimpleNamespace(info=self.logged.append, warning=self.logged.append)

    def get_clock(self) -> Any:
        return SimpleNamespace(now=lambda: SimpleNamespace(to_msg=lambda: Stamp(99, 0)))

    def destroy_node(self) -> None:
        self.is_destroyed = True


def install(monkeypatch: pytest.MonkeyPatch, node: Node, spin: Callable[[Node], None]) -> None:
    """Put the stand-in where `import rclpy` finds it; `spin` is what happens while the node runs."""
    ended = type("ExternalShutdownException", (Exception,), {})
    qos = SimpleNamespace(
        QoSHistoryPolicy=SimpleNamespace(KEEP_LAST="keep last"),
        QoSReliabilityPolicy=SimpleNamespace(RELIABLE="reliable", BEST_EFFORT="best effort"),
        QoSProfile=SimpleNamespace,
    )
    rclpy = SimpleNamespace(
        init=lambda: None,
        create_node=lambda name: node,
        spin=spin,
        try_shutdown=lambda: None,
        executors=SimpleNamespace(ExternalShutdownException=ended),
    )
    modules = {
        "rclpy": rclpy,
        "rclpy.executors": rclpy.executors,
        "rclpy.qos": qos,
        "rclpy.subscription": SimpleNamespace(Subscription=Subscription),
        "sensor_msgs": SimpleNamespace(msg=SENSOR_MSGS),
        "sensor_msgs.msg": SENSOR_MSGS,
        "diagnostic_msgs": SimpleNamespace(msg=DIAGNOSTIC_MSGS),
        "diagnostic_msgs.msg": DIAGNOSTIC_MSGS,
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "depthwire.client.ros.ros2_node", raising=False)
