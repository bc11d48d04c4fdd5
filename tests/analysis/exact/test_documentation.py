"""docs/certificates.md is run as it stands."""

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "certificates.md"


def test_the_page_on_certificates():
    assert doctest.testfile(str(PAGE), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0
