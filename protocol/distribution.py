"""What is installed of depthwire, and how more of it is: its version, and the one hint that all errors give.

Client, daemon, bench and training say both by this module. Until there is a release on the package index the hint is
what works in a checkout: `depthwire` is anybody's name there.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "depthwire"


def installed_version() -> str:
    """The version of what is installed, as in "0.1.0"; "unknown" where the files are used without being installed."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"


def install_hint(extra: str | None = None) -> str:
    """How to install one of the extras that pyproject.toml names, or without one the client alone."""
    what = f"'.[{extra}]'" if extra else "."
    return f"pip install {what} in a checkout of depthwire"
