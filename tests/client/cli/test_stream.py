"""`depthwire stream` and `view` against the scripted daemon: sources, files, the live line, the live view."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from depthwire.client import Frame, StreamItem
from depthwire.client.cli import __main__ as cli
from depthwire.client.cli.live_line import LiveLine
from depthwire.client.results import PointCloud
from depthwire.client.streams import capture, sources
from depthwire.client.streams.items import StreamCounts
from depthwire.client.view.faults import Exit
from depthwire.protocol import BadImageError
from tests.client.fake_daemon import HEIGHT, PATIENCE_S, WIDTH, FakeDaemon, Heard

COUNT = 5


def run(daemon: FakeDaemon, *arguments: object) -> Result:
    return CliRunner().invoke(cli.main, ["--endpoint", daemon.endpoint, *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures of the size that the scripted daemon answers for, each of another grey."""
    made = tmp_path / "pictures"
    made.mkdir()
    for number in range(COUNT):
        Image.new("RGB", (WIDTH, HEIGHT), (40 * number,) * 3).save(made / f"p{number}.png")
    return made


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "drive.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 50, (WIDTH, HEIGHT))
    for number in range(COUNT):
        writer.write(np.full((HEIGHT, WIDTH, 3), 40 * number, np.uint8))
    writer.release()
    return path


def test_a_folder_becomes_the_files_that_depth_writes(daemon: FakeDaemon, folder: Path, tmp_path: Path) -> None:
    result = run(daemon, "stream", folder, "-o", tmp_path / "out", "--format", "npy,png16")
    assert result.exit_code == Exit.DONE, result.output
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert names == sorted(f"p{n}_{kind}" for n in range(COUNT) for kind in ("depth.npy", "depth_mm.png"))
    assert f"{COUNT} results" in result.stderr
    assert "age p50" in result.stderr
    assert f"0 of {COUNT} frames dropped" in result.stderr


def test_a_video_becomes_coloured_clouds_and_json_lines(daemon: FakeDaemon, video: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run(daemon, "stream", video, "--cloud", "-o", out, "--json", "--frames", COUNT - 1, "--fov", 90)
    assert result.exit_code == Exit.DONE, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["name"] for line in lines] == [f"drive_{n:06d}" for n in range(COUNT - 1)]
    assert all(line["ok"] and line["age_ms"] > 0 and line["points"] == WIDTH * HEIGHT for line in lines)
    assert (out / "drive_000000.ply").read_bytes().startswith(b"ply\nformat binary_little_endian")
    camera = daemon.heard[0].request.intrinsics
    assert camera is not None
    assert (camera.width, camera.height, camera.fx) == (WIDTH, HEIGHT, pytest.approx(WIDTH / 2))


def test_a_video_under_latest_plays_at_its_own_rate(daemon: FakeDaemon, video: Path) -> None:
    begun = time.monotonic()
    assert run(daemon, "stream", video, "--policy", "latest").exit_code == Exit.DONE
    assert time.monotonic() - begun >= (COUNT - 1) / 50
    assert daemon.heard[0].request.stream


def test_a_frame_that_fails_is_reported_and_the_rest_goes_on(daemon: FakeDaemon, folder: Path) -> None:
    (folder / "p1.png").write_bytes(b"")

    def refuse_the_third(daemon: FakeDaemon, heard: Heard) -> None:
        if len(daemon.heard) == 3:
            daemon.refuse(heard, BadImageError("cut off"))
        else:
            daemon.answer(heard)

    daemon.script = refuse_the_third
    result = run(daemon, "stream", folder)
    assert result.exit_code == Exit.FAILED
    assert "p1: image is empty" in result.stderr
    assert "cut off" in result.stderr
    assert f"{COUNT - 2} results" in result.stderr
    assert "2 failed" in result.stderr


