"""The journal keeps every answer that was added, whatever a killed process or the disk leaves of its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from depthwire.client.ros import BagError
from depthwire.client.ros.bag_journal import Journal

RUN = {"bag": [["drive.bag", 1, 2]]}
KEYS = [("/camera/image_raw", number, 77) for number in range(3)]
MESSAGES = [{"depth": memoryview(b"d" * 40), "points": memoryview(bytes([number]) * 50)} for number in range(3)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    journal = Journal(tmp_path / "answers", RUN)
    for key, messages in zip(KEYS, MESSAGES, strict=True):
        journal.add(key, messages, "vits_hypersim_518")
    journal.close()
    return tmp_path / "answers"


def reopened(path: Path) -> Journal:
    return Journal(path, RUN)


def test_answers_and_failures_are_there_when_the_journal_is_opened_again(path: Path) -> None:
    journal = reopened(path)
    journal.add_failure(("/camera/image_raw", 9, 78), "it breaks off")
    journal.close()
    journal = reopened(path)
    assert [journal.read(key) for key in KEYS] == MESSAGES
    assert journal.failures == {("/camera/image_raw", 9, 78): "it breaks off"}
    assert (len(journal), journal.model) == (4, "vits_hypersim_518")
    assert journal.outputs == {("/camera/image_raw", "depth"), ("/camera/image_raw", "points")}


def test_a_record_torn_at_any_byte_is_cut_off_and_can_be_added_again(path: Path) -> None:
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        journal = reopened(path)
        count = len(journal)
        assert all(journal.read(key) == messages for key, messages in zip(KEYS[:count], MESSAGES, strict=False))
        for key, messages in list(zip(KEYS, MESSAGES, strict=True))[count:]:
            journal.add(key, messages, "vits_hypersim_518")
        journal.close()
        assert path.read_bytes() == whole


def test_a_last_record_of_which_only_the_size_came_to_the_disk_is_cut_off(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:-20] + bytes(20))
    journal = reopened(path)
    assert [key in journal for key in KEYS] == [True, True, False]
    assert journal.read(KEYS[1]) == MESSAGES[1]


def test_an_answer_that_the_disk_damaged_is_not_written_into_a_bag(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[whole.index(b"d" * 40)] ^= 1
    path.write_bytes(whole)
    journal = reopened(path)
    with pytest.raises(BagError, match="--fresh"):
        journal.read(KEYS[0])


def test_a_journal_of_another_run_and_one_in_use_are_refused(path: Path) -> None:
    with pytest.raises(BagError, match="other options"):
        Journal(path, {**RUN, "wanted": 1})
    journal = reopened(path)
    with pytest.raises(BagError, match="another process"):
        reopened(path)
    journal.close()
    reopened(path).close()
