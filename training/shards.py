"""Rendered pictures on disk: files of a few hundred, mapped into memory by the trainer. dataset.py writes them, the
trainer and the evaluation read them.

A shard is a safetensors file: tensors `NNNN/colour` and `NNNN/depth`, and one line of facts for each picture.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from depthwire.training.errors import TrainingError

Floats = NDArray[np.float32]

SUFFIX = ".shard.safetensors"
NEAREST_M, FARTHEST_M = 0.05, 1000.0
"""Depths that a shard can hold; what lies outside is stored as the nearer of the two."""
SKY = 0
"""Code of a pixel without a surface: its depth is infinite."""

_LAST_CODE = 65535
_LOG_NEAREST, _LOG_FARTHEST = np.log(NEAREST_M), np.log(FARTHEST_M)
_WHITE_PERCENTILE = 99.7
_HEADROOM = 1.25
"""White lies this much above the brightest pixels but a few: lamps and glints are cut off, surfaces never."""


class UnreadableShard(TrainingError):
    """A file of a data folder is no shard. The text names it and says what to do."""


@dataclass(frozen=True)
class Sample:
    """One rendered picture with its true depth."""

    linear: Floats
    """(H, W, 3) float32, linear RGB before any photographic effect."""
    depth: Floats
    """(H, W) float32, metres along the optical axis; inf where there is sky."""
    kind: str
    """The layout that made the scene."""
    outdoors: bool
    horizontal_fov: float
    """Radians."""


@dataclass(frozen=True)
class _Facts:
    kind: str
    outdoors: bool
    horizontal_fov: float
    white: float
    """Linear value of colour code 255."""


def encode_depth(depth: Floats) -> NDArray[np.uint16]:
    """Depth in metres as 16 bits, even steps of its logarithm: off by 8e-5 of the depth at most. inf becomes SKY."""
    surface = np.isfinite(depth)
    metres = np.clip(np.where(surface, depth, NEAREST_M), NEAREST_M, FARTHEST_M)
    share = (np.log(metres) - _LOG_NEAREST) / (_LOG_FARTHEST - _LOG_NEAREST)
    return np.where(surface, np.rint(1 + share * (_LAST_CODE - 1)), SKY).astype(np.uint16)


def decode_depth(codes: NDArray[np.uint16]) -> Floats:
    """What `encode_depth` was given, float32."""
    return _depth_of_codes()[codes]


def encode_colour(linear: Floats, rng: np.random.Generator) -> tuple[NDArray[np.uint8], float]:
    """Linear light as 8 bits, even steps of its square root (the noise of light itself), and the value of white.

    Rounded up or down at random, so that no banding shows where photograph() brightens shadows.
    """
    white = max(float(np.percentile(linear.max(axis=2), _WHITE_PERCENTILE)) * _HEADROOM, 1e-6)
    root = np.sqrt(np.clip(linear / np.float32(white), 0, 1))
    dither = rng.random(linear.shape, dtype=np.float32)
    return np.minimum(np.floor(root * np.float32(255) + dither), 255).astype(np.uint8), white


def decode_colour(codes: NDArray[np.uint8], white: float) -> Floats:
    """Linear RGB, float32, of what `encode_colour` gave."""
    table = (np.arange(256, dtype=np.float32) / 255) ** 2 * np.float32(white)
    return np.asarray(cv2.LUT(codes, table), np.float32)


def write_shard(path: Path, samples: Sequence[Sample], rng: np.random.Generator) -> None:
    """Write a shard whole or not at all: under another name first, which no reader looks for, then renamed."""
    tensors: dict[str, NDArray[Any]] = {}
    facts = []
    for number, sample in enumerate(samples):
        colour, white = encode_colour(sample.linear, rng)
        tensors[f"{number:04}/colour"], tensors[f"{number:04}/depth"] = colour, encode_depth(sample.depth)
        facts.append(asdict(_Facts(sample.kind, sample.outdoors, sample.horizontal_fov, white)))
    data = save(tensors, {"facts": json.dumps(facts)})
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    part.write_bytes(data)
    part.replace(path)


class Shard:
    """A shard file, opened at first use and then kept mapped; pages are read from disk as pictures are asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __len__(self) -> int:
        return len(self.facts)

    @cached_property
    def _file(self) -> Any:
        try:
            return safe_open(self.path, framework="numpy")
        except Exception as error:
            raise UnreadableShard(
                f"cannot read {self.path} ({error}); delete it and run depthwire-train render again, which makes only "
                "what is missing"
            ) from error

    @cached_property
    def facts(self) -> list[_Facts]:
        """What is known of each picture but its pixels."""
        return [_Facts(**entry) for entry in json.loads(self._file.metadata()["facts"])]

    def codes(self, number: int) -> tuple[NDArray[np.uint8], NDArray[np.uint16], float]:
        """Colour (H, W, 3) and depth (H, W) of a picture as stored, and the linear value of white."""
        colour = self._file.get_tensor(f"{number:04}/colour")
        return colour, self._file.get_tensor(f"{number:04}/depth"), self.facts[number].white

    def sample(self, number: int) -> Sample:
        """A picture, decoded."""
        colour, depth, white = self.codes(number)
        facts = self.facts[number]
        return Sample(
            decode_colour(colour, white), decode_depth(depth), facts.kind, facts.outdoors, facts.horizontal_fov
        )


def find_shards(folder: Path) -> list[Shard]:
    """All shards of a folder in the order of their names. A folder that is still being filled is fine."""
    return [Shard(path) for path in sorted(folder.glob(f"*{SUFFIX}"))]


@cache
def _depth_of_codes() -> Floats:
    codes = np.arange(1, _LAST_CODE + 1)
    metres = np.exp(_LOG_NEAREST + (codes - 1) / (_LAST_CODE - 1) * (_LOG_FARTHEST - _LOG_NEAREST))
    return np.concatenate([[np.inf], metres]).astype(np.float32)
