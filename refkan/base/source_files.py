"""Run files of users as modules, always from their source, never from cached bytecode."""

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType


class _FromSource(SourceFileLoader):
    """Compiles the present source.

    Python considers a file unchanged if its size and the second of its modification are, so a one-digit edit within a
    second goes unnoticed: the old statement would be judged under the name of the new one.
    """

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self.get_data(self.path), self.path)


def new_module(name: str, file: Path) -> ModuleType:
    """Return a module for a file, not yet run."""
    spec = spec_from_file_location(name, file, loader=_FromSource(name, str(file)))
    assert spec is not None
    return module_from_spec(spec)


def run(module: ModuleType) -> None:
    """Run the source of a module that `new_module` made."""
    assert module.__spec__ is not None
    assert module.__spec__.loader is not None
    module.__spec__.loader.exec_module(module)
