"""`depthwire-bench`, the command of this room: each subcommand measures one thing, prints its table, writes its report.

Reading on: `load` for a load, `rig` and `engine` for the network alone, `transport`, `compare`, `standard`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from depthwire.bench import launch, plots, render
from depthwire.bench.compare import PEERS, available_peers, compare, require_peers
from depthwire.bench.engine import accuracy_table, speed_table
from depthwire.bench.gpu import cuda_device_count, cuda_tables
from depthwire.bench.images import BenchImage, read_images
from depthwire.bench.load import one_line, run_load, sweep
from depthwire.bench.mix import parse_mix
from depthwire.bench.plan import LoadPlan, split_model
from depthwire.bench.progress import ProgressLine
from depthwire.bench.report import append_section, make_report, write_report
from depthwire.bench.rig import EngineFailure, RigOptions, engine_rig
from depthwire.bench.standard import (
    PARTS,
    STARTER,
    StandardSet,
    choices_of,
    daemon_flags,
    demo_scene,
    peer_settings,
)
from depthwire.bench.transport import ROUNDS, SIZES, transport_table
from depthwire.client import DepthwireError
from depthwire.daemon.seam.launch import keep_current_folder_from_children

DEFAULT_OUT = Path("bench-out")
RESULTS = Path(__file__).parent / "RESULTS.md"
_PATH = click.Path(exists=True, path_type=Path)

Command = Callable[..., Any]


class BenchGroup(click.Group):
    """Ends a command on the errors of the thing measured with their text instead of a traceback."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except (DepthwireError, EngineFailure) as error:
            raise click.ClickException(str(error)) from None


def _options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_image_options = _options(
    click.option(
        "--image",
        "images",
        type=_PATH,
        multiple=True,
        help="Image or folder of them; default: a synthetic 640x480 photo.",
    ),
)
_out_option = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_OUT,
    show_default=True,
    help="Folder for reports and pictures.",
)
_engine_options = _options(
    click.option("--model", default="vits_hypersim", show_default=True, metavar="ENCODER_DATASET[_SIZE]"),
    click.option(
        "--checkpoints",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Folder with checkpoints; without the model's, random weights are written to OUT/weights.",
    ),
    click.option("--engine", default="auto", show_default=True),
    click.option("--precision", default="auto", show_default=True),
    click.option("--device", default="auto", show_default=True),
    click.option("--threads", default=0, help="Of the engine. 0: the cores this process may use.", show_default=True),
    click.option("--max-batch", default=0, help="0: chosen by the engine.", show_default=True),
)


@click.group(cls=BenchGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="depthwire")
def main() -> None:
    """Measure depthwire: loads, the engine and the transport on their own, other servers for comparison."""
    keep_current_folder_from_children()


@main.command()
@click.option("--endpoint", default="tcp://127.0.0.1:5555", show_default=True, help="Of the daemon to measure.")
@click.option("--launch", "launched", is_flag=True, help="Start a daemon for the measurement, with the options below.")
@click.option("--clients", default=1, show_default=True, type=click.IntRange(1), help="Connections.")
@click.option("--in-flight", default=1, show_default=True, type=click.IntRange(1), help="Requests of each client.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Requests a second: makes it an open loop.")
@click.option("--arrivals", type=click.Choice(["poisson", "fixed"]), default="poisson", show_default=True)
@click.option("--sweep", "loads", metavar="N,N,…", help="Clients, or rates with --rate, one measurement each.")
@click.option("--duration", default=10.0, show_default=True, help="Seconds measured.")
@click.option("--warmup", default=2.0, show_default=True, help="Seconds before, not measured.")
@click.option("--timeout", type=float, help="Seconds that travel with each request.")
@click.option("--deadline", type=float, help="Milliseconds within which an answer is good.")
@click.option("--mix", default="metric_depth", show_default=True, help="Operations with weights: metric_depth:3,pc:1.")
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1), help="Of the load generator.")
@click.option("--pid", type=int, help="The daemon's front process, where it cannot be found by itself.")
@click.option("--seed", default=0, show_default=True)
@click.option("--name", default="load", show_default=True, help="Of the report's files.")
@_image_options
@_engine_options
@_out_option
def load(images: Sequence[Path], out: Path, name: str, launched: bool, loads: str | None, **options: Any) -> None:
    """Load a daemon and measure latency, throughput, errors, batches and what it costs the daemon.

    A closed loop of --clients with --in-flight requests each; with --rate an open loop, whose latency counts from the
    moment a request was due. The daemon at --endpoint serves with its own model unless --launch starts one.
    """
    try:
        mix = parse_mix(options["mix"])
        steps = [float(step) for step in loads.split(",")] if loads else []
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    weights = None
    given = click.get_current_context().get_parameter_source("model") is not click.core.ParameterSource.DEFAULT
    encoder, dataset, size = split_model(options["model"]) if given or launched else (None, None, None)
    plan = LoadPlan(
        endpoint=options["endpoint"],
        images=read_images(images),
        mix=mix,
        mode="open" if options["rate"] else "closed",
        clients=options["clients"],
        in_flight=options["in_flight"],
        rate=options["rate"] or 0.0,
        arrivals=options["arrivals"],
        duration_s=options["duration"],
        warmup_s=options["warmup"],
        timeout_s=options["timeout"],
        deadline_ms=options["deadline"],
        encoder=encoder,
        dataset=dataset,
        model_input_size=size,
        processes=options["processes"],
        seed=options["seed"],
    )
    line = ProgressLine()

    def measure(plan: LoadPlan) -> None:
        runs = sweep(plan, steps, line.show, options["pid"]) if steps else [run_load(plan, line.show, options["pid"])]
        line.end()
        reports = [run.report() for run in runs]
        for report in reports:
            click.echo(f"{report['load']:g} {'requests/s' if plan.mode == 'open' else 'in flight'}: {one_line(report)}")
        settings = plan.settings() | {"weights": weights, "launched": launched}
        _write(out, name, make_report("load", settings, {"runs": reports}), printed=True)
        plots.plot_loads(out / f"{name}.png", runs, f"depthwire, {options['mix']}, {plan.images[0].name}")

    if launched:
        rig, weights = _rig(out, **options)
        with launch.daemon(daemon_flags(rig)) as endpoint:
            measure(LoadPlan(**{**vars(plan), "endpoint": endpoint}))
    else:
        measure(plan)


