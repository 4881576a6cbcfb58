"""Getting started, with a real daemon: the demo, the command line and the example configuration do what they say."""

from __future__ import annotations

import dataclasses
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import psutil
import pytest
from PIL import Image

from depthwire.client import demo
from depthwire.client.demo.accuracy import accuracy
from depthwire.daemon import config
from tests.e2e.conftest import PHOTOS, Daemon
from tests.pictures import jpeg

SHIPPED = Path(demo.__file__).parent
DEMO = [sys.executable, "-m", "depthwire.client.demo"]
COMMAND = [sys.executable, "-m", "depthwire.client.cli"]
WIDTH, HEIGHT = 640, 480


def run_demo(*arguments: str) -> str:
    """What the demo prints; fails the test unless it ends well and its daemon is gone."""
    finished = subprocess.run([*DEMO, *arguments], capture_output=True, text=True, timeout=120)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def daemon_pid(output: str) -> int:
    found = re.search(r"daemon +pid (\d+) on tcp://127\.0\.0\.1:\d+", output)
    assert found is not None, output
    return int(found[1])


def ply_vertices(path: Path) -> np.ndarray:
    """The vertices of a binary little-endian PLY with colours, read by hand."""
    header, body = path.read_bytes().split(b"end_header\n", 1)
    lines = header.decode("ascii").splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    xyz = [(axis, "<f4") for axis in "xyz"]
    vertices = np.frombuffer(body, np.dtype([*xyz, ("red", "u1"), ("green", "u1"), ("blue", "u1")]))
    assert f"element vertex {len(vertices)}" in lines
    return vertices


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def wait_for_line(process: subprocess.Popen[str], start: str) -> str:
    """The output up to the first line that starts so."""
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if line.startswith(start):
            return text
    raise AssertionError(f"the demo ended before a line {start!r}:\n{text}")


def test_the_demo_writes_every_file_and_stops_its_daemon(tmp_path: Path) -> None:
    arguments = ["--out", str(tmp_path / "out"), "--model", "vitt_starter", "--checkpoints", str(tmp_path)]
    output = run_demo(*arguments)
    assert "stopped with SIGTERM, exit code 0" in output
    assert gone(daemon_pid(output))
    assert "vitt_starter_154" in output
    assert "small starter model" in output

    out = tmp_path / "out"
    depth = np.load(out / "depth.npy")
    assert depth.shape == (HEIGHT, WIDTH)
    assert depth.dtype == np.float32
    with Image.open(out / "depth_mm.png") as millimetres:
        assert (millimetres.mode, millimetres.size) == ("I;16", (WIDTH, HEIGHT))
        seen = depth < 65.5
        np.testing.assert_allclose(np.asarray(millimetres)[seen], 1000 * depth[seen], atol=0.51)
    for name in ("side_by_side.png", "depth_picture.png", "relative_picture.png"):
        with Image.open(out / name) as picture:
            picture.load()
            assert picture.mode == "RGB"
            assert picture.width >= WIDTH
    vertices = ply_vertices(out / "cloud.ply")
    assert len(vertices) == HEIGHT * WIDTH
    np.testing.assert_allclose(vertices["z"], depth.ravel(), rtol=1e-5)
    with Image.open(SHIPPED / "scene.jpg") as photo:
        red = np.asarray(photo)[..., 0].ravel()
    assert np.array_equal(vertices["red"], red)

    with Image.open(SHIPPED / "scene_depth.png") as image:
        true_depth = np.asarray(image) / 1000
    abs_rel, delta1 = accuracy(depth, true_depth)
    assert f"AbsRel {abs_rel:.3f}, δ1 {delta1:.3f}" in output


def test_any_other_picture_will_do_with_an_assumed_camera(tmp_path: Path) -> None:
    (tmp_path / "mine.jpg").write_bytes(jpeg(200, 150))
    out = tmp_path / "out"
    output = run_demo("--engine", "null", "--out", str(out), "--image", str(tmp_path / "mine.jpg"))
    assert "mine.jpg, 200×150; camera: not known" in output
    assert "AbsRel" not in output
    assert np.load(out / "depth.npy").shape == (150, 200)
    assert len(ply_vertices(out / "cloud.ply")) == 150 * 200


