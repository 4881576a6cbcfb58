"""Depth maps as files: 16-bit millimetres, numpy arrays, coloured pictures. Commands and sinks write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from depthwire.client.results import DepthMap
from depthwire.client.view import pictures
from depthwire.client.view.faults import CommandError, Exit, Fault
from depthwire.client.view.new_file import NewFile

FORMATS = ("png16", "npy", "picture")


def depth_files(output: Path, name: str, wanted: set[str], relative: bool) -> dict[str, Path]:
    """The paths, by format, of the files of one depth map that are `wanted` (of FORMATS) in a folder."""
    kind = "relative" if relative else "depth"
    endings = {"png16": f"{kind}_mm.png", "npy": f"{kind}.npy", "picture": f"{kind}_picture.png"}
    return {form: output / f"{name}_{endings[form]}" for form in FORMATS if form in wanted}


def save_depth(output: Path, name: str, result: DepthMap, wanted: set[str], relative: bool) -> dict[str, Path]:
    """Write those files, each of which is whole or not there; returns their paths by format."""
    files = depth_files(output, name, wanted, relative)
    if "png16" in files:
        pictures.save_depth_png16(files["png16"], result.depth)
    if "npy" in files:
        with NewFile(files["npy"]) as file:
            np.save(file, result.depth)
    if "picture" in files:
        far = None if relative else pictures.readable_far(result.as_float32())
        picture = pictures.depth_picture(result.depth, unit="" if relative else "m", far=far)
        pictures.save_png(files["picture"], picture)
    return files


def need_folder(folder: Path) -> None:
    """Make the folder that the output goes to. Raises CommandError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fault = Fault(f"{folder} cannot be a folder for the output: {error.strerror}", Exit.FAILED)
        raise CommandError(fault) from None