@main.command()
@click.option("--choice", "choices", multiple=True, metavar="ENGINE[:PRECISION]", help="May be given more than once.")
@click.option("--batch", "batches", type=click.IntRange(1), multiple=True, default=(1, 2, 4), show_default=True)
@click.option("--seconds", default=4.0, show_default=True, help="For each measurement.")
@click.option("--accuracy/--no-accuracy", default=True, show_default=True, help="Compare depths with float32 torch.")
@click.option("--accuracy-image", type=_PATH, multiple=True, help="Photos to compare on; default: the demo's scene.")
@_image_options
@_engine_options
@_out_option
def engine(
    images: Sequence[Path],
    out: Path,
    choices: Sequence[str],
    batches: Sequence[int],
    seconds: float,
    accuracy: bool,
    accuracy_image: Sequence[Path],
    **options: Any,
) -> None:
    """Measure the network alone, without a daemon, and its depth against float32 torch with the starter's weights."""
    rig, weights = _rig(out, **options)
    wanted = choices_of(choices or [f"{options['engine']}:{options['precision']}"])
    photos = _accuracy_images(accuracy_image) if accuracy else []
    line = ProgressLine()
    results = {"speed": speed_table(rig, wanted, read_images(images), batches, seconds, line.show), "accuracy": []}
    if accuracy:
        starter = RigOptions(STARTER, device=rig.device, threads=rig.threads)
        results["accuracy"] = accuracy_table(starter, wanted, photos, line.show)
    line.end()
    settings = _settings(rig, weights) | {"seconds": seconds, "accuracy_images": [photo.name for photo in photos]}
    _write(out, "engine", make_report("engine", settings, results))


@main.command()
@click.option("--rounds", default=ROUNDS, show_default=True, type=click.IntRange(1))
@_out_option
def transport(out: Path, rounds: int) -> None:
    """Measure a daemon with the null engine beside a bare ROUTER/DEALER echo and a memcpy, over tcp and ipc."""
    line = ProgressLine()
    rows = transport_table(line.show, SIZES, rounds)
    line.end()
    _write(out, "transport", make_report("transport", {"rounds": rounds}, {"rows": rows}))


@main.command()
@click.option("--peer", "names", multiple=True, type=click.Choice([peer.name for peer in PEERS]), help="Default: all.")
@click.option("--clients", default=8, show_default=True, type=click.IntRange(1))
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--seconds", default=8.0, show_default=True, help="Measured for each server in each round.")
@_image_options
@_engine_options
@_out_option
def peers(
    images: Sequence[Path], out: Path, names: Sequence[str], clients: int, rounds: int, seconds: float, **options: Any
) -> None:
    """Measure depthwired in turns with comparison servers for the same network and the same pictures."""
    chosen = available_peers(names, lambda text: click.echo(text, err=True))
    require_peers(chosen)
    rig, weights = _rig(out, **options)
    line = ProgressLine()
    with engine_rig(rig) as alone:
        info = alone.info
    plan = LoadPlan("", read_images(images), {"metric_depth": 1}, clients=clients, duration_s=seconds, warmup_s=1.0)
    results = compare(chosen, peer_settings(rig, info.threads, info.max_batch), plan, rounds, line.show)
    line.end()
    settings = _settings(rig, weights) | vars(info) | {"clients": clients, "rounds": rounds, "seconds": seconds}
    _write(out, "peers", make_report("peers", settings, results))


