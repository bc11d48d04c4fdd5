"""Coefficients in tiles of T outputs, next to each other for every function, and back; the last tile is filled up."""

from __future__ import annotations

from refkan.kernels.compilation import kernel


@kernel
def to_tiles(first, last, C, tiles):
    """tiles[p, tile, i, l] = C[tile T + l, p, i], 0 beyond the last output; the items are inputs."""
    for p in range(first, last):
        for tile in range(tiles.shape[1]):
            for l in range(tiles.shape[3]):
                q = tile * tiles.shape[3] + l
                for i in range(tiles.shape[2]):
                    tiles[p, tile, i, l] = C[q, p, i] if q < C.shape[0] else 0.0


@kernel
def from_tiles(first, last, parts, C):
    """C[tile T + l, p, i] = sum over parts, in order, of parts[part, p, tile, i, l]; the items are inputs."""
    for p in range(first, last):
        for q in range(C.shape[0]):
            tile, l = q // parts.shape[4], q % parts.shape[4]
            for i in range(C.shape[2]):
                C[q, p, i] = parts[0, p, tile, i, l]
            for part in range(1, parts.shape[0]):
                for i in range(C.shape[2]):
                    C[q, p, i] += parts[part, p, tile, i, l]
