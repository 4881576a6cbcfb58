"""What goes into a stream and what comes out: frames, items, counts.

Users build Frames and read StreamItems; `core` makes the items, `sources` the frames of the command line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeAlias, TypeVar, cast

from depthwire.client.images import ImageSource
from depthwire.protocol import CameraIntrinsics

Policy: TypeAlias = Literal["latest", "all"]
R = TypeVar("R")


@dataclass(frozen=True)
class Frame:
    """One picture of a stream, where it is more than an image or `(image, meta)`.

    `image` is what the client's methods take, `meta` a small map that comes back with the answer. `intrinsics` go
    before the stream's own. `taken` is when the picture was taken, in seconds of `time.monotonic()`; without it, when
    the iterable handed it over. `name` is what files made of it are called. `error` is why there is no picture, from a
    source that goes on behind it: the frame's item has it, and nothing is sent.
    """

    image: ImageSource = field(repr=False)
    meta: dict[Any, Any] | None = None
    intrinsics: CameraIntrinsics | None = None
    taken: float | None = None
    name: str | None = None
    error: Exception | None = None


FrameLike: TypeAlias = "Frame | tuple[ImageSource, dict[Any, Any] | None] | ImageSource"
"""What a stream is made of: an image as the client's methods take it, `(image, meta)`, or a Frame."""


@dataclass(frozen=True, eq=False)
class StreamItem(Generic[R]):
    """What a stream yields: a frame with its result or its error.

    `index` counts the source's frames from 0, `age` is seconds from the frame being taken to its delivery, `dropped`
    how many frames between the item before and this one were dropped. `error` is what became of the frame instead of a
    result, else None: a DepthwireError, or what reading the image raised (OSError, TypeError).
    """

    index: int
    frame: Frame
    age: float
    dropped: int
    error: Exception | None
    _result: R | None

    @property
    def result(self) -> R:
        """The DepthMap or PointCloud. Raises `error` where there is one."""
        if self.error is not None:
            raise self.error
        return cast(R, self._result)

    @property
    def meta(self) -> dict[Any, Any]:
        """The frame's meta; empty where it had none."""
        return self.frame.meta or {}


@dataclass
class StreamCounts:
    """Frames so far: given by the source, delivered with a result, delivered with an error, dropped for newer ones."""

    taken: int = 0
    results: int = 0
    errors: int = 0
    dropped: int = 0
