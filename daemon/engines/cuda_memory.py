"""Memory of a CUDA device that has run out: how the libraries say so. cuda.py and cuda_graphs.py ask."""

from __future__ import annotations

import torch

_TEXTS = (
    "out of memory",
    "_STATUS_ALLOC_FAILED",
    "_ALLOCATION_FAILED",
)
"""CUDA itself; cuBLAS and cuDNN; cuDNN 9, of the host's memory and the device's."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a smaller batch may succeed where this error ended one."""
    # torch's own allocator raises OutOfMemoryError, which was in torch.cuda alone up to torch 2.4.
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _TEXTS)
