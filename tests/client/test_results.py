"""A depth map reads the same as float32 in whatever format it travelled."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import pytest

import depthwire.client
from depthwire.client.results import WARNING_KEY, DepthMap, PointCloud, depth_as_float32, result_from_reply
from depthwire.protocol import CameraIntrinsics, ProtocolError, Reply, Request, ResultOptions


def test_millimetres_become_metres_and_zero_becomes_nan() -> None:
    metres = depth_as_float32(np.array([[0, 1, 1234, 65535]], np.uint16))
    assert metres.dtype == np.float32
    np.testing.assert_allclose(metres, [[np.nan, 0.001, 1.234, 65.535]], rtol=1e-6)


def test_every_millimetre_comes_back() -> None:
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    np.testing.assert_array_equal(np.rint(np.nan_to_num(depth_as_float32(every)) * 1000).astype(np.uint16), every)


def test_floats_are_passed_on_and_not_copied_where_they_are_float32() -> None:
    depth = np.array([[1.5, np.nan]], np.float32)
    assert depth_as_float32(depth) is depth
    np.testing.assert_array_equal(depth_as_float32(depth.astype(np.float16)), depth)


@pytest.mark.parametrize("camera", [{"fx": 0.0}, {"fx": 1.0, "fy": 1.0, "cx": 0.0}, {}])
def test_a_camera_of_the_daemon_that_is_none_is_a_protocol_error(camera: dict[str, float]) -> None:
    with pytest.raises(ProtocolError, match="camera"):
        answer(camera)


def test_a_camera_of_a_later_daemon_is_understood_as_far_as_it_is_known() -> None:
    camera = {"fx": 2.0, "fy": 2.0, "cx": 1.0, "cy": 1.0, "width": 3, "height": 2, "skew": 0.0}
    assert answer(camera).intrinsics == CameraIntrinsics(2.0, 2.0, 1.0, 1.0, 3, 2)


def warning_for(calibrated: tuple[int, int], shape: tuple[int, int], stride: int = 1) -> str:
    """What a result says of a picture whose kept pixels are of that shape."""
    camera = CameraIntrinsics(500, 500, 10, 10, *calibrated)
    request = Request(1, "metric_depth", intrinsics=camera, options=ResultOptions(stride=stride), meta={"n": 1})
    result = result_from_reply(
        request, Reply(1, "metric_depth", {"depth_map": np.ones(shape, np.float32), "meta": {"n": 1}})
    )
    assert isinstance(result, DepthMap)
    assert result.meta.pop("n") == 1
    return str(result.meta.get(WARNING_KEY, ""))


@pytest.mark.parametrize(
    ("calibrated", "shape", "stride"),
    [
        ((640, 480), (480, 640), 1),
        ((640, 480), (960, 1280), 1),
        ((1920, 1080), (1088, 1920), 1),
        ((1920, 1080), (480, 854), 1),
        ((641, 480), (69, 92), 7),
    ],
)
def test_a_picture_of_the_calibration_s_aspect_needs_no_word(
    calibrated: tuple[int, int], shape: tuple[int, int], stride: int
) -> None:
    assert warning_for(calibrated, shape, stride) == ""


def test_a_picture_of_another_aspect_is_told_in_the_meta() -> None:
    assert "640×480 pixels and the picture has 1280×720" in warning_for((640, 480), (720, 1280))
    assert "was cropped or stretched" in warning_for((640, 480), (720, 1280))
    assert "was turned" in warning_for((640, 480), (640, 480))
    assert "about 644×364" in warning_for((640, 480), (52, 92), 7)
    assert warning_for((640, 480), (0, 5)) == ""  # what else is wrong with it is said elsewhere


def answer(camera: dict[str, float]) -> DepthMap:
    fields = {"depth_map": np.ones((2, 3), np.float32), "camera_intrinsics": camera}
    result = result_from_reply(Request(1, "metric_depth"), Reply(1, "metric_depth", fields))
    assert isinstance(result, DepthMap)
    return result


def test_a_result_shows_its_shapes_range_and_model() -> None:
    depth = np.zeros((480, 640), np.float32)
    shown = repr(DepthMap(depth, 0.5, 7.123456, "vits_hypersim_518", {}, {}))
    assert shown == "DepthMap(depth=(480, 640) float32, min=0.5, max=7.123, model='vits_hypersim_518')"
    points, colors = np.zeros((307200, 3), np.float32), np.zeros((307200, 3), np.uint8)
    cloud = PointCloud(depth, float("nan"), 7.0, "vits", {}, {}, points, colors=colors)
    assert repr(cloud) == (
        "PointCloud(depth=(480, 640) float32, points=(307200, 3) float32, colors=(307200, 3) uint8, "
        "min=nan, max=7, model='vits')"
    )


def test_the_library_says_its_version() -> None:
    assert depthwire.client.__version__ == version("depthwire")
