"""Models in files: state dicts as .npz or .pt, and networks that refkan saved."""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from refkan.base import FloatArray, check_annotated, located
from refkan.base.extras import needed
from refkan.interop.kan_edges import ConversionError
from refkan.interop.states import as_numpy, from_state
from refkan.networks.archives import MANIFEST, load
from refkan.networks.network import Network

TORCH = (".pt", ".pth")

RATIO, SMALL = 100, 2**24
"""How many times its own size a file may unpack to, and what any file may: weights compress to no less than a tenth."""


def state_in(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The arrays of a state dict in a file by name.

    Raises
    ------
    ConversionError
        If the file is neither an .npz of arrays nor a state dict of PyTorch.
    ImportError
        For a .pt without PyTorch; the message says how to install it, or how to do without.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    if path.suffix in TORCH:
        return _of_torch(path)
    _members(path)
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError:
        raise
    except Exception as error:  # of zipfile, zlib or numpy, whatever the damage is
        raise ConversionError(f"{path} is not an .npz of plain arrays ({error})") from error


def _members(path: Path) -> list[str]:
    """Return the names of what an .npz or .pt holds, unless it would unpack to very much more than it takes."""
    if path.suffix not in (".npz", *TORCH):
        raise ConversionError(f"{path}: must end in .npz, .pt or .pth; got {path.suffix!r}")
    size = path.stat().st_size
    if not path.is_file():  # a pipe would be waited for
        raise ConversionError(f"{path} is not a regular file")
    if path.suffix in TORCH and not zipfile.is_zipfile(path):  # of early versions
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except OSError:
        raise
    except Exception as error:
        raise ConversionError(f"{path} is not an .npz of plain arrays ({error})") from error
    declared = sum(member.file_size for member in members)  # zipfile unpacks no more than that
    if declared > max(SMALL, RATIO * size):
        raise ConversionError(f"{path} has {size} bytes that would unpack to {declared}: save it without compression")
    return [member.filename for member in members]


def _of_torch(path: Path) -> dict[str, Any]:
    remedy = "an .npz made by numpy.savez(file, **refkan.interop.state_of(model)) needs none"
    torch = needed(f"{path.name} ({remedy})", "torch", "torch")
    _members(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # of pickle or zipfile
        raise ConversionError(f"{path} is not a state dict of PyTorch: save model.state_dict() ({error})") from error
    if not isinstance(state, dict) or not all(hasattr(value, "detach") for value in state.values()):
        raise ConversionError(f"{path} holds a {type(state).__name__}; save model.state_dict()")
    with located(str(path), ConversionError):
        return {name: as_numpy(name, value) for name, value in state.items()}


def read_model(path: str | os.PathLike[str]) -> tuple[Network, FloatArray]:
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
    ...     net, theta = interop.read_model(Path(folder) / "model.npz")
    >>> net
    Network([1, 1]: SiLU + order 4 on 5 intervals (spline); 10 parameters)
    """
    check_annotated(read_model, locals())
    path = Path(path)
    if is_network(path):
        return load(path)
    state = state_in(path)
    with located(str(path), ConversionError):
        return from_state(state)


def is_network(path: Path) -> bool:
    """Whether refkan wrote the file."""
    return path.suffix == ".npz" and f"{MANIFEST}.npy" in _members(path)
