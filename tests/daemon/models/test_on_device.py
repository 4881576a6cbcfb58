"""What the GPU does around the network gives the CPU path's numbers, checked here on CPU tensors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from depthwire.daemon.models.on_device import normalise_on_device, project_on_device, upsample_on_device
from depthwire.daemon.models.preprocess import normalise
from depthwire.daemon.models.upsample import upsample
from depthwire.daemon.results.project import project

OF_THE_RANGE = 1e-3
DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.cuda,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
        ],
    ),
]


def noise(height: int, width: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def depth_map(height: int, width: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(1).uniform(0.1, 80, (height, width)).astype(np.float32)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("size", "input_size"),
    [
        ((480, 640), (518, 686)),
        ((375, 1242), (518, 1722)),
        ((3000, 4000), (518, 686)),
        ((1080, 1920), (182, 322)),
        ((90, 120), (518, 686)),
        ((518, 518), (518, 518)),
        ((14, 5000), (28, 2002)),
        ((1, 1), (518, 518)),
        ((2, 3), (518, 784)),
    ],
)
def test_the_network_s_input_is_the_cpu_s(size: tuple[int, int], input_size: tuple[int, int], device: str) -> None:
    bgr = noise(*size)
    expected = normalise(bgr, *input_size)
    given_input = normalise_on_device(torch.from_numpy(bgr).to(device), *input_size)
    assert given_input.dtype == torch.float32
    assert given_input.shape == expected.shape
    # Of noise, where neighbours differ by the whole range: a photo is far closer.
    tolerance = OF_THE_RANGE * max(1.0, float(np.ptp(expected)))
    np.testing.assert_allclose(given_input.cpu().numpy(), expected, rtol=0, atol=tolerance)


def test_the_border_is_repeated_as_the_cpu_s_is() -> None:
    bgr = np.zeros((30, 40, 3), np.uint8)
    bgr[0, :], bgr[:, -1] = 255, 200
    expected = normalise(bgr, 518, 700)
    edges = normalise_on_device(torch.from_numpy(bgr), 518, 700).numpy() - expected
    np.testing.assert_allclose(edges, 0, atol=1e-4)


def test_nothing_is_clipped_and_red_comes_first() -> None:
    bgr = np.zeros((40, 40, 3), np.uint8)
    bgr[:, 20:, 2] = 255
    red, green, _ = normalise_on_device(torch.from_numpy(bgr), 518, 518) * 0.229 + 0.485
    assert red.min() < -0.02
    assert red.max() > 1.02
    assert green.std() < 1e-6


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", [(480, 640), (720, 1280), (100, 90), (1, 1)])
def test_a_depth_map_grows_as_the_cpu_s_does(size: tuple[int, int], device: str) -> None:
    depth = depth_map(182, 252)
    expected = upsample(depth, *size, np.empty(size, np.float32))
    grown = upsample_on_device(torch.from_numpy(depth).to(device), *size)
    np.testing.assert_allclose(grown.cpu().numpy(), expected, rtol=1e-4)


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(1, 50),
    width=st.integers(1, 50),
    fx=st.floats(1e-2, 1e5),
    fy=st.floats(1e-2, 1e5),
    cx=st.floats(-1e5, 1e5),
    cy=st.floats(-1e5, 1e5),
)
def test_points_are_the_cpu_s(height: int, width: int, fx: float, fy: float, cx: float, cy: float) -> None:
    depth = depth_map(height, width)
    expected = np.empty((height, width, 3), np.float32)
    project(depth, fx, fy, cx, cy, expected)
    points = project_on_device(torch.from_numpy(depth), fx, fy, cx, cy)
    assert points.is_contiguous()
    np.testing.assert_array_equal(points.numpy(), expected)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_points_on_the_gpu_are_the_cpu_s() -> None:
    depth = depth_map(479, 851)
    expected = np.empty((479, 851, 3), np.float32)
    project(depth, 525.7, 481.3, 319.62, 241.18, expected)
    points = project_on_device(torch.from_numpy(depth).cuda(), 525.7, 481.3, 319.62, 241.18)
    np.testing.assert_allclose(points.cpu().numpy(), expected, rtol=3e-7)


def test_an_invalid_pixel_stays_one() -> None:
    depth = depth_map(20, 30)
    depth[7, 11] = np.nan
    points = project_on_device(torch.from_numpy(depth), 100.0, 100.0, 15.0, 10.0)
    assert torch.isnan(points).sum() == 3
    assert torch.isnan(points[7, 11]).all()
