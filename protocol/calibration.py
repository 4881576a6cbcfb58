"""Calibration files of cameras: as ROS, OpenCV's FileStorage, Kalibr and EuRoC write them, and as people do by hand.

`CameraIntrinsics.from_yaml` reads with it; nothing of it goes over the wire.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depthwire.protocol.errors import InvalidRequestError

_MATRIX_NAMES = ("camera_matrix", "cameraMatrix", "Camera_Matrix", "K")
_SIZE_NAMES = (("width", "height"), ("image_width", "image_height"), ("image_Width", "image_Height"))
_DISTORTION_NAMES = (
    "distortion_coefficients",
    "distortion_coeffs",
    "Distortion_Coefficients",
    "dist_coeffs",
    "distCoeffs",
    "D",
)
_NAMES_SHOWN = 12


class CalibrationWarning(UserWarning):
    """A calibration that says more than a pinhole camera can be: lens distortion, which is not applied."""


@dataclass(frozen=True)
class Calibration:
    """What a file says of one camera: the 3×3 matrix, the size of its image, and the coefficients of its lens.

    Sizes are as they stand in the file, and checked by CameraIntrinsics.
    """

    matrix: list[list[float]]
    width: Any
    height: Any
    distortion: list[float]

    @property
    def is_distorted(self) -> bool:
        return any(coefficient != 0 for coefficient in self.distortion)


def read_calibration(path: str | Path, camera: str | None = None) -> Calibration:
    """The calibration in a file; `camera` names one of those in a file of several (Kalibr's `cam1`).

    Raises OSError if the file cannot be read, InvalidRequestError, which names file and field, if it holds none.
    """
    document = _document(path)
    where = ""
    if camera is not None or not any(name in document for name in (*_MATRIX_NAMES, "intrinsics")):
        document, where = _one_camera(document, camera, path)
    if name := next((name for name in _MATRIX_NAMES if name in document), None):
        matrix = _matrix(document[name], where + name, path)
    elif "intrinsics" in document:
        matrix = _pinhole(document, where, path)
    else:
        raise _missing("camera_matrix", document, path)
    width, height = _size(document, where, path)
    found = next((name for name in _DISTORTION_NAMES if name in document), None)
    distortion = [] if found is None else _numbers(document[found], where + found, path)
    return Calibration(matrix, width, height, distortion)


def _document(path: str | Path) -> Mapping[str, Any]:
    import yaml  # only calibration files and profiles need it, and it is slow to import

    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        # OpenCV's first line, %YAML:1.0, is no directive of YAML.
        lines = [line for line in text.splitlines() if not line.startswith("%YAML")]
        document = yaml.load("\n".join(lines), _loader())  # noqa: S506 - a subclass of the safe one
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: no such date, no UTF-8
        raise InvalidRequestError(
            f"camera_matrix cannot be read: {path} is not a YAML file ({error})", field="camera_matrix"
        ) from None
    if text.lstrip().startswith("<"):
        raise _refused("camera_matrix", "cannot be read", path, "it is XML: save it as .yml, which OpenCV does too")
    if not isinstance(document, dict):
        raise InvalidRequestError(
            f"camera_matrix is missing in {path}, which is no map of fields", field="camera_matrix"
        )
    return document


@functools.cache
def _loader() -> type:
    """The safe loader, which also knows the tags of OpenCV's FileStorage, whose values are plain maps and lists."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    def plain(loader: Any, _: str, node: Any) -> Any:
        if isinstance(node, yaml.MappingNode):
            return loader.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        return loader.construct_scalar(node)

    for tag in ("tag:yaml.org,2002:opencv-", "!opencv-"):
        Loader.add_multi_constructor(tag, plain)
    return Loader


def _one_camera(document: Mapping[str, Any], camera: str | None, path: str | Path) -> tuple[Mapping[str, Any], str]:
    """One of the cameras in a file of several, and what stands before the names of its fields."""
    cameras = {
        str(name): value
        for name, value in document.items()
        if isinstance(value, dict) and any(field in value for field in (*_MATRIX_NAMES, "intrinsics"))
    }
    if camera is None and len(cameras) == 1:
        camera = next(iter(cameras))
    if camera is None and cameras:
        raise _refused(
            "camera",
            "must be named",
            path,
            f"which holds {', '.join(cameras)}: from_yaml(path, camera=…), or a file of one",
        )
    if camera is None:
        raise _missing("camera_matrix", document, path)
    if camera not in cameras:
        raise _refused(
            "camera", f"{camera!r} is not", path, f"which holds {', '.join(cameras) or 'one without a name'}"
        )
    return cameras[camera], f"{camera}."


def _pinhole(document: Mapping[str, Any], where: str, path: str | Path) -> list[list[float]]:
    """The matrix of Kalibr's and EuRoC's `intrinsics`: fx, fy, cx, cy of a pinhole camera."""
    model = document.get("camera_model", "pinhole")
    if model != "pinhole":
        raise _refused(f"{where}camera_model", f"is {model!r}", path, "only pinhole cameras can be used")
    numbers = _numbers(document["intrinsics"], f"{where}intrinsics", path)
    if len(numbers) != 4:
        raise _refused(
            f"{where}intrinsics", f"holds {len(numbers)} numbers", path, "a pinhole camera has fx, fy, cx, cy"
        )
    fx, fy, cx, cy = numbers
    return [[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]


def _size(document: Mapping[str, Any], where: str, path: str | Path) -> tuple[Any, Any]:
    for pair in _SIZE_NAMES:
        if pair[0] in document or pair[1] in document:
            return document.get(pair[0]), document.get(pair[1])
    for name in ("resolution", "image_size", "imageSize"):
        if name not in document:
            continue
        size = document[name]
        if isinstance(size, dict):
            size = [size.get("width"), size.get("height")]
        if not isinstance(size, list) or len(size) != 2:
            raise _refused(where + name, "is", path, "not a width and a height", joined=True)
        return size[0], size[1]
    return None, None


def _matrix(value: Any, field: str, path: str | Path) -> list[list[float]]:
    """The rows of a camera matrix in any of its layouts."""
    if isinstance(value, dict):
        value = value.get("data")
    if not isinstance(value, list):
        raise _refused(field, "is", path, "neither a list nor a map with data", joined=True)
    if len(value) == 9:
        value = [value[0:3], value[3:6], value[6:9]]
    if len(value) != 3 or not all(isinstance(row, list) and len(row) == 3 for row in value):
        raise _refused(field, "is", path, "neither three rows of three numbers nor nine numbers", joined=True)
    return [_floats(row, field, path) for row in value]


def _numbers(value: Any, field: str, path: str | Path) -> list[float]:
    """The numbers of a list, of a list of lists, or of a map with data."""
    if isinstance(value, dict):
        value = value.get("data")
    if not isinstance(value, list):
        raise _refused(field, "is", path, "neither a list nor a map with data", joined=True)
    return _floats([number for row in value for number in (row if isinstance(row, list) else [row])], field, path)


def _floats(values: list[Any], field: str, path: str | Path) -> list[float]:
    try:
        return [float(number) for number in values]  # YAML 1.1 reads 5e2 as text, float() does not
    except (OverflowError, TypeError, ValueError):
        raise _refused(field, "holds", path, "something that is not a number", joined=True) from None


def _missing(field: str, document: Mapping[str, Any], path: str | Path) -> InvalidRequestError:
    names = [str(name)[:40] for name in list(document)[:_NAMES_SHOWN]]
    more = ", …" if len(document) > _NAMES_SHOWN else ""
    return _refused(field, "is missing", path, f"which holds {', '.join(names)}{more}")


def _refused(field: str, problem: str, path: str | Path, more: str, joined: bool = False) -> InvalidRequestError:
    """An error that names field and file. `joined`: `more` is the end of the sentence about the field."""
    text = f"{field} in {path} {problem} {more}" if joined else f"{field} {problem} in {path}: {more}"
    return InvalidRequestError(text, field=field)
