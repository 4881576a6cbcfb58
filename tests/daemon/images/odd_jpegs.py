"""JPEGs as real cameras write them, made from good ones: the pixels are all there, what stands around them is odd."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import cv2
import numpy as np

from tests.pictures import encode, scene

Rng = np.random.Generator
RESTART = re.compile(rb"\xff[\xd0-\xd7]")


class Base(NamedTuple):
    """How a good JPEG is encoded. `restart` is the interval in MCUs, 0 for none."""

    quality: int
    sampling: int
    restart: int
    progressive: int

    def encode(self, width: int = 160, height: int = 120, seed: int = 1) -> bytes:
        options = {
            cv2.IMWRITE_JPEG_QUALITY: self.quality,
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR: self.sampling,
            cv2.IMWRITE_JPEG_RST_INTERVAL: self.restart,
            cv2.IMWRITE_JPEG_PROGRESSIVE: self.progressive,
        }
        return encode(scene(width, height, seed), ".jpg", [number for option in options.items() for number in option])


SAMPLINGS = (
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
)
BASES = [Base(*each) for each in itertools.product((50, 75, 90, 98), SAMPLINGS, (0, 1, 7, 20), (0, 1))]


def scan_at(data: bytes) -> int:
    """Where the data of the first scan begin."""
    marker = data.index(b"\xff\xda")
    return marker + 2 + int.from_bytes(data[marker + 2 : marker + 4], "big")


def zero_spectral_selection(data: bytes, _: Rng) -> bytes:
    at = scan_at(data)
    return data[: at - 3] + b"\0\0\0" + data[at:]


def jfif_2_01(data: bytes, _: Rng) -> bytes:
    at = data.index(b"JFIF\0") + 5
    return data[:at] + b"\2\1" + data[at + 2 :]


def no_eoi(data: bytes, _: Rng) -> bytes:
    return data[:-2]


def half_an_eoi(data: bytes, _: Rng) -> bytes:
    return data[:-1]


def filling_before_eoi(data: bytes, rng: Rng) -> bytes:
    return data[:-2] + bytes(int(rng.integers(1, 17))) + data[-2:]


def any_bytes_before_eoi(data: bytes, rng: Rng) -> bytes:
    return data[:-2] + rng.integers(0, 255, int(rng.integers(1, 17)), np.uint8).tobytes() + data[-2:]


def before_restarts(data: bytes, extra: Callable[[int], bytes]) -> bytes:
    """With `extra(length of the interval)` before each restart marker."""
    at = scan_at(data)
    intervals, marks = RESTART.split(data[at:]), RESTART.findall(data[at:])
    filled = [interval + extra(len(interval)) for interval in intervals[:-1]]
    return data[:at] + b"".join(a + b for a, b in zip(filled, marks, strict=True)) + intervals[-1]


def filling_before_restarts(data: bytes, rng: Rng) -> bytes:
    return before_restarts(data, lambda _: b"\xaa" * int(rng.integers(0, 9)))


def words_before_restarts(data: bytes, _: Rng) -> bytes:
    return before_restarts(data, lambda length: bytes(-length % 4))


def any_bytes_before_restarts(data: bytes, rng: Rng) -> bytes:
    return before_restarts(data, lambda _: rng.integers(0, 255, int(rng.integers(0, 9)), np.uint8).tobytes())


def filling_before_one_restart(data: bytes, rng: Rng) -> bytes:
    marks = list(RESTART.finditer(data, scan_at(data)))
    at = marks[int(rng.integers(len(marks)))].start()
    return data[:at] + bytes(int(rng.integers(1, 9))) + data[at:]


def all_at_once(data: bytes, rng: Rng) -> bytes:
    return jfif_2_01(zero_spectral_selection(no_eoi(data, rng), rng), rng)


ANY: tuple[Callable[[bytes, Rng], bytes], ...] = (jfif_2_01, no_eoi, half_an_eoi, filling_before_eoi)
SEQUENTIAL = (zero_spectral_selection, any_bytes_before_eoi, all_at_once)
RESTARTING = (
    filling_before_restarts,
    words_before_restarts,
    any_bytes_before_restarts,
    filling_before_one_restart,
)


def oddities(base: Base) -> Iterator[Callable[[bytes, Rng], bytes]]:
    """What is met with in files of this kind. Cameras write no progressive files; programs that do, fill nothing up."""
    yield from ANY
    if not base.progressive:
        yield from SEQUENTIAL
        if base.restart:
            yield from RESTARTING
