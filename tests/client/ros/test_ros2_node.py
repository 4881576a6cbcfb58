"""The ROS 2 node, driven through a stand-in for rclpy, with a real daemon and real pictures."""

from __future__ import annotations

import array
import importlib
import re
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from depthwire.client.ros.node_core import NodeSettings
from tests.client.ros import fake_rclpy
from tests.client.ros.fake_rclpy import SENSOR_MSGS, Node
from tests.client.ros.recording import PLUMB_BOB, jpeg
from tests.e2e.conftest import Daemon

REMAPPINGS = {"image": "/front/image_raw", "camera_info": "/front/camera_info"}
PACKAGE = Path(__file__).parents[3] / "client" / "ros" / "ros2" / "depthwire_ros"
WIDTH, HEIGHT = 320, 240


def compressed(number: int) -> Any:
    data = array.array("B", jpeg(number))
    return SENSOR_MSGS.CompressedImage(header=fake_rclpy.header(number), format="jpeg", data=data)


def camera_info(number: int, focal: float = 100.0, d: tuple[float, ...] = ()) -> Any:
    k = [focal, 0, 3, 0, focal, 4, 0, 0, 1]
    region = SENSOR_MSGS.RegionOfInterest()
    return SENSOR_MSGS.CameraInfo(
        header=fake_rclpy.header(number),
        width=WIDTH,
        height=HEIGHT,
        distortion_model="plumb_bob",
        d=array.array("d", d),
        k=np.array(k, np.float64),
        r=np.eye(3).ravel(),
        p=np.array([focal, 0, 3, 0, 0, focal, 4, 0, 0, 0, 1, 0], np.float64),
        roi=region,
    )


def wait_for(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what the test waits for did not happen"
        time.sleep(0.01)


def run(monkeypatch: pytest.MonkeyPatch, node: Node, what: Callable[[Node], None]) -> None:
    """Run the node's main; `what` happens while it spins."""
    fake_rclpy.install(monkeypatch, node, what)
    importlib.import_module("depthwire.client.ros.ros2_node").main()


def report_of(node: Node) -> tuple[bytes, str, dict[str, str]]:
    """Level, text and values of the newest diagnostics."""
    for timer in node.timers:
        timer()
    array_message = node.publishers["/diagnostics"].sent[-1]
    assert array_message.header.stamp == fake_rclpy.Stamp(99, 0)
    (status,) = array_message.status
    return status.level, status.message, {entry.key: entry.value for entry in status.values}


def test_the_node_works_only_while_somebody_subscribes_and_keeps_headers(
    monkeypatch: pytest.MonkeyPatch, null_daemon: Daemon
) -> None:
    node = Node({"endpoint": null_daemon.endpoint, "compressed": True}, REMAPPINGS)

    def what(node: Node) -> None:
        depth, points, info = (node.publishers[f"~/{name}"] for name in ("depth", "points", "camera_info"))
        assert depth.qos.reliability == "reliable"
        assert report_of(node)[:2] == (b"\x00", "idle: nobody subscribes to depth or points")
        assert not node.subscriptions

        depth.subscription_count = 1
        node.timers[0]()
        image_input = node.subscriptions["/front/image_raw/compressed"]
        assert (image_input.qos.depth, image_input.qos.reliability) == (1, "best effort")
        image = compressed(0)
        image_input.callback(image)  # depth needs no camera info
        wait_for(lambda: depth.sent)
        assert depth.sent[0].header is image.header
        assert (depth.sent[0].height, depth.sent[0].width, depth.sent[0].encoding) == (HEIGHT, WIDTH, "32FC1")
        assert not points.sent

        points.subscription_count = 1
        image_input.callback(compressed(1))
        wait_for(lambda: len(depth.sent) == 2 and report_of(node)[0] == b"\x01")  # depth goes on without points
        assert report_of(node)[1] == "points need the camera's CameraInfo and there is none"
        for number in (2, 3):
            node.subscriptions["/front/camera_info"].callback(camera_info(number, focal=100.0 * number))
        image_input.callback(compressed(2))  # its own camera info, not the newest one
        wait_for(lambda: points.sent)
        cloud = np.frombuffer(points.sent[0].data, np.float32).reshape(HEIGHT, WIDTH, 4)
        assert (points.sent[0].height, points.sent[0].width) == (HEIGHT, WIDTH)
        assert cloud[100, 103, 0] == pytest.approx(100 * cloud[100, 103, 2] / 200, rel=1e-5)
        wait_for(lambda: info.sent)
        assert info.sent[-1].k[0] == 200
        level, text, values = report_of(node)
        assert (level, text, values["answered"], values["failed"]) == (b"\x00", "answering", "3", "0")

        depth.subscription_count = points.subscription_count = 0
        node.timers[0]()
        assert not node.subscriptions

    run(monkeypatch, node, what)
    assert node.is_destroyed


def test_the_newest_image_wins_and_a_restarted_daemon_is_found_again(
    monkeypatch: pytest.MonkeyPatch, null_daemon: Daemon
) -> None:
    node = Node({"endpoint": null_daemon.endpoint, "compressed": True, "timeout": 2.0}, REMAPPINGS)

    def what(node: Node) -> None:
        depth = node.publishers["~/depth"]
        depth.subscription_count = 1
        node.timers[0]()
        image_input = node.subscriptions["/front/image_raw/compressed"]
        images = [compressed(number) for number in range(30)]
        for image in images:
            image_input.callback(image)
        wait_for(lambda: depth.sent and depth.sent[-1].header is images[-1].header)
        dropped = int(report_of(node)[2]["dropped"])
        assert dropped == 30 - len(depth.sent) > 0

        null_daemon.kill()
        image_input.callback(compressed(1))
        wait_for(lambda: report_of(node)[0] == b"\x02")
        assert node.logged[-1] == report_of(node)[2]["last_error"]
        null_daemon.start()
        before = len(depth.sent)
        deadline = time.monotonic() + 30
        while len(depth.sent) == before:
            assert time.monotonic() < deadline
            image_input.callback(compressed(2))
            time.sleep(0.2)
        assert report_of(node)[:2] == (b"\x00", "answering")

    run(monkeypatch, node, what)


def test_a_distorted_camera_is_told_and_rectified_where_asked_for(
    monkeypatch: pytest.MonkeyPatch, null_daemon: Daemon
) -> None:
    for rectify in (False, True):
        node = Node({"endpoint": null_daemon.endpoint, "compressed": True, "rectify": rectify}, REMAPPINGS)

        def what(node: Node, rectify: bool = rectify) -> None:
            points = node.publishers["~/points"]
            points.subscription_count = 1
            node.timers[0]()
            node.subscriptions["/front/camera_info"].callback(camera_info(0, d=tuple(PLUMB_BOB)))
            node.subscriptions["/front/image_raw/compressed"].callback(compressed(0))
            wait_for(lambda: points.sent or report_of(node)[0] == b"\x02")
            assert bool(points.sent) == rectify
            assert rectify or "lens distortion" in report_of(node)[1]

        run(monkeypatch, node, what)


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"endpoint": "nonsense"}, "endpoint"),
        ({"depth_encoding": "8UC1"}, "32FC1 or 16UC1"),
        ({"model": "x"}, "encoder_dataset_size"),
        ({"profile": "lab"}, "profiles"),
    ],
)
def test_a_wrong_parameter_ends_the_node_with_one_line(
    monkeypatch: pytest.MonkeyPatch, parameters: dict[str, Any], text: str
) -> None:
    with pytest.raises(SystemExit, match=text):
        run(monkeypatch, Node(parameters, {}), lambda _: pytest.fail("the node ran"))


