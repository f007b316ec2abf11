"""The table of solved organ sizes: read, run through the ages; `python -m physsim.body.growth_table` makes it anew."""

from __future__ import annotations

import argparse
import math
import tomllib
from functools import cache
from pathlib import Path

import numpy as np
import tomli_w

from physsim.body.body_size import Sex
from physsim.body.growth_solve import Which
from physsim.body.reference_masses import REFERENCE_AGES_YEARS
from physsim.phantom.curves import monotone_cubic
from physsim.resources import phantoms_path

_CONCEPTION_YEARS, _GROWN_YEARS = 0.75, 20.0
# Canonical spacing (mm), at most so many rounds, which controls. As fine as bodies are mostly made: at 5 mm the brain
# lacks 7 %, bones 1.3 %, for want of thin layers.
# Other organs make room for the small bowel's line or take it, so that its radii come last.
ROUNDS: tuple[tuple[float, int, Which], ...] = ((2.5, 3, "all"), (2.5, 3, "bowel"))
TOLERANCE = 0.004
_TEXT = (
    "# Controls (controls.toml) at which the organs of ICRP 89's reference bodies have their masses.\n"
    "# Made by: python -m physsim.body.growth_table (all), or with --sex M --age 5 (one). Not to be edited.\n"
)


def table_path() -> Path:
    """Where the table lies."""
    return phantoms_path() / "anatomy" / "growth" / "solved.toml"


@cache
def table() -> dict[str, dict[str, dict[str, float]]]:
    """{sex: {age: {control: value}}}."""
    path = table_path()
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def values_at(sex: Sex, age_years: float) -> dict[str, float]:
    """Controls by name at an age: a monotone cubic of their logarithms in log(age + 9 months) through the table.

    Those that both neighbouring reference ages have; each runs through the ages that know it.
    """
    rows = {min(float(age), _GROWN_YEARS): row for age, row in table().get(sex, {}).items()}
    ages = sorted(rows)
    if not ages:
        return {}
    at = min(max(min(age_years, _GROWN_YEARS), ages[0]), ages[-1])
    if at in rows:
        return dict(rows[at])
    younger, older = max(age for age in ages if age < at), min(age for age in ages if age > at)
    found = {}
    for name in rows[older]:
        if name in rows[younger]:
            own = [age for age in ages if name in rows[age]]
            places = np.log(np.add(own, _CONCEPTION_YEARS))
            known = np.log([[rows[age][name]] for age in own])
            value = np.exp(monotone_cubic(places, known, [math.log(at + _CONCEPTION_YEARS)])[0])
            found[name] = float(f"{value[0]:.6g}")
    return found


def solve(
    sex: Sex, age_years: float, start: dict[str, float], rounds: tuple[tuple[float, int, Which], ...] = ROUNDS
) -> tuple[dict[str, float], str]:
    """Controls of one reference body, and a line that says how well they do."""
    from physsim.body.anatomy import canonical_declared, own_numbers
    from physsim.body.growth import growth_map
    from physsim.body.growth_solve import solved
    from physsim.body.patient import reference_patient

    patient = reference_patient(sex, age_years)
    space = growth_map(sex, age_years, patient.height_cm)
    declared, numbers = canonical_declared(), own_numbers(patient)
    values, off = start, dict[str, float]()
    for canonical_mm, count, which in rounds:
        spacing = canonical_mm * space.mean_scale
        found = solved(patient, declared, space, numbers, values, spacing, count, TOLERANCE, which)
        values = {**values, **found.values}
        off |= {name: 100.0 * (found.found_g[name] / found.target_g[name] - 1.0) for name in found.found_g}
    text = ", ".join(f"{name} {percent:+.2f}" for name, percent in off.items() if abs(percent) > 0.3)
    return values, f"{sex} {age_years:g}: {len(off)} organs, beyond 0.3 %: {text or 'none'}"


def write(rows: dict[str, dict[str, dict[str, float]]]) -> None:
    """The table as a file, rows in order."""
    ordered = {sex: {age: rows[sex][age] for age in sorted(rows[sex], key=float)} for sex in sorted(rows)}
    table_path().write_text(_TEXT + tomli_w.dumps(ordered), encoding="utf-8")
    table.cache_clear()


def main() -> None:
    """Solve all reference bodies, oldest first, each from its elder's sizes."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--sex", choices=["F", "M"])
    parser.add_argument("--age", type=float)
    parser.add_argument("--spacing", type=float, help="canonical mm of the bodies measured, in place of 2.5")
    wanted = parser.parse_args()
    rounds = tuple((wanted.spacing or canonical_mm, count, which) for canonical_mm, count, which in ROUNDS)
    rows = {sex: dict(table().get(sex, {})) for sex in ("F", "M")}
    ages = REFERENCE_AGES_YEARS[::-1] if wanted.age is None else (wanted.age,)
    for age in ages:
        for sex in ("M", "F") if wanted.sex is None else (wanted.sex,):
            known = (rows[one].get(f"{age:g}") for one in (sex, "M"))  # its own, else the boy's, else the nearest age's
            start = next((one for one in known if one), None) or values_at(sex, age) or values_at("M", age)
            values, line = solve(sex, float(age), start, rounds)
            table.cache_clear()  # another process may have written other rows
            rows = {one: dict(table().get(one, {})) for one in ("F", "M")}
            rows[sex][f"{age:g}"] = values
            write(rows)
            print(line, flush=True)


if __name__ == "__main__":
    main()
