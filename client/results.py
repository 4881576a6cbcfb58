"""Results: what an answer holds, as small dataclasses of numpy arrays over the frames it arrived in.

`core` builds them from replies; users get them from both clients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from depthwire.protocol import CameraIntrinsics, InvalidRequestError, ProtocolError, Reply, Request
from depthwire.protocol.frames import MAX_HEADER_BYTES
from depthwire.protocol.options import DEPTH_DTYPES

WARNING_KEY: Final = "depthwire_warning"
"""Under it a result's meta says what is odd about its camera."""
MAX_STRETCH: Final = 0.02
"""Cameras and encoders round sizes to multiples of up to 16: 1920×1088 is the picture of a 1920×1080 calibration."""


@dataclass(frozen=True, eq=False, repr=False)
class DepthMap:
    """The answer to `metric_depth` and `rel_depth`.

    `depth` is H×W float32, one value per pixel of the image that was sent, or that a `stride` keeps: metres along the
    optical axis (REP 118) for `metric_depth`, the network's own measure for `rel_depth`; NaN where there is none.
    With `depth_format` it is float16, or uint16 millimetres with 0 where there is none; `as_float32` reads all three.
    `min` and `max` are its range in metres whatever the format, `model` the one that answered (encoder_dataset_size),
    `timing` milliseconds spent in each stage of the daemon (and `batch_size`), `meta` what the request carried, and,
    where the camera's width and height are of another aspect than the picture, a sentence about it under WARNING_KEY.
    The array stands over the received frame, which lives as long as it; it is yours alone and may be written to.
    """

    depth: npt.NDArray[Any]
    min: float
    max: float
    model: str
    timing: dict[str, float]
    meta: dict[Any, Any]
    camera: CameraIntrinsics | None = field(default=None, kw_only=True)
    """The request's, or for a `stride` what the daemon made of it; `intrinsics` is what to calculate with."""

    @property
    def intrinsics(self) -> CameraIntrinsics | None:
        """The camera of `depth` as it is, of its width and height; None where the request gave none."""
        height, width = self.depth.shape
        return None if self.camera is None else self.camera.scaled_to(width, height)

    def as_float32(self) -> npt.NDArray[np.float32]:
        """`depth` as float32 with NaN where there is none: itself where it is that already, else a copy."""
        return depth_as_float32(self.depth)

    def __repr__(self) -> str:
        arrays = {name: getattr(self, name, None) for name in ("depth", "points", "colors")}
        shapes = [f"{name}={value.shape} {value.dtype}" for name, value in arrays.items() if value is not None]
        return (
            f"{type(self).__name__}({', '.join(shapes)}, min={self.min:.4g}, max={self.max:.4g}, model={self.model!r})"
        )


@dataclass(frozen=True, eq=False, repr=False)
class PointCloud(DepthMap):
    """The answer to `pc`: the depth map in metres, and its points.

    `points` is N×3 float32, metres in the camera's optical frame (REP 103: x right, y down, z forward), row-major, one
    per pixel of `depth`; H×W×3 where `organized` was asked for. Points are NaN where there is no depth. `colors` are
    red, green and blue of the same pixels, uint8 in the shape of `points`, or None unless they were asked for.
    """

    points: npt.NDArray[np.float32]
    colors: npt.NDArray[np.uint8] | None = field(default=None, kw_only=True)


Health: TypeAlias = "dict[str, Any]"
"""The answer to `health`: status, device, engine, models_loaded, default_model, version, …"""

Result: TypeAlias = "DepthMap | PointCloud | Health"


def result_from_reply(request: Request, reply: Reply) -> Result:
    """The result in a reply without error, which `protocol` has checked.

    Raises ProtocolError for one to another operation or other options than the request's.
    """
    op, options, fields = request.op, request.options, reply.fields
    if reply.op != op:
        raise ProtocolError(f"the daemon answered {reply.op} to a request for {op}")
    if op == "health":
        return fields
    dtype = fields["depth_map"].dtype.str
    if dtype != DEPTH_DTYPES[options.depth_format]:
        raise ProtocolError(f"the daemon's answer has a depth_map of {dtype}, not in {options.depth_format}")
    common: dict[str, Any] = {
        "depth": _writable(fields["depth_map"]),
        "min": _number(fields.get("min")),
        "max": _number(fields.get("max")),
        "model": fields.get("model") or "",
        "timing": fields.get("timing") or {},
        "meta": (fields.get("meta") or {}) | _warning(request, fields["depth_map"].shape),
        "camera": _camera(fields.get("camera_intrinsics")) or request.intrinsics,
    }
    if op != "pc":
        return DepthMap(**common)
    points, colors = fields["pointcloud"], fields.get("colors")
    if points.ndim != (3 if options.organized else 2):
        raise ProtocolError(f"the daemon's answer has a pointcloud of {points.ndim} dimensions")
    if options.colors and colors is None:
        raise ProtocolError("the daemon's answer has no colors")
    return PointCloud(points=_writable(points), colors=None if colors is None else _writable(colors), **common)


def depth_as_float32(depth: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """A depth map in any depth format as float32 with NaN where there is none.

    depth: floats, passed on as they are; or uint16 millimetres, 0 where there is none, which become metres.
    """
    if depth.dtype != np.uint16:
        return depth.astype(np.float32, copy=False)
    metres: npt.NDArray[np.float32] = depth / np.float32(1000)
    metres[depth == 0] = np.nan
    return metres


def _warning(request: Request, shape: tuple[int, ...]) -> dict[str, str]:
    """What to add to meta where the picture, of which every stride-th pixel has depth, is of another aspect."""
    camera, stride = request.intrinsics, request.options.stride
    if camera is None or camera.width is None or camera.height is None or len(shape) != 2 or 0 in shape:
        return {}
    height, width = shape[0] * stride, shape[1] * stride

    def is_like(calibrated_width: int, calibrated_height: int) -> bool:
        stretch = (width / calibrated_width) / (height / calibrated_height)
        slack = MAX_STRETCH if stride == 1 else MAX_STRETCH + stride / width + stride / height
        return abs(math.log(stretch)) <= slack

    if is_like(camera.width, camera.height):
        return {}
    size = f"{width}×{height}" if stride == 1 else f"about {width}×{height}"
    why = "was turned" if is_like(camera.height, camera.width) else "was cropped or stretched"
    return {
        WARNING_KEY: f"the camera's intrinsics are of {camera.width}×{camera.height} pixels and the picture has "
        f"{size}: another aspect, so it {why} since, and points are off"
    }


def _camera(wire: dict[str, Any] | None) -> CameraIntrinsics | None:
    """The camera in a reply. Raises ProtocolError if it is none; numbers of a later daemon are passed over."""
    if wire is None:
        return None
    try:
        known = {name: wire[name] for name in ("fx", "fy", "cx", "cy", "width", "height") if name in wire}
        return CameraIntrinsics.from_wire(known)
    except InvalidRequestError as error:
        raise ProtocolError(f"the daemon's answer holds no camera: {error.message}") from None


def _writable(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    # What travelled inside the header stands over immutable bytes; all results are writable alike.
    return array if array.flags.writeable or array.nbytes > MAX_HEADER_BYTES else array.copy()


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)  # a depth map without one valid value has no range
