"""How many odd but whole JPEGs are decoded, and how many damaged ones: strictly, by OpenCV, and by the daemon.

The odd ones are as real cameras write them (tests/daemon/images/odd_jpegs.py), the damage is that of damage.py.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg

from depthwire.daemon.images.container import check_jpeg
from depthwire.protocol import BadImageError
from tests.daemon.images.odd_jpegs import BASES, oddities
from tests.reliability.conftest import Count
from tests.reliability.damage import JPEG_FILE, damaged
from tests.reliability.test_damaged_pictures import depthwire, opencv, slips

Pixels = npt.NDArray[np.uint8]


def strictly(data: bytes) -> Pixels | None:
    try:
        check_jpeg(memoryview(data))
        pixels: Pixels = simplejpeg.decode_jpeg(data, colorspace="BGR", strict=True)
        return pixels
    except (BadImageError, ValueError):
        return None


DECODERS = {"strictly": strictly, "opencv": opencv, "depthwire": depthwire}


def test_odd_pictures_are_decoded_and_no_more_damage_is_than_strictly(count: Count, figures: dict[str, Any]) -> None:
    each = count(5, 70)
    rng = np.random.default_rng(5)
    odd, taken, accepted, wrong = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for number, base in enumerate(BASES):
        good = base.encode(160, 120, number)
        original = strictly(good)
        assert original is not None
        for oddity in oddities(base):
            data = oddity(good, rng)
            odd[oddity.__name__] += 1
            for name, decode in DECODERS.items():
                pixels = decode(data)
                taken[name] += pixels is not None
                if name == "depthwire":
                    taken[oddity.__name__] += pixels is not None
                    assert not slips(pixels, original)
        for turn in range(each):
            seed = number * each + turn
            data = damaged(good, JPEG_FILE[seed % len(JPEG_FILE)], seed)
            for name, decode in DECODERS.items():
                pixels = decode(data)
                accepted[name] += pixels is not None
                wrong[name] += slips(pixels, original)
    figures |= {
        "odd": odd.total(),
        "odd_taken": {name: taken[name] for name in DECODERS},
        "odd_taken_by_kind": {kind: f"{taken[kind]} of {odd[kind]}" for kind in odd},
        "damaged": each * len(BASES),
        "damaged_taken": dict(accepted),
        "damaged_taken_with_other_pixels": dict(wrong),
    }
    assert taken["depthwire"] >= 128 / 132 * odd.total()
    assert taken["strictly"] < 0.5 * odd.total()
    assert wrong["depthwire"] <= wrong["strictly"] + 0.001 * each * len(BASES)
