"""Host memory that the kernels keep between calls."""

from __future__ import annotations


def release_memory() -> int:
    """Give back what the CPU's kernels keep for their next call; returns its bytes.

    Rooms of 2 MiB and more that a call has worked in (a tile of voxels, the sums of a spectral projection) stay with
    the process, 256 MiB of them at most: the next call need not wait for the system to find and clear them again. No
    result depends on them. Safe from any thread, also while others compute: what they use is not touched.

    >>> release_memory() >= 0
    True
    """
    from physsim import _engine

    return _engine.release_memory()
