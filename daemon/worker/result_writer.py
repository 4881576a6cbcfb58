"""Where a job's arrays lie in the arena, and what is written there: the worker's finishing and decode threads call it.

A plain result goes straight from the engine to its place. One with options is made of the engine's whole map on the
host, in the same way behind every engine.
"""

from __future__ import annotations

import math
import mmap
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from depthwire.daemon.engines.engine import Network
from depthwire.daemon.results.shaping import Shaped, shape_result, write_colors
from depthwire.daemon.results.target import Target
from depthwire.daemon.seam import jobs
from depthwire.protocol import InternalError, ResultOptions
from depthwire.protocol.options import DEPTH_DTYPES, PLAIN


class ResultWriter:
    def __init__(self, arena: mmap.mmap, threads: int) -> None:
        self._arena = arena
        self._threads = threads
        self._rows_pool = ThreadPoolExecutor(threads, "shape")

    def write(self, network: Network, output: Any, job: jobs.Stage) -> tuple[float, float]:
        """Write the result that a network's output makes; returns the range of its valid depths, NaN without any.

        Raises InternalError where the output is not finite.
        """
        options = _options(job)
        is_float32 = options.depth_format == "float32"
        if options.keeps_every_value and is_float32:
            return _finite(network.finish(output, self._target(job)))
        shaped = self._shaped(job, options)
        if is_float32 and options.stride == 1 and options.edge_filter is None:
            full = shaped.depth  # a range needs no neighbours, so it can be applied where the map lies
        else:
            full = np.empty((job.height, job.width), np.float32)
        whole = Target(full, None, job.scale, job.fx, job.fy, job.cx, job.cy)
        least, greatest = _finite(network.finish(output, whole))
        return shape_result(full, least, greatest, shaped, self._rows_pool, self._threads)

    def write_colors(self, picture: npt.NDArray[np.uint8], job: jobs.Stage) -> None:
        """Write the colours of a decoded picture (height, width, 3), blue first, of the size that the job says."""
        options = _options(job)
        columns, rows = options.map_size(job.width, job.height)
        write_colors(picture, options.stride, self._array(job.colors_offset, rows, columns, 3, dtype="|u1"))

    def _target(self, job: jobs.Stage) -> Target:
        depth = self._array(job.depth_offset, job.height, job.width)
        points = self._array(job.points_offset, job.height, job.width, 3) if job.points_offset >= 0 else None
        return Target(depth, points, job.scale, job.fx, job.fy, job.cx, job.cy)

    def _shaped(self, job: jobs.Stage, options: ResultOptions) -> Shaped:
        columns, rows = options.map_size(job.width, job.height)
        depth = self._array(job.depth_offset, rows, columns, dtype=DEPTH_DTYPES[options.depth_format])
        points = self._array(job.points_offset, rows, columns, 3) if job.points_offset >= 0 else None
        return Shaped(options, depth, points, job.fx, job.fy, job.cx, job.cy)

    def _array(self, offset: int, *shape: int, dtype: str = "<f4") -> npt.NDArray[Any]:
        array: npt.NDArray[Any] = np.ndarray(shape, dtype, self._arena, offset)
        return array


def _options(job: jobs.Stage) -> ResultOptions:
    if job.options is None:
        return PLAIN
    return ResultOptions.from_wire(job.options, "pc")  # the operation was checked where the request came in


def _finite(extremes: tuple[float, float]) -> tuple[float, float]:
    """A map's range. Raises InternalError where the map holds what is no depth."""
    if not (math.isfinite(extremes[0]) and math.isfinite(extremes[1])):
        raise InternalError("the network's output is not finite; run the daemon with --precision float32")
    return extremes
