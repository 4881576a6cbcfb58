"""Results: what an answer holds, as small dataclasses of numpy arrays over the frames it arrived in.

`core` builds them from replies; users get them from both clients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from depthwire.protocol import ProtocolError, Reply
from depthwire.protocol.frames import MAX_HEADER_BYTES


@dataclass(frozen=True, eq=False)
class DepthMap:
    """The answer to `metric_depth` and `rel_depth`.

    `depth` is H×W float32, one value per pixel of the image that was sent: metres along the optical axis (REP 118) for
    `metric_depth`, the network's own measure for `rel_depth`; NaN where there is none. `min` and `max` are its range,
    `model` the one that answered (encoder_dataset_size), `timing` milliseconds spent in each stage of the daemon (and
    `batch_size`), `meta` what the request carried.
    The array stands over the received frame, which lives as long as it; it is yours alone and may be written to.
    """

    depth: npt.NDArray[np.float32] = field(repr=False)
    min: float
    max: float
    model: str
    timing: dict[str, float]
    meta: dict[Any, Any]


@dataclass(frozen=True, eq=False)
class PointCloud(DepthMap):
    """The answer to `pc`: the depth map in metres, and its points.

    `points` is N×3 float32, metres in the camera's optical frame (REP 103: x right, y down, z forward), row-major, one
    per pixel, so `points.reshape(*depth.shape, 3)` is the organised cloud. Rows are NaN where depth is.
    """

    points: npt.NDArray[np.float32] = field(repr=False)


Health: TypeAlias = "dict[str, Any]"
"""The answer to `health`: status, device, engine, models_loaded, default_model, version, …"""

Result: TypeAlias = "DepthMap | PointCloud | Health"


def result_from_reply(op: str, reply: Reply) -> Result:
    """The result in a reply without error, which `protocol` has checked. Raises ProtocolError for another op's."""
    if reply.op != op:
        raise ProtocolError(f"the daemon answered {reply.op} to a request for {op}")
    fields = reply.fields
    if op == "health":
        return fields
    common: dict[str, Any] = {
        "depth": _writable(fields["depth_map"]),
        "min": _number(fields.get("min")),
        "max": _number(fields.get("max")),
        "model": fields.get("model") or "",
        "timing": fields.get("timing") or {},
        "meta": fields.get("meta") or {},
    }
    if op == "pc":
        return PointCloud(points=_writable(fields["pointcloud"]), **common)
    return DepthMap(**common)


def _writable(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    # What travelled inside the header stands over immutable bytes; all results are writable alike.
    return array if array.flags.writeable or array.nbytes > MAX_HEADER_BYTES else array.copy()


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)  # a depth map without one valid value has no range
