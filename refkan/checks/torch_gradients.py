"""Gradients of PyTorch modules by autograd, compared in float64 with derivatives of the values alone."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from refkan.base import FloatArray, Frozen, RandomSource, as_generator, check_count
from refkan.base.extras import needed
from refkan.checks.differences import complex_step, imaginary_step, why_no_complex_step
from refkan.checks.reports import Report, format_table, verdict

HALVINGS = 14
"""Steps of the central differences: h/2^k, from h = max(1, |theta|)/128."""

EPS = float(np.finfo(np.float64).eps)


class TorchEntry(Frozen, eq=True):
    """One entry of a gradient: the derivative by `autograd`, and the `reference` with its `uncertainty`.

    `ulps` is their difference in units of the last place of the larger one. At a kink the derivatives from the left and
    from the right are `sides`, and the reference is the nearest number between them.

    Examples
    --------
    >>> entry = TorchEntry("weight", (0, 1), 2.0, 1.0, 1e-16, None, False)
    >>> entry.ulps, entry.ok
    (2251799813685248.0, False)
    """

    name: str
    index: tuple[int, ...]
    autograd: float
    reference: float
    uncertainty: float
    sides: tuple[float, float] | None
    ok: bool

    @property
    def ulps(self) -> float:
        """The difference in units of the last place of the larger of both."""
        return float(abs(self.autograd - self.reference) / np.spacing(max(abs(self.autograd), abs(self.reference))))


class TorchReport(Report):
    """The outcome of `torch_gradient`: all entries, those that are wrong, and those at kinks.

    Examples
    --------
    >>> import pytest, refkan as rk
    >>> torch = pytest.importorskip("torch")
    >>> report = rk.checks.torch_gradient(torch.nn.ReLU(), torch.tensor([[1.0, 0.0]]))
    >>> report.ok, [(entry.name, entry.index) for entry in report.kinks]
    (True, [('x', (0, 1))])
    """

    method: str
    entries: tuple[TorchEntry, ...]
    failures: tuple[TorchEntry, ...]
    kinks: tuple[TorchEntry, ...]


def torch_gradient(module: Any, x: Any, *, entries: int = 32, rng: RandomSource = 0) -> TorchReport:
    """Compare gradients of a PyTorch module in its input and its parameters with derivatives of its values.

    A copy of the module in float64 computes y = module(x). The gradient of ``f = sum_k v_k y_k``, with normal v, is
    taken by autograd, and by the complex step if the module accepts complex numbers and keeps their imaginary parts.
    Otherwise, central differences with steps h/2^k are extrapolated to zero (Richardson). An entry is wrong if ::

        |autograd - reference| > 512 eps max(|autograd|, |reference|, eps^(1/3) s) + 10 uncertainty,

    with s the largest entry of the tensor's gradient, and the uncertainty the difference of the last extrapolations, or
    rounding. If slopes from the left and from the right tend to different limits, the entry is at a kink, and autograd
    may return any number between them.

    Parameters
    ----------
    module : torch.nn.Module
        Of one input; it must return one real tensor, the same in repeated calls.
    x : tensor or array_like
        The input.
    entries : int
        Entries of each tensor that are compared; all entries of smaller tensors, else a random choice.
    rng : numpy.random.Generator or seed
        Draws v and the entries.

    Returns
    -------
    TorchReport

    Raises
    ------
    ImportError
        If PyTorch is not installed.
    TypeError, ValueError
        If the module is no module, or does not return a finite float64 tensor, or not the same tensor twice.

    Examples
    --------
    >>> import pytest, refkan as rk
    >>> torch = pytest.importorskip("torch")
    >>> class Square(torch.autograd.Function):
    ...     forward = staticmethod(lambda ctx, x: (ctx.save_for_backward(x), x * x)[1])
    ...     backward = staticmethod(lambda ctx, dy: dy * ctx.saved_tensors[0])      # 2 is missing
    >>> class Module(torch.nn.Module):
    ...     def forward(self, x):
    ...         return Square.apply(x)
    >>> report = rk.checks.torch_gradient(Module(), torch.tensor([3.0]))
    >>> entry = report.failures[0]
    >>> f"{entry.autograd / entry.reference:.6f}"
    '0.500000'
    """
    torch = needed("torch_gradient", "torch")
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"module must be a torch.nn.Module; got {type(module).__name__}: wrap a function in a module")
    count = check_count("entries", entries, minimum=1)
    generator = as_generator("rng", rng)
    module = copy.deepcopy(module).double()
    tensors = {"x": torch.as_tensor(x).detach().to(torch.float64)}
    tensors |= {name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad}

    def output(values: dict[str, Any]) -> Any:
        parameters = {name: value for name, value in values.items() if name != "x"}
        return torch.func.functional_call(module, parameters, (values["x"],))

    with torch.no_grad():
        y, again = output(tensors), output(tensors)
    _check_output(torch, y, again)
    v = torch.as_tensor(generator.standard_normal(tuple(y.shape)))
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in tensors.items()}
    gradients = torch.autograd.grad((v * output(leaves)).sum(), list(leaves.values()), allow_unused=True)

    done: list[TorchEntry] = []
    methods = set()
    for (name, tensor), gradient in zip(tensors.items(), gradients, strict=True):
        size = tensor.numel()
        chosen = np.sort(generator.permutation(size)[:count])
        computed = np.zeros(size)
        if gradient is not None:
            computed = gradient.numpy().ravel()

        def value(theta: Any, name: str = name, tensor: Any = tensor, chosen: Any = chosen) -> Any:
            point = torch.as_tensor(theta)
            values = {key: other.to(point.dtype) for key, other in tensors.items()}
            flat = values[name].ravel().clone()
            flat[torch.as_tensor(chosen)] = point
            with torch.no_grad():
                terms = v * output({**values, name: flat.reshape(tensor.shape)})
            return terms.sum().numpy()

        rounding = EPS * float((v * y).abs().sum())
        theta = tensor.numpy().ravel()[chosen].copy()
        method, references = _derivatives(value, theta, rounding)
        methods.add(method)
        largest = float(np.abs(computed).max(initial=0.0))
        for k, reference in enumerate(references):
            index = tuple(int(i) for i in np.unravel_index(chosen[k], tuple(tensor.shape)))
            done.append(_entry(name, index, float(computed[chosen[k]]), *reference, largest))
    return _report(" and ".join(sorted(methods)), done)


def _check_output(torch: Any, y: Any, again: Any) -> None:
    if not isinstance(y, torch.Tensor):
        raise TypeError(f"module must return one tensor; got {type(y).__name__}: wrap it in a module that selects one")
    if y.dtype != torch.float64:
        raise TypeError(f"module must compute in float64 after module.double(); got {y.dtype}: remove fixed dtypes")
    if not bool(torch.isfinite(y).all()):
        raise ValueError("module must return finite numbers at x; got nan or inf: take another x")
    if not torch.equal(y, again):
        raise ValueError("module must return the same in repeated calls; got two results: call module.eval()")


Reference = tuple[float, float, tuple[float, float] | None]


def _derivatives(value: Callable[[FloatArray], Any], theta: FloatArray, rounding: float) -> tuple[str, list[Reference]]:
    """Return the method, and for each entry of theta the derivative, its uncertainty, and its sides at a kink."""
    centre = value(theta)
    if theta.size and why_no_complex_step(value, theta, centre) is None:
        exact = complex_step(value, theta, (), imaginary_step(theta.dtype)).ravel()
        # A complex step is as accurate as one evaluation; branches (max, where) follow the real parts.
        return "complex step", [(float(d), rounding, None) for d in exact]
    return "extrapolated central differences", [_extrapolated(value, theta, i, rounding) for i in range(theta.size)]


def _extrapolated(value: Callable[[FloatArray], Any], theta: FloatArray, i: int, rounding: float) -> Reference:
    """Return the derivative in theta_i by Richardson extrapolation, with the least estimate of its error."""
    centre, size = float(value(theta)), max(1.0, abs(float(theta[i])))
    slopes, row = [], np.zeros(0)
    best: tuple[float, float] = (np.inf, np.nan)
    for k in range(HALVINGS):
        right, left = theta.copy(), theta.copy()
        right[i] += size * 2.0 ** -(7 + k)
        left[i] -= size * 2.0 ** -(7 + k)
        h = right[i] - theta[i]
        slopes.append(((value(right) - centre) / h, (centre - value(left)) / h))
        new = [0.5 * sum(slopes[-1])]
        for m, older in enumerate(row[:4]):
            new.append(new[-1] + (new[-1] - older) / (4.0 ** (m + 1) - 1.0))
        if k > 1:
            error = max(abs(new[-1] - row[-1]), abs(new[-1] - new[-2])) + 4.0 * rounding / h
            best = min(best, (float(error), float(new[-1])))
        row = np.array(new)
    # The difference of the slopes halves with h where the value is smooth, and tends to a constant at a kink.
    noise = 64.0 * rounding / (size * 2.0 ** -(7 + HALVINGS))
    jumps = np.array([right - left for right, left in slopes[-6:]])
    if (np.abs(jumps) > noise).all() and (np.abs(jumps[1:]) > 0.8 * np.abs(jumps[:-1])).all():
        (r1, l1), (r2, l2) = slopes[-2:]
        return float(r2), float(noise + abs(r2 - r1) + abs(l2 - l1)), (float(2 * l2 - l1), float(2 * r2 - r1))
    return best[1], best[0], None


def _entry(
    name: str,
    index: tuple[int, ...],
    computed: float,
    reference: float,
    uncertainty: float,
    sides: tuple[float, float] | None,
    largest: float,
) -> TorchEntry:
    if sides is not None:
        reference = float(np.clip(computed, min(sides), max(sides)))
    scale = max(abs(computed), abs(reference), np.cbrt(EPS) * largest)
    ok = abs(computed - reference) <= 512 * EPS * scale + 10.0 * uncertainty
    return TorchEntry(name, index, computed, reference, uncertainty, sides, bool(ok))


def _report(method: str, entries: list[TorchEntry]) -> TorchReport:
    failures = tuple(sorted((e for e in entries if not e.ok), key=lambda e: -abs(e.autograd - e.reference)))
    kinks = tuple(entry for entry in entries if entry.sides is not None)
    head = f"torch gradient {verdict(not failures)}: {len(failures)} of {len(entries)} entries wrong, by {method}"
    shown = list(dict.fromkeys([*failures[:10], *kinks[:10]]))
    if not shown:
        shown = [max(entries, key=lambda e: abs(e.autograd - e.reference))]
    rows = []
    for e in shown:
        remark = ""
        if e.sides is not None:
            remark = f"kink: {e.sides[0]:.6g} from the left, {e.sides[1]:.6g} from the right"
        place = f"{e.name}{list(e.index)}"
        rows.append(
            [place, f"{e.autograd:.12g}", f"{e.reference:.12g}", f"{e.ulps:.3g}", f"{e.uncertainty:.1e}", remark]
        )
    table = format_table(["entry", "autograd", "reference", "ulps", "uncertainty", "remark"], rows)
    return TorchReport(not failures, f"{head}\n{table}", method, tuple(entries), failures, kinks)
