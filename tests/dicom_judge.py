"""What dciodvfy (Debian package dicom3tools) finds wrong in a DICOM file."""

import shutil
import subprocess

import pytest

# Synthetic Data (0008,001C) and the filter's material in CT came into the standard after Debian 12's dciodvfy
# of 2022. No other line of errors or warnings is passed over, but that it reads private elements.
NEWER = ("Error - </(0008,001c)> - Attribute with an even group number is not a recognized standard attribute",
         "Warning - </(0008,001c)> - Unrecognized tag - assuming explicit value representation OK [CS]",
         "Warning - </(0008,001c)> - Attribute is not present in standard DICOM IOD",
         "Warning - </FilterMaterial(0018,7050)> - Attribute is not present in standard DICOM IOD")


def complaints(path, warnings=False):
    """Lines of errors, or of errors and warnings."""
    judge = shutil.which("dciodvfy")
    if judge is None:
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools)")
    said = subprocess.run([judge, "-new", str(path)], capture_output=True, text=True, check=False)
    kinds = ("Error", "Warning") if warnings else ("Error",)
    return [line for line in (said.stdout + said.stderr).splitlines() if line.startswith(kinds) and line not in NEWER
            and not (line.startswith("Warning") and "assuming explicit value representation OK" in line)]
