"""`physsim validate spectra`: HVL, mean energy and air kerma beside SpekPy's."""

from __future__ import annotations

import json
from typing import Any

import typer

from physsim.cli.validate import validate

LIMIT_PERCENT = 2.0
_QUANTITIES = {"hvl1_mm": "hvl1_mmAl", "hvl2_mm": "hvl2_mmAl", "mean_energy_kev": "emean_keV",
               "kerma_ugy_per_mas": "kerma_uGy_per_mAs_at_1m", "fluence_per_cm2_mas": "fluence_per_cm2_mAs"}


@validate.command("spectra")
def spectra(as_json: bool = typer.Option(False, "--json", help="All rows as a JSON list.")) -> None:
    """Tube spectra against SpekPy 2.5.4; fails (status 1) beyond 2 %.

    Example: physsim validate spectra
    """
    rows = compare_with_spekpy()
    failed = [row for row in rows if abs(row["difference_percent"]) > LIMIT_PERCENT]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
    else:
        typer.echo(f"{'case':<26}{'quantity':<22}{'value':>12}{'reference':>12}{'difference %':>14}")
        for row in rows:
            typer.echo(f"{row['case']:<26}{row['quantity']:<22}{row['value']:>12.5g}{row['reference']:>12.5g}"
                       f"{row['difference_percent']:>+14.2f}")
        typer.echo(f"{len(rows)} rows, {len(failed)} beyond {LIMIT_PERCENT:g} %")
    if failed:
        raise typer.Exit(1)


def compare_with_spekpy() -> list[dict[str, Any]]:
    """One row a case and quantity: `case, quantity, value, reference, difference_percent`."""
    from physsim.physics.spectra.tube import reference_cases
    from physsim.spec.spectrum import Spectrum

    rows = []
    for name, case in reference_cases().items():
        beam = Spectrum(kvp=case["kvp"], target=case["target"], anode_angle_deg=case["angle"], filters=case["filters"],
                        bin_kev=case["bin_kev"]).sample()
        values = {"hvl1_mm": beam.hvl1_mm(), "hvl2_mm": beam.hvl2_mm(), "mean_energy_kev": beam.mean_energy_kev,
                  "kerma_ugy_per_mas": beam.kerma_ugy_per_mas, "fluence_per_cm2_mas": beam.total_fluence}
        for quantity, theirs in _QUANTITIES.items():
            if theirs in case:
                rows.append({"case": name, "quantity": quantity, "value": values[quantity], "reference": case[theirs],
                             "difference_percent": 100.0 * (values[quantity] / case[theirs] - 1.0)})
    return rows
