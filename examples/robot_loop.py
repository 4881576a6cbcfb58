"""A robot that looks where it goes: a camera's newest frame, the nearest obstacle ahead, a word on how fast to go.

    depthwired                                             # in one terminal, on the machine with the GPU
    python examples/robot_loop.py 0                        # in another: camera 0, or a video file

Needs OpenCV for the camera: pip install '.[camera]' in a checkout.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from depthwire.client import CameraIntrinsics, DepthClient

HALF_WIDTH_M, ABOVE_M, BELOW_M = 0.35, 0.40, 0.25  # the robot's own outline around its camera, with a margin
STOP_M, SLOW_M = 0.8, 2.0
MAX_AGE_S = 0.5
"""What is older than this says where the obstacle was."""


def frames(source: str) -> Iterator[np.ndarray[Any, Any]]:
    capture = cv2.VideoCapture(int(source) if source.isdecimal() else source)
    try:
        while (read := capture.read())[0]:
            yield read[1]
    finally:
        capture.release()


def obstacle_ahead(points: np.ndarray[Any, Any]) -> float:
    """Metres to the nearest thing in the robot's way; infinity where there is none.

    points: (N, 3), x right, y down, z forward. The 1st percentile instead of the least, as single pixels may fly.
    """
    x, y, z = points.T
    in_the_way = z[(np.abs(x) < HALF_WIDTH_M) & (y > -ABOVE_M) & (y < BELOW_M)]  # NaN is in nobody's way
    return float(np.percentile(in_the_way, 1)) if len(in_the_way) else float("inf")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="camera number or video file")
    parser.add_argument("--endpoint", default="tcp://127.0.0.1:5555")
    parser.add_argument("--intrinsics", metavar="YAML", help="the camera's calibration")
    options = parser.parse_args()
    camera = CameraIntrinsics(500, 500, 320, 240, 640, 480)  # an assumed one: with your own, metres are metres
    if options.intrinsics:
        camera = CameraIntrinsics.from_yaml(options.intrinsics)

    with DepthClient(options.endpoint) as client:
        for item in client.stream(frames(options.source), "pc", camera, policy="latest", timeout=2.0):
            if item.error is not None:
                print(f"stop: blind ({item.error})", flush=True)
                continue
            distance = obstacle_ahead(item.result.points)
            too_old = item.age > MAX_AGE_S
            speed = "stop" if too_old or distance < STOP_M else "slow" if distance < SLOW_M else "go"
            print(
                f"{speed}: {distance:.2f} m ahead, {1e3 * item.age:.0f} ms ago, {item.dropped} frames skipped",
                flush=True,
            )


if __name__ == "__main__":
    main()
