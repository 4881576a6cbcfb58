"""Image and CompressedImage messages as what the client sends: encoded bytes, or a BGR or grey array.

Called by the conversion of bags and nodes. OpenCV is imported only for encodings that need a colour conversion.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from depthwire.client.images import MissingEncoderError
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
}


def image_source(message: Any) -> Picture:
    """What to hand to the client for a sensor_msgs Image or CompressedImage of any ROS.

    A CompressedImage gives its JPEG, PNG or WebP bytes, a raw Image a uint8 array H×W×3 in BGR order or H×W grey; both
    stand over the message's own memory where its encoding allows. 16-bit pictures are brought to 8 by their high
    byte, as cv_bridge does.
    Raises MessageError for other contents, such as depth or video, and MissingEncoderError where OpenCV is needed.
    """
    return _compressed(message) if hasattr(message, "format") else _raw(message)


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
    return data


def _raw(message: Any) -> npt.NDArray[np.uint8]:
    layout = _LAYOUTS.get(message.encoding)
    if layout is None:
        raise MessageError(
            f"encoding {message.encoding!r} is no picture that can be sent; those are {', '.join(_LAYOUTS)}",
            field="encoding",
        )
    pixels = _pixels(message, layout)
    if layout.conversion is not None:
        cv2 = opencv()
        try:
            return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), getattr(cv2, layout.conversion)), np.uint8)
        except cv2.error as error:
            raise MessageError(f"{message.encoding} of {message.width}×{message.height}: {error}") from None
    if layout.order is not None:
        pixels = pixels[:, :, layout.order]
    return pixels if layout.itemsize == 1 else (pixels >> 8).astype(np.uint8)


def _pixels(message: Any, layout: _Layout) -> npt.NDArray[Any]:
    """H×W or H×W×C over the message's data: rows `step` bytes apart, 16-bit values in the message's byte order."""
    data = np.frombuffer(message.data, np.uint8)
    height, width, step = int(message.height), int(message.width), int(message.step)
    pixel = layout.channels * layout.itemsize
    if height < 1 or width < 1 or step < width * pixel or len(data) < (height - 1) * step + width * pixel:
        raise MessageError(
            f"{width}×{height} pixels of {message.encoding} in rows of {step} bytes do not fit {len(data)} bytes",
            field="data",
        )
    dtype = np.dtype("u1" if layout.itemsize == 1 else ">u2" if message.is_bigendian else "<u2")
    array: npt.NDArray[Any] = np.ndarray(
        (height, width, layout.channels), dtype, data, strides=(step, pixel, layout.itemsize)
    )
    return array[:, :, 0] if layout.channels == 1 else array
