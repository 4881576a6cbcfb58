"""Image and CompressedImage messages as what the client sends: encoded bytes, or a BGR or grey array.

Called by the conversion of bags and nodes. OpenCV is imported only for encodings that need a colour conversion.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from depthwire.client.images import MissingEncoderError
from depthwire.client.ros.bit_depth import BitDepths
from depthwire.client.ros.errors import MessageError
from depthwire.protocol.distribution import install_hint

Picture: TypeAlias = "bytes | memoryview | npt.NDArray[np.uint8]"

_MAGIC = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"RIFF": "WebP"}


@dataclass(frozen=True)
class _Layout:
    """A raw encoding: channels, bytes of each, and how to bring it to BGR or grey.

    `order` are the channels to take, `conversion` the name of OpenCV's constant; neither: as it is.
    """

    channels: int
    itemsize: int = 1
    order: slice | None = None
    conversion: str | None = None


_FIRST_THREE, _REVERSED = slice(0, 3), slice(2, None, -1)

# sensor_msgs/image_encodings.h. Bayer names in OpenCV are those of the second row's second and third pixel, so that
# ROS's RGGB is OpenCV's BG, as in cv_bridge.
_LAYOUTS = {
    "mono8": _Layout(1),
    "8UC1": _Layout(1),
    "mono16": _Layout(1, 2),
    "bgr8": _Layout(3),
    "8UC3": _Layout(3),
    "rgb8": _Layout(3, order=_REVERSED),
    "bgra8": _Layout(4, order=_FIRST_THREE),
    "8UC4": _Layout(4, order=_FIRST_THREE),
    "rgba8": _Layout(4, order=_REVERSED),
    "bgr16": _Layout(3, 2),
    "rgb16": _Layout(3, 2, order=_REVERSED),
    "bgra16": _Layout(4, 2, order=_FIRST_THREE),
    "rgba16": _Layout(4, 2, order=_REVERSED),
    "yuv422": _Layout(2, conversion="COLOR_YUV2BGR_UYVY"),
    "uyvy": _Layout(2, conversion="COLOR_YUV2BGR_UYVY"),
    "yuv422_yuy2": _Layout(2, conversion="COLOR_YUV2BGR_YUY2"),
    "yuyv": _Layout(2, conversion="COLOR_YUV2BGR_YUY2"),
    "bayer_rggb8": _Layout(1, conversion="COLOR_BayerBG2BGR"),
    "bayer_bggr8": _Layout(1, conversion="COLOR_BayerRG2BGR"),
    "bayer_gbrg8": _Layout(1, conversion="COLOR_BayerGR2BGR"),
    "bayer_grbg8": _Layout(1, conversion="COLOR_BayerGB2BGR"),
    "bayer_rggb16": _Layout(1, 2, conversion="COLOR_BayerBG2BGR"),
    "bayer_bggr16": _Layout(1, 2, conversion="COLOR_BayerRG2BGR"),
    "bayer_gbrg16": _Layout(1, 2, conversion="COLOR_BayerGR2BGR"),
    "bayer_grbg16": _Layout(1, 2, conversion="COLOR_BayerGB2BGR"),
}

_SEMI_PLANAR = {"nv12": (2, slice(None)), "nv21": (2, slice(None, None, -1)), "nv24": (1, slice(None))}
"""Luma, and behind it rows of colour differences: how many pixels share one in either direction, and their order."""

_BGR_OF_YUV = np.array(
    [[1.164, 2.018, 0, -276.928], [1.164, -0.391, -0.813, 135.488], [1.164, 0, 1.596, -222.912]], np.float32
)
"""ITU-R BT.601 in the range of video, 16 to 235, which cameras send; the last column is of 1."""

_NO_PICTURE = re.compile(r"(16|32|64)[USF]C\d+")
"""Encodings of measurements; depth, most of all. (`8UC1` and `mono16` are pictures.)"""
_ALL = BitDepths()
"""Of the cameras of whoever converts single messages."""


def image_source(message: Any, bits: BitDepths | None = None) -> Picture:
    """What to hand to the client for a sensor_msgs Image or CompressedImage of any ROS.

    A CompressedImage gives its JPEG, PNG or WebP bytes, a raw Image a uint8 array H×W×3 in BGR order or H×W grey; both
    stand over the message's own memory where its encoding allows. 16-bit pictures are brought to 8 by the highest of
    the bits that their camera fills, which `bits` keeps from one message to the next.
    Raises MessageError for other contents, such as depth or video, and MissingEncoderError where OpenCV is needed.
    """
    return _compressed(message) if hasattr(message, "format") else _raw(message, bits or _ALL)


def rgb_of(picture: Picture) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 red, green, blue of the stored pixels (EXIF rotation is ignored, as the daemon does).

    Raises MessageError for bytes that cannot be decoded, MissingEncoderError with neither OpenCV nor Pillow.
    """
    bgr = picture if isinstance(picture, np.ndarray) else decoded(picture)
    return np.broadcast_to(bgr[:, :, None], (*bgr.shape, 3)) if bgr.ndim == 2 else bgr[:, :, ::-1]


