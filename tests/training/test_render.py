"""Pictures and depth of scenes whose geometry is known to the last digit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depthwire.training.mesh import Mesh, box, floor, join, rotation, sphere
from depthwire.training.photo import photograph
from depthwire.training.preview import contact_sheet
from depthwire.training.render import Picture, Renderer
from depthwire.training.scene import Lamp, Light, Material, Pattern, Scene, Sky, Viewpoint

WIDTH, HEIGHT = 80, 60
AHEAD = Viewpoint((0.0, 0.0, 1.5), 0.0, 0.0, 0.0, 1.0)
SKY = Sky((0.2, 0.4, 0.9), (0.6, 0.7, 0.9), clouds=0.5)
NOON = Light((0.0, 0.0, 1.0), (2.0, 1.9, 1.8), (0.3, 0.35, 0.4))


def scene_of(mesh: Mesh, light: Light = NOON, pattern: Pattern = Pattern.NOISE, **changes: float) -> Scene:
    paint = Material(pattern, (0.6, 0.5, 0.4), (0.3, 0.3, 0.2), 1.0, **changes)
    red = replace(paint, colour=(0.8, 0.02, 0.02), second=(0.8, 0.02, 0.02), pattern=Pattern.PLAIN)
    return Scene("test", True, mesh, [paint, red], light, SKY, views=[AHEAD])


def picture_of(scene: Scene, view: Viewpoint = AHEAD, seed: int = 1) -> Picture:
    return Renderer(scene, np.random.default_rng(seed)).picture(view, WIDTH, HEIGHT)


def rays() -> tuple[np.ndarray, np.ndarray]:
    """Of each pixel's centre: right and down at distance one, (H, W) each."""
    pixel = 2 * np.tan(AHEAD.horizontal_fov / 2) / WIDTH
    return np.meshgrid((np.arange(WIDTH) + 0.5 - WIDTH / 2) * pixel, (np.arange(HEIGHT) + 0.5 - HEIGHT / 2) * pixel)


def test_depth_of_the_ground_is_the_height_over_the_slope_and_the_sky_is_infinite() -> None:
    depth = picture_of(scene_of(floor(1000, 1000))).depth
    _, down = rays()
    below = down > 1.5 / 400
    np.testing.assert_allclose(depth[below], 1.5 / down[below], rtol=1e-4)
    assert np.isposinf(depth[down < 0]).all()
    assert depth.dtype == np.float32


def test_depth_of_a_box_is_along_the_optical_axis_not_along_the_ray() -> None:
    depth = picture_of(scene_of(box(20, 2, 20).moved(0, 5, -5))).depth
    np.testing.assert_allclose(depth, 4.0, rtol=1e-4)


def test_depth_of_a_finely_meshed_ball_follows_its_equation() -> None:
    depth = picture_of(scene_of(sphere(1.0, 6).moved(0, 4, 1.5))).depth
    right, down = rays()
    square = right**2 + down**2 + 1
    inside = 16 - square * 15  # of the quadratic for |t ray − (0, 0, 4)| = 1
    well_inside = inside > 0.3
    expected = (4 - np.sqrt(np.maximum(inside, 0))) / square
    np.testing.assert_allclose(depth[well_inside], expected[well_inside], rtol=1e-4)
    assert np.isposinf(depth[inside < -0.3]).all()


@pytest.mark.parametrize(
    ("place", "view"),
    [
        ((-5.0, 0.0, 1.5), replace(AHEAD, yaw=np.pi / 2)),
        ((5.0, 0.0, 1.5), replace(AHEAD, yaw=-np.pi / 2)),
        ((0.0, 3.0, 5.5), replace(AHEAD, pitch=np.arctan2(4, 3))),
        ((0.0, -5.0, 1.5), replace(AHEAD, yaw=np.pi, roll=1.0)),
    ],
)
def test_a_camera_that_turns_to_a_ball_has_it_in_the_middle(place: tuple[float, float, float], view: Viewpoint) -> None:
    depth = picture_of(scene_of(sphere(0.5).moved(*place)), view).depth
    seen = np.argwhere(np.isfinite(depth))
    assert len(seen) > 20
    np.testing.assert_allclose(seen.mean(axis=0), [(HEIGHT - 1) / 2, (WIDTH - 1) / 2], atol=0.6)