@main.command()
@click.option("--pace", default=1.0, show_default=True, help="Less than 1 shortens every measurement: for a look.")
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS), help="Default: all.")
@click.option("--accuracy-image", type=_PATH, multiple=True, help="Photos to compare on; default: the demo's scene.")
@_image_options
@_engine_options
@_out_option
def standard(
    images: Sequence[Path],
    out: Path,
    pace: float,
    parts: Sequence[str],
    accuracy_image: Sequence[Path],
    **options: Any,
) -> None:
    """Measure everything the targets speak of, in about ten minutes, and print which of them are met."""
    rig, weights = _rig(out, **options)
    photos = _accuracy_images(accuracy_image)
    line = ProgressLine()
    results, runs = StandardSet(rig, read_images(images), photos, line.show, pace, tuple(parts) or PARTS).run()
    line.end()
    settings = _settings(rig, weights) | {"pace": pace, "accuracy_images": [photo.name for photo in photos]}
    _write(out, "standard", make_report("standard", settings, results))
    if runs:
        plots.plot_loads(out / "standard.png", runs, f"depthwire, {rig.model}, closed loop")


@main.command()
@click.option("--encoder", "encoders", multiple=True, default=("vits", "vitb", "vitl"), show_default=True)
@click.option("--batch", "batches", type=click.IntRange(1), multiple=True, default=(1, 2, 4, 8, 16), show_default=True)
@click.option("--seconds", default=3.0, show_default=True, help="For each measurement.")
@click.option("--accuracy-image", type=_PATH, multiple=True, help="Photos to compare on; default: the demo's scene.")
@click.option("--checkpoints", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_image_options
@_out_option
def gpu(
    images: Sequence[Path],
    out: Path,
    encoders: Sequence[str],
    batches: Sequence[int],
    seconds: float,
    accuracy_image: Sequence[Path],
    checkpoints: Path | None,
) -> None:
    """Print the CUDA table: engine by model, precision and batch, accuracy, and a load sweep. Skips without CUDA."""
    if not cuda_device_count():
        click.echo("skipped: torch sees no CUDA device here")
        return
    photos, line = _accuracy_images(accuracy_image), ProgressLine()
    results, weights = cuda_tables(
        encoders, batches, seconds, read_images(images), photos, checkpoints, out / "weights", line.show
    )
    line.end()
    settings = {"weights": weights, "seconds": seconds, "accuracy_images": [photo.name for photo in photos]}
    _write(out, "gpu", make_report("gpu", settings, results))


@main.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--encoder", default="vits", show_default=True)
@click.option("--dataset", default="hypersim", show_default=True)
@click.option("--seed", default=0, show_default=True)
def weights(folder: Path, encoder: str, dataset: str, seed: int) -> None:
    """Write random weights under the official file name into FOLDER: for speed only, their depth means nothing."""
    from depthwire.bench.weights import write_random_checkpoint
    from depthwire.daemon.models.catalogue import UnknownModel

    try:
        click.echo(write_random_checkpoint(encoder, dataset, folder, seed))
    except UnknownModel as error:
        raise click.UsageError(str(error)) from None


@main.command()
@click.argument("reports", type=click.Path(exists=True, dir_okay=False, path_type=Path), nargs=-1, required=True)
@click.option(
    "--into", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS, help="Default: RESULTS.md here."
)
def record(reports: Sequence[Path], into: Path) -> None:
    """Put JSON reports into RESULTS.md, each as a section with its date, machine, versions and command."""
    sections = []
    for path in reports:
        try:
            sections.append(render.section_of(path))
        except (ValueError, KeyError) as error:
            raise click.ClickException(f"{path} is not a report of depthwire-bench: {error!r}") from None
    for text in reversed(sections):  # so that they stand in the order in which they were given
        append_section(into, text)
    click.echo(f"{len(reports)} sections added to {into.name}")


def _rig(out: Path, **options: Any) -> tuple[RigOptions, str]:
    """The engine that the options describe, with weights to run it on, and what those weights are."""
    from depthwire.bench.weights import checkpoints_for
    from depthwire.daemon.models.catalogue import InvalidInputSize, UnknownModel

    model: str = options["model"]
    checkpoints: Path | None = options["checkpoints"]
    kind = "none: the null engine"
    if options["engine"] != "null":
        try:
            checkpoints, kind = checkpoints_for(model, checkpoints, (out / "weights").absolute())
        except (UnknownModel, InvalidInputSize) as error:
            raise click.UsageError(f"--model: {error}") from None
    names = ("model", "engine", "precision", "device", "threads", "max_batch")
    return RigOptions(**{name: options[name] for name in names}, checkpoints=checkpoints), kind


def _settings(rig: RigOptions, weights: str) -> dict[str, Any]:
    return {**{name: value for name, value in vars(rig).items() if name != "checkpoints"}, "weights": weights}


def _accuracy_images(paths: Sequence[Path]) -> list[BenchImage]:
    return read_images(list(paths) or [demo_scene()])


def _write(out: Path, name: str, report: dict[str, Any], *, printed: bool = False) -> None:
    if not printed:
        click.echo(render.body_of(report))
    write_report(out / f"{name}.json", report)
    click.echo(f"\nreport: {out / name}.json", err=True)


if __name__ == "__main__":
    main()
