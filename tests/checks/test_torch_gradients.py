"""Gradients of modules of PyTorch: right ones pass, wrong ones fail at their entries, kinks are named."""

import numpy as np
import pytest

from refkan.checks import torch_gradient
from tests.shared.refusals import refused
from tests.shared.tables import each_row

torch = pytest.importorskip("torch")


class Function(torch.nn.Module):
    """A module of a function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def custom(forward, backward):
    """A module of an own autograd function; backward gets x and dy."""

    class Own(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return forward(x)

        @staticmethod
        def backward(ctx, dy):
            return backward(ctx.saved_tensors[0], dy)

    return Function(Own.apply)


X = torch.tensor([[0.3, -1.2, 2.0], [0.7, 0.1, -0.4]])


def test_smooth_modules_pass_by_complex_steps():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2))
    report = torch_gradient(module, X)
    assert report.ok, report.table
    assert (report.method, report.kinks) == ("complex step", ())
    assert len(report.entries) == 6 + 15 + 5 + 10 + 2
    assert {entry.name for entry in report.entries} == {"x", "0.weight", "0.bias", "2.weight", "2.bias"}
    assert next(module.parameters()).dtype == torch.float32


def test_modules_without_complex_numbers_pass_by_differences():
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.GELU(), torch.nn.LayerNorm(4))
    report = torch_gradient(module, X)
    assert report.ok, report.table
    assert "extrapolated" in report.method
    assert max(entry.uncertainty for entry in report.entries) < 1e-9


RIGHT = {
    "sine": (torch.sin, lambda x, dy: dy * torch.cos(x)),
    "cube of the size": (lambda x: x.abs() ** 3, lambda x, dy: 3 * dy * x * x.abs()),
}
WRONG = {
    "sign": (torch.sin, lambda x, dy: -dy * torch.cos(x)),
    "factor": (torch.sin, lambda x, dy: (1 + 1e-9) * dy * torch.cos(x)),
    "transposed": (torch.sin, lambda x, dy: dy * torch.cos(x).flip(1)),
    "straight through": (torch.round, lambda x, dy: dy),
    "forgotten": (lambda x: x.abs() ** 3, lambda x, dy: torch.zeros_like(dy)),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_own_functions_pass(name):
    report = torch_gradient(custom(*RIGHT[name]), X)
    assert report.ok, report.table


@pytest.mark.parametrize("name", WRONG)
def test_sabotage_wrong_own_functions_fail(name):
    report = torch_gradient(custom(*WRONG[name]), X)
    wrong = [i for i in range(6) if name != "transposed" or i % 3 != 1]
    assert sorted(3 * i + j for i, j in (entry.index for entry in report.failures)) == wrong
    assert all(entry.ulps > 1e5 for entry in report.failures)
    refused(report.raise_if_failed, f"AssertionError: torch gradient FAILED: {len(wrong)} of 6")


def test_one_wrong_entry_is_named():
    def backward(x, dy):
        dx = dy * torch.cos(x)
        dx[1, 2] *= 1.001
        return dx

    report = torch_gradient(custom(torch.sin, backward), X)
    assert [(entry.name, entry.index) for entry in report.failures] == [("x", (1, 2))]
    assert "x[1, 2]" in report.table


def test_detached_parameters_fail():
    class Detached(torch.nn.Linear):
        def forward(self, x):
            return x @ self.weight.detach().T + self.bias

    report = torch_gradient(Detached(3, 2), X)
    assert {entry.name for entry in report.failures} == {"weight"}
    assert all(entry.autograd == 0.0 for entry in report.failures)


def test_kinks_are_named_and_any_slope_between_the_sides_is_right():
    x = torch.tensor([0.0, 1.0, -1e-3])
    report = torch_gradient(Function(torch.relu), x)
    assert report.ok, report.table
    (kink,) = report.kinks
    assert kink.index == (0,)
    assert sorted(np.abs(kink.sides))[0] < 1e-9
    assert "kink: " in report.table
    outside = torch_gradient(custom(torch.relu, lambda x, dy: 2.0 * dy), x)
    assert {entry.index for entry in outside.failures} == {(0,), (1,), (2,)}


@each_row(
    "module, message",
    (torch.sin, "TypeError: module must be a torch.nn.Module; got"),
    (Function(lambda x: (x, x)), "TypeError: module must return one tensor; got tuple"),
    (Function(lambda x: x.float()), "TypeError: module must compute in float64 after module.double"),
    (torch.nn.Dropout(), "module must return the same in repeated calls; got two results: call module.eval"),
    (Function(lambda x: x / 0.0), "module must return finite numbers at x; got nan or inf"),
)
def test_bad_modules_are_refused(module, message):
    refused(lambda: torch_gradient(module, torch.ones(50)), message)


def test_entries_of_large_tensors_are_drawn():
    report = torch_gradient(torch.nn.Linear(40, 40), torch.ones(1, 40), entries=5)
    assert len(report.entries) == 15
    refused(lambda: torch_gradient(torch.nn.Linear(2, 2), torch.ones(1, 2), entries=0), "entries must be at least 1")
