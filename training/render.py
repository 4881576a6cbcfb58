"""Pictures of a scene with their exact depth: rays are cast by Embree, light is summed by shading.py.

The dataset maker and preview.py call it. A picture is one ray for each pixel's centre, and four more rays where a
pixel borders on another surface; textures are mip-mapped, so that the inside of a surface needs no more.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from embreex.mesh_construction import TriangleMesh  # type: ignore[import-untyped]
from embreex.rtcore_scene import EmbreeScene  # type: ignore[import-untyped]
from numpy.typing import NDArray

from depthwire.training.materials import Palette, first_tile, pool
from depthwire.training.mesh import Floats, Mesh, rotation
from depthwire.training.samples import Lights, Samples, Shape
from depthwire.training.scene import Light, Pattern, Scene, Sky, Viewpoint
from depthwire.training.shading import secondary_rays, shade
from depthwire.training.smoothing import borrowed, edges, smoothed

_INSIDE_A_PIXEL = np.array([[-0.125, -0.375], [0.375, -0.125], [-0.375, 0.125], [0.125, 0.375]])
"""Samples of a border pixel, from its centre in pixels: 2 × 2, turned so that no two share a row or column."""
_CREASE = 0.6
"""Cosine of the largest angle between a face and the curved surface it is taken to be part of."""


class Picture(NamedTuple):
    """What a camera sees."""

    linear: Floats
    """(H, W, 3) linear RGB."""
    depth: Floats
    """(H, W), metres along the optical axis at the pixels' centres; +inf where the sky is."""


class Renderer:
    """Draws one scene from any number of viewpoints."""

    def __init__(self, scene: Scene, rng: np.random.Generator) -> None:
        """Prepare a scene: rng chooses its textures and, in `picture`, the noise of its light."""
        self._rng = rng
        self._reach = 1.5 if scene.outdoors else 0.7  # metres up to which corners darken
        self._palette = Palette.of(scene.materials, rng)
        self._shape = _shape(scene.mesh)
        self._lights = _lights(scene)
        self._casting = EmbreeScene()
        TriangleMesh(self._casting, np.ascontiguousarray(scene.mesh.vertices[scene.mesh.faces], np.float32))

    def picture(self, view: Viewpoint, width: int, height: int) -> Picture:
        """What a camera at `view` sees on width × height square pixels.

        The camera's right, forward and up axes are the columns of `rotation(yaw, pitch, roll)`.
        """
        seed = int(self._rng.integers(2**30))
        pixel = 2 * np.tan(view.horizontal_fov / 2) / width
        column, row = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
        centre = np.stack([column.ravel() + 0.5 - width / 2, row.ravel() + 0.5 - height / 2], axis=1)
        rays = self._cast(view, centre * pixel)
        light = self._light(rays, seed, height, width)
        colour = self._colour(rays, light, pixel, seed)

        border = np.flatnonzero(edges(self._shape, rays, height, width))
        if len(border):
            inside = self._cast(view, (centre[border, None] + _INSIDE_A_PIXEL).reshape(-1, 2) * pixel)
            light = borrowed(self._shape, inside, np.repeat(border, 4), rays, light, height, width)
            colour[border] = self._colour(inside, light, pixel / 2, seed).reshape(-1, 4, 3).mean(axis=1)
        depth = np.where(rays.face < 0, np.float32(np.inf), rays.reach)
        return Picture(colour.reshape(height, width, 3), depth.reshape(height, width))

    def _cast(self, view: Viewpoint, plane: NDArray[np.floating]) -> Samples:
        """Rays through points (N, 2) right of and below the optical axis at distance one: their reach is depth."""
        right, forward, up = rotation(view.yaw, view.pitch, view.roll).T.astype(np.float64)
        direction = (plane[:, :1] * right - plane[:, 1:] * up + forward).astype(np.float32)
        origin = np.broadcast_to(np.asarray(view.position, np.float32), direction.shape)
        return self._hits(np.ascontiguousarray(origin), direction)

    def _hits(self, origin: Floats, direction: Floats) -> Samples:
        found: dict[str, Any] = self._casting.run(origin, direction, query="INTERSECT", output=1)
        return Samples(origin, direction, found["tfar"], found["u"], found["v"], found["primID"])

    def _light(self, rays: Samples, seed: int, rows: int, columns: int) -> Floats:
        """Shares (N, 2) of direct and of ambient light that reach the pixels."""
        origin, source, around, lit = secondary_rays(self._shape, self._lights, rays, seed, columns, self._reach)
        light = np.ones((len(lit), 2), np.float32)
        every_second = np.arange(rows)[:, None] % 2 == np.arange(columns) % 2
        known = np.stack([lit, ((rays.face >= 0) & every_second.ravel()).astype(np.float32)], axis=1)
        for measure, (direction, dark) in enumerate(((source, 0.0), (around, 0.1))):
            asked = np.flatnonzero(known[:, measure] > 0)
            ends = np.ones(len(asked), np.float32)
            met = self._casting.run(origin[asked], direction[asked], ends, query="OCCLUDED") >= 0
            light[asked[met], measure] = dark
        for step in (1, 2) if len(self._lights.place) == 1 else (1, 2, 4):
            light = smoothed(self._shape, rays, light, known, rows, columns, step)
        return light

    def _colour(self, rays: Samples, light: Floats, pixel: float, seed: int) -> Floats:
        """Linear RGB (N, 3), with one mirrored ray where a surface is polished."""
        colour, mirror = self._shaded(rays, light, pixel, seed)
        polished = np.flatnonzero(mirror[:, 3] > 0)
        if len(polished):
            hit = rays.origin[polished] + rays.direction[polished] * rays.reach[polished, None]
            direction = np.ascontiguousarray(mirror[polished, :3])
            seen = self._hits(hit + 2e-3 * direction, direction)
            behind, _ = self._shaded(seen, np.full((len(polished), 2), 0.7, np.float32), 4 * pixel, seed)
            colour[polished] += behind * mirror[polished, 3:]
        return colour

    def _shaded(self, rays: Samples, light: Floats, pixel: float, seed: int) -> tuple[Floats, Floats]:
        direct, ambient = np.ascontiguousarray(light[:, 0]), np.ascontiguousarray(light[:, 1])
        return shade(self._shape, self._lights, self._palette, pool(), rays, direct, ambient, pixel, seed)


