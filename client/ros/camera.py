"""CameraInfo messages as the client's intrinsics, and pictures rectified with them.

Called by the conversion of bags and nodes. Conventions: sensor_msgs/CameraInfo's own comments and REP 104.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from depthwire.client.ros.errors import CameraInfoError
from depthwire.client.ros.images import opencv
from depthwire.protocol import CameraIntrinsics, InvalidRequestError

_COEFFICIENTS = {
    "plumb_bob": (4, 5),
    "rational_polynomial": (8, 12, 14),
    "equidistant": (4,),
    "fisheye": (4,),
}
"""The distortion models that can be rectified, and how many coefficients OpenCV takes for each."""

_MAPS_KEPT = 8
"""Cameras whose maps are kept; a map takes 7 bytes a pixel."""


def camera_intrinsics(info: Any, *, rectified: bool = False) -> CameraIntrinsics:
    """The pinhole camera of an image, from its sensor_msgs/CameraInfo of any ROS.

    `rectified` says that the image is (a topic named `image_rect…`): P is taken then, else K, which needs an image
    without lens distortion, and which also stands for a P of zeros. Binning and region of interest are honoured: the
    result belongs to the image as published, whose pixel u is pixel u · binning_x + x_offset of the full one;
    cx = (K[2] − x_offset) / binning_x, as in image_geometry. Width and height are 0 in some drivers' messages, and None
    here.
    Raises CameraInfoError for a camera that is not calibrated, or is distorted.
    """
    if rectified and (_matrix(info, "P")[0, 0] != 0 or not _matrix(info, "K")[0, 0]):
        return _intrinsics(info, _matrix(info, "P"), "P")
    if rectified and _is_distorted(info):
        raise CameraInfoError(
            "the image is rectified, by its topic's name, and P, which says how, is all zero; K is the raw image's, "
            "which has lens distortion: have the driver fill P, or give --intrinsics of the rectified image",
            field="P",
        )
    if _is_distorted(info):  # else K is P's, as simulated cameras leave it out
        raise CameraInfoError(
            f"the camera has lens distortion ({_model(info)}, coefficients up to "
            f"{np.abs(_numbers(info, 'D')).max():.3g}) and points computed from K would be wrong: use its rectified "
            f"image (image_rect), or have the picture rectified",
            field="D",
        )
    return _intrinsics(info, _matrix(info, "K"), "K")


@dataclass(frozen=True, eq=False)
class _Maps:
    """Where each pixel of the rectified picture comes from, and which of them come from inside the raw one."""

    first: npt.NDArray[Any]
    second: npt.NDArray[Any]
    inside: npt.NDArray[np.bool_]
    intrinsics: CameraIntrinsics


class Rectifier:
    """Rectifies pictures by their CameraInfo with OpenCV; the maps of the last few cameras are kept."""

    def __init__(self) -> None:
        self._maps: dict[tuple[Any, ...], _Maps] = {}

    def rectify(
        self, picture: npt.NDArray[np.uint8], info: Any
    ) -> tuple[npt.NDArray[np.uint8], CameraIntrinsics, npt.NDArray[np.bool_]]:
        """The rectified picture of the same size, its intrinsics (from P), and which pixels the camera saw.

        picture: H×W×3 or H×W uint8, as published. The third is H×W bool: False where the rectified picture shows
        nothing, being black there. Models: plumb_bob, rational_polynomial, equidistant (fisheye).
        Raises CameraInfoError for other models and uncalibrated cameras, MissingEncoderError without OpenCV.
        """
        cv2 = opencv()
        height, width = picture.shape[:2]
        maps = self._maps_for(info, width, height)
        return cv2.remap(picture, maps.first, maps.second, cv2.INTER_LINEAR), maps.intrinsics, maps.inside

    def _maps_for(self, info: Any, width: int, height: int) -> _Maps:
        key = (width, height, *calibration(info))
        maps = self._maps.pop(key, None) or _make_maps(info, width, height)
        self._maps[key] = maps  # the newest last
        if len(self._maps) > _MAPS_KEPT:
            del self._maps[next(iter(self._maps))]
        return maps


def check_camera(info: Any, *, rectified: bool, rectify: bool) -> None:
    """Raises CameraInfoError where images of this camera will give no points; `rectify` is whether they may be."""
    if rectify and needs_rectification(info, rectified):
        _check_lens(info)
    else:
        camera_intrinsics(info, rectified=rectified)


def needs_rectification(info: Any, rectified: bool) -> bool:
    """Whether an image of this camera is distorted; `rectified` as for `camera_intrinsics`."""
    return not rectified and _is_distorted(info)


def calibration(info: Any) -> tuple[Any, ...]:
    """All that a CameraInfo says of its camera, to compare: everything but the header."""
    roi = info.roi
    sizes = (info.width, info.height, info.binning_x, info.binning_y)
    region = (roi.x_offset, roi.y_offset, roi.width, roi.height)
    return (info.distortion_model, *sizes, *region, *(_numbers(info, name).tobytes() for name in "DKRP"))


def _check_lens(info: Any) -> None:
    """Raises CameraInfoError for what cannot be rectified."""
    model, coefficients = _model(info), _numbers(info, "D")
    if len(coefficients) not in _COEFFICIENTS.get(model, ()):
        raise CameraInfoError(
            f"distortion model {model!r} with {len(coefficients)} coefficients cannot be rectified; those that can are "
            f"{', '.join(_COEFFICIENTS)}",
            field="distortion_model",
        )
    _intrinsics(info, _matrix(info, "K"), "K")
    if (projection := _matrix(info, "P"))[0, 0]:
        _intrinsics(info, projection, "P")


def _make_maps(info: Any, width: int, height: int) -> _Maps:
    _check_lens(info)
    model, coefficients = _model(info), _numbers(info, "D")
    # Distortion acts on normalised coordinates, so K of the image as published goes with the full image's coefficients.
    camera = _intrinsics(info, _matrix(info, "K"), "K").scaled_to(width, height)
    projection = _matrix(info, "P")
    target = _intrinsics(info, projection, "P").scaled_to(width, height) if projection[0, 0] else camera
    rotation = _numbers(info, "R").reshape(3, 3)
    rotation = rotation if rotation.any() else np.eye(3)
    cv2 = opencv()
    lens = cv2 if model in ("plumb_bob", "rational_polynomial") else cv2.fisheye
    x, y = lens.initUndistortRectifyMap(
        camera.matrix, coefficients, rotation, target.matrix, (width, height), cv2.CV_32FC1
    )
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    first, second = cv2.convertMaps(x, y, cv2.CV_16SC2)
    return _Maps(first, second, inside, target)


def _intrinsics(info: Any, matrix: npt.NDArray[np.float64], name: str) -> CameraIntrinsics:
    """The camera of the published image from K or P (its first three columns) of the full one."""
    if matrix[0, 0] == 0:
        raise CameraInfoError(f"the camera is not calibrated: {name}[0] is 0", field=name)
    binning_x, binning_y = max(1, int(info.binning_x)), max(1, int(info.binning_y))
    roi = info.roi
    width = (int(roi.width) or int(info.width)) // binning_x
    height = (int(roi.height) or int(info.height)) // binning_y
    try:
        return CameraIntrinsics(
            fx=matrix[0, 0] / binning_x,
            fy=matrix[1, 1] / binning_y,
            cx=(matrix[0, 2] - int(roi.x_offset)) / binning_x,
            cy=(matrix[1, 2] - int(roi.y_offset)) / binning_y,
            width=width if width and height else None,
            height=height if width and height else None,
        )
    except InvalidRequestError as error:
        raise CameraInfoError(f"{name} is no camera: {error.message}", field=name) from None


def _is_distorted(info: Any) -> bool:
    return bool(_numbers(info, "D").any())


def _model(info: Any) -> str:
    return info.distortion_model or "no model named"


def _numbers(info: Any, name: str) -> npt.NDArray[np.float64]:
    """A field that ROS 1 writes in upper case and ROS 2 in lower case."""
    value = getattr(info, name, None)
    return np.array(getattr(info, name.lower()) if value is None else value, np.float64)


def _matrix(info: Any, name: str) -> npt.NDArray[np.float64]:
    return _numbers(info, name).reshape(3, -1)[:, :3]
