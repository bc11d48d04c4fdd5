"""Ways in which a layer in PyTorch is called besides the plain one: compiled, mapped, under autocast, with TF32."""

from collections.abc import Callable
from typing import Any

from refkan.conformance.cases.cases import Case

VARIANTS = ("eager", "compile", "vmap", "autocast", "tf32")

LOWERING = {"autocast": "bfloat16", "tf32": "tf32"}
"""Formats of results: models are made in float32, and results are judged by what the lower format allows."""

COMPILED = ("layer/degree-3/uniform/3x2", "layer/degree-3/arbitrary/3x2", "network/degree-2/uniform/2-3-2")
"""Settings that are compiled: each takes seconds."""

MODELS = 4
"""Models that share a compiled function: PyTorch compiles it anew where their shapes differ, up to a limit."""

PLAIN = ("values", "input-gradients", "coefficient-gradients")


class Variant:
    """One of these ways, for one adapter.

    Parameters
    ----------
    name : {"eager", "compile", "vmap", "autocast"}
    torch : module
    options : mapping
        For `torch.compile`.
    """

    def __init__(self, name: str, torch: Any, options: dict[str, Any]) -> None:
        self.name, self.torch, self.options = name, torch, options
        self._compiled: Callable[[Any, Any], Any] | None = None
        self._seen: list[Any] = []

    def __call__(self, call: Callable[[Any, Any], Any], model: Any, x: Any) -> Any:
        """Outputs of a model at x, by `call(model, x)` in this way."""
        if self.name == "vmap":
            return self.torch.vmap(lambda row: call(model, row[None])[0])(x)
        if self.name == "autocast":
            with self.torch.autocast(x.device.type, dtype=getattr(self.torch, LOWERING["autocast"])):
                return call(model, x)
        if self.name == "tf32":
            # Not undone: products of the backward pass follow what holds when they are computed.
            self.torch.backends.cuda.matmul.allow_tf32 = True
            return call(model, x)
        if self.name == "compile":
            if not any(model is other for other in self._seen):
                self._seen.append(model)
            if self._compiled is None or len(self._seen) > MODELS:  # beyond its limit PyTorch falls back to eager
                self.torch.compiler.reset()
                self._compiled, self._seen = self.torch.compile(call, **self.options), [model]
            return self._compiled(model, x)
        return call(model, x)

    def stored(self, dtype: str) -> str:
        """The format of PyTorch that models of a format are made in."""
        return "float32" if self.name in LOWERING or dtype == "tf32" else dtype

    def declines(self, case: Case) -> str:
        """Why a case is not asked for in this way."""
        if self.name != "compile":
            return ""
        if case.quantity not in PLAIN:
            return "compile: PyTorch does not differentiate compiled functions twice; the rest is that of eager"
        if case.setting.name.partition("/")[2] not in COMPILED:
            return f"compile: {len(COMPILED)} settings of each format are compiled, no others"
        return ""
