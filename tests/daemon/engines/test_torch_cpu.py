"""The torch engine on the CPU: an answer is the network's own, whoever else is in the batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from depthwire.daemon.engines.engine import EngineOptions
from depthwire.daemon.engines.torch_cpu import DTYPES, TorchEngine, TorchNetwork
from depthwire.daemon.models import catalogue
from depthwire.daemon.models.checkpoints import resolve
from depthwire.daemon.models.depth_anything import build

STARTER = catalogue.lookup("vitt", "starter")
STARTER_PATH = resolve(STARTER, None)
SIZE = (182, 252)


def load(precision: str) -> TorchNetwork:
    return TorchEngine(EngineOptions(precision=precision, threads=2)).load(STARTER, STARTER_PATH)


def inputs(network: TorchNetwork, count: int) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    return [network.prepare(rng.integers(0, 255, (120, 160, 3), np.uint8), *SIZE) for _ in range(count)]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_answer_does_not_depend_on_its_neighbours_in_a_batch(precision: str) -> None:
    network = load(precision)
    prepared = inputs(network, 4)
    alone = [network.infer([one])[0] for one in prepared]
    for count in (2, 3, 4):
        together = network.infer(prepared[:count])
        assert len(together) == count
        for ours, expected in zip(together, alone[:count], strict=True):
            np.testing.assert_array_equal(ours, expected)
    assert not np.array_equal(alone[0], alone[1])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_answer_is_the_network_s_own(precision: str) -> None:
    network = load(precision)
    prepared = inputs(network, 2)
    model = build("vitt", True, STARTER_PATH)
    if precision != "float32":
        model.to_half(DTYPES[precision])
    for ours, picture in zip(network.infer(prepared), prepared, strict=True):
        with torch.inference_mode():
            expected = model(torch.from_numpy(picture)[None])[0].numpy()
        assert ours.dtype == np.float32
        assert ours.shape == SIZE
        np.testing.assert_array_equal(ours, expected)
