"""What `make test-lowest` installs is the lowest that pyproject.toml allows, of all that users install."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXTRAS = ("dependencies", "daemon", "pictures", "ros", "camera")


def test_the_constraints_are_the_lower_bounds() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    bounds: dict[str, str] = {}
    for extra in EXTRAS:
        (names,) = re.findall(rf"^{extra} = \[(.*?)\]", project, re.MULTILINE | re.DOTALL)
        bounds.update(re.findall(r'"([\w-]+)>=([\d.]+)"', names))
    pins = dict(re.findall(r"^([\w-]+)==([\d.]+)$", (ROOT / "tests" / "lowest.txt").read_text(), re.MULTILINE))
    assert pins.keys() == bounds.keys()
    for name, bound in bounds.items():
        assert f"{pins[name]}.".startswith(f"{bound}."), f"{name} is to be {bound}, and is {pins[name]}"
