"""Contact sheets of scenes: pictures beside their depth, for the person who makes layouts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from depthwire.client.view.pictures import INK, PAPER, colourise, pillow
from depthwire.training.photo import photograph
from depthwire.training.render import Picture, Renderer
from depthwire.training.scene import Scene

if TYPE_CHECKING:
    from PIL.Image import Image

LABEL_PX = 14


def contact_sheet(
    scenes: Sequence[Scene],
    path: str | os.PathLike[str],
    seed: int = 0,
    views: int = 2,
    width: int = 256,
    height: int = 192,
    columns: int = 2,
) -> None:
    """Write a PNG that shows the first `views` viewpoints of each scene: photograph | depth in log scale.

    A label gives the layout's name, the viewpoint's number and the depth's 1st and 99th percentile; sky is grey.
    """
    panels = []
    for number, scene in enumerate(scenes):
        rng = np.random.default_rng([seed, number])
        renderer = Renderer(scene, rng)
        for index, view in enumerate(scene.views[:views]):
            picture = renderer.picture(view, width, height)
            panels.append((f"{scene.kind} {number}.{index}", photograph(picture.linear, rng, picture.depth), picture))
    _sheet(panels, columns, width, height).save(Path(path))


def depth_colours(depth: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Turbo colours of log depth, red near and blue far, (H, W, 3); grey where there is no surface."""
    if not np.isfinite(depth).any():
        return np.full((*depth.shape, 3), 128, np.uint8)
    inverse = -np.log(np.maximum(depth, 1e-3))
    near, far = _range(depth)
    return colourise(np.where(np.isfinite(depth), inverse, np.nan), -np.log(far * 1.01), -np.log(near * 0.99))


def _range(depth: NDArray[np.float32]) -> tuple[float, float]:
    surface = depth[np.isfinite(depth)]
    if not len(surface):
        return 0.0, 0.0
    near, far = np.percentile(surface, [1, 99])
    return float(near), float(far)


def _sheet(panels: Sequence[tuple[str, NDArray[np.uint8], Picture]], columns: int, width: int, height: int) -> Image:
    pil = pillow()
    rows = -(-len(panels) // columns)
    sheet = pil.Image.new("RGB", (columns * 2 * width, rows * (height + LABEL_PX)), PAPER)
    draw = pil.ImageDraw.Draw(sheet)
    for place, (name, photo, picture) in enumerate(panels):
        left, top = place % columns * 2 * width, place // columns * (height + LABEL_PX)
        near, far = _range(picture.depth)
        draw.text((left + 2, top + 1), f"{name}   {near:.2f} to {far:.2f} m", fill=INK)
        sheet.paste(pil.Image.fromarray(photo), (left, top + LABEL_PX))
        sheet.paste(pil.Image.fromarray(depth_colours(picture.depth)), (left + width, top + LABEL_PX))
    return sheet  # type: ignore[no-any-return]