def decoded(data: bytes | memoryview) -> npt.NDArray[np.uint8]:
    """(H, W, 3) uint8 in BGR order of an encoded picture's stored pixels. Raises as `rgb_of` does."""
    try:
        cv2 = opencv()
    except MissingEncoderError:
        return _decoded_by_pillow(data)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise MessageError("the compressed picture cannot be decoded", field="data")
    return np.asarray(pixels, np.uint8)


def strictly_decoded(data: bytes | memoryview) -> npt.NDArray[np.uint8]:
    """As `decoded`, of a picture that is sent on as pixels: the daemon cannot see any more whether it was damaged.

    A JPEG with any fault is refused, as decoders give plausible wrong pixels for most; also those that a camera wrote
    oddly, which the daemon itself takes. Raises MessageError for them, MissingEncoderError without simplejpeg.
    """
    if bytes(data[:2]) != b"\xff\xd8":
        return decoded(data)
    try:
        import simplejpeg
    except ImportError:
        raise MissingEncoderError(f"rectifying JPEG pictures needs simplejpeg: {install_hint('ros')}") from None
    try:
        pixels: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(data, colorspace="BGR", strict=True)
    except ValueError as error:
        raise MessageError(f"the compressed picture is damaged ({error})", field="data") from None
    return pixels


def opencv() -> ModuleType:
    """OpenCV's module. Raises MissingEncoderError where it is not installed."""
    try:
        import cv2
    except ImportError:
        raise MissingEncoderError(f"this picture needs OpenCV: {install_hint('ros')}") from None
    return cv2


def _decoded_by_pillow(data: bytes | memoryview) -> npt.NDArray[np.uint8]:
    import io

    try:
        from PIL import Image
    except ImportError:
        raise MissingEncoderError(f"colours need OpenCV or Pillow: {install_hint('ros')}") from None
    try:
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.uint8)[:, :, ::-1]
    except (OSError, ValueError) as error:
        raise MessageError(f"the compressed picture cannot be decoded: {error}", field="data") from None


def _compressed(message: Any) -> bytes | memoryview:
    data = message.data if isinstance(message.data, bytes) else memoryview(message.data)
    if not any(bytes(data[: len(magic)]) == magic for magic in _MAGIC):
        kind = f"of format {message.format!r} " if message.format else ""
        raise MessageError(
            f"a compressed image {kind}with {len(data)} bytes is no {', '.join(_MAGIC.values())} picture", field="data"
        )
    if why := _no_picture(message.format, data):
        raise MessageError(f"a compressed image of format {message.format!r} is no picture: {why}", field="format")
    return data


