"""CT projections in the manner of DICOM-CT-PD: where the published tags put source and elements, against the poses."""

import dataclasses

import numpy as np
import pytest
from dicom_judge import complaints

from physsim.errors import FileFormatError, InvalidInput
from physsim.imaging.dicom.attributes import Subject
from physsim.imaging.dicom.ct import CtTechnique, save_ct_series
from physsim.imaging.dicom.ct_projection_reader import read_ct_projections, source_positions_mm
from physsim.imaging.dicom.ct_projections import ProjectionScan, save_ct_projections
from physsim.io.dicom_identity import Identity
from physsim.io.image import Image
from physsim.spec.geometry import Geometry

pydicom = pytest.importorskip("pydicom", reason="the extra `dicom` is not installed")

SUBJECT, IDENTITY = Subject(identifier="man-2", sex="M", age_years=60.0), Identity('{"protocol": "chest_ct"}', 2)
SCAN = ProjectionScan(technique=CtTechnique(kvp=120.0, kernel="none", pitch=1.0, tube_current_ma=300.0,
                                            exposure_time_s=0.5), views_per_rotation=10, water_per_mm=0.0192)
HELIX = Geometry.circular(views=12, source_axis_mm=540.0, source_detector_mm=950.0, rows=6, columns=31,
                          pixel_mm=(1.0, 1.1), curved=True, offset_mm=(0.25, 0.0), pitch_mm=30.0, start_deg=10.0)
FLAT = Geometry.circular(views=7, source_axis_mm=540.0, source_detector_mm=950.0, rows=5, columns=8,
                         pixel_mm=(2.0, 1.5), arc_deg=200.0)
TURNED = dataclasses.replace(FLAT, u=-FLAT.u, v=-FLAT.v)  # rows towards the feet, columns the other way
FLYING = dataclasses.replace(HELIX, source_mm=HELIX.source_mm + np.where(
    (np.arange(12) % 2)[:, None] > 0, 0.4 * HELIX.u + [0.0, 0.0, 0.3], -0.4 * HELIX.u - [0.0, 0.0, 0.3]))
GEOMETRIES = {"helix": HELIX, "flat": FLAT, "turned": TURNED, "flying": FLYING}


def projections(geometry):
    return np.random.default_rng(3).uniform(-0.02, 6.0, geometry.shape)


def save(folder, geometry, scan=SCAN, **options):
    return save_ct_projections(folder, projections(geometry), geometry, scan, SUBJECT, IDENTITY, **options)


def value(data, group, element):
    return data[group, element].value


@pytest.mark.parametrize("name", GEOMETRIES)
def test_dciodvfy_finds_neither_error_nor_warning(tmp_path, name):
    assert complaints(save(tmp_path, GEOMETRIES[name])[1], warnings=True) == []


@pytest.mark.parametrize("name", GEOMETRIES)
def test_published_tags_say_where_source_and_elements_are(tmp_path, name):
    """By the formulas of the format's own paper, in its frame, from the tags alone (float32: 0.5 um)."""
    geometry = GEOMETRIES[name]
    lps = np.array([-1.0, -1.0, 1.0])
    sets = [pydicom.dcmread(path) for path in save(tmp_path, geometry)]
    assert np.abs(source_positions_mm(sets) - geometry.source_mm).max() < 5e-4
    for view, data in enumerate(sets):
        angle, height, rho = (float(value(data, 0x7031, 0x1001 + n)) for n in range(3))
        focal = np.array([-rho * np.sin(angle), rho * np.cos(angle), height])
        inward, right = np.array([np.sin(angle), -np.cos(angle), 0.0]), np.array([np.cos(angle), np.sin(angle), 0.0])
        reach, (column, row) = float(value(data, 0x7031, 0x1031)), value(data, 0x7031, 0x1033)
        across = (np.arange(1, geometry.columns + 1) - column) * value(data, 0x7029, 0x1002)
        along = (np.arange(1, geometry.rows + 1) - row) * value(data, 0x7029, 0x1006)
        if value(data, 0x7029, 0x100B) == "CYLINDRICAL":
            turn = across / reach
            arc = reach * (np.cos(turn)[:, None] * inward + np.sin(turn)[:, None] * right)
        else:
            arc = reach * inward + across[:, None] * right
        found = (focal + arc[:, None] + along[None, :, None] * [0.0, 0.0, 1.0]) * lps  # (columns, rows, 3) as stored
        truth = geometry.pixel_centres_mm(view).swapaxes(0, 1)
        stored = data.pixel_array * float(data.RescaleSlope) + float(data.RescaleIntercept)
        images = projections(geometry)[view].T
        kept = (slice(None), slice(None, None, -1)) if name == "turned" else (slice(None, None, -1), slice(None))
        truth, images = truth[kept], images[kept]  # physsim's own columns count towards the left
        assert np.abs(found - truth).max() < 5e-4
        assert np.abs(stored - images).max() <= 0.5001 * float(data.RescaleSlope)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_projections_come_back(tmp_path, name):
    geometry = GEOMETRIES[name]
    paths = save(tmp_path, geometry)
    paths[0].rename(tmp_path / "z.dcm")  # the order comes from the instance numbers
    values, back = read_ct_projections(tmp_path)
    assert np.abs(values - projections(geometry)).max() < 5e-5
    for field in ("source_mm", "centre_mm", "u", "v"):
        assert np.array_equal(getattr(back, field), getattr(geometry, field)), field
    assert (back.rows, back.columns) == (geometry.rows, geometry.columns)
    assert back.pixel_mm == pytest.approx(geometry.pixel_mm, rel=1e-7)


