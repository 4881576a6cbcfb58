"""The ROS 1 node for real: Debian's rospy, a master, a camera with real pictures, and the real daemon."""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from depthwire.client import CameraIntrinsics, DepthClient
from tests.client.ros.debian import DEBIAN_PYTHON, environment_for_ros, need_in_debian
from tests.client.ros.recording import CX, CY, FX, FY, jpeg
from tests.e2e.conftest import Daemon

WIDTH, HEIGHT = 320, 240
PATIENCE_S = 30.0
Ask = Callable[..., Any]


def _end(process: subprocess.Popen[Any]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def ros_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A ROS master at a free port, and the environment in which nodes find it."""
    need_in_debian("rospy", "sensor_msgs.msg", "diagnostic_msgs.msg", "rosmaster")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("ros")
    environment = environment_for_ros() | {
        "ROS_MASTER_URI": f"http://127.0.0.1:{port}",
        "ROS_IP": "127.0.0.1",
        "ROS_HOME": str(folder),
        "ROS_LOG_DIR": str(folder),
    }
    with (folder / "master.log").open("wb") as log:
        master = subprocess.Popen(["rosmaster", "--core", "-p", str(port)], env=environment, stdout=log, stderr=log)
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert time.monotonic() < deadline
        assert master.poll() is None, (folder / "master.log").read_text()
        time.sleep(0.05)
    yield environment
    _end(master)


@pytest.fixture
def robot(ros_environment: dict[str, str]) -> Iterator[Ask]:
    """Calls a method of ros1_driver's Robot and returns what it says."""
    driver = Path(__file__).with_name("ros1_driver.py")
    process = subprocess.Popen(
        [DEBIAN_PYTHON, driver], env=ros_environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == '"ready"\n'

    def ask(method: str, *arguments: Any) -> Any:
        process.stdin.write(json.dumps([method, *arguments]) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield ask
    process.kill()
    process.wait()


def picture(form: str, number: int) -> str:
    """The data of an image message, in hexadecimal."""
    if form == "compressed":
        return jpeg(number).hex()
    return np.asarray(Image.open(io.BytesIO(jpeg(number)))).tobytes().hex()


@pytest.mark.parametrize("form", ["raw", "compressed"])
def test_the_node_serves_depth_while_somebody_subscribes_and_outlives_the_daemon(
    form: str, robot: Ask, starter: Daemon, ros_environment: dict[str, str], tmp_path: Path
) -> None:
    words = ["image:=/front/image_raw", "camera_info:=/front/camera_info", f"_endpoint:={starter.endpoint}"]
    words += [f"_compressed:={str(form == 'compressed').lower()}", "_model:=vitt_starter_56", "_timeout:=10"]
    log_path = tmp_path / "node.log"
    with log_path.open("wb") as log:
        command = [DEBIAN_PYTHON, "-m", "depthwire.client.ros.ros1_node", *words]
        node = subprocess.Popen(command, env=ros_environment, stdout=log, stderr=log)
    try:
        assert robot("diagnostics", "idle", PATIENCE_S), log_path.read_text()
        assert robot("node_subscribes", form, False, 0)

        robot("listen", "depth", "points", "camera_info")
        assert robot("node_subscribes", form, True, PATIENCE_S)
        for number in (1, 2):
            robot("show", form, number, picture(form, number), WIDTH, HEIGHT)
            heard = {name: robot("hear", name, number, PATIENCE_S) for name in ("depth", "points", "camera_info")}
            assert all(heard.values()), log_path.read_text()
            for message in heard.values():
                assert (message["nsecs"], message["frame_id"]) == (7, "front_optical")
                assert (message["height"], message["width"]) == (HEIGHT, WIDTH)
            with DepthClient(starter.endpoint) as client:
                camera = CameraIntrinsics(FX, FY, CX, CY)
                direct = client.pc(jpeg(number), camera, encoder="vitt", dataset="starter", model_input_size=56)
            depth = np.frombuffer(bytes.fromhex(heard["depth"]["data"]), "<f4").reshape(HEIGHT, WIDTH)
            cloud = np.frombuffer(bytes.fromhex(heard["points"]["data"]), "<f4").reshape(-1, 4)
            exact = form == "compressed"  # raw pictures travel as a JPEG of their own
            close = np.abs(depth / direct.depth - 1)
            assert close.max() < 1e-3 if exact else np.median(close) < 0.05
            np.testing.assert_array_equal(cloud[:, 2], depth.ravel())
            assert np.median(np.abs(cloud[:, :3] - direct.points)) < (1e-3 if exact else 0.5)
            assert heard["camera_info"]["K"] == [FX, 0, CX, 0, FY, CY, 0, 0, 1]
        said = robot("diagnostics", "answering", PATIENCE_S)
        assert (said["level"], said["model"], said["failed"]) == (0, "vitt_starter_56", "0")

        if form == "raw":
            return
        starter.kill()
        robot("show", form, 3, picture(form, 3), WIDTH, HEIGHT)
        assert robot("diagnostics", "no daemon", PATIENCE_S)["level"] == 2
        starter.start()
        robot("show", form, 4, picture(form, 4), WIDTH, HEIGHT)
        assert robot("hear", "depth", 4, PATIENCE_S)

        robot("listen")
        assert robot("node_subscribes", form, False, PATIENCE_S)
        assert robot("diagnostics", "idle", PATIENCE_S)
    finally:
        _end(node)
        assert node.returncode == 0, log_path.read_text()


def test_a_wrong_parameter_ends_the_node_with_one_line(ros_environment: dict[str, str]) -> None:
    command = [DEBIAN_PYTHON, "-m", "depthwire.client.ros.ros1_node", "_depth_encoding:=8UC1"]
    done = subprocess.run(command, env=ros_environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "depthwire: depth_encoding is '8UC1'; it is 32FC1 or 16UC1"