def test_a_daemon_that_runs_already_is_used_and_left_alone(tmp_path: Path, starter: Daemon) -> None:
    output = run_demo("--out", str(tmp_path / "out"), "--endpoint", starter.endpoint)
    assert "goes on running" in output
    assert "stopped" not in output
    assert starter.process.poll() is None
    assert not (tmp_path / "out" / "depthwired.log").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["daemon", "health"])
def test_an_interrupted_demo_leaves_nothing_running(tmp_path: Path, number: signal.Signals, moment: str) -> None:
    command = [*DEMO[:1], "-u", *DEMO[1:], "--engine", "null", "--out", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        pid = daemon_pid(wait_for_line(process, moment))
        family = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        process.send_signal(number)
        assert process.wait(60) != 0
        deadline = time.monotonic() + 10
        while not all(map(gone, family)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert all(map(gone, family))
    finally:
        process.kill()
        process.communicate()


def test_a_daemon_that_does_not_come_up_is_explained_with_its_log(tmp_path: Path) -> None:
    command = [*DEMO, "--out", str(tmp_path), "--engine", "steam"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert finished.returncode == 1
    assert "did not come up" in finished.stderr
    assert "steam" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_picture_that_is_not_there_is_said_before_a_daemon_is_started(tmp_path: Path) -> None:
    command = [*DEMO, "--out", str(tmp_path / "out"), "--image", str(tmp_path / "none.jpg")]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert finished.returncode == 1
    assert finished.stderr == f"depthwire: {tmp_path / 'none.jpg'}: No such file or directory\n"
    assert finished.stdout == ""


def test_the_command_line_with_a_real_daemon(tmp_path: Path, starter: Daemon) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(160, 120, seed=number))
    (tmp_path / "torn.jpg").write_bytes(jpeg(160, 120)[:2000])
    command = [*COMMAND, "--endpoint", starter.endpoint]
    depth = [*command, "depth", str(tmp_path), "-o", str(tmp_path / "out"), "--json"]
    finished = subprocess.run(depth, capture_output=True, text=True, timeout=60)
    lines = {Path(line["image"]).name: line for line in map(json.loads, finished.stdout.splitlines())}
    assert finished.returncode == 1, finished.stderr
    assert lines.pop("torn.jpg")["error"]["code"] == "BAD_IMAGE"
    assert len(lines) == 3
    for line in lines.values():
        assert np.load(line["files"]["npy"]).max() == pytest.approx(line["max"])

    cloud = tmp_path / "cloud.ply"
    pc = [*command, "pc", str(SHIPPED / "scene.jpg"), "--intrinsics", str(SHIPPED / "scene_camera.yaml")]
    subprocess.run([*pc, "-o", str(cloud)], check=True, timeout=60, capture_output=True)
    assert len(ply_vertices(cloud)) == HEIGHT * WIDTH

    health = subprocess.run([*command, "health"], capture_output=True, text=True, timeout=60)
    assert "notice     small starter model" in health.stdout


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="the example photos are not beside this checkout")
def test_photos_of_a_camera_pass_through_the_command_line(tmp_path: Path, starter: Daemon) -> None:
    command = [*COMMAND, "--endpoint", starter.endpoint, "depth", str(PHOTOS), "-o", str(tmp_path)]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    assert len(list(tmp_path.glob("*_depth_picture.png"))) == len(list(PHOTOS.glob("*.jpg")))


def test_the_example_file_names_every_setting_with_its_default() -> None:
    path = Path(config.__file__).with_name("depthwired.example.yaml")
    named = set(re.findall(r"^(?:# )?([a-z_]+): ", path.read_text(encoding="utf-8"), re.MULTILINE))
    settings = {setting.name for setting in dataclasses.fields(config.Config)}
    assert settings <= named
    found: list[config.Config] = []

    @click.command()
    @config.config_options
    def read(**options: Any) -> None:
        found.append(config.from_options(options))

    read.main(["--config", str(path)], standalone_mode=False)
    assert found == [config.Config()]
    given = config.read_config_file(path)
    assert settings - given.keys() == {name for name in settings if getattr(config.Config(), name) is None}
