"""Pictures that tests send: made here, each different, with smooth and textured parts like a camera's."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt


def scene(width: int, height: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """A BGR picture, uint8 (height, width, 3): a gradient, some boxes and discs, and a little noise."""
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[0:height, 0:width]
    base = np.stack([u * 255 / width, v * 255 / height, (u + v) * 127 / (width + height)], axis=-1)
    picture: npt.NDArray[np.uint8] = np.ascontiguousarray(base, dtype=np.uint8)
    for _ in range(6):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        size = int(rng.integers(4, max(5, min(width, height) // 3)))
        colour = tuple(int(c) for c in rng.integers(0, 255, 3))
        if rng.random() < 0.5:
            cv2.rectangle(picture, (x, y), (x + size, y + size), colour, -1)
        else:
            cv2.circle(picture, (x, y), size, colour, -1)
    noise = rng.normal(0, 4, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def jpeg(width: int, height: int, seed: int = 0, quality: int = 90) -> bytes:
    """The scene as JPEG bytes."""
    return encode(scene(width, height, seed), ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])


def encode(picture: npt.NDArray[np.uint8], extension: str, options: list[int] | None = None) -> bytes:
    """A picture as the bytes of a file of this extension."""
    ok, data = cv2.imencode(extension, picture, options or [])
    assert ok
    return data.tobytes()
