"""What a run needs to go on after an interruption, and what is left of it to look at: state, log and curves.

train.py writes it; all files lie in the run's folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch

from depthwire.training.errors import TrainingError

STATE = "state.pt"
LOG = "log.jsonl"
CURVES = "curves.png"
LAST = "last.safetensors"
BEST = "best.safetensors"

_INK, _BLUE, _ORANGE, _GREEN, _GRID = "#202024", "#2f6db5", "#d9772b", "#3c8d5a", "#e3e3e8"
_SMOOTHED_STEPS = 50


class UnreadableState(TrainingError):
    """A run's state cannot be read. The text says what to do."""


def save_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Replace the run's state at once: a crash leaves the old one or the new one, whole."""
    part = folder / f".{STATE}.tmp"
    with part.open("wb") as file:
        torch.save(dict(state), file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / STATE)


def load_state(folder: Path) -> dict[str, Any] | None:
    """The state that was saved last; None where the run is new.

    Raises:
        UnreadableState: there is one, and it cannot be read.
    """
    path = folder / STATE
    if not path.exists():
        return None
    try:
        return cast(dict[str, Any], torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:
        raise UnreadableState(
            f"cannot read {path} ({type(error).__name__}); name another folder with --out, and {LAST} of this one with "
            "--from to begin with its weights"
        ) from error


class Log:
    """One JSON line for each step and each evaluation."""

    def __init__(self, folder: Path, step: int) -> None:
        """Goes on after `step`: lines of later steps, which a crash left behind, are dropped."""
        self.path = folder / LOG
        kept = [entry for entry in read_log(folder) if entry["step"] <= step]
        self.path.write_text("".join(json.dumps(entry) + "\n" for entry in kept))

    def write(self, entry: Mapping[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")


def read_log(folder: Path) -> list[dict[str, Any]]:
    """All whole lines of a run's log; none where there is no log."""
    path = folder / LOG
    entries = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue  # the last line of a run that was killed while it wrote
    return entries


def draw_curves(folder: Path) -> None:
    """curves.png: the losses, the held-out scores and the learning rate, over minutes of the run."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    entries = read_log(folder)
    steps = [entry for entry in entries if "loss" in entry]
    scores = [entry for entry in entries if "held_out" in entry]
    figure: Any = Figure(figsize=(15, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    losses, quality, rate = figure.subplots(1, 3)
    minutes = [entry["elapsed_s"] / 60 for entry in steps]
    for name, colour in (("loss", _INK), ("silog", _BLUE), ("gradient", _ORANGE)):
        losses.plot(minutes, _smooth([entry[name] for entry in steps]), color=colour, label=name, linewidth=1.2)
    losses.set(title="loss", xlabel="minutes", yscale="log")
    at = [entry["elapsed_s"] / 60 for entry in scores]
    for name, colour in (("abs_rel", _INK), ("delta1", _BLUE), ("delta1_aligned", _GREEN), ("ordinal", _ORANGE)):
        quality.plot(at, [entry["held_out"][name] for entry in scores], color=colour, label=name, marker=".")
    quality.set(title="held-out scenes", xlabel="minutes", ylim=(0, 1))
    rate.plot(minutes, [entry["learning_rate"] for entry in steps], color=_INK, label="learning rate")
    speed = rate.twinx()
    speed.plot(minutes, _smooth([entry["images_per_s"] for entry in steps]), color=_GREEN, linewidth=1)
    speed.set_ylabel("images / s", color=_GREEN)
    rate.set(title="learning rate", xlabel="minutes")
    for axis in (losses, quality, rate):
        axis.grid(color=_GRID, linewidth=0.8)
        axis.legend(frameon=False)
    figure.savefig(folder / CURVES, dpi=100)


def _smooth(values: list[float]) -> list[float]:
    average, smoothed = None, []
    for value in values:
        average = value if average is None else average + (value - average) / _SMOOTHED_STEPS
        smoothed.append(average)
    return smoothed
