"""Encoded data elements read back by pydicom, which knows nothing of how they were written."""

import io
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physsim.errors import InvalidInput
from physsim.io.dicom import bit_packed_bytes, dicom_bytes, packed_bits
from physsim.io.dicom_encoding import decimal_string, encode

pydicom = pytest.importorskip("pydicom", reason="the extra `dicom` is not installed")


def back(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return pydicom.dcmread(io.BytesIO(data), force=True)


VALUES = {"PatientID": "a b", "StudyDate": "20010203", "StudyTime": "010203.5", "PatientAge": "007D", "KVP": 119.5,
          "Rows": 65535, "InstanceNumber": -3, "ImageType": ["ORIGINAL", "PRIMARY", ""], "PatientName": "PHYSSIM^A=B",
          "ImageComments": "a \\ in a text, \u00b5Gy", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
          "ExposureTimeInms": 1.25, "DetectorActiveOrigin": [0.1, -2.5], "DimensionIndexValues": [1, 2, 2**32 - 1],
          "DimensionIndexPointer": ["ImagePositionPatient"], "CornealVertexLocation": [1.0, 2.0],
          "FilterThicknessMinimum": [1 / 3, 2e-9], "ICCProfile": b"odd", "ReferringPhysicianName": ""}


def test_every_representation_comes_back():
    found = back(encode({"SpecificCharacterSet": "ISO_IR 192", **VALUES,
                         (0x7051, 0x10, "LO"): "X", (0x7051, 0x1001, "FL"): [1.5, -2.5],
                         (0x7051, 0x1002, "UT"): "\u00e9",
                         "ViewCodeSequence": [{"CodeValue": "1"}, {"ViewModifierCodeSequence": []}]}))
    for name in ("PatientID", "StudyDate", "StudyTime", "PatientAge", "KVP", "Rows", "InstanceNumber", "ImageType",
                 "PatientName", "ImageComments", "SOPClassUID", "DetectorActiveOrigin", "DimensionIndexValues"):
        assert getattr(found, name) == VALUES[name], name
    assert found.ExposureTimeInms == 1.25
    assert found.DimensionIndexPointer == pydicom.tag.Tag("ImagePositionPatient")
    assert [float(x) for x in found.FilterThicknessMinimum] == pytest.approx([1 / 3, 2e-9], rel=1e-12)
    assert found.ICCProfile == b"odd\0"
    assert found.ReferringPhysicianName == ""
    assert found[0x7051, 0x1001].value == [1.5, -2.5]
    assert found[0x7051, 0x1002].value == "\u00e9"
    assert found.ViewCodeSequence[0].CodeValue == "1"
    assert len(found.ViewCodeSequence[1].ViewModifierCodeSequence) == 0


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.floats(-1e300, 1e300))
def test_decimal_strings(number):
    text = decimal_string(number)
    assert len(text) <= 16
    assert float(text) == pytest.approx(number, rel=1e-8)  # the worst: sign, exponent of three digits


@pytest.mark.parametrize(("attributes", "why"), [
    ({"KVP": float("nan")}, "KVP=nan.*finite"), ({"KVP": "x"}, "another form"), ({"Rows": 70000}, "Rows=70000"),
    ({"PatientID": "a" * 65}, "65 characters"), ({"PatientID": "a\\b"}, "backslash"), ({"Modality": "ct"}, "form"),
    ({"StudyInstanceUID": "1.02"}, "form"), ({"InstanceNumber": 1.5}, "whole"), ({"NoSuchWord": 1}, "no such keyword"),
    ({"StudyDate": "2001"}, "form"), ({(0x7050, 0x1001, "LO"): "a"}, "odd"),
    ({"FilterThicknessMinimum": [0.1] * 20000}, "65534")])
def test_what_an_attribute_cannot_hold(attributes, why):
    with pytest.raises(InvalidInput, match=why):
        encode(attributes)


def test_signed_attributes_follow_the_pixels():
    assert back(encode({"RealWorldValueFirstValueMapped": -5}, signed=True)).RealWorldValueFirstValueMapped == -5
    with pytest.raises(InvalidInput, match="RealWorldValueFirstValueMapped=-5"):
        encode({"RealWorldValueFirstValueMapped": -5})


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", ">u2"])
def test_pixels_come_back(dtype):
    pixels = (np.arange(3 * 5 * 7) * 577 % 2**16).astype(np.uint16).view(np.int16).astype(dtype).reshape(3, 5, 7)
    uids = {"SOPClassUID": "1.2.3", "SOPInstanceUID": "1.2.4", "PhotometricInterpretation": "MONOCHROME2",
            "NumberOfFrames": 3}
    if dtype == ">u2":
        with pytest.raises(InvalidInput, match="uint8, uint16 or int16"):
            dicom_bytes(uids, pixels)
        return
    found = back(dicom_bytes(uids, pixels))
    assert found.file_meta.MediaStorageSOPInstanceUID == "1.2.4"
    assert np.array_equal(found.pixel_array, pixels)


def test_bits_come_back():
    bits = np.random.default_rng(1).random((19, 5, 7)) < 0.5  # frames that end within a byte, and within eight frames
    found = back(bit_packed_bytes({"SOPClassUID": "1.2.3", "SOPInstanceUID": "1.2.4", "NumberOfFrames": 19,
                                   "PhotometricInterpretation": "MONOCHROME2"}, packed_bits(bits), bits.shape))
    assert np.array_equal(found.pixel_array, bits)
    with pytest.raises(InvalidInput, match="84 are wanted"):
        bit_packed_bytes({}, packed_bits(bits[:9]), bits.shape)
