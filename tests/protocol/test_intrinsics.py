"""Intrinsics: read from numbers, matrices and calibration files, scaled to other sizes, refused where no camera has
such numbers.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthwire.protocol import CalibrationWarning, CameraIntrinsics, InvalidRequestError

K = [[525.0, 0.0, 319.5], [0.0, 526.0, 239.5], [0.0, 0.0, 1.0]]
CAMERA = CameraIntrinsics(525.0, 526.0, 319.5, 239.5, 640, 480)


def from_yaml(folder: Path, text: str) -> CameraIntrinsics:
    path = folder / "camera.yaml"
    path.write_text(text, encoding="utf-8")
    return CameraIntrinsics.from_yaml(path)


def test_a_matrix_gives_its_four_numbers_and_comes_back() -> None:
    assert CameraIntrinsics.from_matrix(K, 640, 480) == CAMERA
    assert CameraIntrinsics.from_matrix(np.array(K, np.float32)).width is None
    np.testing.assert_array_equal(CAMERA.matrix, np.array(K))


@pytest.mark.parametrize(
    ("matrix", "problem"),
    [
        (K[:2], "has shape"),
        ([K], "has shape"),
        (5, "has shape"),
        ([[1, 2], [3]], "not a 3×3 matrix of numbers"),
        ("abc", "not a 3×3 matrix of numbers"),
        ([["a"] * 3] * 3, "not a 3×3 matrix of numbers"),
        ([[10**400] * 3] * 3, "not a 3×3 matrix of numbers"),
        ([[525, 1.5, 319], [0, 525, 239], [0, 0, 1]], "not of the form"),
        ([[525, 0, 319], [1, 525, 239], [0, 0, 1]], "not of the form"),
        ([[525, 0, 319], [0, 525, 239], [0, 0, 2]], "not of the form"),
        ([[525, 0, 319], [0, 525, 239], [0, 0, math.nan]], "not of the form"),
        (np.array(K).T, "not of the form"),
    ],
    ids=range(12),
)
def test_a_matrix_that_is_no_camera_matrix_is_refused(matrix: Any, problem: str) -> None:
    with pytest.raises(InvalidRequestError, match=problem) as caught:
        CameraIntrinsics.from_matrix(matrix)
    assert caught.value.field == "matrix"


NESTED = """
camera_matrix:
  - [525.0, 0.0, 319.5]
  - [0.0, 526.0, 239.5]
  - [0.0, 0.0, 1.0]
width: 640
height: 480
"""
FLAT = """
camera_matrix: [525, 0, 319.5, 0, 526, 239.5, 0, 0, 1]
width: 640
height: 480
"""
ROS = """
image_width: 640
image_height: 480
camera_name: front
camera_matrix:
  rows: 3
  cols: 3
  data: [525.0, 0.0, 319.5, 0.0, 526.0, 239.5, 0.0, 0.0, 1.0]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [0.1, -0.2, 0.0, 0.0, 0.0]
"""
ROS_ROWS = "camera_matrix: {data: [[525, 0, 319.5], [0, 526, 239.5], [0, 0, 1]]}\nwidth: 640\nheight: 480\n"
EXPONENTS = (
    "camera_matrix: [[5.25e2, 0, 3.195e+2], [0, 526e0, 239.5], [0, 0, 1]]\nimage_width: 640\nimage_height: 480\n"
)


MATRIX = """!!opencv-matrix
   rows: 3
   cols: 3
   dt: d
   data: [ 525., 0., 3.1950000000000000e+02, 0., 526., 239.5, 0., 0., 1. ]
"""
OPENCV = f"""%YAML:1.0
---
calibration_time: "Tue Dec  1 2026"
image_width: 640
image_height: 480
camera_matrix: {MATRIX}distortion_coefficients: !!opencv-matrix
   rows: 1
   cols: 5
   dt: d
   data: [ 0., 0., 0., 0., 0. ]
"""
OPENCV_OLD = "%YAML:1.0\nimage_Width: 640\nimage_Height: 480\nCamera_Matrix: " + MATRIX
OPENCV_MINE = f"%YAML:1.0\n---\nimage_size: [640, 480]\nK: {MATRIX}"
OPENCV_JSON = """{"image_width": 640, "image_height": 480, "camera_matrix": {
"type_id": "opencv-matrix", "rows": 3, "cols": 3, "dt": "d",
"data": [525.0, 0.0, 319.5, 0.0, 526.0, 239.5, 0.0, 0.0, 1.0]}}"""
KALIBR = """cam0:
  cam_overlaps: []
  camera_model: pinhole
  distortion_coeffs: [0.0, 0.0, 0.0, 0.0]
  distortion_model: radtan
  intrinsics: [525.0, 526.0, 319.5, 239.5]
  resolution: [640, 480]
  rostopic: /front/image_raw
