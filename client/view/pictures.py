"""What people look at: coloured depth pictures with a scale, 16-bit depth files, labelled panels.

Called by the command line and the demo. Needs Pillow (the `pictures` extra), which is imported only when a function
here is called, so that the client itself runs without it; `colourise` needs numpy alone.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from depthwire.client.results import depth_as_float32
from depthwire.client.view.new_file import NewFile
from depthwire.protocol.distribution import install_hint

if TYPE_CHECKING:
    from PIL.Image import Image

Panel = tuple[str, "Image | NDArray[Any]"]

MID_GREY = 128
INK, PAPER = (32, 32, 36), (255, 255, 255)
MAX_DEPTH_MM = 65535  # the most a 16-bit millimetre picture can say


class PicturesUnavailableError(ImportError):
    """Pillow is not installed, so no picture can be made."""


class _Pillow:
    """The parts of Pillow used here, under one name."""

    def __init__(self, image: ModuleType, draw: ModuleType, font: ModuleType) -> None:
        self.Image, self.ImageDraw, self.ImageFont = image, draw, font


def pillow() -> _Pillow:
    """Pillow's modules `Image`, `ImageDraw` and `ImageFont`; raises PicturesUnavailableError where it is missing."""
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise PicturesUnavailableError(f"making pictures needs Pillow: {install_hint('pictures')}") from error
    return _Pillow(Image, ImageDraw, ImageFont)


# Turbo (blue near the low end, red at the high end): Anton Mikhailov, "Turbo, an improved rainbow colormap for
# visualization", Google AI blog, 2019; the polynomial fit is by Ruofei Du,
# https://gist.github.com/mikhailov-work/0d177465a8151eb6ede1768d51d476c7 (Apache-2.0). Rows are red, green, blue;
# columns are the powers x⁰…x⁵.
_TURBO = np.array(
    [
        [0.13572138, 4.61539260, -42.66032258, 132.13108234, -152.94239396, 59.28637943],
        [0.09140261, 2.19418839, 4.84296658, -14.18503333, 4.27729857, 2.82956604],
        [0.10667330, 12.64194608, -60.58204836, 110.36276771, -89.90310912, 27.34824973],
    ]
)
_TURBO_TABLE = np.clip(np.polynomial.polynomial.polyval(np.linspace(0, 1, 256), _TURBO.T), 0, 1).T
_TURBO_TABLE = (_TURBO_TABLE * 255 + 0.5).astype(np.uint8)  # (256, 3)


def colourise(depth: NDArray[Any], near: float | None = None, far: float | None = None) -> NDArray[np.uint8]:
    """A depth map in Turbo's colours: dark blue at `near` and below, through green, to dark red at `far` and beyond.

    depth: (H, W) in any depth format, metres or inverse depth. near, far: the values at the ends of the scale, by
    default the 2nd and 98th percentile of what is finite. Returns (H, W, 3) uint8 RGB with mid grey where depth is not
    finite.
    Raises ValueError for another number of dimensions or unless near < far.
    """
    depth = _checked(depth)
    near, far = _limits(depth, near, far)
    valid = np.isfinite(depth)
    scaled = np.clip((np.where(valid, depth, near) - near) / (far - near), 0, 1)
    colours: NDArray[np.uint8] = _TURBO_TABLE[(scaled * 255 + 0.5).astype(np.uint8)]
    colours[~valid] = MID_GREY
    return colours


