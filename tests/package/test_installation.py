"""What an installation is, which extras it may lack, and files that are written whole or not at all."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import pytest

import refkan as rk
from refkan.base import atomic_files as module
from refkan.base.atomic_files import write_atomically
from refkan.base.extras import EXTRAS, how_to_install, needed
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.conformance.adapters.answers import describe
from refkan.conformance.adapters.loading import BackendError, load
from tests.conftest import EXHAUSTIVE
from tests.shared.refusals import refused

ROOT = Path(rk.__file__).parent.parent


@pytest.fixture
def project():
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("refkan is not imported from a checkout")
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_an_entry_of_the_path_comes_before_a_folder_without_a_file(tmp_path):
    """Seen from its parent, a checkout in a folder named refkan looks like a package without a file."""
    (tmp_path / "refkan" / "refkan").mkdir(parents=True)
    told = subprocess.run(
        [sys.executable, "-c", "import refkan; print(refkan.__file__, refkan.kan.__name__)"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},  # after the working directory, as what .pth files add
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == [rk.__file__, "kan"]


def test_laws_of_which_some_cases_run_always_are_there_and_all_their_cases_run_in_ci(project):
    for law in EXHAUSTIVE:
        path, name = law.split("::")
        assert f"def {name}(" in (ROOT / path).read_text(), law
    commands = (ROOT / ".ci" / "run").read_text().split("\n")
    assert [line for line in commands if " -m pytest " in line and line.endswith(" -m exhaustive")]


def test_an_editable_installation_is_such_an_entry(project):
    """Setuptools makes an import hook of it, which comes too late, unless the root of packages is named."""
    assert project["build-system"]["build-backend"] == "setuptools.build_meta"
    assert project["tool"]["setuptools"]["package-dir"] == {"": "."}
    assert project["tool"]["setuptools"]["package-data"] == {"refkan": ["py.typed"]}


def test_what_setuptools_makes_of_it(project, tmp_path):
    pytest.importorskip("setuptools", minversion="77")
    copy, wheels = tmp_path / "copy", tmp_path / "wheels"
    wheels.mkdir()
    shutil.copytree(ROOT / "refkan", copy / "refkan", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "PACKAGE.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    build = f"from setuptools import build_meta; build_meta.build_editable({str(wheels)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=copy, capture_output=True, check=True)
    (wheel,) = wheels.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        (pth,) = (name for name in archive.namelist() if ".dist-info/" not in name)
        assert Path(pth).suffix == ".pth"
        assert archive.read(pth).decode().split() == [str(copy)]


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
    refused(lambda: needed("Mine", "half_installed", "half-installed"), f"ImportError: {told}")
    for package in ("torch", "kan"):
        monkeypatch.delitem(sys.modules, package, raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    told = re.escape("Mine needs torch: pip install 'refkan[backends]', or torch alone (import of torch")
    refused(lambda: needed("Mine", "torch", "torch"), f"ImportError: {told}")
    (tmp_path / "kan.py").write_text("import no_such_package\n")
    told = re.escape("which kan imports and which is not installed: pip install 'refkan[backends]'")
    refused(lambda: needed("Pykan", "kan", "pykan==0.2.8"), f"ImportError: {told}")
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


KILLED = """
import os, signal, sys
from pathlib import Path
from refkan.base import atomic_files
atomic_files.os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)
atomic_files.write_atomically(Path(sys.argv[1]) / "result.json", b"half")
"""


def killed_writer(folder):
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder)], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False
    )
    assert run.returncode < 0
    (left,) = folder.glob(".result.json.*.tmp")
    os.utime(left, (0, 0))
    return left


def test_what_killed_writers_left_is_swept_at_the_next_start(tmp_path):
    left = killed_writer(tmp_path)
    others = [tmp_path / name for name in ("a.tmp", ".a.tmp", ".a.b.tmp", ".a.XYZ.tmp", "result.json")]
    for other in others:
        other.write_text("mine")
    Checkpoints(tmp_path)
    assert not left.exists()
    assert all(other.exists() for other in others)
    left = killed_writer(tmp_path)
    module.sweep(tmp_path, "other.json")
    assert left.exists()
    module.sweep(tmp_path, "result.json")
    assert not left.exists()


def test_many_writers_and_sweeps_at_once(tmp_path):
    def write(k):
        for i in range(50):
            write_atomically(tmp_path / f"{k}", bytes([i]) * 100)

    def clean(k):
        for _ in range(100):
            module.sweep(tmp_path)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda k: (clean if k % 3 == 0 else write)(k), range(6)))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1", "2", "4", "5"]
    assert all(p.read_bytes() == bytes([49]) * 100 for p in tmp_path.iterdir())


def test_only_old_files_are_swept(tmp_path):
    write_atomically(tmp_path / "file", b"content")
    young, old = tmp_path / ".a.0123456789ab.tmp", tmp_path / ".b.0123456789ab.tmp"
    for path in (young, old):
        path.write_text("half")
    os.utime(old, (0, 0))
    module.sweep(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [young.name, "file"]
