"""Messages built for rospy, rclpy and rosbags, read back by readers that are not ours."""

from __future__ import annotations

import array
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from depthwire.client import CameraIntrinsics, ros
from tests.client.ros.debian import run_in_debian
from tests.client.ros.fake_rclpy import SENSOR_MSGS, Publisher
from tests.client.ros.recording import ROS1, ROS2, Ros, jpeg
from tests.e2e.conftest import Daemon

CAMERA = CameraIntrinsics(210.0, 205.0, 3.0, 2.0, 5, 4)
BOTH = pytest.mark.parametrize("kind", [ROS1, ROS2], ids=["ros1", "ros2"])

DEPTH = np.linspace(0.5, 70, 20, dtype=np.float32).reshape(4, 5)
DEPTH[0, :4] = [np.nan, np.inf, -np.inf, 0.0014]
MILLIMETRES = [0, 0, 0, 1]
POINTS = np.dstack([DEPTH * 0.25, DEPTH * -0.5, DEPTH]).astype(np.float32)
COLORS = np.arange(60, dtype=np.uint8).reshape(4, 5, 3) * 4


@BOTH
def test_a_depth_image_survives_serialisation_with_its_header(kind: Ros) -> None:
    header = kind.header(1_700_000_000_123_456_789, "front")
    build = ros.MessageBuilder(kind.store)
    metres = build.depth_image(DEPTH, header)
    assert metres.header is header
    assert np.shares_memory(metres.data, DEPTH)
    read = kind.deserialized(kind.serialized(metres), "sensor_msgs/msg/Image")
    assert (read.header.stamp.sec, read.header.stamp.nanosec, read.header.frame_id) == (
        1_700_000_000,
        123456789,
        "front",
    )
    assert (read.height, read.width, read.step, read.encoding, read.is_bigendian) == (4, 5, 20, "32FC1", 0)
    np.testing.assert_array_equal(read.data.view("<f4").reshape(4, 5), DEPTH)

    whole = kind.deserialized(kind.serialized(build.depth_image(DEPTH, header, "16UC1")), "sensor_msgs/msg/Image")
    millimetres = whole.data.view("<u2").reshape(4, 5)
    assert (whole.step, whole.encoding) == (10, "16UC1")
    assert list(millimetres[0, :4]) == MILLIMETRES
    assert millimetres[1, 1] == round(float(DEPTH[1, 1]) * 1000)
    assert millimetres[3, 4] == 0  # 70 m do not fit


def test_half_precision_and_millimetres_are_taken_as_well() -> None:
    build, header = ros.MessageBuilder(ROS2.store), ROS2.header()
    half = build.depth_image(DEPTH.astype(np.float16), header).data.view("<f4").reshape(4, 5)
    np.testing.assert_array_equal(half, DEPTH.astype(np.float16).astype(np.float32))
    whole = np.array([[0, 1, 65535]], np.uint16)
    assert np.shares_memory(build.depth_image(whole, header, "16UC1").data, whole)
    np.testing.assert_allclose(build.depth_image(whole, header).data.view("<f4"), [np.nan, 0.001, 65.535], rtol=1e-6)


@BOTH
@pytest.mark.parametrize("colors", [None, COLORS], ids=["xyz", "xyzrgb"])
def test_a_cloud_survives_serialisation_organized_or_in_one_row(kind: Ros, colors: np.ndarray | None) -> None:
    build, header = ros.MessageBuilder(kind.store), kind.header()
    cloud = build.point_cloud(POINTS, header, colors)
    assert np.shares_memory(cloud.data, POINTS) == (colors is None)
    read = kind.deserialized(kind.serialized(cloud), "sensor_msgs/msg/PointCloud2")
    names = ["x", "y", "z", "rgb"][: 3 if colors is None else 4]
    assert [(field.name, field.offset, field.datatype, field.count) for field in read.fields] == [
        (name, 4 * index, 7, 1) for index, name in enumerate(names)
    ]
    assert (read.height, read.width, read.point_step, read.row_step) == (4, 5, 4 * len(names), 20 * len(names))
    assert (bool(read.is_dense), bool(read.is_bigendian)) == (False, False)
    np.testing.assert_array_equal(read.data.view("<f4").reshape(4, 5, -1)[..., :3], POINTS)
    if colors is not None:
        packed = read.data.view("<u4").reshape(4, 5, 4)[..., 3]
        np.testing.assert_array_equal(np.dstack([packed >> 16, packed >> 8 & 255, packed & 255]), colors)

    kept = build.point_cloud(*_only_finite(colors, header))
    assert (kept.height, kept.width, bool(kept.is_dense)) == (1, 17, True)


