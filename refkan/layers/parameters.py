r"""Where the blocks of a layer's parameters lie in one flat vector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from math import prod

import numpy as np

from refkan.array_types import Array


@dataclass(frozen=True, eq=False)
class ParameterBlocks:
    """Names and shapes of the blocks of a flat vector, in the order in which they lie there (C order).

    Attributes
    ----------
    shapes : dict
    shared : tuple of str
        The blocks that every output depends on; all others have the outputs as their first axis.
    """

    shapes: Mapping[str, tuple[int, ...]]
    shared: tuple[str, ...] = ()

    @cached_property
    def size(self) -> int:
        """Number of parameters."""
        return sum(map(prod, self.shapes.values()))

    @cached_property
    def _places(self) -> list[tuple[str, tuple[int, ...], int, int]]:
        """Name, shape, start and end of each block in the flat vector."""
        ends = list(accumulate(map(prod, self.shapes.values()), initial=0))
        return [(*block, *place) for block, place in zip(self.shapes.items(), pairwise(ends), strict=True)]

    def unpack(self, theta: Array) -> dict[str, Array]:
        """Views of the blocks of theta by name."""
        return {name: theta[start:end].reshape(shape) for name, shape, start, end in self._places}

    def pack(self, blocks: Mapping[str, Array]) -> Array:
        """Join blocks by name into a flat vector.

        Raises
        ------
        ValueError
            Where a block is missing or has another shape.
        """
        parts = []
        for name, shape, _, _ in self._places:
            if name not in blocks:
                raise ValueError(f"pack needs the blocks {', '.join(self.shapes)}; got none named {name!r}")
            if np.shape(blocks[name]) != shape:
                raise ValueError(f"{name} must have shape {shape}; got {np.shape(blocks[name])}")
            parts.append(np.asarray(blocks[name]).ravel())
        return np.concatenate(parts)
