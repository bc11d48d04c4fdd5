"""The cache of compiled kernels on disk, and what happens where none can be written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings

import pytest

from refkan.kernels import compilation
from tests.kernels.kernel_results import ROOT, finish, other_process


def test_without_a_place_for_the_cache_one_warning_and_everything_works(tmp_path):
    """No NUMBA_CACHE_DIR that can be made, no home, and a file in place of __pycache__ beside the kernels."""
    shutil.copytree(ROOT / "refkan", tmp_path / "installed" / "refkan", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "installed" / "refkan" / "kernels" / "__pycache__").touch()
    code = (
        "import sys, warnings\n"
        "sys.path.insert(0, 'installed')\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    import refkan as rk\n"
        "assert 'installed' in rk.__file__, rk.__file__\n"
        "messages = [str(w.message) for w in caught if 'refkan' in str(w.message) or 'cache' in str(w.message)]\n"
        "assert len(messages) == 1, messages\n"
        "assert 'NUMBA_CACHE_DIR' in messages[0] and 'compiled anew' in messages[0], messages\n"
        "import numpy as np\n"
        "from refkan.kernels.relu_power_basis import falling_power\n"
        "assert falling_power(3.0, 2, 1) == 6.0 and falling_power.signatures\n"
    )
    nowhere = os.path.join(os.devnull, "nowhere")
    places = dict.fromkeys(("NUMBA_CACHE_DIR", "HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"), nowhere)
    finish(other_process(code, tmp_path, NUMBA_DISABLE_JIT="0", **places))


def test_only_a_missing_cache_is_forgiven(monkeypatch):
    def njit(cache=False, **options):
        if cache:
            raise RuntimeError(message)
        return lambda function: function

    monkeypatch.setattr(compilation.numba, "njit", njit)
    monkeypatch.setattr(compilation, "_warned", set())
    message = "cannot cache function 'f': no locator available for file 'f.py'"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            assert compilation.kernel(len) is len
    assert len(caught) == 1
    message = "something else"
    with pytest.raises(RuntimeError, match="something else"):
        compilation.kernel(len)


USE = (
    "import sys, warnings\n"
    "with warnings.catch_warnings(record=True) as caught:\n"
    "    warnings.simplefilter('always')\n"
    "    import numpy as np\n"
    "    from refkan.kernels.relu_power_basis import falling_power\n"
    "    assert falling_power(3.0, 2, 1) == 6.0\n"
    "print([str(w.message) for w in caught if 'compiled kernels' in str(w.message)])\n"
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder with the cache of that kernel, to be copied."""
    folder = tmp_path_factory.mktemp("kept")
    assert used(folder) == "[]\n"
    return folder


def used(tmp_path, code=USE):
    places = {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "NUMBA_DISABLE_JIT": "0", "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=os.environ | places, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.parametrize("damage", [b"", b"damaged"])
@pytest.mark.parametrize("kind", ["nbi", "nbc"])
def test_a_damaged_cache_is_told_of_once_and_mended(kept, tmp_path, kind, damage):
    """Every run ended in an UnpicklingError or EOFError that named no file."""
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    (path,) = (tmp_path / "cache").rglob(f"*falling_power*.{kind}")
    path.write_bytes(path.read_bytes()[:60] if damage == b"" else damage)
    told = used(tmp_path)
    assert "the cache of compiled kernels is damaged" in told
    assert f"delete the folder {path.parent}" in told
    assert used(tmp_path) == "[]\n"


def test_a_damaged_cache_that_cannot_be_written_says_which_folder_to_delete(kept, tmp_path):
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    (path,) = (tmp_path / "cache").rglob("*falling_power*.nbi")
    path.write_bytes(b"damaged")
    code = USE.replace(
        "    assert falling_power(3.0, 2, 1) == 6.0\n",
        (
            "    falling_power._cache.flush = lambda: (_ for _ in ()).throw(OSError('read-only'))\n"
            "    try:\n        falling_power(3.0, 2, 1)\n    except RuntimeError as error:\n        print(error)\n"
        ),
    )
    assert f"delete the folder {path.parent}, or set NUMBA_CACHE_DIR" in used(tmp_path, code)


def test_a_full_disk_does_not_stop_kernels(tmp_path):
    full = USE.replace(
        "    import numpy as np\n",
        (
            "    import numpy as np, errno\n"
            "    from numba.core.caching import IndexDataCacheFile\n"
            "    def full(*_): raise OSError(errno.ENOSPC, 'No space left on device')\n"
            "    IndexDataCacheFile.save = full\n"
        ),
    )
    assert "compiled kernels cannot be kept in" in (told := used(tmp_path, full))
    assert "No space left on device" in told
