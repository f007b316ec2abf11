"""Photon transport by the kernel of a GPU, run on the CPU, against the CPU's own: the same bits."""

import numpy as np
import pytest

import physsim as ps
from physsim.device import choice
from physsim.errors import DeviceUnavailable, InvalidInput
from physsim.transport.montecarlo_cuda import CudaPhotons
from physsim.transport.montecarlo_job import Problem, pack_job

GRID = ps.Grid(shape=(9, 11, 13), spacing_mm=(9.0, 8.0, 7.0))
CENTRE = (54.0, 40.0, 28.0)
MATERIALS = tuple(ps.material(name) for name in ("water", "bone_cortical", "lung", "air", "iron", "iodine"))
FIELD = ps.RectangularField(centre_mm=CENTRE, across=(1, 0, 0), along=(0, 0, 1), size_mm=(90, 50))
DETECTOR = ps.Geometry(source_mm=np.array([[54.0, -700, 28]]), centre_mm=np.array([[54.0, 130, 28]]),
                       u=np.array([[1.0, 0, 0]]), v=np.array([[0.0, 0, -1]]), rows=14, columns=17, pixel_mm=9.0)
BEAM = ps.PhotonSource(spectrum=ps.Spectrum(kvp=110), position_mm=(54, -700, 28), field=FIELD, focal_spot_mm=(1.0, 0.6))
CONE = ps.PhotonSource(spectrum=70, position_mm=CENTRE, field=ps.ConeField(toward_mm=(54, 130, 28), half_angle_deg=60))


def body(label_type=np.uint8, density_type=np.float16):
    """Random cells of all materials, one quarter of them uniform."""
    rng = np.random.default_rng(2)
    labels = rng.integers(0, len(MATERIALS), GRID.shape).astype(label_type)
    labels[:, :, :7] = 0
    density = None if density_type is None else rng.uniform(0.5, 1.3, GRID.shape).astype(density_type)
    return ps.Phantom(grid=GRID, labels=labels, materials=MATERIALS, density=density, name="cells")


def assert_equal(there, here):
    assert there.balance == here.balance
    for name in ("batch_histories", "image_counts", "region_counts"):
        np.testing.assert_array_equal(getattr(there, name), getattr(here, name), err_msg=name)
    if here.voxels is not None:
        np.testing.assert_array_equal(there.voxels.total, here.voxels.total)
        np.testing.assert_array_equal(there.voxels.squares, here.voxels.squares)


@pytest.mark.parametrize("types", [(np.uint8, None), (np.uint8, np.float16), (np.uint16, np.float32)])
def test_images_and_dose(one_gpu, types):
    options = {"geometry": DETECTOR, "seed": 4, "voxel_dose": True, "ambient": "air",
               "energy_edges_kev": np.arange(10.0, 121.0, 10.0)}
    run = ps.MonteCarlo(histories=20000)
    there, here = (ps.transport_photons(body(*types), BEAM, run, device=device, **options)
                   for device in ("cuda", "cpu"))
    assert set(one_gpu.launched) == {"transport_photons"}
    assert_equal(there, here)
    assert (here.image_counts.sum((0, 2, 3, 4)) > 0).all()  # of every order
    assert np.count_nonzero(here.region_counts.sum(0)) >= 5


def test_overlays(one_gpu):
    """Voxels of a patch askew to the body, and of one that lies on its voxels."""
    rng = np.random.default_rng(6)
    turned = ps.Grid(shape=(6, 7, 8), spacing_mm=(2.0, 3.0, 2.5), origin_mm=(48.0, 0.0, 8.0),
                     direction=((0.6, 0.8, 0.0), (-0.8, 0.6, 0.0), (0.0, 0.0, 1.0)))
    straight = ps.Grid(shape=(4, 4, 4), spacing_mm=(4.5, 4.0, 3.5), origin_mm=(15.75, -2.0, 5.25))
    overlays = tuple(ps.Overlay(grid, rng.integers(0, len(MATERIALS), grid.shape).astype(np.uint8), None, str(n))
                     for n, grid in enumerate((turned, straight)))
    covered = body().replace(overlays=overlays)
    there, here, plain = (ps.transport_photons(one, BEAM, ps.MonteCarlo(histories=10000), geometry=DETECTOR, seed=4,
                                               voxel_dose=True, device=device)
                          for one, device in ((covered, "cuda"), (covered, "cpu"), (body(), "cpu")))
    assert_equal(there, here)
    assert not np.array_equal(here.region_counts, plain.region_counts)


@pytest.mark.parametrize("options", [
    {}, {"doppler": False, "fluorescence": False}, {"cutoff_kev": 40.0}, {"interference": False, "binding": False},
    {"dose": "expected"}, {"dose": "expected", "dose_regions": (MATERIALS[1].name,)}])
def test_source_inside_and_no_detector(one_gpu, options):
    run = ps.MonteCarlo(histories=8000, **options)
    there, here = (ps.transport_photons(body(), CONE, run, seed=3, device=device) for device in ("cuda", "cpu"))
    assert_equal(there, here)
    assert there.balance["escaped"] > 0


