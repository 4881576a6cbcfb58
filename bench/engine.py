"""The engine table: speed of the network alone, and how far each engine and precision is from float32 torch.

The `engine` command and the standard set call it; `rig` does the measuring in a process for each engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from depthwire.bench.images import BenchImage
from depthwire.bench.load import Show
from depthwire.bench.rig import EngineFailure, EngineRig, EngineTimes, RigOptions, engine_rig
from depthwire.bench.statistics import spread

MAX_DEFAULT_DIFFERENCE = 0.005
"""A precision whose mean relative difference exceeds it is no default."""
_TINY_DEPTH = 1e-6


@dataclass(frozen=True)
class EngineChoice:
    """An engine at a precision, as `openvino:bfloat16`; without one, at the engine's own choice."""

    engine: str
    precision: str

    @staticmethod
    def parse(text: str) -> EngineChoice:
        engine, _, precision = text.partition(":")
        return EngineChoice(engine or "auto", precision or "auto")

    def __str__(self) -> str:
        return f"{self.engine}:{self.precision}"


def speed_table(
    options: RigOptions,
    choices: Sequence[EngineChoice],
    images: Sequence[BenchImage],
    batches: Sequence[int],
    seconds: float,
    show: Show,
) -> list[dict[str, Any]]:
    """One row for each engine, image size and batch size; an engine that is not here is a row that says so."""
    rows: list[dict[str, Any]] = []
    sizes = {(image.width, image.height): image for image in images}.values()
    for choice in choices:
        row: dict[str, Any] = {"model": options.model, "choice": str(choice)}
        try:
            chosen = replace(options, engine=choice.engine, precision=choice.precision, max_batch=max(batches))
            with engine_rig(chosen) as rig:
                row |= vars(rig.info)
                for image in sizes:
                    for batch in batches:
                        show(f"{choice}, {image.width}x{image.height}, batch of {batch}")
                        rows.append(row | measured_row(rig.measure(image, batch, seconds)))
        except EngineFailure as failure:
            rows.append(row | {"failure": str(failure)})
    return rows


def measured_row(times: EngineTimes) -> dict[str, Any]:
    """The figures of one measurement."""
    infer = spread(times.infer)
    return {
        "input": [times.input_height, times.input_width],
        "batch": times.batch,
        "infer_ms": infer,
        "images_per_s": round(1e3 * times.batch / infer["median"], 4),
        "first_infer_ms": round(times.first_infer_ms, 1),
        "decode_ms": spread(times.decode),
        "prepare_ms": spread(times.prepare),
        "finish_ms": spread(times.finish),
        "rss_mb": round(times.rss_mb, 1),
    }


def accuracy_table(
    options: RigOptions, choices: Sequence[EngineChoice], images: Sequence[BenchImage], show: Show
) -> list[dict[str, Any]]:
    """Relative difference of each engine's depth to that of torch in float32 on the CPU, over all pixels."""
    show("accuracy: the reference, torch float32")
    with engine_rig(replace(options, engine="torch", precision="float32", device="cpu")) as rig:
        references = [rig.depth(image) for image in images]
    rows: list[dict[str, Any]] = []
    for choice in choices:
        show(f"accuracy: {choice}")
        row: dict[str, Any] = {"model": options.model, "choice": str(choice), "images": len(images)}
        try:
            with engine_rig(replace(options, engine=choice.engine, precision=choice.precision)) as rig:
                row |= {"engine": rig.info.engine, "precision": rig.info.precision, "device": rig.info.device}
                row |= _compare(rig, images, references)
        except EngineFailure as failure:
            row["failure"] = str(failure)
        rows.append(row)
    return rows


def _compare(
    rig: EngineRig, images: Sequence[BenchImage], references: Sequence[npt.NDArray[np.float32]]
) -> dict[str, Any]:
    differences = np.concatenate(
        [
            relative_difference(rig.depth(image), reference).ravel()
            for image, reference in zip(images, references, strict=True)
        ]
    )
    mean = float(differences.mean())
    return {
        "mean": mean,
        "p99": float(np.percentile(differences, 99)),
        "max": float(differences.max()),
        "fit_as_default": mean <= MAX_DEFAULT_DIFFERENCE,
    }


def relative_difference(depth: npt.NDArray[np.float32], reference: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """|depth − reference| / reference for each pixel."""
    difference: npt.NDArray[np.float64] = np.abs(depth.astype(np.float64) - reference)
    return difference / np.maximum(reference, _TINY_DEPTH)


def speed_cells(row: dict[str, Any]) -> list[str]:
    """A speed row for a Markdown table, under SPEED_HEADS."""
    if "failure" in row:
        return [row["model"], row["choice"], "", "", f"not measured: {row['failure']}", "", "", ""]
    height, width = row["input"]
    infer = row["infer_ms"]
    around = sum(row[stage]["median"] for stage in ("decode_ms", "prepare_ms", "finish_ms"))
    return [
        row["model"],
        f"{row['engine']} {row['precision']}",
        f"{width}×{height}",
        str(row["batch"]),
        f"{infer['median']:.1f} ({infer['min']:.1f}…{infer['max']:.1f})",
        f"{row['images_per_s']:.2f}",
        f"{around:.1f}",
        f"{row['rss_mb']:.0f}",
    ]


SPEED_HEADS = (
    "model",
    "engine",
    "input",
    "batch",
    "batch ms, median (min…max)",
    "images/s",
    "around ms",
    "RSS so far MB",
)
ACCURACY_HEADS = ("model", "engine", "mean", "p99", "max", "fit as default (mean ≤ 0.5 %)")


def accuracy_cells(row: dict[str, Any]) -> list[str]:
    """An accuracy row for a Markdown table, under ACCURACY_HEADS."""
    if "failure" in row:
        return [row["model"], row["choice"], f"not measured: {row['failure']}", "", "", ""]
    figures = [f"{100 * row[name]:.4f} %" for name in ("mean", "p99", "max")]
    return [row["model"], f"{row['engine']} {row['precision']}", *figures, "yes" if row["fit_as_default"] else "no"]
