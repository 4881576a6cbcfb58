"""The network loads checkpoints safely, keeps its last layers in float32, and can be traced and exported."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from depthwire.daemon.models import checkpoints, depth_anything
from depthwire.daemon.models.catalogue import lookup
from depthwire.daemon.models.depth_anything import (
    ENCODERS,
    DepthAnythingV2,
    EncoderConfig,
    WrongCheckpoint,
    build,
    load_state,
)
from depthwire.daemon.models.geometry import network_input_size
from depthwire.daemon.models.preprocess import normalise
from depthwire.daemon.models.upsample import upsample

PHOTOS = Path(__file__).resolve().parents[4] / "shared" / "photos"
STARTER = checkpoints.resolve(lookup("vitt", "starter"), None)


@pytest.fixture
def starter() -> DepthAnythingV2:
    return build("vitt", True, STARTER)


def run(model: torch.nn.Module, batch: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        depth = model(batch)
    assert isinstance(depth, torch.Tensor)
    return depth


# ---------------------------------------------------------------------------------------------------- the starter


@pytest.mark.parametrize("name", ["bicycle.jpg", "flower.jpg", "staircase.jpg"])
def test_starter_sees_depth_in_a_real_photo(starter: DepthAnythingV2, name: str) -> None:
    if not (PHOTOS / name).is_file():
        pytest.skip("the real photos are not beside this repository")
    bgr = cv2.imread(str(PHOTOS / name))
    height, width = bgr.shape[:2]
    batch = torch.from_numpy(normalise(bgr, *network_input_size(height, width, 182)))[None]
    depth = upsample(run(starter, batch)[0], height, width, np.empty((height, width), np.float32))
    assert np.isfinite(depth).all()
    assert depth.min() >= 0
    assert depth.max() <= 1
    assert depth.std() > 0.05 * depth.mean()
    # The ground is nearer than what stands at the top of the picture.
    assert np.median(depth[-height // 8 :]) < np.median(depth[: height // 4])


def test_a_picture_gives_the_same_depth_alone_and_in_a_batch(starter: DepthAnythingV2) -> None:
    batch = torch.randn(3, 3, 126, 168)
    together = run(starter, batch)
    assert together.shape == (3, 126, 168)
    assert together.dtype == torch.float32
    for picture, depth in zip(batch, together, strict=True):
        torch.testing.assert_close(run(starter, picture[None])[0], depth, atol=1e-5, rtol=0)


def test_an_input_of_broken_patches_is_refused(starter: DepthAnythingV2) -> None:
    with pytest.raises(ValueError, match="multiple of 14"):
        starter(torch.zeros(1, 3, 126, 170))


def test_relative_depth_may_exceed_one_and_is_never_negative() -> None:
    model = DepthAnythingV2(ENCODERS["vitt"], metric=False).eval()
    load_state(model, STARTER)
    last = model.depth_head.scratch.output_conv2[2]
    last.weight.data *= 10
    pictures = torch.randn(1, 3, 70, 70, generator=torch.Generator().manual_seed(0))
    last.bias.data.fill_(1000)
    last.bias.data -= run(model, pictures).median()  # so that half of the pixels come out below zero, before the ReLU
    depth = run(model, pictures)
    assert depth.min() == 0
    assert depth.max() > 1


@pytest.mark.parametrize(
    ("encoder", "parameters"),
    [("vits", 24_785_089), ("vitb", 97_470_785), ("vitl", 335_315_649), ("vitg", 1_258_132_225)],
)
def test_every_encoder_has_the_published_number_of_parameters(encoder: str, parameters: int) -> None:
    with torch.device("meta"):
        model = DepthAnythingV2(ENCODERS[encoder], metric=True)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


# ------------------------------------------------------------------------------------------------------- loading


def test_pth_and_safetensors_files_give_the_same_network(starter: DepthAnythingV2, tmp_path: Path) -> None:
    torch.save(load_file(STARTER), tmp_path / "half.pth")
    batch = torch.randn(1, 3, 70, 84)
    torch.testing.assert_close(run(build("vitt", True, tmp_path / "half.pth"), batch), run(starter, batch))


def test_float16_files_are_computed_in_float32(starter: DepthAnythingV2) -> None:
    assert {value.dtype for value in load_file(STARTER).values()} == {torch.float16}
    assert {value.dtype for value in starter.state_dict().values()} == {torch.float32}


def test_a_file_of_another_encoder_is_refused_by_name() -> None:
    with pytest.raises(WrongCheckpoint, match=STARTER.name):
        build("vits", True, STARTER)


@pytest.mark.parametrize("change", ["missing", "unexpected"])
def test_a_file_with_other_keys_is_refused(change: str, tmp_path: Path) -> None:
    state = load_file(STARTER)
    if change == "missing":
        del state["pretrained.mask_token"]
    else:
        state["depth_head.extra"] = torch.zeros(1)
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(WrongCheckpoint, match=r"mask_token|extra"):
        build("vitt", True, tmp_path / "other.safetensors")


@pytest.mark.parametrize("name", ["cut.pth", "cut.safetensors"])
def test_a_truncated_file_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(STARTER.read_bytes()[:100_000])
    with pytest.raises(WrongCheckpoint, match="cut"):
        build("vitt", True, tmp_path / name)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_code_in_a_pth_file_is_never_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path(tmp_path / "sprung").touch, ())

    for number, content in enumerate((pickle.dumps(Trap()), None)):
        path = tmp_path / f"trap{number}.pth"
        if content is None:
            torch.save({"pretrained.cls_token": Trap()}, path)
        else:
            path.write_bytes(content)
        with pytest.raises(WrongCheckpoint):
            build("vitt", True, path)
    assert not (tmp_path / "sprung").exists()


# ----------------------------------------------------------------------------------------------- half precision


def test_in_half_precision_the_last_layers_and_the_output_stay_float32(starter: DepthAnythingV2) -> None:
    batch = torch.randn(1, 3, 126, 168)
    expected = run(starter, batch)
    half = starter.to_half(torch.bfloat16)
    float32 = {name for name, value in half.state_dict().items() if value.dtype == torch.float32}
    assert float32 == {"pretrained.pos_embed"} | {
        f"depth_head.scratch.output_conv2.{layer}.{part}" for layer in (0, 2) for part in ("weight", "bias")
    }
    depth = run(half, batch)
    assert depth.dtype == torch.float32
    # The output is finer than bfloat16 can tell apart, so it cannot have gone through it.
    assert (depth.bfloat16().float() != depth).float().mean() > 0.9
    # Measured 0.2 to 0.5 % of the range on average: what eight bits of mantissa in the encoder cost.
    assert (depth - expected).abs().mean() < 0.02 * (expected.max() - expected.min())


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_float16_on_the_gpu_stays_close_to_float32(starter: DepthAnythingV2) -> None:
    batch = torch.randn(2, 3, 182, 252)
    expected = run(starter, batch)
    depth = run(starter.to_half(torch.float16).cuda(), batch.cuda()).cpu()
    assert torch.isfinite(depth).all()
    assert (depth - expected).abs().max() < 0.01 * (expected.max() - expected.min())


# --------------------------------------------------------------------------- position embedding, tracing, exporting


def test_position_embedding_is_computed_once_per_shape(starter: DepthAnythingV2) -> None:
    encoder = starter.pretrained
    first = encoder.position_embedding(9, 12)
    assert first.shape == (1, 1 + 9 * 12, 192)
    assert encoder.position_embedding(9, 12) is first
    assert encoder.position_embedding(12, 9) is not first


def test_few_position_embeddings_are_kept(starter: DepthAnythingV2) -> None:
    for rows in range(4, 40):
        starter.pretrained.position_embedding(rows, 5)
    assert len(starter.pretrained._positions) == depth_anything.MAX_CACHED_POSITIONS


def test_new_weights_bring_new_position_embeddings(starter: DepthAnythingV2, tmp_path: Path) -> None:
    before = starter.pretrained.position_embedding(9, 12)
    state = load_file(STARTER)
    state["pretrained.pos_embed"] += 1
    save_file(state, tmp_path / "moved.safetensors")
    load_state(starter, tmp_path / "moved.safetensors")
    torch.testing.assert_close(starter.pretrained.position_embedding(9, 12), before + 1, atol=1e-2, rtol=0)


@pytest.mark.parametrize("side", [546, 602, 1092, 1204, 1610, 1722])
def test_widths_at_which_scaling_rounds_badly_come_out_whole(starter: DepthAnythingV2, side: int) -> None:
    assert starter.pretrained.position_embedding(4, side // 14).shape[1] == 1 + 4 * (side // 14)


@pytest.fixture
def small() -> DepthAnythingV2:
    """The same network with few and narrow layers: tracing and exporting cost time by the layer."""
    torch.manual_seed(0)
    model = DepthAnythingV2(EncoderConfig(24, 4, 2, (0, 1, 2, 3), 8, (4, 8, 8, 8)), metric=True)
    torch.nn.init.normal_(model.pretrained.pos_embed)
    return model.requires_grad_(False).eval()


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")
def test_a_traced_network_gives_the_same_depth(small: DepthAnythingV2) -> None:
    batch = torch.randn(1, 3, 70, 98)
    with torch.no_grad():
        traced = torch.jit.trace(small, batch, check_trace=False)
    other = torch.randn(1, 3, 70, 98)
    torch.testing.assert_close(run(traced, other), run(small, other))


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")
def test_a_network_traced_with_its_position_embedding_takes_any_size(small: DepthAnythingV2) -> None:
    with torch.no_grad():
        example = (torch.randn(1, 3, 70, 98), small.pretrained.position_embedding(5, 7).clone())
        traced = torch.jit.trace(small, example, check_trace=False)
    for rows, columns in ((5, 7), (7, 5), (6, 6), (11, 4)):
        batch = torch.randn(1, 3, 14 * rows, 14 * columns)
        with torch.inference_mode():
            depth = traced(batch, small.pretrained.position_embedding(rows, columns))
        torch.testing.assert_close(depth, run(small, batch))


@pytest.mark.parametrize("warm", [True, False], ids=["position embedding ready", "not ready"])
def test_an_exported_network_gives_the_same_depth(small: DepthAnythingV2, warm: bool) -> None:
    if warm:
        small.pretrained.position_embedding(5, 7)
    exported = torch.export.export(small, (torch.randn(1, 3, 70, 98),)).module()
    batch = torch.randn(1, 3, 70, 98)
    torch.testing.assert_close(run(exported, batch), run(small, batch), atol=1e-5, rtol=0)


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore::DeprecationWarning")
def test_openvino_gives_the_same_depth(small: DepthAnythingV2) -> None:
    openvino = pytest.importorskip("openvino")
    batch = torch.randn(1, 3, 70, 98)
    small.pretrained.position_embedding(5, 7)
    converted = openvino.convert_model(small, example_input=batch, input=[1, 3, 70, 98])
    compiled = openvino.compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    other = torch.randn(1, 3, 70, 98)
    depth = torch.from_numpy(compiled(other.numpy())[0])
    torch.testing.assert_close(depth, run(small, other), atol=1e-4, rtol=0)
