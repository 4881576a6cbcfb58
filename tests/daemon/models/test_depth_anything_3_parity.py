"""Our Depth Anything 3 gives the official package's numbers with identical random weights, on identical tensors and on
the whole path from a JPEG file to metres and sky. The small network here takes every path of the large one.
"""

from __future__ import annotations

import functools
import importlib
import sys
import types
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import simplejpeg
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from depthwire.daemon.models.depth_anything import EncoderConfig
from depthwire.daemon.models.depth_anything_3 import CONFIGURATIONS, DepthAnything3
from depthwire.daemon.models.geometry import longest_side_input_size
from depthwire.daemon.models.preprocess import normalise_by_longest_side
from depthwire.daemon.results.focal import metres_per_unit
from depthwire.daemon.results.sky import SKY_FROM, fill_sky
from tests.networks import TOLERANCE, assert_same_depth, picture, randomise

SMALL = EncoderConfig(96, 6, 3, (1, 2, 4, 5), 32, (16, 32, 64, 64))
LONGEST_SIDE = 504
SIZES = ("640x480", "480x640", "851x479", "1920x1080", "320x240")
"""Landscape and portrait; an odd size, that is resized twice; a large one; one that grows."""
FX, FY = 610.0, 595.0
"""Of every picture here, in its own pixels."""

Array = NDArray[np.float32]


# --------------------------------------------------------------------------------------------- the official code


class ToTensor:
    def __call__(self, image: Image.Image) -> Tensor:
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div(255)


class Normalize:
    def __init__(self, mean: list[float], std: list[float]) -> None:
        self.mean, self.std = torch.tensor(mean)[:, None, None], torch.tensor(std)[:, None, None]

    def __call__(self, image: Tensor) -> Tensor:
        return (image - self.mean) / self.std


@pytest.fixture(scope="module")
def official() -> Callable[[str], types.ModuleType]:
    """Imports a module of the official package. What it needs of torchvision and imageio, a stand-in provides."""
    torchvision, transforms = types.ModuleType("torchvision"), types.ModuleType("torchvision.transforms")
    torchvision.transforms = transforms  # type: ignore[attr-defined]
    transforms.ToTensor, transforms.Normalize = ToTensor, Normalize  # type: ignore[attr-defined]
    stand_ins = {
        "torchvision": torchvision,
        "torchvision.transforms": transforms,
        "imageio": types.ModuleType("imageio"),
    }

    def load(name: str) -> types.ModuleType:
        # transformers looks for torchvision too, and must not find ours: it is there during this import only.
        with pytest.MonkeyPatch.context() as patch:
            for stand_in, module in stand_ins.items():
                patch.setitem(sys.modules, stand_in, module)
            return importlib.import_module(f"depth_anything_3.{name}")

    return load


def official_network(official: Callable[[str], types.ModuleType], ours: DepthAnything3) -> Any:
    """The official network of the metric configuration at the size of ours, with our weights, in float32."""
    cfg, dinov2 = official("cfg"), official("model.dinov2.dinov2")
    description = cfg.load_config(str(resources.files("depth_anything_3") / "configs" / "da3metric-large.yaml"))
    config = ours.config
    description.net.out_layers = list(config.taken)
    description.head.dim_in, description.head.features = config.width, config.features
    description.head.out_channels = list(config.out_channels)
    assert description.net.name == "vitl"
    with pytest.MonkeyPatch.context() as patch:
        encoder = official("model.dinov2.vision_transformer").DinoVisionTransformer
        size = {"embed_dim": config.width, "depth": config.depth, "num_heads": config.heads}
        if config is not CONFIGURATIONS["vitl"]:
            patch.setattr(dinov2, "vit_large", functools.partial(encoder, **size))
        network: nn.Module = cfg.create_object(description)
    # Shared, not copied: the large one's are 1.3 GB. The official file's "model." is the wrapper that autocasts.
    state = {name.removeprefix("model."): value for name, value in ours.state_dict().items()}
    network.load_state_dict(state, strict=True, assign=True)
    return network.requires_grad_(False).eval()


