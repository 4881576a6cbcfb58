"""`depthwire stream` with a bag at either end and a real daemon: what comes out, at which pace, after what trouble."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from depthwire.client import DepthClient, ros
from depthwire.client.cli import __main__ as cli
from depthwire.client.streams.sources import Choice, open_source
from depthwire.client.view.faults import Exit
from tests.client.ros.conftest import SMALL, Run
from tests.client.ros.recording import CX, CY, FX, FY, KINDS, ROS1, ROS2, Recording, Ros, jpeg
from tests.client.ros.test_bag import FRONT, HEIGHT, REAR, START, WIDTH, drive, long_drive, read_all, xyz
from tests.e2e.conftest import Daemon

GAP_NS = 100_000_000
OUTPUTS = {"depth": "Image", "points": "PointCloud2", "camera_info": "CameraInfo"}


@pytest.fixture
def stream(starter: Daemon) -> Run:
    """`depthwire stream` with the given arguments, at the built-in model's smallest input."""

    def run(*arguments: object) -> Result:
        words = ["--endpoint", starter.endpoint, "stream", *map(str, arguments), *SMALL]
        return CliRunner().invoke(cli.main, words)

    return run


def written(path: Path, base: str, kit: Ros) -> dict[str, list[tuple[int, Any]]]:
    """The messages that a stream has written to a bag, read by rosbags, by output."""
    found = read_all(path)
    return {
        name: [
            (moment, kit.deserialized(data, f"sensor_msgs/msg/{kind}"))
            for moment, data in found.get(f"{base}/depthwire/{name}", [])
        ]
        for name, kind in OUTPUTS.items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_a_bag_becomes_a_bag_with_the_stamps_and_the_camera_of_its_pictures(
    kind: str, stream: Run, starter: Daemon, tmp_path: Path
) -> None:
    source = drive(kind).write(tmp_path / ("drive.bag" if kind == "ros1" else "drive"), kind)
    output = tmp_path / ("out.bag" if kind == "ros1" else "out")
    topic, base = (FRONT, "/front/image_raw") if kind != "sqlite3" else (REAR, REAR)
    result = stream(source, "--topic", topic, "--cloud", "-o", output, *([] if kind == "ros1" else ["--format", "bag"]))
    assert result.exit_code == Exit.FAILED, result.output  # a message is damaged
    assert "3 results" in result.stderr
    assert "1 failed" in result.stderr
    assert "field of view" not in result.stderr

    kit = ROS1 if kind == "ros1" else ROS2
    image_type = "sensor_msgs/msg/" + ("CompressedImage" if topic == FRONT else "Image")
    damaged = START + (50_000_000 if topic == FRONT else 60_000_000)
    images = [(moment, data) for moment, data in read_all(source)[topic] if moment != damaged]
    made = written(output, base, kit)
    assert set(read_all(output)) == {f"{base}/depthwire/{name}" for name in OUTPUTS}
    with DepthClient(starter.endpoint) as client:
        for number, (moment, data) in enumerate(images):
            image = kit.deserialized(data, image_type)
            times, (depth, cloud, info) = zip(*(made[name][number] for name in OUTPUTS), strict=True)
            assert times == (moment,) * 3
            for message in (depth, cloud, info):
                assert (message.header.stamp, message.header.frame_id) == (image.header.stamp, image.header.frame_id)
            direct = client.metric_depth(ros.image_source(image), model_input_size=int(SMALL[1]))
            z = depth.data.view("<f4").reshape(depth.height, depth.width)
            np.testing.assert_allclose(z, direct.depth, rtol=1e-3)
            v, u = np.mgrid[0 : depth.height, 0 : depth.width]
            expected = np.dstack([(u - CX) * z / FX, (v - CY) * z / FY, z])
            np.testing.assert_allclose(xyz(cloud), expected, rtol=1e-5, atol=1e-5)
            colours = cloud.data.reshape(depth.height, depth.width, 16)[..., 14:11:-1].astype(int)
            assert np.abs(colours - ros.rgb_of(ros.image_source(image))).mean() < 3  # a raw one was made a JPEG
            matrix = info.K if kind == "ros1" else info.k
            assert list(matrix) == [FX, 0, CX, 0, FY, CY, 0, 0, 1]
            assert (info.width, info.height) == (WIDTH, depth.height)


def test_a_bag_becomes_files_and_its_damaged_message_one_error(stream: Run, tmp_path: Path) -> None:
    source = drive("mcap").write(tmp_path / "drive", "mcap")
    file = next(source.glob("*.mcap"))
    result = stream(file, "--topic", REAR, "-o", tmp_path / "out", "--format", "npy", "--json")
    assert result.exit_code == Exit.FAILED, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["ok"] for line in lines] == [True, False, True, True]
    assert lines[1]["error"]["code"] == "BAD_MESSAGE"
    names = [f"rear_image_raw_{number:06d}_depth.npy" for number in (0, 2, 3)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert np.load(tmp_path / "out" / names[0]).shape == (200, WIDTH)


def test_under_latest_a_bag_plays_at_its_own_pace(stream: Run, tmp_path: Path) -> None:
    recording = Recording(ROS2)
    for moment in (0, 1, 4):
        recording.add(FRONT, START + moment * GAP_NS, ROS2.compressed(jpeg(moment), START))
    source = recording.write(tmp_path / "drive", "mcap")
    frames = open_source(str(source), Choice())
    times = [time.monotonic() for _ in frames.at_own_pace()]
    frames.close()
    assert times[1] - times[0] >= 0.09
    assert times[2] - times[1] >= 0.28
    begun = time.monotonic()
    result = stream(source, "--policy", "latest", "-o", tmp_path / "out", "--format", "npy")
    assert result.exit_code == Exit.DONE, result.output
    assert time.monotonic() - begun >= 0.38
    assert len(list((tmp_path / "out").iterdir())) > 0


def test_pictures_become_a_bag_stamped_with_the_wall_clock(stream: Run, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for number in range(2):
        (tmp_path / "pictures" / f"{number}.jpg").write_bytes(jpeg(number))
    before = time.time_ns()
    result = stream(tmp_path / "pictures", "-o", tmp_path / "out.bag")
    assert result.exit_code == Exit.DONE, result.output
    made = written(tmp_path / "out.bag", "/camera/image", ROS1)
    assert [len(messages) for messages in made.values()] == [2, 0, 0]
    (first, depth), (second, _) = made["depth"]
    assert before <= first <= second <= time.time_ns()
    assert (depth.encoding, depth.height, depth.header.frame_id) == ("32FC1", HEIGHT, "camera_optical")
    assert depth.header.stamp.sec * 10**9 + depth.header.stamp.nanosec == first
    refused = stream(tmp_path / "pictures", "-o", tmp_path / "out.bag")
    assert refused.exit_code == Exit.FAILED
    assert "is there already" in refused.stderr


@pytest.mark.parametrize(
    ("name", "end", "code"),
    [
        ("out", signal.SIGINT, Exit.INTERRUPTED),
        ("out.bag", signal.SIGINT, Exit.INTERRUPTED),
        ("out", signal.SIGTERM, Exit.TERMINATED),
        ("out.bag", signal.SIGTERM, Exit.TERMINATED),
    ],
)
def test_interrupted_it_leaves_a_bag_that_can_be_read(
    name: str, end: signal.Signals, code: Exit, starter: Daemon, tmp_path: Path
) -> None:
    source, output = long_drive(tmp_path, 60), tmp_path / name
    words = ["stream", str(source), "--fps", "20", "--cloud", "-o", str(output), "--json", *SMALL]
    words += [] if output.suffix else ["--format", "bag"]
    command = [sys.executable, "-m", "depthwire.client.cli", "--endpoint", starter.endpoint, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = [json.loads(process.stdout.readline()) for _ in range(5)]
            assert not output.exists(), "it is there when it is whole"
            os.kill(process.pid, end)
            told += map(json.loads, process.communicate(timeout=30)[0].splitlines())
        finally:
            process.kill()
    assert process.returncode == code
    assert [path.name for path in tmp_path.glob("out*")] == [name]
    assert all(line["ok"] for line in told)
    made = written(output, "/front/image_raw", ROS1 if output.suffix else ROS2)
    (count,) = {len(messages) for messages in made.values()}
    assert count - len(told) in (0, 1)  # the last frame may be written and not told
    assert 5 <= len(told) < 60
    z = made["depth"][-1][1].data.view("<f4")
    np.testing.assert_array_equal(xyz(made["points"][-1][1])[..., 2].ravel(), z)


def test_a_bag_without_camera_info_takes_an_assumed_camera_and_a_given_one_goes_before_its_own(
    stream: Run, tmp_path: Path
) -> None:
    recording = Recording(ROS2)
    pixels = cv2.imdecode(np.frombuffer(jpeg(0), np.uint8), cv2.IMREAD_GRAYSCALE)
    recording.add("/cam/image_rect", START, ROS2.raw(pixels, "mono8", START))
    bare = recording.write(tmp_path / "bare", "mcap")
    result = stream(bare, "--cloud", "-o", tmp_path / "a", "--format", "bag")
    assert result.exit_code == Exit.DONE, result.output
    assert "assuming a camera" in result.stderr
    assert len(written(tmp_path / "a", "/cam/image_rect", ROS2)["points"]) == 1

    recording.add("/cam/camera_info", START, ROS2.camera_info(WIDTH, HEIGHT, START))
    known = recording.write(tmp_path / "known", "mcap")
    assert stream(known, "--cloud", "--fov", "90", "-o", tmp_path / "b", "--format", "bag").exit_code == Exit.DONE
    info = written(tmp_path / "b", "/cam/image_rect", ROS2)["camera_info"][0][1]
    assert info.k[0] == pytest.approx(WIDTH / 2)
    assert stream(known, "--cloud", "-o", tmp_path / "clouds").exit_code == Exit.DONE
    assert [path.name for path in (tmp_path / "clouds").iterdir()] == ["cam_image_rect_000000.ply"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], f"name one with --topic: {FRONT}, {REAR}"),
        (["--topic", "/nonsense"], f"image topics are /depth/image, {FRONT}"),
        (["--topic", FRONT, "--camera-info", "/chatter"], "/chatter is no CameraInfo topic"),
        (["--topic", FRONT, "--format", "bag,npy", "-o", "OUT"], "leave the other formats out"),
        (["--topic", FRONT, "--format", "npy", "-o", "OUT.bag"], "leave the other formats out"),
        (["--topic", FRONT, "--format", "bag"], "give it with -o"),
        (["--topic", FRONT, "--relative", "-o", "OUT.bag"], "leave --relative out"),
        (["--topic", FRONT, "--camera-info", "/front/camera_info", "--fov", "50"], "not two of them"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(
    arguments: list[str], text: str, stream: Run, tmp_path: Path
) -> None:
    source = drive("mcap").write(tmp_path / "drive", "mcap")
    result = stream(source, *(word.replace("OUT", str(tmp_path / "out")) for word in arguments))
    assert result.exit_code in (Exit.FAILED, Exit.USAGE)
    assert text in result.stderr
    assert not list(tmp_path.glob("out*"))


def test_a_distorted_camera_gives_depth_and_no_cloud(stream: Run, tmp_path: Path) -> None:
    recording = Recording(ROS1)
    recording.add(FRONT, START, ROS1.compressed(jpeg(0), START))
    pincushion = [0.4, 0.1, 0.0, 0.0, 0.0]
    recording.add("/front/camera_info", START, ROS1.camera_info(WIDTH, HEIGHT, START, distortion=pincushion))
    source = recording.write(tmp_path / "drive.bag", "ros1")
    refused = stream(source, "--cloud", "-o", tmp_path / "out.bag")
    assert refused.exit_code == Exit.FAILED
    assert "lens distortion" in refused.stderr
    assert "`depthwire bag --rectify` does" in refused.stderr
    assert not (tmp_path / "out.bag").exists()
    assert stream(source, "-o", tmp_path / "out.bag").exit_code == Exit.DONE
    made = written(tmp_path / "out.bag", "/front/image_raw", ROS1)
    assert [len(messages) for messages in made.values()] == [1, 0, 0]


def test_without_a_daemon_no_bag_is_begun(tmp_path: Path) -> None:
    source = long_drive(tmp_path, 1)
    words = ["--endpoint", f"ipc://{tmp_path}/nobody", "--timeout", "0.3", "stream", str(source)]
    result = CliRunner().invoke(cli.main, [*words, "-o", str(tmp_path / "out.bag")])
    assert result.exit_code == Exit.NO_DAEMON
    assert not (tmp_path / "out.bag").exists()


def test_topics_of_what_is_no_bag_are_refused(stream: Run, tmp_path: Path) -> None:
    (tmp_path / "picture.jpg").write_bytes(jpeg(0))
    result = stream(tmp_path / "picture.jpg", "--topic", FRONT)
    assert result.exit_code == Exit.USAGE
    assert "are for bags" in result.stderr