def test_a_tube_with_a_bowtie_before_a_curved_detector(one_gpu):
    curved = ps.Geometry(source_mm=DETECTOR.source_mm, centre_mm=DETECTOR.centre_mm, u=DETECTOR.u, v=DETECTOR.v,
                         rows=14, columns=17, pixel_mm=9.0, radius_mm=830.0)
    bowtie = ps.Bowtie(material="Al", fan_angles_deg=(0, 2, 6), thickness_mm=(1.0, 5.0, 20.0))
    tube = ps.PhotonSource.of_view(curved, ps.Spectrum(kvp=100, anode_angle_deg=10, filters=[("Al", 3)], bowtie=bowtie),
                                   cathode="v+")
    turned = tube.model_copy(update={"sweep": ps.Sweep(centre_mm=CENTRE, range_deg=90.0)})
    for source in (tube, turned):
        there, here = (ps.transport_photons(body(), source, ps.MonteCarlo(histories=8000), geometry=curved,
                                            device=device) for device in ("cuda", "cpu"))
        assert_equal(there, here)
        assert there.balance["detected"] > 0


def test_an_anti_scatter_grid(one_gpu):
    grid = ps.AntiScatterGrid(ratio=8, lines_per_cm=40, strip_mm=0.05, cover_mm=0.3, focal_distance_mm=830.0)
    there, here = (ps.transport_photons(body(), BEAM, ps.MonteCarlo(histories=8000), geometry=DETECTOR,
                                        anti_scatter_grid=grid, device=device) for device in ("cuda", "cpu"))
    assert_equal(there, here)
    assert there.region_counts[:, -2].sum() > 0  # what the grid keeps


def test_a_disc_and_photons_that_pass_by(one_gpu):
    wide = ps.RectangularField(centre_mm=CENTRE, across=(1, 0, 0), along=(0, 0, 1), size_mm=(300, 300))
    beam = ps.PhotonSource(spectrum=60, position_mm=(54, -700, 28), field=wide)
    there, here = (ps.transport_photons(body(), beam, ps.MonteCarlo(histories=8000), geometry=DETECTOR, disc_mm=40.0,
                                        device=device) for device in ("cuda", "cpu"))
    assert_equal(there, here)
    assert there.balance["escaped"] > there.balance["deposited"] > 0


def test_more_regions_than_a_block_holds(one_gpu):
    fine = ps.Grid(shape=(18, 19, 17), spacing_mm=5.0)
    phantom = ps.Phantom(grid=fine, labels=np.zeros(fine.shape, np.uint8), materials=MATERIALS[:1], name="water")
    regions = np.arange(18 * 19 * 17).reshape(fine.shape)
    source = ps.PhotonSource(spectrum=60, position_mm=(40, -500, 40), field=ps.RectangularField(
        centre_mm=(40, 40, 40), across=(1, 0, 0), along=(0, 0, 1), size_mm=(80, 80)))
    there, here = (ps.transport_photons(phantom, source, ps.MonteCarlo(histories=3000), regions=regions, device=device)
                   for device in ("cuda", "cpu"))
    assert_equal(there, here)
    assert np.count_nonzero(there.region_counts.sum(0)) > 500


def test_every_history_is_sent_once(one_gpu):
    """Any cut of the numbers, more threads than photons and fewer: each part adds what the CPU adds."""
    job = pack_job(Problem(body(), BEAM, ps.MonteCarlo(histories=1000), DETECTOR, 1), 1)
    there = CudaPhotons(one_gpu, job, False)
    for first, count in ((0, 1), (1, 127), (128, 129), (2**40, 5000), (2**32 - 50, 100)):
        sums = []
        for engine in (there, job.engine):
            regions, image = np.zeros(len(job.scene.regions.names), np.int64), np.zeros(job.image, np.int64)
            balance = np.zeros(6, np.int64)
            engine.run(first, count, regions, image, None, balance, 1, choice.instruction_set())
            sums.append((regions, image, balance))
        for one, other in zip(*sums, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_run_goes_on_elsewhere(one_gpu, tmp_path):
    path = tmp_path / "run.h5"
    for device, histories in (("cuda", 64), ("cpu", 128), ("cuda", 192)):
        ps.transport_photons(body(), BEAM, ps.MonteCarlo(histories=histories * 50), geometry=DETECTOR, file=path,
                             device=device)
    kept = ps.transport_photons(body(), BEAM, ps.MonteCarlo(histories=192 * 50), geometry=DETECTOR, file=path)
    assert kept.histories == 9600
    there = ps.transport_photons(body(), BEAM, ps.MonteCarlo(histories=9600), geometry=DETECTOR, device="cuda")
    np.testing.assert_array_equal(kept.image_counts.sum(0), there.image_counts.sum(0))


def test_arrays_that_do_not_fit(one_gpu):
    one_gpu.free = 100_000
    try:
        with pytest.raises(InvalidInput, match=r"photon transport of \(9, 11, 13\) voxels on a GPU"):
            ps.transport_photons(body(), BEAM, ps.MonteCarlo(histories=100), geometry=DETECTOR, device="cuda")
    finally:
        one_gpu.free = 1 << 40


def test_an_array_without_an_address():
    job = pack_job(Problem(body(), BEAM, ps.MonteCarlo(histories=10), DETECTOR), 1)
    every = dict.fromkeys(job.arrays, 4096)
    assert len(job.engine.elsewhere(every)) > 500
    with pytest.raises(ValueError, match=r"scene\.majorant"):
        job.engine.elsewhere({name: at for name, at in every.items() if name != "scene.majorant"})
    with pytest.raises(ValueError, match=r"source\.unknown"):
        job.engine.elsewhere(every | {"source.unknown": 1})


def test_a_gpu_that_is_absent(monkeypatch):
    monkeypatch.setattr(choice, "why_no_cuda", lambda: ("no CUDA device is visible", "Use device='cpu'."))
    with pytest.raises(DeviceUnavailable, match="device='cuda': no CUDA device"):
        ps.transport_photons(body(), BEAM, ps.MonteCarlo(histories=10), device="cuda")
