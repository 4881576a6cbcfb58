"""Coverage-guided fuzzing of the image-header parser, the containers and the decoders. Started by `make fuzz`.

    python -m tests.fuzz.fuzz_image [-max_total_time=60] [any other option of libFuzzer]

Whatever the bytes are: nothing but BadImageError, or a picture of the very size that the header told, and no more time
or memory than its pixels are worth (libFuzzer's -timeout and -rss_limit_mb). An input whose last byte is odd has its
checksums mended if it is a PNG, as no search would ever find them.
"""

from __future__ import annotations

import struct
import sys
import zlib

import atheris
import numpy as np

with atheris.instrument_imports(include=["depthwire"]):
    from depthwire.daemon.images.decode import decode_image
    from depthwire.daemon.images.header import read_image_header
    from depthwire.protocol import BadImageError

from tests.daemon.images.odd_jpegs import SAMPLINGS, Base, oddities
from tests.fuzz.seeds import folders
from tests.reliability.bombs import PNG, png, riff, webp
from tests.reliability.mutations import IMAGES

MOST_PIXELS = 1_000_000
"""Above it the daemon's own limit is asked for in tests; here it would only slow the search."""


def mended(data: bytes) -> bytes:
    """A PNG with the right checksum behind each of its chunks; anything else as it is."""
    if not data.startswith(PNG):
        return data
    whole, position = bytearray(data), len(PNG)
    while position + 12 <= len(whole):
        end = position + 8 + int.from_bytes(whole[position : position + 4], "big")
        if end + 4 <= len(whole):
            struct.pack_into(">I", whole, end, zlib.crc32(whole[position + 4 : end]))
        position = end + 4
    return bytes(whole)


def one_input(data: bytes) -> None:
    if data and data[-1] & 1:
        data = mended(data[:-1])
    try:
        header = read_image_header(data)
        if header.width * header.height > MOST_PIXELS:
            return
        pixels = decode_image(memoryview(data), header.format, header.height, header.width)
    except BadImageError:
        return
    assert pixels.shape == (header.height, header.width, 3)


def main() -> None:
    rng = np.random.default_rng(1)
    kinds = ((0, 1), (7, 0))
    bases = [Base(90, sampling, *kind) for sampling in SAMPLINGS for kind in kinds]
    odd = [oddity(base.encode(48, 32), rng) for base in bases for oddity in oddities(base)]
    files = [*IMAGES, *odd, png(7, 5), png(7, 5, interlaced=1), riff(webp())]
    seeds = [*files, *(data + b"\1" for data in files)]
    atheris.Setup([*sys.argv, "-timeout=5", "-rss_limit_mb=1024", *folders("image", seeds)], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
