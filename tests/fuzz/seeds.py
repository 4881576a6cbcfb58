"""What the fuzz targets start from, and how a message of several frames is one input."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

BUILD = Path(__file__).parents[2] / "build" / "fuzz"
LONGEST_FRAME = 0xFFFF


def joined(frames: Sequence[bytes]) -> bytes:
    """The frames as one input: each behind its length."""
    return b"".join(struct.pack(">H", len(frame)) + frame for frame in frames if len(frame) <= LONGEST_FRAME)


def split(data: bytes, most: int) -> list[bytes]:
    """The frames that an input is, whatever it is: the last one is as long as what is left."""
    frames: list[bytes] = []
    position = 0
    while position + 2 <= len(data) and len(frames) < most:
        length = int.from_bytes(data[position : position + 2], "big")
        frames.append(data[position + 2 : position + 2 + length])
        position += 2 + length
    return frames


def folders(name: str, seeds: Sequence[bytes]) -> list[str]:
    """libFuzzer's arguments: where findings go, the corpus that grows from run to run, and these seeds beside it."""
    corpus, start = BUILD / name / "corpus", BUILD / name / "seeds"
    for folder in (corpus, start):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (start / f"{number:04}").write_bytes(seed)
    return [f"-artifact_prefix={BUILD / name}/", str(corpus), str(start)]
