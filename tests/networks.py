"""Random weights with which a network tells pictures apart, pictures for it, and when two networks agree. For tests of
parity with official code, whose own weights are too large to be here.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import nn

TOLERANCE = 1e-4
"""Largest difference allowed, as a fraction of the reference's own range (max - min) in that picture."""

Array = NDArray[np.float32]


def randomise(model: nn.Module) -> None:
    """Give a network random weights that make a picture's depth vary as a trained network's does, but for its level.

    The default initialisation gives nearly constant depth, with which any two networks would agree. Of torch's random
    numbers: seed them before.
    """
    for name, value in model.named_parameters():
        if "norm" in name or name.endswith("gamma"):
            value.normal_(1.0 if name.endswith("weight") else 0.2, 0.1)
        elif name.endswith("bias") or value.ndim < 2:
            value.normal_(0.0, 0.05)
        elif name.endswith(("pos_embed", "cls_token")):
            value.normal_(0.0, 0.5)
        else:
            value.normal_(0.0, 1.0 / math.sqrt(value[0].numel()))


def assert_same_depth(ours: Array, reference: Array) -> None:
    assert ours.shape == reference.shape
    span = float(reference.max() - reference.min())
    # Comparing constants would prove nothing.
    assert reference.std() > 0.02 * max(abs(float(reference.max())), 1e-6)
    difference = float(np.abs(ours - reference).max())
    assert difference <= TOLERANCE * span, f"max |Δ| is {difference / span:.1e} of the range"


def picture(height: int, width: int) -> NDArray[np.uint8]:
    """Smooth shading, edges and fine texture, BGR."""
    rng = np.random.default_rng(height * width)
    coarse = rng.uniform(0, 255, (5, 7, 3)).astype(np.float32)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(12):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        colour = tuple(float(value) for value in rng.uniform(0, 255, 3))
        cv2.circle(image, centre, int(rng.integers(10, max(11, height // 4))), colour, int(rng.choice([-1, 3])))
    image += rng.normal(0, 12, image.shape).astype(np.float32)
    return np.clip(image, 0, 255).astype(np.uint8)
