"""SPEC.md names everything that the code knows, with the numbers that the code has, and its hex dumps are real.

What this cannot see is whether the prose is right; it sees when code and text grow apart.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from depthwire import protocol
from depthwire.protocol import ERROR_CLASSES, OPS, frames, intrinsics, messages, options
from depthwire.protocol.vectors import make

FOLDER = Path(protocol.__file__).parent
SPEC = (FOLDER / "SPEC.md").read_text(encoding="utf-8")
FLAT = re.sub(r"\s+", " ", SPEC)


def request_table() -> dict[str, dict[str, str]]:
    """The table of request fields: for each field the cell of each operation."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in SPEC.splitlines() if line.startswith("|")]
    start = next(index for index, row in enumerate(rows) if row[-5:] == list(OPS))
    table: dict[str, dict[str, str]] = {}
    for row in rows[start + 2 :]:
        if len(row) != len(rows[start]):
            break
        table[row[0].strip("`")] = dict(zip(OPS, row[-5:], strict=True))
    return table


@pytest.mark.parametrize("op", OPS)
def test_the_table_of_fields_says_which_operation_takes_which(op: str) -> None:
    taken = {name for name, cells in request_table().items() if cells[op]}
    assert taken == messages._FIELDS[op] | {"v", "id", "op"}


@pytest.mark.parametrize("code", ERROR_CLASSES)
def test_every_code_has_its_row(code: str) -> None:
    row = next(line for line in SPEC.splitlines() if line.startswith(f"| `{code}` |"))
    retryable = row.split("|")[3].strip()
    assert retryable == ("as `retryable` says" if code == "INTERNAL" else retryable)
    assert retryable.startswith("yes") == ERROR_CLASSES[code].retryable_by_default


def test_no_code_has_a_row_that_the_code_does_not_know() -> None:
    assert re.findall(r"^\| `([A-Z_]+)` \| [a-z`t]", SPEC, re.MULTILINE)[-12:] == list(ERROR_CLASSES)


def _names(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(_names, value))
    if not isinstance(value, dict):
        return set()
    return set(value) | _names(list(value.values()))


def test_every_field_of_every_golden_message_is_described() -> None:
    unknown_on_purpose = {"confidence", "hint"}
    names: set[str] = set()
    for vector in [*make._requests(), *make._replies(), *make._error_replies()]:
        fields = dict(vector["fields"])
        fields["meta"] = None
        names |= {name for name in _names(fields) if not name.startswith("$")} - {"dtype", "values"}
    assert {name for name in names - unknown_on_purpose if f"`{name}`" not in SPEC} == set()


@pytest.mark.parametrize("dtype", sorted(frames.DTYPES))
def test_every_dtype_is_listed(dtype: str) -> None:
    assert f"`{dtype}`".replace("|", r"\|") in SPEC


@pytest.mark.parametrize("key", sorted(frames._ARRAY_KEYS))
def test_every_key_of_an_array_is_listed(key: bytes) -> None:
    assert f"| `{key.decode()}` |" in SPEC


@pytest.mark.parametrize(
    "text",
    [
        f"version {messages.VERSION}",
        f"{frames.MAX_HEADER_BYTES} bytes (64 KiB)",
        f"ext of type {frames.BUFFER_EXT} ",
        f"at most {frames.MAX_BUFFERS} buffers",
        f"at most {frames.MAX_ENVELOPE_FRAMES} frames",
        f"list of at most {frames.MAX_DIMENSIONS} unsigned integers",
        f"at most {frames.MAX_NESTING} levels",
        f"fewer than {frames.INLINE_LIMIT_BYTES} bytes",
        "0 … 2⁶⁴−1",
        f"above 0 … {messages.MAX_MAX_DEPTH_M:,.0f} metres".replace(",", " "),
        f"above 0 … {messages.MAX_TIMEOUT_MS:,.0f} milliseconds".replace(",", " "),
        f"{messages.MIN_MODEL_INPUT_SIZE} … {messages.MAX_MODEL_INPUT_SIZE} pixels, a multiple of {messages.PATCH}",
        f"1 … {messages.MAX_STREAM_BYTES} bytes of UTF-8",
        f"0 ≤ nearest < farthest ≤ {options.MAX_RANGE_M:,.0f} metres".replace(",", " "),
        f"above 0 … {options.MAX_EDGE_FILTER:g}, a relative jump",
        f"1 … {options.MAX_STRIDE} pixels",
        " ".join(f"`{name}`" for name in options.DEPTH_DTYPES),
        f"at most {messages.MAX_META_BYTES} bytes",
        f"{messages.MAX_META_NESTING} levels deep",
        f"`{messages._NAME.pattern}`",
        f"({intrinsics.MIN_FOCAL_PIXELS} … {intrinsics.MAX_PIXEL_COORDINATE:,.0f} pixels)".replace(",", " "),
        "(int, 1 … " + f"{intrinsics.MAX_PIXEL_COORDINATE:,.0f} pixels)".replace(",", " "),
    ],
)
def test_the_limits_are_those_of_the_code(text: str) -> None:
    assert text in FLAT


def test_the_hex_dumps_are_the_golden_messages() -> None:
    dumps = re.findall(r"<!-- vector (\S+) -->\n```\n(.*?)```", SPEC, re.DOTALL)
    assert len(dumps) == 2
    for name, dump in dumps:
        digits = "".join(line[6:53] for line in dump.splitlines())
        assert bytes.fromhex(digits) == (FOLDER / "vectors" / name).read_bytes()


def test_the_sizes_in_the_worked_example_are_real() -> None:
    assert f"a picture of {len(make.LARGE_PNG)} bytes" in FLAT
    assert f"the header ({(FOLDER / 'vectors' / 'request-pc.0.bin').stat().st_size} bytes)" in FLAT


def test_every_link_within_the_page_leads_somewhere() -> None:
    headings = {
        re.sub(r"[^a-z0-9 _-]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", SPEC, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]*)\)", SPEC)) <= headings
