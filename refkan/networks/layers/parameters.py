r"""Where the blocks of a layer's parameters lie in one flat vector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import prod

import numpy as np

from refkan.base import Array, ShortRepr, lazy, numbers


@dataclass(frozen=True, eq=False)
class ParameterBlocks(ShortRepr):
    """Names and shapes of the blocks of a flat vector, in the order in which they lie there (C order).

    Attributes
    ----------
    shapes : dict
    shared : tuple of str
        The blocks that every output depends on; all others have the outputs as their first axis.
    """

    shapes: Mapping[str, tuple[int, ...]]
    shared: tuple[str, ...] = ()

    @lazy
    def size(self) -> int:
        """Number of parameters."""
        return sum(map(prod, self.shapes.values()))

    @lazy
    def _places(self) -> list[tuple[str, tuple[int, ...], int, int]]:
        """Name, shape, start and end of each block in the flat vector."""
        ends = list(accumulate(map(prod, self.shapes.values()), initial=0))
        return [(*block, *place) for block, place in zip(self.shapes.items(), pairwise(ends), strict=True)]

    def unpack(self, theta: Array) -> dict[str, Array]:
        """Views of the blocks of theta by name."""
        return {name: theta[start:end].reshape(shape) for name, shape, start, end in self._places}

    def pack(self, blocks: Mapping[str, Array]) -> Array:
        """Join blocks by name into a flat vector.

        Blocks of other names are left out.

        Raises
        ------
        ValueError, TypeError
            If a block is missing, of another shape, or does not hold numbers.
        """
        parts = []
        for name, shape, _, _ in self._places:
            if name not in blocks:
                wanted, got = (", ".join(map(repr, names)) or "none" for names in (self.shapes, blocks))
                raise ValueError(f"blocks must be {wanted}, each by its name; got {got}")
            block = numbers(name, blocks[name])
            if block.shape != shape:
                raise ValueError(f"{name} must have shape {shape}; got {block.shape}")
            parts.append(block.ravel())
        return np.concatenate(parts)
