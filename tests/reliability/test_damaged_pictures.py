"""How much damage to pictures slips through: taken for whole although its pixels are not those that were sent."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from depthwire.client import BadImageError, DepthClient
from depthwire.daemon.images.decode import decode_image
from depthwire.daemon.images.header import read_image_header
from tests.e2e.conftest import DaemonFactory
from tests.pictures import encode, scene
from tests.reliability.conftest import Count
from tests.reliability.damage import ANY_FILE, JPEG_FILE, damaged, photos
from tests.reliability.oracle import Oracle

Pixels = npt.NDArray[np.uint8]

_TURNS = (0, 0, 0, 1, 0, 2)
"""Which photo is damaged next: the large ones less often, as they take longer."""


def opencv(data: bytes) -> Pixels | None:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
    return None if pixels is None else pixels.astype(np.uint8)


def depthwire(data: bytes) -> Pixels | None:
    try:
        header = read_image_header(data)
        return decode_image(memoryview(data), header.format, header.height, header.width)
    except BadImageError:
        return None


def slips(found: Pixels | None, original: Pixels) -> bool:
    return found is not None and not (found.shape == original.shape and np.array_equal(found, original))


def test_damaged_photos_are_refused_where_opencv_makes_something_of_nearly_all(
    count: Count, figures: dict[str, Any]
) -> None:
    corruptions = count(210, 2002)
    files = photos()
    originals = [opencv(data) for data in files]
    before, after, kinds = Counter[str](), Counter[str](), Counter[str]()
    for seed in range(corruptions):
        kind = JPEG_FILE[seed % len(JPEG_FILE)]
        which = _TURNS[seed // len(JPEG_FILE) % len(_TURNS)] % len(files)
        data, original = damaged(files[which], kind, seed), originals[which]
        assert original is not None
        kinds[kind.__name__] += 1
        before[kind.__name__] += slips(opencv(data), original)
        after[kind.__name__] += slips(depthwire(data), original)
    for data, original in zip(files, originals, strict=True):
        np.testing.assert_array_equal(depthwire(data), original)
    figures |= {
        "corruptions": corruptions,
        "opencv_slips": before.total(),
        "depthwire_slips": after.total(),
        "by_kind": {name: f"{before[name]} -> {after[name]} of {kinds[name]}" for name in kinds},
    }
    assert before.total() > 0.5 * corruptions
    assert after.total() < 0.25 * corruptions
    assert after["cut_off"] == 0
    assert after["lose_a_run"] <= 0.1 * kinds["lose_a_run"]


@pytest.mark.parametrize(
    ("extension", "options", "most"),
    [
        (".png", [], 0.0),
        (".webp", [cv2.IMWRITE_WEBP_QUALITY, 90], 0.85),
        (".webp", [cv2.IMWRITE_WEBP_QUALITY, 101], 0.85),
    ],
    ids=["png", "webp", "webp lossless"],
)
def test_a_png_has_checksums_and_a_webp_has_none(
    extension: str, options: list[int], most: float, count: Count, figures: dict[str, Any]
) -> None:
    corruptions = count(100, 2000)
    whole = encode(scene(320, 240, 5), extension, options)
    original = opencv(whole)
    assert original is not None
    before, after = Counter[str](), Counter[str]()
    for seed in range(corruptions):
        kind = ANY_FILE[seed % len(ANY_FILE)]
        data = damaged(whole, kind, seed)
        before[kind.__name__] += slips(opencv(data), original)
        after[kind.__name__] += slips(depthwire(data), original)
    figures |= {"corruptions": corruptions, "opencv_slips": dict(before), "depthwire_slips": dict(after)}
    assert after.total() <= most * corruptions
    assert after["cut_off"] == 0


def test_damaged_pictures_write_nothing_between_the_log_s_lines_of_json(
    faulty_daemon: DaemonFactory, count: Count, figures: dict[str, Any]
) -> None:
    """libpng and OpenCV print by themselves, unless they are never given what they would complain of."""
    corruptions = count(150, 3000)
    daemon = faulty_daemon("--log-format", "json", "--log-level", "debug")
    picture = scene(96, 64, 3)
    files = [
        *(encode(picture, extension) for extension in (".jpg", ".png", ".webp")),
        encode(picture, ".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
        encode(picture[..., 0] // 128 * 255, ".png", [cv2.IMWRITE_PNG_BILEVEL, 1]),
    ]
    codes = Counter[str]()
    with Oracle(daemon.endpoint, interval_s=0.02) as oracle, DepthClient(daemon.endpoint) as client:
        oracle.wait_for_answers(2)
        for seed in range(corruptions):
            data = damaged(files[seed % len(files)], ANY_FILE[seed // len(files) % len(ANY_FILE)], seed)
            error = client.submit("metric_depth", data).exception(30)
            codes[getattr(error, "code", "OK")] += 1
        oracle.wait_for_answers(2)
    daemon.terminate()
    lines = daemon.log.splitlines()
    figures |= {"corruptions": corruptions, "answers": dict(codes), "log_lines": len(lines)}
    assert set(codes) <= {"OK", "BAD_IMAGE", "TOO_LARGE"}
    assert codes["BAD_IMAGE"] > corruptions / 3
    assert [line for line in lines if not isinstance(_parsed(line), dict)] == []
    assert statistics.fmean("BAD_IMAGE" in line for line in lines) > 0
    assert (oracle.wrong, set(oracle.codes)) == ([], {"OK"})


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
