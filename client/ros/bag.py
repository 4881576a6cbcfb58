"""A bag's images to depth: a bag like it comes out, with depth, points and camera_info beside every image.

cli/bag.py drives it: `frames` are sent in any order, `keep` and `skip` take what came of each, `finish`
writes the output. Answers go into a journal beside the output first, so that an interrupted run goes on.
"""

from __future__ import annotations

import dataclasses
import functools
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from depthwire.client.results import DepthMap
from depthwire.client.ros.bag_files import OutputTypes, write_copy
from depthwire.client.ros.bag_images import BagImages, label_of
from depthwire.client.ros.bag_journal import FrameKey, Journal
from depthwire.client.ros.bag_topics import ImageTopic
from depthwire.client.ros.conversion import OUTPUTS, Conversion, Prepared, Wanted
from depthwire.client.ros.errors import BagError, CameraInfoError
from depthwire.client.ros.messages import MessageBuilder
from depthwire.protocol import CameraIntrinsics

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader
    from typing_extensions import Self


@dataclass(frozen=True)
class BagPlan:
    """What to make of a bag.

    `topics` are the image topics (empty: all with pictures), `info` their CameraInfo topic (else the one beside each)
    or `camera` the intrinsics of all, `request` whatever else tells one run's answers from another's (the model).
    """

    source: Path
    output: Path
    wanted: Wanted
    topics: tuple[str, ...] = ()
    info: str | None = None
    camera: CameraIntrinsics | None = None
    request: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def part(self) -> Path:
        """The folder in which the run keeps its answers until the output is whole."""
        return self.output.with_name(self.output.name + ".part")


@dataclass(frozen=True, eq=False)
class Frame:
    """An image message that has no answer yet. `read` makes it ready; it raises MessageError where it is damaged."""

    key: FrameKey
    read: Callable[[], Prepared]

    @property
    def label(self) -> str:
        return label_of(*self.key[:2])


