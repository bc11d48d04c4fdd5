"""Editable installations: an entry of the path, which a folder of the same name does not hide."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import refkan as rk

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
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    build = f"from setuptools import build_meta; build_meta.build_editable({str(wheels)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=copy, capture_output=True, check=True)
    (wheel,) = wheels.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        (pth,) = (name for name in archive.namelist() if ".dist-info/" not in name)
        assert Path(pth).suffix == ".pth"
        assert archive.read(pth).decode().split() == [str(copy)]
