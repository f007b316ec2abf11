"""Volumes written and read again, and read by other packages; damaged files are FileFormatErrors with the numbers."""

import gzip
import hashlib
import math

import numpy as np
import pytest

from physsim.errors import FileFormatError, InvalidInput
from physsim.io.hdf5 import Layer, read_layers, read_provenance, write_layers
from physsim.io.image import Image
from physsim.io.mhd import read_mhd, write_mhd
from physsim.io.nifti import read_nifti, write_nifti
from physsim.io.raw import read_described_raw, read_raw, write_described_raw
from physsim.io.volume import read_volume, write_volume

ENDINGS = (".nii", ".nii.gz", ".mhd", ".mha", ".h5", ".toml")
# A rotation by 40 degrees about z and one by 25 about x, and a left-handed set of axes.
C, S, c, s = math.cos(0.7), math.sin(0.7), math.cos(0.4), math.sin(0.4)
OBLIQUE = ((C, S, 0.0), (-S * c, C * c, s), (S * s, -C * s, c))
LEFT_HANDED = ((0.0, 1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0))
HALF_TURN = ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0))


def volume(dtype="float32", direction=OBLIQUE, shape=(3, 4, 17)):
    values = np.random.default_rng(5).normal(100, 20, shape)
    return Image(values.astype(dtype), (0.1, 0.7, 2.5), (-12.25, 30.5, 411.125), direction)


def same_place(a, b, tolerance_mm=2e-5):
    corners = np.array([[0, 0, 0, 1], [20, 20, 20, 1], [20, 0, 0, 1]]).T
    return np.abs((a.world_from_voxel - b.world_from_voxel) @ corners).max() < tolerance_mm


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("direction", [OBLIQUE, LEFT_HANDED, HALF_TURN])
def test_round_trip(tmp_path, ending, direction):
    image = volume(direction=direction)
    write_volume(tmp_path / f"a{ending}", image)
    back = read_volume(tmp_path / f"a{ending}")
    assert back.array.dtype == np.float32
    assert np.array_equal(back.array, image.array)
    assert back.spacing_mm == image.spacing_mm  # 0.1 stays 0.1, also through float32 headers
    assert back.origin_mm == image.origin_mm
    assert same_place(back, image)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "int32", "uint32", "int64", "float32",
                                   "float64"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_dtypes_are_kept(tmp_path, ending, dtype):
    image = volume(dtype)
    write_volume(tmp_path / f"a{ending}", image)
    back = read_volume(tmp_path / f"a{ending}").array
    assert back.dtype == np.dtype(dtype)
    assert np.array_equal(back, image.array)


@pytest.mark.parametrize("ending", [".h5", ".toml"])
def test_half_precision_is_kept(tmp_path, ending):
    write_volume(tmp_path / f"a{ending}", volume("float16"))
    assert read_volume(tmp_path / f"a{ending}").array.dtype == np.float16


