"""Weights as trainings save them: read, whatever stands around them, or refused by one sentence; never run."""

from __future__ import annotations

import argparse
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from depthwire.daemon.models.catalogue import lookup
from depthwire.daemon.models.checkpoints import resolve
from depthwire.daemon.models.depth_anything import build
from depthwire.daemon.models.weight_files import WrongCheckpoint, read_weights

WEIGHTS = OrderedDict(
    {"pretrained.cls_token": torch.arange(3.0), "depth_head.scratch.output_conv2.2.bias": torch.ones(1).half()}
)


def prefixed(prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + name: value for name, value in WEIGHTS.items()}


# As metric_depth/train.py of Depth Anything V2 saves it: the network in its wrapper for several processes.
TRAIN_PY = {
    "model": prefixed("module."),
    "optimizer": torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))]).state_dict(),
    "epoch": 7,
    "previous_best": {"d1": 0.97, "abs_rel": 0.061},
}


@pytest.mark.parametrize(
    "content",
    [
        WEIGHTS,
        TRAIN_PY,
        {"model": WEIGHTS},
        prefixed("module."),
        {"state_dict": prefixed("model."), "hyper_parameters": {"lr": 5e-6}},
        {"model_state_dict": prefixed("_orig_mod.module.")},
    ],
    ids=["alone", "train.py", "model", "module.", "Lightning", "compiled"],
)
def test_the_weights_are_found(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "weights.pth")
    read = read_weights(tmp_path / "weights.pth")
    assert list(read) == list(WEIGHTS)
    for name, value in WEIGHTS.items():
        assert read[name].dtype == value.dtype
        torch.testing.assert_close(read[name], value, rtol=0, atol=0)


def test_a_fine_tuned_network_is_the_network(tmp_path: Path) -> None:
    shipped = resolve(lookup("vitt", "starter"), None)
    tuned = {"model": {f"module.{name}": value for name, value in read_weights(shipped).items()}, "epoch": 3}
    torch.save(tuned, tmp_path / "tuned.pth")
    batch = torch.rand(1, 3, 56, 56)
    with torch.inference_mode():
        expected, got = (build("vitt", True, path)(batch) for path in (shipped, tmp_path / "tuned.pth"))
    torch.testing.assert_close(got, expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"optimizer": {}, "epoch": 3}, r"what it holds \('optimizer', 'epoch'\) is no network's weights"),
        ({"model": {"layers": [1, 2]}}, r"\('layers'\) is no network's weights"),
        ({}, "no network's weights"),
        ([torch.ones(1)], "a list is no network's weights"),
        (torch.ones(1), "a Tensor is no network's weights"),
        ({"model": WEIGHTS, "best": np.float64(0.9)}, r"it holds numpy\.\w+\.multiarray\.scalar, which only running"),
        ({"model": WEIGHTS, "args": argparse.Namespace(lr=1)}, r"it holds argparse\.Namespace, which only running"),
    ],
)
def test_what_is_something_else_is_refused_by_one_sentence(content: Any, said: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.pth"
    torch.save(content, path)
    with pytest.raises(WrongCheckpoint, match=said) as refusal:
        read_weights(path)
    text = str(refusal.value)
    assert text.startswith(f"cannot load checkpoint {path}: ")
    assert "torch.save(model.state_dict(), FILE)" in text
    assert "\n" not in text


@pytest.mark.parametrize("name", ["cut.pth", "cut.safetensors"])
def test_what_is_damaged_is_called_so(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    torch.save(TRAIN_PY, path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(WrongCheckpoint, match="damaged, cut off or no file of weights"):
        read_weights(path)
