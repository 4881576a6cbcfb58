"""Bags on disk, through rosbags: opened for reading, written as a copy with more topics, or message by message.

Called by `bag` and by the source and sink of `depthwire stream`. ROS 1 bags are one file, ROS 2 bags a folder (or its
one .mcap or .db3 file).
"""

from __future__ import annotations

import os
import shlex
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from depthwire.client.ros.errors import BagError, MessageError
from depthwire.client.ros.messages import message_type
from depthwire.protocol.distribution import install_hint

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader
    from rosbags.interfaces import Connection
    from rosbags.typesys.store import Typestore

Added = Callable[[str, int, bytes], "Iterable[tuple[str, bytes | memoryview]]"]
"""What to write beside a message, by its topic, time and bytes: (topic, serialised message) pairs."""

_REPAIR = "A recording that broke off may be repaired by `rosbag reindex` or `ros2 bag reindex`"

_NO_HASH = f"RIHS01_{0:064x}"
"""For a type of which there is no definition: the writer wants some hash, and no definition has this one."""

_WRITTEN_VERSION: Literal[8] = 8
"""Of ROS 2 bags: 9, the next one, notes quality of service in another way, which came after Iron."""


_MAKE_WHOLE = (
    """python3 -c "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); """
    """c.execute('SELECT count(*) FROM messages').fetchall(); c.close()\""""
)
"""The first reading takes up what a killed writer left, and the last closing writes it into the file."""

_Path: Any = type(Path())


class _SqlitePath(_Path):  # type: ignore[misc]
    """A path that rosbags may write into the URI of a database, where # and ? would end it and % escape what follows.

    It does so in f-strings; everywhere else this is the path as it is.
    """

    def __format__(self, spec: str) -> str:
        return format(urllib.parse.quote(str(self), safe="/:\\"), spec)


def need_rosbags() -> None:
    """Raises BagError, which says what to install, where rosbags is missing."""
    try:
        import rosbags.highlevel  # noqa: F401
    except ImportError:
        raise BagError(f"bags need rosbags: {install_hint('ros')}") from None


@contextmanager
def open_bag(path: Path) -> Iterator[AnyReader]:
    """A reader of the bag. Raises BagError for what is no bag, and while it is read where the file is damaged."""
    need_rosbags()
    from rosbags.highlevel import AnyReader
    from rosbags.typesys import Stores, get_typestore

    if not path.exists():
        raise BagError(f"{path} does not exist", field="bag")
    _check_files(path)
    try:
        reader = AnyReader([_SqlitePath(path)], default_typestore=get_typestore(Stores.ROS2_HUMBLE))
        reader.open()
    except Exception as error:  # what a damaged file makes rosbags raise has no common base
        raise BagError(f"{path} cannot be read as a bag: {_text(error)}. {_REPAIR}", field="bag") from None
    try:
        yield reader
    finally:
        reader.close()


