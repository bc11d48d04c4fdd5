"""The base for layers in PyTorch: where its tensors are and how they lie in memory; where PyTorch is installed."""

from __future__ import annotations

import numpy as np
import pytest

from refkan.conformance.backends import PlainTorch

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_tensors_are_made_on_the_device_of_the_adapter(device):
    """The device `meta`, which every PyTorch has, holds shapes alone."""

    class There(PlainTorch):
        pass

    There.device = device
    adapter = There()
    wide = np.zeros((10, 3))[::2, :2]
    wide[:] = np.arange(10.0).reshape(5, 2)
    made, strided = adapter.tensor(wide, "float32"), adapter.samples(wide)
    assert (made.device.type, made.dtype) == (device, torch.float32)
    assert (strided.device.type, strided.dtype, strided.stride()) == (device, torch.float64, (6, 1))
    if device == "cpu":
        assert np.array_equal(adapter.array(strided), wide)


def test_results_come_back_from_another_device():
    class Elsewhere:
        """What a tensor of a graphics card does when NumPy asks for it."""

        dtype = torch.float64

        def detach(self):
            return self

        def cpu(self):
            return torch.ones(2, dtype=torch.float64)

        def numpy(self):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")

    assert PlainTorch().array(Elsewhere()).tolist() == [1.0, 1.0]
