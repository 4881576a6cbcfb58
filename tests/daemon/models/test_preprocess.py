"""A picture reaches the network with the official code's numbers."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from depthwire.daemon.models.geometry import longest_side_input_size
from depthwire.daemon.models.preprocess import (
    MEAN,
    STD,
    normalise,
    normalise_by_longest_side,
    resize_by_longest_side,
)


def official(bgr: NDArray[np.uint8], height: int, width: int) -> NDArray[np.float64]:
    """What the official `image2tensor` computes: everything in float64, resized after the division by 255."""
    image = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB) / 255.0
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
    normalised: NDArray[np.float64] = ((image - np.array(MEAN)) / np.array(STD)).transpose(2, 0, 1)
    return normalised


def noise(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("size", "input_size"),
    [
        ((480, 640), (518, 686)),
        ((479, 851), (518, 924)),
        ((375, 1242), (518, 1722)),
        ((1080, 1920), (518, 924)),
        ((518, 518), (518, 518)),
        ((1, 1), (518, 518)),
    ],
)
def test_input_equals_the_official_one(size: tuple[int, int], input_size: tuple[int, int]) -> None:
    bgr = noise(*size)
    expected = official(bgr, *input_size)
    difference = np.abs(normalise(bgr, *input_size) - expected)
    # Noise is the worst case: neighbours differ by the whole range of about 4.5, and positions are rounded to float32.
    assert difference.max() < 2e-3
    assert difference.mean() < 5e-5


def test_resizing_bytes_would_be_noticed() -> None:
    bgr = noise(480, 640)
    resized = cv2.resize(bgr, (686, 518), interpolation=cv2.INTER_CUBIC)
    from_bytes = normalise(resized, 518, 686)
    assert np.abs(from_bytes - official(bgr, 518, 686)).mean() > 4e-3


def test_values_overshoot_as_cubic_interpolation_does() -> None:
    bgr = np.zeros((40, 40, 3), np.uint8)
    bgr[:, 20:] = 255
    red = normalise(bgr, 518, 518)[0] * STD[0] + MEAN[0]
    assert red.min() < -0.02
    assert red.max() > 1.02


def test_red_comes_first() -> None:
    bgr = np.zeros((20, 20, 3), np.uint8)
    bgr[..., 2] = 255
    means = normalise(bgr, 56, 56).mean(axis=(1, 2))
    np.testing.assert_allclose(means, [(1 - MEAN[0]) / STD[0], -MEAN[1] / STD[1], -MEAN[2] / STD[2]], rtol=1e-5)


@settings(max_examples=30, deadline=None)
@given(value=st.integers(0, 255), height=st.integers(1, 60), width=st.integers(1, 60))
def test_a_plain_picture_stays_plain(value: int, height: int, width: int) -> None:
    planes = normalise(np.full((height, width, 3), value, np.uint8), 56, 70)
    for plane, mean, std in zip(planes, MEAN, STD, strict=True):
        np.testing.assert_allclose(plane, (value / 255 - mean) / std, atol=1e-5)


def test_it_writes_into_the_place_it_is_given() -> None:
    batch = np.full((3, 3, 518, 686), np.nan, np.float32)
    bgr = noise(480, 640)
    returned = normalise(bgr, 518, 686, out=batch[1])
    assert np.shares_memory(returned, batch)
    np.testing.assert_array_equal(batch[1], normalise(bgr, 518, 686))
    assert np.isnan(batch[[0, 2]]).all()


def test_a_view_of_a_larger_picture_is_accepted() -> None:
    large = noise(100, 120)
    np.testing.assert_array_equal(normalise(large[10:60, 20:90], 56, 70), normalise(large[10:60, 20:90].copy(), 56, 70))


@pytest.mark.parametrize(
    "bgr",
    [np.zeros((5, 5), np.uint8), np.zeros((5, 5, 4), np.uint8), np.zeros((5, 5, 3), np.float32)],
    ids=["grey", "with alpha", "float"],
)
def test_other_pictures_are_refused(bgr: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="uint8"):
        normalise(bgr, 56, 56)


@pytest.mark.parametrize(
    "out",
    [
        np.zeros((3, 56, 70), np.float32),
        np.zeros((3, 56, 56), np.float64),
        np.zeros((56, 56, 3), np.float32).transpose(2, 0, 1),
    ],
    ids=["other shape", "float64", "interleaved"],
)
def test_an_unfit_place_is_refused(out: NDArray[np.float32]) -> None:
    with pytest.raises(ValueError, match="out must be"):
        normalise(noise(20, 20), 56, 56, out=out)


# ----------------------------------------------------------------------------------------------- by the longest side
# That it is the official package's input is shown in test_depth_anything_3_parity.py.


def test_by_the_longest_side_a_picture_is_resized_in_two_steps() -> None:
    bgr = noise(720, 1280)
    small = cv2.resize(bgr, (504, 284), interpolation=cv2.INTER_AREA)
    expected = cv2.resize(small, (504, 280), interpolation=cv2.INTER_AREA)
    assert (resize_by_longest_side(bgr, 280, 504) == expected).all()
    in_one_step = cv2.resize(bgr, (504, 280), interpolation=cv2.INTER_AREA)
    assert (in_one_step != expected).mean() > 0.5


@pytest.mark.parametrize(("height", "width"), [(70, 126), (63, 100), (300, 504), (297, 504), (1, 1)])
def test_by_the_longest_side_a_step_is_cubic_where_a_side_grows(height: int, width: int) -> None:
    bgr = noise(height, width)
    size = longest_side_input_size(height, width, 504)
    expected = bgr
    for step in ((round(height * 504 / width), 504), size):
        if step != expected.shape[:2]:
            grows = step[0] > expected.shape[0] or step[1] > expected.shape[1]
            expected = cv2.resize(expected, step[::-1], interpolation=cv2.INTER_CUBIC if grows else cv2.INTER_AREA)
    assert (resize_by_longest_side(bgr, *size) == expected).all()


def test_by_the_longest_side_values_are_normalised_and_red_comes_first() -> None:
    bgr = noise(378, 504)
    planes = normalise_by_longest_side(bgr, 378, 504)
    for channel in range(3):
        expected = (bgr[:, :, 2 - channel] / 255 - MEAN[channel]) / STD[channel]
        assert np.abs(planes[channel] - expected).max() < 1e-6
    assert planes.dtype == np.float32
    assert planes.flags.c_contiguous


def test_by_the_longest_side_it_writes_into_the_place_it_is_given() -> None:
    batch = np.full((3, 3, 378, 504), np.nan, np.float32)
    returned = normalise_by_longest_side(noise(480, 640), 378, 504, out=batch[1])
    assert np.shares_memory(returned, batch)
    assert np.isfinite(batch[1]).all()
    assert np.isnan(batch[[0, 2]]).all()


@pytest.mark.parametrize("size", [(378, 518), (392, 504), (504, 378), (504, 504)])
def test_by_the_longest_side_another_size_than_the_rules_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="640×480"):
        normalise_by_longest_side(noise(480, 640), *size)


def test_by_the_longest_side_wrong_arrays_are_refused() -> None:
    for bgr in (noise(480, 640)[..., :2], noise(480, 640)[0], noise(480, 640).astype(np.float32)):
        with pytest.raises(ValueError, match="expected"):
            normalise_by_longest_side(bgr, 378, 504)
    with pytest.raises(ValueError, match="out must be"):
        normalise_by_longest_side(noise(480, 640), 378, 504, out=np.empty((3, 504, 378), np.float32))
