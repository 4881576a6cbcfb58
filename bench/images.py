"""Images to send: files and folders as they are given, or a synthetic photo where none are.

Every command that needs pictures calls `read_images` once; the load generator sends the encoded bytes untouched.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt

from depthwire.protocol import CameraIntrinsics

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
SYNTHETIC_WIDTH, SYNTHETIC_HEIGHT = 640, 480
_JPEG_QUALITY = 92
_FOCAL_PER_WIDTH = 0.9
"""About 58° from side to side, as many depth cameras have; only arithmetic depends on it, not speed."""


@dataclass(frozen=True)
class BenchImage:
    """One encoded picture; `intrinsics` are made up for its size, so that `pc` can be asked for it."""

    name: str
    data: bytes
    width: int
    height: int

    @property
    def intrinsics(self) -> CameraIntrinsics:
        focal = _FOCAL_PER_WIDTH * self.width
        return CameraIntrinsics(focal, focal, (self.width - 1) / 2, (self.height - 1) / 2)


def read_images(paths: Sequence[Path], size: tuple[int, int] = (SYNTHETIC_WIDTH, SYNTHETIC_HEIGHT)) -> list[BenchImage]:
    """The images in `paths` (files, and folders searched to the bottom), or one synthetic photo of `size`.

    Raises click.ClickException where a path holds no image.
    """
    if not paths:
        return [synthetic(*size)]
    found: list[BenchImage] = []
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        some = [_read(file) for file in files if file.suffix.lower() in SUFFIXES]
        if not some:
            raise click.ClickException(f"{path} holds no image; {', '.join(sorted(SUFFIXES))} are looked for")
        found += some
    return found


def synthetic(width: int, height: int, seed: int = 0) -> BenchImage:
    """A JPEG of the size and, roughly, the compressibility of a photo: it costs a decoder what a photo costs."""
    from PIL import Image

    encoded = io.BytesIO()
    Image.fromarray(synthetic_pixels(width, height, seed)).save(encoded, "jpeg", quality=_JPEG_QUALITY)
    return BenchImage(f"synthetic {width}x{height}", encoded.getvalue(), width, height)


def synthetic_pixels(width: int, height: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """(height, width, 3) uint8: surfaces with edges, shading and grain, the same for the same seed."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = x / max(width, height), y / max(width, height)
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = 90 + 80 * y[..., None] + 20 * x[..., None]
    for _ in range(24):
        centre, side = random.random(2), 0.04 + 0.16 * random.random(2)
        inside = (np.abs(x - centre[0]) < side[0]) & (np.abs(y - centre[1]) < side[1])
        colour = 255 * random.random(3).astype(np.float32)
        texture = 18 * np.sin(random.uniform(40, 250) * x[inside] + random.uniform(40, 250) * y[inside])
        picture[inside] = 0.8 * colour + texture[:, None]
    picture += random.normal(0, 4, (height, width, 1)).astype(np.float32)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _read(path: Path) -> BenchImage:
    from PIL import Image

    try:
        with Image.open(path) as picture:  # opens lazily: the size stands in the header
            width, height = picture.size
        return BenchImage(path.name, path.read_bytes(), width, height)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be read: {error}") from None
