"""Which engine runs here: the one that an operator names, or the best that there is. The worker asks at its start.

Each engine is imported only when it is chosen, since what it stands on takes seconds and memory.
"""

from __future__ import annotations

import ctypes
from importlib.util import find_spec
from pathlib import Path

from depthwire.daemon.engines.engine import Engine, EngineOptions
from depthwire.protocol.distribution import install_hint


def create_engine(name: str, options: EngineOptions) -> Engine:
    """The engine called `name`: `torch`, `openvino`, `null`, or `auto` for the best there is on this machine.

    `auto` is torch where there is CUDA, else openvino, or torch where that is not installed.

    Raises ValueError for an engine, a device or a precision that it does not have.
    """
    if name == "auto":
        name = "torch" if _wants_cuda(options.device) or find_spec("openvino") is None else "openvino"
    if name == "null":
        from depthwire.daemon.engines.null import NullEngine

        return NullEngine(options)
    if name == "torch":
        from depthwire.daemon.engines.cuda import CudaEngine, choose_device
        from depthwire.daemon.engines.torch_cpu import TorchEngine

        return CudaEngine(options) if choose_device(options.device).type == "cuda" else TorchEngine(options)
    if name == "openvino":
        if find_spec("openvino") is None:
            raise ValueError(f"the engine openvino needs the package openvino: {install_hint('daemon')}")
        from depthwire.daemon.engines.openvino import OpenVinoEngine

        return OpenVinoEngine(options)
    raise ValueError(f"engine {name!r} is not known; the engines are auto, openvino, torch and null")


def _wants_cuda(device: str) -> bool:
    if device != "auto":
        return device != "cpu"
    if not _has_cuda_driver():  # importing torch to hear the same costs seconds, and memory for good
        return False
    import torch

    return torch.cuda.is_available()


def _has_cuda_driver() -> bool:
    """Whether torch could find a CUDA device at all: NVIDIA's driver library, or AMD's for a torch built on ROCm."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return Path("/dev/kfd").exists()
    return True
