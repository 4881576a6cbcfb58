"""Rendering of a data set: layouts drawn at random, photographed from their viewpoints, written as shards.

`depthwire-train render` calls it. What a shard holds depends on the seed and its number alone, so that a broken run
goes on where it stopped and any shard can be made again.
"""

from __future__ import annotations

import importlib
import math
import multiprocessing
import os
import pkgutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from tqdm import tqdm

from depthwire.training import scenes
from depthwire.training.errors import TrainingError
from depthwire.training.materials import choose_pool
from depthwire.training.scene import Scene, Viewpoint
from depthwire.training.shards import SUFFIX, Sample, write_shard

if TYPE_CHECKING:
    from depthwire.training.scenes import Layout

SHARD_PICTURES = 128
VIEWS = 8
"""Pictures of one scene at most: a scene costs as much as several pictures."""
PICTURE_SIZES: tuple[tuple[int, int, float], ...] = ((320, 240, 0.7), (352, 208, 0.2), (240, 320, 0.1))
"""Width and height in pixels, and their share of the scenes."""
HELD_OUT_SEED = 2**31
"""Added to the seed of held-out sets, so that no scene of theirs shares a random number with a trained one."""
HELD_OUT_PICTURES = 256

_MIN_DARKNESS = 1e-4
_MIN_SURFACE_SHARE = 0.12
_TOO_NEAR_M = 0.2
_MAX_TOO_NEAR_SHARE = 0.5
_LANDSCAPE_ASPECT = 4 / 3


class NoLayouts(TrainingError):
    """Nothing to draw scenes from, or not clear what. The text says what there is."""


class BrokenLayout(TrainingError):
    """A layout fails again and again. The text names it."""


@dataclass(frozen=True)
class RenderPlan:
    """What is to be rendered; picklable, it goes to every process."""

    out: Path
    pictures: int
    seed: int
    held_out: bool = False
    weights: Mapping[str, float] = field(default_factory=dict)
    """How often a layout is drawn against the others, by its name; 1 where it is not named, 0 leaves it out."""
    shard_pictures: int = SHARD_PICTURES

    @property
    def shards(self) -> int:
        return -(-self.pictures // self.shard_pictures)

    def path(self, number: int) -> Path:
        set_name = "held-out" if self.held_out else "train"
        return self.out / f"{set_name}-{self.seed}-{number:05}{SUFFIX}"

    def pictures_of(self, number: int) -> int:
        return min(self.shard_pictures, self.pictures - number * self.shard_pictures)


def all_layouts(held_out: bool) -> dict[str, Layout]:
    """Every layout of the modules in scenes/, by name: those to train on, or those kept apart.

    Raises:
        NoLayouts: two of them have one name.
    """
    found: dict[str, Layout] = {}
    for module in sorted(pkgutil.iter_modules(scenes.__path__), key=lambda module: module.name):
        contents = importlib.import_module(f"{scenes.__name__}.{module.name}")
        for name, layout in getattr(contents, "HELD_OUT" if held_out else "LAYOUTS", {}).items():
            if found.setdefault(name, layout) is not layout:
                raise NoLayouts(f"two layouts are called {name}; give the one in {contents.__name__} another name")
    return found


def layouts_of(plan: RenderPlan) -> dict[str, tuple[Layout, float]]:
    """The layouts of a plan with their share of the scenes; the shares sum to 1.

    Raises:
        NoLayouts: a weight names no layout, or none is left.
    """
    layouts = all_layouts(plan.held_out)
    strange = sorted(set(plan.weights) - set(layouts))
    if strange:
        raise NoLayouts(f"no layout {', '.join(strange)}; there are {', '.join(layouts) or 'none'}")
    weights = {name: plan.weights.get(name, 1.0) for name in layouts}
    total = sum(weights.values())
    if total <= 0:
        raise NoLayouts(f"no layout has a weight above 0; there are {', '.join(layouts) or 'none'}")
    return {name: (layouts[name], weight / total) for name, weight in weights.items() if weight > 0}


def render_dataset(plan: RenderPlan, processes: int) -> int:
    """Render all shards of a plan that do not exist, with a progress bar; returns how many were made.

    Raises:
        NoLayouts, BrokenLayout: as `layouts_of` and `render_shard`.
    """
    layouts_of(plan)
    plan.out.mkdir(parents=True, exist_ok=True)
    missing = [number for number in range(plan.shards) if not plan.path(number).exists()]
    done = sum(plan.pictures_of(number) for number in range(plan.shards)) - sum(map(plan.pictures_of, missing))
    with (
        tqdm(total=plan.pictures, initial=done, unit="picture", smoothing=0.05) as bar,
        ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _one_thread) as pool,
    ):
        running = {pool.submit(render_shard, plan, number): number for number in missing}
        try:
            for shard in as_completed(running):
                shard.result()
                bar.update(plan.pictures_of(running[shard]))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return len(missing)


