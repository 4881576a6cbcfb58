"""What cannot be served is refused before it costs anything, by an error that names the field and the limit."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from depthwire.daemon.__main__ import default_model
from depthwire.daemon.config import Config
from depthwire.daemon.front.admission import Admission
from depthwire.daemon.front.scheduler import Pending
from depthwire.daemon.models.catalogue import ModelKey, UnknownModel
from depthwire.protocol import (
    BadImageError,
    CameraIntrinsics,
    DepthwireError,
    InvalidRequestError,
    ModelNotFoundError,
    Op,
    Request,
    ResultOptions,
    TooLargeError,
)

MIB = 2**20
CAMERA = CameraIntrinsics(500.0, 510.0, 320.0, 240.0)


@pytest.fixture(autouse=True)
def no_checkpoints_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))


def admission(arena_mb: int = 1024, **settings: Any) -> Admission:
    config = Config(arena_mb=arena_mb, **settings)
    return Admission(config, default_model(config), arena_mb * MIB)


def png_header(width: int, height: int) -> bytes:
    """All that the front reads of a PNG."""
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBBI", 13, b"IHDR", width, height, 8, 2, 0, 0, 0, 0)


def jpeg(width: int = 640, height: int = 480) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def admit(by: Admission, op: Op = "metric_depth", image: bytes | None = None, **fields: Any) -> Pending:
    if op == "pc":
        fields.setdefault("intrinsics", CAMERA)
    request = Request(7, op, image=memoryview(image or png_header(640, 480)), **fields)
    return by.admit(request, (b"robot",), [b"robot"], arrived=100.0, ticket=3)


def refusal(error: type[DepthwireError], by: Admission, *arguments: Any, **fields: Any) -> DepthwireError:
    with pytest.raises(error) as caught:
        admit(by, *arguments, **fields)
    assert type(caught.value) is error
    return caught.value


def test_an_admitted_request_knows_all_that_a_worker_needs() -> None:
    image = jpeg(640, 480)
    pending = admit(admission(), "pc", image, encoder="vits", timeout_ms=250.0, stream="left", meta={"seq": 1})
    assert (pending.ticket, pending.client, pending.envelope) == (3, (b"robot",), [b"robot"])
    assert (pending.image_format, pending.width, pending.height) == ("jpeg", 640, 480)
    assert (pending.input_height, pending.input_width) == (518, 686)
    assert pending.model == "vits_hypersim_518"
    assert pending.checkpoint.name == "vits_hypersim"
    assert (pending.arrived, pending.deadline) == (100.0, 100.25)
    assert pending.image_bytes == len(image)
    assert (pending.request.stream, pending.request.meta) == ("left", {"seq": 1})
    assert pending.camera == CAMERA.scaled_to(640, 480)


def test_the_image_can_be_let_go_of_while_the_request_is_kept() -> None:
    pending = admit(admission())
    assert pending.image is not None
    assert pending.request.image is None


def test_only_a_cloud_needs_a_camera_and_it_is_scaled_to_the_picture() -> None:
    camera = CameraIntrinsics(500.0, 510.0, 320.0, 240.0, width=1280, height=960)
    assert admit(admission(), "pc", intrinsics=camera).camera == camera.scaled_to(640, 480)
    assert admit(admission(), "metric_depth", intrinsics=camera).camera is None


def test_what_options_save_counts_for_the_limit_on_a_result() -> None:
    by, image = admission(arena_mb=32), png_header(1400, 1000)
    assert "take 22400033 bytes" in refusal(TooLargeError, by, "pc", image).message
    assert admit(by, "pc", image, options=ResultOptions(stride=2)).layout.bytes == 16 * 700 * 500
    colours = ResultOptions(stride=2, colors=True, depth_format="float16")
    assert admit(by, "pc", image, options=colours).layout.bytes == (12 + 2 + 3) * 700 * 500


def test_a_stride_has_a_camera_of_its_own_where_the_request_gave_one() -> None:
    camera = CameraIntrinsics(500.0, 510.0, 320.0, 240.0, width=1280, height=960)
    for op in ("pc", "metric_depth", "rel_depth"):
        pending = admit(admission(), op, intrinsics=camera, options=ResultOptions(stride=3))
        assert pending.kept_camera == CameraIntrinsics(250 / 3, 255 / 3, 160 / 3, 120 / 3, 214, 160)
        assert pending.request.options.stride == 3
    assert admit(admission(), "metric_depth", options=ResultOptions(stride=3)).kept_camera is None
    assert admit(admission(), "pc").kept_camera is None
    tiny = CameraIntrinsics(0.002, 510.0, 320.0, 240.0)
    error = refusal(InvalidRequestError, admission(), "pc", intrinsics=tiny, options=ResultOptions(stride=64))
    assert error.field == "camera_intrinsics.fx"


def test_too_many_bytes_are_refused_before_anything_is_read_of_them() -> None:
    error = refusal(TooLargeError, admission(max_image_mb=0.01), image=b"no image at all" * 1000)
    assert error.field == "image"
    assert error.message == "image is 15000 bytes; at most 10485 are allowed"
    admit(admission(max_image_mb=0.01), image=png_header(640, 480).ljust(10485, b"\0"))


def test_too_many_pixels_behind_a_tiny_header_are_refused() -> None:
    bomb = png_header(32768, 32768)
    assert len(bomb) < 40
    error = refusal(TooLargeError, admission(), image=bomb)
    assert error.field == "image"
    assert "32768x32768 = 1073741824 pixels; at most 40000000 are allowed" in error.message


@pytest.mark.parametrize(("width", "height"), [(2**31 - 1, 2**31 - 1), (2**32 - 1, 1000), (1000, 2**32 - 1)])
def test_no_size_that_a_header_can_hold_is_too_large_to_be_refused(width: int, height: int) -> None:
    refusal(TooLargeError, admission(), image=png_header(width, height))


@pytest.mark.parametrize(("width", "height"), [(1, 1), (13, 400), (400, 13)])
def test_a_picture_too_small_for_one_patch_is_refused(width: int, height: int) -> None:
    error = refusal(BadImageError, admission(), image=png_header(width, height))
    assert error.field == "image"
    assert error.message == f"image is {width}x{height} pixels; each side must be at least 14"


def test_the_smallest_picture_is_served() -> None:
    assert admit(admission(), image=png_header(14, 14)).input_height == 154


@pytest.mark.parametrize(("width", "height"), [(20_000, 14), (14, 20_000)])
def test_a_picture_so_narrow_that_the_network_s_input_explodes_is_refused(width: int, height: int) -> None:
    error = refusal(TooLargeError, admission(), encoder="vits", image=png_header(width, height))
    assert error.field == "model_input_size"
    assert f"image of {width}x{height} pixels at model_input_size 518" in error.message
    assert "at most 2000000 are allowed" in error.message


def test_a_smaller_input_size_serves_what_a_larger_one_cannot() -> None:
    image = png_header(4000, 1000)
    refusal(TooLargeError, admission(), encoder="vits", model_input_size=1036, image=image)
    assert admit(admission(), encoder="vits", model_input_size=252, image=image).input_width == 1008


def test_a_result_larger_than_half_the_arena_is_refused_for_a_cloud_and_not_for_its_depth() -> None:
    by, image = admission(arena_mb=64, max_image_megapixels=100), png_header(2000, 1500)
    error = refusal(TooLargeError, by, "pc", image)
    assert error.field == "image"
    assert error.message.startswith(f"image and result of this pc take {16 * 3_000_000 + len(image)} bytes")
    assert f"at most {32 * MIB} are allowed" in error.message
    admit(by, "metric_depth", image)


@pytest.mark.parametrize("image", [b"hello", b"GIF89a" + bytes(40), jpeg()[:20]])
def test_what_is_no_image_is_refused_as_one(image: bytes) -> None:
    assert refusal(BadImageError, admission(), image=image).field == "image"


@pytest.mark.parametrize(
    ("encoder", "dataset", "field"),
    [
        ("vitx", None, "encoder"),
        ("vitx", "hypersim", "encoder"),
        ("vitg", None, "encoder"),
        (None, "mars", "dataset"),
        ("vits", "mars", "dataset"),
        ("vitt", "hypersim", "dataset"),
        ("vits", "starter", "dataset"),
    ],
)
def test_an_unknown_model_is_refused_by_the_field_at_fault(
    encoder: str | None, dataset: str | None, field: str
) -> None:
    error = refusal(ModelNotFoundError, admission(), encoder=encoder, dataset=dataset)
    assert error.field == field
    assert "vits_hypersim" in error.message
    assert (encoder or dataset or "") in error.message


@pytest.mark.parametrize("op", ["pc", "metric_depth"])
def test_metres_cannot_be_had_from_a_relative_model(op: Op) -> None:
    error = refusal(InvalidRequestError, admission(), op, dataset="relative")
    assert error.field == "dataset"
    assert "vits_relative_518 gives inverse depth" in error.message
    assert "rel_depth" in error.message


def test_relative_depth_can() -> None:
    pending = admit(admission(), "rel_depth", dataset="relative")
    assert (pending.model, pending.scale) == ("vits_relative_518", 1.0)


@pytest.mark.parametrize("size", [55, 100, 1554, 14])
def test_an_input_size_that_no_network_takes_is_refused(size: int) -> None:
    error = refusal(InvalidRequestError, admission(), model_input_size=size)
    assert error.field == "model_input_size"
    assert "multiple of 14 between 56 and 1540" in error.message


@pytest.mark.parametrize(
    ("model", "encoder", "dataset", "size", "expected"),
    [
        (None, None, None, None, "vitt_starter_154"),
        (None, None, None, 364, "vitt_starter_364"),
        (None, "vits", None, None, "vits_hypersim_518"),
        (None, "vitt", None, None, "vitt_starter_154"),
        (None, None, "vkitti", None, "vits_vkitti_518"),
        (None, None, "starter", None, "vitt_starter_154"),
        ("vitb_vkitti_252", None, None, None, "vitb_vkitti_252"),
        ("vitb_vkitti_252", "vits", None, None, "vits_vkitti_518"),
        ("vitb_vkitti_252", None, "hypersim", None, "vitb_hypersim_518"),
        ("vitb_vkitti_252", "vitb", None, None, "vitb_vkitti_252"),
        ("vitb_vkitti_252", "vitt", None, None, "vitt_starter_154"),
        ("vitb_vkitti_252", "vitl", "hypersim", 518, "vitl_hypersim_518"),
    ],
)
def test_what_a_request_leaves_open_comes_from_the_default_model(
    model: str | None, encoder: str | None, dataset: str | None, size: int | None, expected: str
) -> None:
    by = admission(model=model)
    assert admit(by, encoder=encoder, dataset=dataset, model_input_size=size).model == expected


def test_an_official_checkpoint_on_disk_is_the_default(tmp_path: Path) -> None:
    (tmp_path / "depth_anything_v2_metric_vkitti_vits.pth").touch()
    assert admission(checkpoints=tmp_path).default_model == ModelKey("vits", "vkitti", 518)


def test_a_default_model_that_does_not_exist_ends_the_start() -> None:
    with pytest.raises(UnknownModel, match="vitx_hypersim"):
        admission(model="vitx_hypersim")


@pytest.mark.parametrize(
    ("op", "dataset", "max_depth", "scale"),
    [
        ("metric_depth", "hypersim", None, 20.0),
        ("metric_depth", "vkitti", None, 80.0),
        ("pc", "vkitti", 33.5, 33.5),
        ("metric_depth", "hypersim", 0.5, 0.5),
        ("rel_depth", "hypersim", None, 1.0),
        ("rel_depth", "hypersim", 33.5, 1.0),
        ("rel_depth", "relative", 33.5, 1.0),
    ],
)
def test_the_scale_is_max_depth_or_the_checkpoint_s_own_range_and_one_for_relative_depth(
    op: Op, dataset: str, max_depth: float | None, scale: float
) -> None:
    assert admit(admission(), op, dataset=dataset, max_depth=max_depth).scale == scale


@pytest.mark.parametrize(
    ("default_ms", "given_ms", "deadline"),
    [(0, None, float("inf")), (500, None, 100.5), (500, 2000.0, 102.0), (0, 1.0, 100.001)],
)
def test_the_deadline_counts_from_arrival(default_ms: int, given_ms: float | None, deadline: float) -> None:
    pending = admit(admission(default_timeout_ms=default_ms), timeout_ms=given_ms)
    assert pending.deadline == pytest.approx(deadline)


def test_health_tells_the_limits_that_hold() -> None:
    limits = admission(max_image_mb=1, max_image_megapixels=0.5, min_image_side=20).limits
    assert (limits["max_image_bytes"], limits["max_image_pixels"], limits["min_image_side"]) == (MIB, 500_000, 20)
