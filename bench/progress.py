"""The live progress line: rewritten in place on a terminal, and silent where standard error is a file."""

from __future__ import annotations

import shutil
import sys


class ProgressLine:
    """`show` replaces the line; `end` removes it, so that results start on a clean one."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._shown = ""

    def show(self, text: str) -> None:
        if not self._is_terminal or text == self._shown:
            return
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write("\r" + text[:width].ljust(min(len(self._shown), width)))
        sys.stderr.flush()
        self._shown = text

    def end(self) -> None:
        if self._is_terminal and self._shown:
            sys.stderr.write("\r" + " " * min(len(self._shown), shutil.get_terminal_size().columns - 1) + "\r")
            sys.stderr.flush()
        self._shown = ""
