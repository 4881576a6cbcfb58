"""Clouds are written as PLY that a reader following only the format's description gets back bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from depthwire.client.view import ply

TYPES = {"float": "<f4", "uchar": "u1"}


def read_ply(path: Path) -> np.ndarray:
    """The vertices as a structured array, read by the header's own words."""
    head, body = path.read_bytes().split(b"end_header\n", 1)
    lines = head.decode("ascii").splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    words = [line.split() for line in lines]
    (count,) = [int(line[2]) for line in words if line[:2] == ["element", "vertex"]]
    fields = [(line[2], TYPES[line[1]]) for line in words if line[0] == "property"]
    vertices = np.frombuffer(body, np.dtype(fields))
    assert len(vertices) == count
    return vertices


def xyz(vertices: np.ndarray) -> np.ndarray:
    return np.stack([vertices[name] for name in "xyz"], axis=1)


def cloud(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    return rng.normal(size=(count, 3)).astype(np.float32), rng.integers(0, 256, (count, 3), np.uint8)


def test_points_and_colours_come_back_bit_for_bit_and_in_order(tmp_path: Path) -> None:
    points, colours = cloud(1000)
    assert ply.write_ply(tmp_path / "cloud.ply", points, colours) == 1000
    vertices = read_ply(tmp_path / "cloud.ply")
    assert np.array_equal(xyz(vertices), points)
    assert np.array_equal(np.stack([vertices[c] for c in ("red", "green", "blue")], axis=1), colours)


def test_a_cloud_without_colours_has_no_colour_properties(tmp_path: Path) -> None:
    points, _ = cloud(10)
    ply.write_ply(str(tmp_path / "cloud.ply"), points)
    assert read_ply(tmp_path / "cloud.ply").dtype.names == ("x", "y", "z")


def test_points_that_are_not_finite_are_left_out_together_with_their_colours(tmp_path: Path) -> None:
    points, colours = cloud(6)
    points[1, 0], points[3, 2], points[5, 1] = np.nan, np.inf, -np.inf
    assert ply.write_ply(tmp_path / "cloud.ply", points, colours) == 3
    vertices = read_ply(tmp_path / "cloud.ply")
    assert np.array_equal(xyz(vertices), points[[0, 2, 4]])
    assert vertices["green"].tolist() == colours[[0, 2, 4], 1].tolist()


def test_a_cloud_longer_than_one_write_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ply, "POINTS_PER_WRITE", 7)
    points, colours = cloud(50)
    points[7:14] = np.nan
    ply.write_ply(tmp_path / "cloud.ply", points, colours)
    assert np.array_equal(xyz(read_ply(tmp_path / "cloud.ply")), np.delete(points, slice(7, 14), axis=0))


def test_an_empty_cloud_and_one_of_only_invalid_points_are_valid_files(tmp_path: Path) -> None:
    for points in (np.zeros((0, 3), np.float32), np.full((4, 3), np.nan, np.float32)):
        assert ply.write_ply(tmp_path / "cloud.ply", points) == 0
        assert len(read_ply(tmp_path / "cloud.ply")) == 0


def test_an_organised_cloud_is_written_as_its_points_row_by_row(tmp_path: Path) -> None:
    points, colours = cloud(24)
    points[5] = np.nan
    ply.write_ply(tmp_path / "flat.ply", points, colours)
    assert ply.write_ply(tmp_path / "organised.ply", points.reshape(4, 6, 3), colours.reshape(4, 6, 3)) == 23
    assert (tmp_path / "organised.ply").read_bytes() == (tmp_path / "flat.ply").read_bytes()


def test_read_only_and_strided_arrays_are_written_as_they_look(tmp_path: Path) -> None:
    points, colours = cloud(20)
    points.flags.writeable = False
    ply.write_ply(tmp_path / "cloud.ply", points[::2], colours[::2, ::-1])
    vertices = read_ply(tmp_path / "cloud.ply")
    assert np.array_equal(xyz(vertices), points[::2])
    assert vertices["red"].tolist() == colours[::2, 2].tolist()


@pytest.mark.parametrize(
    ("points", "colours", "message"),
    [
        (np.zeros((4, 2), np.float32), None, "points must be floats"),
        (np.zeros((4, 3), np.int32), None, "points must be floats"),
        (np.zeros((1, 1, 4, 3), np.float32), None, "points must be floats"),
        (np.zeros((2, 2, 3), np.float32), np.zeros((4, 3), np.uint8), "colours must be uint8"),
        (np.zeros((4, 3), np.float32), np.zeros((3, 3), np.uint8), "colours must be uint8"),
        (np.zeros((4, 3), np.float32), np.zeros((4, 3), np.float32), "colours must be uint8"),
    ],
)
def test_other_shapes_and_types_are_refused_before_a_file_exists(
    tmp_path: Path, points: np.ndarray, colours: np.ndarray | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ply.write_ply(tmp_path / "cloud.ply", points, colours)
    assert not (tmp_path / "cloud.ply").exists()
