"""Metres follow the focal length of the network's input, not that of the picture."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthwire.daemon.results.focal import metres_per_unit


@pytest.mark.parametrize(
    ("fx", "fy", "size", "input_size", "factor"),
    [
        (300, 300, (504, 378), (504, 378), 1.0),
        (600, 600, (504, 378), (504, 378), 2.0),
        (600, 600, (1008, 756), (504, 378), 1.0),  # the same camera with twice the pixels: the same metres
        (500, 700, (504, 378), (504, 378), 2.0),  # the mean of both
        (1000, 1000, (1280, 720), (504, 280), (1000 * 504 / 1280 + 1000 * 280 / 720) / 600),  # rows and columns differ
    ],
)
def test_the_factor(fx: float, fy: float, size: tuple[int, int], input_size: tuple[int, int], factor: float) -> None:
    assert metres_per_unit(fx, fy, *size, *input_size) == pytest.approx(factor, rel=1e-12)


@given(scale=st.floats(0.1, 10), fx=st.floats(50, 5000), fy=st.floats(50, 5000))
def test_a_picture_of_other_size_by_the_same_camera_has_the_same_metres(scale: float, fx: float, fy: float) -> None:
    width, height = round(1000 * scale), round(1000 * scale)
    scaled = metres_per_unit(fx * width / 1000, fy * height / 1000, width, height, 504, 504)
    assert scaled == pytest.approx(metres_per_unit(fx, fy, 1000, 1000, 504, 504))
