"""What is wrong for a parameter: by what a valid value of it is, or by its annotation where the default is None."""

import numpy as np


class GradientTensor:
    """What a tensor of torch that requires a gradient says to NumPy."""

    shape, ndim, requires_grad = (2,), 1, True

    def __array__(self, *args, **kwargs):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")


NAN, INF = float("nan"), float("inf")
ANYTHING = {"object": object(), "set": {1.5}, "text": "x;y"}
SCALARS = {
    "none": None,
    **ANYTHING,
    "bool": True,
    "list": [1, "x"],
    "complex": 1j,
    "tensor": GradientTensor(),
    "nan": NAN,
}
ARRAYS = {
    "none": None, **ANYTHING, "nan": NAN, "ragged": [[1.0, 2.0], [3.0]], "4-d": np.ones((1, 1, 1, 1, 7)),
    "masked": np.ma.masked_less([1.0, -1.0], 0), "tensor": GradientTensor(), "huge": [10**400],
}  # fmt: skip
WRONG = {
    "flag": {"none": None, **ANYTHING, "number": 2.5, "array": np.ones((2, 2, 2), bool)},
    "count": {**SCALARS, "zero": 0, "real": 2.5, "infinite": INF, "negative": -7, "array": np.ones((2, 2, 2)),
              "real 0-d": np.array(2.5)},
    "number": {**SCALARS, "array": np.ones(3), "masked": np.ma.masked_less([-1.0], 0)},
    "name": {"none": None, "object": object(), "set": {1.5}, "number": 3, "list": ["x"], "unknown": "no such name"},
    "array": ARRAYS,
    "sequence": {"none": None, **ANYTHING, "number": 3, "0-d": np.array(3.0), "others": [object()],
                 "tensor": GradientTensor()},
    "mapping": {"none": None, **ANYTHING, "number": 3},
    "function": {"none": None, "text": "x;y", "number": 3, "list": [1]},
    "generator": {"none": None, "text": "x;y", "real": 2.5, "bool": True, "negative": -1, "module": np.random,
                  "object": object()},
    "object": {"none": None, **ANYTHING, "number": 3, "array": np.ones(3)},
}  # fmt: skip
"""By kind of parameter."""


def spoilt_arrays(value):
    """A valid array that is complex, holds one NaN, has fewer dimensions, or one entry more or less along an axis."""
    array = np.array(value, float)
    if array.size:
        nan = array.copy()
        nan.flat[-1] = NAN
        yield from {"complex": array + 0j, "nan in it": nan, "0-d": array.flat[0]}.items()
        if array.ndim > 1:
            yield "flat", array.ravel()
        for axis in range(array.ndim):
            yield f"longer {axis}", np.concatenate([array, np.take(array, [-1], axis)], axis)
            yield f"shorter {axis}", np.delete(array, -1, axis)


def kind_of(value, annotation):
    """The kind of a valid value, or of an annotation where the value is None; None if nothing is known."""
    if value is None:
        known = (("bool", "flag"), ("int", "count"), ("float", "number"), ("str", "name"), ("Callable", "function"),
                 ("RandomSource", "generator"), ("Generator", "generator"), ("Callback", "function"),
                 ("npt.ArrayLike", "array"), ("array", "array"), ("_", "array"),
                 ("FloatArray", "array"), ("Natural", "count"), ("Positive", "number"), ("NonNegative", "number"),
                 ("Share", "number"), ("BelowOne", "number"),
                 ("Array", "array"), ("Mapping", "mapping"), ("Sequence", "sequence"), ("Iterable", "sequence"),
                 ("tuple", "sequence"))  # fmt: skip
        plain = annotation.replace(" | None", "").strip("'").removeprefix("Union[").removeprefix("Optional[")
        return next((kind for text, kind in known if plain.startswith(text)), "object")
    if isinstance(value, bool | np.bool_):
        return "flag"
    if isinstance(value, int) and "float" not in annotation:
        return "count"
    if isinstance(value, int | float | np.floating):
        return "number"
    if isinstance(value, str):
        return "name"
    if isinstance(value, np.random.Generator):
        return "generator"
    if isinstance(value, dict):
        return "mapping"
    if isinstance(value, np.ndarray):
        return "array"
    if isinstance(value, list | tuple):
        try:
            return "array" if np.asarray(value).dtype.kind == "f" else "sequence"
        except ValueError:
            return "sequence"
    if callable(value) and not hasattr(value, "__dataclass_fields__"):
        return "function"
    return "object"
