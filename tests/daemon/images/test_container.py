"""Containers are judged before a decoder sees them: no honest file is refused, and none makes the decoder toil."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from depthwire.daemon.images.container import MAX_JPEG_SCANS, MAX_WEBP_CHUNKS, check_jpeg, plain_webp
from depthwire.daemon.images.decode import decode_image
from depthwire.daemon.images.header import MAX_JPEG_SEGMENTS, read_image_header
from depthwire.daemon.images.png_container import MAX_PNG_CHUNKS, plain_png
from depthwire.protocol import BadImageError
from tests.pictures import encode, jpeg, scene
from tests.reliability import bombs

Pixels = npt.NDArray[np.uint8]
WIDTH, HEIGHT = 37, 23
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PNG_KINDS = [
    (colour, depth, interlaced)
    for colour, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items()
    for depth in depths
    for interlaced in (0, 1)
]
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def opencv(data: bytes) -> Pixels | None:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return None if pixels is None else pixels.astype(np.uint8)


def decode(data: bytes) -> Pixels:
    header = read_image_header(data)
    return decode_image(memoryview(data), header.format, header.height, header.width)


def noise_png(
    colour: int = 2,
    depth: int = 8,
    interlaced: int = 0,
    *,
    change: bytes = b"",
    most_filter: int = 4,
    pieces: int = 999,
) -> bytes:
    """A PNG of noise, each row with a filter of its own; `change` is put before its rows."""
    rng = np.random.default_rng(colour * 100 + depth)
    rows = b""
    for column, row, across, down in ADAM7 if interlaced else [(0, 0, 1, 1)]:
        length = (len(range(column, WIDTH, across)) * depth * SAMPLES[colour] + 7) // 8
        for _ in range(row, HEIGHT, down):
            rows += bytes([int(rng.integers(most_filter + 1))]) + rng.integers(0, 256, length, np.uint8).tobytes()
    compressed = zlib.compress(rows)
    start = bombs.PNG + bombs.chunk(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour, 0, 0, interlaced))
    if colour == 3:
        start += bombs.chunk(b"PLTE", rng.integers(0, 256, 3 << depth, np.uint8).tobytes())
    cut = [compressed[at : at + pieces] for at in range(0, len(compressed), pieces)]
    return start + change + b"".join(bombs.chunk(b"IDAT", piece) for piece in cut) + bombs.chunk(b"IEND")


@pytest.mark.parametrize(("colour", "depth", "interlaced"), PNG_KINDS)
def test_every_kind_of_png_decodes_to_the_pixels_that_opencv_makes_of_the_file_itself(
    colour: int, depth: int, interlaced: int
) -> None:
    data = noise_png(colour, depth, interlaced)
    original = opencv(data)
    assert original is not None
    np.testing.assert_array_equal(decode(data), original)


@pytest.mark.parametrize("extra", [b"gAMA", b"tRNS", b"iCCP", b"zTXt", b"acTL", b"eXIf", b"prVt"])
def test_what_stands_beside_the_picture_in_a_png_changes_nothing_whatever_it_holds(extra: bytes) -> None:
    wrong_checksum = bombs.chunk(extra, b"\xff" * 40)[:-1] + b"?"
    np.testing.assert_array_equal(decode(noise_png(change=wrong_checksum)), decode(noise_png()))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (noise_png(change=bombs.chunk(b"ABCD")), "critical chunk"),
        (noise_png(most_filter=7), "filter"),
        (noise_png(depth=3), "IHDR"),
        (noise_png(5 - 2, 8).replace(b"PLTE", b"pLTE"), "no palette"),
        (bombs.png(rows=zlib.compress(b"")), "fewer rows"),
        (bombs.png(rows=bombs.zeros(1)), "more rows"),
        (bombs.png(rows=b"no zlib stream"), "damaged PNG"),
        (bombs.png()[:-12], "ends early"),
        (bombs.png(extra=bombs.chunk(b"teXt") * MAX_PNG_CHUNKS), f"more than {MAX_PNG_CHUNKS} chunks"),
        (bombs.png()[:33] + bombs.chunk(b"IEND"), "fewer rows"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_png_is_refused_with_what_is_wrong(data: bytes, words: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BadImageError, match=words) as caught:
        decode(data)
    assert caught.value.field == "image"
    assert capfd.readouterr().err == ""


def test_a_palette_of_few_colours_is_filled_up_so_that_libpng_keeps_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    data = noise_png(3, 8)
    start = data.index(b"PLTE") - 4
    few = data[:start] + bombs.chunk(b"PLTE", bytes(range(6))) + data[start + 12 + 3 * 256 :]
    assert decode(few).shape == (HEIGHT, WIDTH, 3)
    assert capfd.readouterr().err == ""


def test_rows_in_many_pieces_and_behind_their_end_are_read_as_one() -> None:
    np.testing.assert_array_equal(decode(noise_png(pieces=1)), decode(noise_png()))
    trailing = noise_png()[:-12] + bombs.chunk(b"IDAT", b"something") + bombs.chunk(b"IEND")
    np.testing.assert_array_equal(decode(trailing), decode(noise_png()))


def test_rows_of_a_png_are_handed_on_uncompressed_and_only_once() -> None:
    data = encode(scene(640, 480), ".png")
    assert len(plain_png(memoryview(data), 480, 640)) < 480 * (3 * 640 + 1) * 1.01 + 200


@pytest.mark.parametrize("scans", [2, MAX_JPEG_SCANS])
def test_a_progressive_jpeg_may_have_as_many_scans_as_encoders_write(scans: int) -> None:
    assert decode(bombs.flat_jpeg(200, 100, scans)).shape == (100, 200, 3)


def test_one_scan_more_is_refused() -> None:
    with pytest.raises(BadImageError, match=f"more than {MAX_JPEG_SCANS} scans"):
        decode(bombs.flat_jpeg(200, 100, MAX_JPEG_SCANS + 1))


SEGMENTS = pytest.mark.parametrize(
    "segment", [b"\xff\xe2\0\2", b"\xff\xd0", b"\xff\x01"], ids=["empty", "restart", "TEM"]
)


@pytest.mark.parametrize("before", [b"\xff\xc0", b"\xff\xda"])
@SEGMENTS
def test_a_jpeg_may_have_many_segments_but_not_endlessly_many(before: bytes, segment: bytes) -> None:
    whole = jpeg(64, 48)
    np.testing.assert_array_equal(decode(bombs.within(whole, before, segment * 900)), decode(whole))
    with pytest.raises(BadImageError, match=f"{MAX_JPEG_SEGMENTS} segments|frame header"):
        decode(bombs.within(whole, before, segment * (MAX_JPEG_SEGMENTS + 2)))


@SEGMENTS
def test_behind_a_jpeg_s_only_scan_segments_count_where_they_are_a_megabyte_and_more(segment: bytes) -> None:
    whole = jpeg(64, 48)
    few, many = (bombs.within(whole, b"\xff\xd9", segment * (size // len(segment))) for size in (100_000, 1_100_000))
    np.testing.assert_array_equal(decode(few), decode(whole))
    with pytest.raises(BadImageError, match=f"{MAX_JPEG_SEGMENTS} segments"):
        decode(many)


def test_a_scan_of_one_of_three_components_is_not_the_only_one() -> None:
    with pytest.raises(BadImageError, match=f"{MAX_JPEG_SCANS} scans"):
        decode(bombs.repeated_scan(16, 16))


@pytest.mark.parametrize("size", [(8, 8), (14, 999), (2000, 1000)])
def test_the_fewest_bytes_that_can_code_a_picture_are_enough(size: tuple[int, int]) -> None:
    width, height = size
    assert decode(bombs.flat_jpeg(width, height)).shape == (height, width, 3)
    assert decode(bombs.flat_jpeg(width, height, 2)).shape == (height, width, 3)


@pytest.mark.parametrize("progressive", [0, 1])
def test_a_jpeg_of_fewer_bytes_than_its_pixels_need_is_refused_before_memory_is_taken(progressive: int) -> None:
    small = encode(bombs.GREY, ".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive])
    with pytest.raises(BadImageError, match="fewer bytes than its pixels"):
        check_jpeg(memoryview(bombs.resized(small, 6000, 6000)))


@pytest.mark.parametrize("interval", [1, 2])
def test_restart_markers_and_what_follows_the_picture_s_end_are_no_segments(interval: int) -> None:
    whole = encode(scene(400, 400), ".jpg", [cv2.IMWRITE_JPEG_RST_INTERVAL, interval])
    assert whole.count(b"\xff\xd0") > 20
    np.testing.assert_array_equal(decode(whole + b"\xff\xe2\0\2" * 2000), opencv(whole))


def test_a_webp_of_one_colour_is_a_picture_though_it_is_smaller_than_opencv_expects() -> None:
    assert decode(bombs.riff(bombs.lossless_frame(640, 480))).shape == (480, 640, 3)


def test_what_stands_beside_the_frame_of_a_webp_changes_nothing() -> None:
    whole = bombs.riff(bombs.canvas(64, 64, 0x3C), (b"ICCP", b"x"), bombs.webp(), (b"EXIF", b"loop" * 9))
    np.testing.assert_array_equal(decode(whole), bombs.GREY)
    assert len(plain_webp(memoryview(whole), 64, 64)) < len(whole)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bombs.riff(bombs.canvas(64, 64), *[(b"abcd", b"")] * MAX_WEBP_CHUNKS, bombs.webp()), "no frame"),
        (bombs.riff(bombs.canvas(64, 64)), "no frame"),
        (bombs.riff(bombs.canvas(64, 64), bombs.webp())[:-9], "ends early"),
        (bombs.riff(bombs.canvas(16, 16), bombs.lossless_frame(9000, 9000)), "9000x9000 pixels, its header said 16x16"),
    ],
    ids=["too many chunks", "no frame", "cut off", "frame larger than canvas"],
)
def test_a_webp_is_refused_with_what_is_wrong(data: bytes, words: str) -> None:
    with pytest.raises(BadImageError, match=words):
        decode(data)
