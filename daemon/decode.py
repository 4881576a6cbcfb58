"""Encoded image bytes to BGR pixels, strictly: a damaged picture is refused, not turned into plausible wrong depth.

The worker's decode threads call it. JPEG goes through simplejpeg (libjpeg-turbo with its warnings as errors; the same
pixels as OpenCV's), PNG and WebP through OpenCV. EXIF rotation is ignored: intrinsics belong to the stored pixels.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import simplejpeg

from depthwire.protocol import BadImageError


def decode_image(data: memoryview, image_format: str, height: int, width: int) -> npt.NDArray[np.uint8]:
    """The picture as BGR, uint8, (height, width, 3).

    Raises BadImageError if it cannot be decoded without error, or is not of the size that its header told the front.
    """
    pixels = _decode_jpeg(data) if image_format == "jpeg" else _decode_other(data)
    if pixels is None:
        raise BadImageError(f"image is a damaged {image_format.upper()}", field="image")
    if pixels.shape != (height, width, 3):
        found = "x".join(str(side) for side in pixels.shape[1::-1])
        raise BadImageError(f"image decodes to {found} pixels, its header said {width}x{height}", field="image")
    return pixels


def _decode_jpeg(data: memoryview) -> npt.NDArray[np.uint8]:
    """Grey, CMYK and YCCK become BGR as OpenCV makes it."""
    try:
        pixels: npt.NDArray[np.uint8] = simplejpeg.decode_jpeg(data, colorspace="BGR", strict=True)
        return pixels
    except ValueError as error:
        raise BadImageError(f"image is a damaged JPEG: {error}", field="image") from None


def _decode_other(data: memoryview) -> npt.NDArray[np.uint8] | None:
    try:
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    return None if pixels is None else pixels.astype(np.uint8, copy=False)
