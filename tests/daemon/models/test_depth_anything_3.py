"""Depth Anything 3 loads its files safely and once, keeps its head in float32, and can be traced and converted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from depthwire.daemon.models.depth_anything import DepthAnythingV2, EncoderConfig, WrongCheckpoint
from depthwire.daemon.models.depth_anything_3 import CONFIGURATIONS, DepthAnything3, build
from tests.networks import randomise

SMALL = EncoderConfig(48, 4, 2, (0, 1, 2, 3), 16, (8, 16, 16, 16))
PUBLISHED_BYTES = 1_336_734_448
"""Of the file of DA3METRIC-LARGE."""


@pytest.fixture
def small() -> DepthAnything3:
    torch.manual_seed(3)
    model = DepthAnything3(SMALL).requires_grad_(False).eval()
    randomise(model)
    return model


@pytest.fixture
def file(small: DepthAnything3, tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_file(small.state_dict(), path)
    return path


def run(model: nn.Module, *inputs: Tensor) -> tuple[Tensor, Tensor]:
    with torch.inference_mode():
        depth, sky = model(*inputs)
    return depth, sky


def assert_close(ours: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor], tolerance: float = 1e-5) -> None:
    for one, other in zip(ours, expected, strict=True):
        assert one.dtype == other.dtype == torch.float32
        assert one.shape == other.shape
        assert (one - other).abs().max() <= tolerance * (other.max() - other.min())


# ------------------------------------------------------------------------------------------------------- the network


def test_the_large_network_makes_a_file_of_the_published_size() -> None:
    """To the byte: so it has the published number of tensors, names of that length, and weights."""
    with torch.device("meta"):
        state = DepthAnything3(CONFIGURATIONS["vitl"]).state_dict()
    assert len(state) == 406
    assert {name.split(".pretrained.")[0] for name in state if "pretrained" in name} == {"model.backbone"}
    header, offset = {}, 0
    for name in sorted(state):  # all of one dtype, so by name, as the format's own writer has them
        end = offset + 4 * state[name].numel()
        header[name] = {"dtype": "F32", "shape": list(state[name].shape), "data_offsets": [offset, end]}
        offset = end
    length = len(json.dumps(header, separators=(",", ":")))
    assert 8 + (length + 7) // 8 * 8 + offset == PUBLISHED_BYTES


def test_a_picture_gives_the_same_alone_and_in_a_batch(small: DepthAnything3) -> None:
    batch = torch.randn(3, 3, 70, 98)
    depths, skies = run(small, batch)
    assert depths.shape == skies.shape == (3, 70, 98)
    for i in range(3):
        assert_close(run(small, batch[i : i + 1]), (depths[i : i + 1], skies[i : i + 1]))


def test_depth_is_positive_and_sky_is_not_negative(small: DepthAnything3) -> None:
    depth, sky = run(small, torch.randn(1, 3, 70, 98))
    assert depth.min() > 0
    assert sky.min() == 0
    assert sky.max() > 0


def test_an_input_of_broken_patches_is_refused(small: DepthAnything3) -> None:
    with pytest.raises(ValueError, match="multiple of 14"):
        small(torch.zeros(1, 3, 126, 170))


# ------------------------------------------------------------------------------------------------------- loading


def test_a_file_gives_its_network(small: DepthAnything3, file: Path) -> None:
    batch = torch.randn(1, 3, 70, 98)
    built = build(SMALL, file)
    assert not any(value.requires_grad for value in built.parameters())
    assert not built.training
    assert_close(run(built, batch), run(small, batch), 0)


def test_the_weights_are_the_file_itself_and_no_copy(file: Path) -> None:
    """All are views of one mapping of the file, so that what a large network weighs is held once."""
    state = build(SMALL, file).state_dict()
    begins = [value.untyped_storage().data_ptr() for value in state.values()]
    mapped = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith(str(file)):
            low, high = (int(border, 16) for border in line.split()[0].split("-"))
            mapped.append(range(low, high))
    assert all(any(begin in part for part in mapped) for begin in begins)


def test_a_float16_file_is_computed_in_float32(small: DepthAnything3, tmp_path: Path) -> None:
    save_file({name: value.half() for name, value in small.state_dict().items()}, tmp_path / "half.safetensors")
    built = build(SMALL, tmp_path / "half.safetensors")
    assert {value.dtype for value in built.state_dict().values()} == {torch.float32}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("missing", "sky_output_conv2"),
        ("unexpected", "cam_dec"),
        ("shape", "size mismatch"),
        ("prefix", "model.backbone"),
    ],
)
def test_a_file_with_other_weights_is_refused_and_says_what_is_wrong(change: str, named: str, file: Path) -> None:
    state = load_file(file)
    if change == "missing":
        del state["model.head.scratch.sky_output_conv2.0.bias"]
    elif change == "unexpected":
        state["model.cam_dec.fc.weight"] = torch.zeros(1)
    elif change == "shape":
        state["model.head.projects.0.bias"] = torch.zeros(9)
    else:
        state = {name.removeprefix("model."): value for name, value in state.items()}
    other = file.with_name("other.safetensors")
    save_file(state, other)
    with pytest.raises(WrongCheckpoint, match=named) as refusal:
        build(SMALL, other)
    assert str(other) in str(refusal.value)


def test_a_file_of_depth_anything_v2_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "v2.safetensors"
    save_file(DepthAnythingV2(SMALL, metric=True).state_dict(), path)
    with pytest.raises(WrongCheckpoint, match="not this network's"):
        build(SMALL, path)


def test_a_file_of_the_small_network_is_not_the_large_one(file: Path) -> None:
    with pytest.raises(WrongCheckpoint, match="not this network's"):
        build("vitl", file)


@pytest.mark.parametrize("length", [0, 7, 1000, -1])
def test_a_file_that_is_cut_off_is_refused(length: int, file: Path) -> None:
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(WrongCheckpoint, match=r"damaged, cut off"):
        build(SMALL, file)


def test_a_name_that_there_is_not_is_refused(file: Path) -> None:
    with pytest.raises(KeyError):
        build("vits", file)


# ----------------------------------------------------------------------------------------------- half precision


def test_in_half_precision_the_head_and_the_output_stay_float32(small: DepthAnything3, file: Path) -> None:
    batch = torch.randn(1, 3, 126, 168)
    expected = run(small, batch)
    half = build(SMALL, file).to_half(torch.bfloat16)
    float32 = {name for name, value in half.state_dict().items() if value.dtype == torch.float32}
    in_head = {name for name in half.state_dict() if name.startswith("model.head.")}
    assert float32 == {"model.backbone.pretrained.pos_embed"} | in_head
    for name in in_head:  # the weights did not go through half precision either
        assert torch.equal(half.state_dict()[name], small.state_dict()[name])
    assert_close(run(half, batch), expected, 0.15)
    # The output is finer than bfloat16 can tell apart, so it cannot have gone through it.
    depth, _ = run(half, batch)
    assert (depth.bfloat16().float() != depth).float().mean() > 0.9


# ------------------------------------------------------------------------------------------- tracing, converting


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")
def test_a_network_traced_with_its_position_embedding_takes_any_size(small: DepthAnything3) -> None:
    with torch.no_grad():
        example = (torch.randn(1, 3, 70, 98), small.pretrained.position_embedding(5, 7).clone())
        traced = torch.jit.trace(small, example, check_trace=False)
    for rows, columns in ((5, 7), (7, 5), (11, 4)):
        batch = torch.randn(1, 3, 14 * rows, 14 * columns)
        positions = small.pretrained.position_embedding(rows, columns)
        assert_close(run(traced, batch, positions), run(small, batch))


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")
def test_openvino_gives_the_same_for_any_size(small: DepthAnything3) -> None:
    openvino = pytest.importorskip("openvino")
    example = (torch.randn(1, 3, 70, 98), small.pretrained.position_embedding(5, 7).clone())
    with torch.no_grad():
        traced = torch.jit.trace(small, example, check_trace=False)
    shapes = [openvino.PartialShape([1, 3, -1, -1]), openvino.PartialShape([1, -1, SMALL.width])]
    converted = openvino.convert_model(traced, example_input=example, input=shapes)
    compiled = openvino.compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for rows, columns in ((5, 7), (6, 4)):
        batch = torch.randn(1, 3, 14 * rows, 14 * columns)
        answer = compiled((batch.numpy(), small.pretrained.position_embedding(rows, columns).numpy()))
        assert_close((torch.from_numpy(answer[0]), torch.from_numpy(answer[1])), run(small, batch), 1e-4)
