"""From a world to a photograph of it: lamplight, sunlight, reflections, and what a camera makes of them.

scene.py calls `picture_of`.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depthwire.client.demo.raycaster import EPSILON_M, Camera, Floats, Ints, World
from depthwire.client.demo.room import (
    AMBIENT,
    CEILING,
    GLOBE,
    LAMP_CENTRE,
    LAMP_RADIUS,
    PANE,
    PANEL,
    SUN_IRRADIANCE,
    TO_SUN,
    WEST,
    WINDOW_HIGH,
    WINDOW_LOW,
    WINDOW_NORTH,
    WINDOW_SOUTH,
)
from depthwire.client.demo.textures import SEED

RAYS_PER_CHUNK = 1 << 15  # small enough that a chunk's arrays stay in the processor's cache
BRIGHTEST_BOUNCE = 2.0  # radiance; cuts the rare bright specks that filtering would spread


def _normals(world: World, points: Floats, index: Ints) -> Floats:
    """(3, N) outward world normals at hits."""
    normals = np.zeros_like(points)
    for number in np.unique(index):
        if number >= 0:
            shape, here = world.shapes[number], index == number
            normals[:, here] = shape.turn.astype(points.dtype) @ shape.local_normal(points[:, here])
    return normals


def _surface(world: World, points: Floats, index: Ints, *, detailed: bool) -> tuple[Floats, Floats]:
    """Albedo and emitted radiance (3, N) at hits; without `detailed`, each material's plain colour."""
    albedo, glow = np.zeros_like(points), np.zeros_like(points)
    for number in np.unique(index):
        if number < 0:
            continue
        shape, here = world.shapes[number], index == number
        material = shape.material
        colour = np.repeat(np.asarray(material.colour, points.dtype)[:, None], here.sum(), axis=1)
        if detailed and material.texture is not None:
            colour = material.texture(shape.local(points[:, here]), shape.local_normal(points[:, here]))
        if material.glow is not None:
            shaped = colour if material.texture is not None and detailed else np.ones_like(colour)
            glow[:, here] = np.asarray(material.glow, points.dtype)[:, None] * shaped
        else:
            albedo[:, here] = np.clip(colour, 0.005, 0.9)
    return albedo, glow


def _lamplight(world: World, points: Floats, normals: Floats, rng: np.random.Generator) -> Floats:
    """(3, N) irradiance from window, lamp and corridor light, with soft shadows from one random point on each.

    One of the three is followed, chosen in proportion to what it would give unshadowed and weighted back.
    """
    n = points.shape[1]
    random = rng.random((2, n), dtype=np.float32)
    window = np.stack(
        [
            np.full(n, WEST - 0.17, np.float32),
            WINDOW_LOW + (WINDOW_HIGH - WINDOW_LOW) * random[0],
            WINDOW_SOUTH + (WINDOW_NORTH - WINDOW_SOUTH) * random[1],
        ]
    )
    panel = np.stack([1.0 + 0.5 * random[0], np.full(n, CEILING - 0.04, np.float32), 7.6 + 1.2 * random[1]])
    angle, height = 2 * np.pi * random[0], 2 * random[1] - 1
    ring = np.sqrt(1 - height * height)
    globe = LAMP_CENTRE[:, None].astype(np.float32) + LAMP_RADIUS * np.stack(
        [ring * np.cos(angle), height, ring * np.sin(angle)]
    )
    window_area = (WINDOW_HIGH - WINDOW_LOW) * (WINDOW_NORTH - WINDOW_SOUTH)
    lights = [  # point on it, emitted radiance × area (× mean cosine for the ball), facing
        (window, PANE, window_area, np.array([1, 0, 0])),
        (panel, PANEL, 0.6, np.array([0, -1, 0])),
        (globe, GLOBE, math.pi * LAMP_RADIUS**2, None),
    ]
    gains, ways = [], []
    for place, material, area, facing in lights:
        way = place - points
        squared = (way * way).sum(axis=0)
        distance = np.sqrt(squared)
        cosine = np.maximum((way * normals).sum(axis=0) / distance, 0)
        turned = 1.0 if facing is None else np.maximum(-(way * facing[:, None]).sum(axis=0) / distance, 0)
        gains.append(np.asarray(material.glow, np.float32)[:, None] * (area * cosine * turned / squared))
        ways.append(way)
    weights = np.stack([gain.sum(axis=0) for gain in gains])
    total = weights.sum(axis=0)
    chosen = (rng.random(n, dtype=np.float32) * total > np.cumsum(weights, axis=0)[:-1]).sum(axis=0)
    columns = np.arange(n)
    gain = np.stack(gains)[chosen, :, columns].T * (total / np.maximum(weights[chosen, columns], 1e-12))
    way = np.stack(ways)[chosen, :, columns].T
    return _unshadowed(world, points, normals, way * np.float32(0.999), gain)


