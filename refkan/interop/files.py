"""Models in files: state dicts as .npz or .pt, and networks that refkan saved."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from refkan.array_types import FloatArray
from refkan.extras import needed
from refkan.interop.edges import ConversionError
from refkan.interop.states import from_state
from refkan.networks.archives import MANIFEST, load
from refkan.networks.network import Network

TORCH = (".pt", ".pth")


def state_in(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The arrays of a state dict in a file by name.

    Raises
    ------
    ConversionError
        If the file is no .npz of arrays, or no state dict of PyTorch.
    ImportError
        For a .pt without PyTorch; the message says how to install it, or how to do without.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    if path.suffix in TORCH:
        return _of_torch(path)
    if path.suffix != ".npz":
        raise ConversionError(f"{path}: must end in .npz, .pt or .pth; got {path.suffix!r}")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError:
        raise
    except Exception as error:  # of zipfile, zlib or numpy, whatever the damage is
        raise ConversionError(f"{path} is not an .npz of plain arrays ({error})") from error


def _of_torch(path: Path) -> dict[str, Any]:
    torch = needed(f"{path.name} (an .npz made by numpy.savez(file, **refkan.interop.state_of(model)) needs none)",
                   "torch", "torch")  # fmt: skip
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # of pickle or zipfile
        raise ConversionError(f"{path} is not a state dict of PyTorch: save model.state_dict() ({error})") from error
    if not isinstance(found, dict) or not all(hasattr(value, "detach") for value in found.values()):
        raise ConversionError(f"{path} holds a {type(found).__name__}; save model.state_dict()")
    return {name: value.detach().cpu().numpy() for name, value in found.items()}


def read(path: str | os.PathLike[str]) -> tuple[Network, FloatArray]:
    """Return network and parameters of a file: one that `refkan.save` wrote, or a state dict.

    A state dict does not say what the base function of its model is: SiLU is assumed, as in `from_state`.

    Raises
    ------
    ConversionError, ImportError, OSError
        As `state_in` and `from_state`.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from pathlib import Path
    >>> from refkan import interop
    >>> state = {"layers.0.grid": np.linspace(-2.2, 2.2, 12)[None], "layers.0.spline_weight": np.zeros((1, 1, 8))}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(Path(folder) / "model.npz", **state)
    ...     net, theta = interop.read(Path(folder) / "model.npz")
    >>> net
    Network([1, 1]: SiLU + order 4 on 5 intervals (spline); 10 parameters)
    """
    if Path(path).suffix == ".npz" and is_network(path):
        return load(path)
    return from_state(state_in(path))


def is_network(path: str | os.PathLike[str]) -> bool:
    """Whether refkan wrote the .npz."""
    return MANIFEST in state_in(path)
