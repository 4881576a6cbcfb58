"""Where `depthwire stream` puts results: files in a folder, or a bag; the live view is in view/viewer.py.

The command calls `take` for every result and `close` once at the end.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any, Protocol

import click

from depthwire.client.ros.bag_files import NewBag
from depthwire.client.ros.bag_topics import ImageTopic
from depthwire.client.ros.conversion import OUTPUTS, Conversion, Prepared, Wanted
from depthwire.client.ros.errors import BagError
from depthwire.client.ros.messages import MessageBuilder
from depthwire.client.streams.items import StreamItem
from depthwire.client.view.depth_files import need_folder, save_depth
from depthwire.client.view.faults import fault_of
from depthwire.client.view.ply import write_ply

OWN_TOPIC, OWN_FRAME_ID = "/camera/image", "camera_optical"
"""For sources that are no bags and have neither."""


class Sink(Protocol):
    """Takes results one after the other. `take` raises OSError or ValueError where one cannot be put there."""

    def take(self, item: StreamItem[Any]) -> dict[str, Any]:
        """Put a result there; returns what to report of it with --json."""

    def close(self) -> None:
        """Nothing more comes."""


class DepthFolder:
    """Depth files of each frame, as `depthwire depth` writes them."""

    def __init__(self, folder: Path, formats: set[str], relative: bool) -> None:
        need_folder(folder)
        self._folder, self._formats, self._relative = folder, formats, relative

    def take(self, item: StreamItem[Any]) -> dict[str, Any]:
        files = save_depth(self._folder, name_of(item), item.result, self._formats, self._relative)
        return {"files": {name: str(file) for name, file in files.items()}}

    def close(self) -> None:
        """Every file is written."""


class CloudFolder:
    """A PLY file of each frame, as `depthwire pc` writes them."""

    def __init__(self, folder: Path) -> None:
        need_folder(folder)
        self._folder = folder

    def take(self, item: StreamItem[Any]) -> dict[str, Any]:
        file = self._folder / f"{name_of(item)}.ply"
        count = write_ply(file, item.result.points, item.result.colors)
        return {"points": count, "files": {"ply": str(file)}}

    def close(self) -> None:
        """Every file is written."""


class Bag:
    """Depth images of each frame, points where the answer has them, and camera_info where the camera is known.

    Topics, stamps and frame_ids are those of `depthwire bag` where the source is a bag; else the stamp is the time at
    which the frame was taken. Points are organized and coloured, as the answers are that come here.
    It is written into the folder NAME.part and moved to its place by `close`; what a killed run has left stays there.
    Raises BagError where a bag is there already, in either place, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        if path.exists():
            raise BagError(f"{path} is there already: remove it, or name another output", field="output")
        self._part = path.with_name(path.name + ".part")
        self._bag = NewBag(self._part / path.name)
        need_folder(self._part)
        self._conversion = Conversion(MessageBuilder(self._bag.types.store))
        self._path = path

    def take(self, item: StreamItem[Any]) -> dict[str, Any]:
        taken_ns = time.time_ns() - round(1e9 * item.age)
        meta = {"topic": OWN_TOPIC, "time": taken_ns, "stamp": taken_ns, "frame_id": OWN_FRAME_ID} | item.meta
        header = self._bag.types.header(meta["stamp"], meta["frame_id"])
        prepared = Prepared(Wanted(), header, b"", item.result.intrinsics)
        topic = ImageTopic(meta["topic"], None)
        made = self._conversion.messages(prepared, item.result)
        self._bag.write(meta["time"], {(topic.output(name), OUTPUTS[name]): made[name] for name in made})
        return {"files": {"bag": str(self._path)}}

    def close(self) -> None:
        try:
            try:
                self._bag.close()
            except KeyboardInterrupt:  # pressed twice: the bag was finished all the same, in its own thread
                self._move()
                raise
            self._move()
        except (BagError, OSError) as error:
            text = f"{fault_of(error).message}; what was written is in {self._part}"
            raise BagError(text, field="output") from None
        finally:
            with contextlib.suppress(OSError):  # it holds what another run has left
                self._part.rmdir()

    def _move(self) -> None:
        written = self._part / self._path.name
        if written.exists():  # which it does with its first message
            written.rename(self._path)


def is_bag(output: Path | None, formats: str | None) -> bool:
    """Whether -o is a bag. Raises click.UsageError where --format contradicts itself or it."""
    is_named = output is not None and output.suffix == ".bag"
    if formats is None:
        return is_named
    is_meant = "bag" in formats.split(",")
    if is_meant and output is None:
        raise click.UsageError("--format bag needs the bag's name: give it with -o")
    if (is_meant and formats != "bag") or (is_named and not is_meant):
        raise click.UsageError("a bag holds no files: leave the other formats out, or name a folder with -o")
    return is_meant


def name_of(item: StreamItem[Any]) -> str:
    """What a frame's files begin with."""
    return item.frame.name or f"frame_{item.index:06d}"
