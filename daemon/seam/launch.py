"""How processes of ours are started: none runs code from the current folder, and none without the standard descriptors.

The front starts workers by it, the OpenVINO engine its conversion, the demo and the bench their daemon; `__main__` of
the daemon opens what it was started without.
"""

from __future__ import annotations

import os
import sys

_RUN_WITHOUT_CURRENT_FOLDER = (
    "import sys; sys.path[:1] = filter(None, sys.path[:1]); import runpy; "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)
"""For Python 3.10, which puts the current folder on sys.path whatever it is told, unless it is to ignore PYTHONPATH."""


def module_command(module: str, *arguments: str) -> list[str]:
    """`python -m module arguments`, with this interpreter, but for the current folder, which is not on sys.path.

    A file there that happens to be called random.py would stand in for the library's, and anybody's msgpack.py would
    be run. PYTHONPATH and what is installed count as ever.
    """
    if sys.version_info >= (3, 11):
        return [sys.executable, "-P", "-m", module, *arguments]
    return [sys.executable, "-c", _RUN_WITHOUT_CURRENT_FOLDER, module, *arguments]


def keep_current_folder_from_children() -> None:
    """The same for processes that a library starts (multiprocessing): from Python 3.11 on, whose variable it takes."""
    os.environ["PYTHONSAFEPATH"] = "1"


def open_standard_descriptors() -> None:
    """Open the null device as each of standard input, output and error that is closed.

    The next descriptor to be opened gets the lowest free number, and whatever has 2 is where any library writes its
    complaints: a socket, or the memory that results lie in. To be called before anything else is opened.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free, and those below are open by now
            os.set_inheritable(number, True)
    # Python has set those to None that were closed when it started.
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - for good
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
