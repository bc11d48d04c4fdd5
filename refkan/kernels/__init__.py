"""Numba loops: arrays and integers in, a preallocated `out`, no validation.

Every file stands alone: a compiled function that is cached to disk keeps the version of its callee that it was
compiled with, so call chains never cross files. Vectors (`vectors`) are instructions of the kernels that name them,
whose files state which. Parallel loops run over fixed chunks that do not depend on the number of threads, and each
chunk owns what it writes: the bits of a result are the same for any thread count.
"""
