"""CameraInfo as intrinsics, and rectified pictures whose intrinsics are checked by points that OpenCV projects."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from depthwire.client import ros
from depthwire.client.ros.camera import check_camera
from tests.client.ros.recording import CX, CY, FX, FY, PLUMB_BOB, ROS1, ROS2, Ros

BOTH = pytest.mark.parametrize("kind", [ROS1, ROS2], ids=["ros1", "ros2"])
WIDTH, HEIGHT = 320, 240
RATIONAL = [0.2, -0.1, 0.001, -0.001, 0.01, 0.3, -0.05, 0.002]
EQUIDISTANT = [-0.02, 0.005, -0.002, 0.0004]


@BOTH
def test_k_or_p_is_taken_as_the_image_is_raw_or_rectified(kind: Ros) -> None:
    info = kind.camera_info(WIDTH, HEIGHT)
    raw, rectified = ros.camera_intrinsics(info), ros.camera_intrinsics(info, rectified=True)
    assert (raw.fx, raw.fy, raw.cx, raw.cy, raw.width, raw.height) == (FX, FY, CX, CY, WIDTH, HEIGHT)
    assert (rectified.fx, rectified.fy, rectified.cx, rectified.cy) == (FX - 10, FY - 10, CX + 1, CY + 2)


@BOTH
def test_binning_and_region_of_interest_move_every_pixel_to_where_it_is_published(kind: Ros) -> None:
    info = kind.camera_info(WIDTH, HEIGHT, binning=(2, 4), roi=(40, 80, 160, 120))
    camera = ros.camera_intrinsics(info)
    assert (camera.width, camera.height) == (80, 30)
    columns, rows = (
        np.arange(WIDTH)[40:200:2],
        np.arange(HEIGHT)[80:200:4],
    )
    np.testing.assert_allclose((np.arange(80) - camera.cx) / camera.fx, (columns - CX) / FX)
    np.testing.assert_allclose((np.arange(30) - camera.cy) / camera.fy, (rows - CY) / FY)


@pytest.mark.parametrize(
    ("info", "text"),
    [
        (ROS1.camera_info(WIDTH, HEIGHT, distortion=PLUMB_BOB), r"lens distortion \(plumb_bob, .* 0.28\).*image_rect"),
        (ROS2.camera_info(WIDTH, HEIGHT, k=[0.0] * 9), "not calibrated"),
        (ROS2.camera_info(WIDTH, HEIGHT, k=[FX, 0, 1e9, 0, FY, 1, 0, 0, 1]), "at most"),
    ],
)
def test_what_is_no_pinhole_camera_is_refused_saying_why(info: Any, text: str) -> None:
    with pytest.raises(ros.CameraInfoError, match=text):
        ros.camera_intrinsics(info)


def test_a_size_that_a_driver_leaves_at_zero_is_no_size() -> None:
    assert ros.camera_intrinsics(ROS1.camera_info(0, 0)).width is None


@pytest.mark.parametrize("cut", [{}, {"binning": (2, 2), "roi": (20, 10, 280, 220)}], ids=["full", "binned region"])
@pytest.mark.parametrize(
    ("model", "distortion"),
    [("plumb_bob", PLUMB_BOB), ("rational_polynomial", RATIONAL), ("equidistant", EQUIDISTANT)],
)
def test_points_seen_through_a_lens_appear_where_the_rectified_intrinsics_project_them(
    model: str, distortion: list[float], cut: dict[str, Any]
) -> None:
    info = ROS2.camera_info(WIDTH, HEIGHT, model=model, distortion=distortion, **cut)
    points = np.array([[x, y, 4.0] for x in (-1.2, 0.3, 1.4) for y in (-0.9, 0.1, 1.0)])
    full = _seen_through_lens(points, model, distortion)
    (dx, dy, width, height), (bx, by) = cut.get("roi", (0, 0, WIDTH, HEIGHT)), cut.get("binning", (1, 1))
    raw = np.zeros((height // by, width // bx), np.uint8)
    for u, v in (full - (dx, dy)) / (bx, by):
        cv2.circle(raw, (round(u * 16), round(v * 16)), 2 * 16, 255, -1, cv2.LINE_AA, shift=4)

    straight, camera, inside = ros.Rectifier().rectify(raw, info)
    assert straight.shape == raw.shape == inside.shape == (camera.height, camera.width)
    for x, y, z in points:
        u, v = camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy
        window = straight[round(v) - 5 : round(v) + 6, round(u) - 5 : round(u) + 6].astype(float)
        rows, columns = np.mgrid[round(v) - 5 : round(v) + 6, round(u) - 5 : round(u) + 6]
        found = (columns * window).sum() / window.sum(), (rows * window).sum() / window.sum()
        assert found == pytest.approx((u, v), abs=0.3)


def _seen_through_lens(points: np.ndarray, model: str, distortion: list[float]) -> np.ndarray:
    k, d, none = np.array([[FX, 0, CX], [0, FY, CY], [0, 0, 1]]), np.array(distortion), np.zeros(3)
    if model == "equidistant":
        pixels, _ = cv2.fisheye.projectPoints(points.reshape(-1, 1, 3), none, none, k, d)
    else:
        pixels, _ = cv2.projectPoints(points, none, none, k, d)
    return pixels.reshape(-1, 2)


def test_pixels_that_no_part_of_the_raw_picture_reaches_are_told_and_maps_are_made_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []
    original = cv2.initUndistortRectifyMap
    monkeypatch.setattr(cv2, "initUndistortRectifyMap", lambda *given: made.append(1) or original(*given))
    rectifier = ros.Rectifier()
    grey = np.full((HEIGHT, WIDTH), 200, np.uint8)
    pincushion = [0.4, 0.1, 0.0, 0.0, 0.0]  # its rectified picture asks for pixels beyond the raw one's edge
    for stamp in range(3):
        info = ROS1.camera_info(WIDTH, HEIGHT, stamp, distortion=pincushion)
        straight, _, inside = rectifier.rectify(grey, info)
    assert len(made) == 1
    assert 0.02 < (~inside).mean() < 0.9
    np.testing.assert_array_equal(straight[inside], 200)
    assert straight[0, 0] == 0
    other = ROS1.camera_info(WIDTH, HEIGHT, distortion=PLUMB_BOB)
    rectifier.rectify(grey, other)
    assert len(made) == 2


def test_a_lens_that_opencv_has_no_maps_for_is_refused_by_its_name() -> None:
    info = ROS1.camera_info(WIDTH, HEIGHT, model="kannala_brandt8", distortion=[0.1] * 8)
    with pytest.raises(ros.CameraInfoError, match=r"kannala_brandt8.*8 coefficients.*plumb_bob"):
        ros.Rectifier().rectify(np.zeros((HEIGHT, WIDTH), np.uint8), info)


@pytest.mark.parametrize("distortion", [[], [0.0] * 5])
def test_k_stands_for_a_p_of_zeros_where_there_is_no_distortion(distortion: list[float]) -> None:
    info = ROS2.camera_info(WIDTH, HEIGHT, distortion=distortion, p=[0.0] * 12)
    assert ros.camera_intrinsics(info, rectified=True) == ros.camera_intrinsics(info)
    with pytest.raises(ros.CameraInfoError, match="not calibrated"):
        ros.camera_intrinsics(ROS2.camera_info(WIDTH, HEIGHT, k=[0.0] * 9, p=[0.0] * 12), rectified=True)


def test_a_p_of_zeros_with_distortion_is_refused_with_a_way_out() -> None:
    info = ROS2.camera_info(WIDTH, HEIGHT, distortion=PLUMB_BOB, p=[0.0] * 12)
    with pytest.raises(ros.CameraInfoError, match=r"P, which says how, is all zero.*--intrinsics"):
        ros.camera_intrinsics(info, rectified=True)


def test_what_cannot_be_rectified_is_known_before_the_first_picture() -> None:
    distorted = ROS2.camera_info(WIDTH, HEIGHT, distortion=PLUMB_BOB)
    check_camera(distorted, rectified=False, rectify=True)
    check_camera(distorted, rectified=True, rectify=False)
    odd = ROS2.camera_info(WIDTH, HEIGHT, model="thin_prism", distortion=PLUMB_BOB)
    uncalibrated = ROS2.camera_info(WIDTH, HEIGHT, distortion=PLUMB_BOB, k=[0.0] * 9)
    for info, rectify in ((distorted, False), (odd, True), (uncalibrated, True)):
        with pytest.raises(ros.CameraInfoError):
            check_camera(info, rectified=False, rectify=rectify)
