"""The size at which a picture enters the network follows the official rule, to the pixel."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthwire.daemon.models.geometry import longest_side_input_size, network_input_size, scaled_to_longest_side
from depthwire.protocol.messages import PATCH


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (640, 480, (518, 686)),
        (480, 640, (686, 518)),
        (1280, 720, (518, 924)),
        (1920, 1080, (518, 924)),
        (848, 480, (518, 910)),
        (851, 479, (518, 924)),
        (1242, 375, (518, 1722)),
        (518, 518, (518, 518)),
        (1, 1, (518, 518)),
    ],
)
def test_common_camera_sizes_give_the_official_input_size(width: int, height: int, expected: tuple[int, int]) -> None:
    assert network_input_size(height, width, 518) == expected


def official_rule(height: int, width: int, size: int) -> tuple[int, int]:
    """The official `Resize` with lower_bound, keep_aspect_ratio and multiples of 14, in numpy as there."""

    def multiple(value: float) -> int:
        rounded = int(np.round(value / 14) * 14)
        return rounded if rounded >= size else int(np.ceil(value / 14) * 14)

    scale = max(size / height, size / width)
    return multiple(scale * height), multiple(scale * width)


@given(
    height=st.integers(1, 5000),
    width=st.integers(1, 5000),
    size=st.integers(1, 110).map(lambda patches: patches * PATCH),
)
def test_every_size_gives_the_official_input_size(height: int, width: int, size: int) -> None:
    assert network_input_size(height, width, size) == official_rule(height, width, size)


@given(height=st.integers(1, 5000), width=st.integers(1, 5000), size=st.integers(56, 1540))
def test_input_is_whole_patches_and_never_smaller_than_asked(height: int, width: int, size: int) -> None:
    input_height, input_width = network_input_size(height, width, size)
    assert input_height % PATCH == input_width % PATCH == 0
    assert min(input_height, input_width) >= size
    # The shorter side is as short as the rule allows.
    assert min(input_height, input_width) < size + PATCH


@pytest.mark.parametrize("sizes", [(0, 10, 518), (10, 0, 518), (10, 10, 0), (-1, 10, 518)])
def test_sizes_below_one_pixel_are_refused(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1 pixel"):
        network_input_size(*sizes)


@pytest.mark.parametrize("module", ["geometry", "catalogue", "checkpoints"])
def test_the_front_can_import_it_without_torch_or_the_hub_client(module: str) -> None:
    code = (
        f"import sys, depthwire.daemon.models.{module}; "
        "assert not {'torch', 'cv2', 'huggingface_hub', 'safetensors'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


# ----------------------------------------------------------------------------------------------- by the longest side


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (640, 480, (378, 504)),
        (480, 640, (504, 378)),
        (1280, 720, (280, 504)),  # by way of 504×284
        (1920, 1080, (280, 504)),
        (851, 479, (280, 504)),
        (1242, 375, (154, 504)),  # by way of 504×152
        (320, 240, (378, 504)),
        (504, 504, (504, 504)),
        (504, 301, (308, 504)),  # a tie
        (1, 1, (504, 504)),
        (5000, 1, (14, 504)),
    ],
)
def test_common_camera_sizes_give_the_official_input_size_by_the_longest_side(
    width: int, height: int, expected: tuple[int, int]
) -> None:
    assert longest_side_input_size(height, width) == expected


def official_longest_side_rule(height: int, width: int, size: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """The official `InputProcessor` with upper_bound_resize: the size after its first step, and after its second."""

    def multiple(value: int) -> int:
        below = value // 14 * 14
        return below + 14 if abs(below + 14 - value) <= abs(value - below) else below

    scale = size / float(max(width, height))
    scaled = max(1, round(height * scale)), max(1, round(width * scale))
    return scaled, (max(1, multiple(scaled[0])), max(1, multiple(scaled[1])))


sides, longest_sides = st.integers(1, 5000), st.integers(4, 110).map(lambda patches: patches * PATCH)


@given(height=sides, width=sides, size=longest_sides)
def test_every_size_gives_the_official_input_size_by_the_longest_side(height: int, width: int, size: int) -> None:
    scaled, expected = official_longest_side_rule(height, width, size)
    assert scaled_to_longest_side(height, width, size) == scaled
    # What becomes less than a patch, the official network refuses.
    assert longest_side_input_size(height, width, size) == tuple(max(PATCH, side) for side in expected)


@given(height=sides, width=sides, size=longest_sides)
def test_the_longer_side_of_the_input_is_as_asked(height: int, width: int, size: int) -> None:
    """So that a bound on the size bounds the number of patches, and the size of the input tells what was asked."""
    input_height, input_width = longest_side_input_size(height, width, size)
    assert max(input_height, input_width) == size
    assert input_height % PATCH == input_width % PATCH == 0


@pytest.mark.parametrize("sizes", [(0, 5, 504), (5, 0, 504), (5, 5, 0)])
def test_sizes_of_nothing_are_refused_by_the_longest_side(sizes: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1 pixel"):
        longest_side_input_size(*sizes)
