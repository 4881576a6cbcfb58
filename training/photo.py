"""What a camera makes of light: exposure, colour, lens, noise, sharpening and JPEG.

The dataset maker calls it for each rendered picture, so that the network learns from what cameras deliver.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depthwire.training.mesh import Floats


def photograph(linear: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A camera's picture (H, W, 3) uint8 RGB of linear light (H, W, 3): every fault is drawn from rng."""
    light = _exposed(linear, rng)
    light = _through_lens(light, rng)
    light = _with_noise(light, rng)
    picture = _developed(light, rng)
    return _compressed(picture, rng)


def _exposed(linear: Floats, rng: np.random.Generator) -> Floats:
    """Auto exposure to a random brightness, white balance, haze."""
    grey = linear[::4, ::4].mean(axis=2)
    level = 0.7 * np.exp(np.log(np.maximum(grey, 1e-4)).mean()) + 0.3 * grey.mean()
    gain = np.float32(np.clip(0.18 * np.exp2(rng.normal(0, 0.55)) / max(level, 1e-4), 0, 1e4))
    warmth, tint = rng.normal(0, 0.07), rng.normal(0, 0.025)
    balance = np.exp(np.array([warmth + tint, -tint, -warmth + tint], np.float32))
    light: Floats = linear * (gain * balance)
    if rng.random() < 0.12:
        haze = np.float32(rng.uniform(0.02, 0.12))
        light = light * (1 - haze) + haze
    return light


def _through_lens(light: Floats, rng: np.random.Generator) -> Floats:
    """Vignetting, chromatic aberration, defocus or a shake of the hand."""
    height, width = light.shape[:2]
    if rng.random() < 0.6:
        y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * np.float32(height / width)
        x = np.linspace(-1, 1, width, dtype=np.float32)[None]
        fall = 1 / (1 + np.float32(rng.uniform(0.05, 0.5)) * (x * x + y * y))
        light = light * (fall * fall)[..., None]
    if rng.random() < 0.3:
        light = light.copy()
        for channel, sign in ((0, 1), (2, -1)):
            scale = 1 + sign * rng.uniform(0.0005, 0.003)
            matrix = np.array([[scale, 0, (1 - scale) * width / 2], [0, scale, (1 - scale) * height / 2]])
            band = np.ascontiguousarray(light[..., channel])
            light[..., channel] = cv2.warpAffine(band, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    kind = rng.random()
    if kind < 0.45:
        return _floats(cv2.GaussianBlur(light, (0, 0), float(rng.uniform(0.35, 0.9))))
    if kind < 0.51:
        return _floats(cv2.GaussianBlur(light, (0, 0), float(rng.uniform(0.9, 1.8))))
    if kind < 0.58:
        return _floats(cv2.filter2D(light, -1, _shake(rng), borderType=cv2.BORDER_REPLICATE))
    return light


def _shake(rng: np.random.Generator) -> Floats:
    kernel = np.zeros((9, 9), np.float32)
    dx, dy = rng.uniform(-3, 3, 2)
    ends = [(round(16 * (4 - dx)), round(16 * (4 - dy))), (round(16 * (4 + dx)), round(16 * (4 + dy)))]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_AA, 4)
    return kernel / max(float(kernel.sum()), 1e-6)


def _with_noise(light: Floats, rng: np.random.Generator) -> Floats:
    """Shot and read noise; strong at night."""
    strength = np.exp(rng.uniform(np.log(0.002), np.log(0.02)))
    if rng.random() < 0.1:
        strength *= rng.uniform(2, 5)
    noise = rng.standard_normal(light.shape, np.float32)
    if rng.random() < 0.5:  # smeared by the sensor's colour filter and its interpolation
        noise = cv2.GaussianBlur(noise, (0, 0), 0.6) * np.float32(1.7)
    deviation = np.sqrt(np.maximum(light, 0) * np.float32(strength) * 0.35 + np.float32(0.3 * strength) ** 2)
    return _floats(light + noise * deviation * np.float32(0.35))


def _developed(light: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Tone curve, contrast, saturation and sharpening, as 8 bits."""
    shoulder = np.float32(rng.uniform(0.0, 0.5))
    light = np.maximum(light, 0)
    light = light * (1 + shoulder) / (1 + shoulder * light)
    tone = cv2.pow(np.minimum(light, 1), float(1 / rng.uniform(2.0, 2.5)))
    contrast = np.float32(rng.uniform(0.85, 1.25))
    saturation = np.float32(0.0 if rng.random() < 0.04 else np.clip(rng.normal(1.0, 0.25), 0.2, 1.8))
    grey = cv2.cvtColor(tone, cv2.COLOR_RGB2GRAY)[..., None]
    tone = (grey * (1 - saturation) + tone * saturation - 0.45) * contrast + 0.45
    if rng.random() < 0.5:
        amount = float(rng.uniform(0.2, 1.0))
        tone = cv2.addWeighted(tone, 1 + amount, cv2.GaussianBlur(tone, (0, 0), 1.0), -amount, 0)
    return np.asarray(np.clip(tone * 255 + 0.5, 0, 255), np.uint8)


def _compressed(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    quality = int(rng.integers(30, 96))
    _, jpeg = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    opened = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
    assert opened is not None  # OpenCV reads what it has just written
    return np.ascontiguousarray(opened[..., ::-1], np.uint8)


def _floats(pixels: Any) -> Floats:
    return np.asarray(pixels, np.float32)
