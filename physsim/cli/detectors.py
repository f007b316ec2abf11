"""`physsim detectors`: what images can be taken with, and how well."""

from __future__ import annotations

import json
from typing import Any

import typer

from physsim.cli.app import app


@app.command()
def detectors(
    name: str | None = typer.Argument(None, help="Say how well this one images."),
    beam: str = typer.Option("RQA5", help="Standard beam: RQA2 to RQA10, RQA-M1 to RQA-M4."),
    air_kerma_ugy: float = typer.Option(2.5, min=0.001, help="Air kerma at the detector, uGy."),
    as_toml: bool = typer.Option(False, "--toml", help="Print the detector as TOML instead."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """The shipped detectors; of one: MTF, noise power and DQE, or counts by bin, in a standard beam.

    Example: physsim detectors csi_radiography --beam RQA5 --air-kerma-ugy 2.5
    """
    from physsim.spec.detector_library import detectors as library

    if name is None:
        rows = [_summary(one) for one in library]
        for row in rows:
            if not as_json:
                typer.echo(f"{row['detector']:28s} {row['absorber']:26s} {row['readout']:12s} "
                           f"{row['columns']} x {row['rows']} pixels of {row['pixel_mm'][0]:g} mm")
        if as_json:
            typer.echo(json.dumps(rows))
        return
    if as_toml:
        typer.echo(library[name].to_toml(), nl=False)
        return
    figures = _figures(name, beam, air_kerma_ugy)
    if as_json:
        typer.echo(json.dumps(figures))
        return
    typer.echo(f"{name} in {beam}, {air_kerma_ugy:g} uGy: {figures['quanta_per_mm2']:.4g} photons per mm2")
    if "mtf" in figures:
        typer.echo(f"{'1/mm':>6s} {'MTF':>7s} {'NNPS mm2':>10s} {'DQE':>7s}")
        for at in zip(figures["frequency_mm"], figures["mtf"], figures["nnps_mm2"], figures["dqe"], strict=True):
            typer.echo(f"{at[0]:6.2f} {at[1]:7.3f} {at[2]:10.3g} {at[3]:7.3f}")
    else:
        for threshold, count in zip(figures["thresholds_kev"], figures["counts_per_photon"], strict=True):
            typer.echo(f"from {threshold:g} keV: {count:.3f} counts per photon")
        typer.echo(f"DQE(0) of all counts {figures['dqe_zero']:.3f}")


def _summary(name: str) -> dict[str, Any]:
    from physsim.spec.absorber import IdealAbsorber
    from physsim.spec.detector_library import detectors as library

    one = library[name]
    layer = one.absorber
    absorber = "ideal" if isinstance(layer, IdealAbsorber) else f"{layer.thickness_mm:g} mm {layer.substance.name}"
    return {"detector": name, "absorber": absorber, "readout": one.readout.kind, "rows": one.rows,
            "columns": one.columns, "pixel_mm": list(one.pixel_mm)}


def _figures(name: str, beam: str, air_kerma_ugy: float) -> dict[str, Any]:
    import numpy as np

    from physsim.imaging.detector.counting import counting_response
    from physsim.imaging.detector.theory import DetectorTheory, quanta_per_mm2_ugy
    from physsim.spec.detector_library import detectors as library
    from physsim.spec.radiation_quality import radiation_quality
    from physsim.spec.readout import CountingReadout

    detector, spectrum = library[name], radiation_quality(beam).sample()
    quanta = air_kerma_ugy * quanta_per_mm2_ugy(spectrum)
    found: dict[str, Any] = {"detector": name, "beam": beam, "air_kerma_ugy": air_kerma_ugy, "quanta_per_mm2": quanta}
    if isinstance(detector.readout, CountingReadout):
        few = spectrum.rebinned(24)
        response = counting_response(detector, few.energies_kev)
        share = few.fluence / few.fluence.sum()
        return {**found, "thresholds_kev": list(detector.readout.thresholds_kev),
                "counts_per_photon": (share @ response.mean).tolist(),
                "dqe_zero": response.zero_frequency_dqe(share)}
    theory = DetectorTheory.of(detector, spectrum)
    frequency = np.linspace(0.0, 0.5 / detector.pixel_mm[0], 11)
    nnps = theory.noise_power(quanta, frequency) / theory.signal_kev(quanta) ** 2
    return {**found, "frequency_mm": frequency.tolist(), "mtf": theory.mtf(frequency).tolist(),
            "nnps_mm2": nnps.tolist(), "dqe": theory.dqe(quanta, frequency).tolist()}
