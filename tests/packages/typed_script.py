"""What a user with a type checker writes: test_typed_script.py has mypy and pyright read it, nobody runs it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from depthwire.client import (
    AsyncDepthClient,
    CameraIntrinsics,
    DepthClient,
    DepthFuture,
    DepthMap,
    DepthwireError,
    Frame,
    PointCloud,
    __version__,
)

if TYPE_CHECKING:
    from cv2.typing import MatLike

camera = CameraIntrinsics(500, 500, 320, 240, 640, 480)
version: str = __version__


def frames(file: str) -> Iterator[MatLike]:
    capture = cv2.VideoCapture(file)
    while True:
        good, frame = capture.read()
        if not good:
            return
        yield frame


def resized(frame: MatLike) -> MatLike:
    return cv2.resize(frame, (640, 480))


def single_pictures(client: DepthClient) -> None:
    frame = cv2.imread("photo.jpg")
    if frame is None:
        return
    cloud: PointCloud = client.pc(frame, camera, colors=True)
    points: npt.NDArray[np.float32] = cloud.points
    depth: DepthMap = client.metric_depth(resized(frame), max_depth=20.0, timeout=0.5)
    metres: npt.NDArray[np.float32] = depth.as_float32()
    nearest: float = depth.min
    future: DepthFuture[DepthMap] = client.submit("metric_depth", frame, meta={"stamp": 1})
    later: DepthMap = future.result()
    for image in (b"encoded", Path("photo.jpg"), "photo.jpg", np.zeros((480, 640, 3), np.uint8)):
        client.rel_depth(image)
    health: dict[str, Any] = client.health()
    print(points, metres, nearest, later, health)


def streams(client: DepthClient) -> None:
    for item in client.stream(frames("drive.mp4"), "pc", camera, policy="latest", timeout=2.0):
        if item.error is not None:
            continue
        cloud: PointCloud = item.result
        age: float = item.age
        print(cloud.points.shape, age)
    for other in client.stream((Frame(frame, meta={"n": 1}) for frame in frames("drive.mp4")), "metric_depth"):
        depth: DepthMap = other.result
        print(depth.max)
    for third in client.stream(((frame, {"n": 1}) for frame in frames("drive.mp4")), "rel_depth"):
        print(third.meta)


async def asynchronous() -> None:
    async def pictures() -> AsyncIterator[MatLike]:
        for frame in frames("drive.mp4"):
            yield frame

    async with AsyncDepthClient() as client:
        depth: DepthMap = await client.metric_depth(resized(np.zeros((480, 640, 3), np.uint8)))
        print(depth)
        async for item in client.stream(pictures(), "metric_depth"):
            print(item.result.depth.shape)


def main() -> None:
    try:
        with DepthClient("tcp://127.0.0.1:5555") as client:
            single_pictures(client)
            streams(client)
    except DepthwireError as error:
        code: str = error.code
        print(code, error.message, error.field)
