"""`depthwire bag` with a real daemon: what comes out beside the originals, what is skipped, what survives a kill."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from depthwire.client import DepthClient, ros
from depthwire.client.view.faults import Exit
from tests.client.ros.conftest import SMALL, Run
from tests.client.ros.debian import run_in_debian
from tests.client.ros.recording import CX, CY, FX, FY, KINDS, ROS1, ROS2, Recording, jpeg
from tests.e2e.conftest import Daemon

WIDTH, HEIGHT = 320, 240
START = 1_700_000_000_000_000_000
FRONT, REAR = "/front/image_raw/compressed", "/rear/image_raw"
JPEG_TYPE = "sensor_msgs/msg/CompressedImage"


def drive(kind: str) -> Recording:
    """Two cameras of three pictures each, one damaged message on either, other topics, and a depth camera."""
    kit = ROS1 if kind == "ros1" else ROS2
    recording = Recording(kit)
    chatter = kit.type("std_msgs/String")
    for number in range(3):
        stamp = START + number * 100_000_000
        recording.add(FRONT, stamp + 5000, kit.compressed(jpeg(number), stamp))
        recording.add("/front/camera_info", stamp + 4000, kit.camera_info(WIDTH, HEIGHT, stamp))
        pixels = cv2.imdecode(np.frombuffer(jpeg(number + 3), np.uint8), cv2.IMREAD_COLOR)
        recording.add(REAR, stamp + 7000, kit.raw(pixels[:200, :, ::-1], "rgb8", stamp, padding=5))
        recording.add("/chatter", stamp, chatter(f"hello {number}"))
        recording.add("/depth/image", stamp, kit.raw(np.zeros((4, 4), "<u2"), "16UC1", stamp))
    # One camera_info for the whole drive, from before its first picture; another calibration comes too late for all.
    recording.add("/rear/camera_info", START - 10, kit.camera_info(WIDTH, 200, START - 20))
    late = kit.camera_info(WIDTH, 200, START + 10**9, k=[1.0, 0, 0, 0, 1.0, 0, 0, 0, 1])
    recording.add("/rear/camera_info", START + 10**9, late)
    recording.add(FRONT, START + 50_000_000, kit.compressed(jpeg(9)[:3000], START))  # a picture that breaks off
    whole = kit.serialized(kit.raw(pixels, "rgb8", START))
    recording.add_bytes(REAR, START + 60_000_000, whole[: len(whole) // 2], "sensor_msgs/msg/Image")
    return recording


def read_all(path: Path) -> dict[str, list[tuple[int, bytes]]]:
    found = defaultdict(list)
    with AnyReader([path], default_typestore=get_typestore(Stores.ROS2_HUMBLE)) as reader:
        for connection, time_ns, data in reader.messages():
            found[connection.topic].append((time_ns, bytes(data)))
    return dict(found)


def xyz(cloud: Any) -> np.ndarray:
    return cloud.data.view("<f4").reshape(cloud.height, cloud.width, -1)[..., :3]


@pytest.mark.parametrize("kind", KINDS)
def test_depth_and_cloud_stand_beside_every_original_at_its_time(
    kind: str, bag: Run, starter: Daemon, tmp_path: Path
) -> None:
    recording = drive(kind)
    kit = recording.ros
    source = recording.write(tmp_path / ("drive.bag" if kind == "ros1" else "drive"), kind)
    output = tmp_path / ("out.bag" if kind == "ros1" else "out")
    result = bag(source, "-o", output)
    assert result.exit_code == Exit.FAILED, result.output  # two messages were damaged
    assert "6 images" in result.stdout
    assert f"{FRONT} at 1700000000.050000000: skipped" in result.stderr
    assert f"{REAR} at 1700000000.060000000: skipped" in result.stderr
    assert not (tmp_path / f"{output.name}.part").exists()

    before, after = read_all(source), read_all(output)
    new = {topic: messages for topic, messages in after.items() if "/depthwire/" in topic}
    assert {topic: messages for topic, messages in after.items() if topic not in new} == before
    bases = {FRONT: "/front/image_raw", REAR: REAR}
    names = ("depth", "points", "camera_info")
    assert set(new) == {f"{base}/depthwire/{name}" for base in bases.values() for name in names}
    if kind != "ros1":
        assert len(list(output.glob("*.mcap"))) == (kind == "mcap")

    with DepthClient(starter.endpoint) as client:
        for topic, base in bases.items():
            originals = [entry for entry in before[topic] if entry[0] % 100_000_000 in (5000, 7000)]
            outputs = zip(*(new[f"{base}/depthwire/{name}"] for name in names), strict=True)
            for (time_ns, data), made in zip(originals, outputs, strict=True):
                assert [moment for moment, _ in made] == [time_ns] * 3
                image = kit.deserialized(data, JPEG_TYPE if topic == FRONT else "sensor_msgs/msg/Image")
                depth = kit.deserialized(made[0][1], "sensor_msgs/msg/Image")
                cloud = kit.deserialized(made[1][1], "sensor_msgs/msg/PointCloud2")
                info = kit.deserialized(made[2][1], "sensor_msgs/msg/CameraInfo")
                assert depth.header == cloud.header == info.header == image.header
                direct = client.metric_depth(ros.image_source(image), model_input_size=int(SMALL[1]))
                z = depth.data.view("<f4").reshape(depth.height, depth.width)
                np.testing.assert_allclose(z, direct.depth, rtol=1e-3)
                v, u = np.mgrid[0 : depth.height, 0 : depth.width]
                expected = np.dstack([(u - CX) * z / FX, (v - CY) * z / FY, z])
                np.testing.assert_allclose(xyz(cloud), expected, rtol=1e-5, atol=1e-5)
                colours = cloud.data.reshape(depth.height, depth.width, 16)[..., 14:11:-1]
                np.testing.assert_array_equal(colours, ros.rgb_of(ros.image_source(image)))
                assert (info.width, info.height) == (depth.width, depth.height)


def test_options_choose_topics_encodings_and_what_is_written(bag: Run, tmp_path: Path) -> None:
    source = drive("mcap").write(tmp_path / "drive", "mcap")
    file = next(source.glob("*.mcap"))  # one storage file instead of the folder
    result = bag(file, "-o", tmp_path / "out", "--topic", REAR, "--depth-encoding", "16UC1", "--no-cloud", "--json")
    skipped, summary = map(json.loads, result.stdout.splitlines())
    assert (skipped["ok"], skipped["error"]["code"]) == (False, "BAD_MESSAGE")
    assert (summary["images"], summary["skipped"]) == (3, [skipped["image"]])
    assert summary["topics"] == [f"{REAR}/depthwire/camera_info", f"{REAR}/depthwire/depth"]
    found = read_all(tmp_path / "out")
    depth = ROS2.deserialized(found[f"{REAR}/depthwire/depth"][0][1], "sensor_msgs/msg/Image")
    assert (depth.encoding, depth.step) == ("16UC1", 2 * WIDTH)
    assert 0 < np.median(depth.data.view("<u2")) < 65535

    result = bag(source, "-o", tmp_path / "clouds", "--topic", FRONT, "--dense", "--no-colours", "--no-depth")
    found = read_all(tmp_path / "clouds")
    cloud = ROS2.deserialized(found["/front/image_raw/depthwire/points"][0][1], "sensor_msgs/msg/PointCloud2")
    assert (cloud.height, cloud.width, cloud.point_step) == (1, WIDTH * HEIGHT, 12)
    assert "/front/image_raw/depthwire/depth" not in found


def test_a_distorted_camera_is_refused_before_the_first_request_and_rectified_on_request(
    bag: Run, starter: Daemon, tmp_path: Path
) -> None:
    recording = Recording(ROS1)
    recording.add(FRONT, START, ROS1.compressed(jpeg(0), START))
    pincushion = [0.4, 0.1, 0.0, 0.0, 0.0]
    recording.add("/front/camera_info", START, ROS1.camera_info(WIDTH, HEIGHT, START, distortion=pincushion))
    source, output = recording.write(tmp_path / "drive.bag", "ros1"), tmp_path / "out.bag"
    refused = bag(source, "-o", output)
    assert refused.exit_code == Exit.FAILED
    assert "lens distortion" in refused.stderr
    assert "--rectify" in refused.stderr
    assert not output.exists()

    assert bag(source, "-o", output, "--rectify").exit_code == Exit.DONE
    found = read_all(output)
    depth, cloud, info = (
        ROS1.deserialized(found[f"/front/image_raw/depthwire/{name}"][0][1], f"sensor_msgs/msg/{kind}")
        for name, kind in (("depth", "Image"), ("points", "PointCloud2"), ("camera_info", "CameraInfo"))
    )
    z = depth.data.view("<f4").reshape(HEIGHT, WIDTH)
    assert 0.02 < np.isnan(z).mean() < 0.9  # what the rectified picture does not show
    np.testing.assert_array_equal(np.isnan(xyz(cloud)).all(axis=2), np.isnan(z))
    assert (list(info.D), info.K[0]) == ([0] * 5, FX - 10)  # P's focal length

    assert bag(source, "-o", tmp_path / "plain.bag", "--no-cloud").exit_code == Exit.DONE
    found = read_all(tmp_path / "plain.bag")
    passed_on = ROS1.deserialized(found["/front/image_raw/depthwire/camera_info"][0][1], "sensor_msgs/msg/CameraInfo")
    assert list(passed_on.D) == pincushion


@pytest.mark.parametrize("oddity", ["distorted", "no camera_info", "unknown model"])
def test_one_odd_camera_leaves_the_others_their_points(oddity: str, bag: Run, tmp_path: Path) -> None:
    recording = Recording(ROS2)
    model = "plumb_bob" if oddity == "distorted" else "thin_prism"
    for name, distortion in (("front", [0.0] * 5), ("odd", [0.4, 0.1, 0.0, 0.0, 0.0])):
        recording.add(f"/{name}/image_raw/compressed", START, ROS2.compressed(jpeg(0), START))
        if name == "front" or oddity != "no camera_info":
            info = ROS2.camera_info(WIDTH, HEIGHT, START, distortion=distortion, model=model)
            recording.add(f"/{name}/camera_info", START, info)
    source = recording.write(tmp_path / "drive", "mcap")
    rectify = ["--rectify"] if oddity == "unknown model" else []
    result = bag(source, "-o", tmp_path / "out", *rectify, "--json")
    assert result.exit_code == Exit.FAILED  # not all that was asked for
    assert "/odd/image_raw/compressed: " in result.stderr
    (summary,) = map(json.loads, result.stdout.splitlines())
    assert (summary["ok"], summary["images"], list(summary["without_points"])) == (
        False,
        2,
        ["/odd/image_raw/compressed"],
    )
    made = {topic for topic in read_all(tmp_path / "out") if "/depthwire/" in topic}
    front = {f"/front/image_raw/depthwire/{name}" for name in ("depth", "points", "camera_info")}
    assert front < made
    assert "/odd/image_raw/depthwire/depth" in made
    assert "/odd/image_raw/depthwire/points" not in made

    bag(source, "-o", tmp_path / "clouds", *rectify, "--no-depth")
    assert {topic for topic in read_all(tmp_path / "clouds") if "/depthwire/" in topic} == {
        f"/front/image_raw/depthwire/{name}" for name in ("points", "camera_info")
    }
    named = bag(source, "-o", tmp_path / "named", *rectify, "--topic", "/odd/image_raw/compressed")
    assert named.exit_code == Exit.FAILED
    assert not (tmp_path / "named").exists()


def test_a_camera_info_of_another_aspect_than_the_picture_is_said_once(bag: Run, tmp_path: Path) -> None:
    recording = Recording(ROS2)
    recording.add("/front/camera_info", START, ROS2.camera_info(WIDTH, WIDTH, START))
    for number in range(3):
        recording.add(FRONT, START + number, ROS2.compressed(jpeg(number), START))
    result = bag(recording.write(tmp_path / "drive", "mcap"), "-o", tmp_path / "out")
    assert result.exit_code == Exit.DONE
    assert result.stderr.count(f"{FRONT}: the camera's intrinsics are of {WIDTH}×{WIDTH} pixels") == 1


def long_drive(folder: Path, count: int) -> Path:
    recording = Recording(ROS2)
    recording.add("/front/camera_info", START, ROS2.camera_info(WIDTH, HEIGHT, START))
    for number in range(count):
        stamp = START + number * 10_000_000
        recording.add(FRONT, stamp + 1, ROS2.compressed(jpeg(number), stamp))
    return recording.write(folder / "drive", "mcap")


def answered(daemon: Daemon) -> int:
    with DepthClient(daemon.endpoint) as client:
        return int(client.health()["counters"]["answers"].get("pc", {}).get("OK", 0))


def test_a_killed_run_goes_on_where_it_was_and_asks_for_no_picture_twice(
    bag: Run, starter: Daemon, tmp_path: Path
) -> None:
    count, in_flight = 30, 2
    source, output = long_drive(tmp_path, count), tmp_path / "out"
    journal = tmp_path / "out.part" / "answers"
    words = ["bag", str(source), "-o", str(output), "--in-flight", str(in_flight), *SMALL]
    before = answered(starter)
    process = subprocess.Popen([sys.executable, "-m", "depthwire.client.cli", "--endpoint", starter.endpoint, *words])
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.stat().st_size > 5 * 16 * WIDTH * HEIGHT):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not output.exists()
    (tmp_path / "out.part" / "out").mkdir()  # as after a kill while the output is written
    (tmp_path / "out.part" / "out" / "out.mcap").write_bytes(b"half")

    refused = bag(source, "-o", output, "--in-flight", in_flight, "--no-colours")
    assert "--fresh" in refused.stderr
    result = bag(source, "-o", output, "--in-flight", in_flight)
    assert result.exit_code == Exit.DONE, result.output
    assert "going on: " in result.stderr
    assert f"{count} images" in result.stdout
    assert count <= answered(starter) - before <= count + in_flight
    found = read_all(output)
    times = [time_ns for time_ns, _ in found[FRONT]]
    for name in ("depth", "points", "camera_info"):
        assert [time_ns for time_ns, _ in found[f"/front/image_raw/depthwire/{name}"]] == times
    assert "is there already" in bag(source, "-o", output).stderr


def test_a_run_that_finds_no_daemon_is_done_by_the_next_one(bag: Run, no_daemon: Run, tmp_path: Path) -> None:
    source, output = long_drive(tmp_path, 2), tmp_path / "out"
    result = no_daemon(source, "-o", output)
    assert result.exit_code == Exit.NO_DAEMON
    assert "run the same command again" in result.stderr
    assert bag(source, "-o", output).exit_code == Exit.DONE


def test_a_bag_without_camera_info_takes_a_calibration_file(bag: Run, tmp_path: Path) -> None:
    recording = Recording(ROS2)
    recording.add("/cam/image_rect", START, ROS2.raw(np.full((HEIGHT, WIDTH), 90, np.uint8), "mono8", START))
    source, camera = recording.write(tmp_path / "drive", "mcap"), tmp_path / "camera.yaml"
    camera.write_text(f"camera_matrix: [[100, 0, 3], [0, 100, 4], [0, 0, 1]]\nwidth: {WIDTH}\nheight: {HEIGHT}\n")
    refused = bag(source, "-o", tmp_path / "out")
    assert "--camera-info, give --intrinsics, or ask for --no-cloud" in refused.stderr
    assert bag(source, "-o", tmp_path / "out", "--intrinsics", camera).exit_code == Exit.DONE
    found = read_all(tmp_path / "out")["/cam/image_rect/depthwire/camera_info"]
    assert list(ROS2.deserialized(found[0][1], "sensor_msgs/msg/CameraInfo").k) == [100, 0, 3, 0, 100, 4, 0, 0, 1]


def test_a_bag_from_before_iron_is_read_and_its_unknown_types_are_copied(bag: Run, tmp_path: Path) -> None:
    source = drive("sqlite3").write(tmp_path / "drive", "sqlite3")
    database = sqlite3.connect(next(source.glob("*.db3")))
    with database:
        database.execute("DELETE FROM message_definitions")
        database.execute("UPDATE topics SET type_description_hash = ''")
        database.execute("UPDATE topics SET type = 'my_msgs/msg/Odd' WHERE name = '/chatter'")
    database.close()
    file = next(source.glob("*.db3"))
    assert "6 images" in bag(file, "-o", tmp_path / "out").stdout
    before, after = read_all(file), read_all(tmp_path / "out")
    assert after["/chatter"] == before["/chatter"]
    with AnyReader([tmp_path / "out"]) as reader:
        odd = next(connection for connection in reader.connections if connection.topic == "/chatter")
        assert (odd.msgtype, odd.msgdef.data) == ("my_msgs/msg/Odd", "")
        assert "my_msgs/msg/Odd" not in reader.typestore.fielddefs


WRITE_IN_DEBIAN = """
import json, sys
import rosbag, rospy
from sensor_msgs.msg import CameraInfo, CompressedImage
given = json.load(sys.stdin)
with rosbag.Bag(given['path'], 'w', compression='bz2') as bag:
    for number, data in enumerate(given['pictures']):
        image = CompressedImage(format='jpeg', data=bytes.fromhex(data))
        image.header.stamp, image.header.frame_id = rospy.Time(5, number), 'front'
        info = CameraInfo(header=image.header, width=320, height=240, distortion_model='plumb_bob', D=[0.0] * 5)
        info.K = [210.0, 0, 158, 0, 205, 121, 0, 0, 1]
        bag.write('/front/image_raw/compressed', image, rospy.Time(6, number))
        bag.write('/front/camera_info', info, rospy.Time(6, number))
