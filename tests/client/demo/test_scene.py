"""The demo's picture, depth and camera belong together, and the ray caster that drew them is exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from depthwire.client import demo
from depthwire.client.demo import light
from depthwire.client.demo.light import picture_of
from depthwire.client.demo.raycaster import Camera, Group, Material, World, depth_of
from depthwire.client.demo.room import ball, box, placed, room, tube

SHIPPED = Path(demo.__file__).parent
GREY = Material((0.5, 0.5, 0.5))


def shipped_depth() -> np.ndarray:
    """(H, W) float64 metres."""
    with Image.open(SHIPPED / "scene_depth.png") as image:
        return np.asarray(image).astype(np.float64) / 1000


def shipped_camera() -> dict[str, Any]:
    camera: dict[str, Any] = yaml.safe_load((SHIPPED / "scene_camera.yaml").read_text(encoding="utf-8"))
    return camera


def back_projected(depth: np.ndarray, matrix: list[list[float]]) -> np.ndarray:
    """(H, W, 3) points in the optical frame: x right, y down, z forward."""
    v, u = np.mgrid[0 : depth.shape[0], 0 : depth.shape[1]]
    (fx, _, cx), (_, fy, cy), _ = matrix
    return np.stack([(u - cx) * depth / fx, (v - cy) * depth / fy, depth], axis=2)


def test_the_shipped_files_have_one_size_and_are_small() -> None:
    camera = shipped_camera()
    with Image.open(SHIPPED / "scene.jpg") as picture:
        assert picture.mode == "RGB"
        assert picture.size == (camera["width"], camera["height"]) == (640, 480)
    assert shipped_depth().shape == (480, 640)
    assert (SHIPPED / "scene.jpg").stat().st_size < 150_000


def test_the_shipped_depth_spans_the_room_and_has_no_holes() -> None:
    depth = shipped_depth()
    assert depth.min() > 1.5
    assert 10 < depth.max() < 12


def test_the_floor_back_projects_to_one_plane_at_the_height_of_a_person() -> None:
    points = back_projected(shipped_depth(), shipped_camera()["camera_matrix"])
    floor = points[440:, 560:].reshape(-1, 3)
    corridor = points[260:275, 375:400].reshape(-1, 3)  # four metres behind, through the doorway
    both = np.concatenate([floor, corridor])
    centre = both.mean(axis=0)
    normal = np.linalg.svd(both - centre, full_matrices=False)[2][2]
    normal *= np.sign(normal[1])
    assert np.abs((both - centre) @ normal).max() < 0.001
    assert centre @ normal == pytest.approx(Camera().position_m[1], abs=0.002)
    assert np.degrees(np.arctan2(normal[2], normal[1])) == pytest.approx(Camera().pitch_down_deg, abs=0.05)


def test_the_shipped_depth_and_camera_are_what_the_code_draws_today() -> None:
    camera = Camera()
    assert np.abs(depth_of(room(), camera) - shipped_depth()).max() <= 0.000501
    assert shipped_camera()["camera_matrix"] == camera.matrix


def test_the_shipped_picture_is_what_the_code_draws_today() -> None:
    drawn = picture_of(room(), Camera(width=64, height=48), samples=2)
    with Image.open(SHIPPED / "scene.jpg") as picture:
        shipped = np.asarray(picture.resize((64, 48), Image.Resampling.BOX))
    # coarser pixels and fewer light paths, yet the same place: 12 grey levels apart on average when this was written
    assert np.abs(drawn.astype(int) - shipped).mean() < 16
    assert np.corrcoef(drawn.ravel(), shipped.ravel())[0, 1] > 0.93


def test_the_same_picture_comes_out_whatever_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(light, "RAYS_PER_CHUNK", 300)
    camera = Camera(width=32, height=24)
    first = picture_of(room(), camera, samples=1, workers=1)
    assert np.array_equal(first, picture_of(room(), camera, samples=1, workers=3))


def test_a_floor_has_its_analytic_depth_and_the_sky_none() -> None:
    camera = Camera(width=8, height=6, pitch_down_deg=20, yaw_deg=30, position_m=(3.0, 1.2, -2.0))
    depth = depth_of(World([box([-1e4, -1, -1e4], [1e4, 0, 1e4], GREY)]), camera)
    v = (np.arange(6) - 2.5) / camera.matrix[1][1]
    pitch = np.radians(20)
    down = v * np.cos(pitch) + np.sin(pitch)  # how far each row's rays fall per metre along the optical axis
    expected = np.where(down > 0, 1.2 / np.where(down > 0, down, 1), np.nan)
    np.testing.assert_allclose(depth, np.repeat(expected[:, None], 8, axis=1), rtol=1e-9)
    assert np.isnan(depth[0]).all()


def test_a_wall_across_the_view_has_one_depth_because_depth_is_not_distance() -> None:
    camera = Camera(width=9, height=7, pitch_down_deg=0, yaw_deg=0)
    depth = depth_of(World([box([-50, -50, 4], [50, 50, 5], GREY)]), camera)
    np.testing.assert_allclose(depth, 4, rtol=1e-12)


def test_balls_and_tubes_are_met_where_their_equations_say() -> None:
    camera = Camera(width=3, height=3, pitch_down_deg=0, yaw_deg=0, position_m=(0.0, 0.0, 0.0))
    round_depth = depth_of(World([ball([0, 0, 5], 1, GREY)]), camera)
    assert round_depth[1, 1] == pytest.approx(4)
    assert np.isnan(round_depth[0, 0])
    upright = depth_of(World([tube([0, -0.1, 5], 2, 0.2, GREY)]), camera)
    assert upright[1, 1] == pytest.approx(3)
    assert np.isnan(upright[0]).all()


def test_grouping_changes_the_time_and_not_the_result() -> None:
    world = room()
    camera = Camera(width=40, height=30)
    assert np.array_equal(depth_of(world, camera), depth_of(World(world.shapes), camera))


def test_a_turned_box_hides_what_stands_behind_it() -> None:
    camera = Camera(width=5, height=5, pitch_down_deg=0, yaw_deg=0, position_m=(0.0, 0.0, 0.0))
    near = placed([box([-0.5, -0.5, -0.5], [0.5, 0.5, 0.5], GREY)], 0, 3, 45)
    world = World([box([-50, -50, 8], [50, 50, 9], GREY)], [Group(near)])
    depth = depth_of(world, camera)
    assert depth[2, 2] == pytest.approx(3 - np.sqrt(0.5))
    assert depth[0, 0] == pytest.approx(8)
