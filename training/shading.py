"""What light does at the points that rays meet, as compiled loops over samples; render.py casts the rays.

A sample is one ray of the camera. Arrays over samples are of one length N; directions are in the world's frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from depthwire.training.materials import LEVELS, Palette, Pool
from depthwire.training.mesh import Floats
from depthwire.training.samples import Lights, Samples, Shape, compiled
from depthwire.training.tiles import SIDE

POLISHED = 0.6
"""Shine above which a surface mirrors the scene; below, it mirrors the sky or the room's light at large."""


@compiled
def noise_of(a: int, b: int) -> float:
    """A number in 0…1 that depends on both integers."""
    x = np.uint32(a * 747796405 + b * 277803737 + 12345)
    x = np.uint32((x ^ (x >> np.uint32(16))) * np.uint32(2246822519))
    x = np.uint32((x ^ (x >> np.uint32(13))) * np.uint32(3266489917))
    return float(x ^ (x >> np.uint32(16))) / 4294967296.0


@compiled
def _normal(shape: Shape, rays: Samples, i: int) -> tuple[float, float, float, float, float, float]:
    """The face's normal and the curved surface's at a hit, both turned towards the ray's origin."""
    face = rays.face[i]
    gx, gy, gz = shape.normal[face, 0], shape.normal[face, 1], shape.normal[face, 2]
    dx, dy, dz = rays.direction[i, 0], rays.direction[i, 1], rays.direction[i, 2]
    side = -1.0 if gx * dx + gy * dy + gz * dz > 0 else 1.0
    gx, gy, gz = gx * side, gy * side, gz * side
    if not shape.smooth[face]:
        return gx, gy, gz, gx, gy, gz
    u, v = rays.u[i], rays.v[i]
    corner = shape.corners
    nx = side * (corner[face, 0, 0] * (1 - u - v) + corner[face, 1, 0] * u + corner[face, 2, 0] * v)
    ny = side * (corner[face, 0, 1] * (1 - u - v) + corner[face, 1, 1] * u + corner[face, 2, 1] * v)
    nz = side * (corner[face, 0, 2] * (1 - u - v) + corner[face, 1, 2] * u + corner[face, 2, 2] * v)
    scale = 1 / max((nx * nx + ny * ny + nz * nz) ** 0.5, 1e-6)
    return gx, gy, gz, nx * scale, ny * scale, nz * scale


@compiled
def _received(
    lights: Lights, k: int, x: float, y: float, z: float, nx: float, ny: float, nz: float
) -> tuple[float, float, float, float]:
    """Direction to a source (unit) and what a surface receives of it, as a factor of its colour, shadows aside."""
    lx, ly, lz = lights.place[k, 0], lights.place[k, 1], lights.place[k, 2]
    fade = 1.0
    if k > 0:
        lx, ly, lz = lx - x, ly - y, lz - z
        square = lx * lx + ly * ly + lz * lz + 1e-4
        length = 1 / square**0.5
        lx, ly, lz = lx * length, ly * length, lz * length
        fade = 1 / max(square, 0.01)
    return lx, ly, lz, fade * max(nx * lx + ny * ly + nz * lz, 0.0)


