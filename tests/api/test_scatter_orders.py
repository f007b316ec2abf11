"""Scatter by order as layers: single and multiple sum to all scatter, in radiographs and in scans."""

import numpy as np
import pytest
from exposure_cases import slab

import physsim as ps
from physsim.errors import InvalidInput
from physsim.imaging.scattered import signal_responses

ORDERS = ("scatter_single", "scatter_multiple")
RUN = ps.MonteCarlo(histories=4096)
SMALL = {"views": 90, "pixel_mm": 8.0, "rows": 4, "columns": 112, "matrix": 48, "field_mm": 256.0, "slice_mm": 4.0,
         "offset_mm": (2.0, 0.0), "range_mm": (-8.0, 8.0), "mas": 1.25, "pitch": None, "stops": 1}


def sums_to_all(shot):
    single, multiple, every = (shot[name].astype(np.float64) for name in (*ORDERS, "scatter"))
    assert single.min() >= 0.0
    assert multiple.min() >= 0.0
    assert np.abs(single + multiple - every).max() < 1e-4 * every.mean()
    return float(multiple.mean() / every.mean())


def test_a_radiograph_keeps_orders():
    """The thicker the body, the more of its scatter is multiple: above half behind 20 cm of water, 30 % behind 2."""
    protocol = ps.protocols.chest_pa(pixel_mm=10.0, anti_scatter_grid=None, mas=1.0)
    thin, thick = (ps.simulate(slab(depth, width_mm=400.0), protocol, scatter=RUN, noise=False, keep=ORDERS)
                   for depth in (20.0, 200.0))
    assert sums_to_all(thin) < 0.3
    assert 0.5 < sums_to_all(thick) < 0.9
    bare = ps.simulate(slab(20.0, width_mm=400.0), protocol, scatter=RUN, noise=False)
    assert "scatter_single" not in bare.layers
    assert np.array_equal(bare["scatter"], thin["scatter"])


def test_a_scan_keeps_orders():
    """The multiple share is that of one view by scatter_image, another estimator, within 15 %."""
    water, protocol = ps.voxelise(ps.scene("water_20cm"), spacing_mm=8), ps.protocols.chest_ct(**SMALL)
    scan = ps.simulate(water, protocol, scatter=RUN, noise=False, keep=(*ORDERS, "scatter"))
    view = ps.scatter_image(water, scan.geometry[0].in_pixels(4, 28), protocol.spectrum, ps.MonteCarlo(histories=2**15),
                            cathode=protocol.cathode, anti_scatter_grid=protocol.anti_scatter_grid,
                            response=signal_responses(protocol.detector)[0], seed=9)
    assert sums_to_all(scan) == pytest.approx(view.mean(process="multiple")[0] / view.mean()[0], rel=0.15)


@pytest.mark.parametrize(("scatter", "protocol", "keep", "why"), [
    ("none", "chest_pa", ORDERS[:1], "only Monte Carlo"), ("kernel", "chest_ct", ORDERS[1:], "only Monte Carlo"),
    ("montecarlo", "photon_counting_ct", ORDERS[:1], "bins of energy"),
    ("montecarlo", "chest_pa", ("primary",), "no effect"), ("montecarlo", "chest_ct", ("scatter_double",), "Did you")])
def test_orders_that_cannot_be_kept(scatter, protocol, keep, why):
    with pytest.raises(InvalidInput, match=why):
        ps.simulate(slab(20.0), ps.protocols[protocol], scatter=scatter, keep=keep)
