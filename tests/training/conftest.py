"""A small scene that stands in for the layouts, and shards of it: the tests of training need no rendered data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from depthwire.training import dataset
from depthwire.training.mesh import box, floor, join
from depthwire.training.scene import Light, Material, Pattern, Scene, Sky, Viewpoint


def yard(rng: np.random.Generator) -> Scene:
    """Open ground with a dozen boxes, seen from four sides by a person."""
    boxes = [
        box(*rng.uniform(0.4, 2, 3)).turned(rng.uniform(0, 3)).moved(*rng.uniform(-6, 6, 2)).of(1 + index % 2)
        for index in range(12)
    ]
    materials = [
        Material(Pattern.NOISE, (0.3, 0.3, 0.25), (0.2, 0.25, 0.15), 2.0),
        Material(Pattern.BRICK, (0.5, 0.25, 0.2), (0.6, 0.6, 0.55), 1.0),
        Material(Pattern.STRIPES, tuple(rng.uniform(0.1, 0.8, 3)), (0.8, 0.8, 0.7), 0.5),
    ]
    return Scene(
        kind="yard",
        outdoors=True,
        mesh=join([floor(60, 60).of(0), *boxes]),
        materials=materials,
        light=Light((0.4, 0.3, 0.866), (2.5, 2.4, 2.2), (0.5, 0.55, 0.6)),
        sky=Sky((0.3, 0.5, 0.9), (0.8, 0.85, 0.9)),
        views=[
            Viewpoint((9 * np.sin(yaw), -9 * np.cos(yaw), 1.6), yaw, -0.1, 0.0, 1.1) for yaw in rng.uniform(0, 6.28, 4)
        ],
    )


@pytest.fixture
def yards(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only layout is `yard`, and its pictures are small."""
    monkeypatch.setattr(dataset, "all_layouts", lambda held_out: {"yard": yard})
    monkeypatch.setattr(dataset, "PICTURE_SIZES", ((64, 48, 1.0),))


@pytest.fixture
def data(yards: None, tmp_path: Path) -> Path:
    """A folder of two shards, 12 pictures in all."""
    plan = dataset.RenderPlan(tmp_path / "data", pictures=12, seed=3, shard_pictures=8)
    plan.out.mkdir()
    for number in range(plan.shards):
        dataset.render_shard(plan, number)
    return plan.out
