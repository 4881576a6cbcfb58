"""The CUDA table: speed of the engine by model, precision and batch size, accuracy, and a load sweep on the daemon.

`make bench-gpu` runs it in one command, for the day a GPU is there; without one the command says so and ends.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from depthwire.bench import launch
from depthwire.bench.engine import EngineChoice, accuracy_table, speed_table
from depthwire.bench.images import BenchImage
from depthwire.bench.load import Show, sweep
from depthwire.bench.plan import LoadPlan
from depthwire.bench.rig import RigOptions
from depthwire.bench.standard import STARTER, daemon_flags
from depthwire.bench.weights import checkpoints_for

CUDA_CHOICES = (
    EngineChoice("auto", "auto"),
    EngineChoice("torch", "float32"),
    EngineChoice("torch", "float16"),
    EngineChoice("torch", "bfloat16"),
)
SWEEP_CLIENTS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


def cuda_device_count() -> int:
    """How many CUDA devices torch sees, asked in a process of its own: torch is not for this one."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_count_devices)


def cuda_tables(
    encoders: Sequence[str],
    batches: Sequence[int],
    seconds: float,
    images: Sequence[BenchImage],
    accuracy_images: Sequence[BenchImage],
    checkpoints: Path | None,
    spare_weights: Path,
    show: Show,
) -> tuple[dict[str, Any], dict[str, str]]:
    """The results, and what the weights of each model are."""
    speed: list[dict[str, Any]] = []
    loads: dict[str, Any] = {}
    weights: dict[str, str] = {}
    for encoder in encoders:
        model = f"{encoder}_hypersim"
        folder, weights[model] = checkpoints_for(model, checkpoints, spare_weights)
        options = RigOptions(model, device="cuda:0", checkpoints=folder)
        speed += speed_table(options, CUDA_CHOICES, images, batches, seconds, show)
        with launch.daemon(daemon_flags(options)) as endpoint:
            plan = LoadPlan(endpoint, list(images), {"metric_depth": 1}, duration_s=2 * seconds, warmup_s=seconds)
            plan = replace(plan, processes=2)
            loads[model] = [run.report() for run in sweep(plan, list(SWEEP_CLIENTS), show)]
    accuracy = accuracy_table(RigOptions(STARTER, device="cuda:0"), CUDA_CHOICES, accuracy_images, show)
    return {"speed": speed, "accuracy": accuracy, "loads": loads}, weights


def _count_devices() -> int:
    import torch

    return torch.cuda.device_count()
