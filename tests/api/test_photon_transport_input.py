"""Bad input to photon transport: what, why, how to mend, with the value."""

import numpy as np
import pytest

import physsim as ps
from physsim.errors import InvalidInput
from physsim.spec.grid import Grid
from physsim.transport.montecarlo import MonteCarloWarning

FIELD = ps.ConeField(toward_mm=(0, 0, 0), half_angle_deg=2)
BEAM = ps.PhotonSource(spectrum=60, position_mm=(0, 0, -500), field=FIELD)
RUN = ps.MonteCarlo(histories=200)


def cube(**fields):
    labels = np.zeros((3, 3, 3), np.uint8)
    return ps.Phantom(
        **{
            "grid": Grid(shape=(3, 3, 3), spacing_mm=20),
            "labels": labels,
            "materials": (ps.material("water"),),
            **fields,
        }
    )


def plane(distance=300.0, **fields):
    return ps.Geometry(
        **{
            "source_mm": [(0, 0, -500)],
            "centre_mm": [(0, 0, distance)],
            "u": [(1, 0, 0)],
            "v": [(0, 1, 0)],
            "rows": 4,
            "columns": 4,
            "pixel_mm": (50, 50),
            **fields,
        }
    )


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"histories": 0}, "histories=0: a run has 1 to"),
        ({"histories": -5}, "histories=-5"),
        ({"histories": 10, "seconds": 2}, "histories and seconds: a run has one aim"),
        ({}, "no aim"),
        ({"relative_error": 0.0}, "relative_error=0.0"),
        ({"seconds": -1}, "seconds=-1"),
        ({"histories": 5, "most_histories": 6}, "most_histories=6: it has no effect"),
        ({"history": 7}, "Did you mean 'histories'"),
        ({"histories": 5, "cutoff_kev": 0.1}, "cutoff_kev=0.1"),
    ],
)
def test_of_a_run(fields, text):
    with pytest.raises(InvalidInput, match=text):
        ps.MonteCarlo(**fields)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"spectrum": 151}, "150 keV"),
        ({"spectrum": 0.5}, "1-150 keV"),
        ({"field": ps.ConeField(toward_mm=(0, 0, -500), half_angle_deg=2)}, "no direction from the source"),
        (
            {"field": ps.RectangularField(centre_mm=(0, 0, -500), across=(1, 0, 0), along=(0, 1, 0), size_mm=(1, 1))},
            "lies in the plane of its field",
        ),
        ({"focal_spot_mm": (-1, 0)}, "focal_spot_mm"),
    ],
)
def test_of_a_source(fields, text):
    with pytest.raises(InvalidInput, match=text):
        ps.PhotonSource(**{"spectrum": 60, "position_mm": (0, 0, -500), "field": FIELD, **fields})


def test_of_a_field():
    with pytest.raises(InvalidInput, match="not unit vectors at right angles"):
        ps.RectangularField(centre_mm=(0, 0, 0), across=(1, 0, 0), along=(1, 1, 0), size_mm=(1, 1))
    with pytest.raises(InvalidInput, match="half_angle_deg=90"):
        ps.ConeField(toward_mm=(0, 0, 0), half_angle_deg=90)


def test_a_source_that_sees_no_detector():
    with pytest.raises(InvalidInput, match="behind the detector and sees none of it"):
        ps.transport_photons(cube(), BEAM, RUN, geometry=plane(source_mm=[(0, 0, 900)]))


def test_a_field_that_misses_everything_warns_and_gives_zeros():
    aside = ps.PhotonSource(
        spectrum=60, position_mm=(0, 0, -500), field=ps.ConeField(toward_mm=(0, 0, -900), half_angle_deg=2)
    )
    with pytest.warns(MonteCarloWarning, match="none of 200 photons met"):
        result = ps.transport_photons(cube(), aside, RUN, geometry=plane(), seed=1)
    assert result.total().value == 0 == result.total().error
    assert result.balance["escaped"] == result.balance["born"] > 0
    assert not result.image().any()


def test_of_the_phantom():
    density = np.ones((3, 3, 3), np.float32)
    density[1, 1, 1] = np.nan
    with pytest.raises(InvalidInput, match="density"):
        cube(density=density)
    density[1, 1, 1] = -1
    with pytest.raises(InvalidInput, match=r"density\[1, 1, 1\]=-1.0"):
        cube(density=density)
    with pytest.raises(InvalidInput, match="Did you mean"):
        ps.transport_photons(cube(), BEAM, RUN, ambient="aer")


def test_of_regions():
    with pytest.raises(InvalidInput, match="phantom's shape"):
        ps.transport_photons(cube(), BEAM, RUN, regions=np.zeros((3, 3), int))
    with pytest.raises(InvalidInput, match="regions from 0 to 2"):
        ps.transport_photons(
            cube(), BEAM, RUN, regions=np.full((3, 3, 3), 2) * (np.arange(3) == 1), region_names=["a", "b"]
        )
    result = ps.transport_photons(cube(), BEAM, RUN, seed=1)
    with pytest.raises(InvalidInput, match="Did you mean 'water'"):
        result.region("watr")
    with pytest.raises(InvalidInput, match="Run with voxel_dose=True"):
        result.voxel_energy()
    with pytest.raises(InvalidInput, match="no such class of photons"):
        result.image("scattered")


def test_a_tally_too_large_says_how_to_shrink_it():
    with pytest.raises(InvalidInput, match=r"image tally of 100000 x 100000 pixels.*Take larger pixels"):
        ps.transport_photons(cube(), BEAM, RUN, geometry=plane(rows=100000, columns=100000, pixel_mm=(0.01, 0.01)))


def test_of_the_detector():
    two = ps.Geometry.circular(views=2, source_axis_mm=500, source_detector_mm=800, rows=2, columns=2, pixel_mm=10)
    with pytest.raises(InvalidInput, match="geometry of 2 views"):
        ps.transport_photons(cube(), BEAM, RUN, geometry=two)
    with pytest.raises(InvalidInput, match="disc_mm=5"):
        ps.transport_photons(cube(), BEAM, RUN, disc_mm=5)
    with pytest.raises(InvalidInput, match="energy_edges_kev"):
        ps.transport_photons(cube(), BEAM, RUN, geometry=plane(), energy_edges_kev=[10, 20, 50])


def test_a_file_of_another_run(tmp_path):
    file = tmp_path / "run.h5"
    ps.transport_photons(cube(), BEAM, RUN, seed=1, file=file)
    with pytest.raises(InvalidInput, match="holds another run"):
        ps.transport_photons(cube(), BEAM, RUN, seed=2, file=file)


def test_not_reaching_the_aim_warns():
    with pytest.warns(MonteCarloWarning, match="not reached with 69632 photons"):
        result = ps.transport_photons(
            cube(), BEAM, ps.MonteCarlo(relative_error=1e-6, most_histories=70000), geometry=plane(), seed=1
        )
    assert not result.aim_reached
