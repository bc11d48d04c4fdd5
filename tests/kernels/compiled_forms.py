"""How often kernels were compiled in this process."""

import importlib
import pkgutil

import refkan.kernels


def signatures() -> dict[str, int]:
    """Return the number of compiled forms of each kernel that has any."""
    counts = {}
    for module in pkgutil.iter_modules(refkan.kernels.__path__):
        for name, value in vars(importlib.import_module(f"refkan.kernels.{module.name}")).items():
            if getattr(value, "signatures", None):
                counts[f"{module.name}.{name}"] = len(value.signatures)
    return counts
