"""Options of a result over a real daemon: what arrives is the plain answer, filtered, thinned and formatted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner
from PIL import Image

from depthwire.client import AsyncDepthClient, CameraIntrinsics, DepthClient, InvalidRequestError
from depthwire.client.cli import __main__ as cli
from tests.e2e.conftest import Daemon, free_endpoint
from tests.pictures import encode, jpeg, scene

CAMERA = CameraIntrinsics(1000.0, 1020.0, 320.0, 240.0, width=640, height=480)
"""Of twice the size of the pictures that are sent."""

WIDTH, HEIGHT = 320, 240
PICTURE = scene(WIDTH, HEIGHT)
PNG = encode(PICTURE, ".png")


@pytest.fixture(scope="module")
def null(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that answers everything with 10 m, and decodes no more of a picture than the network needs."""
    log = tmp_path_factory.mktemp("null") / "daemon.log"
    daemon = Daemon(free_endpoint(), ["--engine", "null", "--decode", "fast", "--model", "vits_hypersim"], log)
    daemon.start()
    yield daemon
    daemon.stop()


def filtered(
    depth: npt.NDArray[np.float32], range_: tuple[float, float] | None, edge_filter: float | None
) -> npt.NDArray[np.float32]:
    """The definition of both filters, by shifted copies of the map."""
    invalid = np.zeros(depth.shape, bool)
    if range_ is not None:
        invalid |= (depth < np.float32(range_[0])) | (depth > np.float32(range_[1]))
    if edge_filter is not None:
        framed = np.pad(depth, 1, mode="edge")
        around = [framed[v : v + depth.shape[0], u : u + depth.shape[1]] for v in range(3) for u in range(3)]
        invalid |= np.max(around, axis=0) > np.float32(1 + edge_filter) * np.min(around, axis=0)
    return np.where(invalid, np.float32(np.nan), depth)


def test_a_cloud_with_every_option_is_the_plain_one_filtered_thinned_and_formatted(starter: Daemon) -> None:
    with DepthClient(starter.endpoint) as client:
        plain = client.pc(PNG, CAMERA)
        low, high = np.percentile(plain.depth, [10, 80])
        bounds = (float(low), float(high))
        options: dict[str, Any] = {"range": bounds, "edge_filter": 0.02, "stride": 3}
        cloud = client.pc(PNG, CAMERA, **options, organized=True, colors=True, depth_format="uint16_mm")
    kept = filtered(plain.depth, bounds, 0.02)[::3, ::3]
    assert 0.1 < np.isnan(kept).mean() < 0.9, "the picture tests nothing"
    assert (cloud.depth.dtype, cloud.depth.shape) == (np.uint16, (80, 107))
    np.testing.assert_array_equal(cloud.depth, np.rint(np.nan_to_num(kept) * np.float32(1000)).astype(np.uint16))
    np.testing.assert_allclose(cloud.as_float32(), kept, atol=0.000502, rtol=0)
    points = plain.points.reshape(HEIGHT, WIDTH, 3)[::3, ::3].copy()
    points[np.isnan(kept)] = np.nan
    np.testing.assert_array_equal(cloud.points, points)
    np.testing.assert_array_equal(cloud.colors, PICTURE[::3, ::3, ::-1])
    assert (cloud.min, cloud.max) == (np.nanmin(kept), np.nanmax(kept))
    assert plain.colors is None


def test_the_intrinsics_of_a_thinned_answer_project_its_depth_to_its_points(starter: Daemon) -> None:
    with DepthClient(starter.endpoint) as client:
        cloud = client.pc(PNG, CAMERA, stride=4, organized=True)
        depth = client.metric_depth(PNG, stride=4)
        assert client.submit("metric_depth", PNG, CAMERA, stride=4).result().intrinsics == cloud.intrinsics
        assert client.pc(PNG, CAMERA).intrinsics == CameraIntrinsics(500.0, 510.0, 160.0, 120.0, WIDTH, HEIGHT)
    camera = cloud.intrinsics
    assert camera == CameraIntrinsics(125.0, 127.5, 40.0, 30.0, 80, 60)
    assert depth.intrinsics is None
    v, u = np.mgrid[0:60, 0:80]
    z = cloud.depth.astype(np.float64)
    expected = np.stack([(u - camera.cx) * z / camera.fx, (v - camera.cy) * z / camera.fy, z], axis=-1)
    np.testing.assert_allclose(cloud.points, expected, rtol=3e-7, atol=1e-9)
    np.testing.assert_array_equal(depth.depth, cloud.depth)


