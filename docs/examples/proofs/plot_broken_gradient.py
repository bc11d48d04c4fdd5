"""
Find a wrong derivative
=======================

A Taylor test halves a step and looks at what a value, its gradient and its Hessian leave over: with right derivatives
the remainders fall at rates 1, 2 and 3. Here one term of a gradient has a wrong factor.
"""

import numpy as np

import refkan as rk

x = np.random.default_rng(0).uniform(size=(100, 2))
net, theta = rk.kan([2, 3, 1], order=4, intervals=4, node_map="mean-std").initialize(np.random.default_rng(1), x)
problem = rk.LeastSquares(net, x, rk.problems.regression_target(x))


def broken(theta):
    """The gradient with one entry in eighty-four off by a tenth."""
    return problem.gradient(theta) * np.where(np.arange(theta.size) == 30, 1.1, 1.0)


curves = {}
for name, gradient in (("right", problem.gradient), ("one entry off", broken)):
    report = rk.checks.taylor_check(problem.value, gradient, theta)
    print(f"{name}: rates {report.rates[0]:.2f} and {report.rates[1]:.2f}, passed: {report.ok}")
    curves[name] = report.steps[:12], report.remainders[1].values[:12]
print(rk.checks.gradient_check(problem.value, broken, theta).table)

figure = rk.plots.convergence(curves, xlabel="step", ylabel="remainder of first order")
