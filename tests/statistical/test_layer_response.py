"""Deposits in a layer against histories of single photons, drawn by the kernels' own samplers, and against limits."""

import numpy as np
import pytest
from photon_draws import ask

from physsim.errors import InvalidInput
from physsim.physics.attenuation import linear_attenuation_per_mm
from physsim.physics.element_sections import ElementSections
from physsim.physics.fluorescence import LineChances, material_line_kev
from physsim.physics.layer_response import layer_response
from physsim.physics.photon_tables import build
from physsim.spec.material import material

COUNT = 1 << 15


def deposits_drawn(name, thickness_mm, energy_kev, slant, seed=1):
    """(COUNT,) keV that photons leave in a layer: absorption, lines, Compton and Rayleigh scattering."""
    rng = np.random.default_rng(seed)
    tables = build([name], doppler=False)
    density = material(name).density_g_cm3
    energy, left = np.full(COUNT, energy_kev), np.zeros(COUNT)
    depth, down = np.zeros(COUNT), np.full(COUNT, 1.0 / slant)
    flying = np.arange(COUNT)

    def asked(question, at, value=0.0):
        words = rng.integers(-(2**31), 2**31, (4, -(-len(at) // 16) * 16), dtype=np.int64).astype(np.int32)
        return ask(tables, question, "scalar", energy_kev=energy[at], value=value, words=words, count=len(at))

    while len(flying):
        mu, _, photoelectric, rayleigh = asked("look_up", flying)
        depth[flying] += down[flying] * rng.exponential(size=len(flying)) / (mu * density * 0.1)
        inside = (depth[flying] > 0.0) & (depth[flying] < thickness_mm)
        flying, photoelectric, rayleigh = flying[inside], photoelectric[inside], rayleigh[inside]
        if not len(flying):
            break
        xi = rng.random(len(flying))
        before, cosine = energy[flying].copy(), 2.0 * rng.random(len(flying)) - 1.0
        after = before.copy()
        kinds = xi < photoelectric, (xi >= photoelectric) & (xi < rayleigh), xi >= rayleigh
        if kinds[0].any():
            after[kinds[0]] = asked("sample_photoelectric", flying[kinds[0]], xi[kinds[0]])[1]
        if kinds[1].any():
            cosine[kinds[1]] = asked("sample_rayleigh", flying[kinds[1]])[0]
        if kinds[2].any():
            cosine[kinds[2]], after[kinds[2]] = asked("sample_compton", flying[kinds[2]])[:2]
        left[flying] += before - after
        energy[flying] = after
        turned = down[flying] * cosine + np.sqrt(
            np.maximum(0.0, (1.0 - down[flying] ** 2) * (1.0 - cosine**2))) * np.cos(2.0 * np.pi * rng.random(len(xi)))
        down[flying] = np.where(kinds[0], cosine, turned)
        flying = flying[after > 1.0]
    return left


@pytest.mark.parametrize(("name", "thickness_mm"), [("csi", 0.5), ("gadox", 0.2), ("Se", 0.2), ("cdte", 1.0)])
@pytest.mark.parametrize(("energy_kev", "slant"), [(15.0, 1.0), (40.0, 1.0), (60.0, 1.3), (80.0, 1.0)])
def test_mean_and_mean_square_of_deposits(name, thickness_mm, energy_kev, slant):
    """Within 1.5 % + 4 standard errors (32 figures: fails 1 in 500 by chance, were there no approximation)."""
    drawn = deposits_drawn(name, thickness_mm, energy_kev, slant)
    law = layer_response(material(name), thickness_mm, [energy_kev], slant=slant)
    for order in (1, 2):
        power = drawn**order
        found = law.moments(order).sum()
        assert abs(found - power.mean()) < 0.015 * power.mean() + 4.0 * power.std() / np.sqrt(COUNT), order


def test_all_that_interacts_is_counted():
    """Chances by depth add up to exp(-mu z) - exp(-mu z'), less photons that Rayleigh scattering throws out; deposits
    lie between 0 and the energy."""
    energies = np.array([20.0, 34.0, 60.0, 120.0])
    for slant in (1.0, 1.5):
        law = layer_response(material("csi"), 0.6, energies, packing=0.75, slant=slant, depths=4)
        depth = 0.75 * linear_attenuation_per_mm("csi", energies)[:, None] * slant * law.depths_mm
        expected = np.exp(-depth[:, :-1]) - np.exp(-depth[:, 1:])
        rayleigh = linear_attenuation_per_mm("csi", energies, "rayleigh") / linear_attenuation_per_mm("csi", energies)
        thrown_out = 1.0 - law.chances.sum(axis=1) / expected
        assert thrown_out.min() > 0.0
        assert (thrown_out < rayleigh[:, None]).all()
        assert law.chances.min() > -1e-12
        assert (law.deposits_kev <= energies[:, None]).all()
        assert law.deposits_kev.min() >= 0.0


def test_escape_from_a_thick_layer():
    """From the face of a layer without end, absorption by mu and lines by mu' leave 1/2 (1 - x ln(1 + 1 / x)), x =
    mu' / mu (the integral of 1/2 E2(mu' z) mu exp(-mu z)): the K lines of Se at 20 keV, all energy within 0.3 %."""
    energy = 20.0
    law = layer_response(material("Se"), 5.0, [energy])
    lines = material_line_kev({"Se": 1.0})
    chance = LineChances(ElementSections(np.array([energy]))).of_lines({"Se": 1.0})[0]
    sections = ElementSections(np.array([energy]))
    mu = linear_attenuation_per_mm("Se", np.array([energy]))[0]
    absorbed = sections.mixture({"Se": 1.0}, "photoelectric")[0] / sections.mixture({"Se": 1.0})[0]
    lost = 0.0
    for line, emitted in zip(lines, chance, strict=True):
        x = linear_attenuation_per_mm("Se", np.array([line]))[0] / mu
        lost += line * emitted * absorbed * 0.5 * (1.0 - x * np.log(1.0 + 1.0 / x))
    assert law.moments(1).sum() == pytest.approx(energy - lost, abs=0.003 * energy)


def test_noise_rises_at_the_k_edges():
    """Swank factor of CsI: above 0.99 below the edge of iodine, below 0.9 just above that of caesium (35.98 keV), and
    growing again towards 70 keV; without fluorescence 0.99 there too."""
    swank = layer_response(material("csi"), 0.5, [30.0, 37.0, 50.0, 70.0]).swank_factor()
    assert swank[0] > 0.99
    assert swank[1] < 0.9
    assert swank[1] < swank[2] < swank[3]
    assert layer_response(material("csi"), 0.5, [37.0], fluorescence=False).swank_factor()[0] > 0.99


def test_gain_by_depth():
    law = layer_response(material("csi"), 0.5, [60.0], depths=2)
    gain = np.array([0.8, 1.0])
    assert law.moments(2, gain) == pytest.approx(law.moments(2) * gain**2)
    assert law.swank_factor(gain)[0] < law.swank_factor()[0]


@pytest.mark.parametrize(("change", "text"), [
    ({"thickness_mm": 0.0}, "thickness_mm=0"), ({"packing": 1.2}, "packing=1.2"), ({"slant": 0.9}, "slant=0.9"),
    ({"depths": 0}, "depths=0"), ({"energies_kev": [0.5]}, "0.5")])
def test_bad_input(change, text):
    with pytest.raises(InvalidInput) as found:
        layer_response(**{"material": material("csi"), "thickness_mm": 0.5, "energies_kev": [50.0], **change})
    assert text in str(found.value)
