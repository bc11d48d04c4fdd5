"""Optional packages: the extras that install them, and imports whose errors name the extra."""

import platform
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from typing import Any

EXTRAS = {
    "python-flint": "exact", "flint": "exact", "rich": "cli", "dask": "cluster", "distributed": "cluster",
    "pytest": "test", "sklearn": "sklearn", "scikit-learn": "sklearn",
    "torch": "backends", "jax": "backends", "kan": "backends", "pykan": "backends", "jaxkan": "backends",
    "flashkan": "backends", "inkan": "backends", "KANditioned": "backends", "flax": "backends",
}  # fmt: skip
"""The extra of each package, by the name of the package or of its module."""


def how_to_install(package: str, alone: str = "") -> str:
    """Say how to install a package: with an extra of refkan if one brings it, or `alone`, by default under its name.

    Examples
    --------
    >>> how_to_install("jaxkan", "jaxkan==0.3.7")
    "pip install 'refkan[backends]', or jaxkan==0.3.7 alone"
    >>> how_to_install("my-layers")
    'pip install my-layers'
    """
    extra = EXTRAS.get(package)
    if extra is None:
        return f"pip install {alone or package}"
    text = f"pip install 'refkan[{extra}]'"
    if alone:
        text += f", or {alone} alone"
    return text


def needed(owner: str, module: str, alone: str = "") -> Any:
    """Import a module for something that needs it.

    Raises
    ------
    ImportError
        If the package is not installed, or lacks a package that it imports itself; the message says which.

    Examples
    --------
    >>> needed("Mine", "no_such_package.layers", "no-such-package==1.0")
    Traceback (most recent call last):
    ImportError: Mine needs no_such_package: pip install no-such-package==1.0 (No module named 'no_such_package')
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        lacking = (error.name or package).partition(".")[0]
        if lacking != package:
            text = f"{owner} needs {lacking}, which {package} imports and which is not installed"
            whole = lacking
            if package in EXTRAS and lacking not in EXTRAS:  # the extra brings what its packages import, too
                whole = package
            raise ImportError(f"{text}: {how_to_install(whole)}") from error
        raise ImportError(f"{owner} needs {package}: {how_to_install(package, alone)} ({error})") from error
    except ImportError as error:
        raise ImportError(f"{owner} needs {package}: {how_to_install(package, alone)} ({error})") from error


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of Python, and those of the packages that are installed."""
    from importlib.metadata import PackageNotFoundError, version  # reports alone take the time of importing it

    versions = {"python": platform.python_version()}
    for name in packages:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions
