"""Point clouds as PLY files, which MeshLab, CloudCompare, Open3D and Blender open.

Called by `depthwire pc` and the demo; needs numpy alone.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwire.client.view.new_file import NewFile

POINTS_PER_WRITE = 1 << 18  # bounds the extra memory to a few megabytes, whatever the cloud's size


def write_ply(path: str | os.PathLike[str], points: NDArray[Any], colours: NDArray[np.uint8] | None = None) -> int:
    """Write a binary little-endian PLY file and return the number of points in it.

    points: (N, 3) or, organised, (H, W, 3) floats, metres, written as float32 x, y, z in the frame they come in; points
    that are not finite are left out. colours: uint8 red, green, blue in the shape of the points, or None for a cloud
    without.
    Format: Greg Turk, "The PLY Polygon File Format" (Stanford, 1994), http://paulbourke.net/dataformats/ply/.
    Raises ValueError for other shapes or types, OSError where the file cannot be written.
    """
    points = np.asarray(points)
    if points.ndim not in (2, 3) or points.shape[-1] != 3 or points.dtype.kind != "f":
        raise ValueError(
            f"points must be floats of shape (N, 3) or (H, W, 3), not {points.dtype} of shape {points.shape}"
        )
    fields: list[tuple[str, str]] = [("x", "<f4"), ("y", "<f4"), ("z", "<f4")]
    if colours is not None:
        colours = np.asarray(colours)
        if colours.shape != points.shape or colours.dtype != np.uint8:
            raise ValueError(
                f"colours must be uint8 of shape {points.shape}, not {colours.dtype} of shape {colours.shape}"
            )
        fields += [("red", "u1"), ("green", "u1"), ("blue", "u1")]
        colours = colours.reshape(-1, 3)
    points = points.reshape(-1, 3)

    finite = np.isfinite(points).all(axis=1)
    count = int(np.count_nonzero(finite))
    names = {"<f4": "float", "u1": "uchar"}
    header = ["ply", "format binary_little_endian 1.0", "comment written by depthwire; metres"]
    header += [f"element vertex {count}", *(f"property {names[kind]} {name}" for name, kind in fields), "end_header"]
    with NewFile(path) as file:
        file.write(("\n".join(header) + "\n").encode("ascii"))
        for first in range(0, len(points), POINTS_PER_WRITE):
            some = slice(first, first + POINTS_PER_WRITE)
            keep = finite[some]
            rows = np.empty(int(np.count_nonzero(keep)), np.dtype(fields))
            rows["x"], rows["y"], rows["z"] = points[some][keep].T
            if colours is not None:
                rows["red"], rows["green"], rows["blue"] = colours[some][keep].T
            file.write(rows.tobytes())
    return count