def test_options_that_change_nothing_change_nothing(starter: Daemon) -> None:
    with DepthClient(starter.endpoint) as client:
        plain = client.pc(PNG, CAMERA)
        for options in (
            {"range": (0, 10_000)},
            {"stride": 1, "organized": False, "colors": False, "depth_format": "float32"},
        ):
            same = client.pc(PNG, CAMERA, **options)
            np.testing.assert_array_equal(same.points, plain.points)
            np.testing.assert_array_equal(same.depth, plain.depth)
            assert (same.min, same.max, same.depth.dtype) == (plain.min, plain.max, np.float32)


@pytest.mark.parametrize("op", ["metric_depth", "rel_depth"])
def test_depth_in_half_precision_is_the_plain_depth_rounded(starter: Daemon, op: str) -> None:
    with DepthClient(starter.endpoint) as client:
        method = getattr(client, op)
        plain, half = method(PNG), method(PNG, edge_filter=0.02, stride=2, depth_format="float16")
    kept = filtered(plain.depth, None, 0.02)[::2, ::2]
    assert 0 < np.isnan(kept).mean() < 1
    np.testing.assert_array_equal(half.depth, kept.astype(np.float16))
    assert (half.min, half.max) == (np.nanmin(kept), np.nanmax(kept))


def test_a_range_that_leaves_nothing_is_an_answer_without_a_range(null: Daemon) -> None:
    with DepthClient(null.endpoint) as client:
        cloud = client.pc(PNG, CAMERA, range=(0.0, 9.5))
        millimetres = client.metric_depth(PNG, range=np.float32([0.5, 9.5]), depth_format="uint16_mm")
        within = client.metric_depth(PNG, range=(10.0, 10.5), depth_format="uint16_mm")
    assert np.isnan(cloud.points).all()
    assert np.isnan([cloud.min, cloud.max, millimetres.min, millimetres.max]).all()
    assert (millimetres.depth == 0).all()
    assert np.isnan(millimetres.as_float32()).all()
    assert (within.depth == 10_000).all()


def test_colors_are_those_of_every_kept_pixel_also_where_depth_needs_no_such_resolution(null: Daemon) -> None:
    """libjpeg would halve this picture for the network's 518 pixels."""
    image = jpeg(1600, 1200)
    expected = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    with DepthClient(null.endpoint) as client:
        whole = client.pc(image, CAMERA, colors=True)
        thinned = client.pc(image, CAMERA, colors=True, stride=7, organized=True)
    np.testing.assert_array_equal(whole.colors, expected.reshape(-1, 3))
    np.testing.assert_array_equal(thinned.colors, expected[::7, ::7])


def test_a_thinned_ply_has_the_colours_of_the_kept_stored_pixels_whatever_exif_says(
    null: Daemon, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees to view"
    Image.fromarray(PICTURE[..., ::-1]).save(tmp_path / "turned.png", exif=exif.tobytes())
    words = ["--endpoint", null.endpoint, "pc", tmp_path / "turned.png", "-o", tmp_path / "a.ply", "--stride", 7]
    result = CliRunner().invoke(cli.main, list(map(str, words)))
    assert result.exit_code == 0, result.output
    body = (tmp_path / "a.ply").read_bytes().split(b"end_header\n", 1)[1]
    vertices = np.frombuffer(body, [("xyz", "<f4", 3), ("rgb", "u1", 3)])
    np.testing.assert_array_equal(vertices["rgb"], PICTURE[::7, ::7, ::-1].reshape(-1, 3))


async def _ask_asynchronously(endpoint: str) -> Any:
    async with AsyncDepthClient(endpoint) as client:
        cloud = await client.pc(PNG, CAMERA, stride=2, organized=True, colors=True, depth_format="float16")
        return cloud, await client.metric_depth(PNG, range=(0.3, 20.0), stride=2)


def test_the_asyncio_client_takes_the_same_options(null: Daemon) -> None:
    cloud, depth = asyncio.run(_ask_asynchronously(null.endpoint))
    assert cloud.points.shape == cloud.colors.shape == (120, 160, 3)
    assert (cloud.depth.dtype, depth.depth.dtype) == (np.float16, np.float32)
    assert (depth.depth == 10).all()


@pytest.mark.parametrize(
    ("op", "options", "field"),
    [
        ("metric_depth", {"organized": True}, "organized"),
        ("rel_depth", {"range": (0.0, 1.0)}, "range"),
        ("rel_depth", {"depth_format": "uint16_mm"}, "depth_format"),
        ("metric_depth", {"range": (5.0, 1.0)}, "range"),
        ("metric_depth", {"stride": 65}, "stride"),
        ("metric_depth", {"edge_filter": 0}, "edge_filter"),
    ],
)
def test_an_option_that_means_nothing_is_refused_before_it_is_sent(
    null: Daemon, op: Any, options: dict[str, Any], field: str
) -> None:
    with DepthClient(null.endpoint) as client, pytest.raises(InvalidRequestError) as refused:
        client.submit(op, PNG, **options)
    assert refused.value.field == field