def _shape(mesh: Mesh) -> Shape:
    corner = mesh.vertices[mesh.faces]
    area = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    normal = area / np.maximum(np.linalg.norm(area, axis=1, keepdims=True), 1e-12)
    corners = np.repeat(normal[:, None], 3, axis=1)
    curved = np.flatnonzero(mesh.smooth)
    if len(curved):
        vertex = mesh.faces[curved].ravel()
        share = np.repeat(area[curved], 3, axis=0)
        total = np.stack([np.bincount(vertex, share[:, k], len(mesh.vertices)) for k in range(3)], axis=1)
        total = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
        mean = total[mesh.faces[curved]]
        fits = (mean * normal[curved, None]).sum(axis=2, keepdims=True) > _CREASE
        corners[curved] = np.where(fits, mean, corners[curved])
    return Shape(normal.astype(np.float32), corners.astype(np.float32), mesh.smooth, mesh.material.astype(np.int32))


def _lights(scene: Scene) -> Lights:
    light: Light = scene.light
    sky: Sky = scene.sky
    sunny = light.sun_direction is not None
    place = [light.sun_direction or (0.0, 0.0, 1.0), *(lamp.position for lamp in light.lamps)]
    colour = [light.sun if sunny else (0.0, 0.0, 0.0), *(lamp.colour for lamp in light.lamps)]
    ambient = np.array(light.ambient, np.float32)
    levels = (1.0, 0.75, 0.45) if scene.outdoors else (1.0, 0.9, 0.75)
    fog = (*scene.fog_colour, 1 / scene.fog_m if scene.fog_m else 0.0)
    cloudy = first_tile(Pattern.NOISE)
    return Lights(
        np.array(place, np.float32),
        np.array(colour, np.float32),
        np.array([ambient * level for level in levels], np.float32),
        np.array(sky.zenith, np.float32),
        np.array(sky.horizon, np.float32),
        float(sky.clouds),
        cloudy,
        np.array(fog, np.float32),
        scene.outdoors,
    )
