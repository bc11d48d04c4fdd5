"""Packages that are missing: what is said names the extra that brings them, as pyproject.toml has it."""

import re
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from refkan.base.extras import EXTRAS, how_to_install, needed
from refkan.conformance.adapters.answers import describe
from refkan.conformance.adapters.loading import BackendError, load

IMPORTED_AS = {"flint": "python-flint", "kan": "pykan", "flax": "jaxkan", "KANditioned": "kanditioned"}
IMPORTED_AS |= {"sklearn": "scikit-learn"}


def test_extras_are_those_of_the_project():
    """Under the name of the package; flax comes with jaxkan."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    brings = {
        extra: {re.split(r"[<>=]", line)[0] for line in lines}
        for extra, lines in project["optional-dependencies"].items()
    }
    for package, extra in EXTRAS.items():
        assert IMPORTED_AS.get(package, package) in brings[extra]


def test_what_is_said(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "half_installed.py").write_text("import no_such_package.part\n")
    told = "needs no_such_package, which half_installed imports and which is not installed: pip install no_such_package"
    with pytest.raises(ImportError, match=told):
        needed("Mine", "half_installed", "half-installed")
    for module in ("torch", "kan"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    told = re.escape("Mine needs torch: pip install 'refkan[backends]', or torch alone (import of torch")
    with pytest.raises(ImportError, match=told):
        needed("Mine", "torch", "torch")
    (tmp_path / "kan.py").write_text("import no_such_package\n")
    told = re.escape("which kan imports and which is not installed: pip install 'refkan[backends]'")
    with pytest.raises(ImportError, match=told):
        needed("Pykan", "kan", "pykan==0.2.8")
    assert how_to_install("torch") == "pip install 'refkan[backends]'"


def test_adapters_that_import_by_themselves(tmp_path, monkeypatch):
    """In the module of the adapter, or when a model is built."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "with_torch.py").write_text("import torch.nn\n")
    told = "which is not installed: pip install 'refkan[backends]', or torch alone"
    with pytest.raises(BackendError, match=re.escape(f"with_torch needs the package 'torch', {told}")):
        load("with_torch:Adapter")
    with pytest.raises(ImportError) as caught:
        import_module("torch.nn")
    assert describe(caught.value) == f"needs the package torch, {told}"
