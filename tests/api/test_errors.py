"""Every error says what, why and how to mend it, with the value: in the source, and on the user's screen."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import physsim as ps
from physsim import errors

ROOT = Path(ps.__file__).parent
GRAMMAR = re.compile(r"(?P<what>[^\n]+?): (?P<why>[^\n]+?)[.?] (?P<mend>[A-Z][^\n]*[.?)])")
USER_ERRORS = {name for name, value in vars(errors).items() if isinstance(value, type)}
VALIDATED = {"spec", "phantom"}  # a ValueError of a validator there becomes the user's message (spec/base.py)
RADIOGRAPH = {"source_detector_mm": 1800.0, "detector_object_mm": 200.0, "rows": 8, "columns": 8, "pixel_mm": 1.0}
SWEEP = {"views": 5, "arc_deg": 25.0, "source_detector_mm": 650.0, "pivot_mm": 40.0, "rows": 8, "columns": 8,
         "pixel_mm": 1.0}
BALL = {"kind": "sphere", "name": "ball", "material": "water", "radius_mm": 5.0}
CIRCLE = {"views": 4, "source_axis_mm": 500.0, "source_detector_mm": 800.0, "rows": 8, "columns": 8, "pixel_mm": 1.0}


def last_words(node: ast.expr) -> str | None:
    """The literal text that an expression ends with; None when that is known only at run time."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr) and node.values:
        return last_words(node.values[-1])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return last_words(node.right)
    return None


def test_messages_in_the_source_end_with_the_mending():
    wrong, seen = [], 0
    for path in sorted(ROOT.rglob("*.py")):
        meets_users = USER_ERRORS | ({"ValueError"} if path.relative_to(ROOT).parts[0] in VALIDATED else set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            text = None
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "message":
                seen += 1
                if len(node.args) != 3:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} gives {len(node.args)} of what, why, mend")
                    continue
                text = last_words(node.args[2])
            elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args \
                    and getattr(node.exc.func, "id", "") in meets_users:
                text = last_words(node.exc.args[0])
            if text is not None and not re.search(r"[.?]\"?\)?$", text):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} ends with {text!r}, not with how to mend it")
    assert seen > 50
    assert not wrong, "\n".join(wrong)


def one_row(labels, density=None):
    """A phantom of one row of voxels, all of its materials being water."""
    density = None if density is None else np.array([[density]], np.float32)
    return ps.Phantom(grid=ps.Grid(shape=(1, 1, len(labels))), labels=np.array([[labels]], np.uint8),
                      materials=(ps.material("water"),), density=density)


