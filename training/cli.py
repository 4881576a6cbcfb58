"""`depthwire-train`, the command of this room: it makes the starter model again, from no picture at all to the file.

Reading on: `render` → dataset.py, `run` → train.py, `evaluate` → evaluate.py, `export` → export.py.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from depthwire.daemon.models import catalogue, checkpoints
from depthwire.daemon.seam.launch import keep_current_folder_from_children
from depthwire.protocol.distribution import install_hint
from depthwire.training.errors import TrainingError

_NEW = click.Path(path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def starter() -> Path:
    """The shipped weights, from which training goes on. Raises TrainingError where they are not installed."""
    try:
        return checkpoints.resolve(catalogue.lookup("vitt", "starter"), None)
    except checkpoints.CheckpointNotFound as error:
        raise TrainingError(str(error)) from None


class TrainingGroup(click.Group):
    """Ends a command on its own errors, which all are for people, with their text instead of a traceback."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except TrainingError as error:
            raise click.ClickException(str(error)) from None
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("depthwire"):
                raise
            hint = install_hint("daemon,training")
            raise click.ClickException(f"the package {error.name} is not installed: {hint}") from None


@click.group(cls=TrainingGroup)
@click.version_option(package_name="depthwire")
def main() -> None:
    """Render training scenes, train the starter model on them, evaluate and export it."""
    keep_current_folder_from_children()


@main.command()
@click.option("--out", type=_NEW, required=True, help="Folder of the shards; what is there already is kept.")
@click.option("--pictures", type=click.IntRange(1), help="How many; 256 of the held-out set.")
@click.option("--processes", type=click.IntRange(1), default=2, show_default=True)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True)
@click.option("--held-out", is_flag=True, help="The layouts that are never trained on, with seeds of their own.")
@click.option("--weight", "weights", multiple=True, metavar="LAYOUT=NUMBER", help="Draw a layout more or less often.")
def render(
    out: Path, pictures: int | None, processes: int, seed: int, held_out: bool, weights: tuple[str, ...]
) -> None:
    """Render pictures with exact depth. Training may begin while this goes on."""
    from depthwire.training.dataset import HELD_OUT_PICTURES, RenderPlan, render_dataset

    if pictures is None:
        if not held_out:
            raise click.UsageError("say how many with --pictures; 20000 is a fair number for the starter")
        pictures = HELD_OUT_PICTURES
    plan = RenderPlan(out, pictures, seed, held_out, dict(_weight(text) for text in weights))
    made = render_dataset(plan, processes)
    click.echo(f"{made} shards made, {plan.shards} in all, {plan.pictures} pictures in {out}")


