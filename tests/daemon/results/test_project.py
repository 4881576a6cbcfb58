"""Points are the pinhole formula, to the rounding of float32, wherever the chunks end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest

from depthwire.daemon.results import project as module
from depthwire.daemon.results.project import complete, project
from depthwire.daemon.results.target import Target

Floats = npt.NDArray[np.float32]
CAMERA = (525.7, 481.3, 319.62, 241.18)
TWO_ROUNDINGS = 2 * 2.0**-24 + 1e-12
"""x and y round the ray and then the product, each by at most half a unit in the last place."""


def depth_map(height: int, width: int) -> Floats:
    return np.random.default_rng(2).uniform(0.1, 80, (height, width)).astype(np.float32)


def points_of(depth: Floats, camera: tuple[float, float, float, float] = CAMERA) -> Floats:
    out = np.full((*depth.shape, 3), -1, np.float32)
    project(depth, *camera, out)
    return out


def formula(depth: Floats, camera: tuple[float, float, float, float] = CAMERA) -> npt.NDArray[np.float64]:
    fx, fy, cx, cy = camera
    v, u = np.mgrid[0 : depth.shape[0], 0 : depth.shape[1]].astype(np.float64)
    z = depth.astype(np.float64)
    return np.stack([(u - cx) * z / fx, (v - cy) * z / fy, z], axis=2)


@pytest.mark.parametrize(
    ("height", "width"),
    [(480, 640), (479, 851), (1, 1), (1, 5000), (5000, 1), (3, 16384), (2, 16385), (7, 40_000), (129, 127), (1000, 33)],
)
def test_points_equal_the_formula_in_double_precision_to_float32_rounding(height: int, width: int) -> None:
    depth = depth_map(height, width)
    points = points_of(depth)
    assert points.dtype == np.float32
    np.testing.assert_allclose(points, formula(depth), rtol=TWO_ROUNDINGS, atol=0)
    np.testing.assert_array_equal(points[..., 2], depth)


@pytest.mark.parametrize(
    "camera", [(1e-3, 1e6, -1e6, 1e6), (1e6, 1e-3, 0.0, 0.5), (700.0, 700.0, 0.0, 0.0)], ids=["far", "mixed", "plain"]
)
def test_extreme_cameras_give_finite_points_of_the_same_exactness(camera: tuple[float, float, float, float]) -> None:
    depth = depth_map(50, 70)
    points = points_of(depth, camera)
    assert np.isfinite(points).all()
    np.testing.assert_allclose(points, formula(depth, camera), rtol=TWO_ROUNDINGS, atol=0)


def test_the_first_pixel_is_pixel_zero_and_the_principal_point_looks_straight_ahead() -> None:
    points = points_of(np.full((5, 9), 2, np.float32), (10.0, 20.0, 4.0, 2.0))
    assert points[2, 4].tolist() == [0, 0, 2]
    assert points[0, 0].tolist() == pytest.approx([-0.8, -0.2, 2])
    assert points[4, 8].tolist() == pytest.approx([0.8, 0.2, 2])


def test_points_are_row_major_one_for_each_pixel() -> None:
    depth = depth_map(4, 6)
    flat = points_of(depth).reshape(-1, 3)
    np.testing.assert_array_equal(flat[:, 2], depth.ravel())


def test_an_invalid_pixel_is_an_invalid_point_and_no_other() -> None:
    depth = depth_map(40, 30)
    depth[17, 11] = np.nan
    points = points_of(depth)
    assert np.isnan(points[17, 11]).all()
    assert np.isnan(points).sum() == 3


def test_where_the_chunks_end_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    depth = depth_map(97, 131)
    whole = points_of(depth)
    for pixels in (1, 130, 131, 132, 1000, 131 * 97, 10**6):
        monkeypatch.setattr(module, "_CHUNK_PIXELS", pixels)
        np.testing.assert_array_equal(points_of(depth), whole)


def test_nothing_outside_the_given_memory_is_written() -> None:
    memory = np.full(3 * 97 * 131 + 20, -7, np.float32)
    project(depth_map(97, 131), *CAMERA, memory[10:-10].reshape(97, 131, 3))
    assert (memory[:10] == -7).all()
    assert (memory[-10:] == -7).all()


def target_of(depth: Floats, *, cloud: bool = True) -> Target:
    points = np.full((*depth.shape, 3), -1, np.float32) if cloud else None
    return Target(depth, points, 1.0, *CAMERA)


def test_a_target_is_completed_with_its_points_and_its_range() -> None:
    depth = depth_map(97, 131)
    target = target_of(depth)
    assert complete(target) == (depth.min(), depth.max())
    np.testing.assert_array_equal(target.points, points_of(depth))
    assert complete(target_of(depth, cloud=False)) == (depth.min(), depth.max())


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_a_large_map_divided_over_threads_gives_the_same(parts: int) -> None:
    depth = depth_map(1021, 1031)
    assert depth.size >= module.PARALLEL_FROM_PIXELS
    target = target_of(depth)
    with ThreadPoolExecutor(parts) as pool:
        assert complete(target, pool, parts) == (depth.min(), depth.max())
    np.testing.assert_array_equal(target.points, points_of(depth))


@pytest.mark.parametrize("row", [0, 600, 1020])
def test_the_range_of_a_map_with_an_invalid_pixel_is_invalid_whichever_part_it_is_in(row: int) -> None:
    depth = depth_map(1021, 1031)
    depth[row, 500] = np.nan
    with ThreadPoolExecutor(3) as pool:
        assert np.isnan(complete(target_of(depth, cloud=False), pool, 3)).all()


def test_more_parts_than_rows_are_no_harm() -> None:
    depth = depth_map(2, 2**19)
    with ThreadPoolExecutor(2) as pool:
        assert complete(target_of(depth), pool, 2) == (depth.min(), depth.max())
        assert complete(target_of(depth), pool, 5) == (depth.min(), depth.max())