BAD = {
    "no spacing": (lambda: ps.Grid(shape=(4, 4, 4), spacing_mm=0.0), "0"),
    "negative spacing": (lambda: ps.Grid(shape=(4, 4, 4), spacing_mm=(1.0, -2.5, 1.0)), "-2.5"),
    "NaN spacing": (lambda: ps.Grid(shape=(4, 4, 4), spacing_mm=float("nan")), "nan"),
    "empty shape": (lambda: ps.Grid(shape=(4, 0, 4)), "0"),
    "shape of two axes": (lambda: ps.Grid(shape=(4, 4)), "shape"),
    "text for a number": (lambda: ps.Grid(shape=(4, 4, 4), spacing_mm="wide"), "wide"),
    "skew axes": (lambda: ps.Grid(shape=(4, 4, 4), direction=((1, 0, 0), (1, 0, 0), (0, 0, 1))), "direction"),
    "unknown key": (lambda: ps.Grid(shape=(4, 4, 4), spacing=1.0), "Did you mean 'spacing_mm'?"),
    "missing key": (lambda: ps.Grid(), "Give shape."),
    "newer schema": (lambda: ps.Grid.from_toml("schema_version = 99\nshape = [4, 4, 4]"), "99"),
    "malformed TOML": (lambda: ps.Grid.from_toml("shape = [4, 4"), "TOML"),
    "malformed JSON": (lambda: ps.Grid.from_json('{"shape": [4, 4'), "JSON"),
    "no pixels": (lambda: ps.Geometry.radiograph(**{**RADIOGRAPH, "rows": 0}), "rows=0"),
    "pixel of no size": (lambda: ps.Geometry.radiograph(**{**RADIOGRAPH, "pixel_mm": 0.0}), "0.0"),
    "infinite pixel": (lambda: ps.Geometry.radiograph(**{**RADIOGRAPH, "pixel_mm": float("inf")}), "inf"),
    "unknown view": (lambda: ps.Geometry.radiograph(**RADIOGRAPH, view="TOP"), "TOP"),
    "detector behind the source": (lambda: ps.Geometry.circular(**{**CIRCLE, "source_detector_mm": 400.0}), "400"),
    "no views": (lambda: ps.Geometry.circular(**{**CIRCLE, "views": 0}), "views=0"),
    "source in the detector plane": (lambda: ps.Geometry(
        source_mm=(5, 0, 0), centre_mm=(0, 0, 0), u=(1, 0, 0), v=(0, 0, 1), rows=4, columns=4, pixel_mm=(1, 1)), "5"),
    "tomosynthesis behind its detector": (lambda: ps.Geometry.tomosynthesis(**{**SWEEP, "arc_deg": 200.0}), "200"),
    "tomosynthesis without views": (lambda: ps.Geometry.tomosynthesis(**{**SWEEP, "views": 0}), "views=0"),
    "NaN pose": (lambda: ps.Geometry(source_mm=(np.nan, 0, 0), centre_mm=(0, 0, 9), u=(1, 0, 0), v=(0, 1, 0), rows=4,
                                     columns=4, pixel_mm=(1, 1)), "source_mm"),
    "unknown material": (lambda: ps.material("watr"), "Did you mean 'water'"),
    "unknown tissue of a shape": (lambda: ps.Scene(name="s", shapes=({**BALL, "material": "lungg"},)), "'lung'"),
    "unknown background": (lambda: ps.Scene(name="s", background="aire", shapes=(BALL,)), "Did you mean 'air'"),
    "unknown shape": (lambda: ps.Scene(name="s", shapes=({**BALL, "kind": "ball"},)), "kind='ball'"),
    "unknown key of a shape": (lambda: ps.Scene(name="s", shapes=({**BALL, "radius": 5.0},)),
                               "Did you mean 'radius_mm'?"),
    "radius below zero": (lambda: ps.Scene(name="s", shapes=({**BALL, "radius_mm": -2.0},)), "-2.0"),
    "unknown scene": (lambda: ps.scene("water_20"), "Did you mean 'water_20cm'"),
    "voxels of no size": (lambda: ps.voxelise(ps.scene("water_20cm"), 0.0), "0"),
    "label without a material": (lambda: one_row([0, 3]), "label 3"),
    "NaN density": (lambda: one_row([0, 0], [1.0, np.nan]), "density[0, 0, 1]=nan"),
    "infinite density": (lambda: one_row([0, 0], [np.inf, 1.0]), "density[0, 0, 0]=inf"),
    "infinite density of a material": (lambda: ps.Material(name="m", density_g_cm3=float("inf"),
                                                           mass_fractions={"H": 1.0}), "inf"),
    "unknown key of a filter": (
        lambda: ps.Spectrum(kvp=90, filters=[{"material": "Al", "thickness_mm": 1, "thick": 2}]), "thick"),
    "unknown material of a filter": (lambda: ps.Spectrum(kvp=90, filters=[("Alu", 1.0)]), "'Al'"),
    "no source of a spectrum": (lambda: ps.Spectrum(), "no source"),
    "spectrum below the tables": (lambda: ps.Spectrum(energy_kev=0.5), "energy_kev=0.5"),
    "table of a spectrum in eV": (lambda: ps.Spectrum(table={"energies_kev": (3e4,), "fluence": (1.0,)}), "30000"),
    "energy below the tables": (lambda: ps.mass_attenuation_cm2_g(ps.material("water"), 0.2), "0.2"),
    "energy above the tables": (lambda: ps.mass_attenuation_cm2_g(ps.material("water"), 9000.0), "9000"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_answered_in_the_grammar_with_the_value(case):
    make, value = BAD[case]
    with pytest.raises((errors.InvalidInput, errors.FileFormatError)) as caught:
        make()
    text = str(caught.value)
    assert all(GRAMMAR.fullmatch(line) for line in text.splitlines()), text
    assert value in text


@pytest.mark.parametrize(("make", "text"), [
    (lambda: ps.Spectrum(kvp=200), "Spectrum: kvp=200: the tables for W hold 20 to 150 kVp. Choose a potential in that "
                                   "range, or give a table of your own."),
    (lambda: ps.Spectrum(kvp=90, filters=[("Al", -1)]), "Spectrum: filters.0: Filter: thickness_mm=-1: it must be "
                                                        "greater than or equal to 0. Give a value of that kind."),
    (lambda: ps.Scene(name="s", shapes=({**BALL, "kind": "tube"},)),
     "Scene: shapes.0: Tube: points_mm: is missing. Give points_mm."),
    (lambda: ps.Grid(shape=(4, 4, 4), spacing_mm=0),
     "Grid: spacing_mm=0: spacing must be larger than 0 mm along x, y and z. Give it in mm, for example 1.0."),
])
def test_a_spec_names_itself_and_its_value_once(make, text):
    with pytest.raises(errors.InvalidInput) as caught:
        make()
    assert str(caught.value) == text


def test_a_long_value_is_cut():
    with pytest.raises(errors.InvalidInput) as caught:
        ps.Grid(shape=(4, 4, 4), spacing_mm=list(range(100_000)))
    assert len(str(caught.value)) < 400


def test_message_has_three_parts():
    assert errors.message("kvp=0", "a tube needs voltage.", "Give for example 120.") == \
        "kvp=0: a tube needs voltage. Give for example 120."


@pytest.mark.parametrize(("word", "answer"), [
    ("watr", "Did you mean 'water'?"), ("WATER", "Did you mean 'water'?"), ("zzz", "Known: air, bone, water."),
])
def test_did_you_mean(word, answer):
    assert errors.did_you_mean(word, ["water", "air", "bone"]) == answer


def test_did_you_mean_takes_the_beginning_of_a_name():
    assert errors.did_you_mean("anode", ["anode_angle_deg", "kvp"]) == "Did you mean 'anode_angle_deg'?"
    assert errors.did_you_mean("k", ["anode_angle_deg", "kvp"]) == "Known: anode_angle_deg, kvp."


def test_did_you_mean_lists_no_more_than_asked_for():
    assert errors.did_you_mean("zzz", [f"m{n}" for n in range(30)], listed=3) == "Known: m0, m1, m10 and 27 more."


COMMAND = """
import sys
from physsim import errors
from physsim.cli import app, main
@app.app.command()
def fail() -> None:
    raise errors.{error}(errors.message("x=1", "it cannot be", "Give 2."))
sys.argv = ["physsim", "fail"{flags}]
main()
"""


@pytest.mark.parametrize(("error", "status"), [
    ("InvalidInput", 2), ("FileFormatError", 2), ("OutputError", 1), ("DeviceUnavailable", 1)])
def test_exit_status_and_no_traceback(error, status):
    code = COMMAND.format(error=error, flags="")
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (status, "physsim: x=1: it cannot be. Give 2.\n")


def test_debug_shows_the_traceback():
    code = COMMAND.format(error="InvalidInput", flags=', "--debug"')
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.returncode != 0
    assert "Traceback" in done.stderr


def test_unknown_command_is_bad_input():
    done = subprocess.run([sys.executable, "-P", "-m", "physsim", "simulat"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "simulat" in done.stderr
