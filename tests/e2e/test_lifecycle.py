"""What the daemon survives and how it ends: killed workers, killed daemons, drains, bad settings, slow loads."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
import zmq

from depthwire.client import CameraIntrinsics, DepthClient, DepthwireError, ShuttingDownError
from depthwire.daemon.models.depth_anything import ENCODERS, DepthAnythingV2
from depthwire.protocol import frames, parse_reply
from tests.e2e.conftest import DaemonFactory, children_gone, free_endpoint
from tests.pictures import jpeg

IMAGE = jpeg(96, 72)


def write_random_checkpoint(folder: Path, encoder: str, dataset: str) -> None:
    """An official-looking checkpoint with random weights."""
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    torch.save(
        DepthAnythingV2(ENCODERS[encoder], metric=True).state_dict(),
        folder / f"depth_anything_v2_metric_{dataset}_{encoder}.pth",
    )


def test_a_killed_worker_is_replaced_and_every_request_is_answered_right(start_daemon: DaemonFactory) -> None:
    daemon = start_daemon("--model", "vitt_starter", "--device", "cpu")
    images = [jpeg(96, 72, seed=seed) for seed in range(4)]
    with DepthClient(daemon.endpoint, timeout=60) as client:
        expected = [client.metric_depth(image).depth for image in images]
        killed = daemon.worker_pid
        futures = [(n % 4, client.submit("metric_depth", images[n % 4])) for n in range(40)]
        os.kill(killed, signal.SIGKILL)
        assert client.health()["live"]
        for which, future in futures:
            try:
                depth = future.result(60).depth
            except DepthwireError as error:
                assert error.retryable  # noqa: PT017 - either outcome is right, this is about what kind of error
            else:
                np.testing.assert_allclose(depth, expected[which], atol=1e-5 * float(np.ptp(expected[which])))
        info = client.health()
    assert info["workers"][0]["restarts"] == 1
    assert info["workers"][0]["pid"] != killed
    assert info["status"] == "ok"


def test_a_request_that_ends_two_workers_is_given_up_and_its_neighbours_are_served(
    start_daemon: DaemonFactory,
) -> None:
    """The picture is the poison: workers are killed for as long as it is with one of them."""
    daemon = start_daemon("--model", "vitt_starter", "--device", "cpu", "--log-level", "debug")
    poison, harmless = jpeg(640, 480), jpeg(96, 72)
    with DepthClient(daemon.endpoint, timeout=120, retries=0) as client:
        expected = client.metric_depth(harmless).depth
        poisoned = client.submit("metric_depth", poison)
        neighbours = [client.submit("metric_depth", harmless) for _ in range(3)]
        for _ in range(2):
            while not (info := client.health())["ready"] or not info["queue"]["in_flight"]:
                time.sleep(0.01)
            os.kill(info["workers"][0]["pid"], signal.SIGKILL)
            while client.health()["workers"][0]["pid"] == info["workers"][0]["pid"]:
                time.sleep(0.01)
        outcome = poisoned.exception(60)
        served = [future.result(60).depth for future in neighbours if future.exception(60) is None]
        assert client.health()["status"] == "ok"
    assert outcome is None or (isinstance(outcome, DepthwireError) and outcome.code == "INTERNAL")
    for depth in served:
        np.testing.assert_allclose(depth, expected, atol=1e-5 * float(np.ptp(expected)))


def test_a_dead_front_takes_its_worker_with_it(start_daemon: DaemonFactory) -> None:
    daemon = start_daemon("--engine", "null")
    worker = daemon.worker_pid
    daemon.kill()
    deadline = time.monotonic() + 10
    while not children_gone(worker):
        assert time.monotonic() < deadline, "the worker outlived its front"
        time.sleep(0.02)


def test_sigterm_answers_all_that_was_admitted_and_nothing_new(start_daemon: DaemonFactory) -> None:
    daemon = start_daemon("--model", "vitt_starter", "--device", "cpu")
    with DepthClient(daemon.endpoint, timeout=60, retries=0) as client:
        client.metric_depth(IMAGE)
        admitted = [client.submit("metric_depth", jpeg(320, 240, seed=n)) for n in range(12)]
        client.health()  # requests of one connection arrive in order: all twelve are admitted now
        daemon.process.send_signal(signal.SIGTERM)
        while client.health()["status"] != "draining":
            time.sleep(0.01)
        with pytest.raises(ShuttingDownError):
            client.metric_depth(IMAGE)
        assert [future.result(60).depth.shape for future in admitted] == [(240, 320)] * 12
    assert daemon.process.wait(30) == 0


def test_health_answers_before_the_worker_is_up_and_the_front_imports_no_torch(start_daemon: DaemonFactory) -> None:
    begun = time.monotonic()
    daemon = start_daemon(wait=False)
    with DepthClient(daemon.endpoint, timeout=30) as client:
        info = client.health()
    print(f"first health answer {time.monotonic() - begun:.2f} s after the start")
    assert info["live"]
    maps = Path(f"/proc/{daemon.process.pid}/maps").read_text()
    assert "libtorch" not in maps
    assert "cv2" not in maps


def test_other_models_and_health_answer_while_a_model_loads(start_daemon: DaemonFactory, tmp_path: Path) -> None:
    checkpoints = tmp_path / "checkpoints"
    write_random_checkpoint(checkpoints, "vits", "hypersim")
    with socket.create_server(("127.0.0.1", 0)) as silent_hub:  # takes connections and never answers
        hub = f"http://127.0.0.1:{silent_hub.getsockname()[1]}"
        daemon = start_daemon(
            *("--device", "cpu", "--checkpoints", str(checkpoints), "--model", "vitt_starter"),
            environment={"HF_ENDPOINT": hub, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_ETAG_TIMEOUT": "60"},
        )
        with DepthClient(daemon.endpoint, timeout=60, retries=0) as client:
            loading = client.submit("metric_depth", IMAGE, encoder="vitb", dataset="vkitti", model_input_size=98)
            while client.health()["models_loading"] != ["vitb_vkitti"]:
                time.sleep(0.02)
            assert client.metric_depth(IMAGE).model == "vitt_starter_154"
            other = client.metric_depth(IMAGE, encoder="vits", dataset="hypersim", model_input_size=98)
            assert other.model == "vits_hypersim_98"
            assert set(client.health()["models_loaded"]) >= {"vitt_starter_154", "vits_hypersim_98"}
            assert client.health()["models_loading"] == ["vitb_vkitti"]
            assert not loading.done()
            loading.cancel()


def test_the_least_recently_used_model_makes_room(start_daemon: DaemonFactory, tmp_path: Path) -> None:
    checkpoints = tmp_path / "checkpoints"
    for dataset in ("hypersim", "vkitti"):
        write_random_checkpoint(checkpoints, "vits", dataset)
    arguments = ["--device", "cpu", "--engine", "torch", "--checkpoints", str(checkpoints), "--model", "vitt_starter"]
    daemon = start_daemon(*arguments, "--model-memory-mb", "140", "--preload", "vitt_starter")
    with DepthClient(daemon.endpoint, timeout=60) as client:
        client.metric_depth(IMAGE)
        client.metric_depth(IMAGE, encoder="vits", dataset="hypersim", model_input_size=98)
        client.metric_depth(IMAGE)
        client.metric_depth(IMAGE, encoder="vits", dataset="vkitti", model_input_size=98)
        loaded = {name.rsplit("_", 1)[0] for name in client.health()["models_loaded"]}
        assert loaded == {"vitt_starter", "vits_vkitti"}
        assert client.metric_depth(IMAGE, encoder="vits", dataset="hypersim", model_input_size=98).depth.shape == (
            72,
            96,
        )


def test_a_missing_checkpoint_says_what_to_put_where(start_daemon: DaemonFactory, tmp_path: Path) -> None:
    daemon = start_daemon("--device", "cpu", "--no-download", "--checkpoints", str(tmp_path))
    with DepthClient(daemon.endpoint, timeout=60) as client:
        with pytest.raises(DepthwireError, match=r"depth_anything_v2_metric_hypersim_vitb\.pth") as caught:
            client.metric_depth(IMAGE, encoder="vitb", dataset="hypersim")
        assert caught.value.code == "MODEL_NOT_FOUND"
        assert client.metric_depth(IMAGE).model == "vitt_starter_154"


def test_a_checkpoint_that_is_refused_leaves_the_daemon_ready_for_other_models(
    start_daemon: DaemonFactory, tmp_path: Path
) -> None:
    """Here the default one, with a training's state and no weights."""
    path = tmp_path / "depth_anything_v2_metric_hypersim_vits.pth"
    torch.save({"optimizer": {}, "epoch": 3}, path)
    daemon = start_daemon("--checkpoints", str(tmp_path), "--engine", "torch", "--device", "cpu", wait=False)
    with DepthClient(daemon.endpoint, timeout=60) as client:
        with pytest.raises(DepthwireError, match="is no network's weights") as refusal:
            client.metric_depth(IMAGE)
        assert not refusal.value.retryable
        assert client.metric_depth(IMAGE, encoder="vitt", dataset="starter").model == "vitt_starter_154"
        health = client.health()
    assert health["ready"]
    assert health["workers"][0]["restarts"] == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--device", "cuda:63"], "there is no device cuda:63"),
        (["--model", "vitz_moon"], "no model vitz_moon"),
        (["--bind", "tcp://127.0.0.1:not-a-port"], "cannot listen on"),
        (["--config", "/nonexistent.yaml"], "does not exist"),
        (["--max-batch", "-3"], "max-batch"),
    ],
)
def test_settings_that_cannot_work_end_the_daemon_with_a_clear_word(arguments: list[str], text: str) -> None:
    command = [sys.executable, "-m", "depthwire.daemon", "--bind", free_endpoint(), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode not in (0, None)
    assert text in ended.stderr
    assert "Traceback" not in ended.stderr


def test_json_logs_are_one_object_a_line_and_debug_logs_each_request(start_daemon: DaemonFactory) -> None:
    daemon = start_daemon("--engine", "null", "--log-format", "json", "--log-level", "debug")
    with DepthClient(daemon.endpoint) as client:
        client.metric_depth(IMAGE)
    daemon.terminate()
    lines = [json.loads(line) for line in daemon.log.splitlines()]
    assert any(line["logger"] == "depthwire.request" and "metric_depth" in line["message"] for line in lines)
    assert any("listening on" in line["message"] for line in lines)


def test_the_client_needs_neither_torch_nor_opencv_nor_pillow(start_daemon: DaemonFactory, tmp_path: Path) -> None:
    """A fresh environment with the client's own requirements only, and the package installed as a user would."""
    daemon = start_daemon("--engine", "null")
    root = Path(__file__).parents[2]
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True, timeout=120)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", str(root)], check=True, timeout=170)
    image = tmp_path / "image.jpg"
    image.write_bytes(IMAGE)
    script = f"""
import importlib.util
for absent in ("torch", "cv2", "PIL"):
    assert importlib.util.find_spec(absent) is None, absent
from depthwire.client import CameraIntrinsics, DepthClient
with DepthClient({daemon.endpoint!r}) as client:
    cloud = client.pc({str(image)!r}, CameraIntrinsics(80, 80, 48, 36))
    print(cloud.points.shape, client.health()["engine"])
"""
    ended = subprocess.run([python, "-c", script], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert ended.stdout.strip() == "(6912, 3) null", ended.stderr


def test_a_large_cloud_is_sent_from_shared_memory_and_memory_stays_bounded(start_daemon: DaemonFactory) -> None:
    """100 clouds of 12 megapixels in a row, 192 MB each: the daemon holds one of them at a time, not their sum.

    The bound: what the daemon took before, one image and its result in the arena, the decoded picture, and 64 MB.
    """
    daemon = start_daemon("--engine", "null")
    width, height = 4000, 3000
    image = jpeg(width, height, quality=40)
    camera = CameraIntrinsics(3000.0, 3000.0, 2000.0, 1500.0)
    context: zmq.Context[Any] = zmq.Context()
    peak = 0
    with context.socket(zmq.DEALER) as dealer:
        dealer.linger = 0
        dealer.connect(daemon.endpoint)
        baseline = daemon.memory()
        for n in range(100):
            fields = {"v": 1, "id": n, "op": "pc", "image": image, "camera_intrinsics": camera.to_wire()}
            dealer.send_multipart(frames.encode(fields), copy=False)
            assert dealer.poll(30_000)
            message = dealer.recv_multipart(copy=False)
            reply = parse_reply([frame.buffer for frame in message])
            assert reply.error is None
            points, depth = reply.fields["pointcloud"], reply.fields["depth_map"]
            assert points.shape == (width * height, 3)
            assert np.shares_memory(points, np.frombuffer(message[1].buffer, np.float32))
            assert np.shares_memory(depth, np.frombuffer(message[2].buffer, np.float32))
            del message, reply, points, depth
            if n % 5 == 4:
                peak = max(peak, daemon.memory())
    context.term()
    bound = 16 * width * height + len(image) + 3 * width * height + 64 * 2**20
    print(f"baseline {baseline / 1e6:.0f} MB, peak {peak / 1e6:.0f} MB, bound {(baseline + bound) / 1e6:.0f} MB")
    assert peak - baseline < bound
    with DepthClient(daemon.endpoint) as client:
        assert client.health()["queue"]["arena_used_bytes"] == 0


def test_a_client_that_never_reads_is_refused_and_others_are_served(start_daemon: DaemonFactory) -> None:
    daemon = start_daemon("--engine", "null", "--max-unsent-mb-per-client", "32")
    context: zmq.Context[Any] = zmq.Context()
    image = jpeg(1280, 720)
    with context.socket(zmq.DEALER) as deaf:
        deaf.linger = 0
        deaf.rcvhwm = 1
        deaf.connect(daemon.endpoint)
        for n in range(60):
            deaf.send_multipart(frames.encode({"v": 1, "id": n, "op": "metric_depth", "image": image}))
        with DepthClient(daemon.endpoint, timeout=30) as client:
            for _ in range(20):
                assert client.metric_depth(image).depth.shape == (720, 1280)
            assert client.health()["queue"]["arena_used_bytes"] < 64 * 2**20
    context.term()
    assert psutil.pid_exists(daemon.process.pid)


def test_a_client_that_goes_away_takes_its_waiting_work_with_it(start_daemon: DaemonFactory) -> None:
    daemon = start_daemon("--model", "vitt_starter", "--device", "cpu")
    context: zmq.Context[Any] = zmq.Context()
    with DepthClient(daemon.endpoint, timeout=60) as client:
        expected = client.metric_depth(IMAGE).depth
        with context.socket(zmq.DEALER) as leaving:
            leaving.connect(daemon.endpoint)
            for n in range(50):
                fields = {"v": 1, "id": n, "op": "metric_depth", "image": jpeg(320, 240)}
                leaving.send_multipart(frames.encode(fields))
            assert leaving.poll(30_000)
            leaving.linger = 0
        answer = client.metric_depth(IMAGE)
        info = client.health()
    context.term()
    np.testing.assert_allclose(answer.depth, expected, atol=1e-5 * float(np.ptp(expected)))
    assert info["queue"]["waiting"] == 0
    assert info["queue"]["dropped"] > 20


def test_a_busy_model_does_not_keep_another_one_out_of_memory(start_daemon: DaemonFactory, tmp_path: Path) -> None:
    checkpoints = tmp_path / "checkpoints"
    write_random_checkpoint(checkpoints, "vits", "hypersim")
    arguments = ["--device", "cpu", "--engine", "torch", "--checkpoints", str(checkpoints), "--model", "vitt_starter"]
    daemon = start_daemon(*arguments, "--model-memory-mb", "100")
    stop = threading.Event()

    def keep_busy() -> None:
        with DepthClient(daemon.endpoint, timeout=60) as client:
            while not stop.is_set():
                for future in [client.submit("metric_depth", IMAGE) for _ in range(8)]:
                    future.result()

    with DepthClient(daemon.endpoint, timeout=60) as client:
        client.metric_depth(IMAGE)
        threads = [threading.Thread(target=keep_busy) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            answer = client.metric_depth(IMAGE, encoder="vits", dataset="hypersim", model_input_size=98)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert answer.model == "vits_hypersim_98"


def ipc_daemon(start_daemon: DaemonFactory, folder: Path) -> Any:
    return start_daemon("--engine", "null", "--bind", f"ipc://{folder}/d.ipc")


def test_a_terminal_that_goes_ends_the_daemon_as_sigterm_does(start_daemon: DaemonFactory, tmp_path: Path) -> None:
    daemon = ipc_daemon(start_daemon, tmp_path)
    daemon.process.send_signal(signal.SIGHUP)
    assert daemon.process.wait(30) == 0
    assert "SIGHUP: draining" in daemon.log
    assert not (tmp_path / "d.ipc").exists()


def test_under_nohup_the_daemon_outlives_its_terminal(start_daemon: DaemonFactory, tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which the daemon inherits, as from nohup
    try:
        daemon = ipc_daemon(start_daemon, tmp_path)
    finally:
        signal.signal(signal.SIGHUP, before)
    daemon.process.send_signal(signal.SIGHUP)
    with DepthClient(daemon.endpoint, timeout=30) as client:
        assert client.metric_depth(IMAGE).depth.shape == (72, 96)
    assert daemon.process.poll() is None


SUSPENDED = """
import os, signal, sys, time, zmq
from depthwire.protocol import CameraIntrinsics, Request
socket = zmq.Context().socket(zmq.DEALER)
socket.rcvhwm = 1
socket.connect(sys.argv[1])
image = open(sys.argv[2], "rb").read()
for number in range(4):
    request = Request(number, "pc", image, intrinsics=CameraIntrinsics(500, 500, 320, 240))
    socket.send_multipart(request.to_frames())
time.sleep(0.5)
os.kill(os.getpid(), signal.SIGSTOP)
"""


def test_a_suspended_client_does_not_hold_up_the_end(start_daemon: DaemonFactory, tmp_path: Path) -> None:
    daemon = ipc_daemon(start_daemon, tmp_path)
    (tmp_path / "image.jpg").write_bytes(jpeg(1000, 800))
    command = [sys.executable, "-c", SUSPENDED, f"ipc://{tmp_path}/d.ipc", str(tmp_path / "image.jpg")]
    with subprocess.Popen(command) as client:
        try:
            os.waitid(os.P_PID, client.pid, os.WSTOPPED | os.WNOWAIT)
            with DepthClient(daemon.endpoint, timeout=30) as other:
                while other.health()["queue"]["in_flight"]:
                    time.sleep(0.02)
            daemon.process.send_signal(signal.SIGTERM)
            assert daemon.process.wait(40) == 0  # it was what drain_timeout_s says, 60
        finally:
            client.kill()
    assert "not everybody has read" in daemon.log
