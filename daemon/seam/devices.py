"""Which devices the daemon makes workers for. The front asks at its start, so neither torch nor the driver is loaded:
what the kernel shows of NVIDIA's GPUs is counted, and what each can do its worker finds out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

GPUS_FOLDER = Path("/proc/driver/nvidia/gpus")
"""One folder for each GPU of the machine, or of the container."""


def worker_devices(
    engine: str, device: str, gpus_folder: Path = GPUS_FOLDER, environment: Mapping[str, str] = os.environ
) -> list[str]:
    """The devices, as `cpu` or `cuda:1`, to start a worker for each.

    `auto` and `cuda` are all CUDA devices there are, if the engine uses them; `cuda:0,cuda:2` is a list. Where there
    is at most one, or it cannot be told, the name is left as it is for one worker to make sense of.
    """
    if device not in ("auto", "cuda"):
        return [name for part in device.split(",") if (name := part.strip())] or [device]
    if engine not in ("auto", "torch") or (device == "auto" and not torch_has_cuda()):
        return [device]
    count = count_cuda_devices(gpus_folder, environment)
    return [f"cuda:{index}" for index in range(count)] if count > 1 else [device]


def count_cuda_devices(gpus_folder: Path = GPUS_FOLDER, environment: Mapping[str, str] = os.environ) -> int:
    """How many CUDA devices a process started with `environment` will see; 0 if none or unknown (WSL shows nothing)."""
    try:
        there = sum(1 for _ in gpus_folder.iterdir())
    except OSError:
        return 0
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return there
    chosen: list[str] = []
    for name in (part.strip() for part in visible.split(",")):
        # CUDA reads the list up to the first entry that it does not know, and sees nothing where one is repeated.
        if not name or (name.lstrip("-").isdigit() and not 0 <= int(name) < there):
            break
        if name in chosen:
            return 0
        chosen.append(name)
    return len(chosen)


def torch_has_cuda() -> bool:
    """Whether the torch installed here was built for CUDA, as far as its files tell."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    try:
        text = (Path(spec.origin).parent / "version.py").read_text()
    except OSError:
        return False
    return re.search(r"^cuda\b.*= *['\"]", text, re.MULTILINE) is not None
