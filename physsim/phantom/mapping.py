"""Phantoms from other tools' label maps and from CT volumes."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.io.image import Image
from physsim.io.volume import read_volume
from physsim.phantom.files import grid_of
from physsim.phantom.phantom import Phantom
from physsim.phantom.truth import OrganTruth, Truth
from physsim.physics.hounsfield import density_from_hu, segment_index_from_hu, tissue_segments
from physsim.resources import phantoms_path
from physsim.spec.material import Material, material
from physsim.units import CM3_PER_MM3

_LISTED = 12  # unmapped labels that a message names


@dataclass(frozen=True)
class LabelMapping:
    """What a tool's labels mean: label -> (organ, material, relative density).

    `unlabelled`: the label that says no more than "some part of the body", or None.
    """

    title: str
    rows: dict[int, tuple[str, str, float]]
    unlabelled: int | None = None


def mapping_names() -> tuple[str, ...]:
    """Names of the shipped mappings."""
    return tuple(sorted(path.stem for path in (phantoms_path() / "mappings").glob("*.toml")))


def label_mapping(name: str | Path) -> LabelMapping:
    """A shipped mapping by name, or a user's TOML file with `title`, `rows` = [[label, organ, material, relative
    density], ...] and, if there is one, `unlabelled`.

    Raises InvalidInput for an unknown name, a row of another form, a label that stands twice or an unknown material.
    """
    path = Path(name) if str(name).endswith(".toml") else phantoms_path() / "mappings" / f"{name}.toml"
    if not path.is_file():
        known = did_you_mean(str(name), mapping_names())
        raise InvalidInput(message(f"mapping {str(name)!r}", "no file and no shipped mapping of that name", known))
    fields = tomllib.loads(path.read_text(encoding="utf-8"))
    rows: dict[int, tuple[str, str, float]] = {}
    for row in fields.get("rows", ()):
        if not (isinstance(row, list) and len(row) in (3, 4) and isinstance(row[0], int) and isinstance(row[1], str)):
            raise InvalidInput(
                message(f"{path.name}: row {row}", "rows are [label, organ, material, relative density]",
                        'Give for example [5, "liver", "liver_icru46", 1.0].')
            )  # fmt: skip
        if row[0] in rows:
            raise InvalidInput(message(f"{path.name}: label {row[0]}", "it stands twice", "Keep one row a label."))
        material(row[2])
        rows[row[0]] = (row[1], row[2], float(row[3]) if len(row) == 4 else 1.0)
    if not rows:
        raise InvalidInput(message(f"{path.name}", "it has no rows", "Give rows = [[label, organ, material], ...]."))
    return LabelMapping(fields.get("title", path.stem), rows, fields.get("unlabelled"))


def phantom_from_labels(
    labels: Image | str | Path,
    mapping: LabelMapping | str | Path,
    ct: Image | str | Path | None = None,
    unlabelled: str | None = None,
) -> Phantom:
    """A phantom from another tool's label map.

    `mapping`: "totalsegmentator", "maisi", "victre", "icrp110_male", "icrp110_female", or a TOML file. `ct`: CT numbers
    on the same grid; it then gives every voxel its density (of labelled voxels the material stays, its relative density
    follows the CT number), and to what has no class its tissue too. `unlabelled`: a material for what has no class,
    where no CT is at hand.

    Raises InvalidInput for labels that the mapping does not know (it lists them), for a CT on another grid, and for
    voxels without a class when neither `ct` nor `unlabelled` is given.
    """
    image = labels if isinstance(labels, Image) else read_volume(labels)
    known = mapping if isinstance(mapping, LabelMapping) else label_mapping(mapping)
    grid = grid_of(image)
    numbers = _whole_numbers(image.array)
    present = np.unique(numbers)
    unknown = [int(n) for n in present if int(n) not in known.rows and int(n) != known.unlabelled]
    if unknown:
        more = "" if len(unknown) <= _LISTED else f" and {len(unknown) - _LISTED} more"
        raise InvalidInput(
            message(
                f"labels {unknown[:_LISTED]}{more}",
                f"{known.title} knows no such labels ({len(known.rows)} are mapped)",
                "Add rows for them to a copy of the mapping, or take the mapping of the right tool.",
            )
        )
    hu = None if ct is None else _ct_on(grid, ct)
    loose = known.unlabelled is not None and known.unlabelled in present and known.unlabelled not in known.rows
    if loose and hu is None and unlabelled is None:
        share = 100.0 * float(np.mean(numbers == known.unlabelled))
        raise InvalidInput(
            message(
                f"label {known.unlabelled} ({share:.1f} % of the voxels)",
                f"in {known.title} it says only that no class was found",
                'Give the CT (ct=...), or one material for all of it (unlabelled="soft_tissue").',
            )
        )
    materials: list[Material] = []
    organs = ["background"]
    table_material = np.zeros(int(present.max()) + 1, np.uint16)
    table_organ = np.zeros(int(present.max()) + 1, np.uint16)
    table_density = np.ones(int(present.max()) + 1, np.float32)
    for number in (int(n) for n in present):
        organ, name, relative = known.rows.get(number, ("background", unlabelled or "air", 1.0))
        made = material(name)
        if made not in materials:
            materials.append(made)
        if organ not in organs:
            organs.append(organ)
        table_material[number], table_organ[number] = materials.index(made), organs.index(organ)
        table_density[number] = relative
    voxels, organ_labels, density = table_material[numbers], table_organ[numbers], table_density[numbers]
    if hu is not None:
        own = np.array([one.density_g_cm3 for one in materials], np.float32)
        density = (density_from_hu(hu) / own[voxels]).astype(np.float32)
        if loose:
            where = numbers == known.unlabelled
            tissues, offset = _tissues(), len(materials)
            materials.extend(tissues)
            segment = segment_index_from_hu(hu[where])
            voxels[where] = segment + offset
            of_segments = np.array([one.density_g_cm3 for one in tissues], np.float32)
            density[where] = density_from_hu(hu[where]) / of_segments[segment]
    return _phantom(grid, voxels, density, materials, organ_labels, organs, known.title)


def phantom_from_ct(ct: Image | str | Path) -> Phantom:
    """A phantom from CT numbers by the HU table (physsim.physics.hounsfield): tissue and density of every voxel.

    `ct`: an Image, a volume file, or a folder with a DICOM series. Neglects: what the HU table does (metal and contrast
    agents look like bone, noise like tissue).
    """
    image = _ct_image(ct)
    hu = np.clip(np.asarray(image.array, np.float32), -1024.0, 2000.0)
    tissues = _tissues()
    voxels = segment_index_from_hu(hu)
    own = np.array([one.density_g_cm3 for one in tissues], np.float32)
    density = (density_from_hu(hu) / own[voxels]).astype(np.float32)
    return Phantom(grid=grid_of(image), labels=voxels, materials=tissues, density=density, name="CT")


def _phantom(
    grid: Any, voxels: Any, density: Any, materials: Any, organ_labels: Any, organs: Any, name: str
) -> Phantom:
    small = np.uint8 if len(materials) <= 256 else np.uint16
    cell = grid.voxel_volume_mm3
    own = np.array([one.density_g_cm3 for one in materials])
    volumes = np.bincount(organ_labels.ravel(), minlength=len(organs)) * cell
    masses = np.bincount(organ_labels.ravel(), (own[voxels] * density).ravel(), len(organs)) * cell * CM3_PER_MM3
    rows = tuple(OrganTruth(o, float(v), float(m)) for o, v, m in zip(organs, volumes, masses, strict=True))
    return Phantom(
        grid=grid,
        labels=voxels.astype(small),
        materials=tuple(materials),
        density=None if bool((density == 1).all()) else density,
        truth=Truth(organ_labels.astype(np.uint8 if len(organs) <= 256 else np.uint16), rows),
        name=name,
    )


def _tissues() -> tuple[Material, ...]:
    """The segments of the HU table as materials, each of the density at its lower bound."""
    return tuple(
        Material(
            name=f"ct_{segment.name}",
            density_g_cm3=float(density_from_hu(max(segment.hu_from, -950.0))),
            mass_fractions=dict(segment.mass_fractions),
            source="CT number to tissue: W. Schneider et al., Phys. Med. Biol. 45 (2000) 459",
        )
        for segment in tissue_segments()
    )


def _ct_on(grid: Any, ct: Image | str | Path) -> npt.NDArray[np.float32]:
    image = _ct_image(ct)
    if difference := grid.difference(grid_of(image)):
        raise InvalidInput(f"labels and CT: {difference}")
    return np.clip(np.asarray(image.array, np.float32), -1024.0, 2000.0)


def _ct_image(ct: Image | str | Path) -> Image:
    if isinstance(ct, Image):
        return ct
    if Path(ct).is_dir():
        from physsim.io.dicom import read_dicom_series

        return read_dicom_series(ct)
    return read_volume(ct)


def _whole_numbers(array: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    numbers: npt.NDArray[np.int64] = np.rint(array).astype(np.int64)
    if array.dtype.kind == "f" and not (numbers == array).all():
        raise InvalidInput(
            message("labels", "they are not whole numbers: this looks like an image", "Give the label map, not the CT.")
        )
    if numbers.min() < 0:
        raise InvalidInput(message(f"label {int(numbers.min())}", "labels count from 0", "Check the file's type."))
    return numbers