print('{}')
"""
READ_IN_DEBIAN = """
import json, sys
import numpy as np
import rosbag
from sensor_msgs import point_cloud2
given = json.load(sys.stdin)
clouds, depths = [], []
with rosbag.Bag(given['path']) as bag:
    for topic, message, time in bag.read_messages():
        if topic.endswith('/points'):
            points = np.array(list(point_cloud2.read_points(message, ('x', 'y', 'z'))))
            header = message.header
            clouds.append([time.to_nsec(), header.stamp.to_nsec(), header.frame_id, points.tolist()[::997]])
        elif topic.endswith('/depth'):
            depths.append(np.frombuffer(message.data, np.float32).tolist()[::997])
    topics = {name: found.message_count for name, found in bag.get_type_and_topic_info().topics.items()}
print(json.dumps({'clouds': clouds, 'depths': depths, 'topics': topics}))
"""


def test_a_bag_that_ros_itself_wrote_becomes_one_that_ros_itself_reads(bag: Run, tmp_path: Path) -> None:
    source, output = tmp_path / "drive.bag", tmp_path / "out.bag"
    pictures = [jpeg(number).hex() for number in range(2)]
    run_in_debian(WRITE_IN_DEBIAN, "rosbag", "rospy", path=str(source), pictures=pictures)
    result = bag(source, "-o", output)
    assert result.exit_code == Exit.DONE, result.output
    found = run_in_debian(READ_IN_DEBIAN, "rosbag", "sensor_msgs.point_cloud2", path=str(output))
    outputs = {f"/front/image_raw/depthwire/{name}": 2 for name in ("depth", "points", "camera_info")}
    assert found["topics"] == {FRONT: 2, "/front/camera_info": 2, **outputs}
    for number, (cloud, depth) in enumerate(zip(found["clouds"], found["depths"], strict=True)):
        assert cloud[:3] == [6_000_000_000 + number, 5_000_000_000 + number, "front"]
        assert [point[2] for point in cloud[3]] == pytest.approx(depth)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--topic", "/nonsense"], f"image topics are /depth/image, {FRONT}"),
        (["--topic", "/depth/image"], "/depth/image holds no pictures"),
        (["--camera-info", "/chatter"], "/chatter is no CameraInfo topic"),
        (["--no-cloud", "--no-depth"], "nothing to do"),
    ],
)
def test_a_topic_that_cannot_be_is_named_before_anything_is_written(
    arguments: list[str], text: str, bag: Run, tmp_path: Path
) -> None:
    source = drive("sqlite3").write(tmp_path / "drive", "sqlite3")
    result = bag(source, "-o", tmp_path / "out", *arguments)
    assert result.exit_code in (Exit.FAILED, Exit.USAGE)
    assert text in result.stderr
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_bag_that_has_its_outputs_already_is_refused_before_the_first_request(
    kind: str, no_daemon: Run, tmp_path: Path
) -> None:
    kit = ROS1 if kind == "ros1" else ROS2
    recording = Recording(kit)
    recording.add("/front/camera_info", START, kit.camera_info(WIDTH, HEIGHT, START))
    recording.add(FRONT, START, kit.compressed(jpeg(0), START))
    depth = kit.raw(np.zeros((4, 4), "<f4"), "32FC1", START)
    recording.add("/front/image_raw/depthwire/depth", START, depth)
    source = recording.write(tmp_path / ("converted.bag" if kind == "ros1" else "converted"), kind)

    result = no_daemon(source, "-o", tmp_path / "out")
    assert result.exit_code == Exit.FAILED
    assert result.stderr.count("\n") == 1
    assert "/front/image_raw/depthwire/depth is in the bag already" in result.stderr
    assert not list(tmp_path.glob("out*"))

    result = no_daemon(source, "-o", tmp_path / "out", "--no-depth")  # the cloud is not there yet
    assert result.exit_code == Exit.NO_DAEMON


def test_a_file_that_is_no_bag_is_named(bag: Run, tmp_path: Path) -> None:
    for name in ("drive.bag", "drive.mcap", "drive.db3"):
        (tmp_path / name).write_bytes(b"nonsense" * 100)
        result = bag(tmp_path / name, "-o", tmp_path / "out")
        assert result.exit_code == Exit.FAILED
        assert f"{name} cannot be read as a bag" in result.stderr
