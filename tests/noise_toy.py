"""Made-up training data of noise whose law is known: two components, shares that follow the beam's hardness."""

import numpy as np

import physsim as ps
from physsim.spec.training import HELD_OUT

TECHNIQUE = {"protocol": "chest_pa", "kvp": (60.0, 140.0), "pixel_mm": (0.2, 0.4), "signal_kev_mm2": (1e4, 1e7),
             "water_mm": (0.0, 300.0)}
SPEC = ps.NoiseTraining(techniques=[TECHNIQUE], beams=48, held_out=16, held_out_pixels=256, exposures=8, radius=3,
                        width=16, epochs=24, batch=32, file_beams=32, learning_rate=1e-2)
FINE = np.array([[1.0]])
BROAD = np.outer([0.25, 0.5, 0.25], [0.25, 0.5, 0.25])


def law(energy, hardness):
    """(fine, broad) gains in keV."""
    deposit = energy * np.exp(hardness)
    return deposit * (0.2 + 0.3 * hardness), deposit * (0.8 - 0.3 * hardness)


def variance(energy, hardness, signal, white):
    """Of a pixel, keV^2."""
    fine, broad = law(energy, hardness)
    return signal * (fine + broad * (BROAD**2).sum()) + white


def third(energy, hardness, signal):
    """Cumulant of a pixel, keV^3: quanta deposit 1.3 times what their squares tell."""
    fine, broad = law(energy, hardness)
    return signal * 1.3 * energy * np.exp(hardness) * (fine + broad * (BROAD**3).sum())


def cases(number):
    """As NoiseCases: of one beam, by its number alone."""
    rng = np.random.default_rng(number)
    views, side = SPEC.exposures, 128 if number < HELD_OUT else SPEC.held_out_pixels
    energy, hardness = rng.uniform(40.0, 70.0), rng.uniform(0.0, 0.5, views)
    signal, white = np.exp(rng.uniform(4.0, 12.0, views)), np.full(views, 900.0)
    power, bias = [], []
    for gains, one in zip(np.transpose(law(energy, hardness)), signal, strict=True):
        fields = rng.normal(size=(2, side + 2, side + 2)) * np.sqrt(gains * one)[:, None, None]
        broad = sum(BROAD[i, j] * fields[1, i : side + i, j : side + j] for i in range(3) for j in range(3))
        noise = fields[0, 1:-1, 1:-1] + broad + 30.0 * rng.normal(size=(side, side))
        cut = noise.reshape(side // 32, 32, side // 32, 32).swapaxes(1, 2)
        power.append((np.abs(np.fft.fft2(cut)) ** 2).mean(axis=(0, 1)) / 32**2)
        bias.append(noise.mean())
    told = np.tile([100.0, energy, 10.0, -1.0, 1.0], (views, 1))
    told[:, 0] += number % 7
    return {"conditions": told, "hardness": hardness, "signal_kev": signal, "white_kev2": white,
            "third_kev3": third(energy, hardness, signal), "power": np.array(power, np.float32),
            "bias": np.array(bias), "patches": np.full(views, (side // 32) ** 2),
            "drawn": np.column_stack([told[:, 0], np.full(views, 0.2), signal / energy, rng.uniform(size=views)]),
            "technique": np.zeros(views, np.int32), "truth": variance(energy, hardness, signal, white),
            "held_out": np.full(views, float(number >= HELD_OUT))}