def depth_picture(depth: NDArray[Any], unit: str = "m", near: float | None = None, far: float | None = None) -> Image:
    """`colourise` with a scale bar below it, as an RGB image as wide as the map (at least 160 pixels).

    depth, near, far: as for `colourise`. unit: written behind the scale's numbers; "" for inverse depth.
    Raises PicturesUnavailableError without Pillow, ValueError as `colourise` does.
    """
    pil = pillow()
    depth = _checked(depth)
    near, far = _limits(depth, near, far)
    coloured = pil.Image.fromarray(colourise(depth, near, far))
    width = max(coloured.width, 160)
    size = _font_size(width)
    margin, bar = size, max(6, size * 2 // 3)
    picture = pil.Image.new("RGB", (width, coloured.height + 3 * margin + bar + size // 2), PAPER)
    picture.paste(coloured, ((width - coloured.width) // 2, 0))

    left, length = 2 * margin, width - 4 * margin
    top = coloured.height + margin
    ramp = _TURBO_TABLE[np.linspace(0, 255, length + 1).round().astype(int)]
    picture.paste(pil.Image.fromarray(np.repeat(ramp[None], bar, axis=0)), (left, top))
    draw, font = pil.ImageDraw.Draw(picture), _font(pil, size)
    step, ticks = _ticks(near, far, max(2, length // (3 * size)))
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    for number, value in enumerate(ticks):
        x = left + round((value - near) / (far - near) * length)
        draw.line([(x, top + bar), (x, top + bar + size // 3)], fill=INK, width=max(1, size // 12))
        last = number == len(ticks) - 1
        label = f"{value:.{digits}f}" + (f" {unit}" if unit and last else "")
        draw.text((x, top + bar + size // 2), label, fill=INK, font=font, anchor="ma")
    return picture  # type: ignore[no-any-return]


def depth_millimetres(depth_metres: NDArray[Any]) -> NDArray[np.uint16]:
    """Whole millimetres of a depth map, rounded to nearest: the integer form of REP 118.

    depth_metres: floats of any shape, metres. 0 says "no depth" and stands for what is not finite, not positive or
    beyond 65.535 m.
    """
    millimetres = np.rint(np.asarray(depth_metres, np.float64) * 1000)
    with np.errstate(invalid="ignore"):
        valid = (millimetres > 0) & (millimetres <= MAX_DEPTH_MM)
    return np.where(valid, millimetres, 0).astype(np.uint16)


def save_depth_png16(path: str | os.PathLike[str], depth_metres: NDArray[Any]) -> None:
    """Write a depth map as a 16-bit greyscale PNG of millimetres, rounded to nearest: the integer form of REP 118.

    depth_metres: (H, W) in any depth format, metres. 0 says "no depth" and stands for what is not finite, not positive
    or beyond 65.535 m. Raises PicturesUnavailableError without Pillow, ValueError for another number of dimensions,
    OSError where the file cannot be written.
    """
    pil = pillow()
    pixels = depth_millimetres(_checked(depth_metres))
    save_png(path, pil.Image.fromarray(pixels))


def save_png(path: str | os.PathLike[str], picture: Image, **options: Any) -> None:
    """Write a PIL image as a PNG file that is whole or not there; `options` are Pillow's. Raises OSError."""
    with NewFile(path) as file:
        picture.save(file, format="PNG", **options)  # type: ignore[arg-type]  # Pillow calls `write` alone


def side_by_side(panels: Sequence[Panel], width: int | None = None) -> Image:
    """Pictures in a row, each under its title, scaled to one width so that the same pixel stands at the same height.

    panels: (title, PIL image or (H, W, 3) uint8 RGB array) each. width: of every picture in pixels, by default the
    widest one's. Raises PicturesUnavailableError without Pillow, ValueError without panels.
    """
    if not panels:
        raise ValueError("side_by_side needs at least one panel")
    pil = pillow()
    images = [(pil.Image.fromarray(p) if isinstance(p, np.ndarray) else p).convert("RGB") for _, p in panels]
    width = width or max(image.width for image in images)
    images = [
        image if image.width == width else image.resize((width, max(1, round(image.height * width / image.width))))
        for image in images
    ]
    size = _font_size(width)
    gap, head = size // 2, 2 * size
    height = max(image.height for image in images)
    row = pil.Image.new("RGB", (gap + len(images) * (width + gap), head + height + gap), PAPER)
    draw, font = pil.ImageDraw.Draw(row), _font(pil, size)
    for number, ((title, _), image) in enumerate(zip(panels, images, strict=True)):
        left = gap + number * (width + gap)
        draw.text((left, head // 2), title, fill=INK, font=font, anchor="lm")
        row.paste(image, (left, head))
    return row  # type: ignore[no-any-return]


def _checked(depth: NDArray[Any]) -> NDArray[Any]:
    """The map as floats with NaN where there is none, from any depth format. Raises ValueError for another shape."""
    depth = np.asarray(depth)
    if depth.dtype in (np.float16, np.uint16):
        depth = depth_as_float32(depth)
    if depth.ndim != 2 or depth.size == 0:
        raise ValueError(f"a depth map has two dimensions and at least one pixel, not shape {depth.shape}")
    return depth


def _limits(depth: NDArray[Any], near: float | None, far: float | None) -> tuple[float, float]:
    """The ends of the scale: what was asked for, else robust percentiles, else 0…1 where nothing is finite."""
    finite = depth[np.isfinite(depth)]
    low, high = (float(p) for p in np.percentile(finite, [2, 98])) if finite.size else (0.0, 1.0)
    if near is None:
        near = low if far is None else min(low, far)
    if far is None:
        far = max(high, near)
        if far - near <= 1e-6 * max(abs(near), abs(far)):  # a constant map: any scale will do
            far = near + max(1e-3, 0.01 * abs(near))
    if not (math.isfinite(near) and math.isfinite(far) and near < far):
        raise ValueError(f"near must be less than far and both finite, not near={near!r}, far={far!r}")
    return near, far


def _ticks(near: float, far: float, most: int) -> tuple[float, list[float]]:
    """The least step of 1, 2 or 5 times a power of ten that gives at most about `most` ticks, and those ticks."""
    rough = (far - near) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(near / step - 1e-6), math.floor(far / step + 1e-6)
    return step, [number * step for number in range(first, last + 1)]


def _font_size(width: int) -> int:
    return max(11, min(48, width // 36))


def _font(pil: _Pillow, size: int) -> Any:
    """Pillow's own font at a size (Pillow 10.1 and newer)."""
    return pil.ImageFont.load_default(size)


def readable_far(depth: NDArray[Any]) -> float | None:
    """Where a coloured picture's scale should end for a few far pixels not to flatten the rest; None: as usual.

    depth: (H, W) metres. Sky and windows come out at the end of a model's range, say 80 m behind a room of 5 m.
    """
    finite = depth[np.isfinite(depth)]
    if not finite.size:
        return None
    median, high = np.percentile(finite, [50, 98])
    return float(4 * median) if high > 4 * median > 0 else None
