"""Odd JPEGs of real cameras decode to the pixels that libjpeg gives; what is damaged stays refused, in bounded work."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import simplejpeg

from depthwire.daemon.images import jpeg_repair
from depthwire.daemon.images.decode import decode_image
from depthwire.daemon.images.header import read_image_header
from depthwire.protocol import BadImageError
from tests.daemon.images.odd_jpegs import (
    ANY,
    BASES,
    RESTART,
    SAMPLINGS,
    SEQUENTIAL,
    Base,
    any_bytes_before_restarts,
    before_restarts,
    filling_before_restarts,
    half_an_eoi,
    no_eoi,
    oddities,
    scan_at,
    zero_spectral_selection,
)
from tests.pictures import encode, scene
from tests.reliability import bombs

Pixels = npt.NDArray[np.uint8]
BASELINE = Base(90, SAMPLINGS[0], 0, 0)
PROGRESSIVE = Base(90, SAMPLINGS[0], 0, 1)
RESTARTS = Base(90, SAMPLINGS[0], 7, 0)


def decode(data: bytes, enough: tuple[int, int] | None = None) -> Pixels:
    header = read_image_header(data)
    return decode_image(memoryview(data), header.format, header.height, header.width, enough)


def refused(data: bytes) -> bool:
    try:
        decode(data)
    except BadImageError:
        return True
    return False


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The pixels by the header of each file that libjpeg was given since."""
    seen: list[int] = []
    original = simplejpeg.decode_jpeg

    def counted(data: Any, *arguments: Any, **named: Any) -> Any:
        header = read_image_header(data)
        seen.append(header.width * header.height)
        return original(data, *arguments, **named)

    monkeypatch.setattr(simplejpeg, "decode_jpeg", counted)
    return seen


@pytest.mark.parametrize("base", BASES[::5], ids=str)
def test_an_odd_file_has_the_pixels_of_the_good_one(base: Base) -> None:
    rng = np.random.default_rng(7)
    good = base.encode()
    expected = decode(good)
    for oddity in oddities(base):
        odd = oddity(good, rng)
        np.testing.assert_array_equal(decode(odd), expected, oddity.__name__)


@pytest.mark.parametrize("oddity", [*ANY, *SEQUENTIAL])
def test_other_colours_and_sizes_are_mended_as_well(oddity: Any) -> None:
    grey = encode(scene(97, 131, 3)[..., 1], ".jpg")
    rng = np.random.default_rng(3)
    np.testing.assert_array_equal(decode(oddity(grey, rng)), decode(grey))
    large = BASELINE.encode(320, 240)
    assert decode(oddity(large, rng), (50, 50)).shape == (60, 80, 3)


@pytest.mark.parametrize("base", [BASELINE, PROGRESSIVE, RESTARTS], ids=["baseline", "progressive", "restarts"])
@pytest.mark.parametrize("missing", [3, 4, 8, 40, 1000])
def test_without_eoi_a_picture_that_lacks_pixels_is_refused(base: Base, missing: int) -> None:
    data = base.encode()
    assert refused(data[:-missing])
    assert refused(zero_spectral_selection(data, np.random.default_rng())[:-missing])


def test_a_progressive_picture_cut_off_between_two_scans_is_refused() -> None:
    data = PROGRESSIVE.encode()
    for at in range(len(data)):
        if data.startswith((b"\xff\xc4", b"\xff\xda"), at):
            assert refused(data[:at])


@pytest.mark.parametrize("base", [BASELINE, PROGRESSIVE, RESTARTS], ids=["baseline", "progressive", "restarts"])
def test_more_bytes_before_eoi_than_cameras_put_there_are_refused(base: Base) -> None:
    data = base.encode()
    assert refused(data[:-2] + bytes(30) + data[-2:])


def test_one_byte_more_than_the_limit_is_refused_where_the_end_of_the_data_is_known() -> None:
    data = RESTARTS.encode()
    assert not refused(data[:-2] + bytes(16) + data[-2:])
    assert refused(data[:-2] + bytes(17) + data[-2:])
    assert not refused(before_restarts(data, lambda _: bytes(8)))
    assert refused(before_restarts(data, lambda _: bytes(9)))


