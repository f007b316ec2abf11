"""The projector as a scipy LinearOperator, with subsets of views, for iterative solvers written elsewhere."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.transport.project import backproject, project

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator


@dataclasses.dataclass(frozen=True, kw_only=True)
class Projector:
    """Forward projection of volumes on `grid` and its exact transpose, with everything but the arrays fixed.

    >>> import numpy as np, physsim as ps
    >>> geometry = ps.Geometry.parallel(views=4, rows=1, columns=8, pixel_mm=1.0)
    >>> projector = ps.Projector(geometry=geometry, grid=ps.Grid(shape=(1, 8, 8)))
    >>> operator = projector.as_linear_operator()
    >>> operator.shape
    (32, 64)
    """

    geometry: Geometry
    grid: Grid
    method: str = "siddon"
    device: str = "auto"
    threads: int | None = None

    def forward(self, volume: Any) -> Any:
        """Line integrals (views, rows, columns) of a volume (nz, ny, nx)."""
        return project(
            volume, self.geometry, grid=self.grid, method=self.method, device=self.device, threads=self.threads
        )

    def transpose(self, image: Any) -> Any:
        """The exact transpose: a volume (nz, ny, nx) of an image (views, rows, columns)."""
        return backproject(
            image, self.geometry, grid=self.grid, method=self.method, device=self.device, threads=self.threads
        )

    def subset(self, views: int | slice | NDArray[Any]) -> Projector:
        """The same projector for some of the views."""
        return dataclasses.replace(self, geometry=self.geometry[views])

    def subsets(self, count: int) -> tuple[Projector, ...]:
        """`count` interleaved subsets of the views: view i is in subset i modulo `count` (for OS-SART and the like)."""
        return tuple(self.subset(slice(first, None, count)) for first in range(count))

    def as_linear_operator(self) -> LinearOperator:
        """A scipy.sparse.linalg.LinearOperator on raveled float32 arrays: shape (pixels, voxels)."""
        from scipy.sparse.linalg import LinearOperator

        def forward(volume: NDArray[Any]) -> NDArray[np.float32]:
            return np.ravel(self.forward(np.asarray(volume, np.float32).reshape(self.grid.shape)))

        def transpose(image: NDArray[Any]) -> NDArray[np.float32]:
            return np.ravel(self.transpose(np.asarray(image, np.float32).reshape(self.geometry.shape)))

        shape = (int(np.prod(self.geometry.shape)), int(np.prod(self.grid.shape)))
        return LinearOperator(shape, matvec=forward, rmatvec=transpose, dtype=np.dtype(np.float32))