def _sunlight(world: World, points: Floats, normals: Floats, rng: np.random.Generator) -> Floats:
    """(3, N) irradiance from the sun, a disc a degree wide that shines in through the window only."""
    spread = rng.normal(0, 0.005, (3, points.shape[1])).astype(np.float32)
    to_sun = (TO_SUN / np.linalg.norm(TO_SUN)).astype(np.float32)[:, None] + spread
    reach = (WEST - 0.15 - points[0]) / to_sun[0]
    way = to_sun * reach
    _, y, z = points + way
    through = (y > WINDOW_LOW) & (y < WINDOW_HIGH) & (z > WINDOW_SOUTH) & (z < WINDOW_NORTH) & (reach > 0)
    gain = SUN_IRRADIANCE[:, None] * (np.maximum((to_sun * normals).sum(axis=0), 0) * through)
    return _unshadowed(world, points, normals, way, gain)


def _unshadowed(world: World, points: Floats, normals: Floats, way: Floats, gain: Floats) -> Floats:
    """`gain` (3, N), set to zero where something stands on the `way` to the light."""
    lit = np.flatnonzero(gain.sum(axis=0) > 1e-5)
    start = points[:, lit] + normals[:, lit] * np.float32(EPSILON_M)
    shadowed = world.blocked(start, way[:, lit])
    result = np.zeros_like(gain)
    result[:, lit] = gain[:, lit] * ~shadowed
    return result


def _follow(world: World, origins: Floats, directions: Floats, rng: np.random.Generator, *, mirror: bool) -> Floats:
    """Radiance (3, N) that arrives along rays; the lamps themselves only show in a `mirror`."""
    distance, index = world.trace(origins, directions)
    points = origins + directions * np.where(np.isfinite(distance), distance, 0)
    normals = _normals(world, points, index)
    albedo, glow = _surface(world, points, index, detailed=mirror)
    light = _lamplight(world, points, normals, rng) + _sunlight(world, points, normals, rng) + AMBIENT[:, None]
    radiance = albedo / np.float32(math.pi) * light
    arriving: Floats = radiance + glow if mirror else np.minimum(radiance, BRIGHTEST_BOUNCE)
    return arriving


def _around(normals: Floats, rng: np.random.Generator) -> Floats:
    """(3, N) random unit directions about the normals, cosine-distributed: normal plus a point on the unit ball."""
    ball_points = rng.normal(size=normals.shape).astype(np.float32)
    scattered = normals + ball_points / np.linalg.norm(ball_points, axis=0) * np.float32(0.999)
    unit: Floats = scattered / np.linalg.norm(scattered, axis=0)
    return unit


@dataclass(frozen=True)
class Shading:
    """What one ray per sub-pixel found; (3, N) linear light unless said otherwise."""

    albedo: Floats
    glow: Floats
    soft: Floats  # irradiance from lamps and from the walls, noisy
    sun: Floats  # irradiance from the sun, sharp
    mirrored: Floats  # radiance reflected by gloss
    points: Floats
    normals: Floats
    paint: Ints  # (N,) which material, as a number


def _shade(world: World, origins: Floats, directions: Floats, samples: int, rng: np.random.Generator) -> Shading:
    distance, index = world.trace(origins, directions)
    points = origins + directions * np.where(np.isfinite(distance), distance, 0)
    normals = _normals(world, points, index)
    albedo, glow = _surface(world, points, index, detailed=True)
    soft, sun, mirrored = np.zeros_like(points), np.zeros_like(points), np.zeros_like(points)
    materials = [shape.material for shape in world.shapes]
    paint = np.array([materials.index(m) for m in materials] + [-1], np.int32)[index]
    start = points + normals * np.float32(EPSILON_M)
    reflectance, roughness = (
        np.array([getattr(m, name) for m in materials] + [0.0], np.float32)[index]
        for name in ("reflectance", "roughness")
    )
    glossy = np.flatnonzero(reflectance > 0)
    incoming = directions / np.linalg.norm(directions, axis=0)
    cosine = -(incoming * normals).sum(axis=0)
    mirror_way = incoming + 2 * cosine * normals
    for _ in range(samples):
        soft += _lamplight(world, points, normals, rng)
        sun += _sunlight(world, points, normals, rng)
        bounce = _follow(world, start, _around(normals, rng), rng, mirror=False)
        soft += bounce * np.float32(math.pi)
        rough = rng.normal(size=(3, glossy.size)).astype(np.float32) * roughness[glossy]
        seen = _follow(world, start[:, glossy], mirror_way[:, glossy] + rough, rng, mirror=True)
        mirrored[:, glossy] += np.minimum(seen, 6)
    # Schlick, "An inexpensive BRDF model for physically-based rendering" (1994), damped by roughness
    fresnel = reflectance + (1 - reflectance) * np.clip(1 - cosine, 0, 1) ** 5 / (1 + 18 * roughness)
    fresnel = np.where(reflectance > 0, fresnel, 0)
    return Shading(
        albedo * (1 - fresnel),
        glow,
        soft / samples,
        sun / samples,
        mirrored / samples * fresnel,
        points,
        normals,
        paint,
    )


