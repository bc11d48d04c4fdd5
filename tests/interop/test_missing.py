"""Without the libraries: importing is light, and what is missing is said with what to do."""

import subprocess
import sys

import pytest

from refkan import interop
from refkan.interop import ConversionError


def test_importing_brings_no_library():
    code = "import sys, refkan.interop; print({'torch', 'jax', 'kan', 'jaxkan'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


@pytest.mark.parametrize("take", [interop.from_pykan, interop.from_jaxkan, interop.from_efficient_kan])
def test_what_is_no_model(take):
    with pytest.raises(ConversionError, match="not a model of"):
        take(3.0)
