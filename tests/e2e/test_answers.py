"""What the daemon answers, checked by content: numbers, batching, mixed load, malformed requests."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest
import zmq

from depthwire.client import CameraIntrinsics, DepthClient
from depthwire.protocol import frames, parse_reply
from tests.e2e.conftest import PHOTOS, Daemon, DaemonFactory
from tests.pictures import encode, jpeg, scene

CAMERA = CameraIntrinsics(500.0, 510.0, 160.0, 120.0)


def test_points_are_the_depth_map_projected_by_the_pinhole_formula(starter: Daemon) -> None:
    with DepthClient(starter.endpoint) as client:
        cloud = client.pc(jpeg(320, 240), CAMERA, max_depth=20.0)
    v, u = np.mgrid[0:240, 0:320]
    z = cloud.depth.astype(np.float64)
    expected = np.stack([(u - 160.0) * z / 500.0, (v - 120.0) * z / 510.0, z], axis=-1).reshape(-1, 3)
    assert cloud.points.shape == (320 * 240, 3)
    assert cloud.points.dtype == np.float32
    np.testing.assert_allclose(cloud.points, expected, rtol=3e-7, atol=1e-9)


def test_intrinsics_of_another_image_size_are_scaled(starter: Daemon) -> None:
    image = jpeg(320, 240)
    doubled = CameraIntrinsics(1000.0, 1020.0, 320.0, 240.0, width=640, height=480)
    with DepthClient(starter.endpoint) as client:
        np.testing.assert_allclose(client.pc(image, doubled).points, client.pc(image, CAMERA).points, rtol=1e-6)


def test_max_depth_multiplies_and_rel_depth_is_the_sigmoid_itself(starter: Daemon) -> None:
    image = jpeg(320, 240)
    with DepthClient(starter.endpoint) as client:
        native, scaled = client.metric_depth(image), client.metric_depth(image, max_depth=20.0)
        relative = client.rel_depth(image)
    np.testing.assert_allclose(native.depth, relative.depth * 80, rtol=1e-5)
    np.testing.assert_allclose(scaled.depth, relative.depth * 20, rtol=1e-5)
    assert 0 <= relative.min < relative.max <= 1
    assert relative.min == relative.depth.min()
    assert relative.max == relative.depth.max()


def test_exif_rotation_is_ignored(starter: Daemon) -> None:
    plain = jpeg(320, 240)
    # An APP1 segment with one EXIF entry: orientation 6, "rotate by 90 degrees to view".
    tiff = b"MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
    exif = b"\xff\xe1" + (len(tiff) + 8).to_bytes(2, "big") + b"Exif\x00\x00" + tiff
    rotated = plain[:2] + exif + plain[2:]
    assert cv2.imdecode(np.frombuffer(rotated, np.uint8), cv2.IMREAD_COLOR).shape[:2] == (320, 240)
    with DepthClient(starter.endpoint) as client:
        np.testing.assert_array_equal(client.metric_depth(rotated).depth, client.metric_depth(plain).depth)


def test_every_kind_of_image_source_gives_the_same_answer(starter: Daemon, tmp_path: Any) -> None:
    picture = scene(160, 120)
    png = encode(picture, ".png")
    path = tmp_path / "scene.png"
    path.write_bytes(png)
    with DepthClient(starter.endpoint, encoding="png") as client:
        expected = client.metric_depth(png).depth
        for source in (path, str(path), picture):
            np.testing.assert_array_equal(client.metric_depth(source).depth, expected)


def test_jpeg_png_and_webp_are_read(starter: Daemon) -> None:
    picture = scene(160, 120)
    with DepthClient(starter.endpoint) as client:
        lossless = client.metric_depth(encode(picture, ".png")).depth
        webp = client.metric_depth(encode(picture, ".webp", [cv2.IMWRITE_WEBP_QUALITY, 101])).depth
        lossy = client.metric_depth(encode(picture, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, 100])).depth
    np.testing.assert_array_equal(lossless, webp)
    assert np.abs(lossy - lossless).mean() < 0.05 * np.ptp(lossless)


@pytest.mark.skipif(not PHOTOS.exists(), reason="needs the photos of the shared folder")
def test_real_photos_give_finite_varied_depth(starter: Daemon) -> None:
    with DepthClient(starter.endpoint) as client:
        for photo in sorted(PHOTOS.glob("*.jpg")):
            depth = client.metric_depth(photo).depth
            assert np.isfinite(depth).all()
            assert depth.shape == cv2.imread(str(photo), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION).shape[:2]
            assert np.ptp(depth) > 0.3


def test_health_tells_what_runs_and_that_it_is_the_starter(starter: Daemon) -> None:
    with DepthClient(starter.endpoint) as client:
        client.metric_depth(jpeg(160, 120))
        info = client.health()
    assert info["status"] == "ok"
    assert info["device"] == "cpu"
    assert info["models_loaded"] == ["vitt_starter_154"]
    assert "small starter model" in info["notice"]


def test_meta_comes_back_as_it_was_sent(starter: Daemon) -> None:
    meta = {"stamp": [1700000000, 123456789], "frame_id": "camera_optical", "blob": b"\x00\xff", "nested": {"a": None}}
    with DepthClient(starter.endpoint) as client:
        assert client.metric_depth(jpeg(64, 48), meta=meta).meta == meta


def test_mixed_clients_get_what_each_would_have_got_alone(starter: Daemon, request: pytest.FixtureRequest) -> None:
    """Eight clients, mixed operations, sizes, ranges and cameras: none lost, doubled or swapped."""
    total = 8 * (63 if request.config.getoption("--full") else 15)
    sizes = [(96, 72), (128, 96), (160, 90), (72, 96), (111, 83), (96, 72)]
    kinds = [
        (op, size, seed, depth)
        for size in sizes
        for seed in range(2)
        for op, depth in (
            ("pc", 10.0),
            ("pc", None),
            ("metric_depth", 3.0),
            ("metric_depth", None),
            ("rel_depth", None),
        )
    ]
    images = {(size, seed): jpeg(*size, seed=seed + 10 * n) for n, size in enumerate(sizes) for seed in range(2)}

    def ask(client: DepthClient, kind: tuple[Any, ...], tag: int) -> Any:
        op, size, seed, depth = kind
        options: dict[str, Any] = {"meta": {"tag": tag}}
        if depth is not None:
            options["max_depth"] = depth
        if op == "pc":
            options["intrinsics"] = CameraIntrinsics(90.0 + seed, 95.0, size[0] / 2, size[1] / 2)
        return client.submit(op, images[size, seed], **options)

    with DepthClient(starter.endpoint, timeout=120) as client:
        alone = {kind: ask(client, kind, 0).result() for kind in kinds}

    def run_client(number: int) -> list[tuple[Any, Any, int]]:
        rng = random.Random(number)
        answers = []
        with DepthClient(starter.endpoint, timeout=120) as client:
            waiting: list[tuple[Any, Any, int]] = []
            for n in range(total // 8):
                kind, tag = rng.choice(kinds), 1000 * number + n
                waiting.append((kind, ask(client, kind, tag), tag))
                if len(waiting) == 6:
                    kind, future, tag = waiting.pop(0)
                    answers.append((kind, future.result(), tag))
            answers += [(kind, future.result(), tag) for kind, future, tag in waiting]
        return answers

    with ThreadPoolExecutor(8) as pool:
        answers = [answer for batch in pool.map(run_client, range(8)) for answer in batch]
    assert len(answers) == total
    assert len({tag for _, _, tag in answers}) == total
    for kind, answer, tag in answers:
        expected = alone[kind]
        span = float(np.ptp(expected.depth))
        assert answer.meta == {"tag": tag}
        np.testing.assert_allclose(answer.depth, expected.depth, atol=1e-5 * span, rtol=0)
        if kind[0] == "pc":
            np.testing.assert_allclose(
                answer.points, expected.points, atol=1e-5 * float(np.ptp(expected.points)), rtol=0
            )
    assert max(answer.timing["batch_size"] for _, answer, _ in answers) > 1, "nothing ever shared a batch"


MALFORMED: list[tuple[str, dict[str, Any], str, str, str]] = [
    # what, changes to a valid pc request, code, field, a word the message must hold
    ("unknown operation", {"op": "depht"}, "UNKNOWN_OP", "op", "metric_depth"),
    ("operation of a wrong type", {"op": 3}, "UNKNOWN_OP", "op", "rel_depth"),
    ("wrong version", {"v": 2}, "UNSUPPORTED_VERSION", "v", "1"),
    ("missing version", {"v": None}, "UNSUPPORTED_VERSION", "v", "1"),
    ("missing image", {"image": None}, "INVALID_REQUEST", "image", "missing"),
    ("image of a wrong type", {"image": "text"}, "INVALID_REQUEST", "image", "str"),
    ("empty image", {"image": b""}, "BAD_IMAGE", "image", "empty"),
    ("not an image", {"image": b"hello" * 200}, "BAD_IMAGE", "image", "JPEG"),
    ("truncated image", {"image": jpeg(320, 240)[:3000]}, "BAD_IMAGE", "image", "damaged"),
    ("truncated header", {"image": jpeg(320, 240)[:40]}, "BAD_IMAGE", "image", ""),
    ("oversized image", {"image": jpeg(64, 48) + bytes(3 * 2**20)}, "TOO_LARGE", "image", "2097152"),
    ("1x1 image", {"image": encode(scene(1, 1), ".png")}, "BAD_IMAGE", "image", "14"),
    ("extreme shape", {"image": encode(scene(4000, 14), ".png")}, "TOO_LARGE", "model_input_size", "2000000"),
    ("missing intrinsics", {"camera_intrinsics": None}, "INVALID_REQUEST", "camera_intrinsics", "missing"),
    ("intrinsics of a wrong type", {"camera_intrinsics": [1, 2]}, "INVALID_REQUEST", "camera_intrinsics", "map"),
    ("no fx", {"camera_intrinsics": {"fy": 1, "cx": 1, "cy": 1}}, "INVALID_REQUEST", "camera_intrinsics.fx", "missing"),
    (
        "zero focal length",
        {"camera_intrinsics": {"fx": 0, "fy": 1, "cx": 1, "cy": 1}},
        "INVALID_REQUEST",
        "camera_intrinsics.fx",
        "0",
    ),
    (
        "NaN principal point",
        {"camera_intrinsics": {"fx": 1, "fy": 1, "cx": float("nan"), "cy": 1}},
        "INVALID_REQUEST",
        "camera_intrinsics.cx",
        "nan",
    ),
    ("NaN max_depth", {"max_depth": float("nan")}, "INVALID_REQUEST", "max_depth", "nan"),
    ("negative max_depth", {"max_depth": -1.0}, "INVALID_REQUEST", "max_depth", "-1"),
    ("max_depth as text", {"max_depth": "20"}, "INVALID_REQUEST", "max_depth", "str"),
    ("unknown encoder", {"encoder": "vitx"}, "MODEL_NOT_FOUND", "encoder", "vits_hypersim"),
    ("unknown dataset", {"encoder": "vits", "dataset": "kitti"}, "MODEL_NOT_FOUND", "dataset", "vits_hypersim"),
    ("encoder that is no name", {"encoder": "../../etc"}, "INVALID_REQUEST", "encoder", "32"),
    ("odd input size", {"model_input_size": 500}, "INVALID_REQUEST", "model_input_size", "14"),
    ("huge input size", {"model_input_size": 14000}, "INVALID_REQUEST", "model_input_size", "1540"),
    (
        "relative model asked for metres",
        {"encoder": "vits", "dataset": "relative"},
        "INVALID_REQUEST",
        "dataset",
        "rel",
    ),
    ("zero timeout", {"timeout_ms": 0}, "INVALID_REQUEST", "timeout_ms", "0"),
    ("stream of a wrong type", {"stream": 7}, "INVALID_REQUEST", "stream", "text"),
    ("meta of a wrong type", {"meta": [1]}, "INVALID_REQUEST", "meta", "map"),
    ("meta too large", {"meta": {"a": "x" * 5000}}, "INVALID_REQUEST", "meta", "4096"),
    ("open range", {"range": [0.3, None]}, "INVALID_REQUEST", "range", "10000"),
    ("stride beyond its limit", {"stride": 65}, "INVALID_REQUEST", "stride", "64"),
    ("options of a cloud for a map", {"op": "metric_depth", "colors": True}, "INVALID_REQUEST", "colors", "pc"),
    ("unknown field", {"max_dept": 3}, "INVALID_REQUEST", "max_dept", "field"),
    ("missing id", {"id": None}, "INVALID_REQUEST", "id", "missing"),
    ("negative id", {"id": -1}, "INVALID_REQUEST", "id", "0"),
]


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A daemon with small limits, and one raw connection to it that every malformed request goes through."""
    from tests.e2e.conftest import free_endpoint

    daemon = Daemon(
        free_endpoint(),
        ["--engine", "null", "--model", "vitt_starter", "--max-image-mb", "2"],
        tmp_path_factory.mktemp("strict") / "daemon.log",
    )
    daemon.start()
    context: zmq.Context[Any] = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.linger = 0
    dealer.connect(daemon.endpoint)
    yield dealer
    dealer.close()
    context.term()
    daemon.stop()