@pytest.mark.parametrize("unknown", [False, True])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_files_of_others_are_read_by_their_tags(tmp_path, name, unknown):
    """Without physsim's poses, and with private elements of unknown representation, as in the library's own files."""
    geometry = GEOMETRIES[name]
    for path in save(tmp_path, geometry):
        data = pydicom.dcmread(path)
        for element in [one for one in data if one.tag.group == 0x7053]:
            del data[element.tag]
        if unknown:
            private = [one.tag for one in data if one.tag.is_private and one.VR in ("FL", "CS")]
            for tag in private:
                kept = data[tag]
                raw = (np.atleast_1d(kept.value).astype("<f4").tobytes() if kept.VR == "FL" else kept.value.encode()
                       + b" " * (len(kept.value) % 2))
                data[tag] = pydicom.dataelem.DataElement(tag, "UN", raw)
        data.save_as(path)
    values, back = read_ct_projections(tmp_path)
    kept = {"turned": (slice(None), slice(None, None, -1)), "flat": (slice(None), slice(None), slice(None, None, -1))}
    order = kept.get(name, kept["flat"])  # as stored: columns towards the right, rows towards the head
    assert np.abs(values - projections(geometry)[order]).max() < 5e-5
    assert np.abs(back.source_mm - geometry.source_mm).max() < 5e-4
    for view in range(len(geometry)):
        world = geometry.pixel_centres_mm(view)[order[1:]]
        assert np.abs(back.pixel_centres_mm(view) - world).max() < 5e-4


@pytest.mark.parametrize(("name", "mode"), [("helix", "FFSNONE"), ("flat", "FFSNONE"), ("flying", "FFSXYZ")])
def test_focal_spot_mode(tmp_path, name, mode):
    data = pydicom.dcmread(save(tmp_path, GEOMETRIES[name])[0])
    assert value(data, 0x7033, 0x100E) == mode


def test_attributes(tmp_path):
    photons = np.linspace(1e4, 2e5, 31)
    data = pydicom.dcmread(save(tmp_path, HELIX, photons=photons)[2])
    assert (data.Rows, data.Columns) == (31, 6)
    assert (value(data, 0x7029, 0x1010), value(data, 0x7029, 0x1011)) == (6, 31)
    assert (value(data, 0x7033, 0x1013), float(value(data, 0x7041, 0x1001))) == (10, 0.0192)
    assert (value(data, 0x7037, 0x1009), value(data, 0x7037, 0x100A)) == ("HELICAL", "FANBEAM")
    flags = [value(data, 0x7039, 0x1003 + n) for n in range(7)]
    assert flags == ["NO", "YES", "YES", "YES", "YES", "NO", "YES"]
    assert np.allclose(value(data, 0x7033, 0x1065), photons[::-1], rtol=1e-6)
    assert (data.KVP, data.XRayTubeCurrent, data.SpiralPitchFactor, data.SyntheticData) == (120, 300, 1, "YES")


def test_equal_input_equal_bytes(tmp_path):
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
        save(folder, FLAT)
    for one, other in zip(*(sorted(folder.iterdir()) for folder in folders), strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_image_plane_is_the_detector(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    image = sitk.ReadImage(str(save(tmp_path, FLAT)[3]))
    corner = image.TransformContinuousIndexToPhysicalPoint((0.0, 0.0, 0.0))
    assert np.abs(np.array(corner) - FLAT.pixel_centres_mm(3)[0, -1]).max() < 1e-6
    far = image.TransformContinuousIndexToPhysicalPoint((4.0, 7.0, 0.0))
    assert np.abs(np.array(far) - FLAT.pixel_centres_mm(3)[-1, 0]).max() < 1e-6


@pytest.mark.parametrize(("call", "why"), [
    (lambda f: save_ct_projections(f, np.zeros((2, 3, 4)), FLAT, SCAN, SUBJECT, IDENTITY),
     r"geometry's are \(7, 5, 8\)"),
    (lambda f: save_ct_projections(f, np.full(FLAT.shape, np.inf), FLAT, SCAN, SUBJECT, IDENTITY), "finite"),
    (lambda f: save(f, dataclasses.replace(FLAT, u=FLAT.v, v=FLAT.u)), "not along z"),
    (lambda f: dataclasses.replace(SCAN, water_per_mm=0.0), "water attenuates"),
    (lambda f: dataclasses.replace(SCAN, views_per_rotation=0), "1 to 65535")])
def test_bad_input(tmp_path, call, why):
    with pytest.raises(InvalidInput, match=why):
        call(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_projection(tmp_path):
    with pytest.raises(FileFormatError, match=r"no \.dcm files"):
        read_ct_projections(tmp_path)
    save_ct_series(tmp_path, Image(np.zeros((1, 3, 3), np.float32)), SCAN.technique, SUBJECT, IDENTITY)
    with pytest.raises(FileFormatError, match="no DICOM-CT-PD"):
        read_ct_projections(tmp_path)
