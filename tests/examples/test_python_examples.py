"""The Python examples, run as a reader would run them, against a real daemon."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tests.e2e.conftest import DaemonFactory
from tests.pictures import scene

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_robot_hears_how_far_the_obstacle_ahead_is(start_daemon: DaemonFactory, tmp_path: Path) -> None:
    daemon = start_daemon("--engine", "null")
    video = tmp_path / "drive.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"MJPG"), 30, (320, 240))
    for number in range(30):
        writer.write(scene(320, 240, number))
    writer.release()
    calibration = tmp_path / "camera.yaml"
    calibration.write_text("camera_matrix: [[250, 0, 160], [0, 250, 120], [0, 0, 1]]\nwidth: 320\nheight: 240\n")
    lines = run(
        EXAMPLES / "robot_loop.py", video, "--endpoint", daemon.endpoint, "--intrinsics", calibration
    ).splitlines()
    said = [re.fullmatch(r"(go|slow|stop): (\S+) m ahead, \d+ ms ago, \d+ frames skipped", line) for line in lines]
    assert said
    assert all(said)
    # The null engine answers with a plane across the way, as far off as its own constant says.
    distances = {match[2] for match in said if match}
    assert len(distances) == 1
    assert 0 < float(distances.pop()) < 80


def test_the_photo_becomes_a_cloud_and_a_picture(start_daemon: DaemonFactory, tmp_path: Path) -> None:
    daemon = start_daemon("--engine", "null")
    photo = tmp_path / "photo.jpg"
    Image.fromarray(np.ascontiguousarray(scene(320, 240)[:, :, ::-1])).save(photo)
    output = run(EXAMPLES / "photo_to_cloud.py", photo, tmp_path / "out", daemon.endpoint)
    assert "76800 points" in output
    assert b"element vertex 76800" in (tmp_path / "out" / "cloud.ply").read_bytes()[:200]
    with Image.open(tmp_path / "out" / "photo_to_cloud.png") as panels:
        assert panels.width > 3 * 600
