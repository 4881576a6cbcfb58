"""Where `depthwire stream` puts results: files in a folder; the live view is `viewer`'s. A sink is a small class.

`cli_stream` calls `take` for every result and `close` once at the end.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from depthwire.client.cli_depth import rgb_of, save_depth
from depthwire.client.cli_images import need_folder
from depthwire.client.ply import write_ply
from depthwire.client.stream_items import Frame, StreamItem


class Sink(Protocol):
    """Takes results one after the other. `take` raises OSError or ValueError where one cannot be put there."""

    def take(self, item: StreamItem[Any]) -> dict[str, Any]:
        """Put a result there; returns what to report of it with --json."""

    def close(self) -> None:
        """Nothing more comes."""


class DepthFolder:
    """Depth files of each frame, as `depthwire depth` writes them."""

    def __init__(self, folder: Path, formats: set[str], relative: bool) -> None:
        need_folder(folder)
        self._folder, self._formats, self._relative = folder, formats, relative

    def take(self, item: StreamItem[Any]) -> dict[str, Any]:
        files = save_depth(self._folder, name_of(item), item.result, self._formats, self._relative)
        return {"files": {name: str(file) for name, file in files.items()}}

    def close(self) -> None:
        """Every file is written."""


class CloudFolder:
    """A PLY file of each frame, as `depthwire pc` writes them."""

    def __init__(self, folder: Path, colours: bool) -> None:
        need_folder(folder)
        self._folder, self._colours = folder, colours

    def take(self, item: StreamItem[Any]) -> dict[str, Any]:
        file = self._folder / f"{name_of(item)}.ply"
        colours = rgb_pixels(item.frame).reshape(-1, 3) if self._colours else None
        count = write_ply(file, item.result.points, colours)
        return {"points": count, "files": {"ply": str(file)}}

    def close(self) -> None:
        """Every file is written."""


def name_of(item: StreamItem[Any]) -> str:
    """What a frame's files begin with."""
    return item.frame.name or f"frame_{item.index:06d}"


def rgb_pixels(frame: Frame) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of a frame that a source gave: encoded bytes, or a BGR array."""
    image = frame.image
    if isinstance(image, np.ndarray):
        return np.ascontiguousarray(image[:, :, ::-1])
    return rgb_of(bytes(image))  # type: ignore[arg-type]  # sources give arrays and bytes alone
