"""The arena gives every block to one owner at a time, and takes it back only when nobody can see it any more."""

from __future__ import annotations

import gc
import mmap
import os
import select
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from depthwire.daemon.seam.arena import ALIGNMENT, Arena, map_arena

SIZE = 64 * 1024


def reserve(arena: Arena, length: int) -> int:
    block = arena.reserve(length)
    assert block is not None
    return block


def is_readable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def mapping_of(arena: Arena) -> tuple[int, int]:
    start = np.frombuffer(arena.memory, np.uint8).ctypes.data
    return start, start + arena.size


def test_a_block_lies_at_the_lowest_address_where_it_fits() -> None:
    arena = Arena(SIZE)
    first, second, third = (reserve(arena, 1000) for _ in range(3))
    assert first < second < third
    arena.release(first)
    assert reserve(arena, 4096) > third
    assert reserve(arena, 1000) == first


def test_a_block_at_the_end_lies_at_the_highest_address_where_it_fits() -> None:
    arena = Arena(SIZE)
    last = arena.reserve(1000, at_end=True)
    before = arena.reserve(4096, at_end=True)
    assert last == SIZE - 1024
    assert before == last - 4096
    assert reserve(arena, 1000) == 0
    assert arena.largest == before - 1024
    arena.release(last)
    assert arena.reserve(2000, at_end=True) == before - 2048
    assert arena.reserve(1024, at_end=True) == last
    assert arena.largest == before - 2048 - 1024


def test_blocks_begin_on_cache_lines() -> None:
    arena = Arena(SIZE)
    assert all(reserve(arena, length) % ALIGNMENT == 0 for length in (1, 63, 64, 65, 1000, 0))


def test_there_is_no_block_where_there_is_no_room() -> None:
    arena = Arena(SIZE)
    assert arena.reserve(SIZE + 1) is None
    block = reserve(arena, SIZE)
    assert arena.reserve(1) is None
    assert arena.release(block)
    assert arena.reserve(SIZE) == 0


def test_neighbours_that_are_free_become_one_in_whatever_order_they_come_back() -> None:
    for order in ((0, 1, 2), (2, 1, 0), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1)):
        arena = Arena(3 * ALIGNMENT)
        blocks = [reserve(arena, ALIGNMENT) for _ in range(3)]
        for index in order:
            assert arena.release(blocks[index])
        assert arena.used == 0
        assert arena.reserve(3 * ALIGNMENT) == 0


def test_what_the_front_writes_a_worker_reads_through_the_descriptor_and_back() -> None:
    arena = Arena(SIZE)
    block = reserve(arena, 5)
    arena.write(block, memoryview(b"image"))
    theirs = map_arena(arena.fd)
    assert theirs[block : block + 5] == b"image"
    theirs[block : block + 5] = b"depth"
    assert arena.view(block, block, 5).tobytes() == b"depth"


def test_a_view_is_the_arena_itself_not_a_copy() -> None:
    arena = Arena(SIZE)
    reserve(arena, 1000)
    block = reserve(arena, 1000)
    view = arena.view(block, block + 64, 100)
    low, _ = mapping_of(arena)
    assert view.ctypes.data == low + block + 64
    assert np.shares_memory(view, np.frombuffer(arena.memory, np.uint8))
    arena.memory[block + 64] = 77
    assert view[0] == 77


@pytest.mark.parametrize("released_first", [True, False])
def test_a_block_stays_reserved_until_its_last_view_has_died_and_it_was_released(released_first: bool) -> None:
    arena = Arena(SIZE)
    block = reserve(arena, 1000)
    views = [arena.view(block, block, 500), arena.view(block, block + 500, 500)]
    if released_first:
        assert not arena.release(block)
    views.pop()
    assert arena.collect() == []
    views.pop()
    assert arena.used == 1024
    if released_first:
        assert arena.collect() == [block]
    else:
        assert arena.collect() == []
        assert arena.release(block)
    assert arena.used == 0


def test_a_slice_or_memoryview_of_a_view_keeps_its_block() -> None:
    arena = Arena(SIZE)
    block = reserve(arena, 1000)
    part = arena.view(block, block, 1000).data[10:20]
    arena.release(block)
    gc.collect()
    assert arena.collect() == []
    del part
    assert arena.collect() == [block]


def test_a_dead_view_makes_the_wake_descriptor_readable_until_it_is_collected() -> None:
    arena = Arena(SIZE)
    block = reserve(arena, 1000)
    view = arena.view(block, block, 1000)
    arena.release(block)
    assert not is_readable(arena.wake_fd)
    del view
    assert is_readable(arena.wake_fd)
    arena.collect()
    assert not is_readable(arena.wake_fd)


