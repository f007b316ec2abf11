"""Photon transport against AAPM Report 195, in seconds; `physsim validate tg195` does the whole of it."""

from dataclasses import replace

import numpy as np
import pytest

from physsim.evaluate.tg195.radiography import breast, half_value_layers, soft_tissue_box
from physsim.evaluate.tg195.run import compare, row, solve
from physsim.evaluate.tg195.tomography import rods
from physsim.spec.source import Sweep


@pytest.mark.parametrize("spectrum", ["100 keV mono", "30 keV mono", "RQR8 100 kVp", "RQRM3 30 kVp"])
def test_half_value_layers(spectrum):
    """Case 1 within 0.2 % + 4 sigma: fails 1 in 16,000 a row by chance."""
    rows = list(
        compare(["1"], error_percent=0.3, seed=5, threads=1, chosen=lambda problem: problem.spectrum == spectrum)
    )
    assert [one.region for one in rows] == ["no filter", "HVL filter", "QVL filter"]
    for one in rows:
        assert one.error < 0.004 * one.value
        assert abs(one.value - one.reference) < 0.002 * one.reference + 4 * one.error, one


def test_a_box_of_soft_tissue():
    """Case 2, tomosynthesis, 120 kVp: total within the spread of the codes, cubes within 1 % + 4 sigma."""
    problem = soft_tissue_box()[3]
    assert (problem.spectrum, problem.mode) == ("120 kVp RQR9", "tomosynthesis 15 deg")
    result = solve(problem, 5.0, 3, 1)
    rows = [row(problem, figure, result) for figure in problem.figures]
    assert len(rows) == 10
    total = rows[0]
    assert total.reference_low - 4 * total.error < total.value < total.reference_high + 4 * total.error
    for one in rows[1:]:
        assert abs(one.value - one.reference) < 0.01 * one.reference + 4 * one.error, one


@pytest.mark.parametrize(("problems", "centre_mm"), [(soft_tissue_box, (0, 0, 1800)), (breast, (0, 0, -40))])
def test_tomosynthesis_is_seen_15_degrees_aside_from_the_plane(problems, centre_mm):
    for problem in problems():
        way = np.array(problem.source.position_mm) - centre_mm
        aside = 15.0 if "15 deg" in problem.mode else 0.0
        assert np.degrees(np.arccos(abs(way[2]) / np.linalg.norm(way))) == pytest.approx(aside, abs=1e-5)
        assert way[0] == 0.0
        assert way[1] <= 0.0


def test_a_turned_source_sees_the_rods_turned():
    """Case 4.2 scores 36 rods in one run instead of turning the source: by 110 degrees it is turned here, and each rod
    has what the one 110 degrees on has without. Chi-square of 36 rows: fails 1 in 1,000 by chance."""
    from scipy.stats import chi2

    still = rods()[0]
    assert {figure.mode for figure in still.figures} == {
        f"collimation 10 mm; source angle {angle} deg" for angle in range(0, 360, 10)
    }
    turned = replace(still, source=still.source.replace(sweep=Sweep(first_deg=-110.0, range_deg=0.0)))
    at, back = (
        np.array([[one.value, one.error] for one in (figure.of(result) for figure in still.figures[1::2])])
        for result in (solve(problem, 8.0, seed, None) for seed, problem in enumerate((still, turned)))
    )
    at = np.roll(at, -11, axis=0)
    apart = (at[:, 0] - back[:, 0]) / np.hypot(at[:, 1], back[:, 1])
    assert at[:, 0].max() > 100.0 * at[:, 0].min()
    assert (apart**2).sum() < chi2.ppf(0.999, 36), apart


def test_references_name_our_rows():
    from physsim.evaluate.tg195.published import references

    known = {key for key in references() if key[0] == "1"}
    ours = {(p.case, p.spectrum, p.mode, f.region) for p in half_value_layers() for f in p.figures}
    assert known == ours


@pytest.mark.parametrize(
    ("case", "region", "value", "error", "verdict"),
    [
        ("1", "HVL filter", 1.0019, 0.0009, True),
        ("1", "HVL filter", 1.0021, 0.0009, False),
        ("1", "HVL filter", 1.0021, 0.0011, None),  # not known well enough
        ("1", "HVL filter", 1.0060, 0.0011, False),  # but certainly too far
        ("2", "VOI 6", 72.0, 0.2, True),
        ("2", "VOI 6", 73.6, 0.2, False),
        ("2", "VOI 6", 73.6, 1.0, None),
        ("2", "VOI 9", 14.7, 0.12, True),
        ("3", "VOI 1", 30.0, 0.01, None),  # public codes disagree where it is
        ("3", "total breast", 4700.0, 0.5, True),
        ("3", "total breast", 4701.0, 0.5, False),
        ("3", "total breast", 4704.0, 5.0, None),
    ],
)
def test_verdicts(case, region, value, error, verdict):
    """A larger standard error never makes a figure pass."""
    from physsim.evaluate.tg195.published import Reference
    from physsim.evaluate.tg195.verdict import passes
    from physsim.transport.montecarlo_result import Estimate

    means = {"HVL filter": 1.0, "VOI 6": 72.7, "VOI 9": 14.6, "VOI 1": 17.7, "total breast": 4697.3}
    spread = (4691.0, 4700.5) if region == "total breast" else (None, None)
    known = Reference(means[region], "eV/history", *spread)
    assert passes(case, region, Estimate(value, error, 0.0), known) is verdict
