"""Every message between front and worker comes out of the socket pair as it went in, and fits into it."""

from __future__ import annotations

import json
import socket
import typing
from typing import Any

import pytest

from depthwire.daemon.seam import jobs

KINDS: tuple[type[Any], ...] = typing.get_args(jobs.Message)
EXTREMES: dict[Any, list[Any]] = {
    int: [0, -1, 2**40, 2**63 - 1],
    float: [0.0, -1.5, 1e300, float("inf"), float("-inf")],
    str: ["", "vits", "Straße 深度 🙂", "x" * jobs.MAX_ERROR_CHARACTERS],
    bool: [True, False],
    list[int]: [[], [1], list(range(256))],
    dict[str, Any] | None: [None, {}, {"range": [0.3, 20.0], "stride": 64, "colors": True}],
}


def messages(kind: type[Any]) -> list[jobs.Message]:
    """One message for each extreme, all fields at theirs at once."""
    types = list(typing.get_type_hints(kind).values())
    return [kind(*(EXTREMES[t][n % len(EXTREMES[t])] for t in types)) for n in range(5)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_message_comes_back_equal_and_of_its_own_kind(kind: type[Any]) -> None:
    for message in messages(kind):
        back = jobs.unpack(jobs.pack(message))
        assert type(back) is kind
        assert back == message
        assert [type(value) for value in back] == [type(value) for value in message]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_message_is_one_datagram(kind: type[Any]) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        for message in messages(kind):
            packed = jobs.pack(message)
            assert len(packed) <= jobs.MAX_MESSAGE_BYTES
            ours.send(packed)
            assert jobs.unpack(theirs.recv(jobs.MAX_MESSAGE_BYTES)) == message


def test_an_error_text_that_is_not_unicode_is_sent_all_the_same() -> None:
    """A file name may hold any bytes; Python shows those that are not UTF-8 as lone surrogates."""
    name = b"weights-\xff.pth".decode("utf-8", "surrogateescape")
    back = jobs.unpack(jobs.pack(jobs.LoadFailed("vits", "hypersim", "INTERNAL", f"no file {name}")))
    assert isinstance(back, jobs.LoadFailed)
    assert back.message == "no file weights-?.pth"


def test_options_survive_the_command_line() -> None:
    options = jobs.WorkerOptions(
        engine="null",
        device="cpu",
        precision="auto",
        max_batch=4,
        threads=2,
        decode="exact",
        checkpoints="/weights/Straße",
        download=False,
        log_level="info",
        log_format="json",
    )
    assert jobs.WorkerOptions(**json.loads(options.to_json())) == options
