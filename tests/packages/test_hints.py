"""What errors and texts say of installing works before there is a release: they name a checkout, not an index."""

from __future__ import annotations

import re
from importlib.metadata import metadata
from pathlib import Path

import pytest

from depthwire.protocol import distribution
from tests.packages.conftest import ROOT
from tests.packages.test_distributions import tracked_files

FROM_AN_INDEX = re.compile(r"pip3? install [^\n`]*\bdepthwire(?!\.|_|/)\b")
TEXTS = {".py", ".md", ".xml", ".yaml", ".toml", ".hpp", ".cpp", ""}


@pytest.mark.parametrize(
    "text", ["pip install depthwire", "pip install 'depthwire[view]'", "pip install --user depthwire[ros]"]
)
def test_what_is_looked_for_is_found(text: str) -> None:
    assert FROM_AN_INDEX.search(text)


def test_nothing_tells_to_install_it_from_an_index() -> None:
    allowed = "in a checkout of depthwire"
    found = [
        f"{name}: {match[0]}"
        for name in tracked_files()
        if Path(name).suffix in TEXTS and not name.startswith("tests/")
        for match in FROM_AN_INDEX.finditer((ROOT / name).read_text(encoding="utf-8").replace(allowed, ""))
    ]
    assert found == []


def test_every_extra_that_an_error_names_exists() -> None:
    sources = [ROOT / name for name in tracked_files() if name.endswith(".py") and not name.startswith("tests/")]
    hints = [hint for file in sources for hint in re.findall(r"install_hint\(['\"]([a-z,]+)['\"]\)", file.read_text())]
    named = {extra for hint in hints for extra in hint.split(",")}
    assert len(named) >= 6
    assert named <= set(metadata("depthwire").get_all("Provides-Extra") or ())


def test_the_hint() -> None:
    assert distribution.install_hint("view") == "pip install '.[view]' in a checkout of depthwire"
    assert distribution.install_hint() == "pip install . in a checkout of depthwire"
