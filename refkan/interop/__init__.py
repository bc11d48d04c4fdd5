r"""Trained models of other libraries as refkan networks of the same function, and back.

`from_pykan`, `from_efficient_kan` and `from_jaxkan` return ``(net, theta)``; `to_pykan`, `to_efficient_kan` and
`to_jaxkan` write parameters back into a model. `refined` puts a model on finer grids without changing it anywhere.
`read_model` takes files: the arrays of a state dict as `.npz`, or a `.pt` of PyTorch. `export_c` writes a network as a
function in C, with a proven bound of its errors. No library is imported before a
model of it is handed in; files in `.npz` need none.
"""

from refkan.interop.c_code.c_export import export_c
from refkan.interop.jax_functions import as_jax
from refkan.interop.kan_edges import ConversionError, refined
from refkan.interop.model_files import read_model
from refkan.interop.models import (
    from_efficient_kan,
    from_jaxkan,
    from_pykan,
    state_of,
    to_efficient_kan,
    to_jaxkan,
    to_pykan,
)
from refkan.interop.states import from_state, to_state
from refkan.interop.torch_modules import as_torch

__all__ = [
    "ConversionError",
    "as_jax",
    "as_torch",
    "export_c",
    "from_efficient_kan",
    "from_jaxkan",
    "from_pykan",
    "from_state",
    "read_model",
    "refined",
    "state_of",
    "to_efficient_kan",
    "to_jaxkan",
    "to_pykan",
    "to_state",
]