def test_a_recording_waits_for_no_daemon_that_is_gone(folder: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    result = CliRunner().invoke(cli.main, ["--endpoint", endpoint, "--timeout", "0.5", "stream", str(folder)])
    assert result.exit_code == Exit.NO_DAEMON
    assert result.stderr.count("no daemon answers") == 1


def test_a_camera_that_breaks_off_goes_on_and_counts_its_frames_alone(
    daemon: FakeDaemon, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "FIRST_PAUSE_S", 0.01)

    def as_camera(word: str, _: object) -> capture.Capture:
        return capture.Capture("camera 0", word, is_live=True)

    monkeypatch.setattr(sources, "OPENERS", [as_camera])
    result = run(daemon, "stream", video, "--frames", COUNT + 2, "--policy", "all", "--json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["ok"] for line in lines] == [True] * COUNT + [False] + [True] * 2
    assert lines[COUNT]["error"]["code"] == "CAMERA_LOST"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["stream", "no-such-thing"], "no camera number"),
        (["stream", ".", "--fov", "60", "--intrinsics", __file__], "not both"),
        (["stream", ".", "--view", "--relative"], "no cloud"),
        (["stream", ".", "--format", "jpg", "-o", "x"], "png16"),
        (["stream", ".", "--format", "npy", "-o", "x", "--cloud"], "leave --format out"),
        (["stream", ".", "--format", "npy"], "name a folder"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(arguments: list[str], says: str, daemon: FakeDaemon) -> None:
    result = run(daemon, *arguments)
    assert result.exit_code == Exit.USAGE
    assert says in result.output


@pytest.mark.parametrize(
    ("module", "arguments", "extra"), [("cv2", ["stream", "0"], "camera"), ("viser", ["view", "PICTURES"], "view")]
)
def test_what_is_not_installed_is_named(
    module: str, arguments: list[str], extra: str, daemon: FakeDaemon, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    result = run(daemon, *(str(folder) if word == "PICTURES" else word for word in arguments))
    assert result.exit_code == Exit.FAILED
    assert f"pip install '.[{extra}]'" in result.output


def test_the_live_line_tells_rate_ages_and_drops_and_each_error_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("depthwire.client.cli.live_line.time.monotonic", lambda: now)
    counts = StreamCounts(taken=90, dropped=40, errors=3)
    line = LiveLine("camera 0", counts, quiet=False)
    for number in range(40):
        now += 0.2
        line.note(item(number, age=0.1 + 0.01 * number), None)
    text = line.text(now)
    assert "camera 0: 5.0/s" in text
    assert "age p50 370 ms p99 490 ms" in text
    assert "40 of 90 frames dropped, 3 failed" in text
    for number in range(3):
        line.note(item(number), OSError("the disk is full"))
    assert capsys.readouterr().err.count("the disk is full") == 1


def item(number: int, age: float = 0.1) -> StreamItem[Any]:
    """A frame with a cloud of which some pixels are invalid."""
    rng = np.random.default_rng(number)
    depth = rng.uniform(1, 5, (HEIGHT, WIDTH)).astype(np.float32)
    depth[:4] = np.nan
    points = np.repeat(depth.reshape(-1, 1), 3, axis=1)
    colors = rng.integers(0, 255, points.shape, np.uint8)
    frame = Frame(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    cloud = PointCloud(depth, 1.0, 5.0, "vits_hypersim_518", {}, {}, points, colors=colors)
    return StreamItem(number, frame, age, 0, None, cloud)


def test_the_view_shows_the_newest_cloud_without_its_invalid_points(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("viser")
    from depthwire.client.view import viewer

    monkeypatch.setattr(viewer, "MIN_INTERVAL_S", 3600.0)
    view = viewer.Viewer()
    try:
        first, second = item(1), item(2)
        view.take(first)
        view.take(second)  # too soon, but not forgotten
        shown = view._server.scene.get_handle_by_name("/cloud")
        assert len(shown.points) == (HEIGHT - 4) * WIDTH
        np.testing.assert_allclose(shown.points[0], first.result.points[4 * WIDTH], rtol=1e-2)
        view.show_late()
        shown = view._server.scene.get_handle_by_name("/cloud")
        np.testing.assert_allclose(shown.points[0], second.result.points[4 * WIDTH], rtol=1e-2)
        np.testing.assert_array_equal(shown.colors[0], second.result.colors[4 * WIDTH])
        with urllib.request.urlopen(view.url, timeout=PATIENCE_S) as page:
            assert b"<html" in page.read().lower()
    finally:
        view.close()


def test_view_serves_its_page_until_it_is_interrupted(daemon: FakeDaemon, folder: Path) -> None:
    pytest.importorskip("viser")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "depthwire.client.cli", "--endpoint", daemon.endpoint]
    command += ["view", str(folder / "p1.png"), "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            while "the view stays" not in (text := process.stderr.readline()):
                assert text, "it ended"
            with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as page:
                assert page.status == 200
            process.send_signal(signal.SIGINT)
            stdout, _ = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
    assert process.returncode == Exit.DONE
    assert stdout == ""
