"""docs/truth.md: its examples run as doctests; here, that the code it quotes is code, and that it names every file."""

import re
from pathlib import Path

from refkan import truth

FOLDER = Path(truth.__file__).parent
PAGE = (Path(__file__).parents[2] / "docs" / "truth.md").read_text()


def test_quoted_code_is_the_code():
    source = "\n".join(path.read_text() for path in FOLDER.rglob("*.py"))
    blocks = [block for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if ">>>" not in block]
    assert blocks
    for block in blocks:
        assert block in source


def test_every_file_is_named():
    for path in FOLDER.rglob("*.py"):
        assert path.stem in PAGE or path.name == "__init__.py", path
