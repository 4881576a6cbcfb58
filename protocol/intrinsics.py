"""Camera intrinsics of the pinhole model: where they come from, how they scale, how they travel.

Users build one and hand it to `client.pc`; `messages` reads it off the wire; the worker projects with it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from depthwire.protocol.calibration import CalibrationWarning, read_calibration
from depthwire.protocol.errors import InvalidRequestError, shown

MAX_PIXEL_COORDINATE = 1e6
"""Focal lengths and principal points beyond this many pixels are mistakes, not cameras."""

MIN_FOCAL_PIXELS = 1e-3
"""Below it points would overflow float32."""


@dataclass(frozen=True)
class CameraIntrinsics:
    """Focal lengths `fx`, `fy` and principal point `cx`, `cy`, in pixels of an image of `width` × `height`.

    Pixel (u, v) at depth z is the point ((u − cx)·z/fx, (v − cy)·z/fy, z), u and v being the integer pixel index
    (the pinhole model without distortion; Hartley & Zisserman, Multiple View Geometry, ch. 6).
    `width` and `height` are the size of the image the numbers belong to; both or neither. With them the daemon scales
    the intrinsics to the image it gets, without them it takes the numbers as they are.
    Raises InvalidRequestError for values that no camera has.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int | None = None
    height: int | None = None

    def __post_init__(self) -> None:
        for name in ("fx", "fy", "cx", "cy"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
                raise _invalid(name, f"is not a number but {type(value).__name__}")
            if not abs(value) <= MAX_PIXEL_COORDINATE:  # NaN is refused too, as it compares false
                raise _invalid(name, f"is {shown(value)}; at most ±{MAX_PIXEL_COORDINATE:.7g} pixels are allowed")
            object.__setattr__(self, name, float(value))
        for name in ("fx", "fy"):
            if getattr(self, name) < MIN_FOCAL_PIXELS:
                raise _invalid(
                    name, f"is {getattr(self, name)}; a focal length is at least {MIN_FOCAL_PIXELS:g} pixels"
                )
        if (self.width is None) != (self.height is None):
            missing = "width" if self.width is None else "height"
            raise _invalid(missing, "is missing; give width and height, or neither")
        for name in ("width", "height"):
            size = getattr(self, name)
            if size is None:
                continue
            if isinstance(size, bool) or not isinstance(size, (int, np.integer)):
                raise _invalid(name, f"is not a whole number but {type(size).__name__}")
            if not 1 <= size <= MAX_PIXEL_COORDINATE:
                raise _invalid(name, f"is {shown(size)}; 1 to {MAX_PIXEL_COORDINATE:.7g} pixels are allowed")
            object.__setattr__(self, name, int(size))

    @classmethod
    def from_matrix(
        cls, matrix: npt.ArrayLike, width: int | None = None, height: int | None = None
    ) -> CameraIntrinsics:
        """From the 3×3 camera matrix K = [[fx, 0, cx], [0, fy, cy], [0, 0, 1]].

        Raises InvalidRequestError for another shape, for skew (K[0, 1] ≠ 0) and for a last row other than [0, 0, 1].
        """
        try:
            k = np.asarray(matrix, dtype=np.float64)
        except (OverflowError, TypeError, ValueError):
            raise _invalid("matrix", "is not a 3×3 matrix of numbers") from None
        if k.shape != (3, 3):
            raise _invalid("matrix", f"has shape {k.shape}; a camera matrix is 3×3")
        if not np.allclose(k[2], (0, 0, 1)) or not np.allclose((k[0, 1], k[1, 0]), 0):
            raise _invalid("matrix", "is not of the form [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]")
        return cls(float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2]), width, height)

    @classmethod
    def from_yaml(cls, path: str | Path, camera: str | None = None) -> CameraIntrinsics:
        """From a calibration file: of ROS, OpenCV (FileStorage), Kalibr or EuRoC, or written by hand.

        `camera_matrix` (or `K`) is a nested list `[[fx, 0, cx], [0, fy, cy], [0, 0, 1]]`, a flat list of nine, or
        `{rows: 3, cols: 3, data: [nine numbers]}`, with `width`/`height` or `image_width`/`image_height`; Kalibr and
        EuRoC have `intrinsics: [fx, fy, cx, cy]` and `resolution: [width, height]`. `camera` names one of several in a
        file, such as `cam1`. Distortion coefficients in the file are not applied: warns CalibrationWarning where there
        are any.
        Raises OSError if the file cannot be read, InvalidRequestError, naming file and field, if it holds no camera.
        """
        found = read_calibration(path, camera)
        if found.is_distorted:
            warnings.warn(
                f"{path}: the lens has distortion (coefficients up to {max(map(abs, found.distortion)):.3g}), which is "
                f"not applied: points are off towards the edges unless the pictures are rectified",
                CalibrationWarning,
                stacklevel=2,
            )
        try:
            return cls.from_matrix(found.matrix, found.width, found.height)
        except InvalidRequestError as error:
            raise InvalidRequestError(f"{error.message} in {path}", field=error.field) from None

    @classmethod
    def from_field_of_view(cls, horizontal_degrees: float, width: int, height: int) -> CameraIntrinsics:
        """An assumed camera: square pixels, principal point in the middle, fx = (width / 2) / tan(hfov / 2)."""
        if not 1 <= horizontal_degrees < 180:
            raise _invalid("horizontal_degrees", f"is {horizontal_degrees}; 1 to 180 degrees are allowed")
        focal = width / 2 / math.tan(math.radians(horizontal_degrees) / 2)
        return cls(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)

    @classmethod
    def from_wire(cls, value: object) -> CameraIntrinsics:
        """From a request's `camera_intrinsics` map. Raises InvalidRequestError naming the field at fault."""
        if not isinstance(value, Mapping):
            raise InvalidRequestError(
                "camera_intrinsics must be a map of fx, fy, cx, cy [, width, height]",
                field="camera_intrinsics",
            )
        known = {"fx", "fy", "cx", "cy", "width", "height"}
        for name in value:
            if name not in known:
                raise _refused(
                    f"camera_intrinsics.{str(name)[:40]}",
                    "is not known; the fields are fx, fy, cx, cy, width and height",
                )
        for name in ("fx", "fy", "cx", "cy"):
            if name not in value:
                raise _invalid(name, "is missing")
        return cls(**value)

    def to_wire(self) -> dict[str, Any]:
        """The `camera_intrinsics` map of a request."""
        wire: dict[str, Any] = {"fx": self.fx, "fy": self.fy, "cx": self.cx, "cy": self.cy}
        if self.width is not None:
            wire |= {"width": self.width, "height": self.height}
        return wire

    def scaled_to(self, width: int, height: int) -> CameraIntrinsics:
        """The same camera for its image resized to `width` × `height`.

        fx and cx grow by width / self.width, fy and cy by height / self.height, as labs' scripts and the design have
        it (the half-pixel shift of resizing about pixel centres is left out on purpose). Without a size of their own
        the intrinsics are taken to belong to the new size already.
        """
        if self.width is None or self.height is None or (self.width, self.height) == (width, height):
            return CameraIntrinsics(self.fx, self.fy, self.cx, self.cy, width, height)
        sx, sy = width / self.width, height / self.height
        return CameraIntrinsics(self.fx * sx, self.fy * sy, self.cx * sx, self.cy * sy, width, height)

    def decimated(self, stride: int) -> CameraIntrinsics:
        """The camera of the image of which only the pixels in columns and rows 0, stride, 2·stride, … are kept.

        All four numbers are divided by `stride`, which is exact: kept pixel u' was u = stride·u', and
        (u − cx)/fx = (u' − cx/stride)/(fx/stride). width and height become the number of kept columns and rows.
        """
        width, height = (None if size is None else -(-size // stride) for size in (self.width, self.height))
        return CameraIntrinsics(self.fx / stride, self.fy / stride, self.cx / stride, self.cy / stride, width, height)

    @property
    def matrix(self) -> npt.NDArray[np.float64]:
        """The 3×3 camera matrix, float64."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], dtype=np.float64)


def _invalid(name: str, problem: str) -> InvalidRequestError:
    return _refused(name if name == "matrix" else f"camera_intrinsics.{name}", problem)


def _refused(field: str, problem: str) -> InvalidRequestError:
    return InvalidRequestError(f"{repr(field)[1:-1]} {problem}", field=field)
