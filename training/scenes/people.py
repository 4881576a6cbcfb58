"""Human figures of some hundred triangles for the layouts, indoors and out: poses, clothes, hair, bags.

Material indices: a person takes them from a Wardrobe. `wardrobe(rng, materials)` appends skins, hairs and cloths to a
scene's list of materials and gives their indices; make one for a scene, then call `person(rng, wardrobe)` for each of
the people. A person stands (or sits) with the lowest point on z = 0 and looks along +y; move and turn it as any mesh.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, radians, sin
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from depthwire.training.mesh import Floats, Mesh, box, cylinder, join, revolved, sheet, sphere, tube
from depthwire.training.scene import Colour, Material, Pattern
from depthwire.training.scenes.instances import rods

Pose = Literal["stand", "walk", "sit", "bend", "raise", "crouch", "hold"]
POSES: tuple[Pose, ...] = ("stand", "walk", "sit", "bend", "raise", "crouch", "hold")
UPRIGHT: tuple[Pose, ...] = ("stand", "walk", "raise", "hold")
SEAT_M = 0.44
"""Height of the seat on which a grown person of pose "sit" sits."""

_SKINS: tuple[Colour, ...] = (
    (0.62, 0.42, 0.32), (0.5, 0.31, 0.22), (0.36, 0.2, 0.13), (0.2, 0.11, 0.07), (0.09, 0.05, 0.035), (0.68, 0.5, 0.42),
)  # fmt: skip
_HAIRS: tuple[Colour, ...] = (
    (0.015, 0.012, 0.01), (0.06, 0.035, 0.02), (0.14, 0.08, 0.04), (0.4, 0.28, 0.13), (0.35, 0.34, 0.33),
    (0.22, 0.07, 0.03),
)  # fmt: skip


@dataclass(frozen=True)
class Wardrobe:
    """Indices of the scene's materials from which people are dressed."""

    skins: tuple[int, ...]
    hairs: tuple[int, ...]
    cloths: tuple[int, ...]
    leather: int
    """Shoes, belts, bags."""


def wardrobe(rng: np.random.Generator, materials: list[Material], cloths: int = 8) -> Wardrobe:
    """Appends the materials of people to a scene's list: two skins, two hairs, some cloths, one leather."""
    first = len(materials)
    skins = [_SKINS[i] for i in rng.permutation(len(_SKINS))[:2]]
    hairs = [_HAIRS[i] for i in rng.permutation(len(_HAIRS))[:2]]
    materials += [Material(Pattern.PLAIN, colour, colour, 0.3, shine=0.08, tag="skin") for colour in skins]
    materials += [Material(Pattern.NOISE, colour, _shade(colour, 0.5), 0.1, shine=0.2, tag="hair") for colour in hairs]
    materials += [_cloth(rng) for _ in range(cloths)]
    leather = (0.02, 0.018, 0.016) if rng.random() < 0.6 else (0.12, 0.06, 0.03)
    materials.append(Material(Pattern.PLAIN, leather, leather, 0.3, shine=0.3, tag="leather"))
    index = range(first, len(materials))
    return Wardrobe(tuple(index[:2]), tuple(index[2:4]), tuple(index[4 : 4 + cloths]), index[-1])


def _cloth(rng: np.random.Generator) -> Material:
    if rng.random() < 0.45:  # greys, black, white, navy, beige: most of what people wear
        grey = rng.choice([0.02, 0.05, 0.12, 0.3, 0.7])
        tint = rng.uniform(0.8, 1.2, 3)
    else:
        grey, tint = rng.uniform(0.08, 0.5), rng.uniform(0.1, 1.6, 3)
    red, green, blue = np.clip(grey * tint, 0.01, 0.85)
    colour = (float(red), float(green), float(blue))
    pattern = rng.choice([0, 1, 2, 3, 4], p=[0.35, 0.35, 0.12, 0.08, 0.1])
    kind = (Pattern.WEAVE, Pattern.NOISE, Pattern.STRIPES, Pattern.CHECKER, Pattern.PRINT)[pattern]
    second = (
        _shade(colour, float(rng.uniform(0.4, 0.85))) if pattern < 2 else _shade(colour, float(rng.uniform(0.2, 3)))
    )
    return Material(kind, colour, second, float(rng.uniform(0.08, 0.5)), tag="fabric")


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(0.9, channel * factor + 0.003) for channel in colour)
    return red, green, blue


