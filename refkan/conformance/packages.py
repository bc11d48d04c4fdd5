"""Importing what an adapter needs, with messages that say what to install."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def needed(owner: str, module: str, install: str) -> Any:
    """Import a module for an adapter.

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
            text = f"{owner} needs {lacking}, which {package} imports and which is not installed: pip install {lacking}"
            raise ImportError(text) from error
        raise ImportError(f"{owner} needs {package}: pip install {install} ({error})") from error
    except ImportError as error:
        raise ImportError(f"{owner} needs {package}: pip install {install} ({error})") from error
