"""From our torch network to OpenVINO's: a process of its own, which openvino.py starts when its cache has no
answer. So a worker never imports torch, and tracing (seconds under Python's global lock) holds up nobody's request.

The result takes pictures of any size, and the position embedding as a second input: one network for all shapes.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from pathlib import Path

import numpy as np
import openvino
import torch
from numpy.typing import NDArray

from depthwire.daemon.engines.openvino_files import EXIT_CANNOT_WRITE, EXIT_WRONG_CHECKPOINT, MODEL_FILE, POSITIONS_FILE
from depthwire.daemon.models.depth_anything import WrongCheckpoint, build
from depthwire.daemon.seam.children import die_with_parent
from depthwire.protocol.messages import PATCH

PICTURE, POSITIONS = "picture", "positions"
"""Names of the two inputs: (1, 3, H, W), and (1, 1 + patches, width) from `resample.interpolate_positions`."""

NICENESS = 10
"""Requests of the networks that run already come first."""

_EXAMPLE_ROWS, _EXAMPLE_COLUMNS = 5, 6
"""Patches of the picture to trace with: small, and not square, so that rows and columns cannot be mixed up."""


def convert(encoder: str, metric: bool, path: Path) -> tuple[openvino.Model, NDArray[np.float32]]:
    """The network in file `path` for OpenVINO, in float32 and for any picture size, and its position embedding.

    Raises:
        WrongCheckpoint: as `depth_anything.build`.
    """
    network = build(encoder, metric, path)
    width = network.config.width
    example = (
        torch.zeros(1, 3, _EXAMPLE_ROWS * PATCH, _EXAMPLE_COLUMNS * PATCH),
        torch.zeros(1, 1 + _EXAMPLE_ROWS * _EXAMPLE_COLUMNS, width),
    )
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer doubts the check of the picture's size, which is of no use to it
        traced = torch.jit.trace(network, example, check_trace=False)  # type: ignore[no-untyped-call]
    # The batch is 1 for good: one picture after the other is as fast on a CPU, and each is answered sooner.
    shapes = [openvino.PartialShape([1, 3, -1, -1]), openvino.PartialShape([1, -1, width])]
    model = openvino.convert_model(traced, example_input=example, input=shapes)
    for port, name in zip(model.inputs, (PICTURE, POSITIONS), strict=True):
        port.set_names({name})
    positions: NDArray[np.float32] = network.pretrained.pos_embed.detach().numpy().copy()
    return model, positions


def main(arguments: list[str]) -> int:
    """`python -m … ENCODER metric|relative CHECKPOINT FOLDER PARENT` writes the converted network into FOLDER.

    Is gone when the process PARENT, which started it, is. Tells what is wrong on standard output, and by the exit
    status whether it is the checkpoint or the folder.
    """
    encoder, kind, path, folder, parent = arguments
    die_with_parent(int(parent))
    os.nice(NICENESS)
    torch.set_num_threads(1)
    logging.basicConfig(level=logging.ERROR)
    try:
        model, positions = convert(encoder, kind == "metric", Path(path))
    except WrongCheckpoint as error:
        print(error)
        return EXIT_WRONG_CHECKPOINT
    try:
        np.save(Path(folder) / POSITIONS_FILE, positions, allow_pickle=False)
        openvino.save_model(model, Path(folder) / MODEL_FILE, compress_to_fp16=False)
    except (OSError, RuntimeError) as error:  # OpenVINO tells of a full disk by a RuntimeError
        print(error)
        return EXIT_CANNOT_WRITE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
