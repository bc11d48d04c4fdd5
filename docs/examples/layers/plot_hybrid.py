"""
A spline inside a model of PyTorch
==================================

A pendulum swings under gravity, which is known but for a factor, and friction, of which nothing is known: its angle
obeys q'' = -g sin q - f(q'). Gravity and the integrator are PyTorch's; f is a network of refkan, a module like any
other. Both are trained through four steps of the midpoint rule, on noisy states alone.
"""

import numpy as np
import torch
from matplotlib.figure import Figure

import refkan as rk

torch.set_default_dtype(torch.float64)


def course(state, g, friction, h=0.1):
    """States (q, v) after one to four steps."""

    def slope(state):
        q, v = state[:, :1], state[:, 1:]
        return torch.cat([v, -g * torch.sin(q) - friction(v)], dim=1)

    states = [state]
    for _ in range(4):
        states.append(states[-1] + h * slope(states[-1] + h / 2 * slope(states[-1])))
    return torch.stack(states[1:])


def true_friction(v):
    """A part that is linear, and one that sets in above a speed of 1."""
    return 0.2 * v + 0.5 * torch.sign(v) * torch.relu(torch.abs(v) - 1)


torch.manual_seed(0)
starts = torch.rand(200, 2) * torch.tensor([2 * np.pi, 6.0]) - torch.tensor([np.pi, 3.0])
seen = course(starts, 1.7, true_friction)
seen = seen + 1e-3 * torch.randn_like(seen)

net = rk.kan([1, 1], order=2, intervals=16, domain=(-4.0, 4.0))
friction = rk.interop.as_torch(net, np.zeros(net.n_params))
g = torch.nn.Parameter(torch.ones(()))
optimizer = torch.optim.LBFGS([g, *friction.parameters()], max_iter=60, line_search_fn="strong_wolfe")


def loss():
    """Mean of squares, with its gradient in g and in the parameters of the network."""
    optimizer.zero_grad()
    value = torch.mean((course(starts, g, friction) - seen) ** 2)
    value.backward()
    return value


optimizer.step(loss)
v = torch.linspace(-3, 3, 301)[:, None]
error = (friction(v) - true_friction(v)).abs().max().item()
print(f"g = {g.item():.4f} (true 1.7), friction off by {error:.3f} at most")

figure = Figure(figsize=(6, 3.5), layout="constrained")
axis = figure.add_subplot(xlabel="speed", ylabel="friction")
axis.plot(v, true_friction(v), color="0.8", linewidth=5, label="true")
axis.plot(v, net(friction.theta.detach().numpy(), v.numpy()), label="trained")
axis.legend()
