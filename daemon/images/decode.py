"""Encoded image bytes to BGR pixels, strictly: a damaged picture is refused, not turned into plausible wrong depth.

The worker's decode threads call it. JPEG goes through simplejpeg (libjpeg-turbo with its warnings as errors; the same
pixels as OpenCV's) and, where cameras write it oddly, jpeg_repair.py; PNG and WebP through OpenCV. Each container is
judged first (container.py, png_container.py). EXIF rotation is ignored: intrinsics belong to the stored pixels.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg

from depthwire.daemon.images.container import check_jpeg, plain_webp
from depthwire.daemon.images.jpeg_repair import decode_odd
from depthwire.daemon.images.png_container import plain_png
from depthwire.protocol import BadImageError

# Its words would stand amid the log's lines. OpenCV 4.8 to 4.12 have the function in another place than later ones.
_logging = getattr(cv2.utils, "logging", cv2)
_logging.setLogLevel(0)

_UNKNOWN_SAMPLING = "Could not determine subsampling"
"""OpenCV would decode such a picture, and a damaged one as well: its warnings cannot be had."""


def decode_image(
    data: memoryview, image_format: str, height: int, width: int, enough: tuple[int, int] | None = None
) -> npt.NDArray[np.uint8]:
    """The picture as BGR, uint8, (height, width, 3).

    Where `enough`, a height and width, is given, a JPEG may come at an eighth, a quarter, three eighths or a half of
    its size, as long as both sides stay at least that: the decoder leaves out the finest frequencies of each block.
    Raises BadImageError if it cannot be decoded without error, or is not of the size that its header told the front.
    """
    pixels: npt.NDArray[np.uint8] | None
    eighths: tuple[int, ...] = (8,)
    if image_format == "jpeg":
        check_jpeg(data)
        pixels = _decode_jpeg(data, enough)
        if enough is not None:
            eighths = (8, 4, 3, 2, 1)
    else:
        plain = plain_png if image_format == "png" else plain_webp
        pixels = _decode_other(plain(data, height, width))
    if pixels is None:
        raise BadImageError(f"image is a damaged {image_format.upper()}", field="image")
    if pixels.shape not in {(-(-height * n // 8), -(-width * n // 8), 3) for n in eighths}:
        found = "x".join(str(side) for side in pixels.shape[1::-1])
        raise BadImageError(f"image decodes to {found} pixels, its header said {width}x{height}", field="image")
    return pixels


def _decode_jpeg(data: memoryview, enough: tuple[int, int] | None) -> npt.NDArray[np.uint8]:
    """Grey, CMYK and YCCK become BGR as OpenCV makes it.

    What only an oddity of cameras stands in the way of is decoded once more without it (jpeg_repair.py).
    """
    scaling = {} if enough is None else {"min_height": enough[0], "min_width": enough[1], "min_factor": 2}

    def strictly(file: bytes | memoryview) -> npt.NDArray[np.uint8]:
        pixels: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(file, colorspace="BGR", strict=True, **scaling)
        return pixels

    try:
        try:
            return strictly(data)
        except ValueError as error:
            return decode_odd(bytes(data), str(error), strictly)
    except ValueError as error:
        if _UNKNOWN_SAMPLING in str(error):
            text = "image is a damaged JPEG, or of a chroma sampling unknown to the decoder: save it as 4:2:0 or 4:4:4"
            raise BadImageError(text, field="image") from None
        raise BadImageError(f"image is a damaged JPEG: {error}", field="image") from None


def _decode_other(data: bytes | bytearray) -> npt.NDArray[np.uint8] | None:
    try:
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    return None if pixels is None else pixels.astype(np.uint8, copy=False)
