"""From stored pictures to a batch as the network sees it: crop, mirror, photographic effects, size, normalisation.

The trainer's loader calls `make_batch`; everything random comes from the generator it is given, so a batch can be
made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from depthwire.daemon.models.preprocess import normalise
from depthwire.training.photo import photograph
from depthwire.training.shards import Shard, decode_colour, decode_depth

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Augmentation:
    """How far a training picture may be from the stored one."""

    whole_share: float = 0.5
    """Share of the pictures taken as large as their shape fits into them, as a daemon sees them."""
    min_crop: float = 0.7
    """The others are cut to this part of that at least, in each direction: a camera of a narrower view."""
    stretch: float = 1.06
    """Pixels may be this much taller or wider than square; rounding to multiples of 14 does the same."""
    smooth_share: float = 0.4
    """Share resized with antialiasing, as cameras and image servers do; the others as the daemon does, without."""


def make_batch(
    picks: Sequence[tuple[Shard, int]], height: int, width: int, rng: np.random.Generator, options: Augmentation
) -> tuple[Floats, Floats]:
    """Pictures (B, 3, height, width), normalised, and their depths (B, height, width), metres, inf in the sky."""
    pictures = np.empty((len(picks), 3, height, width), np.float32)
    depths = np.empty((len(picks), height, width), np.float32)
    for place, (shard, number) in enumerate(picks):
        colour, depth, white = shard.codes(number)
        top, left, rows, columns = crop_window(depth.shape, height, width, rng, options)
        window = np.s_[top : top + rows, left : left + columns]
        colour, depth = colour[window], depth[window]
        if rng.random() < 0.5:
            colour, depth = colour[:, ::-1], depth[:, ::-1]
        depth = np.ascontiguousarray(depth)
        shot = photograph(decode_colour(np.ascontiguousarray(colour), white), rng, decode_depth(depth))
        if rng.random() < options.smooth_share:
            shot = np.asarray(cv2.resize(shot, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        normalise(shot[:, :, ::-1], height, width, out=pictures[place])
        nearest = cv2.resize(depth, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        depths[place] = decode_depth(np.asarray(nearest, np.uint16))
    return pictures, depths


def crop_window(
    stored: tuple[int, ...], height: int, width: int, rng: np.random.Generator, options: Augmentation
) -> tuple[int, int, int, int]:
    """Top, left, rows, columns of a window of the aspect height : width, nearly, inside a stored (H, W) picture."""
    stretch = options.stretch ** rng.uniform(-1, 1)
    aspect = width / height * stretch
    rows = min(stored[0], stored[1] / aspect)
    if rng.random() >= options.whole_share:
        rows *= rng.uniform(options.min_crop, 1)
    size = max(1, round(rows)), max(1, min(stored[1], round(rows * aspect)))
    return int(rng.integers(stored[0] - size[0] + 1)), int(rng.integers(stored[1] - size[1] + 1)), *size
