"""What options make of a depth map is what SPEC.md says, pixel for pixel, against slow code written from its words."""

from __future__ import annotations

import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from depthwire.daemon.results import project
from depthwire.daemon.results import shaping as module
from depthwire.daemon.results.shaping import Shaped, shape_result, write_colors
from depthwire.protocol import ResultOptions
from depthwire.protocol.options import DEPTH_DTYPES

Floats = npt.NDArray[np.float32]
CAMERA = (52.7, 48.3, 31.62, 24.18)
MIXED = [(480, 640), (37, 53), (14, 14), (5, 1), (1, 6), (1, 1), (2, 2), (4, 4), (3, 2)]
"""Sizes that divide into chunks, that do not, and those that a library may take for a scalar, a pixel or a row."""


def depth_map(height: int, width: int) -> Floats:
    """Two planes and noise that jumps at some pixels, from 0.2 to some 90 m."""
    rng = np.random.default_rng(height * width)
    depth = np.where(np.arange(width) < width // 2, 2.0, 9.0) + 0.01 * np.arange(height)[:, None]
    depth = depth * rng.choice([0.1, 1.0, 1.0, 1.0, 1.04, 10.0], (height, width))
    return depth.astype(np.float32)


def shaped(depth: Floats, options: ResultOptions, *, cloud: bool = True) -> tuple[Shaped, tuple[float, float]]:
    columns, rows = options.map_size(depth.shape[1], depth.shape[0])
    out = np.full((rows, columns), 7, DEPTH_DTYPES[options.depth_format])
    points = np.full((rows, columns, 3), 7, np.float32) if cloud else None
    target = Shaped(options, out, points, *CAMERA)
    return target, shape_result(depth, float(depth.min()), float(depth.max()), target)


def expected(depth: Floats, options: ResultOptions) -> Floats:
    """The kept depths in metres, one pixel after the other."""
    height, width = depth.shape
    result = []
    for v in range(0, height, options.stride):
        row = []
        for u in range(0, width, options.stride):
            z = depth[v, u]
            near = depth[max(v - 1, 0) : v + 2, max(u - 1, 0) : u + 2]
            if options.range and not np.float32(options.range[0]) <= z <= np.float32(options.range[1]):
                z = np.float32(math.nan)
            if options.edge_filter and near.max() > np.float32(1 + options.edge_filter) * near.min():
                z = np.float32(math.nan)
            row.append(z)
        result.append(row)
    return np.array(result, np.float32)


def formatted(depth: Floats, name: str) -> npt.NDArray[Any]:
    if name != "uint16_mm":
        return depth.astype(name)
    whole = [round(float(np.float32(1000) * z)) if z <= np.float32(65.535) else 0 for z in depth.ravel()]
    return np.array(whole, np.uint16).reshape(depth.shape)


OPTIONS = [
    ResultOptions(range_, edge, stride, depth_format=depth_format)  # type: ignore[arg-type]
    for range_, edge, stride, depth_format in itertools.product(
        [None, (0.3, 20.0)], [None, 0.05], [1, 2, 5], ["float32", "float16", "uint16_mm"]
    )
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(map(str, vars(options).values())))
def test_every_combination_of_options_is_what_the_specification_says(options: ResultOptions) -> None:
    for size in MIXED[1:]:
        depth = depth_map(*size)
        target, (low, high) = shaped(depth, options)
        kept = expected(depth, options)
        np.testing.assert_array_equal(target.depth, formatted(kept, options.depth_format))
        assert target.points is not None
        np.testing.assert_array_equal(target.points[..., 2], kept)
        valid = kept[~np.isnan(kept)]
        assert (low, high) == (valid.min(), valid.max()) if valid.size else math.isnan(low) and math.isnan(high)


@pytest.mark.parametrize("stride", [1, 2, 3, 64])
def test_the_points_of_kept_pixels_are_bit_for_bit_those_of_the_whole_cloud(stride: int) -> None:
    depth = depth_map(480, 640)
    whole = np.empty((480, 640, 3), np.float32)
    project.project(depth, *CAMERA, whole)
    target, _ = shaped(depth, ResultOptions(stride=stride, depth_format="uint16_mm"))
    np.testing.assert_array_equal(target.points, whole[::stride, ::stride])


def test_an_invalid_depth_is_an_invalid_point_in_all_three_coordinates_and_no_other_is() -> None:
    target, _ = shaped(depth_map(37, 53), ResultOptions(range=(1.0, 12.0), edge_filter=0.2))
    assert target.points is not None
    invalid = np.isnan(target.depth)
    assert 0 < invalid.sum() < invalid.size
    np.testing.assert_array_equal(np.isnan(target.points), np.repeat(invalid[..., None], 3, axis=2))


def test_the_bounds_of_a_range_are_part_of_it_as_float32_has_them() -> None:
    depth = np.array([[0.3, 0.7, 0.1 + 0.2, 20.0, np.nextafter(np.float32(20), np.float32(99))]], np.float32)
    target, extremes = shaped(depth, ResultOptions(range=(0.3, 20.0)))
    assert np.isnan(target.depth).tolist() == [[False, False, False, False, True]]
    assert extremes == (depth[0, 0], 20.0)


def test_a_step_of_depth_loses_the_pixel_on_each_side_and_a_slope_below_the_threshold_none() -> None:
    step = np.repeat(np.float32([[2, 2, 2, 5, 5, 5]]), 4, axis=0)
    target, _ = shaped(step, ResultOptions(edge_filter=0.1))
    assert np.isnan(target.depth[0]).tolist() == [False, False, True, True, False, False]
    slope = np.repeat((2 * 1.04 ** np.arange(6, dtype=np.float32))[None], 4, axis=0)  # 8 % over a neighbourhood
    assert not np.isnan(shaped(slope, ResultOptions(edge_filter=0.1))[0].depth).any()
    assert np.isnan(shaped(slope, ResultOptions(edge_filter=0.05))[0].depth)[:, 1:-1].all()


def test_the_edge_filter_sees_the_whole_map_also_where_range_or_stride_leave_pixels_out() -> None:
    step = np.repeat(np.float32([[2, 2, 2, 50, 50, 50]]), 4, axis=0)
    target, extremes = shaped(step, ResultOptions(range=(0.0, 10.0), edge_filter=0.1, stride=2))
    assert np.isnan(target.depth).tolist() == [[False, True, True]] * 2
    assert extremes == (2.0, 2.0)


@pytest.mark.parametrize("range_", [None, (0.0, 1000.0), (0.5, 30.0)])
def test_a_range_applied_where_the_map_lies_gives_the_same(range_: tuple[float, float] | None) -> None:
    depth = depth_map(480, 641)
    options = ResultOptions(range=range_)
    apart, extremes = shaped(depth, options)
    place = depth.copy()
    inside = Shaped(options, place, np.zeros((480, 641, 3), np.float32), *CAMERA)
    assert shape_result(place, float(depth.min()), float(depth.max()), inside) == extremes
    np.testing.assert_array_equal(place, apart.depth)
    np.testing.assert_array_equal(inside.points, apart.points)


def test_a_map_without_a_valid_depth_has_no_range() -> None:
    for depth_format, invalid in (("float32", np.nan), ("float16", np.nan), ("uint16_mm", 0)):
        options = ResultOptions(range=(100.0, 200.0), depth_format=depth_format)  # type: ignore[arg-type]
        target, extremes = shaped(depth_map(14, 14), options)
        np.testing.assert_array_equal(target.depth, np.full((14, 14), invalid))
        assert all(map(math.isnan, extremes))


@pytest.mark.parametrize("parts", [2, 3])
def test_a_large_map_divided_over_threads_gives_the_same(parts: int) -> None:
    depth = depth_map(1021, 1031)
    assert depth.size >= project.PARALLEL_FROM_PIXELS
    options = ResultOptions(range=(0.5, 30.0), edge_filter=0.1, stride=3, depth_format="float16")
    alone, extremes = shaped(depth, options)
    divided = Shaped(options, np.zeros_like(alone.depth), np.zeros((341, 344, 3), np.float32), *CAMERA)
    with ThreadPoolExecutor(parts) as pool:
        assert shape_result(depth, float(depth.min()), float(depth.max()), divided, pool, parts) == extremes
    np.testing.assert_array_equal(divided.depth, alone.depth)
    np.testing.assert_array_equal(divided.points, alone.points)


def test_where_the_chunks_end_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    depth = depth_map(97, 131)
    options = ResultOptions(range=(0.5, 30.0), edge_filter=0.1, stride=2, depth_format="uint16_mm")
    whole, extremes = shaped(depth, options)
    for pixels in (1, 262, 263, 1000, 10**6):
        monkeypatch.setattr(module, "_CHUNK_PIXELS", pixels)
        again, others = shaped(depth, options)
        np.testing.assert_array_equal(again.depth, whole.depth)
        np.testing.assert_array_equal(again.points, whole.points)
        assert others == extremes


@pytest.mark.parametrize("options", [OPTIONS[0], OPTIONS[-1]], ids=["plain", "all"])
def test_nothing_outside_the_given_memory_is_written_and_the_map_stays_as_it_was(options: ResultOptions) -> None:
    depth = depth_map(97, 131)
    before = depth.copy()
    columns, rows = options.map_size(131, 97)
    memory = np.full(rows * columns + 20, 7, DEPTH_DTYPES[options.depth_format])
    points = np.full(3 * rows * columns + 20, 7, np.float32)
    target = Shaped(options, memory[10:-10].reshape(rows, columns), points[10:-10].reshape(rows, columns, 3), *CAMERA)
    shape_result(depth, float(depth.min()), float(depth.max()), target)
    for array in (memory, points):
        assert (array[:10] == 7).all()
        assert (array[-10:] == 7).all()
    np.testing.assert_array_equal(depth, before)


@pytest.mark.parametrize("size", MIXED)
def test_colors_are_red_green_blue_of_the_kept_pixels(size: tuple[int, int]) -> None:
    bgr = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    for stride in (1, 2, 7):
        kept = bgr[::stride, ::stride, ::-1]
        out = np.zeros(kept.shape, np.uint8)
        write_colors(bgr, stride, out)
        np.testing.assert_array_equal(out, kept)
