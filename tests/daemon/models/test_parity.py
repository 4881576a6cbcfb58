"""Our Depth Anything V2 gives the official code's numbers: against transformers' network on identical tensors, and
against the official package on the whole path from a JPEG file to a depth map, with identical random weights.
"""

from __future__ import annotations

import importlib
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import simplejpeg
import torch
from numpy.typing import NDArray
from torch import nn

from depthwire.daemon.models.depth_anything import ENCODERS, DepthAnythingV2
from depthwire.daemon.models.geometry import network_input_size
from depthwire.daemon.models.preprocess import normalise
from depthwire.daemon.models.upsample import upsample
from tests.networks import assert_same_depth, picture, randomise

PHOTOS = Path(__file__).resolve().parents[4] / "shared" / "photos"
Array = NDArray[np.float32]


# ------------------------------------------------------------------------------------------------ random weights


def random_network(encoder: str, metric: bool) -> DepthAnythingV2:
    """Our network with random weights that make a picture's depth vary as a trained network's does.

    The default initialisation gives nearly constant depth, with which any two networks would agree.
    """
    torch.manual_seed(sum(map(ord, encoder)) + metric)
    model = DepthAnythingV2(ENCODERS[encoder], metric).requires_grad_(False).eval()
    randomise(model)
    last = model.depth_head.scratch.output_conv2[2]
    logits: list[torch.Tensor] = []
    watch = last.register_forward_hook(lambda _, __, output: logits.append(output))
    model(torch.randn(1, 3, 10 * 14, 12 * 14))
    watch.remove()
    spread, centre = logits[0].std(), logits[0].mean()
    last.weight.div_(spread)
    last.bias.sub_(centre).div_(spread).add_(0.0 if metric else 2.0)
    return model


# --------------------------------------------------------------------------------------- pictures as JPEG files


@pytest.fixture(scope="module")
def jpeg(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Path of a JPEG file: a real photo by its name, scaled down if asked, or a made picture by its size."""
    folder = tmp_path_factory.mktemp("pictures")

    def find(name: str) -> Path:
        size = re.fullmatch(r"(\d+)x(\d+)", name)
        if size is None:
            if not (PHOTOS / name).is_file():
                pytest.skip("the real photos are not beside this repository")
            return PHOTOS / name
        path = folder / f"{name}.jpg"
        if not path.exists():
            cv2.imwrite(str(path), picture(int(size[2]), int(size[1])))
        return path

    return find


# --------------------------------------------------------------------------------------------- the official code


@pytest.fixture(scope="module")
def official() -> types.ModuleType:
    """The official package's `dpt` module. It needs torchvision for `Compose` alone, which a stand-in provides."""

    class Compose:
        def __init__(self, steps: list[Callable[[Any], Any]]) -> None:
            self.steps = steps

        def __call__(self, value: Any) -> Any:
            for step in self.steps:
                value = step(value)
            return value

    stand_in, transforms = types.ModuleType("torchvision"), types.ModuleType("torchvision.transforms")
    transforms.Compose = Compose  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "torchvision", stand_in)
        patch.setitem(sys.modules, "torchvision.transforms", transforms)
        # transformers looks for torchvision too, and must not find ours: it is there during this import only.
        return importlib.import_module("depth_anything_v2.dpt")


def official_depth(official: types.ModuleType, ours: DepthAnythingV2, path: Path, size: int, max_depth: float) -> Array:
    """Depth map of a file as the official code computes it: `infer_image` on what cv2.imread gives."""
    config = ours.config
    encoder = next(name for name, known in ENCODERS.items() if known == config)
    reference = official.DepthAnythingV2(encoder, config.features, out_channels=list(config.out_channels)).eval()
    reference.load_state_dict(ours.state_dict(), strict=True)
    if ours.metric:
        # The official metric model is this one with another last activation, times max_depth (metric_depth/dpt.py).
        reference.depth_head.scratch.output_conv2[3] = nn.Sigmoid()
    depth: Array = reference.infer_image(cv2.imread(str(path)), size)
    return depth * max_depth if ours.metric else depth


