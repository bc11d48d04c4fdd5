"""Packages of claim files that tests write, and runs of the validation on them."""

import json
import sys
import textwrap
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from refkan.claims.running.runner import main
from validation.ledger import Row

ROWS = tuple(Row(id, f"source of {id}", f"claim {id} <b>", "numbers", "x < 1") for id in ("A1", "A2", "B1", "C1"))
PACKAGES = count()

HEADER = """
from pathlib import Path
from refkan.claims import Figure, Verdict, judge
log = Path(__file__).with_suffix(".log")
"""

GOOD = """
CLAIMS = ("A1", "A2")
def run(quick, progress):
    progress("working")
    log.write_text((log.read_text() if log.exists() else "") + ("quick " if quick else "full "))
    figure = Figure("curve", "A & B", b"\\x89PNG fake")
    return [
        Verdict("A1", judge(True), "error 1e-16 < 1", details="One.\\n\\nTwo <script>",
                data={"seeds": [1, 2]}, figures=(figure,), mutations={"sign": judge(False)}),
        Verdict("A2", judge(False), "ratio 3", corrected="A2 the other way",
                data={"x": float("nan"), 3: (1, 2)}),
    ]
"""


@dataclass
class Claims:
    """A package of claim files that each test writes anew."""

    folder: Path
    package: str
    output: Path

    def write(self, name: str, body: str) -> None:
        path = self.folder / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(HEADER + textwrap.dedent(body))

    def run(self, *arguments: str) -> int:
        # Each run is a new process in practice: the module must be read anew.
        for name in [name for name in sys.modules if name.split(".")[0] == self.package]:
            del sys.modules[name]
        argv = ["--output", str(self.output), *([] if "--dask" in arguments else ["--workers", "0"]), *arguments]
        return main(argv, folder=self.folder, package=self.package, rows=ROWS, papers={"[S26]": "A paper"})

    def record(self) -> dict:
        return json.loads((self.output / "record.json").read_text(), parse_constant=refuse_constant)

    def status(self) -> dict[str, str]:
        return {row["id"]: row["status"] for row in self.record()["rows"]}

    def html(self) -> str:
        return (self.output / "report.html").read_text()

    def runs(self, name: str) -> int:
        log = self.folder / f"{name}.log"
        return len(log.read_text().split()) if log.exists() else 0


def refuse_constant(name: str) -> float:
    raise AssertionError(f"{name} is not JSON")


def new_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Claims:
    """Return an empty package of claim files that can be imported until the test ends."""
    package = f"fake_claims_{next(PACKAGES)}"  # a name of its own: Python caches listings of folders
    folder = tmp_path / package
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # two versions of a file within one second
    return Claims(folder, package, tmp_path / "report")
