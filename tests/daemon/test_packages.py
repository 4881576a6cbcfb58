"""A command without a package that it needs ends with one sentence and a useful code, and starts nothing again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from depthwire.daemon.config import Config
from depthwire.daemon.packages import missing_packages

WITHOUT = """
import importlib.abc, importlib.machinery, sys
class Nothing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {names}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        return None
sys.meta_path.insert(0, Nothing())
"""
"""As the sitecustomize of a folder on PYTHONPATH, it keeps packages from every process below, the workers too."""

BROKEN = "raise ImportError('libGL.so.1: cannot open shared object file')\n"

TRAINING = ("-c", "from depthwire.training.cli import main; main(prog_name='depthwire-train')")


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(folder)},
        check=False,
    )


def without(folder: Path, *names: str) -> Path:
    (folder / "sitecustomize.py").write_text(WITHOUT.format(names=set(names)))
    return folder


@pytest.mark.parametrize(
    ("module", "package"),
    [("cv2", "opencv-python-headless"), ("torch", "torch"), ("PIL", "pillow"), ("simplejpeg", "simplejpeg")],
)
def test_depthwired_without_a_package(module: str, package: str, tmp_path: Path) -> None:
    done = run(without(tmp_path, module), "-m", "depthwire.daemon", "--bind", "tcp://127.0.0.1:*")
    assert done.returncode == os.EX_CONFIG
    assert done.stderr == (
        f"Error: depthwired cannot run: {package} not installed; pip install '.[daemon]' in a checkout of depthwire\n"
    )


@pytest.mark.parametrize("module", ["cv2", "PIL"])
def test_depthwired_with_a_package_that_cannot_be_imported(module: str, tmp_path: Path) -> None:
    (tmp_path / f"{module}.py").write_text(BROKEN)
    done = run(tmp_path, "-m", "depthwire.daemon", "--bind", "tcp://127.0.0.1:*", "--engine", "null")
    assert done.returncode == os.EX_CONFIG
    assert "libGL.so.1" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("libGL.so.1") == 1, "tried again"


def test_the_null_engine_needs_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depthwire.daemon.packages.find_spec", lambda name: None if name == "torch" else object())
    assert missing_packages(Config(engine="null")) == []
    assert missing_packages(Config()) == ["torch"]


@pytest.mark.parametrize(
    ("module", "command", "extra"),
    [
        ("psutil", ["-m", "depthwire.bench", "--help"], "daemon,bench"),
        ("torch", [*TRAINING, "evaluate", "WEIGHTS", "--photos", ".", "--out", "o"], "daemon,training"),
        ("cv2", [*TRAINING, "render", "--held-out", "--out", "o"], "daemon,training"),
    ],
)
def test_bench_and_training_without_a_package(module: str, command: list[str], extra: str, tmp_path: Path) -> None:
    weights = tmp_path / "weights.safetensors"
    weights.touch()
    folder = without(tmp_path, module)
    done = run(folder, *[word.replace("WEIGHTS", str(weights)) for word in command])
    assert done.returncode == 1
    assert done.stderr.endswith(
        f"the package {module} is not installed: pip install '.[{extra}]' in a checkout of depthwire\n"
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("node", "module"), [("ros1_node", "rospy"), ("ros2_node", "rclpy")])
def test_ros_nodes_without_ros(node: str, module: str, tmp_path: Path) -> None:
    names = ("rospy", "rclpy", "sensor_msgs", "diagnostic_msgs")
    done = run(without(tmp_path, *names), "-m", f"depthwire.client.ros.{node}")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"{node} needs ROS" in done.stderr
    assert "setup.bash" in done.stderr