def ask_raw(dealer: Any, message: list[Any]) -> Any:
    dealer.send_multipart(message)
    assert dealer.poll(20_000), "no answer"
    return parse_reply([frame.buffer for frame in dealer.recv_multipart(copy=False)])


def valid_pc(request_id: int = 7) -> dict[str, Any]:
    return {
        "v": 1,
        "id": request_id,
        "op": "pc",
        "image": jpeg(64, 48),
        "camera_intrinsics": {"fx": 60.0, "fy": 60.0, "cx": 32.0, "cy": 24.0},
    }


@pytest.mark.parametrize(
    ("changes", "code", "field", "word"), [case[1:] for case in MALFORMED], ids=[case[0] for case in MALFORMED]
)
def test_malformed_requests_get_their_own_error_and_the_connection_works_on(
    strict: Any, changes: dict[str, Any], code: str, field: str, word: str
) -> None:
    fields = {name: value for name, value in (valid_pc() | changes).items() if value is not None}
    reply = ask_raw(strict, frames.encode(fields))
    assert reply.error is not None
    assert (reply.error.code, reply.error.field) == (code, field)
    assert word in reply.error.message
    assert not reply.error.retryable
    good = ask_raw(strict, frames.encode(valid_pc(8)))
    assert good.error is None
    assert good.id == 8
    assert good.fields["pointcloud"].shape == (64 * 48, 3)


