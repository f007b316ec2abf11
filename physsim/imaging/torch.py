"""Ray tracing as torch modules: gradients to the volume, to a density seen through a spectrum, and to the pose."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.transport.operator import Projector
from physsim.transport.pose_gradient import pose_gradient
from physsim.units import per_mm_from_per_cm

POSE = ("source_mm", "centre_mm", "u", "v")


class _Project(torch.autograd.Function):
    """Forward projection; its backward is the exact transpose, differentiable again."""

    @staticmethod
    def forward(ctx: Any, volume: torch.Tensor, projector: Projector) -> torch.Tensor:
        ctx.projector = projector
        result: torch.Tensor = projector.forward(volume.detach())
        return result

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return _Backproject.apply(gradient, ctx.projector), None


class _Backproject(torch.autograd.Function):
    """The transpose; its backward is the projection."""

    @staticmethod
    def forward(ctx: Any, image: torch.Tensor, projector: Projector) -> torch.Tensor:
        ctx.projector = projector
        result: torch.Tensor = projector.transpose(image.detach().contiguous())
        return result

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return _Project.apply(gradient, ctx.projector), None


class _ProjectFromPose(torch.autograd.Function):
    """Forward projection with gradients to the poses too (once differentiable)."""

    @staticmethod
    def forward(ctx: Any, volume: torch.Tensor, projector: Projector, *pose: torch.Tensor) -> torch.Tensor:
        ctx.projector = projector
        ctx.save_for_backward(volume, *pose)
        result: torch.Tensor = projector.forward(volume.detach())
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        volume, *pose = ctx.saved_tensors
        projector, gradient = ctx.projector, gradient.contiguous()
        to_volume = projector.transpose(gradient) if ctx.needs_input_grad[0] else None
        slopes = pose_gradient(
            volume.detach(),
            gradient,
            projector.geometry,
            grid=projector.grid,
            device=projector.device,
            threads=projector.threads,
        )
        to_pose = (torch.from_numpy(getattr(slopes, name)).to(tensor) for name, tensor in zip(POSE, pose, strict=True))
        return to_volume, None, *to_pose


class ForwardModel(torch.nn.Module):
    """Line integrals of a volume as a torch module: ``model(volume)``, or ``model(volume, source_mm=..., u=...)``.

    geometry: ps.Geometry of the views. grid: ps.Grid of the volume.
    method: "siddon" (exact, differentiable in the volume) or "joseph" (linear between voxel centres, differentiable
        in volume
    and pose; its gradient in the pose is exact for the interpolated volume, except where a ray's steepest axis
    changes).

    forward: volume (..., nz, ny, nx) float32 -> (..., views, rows, columns) float32 in mm x the volume's unit, batch
        axes kept.
    Poses given as tensors (views, 3), float64 or float32, replace those of the geometry and receive gradients;
    directions u and
    v are taken as they are and must stay orthonormal: make them from a rotation, as `rotated` does.
    Differentiable: volume (any order), source_mm, centre_mm, u, v (once). Not: grid, pixel_mm.
    Tensors stay on their device, the volume and the poses each on its own.
    Errors: InvalidInput for shapes that do not fit, and for pose gradients with method="siddon".

    >>> import torch, physsim as ps
    >>> geometry = ps.Geometry.parallel(views=2, rows=1, columns=3, pixel_mm=1.0)
    >>> model = ps.ForwardModel(geometry, ps.Grid(shape=(1, 4, 4)))
    >>> volume = torch.ones(1, 4, 4, requires_grad=True)
    >>> model(volume).sum().backward()
    >>> volume.grad.shape
    torch.Size([1, 4, 4])
    """

    def __init__(
        self,
        geometry: Geometry,
        grid: Grid,
        *,
        method: str = "siddon",
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        super().__init__()
        self.projector = Projector(geometry=geometry, grid=grid, method=method, device=device, threads=threads)

    def forward(self, volume: torch.Tensor, **pose: torch.Tensor) -> torch.Tensor:
        """Line integrals of `volume` from the geometry's poses, or from those given."""
        grid = self.projector.grid
        if tuple(volume.shape[-3:]) != grid.shape:
            raise InvalidInput(
                message(
                    f"volume of shape {tuple(volume.shape)}", f"the grid has {grid.shape}", "Give (..., nz, ny, nx)."
                )
            )
        if volume.ndim > 3:
            return torch.stack([self.forward(one, **pose) for one in volume])
        if not pose:
            image: torch.Tensor = _Project.apply(volume, self.projector)
            return image
        return self._from_pose(volume, pose)

    def _from_pose(self, volume: torch.Tensor, pose: dict[str, torch.Tensor]) -> torch.Tensor:
        unknown = set(pose) - set(POSE)
        if unknown:
            raise InvalidInput(
                message(f"{sorted(unknown)[0]}", "is no part of a pose", "Poses are " + ", ".join(POSE) + ".")
            )
        if self.projector.method != "joseph":
            raise InvalidInput(
                message(
                    "a pose with method='siddon'",
                    "the exact integral of a voxel volume has jumps in its derivative by the pose",
                    "Make the model with method='joseph'.",
                )
            )
        geometry = self.projector.geometry
        tensors = [pose[name] if name in pose else torch.from_numpy(np.array(getattr(geometry, name))) for name in POSE]
        source, centre, u, v = (_array(tensor) for tensor in tensors)
        moved = dataclasses.replace(geometry, source_mm=source, centre_mm=centre, u=u, v=v)
        image: torch.Tensor = _ProjectFromPose.apply(
            volume, dataclasses.replace(self.projector, geometry=moved), *tensors
        )
        return image

    def rotated(self, rotation: torch.Tensor, translation_mm: torch.Tensor) -> dict[str, torch.Tensor]:
        """Poses of the whole geometry turned by `rotation` (3, 3) about the world's origin, then shifted: for 2D/3D
        registration.

        Use as ``model(volume, **model.rotated(rotation, translation_mm))``; gradients reach both.
        """
        geometry, turn, shift = self.projector.geometry, rotation.double().T, translation_mm.double()
        fixed = {name: torch.from_numpy(np.array(getattr(geometry, name))).to(turn.device) for name in POSE}
        return {name: fixed[name] @ turn + (shift if name.endswith("_mm") else 0.0) for name in POSE}