def test_views_may_die_in_other_threads_while_the_owner_goes_on() -> None:
    arena = Arena(SIZE)
    held: list[list[np.ndarray]] = [[], [], [], []]
    start = threading.Barrier(5)

    def drop(views: list[np.ndarray]) -> None:
        start.wait()
        while views:
            views.pop()

    blocks = [reserve(arena, 256) for _ in range(128)]
    for number, block in enumerate(blocks):
        for part in range(4):
            held[(number + part) % 4].append(arena.view(block, block + 64 * part, 64))
    threads = [threading.Thread(target=drop, args=(views,)) for views in held]
    for thread in threads:
        thread.start()
    start.wait()
    freed = []
    for block in blocks:
        if arena.release(block):
            freed.append(block)
        freed += arena.collect()
    for thread in threads:
        thread.join()
    freed += arena.collect()
    assert sorted(freed) == blocks
    assert arena.used == 0


def test_a_view_that_outlives_the_arena_s_closing_writes_to_no_stranger_s_descriptor() -> None:
    arena = Arena(SIZE)
    block = reserve(arena, 1000)
    view = arena.view(block, block, 1000)
    arena.wake_wanted = True
    number = arena.wake_fd
    arena.close()
    assert str(Path(f"/proc/self/fd/{number}").readlink()).startswith("anon_inode:")
    del arena
    gc.collect()
    stranger = os.eventfd(0, os.EFD_NONBLOCK)
    os.dup2(stranger, number)
    try:
        del view
        gc.collect()
        with pytest.raises(BlockingIOError):
            os.eventfd_read(stranger)
    finally:
        os.close(stranger)
        if stranger != number:
            os.close(number)


def test_the_memory_has_no_name_that_could_outlive_the_process() -> None:
    arena = Arena(SIZE)
    assert "(deleted)" in str(Path(f"/proc/self/fd/{arena.fd}").readlink())
    assert isinstance(arena.memory, mmap.mmap)
    assert not os.get_inheritable(arena.fd)


class ArenaLife(RuleBasedStateMachine):
    """Any order of reserving, viewing, dropping, releasing and collecting."""

    def __init__(self) -> None:
        super().__init__()
        self.arena = Arena(SIZE)
        self.blocks: dict[int, int] = {}
        self.released: set[int] = set()
        self.views: list[tuple[int, int, np.ndarray]] = []
        self.stamp = 0

    @rule(length=st.integers(0, SIZE // 3))
    def reserve(self, length: int) -> None:
        block = self.arena.reserve(length)
        if block is not None:
            assert block not in self.blocks
            self.blocks[block] = -(-max(1, length) // ALIGNMENT) * ALIGNMENT

    @precondition(lambda self: self.blocks.keys() - self.released)
    @rule(data=st.data())
    def view(self, data: st.DataObject) -> None:
        block = data.draw(st.sampled_from(sorted(self.blocks.keys() - self.released)))
        self.stamp = (self.stamp + 1) % 256
        view = self.arena.view(block, block, self.blocks[block])
        view.fill(self.stamp)
        self.views = [(b, self.stamp if b == block else old, v) for b, old, v in self.views]
        self.views.append((block, self.stamp, view))

    @precondition(lambda self: self.views)
    @rule(data=st.data())
    def drop_view(self, data: st.DataObject) -> None:
        del self.views[data.draw(st.integers(0, len(self.views) - 1))]

    @precondition(lambda self: self.blocks.keys() - self.released)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        block = data.draw(st.sampled_from(sorted(self.blocks.keys() - self.released)))
        self.released.add(block)
        if self.arena.release(block):
            self._gone(block)

    @rule()
    def collect(self) -> None:
        for block in self.arena.collect():
            self._gone(block)

    def _gone(self, block: int) -> None:
        assert block in self.released
        assert all(owner != block for owner, _, _ in self.views)
        del self.blocks[block]
        self.released.discard(block)

    @invariant()
    def nothing_overlaps_and_nothing_leaks(self) -> None:
        end = 0
        for block, length in sorted(self.blocks.items()):
            assert block >= end
            end = block + length
        assert end <= SIZE
        assert self.arena.used == sum(self.blocks.values())

    @invariant()
    def nobody_writes_to_what_a_view_shows(self) -> None:
        assert all((view == stamp).all() for _, stamp, view in self.views)

    def teardown(self) -> None:
        self.views.clear()
        for block in self.blocks.keys() - self.released:
            self.arena.release(block)
        self.arena.collect()
        assert self.arena.used == 0
        assert self.arena.reserve(SIZE) == 0


TestArenaLife = ArenaLife.TestCase
TestArenaLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("size", [0, 2**19, 2**21])
def test_a_worker_cannot_pull_the_memory_away_from_under_the_front(size: int) -> None:
    arena = Arena(2**20)
    with pytest.raises(PermissionError):
        os.ftruncate(arena.fd, size)
    arena.close()
