"""`depthwire-bench`, also `python -m depthwire.bench`: runs cli.py, or says what is missing for it."""

from __future__ import annotations

import sys

from depthwire.protocol.distribution import install_hint


def main() -> None:
    """Run the command; one line and exit code 1 where a package that it measures with is not installed."""
    try:
        from depthwire.bench.cli import main as run

        run(prog_name="depthwire-bench")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("depthwire"):
            raise
        sys.exit(f"depthwire-bench: the package {error.name} is not installed: {install_hint('daemon,bench')}")


if __name__ == "__main__":
    main()
