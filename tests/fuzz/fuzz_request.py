"""Coverage-guided fuzzing of the one place where requests and replies are read. Started by `make fuzz`.

    python -m tests.fuzz.fuzz_request [-max_total_time=60] [any other option of libFuzzer]

An input is a message: frames, each behind two bytes of length. Whatever it is, it is parsed or refused as documented,
its refusal fits an answer, and what was accepted says the same when it is sent again.
"""

from __future__ import annotations

import contextlib
import sys

import atheris

with atheris.instrument_imports(include=["depthwire"]):
    from depthwire.protocol import ProtocolError, RequestRefused, error_header, parse_reply, parse_request
    from depthwire.protocol.frames import FrameError, split_envelope

from tests.fuzz.seeds import folders, joined, split
from tests.reliability.mutations import mutated

MOST_FRAMES = 32


def one_input(data: bytes) -> None:
    message = split(data, MOST_FRAMES)
    try:
        _, body = split_envelope([b"routing id", *message])
    except FrameError:
        body = message
    try:
        request = parse_request(body)
    except RequestRefused as refusal:
        error_header(refusal.id, refusal.op, refusal.error)
    else:
        sent = [bytes(frame) for frame in request.to_frames()]
        assert [bytes(frame) for frame in parse_request(sent).to_frames()] == sent  # a NaN in meta equals no other
    with contextlib.suppress(ProtocolError):
        parse_reply(body)


def main() -> None:
    atheris.Setup([*sys.argv, *folders("request", [joined(mutated(seed)) for seed in range(300)])], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
