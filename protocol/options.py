"""Result options: what a request may have done to its depth before it travels. Their meaning is in SPEC.md, section 8.

`messages` reads them off the wire, the daemon lays results out by them, the worker carries them out, and the client
holds the answer against them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, TypeAlias

from depthwire.protocol.checks import number_above_zero, whole_number
from depthwire.protocol.errors import InvalidRequestError, shown

DepthFormat: TypeAlias = Literal["float32", "float16", "uint16_mm"]
DEPTH_DTYPES: Final[dict[DepthFormat, str]] = {"float32": "<f4", "float16": "<f2", "uint16_mm": "<u2"}

MAX_RANGE_M: Final = 10_000.0
MAX_EDGE_FILTER: Final = 10.0
MAX_STRIDE: Final = 64


@dataclass(frozen=True)
class ResultOptions:
    """What is done to a depth map of the picture's size, in the order of the fields; the defaults change nothing.

    `range` is (nearest, farthest) in metres, both included: depth outside becomes NaN. `edge_filter` is the relative
    jump: depth becomes NaN where the greatest of a pixel's 3×3 neighbourhood is more than (1 + edge_filter) times the
    least. Both judge the whole map. `stride` keeps the pixels whose column and row are multiples of it. `organized`
    and `colors` shape a cloud: H×W×3 instead of N×3, and uint8 red, green, blue beside the points. `depth_format` is
    how the depth map travels; `uint16_mm` is millimetres with 0 for invalid (REP 118).
    """

    range: tuple[float, float] | None = None
    edge_filter: float | None = None
    stride: int = 1
    organized: bool = False
    colors: bool = False
    depth_format: DepthFormat = "float32"

    @property
    def keeps_every_value(self) -> bool:
        """Whether no value of the map is left out or replaced."""
        return self.range is None and self.edge_filter is None and self.stride == 1

    def map_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the depth map that a picture of this size gets."""
        return -(-width // self.stride), -(-height // self.stride)

    def to_wire(self) -> dict[str, Any]:
        """The options that are not the default, as fields of a request."""
        wire: dict[str, Any] = {}
        for name in _IN_ORDER:
            value = getattr(self, name)
            if value != getattr(PLAIN, name):
                wire[name] = list(value) if name == "range" else value
        return wire

    @classmethod
    def from_wire(cls, given: Mapping[str, Any], op: str) -> ResultOptions:
        """The options among the fields of a request for `op`; others are passed over, nil is "not given".

        PLAIN itself where they say nothing else. Raises InvalidRequestError naming the field and the limit. Which
        operation takes which option is for `messages` to check.
        """
        if OPTION_NAMES.isdisjoint(given):
            return PLAIN
        named = {name: given.get(name) for name in _IN_ORDER}
        options = cls(
            range=_range(named["range"]),
            edge_filter=number_above_zero(named, "edge_filter", MAX_EDGE_FILTER, "(a relative jump)"),
            stride=whole_number(named, "stride", 1, MAX_STRIDE) or 1,
            organized=_truth(named, "organized"),
            colors=_truth(named, "colors"),
            depth_format=_depth_format(named["depth_format"], op),
        )
        return PLAIN if options == PLAIN else options  # so that one look tells whether there is anything to do


_IN_ORDER: Final = tuple(field.name for field in fields(ResultOptions))
OPTION_NAMES: Final = frozenset(_IN_ORDER)
PLAIN: Final = ResultOptions()


def _range(value: Any) -> tuple[float, float] | None:
    if value is None:
        return None
    expected = f"it is [nearest, farthest] in metres, 0 ≤ nearest < farthest ≤ {MAX_RANGE_M:.10g}"
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise InvalidRequestError(f"range is not a list of two numbers; {expected}", field="range")
    for bound in value:
        if isinstance(bound, bool) or not isinstance(bound, (int, float)):
            raise InvalidRequestError(f"range holds a {type(bound).__name__}; {expected}", field="range")
    nearest, farthest = value
    if not 0 <= nearest < farthest <= MAX_RANGE_M:  # NaN is refused too, as it compares false
        raise InvalidRequestError(f"range is [{shown(nearest)}, {shown(farthest)}]; {expected}", field="range")
    return float(nearest), float(farthest)


def _truth(given: Mapping[str, Any], name: str) -> bool:
    value = given[name]
    if value is not None and not isinstance(value, bool):
        raise InvalidRequestError(f"{name} is neither true nor false but {type(value).__name__}", field=name)
    return bool(value)


def _depth_format(value: Any, op: str) -> DepthFormat:
    if value is None:
        return "float32"
    if not isinstance(value, str) or value not in DEPTH_DTYPES:
        formats = ", ".join(DEPTH_DTYPES)
        raise InvalidRequestError(f"depth_format is {shown(value)}; there are {formats}", field="depth_format")
    if value == "uint16_mm" and op == "rel_depth":
        raise InvalidRequestError(
            "depth_format is uint16_mm, but rel_depth has no unit to count millimetres in; use float16",
            field="depth_format",
        )
    return value