# ------------------------------------------------------------------------------------------------- our own


def random_network(config: EncoderConfig) -> DepthAnything3:
    """Our network with random weights, with which depth varies by a factor of ten or so and there is some sky."""
    torch.manual_seed(config.width)
    model = DepthAnything3(config).requires_grad_(False).eval()
    randomise(model)
    logits: list[Tensor] = []
    scratch = model.depth_head.scratch
    last: list[Any] = [scratch.output_conv2[2], scratch.sky_output_conv2[2]]
    watched = [layer.register_forward_hook(lambda _, __, output: logits.append(output)) for layer in last]
    with torch.inference_mode():
        model(torch.from_numpy(normalise_by_longest_side(picture(480, 640), 210, 280))[None])
    for layer, output, watch, spread, centre in zip(last, logits, watched, (0.5, 1.0), (0.5, 0.0), strict=True):
        watch.remove()
        layer.weight.mul_(spread / output.std())
        layer.bias.sub_(output.mean()).mul_(spread / output.std()).add_(centre)
    return model


def our_depth_and_sky(model: DepthAnything3, path: Path) -> tuple[Array, Array]:
    """Depth in metres, sky filled, and the sky output, at the network's size, as a worker computes them."""
    bgr = simplejpeg.decode_jpeg(path.read_bytes(), colorspace="BGR")
    height, width = bgr.shape[:2]
    input_height, input_width = longest_side_input_size(height, width, LONGEST_SIDE)
    batch = torch.from_numpy(normalise_by_longest_side(bgr, input_height, input_width))[None]
    with torch.inference_mode():
        depth, sky = (output[0].numpy() for output in model(batch))
    fill_sky(depth, sky)
    return depth * np.float32(metres_per_unit(FX, FY, width, height, input_width, input_height)), sky


def official_depth_and_sky(
    official: Callable[[str], types.ModuleType], network: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Array, Array]:
    """The same by the official code, which is told to take the quantile of all pixels where it takes a sample."""
    monkeypatch.setattr(torch, "randint", lambda low, high, size, device: torch.arange(low, high, device=device))
    camera = np.array([[FX, 0, 300], [0, FY, 200], [0, 0, 1]], np.float32)
    process = official("utils.io.input_processor").InputProcessor()
    batch, _, cameras = process([str(path)], None, camera[None], LONGEST_SIDE, sequential=True)
    with torch.inference_mode():
        output = network(batch[None])
        metres = official("utils.alignment").apply_metric_scaling(output.depth, cameras[None])
    return metres[0, 0].numpy(), output.sky[0, 0].numpy()


# ---------------------------------------------------------------------------------------------------- the tests


class Pair:
    """The two networks with the same weights."""

    def __init__(self, official: Callable[[str], types.ModuleType], config: EncoderConfig) -> None:
        self.ours = random_network(config)
        self.reference = official_network(official, self.ours)


@pytest.fixture(scope="module")
def small(official: Callable[[str], types.ModuleType]) -> Pair:
    return Pair(official, SMALL)