def _no_picture(kind: str, data: bytes | memoryview) -> str:
    """Why what is encoded as a picture is none, if so: image_transport compresses depth as well.

    The format names the raw encoding: `16UC1; png compressed`.
    """
    encoding, named, transport = (part.strip() for part in kind.partition(";"))
    if _NO_PICTURE.fullmatch(encoding) or "compressedDepth" in transport:
        return "it holds depth or other measurements"
    is_grey_16 = bytes(data[:4]) == b"\x89PNG" and bytes(data[24:26]) == b"\x10\x00"
    return "a 16-bit grey PNG that names no encoding is taken for depth" if is_grey_16 and not named else ""


def _raw(message: Any, bits: BitDepths) -> npt.NDArray[np.uint8]:
    if message.encoding in _SEMI_PLANAR:
        return _semi_planar(message)
    layout = _LAYOUTS.get(message.encoding)
    if layout is None:
        raise MessageError(
            f"encoding {message.encoding!r} is no picture that can be sent; those are "
            f"{', '.join([*_LAYOUTS, *_SEMI_PLANAR])}",
            field="encoding",
        )
    pixels = _pixels(message, layout)
    if layout.order is not None:
        pixels = pixels[:, :, layout.order]
    if layout.itemsize == 2:
        pixels = bits.to_8_bits(message, pixels)
    if layout.conversion is not None:
        cv2 = opencv()
        try:
            return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), getattr(cv2, layout.conversion)), np.uint8)
        except cv2.error as error:
            raise MessageError(f"{message.encoding} of {message.width}×{message.height}: {error}") from None
    return pixels


def _semi_planar(message: Any) -> npt.NDArray[np.uint8]:
    """H×W×3 in BGR order of nv12, nv21 or nv24: H rows of luma, `step` bytes apart, then those of U and V in turns."""
    shared, order = _SEMI_PLANAR[message.encoding]
    data = np.frombuffer(message.data, np.uint8)
    height, width, step = int(message.height), int(message.width), int(message.step)
    rows, columns = -(-height // shared), -(-width // shared)
    if step == 0 and len(data) == height * width + rows * 2 * columns:  # there is only one way to read it
        step = width
    color_step = max(2 * columns, step * 2 // shared)
    if height < 1 or width < 1 or step < width or len(data) < height * step + (rows - 1) * color_step + 2 * columns:
        raise _does_not_fit(message, len(data))
    luma = np.ndarray((height, width), np.uint8, data, strides=(step, 1))
    color = np.ndarray((rows, columns, 2), np.uint8, data, height * step, strides=(color_step, 2, 1))[:, :, order]
    full = color.repeat(shared, axis=0).repeat(shared, axis=1)[:height, :width]
    return np.asarray(opencv().transform(np.dstack([luma, full]), _BGR_OF_YUV), np.uint8)


def _pixels(message: Any, layout: _Layout) -> npt.NDArray[Any]:
    """H×W or H×W×C over the message's data: rows `step` bytes apart, 16-bit values in the message's byte order."""
    data = np.frombuffer(message.data, np.uint8)
    height, width, step = int(message.height), int(message.width), int(message.step)
    pixel = layout.channels * layout.itemsize
    if step == 0 and len(data) == height * width * pixel:  # left out, and there is only one way to read it
        step = width * pixel
    if height < 1 or width < 1 or step < width * pixel or len(data) < (height - 1) * step + width * pixel:
        raise _does_not_fit(message, len(data))
    dtype = np.dtype("u1" if layout.itemsize == 1 else ">u2" if message.is_bigendian else "<u2")
    array: npt.NDArray[Any] = np.ndarray(
        (height, width, layout.channels), dtype, data, strides=(step, pixel, layout.itemsize)
    )
    return array[:, :, 0] if layout.channels == 1 else array


def _does_not_fit(message: Any, count: int) -> MessageError:
    return MessageError(
        f"{message.width}×{message.height} pixels of {message.encoding} in rows of {message.step} bytes do not fit "
        f"{count} bytes",
        field="data",
    )
