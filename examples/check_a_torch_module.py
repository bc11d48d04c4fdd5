"""I wrote an autograd function in PyTorch: are its gradients right?"""

import torch

import refkan as rk


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return dy * (s + x * s)  # the factor 1 - s is missing


class Module(torch.nn.Module):
    def forward(self, x):
        return Swish.apply(torch.relu(x))


print(rk.checks.torch_gradient(Module(), torch.tensor([[1.5, -0.5, 0.0]])))
