"""A scan as DICOM: projections that reconstruct to its volume, and segments that are its truth on the slices."""

import numpy as np
import pytest
from dicom_judge import complaints

import physsim as ps
from physsim.imaging.dicom.ct_projection_reader import read_ct_projections
from physsim.imaging.scan.measured_files import line_integrals

pydicom = pytest.importorskip("pydicom", reason="the extra `dicom` is not installed")

SMALL = {"views": 90, "pixel_mm": 8.0, "rows": 4, "columns": 112, "matrix": 48, "field_mm": 256.0, "slice_mm": 4.0,
         "offset_mm": (2.0, 0.0), "range_mm": (-8.0, 8.0), "mas": 1.25, "pitch": None, "stops": 1}


@pytest.fixture(scope="module")
def scan():
    inserts = ps.voxelise(ps.scene("ct_numbers"), spacing_mm=4)
    return ps.simulate(inserts, ps.protocols.chest_ct(**SMALL), seed=7, keep=("image",))


def test_projections_reconstruct_to_the_volume(scan, tmp_path):
    """Read back and reconstructed by ps.fdk they are the scan's CT numbers within 1 HU (16 bits a value)."""
    scan.save_projections(tmp_path / "views")
    paths = sorted((tmp_path / "views").iterdir())
    assert len(paths) == 90
    assert complaints(paths[3]) == []
    projections, geometry = read_ct_projections(tmp_path / "views")
    per_mm = float(pydicom.dcmread(paths[0])[0x7041, 0x1001].value)
    volume = 1000.0 * (ps.fdk(projections, geometry, scan.grid(), kernel="hann") / per_mm - 1.0)
    assert np.abs(volume - scan.volume.array).max() < 1.0


def test_uncorrected_projections_are_the_logarithm_of_what_was_read(scan, tmp_path):
    """Behind air 0, within noise; behind the middle of the water less than its length at the mean energy: hardened."""
    scan.save_projections(tmp_path / "views", corrected=False)
    projections, _ = read_ct_projections(tmp_path / "views")
    assert np.abs(projections - line_integrals(scan)).max() < 1e-4
    assert abs(float(projections[:, :, 2:8].mean())) < 2e-3
    middle = float(projections[:, :, 54:58].mean())
    lengths = float(scan.lengths_mm[:, :, 54:58].mean())
    assert 0.9 < middle / (lengths * float(ps.linear_attenuation_per_mm("water", 66.0))) < 1.0


def test_truth_is_a_segmentation_of_the_slices(scan, tmp_path):
    scan.save(tmp_path / "ct")
    scan.save_truth(tmp_path / "truth.dcm", slices=tmp_path / "ct")
    assert complaints(tmp_path / "truth.dcm") == []
    data = pydicom.dcmread(tmp_path / "truth.dcm")
    names = [one.SegmentLabel for one in data.SegmentSequence]
    assert {"teflon", "body", "lung"} <= set(names)
    frames = data.pixel_array
    teflon = names.index("teflon") + 1
    own = [frame for frame, group in zip(frames, data.PerFrameFunctionalGroupsSequence, strict=True)
           if group.SegmentIdentificationSequence[0].ReferencedSegmentNumber == teflon]
    assert np.array_equal(np.stack(own).astype(bool), scan.truth.mask("teflon"))
    source = data.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]
    slices = {pydicom.dcmread(path).SOPInstanceUID for path in (tmp_path / "ct").iterdir()}
    assert source.ReferencedSOPInstanceUID in slices
    assert data.StudyInstanceUID == pydicom.dcmread(tmp_path / "ct" / "slice_0001.dcm").StudyInstanceUID
    scan.save_truth(tmp_path / "truth.nii.gz")
    with pytest.raises(ps.errors.InvalidInput, match=r"only a \.dcm"):
        scan.save_truth(tmp_path / "other.nii.gz", slices=tmp_path / "ct")
    with pytest.raises(ps.errors.InvalidInput, match="holds no slices"):
        scan.save_truth(tmp_path / "other.dcm", slices=tmp_path)


def test_what_projections_refuse(scan, tmp_path):
    scan.save_projections(tmp_path / "views")
    with pytest.raises(ps.errors.PhyssimError, match="exists"):
        scan.save_projections(tmp_path / "views")
    plain = ps.simulate(ps.voxelise(ps.scene("water_20cm"), spacing_mm=20), ps.protocols.chest_ct(**SMALL), noise=False)
    with pytest.raises(ps.errors.InvalidInput, match="kept none"):
        plain.save_projections(tmp_path / "other", corrected=False)
