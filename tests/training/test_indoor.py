"""Indoor layouts: sizes, free viewpoints, something to see, the triangle budget, the same scene for the same seed."""

from functools import cache

import numpy as np
import pytest

from depthwire.training.mesh import box
from depthwire.training.scene import Scene, Viewpoint
from depthwire.training.scenes import (
    corridors,
    held_out_halls,
    held_out_rooms,
    public_halls,
    rooms,
    tabletop,
    views,
    workplaces,
)

MODULES = (rooms, corridors, tabletop, workplaces, public_halls, held_out_rooms, held_out_halls)
TRAINED = {name: layout for module in MODULES for name, layout in module.LAYOUTS.items()}
HELD_OUT = {name: layout for module in MODULES for name, layout in module.HELD_OUT.items()}
EVERY = {**TRAINED, **HELD_OUT}
SEEDS = (1, 2)


@cache
def scene(name: str, seed: int) -> Scene:
    return EVERY[name](np.random.default_rng(seed))


@cache
def bundles(name: str, seed: int) -> np.ndarray:
    made = scene(name, seed)
    return views.Probe(made.mesh).look(made.views)


@pytest.mark.parametrize("name", EVERY)
def test_a_layout_keeps_its_budget_and_gives_materials_to_all_faces(name):
    for made in (scene(name, seed) for seed in SEEDS):
        assert 500 < len(made.mesh.faces) <= 60_000
        assert np.isfinite(made.mesh.vertices).all()
        assert made.mesh.material.min() >= 0
        assert made.mesh.material.max() < len(made.materials)
        for material in made.materials:
            assert min(*material.colour, *material.second) >= 0
            assert max(*material.colour, *material.second) <= 1
            assert 0.02 < material.tile_m < 10
        assert made.kind == name
        assert not made.outdoors


@pytest.mark.parametrize("name", EVERY)
def test_cameras_stand_inside_with_air_before_them_and_look_at_something(name):
    for seed in SEEDS:
        made, distance = scene(name, seed), bundles(name, seed)
        assert 6 <= len(made.views) <= 10
        for view in made.views:
            x, y, z = view.position
            assert abs(x) < 15
            assert abs(y) < 16
            assert 0.05 < z < 9
            assert np.radians(39) < view.horizontal_fov < np.radians(101)
            assert abs(view.roll) < np.radians(11)
        assert distance[:, 2:-2, 3:-3].min() > 0.25, "something is close before the optical axis"
        assert distance.min() > 0.15
        assert np.isfinite(distance).mean(axis=(1, 2)).min() > 0.3


@pytest.mark.parametrize("name", EVERY)
def test_most_views_have_depth(name):
    distance = np.concatenate([bundles(name, seed) for seed in SEEDS]).reshape(-1, views.ROWS * views.COLUMNS)
    far = np.minimum(distance, 200.0)
    spread = np.percentile(far, 90, axis=1) / np.percentile(far, 10, axis=1)
    assert np.mean(spread > 1.3) > 0.8


def test_lower_in_the_picture_is_not_always_nearer():
    """Ceilings, shelves, lamps and tabletops: in a good part of the columns the nearest ray is not among the lowest."""
    nearest = np.concatenate([bundles(name, seed).argmin(axis=1).ravel() for name in TRAINED for seed in SEEDS])
    assert 0.25 < np.mean(nearest < views.ROWS * 2 // 3) < 0.9


@pytest.mark.parametrize("name", ["living_room", "tabletop", "garage", "attic"])
def test_a_seed_gives_the_same_scene_again_and_another_seed_another(name):
    first, again, other = scene(name, 1), EVERY[name](np.random.default_rng(1)), scene(name, 2)
    assert np.array_equal(first.mesh.vertices, again.mesh.vertices)
    assert np.array_equal(first.mesh.material, again.mesh.material)
    assert first.materials == again.materials
    assert first.views == again.views
    assert first.light == again.light
    assert len(first.mesh.vertices) != len(other.mesh.vertices)


def test_a_camera_within_a_thing_is_told_from_one_before_it():
    probe = views.Probe(box(1.6, 1.6, 1.6))
    inside, before = (Viewpoint((0.0, y, 0.8), 0.0, 0.0, 0.0, 1.0) for y in (0.0, -3.0))
    backs = probe.backs([inside, before])
    assert backs[0] > 0.99
    assert backs[1] < 0.01


def test_held_out_layouts_are_apart_from_those_trained_on():
    assert len(TRAINED) >= 10
    assert len(HELD_OUT) >= 3
    assert not TRAINED.keys() & HELD_OUT.keys()
    assert not {layout.__module__ for layout in TRAINED.values()} & {layout.__module__ for layout in HELD_OUT.values()}
