"""Organs that one sex alone has, from what the anatomy's files say of each structure (`when`)."""

from __future__ import annotations

import tomllib
from functools import cache

from physsim.body.body import SIDES
from physsim.body.body_size import Sex
from physsim.errors import InvalidInput, message
from physsim.phantom.overlay import box_corners
from physsim.phantom.phantom import Phantom
from physsim.resources import phantoms_path

_SEX_OF: dict[str, set[Sex]] = {"female": {"F"}, "1 - female": {"M"}}


@cache
def organs_of_one_sex() -> dict[str, Sex]:
    """Names of organs in the truth -> the sex that has them.

    >>> organs_of_one_sex()["prostate"]
    'M'
    """
    having: dict[str, set[Sex]] = {}
    for path in sorted((phantoms_path() / "anatomy").glob("*.toml")):
        for structure in tomllib.loads(path.read_text(encoding="utf-8")).get("structure", ()):
            sexes = _SEX_OF.get(str(structure.get("when")), {"F", "M"})
            own = structure.get("organ") or structure["name"]
            layers = {layer["organ"] for layer in structure.get("layers", ()) if "organ" in layer}
            for name in {own, *layers}:
                sides = [name.replace("{side}", side) if "{side}" in name else f"{side} {name}" for side in SIDES]
                for each in sides if structure.get("pair") else [name]:
                    having.setdefault(each, set()).update(sexes)
    return {name: next(iter(sexes)) for name, sexes in having.items() if len(sexes) == 1}


def check_site(phantom: Phantom, site: str) -> None:
    """InvalidInput for a site that the phantom lacks: people of its sex do, or it lies outside, or is too small."""
    has = organs_of_one_sex().get(site)
    patient = phantom.made_from.get("patient")
    if has is not None and patient is not None and site not in phantom.truth.names() and patient["sex"] != has:
        who = {"F": "a woman or girl", "M": "a man or boy"}[patient["sex"]]
        raise InvalidInput(message(f"site {site!r}", f"the phantom is {who} and has none", "Choose another site."))
    organ = phantom.truth.organ(site)
    if organ.volume_mm3 == 0.0:
        corners = box_corners(phantom.grid)
        low, high = corners.min(0).round(1).tolist(), corners.max(0).round(1).tolist()
        region = phantom.made_from.get("region")
        where = f" (region {region!r})" if region not in (None, "window") else ""
        raise InvalidInput(
            message(f"site {site!r}", f"it lies outside these voxels, which go from {low} to {high} mm{where}",
                    'Voxelise the region that holds it: region="whole" holds all.')
        )  # fmt: skip
    labels = phantom.truth.organ_labels
    if labels is not None and not (labels == phantom.truth.number(site)).any():
        why = f"its {organ.volume_mm3:.3g} mm3 fill no voxel of {phantom.grid.spacing_mm} mm: it shares what it touches"
        raise InvalidInput(message(f"site {site!r}", why, "Use finer voxels, or a larger region."))
