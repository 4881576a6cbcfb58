"""Depth of field: what lies before or behind the focus is blurred, as wide apertures and near subjects do it.

photo.py calls it. In real close-ups and portraits the blur behind the subject is one of the strongest cues to depth.
"""

from __future__ import annotations

import cv2
import numpy as np

from depthwire.training.mesh import Floats

LAYERS = 7
MOST_BLUR = 0.035
"""Largest standard deviation of the blur, in widths of the picture."""


def defocused(linear: Floats, depth: Floats, focus_m: float, blur: float) -> Floats:
    """Linear light (H, W, 3) of depth (H, W; metres, +inf for sky) with the lens set to focus_m.

    A thin lens spreads a point at distance d over a disc in proportion to |1/d - 1/focus| (Potmesil & Chakravarty,
    1981). blur is that of the sky, as a standard deviation in widths of the picture. The picture is cut into layers of
    like blur, which are blurred with their edges and laid over each other from far to near.
    """
    spread = np.clip((focus_m / np.maximum(depth, 1e-3) - 1) * blur, -blur, MOST_BLUR)
    low, high = float(spread.min()), float(spread.max())
    if high - low < 1e-4:
        return linear
    level = np.minimum(((spread - low) / (high - low) * LAYERS).astype(np.int32), LAYERS - 1)
    width = linear.shape[1]
    light = np.zeros_like(linear)
    cover = np.zeros((*linear.shape[:2], 1), np.float32)
    for layer in range(LAYERS):
        mask = (level == layer).astype(np.float32)
        if not mask.any():
            continue
        sigma = abs(float(spread[level == layer].mean())) * width
        own = np.concatenate([linear * mask[..., None], mask[..., None]], axis=2)
        if sigma > 0.3:
            own = cv2.GaussianBlur(own, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        light = light * (1 - own[..., 3:]) + own[..., :3]
        cover = cover * (1 - own[..., 3:]) + own[..., 3:]
    result: Floats = light / np.maximum(cover, np.float32(1e-3))
    return result


def drawn_focus(linear: Floats, depth: Floats, rng: np.random.Generator) -> Floats:
    """The picture, sometimes with depth of field: often where something near is seen, seldom in a wide view.

    The focus is on something in the nearer part of the middle, as photographers and autofocus choose it.
    """
    height, width = depth.shape
    middle = depth[height // 5 : -height // 5, width // 5 : -width // 5]
    near = float(np.percentile(middle, 15))
    if not np.isfinite(near) or rng.random() > np.clip(0.55 - 0.25 * np.log(max(near, 0.1) / 0.3), 0.04, 0.55):
        return linear
    focus = float(np.percentile(middle, rng.uniform(2, 45)))
    if not np.isfinite(focus):
        return linear
    return defocused(linear, depth, focus, float(np.exp(rng.uniform(np.log(0.003), np.log(MOST_BLUR)))))
