"""The sky gets the depth that the official rule gives it, or none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from depthwire.daemon.results.sky import fill_sky, invalidate_sky

Array = NDArray[np.float32]


def maps(sky_pixels: int, height: int = 40, width: int = 50) -> tuple[Array, Array]:
    """Random depth, and sky in that many pixels: at the threshold or above, and elsewhere just below it."""
    rng = np.random.default_rng(sky_pixels)
    depth = rng.uniform(1, 90, (height, width)).astype(np.float32)
    sky = np.full(height * width, np.nextafter(np.float32(0.3), np.float32(0)), np.float32)
    sky[rng.permutation(height * width)[:sky_pixels]] = rng.choice([0.3, 0.31, 2.5], sky_pixels)
    return depth, sky.reshape(height, width)


@pytest.mark.parametrize("sky_pixels", [11, 600, 40 * 50 - 11])
def test_sky_gets_the_quantile_of_all_else(sky_pixels: int) -> None:
    depth, sky = maps(sky_pixels)
    before, is_sky = depth.copy(), sky >= np.float32(0.3)
    assert is_sky.sum() == sky_pixels
    fill_sky(depth, sky)
    assert (depth[~is_sky] == before[~is_sky]).all()
    far = torch.quantile(torch.from_numpy(before[~is_sky]), 0.99)
    np.testing.assert_allclose(depth[is_sky], float(far), rtol=1e-6)


@pytest.mark.parametrize("sky_pixels", [0, 10, 40 * 50 - 10, 40 * 50])
def test_a_few_pixels_of_sky_or_of_anything_else_change_nothing(sky_pixels: int) -> None:
    depth, sky = maps(sky_pixels)
    before = depth.copy()
    fill_sky(depth, sky)
    assert (depth == before).all()


def test_of_a_large_map_the_quantile_is_exact() -> None:
    """The official code takes a random sample of 100,000 pixels, which differs each time."""
    depth = np.arange(400 * 500, dtype=np.float32).reshape(400, 500) + 1
    sky = np.zeros_like(depth)
    sky[:20] = 1
    fill_sky(depth, sky)
    others = np.arange(20 * 500, 400 * 500) + 1
    np.testing.assert_allclose(depth[:20], np.quantile(others, 0.99), rtol=1e-6)


@pytest.mark.parametrize("sky_pixels", [0, 1, 600, 40 * 50])
def test_invalid_sky_is_nan_and_nothing_else_is(sky_pixels: int) -> None:
    depth, sky = maps(sky_pixels)
    before, is_sky = depth.copy(), sky >= np.float32(0.3)
    invalidate_sky(depth, sky)
    assert np.isnan(depth[is_sky]).all()
    assert (depth[~is_sky] == before[~is_sky]).all()
