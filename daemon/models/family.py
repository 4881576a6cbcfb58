"""What is known of a family of networks without its layers: input sizes, what the output means, what requests need.

The catalogue gives each checkpoint its family and meaning; the front's admission asks them about every request. What
computes (layers, preparation of a picture) is in modules of the families' own, which networks.py brings to the engines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from depthwire.daemon.models.geometry import network_input_size
from depthwire.protocol import InvalidRequestError, Request


@dataclass(frozen=True)
class InputShape:
    """Sizes in pixels of a picture and of the network's input that it is scaled to."""

    width: int
    height: int
    input_width: int
    input_height: int


class Meaning(Protocol):
    """What a network's output is a measure of."""

    @property
    def is_metric(self) -> bool:
        """Whether it can answer in metres."""
        ...

    @property
    def native_max_depth(self) -> float | None:
        """Metres that its range was trained for; None where it has no range."""
        ...

    def check(self, request: Request, model: str) -> None:
        """Raises InvalidRequestError, naming the field, for a request that such a network cannot answer."""
        ...

    def scale(self, request: Request, shape: InputShape) -> float:
        """What the output is multiplied by to be the request's answer."""
        ...


@dataclass(frozen=True)
class FractionOfRange:
    """A sigmoid, 0…1, that times max_depth is metres; as trained, the range is `native_max_depth`."""

    native_max_depth: float
    is_metric = True

    def check(self, request: Request, model: str) -> None:
        """Any request will do."""

    def scale(self, request: Request, shape: InputShape) -> float:
        """max_depth or the range of the training; 1 for rel_depth, which is the fraction itself."""
        return 1.0 if request.op == "rel_depth" else request.max_depth or self.native_max_depth


@dataclass(frozen=True)
class InverseDepth:
    """Inverse depth up to an unknown scale and shift: larger is nearer."""

    native_max_depth = None
    is_metric = False

    def check(self, request: Request, model: str) -> None:
        if request.op != "rel_depth":
            raise InvalidRequestError(
                f"{request.op} needs metres, but {model} gives inverse depth up to an unknown scale and shift; "
                "use rel_depth, or a metric model such as vits_hypersim_518",
                field="dataset",
            )

    def scale(self, request: Request, shape: InputShape) -> float:
        return 1.0


@dataclass(frozen=True)
class Family:
    """Networks of one kind, whatever their size."""

    name: str
    input_size: Callable[[int, int, int], tuple[int, int]]
    """(height, width, model_input_size) of a picture → (height, width) of the network's input."""
    sized_by: str
    """Which side of the input model_input_size is: `shorter` or `longer`."""


DEPTH_ANYTHING_V2 = Family("Depth Anything V2", network_input_size, "shorter")