@pytest.mark.parametrize("ending", [".nii", ".mha"])
def test_half_precision_is_refused_where_the_format_has_none(tmp_path, ending):
    with pytest.raises(InvalidInput, match=r"float16.*holds"):
        write_volume(tmp_path / f"a{ending}", volume("float16"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", ENDINGS)
def test_equal_inputs_give_equal_bytes(tmp_path, ending):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_volume(tmp_path / name / f"v{ending}", volume("int16", shape=(20, 20, 20)))
    hashes = [{file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (tmp_path / name).iterdir()}
              for name in ("a", "b")]
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize("ending", [".nii", ".mhd", ".mha", ".h5", ".toml"])
def test_uncompressed_voxels_are_mapped_not_copied(tmp_path, ending):
    write_volume(tmp_path / f"a{ending}", volume())
    array = read_volume(tmp_path / f"a{ending}").array
    assert isinstance(array, np.memmap)
    assert not array.flags.writeable
    assert array.flags.aligned


def test_nibabel_agrees_on_nifti(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    for direction in (OBLIQUE, LEFT_HANDED, HALF_TURN):
        image = volume("int16", direction)
        write_nifti(tmp_path / "a.nii.gz", image, overwrite=True)
        theirs = nibabel.load(tmp_path / "a.nii.gz")
        assert np.array_equal(np.asarray(theirs.dataobj).T, image.array)
        ras = np.diag([-1, -1, 1, 1]) @ image.world_from_voxel
        assert np.abs(theirs.get_sform() - ras).max() < 2e-5
        assert np.abs(theirs.get_qform() - ras).max() < 2e-5
        assert theirs.header.get_xyzt_units()[0] == "mm"


@pytest.mark.parametrize("form", ["Nifti1Image", "Nifti2Image"])
@pytest.mark.parametrize("codes", [(1, 0), (0, 1), (1, 2)])
@pytest.mark.parametrize("endianness", ["<", ">"])
def test_nifti_of_nibabel(tmp_path, form, codes, endianness):
    nibabel = pytest.importorskip("nibabel")
    image = volume("int16")
    ras = np.diag([-1, -1, 1, 1]) @ image.world_from_voxel
    header = {"Nifti1Image": nibabel.Nifti1Header, "Nifti2Image": nibabel.Nifti2Header}[form](endianness=endianness)
    header.set_data_dtype(np.dtype("int16").newbyteorder(endianness))
    theirs = getattr(nibabel, form)(image.array.T, ras, header)
    theirs.set_qform(ras if codes[0] else None, codes[0])
    theirs.set_sform(ras if codes[1] else None, codes[1])
    nibabel.save(theirs, tmp_path / "a.nii")
    back = read_nifti(tmp_path / "a.nii")
    assert np.array_equal(back.array, image.array)
    assert back.array.dtype.isnative
    assert same_place(back, image, 1e-4)


def test_scaled_nifti_becomes_float32(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    theirs = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))
    theirs.header.set_slope_inter(2.0, -1024.0)
    nibabel.save(theirs, tmp_path / "a.nii")  # nibabel stores value = (x + 1024) / 2
    back = read_nifti(tmp_path / "a.nii").array
    assert back.dtype == np.float32
    assert np.array_equal(back, np.asarray(nibabel.load(tmp_path / "a.nii").dataobj).T)


def edit(path, offset, data):
    whole = bytearray(path.read_bytes())
    whole[offset:offset + len(data)] = data
    path.write_bytes(bytes(whole))


@pytest.mark.parametrize(("offset", "data", "why"), [
    (0, b"\0\0\0\0", "sizeof_hdr is 0"),
    (344, b"ni1\0", r"magic is b'ni1"),
    (42, np.array([5], "<i2").tobytes(), r"3 x 4 x 5 voxels .* = 240 bytes, the file holds 816"),
    (48, np.array([9], "<i2").tobytes() , r"dim="),
    (70, np.array([128], "<i2").tobytes(), "datatype 128"),
    (108, np.array([np.nan], "<f4").tobytes(), "vox_offset=nan"),
    (252, b"\0\0\0\0", "does not say how it is oriented"),
    (280, np.array([np.inf], "<f4").tobytes(), "no regular grid"),
    (284, np.array([9.0], "<f4").tobytes(), "right angles"),
    (76 + 4, np.array([0.5], "<f4").tobytes(), None),
])
def test_damaged_nifti(tmp_path, offset, data, why):
    path = tmp_path / "a.nii"
    write_nifti(path, volume())
    if offset == 48:
        edit(path, 40, np.array([4], "<i2").tobytes())
    edit(path, offset, data)
    if why is None:  # pixdim and sform differ: the sform is what counts
        assert read_nifti(path).spacing_mm[0] == pytest.approx(0.1, rel=1e-6)
        return
    with pytest.raises(FileFormatError, match=why):
        read_nifti(path)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("keep", [0.98, 0.6, 0.1, 0.0])
def test_truncated(tmp_path, ending, keep):
    path = tmp_path / f"a{ending}"
    write_volume(path, volume("int16", shape=(20, 20, 21)))
    victim = path.with_suffix(".raw") if ending in (".mhd", ".toml") else path
    victim.write_bytes(victim.read_bytes()[:int(keep * victim.stat().st_size)])
    with pytest.raises(FileFormatError):
        read_volume(path)


@pytest.mark.parametrize("ending", [".nii.gz", ".mhd", ".mha", ".toml"])
def test_promise_of_terabytes_is_refused_before_allocation(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    write_volume(path, volume())
    if ending == ".nii.gz":
        inside = bytearray(gzip.decompress(path.read_bytes()))
        inside[42:48] = np.array([32767] * 3, "<i2").tobytes()
        path.write_bytes(gzip.compress(bytes(inside)))
    else:
        text = path.read_bytes()
        path.write_bytes(text.replace(b"DimSize = 17 4 3", b"DimSize = 99999 99999 99999")
                         .replace(b"    17,", b"    99999,").replace(b"    4,", b"    99999,"))
    with pytest.raises(FileFormatError, match="bytes"):
        read_volume(path)


class TestMetaImage:
    @pytest.mark.parametrize("name", ["a.mhd", "a.mha"])
    def test_compressed(self, tmp_path, name):
        write_mhd(tmp_path / name, volume(), compress=True)
        assert np.array_equal(read_mhd(tmp_path / name).array, volume().array)

    def test_header_says_raw_and_the_file_is_raw_gz(self, tmp_path):
        write_mhd(tmp_path / "a.mhd", volume())
        raw = (tmp_path / "a.raw").read_bytes()
        (tmp_path / "a.raw").unlink()
        (tmp_path / "a.raw.gz").write_bytes(gzip.compress(raw))
        assert np.array_equal(read_mhd(tmp_path / "a.mhd").array, volume().array)
        (tmp_path / "a.raw.gz").rename(tmp_path / "a.raw")  # gzip without saying so
        assert np.array_equal(read_mhd(tmp_path / "a.mhd").array, volume().array)

    def test_gzip_members_one_after_the_other(self, tmp_path):
        write_mhd(tmp_path / "a.mhd", volume())
        raw = (tmp_path / "a.raw").read_bytes()
        (tmp_path / "a.raw").write_bytes(gzip.compress(raw[:301]) + gzip.compress(raw[301:]))
        assert np.array_equal(read_mhd(tmp_path / "a.mhd").array, volume().array)

    def test_missing_voxel_file(self, tmp_path):
        write_mhd(tmp_path / "a.mhd", volume())
        (tmp_path / "a.raw").unlink()
        with pytest.raises(FileFormatError, match=r"names the voxel file 'a.raw'"):
            read_mhd(tmp_path / "a.mhd")

    @pytest.mark.parametrize("key", ["BinaryDataByteOrderMSB", "ElementByteOrderMSB"])
    def test_big_end_first(self, tmp_path, key):
        write_mhd(tmp_path / "a.mhd", volume("int16"))
        header = (tmp_path / "a.mhd").read_text()
        (tmp_path / "a.mhd").write_text(header.replace("BinaryDataByteOrderMSB = False", f"{key} = True"))
        (tmp_path / "a.raw").write_bytes(volume("int16").array.astype(">i2").tobytes())
        back = read_mhd(tmp_path / "a.mhd").array
        assert np.array_equal(back, volume("int16").array)
        assert back.dtype.isnative

    @pytest.mark.parametrize(("old", "new", "why"), [
        ("NDims = 3", "NDims = 2", "DimSize has 3 numbers"),
        ("DimSize = 17 4 3", "DimSize = 17 0 3", "DimSize = 17 0 3: must be"),
        ("DimSize = 17 4 3", "DimSize = 17 4 2", r"2 x 4 x 17 voxels .* = 544 bytes, the file holds 816"),
        ("MET_FLOAT", "MET_COMPLEX", "ElementType = MET_COMPLEX"),
        ("MET_FLOAT", "MET_DOUBLE", "1632 bytes, the file holds 816"),
        ("ElementSpacing = 0.1", "ElementSpacing = 0.0", r"spacing_mm=\(0.0"),
        ("ElementSpacing = 0.1", "ElementSpacing = -0.1", r"spacing_mm=\(-0.1"),
        ("ElementSpacing = 0.1", "ElementSpacing = nan", "ElementSpacing = nan"),
        ("BinaryData = True", "BinaryData = False", "BinaryData = False"),
        ("AnatomicalOrientation = RAI", "AnatomicalOrientation = LPI", "TransformMatrix says RAI"),
        ("a.raw", "LIST", "one voxel file"),
        ("ElementDataFile", "Element", "no line `ElementDataFile"),
        ("CompressedData = False", "CompressedData = True", "damaged"),
        ("Offset = -12.25", "Offset = x", "Offset = x"),
    ])
    def test_contradictions(self, tmp_path, old, new, why):
        write_mhd(tmp_path / "a.mhd", volume())
        header = (tmp_path / "a.mhd").read_text()
        assert old in header
        (tmp_path / "a.mhd").write_text(header.replace(old, new))
        with pytest.raises(FileFormatError, match=why):
            read_mhd(tmp_path / "a.mhd")

    def test_as_itk_writes_it(self, tmp_path):
        # The header that ITK 5.4 (SimpleITK 2.5) wrote for axes along +y, -x, -z.
        (tmp_path / "itk.mhd").write_text(
            "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n"
            "TransformMatrix = 0 1 0 -1 0 0 0 0 -1\nOffset = 1.5 -20.25 300.10000000000002\nCenterOfRotation = 0 0 0\n"
            "AnatomicalOrientation = ALS\n"
            "ElementSpacing = 0.10000000000000001 0.20000000000000001 0.34999999999999998\n"
            "ITK_InputFilterName = MetaImageIO\nDimSize = 5 4 3\nElementType = MET_UCHAR\nElementDataFile = itk.raw\n")
        (tmp_path / "itk.raw").write_bytes(bytes(range(60)))
        image = read_mhd(tmp_path / "itk.mhd")
        assert image.array.shape == (3, 4, 5)
        assert image.array[1, 2, 3] == 1 * 20 + 2 * 5 + 3
        assert image.direction == ((0, 1, 0), (-1, 0, 0), (0, 0, -1))
        assert image.spacing_mm == (0.1, 0.2, 0.35)


class TestByteOrder:
    def smooth(self, dtype):
        ramp = np.add.outer(np.arange(30), np.arange(40) * 3)[None] + np.zeros((5, 1, 1))
        return np.asarray(ramp, dtype)

    @pytest.mark.parametrize("dtype", ["uint16", "int16", "int32", "float16", "float32", "float64"])
    def test_wrong_order_is_noticed(self, tmp_path, dtype):
        (tmp_path / "a.raw").write_bytes(self.smooth(dtype).byteswap().tobytes())
        with pytest.raises(FileFormatError, match="make sense only with their bytes swapped"):
            read_raw(tmp_path / "a.raw", (5, 30, 40), dtype)
        right = read_raw(tmp_path / "a.raw", (5, 30, 40), dtype, byte_order="big").array
        assert np.array_equal(right, self.smooth(dtype))
        read_raw(tmp_path / "a.raw", (5, 30, 40), dtype, trust_byte_order=True)

    @pytest.mark.parametrize("array", [
        np.zeros((5, 30, 40), np.uint16), np.random.default_rng(0).integers(0, 65535, (5, 30, 40), np.uint16),
        np.random.default_rng(0).integers(0, 20, (5, 30, 40), np.uint16), np.full((5, 30, 40), 1e-5, np.float32),
        np.random.default_rng(0).normal(size=(5, 30, 40)).astype(np.float16),
        np.random.default_rng(0).integers(0, 3, (5, 30, 40)).astype(np.float16), np.ones((5, 30, 40), np.float16),
        np.random.default_rng(0).normal(1, 1e-3, (5, 30, 40)).astype(np.float16),
        np.random.default_rng(0).normal(-1000, 50, (5, 30, 40)).astype(np.int16)])
    def test_right_order_is_not_doubted(self, tmp_path, array):
        (tmp_path / "a.raw").write_bytes(array.tobytes())
        assert np.array_equal(read_raw(tmp_path / "a.raw", array.shape, array.dtype.name).array, array)


class TestRaw:
    def test_bare_voxels_are_centred(self, tmp_path):
        (tmp_path / "world.bin.gz").write_bytes(gzip.compress(bytes(range(60))))  # as TG-195 case 5 is shipped
        image = read_raw(tmp_path / "world.bin.gz", (3, 4, 5), "uint8", (2.0, 1.0, 1.0))
        assert image.origin_mm == (-4.0, -1.5, -1.0)
        assert image.array[2, 3, 4] == 59

    @pytest.mark.parametrize(("old", "new", "why"), [
        ('dtype = "int16"', 'dtype = "int17"', r"Did you mean 'int16'"),
        ('dtype = "int16"', 'dtype = 3', "no such element type"),
        ("spacing_mm", "spacings_mm", r"Did you mean 'spacing_mm'"),
        ('byte_order = "little"', 'byte_order = "middle"', "byte_order='middle'"),
        ("    17,", "    16,", r"384 bytes, the file holds 408"),
        ("    0.1,", "    0.0,", r"larger than 0 mm"),
        ("    0.1,", "    nan,", r"three numbers"),
        ("shape = ", "shape = = ", "is not TOML"),
        ('file = "a.raw"', 'file = "b.raw"', "names the voxel file 'b.raw'"),
    ])
    def test_contradictions(self, tmp_path, old, new, why):
        write_described_raw(tmp_path / "a.toml", volume("int16"))
        text = (tmp_path / "a.toml").read_text()
        assert old in text
        (tmp_path / "a.toml").write_text(text.replace(old, new))
        with pytest.raises(FileFormatError, match=why):
            read_described_raw(tmp_path / "a.toml")

    def test_compressed(self, tmp_path):
        write_described_raw(tmp_path / "a.toml", volume("float16"), compress=True)
        assert np.array_equal(read_described_raw(tmp_path / "a.toml").array, volume("float16").array)


class TestLayers:
    def layers(self):
        return {"signal": Layer(np.linspace(0, 1, 1200, dtype=np.float32).reshape(30, 40), "keV/mm2", ("v", "u"), "é"),
                "labels": Layer.of_image(volume("uint16"), "")}

    def test_round_trip(self, tmp_path):
        provenance = {"seed": 7, "spec": {"kvp": 125.0}, "long": "x" * 200_000}
        write_layers(tmp_path / "a.h5", self.layers(), provenance)
        back = read_layers(tmp_path / "a.h5")
        assert back.provenance == provenance == read_provenance(tmp_path / "a.h5")
        assert list(back.layers) == ["signal", "labels"]
        signal = back.layers["signal"]
        assert (signal.unit, signal.axes, signal.description) == ("keV/mm2", ("v", "u"), "é")
        assert isinstance(signal.array, np.memmap)
        assert np.array_equal(signal.array, self.layers()["signal"].array)
        assert back.layers["labels"].image.world_from_voxel.tolist() == volume().world_from_voxel.tolist()

    def test_no_clock_in_the_file(self, tmp_path, monkeypatch):
        write_layers(tmp_path / "a.h5", self.layers(), {"seed": 1})
        first = (tmp_path / "a.h5").read_bytes()
        import time
        time.sleep(1.1)  # HDF5 counts whole seconds
        write_layers(tmp_path / "a.h5", self.layers(), {"seed": 1}, overwrite=True)
        assert (tmp_path / "a.h5").read_bytes() == first

    def test_unknown_layer(self, tmp_path):
        write_layers(tmp_path / "a.h5", self.layers(), {})
        with pytest.raises(InvalidInput, match=r"Did you mean 'signal'"):
            read_layers(tmp_path / "a.h5", ["signals"])

    @pytest.mark.parametrize("provenance", [{"x": float("nan")}, {"x": object()}])
    def test_provenance_must_be_json(self, tmp_path, provenance):
        with pytest.raises(InvalidInput, match="cannot be JSON"):
            write_layers(tmp_path / "a.h5", self.layers(), provenance)

    def test_foreign_file(self, tmp_path):
        import h5py
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["x"] = 1
        with pytest.raises(FileFormatError, match="not one of physsim's layers"):
            read_layers(tmp_path / "a.h5")


@pytest.mark.parametrize("name", ["a.tif", "a", "a.gz", "a.raw"])
def test_unknown_ending(tmp_path, name):
    with pytest.raises(InvalidInput, match=r"Known: .nii"):
        read_volume(tmp_path / name)


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_such_file(tmp_path, ending):
    with pytest.raises(InvalidInput, match="no such file"):
        read_volume(tmp_path / f"a{ending}")


@pytest.mark.parametrize(("header", "why"), [
    ({"spacing_mm": (0.0, 1.0, 1.0)}, "larger than 0 mm"), ({"spacing_mm": (1.0, -1.0, 1.0)}, "larger than 0 mm"),
    ({"origin_mm": (math.nan, 0.0, 0.0)}, "finite"),
    ({"direction": ((1, 0, 0), (1, 0, 0), (0, 0, 1))}, "right angles")])
def test_bad_header(header, why):
    with pytest.raises(InvalidInput, match=why):
        Image(np.zeros((2, 2, 2)), **header)
