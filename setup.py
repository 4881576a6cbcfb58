"""What pyproject.toml cannot say: where a checkout gets the weights from, and how the README reads on an index's page.

The extra `starter`: in a checkout the weights are built from daemon/models/starter/, by its address, so that pip asks
no index for a name which until a release may be anybody's. In what `make dist` makes for others they are the
distribution that pyproject.toml names: pip's frontends call this with `sdist`, and build the wheel from the unpacked
sdist, which has a PKG-INFO.
"""

import re
import sys
from pathlib import Path

from setuptools import Distribution, setup

ROOT = Path(__file__).resolve().parent
WEIGHTS = ROOT / "daemon" / "models" / "starter"

_PICTURE_AND_CAPTION = re.compile(r"!\[[^\]]*\]\((?!https?:)[^)]*\)\n*(?:\*[^*]+\*[ \n]*)?")
_LINK_INTO_THE_REPOSITORY = re.compile(r"\[([^\]]+)\]\((?!https?:)[^)]*\)")


def index_page(readme: str) -> str:
    """The README without what is nowhere on an index's page: pictures, and links to files and headings."""
    return _LINK_INTO_THE_REPOSITORY.sub(r"\1", _PICTURE_AND_CAPTION.sub("", readme))


class FromCheckout(Distribution):
    """Changes one requirement once pyproject.toml is read."""

    def parse_config_files(self, *arguments, **options):
        super().parse_config_files(*arguments, **options)
        is_for_others = "sdist" in sys.argv or (ROOT / "PKG-INFO").exists()
        if not is_for_others and (WEIGHTS / "pyproject.toml").exists():
            self.extras_require = {**self.extras_require, "starter": [f"depthwire-starter @ {WEIGHTS.as_uri()}"]}
            self.metadata.extras_require = self.extras_require


setup(
    distclass=FromCheckout,
    long_description=index_page((ROOT / "README.md").read_text(encoding="utf-8")),
    long_description_content_type="text/markdown",
)