def person(
    rng: np.random.Generator,
    clothes: Wardrobe,
    pose: Pose | None = None,
    height: float | None = None,
    helmet: int | None = None,
) -> Mesh:
    """A human between 1.1 and 2.0 m (as if standing), lowest point on z = 0, about the origin, facing +y.

    pose: one of POSES, by chance when None. helmet: material of a hard hat worn instead of hair.
    """
    pose = POSES[rng.choice(len(POSES), p=[0.3, 0.28, 0.1, 0.07, 0.07, 0.05, 0.13])] if pose is None else pose
    if height is None:
        child = rng.random() < 0.12
        height = float(rng.uniform(1.1, 1.5) if child else np.clip(rng.normal(1.71, 0.1), 1.5, 2.0))
    skin, hair = rng.choice(clothes.skins), rng.choice(clothes.hairs)
    top, bottom = rng.choice(clothes.cloths), rng.choice(clothes.cloths)
    girth = float(rng.uniform(0.9, 1.25))
    lean, head_nod = _lean(rng, pose), float(rng.normal(0, 0.15))
    trunk = [_torso(top, girth), cylinder(0.032, 0.07, sections=8).moved(z=0.3).of(skin)]
    trunk.append(
        _head(rng, skin, hair, 1 + max(0.0, 1.7 - height) * 0.45, helmet).turned(pitch=-head_nod).moved(z=0.395)
    )
    trunk += _arms(rng, pose, top, int(skin), girth, lean)
    trunk += _luggage(rng, pose, clothes)
    upper = join(trunk).turned(pitch=-lean)
    lower = _legs(rng, pose, bottom, int(skin), clothes.leather, girth)
    if pose in UPRIGHT and rng.random() < 0.25:
        lower.append(_skirt(rng, top if rng.random() < 0.5 else bottom, girth))
    body = join([upper, *lower])
    return body.moved(z=-float(body.vertices[:, 2].min())).scaled(height)


def _lean(rng: np.random.Generator, pose: Pose) -> float:
    """Forward lean of the back, radians."""
    degrees = {
        "bend": rng.uniform(45, 95),
        "crouch": rng.uniform(15, 45),
        "sit": rng.uniform(-15, 25),
        "walk": rng.uniform(0, 8),
    }
    return radians(degrees.get(pose, rng.uniform(-4, 6)))


def _torso(material: int, girth: float) -> Mesh:
    """From hip (z = 0) to neck, in body heights; sideways and forward radii of each ring."""
    level = np.array([-0.06, 0.0, 0.05, 0.13, 0.21, 0.265, 0.295, 0.315])
    sideways = np.array([0.06, 0.098, 0.094, 0.083, 0.097, 0.108, 0.085, 0.03]) * girth
    forward = np.array([0.05, 0.07, 0.066, 0.06, 0.068, 0.062, 0.045, 0.03]) * girth
    angle = np.linspace(0, 2 * pi, 12, endpoint=False)
    ring = np.stack(
        [sideways[:, None] * np.cos(angle), forward[:, None] * np.sin(angle), np.repeat(level[:, None], 12, 1)], axis=-1
    )
    return sheet(ring).of(material)


def _head(rng: np.random.Generator, skin: int, hair: int, size: float, helmet: int | None) -> Mesh:
    parts = [sphere(0.07, 1).scaled(0.68, 0.82, 1.0).of(skin), box(0.014, 0.03, 0.03).moved(y=0.055, z=-0.02).of(skin)]
    if helmet is not None:
        parts.append(sphere(0.078, 1).scaled(0.8, 0.95, 0.75).moved(z=0.025).of(helmet))
        parts.append(cylinder(0.085, 0.006, sections=10).scaled(0.8, 1.05, 1).moved(z=0.02, y=0.01).of(helmet))
    elif rng.random() < 0.93:
        parts.append(sphere(0.073, 1).scaled(0.72, 0.86, 0.9).moved(y=-0.012, z=0.014).of(hair))
        if rng.random() < 0.4:
            parts.append(sphere(0.07, 1).scaled(0.75, 0.5, 1.1).moved(y=-0.035, z=-0.04).of(hair))
    if helmet is None and rng.random() < 0.12:
        parts.append(cylinder(0.065, 0.05, 0.05, sections=10).moved(z=0.03).of(hair))
        parts.append(cylinder(0.1, 0.006, sections=12).moved(z=0.03).of(hair))
    return join(parts).scaled(size)


def _reach(swing: float, out: float, side: int) -> Floats:
    """Unit vector of a limb that hangs down, swung forward and lifted outward (radians)."""
    return np.array([side * sin(out), cos(out) * sin(swing), -cos(out) * cos(swing)], np.float32)


def _limb(joints: Sequence[NDArray[np.floating]], radii: Sequence[float], sections: int) -> Mesh:
    return tube(np.stack(joints), radii, sections)


