"""A depth map grows to the picture's size in place, as the official code's last interpolation does."""

from __future__ import annotations

import mmap

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch.nn import functional as F

from depthwire.daemon.models.upsample import upsample

side = st.integers(1, 40)


def depth_map(height: int, width: int) -> NDArray[np.float32]:
    return np.random.default_rng(height).random((height, width), np.float32)


@settings(max_examples=40, deadline=None)
@given(height=side, width=side, out_height=side, out_width=side)
def test_it_is_torchs_bilinear_interpolation(height: int, width: int, out_height: int, out_width: int) -> None:
    depth = depth_map(height, width)
    expected = F.interpolate(
        torch.from_numpy(depth)[None, None], (out_height, out_width), mode="bilinear", align_corners=True
    )
    out = np.full((out_height, out_width), np.nan, np.float32)
    np.testing.assert_array_equal(upsample(depth, out_height, out_width, out), expected[0, 0].numpy())


def test_corners_stay_corners() -> None:
    depth = depth_map(37, 49)
    out = upsample(depth, 480, 640, np.empty((480, 640), np.float32))
    np.testing.assert_allclose(out[[0, 0, -1, -1], [0, -1, 0, -1]], depth[[0, 0, -1, -1], [0, -1, 0, -1]], rtol=1e-6)


def test_it_writes_into_shared_memory_without_another_copy() -> None:
    with mmap.mmap(-1, 4096 * 8) as memory:
        out = np.frombuffer(memory, np.float32, count=60 * 80, offset=4096).reshape(60, 80)
        depth = torch.from_numpy(depth_map(14, 28))
        assert upsample(depth, 60, 80, out) is out
        expected = upsample(depth, 60, 80, np.empty((60, 80), np.float32))
        assert bytes(memory[4096 : 4096 + out.nbytes]) == expected.tobytes()
        del out


def test_one_map_of_a_batch_is_accepted() -> None:
    batch = torch.rand(3, 14, 28)
    out = upsample(batch[1], 20, 30, np.empty((20, 30), np.float32))
    np.testing.assert_array_equal(out, upsample(batch[1].clone(), 20, 30, np.empty((20, 30), np.float32)))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_map_on_the_gpu_gives_the_same() -> None:
    depth = torch.rand(37, 49)
    out = upsample(depth.cuda(), 480, 640, np.empty((480, 640), np.float32))
    np.testing.assert_allclose(out, upsample(depth, 480, 640, np.empty((480, 640), np.float32)), atol=1e-6)


def read_only() -> NDArray[np.float32]:
    array = np.zeros((20, 30), np.float32)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "out",
    [np.zeros((20, 31), np.float32), np.zeros((20, 30)), np.zeros((20, 60), np.float32)[:, ::2], read_only()],
    ids=["other shape", "float64", "strided", "read-only"],
)
def test_an_unfit_place_is_refused(out: NDArray[np.float32]) -> None:
    with pytest.raises(ValueError, match="out must be"):
        upsample(depth_map(5, 5), 20, 30, out)


def test_half_precision_and_batches_are_refused() -> None:
    out = np.empty((20, 30), np.float32)
    for depth in (torch.rand(5, 5).half(), torch.rand(1, 5, 5)):
        with pytest.raises(ValueError, match="float32"):
            upsample(depth, 20, 30, out)
