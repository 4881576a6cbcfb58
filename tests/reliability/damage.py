"""Seeded damage to image files, as disks, radio links and bad memory do it. Used by the campaigns on hostile input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from depthwire.client import demo
from tests.e2e.conftest import PHOTOS
from tests.pictures import encode

Damage = Callable[[bytearray, np.random.Generator], None]


def photos() -> list[bytes]:
    """Camera photos where there are any, else the demo's scene in their sizes. Smallest first.

    The scene has the detail of a photo; in the flat pictures of tests/pictures.py more damage stays unseen.
    """
    files = [path.read_bytes() for path in sorted(PHOTOS.glob("*.jpg"))]
    return sorted(
        files or [_demo_scene(640, 425, 90), _demo_scene(1280, 960, 95), _demo_scene(2048, 1362, 90)], key=len
    )


def _demo_scene(width: int, height: int, quality: int) -> bytes:
    scene = cv2.imread(str(Path(demo.__file__).with_name("scene.jpg")))
    assert scene is not None
    resized = np.asarray(cv2.resize(scene, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    return encode(resized, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])


def segments(data: bytes | bytearray) -> list[tuple[int, int]]:
    """Where each segment of a JPEG begins and how long it is, up to the one that begins the scan."""
    found, position = [], 2
    while data[position + 1] != 0xDA:
        length = 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        found.append((position, length))
        position += length
    return [*found, (position, 2 + int.from_bytes(data[position + 2 : position + 4], "big"))]


def _flip(data: bytearray, position: int, rng: np.random.Generator) -> None:
    data[position] ^= 1 << int(rng.integers(8))


def flip_one_bit(data: bytearray, rng: np.random.Generator) -> None:
    _flip(data, int(rng.integers(len(data))), rng)


def flip_bits(data: bytearray, rng: np.random.Generator) -> None:
    for position in rng.integers(0, len(data), int(rng.integers(2, 9))):
        _flip(data, int(position), rng)


def cut_off(data: bytearray, rng: np.random.Generator) -> None:
    del data[int(rng.integers(2, len(data))) :]


def zero_a_run(data: bytearray, rng: np.random.Generator) -> None:
    length = int(rng.integers(2, min(4096, len(data) // 2)))
    start = int(rng.integers(0, len(data) - length))
    data[start : start + length] = bytes(length)


def lose_a_run(data: bytearray, rng: np.random.Generator) -> None:
    length = int(rng.integers(1, min(4096, len(data) // 2)))
    start = int(rng.integers(2, len(data) - length))
    del data[start : start + length]


def damage_a_segment(data: bytearray, rng: np.random.Generator) -> None:
    found = segments(data)
    start, length = found[int(rng.integers(len(found)))]
    for _ in range(int(rng.integers(1, 4))):
        data[start + int(rng.integers(2, length))] = int(rng.integers(256))


def lose_a_segment(data: bytearray, rng: np.random.Generator) -> None:
    found = segments(data)
    start, length = found[int(rng.integers(len(found)))]
    del data[start : start + length]


ANY_FILE: tuple[Damage, ...] = (flip_one_bit, flip_bits, cut_off, zero_a_run, lose_a_run)
JPEG_FILE: tuple[Damage, ...] = (*ANY_FILE, damage_a_segment, lose_a_segment)


def damaged(data: bytes, kind: Damage, seed: int) -> bytes:
    """The file with this damage; the same for the same seed."""
    copy = bytearray(data)
    kind(copy, np.random.default_rng(seed))
    return bytes(copy)