def our_depth(model: DepthAnythingV2, path: Path, size: int, max_depth: float) -> Array:
    """Depth map of a file as the worker computes it."""
    bgr = simplejpeg.decode_jpeg(path.read_bytes(), colorspace="BGR")
    height, width = bgr.shape[:2]
    batch = torch.from_numpy(normalise(bgr, *network_input_size(height, width, size)))[None]
    with torch.inference_mode():
        depth = model(batch)[0]
    return upsample(depth * max_depth if model.metric else depth, height, width, np.empty((height, width), np.float32))


# Encoder, metric head or relative, picture, input size. vitb takes four times as long as vits, so its inputs are
# smaller; the strip of vits has a network input as wide as 1242x375 has at 518.
CASES = {
    "vits-metric-square": ("vits", True, "518x518", 518),
    "vits-metric-portrait": ("vits", True, "480x640", 350),
    "vits-metric-odd": ("vits", True, "851x479", 252),
    "vits-metric-wide": ("vits", True, "1242x375", 252),
    "vits-metric-photo": ("vits", True, "bicycle.jpg", 350),
    "vits-relative-square": ("vits", False, "518x518", 518),
    "vits-relative-landscape": ("vits", False, "640x480", 392),
    "vits-relative-odd": ("vits", False, "851x479", 252),
    "vits-relative-strip": ("vits", False, "820x100", 210),
    "vits-relative-photo": ("vits", False, "staircase.jpg", 350),
    "vitb-metric-portrait": ("vitb", True, "480x640", 252),
    "vitb-metric-strip": ("vitb", True, "820x100", 140),
    "vitb-metric-photo": ("vitb", True, "flower.jpg", 252),
    "vitb-relative-square": ("vitb", False, "480x480", 280),
    "vitb-relative-odd": ("vitb", False, "851x479", 252),
}


EACH_TIME = ("vits-metric-square", "vits-metric-photo", "vits-relative-odd", "vitb-metric-strip")
"""Both heads, both encoders, a square, an odd size and a strip; the rest is for `make test-full`."""


def case(name: str) -> Any:
    return pytest.param(*CASES[name], id=name, marks=() if name in EACH_TIME else pytest.mark.full)


@pytest.fixture(scope="module")
def network() -> Callable[[str, bool], DepthAnythingV2]:
    built: dict[tuple[str, bool], DepthAnythingV2] = {}

    def get(encoder: str, metric: bool) -> DepthAnythingV2:
        if (encoder, metric) not in built:
            built[encoder, metric] = random_network(encoder, metric)
        return built[encoder, metric]

    return get


@pytest.mark.parametrize(("encoder", "metric", "name", "size"), map(case, CASES))
def test_depth_of_a_jpeg_file_is_the_official_one(
    encoder: str,
    metric: bool,
    name: str,
    size: int,
    official: types.ModuleType,
    network: Callable[[str, bool], DepthAnythingV2],
    jpeg: Callable[[str], Path],
) -> None:
    model, path = network(encoder, metric), jpeg(name)
    max_depth = 20.0 if metric else 1.0
    with torch.inference_mode():
        reference = official_depth(official, model, path, size, max_depth)
    assert_same_depth(our_depth(model, path, size, max_depth), reference)


def test_two_of_the_pictures_become_1722_wide() -> None:
    assert network_input_size(375, 1242, 518) == (518, 1722)
    assert network_input_size(100, 820, 210) == (210, 1722)


# ------------------------------------------------------------------------------------------------- transformers


