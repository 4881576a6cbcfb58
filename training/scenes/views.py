"""Where a camera can stand in a scene: candidates are tried with a bundle of rays; those that see something stay."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from embreex.mesh_construction import TriangleMesh  # type: ignore[import-untyped]
from embreex.rtcore_scene import EmbreeScene  # type: ignore[import-untyped]
from numpy.typing import NDArray

from depthwire.training.mesh import Mesh, rotation
from depthwire.training.scene import Viewpoint

ROWS, COLUMNS = 9, 12
"""Rays of one view's bundle."""
FREE_M = 0.28
"""Nearest surface about the optical axis."""
FREE_AROUND_M = 0.2
"""Nearest surface anywhere in the picture."""
MOST_BACKS = 0.5
"""Share of rays that may meet a surface from behind before a camera counts as inside of something."""


class Probe:
    """Rays at a mesh."""

    def __init__(self, mesh: Mesh) -> None:
        self._scene = EmbreeScene()
        corners = np.ascontiguousarray(mesh.vertices[mesh.faces], np.float32)
        TriangleMesh(self._scene, corners)
        self._normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])

    def cast(self, origins: NDArray[np.float32], directions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Distances (N,) in metres along unit directions (N, 3); +inf where nothing is hit."""
        start, along = (np.ascontiguousarray(rays, np.float32) for rays in (origins, directions))
        distance = np.asarray(self._scene.run(start, along, query="DISTANCE"), np.float32)
        return np.where(distance > 1e6, np.inf, distance).astype(np.float32)

    def look(self, views: list[Viewpoint]) -> NDArray[np.float32]:
        """Distances along each view's bundle, (len(views), ROWS, COLUMNS), for a picture of 4:3."""
        return self.cast(*_bundles(views)).reshape(len(views), ROWS, COLUMNS)

    def backs(self, views: list[Viewpoint]) -> NDArray[np.float32]:
        """Share of each view's rays that meet a surface from behind, (len(views),); most do inside a thing."""
        start, along = _bundles(views)
        found = np.asarray(self._scene.run(start, along, query="INTERSECT"))
        behind = (self._normals[np.maximum(found, 0)] * along).sum(axis=1) > 0
        return np.asarray((behind & (found >= 0)).reshape(len(views), -1).mean(axis=1), np.float32)


def _bundles(views: list[Viewpoint]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Origins and directions of all rays of the views, (len(views) × ROWS × COLUMNS, 3) each."""
    x, y = np.meshgrid(np.linspace(-1, 1, COLUMNS), np.linspace(0.75, -0.75, ROWS))
    directions = np.empty((len(views), ROWS * COLUMNS, 3), np.float32)
    for k, view in enumerate(views):
        half = np.tan(view.horizontal_fov / 2)
        rays = np.stack([x.ravel() * half, np.ones(x.size), y.ravel() * half], axis=1)
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        directions[k] = rays @ rotation(view.yaw, view.pitch, view.roll).T
    origins = np.repeat(np.array([view.position for view in views], np.float32), ROWS * COLUMNS, axis=0)
    return origins, directions.reshape(-1, 3)


def usable(
    distances: NDArray[np.float32], sky: float = 0.45, spread: float = 1.35, near: float = 0.35, edges: float = 0.07
) -> NDArray[np.bool_]:
    """Which of the bundles (N, ROWS, COLUMNS) show a free view: not inside a thing, not a bare wall, not only sky.

    sky: largest share of rays that hit nothing; spread: least ratio of the 90th to the 10th percentile of distance;
    near: largest share of rays that end within 0.45 m; edges: least share of neighbouring rays whose distances differ
    by more than 15 %.
    """
    middle = distances[:, 2:-2, 3:-3].reshape(len(distances), -1)
    every = distances.reshape(len(distances), -1)
    far = np.where(np.isfinite(every), every, 1000.0)
    low, half, high = np.percentile(far, [10, 50, 90], axis=1)
    free = (middle.min(axis=1) >= FREE_M) & (every.min(axis=1) >= FREE_AROUND_M)
    shows = (np.isinf(every).mean(axis=1) <= sky) & (high / np.maximum(low, 1e-3) >= spread) & (half > 0.45)
    logs = np.log(np.where(np.isfinite(distances), distances, 1000.0))
    jumps = (np.abs(np.diff(logs, axis=2)) > 0.14).mean(axis=(1, 2)) + (np.abs(np.diff(logs, axis=1)) > 0.3).mean(
        axis=(1, 2)
    )
    shows &= jumps >= edges
    return np.asarray(free & shows & ((every < 0.45).mean(axis=1) <= near))


def choose(mesh: Mesh, candidates: Iterable[Viewpoint], count: int = 8, least: int = 6) -> list[Viewpoint]:
    """The first `count` usable views of the candidates, which are tried in batches of 24; at least `least` if possible.

    Where too few pass, views of less spread and more sky fill up, but never blocked ones.
    """
    probe, kept, spare = Probe(mesh), list[Viewpoint](), list[Viewpoint]()
    batch: list[Viewpoint] = []
    queue = iter(candidates)
    while len(kept) < count:
        batch = [view for view, _ in zip(queue, range(24), strict=False)]
        if not batch:
            break
        distances = probe.look(batch)
        inside = probe.backs(batch) > MOST_BACKS
        good = usable(distances) & ~inside
        passable = usable(distances, sky=0.7, spread=1.2, near=0.5, edges=0.0) & ~good & ~inside
        kept += [view for view, fine in zip(batch, good, strict=True) if fine]
        spare += [view for view, fine in zip(batch, passable, strict=True) if fine]
    if len(kept) < least:
        kept += spare[: least - len(kept)]
    return kept[:count]
