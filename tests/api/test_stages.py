"""Stages that a user replaces: each is asked for what it should be, its result goes on, and wrong ones are refused."""

import numpy as np
import pytest

import physsim as ps

SMALL = {"views": 60, "pixel_mm": 16.0, "rows": 2, "columns": 56, "matrix": 32, "field_mm": 256.0, "slice_mm": 8.0,
         "offset_mm": (4.0, 0.0), "range_mm": (-4.0, 4.0), "pitch": None, "stops": 1, "modulation": None}


@pytest.fixture(scope="module")
def water():
    return ps.voxelise(ps.scene("water_20cm"), spacing_mm=10)


def test_a_radiograph_goes_through_the_user_s_stages(water):
    """Scatter is half of the primary; noise of equal size in all pixels; the correction halves the image."""
    asked = []

    def noise(signal, square, first_view):
        asked.append((float((square / signal).mean()), first_view))
        return signal + np.float32(7.0)

    stages = ps.Stages(scatter=lambda primary, geometry: 0.5 * primary, noise=noise, correction=lambda one: 0.5 * one)
    shot = ps.simulate(water, ps.protocols.chest_pa(pixel_mm=20.0, mas=1.0), stages=stages)
    assert np.allclose(shot["scatter"], 0.5 * shot["primary"], rtol=1e-6)
    assert np.allclose(shot["image"], 0.5 * (shot["signal"] + 7.0), rtol=1e-6)
    assert "raw" not in shot.layers
    assert 10.0 < asked[0][0] < 125.0  # keV a photon, from its sum of squares
    assert asked[0][1] == 0
    words = shot.provenance.neglects
    assert "scattered photons" not in words
    assert {f"{name}: the user's own in its place" for name in ("scatter", "noise", "correction")} <= set(words)
    assert shot.figures()["scatter_to_primary"] == pytest.approx(0.5, rel=1e-5)


def test_a_scan_goes_through_the_user_s_stages(water):
    """Lengths of 100 mm a mean free path; a reconstruction of the user's is the volume; scatter of a tenth of the
    primary is taken off again, within 1 mm (5 mm if it stayed)."""
    protocol = ps.protocols.chest_ct(**SMALL)
    plain = ps.simulate(water, protocol, noise=False)
    asked = []

    def lengths(attenuation):
        asked.append(attenuation.shape)
        return 100.0 * attenuation

    scan = ps.simulate(water, protocol, noise=False, stages=ps.Stages(lengths=lengths))
    assert asked == [(60, 2, 56)]
    assert float(scan.lengths_mm.max()) == pytest.approx(100.0 * 4.0, rel=0.2)  # some 4 mean free paths
    again = ps.simulate(water, protocol, noise=False,
                        stages=ps.Stages(reconstruction=lambda measured, parts, grid: np.full(grid.shape, 42.0)))
    assert (again.volume.array == 42.0).all()
    assert np.array_equal(again.lengths_mm, plain.lengths_mm)
    strewn = ps.simulate(water, protocol, noise=False, keep=("scatter", "primary"),
                         stages=ps.Stages(scatter=lambda primary, geometry: 0.1 * primary))
    assert np.allclose(strewn["scatter"], 0.1 * strewn["primary"])
    off = np.abs(strewn.lengths_mm - plain.lengths_mm)  # known and taken off, but for what crosstalk blurs of it
    assert off.max() < 1.0 < 100.0 * np.log(1.1) / 2.0


@pytest.mark.parametrize(("stages", "options", "words"), [
    ({"lengths": lambda one: one}, {}, "a radiograph has no such stage"),
    ({"noise": lambda *one: one[0]}, {"noise": False}, "noise=False draws none"),
    ({"scatter": lambda *one: one[0]}, {"scatter": "montecarlo"}, "estimated by Monte Carlo"),
    ({"scatter": lambda *one: one[0][0]}, {}, r"stage scatter gave shape"),
    ({"scatter": lambda *one: -one[0]}, {}, "missing or negative"),
    ({"correction": lambda one: one * np.nan}, {}, "infinite, missing"),
])
def test_what_stages_refuse(water, stages, options, words):
    with pytest.raises(ps.errors.InvalidInput, match=words):
        ps.simulate(water, ps.protocols.chest_pa(pixel_mm=20.0, mas=1.0), stages=ps.Stages(**stages), **options)


def test_a_counting_scan_goes_through_the_user_s_stages(water):
    """Bins first: scatter of a tenth is taken off again, but for what is shared with neighbours; half the counts are
    ln 2 more attenuation; each channel is reconstructed."""
    protocol = ps.protocols.photon_counting_ct(**SMALL)
    keep = ("scatter", "primary", "signal", "image")
    plain = ps.simulate(water, protocol, noise=False, keep=keep)
    shape, seen = next(iter(plain.channels.values())).volume.array.shape, {}

    def remember(name, made):
        def stage(one, *others):
            seen.setdefault(name, []).append((one.shape, *others[-1:]))
            return made(one)
        return stage

    scan = ps.simulate(water, protocol, seed=1, keep=keep, stages=ps.Stages(
        scatter=remember("scatter", lambda one: 0.1 * one), noise=remember("noise", lambda one: one),
        correction=remember("correction", lambda one: 0.5 * one), lengths=remember("lengths", lambda one: 100.0 * one),
        reconstruction=remember("reconstruction", lambda one: np.full(shape, float(one.mean())))))
    bins, views = protocol.energy_bins, (60, 2, 56)
    assert bins > 1
    assert [seen[name][0][0] for name in ("scatter", "noise", "correction")] == [(bins, *views)] * 3
    assert seen["noise"][0][1] == 0  # the first view
    assert seen["lengths"][0][0] == (bins + 1, *views)
    assert [one[0] for one in seen["reconstruction"]] == [views] * (bins + 1)
    for name, one in scan.channels.items():
        other = plain.channels[name]
        assert np.allclose(one["scatter"], 0.1 * one["primary"])
        assert np.allclose(one["image"], 0.5 * one["signal"], rtol=1e-5)
        assert np.allclose(one["signal"], 1.1 * other["signal"], rtol=1e-4)
        assert (one.volume.array == np.float32(one.lengths_mm.mean())).all()
    assert {f"{name}: the user's own in its place" for name in seen} <= set(scan.provenance.neglects)