def transformers_network(ours: DepthAnythingV2, max_depth: int) -> nn.Module:
    """transformers' network with our weights."""
    transformers = pytest.importorskip("transformers")
    config = ours.config
    backbone = transformers.Dinov2Config(
        hidden_size=config.width,
        num_hidden_layers=config.depth,
        num_attention_heads=config.heads,
        image_size=518,
        patch_size=14,
        out_indices=[index + 1 for index in config.taken],
        apply_layernorm=True,
        reshape_hidden_states=False,
    )
    reference = transformers.DepthAnythingForDepthEstimation(
        transformers.DepthAnythingConfig(
            backbone_config=backbone,
            reassemble_hidden_size=config.width,
            neck_hidden_sizes=list(config.out_channels),
            fusion_hidden_size=config.features,
            depth_estimation_type="metric" if ours.metric else "relative",
            max_depth=max_depth,
        )
    )
    state = ours.state_dict()
    converted = {}
    for name in reference.state_dict():
        official, part = official_name(name)
        value = state[official]
        converted[name] = value if part is None else value.chunk(3)[part]
    reference.load_state_dict(converted, strict=True)
    assert isinstance(reference, nn.Module)
    return reference.eval()


def official_name(name: str) -> tuple[str, int | None]:
    """Official key of a key of transformers, and which third of a qkv matrix it is (None: all of it)."""
    part = re.search(r"attention\.(?:attention\.)?(query|key|value|q_proj|k_proj|v_proj)\.", name)
    if part:
        name = name.replace(part[0], "attn.qkv.")
    for pattern, replacement in (
        (r"^backbone\.embeddings\.position_embeddings", "pretrained.pos_embed"),
        (r"^backbone\.embeddings\.patch_embeddings\.projection", "pretrained.patch_embed.proj"),
        (r"^backbone\.embeddings\.", "pretrained."),
        (r"^backbone\.encoder\.layer\.", "pretrained.blocks."),
        (r"^backbone\.layernorm\.", "pretrained.norm."),
        (r"attention\.(?:output\.dense|o_proj)\.", "attn.proj."),
        (r"layer_scale(\d)\.lambda1", r"ls\1.gamma"),
        (r"^neck\.reassemble_stage\.layers\.(\d)\.projection", r"depth_head.projects.\1"),
        (r"^neck\.reassemble_stage\.layers\.(\d)\.resize", r"depth_head.resize_layers.\1"),
        (r"residual_layer(\d)\.convolution(\d)", r"resConfUnit\1.conv\2"),
        (r"^head\.conv1", "depth_head.scratch.output_conv1"),
        (r"^head\.conv2", "depth_head.scratch.output_conv2.0"),
        (r"^head\.conv3", "depth_head.scratch.output_conv2.2"),
    ):
        name = re.sub(pattern, replacement, name)
    # transformers counts its fusion layers from coarse to fine.
    name = re.sub(r"^neck\.convs\.(\d)", lambda m: f"depth_head.scratch.layer{int(m[1]) + 1}_rn", name)
    name = re.sub(r"^neck\.fusion_stage\.layers\.(\d)", lambda m: f"depth_head.scratch.refinenet{4 - int(m[1])}", name)
    if "refinenet" in name:
        name = name.replace(".projection.", ".out_conv.")
    return name, None if part is None else "qkv".index(part[1][0])


@pytest.mark.parametrize("metric", [True, False], ids=["metric", "relative"])
@pytest.mark.parametrize("encoder", ["vits", pytest.param("vitb", marks=pytest.mark.full)])
def test_network_equals_transformers_on_the_same_tensor(
    encoder: str, metric: bool, network: Callable[[str, bool], DepthAnythingV2]
) -> None:
    model = network(encoder, metric)
    batch = torch.from_numpy(normalise(picture(518, 518), 518, 518))[None]
    max_depth = 20 if metric else 1  # transformers multiplies the relative head's output too
    reference = transformers_network(model, max_depth)
    with torch.inference_mode():
        expected = reference(batch).predicted_depth[0]
        ours = model(batch)[0] * max_depth
    assert_same_depth(ours.numpy(), expected.numpy())


def test_names_of_older_and_newer_transformers_are_understood() -> None:
    assert official_name("backbone.encoder.layer.3.attention.attention.value.bias") == (
        "pretrained.blocks.3.attn.qkv.bias",
        2,
    )
    assert official_name("backbone.encoder.layer.3.attention.k_proj.bias") == ("pretrained.blocks.3.attn.qkv.bias", 1)
