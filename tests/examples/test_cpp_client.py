"""The C++ client, compiled here, against the golden messages and a real daemon. Skipped where it cannot be compiled."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import cv2
import msgpack
import numpy as np
import pytest

from depthwire.client import CameraIntrinsics, DepthClient
from depthwire.protocol import frames as wire
from depthwire.protocol import parse_reply, parse_request
from tests.e2e.conftest import Daemon, starter
from tests.pictures import jpeg

__all__ = ["starter"]

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "protocol" / "vectors"
INDEX: list[dict[str, Any]] = json.loads((VECTORS / "index.json").read_text(encoding="utf-8"))["vectors"]

SENDS = {"v", "id", "op", "image", "camera_intrinsics", "max_depth", "encoder", "dataset", "model_input_size"}
SENDS |= {"timeout_ms", "stream", "meta"}
IGNORES = ("colors", "camera-intrinsics")
"""Fields of replies that this client does not read, so that it cannot find them wrong."""


@pytest.fixture(scope="module")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the compiled programs."""
    if shutil.which("g++") is None or shutil.which("make") is None:
        pytest.skip("no C++ compiler")
    probe = "#define MSGPACK_NO_BOOST\n#include <msgpack.hpp>\n#include <zmq.hpp>\n"
    found = subprocess.run(["g++", "-E", "-x", "c++", "-"], input=probe, text=True, capture_output=True, check=False)
    if found.returncode != 0:
        pytest.skip("cppzmq or msgpack-c is not installed")
    folder = tmp_path_factory.mktemp("cpp")
    command = ["make", "-j2", "-C", str(ROOT / "examples" / "cpp"), f"BUILD={folder}"]
    flags = "CXXFLAGS=-O0 -Wall -Wextra -Wpedantic -Werror"
    subprocess.run([*command, flags], check=True, timeout=170)
    return folder


def ask(binaries: Path, document: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [binaries / "check_messages"], input=msgpack.packb(document), capture_output=True, timeout=20, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    answer: dict[str, Any] = msgpack.unpackb(done.stdout)
    return answer


def frames_of(vector: dict[str, Any]) -> list[bytes]:
    return [(VECTORS / name).read_bytes() for name in vector["frames"][vector["envelope"] :]]


def test_its_requests_say_what_the_golden_ones_say(binaries: Path) -> None:
    checked = 0
    for vector in INDEX:
        fields = vector.get("fields") or {}
        if vector["kind"] != "request" or not vector["canonical"] or vector["envelope"] or not set(fields) <= SENDS:
            continue
        frames = frames_of(vector)
        given = {name: value for name, value in fields.items() if name not in ("v", "image", "meta")}
        request = parse_request(frames)
        if request.image is not None:
            given["image"] = bytes(request.image)
        if request.meta is not None:
            given["meta"] = request.meta
        written = ask(binaries, {"encode": given})["frames"]
        # Not byte for byte: msgpack-c writes a whole float as an integer, which section 2 allows.
        assert parse_request(written) == request, vector["name"]
        assert written[1:] == frames[1:]
        checked += 1
    assert checked >= 7


def test_it_reads_the_golden_replies(binaries: Path) -> None:
    checked = 0
    for vector in INDEX:
        if vector["kind"] != "reply":
            continue
        frames = frames_of(vector)
        expected = parse_reply(frames)
        answer = ask(binaries, {"decode": frames})
        if expected.error is not None:
            error = expected.error.to_wire()
            sent = wire.decode(frames)["error"]["code"]
            assert answer["code"] == sent, vector["name"]
            assert (answer["message"] in error["message"], answer["retryable"]) == (True, error["retryable"])
            assert (answer["field"] or None, answer["retry_after_ms"] or None) == (
                error.get("field"),
                error.get("retry_after_ms"),
            )
        elif any(
            a.dtype != "<f4" or a.ndim != 2 for name in ("depth_map", "pointcloud") for a in arrays(expected, name)
        ):
            assert answer["code"] == "PROTOCOL", vector["name"]  # what it never asks for is refused, not misread
        else:
            assert (answer["id"], answer["op"]) == (expected.id, expected.op)
            for name, key in (("depth_map", "depth"), ("pointcloud", "points")):
                rows, columns, data = answer[key]
                for array in arrays(expected, name):
                    np.testing.assert_array_equal(np.frombuffer(data, "<f4").reshape(rows, columns), array)
            if expected.op not in ("health", "cancel"):
                assert answer["model"] == expected.fields["model"]
                np.testing.assert_equal(answer["min"], expected.fields["min"])
        checked += 1
    assert checked >= 20


def arrays(reply: Any, name: str) -> list[np.ndarray[Any, Any]]:
    return [reply.fields[name]] if name in reply.fields else []


@pytest.mark.parametrize(
    "name", [v["name"] for v in INDEX if v["kind"] == "bad-reply" and not any(word in v["name"] for word in IGNORES)]
)
def test_it_refuses_what_is_no_reply(name: str, binaries: Path) -> None:
    vector = next(vector for vector in INDEX if vector["name"] == name)
    assert ask(binaries, {"decode": frames_of(vector)})["code"] == "PROTOCOL"


def test_it_gets_the_depth_that_the_python_client_gets(binaries: Path, starter: Daemon, tmp_path: Path) -> None:
    picture = tmp_path / "photo.jpg"
    picture.write_bytes(jpeg(160, 120))
    command = [binaries / "depth", starter.endpoint, picture, tmp_path / "out.pfm"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("160 x 120, ")
    with DepthClient(starter.endpoint) as client:
        expected = client.pc(picture, CameraIntrinsics(100, 100, 80, 60)).depth
    np.testing.assert_allclose(cv2.imread(str(tmp_path / "out.pfm"), cv2.IMREAD_UNCHANGED), expected, rtol=1e-5)

    picture.write_bytes(b"no picture")
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith("BAD_IMAGE: ")


def test_it_says_that_no_daemon_is_there(binaries: Path, tmp_path: Path) -> None:
    assert subprocess.run([binaries / "depth"], capture_output=True, timeout=20, check=False).returncode == 2
    missing = subprocess.run(
        [binaries / "depth", "tcp://127.0.0.1:1", tmp_path / "none.jpg", "out"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert "cannot be read" in missing.stderr
