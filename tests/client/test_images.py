"""Whatever a user calls an image becomes the bytes that travel, or an error that says what to do."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from depthwire.client import MissingEncoderError, TooLargeError
from depthwire.client.images import encoded_image
from depthwire.protocol import InvalidRequestError

BODY = b"\xff\xd8" + bytes(range(256)) * 20


def gradient() -> np.ndarray:
    """A BGR picture whose channels differ, so that a swap shows."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[..., 0] = 20
    picture[..., 1] = np.arange(64, dtype=np.uint8) * 3
    picture[..., 2] = 220
    return picture


def test_encoded_bytes_travel_as_they_are() -> None:
    assert encoded_image(BODY) is BODY
    assert encoded_image(bytearray(BODY)) == BODY
    assert encoded_image(memoryview(BODY)) == BODY


def test_a_path_is_read_whether_text_or_path(tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    path.write_bytes(BODY)
    assert encoded_image(path) == BODY
    assert encoded_image(str(path)) == BODY


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.jpg"):
        encoded_image(tmp_path / "absent.jpg")


def test_a_file_that_is_too_large_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "huge.bin"
    with path.open("wb") as file:
        file.truncate(10_000)
    with pytest.raises(TooLargeError, match="larger than 1000 bytes"):
        encoded_image(path, max_bytes=1000)


@pytest.mark.parametrize("library", ["cv2", "PIL"])
def test_an_array_is_encoded_by_whichever_library_is_there(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(library)
    decode = pytest.importorskip("PIL.Image").open
    picture = gradient()
    with monkeypatch.context() as without:
        for other in {"cv2", "PIL"} - {library}:
            without.setitem(sys.modules, other, None)
        lossless = encoded_image(picture, encoding="png")
        lossy = encoded_image(picture)
    assert (np.asarray(decode(io.BytesIO(lossless)))[..., ::-1] == picture).all()
    assert lossy.startswith(b"\xff\xd8\xff")
    assert np.abs(np.asarray(decode(io.BytesIO(lossy)))[..., ::-1].astype(int) - picture).max() < 12


def test_grey_arrays_and_views_with_strides_are_encoded() -> None:
    decode = pytest.importorskip("PIL.Image").open
    picture = gradient()
    grey = picture[..., 1]
    assert (np.asarray(decode(io.BytesIO(encoded_image(grey, encoding="png")))) == grey).all()
    flipped = picture[::-1, ::2]
    assert (np.asarray(decode(io.BytesIO(encoded_image(flipped, encoding="png"))))[..., ::-1] == flipped).all()


def test_without_opencv_and_pillow_an_array_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingEncoderError, match=r"pip install '\.\[pictures\]'"):
        encoded_image(gradient())


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(16, np.uint8),
    ],
)
def test_an_array_that_is_no_picture_is_refused_with_its_shape(array: np.ndarray) -> None:
    with pytest.raises(InvalidRequestError, match=r"shape \(.*must be uint8, H×W×3 in BGR order"):
        encoded_image(array)


def test_a_picture_too_large_for_jpeg_is_refused() -> None:
    pytest.importorskip("PIL")
    with pytest.raises(InvalidRequestError, match="cannot be encoded as jpeg"):
        encoded_image(np.zeros((1, 70_000), np.uint8))


def test_pil_images_of_the_usual_modes_are_encoded() -> None:
    image_module = pytest.importorskip("PIL.Image")
    picture = image_module.fromarray(np.ascontiguousarray(gradient()[..., ::-1]))
    for mode in ("RGB", "RGBA", "L", "P", "CMYK", "1"):
        assert encoded_image(picture.convert(mode)).startswith(b"\xff\xd8\xff")
    again = image_module.open(io.BytesIO(encoded_image(picture, encoding="png")))
    assert (np.asarray(again) == np.asarray(picture)).all()
    with pytest.raises(InvalidRequestError, match="mode I;16"):
        encoded_image(image_module.new("I;16", (4, 4)))


@pytest.mark.parametrize("image", [None, 3, [1, 2], object()])
def test_anything_else_is_a_type_error_that_lists_what_goes(image: Any) -> None:
    with pytest.raises(TypeError, match="it must be encoded bytes, a path, an http"):
        encoded_image(image)


def test_a_tilde_means_home_only_where_nothing_has_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~odd.jpg").write_bytes(b"\xff\xd8 odd")
    assert encoded_image("~odd.jpg") == b"\xff\xd8 odd"
    with pytest.raises(FileNotFoundError, match="nobody"):
        encoded_image("~nobody.of.that.name.jpg")