def _arms(rng: np.random.Generator, pose: Pose, sleeve: int, skin: int, girth: float, lean: float) -> list[Mesh]:
    swings = {
        "stand": (0.05, 0.2), "walk": (0.0, 0.3), "sit": (0.55, 0.9), "bend": (0.0, 1.0),
        "raise": (2.8, 0.2), "crouch": (0.8, 0.7), "hold": (0.5, 1.5),
    }  # fmt: skip
    stride = rng.uniform(0.2, 0.55) if pose == "walk" else 0.0
    bare = rng.random() < 0.4
    parts = []
    for side in (-1, 1):
        swing, elbow = swings[pose]
        if pose == "raise" and side == 1 and rng.random() < 0.5:
            swing, elbow = 0.1, 0.3
        swing = swing + rng.normal(0, 0.15) + side * stride + (lean if pose == "bend" else 0.0)
        elbow = max(0.05, elbow + rng.normal(0, 0.25))
        out = abs(rng.normal(0.12, 0.12))
        shoulder = np.array([side * 0.112 * girth, 0.0, 0.275], np.float32)
        bend = shoulder + 0.165 * _reach(swing, out, side)
        wrist = bend + 0.15 * _reach(swing + elbow, out - 0.25, side)
        hand = wrist + 0.04 * _reach(swing + elbow + 0.2, out - 0.25, side)
        half = (bend + wrist) / 2
        thick = 0.03 * girth
        if bare:
            middle = (shoulder + bend) / 2
            parts.append(_limb((shoulder, middle, bend), [thick * 1.15, thick, thick * 0.9], 7).of(sleeve))
            parts.append(_limb((bend, half, wrist), [thick * 0.8, thick * 0.75, thick * 0.55], 7).of(skin))
        else:
            radii = [thick * 1.15, thick, thick * 0.9, thick * 0.75]
            parts.append(_limb((shoulder, bend, half, wrist), radii, 7).of(sleeve))
        parts.append(sphere(0.03, 0).scaled(0.7, 0.9, 1.2).moved(*map(float, hand)).of(skin))
    return parts


def _legs(rng: np.random.Generator, pose: Pose, cloth: int, skin: int, leather: int, girth: float) -> list[Mesh]:
    stride = rng.uniform(0.25, 0.5) if pose == "walk" else 0.0
    short = rng.random() < 0.2
    parts = []
    for side in (-1, 1):
        hip_angle = rng.normal(0, 0.04) - side * stride
        knee = max(0.02, stride * (0.9 if side == 1 else 0.15) + rng.normal(0.03, 0.03))
        if pose == "sit":
            hip_angle, knee = pi / 2 + rng.normal(0, 0.06), pi / 2 + rng.normal(-0.1, 0.2)
        elif pose == "crouch":
            hip_angle, knee = 1.75 + rng.normal(0, 0.1), 2.25 + rng.normal(0, 0.1)
        spread = abs(rng.normal(0.05, 0.04)) + (0.12 if pose in ("sit", "crouch") else 0.0)
        hip = np.array([side * 0.05 * girth, 0.0, -0.01], np.float32)
        bend = hip + 0.245 * _reach(hip_angle, spread, side)
        ankle = bend + 0.235 * _reach(hip_angle - knee, spread * 0.3, side)
        thick = girth * rng.uniform(0.046, 0.056)
        thigh = (hip, (hip + bend) / 2, bend)
        shin = (bend, (2 * bend + ankle) / 3, ankle)
        parts.append(_limb(thigh, [thick * 1.1, thick, thick * 0.78], 8).of(cloth))
        parts.append(_limb(shin, [thick * 0.74, thick * 0.7, thick * 0.5], 8).of(skin if short else cloth))
        foot = (
            box(0.05, 0.15, 0.045)
            .moved(y=0.035, z=-0.03)
            .turned(pitch=0.4 * float(hip_angle - knee) if pose == "walk" else 0.0)
        )
        parts.append(foot.moved(*map(float, ankle)).of(leather))
    return parts


def _skirt(rng: np.random.Generator, material: int, girth: float) -> Mesh:
    length, width = rng.uniform(0.12, 0.4), rng.uniform(0.11, 0.16)
    profile = [[0.09 * girth, 0.06], [0.105 * girth, -0.02], [width, -length]]
    return revolved(profile, 12).scaled(1.0, 0.8, 1.0).of(material)


def _luggage(rng: np.random.Generator, pose: Pose, clothes: Wardrobe) -> list[Mesh]:
    """A backpack, a shoulder bag, an umbrella or, mostly, nothing; in the frame of the trunk."""
    chance = rng.random()
    cloth = int(rng.choice(clothes.cloths))
    if chance < 0.12:
        return [box(0.16, 0.08, 0.24).moved(y=-0.1, z=0.04).of(cloth)]
    if chance < 0.24 and pose in UPRIGHT:
        side = float(rng.choice([-0.15, 0.15]))
        bag = box(0.05, 0.17, 0.14).moved(x=side, z=-0.12).of(clothes.leather if rng.random() < 0.5 else cloth)
        return [bag, rods([side, 0, 0.02], [side * 0.55, 0, 0.29], 0.006, clothes.leather, sections=4)]
    if chance < 0.29 and pose in ("stand", "walk"):
        shade = revolved([[0.001, 0.72], [0.16, 0.69], [0.3, 0.6]], 10).moved(x=0.1, y=0.1).of(cloth)
        return [shade, rods([0.1, 0.1, 0.15], [0.1, 0.1, 0.72], 0.006, clothes.leather, sections=4)]
    return []
