"""The arguments and options that several commands have in common, as decorators of the commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from depthwire.protocol.messages import MAX_MAX_DEPTH_M, MAX_MODEL_INPUT_SIZE, MIN_MODEL_INPUT_SIZE, PATCH
from depthwire.protocol.options import MAX_EDGE_FILTER, MAX_RANGE_M, MAX_STRIDE

Command = TypeVar("Command", bound=Callable[..., Any])

DEFAULT_FOV_DEG = 60.0


_SUFFIXES = """
.pcd .ply .las .laz .xyz .pts .e57 .obj .stl .glb .gltf .csv .txt .npy .npz .mat .h5 .exr .pfm .png .jpg .jpeg .webp
.tif .tiff .bmp .gif .mp4 .avi .mkv .bag .mcap .db3 .zip .json .yaml"""
FILE_SUFFIXES = frozenset(_SUFFIXES.split())
"""What somebody writes who means one file of that kind, and not a folder."""


class OutputPath(click.Path):
    """Where results are written; neither nothing nor standard output, for which `-` would stand."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("the name is empty", param, ctx)
        if value == "-":
            self.fail(
                "results are files and do not go to standard output: give a name (./- if it is to be -)", param, ctx
            )
        return super().convert(value, param, ctx)


def check_folder_name(output: Path, what: str) -> None:
    """Raises click.BadParameter, which says `what` can be given, for a file's name where a folder is wanted."""
    if output.suffix.lower() in FILE_SUFFIXES and not output.exists():
        raise click.BadParameter(f"{output} is the name of a file, and {what}", param_hint="-o")


def image_options(command: Command) -> Command:
    """The arguments and options that both commands have."""
    return click.argument("images", nargs=-1, required=True, metavar="IMAGE...")(request_options(command))


def request_options(command: Command) -> Command:
    """The options of every command that sends a number of pictures."""
    command = click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each image.")(command)
    in_flight = click.option("--in-flight", type=click.IntRange(1, 64), help="Most requests under way at a time.")
    return model_options(in_flight(command))


def model_options(command: Command) -> Command:
    """The options that say which model answers, for `model_settings`."""
    options = (
        click.option("--model", metavar="ENCODER_DATASET[_SIZE]", help="Such as vits_hypersim_518; else the daemon's."),
        click.option("--encoder", metavar="NAME", help="Size of the network: vits, vitb, vitl, …"),
        click.option("--dataset", metavar="NAME", help="What it was trained on: hypersim, vkitti, relative, …"),
        click.option(
            "--model-input-size",
            type=click.IntRange(MIN_MODEL_INPUT_SIZE, MAX_MODEL_INPUT_SIZE),
            callback=_multiple_of_patch,
            help=f"Shorter side of the network's input in pixels, a multiple of {PATCH}.",
        ),
        click.option(
            "--max-depth",
            type=click.FloatRange(0, MAX_MAX_DEPTH_M, min_open=True),
            metavar="METRES",
            help="Range of the network's output; leave it out unless you know why: each checkpoint has its own.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def intrinsics_option(help_text: str) -> Callable[[Command], Command]:
    """`--intrinsics`, the file of a camera's calibration, whatever it is for."""
    return click.option(
        "--intrinsics",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="YAML",
        help=help_text,
    )


skip_option = click.option(
    "--skip-existing", is_flag=True, help="Leave out images whose files are there already, as after an interrupted run."
)

fov_option = click.option(
    "--fov",
    type=click.FloatRange(1, 179),
    metavar="DEGREES",
    help=f"Horizontal field of view to assume without --intrinsics.  [default: {DEFAULT_FOV_DEG:g}]",
)


def shape_options(command: Command) -> Command:
    """The result options that both commands have, all carried out in the daemon."""
    options = (
        click.option(
            "--range",
            "range_",
            type=(float, float),
            metavar="NEAR FAR",
            callback=_ordered,
            help="Metres: depth outside becomes invalid.",
        ),
        click.option(
            "--edge-filter",
            type=click.FloatRange(0, MAX_EDGE_FILTER, min_open=True),
            metavar="JUMP",
            help="Depth that jumps by more than this part of itself to a neighbour becomes invalid: 0.05 is usual.",
        ),
        click.option(
            "--stride", type=click.IntRange(1, MAX_STRIDE), metavar="N", help="Keep every N-th column and row."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _ordered(_: click.Context, __: click.Parameter, bounds: tuple[float, float] | None) -> tuple[float, float] | None:
    if bounds is not None and not 0 <= bounds[0] < bounds[1] <= MAX_RANGE_M:
        raise click.BadParameter(f"0 ≤ NEAR < FAR ≤ {MAX_RANGE_M:g} metres, not {bounds[0]:g} {bounds[1]:g}")
    return bounds


def _multiple_of_patch(_: click.Context, __: click.Parameter, size: int | None) -> int | None:
    if size is not None and size % PATCH:
        raise click.BadParameter(f"{size} is not a multiple of {PATCH}; {size // PATCH * PATCH} is the next below")
    return size
