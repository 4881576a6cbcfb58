"""Depth of pictures by the network in training, on the daemon's own way: same resizing, same enlargement.

The trainer's held-out checks and evaluate.py call it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from depthwire.daemon.models.depth_anything import DepthAnythingV2
from depthwire.daemon.models.geometry import network_input_size
from depthwire.daemon.models.preprocess import normalise
from depthwire.daemon.models.upsample import upsample
from depthwire.training.losses import MAX_DEPTH_M, MIN_DEPTH_M
from depthwire.training.metrics import Scores, score
from depthwire.training.photo import photograph
from depthwire.training.shards import Shard

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class HeldOut:
    """One picture of the held-out set, photographed."""

    rgb: NDArray[np.uint8]
    """(H, W, 3)."""
    truth: Floats
    """(H, W) metres, inf in the sky."""
    kind: str
    outdoors: bool
    number: int
    """In the set; seeds what is random about the picture."""


def held_out_pictures(shards: Sequence[Shard], every: int = 1) -> list[HeldOut]:
    """Every `every`-th picture of the held-out shards, with the same photographic effects each time."""
    pictures = []
    places = [(shard, number) for shard in shards for number in range(len(shard))]
    for place in range(0, len(places), every):
        shard, number = places[place]
        sample = shard.sample(number)
        rgb = photograph(sample.linear, np.random.default_rng([1, place]))
        pictures.append(HeldOut(rgb, sample.depth, sample.kind, sample.outdoors, place))
    return pictures


def predict(model: DepthAnythingV2, rgb: NDArray[np.uint8], input_size: int) -> Floats:
    """Depth of an RGB picture (H, W, 3): (H, W) float32 metres, as the daemon answers it."""
    height, width = rgb.shape[:2]
    rows, columns = network_input_size(height, width, input_size)
    batch = torch.from_numpy(normalise(rgb[:, :, ::-1], rows, columns))[None]
    device = next(model.parameters()).device
    with torch.inference_mode():
        depth = model(batch.to(device))[0].cpu() * MAX_DEPTH_M
    return np.maximum(upsample(depth, height, width, np.empty((height, width), np.float32)), MIN_DEPTH_M)


def score_all(model: DepthAnythingV2, pictures: Sequence[HeldOut], input_size: int) -> list[Scores]:
    """The scores of each picture, in order."""
    return [
        score(predict(model, picture.rgb, input_size), picture.truth, np.random.default_rng([2, picture.number]))
        for picture in pictures
    ]
