"""`depthwire depth` and `depthwire pc`: images in, depth files and point clouds out.

What they share with each other (model options, images, many requests in flight) is in `session` and `images`.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from depthwire.client.cli.images import Sent, process, without_existing
from depthwire.client.cli.options import (
    DEFAULT_FOV_DEG,
    OutputPath,
    check_folder_name,
    fov_option,
    image_options,
    intrinsics_option,
    shape_options,
    skip_option,
)
from depthwire.client.cli.session import IMAGE_TIMEOUT_S, Session, model_settings
from depthwire.client.results import DepthMap, PointCloud
from depthwire.client.streams.image_files import Source, sources_of
from depthwire.client.sync_client import DepthClient, DepthFuture
from depthwire.client.view import pictures
from depthwire.client.view.depth_files import FORMATS, depth_files, need_folder, save_depth
from depthwire.client.view.faults import EXIT_CODES, CommandError, Exit, Fault, fault_of, say
from depthwire.client.view.ply import write_ply
from depthwire.protocol import BadImageError, CalibrationWarning, CameraIntrinsics, DepthwireError
from depthwire.protocol.options import DEPTH_DTYPES


@click.command(epilog=EXIT_CODES)
@image_options
@click.option("-o", "--output", type=OutputPath(), required=True, metavar="DIR", help="Folder for the files.")
@click.option(
    "--format",
    "formats",
    metavar="LIST",
    help="Comma-separated: png16 (16-bit millimetres), npy (float32), picture (coloured, with a scale bar). "
    "[default: all]",
)
@click.option("--relative", is_flag=True, help="Ask for relative depth, without unit: no png16.")
@shape_options
@click.option(
    "--depth-format",
    type=click.Choice(list(DEPTH_DTYPES)),
    help="How depth travels, and what npy holds; uint16_mm is millimetres, 0 where there is none.  [default: float32]",
)
@skip_option
@click.pass_obj
def depth(
    session: Session,
    /,
    images: tuple[str, ...],
    output: Path,
    formats: str | None,
    relative: bool,
    range_: tuple[float, float] | None,
    edge_filter: float | None,
    stride: int | None,
    depth_format: str | None,
    skip_existing: bool,
    in_flight: int | None,
    as_json: bool,
    **model: Any,
) -> int:
    """Depth of images: files, folders (the pictures in them), http(s) URLs, or - for standard input.

    Writes NAME_depth_mm.png, NAME_depth.npy and NAME_depth_picture.png for each. Metres run along the optical axis; a
    value of 0 in the 16-bit file means no depth, or more than 65.535 m.
    """
    wanted = formats_of(formats, relative)
    if relative and (range_ or depth_format == "uint16_mm"):
        raise click.UsageError("relative depth has no unit: leave out --range and uint16_mm")
    options: dict[str, Any] = {"range": range_, "edge_filter": edge_filter, "stride": stride}
    options["depth_format"] = depth_format
    check_folder_name(output, "there are several files for each image: name a folder")
    settings = model_settings(**model)
    sources = sources_of(images, session.timeout)
    if wanted & {"png16", "picture"}:
        need_pillow()
    need_folder(output)
    if skip_existing:
        sources = without_existing(sources, lambda s: depth_files(output, s.name, wanted, relative), as_json)
    if relative:
        settings.pop("max_depth")  # without unit, without range

    def submit(client: DepthClient, data: bytes) -> tuple[DepthFuture[DepthMap], None]:
        return client.submit("rel_depth" if relative else "metric_depth", data, **options), None

    def save(sent: Sent, result: DepthMap) -> dict[str, Any]:
        files = save_depth(output, sent.source.name, result, wanted, relative)
        unit = "" if relative else " m"
        return {"text": f"{result.min:.2f} … {result.max:.2f}{unit} → {_listed(files)}", "files": _texts(files)}

    return _run(session, settings, sources, submit, save, in_flight or 8, as_json)


@click.command(epilog=EXIT_CODES)
@image_options
@click.option(
    "-o",
    "--output",
    type=OutputPath(),
    required=True,
    metavar="FILE|DIR",
    help="cloud.ply, or a folder for NAME.ply of each image.",
)
@intrinsics_option("Camera calibration: camera_matrix, width, height; ROS's, OpenCV's and Kalibr's files too.")
@fov_option
@click.option("--colours/--no-colours", default=True, help="Give the points the image's colours.")
@shape_options
@skip_option
@click.pass_obj
def pc(
    session: Session,
    /,
    images: tuple[str, ...],
    output: Path,
    intrinsics: Path | None,
    fov: float | None,
    colours: bool,
    range_: tuple[float, float] | None,
    edge_filter: float | None,
    stride: int | None,
    skip_existing: bool,
    in_flight: int | None,
    as_json: bool,
    **model: Any,
) -> int:
    """Point clouds of images (files, folders, http(s) URLs, or - for standard input) as binary PLY files.

    Points are metres in the camera's optical frame: x right, y down, z forward. EXIF rotation is not applied, as
    intrinsics belong to the stored pixels.
    """
    if intrinsics is not None and fov is not None:
        raise click.UsageError("give --intrinsics or --fov, not both")
    options: dict[str, Any] = {"range": range_, "edge_filter": edge_filter, "stride": stride, "colors": colours}
    settings = model_settings(**model)
    sources = sources_of(images, session.timeout)
    camera = camera_of(intrinsics) if intrinsics is not None else None
    assumed_fov = fov or DEFAULT_FOV_DEG
    if camera is None:
        need_pillow(", or give --intrinsics")
    to_folder = output.is_dir() or output.suffix.lower() != ".ply"
    if not to_folder and len(sources) > 1:
        raise click.UsageError(f"{output} is one file and there are {len(sources)} images: give a folder with -o")
    if to_folder:
        check_folder_name(output, "clouds are PLY files: name cloud.ply, or a folder")
    need_folder(output if to_folder else output.parent)

    def file_of(source: Source) -> Path:
        return output / f"{source.name}.ply" if to_folder else output

    if skip_existing:
        sources = without_existing(sources, lambda source: {"ply": file_of(source)}, as_json)
    if camera is None and sources:
        say(
            f"no --intrinsics: assuming a camera with a horizontal field of view of {assumed_fov:g}°; "
            f"where yours differs the cloud is stretched (--fov sets another)"
        )

    def submit(client: DepthClient, data: bytes) -> tuple[DepthFuture[PointCloud], CameraIntrinsics]:
        used = camera or CameraIntrinsics.from_field_of_view(assumed_fov, *size_of(data))
        return client.submit("pc", data, used, **options), used

    def save(sent: Sent, result: PointCloud) -> dict[str, Any]:
        file = file_of(sent.source)
        count = write_ply(file, result.points, result.colors)
        used: CameraIntrinsics = sent.extra
        return {
            "text": f"{count} points, {result.min:.2f} … {result.max:.2f} m → {file}",
            "points": count,
            "files": {"ply": str(file)},
            "camera_intrinsics": used.to_wire(),
            **({} if camera else {"assumed_field_of_view_deg": assumed_fov}),
        }

    return _run(session, settings, sources, submit, save, in_flight or 2, as_json)


def _run(
    session: Session,
    settings: dict[str, Any],
    sources: list[Source],
    submit: Callable[[DepthClient, bytes], tuple[DepthFuture[Any], Any]],
    save: Callable[[Sent, Any], dict[str, Any]],
    in_flight: int,
    as_json: bool,
) -> int:
    if not sources:  # all were there already
        return Exit.DONE
    with session.open_client(IMAGE_TIMEOUT_S, settings) as client:
        code = process(client, sources, submit, save, in_flight, as_json)
        if code is Exit.DONE and not as_json:
            pass_on_notice(client, settings)
        return code


def pass_on_notice(client: DepthClient, settings: dict[str, Any]) -> None:
    """Say once what the daemon says of its default model, in short, where that model answered."""
    if settings["encoder"] or settings["dataset"]:
        return
    try:
        health = client.health(timeout=2)
    except DepthwireError:
        return
    if notice := health.get("notice"):
        say(f"{health.get('default_model')}: {str(notice).split(';')[0]} (`depthwire health` tells more)")


def formats_of(text: str | None, relative: bool) -> set[str]:
    """The formats that --format names. Raises click.UsageError."""
    wanted = set(FORMATS) if text is None else {name.strip() for name in text.split(",")}
    if unknown := wanted - set(FORMATS):
        raise click.BadParameter(f"{', '.join(sorted(unknown))}: there are {', '.join(FORMATS)}", param_hint="--format")
    if relative and text is not None and "png16" in wanted:
        raise click.UsageError("png16 holds millimetres and relative depth has no unit: leave png16 out")
    return wanted - {"png16"} if relative else wanted


def need_pillow(alternative: str = "") -> None:
    """Raises CommandError, which says what to install, where Pillow is missing."""
    try:
        pictures.pillow()
    except pictures.PicturesUnavailableError as error:
        fault = fault_of(error)
        raise CommandError(Fault(fault.message + alternative, fault.exit_code, fault.fields)) from None


def camera_of(path: Path) -> CameraIntrinsics:
    """The camera of --intrinsics; what is to be known of its lens is said. Raises click.BadParameter."""
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", CalibrationWarning)
            camera = CameraIntrinsics.from_yaml(path)
    except (DepthwireError, OSError) as error:
        raise click.BadParameter(fault_of(error).message, param_hint="--intrinsics") from None
    for warning in told:
        say(str(warning.message))
    return camera


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height of the stored pixels, of which none is decoded. Raises BadImageError."""
    image_module = pictures.pillow().Image
    try:
        width, height = image_module.open(io.BytesIO(data)).size
    except (OSError, ValueError, image_module.DecompressionBombError) as error:
        raise BadImageError(f"not a picture that can be read: {error}", field="image") from None
    return width, height


def _listed(files: dict[str, Path]) -> str:
    return ", ".join(str(file) for file in files.values())


def _texts(files: dict[str, Path]) -> dict[str, str]:
    return {name: str(file) for name, file in files.items()}