def _smooth(light: Floats, shading: Shading, shape: tuple[int, int], passes: int) -> Floats:
    """Noise filtered out of `light` (3, N) but not across edges.

    The edge-avoiding à-trous wavelet transform of Dammertz et al. (HPG 2010) with a 3×3 kernel; a neighbour counts
    when it has the same material, lies in the same plane and faces the same way.
    """
    rows, columns = shape
    grid = light.reshape(3, rows, columns)
    points, normals = (a.reshape(3, rows, columns) for a in (shading.points, shading.normals))
    paint = shading.paint.reshape(rows, columns)
    for level in range(passes):
        step = 1 << level
        total, weight = grid.copy(), np.ones(shape, np.float32)
        for down, right in ((a, b) for a in (-step, 0, step) for b in (-step, 0, step) if a or b):
            here = (slice(max(0, -down), rows - max(0, down)), slice(max(0, -right), columns - max(0, right)))
            there = (slice(max(0, down), rows + min(0, down)), slice(max(0, right), columns + min(0, right)))
            at, near = (slice(None), *here), (slice(None), *there)
            facing = (normals[at] * normals[near]).sum(axis=0) > 0.9
            off_plane = np.abs((normals[at] * (points[near] - points[at])).sum(axis=0))
            share = ((paint[here] == paint[there]) & facing & (off_plane < 0.01)) * np.float32(
                0.5 if down and right else 0.7
            )
            total[at] += grid[near] * share
            weight[here] += share
        grid = total / weight
    return grid.reshape(3, -1)


def picture_of(world: World, camera: Camera, samples: int = 4, workers: int = 2) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 sRGB photograph of the world: 2×2 rays a pixel, `samples` light paths each, same every time."""
    rows, columns = 2 * camera.height, 2 * camera.width
    v, u = np.mgrid[0:rows, 0:columns].astype(np.float64)
    directions = camera.rays(u.ravel() / 2 - 0.25, v.ravel() / 2 - 0.25).astype(np.float32)
    eye = np.array(camera.position_m, np.float32)[:, None]

    def chunk(first: int) -> Shading:
        some = directions[:, first : first + RAYS_PER_CHUNK]
        origins = np.repeat(eye, some.shape[1], axis=1)
        return _shade(world, origins, some, samples, np.random.default_rng([SEED, first]))

    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(chunk, range(0, directions.shape[1], RAYS_PER_CHUNK)))
    whole = Shading(*(np.concatenate([getattr(p, name) for p in parts], axis=-1) for name in Shading.__annotations__))
    shape = (rows, columns)
    soft = _smooth(whole.soft, whole, shape, passes=5)
    mirrored = _smooth(whole.mirrored, whole, shape, passes=2)
    light = whole.albedo / np.float32(math.pi) * (soft + whole.sun) + mirrored + whole.glow
    return _developed(light.reshape(3, rows, columns))


def _developed(light: Floats, exposure: float = 1.45) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 from linear light (3, 2H, 2W): lens fall-off, film curve, sub-pixels averaged, sRGB, grain."""
    _, rows, columns = light.shape
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    exposed = light * exposure * (1 - 0.16 * (x * x + 0.7 * y * y))
    # Narkowicz, "ACES filmic tone mapping curve" (2016)
    film = np.clip(exposed * (2.51 * exposed + 0.03) / (exposed * (2.43 * exposed + 0.59) + 0.14), 0, 1)
    pixels = film.reshape(3, rows // 2, 2, columns // 2, 2).mean(axis=(2, 4)).transpose(1, 2, 0)
    srgb = np.where(pixels <= 0.0031308, 12.92 * pixels, 1.055 * pixels ** (1 / 2.4) - 0.055)
    grain = np.random.default_rng(SEED).normal(0, 0.006, (*srgb.shape[:2], 1))
    developed: NDArray[np.uint8] = (np.clip(srgb + grain, 0, 1) * 255 + 0.5).astype(np.uint8)
    return developed
