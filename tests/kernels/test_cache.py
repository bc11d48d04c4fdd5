"""The cache of compiled kernels on disk, and what happens where none can be written."""

from __future__ import annotations

import os
import shutil
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
        "from refkan.kernels.plain_basis import find_interval\n"
        "assert find_interval(0.7, np.array([0.0, 0.5, 1.0]), 1, 2) == 1 and find_interval.signatures\n"
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
    monkeypatch.setattr(compilation, "_warned", False)
    message = "cannot cache function 'f': no locator available for file 'f.py'"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            assert compilation.kernel(len) is len
    assert len(caught) == 1
    message = "something else"
    with pytest.raises(RuntimeError, match="something else"):
        compilation.kernel(len)