def test_points_appear_where_the_turned_camera_projects_them() -> None:
    view = Viewpoint((1.0, -2.0, 1.2), 0.4, -0.2, 0.3, 1.2)
    right, forward, up = rotation(view.yaw, view.pitch, view.roll).T
    x, y, z = 0.8, -0.5, 4.0  # right of, above and ahead of the camera
    ball = sphere(0.2).moved(*(np.array(view.position) + x * right - y * up + z * forward))
    seen = np.argwhere(np.isfinite(picture_of(scene_of(ball), view).depth))
    focal = WIDTH / 2 / np.tan(view.horizontal_fov / 2)
    expected = [HEIGHT / 2 + focal * y / z - 0.5, WIDTH / 2 + focal * x / z - 0.5]
    np.testing.assert_allclose(seen.mean(axis=0), expected, atol=0.6)


@pytest.mark.parametrize("light", [NOON, Light(None, (0, 0, 0), (0.1, 0.1, 0.1), (Lamp((0, 4, 6), (20, 20, 20)),))])
def test_the_ground_under_a_slab_is_darker_than_beside_it(light: Light) -> None:
    slab = box(2, 2, 0.1).moved(0, 5, 3.2)
    picture = picture_of(scene_of(join([floor(60, 60), slab]), light, Pattern.PLAIN))
    right, down = rays()
    with np.errstate(divide="ignore"):
        x, y = right * 1.5 / down, 1.5 / down
    ground = (down > 0) & (y < 7)
    under = ground & (np.abs(x) < 0.7) & (np.abs(y - 5) < 0.7)
    beside = ground & (np.abs(x) > 2) & (np.abs(y - 5) < 0.7) & (np.abs(x) < 4)
    assert under.sum() > 20
    assert beside.sum() > 20
    assert picture.linear[under].mean() < 0.5 * picture.linear[beside].mean()


def test_only_border_pixels_mix_the_colours_of_both_sides() -> None:
    board = box(3, 0.1, 3).of(1).turned(roll=0.3).moved(0, 5, 0.3)
    scene = replace(scene_of(board), sky=replace(SKY, clouds=0.0))
    picture = picture_of(scene)
    share = picture.linear[..., 1] / picture.linear[..., 0]  # 0.03 of the red board, above 1.1 of the sky
    mixed = (share > 0.1) & (share < 1.0)
    assert mixed.sum() > 20
    board_seen = np.pad(np.isfinite(picture.depth), 1, mode="edge")
    sides = np.stack([board_seen[1:-1, :-2], board_seen[1:-1, 2:], board_seen[:-2, 1:-1], board_seen[2:, 1:-1]])
    border = (sides != np.isfinite(picture.depth)).any(axis=0)
    assert not mixed[~border].any()


@pytest.mark.parametrize("pattern", list(Pattern))
def test_every_pattern_gives_the_same_finite_picture_for_the_same_seed(pattern: Pattern) -> None:
    scene = scene_of(join([floor(30, 30), sphere(1).moved(0, 5, 1).of(1)]), pattern=pattern, shine=0.8, glow=0.1)
    first, second, other = (picture_of(scene, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.linear, second.linear)
    assert np.array_equal(first.depth, second.depth)
    assert np.isfinite(first.linear).all()
    assert first.linear.min() >= 0
    assert not np.array_equal(first.linear, other.linear)
    assert np.array_equal(first.depth, other.depth)


def test_a_photograph_keeps_its_shape_and_depends_on_its_seed_alone() -> None:
    linear = picture_of(scene_of(floor(50, 50))).linear
    shots = [photograph(linear, np.random.default_rng(seed)) for seed in (5, 5, *range(20))]
    assert all(shot.shape == linear.shape and shot.dtype == np.uint8 for shot in shots)
    assert np.array_equal(shots[0], shots[1])
    assert not np.array_equal(shots[2], shots[3])
    assert 40 < np.mean([shot.mean() for shot in shots]) < 200


def test_a_contact_sheet_shows_each_view_beside_its_depth(tmp_path: Path) -> None:
    contact_sheet([scene_of(floor(50, 50)), scene_of(sphere(1))], tmp_path / "sheet.png", width=64, height=48)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (4 * 64, 48 + 14)