@compiled
def secondary_rays(
    shape: Shape, lights: Lights, rays: Samples, seed: int, columns: int, radius: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Rays to ask what light reaches each sample.

    Returns origins (N, 3) just off the surface; directions (N, 3) to one source each, drawn in proportion to what it
    gives (the sun is 0.34° in radius, lamps are 5 cm); directions (N, 3) up to `radius` long into the hemisphere,
    cosine weighted; both end at length one. And (N,) whether a source can matter: 1, or 0 where no ray is needed.
    """
    count = len(rays.face)
    origin = np.zeros((count, 3), np.float32)
    light = np.zeros((count, 3), np.float32)
    around = np.zeros((count, 3), np.float32)
    lit = np.zeros(count, np.float32)
    shares = np.empty(len(lights.place))
    for i in range(count):
        if rays.face[i] < 0:
            continue
        gx, gy, gz, nx, ny, nz = _normal(shape, rays, i)
        t = rays.reach[i]
        x = rays.origin[i, 0] + t * rays.direction[i, 0]
        y = rays.origin[i, 1] + t * rays.direction[i, 1]
        z = rays.origin[i, 2] + t * rays.direction[i, 2]
        off = 1e-3 + 2e-4 * t
        origin[i, 0], origin[i, 1], origin[i, 2] = x + gx * off, y + gy * off, z + gz * off
        # A dither over the pixels (interleaved gradient noise, Jimenez, SIGGRAPH 2014): neighbours differ most.
        row, column = i // columns, i % columns
        dither = (52.9829189 * ((0.06711056 * column + 0.00583715 * row + 0.137 * (seed % 64)) % 1.0)) % 1.0
        total = 0.0
        for k in range(len(lights.place)):
            weight = lights.colour[k, 0] + lights.colour[k, 1] + lights.colour[k, 2]
            shares[k] = weight * _received(lights, k, x, y, z, nx, ny, nz)[3]
            total += shares[k]
        if total > 1e-5:
            left = dither * total
            pick = 0
            for k in range(len(lights.place)):
                if shares[k] > 0:
                    pick = k
                    left -= shares[k]
                    if left < 0:
                        break
            jx, jy, jz = noise_of(i, seed) - 0.5, noise_of(i, seed + 1) - 0.5, noise_of(i, seed + 2) - 0.5
            if pick == 0:
                far = 1e4
                spread = 0.012
                light[i, 0] = (lights.place[0, 0] + spread * jx) * far
                light[i, 1] = (lights.place[0, 1] + spread * jy) * far
                light[i, 2] = (lights.place[0, 2] + spread * jz) * far
            else:
                light[i, 0] = (lights.place[pick, 0] + 0.1 * jx - origin[i, 0]) * 0.93
                light[i, 1] = (lights.place[pick, 1] + 0.1 * jy - origin[i, 1]) * 0.93
                light[i, 2] = (lights.place[pick, 2] + 0.1 * jz - origin[i, 2]) * 0.93
            lit[i] = 1.0
        # Cosine-weighted: the normal plus a point of the unit sphere.
        up = 2 * noise_of(i, seed + 3) - 1
        turn = 2 * np.pi * ((dither + noise_of(i, seed + 4) * 0.25) % 1.0)
        flat = max(1 - up * up, 0.0) ** 0.5
        far = radius * (0.1 + 0.9 * noise_of(i, seed + 5))
        around[i, 0] = far * (gx * 1.001 + flat * np.cos(turn))
        around[i, 1] = far * (gy * 1.001 + flat * np.sin(turn))
        around[i, 2] = far * (gz * 1.001 + up)
    return origin, light, around, lit


@compiled
def _between(texels: Any, tile: int, k: int, a: int, b: int, c: int, d: int, fx: float, fy: float) -> float:
    """Channel k amid four texels."""
    upper = texels[tile, a, k] * (1 - fx) + texels[tile, b, k] * fx
    lower = texels[tile, c, k] * (1 - fx) + texels[tile, d, k] * fx
    return float(upper * (1 - fy) + lower * fy)


@compiled
def _texel(pool: Pool, tile: int, u: float, v: float, level: int) -> tuple[float, float, float, float, float, float]:
    """Bilinear look-up: share, red, green and blue gain, and how the green gain rises along u and v in a tile."""
    side = SIDE >> level
    start = pool.starts[level]
    x, y = u * side - 0.5, v * side - 0.5
    left, top = int(np.floor(x)), int(np.floor(y))
    fx, fy = x - left, y - top
    x0, x1 = left & (side - 1), (left + 1) & (side - 1)
    y0, y1 = (top & (side - 1)) * side + start, ((top + 1) & (side - 1)) * side + start
    texels = pool.texels
    a, b, c, d = y0 + x0, y0 + x1, y1 + x0, y1 + x1
    share = _between(texels, tile, 0, a, b, c, d, fx, fy) / 255.0
    red = _between(texels, tile, 1, a, b, c, d, fx, fy) / 128.0
    green = _between(texels, tile, 2, a, b, c, d, fx, fy) / 128.0
    blue = _between(texels, tile, 3, a, b, c, d, fx, fy) / 128.0
    ga, gb = float(texels[tile, a, 2]), float(texels[tile, b, 2])
    gc, gd = float(texels[tile, c, 2]), float(texels[tile, d, 2])
    slope_u = ((gb - ga) * (1 - fy) + (gd - gc) * fy) / 128.0 * side
    slope_v = ((gc - ga) * (1 - fx) + (gd - gb) * fx) / 128.0 * side
    return share, red * red, green * green, blue * blue, slope_u, slope_v


@compiled
def _level(footprint: float, dither: float) -> int:
    """Mip level for a pixel that covers this share of a tile's side; a dither of 0…1 hides where levels meet."""
    texels = footprint * SIDE * (0.7 + 0.7 * dither)
    level = 0
    while texels >= 2 and level < LEVELS - 1:
        texels *= 0.5
        level += 1
    return level


@compiled
def sky_colour(lights: Lights, pool: Pool, dx: float, dy: float, dz: float) -> tuple[float, float, float]:
    """What is seen in a direction (unit) where no surface is: gradient, clouds, haze, the sun's glow."""
    height = max(dz, 0.0)
    blend = height**0.55
    red = lights.horizon[0] + (lights.zenith[0] - lights.horizon[0]) * blend
    green = lights.horizon[1] + (lights.zenith[1] - lights.horizon[1]) * blend
    blue = lights.horizon[2] + (lights.zenith[2] - lights.horizon[2]) * blend
    sx, sy, sz = lights.place[0, 0], lights.place[0, 1], lights.place[0, 2]
    towards = max(dx * sx + dy * sy + dz * sz, 0.0)
    if lights.clouds > 0 and dz > 0.01:
        scale = 0.22 / (dz + 0.08)
        big = _texel(pool, lights.cloud_tile, dx * scale, dy * scale, 0)
        small = _texel(pool, lights.cloud_tile, dx * scale * 3.7, dy * scale * 3.7, 1)
        density = 0.7 * big[0] + 0.3 * small[0] + lights.clouds - 0.75
        cover = min(max(density * 4.0, 0.0), 1.0) * min(dz * 8, 1.0)
        bright = (1.25 - 0.6 * min(max(density, 0.0), 1.0)) * (0.35 + 0.65 * big[2])
        white = (lights.ambient[0, 0] + lights.ambient[0, 1] + lights.ambient[0, 2]) / 3
        red += cover * (bright * (0.9 * white + 0.35 * lights.colour[0, 0]) - red)
        green += cover * (bright * (0.9 * white + 0.35 * lights.colour[0, 1]) - green)
        blue += cover * (bright * (0.95 * white + 0.35 * lights.colour[0, 2]) - blue)
    glow = 0.35 * towards**12 + 0.9 * towards**180 + (30.0 if towards > 0.99993 else 0.0)
    glow *= 0.35 if lights.clouds > 0.6 else 1.0
    haze = 1 - np.exp(-lights.fog[3] * 60.0 / (0.03 + height))  # as if the air ended 60 m up
    red = (red + glow * lights.colour[0, 0]) * (1 - haze) + lights.fog[0] * haze
    green = (green + glow * lights.colour[0, 1]) * (1 - haze) + lights.fog[1] * haze
    blue = (blue + glow * lights.colour[0, 2]) * (1 - haze) + lights.fog[2] * haze
    return red, green, blue


@compiled
def shade(
    shape: Shape,
    lights: Lights,
    palette: Palette,
    pool: Pool,
    rays: Samples,
    visible: Floats,
    open_sky: Floats,
    pixel_angle: float,
    seed: int,
) -> tuple[Floats, Floats]:
    """Linear RGB (N, 3) of samples, and (N, 4): the mirrored direction and how much of it a polished surface returns.

    visible, open_sky: (N,) shares of direct and of ambient light that arrive. pixel_angle: tangent of a pixel's width.
    """
    count = len(rays.face)
    colour = np.empty((count, 3), np.float32)
    mirror = np.zeros((count, 4), np.float32)
    for i in range(count):
        dx, dy, dz = rays.direction[i, 0], rays.direction[i, 1], rays.direction[i, 2]
        length = (dx * dx + dy * dy + dz * dz) ** 0.5
        t = rays.reach[i]
        x, y, z = rays.origin[i, 0] + t * dx, rays.origin[i, 1] + t * dy, rays.origin[i, 2] + t * dz
        dx, dy, dz = dx / length, dy / length, dz / length
        face = rays.face[i]
        if face < 0:
            colour[i, 0], colour[i, 1], colour[i, 2] = sky_colour(lights, pool, dx, dy, dz)
            continue
        gx, gy, gz, nx, ny, nz = _normal(shape, rays, i)
        m = shape.material[face]

        # Tangents: on a flat upright face along the ground and down the face, else the world's axes.
        ax, ay, az = abs(gx), abs(gy), abs(gz)
        if az > 0.9 or (shape.smooth[face] and az >= ax and az >= ay):
            ux, uy, uz, vx, vy, vz, wall = 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1
        elif shape.smooth[face]:
            ux, uy, uz = (0.0, 1.0, 0.0) if ax > ay else (1.0, 0.0, 0.0)
            vx, vy, vz, wall = 0.0, 0.0, -1.0, 0
        else:
            flat = 1 / (gx * gx + gy * gy) ** 0.5
            fnx, fny, fnz = shape.normal[face, 0], shape.normal[face, 1], shape.normal[face, 2]
            ux, uy, uz = -fny * flat, fnx * flat, 0.0
            vx, vy, vz, wall = fnz * uy, -fnz * ux, fny * ux - fnx * uy, 0
        pu, pv = ux * x + uy * y + uz * z, vx * x + vy * y + vz * z
        cosine, sine = palette.turn[m, wall]
        scale = palette.per_metre[m]
        tu = (cosine * pu + sine * pv) * scale + palette.offset[m, 0]
        tv = (cosine * pv - sine * pu) * scale + palette.offset[m, 1]

        facing = max(-(gx * dx + gy * dy + gz * dz), 0.02)
        footprint = t * length * pixel_angle / (facing * facing**0.5) ** 0.5
        level = _level(footprint * scale, noise_of(i, seed + 5))
        share, red, green, blue, slope_u, slope_v = _texel(pool, palette.tile[m], tu, tv, level)
        level = _level(footprint / 7.0, 0.5)
        dirt = _texel(pool, lights.cloud_tile, pu / 7.0 + palette.offset[m, 1], pv / 7.0, level)
        tone = 1 + palette.dirt[m] * 2.5 * (dirt[0] - 0.5) * 2
        first, second, two = (1 - share) * tone, share * tone, palette.colours
        red *= first * two[m, 0, 0] + second * two[m, 1, 0]
        green *= first * two[m, 0, 1] + second * two[m, 1, 1]
        blue *= first * two[m, 0, 2] + second * two[m, 1, 2]

        relief = palette.bump[m]
        bu = max(min(relief * (slope_u * cosine - slope_v * sine), 0.5), -0.5)
        bv = max(min(relief * (slope_u * sine + slope_v * cosine), 0.5), -0.5)
        nx, ny, nz = nx - bu * ux - bv * vx, ny - bu * uy - bv * vy, nz - bu * uz - bv * vz
        scale = 1 / max((nx * nx + ny * ny + nz * nz) ** 0.5, 1e-6)
        nx, ny, nz = nx * scale, ny * scale, nz * scale

        shine = palette.shine[m]
        power = 6.0 + 150.0 * shine * shine
        sr, sg, sb, hr, hg, hb = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(len(lights.place)):
            lx, ly, lz, factor = _received(lights, k, x, y, z, nx, ny, nz)
            if factor <= 0:
                continue
            source_r, source_g, source_b = lights.colour[k, 0], lights.colour[k, 1], lights.colour[k, 2]
            sr, sg, sb = sr + factor * source_r, sg + factor * source_g, sb + factor * source_b
            if shine > 0.02:
                kx, ky, kz = lx - dx, ly - dy, lz - dz
                half = max(nx * kx + ny * ky + nz * kz, 0.0) / max((kx * kx + ky * ky + kz * kz) ** 0.5, 1e-6)
                peak = factor * shine * 0.04 * (power + 8) * 0.125 * half / (power - power * half + half)
                hr, hg, hb = hr + peak * source_r, hg + peak * source_g, hb + peak * source_b
        lit, sky_share = visible[i], open_sky[i]
        up = 0.5 + 0.5 * nz
        ambient = lights.ambient
        above, level_ = max(2 * up - 1, 0.0), 1 - abs(2 * up - 1)
        below = max(1 - 2 * up, 0.0)
        glow = palette.glow[m]
        er = sr * lit + (ambient[0, 0] * above + ambient[1, 0] * level_ + ambient[2, 0] * below) * sky_share + glow
        eg = sg * lit + (ambient[0, 1] * above + ambient[1, 1] * level_ + ambient[2, 1] * below) * sky_share + glow
        eb = sb * lit + (ambient[0, 2] * above + ambient[1, 2] * level_ + ambient[2, 2] * below) * sky_share + glow
        red, green, blue = red * er + hr * lit, green * eg + hg * lit, blue * eb + hb * lit

        # Schlick's approximation of Fresnel's law for what is mirrored.
        if shine > 0.15:
            into = max(-(nx * dx + ny * dy + nz * dz), 0.0)
            strength = shine * shine * (0.04 + 0.96 * (1 - into) ** 5)
            red, green, blue = red * (1 - strength), green * (1 - strength), blue * (1 - strength)
            mx, my, mz = dx + 2 * into * nx, dy + 2 * into * ny, dz + 2 * into * nz
            if shine > POLISHED and strength > 0.05:
                rough = 0.25 * (1 - shine)
                mirror[i, 0] = mx + rough * (noise_of(i, seed + 6) - 0.5)
                mirror[i, 1] = my + rough * (noise_of(i, seed + 7) - 0.5)
                mirror[i, 2] = mz + rough * (noise_of(i, seed + 8) - 0.5)
                mirror[i, 3] = strength
            elif lights.outdoors and mz > 0:
                skyr, skyg, skyb = sky_colour(lights, pool, mx, my, mz)
                part = strength * sky_share
                red, green, blue = (
                    red + part * min(skyr, 2.0),
                    green + part * min(skyg, 2.0),
                    blue + part * min(skyb, 2.0),
                )
            else:
                part = 0.5 * strength * sky_share
                red, green, blue = red + part * ambient[1, 0], green + part * ambient[1, 1], blue + part * ambient[1, 2]

        clear = np.exp(-t * length * lights.fog[3]) if lights.fog[3] > 0 else 1.0
        colour[i, 0] = red * clear + lights.fog[0] * (1 - clear)
        colour[i, 1] = green * clear + lights.fog[1] * (1 - clear)
        colour[i, 2] = blue * clear + lights.fog[2] * (1 - clear)
        mirror[i, 3] *= clear
    return colour, mirror