def _only_finite(colors: np.ndarray | None, header: Any) -> tuple[np.ndarray, Any, np.ndarray | None]:
    points, kept = ros.finite_points(POINTS, colors)
    return points, header, kept


@BOTH
def test_camera_info_of_every_other_pixel_projects_to_the_same_points(kind: Ros) -> None:
    build = ros.MessageBuilder(kind.store)
    sent = build.camera_info(CAMERA, kind.header(), stride=2)
    info = kind.deserialized(kind.serialized(sent), "sensor_msgs/msg/CameraInfo")
    assert (info.height, info.width, info.distortion_model) == (2, 3, "plumb_bob")
    for rectified in (False, True):
        camera = ros.camera_intrinsics(info, rectified=rectified)
        assert (2 * 2 - CAMERA.cx) / CAMERA.fx == pytest.approx((2 - camera.cx) / camera.fx)
        assert (2 * 1 - CAMERA.cy) / CAMERA.fy == pytest.approx((1 - camera.cy) / camera.fy)


def test_rclpys_setters_take_what_is_built_without_looking_at_every_byte() -> None:
    build = ros.MessageBuilder(SENSOR_MSGS)
    header = object()
    image, cloud = build.depth_image(DEPTH, header), build.point_cloud(POINTS, header, COLORS)
    assert isinstance(image.data, array.array)
    assert bytes(image.data) == DEPTH.tobytes()
    assert len(cloud.data) == 320
    assert list(build.camera_info(CAMERA, header).k) == [210, 0, 3, 0, 205, 2, 0, 0, 1]


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda b: b.depth_image(DEPTH[0], None), r"shape \(H, W\)"),
        (lambda b: b.depth_image(np.zeros((4, 5), np.int32), None), "uint16"),
        (lambda b: b.depth_image(DEPTH, None, "8UC1"), "32FC1 or 16UC1"),
        (lambda b: b.point_cloud(DEPTH, None), "must be floats"),
        (lambda b: b.point_cloud(POINTS, None, COLORS[:2]), "three for each point"),
        (lambda b: b.camera_info(CameraIntrinsics(1, 1, 0, 0), None), "width and height"),
    ],
)
def test_arrays_that_are_no_depth_are_refused_by_name(build: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        build(ros.MessageBuilder(ROS1.store))


READ_IN_DEBIAN = """
import io, json, struct, sys
import numpy as np
from sensor_msgs import point_cloud2
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from image_geometry import PinholeCameraModel
from depthwire.client import CameraIntrinsics, ros

given = json.load(sys.stdin)
def read(kind, name):
    return kind().deserialize(bytes.fromhex(given[name]))
def all_of(cloud):
    return [list(point[:3]) + list(struct.pack('<f', point[3])) for point in point_cloud2.read_points(cloud)]

image, cloud, info = read(Image, 'image'), read(PointCloud2, 'cloud'), read(CameraInfo, 'info')
model = PinholeCameraModel(); model.fromCameraInfo(info)
camera, rect = ros.camera_intrinsics(info), ros.camera_intrinsics(info, rectified=True)

build = ros.MessageBuilder()
points = np.frombuffer(bytes.fromhex(given['points']), np.float32).reshape(4, 5, 3)
colors = np.frombuffer(bytes.fromhex(given['colors']), np.uint8).reshape(4, 5, 3)
header = Header(frame_id='own'); header.stamp.secs = 5
own = io.BytesIO(); build.point_cloud(points, header, colors).serialize(own)
own_info = io.BytesIO(); build.camera_info(CameraIntrinsics(1, 2, 3, 4, 5, 6), header).serialize(own_info)
own_image = io.BytesIO(); build.depth_image(points[..., 2], header).serialize(own_image)
print(json.dumps({
    'image': [image.header.frame_id, image.encoding, list(image.data)],
    'points': all_of(cloud), 'own': all_of(PointCloud2().deserialize(own.getvalue())),
    'own_info': list(CameraInfo().deserialize(own_info.getvalue()).P),
    'own_image': Image().deserialize(own_image.getvalue()).data.hex(),
    'K': [model.K[0, 0], model.K[1, 1], model.K[0, 2], model.K[1, 2]],
    'P': [model.fx(), model.fy(), model.cx(), model.cy()],
    'ours': [camera.fx, camera.fy, camera.cx, camera.cy], 'ours_rectified': [rect.fx, rect.fy, rect.cx, rect.cy],
}))
"""


def test_debians_ros_reads_what_is_built_and_builds_the_same_and_agrees_about_the_camera() -> None:
    build, header = ros.MessageBuilder(ROS1.store), ROS1.header(5, "front")
    info = ROS1.camera_info(640, 480, binning=(2, 4), roi=(40, 80, 320, 240))
    found = run_in_debian(
        READ_IN_DEBIAN,
        "sensor_msgs.point_cloud2",
        "image_geometry",
        image=ROS1.serialized(build.depth_image(DEPTH, header)).hex(),
        cloud=ROS1.serialized(build.point_cloud(POINTS, header, COLORS)).hex(),
        info=ROS1.serialized(info).hex(),
        points=POINTS.tobytes().hex(),
        colors=COLORS.tobytes().hex(),
    )
    assert found["image"] == ["front", "32FC1", list(DEPTH.tobytes())]
    for cloud in (found["points"], found["own"]):
        values = np.array(cloud)
        np.testing.assert_array_equal(values[:, :3].astype(np.float32), POINTS.reshape(-1, 3))
        np.testing.assert_array_equal(values[:, 3:], np.c_[COLORS.reshape(-1, 3)[:, ::-1], np.zeros(20)])
    assert found["own_info"] == [1, 0, 3, 0, 0, 2, 4, 0, 0, 0, 1, 0]
    assert found["own_image"] == POINTS[..., 2].tobytes().hex()
    assert found["ours"] == pytest.approx(found["K"])
    assert found["ours_rectified"] == pytest.approx(found["P"])


def test_the_readmes_callback_publishes_depth_points_and_camera_info(
    starter: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", readme, re.S) if "MessageBuilder" in block)
    monkeypatch.setitem(sys.modules, "sensor_msgs", SimpleNamespace(msg=SENSOR_MSGS))
    monkeypatch.setitem(sys.modules, "sensor_msgs.msg", SENSOR_MSGS)
    names: dict[str, Any] = {f"{name}_publisher": Publisher(name, None) for name in ("points", "depth", "info")}
    exec(code.replace("tcp://gpu:5555", starter.endpoint), names)
    image = ROS2.compressed(jpeg(1), 5)
    with names["client"]:
        names["on_image"](image, ROS2.camera_info(320, 240, 5))
    (points,), (depth,), (info,) = (names[f"{name}_publisher"].sent for name in ("points", "depth", "info"))
    assert points.header is depth.header is info.header is image.header
    assert (points.height, points.width, depth.encoding, info.width) == (240, 320, "16UC1", 320)


def test_the_package_imports_with_neither_ros_nor_rosbags_nor_opencv_nor_pillow() -> None:
    absent = ("rosbags", "sensor_msgs", "rospy", "rclpy", "cv2", "PIL", "tqdm")
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({absent!r}))\n"
        "from depthwire.client import ros\n"
        "from depthwire.client.cli import __main__\n"
        "from depthwire.client.ros import bag, node_core\n"
        "from depthwire.client.ros.bag_files import open_bag\n"
        "from pathlib import Path\n"
        "try:\n    open_bag(Path('x')).__enter__()\nexcept ros.BagError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "pip install '.[ros]' in a checkout" in done.stdout