class SpectralForwardModel(torch.nn.Module):
    """Detector signal of a density seen through a spectrum, as a torch module: ``model(density)``.

    labels: (nz, ny, nx) integers into the materials. mass_attenuation: (materials, energies) cm2/g. weights:
        (energies,) signal
    of each energy in air, any unit. Other arguments as for ForwardModel.

    forward: density (..., nz, ny, nx) float32 in g/cm3 -> (..., views, rows, columns) float32: sum over energies of
    weight x exp(-integral of mass attenuation x density). Differentiable in density.
    Neglects: nothing of the voxel model, but it keeps one volume and one image a material present, and evaluates the
        energies in
    torch: for gradients, not for speed (ps.project_signal does all in one pass, without gradients).
    """

    def __init__(
        self,
        geometry: Geometry,
        grid: Grid,
        labels: NDArray[Any],
        mass_attenuation: NDArray[Any],
        weights: NDArray[Any],
        *,
        method: str = "siddon",
        device: str = "auto",
        threads: int | None = None,
    ) -> None:
        super().__init__()
        if tuple(labels.shape) != grid.shape:
            raise InvalidInput(
                message(f"labels of shape {labels.shape}", f"the grid has {grid.shape}", "Give one label a voxel.")
            )
        present = np.unique(labels)
        if present.max() >= len(mass_attenuation) or present.min() < 0:
            raise InvalidInput(
                message(
                    f"label {present.max()}",
                    f"mass_attenuation has {len(mass_attenuation)} materials",
                    "Give a row for each label.",
                )
            )
        if np.shape(weights) != np.shape(mass_attenuation)[1:]:
            raise InvalidInput(
                message(
                    f"weights of shape {np.shape(weights)}",
                    f"there are {np.shape(mass_attenuation)[1]} energies",
                    "Give one weight an energy.",
                )
            )
        self.lines = ForwardModel(geometry, grid, method=method, device=device, threads=threads)
        self.register_buffer("masks", torch.from_numpy(np.stack([labels == label for label in present])))
        per_mm = per_mm_from_per_cm(np.asarray(mass_attenuation, np.float64)[present])  # at 1 g/cm3
        self.register_buffer("attenuation_per_mm", torch.from_numpy(per_mm))
        self.register_buffer("weights", torch.from_numpy(np.asarray(weights, np.float64)))

    def forward(self, density: torch.Tensor) -> torch.Tensor:
        """Signal of `density` (g/cm3) on the detector."""
        lines = torch.stack(
            [self.lines(density * mask) for mask in self.masks], -1
        ).double()  # (..., views, rows, columns, materials)
        transmitted = torch.exp(-lines @ self.attenuation_per_mm)
        return (transmitted @ self.weights).float()


def _array(tensor: torch.Tensor) -> NDArray[np.float64]:
    array: NDArray[np.float64] = tensor.detach().cpu().double().numpy()
    return array
