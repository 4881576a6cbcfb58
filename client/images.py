"""Image sources: whatever a user calls an image, made into the encoded bytes that travel.

Both clients call `encoded_image` before they submit. OpenCV and Pillow are imported only to encode arrays.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from depthwire.client.web import FETCH_TIMEOUT_S, fetch, is_url
from depthwire.protocol import DepthwireError, InvalidRequestError, TooLargeError
from depthwire.protocol.distribution import install_hint

if TYPE_CHECKING:
    import PIL.Image

Encoding: TypeAlias = Literal["jpeg", "png"]
ImageSource: TypeAlias = "bytes | bytearray | memoryview | str | os.PathLike[str] | npt.NDArray[Any] | PIL.Image.Image"
"""Of arrays uint8 alone; but what OpenCV gives for a frame, its MatLike, is typed as an array of any number."""

JPEG_QUALITY = 95
MAX_IMAGE_BYTES = 64 * 1024 * 1024
_PIL_MODES_WITH_8_BITS = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})


class MissingEncoderError(DepthwireError, ImportError):
    """Client only: encoding an array needs OpenCV or Pillow and neither is installed."""

    code = "MISSING_ENCODER"


def encoded_image(
    image: ImageSource,
    *,
    encoding: Encoding = "jpeg",
    jpeg_quality: int = JPEG_QUALITY,
    fetch_timeout_s: float = FETCH_TIMEOUT_S,
    max_bytes: int = MAX_IMAGE_BYTES,
) -> bytes:
    """The encoded bytes of an image.

    `image` is encoded bytes (returned as they are), a path, an http(s) URL, a uint8 array H×W×3 in BGR order or H×W
    grey, or a PIL image. Arrays and PIL images are encoded as JPEG of `jpeg_quality` or, without loss, as PNG.
    Raises OSError for a file that cannot be read, TypeError for anything else than the above, InvalidRequestError for
    an array that is no picture, TooLargeError beyond `max_bytes`, ImageFetchError and DeadlineExceededError for a URL,
    MissingEncoderError.
    """
    if isinstance(image, (bytes, bytearray, memoryview)):
        return bytes(image)  # no copy of bytes; the others may change while the request waits
    if isinstance(image, str) and is_url(image):
        return fetch(image, fetch_timeout_s, max_bytes)
    if isinstance(image, (str, os.PathLike)):
        return _read(Path(image), max_bytes)
    if isinstance(image, np.ndarray):
        return _encode_array(image, encoding, jpeg_quality)
    pil = sys.modules.get("PIL.Image")  # nobody holds a PIL image without having imported it
    if pil is not None and isinstance(image, pil.Image):
        return _encode_pil(image, encoding, jpeg_quality)
    raise TypeError(
        f"image is {type(image).__name__}; it must be encoded bytes, a path, an http(s) URL, a BGR uint8 array or a "
        f"PIL image"
    )


def user_path(name: str) -> Path:
    """The path that a name means: as it is where something has that name, else with ~ as home.

    It is absolute where it would begin with ~, so that nobody takes that for a home once more.
    """
    path = Path(name)
    if not str(path).startswith("~"):
        return path
    if not path.exists() and not name.startswith("./"):
        with contextlib.suppress(RuntimeError):  # there is nobody of that name
            return path.expanduser()
    return path.absolute()


def _read(path: Path, max_bytes: int) -> bytes:
    with user_path(str(path)).open("rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise TooLargeError(f"{path}: larger than {max_bytes} bytes", field="image")
    return data


def _encode_array(array: npt.NDArray[Any], encoding: Encoding, jpeg_quality: int) -> bytes:
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)) or not array.size:
        raise InvalidRequestError(
            f"image is an array of shape {array.shape} and dtype {array.dtype}; it must be uint8, H×W×3 in BGR order "
            f"or H×W grey",
            field="image",
        )
    try:
        import cv2
    except ImportError:
        try:
            from PIL import Image
        except ImportError:
            raise MissingEncoderError(
                f"encoding an array needs OpenCV or Pillow: {install_hint('pictures')}, or pass encoded bytes"
            ) from None
        rgb = array if array.ndim == 2 else np.ascontiguousarray(array[:, :, ::-1])
        return _encode_pil(Image.fromarray(rgb), encoding, jpeg_quality)
    options = [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality] if encoding == "jpeg" else []
    try:
        done, encoded = cv2.imencode(".jpg" if encoding == "jpeg" else ".png", np.ascontiguousarray(array), options)
    except cv2.error as error:
        raise _not_encoded(encoding, error) from None
    if not done:
        raise _not_encoded(encoding, "OpenCV refused")
    data: bytes = encoded.tobytes()
    return data


def _encode_pil(image: PIL.Image.Image, encoding: Encoding, jpeg_quality: int) -> bytes:
    if image.mode not in _PIL_MODES_WITH_8_BITS:
        raise InvalidRequestError(f"image is a PIL image of mode {image.mode}; convert it to RGB first", field="image")
    file = io.BytesIO()
    try:
        plain = image if image.mode in ("L", "RGB") else image.convert("RGB")
        if encoding == "jpeg":
            plain.save(file, "JPEG", quality=jpeg_quality)
        else:
            plain.save(file, "PNG")
    except (OSError, ValueError) as error:
        raise _not_encoded(encoding, error) from None
    return file.getvalue()


def _not_encoded(encoding: Encoding, why: object) -> InvalidRequestError:
    return InvalidRequestError(f"image cannot be encoded as {encoding}: {why}", field="image")
