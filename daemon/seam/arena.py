"""The arena: shared memory that a request's image goes into and its result comes out of, written once each.

The front creates it, hands its file descriptor to every worker, and alone decides who uses which bytes; a worker only
maps it. A result lives at (offset, length) from the moment the front reserves it until ZeroMQ has sent it.
"""

from __future__ import annotations

import bisect
import contextlib
import fcntl
import mmap
import os
import weakref
from collections import deque

import numpy as np
import numpy.typing as npt

ALIGNMENT = 64
"""Every block starts on a cache line, which also aligns any dtype."""


class _ViewReference(weakref.ref[npt.NDArray[np.uint8]]):
    """Tells when a view dies, and of which block it was. What `weakref.finalize` does takes three times as long."""

    __slots__ = ("block",)

    block: int

    # By identity: a reference otherwise compares as what it refers to.
    __hash__ = object.__hash__
    __eq__ = object.__eq__


class Arena:
    """Front side: reserve, view, release. One thread calls it, but a view may die in any thread.

    First fit at the lowest address (or the highest), so that a daemon with little to do touches few pages of a large
    arena.
    """

    def __init__(self, size_bytes: int) -> None:
        """Raises OSError where there is no such memory."""
        self.fd = os.memfd_create("depthwire-arena", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, size_bytes)
        # A worker that made it smaller would end the front with a SIGBUS.
        fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        self.size = size_bytes
        self.memory = mmap.mmap(self.fd, size_bytes)
        self.used = 0
        """Bytes reserved at the moment."""
        self._free: list[tuple[int, int]] = [(0, size_bytes)]  # (offset, length), by offset, never adjacent
        self._largest: int | None = size_bytes  # None: to be looked for
        self._lengths: dict[int, int] = {}
        self._holders: dict[int, int] = {}
        self._views: set[_ViewReference] = set()
        self._died: deque[_ViewReference] = deque()
        self.wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        """Becomes readable when a view has died, for a front that waits for room."""
        self.wake_wanted = True
        """Whether anybody waits: waking a front that does not costs it a turn for each reply."""
        self._woken = False
        # A view may die long after close(), and its note must not go to whatever has got the descriptor's number by
        # then: the descriptor lasts as long as this object does, and no view's death is noted without it.
        weakref.finalize(self, os.close, self.wake_fd).atexit = False

    @property
    def largest(self) -> int:
        """Bytes of the largest block that could be reserved now."""
        if self._largest is None:
            self._largest = max((room for _, room in self._free), default=0)
        return self._largest

    def reserve(self, length: int, *, at_end: bool = False) -> int | None:
        """The offset of a block of `length` bytes that nobody else uses, or None where there is no room now.

        `at_end`: at the highest address, where what is small does not cut the room of what is large to pieces.
        """
        needed = -(-max(length, 1) // ALIGNMENT) * ALIGNMENT
        count = len(self._free)
        for index in reversed(range(count)) if at_end else range(count):
            offset, room = self._free[index]
            if room < needed:
                continue
            if room == needed:
                del self._free[index]
            elif at_end:
                self._free[index] = (offset, room - needed)
                offset += room - needed
            else:
                self._free[index] = (offset + needed, room - needed)
            self._lengths[offset] = needed
            self._holders[offset] = 1
            self.used += needed
            self._largest = None
            return offset
        return None

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Copy an encoded image into a block: the only copy of it that the front makes."""
        self.memory[offset : offset + len(data)] = data

    def view(self, block: int, start: int, length: int) -> npt.NDArray[np.uint8]:
        """The `length` bytes from offset `start` on, inside the block at offset `block`.

        Hand the view to ZeroMQ and forget it: it dies when the message is sent or its peer is gone, and the block
        stays reserved until the last of its views has died and `release` has been called.
        """
        view = np.frombuffer(self.memory, np.uint8, length, start)
        self._holders[block] += 1
        reference = _ViewReference(view, self._view_died)
        reference.block = block
        self._views.add(reference)
        return view

    def release(self, block: int) -> bool:
        """Give up one hold on a block, the reserver's own or a dead view's; True if that freed it."""
        self._holders[block] -= 1
        if self._holders[block]:
            return False
        del self._holders[block]
        self._insert_free(block, self._lengths.pop(block))
        return True

    @property
    def has_died(self) -> bool:
        """Whether `collect` has something to do."""
        return bool(self._died)

    def collect(self) -> list[int]:
        """Take note of the views that have died; returns the blocks that this freed."""
        if self._woken:
            self._woken = False
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self.wake_fd)
        freed = []
        while self._died:
            view = self._died.popleft()
            self._views.remove(view)
            if self.release(view.block):
                freed.append(view.block)
        return freed

    def _insert_free(self, offset: int, length: int) -> None:
        self.used -= length
        self._largest = None
        index = bisect.bisect_left(self._free, (offset, 0))
        if index < len(self._free) and self._free[index][0] == offset + length:
            length += self._free.pop(index)[1]
        if index and sum(self._free[index - 1]) == offset:
            offset, before = self._free.pop(index - 1)
            length, index = before + length, index - 1
        self._free.insert(index, (offset, length))

    def _view_died(self, view: _ViewReference) -> None:
        # Runs in whichever thread dropped the last reference, mostly pyzmq's, so it only leaves a note.
        self._died.append(view)
        if self.wake_wanted:
            self._woken = True
            os.eventfd_write(self.wake_fd, 1)

    def close(self) -> None:
        """Give the memory's descriptor back. The mapping itself and `wake_fd` go with the last view over it."""
        os.close(self.fd)


def map_arena(fd: int) -> mmap.mmap:
    """Worker side: the arena behind an inherited file descriptor, readable and writable."""
    return mmap.mmap(fd, os.fstat(fd).st_size)