def _check_files(path: Path) -> None:
    """Raises BagError for files that would be read by half, or are no bag of ROS 2 though their names say so."""
    try:
        files = [path] if path.is_file() else sorted(path.iterdir())
        profiles = {file: _mcap_profile(file) for file in files if file.suffix == ".mcap" and file.is_file()}
    except OSError as error:
        raise BagError(f"{path} cannot be read as a bag: {error.strerror or error}", field="bag") from None
    for file in files:
        if file.suffix == ".db3":
            for log in (file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-journal")):
                if log.is_file() and log.stat().st_size:
                    raise BagError(
                        f"{file} is not whole: what {log.name} beside it holds is not in it yet, as its recorder is at "
                        f"work or was killed. When it has ended, this makes it whole: {_MAKE_WHOLE} "
                        f"{shlex.quote(str(file))}",
                        field="bag",
                    )
        elif (profile := profiles.get(file)) not in (None, "ros2"):
            says = f"is of {profile!r}" if profile else "does not say of which system it is"
            raise BagError(f"{file} is an MCAP file, but {says}, and not of ROS 2: it cannot be converted", field="bag")


def _mcap_profile(file: Path) -> str | None:
    """The profile in the header of an MCAP file; None where there is none to be read."""
    with file.open("rb") as opened:
        head = opened.read(1024)
    if head[:8] != b"\x89MCAP0\r\n" or head[8:9] != b"\x01":  # the magic, and a header as the first record
        return None
    length = int.from_bytes(head[17:21], "little")
    return head[21 : 21 + length].decode("utf-8", "replace") if len(head) >= 21 + length else None


def messages_in(
    reader: AnyReader, connections: Iterable[Connection] | None = None
) -> Iterator[tuple[Connection, int, bytes]]:
    """(connection, time in nanoseconds, serialised message) of all or some connections, in the order of time.

    Raises BagError where the bag itself, not only a message in it, is damaged.
    """
    chosen = reader.connections if connections is None else list(connections)
    messages = reader.messages(chosen) if chosen else iter(())
    while True:
        try:
            found = next(messages, None)
        except Exception as error:  # as above
            raise BagError(
                f"{reader.paths[0]!s} is damaged and cannot be read to its end: {_text(error)}. {_REPAIR}", field="bag"
            ) from None
        if found is None:
            return
        yield found


def deserialized(reader: AnyReader, connection: Connection, data: bytes) -> Any:
    """The message in serialised bytes. Raises MessageError where they are damaged."""
    try:
        return reader.deserialize(data, connection.msgtype)
    except Exception as error:  # generated code meets garbage in many ways
        raise MessageError(f"the {connection.msgtype} cannot be deserialised: {_text(error)}") from None


class OutputTypes:
    """The message types of the outputs, and their serialised form in the bag's own ROS."""

    def __init__(self, is_ros2: bool) -> None:
        from rosbags.typesys import Stores, get_typestore

        self.is_ros2 = is_ros2
        self.store: Typestore = get_typestore(Stores.ROS2_HUMBLE if is_ros2 else Stores.ROS1_NOETIC)
        self._serialize = self.store.serialize_cdr if is_ros2 else self.store.serialize_ros1

    def serialize(self, message: Any, kind: str) -> memoryview:
        return memoryview(self._serialize(message, kind)).cast("B")

    def header(self, stamp_ns: int, frame_id: str) -> Any:
        """A std_msgs/Header."""
        stamp = message_type(self.store, "builtin_interfaces", "Time")(stamp_ns // 10**9, stamp_ns % 10**9)
        header = message_type(self.store, "std_msgs", "Header")
        return header(stamp=stamp, frame_id=frame_id) if self.is_ros2 else header(0, stamp, frame_id)


class NewBag:
    """A bag that is written as its messages come: ROS 1 where the path ends in .bag, else ROS 2 as MCAP.

    It is begun with the first message, so that a run without one leaves nothing behind. All is written in a thread of
    its own, as Ctrl-C comes to the main one: nothing is written by half.
    Raises BagError where the path is there already, cannot be written, or rosbags is missing.
    """

    def __init__(self, path: Path) -> None:
        need_rosbags()
        if path.exists():
            raise BagError(f"{path} is there already: remove it, or name another output", field="output")
        self._path = path
        self.types = OutputTypes(path.suffix != ".bag")
        self._connections: dict[str, Connection] = {}
        self._writer = _writer(path, self.types.is_ros2, is_mcap=True)
        self._thread = ThreadPoolExecutor(1, "depthwire bag")

    def write(self, time: int, messages: Mapping[tuple[str, str], Any]) -> None:
        """Write messages, by topic and type, that belong together, at a time in nanoseconds."""
        self._do(self._write, time, messages)

    def close(self) -> None:
        """Make the bag whole."""
        try:
            self._do(self._finish)
        finally:
            self._thread.shutdown()

    def _finish(self) -> None:
        if self._connections:
            self._writer.close()

    def _write(self, time: int, messages: Mapping[tuple[str, str], Any]) -> None:
        if not self._connections:
            self._writer.open()
        for (topic, kind), message in messages.items():
            if topic not in self._connections:
                self._connections[topic] = self._writer.add_connection(topic, kind, typestore=self.types.store)
            self._writer.write(self._connections[topic], time, self.types.serialize(message, kind))

    def _do(self, work: Callable[..., None], *arguments: Any) -> None:
        try:
            self._thread.submit(work, *arguments).result()
        except OSError as error:
            raise BagError(f"{self._path} cannot be written: {error.strerror or error}", field="output") from None


def write_copy(reader: AnyReader, path: Path, types: OutputTypes, outputs: Mapping[str, str], added: Added) -> None:
    """Write a bag with all of the reader's messages, byte for byte at their times, and what is to be beside them.

    `outputs` are the new topics and their types; `added` is asked for each message, and what it gives is written
    at the same time, behind it. The kind of bag is the reader's. Raises BagError, OSError.
    """
    is_mcap = is_ros2_mcap(Path(str(reader.paths[0])))
    with _writer(path, reader.is2, is_mcap) as writer:
        copies = _copied_connections(reader, writer, types)
        new = {topic: writer.add_connection(topic, kind, typestore=types.store) for topic, kind in outputs.items()}
        for connection, time, data in messages_in(reader):
            writer.write(copies[connection.id], time, data)
            for topic, beside in added(connection.topic, time, data):
                writer.write(new[topic], time, beside)
    for file in [path] if path.is_file() else path.iterdir():
        with file.open("rb") as written:
            os.fsync(written.fileno())


def is_ros2_mcap(path: Path) -> bool:
    """Whether a ROS 2 bag is stored as MCAP, else as sqlite3."""
    return path.suffix == ".mcap" or (path.is_dir() and any(path.glob("*.mcap*")))


def _writer(path: Path, is_ros2: bool, is_mcap: bool) -> Any:
    if not is_ros2:
        from rosbags.rosbag1 import Writer as Writer1

        return Writer1(path)
    from rosbags.rosbag2 import StoragePlugin
    from rosbags.rosbag2 import Writer as Writer2

    storage = StoragePlugin.MCAP if is_mcap else StoragePlugin.SQLITE3
    writer = Writer2(path, version=_WRITTEN_VERSION, storage_plugin=storage)
    if not is_mcap:
        writer.path = _SqlitePath(path)  # it makes a plain one of what it is given
    return writer


def _copied_connections(reader: AnyReader, writer: Any, types: OutputTypes) -> dict[int, Connection]:
    """The writer's connection for each of the reader's, by id; equal ones of several publishers become one."""
    copies: dict[int, Connection] = {}
    known: dict[tuple[Any, ...], Connection] = {}
    for connection in reader.connections:
        key = (connection.topic, connection.msgtype, connection.digest, repr(connection.ext))
        if key not in known:
            known[key] = _copy_of(connection, writer, types, reader)
        copies[connection.id] = known[key]
    return copies


def _copy_of(connection: Connection, writer: Any, types: OutputTypes, reader: AnyReader) -> Connection:
    ext: Any = connection.ext
    definition = connection.msgdef.data
    if not reader.is2:
        arguments: dict[str, Any] = {"msgdef": definition, "md5sum": connection.digest}
        arguments |= {"callerid": ext.callerid, "latching": ext.latching}
    else:
        arguments = {
            "serialization_format": ext.serialization_format,
            "offered_qos_profiles": ext.offered_qos_profiles,
        }
        if definition:
            arguments |= {"msgdef": definition, "rihs01": connection.digest or _hash_of(connection, reader)}
        elif connection.msgtype in types.store.fielddefs:  # bags before Iron carry no definitions
            arguments |= {"typestore": types.store}
        else:
            arguments |= {"msgdef": "", "rihs01": _NO_HASH}
            writer.added_types.add(connection.msgtype)  # an empty definition would be read as a message without fields
    copy: Connection = writer.add_connection(connection.topic, connection.msgtype, **arguments)
    return copy


def _hash_of(connection: Connection, reader: AnyReader) -> str:
    """By the definition in the bag; MCAP has no place for the hash itself."""
    store = reader.typestore
    return store.hash_rihs01(connection.msgtype) if connection.msgtype in store.fielddefs else _NO_HASH


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
