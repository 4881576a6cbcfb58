"""What grows and lies about in open country: rocks, tufts, tree lines, bales.

The layouts of open_ground.py, greens.py and places.py call it.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi

import numpy as np
from numpy.typing import NDArray

from depthwire.training.mesh import Mesh, join
from depthwire.training.scenes import vegetation
from depthwire.training.scenes.instances import boxes
from depthwire.training.scenes.site import Site, Spot
from depthwire.training.scenes.street_parts import greenery

Generator = np.random.Generator
NATURE = ("crown", "crown", "bush", "bush", "grass", "grass", "rock", "trunk", "trunk", "person", "fence")
"""What is put before cameras in open country."""


def wild(site: Site, stones: Sequence[str], rocks: int, trees: int, tufts: int) -> None:
    """Rocks of several shapes, trees, bushes and tufts, denser near the origin."""
    rng, palette = site.rng, site.palette
    for name in stones:
        shape = vegetation.rock(rng, palette(name), 1.0, 2 if rng.random() < 0.5 else 1)
        count = rocks // len(stones)
        site.scatter(
            shape,
            rng.normal(0, 1, (count, 2)) * rng.gamma(1.5, 10, (count, 1)),
            scale=np.exp(rng.normal(-0.5, 0.7, count)),
        )
    if trees:
        shapes = [
            *greenery(site, 1),
            vegetation.conifer(rng, palette("bark"), palette("conifer"), float(rng.uniform(5, 12))),
        ]
        for shape in shapes:
            site.scatter(shape, rng.normal(0, 28, (trees // 2 + 1, 2)), scale=rng.uniform(0.5, 1.3, trees // 2 + 1))
        site.scatter(
            vegetation.bush(rng, palette("leaves"), 0.8, 110),
            rng.normal(0, 22, (trees + 4, 2)),
            scale=rng.uniform(0.4, 1.5, trees + 4),
        )
    site.add(vegetation.grass(rng, palette("blade"), rng.normal(0, 9, (tufts, 2)), float(rng.uniform(0.15, 0.5)), 9))


def grass_along(site: Site, x: Sequence[float], tufts: int, height: float = 0.3) -> None:
    """Tufts along the edges of a path at x."""
    rng = site.rng
    spots = np.column_stack(
        [rng.choice(np.asarray(x), tufts) * (1 + np.abs(rng.normal(0, 0.35, tufts))), rng.normal(0, 14, tufts)]
    )
    site.add(vegetation.grass(rng, site.palette("blade"), spots, height * float(rng.uniform(0.6, 1.6)), 8))


def wall_of_trees(site: Site, distance: float, leaf: str = "leaves") -> None:
    """Crowns that close the view on all sides at about `distance` metres."""
    rng, palette = site.rng, site.palette
    count = 70
    angle = np.linspace(0, 2 * pi, count) + rng.normal(0, 0.05, count)
    away = distance * rng.uniform(0.9, 1.6, count)
    if leaf == "conifer":
        shape: Mesh = vegetation.conifer(rng, palette("bark"), palette("conifer"), 10.0, 7, 6)
    else:
        shape = join(
            [
                vegetation.bush(rng, palette(leaf), 3.2, 40).scaled(1, 1, 1.6).moved(z=1.5),
                boxes([[0, 0, 0]], (0.3, 0.3, 2.5), palette("bark")),
            ]
        )
    site.scatter(
        shape, np.column_stack([np.cos(angle) * away, np.sin(angle) * away]), scale=rng.uniform(0.7, 1.7, count)
    )


def hay_bale(site: Site) -> Mesh:
    """A round bale of hay."""
    from depthwire.training.mesh import cylinder

    return cylinder(0.65, 1.2, sections=16).moved(z=-0.6).turned(roll=pi / 2).moved(z=0.62).of(site.palette("hay"))


def anywhere(rng: Generator) -> Spot:
    """Camera places about the origin, looking anywhere."""

    def spot() -> tuple[float, float, float]:
        place: NDArray[np.float64] = rng.normal(0, 8, 2)
        return float(place[0]), float(place[1]), float(rng.uniform(0, 2 * pi))

    return spot
