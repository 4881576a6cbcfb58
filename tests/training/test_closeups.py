"""Close-ups show something near before something far; a lens with depth of field blurs what is not in focus."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("embreex", reason="needs the extra training")

from depthwire.training.lens import defocused
from depthwire.training.render import Renderer
from depthwire.training.scenes.closeups import HELD_OUT, LAYOUTS
from depthwire.training.scenes.views import Probe

BUDGET = 80_000
EVERY = {**LAYOUTS, **HELD_OUT}


@pytest.mark.parametrize("name", EVERY)
def test_a_close_up_has_free_views_of_something_near_before_something_far(name: str) -> None:
    for seed in (1, 2):
        scene = EVERY[name](np.random.default_rng(seed))
        assert 0 < len(scene.mesh.faces) < BUDGET
        assert int(scene.mesh.material.max()) < len(scene.materials)
        assert len(scene.views) >= 4
        distances = Probe(scene.mesh).look(scene.views).reshape(len(scene.views), -1)
        assert distances.min() > 0.01
        far = np.where(np.isfinite(distances), distances, 1000)
        assert np.median(np.percentile(far, 90, axis=1) / np.percentile(far, 10, axis=1)) > 1.5


def test_the_same_seed_makes_the_same_close_up() -> None:
    first, second = (LAYOUTS["closeup"](np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(first.mesh.vertices, second.mesh.vertices)
    assert first.materials == second.materials
    assert first.views == second.views


def test_a_close_up_can_be_photographed() -> None:
    scene = LAYOUTS["scattered"](np.random.default_rng(3))
    picture = Renderer(scene, np.random.default_rng(0)).picture(scene.views[0], 64, 48)
    assert np.isfinite(picture.linear).all()
    assert picture.depth.min() > 0.1


def test_defocus_blurs_what_is_behind_and_keeps_what_is_in_focus() -> None:
    stripes = np.repeat(np.tile(np.array([0, 0, 1, 1], np.float32), 40)[None, :, None], 120, axis=0).repeat(3, axis=2)
    depth = np.full((120, 160), 20, np.float32)
    depth[:, :80] = 1.0
    seen = defocused(stripes, depth, focus_m=1.0, blur=0.03)
    assert np.allclose(seen[:, 8:60], stripes[:, 8:60], atol=0.02)
    assert np.ptp(seen[40:80, 110:150]) < 0.2


def test_nothing_is_blurred_where_all_is_at_one_distance() -> None:
    picture = np.random.default_rng(0).random((30, 40, 3), np.float32)
    assert np.array_equal(defocused(picture, np.full((30, 40), 2, np.float32), 2.0, 0.03), picture)
