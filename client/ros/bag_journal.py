"""The journal of a bag's conversion: every answer as soon as it is there, so that a killed run loses none.

`bag` appends to it while requests are in flight, and reads it when the output is written at the end. One file: a line
of JSON that says which run it belongs to, then records of (magic, checksum, sizes, head, payload), of which a torn last
one is cut off.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgpack

from depthwire.client.ros.errors import BagError

_PREFIX = struct.Struct("<4sIIQ")  # magic, CRC-32 of head and payload, their sizes in bytes
_MAGIC = b"dwj1"

FrameKey = tuple[str, int, int]
"""Which image message: its topic, its time in the bag in nanoseconds, the CRC-32 of its serialised bytes."""


@dataclass(frozen=True)
class _Record:
    position: int
    head: dict[str, Any]
    head_bytes: int
    payload_bytes: int

    @property
    def end(self) -> int:
        return self.position + _PREFIX.size + self.head_bytes + self.payload_bytes


class Journal:
    """Answers by image message: their serialised messages, or why there is none.

    Opening continues the journal at `path` where `run`, a JSON object that says what is converted and how, is the one
    it was begun with. Raises BagError where it is another, or another process is writing it; OSError.
    """

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        self._path = path
        self._file: BinaryIO = path.open("a+b")
        try:
            _lock(self._file, path)
            self._records: dict[FrameKey, _Record] = {}
            self._read_all(json.dumps(run, sort_keys=True).encode() + b"\n")
        except BaseException:
            self._file.close()
            raise

    def __contains__(self, key: FrameKey) -> bool:
        return key in self._records

    def __len__(self) -> int:
        return len(self._records)

    @property
    def model(self) -> str | None:
        """The model of the answers so far."""
        return next((str(model) for record in self._records.values() if (model := record.head["model"])), None)

    @property
    def outputs(self) -> set[tuple[str, str]]:
        """Which outputs of which topics there are."""
        return {(key[0], name) for key, record in self._records.items() for name in record.head["sizes"]}

    @property
    def failures(self) -> dict[FrameKey, str]:
        """Which messages have no answer, and why."""
        return {key: record.head["error"] for key, record in self._records.items() if record.head["error"]}

    def add(self, key: FrameKey, messages: Mapping[str, memoryview], model: str) -> None:
        """Keep an answer's serialised messages by output. It survives the process from here on."""
        sizes = {name: len(data) for name, data in messages.items()}
        self._append(key, {"key": key, "sizes": sizes, "model": model, "error": ""}, list(messages.values()))

    def add_failure(self, key: FrameKey, error: str) -> None:
        """Keep that a message has no answer and why, so that it is not asked for again."""
        self._append(key, {"key": key, "sizes": {}, "model": "", "error": error}, [])

    def read(self, key: FrameKey) -> dict[str, memoryview]:
        """The serialised messages of an answer by output. Raises BagError where the disk has damaged them."""
        record = self._records[key]
        head, payload = self._load(record)
        if head is None:
            raise BagError(f"{self._path} is damaged at byte {record.position}: begin again with --fresh")
        messages, start = {}, 0
        for name, size in record.head["sizes"].items():
            messages[name] = payload[start : start + size]
            start += size
        return messages

    def close(self) -> None:
        self._file.close()

    def _append(self, key: FrameKey, head: dict[str, Any], payload: list[memoryview]) -> None:
        packed = msgpack.packb(head)
        checksum = zlib.crc32(packed)
        for part in payload:
            checksum = zlib.crc32(part, checksum)
        size = sum(map(len, payload))
        position = self._file.seek(0, os.SEEK_END)
        self._file.write(_PREFIX.pack(_MAGIC, checksum, len(packed), size) + packed)
        for part in payload:
            self._file.write(part)
        self._file.flush()
        self._records[key] = _Record(position, head, len(packed), size)

    def _read_all(self, run_line: bytes) -> None:
        """Index the records, and cut off what a killed process left unfinished."""
        total = self._file.seek(0, os.SEEK_END)
        self._file.seek(0)
        found = self._file.readline(len(run_line) + 1)
        if not run_line.startswith(found):
            raise BagError(
                f"{self._path.parent} belongs to a run with other options, or of a bag that has changed since: give "
                f"the same ones to go on, or --fresh to begin again"
            )
        if found != run_line:
            self._file.truncate(0)
            self._file.write(run_line)
            self._file.flush()
            return
        position = len(run_line)
        last: tuple[FrameKey, _Record] | None = None
        while record := self._record_at(position, total):
            topic, stamp, checksum = record.head["key"]
            last = ((topic, stamp, checksum), record)
            self._records[last[0]] = record
            position = record.end
        if last is not None and self._load(last[1])[0] is None:  # its sizes came to the disk, its bytes did not
            del self._records[last[0]]
            position = last[1].position
        self._file.truncate(position)

    def _record_at(self, position: int, total: int) -> _Record | None:
        self._file.seek(position)
        prefix = self._file.read(_PREFIX.size)
        if len(prefix) < _PREFIX.size:
            return None
        magic, _, head_bytes, payload_bytes = _PREFIX.unpack(prefix)
        if magic != _MAGIC or position + _PREFIX.size + head_bytes + payload_bytes > total:
            return None
        try:
            head = msgpack.unpackb(self._file.read(head_bytes))
        except ValueError:
            return None
        return _Record(position, head, head_bytes, payload_bytes)

    def _load(self, record: _Record) -> tuple[bytes | None, memoryview]:
        """Head and payload of a record; None for the head where the checksum does not fit them."""
        self._file.seek(record.position)
        checksum = _PREFIX.unpack(self._file.read(_PREFIX.size))[1]
        body = memoryview(self._file.read(record.head_bytes + record.payload_bytes))
        head, payload = bytes(body[: record.head_bytes]), body[record.head_bytes :]
        return (head if zlib.crc32(body) == checksum else None), payload


def _lock(file: BinaryIO, path: Path) -> None:
    """Keep others out while this process lives, where the system can (on Windows it cannot)."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise BagError(f"another process is writing {path.parent}: wait for it, or name another output") from None
