"""A log line is text for a person or one JSON object for a machine, on standard error, from the chosen level on."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from datetime import datetime, timedelta

import pytest

from depthwire.daemon.logs import JsonFormatter, Rarely

PROGRAM = """
import logging, sys
from depthwire.daemon.logs import set_up_logging
set_up_logging(sys.argv[1], sys.argv[2])
log = logging.getLogger("depthwire.front")
for level in ("debug", "info", "warning", "error"):
    getattr(log, level)("a line at %s", level)
"""


def run(level: str, log_format: str) -> list[str]:
    """The lines of a process that logs one line at each level, as it starts."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, level, log_format], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("depthwire.front", logging.WARNING, __file__, 1, message, arguments, None)
    vars(made).update(extra)
    return made


def test_a_line_that_strangers_can_cause_comes_once_a_second_and_counts_those_left_out() -> None:
    rarely = Rarely()
    assert [rarely.due(now) for now in (5.0, 5.1, 5.9, 6.1, 6.2, 9.0, 11.0)] == [
        "", None, None, ", and 2 before", None, ", and 1 before", "",
    ]  # fmt: skip


def test_json_lines_parse_and_say_when_how_grave_who_and_what() -> None:
    lines = [json.loads(line) for line in run("info", "json")]
    assert [line["level"] for line in lines] == ["info", "warning", "error"]
    assert [line["message"] for line in lines] == [f"a line at {line['level']}" for line in lines]
    for line in lines:
        assert set(line) == {"time", "level", "logger", "message"}
        assert line["logger"] == "depthwire.front"
        assert datetime.fromisoformat(line["time"]).utcoffset() == timedelta(0)


def test_text_lines_are_for_people() -> None:
    (line,) = run("error", "text")
    assert line.endswith("ERROR   depthwire.front: a line at error")


def test_debug_shows_everything() -> None:
    assert len(run("debug", "text")) == 4


def test_a_message_of_several_lines_stays_one_line_of_json() -> None:
    line = JsonFormatter().format(record('two\nlines, "quoted", %s', "Straße"))
    assert "\n" not in line
    assert json.loads(line)["message"] == 'two\nlines, "quoted", Straße'


def test_what_extra_carries_becomes_fields_whatever_its_type() -> None:
    line = json.loads(JsonFormatter().format(record("done", client=b"\x00\x01", ms=1.5, path={1})))
    assert line["ms"] == 1.5
    assert line["client"] == str(b"\x00\x01")
    assert line["path"] == "{1}"


def test_an_exception_is_in_the_line_with_its_trace() -> None:
    made = record("failed")
    try:
        raise ValueError("the reason")
    except ValueError:
        made.exc_info = sys.exc_info()
    line = json.loads(JsonFormatter().format(made))
    assert "ValueError: the reason" in line["exception"]
    assert "Traceback" in line["exception"]


@pytest.mark.parametrize("text", ["\ud800", "\x00", "\u2028"])
def test_odd_characters_do_not_break_the_line(text: str) -> None:
    line = JsonFormatter().format(record(text))
    line.encode("ascii")
    assert json.loads(line)["message"] == text
