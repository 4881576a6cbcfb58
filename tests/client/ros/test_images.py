"""Image messages of every encoding become the picture that was put in, whatever their rows and byte order."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from depthwire.client import ros
from depthwire.client.ros import MessageError, images
from depthwire.client.ros.bit_depth import BitDepths
from depthwire.client.ros.images import decoded
from tests.client.ros.recording import ROS1, ROS2, jpeg

BGR = cv2.imdecode(np.frombuffer(jpeg(1, 64), np.uint8), cv2.IMREAD_COLOR)
GREY = BGR[:, :, 1]
ALPHA = np.full((*GREY.shape, 1), 200, np.uint8)


def sixteen(pixels: np.ndarray, big: bool) -> np.ndarray:
    return (pixels.astype(np.uint16) * 257).astype(">u2" if big else "<u2")


@pytest.mark.parametrize("padding", [0, 7])
@pytest.mark.parametrize(
    ("encoding", "pixels", "expected"),
    [
        ("bgr8", BGR, BGR),
        ("8UC3", BGR, BGR),
        ("rgb8", BGR[:, :, ::-1], BGR),
        ("bgra8", np.dstack([BGR, ALPHA]), BGR),
        ("rgba8", np.dstack([BGR[:, :, ::-1], ALPHA]), BGR),
        ("mono8", GREY, GREY),
    ],
)
def test_eight_bit_pictures_stand_over_the_messages_memory(
    encoding: str, pixels: np.ndarray, expected: np.ndarray, padding: int
) -> None:
    message = ROS2.raw(pixels, encoding, padding=padding)
    picture = ros.image_source(message)
    np.testing.assert_array_equal(picture, expected)
    assert np.shares_memory(picture, message.data)


@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize(
    ("encoding", "pixels", "expected"),
    [("mono16", GREY, GREY), ("rgb16", BGR[:, :, ::-1], BGR), ("bgr16", BGR, BGR), ("bgra16", None, BGR)],
)
def test_sixteen_bit_pictures_keep_their_high_bytes_in_both_byte_orders(
    encoding: str, pixels: np.ndarray | None, expected: np.ndarray, big: bool
) -> None:
    pixels = np.dstack([BGR, ALPHA]) if pixels is None else pixels
    message = ROS1.raw(sixteen(pixels, big), encoding, padding=6, big=big)
    np.testing.assert_array_equal(ros.image_source(message), expected)


@pytest.mark.parametrize(("encoding", "luma"), [("yuv422", 1), ("yuv422_yuy2", 0), ("uyvy", 1)])
def test_yuv_422_comes_back_as_the_colours_it_was_made_of(encoding: str, luma: int) -> None:
    smooth = cv2.resize(cv2.resize(BGR, (8, 6), interpolation=cv2.INTER_AREA), (64, 48))
    yuv = cv2.cvtColor(smooth, cv2.COLOR_BGR2YCrCb).astype(np.float64)
    studio = 16 + yuv[:, :, 0] * 219 / 255  # BT.601 in the range of video, which cameras send
    red, blue = (128 + (yuv[:, :, plane] - 128) * 224 / 255 for plane in (1, 2))
    packed = np.zeros((*studio.shape, 2))
    packed[:, :, luma] = studio
    packed[:, 0::2, 1 - luma] = blue[:, 0::2]
    packed[:, 1::2, 1 - luma] = red[:, 1::2]
    picture = ros.image_source(ROS1.raw(np.rint(packed).astype(np.uint8), encoding, padding=4))
    assert np.abs(np.asarray(picture, float) - smooth).mean() < 6


@pytest.mark.parametrize(
    ("encoding", "order"),
    [("bayer_rggb8", "rggb"), ("bayer_bggr8", "bggr"), ("bayer_gbrg8", "gbrg"), ("bayer_grbg8", "grbg")],
)
def test_bayer_mosaics_come_back_in_the_right_colours(encoding: str, order: str) -> None:
    smooth = cv2.resize(cv2.resize(BGR, (8, 6), interpolation=cv2.INTER_AREA), (64, 48))
    mosaic = np.zeros(smooth.shape[:2], np.uint8)
    for index, colour in enumerate(order):
        row, column = divmod(index, 2)
        mosaic[row::2, column::2] = smooth[row::2, column::2, "bgr".index(colour)]
    picture = np.asarray(ros.image_source(ROS2.raw(mosaic, encoding)), float)
    assert np.abs(picture - smooth)[4:-4, 4:-4].mean() < 4


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_compressed_pictures_are_passed_on_as_they_are(form: str) -> None:
    file = io.BytesIO()
    Image.fromarray(BGR[:, :, ::-1]).save(file, form, **({"lossless": True} if form == "WEBP" else {}))
    message = ROS2.compressed(file.getvalue(), 0, "rgb8; compressed bgr8")
    source: Any = ros.image_source(message)
    assert source == file.getvalue()
    assert np.shares_memory(np.frombuffer(source, np.uint8), message.data)
    expected = np.asarray(Image.open(file).convert("RGB"))
    assert np.abs(ros.rgb_of(source).astype(int) - expected).max() <= 6  # JPEG decoders differ by a few steps


def test_colours_of_grey_and_turned_pictures_are_those_of_the_stored_pixels() -> None:
    np.testing.assert_array_equal(ros.rgb_of(GREY), np.dstack([GREY] * 3))
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees to view"
    file = io.BytesIO()
    Image.fromarray(BGR[:, :, ::-1]).save(file, "JPEG", exif=exif)
    assert decoded(file.getvalue()).shape == BGR.shape


def _cut_short() -> Any:
    message = ROS1.raw(BGR, "bgr8")
    message.data = message.data[:-1]
    return message


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (ROS1.raw(GREY.astype("<u2"), "16UC1"), "'16UC1' is no picture"),
        (ROS1.compressed(b"\x89HDF", 0, "32FC1; compressedDepth"), "compressedDepth.* no JPEG, PNG, WebP"),
        (ROS1.compressed(b"", 0, ""), "with 0 bytes"),
        (ROS1.raw(BGR, "rgba8"), "do not fit"),
        (_cut_short(), "do not fit"),
    ],
)
def test_what_is_no_picture_is_refused_saying_why(message: Any, text: str) -> None:
    with pytest.raises(ros.MessageError, match=text):
        ros.image_source(message)


SMOOTH = cv2.resize(cv2.resize(BGR, (8, 6), interpolation=cv2.INTER_AREA), (64, 48))


def semi_planar(bgr: np.ndarray, encoding: str, padding: int) -> Any:
    """A picture of BT.601 in the range of video, as drivers publish it."""
    yuv = cv2.cvtColor(bgr, cv2.COLOR_BGR2YCrCb).astype(np.float64)
    luma = np.rint(16 + yuv[:, :, 0] * 219 / 255).astype(np.uint8)
    red, blue = (np.rint(128 + (yuv[:, :, plane] - 128) * 224 / 255).astype(np.uint8) for plane in (1, 2))
    color = np.dstack([red, blue] if encoding == "nv21" else [blue, red])
    shared = 1 if encoding == "nv24" else 2
    color = color[::shared, ::shared]
    rows = color.reshape(color.shape[0], -1)
    step = max(luma.shape[1], rows.shape[1] * shared // 2) + padding
    room = step * 2 // shared
    planes = [np.pad(luma, ((0, 0), (0, step - luma.shape[1]))), np.pad(rows, ((0, 0), (0, room - rows.shape[1])))]
    message = ROS2.raw(luma, encoding)
    message.step, message.data = step, np.concatenate([plane.reshape(-1) for plane in planes])
    return message


@pytest.mark.parametrize("size", [(64, 48), (63, 47)], ids=["even", "odd"])
@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("encoding", ["nv12", "nv21", "nv24"])
def test_semi_planar_pictures_come_back_as_the_colours_they_were_made_of(
    encoding: str, padding: int, size: tuple[int, int]
) -> None:
    bgr = SMOOTH[: size[1], : size[0]]
    message = semi_planar(bgr, encoding, padding)
    picture = np.asarray(ros.image_source(message), float)
    assert picture.shape == bgr.shape
    assert np.abs(picture - bgr).mean() < 6
    message.data = message.data[: -(2 * padding + 1)]
    with pytest.raises(ros.MessageError, match="do not fit"):
        ros.image_source(message)


@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("order", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_mosaics_of_16_bits_are_those_of_8(order: str, big: bool) -> None:
    mosaic = GREY
    expected = ros.image_source(ROS2.raw(mosaic, f"bayer_{order}8"))
    found = ros.image_source(ROS2.raw(sixteen(mosaic, big), f"bayer_{order}16", big=big), BitDepths())
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("encoding", ["bgr8", "mono8", "mono16", "nv12", "yuv422"])
def test_a_step_of_0_is_taken_where_the_data_fit_exactly(encoding: str) -> None:
    pixels = {"bgr8": BGR, "mono16": sixteen(GREY, False), "yuv422": BGR[:, :, :2]}.get(encoding, GREY)
    message = semi_planar(BGR, "nv12", 0) if encoding == "nv12" else ROS2.raw(pixels, encoding)
    expected = np.array(ros.image_source(message))
    message.step = 0
    np.testing.assert_array_equal(ros.image_source(message), expected)
    message.data = message.data[:-1]
    with pytest.raises(ros.MessageError, match="do not fit"):
        ros.image_source(message)


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("encoding", ["mono16", "rgb16", "bayer_rggb16"])
def test_pictures_of_10_12_and_14_bits_are_as_bright_as_those_of_16_and_warn_once(
    encoding: str, bits: int, caplog: pytest.LogCaptureFixture
) -> None:
    pixels = (BGR if encoding == "rgb16" else GREY).astype("<u2") << 8
    pixels.reshape(-1)[0] = 0xFFFF
    expected = np.array(ros.image_source(ROS2.raw(pixels, encoding), BitDepths()))
    known = BitDepths()
    for _ in range(3):
        found = ros.image_source(ROS2.raw(pixels >> (16 - bits), encoding), known)
        np.testing.assert_array_equal(found, expected)
    assert len(caplog.records) == (bits < 16)
    assert bits == 16 or f"taken for {bits} bits" in caplog.text


def test_the_bits_of_a_camera_only_grow_and_one_in_the_dark_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    known = BitDepths()

    def brightness(value: int) -> int:
        return int(np.asarray(ros.image_source(ROS2.raw(np.full((2, 2), value, "<u2"), "mono16"), known))[0, 0])

    assert brightness(0) == 0
    assert not caplog.records
    assert [brightness(value) for value in (1000, 4000, 1000, 60000, 4000)] == [250, 250, 62, 234, 15]
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("kind", "bits", "depth"),
    [
        ("16UC1; png compressed ", 16, True),
        ("16UC1; jpeg compressed ", 8, True),
        ("32FC1; jpeg compressed ", 8, True),
        ("16UC1; compressedDepth png", 16, True),
        ("png", 16, True),
        ("png", 8, False),
        ("mono16; png compressed ", 16, False),
        ("8UC1; jpeg compressed mono8", 8, False),
        ("bgr8; jpeg compressed bgr8", 8, False),
        ("rgb8; png compressed bgr8", 8, False),
    ],
)
def test_depth_that_image_transport_compressed_is_no_picture(kind: str, bits: int, depth: bool) -> None:
    extension = ".jpg" if "jpeg" in kind else ".png"
    data = cv2.imencode(extension, sixteen(GREY, False) if bits == 16 else GREY)[1].tobytes()
    message = ROS2.compressed(data, 0, kind)
    if depth:
        with pytest.raises(ros.MessageError, match="depth"):
            ros.image_source(message)
    else:
        assert bytes(ros.image_source(message)) == data  # type: ignore[arg-type]


def test_a_damaged_jpeg_is_not_rectified_into_plausible_pixels() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    good = cv2.imencode(".jpg", picture)[1].tobytes()
    assert np.array_equal(images.strictly_decoded(good), images.decoded(good))
    damaged = good[: len(good) * 6 // 10] + b"\xff\xd9"
    assert images.decoded(damaged) is not None, "OpenCV takes it"
    with pytest.raises(MessageError, match="damaged"):
        images.strictly_decoded(damaged)
    png = cv2.imencode(".png", picture)[1].tobytes()
    assert np.array_equal(images.strictly_decoded(png), picture)