@pytest.fixture(scope="module")
def jpeg(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("pictures")

    def make(size: str) -> Path:
        path = folder / f"{size}.jpg"
        width, height = map(int, size.split("x"))
        if not path.exists():
            cv2.imwrite(str(path), picture(height, width))
        return path

    return make


def assert_same_tensors(pair: Pair, batch: Tensor) -> None:
    with pytest.MonkeyPatch.context() as patch, torch.inference_mode():
        patch.setattr(pair.reference, "_process_mono_sky_estimation", lambda output: output)
        expected = pair.reference(batch[:, None])
        depth, sky = pair.ours(batch)
    assert depth.min() > 0
    assert sky.min() >= 0
    for i in range(len(batch)):
        assert_same_depth(depth[i].numpy(), expected.depth[i, 0].numpy())
        assert_same_depth(sky[i].numpy(), expected.sky[i, 0].numpy())


def assert_same_answers(
    official: Callable[[str], types.ModuleType], pair: Pair, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected_depth, expected_sky = official_depth_and_sky(official, pair.reference, path, monkeypatch)
    depth, sky = our_depth_and_sky(pair.ours, path)
    assert_same_depth(sky, expected_sky)
    # Too little of one kind would leave a rule untested.
    assert 0.05 < np.mean(expected_sky >= SKY_FROM) < 0.95
    either_way = np.abs(expected_sky - SKY_FROM) <= TOLERANCE * (expected_sky.max() - expected_sky.min())
    assert either_way.mean() < 0.001
    assert_same_depth(np.where(either_way, expected_depth, depth), expected_depth)


def test_identical_tensors_give_identical_depth_and_sky(small: Pair) -> None:
    assert_same_tensors(small, torch.randn(2, 3, 5 * 14, 7 * 14))
    assert_same_tensors(small, torch.from_numpy(normalise_by_longest_side(picture(378, 504), 378, 504))[None])


def test_37_by_37_patches_take_the_position_embedding_as_it_is(small: Pair) -> None:
    assert_same_tensors(small, torch.from_numpy(normalise_by_longest_side(picture(300, 300), 518, 518))[None])


def test_all_norms_have_the_official_eps(small: Pair) -> None:
    """Which is too small to show in the depth of random weights."""

    def eps(network: nn.Module) -> dict[str, float]:
        return {name: layer.eps for name, layer in network.named_modules() if isinstance(layer, nn.LayerNorm)}

    ours = {name.removeprefix("model."): value for name, value in eps(small.ours).items()}
    assert len(ours) == 2 * SMALL.depth + 1
    assert ours == eps(small.reference)


@pytest.mark.parametrize("size", SIZES)
def test_a_jpeg_file_gives_the_official_metres_and_sky(
    size: str,
    official: Callable[[str], types.ModuleType],
    small: Pair,
    jpeg: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert_same_answers(official, small, jpeg(size), monkeypatch)


@pytest.mark.parametrize("size", [*SIZES, "504x504", "504x301", "5000x70", "70x5000", "7x5", "1000x100"])
def test_a_jpeg_file_becomes_the_official_input(
    size: str, official: Callable[[str], types.ModuleType], jpeg: Callable[[str], Path]
) -> None:
    path = jpeg(size)
    expected, _, _ = official("utils.io.input_processor").InputProcessor()([str(path)], sequential=True)
    bgr = simplejpeg.decode_jpeg(path.read_bytes(), colorspace="BGR")
    ours = normalise_by_longest_side(bgr, *longest_side_input_size(*bgr.shape[:2], LONGEST_SIDE))
    assert ours.shape == expected[0].shape
    # A byte is 0.017: none differs.
    assert np.abs(ours - expected[0].numpy()).max() < 1e-5


def test_the_official_picture_that_is_less_than_a_patch_becomes_one(
    official: Callable[[str], types.ModuleType], jpeg: Callable[[str], Path]
) -> None:
    path = jpeg("5000x40")  # becomes 504×4, and then 504×0, of which the official code makes 504×1
    expected, _, _ = official("utils.io.input_processor").InputProcessor()([str(path)], sequential=True)
    assert expected.shape[-2:] == (1, 504)
    assert longest_side_input_size(40, 5000, LONGEST_SIDE) == (14, 504)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_the_large_network_too(
    official: Callable[[str], types.ModuleType], jpeg: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = Pair(official, CONFIGURATIONS["vitl"])
    assert_same_tensors(pair, torch.randn(1, 3, 5 * 14, 7 * 14))
    for size in ("640x480", "320x240"):
        assert_same_answers(official, pair, jpeg(size), monkeypatch)
