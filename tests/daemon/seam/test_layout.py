"""A result's arrays lie one behind the other, aligned, and take no byte more than what its header says."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from depthwire.daemon.seam.layout import layout_of
from depthwire.protocol import ResultOptions
from depthwire.protocol.frames import BufferRef
from depthwire.protocol.options import DEPTH_DTYPES

PLAIN = ResultOptions()


def test_a_plain_depth_map_is_all_there_is() -> None:
    (depth,) = layout_of("metric_depth", 640, 480, PLAIN).arrays
    assert (depth.name, depth.start, depth.length) == ("depth_map", 0, 4 * 640 * 480)
    assert depth.header == {b"nd": True, b"type": "<f4", b"kind": b"", b"shape": [480, 640], b"data": BufferRef(0)}


def test_a_plain_cloud_lies_before_its_depth_map() -> None:
    layout = layout_of("pc", 7, 5, PLAIN)
    assert [(array.name, array.start, array.length) for array in layout.arrays] == [
        ("pointcloud", 0, 420),
        ("depth_map", 420, 140),
    ]
    assert layout.bytes == 560
    assert (layout.offset("depth_map", 64), layout.offset("colors", 64)) == (484, -1)
    assert layout.arrays[0].header[b"shape"] == [35, 3]


@pytest.mark.parametrize("op", ["pc", "metric_depth", "rel_depth"])
def test_every_array_is_aligned_and_as_long_as_its_header_says(op: str) -> None:
    for stride, colors, organized, depth_format in itertools.product(
        (1, 2, 3, 64), (False, op == "pc"), (False, op == "pc"), DEPTH_DTYPES
    ):
        options = ResultOptions(stride=stride, colors=colors, organized=organized, depth_format=depth_format)
        for width, height in ((1, 1), (13, 7), (640, 480), (64, 65)):
            layout = layout_of(op, width, height, options)
            end = 0
            for index, array in enumerate(layout.arrays):
                itemsize = np.dtype(array.header[b"type"]).itemsize
                assert array.start == end
                assert array.start % itemsize == 0
                assert array.length == math.prod(array.header[b"shape"]) * itemsize
                assert array.header[b"data"] == BufferRef(index)
                end += array.length
            assert layout.bytes == end
            names = ["pointcloud"] * (op == "pc") + ["depth_map"] + ["colors"] * colors
            assert [array.name for array in layout.arrays] == names
            rows, columns = len(range(0, height, stride)), len(range(0, width, stride))
            shapes = [array.header[b"shape"] for array in layout.arrays]
            cloud = [rows, columns, 3] if organized else [rows * columns, 3]
            assert shapes == [cloud] * (op == "pc") + [[rows, columns]] + [cloud] * colors
