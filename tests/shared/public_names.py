"""What refkan offers: its public modules, their names, and the functions, classes and methods that can be called."""

import importlib
import inspect
import pkgutil
from types import FunctionType, ModuleType

import refkan as rk


def names_of(module):
    """Public names of a module: those it says, or the functions and classes that it defines."""
    defined = [name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
    return getattr(module, "__all__", None) or [name for name in defined if not name.startswith("_")]


def public_modules():
    """refkan, the modules that it and they offer by name, and every subpackage that says what it offers."""
    # What refkan.commands offers are parsers for refkan.cli; what they parse is told by --help. The truth and the judge
    # offer all that is public in their own name.
    folders = (
        name
        for _, name, is_folder in pkgutil.walk_packages(rk.__path__, "refkan.")
        if is_folder and not name.startswith(("refkan.commands", "refkan.truth.", "refkan.conformance."))
    )
    subpackages = [importlib.import_module(name) for name in folders]
    waiting, found = [rk, *(module for module in subpackages if hasattr(module, "__all__"))], {}
    while waiting:
        module = waiting.pop()
        if module.__name__ not in found:
            found[module.__name__] = module
            waiting += [value for name in names_of(module) if isinstance(value := getattr(module, name), ModuleType)]
    return found


def public_callables():
    """Functions and classes, and methods of classes, by the name of the module that defines them; each one once."""
    calls = {}
    for module in public_modules().values():
        for name in names_of(module):
            value = getattr(module, name)
            if isinstance(value, FunctionType):
                calls[f"{module.__name__}.{name}"] = value
            elif inspect.isclass(value) and not issubclass(value, Exception):
                calls.setdefault(f"{value.__module__}.{value.__qualname__}", value)
                for key, member in methods_of(value):
                    calls.setdefault(f"{member.__module__}.{member.__qualname__}", getattr(value, key))
    functions, seen = {}, set()
    for key, value in calls.items():  # a function that several modules offer is one call
        if not (isinstance(value, FunctionType) and (value.__module__, value.__qualname__) in seen):
            functions[key] = value
        if isinstance(value, FunctionType):
            seen.add((value.__module__, value.__qualname__))
    return functions


def methods_of(cls):
    """Public methods that the library defines, with the keys under which a class has them; `__call__` among them."""
    for key in dir(cls):
        member = inspect.getattr_static(cls, key)
        member = getattr(member, "__func__", member)
        own = isinstance(member, FunctionType) and member.__module__.startswith("refkan.")
        if own and (not key.startswith("_") or key == "__call__"):
            yield key, member
