"""Functions in C compiled and called, and networks in long doubles by the plain recursion."""

import ctypes
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from tests.interop.models import basis

TYPES = {"float64": (np.float64, "double"), "float32": (np.float32, "float")}
TYPES |= {"Q8.24": (np.int32, "int32_t"), "Q8.8": (np.int16, "int16_t")}

MANY = """#include "{path}"
void many(long n, const {word} *x, {word} *y, int *outside)
{{
    for (long i = 0; i < n; i++)
        outside[i] = {name}(x + i * {P}, y + i * {Q});
}}
"""


def digits_of(dtype):
    """Digits behind the point of a fixed point type; 0 of floats."""
    return int(dtype.split(".")[1]) if dtype[0] == "Q" else 0


def held(x, dtype):
    """Samples rounded to numbers of the type."""
    unit = 2.0 ** -digits_of(dtype)
    return np.round(x / unit) * unit if dtype[0] == "Q" else x.astype(TYPES[dtype][0]).astype(np.float64)


def compiled(path, dtype, widths, compiler="gcc", flags=("-O2",)):
    """The function in a file, of samples (N, P) -> values (N, Q) and how many inputs lie outside (N,)."""
    number, word = TYPES[dtype]
    folder, n = Path(tempfile.mkdtemp(dir=path.parent)), digits_of(dtype)
    source = MANY.format(path=path, name=path.stem, word=word, P=widths[0], Q=widths[1])
    (folder / "many.c").write_text(source)
    warnings = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror"]
    command = [compiler, *warnings, *flags, "-shared", "-fPIC", "-o", "many.so", "many.c"]
    subprocess.run(command, check=True, cwd=folder)
    library = ctypes.CDLL(str(folder / "many.so"))

    def call(x):
        inputs = np.ascontiguousarray(x * 2.0**n).astype(number)
        y, outside = np.empty((len(x), widths[1]), number), np.empty(len(x), np.int32)
        library.many(ctypes.c_long(len(x)), *(a.ctypes.data_as(ctypes.c_void_p) for a in (inputs, y, outside)))
        return y.astype(np.float64) / 2.0**n, outside

    return call


def long_values(net, theta, x):
    """B-splines with linear tails, SiLU and affine maps, in long doubles."""
    z = x.astype(np.longdouble)
    for k, (layer, blocks) in enumerate(zip(net.layers, net.unpack(theta), strict=True)):
        y = 0
        for p, space in enumerate(layer.spaces_at(theta[net.slices[k]])):
            t, r = space.knots.astype(np.longdouble), space.order
            C = blocks["coefficients"][:, p] * np.longdouble(1)
            C = C * blocks["w_s"][:, p, None] if "w_s" in blocks else C
            within = np.clip(z[:, p], t[r - 1], np.nextafter(t[-r], t[0]))
            slopes = basis(t[1:-1], r - 2, within) @ ((r - 1) * np.diff(C, axis=1) / (t[r:-1] - t[1:-r])).T
            y = y + basis(t, r - 1, within) @ C.T + (z[:, p] - within)[:, None] * slopes
            if "w_b" in blocks:
                y = y + blocks["w_b"][:, p] * (z[:, p] / (1 + np.exp(-z[:, p])))[:, None]
        if k < len(net.node_maps):
            form = net.node_maps[k].truth_form()
            y = y * np.array(form["scale"], np.longdouble) + np.array(form["shift"], np.longdouble)
        z = y
    return z
