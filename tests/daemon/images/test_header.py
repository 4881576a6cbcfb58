"""Sizes are read from headers as other readers read them, in bounded work, and nothing but BadImageError comes out."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from depthwire.daemon.images.header import MAX_JPEG_SEGMENTS, ImageHeader, read_image_header
from depthwire.protocol import BadImageError

SIZES = [(1, 1), (14, 300), (67, 49), (640, 480), (851, 479)]


def picture(width: int, height: int, mode: str = "RGB") -> Image.Image:
    pixels = np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels).convert(mode)


def encoded(image: Image.Image, image_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def exif_rotated() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "jpeg baseline": ("JPEG", "RGB", {}),
    "jpeg progressive": ("JPEG", "RGB", {"progressive": True}),
    "jpeg grey": ("JPEG", "L", {}),
    "jpeg cmyk": ("JPEG", "CMYK", {}),
    "jpeg exif": ("JPEG", "RGB", {"exif": exif_rotated()}),
    "jpeg comment and profile": ("JPEG", "RGB", {"comment": b"c" * 5000, "icc_profile": bytes(200_000)}),
    "png": ("PNG", "RGB", {}),
    "png palette": ("PNG", "P", {}),
    "png alpha": ("PNG", "RGBA", {}),
    "png 16 bit": ("PNG", "I;16", {}),
    "webp lossy": ("WEBP", "RGB", {"quality": 80}),
    "webp lossless": ("WEBP", "RGB", {"lossless": True}),
    "webp alpha": ("WEBP", "RGBA", {"quality": 80}),
    "webp lossless alpha": ("WEBP", "RGBA", {"lossless": True}),
    "webp extended": ("WEBP", "RGB", {"exif": exif_rotated()}),
}


def sample(kind: str, width: int = 67, height: int = 49) -> bytes:
    image_format, mode, options = KINDS[kind]
    if mode == "RGBA":
        image = picture(width, height)
        image.putalpha(Image.linear_gradient("L").resize((width, height)))
    elif mode == "I;16":
        image = Image.fromarray(np.full((height, width), 40_000, np.uint16))
    else:
        image = picture(width, height, mode)
    return encoded(image, image_format, **options)


def outcome(data: bytes) -> ImageHeader | None:
    """The header, or None for a BadImageError; anything else that is raised fails the test."""
    try:
        return read_image_header(data)
    except BadImageError:
        return None


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_format_and_size_are_what_pillow_reads(kind: str, width: int, height: int) -> None:
    data = sample(kind, width, height)
    with Image.open(io.BytesIO(data)) as image:
        assert image.format is not None
        expected = ImageHeader(image.format.lower(), *image.size)
    assert read_image_header(data) == expected == (kind.split()[0], width, height)
    assert read_image_header(memoryview(data)) == read_image_header(bytearray(data)) == expected


def test_the_samples_are_of_the_kinds_they_are_called() -> None:
    assert sample("webp lossy")[12:16] == b"VP8 "
    assert sample("webp lossless")[12:16] == b"VP8L"
    assert sample("webp alpha")[12:16] == sample("webp extended")[12:16] == b"VP8X"
    assert b"\xff\xc2" in sample("jpeg progressive")


@pytest.mark.parametrize("kind", KINDS)
def test_a_header_that_ends_early_is_refused_and_never_misread(kind: str) -> None:
    data = sample(kind)
    whole = read_image_header(data)
    ends = {outcome(data[:length]) for length in range(min(len(data), 3000))}
    assert ends <= {None, whole}
    assert None in ends


@pytest.mark.parametrize("kind", KINDS)
def test_no_damage_to_a_header_raises_anything_but_bad_image(kind: str) -> None:
    data, rng = sample(kind), np.random.default_rng(1)
    for _ in range(500):
        damaged = bytearray(data[:600])
        for position in rng.integers(0, len(damaged), 3):
            damaged[position] = rng.integers(0, 256)
        outcome(bytes(damaged))


MAGIC = [
    b"",
    b"\xff\xd8\xff",
    b"\xff\xd8\xff\xe0",
    b"\x89PNG\r\n\x1a\n",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"RIFF\0\0\0\0WEBP",
    *[b"RIFF\0\0\0\0WEBP" + chunk for chunk in (b"VP8 ", b"VP8L", b"VP8X")],
]


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(MAGIC), st.binary(max_size=200))
@example(b"", b"")
@example(b"\xff\xd8\xff", b"")
def test_no_bytes_at_all_raise_anything_but_bad_image(magic: bytes, rest: bytes) -> None:
    header = outcome(magic + rest)
    assert header is None or (header.width >= 1 and header.height >= 1)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"hello, this is text", "not a JPEG, PNG or WebP"),
        (b"GIF89a" + bytes(40), "not a JPEG, PNG or WebP"),
        (b"BM" + bytes(60), "not a JPEG, PNG or WebP"),
        (b"II*\0" + bytes(60), "not a JPEG, PNG or WebP"),
        (b"\xff\xd8\xff", "ends within its header"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", "ends within its header"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIDAT" + bytes(20), "does not begin with IHDR"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(20), "0x0 pixels"),
        (b"RIFF\0\0\0\0WEBPALPH" + bytes(20), "WebP without a frame header"),
    ],
)
def test_each_refusal_says_what_is_wrong(data: bytes, words: str) -> None:
    with pytest.raises(BadImageError, match=words) as caught:
        read_image_header(data)
    assert caught.value.field == "image"


def jpeg_frame(marker: int = 0xC0, width: int = 67, height: int = 49) -> bytes:
    return struct.pack(">BBHBHHB", 0xFF, marker, 17, 8, height, width, 3) + bytes(9)


@pytest.mark.parametrize("before", [b"", b"\xff" * 50, b"\xff\xd0", b"\xff\x01", b"\xff\xfe\x00\x02"])
def test_fill_bytes_lone_markers_and_empty_segments_are_passed_over(before: bytes) -> None:
    start = b"\xff\xd8" + b"\xff\xe0\x00\x04ab"
    assert read_image_header(start + before + jpeg_frame()) == ("jpeg", 67, 49)


@pytest.mark.parametrize("marker", [0xC3, 0xC5, 0xC9, 0xCF])
def test_jpegs_that_no_decoder_here_reads_are_refused(marker: int) -> None:
    with pytest.raises(BadImageError, match="frame header that decoders know"):
        read_image_header(b"\xff\xd8" + jpeg_frame(marker))


@pytest.mark.parametrize("end", [b"\xff\xd9", b"\xff\xda\x00\x08", b"\xff\x00", b"junk", b"\xff\xe0\x00\x01"])
def test_a_jpeg_whose_picture_begins_before_its_frame_header_is_refused(end: bytes) -> None:
    with pytest.raises(BadImageError):
        read_image_header(b"\xff\xd8\xff\xfe\x00\x02" + end + jpeg_frame())


def test_a_jpeg_of_no_height_is_refused() -> None:
    with pytest.raises(BadImageError, match="67x0"):
        read_image_header(b"\xff\xd8" + jpeg_frame(height=0))


def test_an_animated_webp_is_refused_with_the_reason() -> None:
    frames = [picture(20, 20), Image.new("RGB", (20, 20))]
    with pytest.raises(BadImageError, match="animated"):
        read_image_header(encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:]))


class CountedBytes(bytearray):
    """Counts how often somebody looks at them."""

    looks = 0

    def __getitem__(self, index: Any) -> Any:
        self.looks += 1
        return super().__getitem__(index)


@pytest.mark.parametrize("segment", [b"\xff\xfe\x00\x02", b"\xff", b"\xff\xd0"], ids=["empty", "fill", "restart"])
def test_a_jpeg_of_endless_segments_is_given_up_after_bounded_work(segment: bytes) -> None:
    bomb = CountedBytes(b"\xff\xd8\xff\xfe\x00\x02" + segment * 100_000 + jpeg_frame())
    with pytest.raises(BadImageError):
        read_image_header(bomb)
    assert bomb.looks <= 3 * MAX_JPEG_SEGMENTS