def test_the_packages_parameter_file_names_every_parameter_with_its_default() -> None:
    written = yaml.safe_load((PACKAGE / "config" / "depth.yaml").read_text())["/**"]["ros__parameters"]
    assert NodeSettings(**written) == NodeSettings()
    assert set(written) == set(NodeSettings.__dataclass_fields__)


def test_the_launch_file_names_the_nodes_topics_and_parameters_and_the_packages_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def recorded(*given: Any, **named: Any) -> SimpleNamespace:
        return SimpleNamespace(given=given, **named)

    for name, members in {
        "ament_index_python.packages": {"get_package_share_directory": lambda package: PACKAGE.parent / package},
        "launch": {"LaunchDescription": list},
        "launch.actions": {"DeclareLaunchArgument": recorded},
        "launch.substitutions": {"LaunchConfiguration": lambda argument: argument},
        "launch_ros.actions": {"Node": recorded},
        "launch_ros.parameter_descriptions": {"ParameterValue": recorded},
    }.items():
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(**members))
    *declared, node = runpy.run_path(str(PACKAGE / "launch" / "depth.launch.py"))["generate_launch_description"]()
    defaults = {argument.given[0]: argument.default_value for argument in declared}
    assert Path(defaults["params"]).is_file()
    assert dict(node.remappings) == {"image": "image", "camera_info": "camera_info"}
    assert {"image", "camera_info"} <= set(defaults)
    parameters_file, parameters = node.parameters
    assert parameters_file == "params"
    assert set(parameters) <= set(NodeSettings.__dataclass_fields__) & set(defaults)
    setup = (PACKAGE / "setup.py").read_text()
    assert all((PACKAGE / file).is_file() for file in re.findall(r'"((?:launch|config|package)[/.][\w./]+)"', setup))
    assert f"{node.executable} = depthwire_ros.depth:main" in setup
