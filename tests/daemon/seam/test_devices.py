"""One worker for each GPU, told from what the kernel shows; where that says nothing, one worker finds out."""

from __future__ import annotations

from pathlib import Path

import pytest

from depthwire.daemon.config import Config
from depthwire.daemon.front import orders
from depthwire.daemon.seam import devices
from depthwire.daemon.seam.devices import count_cuda_devices, worker_devices


@pytest.fixture
def four_gpus(tmp_path: Path) -> Path:
    """What NVIDIA's driver shows under /proc on a machine with four."""
    for bus in ("0000:18:00.0", "0000:3b:00.0", "0000:86:00.0", "0000:af:00.0"):
        (tmp_path / bus).mkdir()
        (tmp_path / bus / "information").write_text("Model: \t\t NVIDIA H100\n")
    return tmp_path


@pytest.fixture(autouse=True)
def torch_for_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "torch_has_cuda", lambda: True)


def test_every_gpu_is_counted(four_gpus: Path) -> None:
    assert count_cuda_devices(four_gpus, {}) == 4


def test_a_machine_without_the_driver_has_none(tmp_path: Path) -> None:
    assert count_cuda_devices(tmp_path / "missing", {}) == 0
    assert count_cuda_devices(tmp_path / "missing", {"CUDA_VISIBLE_DEVICES": "0,1"}) == 0


@pytest.mark.parametrize(
    ("visible", "count"),
    [
        ("0,1", 2),
        (" 3 , 1 ", 2),
        ("2", 1),
        ("", 0),
        ("-1", 0),
        ("0,-1,1", 1),
        ("1,9,2", 1),
        ("1,1", 0),
        ("GPU-8f2e,GPU-11aa", 2),
        ("MIG-8f2e", 1),
    ],
)
def test_what_cuda_is_told_to_see_is_counted_as_cuda_does(four_gpus: Path, visible: str, count: int) -> None:
    assert count_cuda_devices(four_gpus, {"CUDA_VISIBLE_DEVICES": visible}) == count


@pytest.mark.parametrize("engine", ["auto", "torch"])
@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_there_is_a_worker_for_each_gpu(four_gpus: Path, engine: str, device: str) -> None:
    assert worker_devices(engine, device, four_gpus, {}) == ["cuda:0", "cuda:1", "cuda:2", "cuda:3"]
    assert worker_devices(engine, device, four_gpus, {"CUDA_VISIBLE_DEVICES": "2,3"}) == ["cuda:0", "cuda:1"]


@pytest.mark.parametrize("engine", ["openvino", "null"])
def test_an_engine_of_the_cpu_has_one_worker(four_gpus: Path, engine: str) -> None:
    assert worker_devices(engine, "auto", four_gpus, {}) == ["auto"]


def test_one_gpu_or_none_that_can_be_told_is_left_to_the_worker(four_gpus: Path, tmp_path: Path) -> None:
    assert worker_devices("auto", "auto", four_gpus, {"CUDA_VISIBLE_DEVICES": "0"}) == ["auto"]
    assert worker_devices("auto", "auto", tmp_path / "missing", {}) == ["auto"]
    assert worker_devices("torch", "cuda", tmp_path / "missing", {}) == ["cuda"]


def test_gpus_that_torch_was_not_built_for_do_not_count(four_gpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "torch_has_cuda", lambda: False)
    assert worker_devices("auto", "auto", four_gpus, {}) == ["auto"]


@pytest.mark.parametrize(
    ("device", "expected"),
    [("cpu", ["cpu"]), ("cuda:1", ["cuda:1"]), ("cuda:0, cuda:2", ["cuda:0", "cuda:2"]), (",", [","])],
)
def test_devices_that_are_named_are_taken_by_their_names(four_gpus: Path, device: str, expected: list[str]) -> None:
    assert worker_devices("auto", device, four_gpus, {}) == expected


@pytest.mark.parametrize("line", ["cuda: Optional[str] = '13.0'", "cuda = '12.8'", 'cuda: str | None = "12.8"'])
def test_the_build_of_torch_is_read_from_its_files(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.undo()
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise AssertionError('the front never imports torch')")
    monkeypatch.setattr(devices, "find_spec", lambda name: _Spec(str(tmp_path / name / "__init__.py")))
    version = tmp_path / "torch" / "version.py"
    version.write_text(f"from typing import Optional\n__version__ = '2.13.0'\n{line}\nhip: Optional[str] = None\n")
    assert devices.torch_has_cuda()
    version.write_text("cuda: Optional[str] = None\nhip: Optional[str] = '6.4'\n")
    assert not devices.torch_has_cuda()
    version.unlink()
    assert not devices.torch_has_cuda()


class _Spec:
    def __init__(self, origin: str) -> None:
        self.origin = origin


def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "usable_cores", lambda: 16)
    options = orders.worker_options(Config(device="cuda:0,cuda:1,cuda:2", max_batch=6))
    assert [(o.device, o.threads, o.max_batch) for o in options] == [
        ("cuda:0", 5, 6),
        ("cuda:1", 5, 6),
        ("cuda:2", 5, 6),
    ]
    assert [o.threads for o in orders.worker_options(Config(device="cuda:0,cuda:1", threads=3))] == [3, 3]
    assert [o.threads for o in orders.worker_options(Config(device="cpu"))] == [0]
