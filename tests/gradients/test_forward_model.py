"""Gradients of the torch modules against finite differences."""

import numpy as np
import pytest

import physsim as ps
from physsim.errors import InvalidInput

torch = pytest.importorskip("torch")

GRID = ps.Grid(shape=(63, 66, 72), spacing_mm=(0.33, 0.3, 0.4))
GEOMETRY = ps.Geometry.circular(
    views=3, source_axis_mm=60, source_detector_mm=90, rows=40, columns=36, pixel_mm=0.83, start_deg=20
)
POSE = ("source_mm", "centre_mm", "u", "v")


def smooth_volume():
    """Zero at the faces: a volume cut off there has kinks that finite differences smear."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in GRID.shape), indexing="ij")
    return torch.tensor(np.exp(-9 * (x**2 + (y - 0.1) ** 2 + (z + 0.1) ** 2)), dtype=torch.float32)


def random(shape, seed):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("method", ["siddon", "joseph"])
def test_gradient_to_the_volume_equals_finite_differences(method):
    model = ps.ForwardModel(GEOMETRY, GRID, method=method)
    volume = smooth_volume().requires_grad_()
    weight, direction = random(GEOMETRY.shape, 1), random(GRID.shape, 2)
    (gradient,) = torch.autograd.grad((model(volume) ** 2 * weight).sum(), volume)
    with torch.no_grad():
        up, down = ((model(volume + sign * 1e-2 * direction).double() ** 2 * weight).sum() for sign in (1, -1))
    assert float((gradient * direction).sum()) == pytest.approx(float(up - down) / 2e-2, rel=1e-4)


def test_second_derivative_of_a_quadratic_loss_is_the_normal_operator():
    model = ps.ForwardModel(GEOMETRY, GRID)
    volume = smooth_volume().requires_grad_()
    (gradient,) = torch.autograd.grad((model(volume) ** 2).sum() / 2, volume, create_graph=True)
    direction = random(GRID.shape, 3)
    (product,) = torch.autograd.grad(gradient, volume, direction)
    expected = model.projector.transpose(model.projector.forward(direction))
    torch.testing.assert_close(product, expected, rtol=1e-5, atol=1e-4)


def test_batches_equal_their_members():
    model = ps.ForwardModel(GEOMETRY, GRID)
    batch = random((2, 2, *GRID.shape), 4)
    images = model(batch)
    assert images.shape == (2, 2, *GEOMETRY.shape)
    torch.testing.assert_close(images[1, 0], model(batch[1, 0]), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["source_mm", "centre_mm"])
def test_gradient_to_a_position_equals_finite_differences(name):
    model = ps.ForwardModel(GEOMETRY, GRID, method="joseph")
    volume, weight = smooth_volume(), random(GEOMETRY.shape, 5).double()
    pose = {part: torch.from_numpy(np.array(getattr(GEOMETRY, part))) for part in POSE}
    pose[name].requires_grad_()
    (gradient,) = torch.autograd.grad((model(volume, **pose).double() * weight).sum(), pose[name])
    for axis in range(3):
        step = torch.zeros(3, dtype=torch.float64)
        step[axis] = 0.03
        up, down = (
            float((model(volume, **{**pose, name: pose[name].detach() + sign * step}).double() * weight).sum())
            for sign in (1, -1)
        )
        tolerance = 0.01 * float(gradient.abs().sum())
        assert float(gradient[:, axis].sum()) == pytest.approx((up - down) / 0.06, abs=tolerance)


def test_gradient_to_rotation_and_translation_equals_finite_differences():
    model = ps.ForwardModel(GEOMETRY, GRID, method="joseph")
    volume, weight = smooth_volume(), random(GEOMETRY.shape, 6).double()

    def loss_of(parameters):
        a, b, c = parameters[:3]
        o = torch.zeros((), dtype=torch.float64)
        skew = torch.stack([torch.stack([o, -c, b]), torch.stack([c, o, -a]), torch.stack([-b, a, o])])
        pose = model.rotated(torch.linalg.matrix_exp(skew), parameters[3:])
        return (model(volume, **pose).double() * weight).sum()

    parameters = torch.tensor([0.02, -0.03, 0.01, 0.3, -0.2, 0.1], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss_of(parameters), parameters)
    for group in (slice(0, 3), slice(3, 6)):
        scale = float(gradient[group].abs().max())
        for index in range(6)[group]:
            step = torch.zeros(6, dtype=torch.float64)
            step[index] = 1e-3 if index < 3 else 0.03
            up, down = (float(loss_of(parameters.detach() + sign * step)) for sign in (1, -1))
            assert float(gradient[index]) == pytest.approx((up - down) / (2 * float(step[index])), abs=0.02 * scale)


def test_gradient_to_a_density_through_a_spectrum_equals_finite_differences():
    labels = np.zeros(GRID.shape, np.uint8)
    labels[24:36, 21:42, 27:45] = 2
    labels[0] = 1
    attenuation = np.array([[0.30, 0.20, 0.15], [0.5, 0.25, 0.2], [2.0, 0.6, 0.3]])
    model = ps.SpectralForwardModel(GEOMETRY, GRID, labels, attenuation, np.array([1.0, 2.0, 1.5]))
    density = (smooth_volume() + 0.5).requires_grad_()
    (gradient,) = torch.autograd.grad(model(density).sum(), density)
    direction = random(GRID.shape, 7)
    with torch.no_grad():
        up, down = (model(density + sign * 0.02 * direction).double().sum() for sign in (1, -1))
    assert float((gradient * direction).sum()) == pytest.approx(float(up - down) / 0.04, rel=1e-3)


def test_pose_with_the_exact_tracer_is_refused():
    with pytest.raises(InvalidInput, match="joseph"):
        ps.ForwardModel(GEOMETRY, GRID)(smooth_volume(), source_mm=torch.from_numpy(np.array(GEOMETRY.source_mm)))
