"""The outdoor layouts: cameras stand free on the ground, see something, and a seed gives the same scene."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from depthwire.training.scene import Material, Scene
from depthwire.training.scenes.outdoor import HELD_OUT, LAYOUTS
from depthwire.training.scenes.people import POSES, Pose, person, wardrobe
from depthwire.training.scenes.views import COLUMNS, ROWS, Probe

EVERY = {**LAYOUTS, **HELD_OUT}


@cache
def _scene(name: str, seed: int) -> Scene:
    return EVERY[name](np.random.default_rng(seed))


@pytest.mark.parametrize("name", sorted(EVERY))
def test_cameras_stand_free_above_ground_and_see_near_and_far(name: str) -> None:
    scene = _scene(name, 3)
    probe = Probe(scene.mesh)
    assert 6 <= len(scene.views) <= 10
    assert len(scene.mesh.faces) <= 60_000
    assert scene.outdoors
    assert scene.mesh.material.max() < len(scene.materials)
    assert np.isfinite(scene.mesh.vertices).all()
    distance = probe.look(scene.views)
    assert distance[:, ROWS // 2 - 1 : ROWS // 2 + 2, COLUMNS // 2 - 1 : COLUMNS // 2 + 1].min() > 0.2
    positions = np.array([view.position for view in scene.views], np.float32)
    below = probe.cast(positions, np.tile(np.array([0, 0, -1], np.float32), (len(positions), 1)))
    assert (below > 0.05).all()
    assert (below < 17).all()
    assert ((distance < 40).mean(axis=(1, 2)) > 0.1).all()
    spread = np.percentile(np.minimum(distance, 500.0).reshape(len(distance), -1), [5, 95], axis=1)
    assert np.median(spread[1] / spread[0]) > 3


def test_a_seed_gives_the_same_scene_and_another_seed_another() -> None:
    for name in ("city street", "park", "harbour"):
        first, again, other = _scene(name, 3), EVERY[name](np.random.default_rng(3)), _scene(name, 4)
        assert np.array_equal(first.mesh.vertices, again.mesh.vertices)
        assert np.array_equal(first.mesh.material, again.mesh.material)
        assert first.views == again.views
        assert first.materials == again.materials
        assert first.views != other.views


def test_held_out_layouts_are_none_of_the_training_layouts() -> None:
    assert len(LAYOUTS) >= 10
    assert len(HELD_OUT) >= 3
    assert not set(LAYOUTS) & set(HELD_OUT)
    assert not set(LAYOUTS.values()) & set(HELD_OUT.values())


@pytest.mark.parametrize("pose", POSES)
def test_a_person_is_as_high_as_people_are(pose: Pose) -> None:
    rng = np.random.default_rng(5)
    materials: list[Material] = []
    clothes = wardrobe(rng, materials)
    for _ in range(12):
        body = person(rng, clothes, pose)
        head = np.isin(body.material, clothes.skins + clothes.hairs)
        top = body.vertices[body.faces[head]][..., 2].max()
        assert body.bounds[0][2] == pytest.approx(0, abs=1e-4)
        low, high = {"raise": (1.0, 2.6), "stand": (1.0, 2.1), "walk": (1.0, 2.1), "hold": (1.0, 2.1)}.get(
            pose, (0.5, 1.7)
        )
        assert low < top < high
        assert body.material.max() < len(materials)
        assert len(body.faces) < 1000
