"""Pictures decode to the pixels that OpenCV makes of them, and damaged ones are refused where it would guess."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from depthwire.daemon.images.decode import decode_image
from depthwire.daemon.images.header import read_image_header
from depthwire.protocol import BadImageError

Pixels = npt.NDArray[np.uint8]
WIDTH, HEIGHT = 131, 97
CORRUPTIONS = 300


def scene(width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    """Edges, ramps and texture, so that a wrong pixel shows."""
    v, u = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(7).normal(0, 12, (height, width))
    channels = [u * 255 / width, v * 255 / height, 128 + 100 * np.sin(u / 9) * np.cos(v / 7) + noise]
    picture: Pixels = np.stack(channels, axis=2).clip(0, 255).astype(np.uint8)
    picture[20:50, 30:80] = (10, 200, 240)
    return picture


def jpeg(*options: int, picture: Pixels | None = None) -> bytes:
    return bytes(cv2.imencode(".jpg", scene() if picture is None else picture, list(options))[1].tobytes())


def saved(image: Image.Image, image_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def pil(mode: str = "RGB") -> Image.Image:
    return Image.fromarray(scene()[..., ::-1]).convert(mode)


def opencv(data: bytes) -> Pixels | None:
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    return None if pixels is None else pixels.astype(np.uint8)


def decode(data: bytes) -> Pixels:
    """As the daemon does it: size by the header, then the pixels."""
    header = read_image_header(data)
    return decode_image(memoryview(data), header.format, header.height, header.width)


def is_refused(data: bytes) -> bool:
    try:
        decode(data)
    except BadImageError:
        return True
    return False


def adobe_transform(data: bytes, transform: int) -> bytes:
    """The same CMYK JPEG, its colours called CMYK (0) or YCCK (2)."""
    at = data.index(b"Adobe") + 11
    return data[:at] + bytes([transform]) + data[at + 1 :]


SUBSAMPLINGS = [
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
]
JPEGS = {
    **{
        f"subsampling {factor:x}{' progressive' * progressive}": jpeg(
            cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive
        )
        for factor in SUBSAMPLINGS
        for progressive in (0, 1)
    },
    "quality 20": jpeg(cv2.IMWRITE_JPEG_QUALITY, 20),
    "restart markers": jpeg(cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    "grey": jpeg(picture=scene()[..., 1]),
    "stored as RGB": saved(pil(), "JPEG", keep_rgb=True),
    "cmyk": saved(pil("CMYK"), "JPEG", quality=95),
    "ycck": adobe_transform(saved(pil("CMYK"), "JPEG", quality=95), 2),
    "one pixel high": jpeg(picture=scene(50, 1)),
}
OTHERS = {
    "png": saved(pil(), "PNG"),
    "png grey": saved(pil("L"), "PNG"),
    "png palette": saved(pil().quantize(64), "PNG"),
    "png alpha": saved(pil("RGBA"), "PNG"),
    "png 16 bit": bytes(cv2.imencode(".png", scene().astype(np.uint16) * 257)[1].tobytes()),
    "png one bit": saved(pil("1"), "PNG"),
    "webp": saved(pil(), "WEBP", quality=90),
    "webp lossless": saved(pil(), "WEBP", lossless=True),
    "webp alpha": saved(pil("RGBA"), "WEBP", quality=90),
}


@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_gives_opencv_s_pixels(kind: str) -> None:
    pixels = decode(JPEGS[kind])
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, opencv(JPEGS[kind]))


@pytest.mark.parametrize("kind", OTHERS)
def test_a_png_or_webp_gives_bgr_of_its_size(kind: str) -> None:
    pixels = decode(OTHERS[kind])
    assert pixels.dtype == np.uint8
    assert pixels.shape == (HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("kind", ["png", "png alpha", "png 16 bit", "webp lossless"])
def test_what_is_lossless_gives_the_picture_itself(kind: str) -> None:
    np.testing.assert_array_equal(decode(OTHERS[kind]), scene())


def test_transparency_is_dropped_not_blended() -> None:
    image = pil("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    np.testing.assert_array_equal(decode(saved(image, "PNG")), scene())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_a_rotated_photo_keeps_its_stored_orientation(image_format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    rotated = decode(saved(pil(), image_format, exif=exif))
    np.testing.assert_array_equal(rotated, decode(saved(pil(), image_format)))


@pytest.mark.parametrize("kind", ["subsampling 221111", "subsampling 221111 progressive", "grey", "cmyk", "ycck"])
def test_a_jpeg_that_ends_early_is_refused_wherever_it_ends(kind: str) -> None:
    data = JPEGS[kind]
    decode(data)
    for length in [*range(0, len(data) - 2, 37), len(data) // 2, len(data) - 3]:
        assert is_refused(data[:length]), f"{length} of {len(data)} bytes"


@pytest.mark.parametrize("kind", ["png", "png palette", "webp", "webp lossless"])
def test_a_png_or_webp_that_ends_early_is_refused(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    data = OTHERS[kind]
    for length in range(0, len(data) - 20, max(1, len(data) // 50)):
        assert is_refused(data[:length]), f"{length} of {len(data)} bytes"


def test_few_damaged_jpegs_pass_where_opencv_takes_nearly_all() -> None:
    """What cannot be told from a picture (a changed coefficient, no marker lost) passes anywhere; the rest must not."""
    data, rng = JPEGS["subsampling 221111"], np.random.default_rng(11)
    body = data.index(b"\xff\xda") + 14
    undamaged = opencv(data)
    assert undamaged is not None
    ours = theirs = unchanged = 0
    for _ in range(CORRUPTIONS):
        damaged = bytearray(data)
        for position in rng.integers(body, len(data) - 2, 5):
            damaged[position] ^= 1 << rng.integers(0, 8)
        taken = opencv(bytes(damaged))
        theirs += taken is not None
        if not is_refused(bytes(damaged)):
            ours += 1
            assert taken is not None
            unchanged += np.array_equal(taken, undamaged)
    print(f"of {CORRUPTIONS} damaged JPEGs OpenCV takes {theirs}, depthwire {ours} ({unchanged} of them undamaged)")
    assert theirs > 0.9 * CORRUPTIONS
    assert ours < 0.35 * CORRUPTIONS


def test_a_damaged_png_is_refused_by_its_checksums(capfd: pytest.CaptureFixture[str]) -> None:
    data, rng = OTHERS["png"], np.random.default_rng(12)
    for _ in range(100):
        damaged = bytearray(data)
        damaged[int(rng.integers(45, len(data) - 16))] ^= 1 << int(rng.integers(0, 8))
        assert is_refused(bytes(damaged)) or np.array_equal(decode(bytes(damaged)), scene())


@pytest.mark.parametrize(
    ("enough", "size"), [((97, 131), (97, 131)), ((60, 60), (97, 131)), ((48, 65), (49, 66)), ((10, 10), (13, 17))]
)
def test_a_jpeg_may_come_smaller_where_less_is_enough_but_never_less_than_that(
    enough: tuple[int, int], size: tuple[int, int]
) -> None:
    pixels = decode_image(memoryview(JPEGS["subsampling 221111"]), "jpeg", HEIGHT, WIDTH, enough)
    assert pixels.shape == (*size, 3)


def test_a_damaged_jpeg_is_refused_at_any_size() -> None:
    data = JPEGS["subsampling 221111"]
    with pytest.raises(BadImageError, match="damaged JPEG"):
        decode_image(memoryview(data[: len(data) // 2]), "jpeg", HEIGHT, WIDTH, (10, 10))


@pytest.mark.parametrize("kind", ["subsampling 221111", "png", "webp"])
def test_a_picture_of_another_size_than_its_header_told_is_refused(kind: str) -> None:
    data = {**JPEGS, **OTHERS}[kind]
    image_format = read_image_header(data).format
    with pytest.raises(BadImageError, match="131x97 pixels, its header said 97x131"):
        decode_image(memoryview(data), image_format, WIDTH, HEIGHT)


def test_a_webp_whose_canvas_lies_about_its_frame_is_refused() -> None:
    data = bytearray(saved(pil(), "WEBP", exif=Image.Exif().tobytes() + b"x"))
    assert data[12:16] == b"VP8X"
    data[24:27] = (15).to_bytes(3, "little")
    assert read_image_header(data).width == 16
    assert is_refused(bytes(data))


def test_a_png_whose_header_promises_more_pixels_than_it_holds_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(OTHERS["png"])
    data[16:24] = struct.pack(">II", 500, 400)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    assert is_refused(bytes(data))


@pytest.mark.parametrize("image_format", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("data", [b"", b"\xff", b"not an image at all" * 10, bytes(1000)])
def test_what_is_no_picture_at_all_is_refused(
    image_format: str, data: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BadImageError, match=f"damaged {image_format.upper()}"):
        decode_image(memoryview(data), image_format, 10, 10)


def test_the_error_names_the_field() -> None:
    with pytest.raises(BadImageError) as caught:
        decode(JPEGS["grey"][:200])
    assert caught.value.field == "image"
