"""The demo: start a daemon, send it a picture through every operation, write what comes back, stop the daemon.

`make demo` runs it as `python -m depthwire.client.demo`. The picture that ships with it has a known depth, so that the
demo can say how far off the answer is.
"""

from __future__ import annotations

import contextlib
import io
import signal
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

from depthwire.client.cli.options import DEFAULT_FOV_DEG
from depthwire.client.demo.accuracy import accuracy
from depthwire.client.demo.daemon_process import DaemonFailedError, DaemonProcess
from depthwire.client.images import encoded_image
from depthwire.client.results import DepthMap, PointCloud
from depthwire.client.sync_client import DepthClient
from depthwire.client.view import pictures
from depthwire.client.view.faults import Exit, fault_of, say
from depthwire.client.view.new_file import NewFile
from depthwire.client.view.pictures import readable_far
from depthwire.client.view.ply import write_ply
from depthwire.protocol import CameraIntrinsics, DepthwireError

if TYPE_CHECKING:
    import PIL.Image

HERE = Path(__file__).parent
REQUEST_TIMEOUT_S = 600.0
"""Of the first requests, which may have to wait for a model to be downloaded."""
TIMED_REQUESTS = 5
PANEL_WIDTH = 480


@dataclass(frozen=True)
class Picture:
    """What the demo sends: `pixels` (H, W, 3) uint8 RGB, and the true depth (H, W) in metres where it is known."""

    name: str
    data: bytes
    pixels: NDArray[np.uint8]
    camera: CameraIntrinsics
    camera_note: str
    true_depth: NDArray[np.float64] | None


@dataclass(frozen=True)
class Answers:
    """What came back for the picture."""

    cloud: PointCloud
    metric: DepthMap
    relative: DepthMap


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--out", type=click.Path(path_type=Path), default="demo-out", show_default=True, help="Folder for files.")
@click.option("--image", metavar="FILE|URL", help="Your own picture instead of the one that ships.")
@click.option("--intrinsics", type=click.Path(exists=True, dir_okay=False), help="Its camera, as a calibration YAML.")
@click.option("--endpoint", help="Use the daemon that runs there, and leave it running, instead of starting one.")
@click.option("--model", metavar="MODEL", help="For the daemon that is started: vits_hypersim_518, …")
@click.option("--checkpoints", metavar="DIR", help="For the daemon that is started: where official weights lie.")
@click.option("--engine", metavar="NAME", help="For the daemon that is started: torch, null, …")
def main(out: Path, image: str | None, intrinsics: str | None, endpoint: str | None, **daemon_options: Any) -> None:
    """Send one picture through health, pc, metric_depth and rel_depth, and write the results to a folder."""
    signal.signal(signal.SIGTERM, _leave)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, _leave)
    try:
        given = {name: value for name, value in daemon_options.items() if value is not None}
        if endpoint is not None and given:
            raise click.UsageError(f"--{next(iter(given))} is for a daemon that the demo starts: leave out --endpoint")
        picture = _own_picture(image, intrinsics) if image is not None else _shipped_picture()
        out.mkdir(parents=True, exist_ok=True)
        arguments = [part for name, value in given.items() for part in (f"--{name}", str(value))]
        with _daemon(endpoint, arguments, out) as address:
            answers = _ask(address, picture)
            _compare(answers, picture)
            _write(out, answers, picture)
    except click.UsageError:
        raise
    except DaemonFailedError as error:
        say(str(error))
        sys.exit(Exit.FAILED)
    except (DepthwireError, OSError, ValueError, pictures.PicturesUnavailableError) as error:
        fault = fault_of(error)
        say(fault.message)
        sys.exit(fault.exit_code)


def _leave(number: int, _: object) -> None:
    sys.exit(128 + number)  # through every `finally` on the way, so that the daemon is stopped


