"""`depthwire stream` and `depthwire view`: a source in, files or a live view out, and a line that says how it goes.

Sources and the files they go to are in `streams`, the view in `view`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

import click
import numpy as np

from depthwire.client.cli.console import nobody_reads
from depthwire.client.cli.depth import (
    camera_of,
    formats_of,
    need_pillow,
    pass_on_notice,
    size_of,
)
from depthwire.client.cli.live_line import LiveLine
from depthwire.client.cli.options import (
    DEFAULT_FOV_DEG,
    OutputPath,
    check_folder_name,
    fov_option,
    intrinsics_option,
    model_options,
)
from depthwire.client.cli.session import IMAGE_TIMEOUT_S, Session, model_settings
from depthwire.client.results import WARNING_KEY
from depthwire.client.streams.capture import paced
from depthwire.client.streams.image_files import source_word
from depthwire.client.streams.items import Frame, Policy, StreamItem
from depthwire.client.streams.iterators import DepthStream
from depthwire.client.streams.sinks import Bag, CloudFolder, DepthFolder, Sink, is_bag
from depthwire.client.streams.sources import Cameras, Choice, FrameSource, open_source
from depthwire.client.view.faults import EXIT_CODES, Exit, Terminated, fault_of, print_json, say
from depthwire.client.view.viewer import DEFAULT_PORT, Viewer
from depthwire.protocol import (
    BadImageError,
    CameraIntrinsics,
    ConnectionLostError,
    InvalidRequestError,
    ModelNotFoundError,
    ProtocolError,
    ShuttingDownError,
)

LIVE_TIMEOUT_S = 10.0
"""How long a live stream may be silent before an item says so."""
HOPELESS = (InvalidRequestError, ModelNotFoundError, ProtocolError)
HOPELESS_FOR_FILES = (*HOPELESS, ConnectionLostError, ShuttingDownError)
"""A recording waits, a robot's camera does not: where the daemon is gone, only the camera's stream goes on."""

Command = TypeVar("Command", bound=Callable[..., Any])


def stream_options(command: Command) -> Command:
    """The argument and options that both commands have."""
    options = (
        click.argument("word", metavar="SOURCE"),
        click.option(
            "--policy",
            type=click.Choice(["latest", "all"]),
            help="latest: a newer frame replaces one that waits; all: every frame counts.  "
            "[default: latest for cameras, all for the rest]",
        ),
        click.option(
            "--fps",
            type=click.FloatRange(0, 1000, min_open=True),
            metavar="N",
            help="Play a recording at N frames a second.  [default: its own pace with latest, else at once]",
        ),
        click.option("--frames", type=click.IntRange(1), metavar="N", help="End after N frames of the source."),
        click.option("--in-flight", type=click.IntRange(1, 64), help="Most requests under way at a time."),
        intrinsics_option(
            "Camera calibration, for clouds: camera_matrix, width, height; ROS's form too. Goes before a bag's."
        ),
        fov_option,
        click.option("--topic", metavar="TOPIC", help="A bag's image topic, where it has several."),
        click.option("--camera-info", metavar="TOPIC", help="A bag's CameraInfo; else camera_info beside the image."),
        click.option(
            "--port", type=click.IntRange(1, 65535), default=DEFAULT_PORT, show_default=True, help="The view's."
        ),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each frame delivered."),
    )
    for option in reversed(options):
        command = option(command)
    return model_options(command)


@click.command(epilog=EXIT_CODES)
@stream_options
@click.option(
    "-o",
    "--output",
    type=OutputPath(),
    metavar="DIR|BAG",
    help="Write files into this folder; or a ROS 1 bag, NAME.bag; or, with --format bag, a ROS 2 bag (MCAP).",
)
@click.option("--cloud", is_flag=True, help="Point clouds: PLY instead of depth files, or beside depth in a bag.")
@click.option("--relative", is_flag=True, help="Relative depth, without unit.")
@click.option("--format", "formats", metavar="LIST", help="As of `depthwire depth`: png16, npy, picture; or bag.")
@click.option("--view", "viewing", is_flag=True, help="Show image, depth and cloud live in a browser.")
@click.pass_obj
def stream(
    session: Session,
    /,
    word: str,
    output: Path | None,
    cloud: bool,
    relative: bool,
    formats: str | None,
    viewing: bool,
    port: int,
    **options: Any,
) -> int:
    """Depth of what moves: a camera's number, a video, a folder of pictures, a network stream's URL, a ROS bag.

    A line says how many results a second come, how old they are when they come, and how many frames were dropped for
    newer ones. Ctrl-C ends it.
    """
    if relative and (cloud or viewing):
        raise click.UsageError("relative depth has no unit, and so no cloud: leave --relative out")
    sinks: list[Callable[[], Sink]] = []
    if is_bag(output, formats):
        if relative:
            raise click.UsageError("depth in a bag is metres: leave --relative out")
        sinks.append(lambda: Bag(cast(Path, output)))
    else:
        wanted = formats_of(formats, relative)
        if formats is not None and cloud:
            raise click.UsageError("--cloud writes PLY files instead of depth files: leave --format out")
        if formats is not None and output is None:
            raise click.UsageError("--format is of the files to write: name a folder with -o")
        if output is not None:
            check_folder_name(output, "name a folder, or a bag: NAME.bag, or any name with --format bag")
        sinks += _folder(output, cloud, wanted, relative)
    if viewing:
        need_pillow()
        sinks.append(lambda: _viewer(port))
    op = "pc" if cloud or viewing else "rel_depth" if relative else "metric_depth"
    return _run(session, word, op, sinks, stays=False, **options)


@click.command(epilog=EXIT_CODES)
@stream_options
@click.pass_obj
def view(session: Session, /, word: str, port: int, **options: Any) -> int:
    """Look at an image, or a source as of `depthwire stream`, in a browser: image, depth, and a cloud to turn.

    The page is for this machine alone; from another one: ssh -L 8012:127.0.0.1:8012 HOST. It stays until Ctrl-C.
    """
    need_pillow()
    return _run(session, word, "pc", [lambda: _viewer(port)], stays=True, **options)


def _folder(output: Path | None, cloud: bool, formats: set[str], relative: bool) -> list[Callable[[], Sink]]:
    if output is None:
        return []
    if cloud:
        return [lambda: CloudFolder(output)]
    if formats & {"png16", "picture"}:
        need_pillow()
    return [lambda: DepthFolder(output, formats, relative)]


def _run(
    session: Session,
    word: str,
    op: Any,
    sinks: Sequence[Callable[[], Sink]],
    *,
    stays: bool,
    policy: Policy | None,
    fps: float | None,
    frames: int | None,
    in_flight: int | None,
    intrinsics: Path | None,
    fov: float | None,
    topic: str | None,
    camera_info: str | None,
    as_json: bool,
    **model: Any,
) -> int:
    if intrinsics is not None and fov is not None:
        raise click.UsageError("give --intrinsics or --fov, not both")
    if camera_info is not None and (intrinsics is not None or fov is not None):
        raise click.UsageError("give --camera-info, --intrinsics or --fov, not two of them")
    settings = model_settings(**model)
    if op == "rel_depth":
        settings.pop("max_depth")
    camera = camera_of(intrinsics) if intrinsics is not None else None
    with contextlib.ExitStack() as stack:
        own: Cameras = "needed" if op == "pc" else "welcome"
        own = own if intrinsics is None and fov is None else "ignored"
        choice = Choice(topic, camera_info, own, session.timeout)
        source = stack.enter_context(contextlib.closing(open_source(source_word(word), choice)))
        opened = [stack.enter_context(contextlib.closing(sink())) for sink in sinks]
        timeout_s = LIVE_TIMEOUT_S if source.is_live else IMAGE_TIMEOUT_S
        client = stack.enter_context(session.open_client(timeout_s, settings))
        policy = policy or ("latest" if source.is_live else "all")
        given = _first(_with_pace(source, policy, fps), frames, source.is_live)
        if op == "pc" and camera is None and not source.has_cameras:
            need_pillow(", or give --intrinsics")
            fov = fov or DEFAULT_FOV_DEG
            say(f"no --intrinsics: assuming a camera with a horizontal field of view of {fov:g}° (--fov sets another)")
            given = _with_field_of_view(given, fov)
        shape = {"organized": True, "colors": True} if op == "pc" else {}
        results = stack.enter_context(client.stream(given, op, camera, policy=policy, in_flight=in_flight, **shape))
        line = LiveLine(source.label, results.counts, quiet=as_json)
        try:
            code = _take_all(results, opened, line, as_json, HOPELESS if source.is_live else HOPELESS_FOR_FILES)
        except KeyboardInterrupt as end:
            if source.is_live or stays:
                return Exit.DONE
            return Exit.TERMINATED if isinstance(end, Terminated) else Exit.INTERRUPTED
        finally:
            line.end()
        if code is Exit.DONE and not as_json:
            pass_on_notice(client, settings)
        if stays and line.results:
            _stay(opened)
    return code


def _take_all(
    results: DepthStream[Any],
    sinks: Sequence[Sink],
    line: LiveLine,
    as_json: bool,
    hopeless: tuple[type[Exception], ...],
) -> Exit:
    """Pass every result on and every error by; the exit code, which is that of the errors where all met the same."""
    codes: set[Exit] = set()
    warned = False
    for item in results:
        error = item.error
        fields: dict[str, Any] = {}
        if error is None:
            try:
                for sink in sinks:
                    fields |= sink.take(item)
            except (OSError, ValueError) as problem:
                error = problem
        if error is None and WARNING_KEY in item.result.meta and not warned:
            warned = True
            say(f"{item.frame.name}: {item.result.meta[WARNING_KEY]}")
        line.note(item, error)
        if error is not None:
            codes.add(fault_of(error).exit_code)
        if as_json:
            print_json(_as_json(item, error, fields))
        if isinstance(error, hopeless):
            break
        if as_json and not sinks and nobody_reads():  # `… | head`: whoever read has enough
            break
    if not codes:
        return Exit.DONE
    return codes.pop() if len(codes) == 1 and not line.results else Exit.FAILED


def _as_json(item: StreamItem[Any], error: Exception | None, fields: dict[str, Any]) -> dict[str, Any]:
    common = {"frame": item.index, "name": item.frame.name, "age_ms": 1e3 * item.age, "dropped": item.dropped}
    if error is not None:
        return {**common, "ok": False, "error": fault_of(error).as_json()}
    result = item.result
    height, width = result.depth.shape
    about = {"width": width, "height": height, "min": result.min, "max": result.max, "model": result.model}
    warning = {"warning": result.meta[WARNING_KEY]} if WARNING_KEY in result.meta else {}
    return {**common, "ok": True, **about, **fields, "timing": result.timing, **warning}


def _with_pace(source: FrameSource, policy: Policy, fps: float | None) -> Iterator[Frame]:
    """A recording under `latest` plays at its own rate, as it would be a race through it otherwise."""
    if source.is_live:
        return iter(source)
    if fps is not None:
        return paced(iter(source), fps)
    return source.at_own_pace() if policy == "latest" else iter(source)


def _first(frames: Iterator[Frame], count: int | None, is_live: bool) -> Iterator[Frame]:
    """As many frames as --frames says. A damaged picture of a recording counts; a camera that is silent has none."""
    given = 0
    for frame in frames:
        given += not (is_live and frame.error is not None)
        yield frame
        if given == count:
            return


def _with_field_of_view(frames: Iterator[Frame], fov: float) -> Iterator[Frame]:
    """The frames with an assumed camera of their own size, where they have none."""
    for frame in frames:
        if frame.intrinsics is not None:
            yield frame
            continue
        try:
            image = frame.image
            width, height = image.shape[1::-1] if isinstance(image, np.ndarray) else size_of(bytes(image))  # type: ignore[arg-type]
        except (BadImageError, TypeError):
            yield frame  # what is wrong with it is for its own item to say
        else:
            yield replace(frame, intrinsics=CameraIntrinsics.from_field_of_view(fov, width, height))


def _viewer(port: int) -> Viewer:
    viewer = Viewer(port=port)
    say(f"look at {viewer.url} (from another machine: ssh -L {viewer.port}:127.0.0.1:{viewer.port} HOST)")
    return viewer


def _stay(sinks: Sequence[Sink]) -> None:
    for sink in sinks:
        if isinstance(sink, Viewer):
            sink.show_late()
    with contextlib.suppress(KeyboardInterrupt):
        say("the source has ended and the view stays; Ctrl-C ends it")
        while True:
            time.sleep(3600)
