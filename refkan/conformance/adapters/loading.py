"""Finding an adapter by its name, with messages that say what to do when it cannot be had."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

from refkan.base.extras import how_to_install
from refkan.base.source_files import new_module, run
from refkan.conformance.adapters.adapter import Adapter, Capabilities
from refkan.conformance.adapters.answers import describe


class BackendError(ValueError):
    """A backend cannot be loaded; the message says what to do."""


def load(name: str, arguments: Sequence[str] = ()) -> Adapter:
    """Import `package.module:Adapter` or `folder/file.py:Adapter` and make the adapter, with strings as its arguments.

    Raises
    ------
    BackendError
        On a name of another form, a module, file or package that is missing, or what is no adapter.

    Examples
    --------
    >>> load("refkan.conformance.adapters.backends:Refkan").title
    'refkan'
    """
    module_name, colon, attribute = name.rpartition(":")
    if not (colon and module_name and attribute):
        text = f"a backend must be named package.module:Adapter or file.py:Adapter; got {name!r}"
        raise BackendError(f"{text}: add :Adapter, the name of the class in it" if name.endswith(".py") else text)
    with _told(f"importing {module_name}"):
        try:
            module = _from_file(Path(module_name)) if module_name.endswith(".py") else _from_path(module_name)
        except ModuleNotFoundError as error:
            raise BackendError(_missing(error.name or module_name, module_name)) from error
    member = getattr(module, attribute, None)
    if member is None:
        classes = {key: value for key, value in vars(module).items() if isinstance(value, type)}
        known = [key for key, value in classes.items() if issubclass(value, Adapter) and value is not Adapter]
        raise BackendError(f"{module_name} has no {attribute!r}; adapters in it: {', '.join(known) or 'none'}")
    with _told(f"{attribute}({', '.join(map(repr, arguments))})"):
        try:
            adapter = member(*arguments) if callable(member) and not isinstance(member, Adapter) else member
        except ImportError as error:
            raise BackendError(str(error)) from error
    if not isinstance(adapter, Adapter):
        raise BackendError(f"{name} must be a subclass of refkan.conformance.Adapter; got {type(adapter).__name__}")
    if not isinstance(adapter.capabilities, Capabilities):
        came = type(adapter.capabilities).__name__
        raise BackendError(f"capabilities of {name} must be a refkan.conformance.Capabilities; got {came}")
    with _told(f"the name of {name}"):
        len(adapter.title)
    return adapter


@contextmanager
def _told(code: str) -> Iterator[None]:
    """Make what the backend's own code raises an error that says which code that was."""
    try:
        yield
    except (BackendError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise BackendError(f"{code} raised {describe(error)}") from error


def _missing(module: str, asked: str) -> str:
    """What to do about a module that is missing when another one is imported."""
    if module == asked or asked.startswith(module + "."):
        return f"no module {module!r}: run in the folder that holds it, or set PYTHONPATH"
    package = module.partition(".")[0]
    return f"{asked} needs the package {package!r}, which is not installed: {how_to_install(package, package)}"


def _from_path(name: str) -> ModuleType:
    """Import a module; those in the folder at hand are found."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    return import_module(name)


def _from_file(file: Path) -> ModuleType:
    """Import a file as a module of its name; modules beside it are found."""
    if not file.is_file():
        reason = "a folder, not a file" if file.is_dir() else "no such file"
        raise BackendError(f"{file}: {reason}; give the path of a file that holds the adapter")
    file = file.resolve()
    loaded = sys.modules.get(file.stem)
    if loaded is not None and getattr(loaded, "__file__", None) == str(file):
        return loaded
    if loaded is not None:
        raise BackendError(f"{file.name}: a module {file.stem!r} is loaded already from elsewhere; rename the file")
    sys.path.insert(0, str(file.parent))
    module = new_module(file.stem, file)
    sys.modules[file.stem] = module  # for classes that look themselves up, as dataclasses do
    try:
        run(module)
    except BaseException:
        del sys.modules[file.stem]
        raise
    return module
