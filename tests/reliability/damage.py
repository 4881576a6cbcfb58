"""Seeded damage to image files, as disks, radio links and bad memory do it. Used by the campaigns on hostile input."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.e2e.conftest import PHOTOS
from tests.pictures import jpeg

Damage = Callable[[bytearray, np.random.Generator], None]


def photos() -> list[bytes]:
    """Camera photos where there are any, else made pictures. Smallest first."""
    files = [path.read_bytes() for path in sorted(PHOTOS.glob("*.jpg"))]
    return sorted(files or [jpeg(640, 425, 1), jpeg(1280, 960, 2, 95), jpeg(2048, 1362, 3)], key=len)


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