def _shipped_picture() -> Picture:
    camera = CameraIntrinsics.from_yaml(HERE / "scene_camera.yaml")
    data = (HERE / "scene.jpg").read_bytes()
    true_depth = np.asarray(pictures.pillow().Image.open(HERE / "scene_depth.png")).astype(np.float64) / 1000
    return Picture("scene.jpg", data, _pixels(data), camera, "scene_camera.yaml", true_depth)


def _own_picture(image: str, intrinsics: str | None) -> Picture:
    data = encoded_image(image)
    pixels = _pixels(data)
    if intrinsics is not None:
        camera, note = CameraIntrinsics.from_yaml(intrinsics), intrinsics
    else:
        height, width, _ = pixels.shape
        camera = CameraIntrinsics.from_field_of_view(DEFAULT_FOV_DEG, width, height)
        note = f"not known: a horizontal field of view of {DEFAULT_FOV_DEG:g}° is assumed (--intrinsics cam.yaml)"
    return Picture(Path(image).name, data, pixels, camera, note, None)


def _pixels(data: bytes) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of the stored pixels; EXIF rotation is not applied, as intrinsics belong to them."""
    return np.asarray(pictures.pillow().Image.open(io.BytesIO(data)).convert("RGB"), np.uint8)


@contextlib.contextmanager
def _daemon(endpoint: str | None, arguments: list[str], out: Path) -> Iterator[str]:
    """The address of a daemon that is ready: the one at `endpoint`, or one started for the block."""
    if endpoint is not None:
        _tell("daemon", f"{endpoint}, which runs already and goes on running")
        yield endpoint
        return
    daemon = DaemonProcess(arguments, out / "depthwired.log")
    with daemon:
        _tell("daemon", f"pid {daemon.pid} on {daemon.endpoint}, log in {daemon.log_path}")
        _, first_answer_s, ready_s = daemon.wait_ready()
        _tell("", f"answered health after {first_answer_s:.1f} s, ready for images after {ready_s:.1f} s")
        yield daemon.endpoint
        code = daemon.stop()
        _tell("daemon", f"stopped with SIGTERM, exit code {code}")
    if code != 0:
        raise DaemonFailedError(f"the daemon ended with exit code {code}. Its log ends:\n{daemon.log_tail()}")


def _ask(endpoint: str, picture: Picture) -> Answers:
    height, width, _ = picture.pixels.shape
    with DepthClient(endpoint, timeout=REQUEST_TIMEOUT_S) as client:
        health = client.health()
        _tell("health", "{status}; engine {engine} on {device}, {precision}, depthwired {version}".format_map(health))
        _tell("picture", f"{picture.name}, {width}×{height}; camera: {picture.camera_note}")
        cloud = _timed("pc", lambda: client.pc(picture.data, picture.camera), " (loads the model first)")
        metric = _timed("metric_depth", lambda: client.metric_depth(picture.data))
        relative = _timed("rel_depth", lambda: client.rel_depth(picture.data))
        _tell("model", metric.model)
        if health.get("engine") == "null":
            _tell("", "not asked: engine null answers everything with one constant plane")
        elif metric.model == health.get("default_model") and health.get("notice"):
            _tell("", str(health["notice"]))
        _time_again(client, picture)
    return Answers(cloud, metric, relative)


def _timed(name: str, request: Any, note: str = "") -> Any:
    began = time.perf_counter()
    result = request()
    elapsed_ms = 1e3 * (time.perf_counter() - began)
    points = f"{result.points.size // 3} points, " if isinstance(result, PointCloud) else ""
    unit = "" if name == "rel_depth" else " m"
    _tell(name, f"{points}{result.min:.3g} … {result.max:.3g}{unit} in {elapsed_ms:.0f} ms{note}")
    return result


def _time_again(client: DepthClient, picture: Picture) -> None:
    elapsed_ms, stages = [], []
    for _ in range(TIMED_REQUESTS):
        began = time.perf_counter()
        result = client.metric_depth(picture.data)
        elapsed_ms.append(1e3 * (time.perf_counter() - began))
        stages.append(result.timing)

    def median(stage: str) -> float:
        return statistics.median(timing.get(stage, 0.0) for timing in stages)

    _tell(
        "timing",
        f"median of {TIMED_REQUESTS} metric_depth requests: {statistics.median(elapsed_ms):.0f} ms there and back "
        f"(decoding {median('decode_ms'):.0f}, network {median('infer_ms'):.0f}, finishing {median('post_ms'):.0f})",
    )


def _alignment(depth: NDArray[Any], true_depth: NDArray[np.float64]) -> float:
    """The factor that brings the answer's median to the truth's."""
    return float(np.median(true_depth[true_depth > 0]) / np.nanmedian(depth))


def _compare(answers: Answers, picture: Picture) -> None:
    if picture.true_depth is None:
        return
    depth = answers.metric.depth
    factor = _alignment(depth, picture.true_depth)
    for text, scaled in (
        ("against the true depth:", depth),
        (f"after median alignment (×{factor:.2f}):", depth * factor),
    ):
        abs_rel, delta1 = accuracy(scaled, picture.true_depth)
        _tell("accuracy", f"{text:34} AbsRel {abs_rel:.3f}, δ1 {delta1:.3f}")


def _write(out: Path, answers: Answers, picture: Picture) -> None:
    depth = answers.metric.depth
    files = {
        "side_by_side.png": "picture and depth next to each other",
        "depth_picture.png": "depth in colours with a scale",
        "depth_mm.png": "depth as 16-bit millimetres, 0 where there is none",
        "depth.npy": "depth as float32 metres",
        "cloud.ply": "point cloud with colours, for MeshLab, CloudCompare, Blender, …",
        "relative_picture.png": "the answer to rel_depth in colours",
    }
    pictures.save_png(out / "side_by_side.png", _side_by_side(answers, picture), optimize=True)
    pictures.save_png(out / "depth_picture.png", pictures.depth_picture(depth, far=readable_far(depth)))
    pictures.save_depth_png16(out / "depth_mm.png", depth)
    with NewFile(out / "depth.npy") as file:
        np.save(file, depth)
    write_ply(out / "cloud.ply", answers.cloud.points, picture.pixels.reshape(-1, 3))
    pictures.save_png(out / "relative_picture.png", pictures.depth_picture(answers.relative.depth, unit=""))
    _tell("files", f"in {out.resolve()}:")
    for name, what in files.items():
        _tell("", f"{name:22}{what}")


def _side_by_side(answers: Answers, picture: Picture) -> PIL.Image.Image:
    """The picture and its depth; where the truth is known also that, below it the answer, all on the truth's scale."""
    depth, true_depth = answers.metric.depth, picture.true_depth
    photo: pictures.Panel = (picture.name, picture.pixels)
    answer = f"answer of {answers.metric.model}, metres"
    if true_depth is None:
        coloured = pictures.depth_picture(depth, far=readable_far(depth))
        return pictures.side_by_side([photo, (answer, coloured)], PANEL_WIDTH)

    def panel(title: str, values: NDArray[Any]) -> pictures.Panel:
        return title, pictures.depth_picture(values, near=near, far=far)

    near, far = (float(end) for end in np.percentile(true_depth, [1, 99]))
    factor = _alignment(depth, true_depth)
    above = pictures.side_by_side([photo, panel("true depth, metres", true_depth)], PANEL_WIDTH)
    below = pictures.side_by_side(
        [panel(answer, depth), panel(f"the same times {factor:.2f}: medians aligned", depth * factor)], PANEL_WIDTH
    )
    both: PIL.Image.Image = pictures.pillow().Image.new("RGB", (above.width, above.height + below.height), "white")
    both.paste(above, (0, 0))
    both.paste(below, (0, above.height))
    return both


def _tell(what: str, text: str) -> None:
    click.echo(f"{what:13}{text}")


if __name__ == "__main__":
    main()
