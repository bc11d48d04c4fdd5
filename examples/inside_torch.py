"""My model is in PyTorch, and one part of it should be a spline network with exact derivatives."""

import numpy as np
import torch

import refkan as rk

net, theta = rk.kan([2, 3, 1], order=4, intervals=4).initialize(0, np.random.default_rng(0).uniform(size=(50, 2)))
part = rk.interop.as_torch(net, theta)
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Sigmoid(), part).double()
report = rk.checks.torch_gradient(model, torch.ones(4, 3, dtype=torch.float64))
print(f"{len(report.entries)} entries of gradients right: {report.ok}")
