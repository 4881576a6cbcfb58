"""Which packages the daemon stands on that the client alone does not have, and which of them are missing here.

`__main__` asks before it imports the front, so that a daemon without them ends with a sentence and exit code 78, and
`--check` says their versions. Nothing is imported for it.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from depthwire.daemon.config import Config

_ALWAYS = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "simplejpeg": "simplejpeg",
    "psutil": "psutil",
}
_NETWORKS = {"torch": "torch", "safetensors": "safetensors"}
"""What every engine but `null` reads and runs networks with."""

_SHOWN = ("pyzmq", "numpy", "torch", "openvino", "opencv-python-headless", "simplejpeg", "pillow")


def missing_packages(config: Config) -> list[str]:
    """The names, as pip knows them, of packages that these settings need and that are not installed."""
    wanted = dict(_ALWAYS)
    if config.engine != "null":
        wanted |= _NETWORKS
    if config.engine == "openvino":
        wanted["openvino"] = "openvino"
    if config.metrics:
        wanted["prometheus_client"] = "prometheus-client"
    return [name for module, name in wanted.items() if not _is_there(module)]


def package_versions() -> list[str]:
    """What is installed of what support would ask for, as in "torch 2.4.0"."""
    said = []
    for name in _SHOWN:
        try:
            said.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return said


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # whoever looks for modules here says so himself, or one was put out of the way
        return False
