"""The standard streams of a command, made so that what cannot be printed is never the reason for which work stops.

The group's `main` calls `prepare` first and `problem` last; commands that do nothing but print ask `nobody_reads`.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from typing import Any

_SIMPLER = {"→": "->", "…": "...", "°": " deg", "×": "x", "≤": "<=", "≥": ">=", "δ": "delta", "–": "-", "█": "#"}
"""What we print ourselves, for terminals whose encoding lacks it."""

_ERRORS_NAME = "depthwire"


class _Spared(io.RawIOBase):
    """The descriptor below a text stream. After a first failure, which is kept, what is written is thrown away."""

    def __init__(self, stream: Any, raw: io.RawIOBase) -> None:
        self._stream = stream  # which would close the descriptor if nobody held it
        self._raw = raw
        self.problem: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def isatty(self) -> bool:
        return self._raw.isatty()

    def write(self, data: Any) -> int | None:
        if self.problem is None:
            try:
                written = self._raw.write(data)
            except OSError as error:
                self.problem = error
            else:
                return written
        return len(data)


def prepare() -> None:
    """Make stdout and stderr take all text and survive a full disk or a reader that is gone; open what was closed."""
    codecs.register_error(_ERRORS_NAME, _in_simpler_letters)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):  # in order: each gets the number it lacks
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - open to the end
    sys.stdout, sys.stderr = _spared(sys.stdout), _spared(sys.stderr)


def problem() -> OSError | None:
    """Why not all of what was printed arrived, where that is a fault: a reader that has enough (`| head`) is none."""
    found = _problem_of(sys.stdout)
    return None if found is None or found.errno == errno.EPIPE else found


def nobody_reads() -> bool:
    """Whether what is printed to stdout goes nowhere any more."""
    return _problem_of(sys.stdout) is not None


def _problem_of(stream: Any) -> OSError | None:
    raw = _raw_of(stream)
    return raw.problem if isinstance(raw, _Spared) else None


def _raw_of(stream: Any) -> Any:
    """What is below a text stream and its buffer; an unbuffered one (python -u) has none."""
    buffer = getattr(stream, "buffer", None)
    return getattr(buffer, "raw", buffer)


def _spared(stream: Any) -> Any:
    raw = _raw_of(stream)
    is_ours = isinstance(raw, io.RawIOBase) and not isinstance(raw, _Spared)
    if not is_ours or (sys.platform == "win32" and stream.isatty()):  # of a test, or Windows's console
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=_ERRORS_NAME)
        return stream
    stream.flush()
    spared: Any = _Spared(stream, raw)
    buffer = spared if stream.buffer is raw else io.BufferedWriter(spared)
    return io.TextIOWrapper(
        buffer,
        stream.encoding,
        _ERRORS_NAME,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _in_simpler_letters(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    if (simpler := _SIMPLER.get(error.object[error.start])) is not None:
        return simpler, error.start + 1
    text, end = codecs.backslashreplace_errors(error)
    return str(text), end