@pytest.mark.parametrize(
    "message",
    [
        [b""],
        [b"\xc1"],
        [b"\x80"],
        [b"\x91" * 1000],
        [b"\xff" * 70_000],
        [b"\x81\xa1v\x01", b"x" * 10],
        [b"\x93\x01\x02\x03"],
    ],
    ids=["empty", "never used byte", "empty map", "deeply nested", "oversized", "unreferenced buffer", "array"],
)
def test_what_is_no_header_gets_an_error_without_an_id(strict: Any, message: list[bytes]) -> None:
    reply = ask_raw(strict, message)
    assert reply.error is not None
    assert reply.error.code in ("INVALID_REQUEST", "UNSUPPORTED_VERSION")
    assert reply.id is None
    assert ask_raw(strict, frames.encode(valid_pc(9))).error is None


def test_huge_dimensions_in_a_tiny_header_are_refused_without_decoding(strict: Any) -> None:
    png = bytearray(encode(scene(64, 48), ".png"))
    png[16:24] = (32768).to_bytes(4, "big") * 2
    reply = ask_raw(strict, frames.encode(valid_pc() | {"image": bytes(png)}))
    assert reply.error is not None
    assert (reply.error.code, reply.error.field) == ("TOO_LARGE", "image")
    assert "40000000" in reply.error.message


