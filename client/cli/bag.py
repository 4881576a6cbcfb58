"""`depthwire bag`: a ROS bag in, a bag with depth maps and point clouds beside its images out.

What a bag is and how its conversion is kept is in `ros/bag`; here are the options, the report and the exit codes.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import click

from depthwire.client.cli.depth import camera_of
from depthwire.client.cli.images import Sent, answers, echo, progress
from depthwire.client.cli.options import OutputPath, intrinsics_option, request_options
from depthwire.client.cli.session import IMAGE_TIMEOUT_S, Session, model_settings
from depthwire.client.results import WARNING_KEY
from depthwire.client.ros.bag import BagConversion, BagPlan, Frame
from depthwire.client.ros.bag_files import open_bag
from depthwire.client.ros.bag_images import label_of
from depthwire.client.ros.conversion import Wanted
from depthwire.client.ros.errors import MessageError
from depthwire.client.ros.messages import DEPTH_ENCODINGS
from depthwire.client.sync_client import DepthClient
from depthwire.client.view.faults import EXIT_CODES, Exit, fault_of, print_json, say
from depthwire.protocol import BadImageError, TooLargeError

IN_FLIGHT = 4
ABOUT_ONE_PICTURE = (MessageError, BadImageError, TooLargeError)
"""Errors of one message: it is skipped. Any other ends the run, which can be continued."""


@click.command(epilog=EXIT_CODES)
@click.argument("bag", type=click.Path(exists=True, path_type=Path), metavar="IN")
@click.option("-o", "--output", type=OutputPath(), required=True, metavar="OUT", help="The bag to write.")
@click.option("--topic", "topics", multiple=True, metavar="TOPIC", help="An image topic; else all that have pictures.")
@click.option("--camera-info", metavar="TOPIC", help="Their CameraInfo; else camera_info beside each image topic.")
@intrinsics_option("A camera calibration instead of CameraInfo messages, for all topics.")
@click.option("--rectify", is_flag=True, help="Rectify the pictures of cameras with lens distortion (needs OpenCV).")
@click.option("--cloud/--no-cloud", default=True, help="Write point clouds.")
@click.option("--depth/--no-depth", default=True, help="Write depth images.")
@click.option(
    "--depth-encoding",
    type=click.Choice(DEPTH_ENCODINGS),
    default="32FC1",
    show_default=True,
    help="Of depth images: float metres, or 16-bit millimetres, which end at 65.535 m.",
)
@click.option(
    "--organized/--dense", default=True, help="Clouds with the image's rows and columns, or of the valid points only."
)
@click.option("--colours/--no-colours", default=True, help="Give the points the image's colours.")
@click.option("--fresh", is_flag=True, help="Throw away what an interrupted run has kept.")
@request_options
@click.pass_obj
def bag(
    session: Session,
    /,
    bag: Path,
    output: Path,
    topics: tuple[str, ...],
    camera_info: str | None,
    intrinsics: Path | None,
    rectify: bool,
    cloud: bool,
    depth: bool,
    depth_encoding: Any,
    organized: bool,
    colours: bool,
    fresh: bool,
    in_flight: int | None,
    as_json: bool,
    **model: Any,
) -> int:
    """Depth and point clouds for the images of a ROS bag.

    IN is a ROS 1 .bag file, or a ROS 2 bag: its folder, or one .mcap or .db3 file. OUT is a new bag of the same kind,
    with everything that is in IN and TOPIC/depthwire/depth, …/points and …/camera_info beside every image. Run again
    after an interruption, it goes on where it was.
    """
    if camera_info is not None and intrinsics is not None:
        raise click.UsageError("give --camera-info or --intrinsics, not both")
    if not cloud and not depth:
        raise click.UsageError("with --no-cloud and --no-depth there is nothing to do")
    settings = model_settings(**model)
    plan = BagPlan(
        source=bag,
        output=output,
        wanted=Wanted(depth, cloud, depth_encoding, organized, colours, rectify),
        topics=topics,
        info=camera_info,
        camera=camera_of(intrinsics) if intrinsics is not None else None,
        request={**settings, "profile": session.profile},
    )
    if fresh and plan.part.exists():
        shutil.rmtree(plan.part)
    with open_bag(bag) as reader, BagConversion(reader, plan) as conversion:
        for why in conversion.without_points.values():
            say(f"{why}. It gets {'depth without points' if depth else 'nothing'}; the other cameras get all")
        with session.open_client(IMAGE_TIMEOUT_S, settings) as client:
            _ask_all(client, conversion, plan, in_flight or IN_FLIGHT, as_json)
        say(f"all images are answered: writing {output}")
        conversion.finish()
        return _report(conversion, plan, as_json)


def _ask_all(client: DepthClient, conversion: BagConversion, plan: BagPlan, in_flight: int, as_json: bool) -> None:
    """Get an answer for every image that has none. What ends it early is raised, after saying how to go on."""
    if conversion.answered:
        say(f"going on: {conversion.answered} of {conversion.total} images are answered already")
    try:
        with progress(conversion.total, as_json) as advance:
            frames = conversion.frames(advance)
            for frame, outcome in answers(client, frames, lambda c, data: conversion.submit(c, data), in_flight):
                _take(conversion, frame, outcome, as_json)
                advance()
    except BaseException:
        say(
            f"{conversion.answered} of {conversion.total} images are answered and kept in {plan.part}: run the same "
            f"command again to go on"
        )
        raise


def _take(conversion: BagConversion, frame: Frame, outcome: tuple[Sent, Any] | Exception, as_json: bool) -> None:
    if not isinstance(outcome, Exception):
        sent, answer = outcome
        if (warning := answer.meta.get(WARNING_KEY)) and frame.key[0] not in conversion.warned:
            conversion.warned.add(frame.key[0])
            say(f"{frame.key[0]}: {warning}")
        try:
            conversion.keep(frame, sent.data, answer)
        except MessageError as error:  # the daemon could read the picture, and for its colours we cannot
            outcome = error
        else:
            return
    if not isinstance(outcome, ABOUT_ONE_PICTURE):
        raise outcome
    conversion.skip(frame, outcome.message)
    if as_json:
        print_json({"image": frame.label, "ok": False, "error": fault_of(outcome).as_json()})
    else:
        echo(f"depthwire: {frame.label}: skipped: {outcome.message}", err=True)


def _report(conversion: BagConversion, plan: BagPlan, as_json: bool) -> Exit:
    """Say what came of it. Failures of earlier runs are told again, as this one did not."""
    skipped = [label_of(topic, time) for topic, time, _ in conversion.failures]
    outputs = list(conversion.outputs)
    done = conversion.answered - len(skipped)
    if as_json:
        print_json(
            {
                "bag": str(plan.source),
                "ok": not skipped and not conversion.without_points,
                "output": str(plan.output),
                "images": done,
                "skipped": skipped,
                "topics": outputs,
                "without_points": conversion.without_points,
            }
        )
    else:
        click.echo(f"{plan.source}: {done} images → {', '.join(outputs)} in {plan.output}")
        if skipped:
            say(f"{len(skipped)} of {conversion.answered} images skipped: {', '.join(skipped)}")
    return Exit.FAILED if skipped or conversion.without_points else Exit.DONE