"""
EUROC = """%YAML:1.0
sensor_type: camera
T_BS: {cols: 4, rows: 4, data: [1.0, 0.0, 0.0, 0.0]}
resolution: [640, 480]
camera_model: pinhole
intrinsics: [525, 526, 319.5, 239.5] # fu, fv, cu, cv
"""


@pytest.mark.parametrize(
    "text",
    [NESTED, FLAT, ROS_ROWS, EXPONENTS, OPENCV, OPENCV_OLD, OPENCV_MINE, OPENCV_JSON, KALIBR, EUROC, "\ufeff" + OPENCV],
)
@pytest.mark.filterwarnings("error")
def test_every_layout_of_calibration_files_gives_the_same_camera(text: str, tmp_path: Path) -> None:
    assert from_yaml(tmp_path, text) == CAMERA


@pytest.mark.parametrize(
    "text", [ROS, OPENCV.replace("[ 0., 0., 0.", "[ 0.1, -0.2, 0."), KALIBR.replace("[0.0,", "[0.2,")]
)
def test_distortion_in_a_calibration_file_is_said_not_to_be_applied(text: str, tmp_path: Path) -> None:
    with pytest.warns(CalibrationWarning, match=r"camera\.yaml: the lens has distortion .* up to 0\.2"):
        assert from_yaml(tmp_path, text) == CAMERA


@pytest.mark.parametrize("text", [KALIBR, f"left: {{{FLAT.strip().replace(chr(10), ', ')}}}\n"])
def test_one_of_several_cameras_is_taken_by_its_name(text: str, tmp_path: Path) -> None:
    other = KALIBR.replace("cam0", "cam1").replace("525", "777")
    (tmp_path / "chain.yaml").write_text(text + other)
    assert CameraIntrinsics.from_yaml(tmp_path / "chain.yaml", camera=text.split(":")[0]) == CAMERA
    assert CameraIntrinsics.from_yaml(tmp_path / "chain.yaml", camera="cam1").fx == 777
    for camera, problem in ((None, "must be named"), ("cam2", "'cam2' is not")):
        with pytest.raises(InvalidRequestError, match=rf"{problem} in .*chain\.yaml: which holds .*, cam1") as caught:
            CameraIntrinsics.from_yaml(tmp_path / "chain.yaml", camera=camera)
        assert caught.value.field == "camera"


def test_a_calibration_file_without_a_size_gives_a_camera_without_one(tmp_path: Path) -> None:
    camera = from_yaml(tmp_path, "camera_matrix: [525, 0, 319.5, 0, 526, 239.5, 0, 0, 1]")
    assert (camera.width, camera.height) == (None, None)


@pytest.mark.parametrize(
    ("text", "field", "problem"),
    [
        ("", "camera_matrix", "is missing"),
        ("[1, 2]", "camera_matrix", "is missing"),
        ("width: 640", "camera_matrix", "is missing"),
        ("camera_matrix: [1, 2", "camera_matrix", "not a YAML file"),
        ("camera_matrix: !!python/object/apply:os.getcwd []", "camera_matrix", "not a YAML file"),
        ("calibrated: 2026-99-99", "camera_matrix", "not a YAML file"),
        ("[" * 500, "camera_matrix", "not a YAML file"),
        ("camera_matrix:", "camera_matrix", "neither a list nor a map"),
        ("camera_matrix: {rows: 3}", "camera_matrix", "neither a list nor a map"),
        ("camera_matrix: [1, 0, 1, 0, 1, 1, 0, 0]", "camera_matrix", "nor nine numbers"),
        ("camera_matrix: [[1, 0], [1, 0, 1, 1], [0, 0, 1]]", "camera_matrix", "nor nine numbers"),
        ("camera_matrix: [[a, 0, 1], [0, 1, 1], [0, 0, 1]]", "camera_matrix", "not a number"),
        ("camera_matrix: [[[1], 0, 1], [0, 1, 1], [0, 0, 1]]", "camera_matrix", "not a number"),
        ("camera_matrix: [[.nan, 0, 1], [0, 1, 1], [0, 0, 1]]", "camera_intrinsics.fx", "nan"),
        ("camera_matrix: [0, 0, 1, 0, 1, 1, 0, 0, 1]", "camera_intrinsics.fx", "at least 0.001"),
        ("camera_matrix: [1, 0, 1, 0, 1, 1, 0, 0, 1]\nwidth: 640", "camera_intrinsics.height", "missing"),
        ("camera_matrix: [1, 0, 1, 0, 1, 1, 0, 0, 1]\nwidth: a\nheight: 2", "camera_intrinsics.width", "whole number"),
        ("image_width: 640\nM1: [1]", "camera_matrix", "which holds image_width, M1"),
        ("<?xml version='1.0'?>\n<opencv_storage/>", "camera_matrix", "XML"),
        (OPENCV.replace("data: [ 525.,", "data: [ abc,"), "camera_matrix", "not a number"),
        (KALIBR.replace("pinhole", "omni"), "cam0.camera_model", "'omni'.*only pinhole"),
        (KALIBR.replace("[525.0, ", "["), "cam0.intrinsics", "holds 3 numbers"),
        (KALIBR.replace("[640, 480]", "[640]"), "cam0.resolution", "not a width and a height"),
        (KALIBR.replace("[640, 480]", "[0, 480]"), "camera_intrinsics.width", "1 to"),
        (KALIBR.replace("[0.0, 0.0,", "[a, 0.0,"), "cam0.distortion_coeffs", "not a number"),
    ],
    ids=range(25),
)
def test_a_malformed_calibration_file_is_refused_with_the_reason(
    text: str, field: str, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidRequestError, match=problem) as caught:
        from_yaml(tmp_path, text)
    assert caught.value.field == field
    assert "camera.yaml" in caught.value.message


def test_a_calibration_file_that_is_not_text_is_refused_and_a_missing_one_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "picture.yaml").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(InvalidRequestError, match="not a YAML file"):
        CameraIntrinsics.from_yaml(tmp_path / "picture.yaml")
    with pytest.raises(FileNotFoundError):
        CameraIntrinsics.from_yaml(tmp_path / "none.yaml")


def test_intrinsics_of_another_size_are_scaled_axis_by_axis() -> None:
    scaled = CAMERA.scaled_to(1280, 240)
    assert scaled == CameraIntrinsics(1050.0, 263.0, 639.0, 119.75, 1280, 240)
    assert scaled.scaled_to(640, 480) == CAMERA


def test_intrinsics_without_a_size_are_taken_to_fit_the_image() -> None:
    camera = CameraIntrinsics(525, 526, 319.5, 239.5)
    assert camera.scaled_to(1280, 960) == CameraIntrinsics(525, 526, 319.5, 239.5, 1280, 960)


def test_intrinsics_of_the_images_own_size_stay_bit_for_bit() -> None:
    assert CAMERA.scaled_to(640, 480) == CAMERA


@given(st.integers(1, 8000), st.integers(1, 8000))
def test_scaling_keeps_the_field_of_view(width: int, height: int) -> None:
    scaled = CAMERA.scaled_to(width, height)
    assert scaled.fx / width == pytest.approx(525 / 640)
    assert scaled.cy / height == pytest.approx(239.5 / 480)


def test_an_assumed_field_of_view_reaches_from_edge_to_edge() -> None:
    camera = CameraIntrinsics.from_field_of_view(90, 640, 480)
    assert camera.fx == pytest.approx(320)
    assert (camera.fy, camera.cx, camera.cy) == (camera.fx, 319.5, 239.5)


@pytest.mark.parametrize("degrees", [0, -60, 180, math.nan, math.inf])
def test_a_field_of_view_that_no_pinhole_has_is_refused(degrees: float) -> None:
    with pytest.raises(InvalidRequestError, match="1 to 180"):
        CameraIntrinsics.from_field_of_view(degrees, 640, 480)


def test_numpy_numbers_become_pythons() -> None:
    camera = CameraIntrinsics(np.float32(525), np.int64(526), 319.5, 239.5, np.int32(640), np.int32(480))
    assert camera == CAMERA
    assert {type(value) for value in camera.to_wire().values()} == {float, int}


@pytest.mark.parametrize("camera", [CAMERA, CameraIntrinsics(1, 2, -3, 4)])
def test_intrinsics_come_back_from_the_wire_as_they_were(camera: CameraIntrinsics) -> None:
    assert CameraIntrinsics.from_wire(camera.to_wire()) == camera


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**400, 1e7, "1", True, None, 1j])
@pytest.mark.parametrize("name", ["fx", "fy", "cx", "cy"])
def test_a_number_that_no_camera_has_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        CameraIntrinsics(**{"fx": 1.0, "fy": 1.0, "cx": 0.0, "cy": 0.0, name: value})
    assert caught.value.field == f"camera_intrinsics.{name}"
    assert len(caught.value.message) < 200