def render_shard(plan: RenderPlan, number: int) -> None:
    """Make one shard: a pure function of the plan's seed and the shard's number.

    Raises:
        BrokenLayout: scene after scene of a layout raises or shows nothing.
    """
    choose_pool(plan.held_out)
    rng = np.random.default_rng([plan.seed + (HELD_OUT_SEED if plan.held_out else 0), number])
    layouts = layouts_of(plan)
    wanted = plan.pictures_of(number)
    samples: list[Sample] = []
    while len(samples) < wanted:
        samples.extend(_photographs(layouts, rng, min(VIEWS, wanted - len(samples))))
    rng.shuffle(samples)
    write_shard(plan.path(number), samples, rng)


def _photographs(
    layouts: Mapping[str, tuple[Layout, float]], rng: np.random.Generator, most: int, attempts: int = 8
) -> Iterator[Sample]:
    """Samples of one scene; another is drawn where a layout fails or none of its views is of use."""
    names = list(layouts)
    tried: list[str] = []
    reason: Exception | None = None
    for _ in range(attempts):
        name = str(rng.choice(names, p=[layouts[name][1] for name in names]))
        scene_rng = np.random.default_rng(rng.integers(2**63))
        tried.append(name)
        try:
            samples = photograph_scene(layouts[name][0](scene_rng), scene_rng, most)
        except Exception as error:  # one scene in thousands must not end a rendering of hours
            reason = error
            continue
        if samples:
            yield from samples
            return
    raise BrokenLayout(
        f"{attempts} scenes in a row gave no picture ({', '.join(tried)}); look at them with depthwire-train preview"
    ) from reason


def photograph_scene(scene: Scene, rng: np.random.Generator, most: int = VIEWS) -> list[Sample]:
    """Useful pictures of a scene from its viewpoints, `most` of them at most, all of one size."""
    from depthwire.training.render import Renderer  # brings the ray caster, which tests of the rest do without

    renderer = Renderer(scene, rng)
    width, height = picture_size(rng)
    samples = []
    for view in scene.views[:most]:
        framed = in_frame(view, width, height)
        picture = renderer.picture(framed, width, height)
        sample = Sample(picture.linear, picture.depth, scene.kind, scene.outdoors, framed.horizontal_fov)
        if is_useful(sample):
            samples.append(sample)
    return samples


def picture_size(rng: np.random.Generator) -> tuple[int, int]:
    """Width and height in pixels, drawn from PICTURE_SIZES."""
    width, height, _ = PICTURE_SIZES[rng.choice(len(PICTURE_SIZES), p=[share for _, _, share in PICTURE_SIZES])]
    return width, height


def in_frame(view: Viewpoint, width: int, height: int) -> Viewpoint:
    """The viewpoint for a picture of this size: upright pictures are a landscape camera on its side."""
    if width >= height:
        return view
    narrow = 2 * math.atan(math.tan(view.horizontal_fov / 2) / _LANDSCAPE_ASPECT)
    return replace(view, horizontal_fov=narrow)


def is_useful(sample: Sample) -> bool:
    """False for a black picture, bare sky, or a lens that something covers."""
    surface = np.isfinite(sample.depth)
    return bool(
        sample.linear.mean() > _MIN_DARKNESS
        and surface.mean() > _MIN_SURFACE_SHARE
        and (sample.depth < _TOO_NEAR_M).mean() < _MAX_TOO_NEAR_SHARE
        and np.isfinite(sample.linear).all()
    )


def _one_thread() -> None:
    cv2.setNumThreads(1)  # the processes are the parallelism
    os.environ["OMP_NUM_THREADS"] = "1"
