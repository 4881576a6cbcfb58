"""Files that people keep, written beside their place and moved there when they are whole: no run leaves half of one.

Whoever writes pictures, arrays and clouds does it through `NewFile`: view, and with it the sinks of a stream; the demo.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from typing_extensions import Self

_numbers = itertools.count(1)


class NewFile:
    """A file being written, for use in a with statement: it is at `path` once the block is left, else never was.

    What was at `path` stays until then, and keeps its permissions. A pipe or a device is written to as it is. It has
    `write` alone, so that numpy and Pillow hand over their bytes, as their own ways to a descriptor lose the reason of
    a failure. Everything raises OSError with the errno and the name of the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._named = Path(path)
        self._path = Path(os.path.realpath(path))  # a link stays one
        self._part: Path | None = None
        self._file: BinaryIO

    def __enter__(self) -> Self:
        with self._named_errors():
            before = self._path.stat() if self._path.exists() else None
            if before is not None and not stat.S_ISREG(before.st_mode) and not stat.S_ISDIR(before.st_mode):
                self._file = self._path.open("wb")
                return self
            part = self._path.with_name(f".depthwire-{os.getpid()}-{next(_numbers)}.part")
            self._file = part.open("xb")
            self._part = part  # ours to remove from here on
            if before is not None:
                with contextlib.suppress(OSError):  # somebody else's file, in a folder that is everybody's
                    self._part.chmod(stat.S_IMODE(before.st_mode))
        return self

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Write bytes, all of them."""
        with self._named_errors():
            return self._file.write(data)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._named_errors():
                self._file.close()
                if kind is None and self._part is not None:
                    self._part.replace(self._path)
                    self._part = None
        finally:
            if self._part is not None:
                with contextlib.suppress(OSError):
                    self._part.unlink()

    @contextlib.contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror or str(error), str(self._named)) from None