class BagConversion:
    """The conversion of one open bag, for use in a with statement.

    Raises BagError where the output is there already or belongs to another run, and where the bag has no image topic or
    has the topics that would be written; CameraInfoError where points are wanted and a camera gives none; OSError.
    """

    def __init__(self, reader: AnyReader, plan: BagPlan) -> None:
        if plan.output.exists():
            raise BagError(f"{plan.output} is there already: remove it, or name another output", field="output")
        self._reader, self._plan = reader, plan
        self.warned: set[str] = set()
        """Topics of which was said already that the camera does not fit the picture."""
        self._types = OutputTypes(reader.is2)
        self._images = BagImages(reader, plan.topics, plan.info)
        self._conversion = Conversion(MessageBuilder(self._types.store), self._images.bits)
        self.topics = self._images.topics
        self.without_points: dict[str, str] = {}
        """Topics whose cameras give no points, though they are wanted, and why; the others get theirs."""
        self._check_outputs()
        self._check_cameras()
        plan.part.mkdir(parents=True, exist_ok=True)
        self._journal = Journal(plan.part / "answers", self._identity())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.close()

    @property
    def total(self) -> int:
        """How many image messages the bag has on the topics to convert."""
        return len(self._images)

    @property
    def answered(self) -> int:
        """How many of them have an answer, or a failure, by this run or one before."""
        return len(self._journal)

    @property
    def failures(self) -> dict[FrameKey, str]:
        return self._journal.failures

    @property
    def outputs(self) -> dict[str, str]:
        """The topics that the answers so far make, and their types."""
        return {self.topics[topic].output(name): OUTPUTS[name] for topic, name in sorted(self._journal.outputs)}

    def frames(self, known: Callable[[], object]) -> Iterator[Frame]:
        """The image messages without an answer, in the order of time; `known` is called for each of the others."""
        for connection, time, data in self._images:
            key = _key(connection.topic, time, data)
            if key in self._journal:
                known()
            else:
                yield Frame(key, functools.partial(self._prepare, connection, data))

    def submit(self, client: Any, prepared: Prepared) -> tuple[Any, None]:
        return self._conversion.submit(client, prepared), None

    def keep(self, frame: Frame, prepared: Prepared, answer: DepthMap) -> None:
        """Keep an answer. Raises BagError where it comes from another model than those before, OSError."""
        model = self._journal.model
        if model not in (None, answer.model):
            raise BagError(
                f"the daemon answers with {answer.model}, and what is done came from {model}: name it with --model, or "
                f"begin again with --fresh"
            )
        messages = self._conversion.messages(prepared, answer)
        serialized = {name: self._types.serialize(message, OUTPUTS[name]) for name, message in messages.items()}
        self._journal.add(frame.key, serialized, answer.model)

    def skip(self, frame: Frame, why: str) -> None:
        """Keep that a message is damaged."""
        self._journal.add_failure(frame.key, why)

    def finish(self) -> None:
        """Write the output beside its name and move it there when it is whole. Raises BagError, OSError."""
        written = self._plan.part / self._plan.output.name
        _remove(written)
        write_copy(self._reader, written, self._types, self.outputs, self._beside)
        written.rename(self._plan.output)
        self._journal.close()
        shutil.rmtree(self._plan.part)

    def _beside(self, topic: str, time: int, data: bytes) -> Iterable[tuple[str, memoryview]]:
        if topic not in self.topics:
            return []
        key = _key(topic, time, data)
        if key not in self._journal:
            raise BagError(f"{label_of(topic, time)} has no answer: run the same command again")
        return [(self.topics[topic].output(name), message) for name, message in self._journal.read(key).items()]

    def _prepare(self, connection: Any, data: bytes) -> Prepared:
        message, info = self._images.read(connection, data)
        camera = self._plan.camera if self._plan.camera is not None else info
        topic, wanted = self.topics[connection.topic], self._plan.wanted
        if topic.name in self.without_points:
            wanted = dataclasses.replace(wanted, points=False, rectify=False)
        return self._conversion.prepare(wanted, message, camera, topic.is_rectified)

    def _check_outputs(self) -> None:
        """Find out before the first request what would end the run when all are answered: no bag has a topic twice."""
        there = {connection.topic for connection in self._reader.connections}
        wanted = {"depth": self._plan.wanted.depth, "points": self._plan.wanted.points, "camera_info": True}
        for topic in self.topics.values():
            for name in OUTPUTS:
                if wanted[name] and topic.output(name) in there:
                    raise BagError(
                        f"{topic.output(name)} is in the bag already: convert the recording it was made of, or name "
                        f"other topics with --topic",
                        field="topic",
                    )

    def _check_cameras(self) -> None:
        """Find out before the first request what every image of a topic would meet.

        One odd camera among several that nobody named does not keep the others from their points.
        """
        wanted = self._plan.wanted
        if self._plan.camera is not None or not wanted.points:
            return
        odd: dict[str, CameraInfoError] = {}
        for topic in self.topics.values():
            try:
                if not self._images.infos_of(topic):
                    raise _no_camera_info(topic)
                advice = "or ask for --no-cloud" if wanted.rectify else "(--rectify), or ask for --no-cloud"
                self._images.check_camera(topic, advice, wanted.rectify)
            except CameraInfoError as error:
                odd[topic.name] = error
        if odd and (self._plan.topics or len(odd) == len(self.topics)):
            raise next(iter(odd.values()))
        self.without_points = {name: error.message for name, error in odd.items()}
        for name in odd if not wanted.depth else ():
            self._images.leave_out(name)

    def _identity(self) -> dict[str, Any]:
        """What must be the same for a run to be continued."""
        source = self._plan.source
        files = [source] if source.is_file() else sorted(path for path in source.iterdir() if path.is_file())
        return {
            "bag": [[file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in files],
            "topics": sorted(self.topics),
            "info": self._plan.info,
            "camera": None if self._plan.camera is None else self._plan.camera.to_wire(),
            "wanted": dataclasses.asdict(self._plan.wanted),
            "request": self._plan.request,
        }


def _no_camera_info(topic: ImageTopic) -> CameraInfoError:
    return CameraInfoError(
        f"{topic.name}: points need a CameraInfo, and {topic.info or 'there is none beside it'}"
        f"{' is empty' if topic.info else ''}: name its topic with --camera-info, give --intrinsics, or ask for "
        f"--no-cloud",
        field="camera_info",
    )


def _key(topic: str, time: int, data: bytes) -> FrameKey:
    return topic, time, zlib.crc32(data)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
