"""Suns, skies and air of the outdoor layouts: clear, hazy, overcast, golden, dusk."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, radians, sin

import numpy as np

from depthwire.training.scene import Colour, Light, Sky


@dataclass(frozen=True)
class Weather:
    """The light from the sky, the sky itself and the air between."""

    light: Light
    sky: Sky
    fog_m: float | None
    fog_colour: Colour
    dusk: bool
    """Whether lamps and windows are lit."""


def weather(rng: np.random.Generator, haze: float = 0.35) -> Weather:
    """A weather by chance; haze is the share of scenes with visible air below a kilometre."""
    kind = ("clear", "overcast", "golden", "cloudy", "dusk")[rng.choice(5, p=[0.36, 0.25, 0.13, 0.18, 0.08])]
    fog_m = float(np.exp(rng.uniform(np.log(90), np.log(900)))) if rng.random() < haze else None
    heading = rng.uniform(0, 2 * pi)
    elevation = radians(rng.uniform(4, 16) if kind == "golden" else rng.uniform(14, 70))
    towards = (cos(heading) * cos(elevation), sin(heading) * cos(elevation), sin(elevation))
    warm = float(np.clip(1 - elevation / 0.7, 0, 1))
    sun_colour = _scaled((1.0, 0.95 - 0.3 * warm, 0.88 - 0.55 * warm), rng.uniform(2.2, 3.8) * (1 - 0.4 * warm))
    blue = rng.uniform(0.6, 1.3)
    zenith, horizon = _scaled((0.26, 0.44, 0.85), blue), _scaled((0.8, 0.9, 1.02), rng.uniform(0.8, 1.4))
    clouds = float(rng.uniform(0, 0.35))
    ambient = _scaled((0.42, 0.5, 0.66), rng.uniform(0.6, 1.5))
    if kind == "overcast":
        grey = rng.uniform(0.8, 1.5)
        zenith, horizon = _scaled((0.62, 0.65, 0.7), grey), _scaled((0.8, 0.82, 0.85), grey)
        ambient, clouds = _scaled((0.74, 0.76, 0.8), grey * rng.uniform(0.85, 1.2)), float(rng.uniform(0.3, 1))
        return Weather(Light(None, (0.0, 0.0, 0.0), ambient), Sky(zenith, horizon, clouds), fog_m, horizon, False)
    if kind == "golden":
        horizon = _scaled((0.95, 0.78, 0.6), rng.uniform(0.6, 1.1))
        fog_m = None if fog_m is None else fog_m * 2
    elif kind == "cloudy":
        clouds = float(rng.uniform(0.4, 0.8))
        sun_colour = _scaled(sun_colour, rng.uniform(0.35, 0.9))
        ambient = _scaled((0.6, 0.65, 0.75), rng.uniform(0.8, 1.4))
    elif kind == "dusk":
        zenith, horizon = (
            _scaled((0.03, 0.05, 0.14), rng.uniform(0.6, 2)),
            _scaled((0.4, 0.25, 0.2), rng.uniform(0.3, 1)),
        )
        ambient = _scaled((0.14, 0.17, 0.26), rng.uniform(0.7, 1.4))
        return Weather(Light(None, (0.0, 0.0, 0.0), ambient), Sky(zenith, horizon, clouds), fog_m, horizon, True)
    return Weather(Light(towards, sun_colour, ambient), Sky(zenith, horizon, clouds), fog_m, horizon, False)


def _scaled(colour: Colour, factor: float) -> Colour:
    red, green, blue = colour
    return float(red * factor), float(green * factor), float(blue * factor)
