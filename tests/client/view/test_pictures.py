"""Depth maps become pictures people can read: colours, scale bar, 16-bit files, panels."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depthwire.client.view import pictures


def ramp(low: float, high: float, shape: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.linspace(low, high, shape[0] * shape[1], dtype=np.float32).reshape(shape)


def test_colours_run_from_blue_over_green_to_red() -> None:
    near, middle, far = pictures.colourise(np.array([[1.2, 3.0, 4.8]], np.float32), near=1, far=5)[0]
    assert near.argmax() == 2
    assert middle.argmax() == 1
    assert far.argmax() == 0


def test_colours_stay_close_to_the_published_turbo_table() -> None:
    # entries 0, 64, 128, 192, 255 of the table (OpenCV's COLORMAP_TURBO); the polynomial is furthest off at the ends
    published = [[48, 18, 59], [40, 188, 235], [164, 252, 60], [251, 126, 33], [122, 4, 3]]
    ours = pictures.colourise(np.array([[0, 64, 128, 192, 255]], np.float32), near=0, far=255)[0]
    assert np.abs(ours.astype(int) - published).max() <= 35


def test_what_is_not_finite_is_mid_grey_and_the_rest_is_not_touched_by_it() -> None:
    depth = ramp(1, 5)
    depth[0, 0], depth[0, 1] = np.nan, np.inf
    coloured = pictures.colourise(depth, near=1, far=5)
    assert (coloured[0, :2] == pictures.MID_GREY).all()
    assert np.array_equal(coloured[1:], pictures.colourise(ramp(1, 5), near=1, far=5)[1:])


def test_the_scale_ignores_a_few_outliers_unless_told_otherwise() -> None:
    depth = ramp(1, 5)
    reference = pictures.colourise(depth).astype(int)
    depth[0, 0] = 1e6
    assert np.abs(pictures.colourise(depth) - reference)[1:].mean() < 1
    assert np.ptp(pictures.colourise(depth, near=0, far=1e6)[1:].astype(int)) < 100


@pytest.mark.parametrize("value", [0.0, 2.5, -1.0, np.nan])
def test_a_map_of_one_value_or_none_is_a_picture_too(value: float) -> None:
    depth = np.full((4, 5), value, np.float32)
    assert pictures.colourise(depth).shape == (4, 5, 3)
    assert pictures.depth_picture(depth).width >= 5


def test_values_beyond_the_scale_take_the_colour_of_its_end() -> None:
    coloured = pictures.colourise(np.array([[-9, 0, 1, 99]], np.float32), near=0, far=1)[0]
    assert np.array_equal(coloured[0], coloured[1])
    assert np.array_equal(coloured[2], coloured[3])


def test_half_precision_and_double_precision_maps_are_accepted() -> None:
    expected = pictures.colourise(ramp(1, 5), near=1, far=5)
    assert np.array_equal(pictures.colourise(ramp(1, 5).astype(np.float64), near=1, far=5), expected)
    half = pictures.colourise(ramp(1, 5).astype(np.float16), near=1, far=5)
    assert np.abs(half.astype(int) - expected).max() <= 8


def test_every_depth_format_makes_the_picture_of_its_metres(tmp_path: Path) -> None:
    metres = np.arange(1, 13, dtype=np.float32).reshape(3, 4) / 8
    metres[0, 0] = np.nan
    millimetres = np.nan_to_num(metres * 1000).astype(np.uint16)
    for depth in (metres.astype(np.float16), millimetres):
        assert np.array_equal(pictures.colourise(depth), pictures.colourise(metres))
        assert pictures.depth_picture(depth).tobytes() == pictures.depth_picture(metres).tobytes()
        pictures.save_depth_png16(tmp_path / "depth.png", depth)
        with Image.open(tmp_path / "depth.png") as saved:
            assert np.array_equal(np.asarray(saved), millimetres)


@pytest.mark.parametrize(("near", "far"), [(5.0, 1.0), (2.0, 2.0), (np.nan, 1.0), (0.0, np.inf)])
def test_an_impossible_scale_is_refused(near: float, far: float) -> None:
    with pytest.raises(ValueError, match="near must be less than far"):
        pictures.colourise(ramp(1, 5), near=near, far=far)


def test_a_map_of_other_dimensions_is_refused() -> None:
    with pytest.raises(ValueError, match=r"two dimensions .* \(2, 3, 1\)"):
        pictures.colourise(np.zeros((2, 3, 1), np.float32))


def test_the_picture_shows_the_map_above_a_scale_bar_with_all_its_colours() -> None:
    depth = ramp(0.5, 9.5, (120, 200))
    picture = pictures.depth_picture(depth, near=0.5, far=9.5)
    assert picture.mode == "RGB"
    assert picture.width == 200
    pixels = np.asarray(picture)
    assert np.array_equal(pixels[:120], pictures.colourise(depth, 0.5, 9.5))
    below = {tuple(colour) for colour in pixels[120:].reshape(-1, 3).tolist()}
    bar = pictures.colourise(np.linspace(0.5, 9.5, 100, dtype=np.float32)[None], 0.5, 9.5)[0]
    close = [min(max(abs(a - b) for a, b in zip(c, d, strict=True)) for d in below) for c in bar.tolist()]
    assert max(close) <= 8
    assert pictures.INK in below  # ticks and labels


@pytest.mark.parametrize(
    ("near", "far", "most", "expected"),
    [
        (0.5, 9.6, 6, [2, 4, 6, 8]),
        (0.0, 1.0, 5, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (-0.1, 0.1, 4, [-0.1, -0.05, 0, 0.05, 0.1]),
        (10, 80, 8, [10, 20, 30, 40, 50, 60, 70, 80]),
    ],
)
def test_ticks_are_round_numbers_inside_the_scale(near: float, far: float, most: int, expected: list[float]) -> None:
    assert pictures._ticks(near, far, most)[1] == pytest.approx(expected)


@pytest.mark.parametrize("shape", [(1, 1), (3, 2000), (480, 640)])
def test_pictures_of_any_shape_have_room_for_their_scale(shape: tuple[int, int]) -> None:
    picture = pictures.depth_picture(np.full(shape, 2, np.float32), near=1, far=3)
    assert picture.width == max(160, shape[1])
    assert picture.height > shape[0] + 20


def test_sixteen_bit_files_hold_millimetres_rounded_to_nearest(tmp_path: Path) -> None:
    depth = np.array([[0.0014, 0.0016, 1.2345, 65.535]], np.float32)
    pictures.save_depth_png16(tmp_path / "depth.png", depth)
    with Image.open(tmp_path / "depth.png") as image:
        assert (tmp_path / "depth.png").read_bytes()[24:26] == bytes([16, 0])  # IHDR: bits, and greyscale
        assert np.asarray(image).tolist() == [[1, 2, round(float(np.float32(1.2345)) * 1000), 65535]]


def test_sixteen_bit_files_say_zero_where_there_is_no_depth(tmp_path: Path) -> None:
    depth = np.array([[np.nan, np.inf, -np.inf, -1.0, 0.0, 65.536, 1e30]], np.float32)
    pictures.save_depth_png16(str(tmp_path / "depth.png"), depth)
    with Image.open(tmp_path / "depth.png") as image:
        assert not np.asarray(image).any()


def test_panels_of_different_sizes_stand_in_a_row_at_one_width() -> None:
    red = np.zeros((60, 40, 3), np.uint8)
    red[...] = (255, 0, 0)
    row = pictures.side_by_side([("a photo", red), ("its depth", Image.new("L", (80, 50), 77))])
    pixels = np.asarray(row)
    is_red, is_grey = (pixels == (255, 0, 0)).all(axis=2), (pixels == 77).all(axis=2)
    assert is_red.sum() == 80 * 120
    assert is_grey.sum() >= 80 * 50
    assert is_red.any(axis=1).argmax() == is_grey.any(axis=1).argmax()  # they start in one row
    assert is_red.any(axis=0).argmax() < is_grey.any(axis=0).argmax()


def test_every_panel_has_its_title_above_it() -> None:
    blank = np.full((50, 200, 3), 255, np.uint8)
    titled, untitled = (np.asarray(pictures.side_by_side([("", blank), (t, blank)])) for t in ("depth", ""))
    changed = (titled != untitled).any(axis=2)
    assert changed.any()
    assert not changed[:, :200].any()
    assert not changed[-50:].any()


def test_no_panels_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one panel"):
        pictures.side_by_side([])


def test_without_pillow_colours_still_work_and_pictures_say_what_to_install() -> None:
    script = (
        "import sys; sys.modules['PIL'] = None\n"
        "import numpy as np\n"
        "from depthwire.client.view import pictures\n"
        "depth = np.ones((2, 2), np.float32)\n"
        "pictures.colourise(depth)\n"
        "calls = [lambda: pictures.depth_picture(depth), lambda: pictures.save_depth_png16('x.png', depth),\n"
        "         lambda: pictures.side_by_side([('a', np.zeros((1, 1, 3), np.uint8))])]\n"
        "for call in calls:\n"
        "    try: call()\n"
        "    except pictures.PicturesUnavailableError as error: assert '.[pictures]' in str(error)\n"
        "    else: raise SystemExit('no error')\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
