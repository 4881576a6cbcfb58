"""The floor is a fair one: the echo moves the very bytes that the daemon's answer has."""

from depthwire.bench import launch
from depthwire.bench.echo import pack_sizes, parse_sizes
from depthwire.bench.transport import ResultSize, _row, _why_no_echo, move, transport_cells


def test_the_echo_moves_as_many_bytes_as_the_daemon_in_frames_of_the_same_sizes(null_daemon: str) -> None:
    endpoint = f"tcp://127.0.0.1:{launch.free_port()}"
    size = ResultSize("pc", 320, 240, repeats=4, allowance_ms=1.0)
    with launch.running("depthwire.bench.echo", [endpoint], lambda: _why_no_echo(endpoint)):
        moved = move(null_daemon, endpoint, size, rounds=2)
    points, depth = 320 * 240 * 12, 320 * 240 * 4
    assert moved.frames[1:] == [points, depth]
    assert moved.echo_bytes == sum(moved.frames) > points + depth
    assert len(moved.daemon) == len(moved.echo) == len(moved.memcpy) == len(moved.decode) == 4
    row = _row(endpoint, size, moved)
    assert row["met"] == (row["daemon_ms"]["p50"] <= row["limit_ms"])
    assert transport_cells(row)[:2] == ["tcp", "pc 320×240"]


def test_frame_sizes_travel_as_text() -> None:
    assert parse_sizes(pack_sizes([7, 123456789])) == [7, 123456789]
