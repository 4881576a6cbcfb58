"""EXIF's orientation is found as Pillow finds it, and no bytes whatever raise an error."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from depthwire.client.streams.orientation import orientation


def jpeg(value: int | None, order: str = "<") -> bytes:
    exif = Image.Exif()
    exif.endian = order
    exif[0x010F] = "A Maker"
    if value is not None:
        exif[0x0112] = value
    file = io.BytesIO()
    Image.new("RGB", (8, 6)).save(file, "JPEG", exif=exif)
    return file.getvalue()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", range(1, 9))
def test_every_orientation_is_found_in_both_byte_orders(value: int, order: str) -> None:
    assert orientation(jpeg(value, order)) == value


def test_what_says_nothing_or_nonsense_is_upright() -> None:
    png = io.BytesIO()
    Image.new("RGB", (8, 6)).save(png, "PNG")
    for data in (jpeg(None), jpeg(9), png.getvalue(), b"", b"\xff\xd8"):
        assert orientation(data) == 1


@given(st.binary(max_size=80), st.integers(0, 400))
def test_no_bytes_raise_an_error(garbage: bytes, at: int) -> None:
    data = jpeg(6)
    assert 1 <= orientation(data[:at] + garbage + data[at + len(garbage) :]) <= 8
    assert 1 <= orientation(b"\xff\xd8\xff\xe1\0\x50Exif\0\0MM\0\x2a" + garbage) <= 8