def test_a_req_peer_gets_its_delimiter_back(strict: Any) -> None:
    context: zmq.Context[Any] = zmq.Context()
    with context.socket(zmq.REQ) as peer:
        peer.linger = 0
        peer.connect(strict.getsockopt_string(zmq.LAST_ENDPOINT))
        reply = ask_raw(peer, frames.encode(valid_pc(11)))
    context.term()
    assert reply.error is None
    assert reply.id == 11


def test_an_id_still_in_flight_is_refused_and_the_first_request_is_answered(starter: Daemon) -> None:
    context: zmq.Context[Any] = zmq.Context()
    with context.socket(zmq.DEALER) as dealer:
        dealer.linger = 0
        dealer.connect(starter.endpoint)
        for _ in range(2):
            dealer.send_multipart(frames.encode(valid_pc(5)))
        replies = []
        for _ in range(2):
            assert dealer.poll(20_000)
            replies.append(parse_reply([frame.buffer for frame in dealer.recv_multipart(copy=False)]))
    context.term()
    assert sorted(reply.error.field if reply.error else "answered" for reply in replies) == ["answered", "id"]


def test_a_relative_checkpoint_answers_rel_depth_only(start_daemon: DaemonFactory) -> None:
    daemon = start_daemon("--engine", "null")
    with DepthClient(daemon.endpoint) as client:
        assert client.rel_depth(jpeg(64, 48), encoder="vits", dataset="relative").model == "vits_relative_518"


def test_work_that_nobody_waits_for_is_not_done(starter: Daemon) -> None:
    """Cancelled, superseded and expired requests get their answer at once; the rest are served."""
    image = jpeg(640, 480)
    with DepthClient(starter.endpoint, retries=0) as client:
        blockers = [client.submit("metric_depth", image) for _ in range(12)]
        cancelled = client.submit("metric_depth", image)
        frames_of_stream = [client.submit("metric_depth", image, stream="front") for _ in range(4)]
        expired = client.submit("metric_depth", image, timeout=0.01)
        assert cancelled.cancel()
        outcomes = [future.exception(30) for future in frames_of_stream]
        assert type(expired.exception(30)).__name__ == "DeadlineExceededError"
        assert [type(error).__name__ for error in outcomes[:-1]] == ["SupersededError"] * 3
        assert outcomes[-1] is None
        assert all(future.exception(60) is None for future in blockers)


def test_two_threads_may_share_a_client(starter: Daemon) -> None:
    images = [jpeg(96, 72, seed=seed) for seed in range(4)]
    results: dict[int, Any] = {}
    with DepthClient(starter.endpoint) as client:
        expected = [client.metric_depth(image).depth for image in images]

        def work(number: int) -> None:
            results[number] = [client.metric_depth(images[number]).depth for _ in range(10)]

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for number, depths in results.items():
        for depth in depths:
            np.testing.assert_allclose(depth, expected[number], atol=1e-5 * float(np.ptp(expected[number])))
