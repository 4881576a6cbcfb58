"""Resampling without torch gives torch's numbers: the upsampling of depth maps, and DINOv2's position embeddings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from depthwire.daemon.models import upsample as torch_upsample
from depthwire.daemon.models.depth_anything import ENCODERS, Encoder
from depthwire.daemon.results.resample import STRIP_ROWS, interpolate_positions, upsample

TOLERANCE = 1e-6
"""Of the range of the values, which is 1 here."""

side = st.integers(2, 2 * STRIP_ROWS + 20)


@settings(deadline=None, max_examples=60)
@given(side, side, st.integers(1, 300), st.integers(1, 300))
def test_upsampling_equals_torch(rows: int, columns: int, height: int, width: int) -> None:
    depth = np.random.default_rng(rows * columns).random((rows, columns), np.float32)
    ours, reference = np.full((height, width), np.nan, np.float32), np.empty((height, width), np.float32)
    assert upsample(depth, height, width, ours) is ours
    torch_upsample.upsample(depth, height, width, reference)
    assert np.abs(ours - reference).max() <= TOLERANCE


@pytest.mark.parametrize(
    ("rows", "columns", "height", "width"),
    [(518, 686, 480, 640), (518, 924, 1080, 1920), (518, 686, 3000, 4000), (1722, 518, 1242, 375)],
)
def test_upsampling_equals_torch_at_the_sizes_of_cameras(rows: int, columns: int, height: int, width: int) -> None:
    depth = np.random.default_rng(1).random((rows, columns), np.float32)
    ours, reference = np.empty((height, width), np.float32), np.empty((height, width), np.float32)
    upsample(depth, height, width, ours)
    torch_upsample.upsample(depth, height, width, reference)
    assert np.abs(ours - reference).max() <= TOLERANCE


def test_a_nan_stays_where_it_is() -> None:
    depth = np.ones((20, 30), np.float32)
    depth[10, 15] = np.nan
    out = np.empty((200, 300), np.float32)
    upsample(depth, 200, 300, out)
    assert np.isnan(out).any()
    assert np.isfinite(out[:80]).all()


def test_wrong_arrays_are_refused() -> None:
    good, out = np.zeros((4, 5), np.float32), np.zeros((8, 10), np.float32)
    read_only = out.copy()
    read_only.flags.writeable = False
    for depth, target in (
        (good[:1], out),
        (good.astype(np.float64), out),
        (good, out[:7]),
        (good, out.T.copy().T),
        (good, read_only),
    ):
        with pytest.raises(ValueError):
            upsample(depth, 8, 10, target)


# 546, 602, 1092 and 1722 pixels are sides where scaling without DINOv2's offset comes out one patch short.
@pytest.mark.parametrize(("rows", "columns"), [(37, 49), (37, 37), (49, 37), (13, 18), (4, 4), (39, 43), (78, 123)])
def test_position_embeddings_equal_torch(rows: int, columns: int) -> None:
    encoder = Encoder(ENCODERS["vitt"]).requires_grad_(False)
    torch.manual_seed(0)
    encoder.pos_embed.uniform_(0, 1)
    reference = encoder.position_embedding(rows, columns).numpy()
    ours = interpolate_positions(encoder.pos_embed.numpy(), rows, columns)
    assert ours.shape == reference.shape
    assert ours.dtype == np.float32
    # The cubic kernel overshoots, and its position is rounded: a little more than the rounding of the sum.
    assert np.abs(ours - reference).max() <= 5 * TOLERANCE