def test_bytes_too_many_before_one_marker_are_no_filling_if_they_differ() -> None:
    """They are what is left of an interval whose data damage made shorter."""
    data = RESTARTS.encode()
    for mark in list(RESTART.finditer(data, scan_at(data)))[:-1]:
        at = mark.start()
        assert not refused(data[:at] + b"\xaa" * 8 + data[at:])
        assert refused(data[:at] + b"abcdefgh" + data[at:])


def test_restart_markers_in_another_order_are_refused() -> None:
    data = before_restarts(RESTARTS.encode(), lambda _: bytes(4))
    assert not refused(data)
    assert refused(data.replace(b"\xff\xd3", b"\xff\xd4"))
    assert refused(data.replace(bytes(4) + b"\xff\xd3", b"", 1))


@pytest.mark.parametrize("missing", [20, 60, 150])
def test_no_more_damage_slips_through_where_intervals_have_bytes_too_many(missing: int) -> None:
    """A few bytes lost within one block are not seen in any file: Huffman codes find back."""

    def taken(data: bytes) -> int:
        starts = [mark.end() + 4 for mark in RESTART.finditer(data, scan_at(data))][:-1]
        return sum(not refused(data[:start] + data[start + missing :]) for start in starts)

    good = RESTARTS.encode(320, 240)
    rng = np.random.default_rng(4)
    for odd in (before_restarts(good, lambda _: bytes(4)), any_bytes_before_restarts(good, rng)):
        assert not refused(odd)
        assert taken(odd) <= taken(good)


def test_as_many_intervals_as_the_cap_are_looked_at_and_no_more(decodings: list[int]) -> None:
    each = Base(75, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444, 1, 0)
    most = jpeg_repair.MAX_INTERVALS // 64
    rng = np.random.default_rng(2)
    few, many = (filling_before_restarts(each.encode(8 * across, 512), rng) for across in (most, most + 1))
    assert not refused(few)
    assert len(decodings) == jpeg_repair.MAX_INTERVALS + 2
    decodings.clear()
    assert refused(many)
    assert len(decodings) == 1


FLAT = bombs.flat_jpeg(3000, 2000)
MANY_SCANS = bombs.flat_jpeg(3000, 2000, 60)
WORST = {
    "no eoi": no_eoi,
    "half an eoi": half_an_eoi,
    "sos": zero_spectral_selection,
    "extra": lambda data, _: data[:-2] + b"ab" * 7 + data[-2:],
    "sos, extra": lambda data, rng: zero_spectral_selection(data[:-2] + b"ab" * 7 + data[-2:], rng),
    "much extra": lambda data, _: data[:-2] + b"ab" * 5000 + data[-2:],
    "cut off": lambda data, _: data[:-200],
    "cut off, sos": lambda data, rng: zero_spectral_selection(data[:-200], rng),
}


@pytest.mark.parametrize("kind", WORST)
@pytest.mark.parametrize("flat", [FLAT, MANY_SCANS], ids=["baseline", "60 scans"])
def test_no_file_is_decoded_more_than_a_few_times(kind: str, flat: bytes, decodings: list[int]) -> None:
    refused(WORST[kind](flat, np.random.default_rng(1)))
    assert sum(decodings) <= 7 * 3000 * 2000 * 1.1


def test_the_reason_for_a_refusal_is_libjpeg_s() -> None:
    with pytest.raises(BadImageError, match="damaged JPEG: Corrupt JPEG data: premature end of data segment") as caught:
        decode(BASELINE.encode()[:-40])
    assert caught.value.field == "image"


def test_a_sampling_that_the_decoder_does_not_know_is_named() -> None:
    data = bytearray(BASELINE.encode())
    data[data.index(b"\xff\xc0") + 11] = 0x31
    with pytest.raises(BadImageError, match="chroma sampling"):
        decode(bytes(data))