def _weight(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    try:
        return name, max(0.0, float(number))
    except ValueError:
        raise click.BadParameter(f"{text!r}; write LAYOUT=NUMBER, as in street=2", param_hint="--weight") from None


@main.command()
@click.option("--data", type=_FOLDER, required=True, help="Shards to train on; the folder may still be growing.")
@click.option("--out", type=_NEW, required=True, help="Folder of the run. A run that is there goes on.")
@click.option("--held-out", type=_FOLDER, help="Shards to score on now and then; without, no best weights are kept.")
@click.option("--steps", type=click.IntRange(1), help="Length of the run in steps.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Or in minutes, of all its parts together.")
@click.option("--from", "initial", type=_FILE, help="Weights to begin with; the shipped starter if not given.")
@click.option("--from-scratch", is_flag=True, help="Begin with random weights.")
@click.option("--stages", help="SHARE:HEIGHTxWIDTH+HEIGHTxWIDTH:BATCH,… sizes and batches as the run goes on.")
@click.option("--weight", "weights", multiple=True, metavar="LAYOUT=NUMBER", help="See a layout more or less often.")
@click.option("--learning-rate", type=float, help="At the peak.")
@click.option("--muon-rate", type=float, help="Muon's rate for the blocks as a multiple of it; 0: AdamW throughout.")
@click.option("--weight-decay", type=float)
@click.option("--ema-decay", type=click.FloatRange(0, 1, max_open=True), help="Of the moving average of the weights.")
@click.option("--silog", type=float, help="Weight of the SiLog loss.")
@click.option(
    "--variance-focus", type=click.FloatRange(0, 1), help="λ of SiLog: how far an error of scale is forgiven."
)
@click.option("--gradient", type=float, help="Weight of the multi-scale gradient loss.")
@click.option("--log-l1", type=float, help="Weight of the L1 loss on log depth.")
@click.option("--sky", type=float, help="Weight of a sky pixel against a surface's.")
@click.option("--precision", type=click.Choice(["auto", "float32", "bfloat16"]), help="Of the arithmetic.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--threads", type=click.IntRange(1), help="Of torch; all cores if not given.")
@click.option(
    "--loaders",
    type=click.IntRange(0),
    help="Processes that prepare pictures; not given: all cores but one beside a GPU, else 0, a thread.",
)
@click.option("--seed", type=click.IntRange(0))
@click.option("--save-minutes", type=float, help="Between two savings of the state.")
@click.option("--evaluate-minutes", type=float, help="Between two scorings.")
@click.option("--evaluate-pictures", type=click.IntRange(1), help="Held-out pictures of a scoring.")
@click.option("--evaluate-size", type=click.IntRange(56, 1540), help="Input size of a scoring.")
def run(
    data: Path,
    out: Path,
    held_out: Path | None,
    steps: int | None,
    minutes: float | None,
    initial: Path | None,
    from_scratch: bool,
    stages: str | None,
    weights: tuple[str, ...],
    threads: int | None,
    loaders: int | None,
    silog: float | None,
    variance_focus: float | None,
    gradient: float | None,
    log_l1: float | None,
    sky: float | None,
    **others: Any,
) -> None:
    """Train. Stop it at any moment (Ctrl-C, SIGTERM); the same command goes on."""
    if (steps is None) == (minutes is None):
        raise click.UsageError("give --steps or --minutes, one of them")
    if initial and from_scratch:
        raise click.UsageError("give --from or --from-scratch, not both")
    # Before torch loads OpenMP. By default a thread that waits for the other spins, which takes the core away from
    # whatever the other competes with: beside a rendering, training was four times slower. Alone it is as fast.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    from depthwire.daemon.seam.cores import usable_cores
    from depthwire.training.dataset import RenderPlan, layouts_of
    from depthwire.training.losses import LossWeights
    from depthwire.training.schedule import Budget, parse_stages
    from depthwire.training.train import RunOptions, train

    if threads:
        torch.set_num_threads(threads)
    loss = {"silog": silog, "variance_focus": variance_focus, "gradient": gradient, "log_l1": log_l1, "sky": sky}
    chosen: dict[str, Any] = _given(others)
    if stages:
        chosen["stages"] = parse_stages(stages)
    layouts = dict(_weight(text) for text in weights)
    if layouts:
        layouts_of(RenderPlan(data, 1, 0, weights=layouts))  # refuses a name that no layout has
    options = RunOptions(
        data=data,
        out=out,
        held_out=held_out,
        budget=Budget(steps, minutes),
        initial=None if from_scratch else initial or starter(),
        loss=LossWeights(**_given(loss)),
        layouts=layouts,
        loaders=loaders if loaders is not None else (usable_cores() - 1 if others["device"] != "cpu" else 0),
        **chosen,
    )
    if not train(options):
        click.echo(f"stopped; the same command goes on with the run in {out}")
        raise SystemExit(1)
    made = out / ("best.safetensors" if held_out else "last.safetensors")
    click.echo(f"done; depthwire-train evaluate {made} says what it is worth")


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


@main.command()
@click.argument("weights", type=_FILE)
@click.option("--held-out", type=_FOLDER, help="Shards of the held-out set.")
@click.option("--photos", type=_FOLDER, help="Photographs to look at.")
@click.option("--out", type=_NEW, required=True, help="Folder of the table and the sheets.")
@click.option("--input-size", type=click.IntRange(56, 1540), help="The starter's own if not given.")
def evaluate(weights: Path, held_out: Path | None, photos: Path | None, out: Path, input_size: int | None) -> None:
    """Score WEIGHTS on held-out scenes and draw sheets of scenes and photos."""
    from depthwire.training.evaluate import evaluate as evaluate_weights
    from depthwire.training.export import INPUT_SIZE

    if held_out is None and photos is None:
        raise click.UsageError("nothing to look at; give --held-out, --photos or both")
    click.echo(evaluate_weights(weights, held_out, photos, out, input_size or INPUT_SIZE), nl=False)
    click.echo(f"written to {out}")


@main.command()
@click.argument("run_folder", type=_FOLDER)
@click.argument("path", type=_NEW)
def export(run_folder: Path, path: Path) -> None:
    """Write the averaged weights of RUN_FOLDER, as they are, to PATH for the daemon: float16 safetensors."""
    from depthwire.training.export import export_run

    size = export_run(run_folder, path)
    click.echo(f"{path}: {size / 1e6:.1f} MB; the daemon loads it")


@main.command()
@click.argument("path", type=_NEW)
@click.option("--layout", "names", multiple=True, help="Only these layouts.")
@click.option("--held-out", is_flag=True, help="The layouts that are never trained on.")
@click.option("--scenes", "count", type=click.IntRange(1), default=2, show_default=True, help="Of each layout.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def preview(path: Path, names: tuple[str, ...], held_out: bool, count: int, seed: int) -> None:
    """Draw a contact sheet of scenes, photograph beside depth, into the PNG file PATH."""
    import numpy as np

    from depthwire.training.dataset import RenderPlan, layouts_of
    from depthwire.training.materials import choose_pool
    from depthwire.training.preview import contact_sheet

    choose_pool(held_out)
    layouts = layouts_of(RenderPlan(path, 1, seed, held_out, dict.fromkeys(names, 1.0)))
    chosen = names or tuple(layouts)
    scenes = [
        layouts[name][0](np.random.default_rng([seed, n, index]))
        for n in range(count)
        for index, name in enumerate(chosen)
    ]
    contact_sheet(scenes, path, seed)
    click.echo(f"{len(scenes)} scenes of {len(chosen)} layouts in {path}")


if __name__ == "__main__":
    main()
