"""XCIST's (CatSim's) voxel phantom: a JSON file, a map of volume fractions for each material, and material files.

A map holds float32 in the order z, y, x: the material's density there over its own. Each covers only the box in which
the material lies. Rows run as here (from the front to the back), as in an axial DICOM image, which XCIST takes them
from. `x_offset` and the like are the index, counted from 1, of the isocentre.
Materials are written as files beside the JSON, for their folder to be added to XCIST's search path; physsim's own
composition and density travel in them. A key "physsim" keeps the grid and what else is needed to read it back.
Format: gecatsim/pyfiles/Phantom_Voxelized.py and ReadMaterialFile.py of github.com/xcist/main.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from physsim.errors import FileFormatError, InvalidInput, did_you_mean, message
from physsim.io.atomic import check_output, write_bytes
from physsim.io.elements import input_file
from physsim.physics.elements import element, elements
from physsim.physics.library import library_names
from physsim.spec.grid import Grid, Vector
from physsim.spec.material import Material, material

if TYPE_CHECKING:
    from physsim.phantom.phantom import Phantom

_KEYS = ("mat_name", "volumefractionmap_filename", "volumefractionmap_datatype", "cols", "rows", "slices",
         "x_size", "y_size", "z_size", "x_offset", "y_offset", "z_offset")  # fmt: skip
_TYPES: dict[str, np.dtype[Any]] = {"float": np.dtype("<f4"), "int8": np.dtype("i1"), "uint8": np.dtype("u1"), 
          "float32": np.dtype("<f4"), "float64": np.dtype("<f8"), "double": np.dtype("<f8")}  # fmt: skip
_SHOWN = 12


def write_xcist(
    phantom: Phantom, path: str | Path, isocentre_mm: Vector | None = None, overwrite: bool = False
) -> None:
    """Write `path` (.json), a map NAME.MATERIAL.vf for each material present, and its file NAME_MATERIAL.

    `isocentre_mm`: world point at XCIST's isocentre (default: the middle of the grid). Raises InvalidInput for
    overlays, for voxels that are not square in x and y (XCIST projects no others), and for a grid turned against the
    world.
    """
    path = Path(path)
    stem, grid = path.name[: -len(path.suffix)], phantom.grid
    if phantom.overlays or phantom.meshes:
        what = f"{len(phantom.overlays)} overlays and {len(phantom.meshes)} meshes"
        mend = "Merge them: physsim.phantom.merge.merged_overlays."
        raise InvalidInput(message(f"{path}: {what}", "XCIST knows one grid", mend))
    if grid.direction != ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)):
        raise InvalidInput(
            message(f"{path}: direction={grid.direction}", "XCIST's voxels lie along x, y, z", "Resample the phantom.")
        )
    if abs(grid.spacing_mm[0] - grid.spacing_mm[1]) > 1e-6 * grid.spacing_mm[0]:
        raise InvalidInput(
            message(f"{path}: spacing_mm={grid.spacing_mm}", "XCIST's voxels are square in x and y", "Voxelise anew.")
        )
    nz, ny, nx = grid.shape
    if isocentre_mm is None:
        isocentre = (np.array([nx, ny, nz]) - 1) / 2
    else:
        isocentre = (grid.voxel_from_world @ np.array([*isocentre_mm, 1.0]))[:3]
    lists: dict[str, list[Any]] = {key: [] for key in _KEYS}
    made: dict[str, Any] = {}
    maps: dict[Path, npt.NDArray[np.float32]] = {}
    files: dict[Path, str] = {}
    for number, one in enumerate(phantom.materials):
        where = _box(phantom.labels, number)
        if where is None:
            continue
        name = _file_name(f"{stem}_{one.name}", made)
        part = (phantom.labels[where] == number).astype(np.float32)
        if phantom.density is not None:
            part *= phantom.density[where]
        made[name] = json.loads(one.to_json())
        maps[path.with_name(f"{name}.vf")] = part
        files[path.with_name(name)] = _material_text(one)
        first = np.array([one.start for one in where[::-1]])
        values = [name, f"{name}.vf", "float", *part.shape[::-1], *grid.spacing_mm, *(isocentre - first + 1.0).tolist()]
        for key, value in zip(_KEYS, values, strict=True):
            lists[key].append(value)
    own = {
        "shape_zyx": list(grid.shape), "origin_mm": list(grid.origin_mm or ()), "name": phantom.name,
        "isocentre_voxel_xyz": [float(v) for v in isocentre],
        "made_from": dict(phantom.made_from),
        "materials": made,
    }  # fmt: skip
    text = json.dumps({"n_materials": len(made), **lists, "density_scale": [1.0] * len(made), "physsim": own}, indent=1)
    for target in (*maps, *files, path):
        check_output(target, overwrite)
    for target, part in maps.items():
        write_bytes(target, part.astype("<f4").tobytes(), overwrite)
    for target, lines in files.items():
        write_bytes(target, lines.encode(), overwrite)
    write_bytes(path, text.encode(), overwrite)


def read_xcist(path: str | Path, materials: Mapping[str, str | Material] | None = None) -> Phantom:
    """A phantom from XCIST's JSON: each voxel gets the material with the most mass there, and its whole mass.

    `materials`: XCIST's name -> name in the library, or Material; those that physsim wrote, that lie as files beside
    the JSON, or are called as in the library need none. The world's origin is XCIST's isocentre unless physsim wrote
    the file. All maps must be multiples of one voxel apart.

    Raises InvalidInput that lists the materials which have no composition, FileFormatError for a file of another kind.
    """
    from physsim.phantom.phantom import Phantom

    path = input_file(path)
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FileFormatError(message(str(path), f"is no JSON ({error})", "Give XCIST's phantom file.")) from None
    count = fields.get("n_materials") if isinstance(fields, dict) else None
    missing = [key for key in _KEYS if not isinstance(count, int) or len(fields.get(key, ())) != count]
    if missing or not count:
        raise FileFormatError(
            message(f"{path}: {', '.join(missing) or 'n_materials'}", "missing, or not one value a material",
                    "Give XCIST's voxelized phantom (JSON)."))  # fmt: skip
    own = fields.get("physsim", {})
    known = _compositions(path, fields["mat_name"], own, materials or {})
    steps = np.array([[fields[f"{axis}_size"][n] for axis in "xyz"] for n in range(count)], float)
    offsets = np.array([[fields[f"{axis}_offset"][n] for axis in "xyz"] for n in range(count)], float)
    sizes = np.array([[fields[key][n] for key in ("cols", "rows", "slices")] for n in range(count)], int)
    apart = offsets - offsets[0]
    if np.abs(steps - steps[0]).max() > 1e-6 or np.abs(apart - np.rint(apart)).max() > 1e-3:
        raise InvalidInput(
            message(str(path), "its materials lie on different grids", "Resample them to one voxel size and grid."))
    if "shape_zyx" in own:
        first = np.rint(np.array(own["isocentre_voxel_xyz"]) + 1.0 - offsets).astype(int)
        shape, origin = tuple(own["shape_zyx"]), tuple(own["origin_mm"])
    else:
        lowest = (1.0 - offsets).min(0)
        first = np.rint(1.0 - offsets - lowest).astype(int)
        shape = tuple(int(n) for n in (first + sizes).max(0)[::-1])
        origin = tuple(float(v) for v in lowest * steps[0])
    spacing = (float(steps[0, 0]), float(steps[0, 1]), float(steps[0, 2]))
    labels = np.zeros(shape, np.uint8 if count < 256 else np.uint16)
    heaviest, mass = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    scales = fields.get("density_scale", [1.0] * count)
    for n in range(count):
        part = _map(path, fields, n, sizes[n]) * np.float32(scales[n] * known[n].density_g_cm3)
        x, y, z = (slice(a, a + b) for a, b in zip(first[n], sizes[n], strict=True))
        mass[z, y, x] += part
        more = part > heaviest[z, y, x]
        labels[z, y, x][more], heaviest[z, y, x][more] = n, part[more]
    dense = np.array([one.density_g_cm3 for one in known], np.float32)
    return Phantom(
        grid=Grid(shape=shape, spacing_mm=spacing, origin_mm=origin), labels=labels, materials=tuple(known),
        density=mass / dense[labels], name=own.get("name", path.stem), made_from=own.get("made_from", {}),
    )  # fmt: skip


def _map(path: Path, fields: Mapping[str, Any], n: int, size: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    name = str(fields["volumefractionmap_filename"][n])
    kind = fields["volumefractionmap_datatype"][n]
    if kind not in _TYPES:
        raise FileFormatError(
            message(f"{path}: volumefractionmap_datatype {kind!r}", "no such type", did_you_mean(str(kind), _TYPES))
        )
    file = input_file(path.with_name(Path(name).name))
    values = np.fromfile(file, _TYPES[kind])
    if len(values) != int(size.prod()):
        raise FileFormatError(
            message(f"{file}: {len(values)} values of {kind}", f"{path.name} says {size.tolist()} (x, y, z)",
                    "Give the map that belongs to it."))  # fmt: skip
    return np.asarray(values.reshape(size[::-1]), np.float32)


def _compositions(
    path: Path, names: list[str], own: Mapping[str, Any], given: Mapping[str, str | Material]
) -> list[Material]:
    """The material of each name, or InvalidInput that lists those without one."""
    found: dict[str, Material] = {}
    for name in names:
        if name in given:
            one = given[name]
            found[name] = one if isinstance(one, Material) else material(one)
        elif name in own.get("materials", {}):
            found[name] = Material.from_dict(own["materials"][name])
        elif path.with_name(name).is_file():
            found[name] = _material_of(path.with_name(name))
        elif name in library_names():
            found[name] = material(name)
    lost = [name for name in names if name not in found]
    if lost:
        more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
        raise InvalidInput(
            message(f"materials {lost[:_SHOWN]}{more}", "neither a file beside the phantom nor the library has them",
                    'Give materials={"name": "water"} for each.'))  # fmt: skip
    return [found[name] for name in names]


def _material_text(one: Material) -> str:
    """As XCIST reads it: lines that begin with a digit are the number of elements, the density, then Z and fraction."""
    rows = [f"{element(symbol).atomic_number} {fraction:.9g}" for symbol, fraction in one.mass_fractions.items()]
    return "\n".join(["# elements", str(len(rows)), "# density (g/cm3)", f"{one.density_g_cm3:.9g}",
                      "# atomic number, fraction of the mass", *rows, ""])  # fmt: skip


def _material_of(file: Path) -> Material:
    symbols = list(elements())
    lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()[:1].isdigit()]
    try:
        count, density = int(lines[0]), float(lines[1])
        pairs = [line.split()[:2] for line in lines[2 : 2 + count]]
        fractions = {symbols[int(z) - 1]: float(share) for z, share in pairs}
    except (ValueError, IndexError):
        raise FileFormatError(
            message(str(file), "is no material file of XCIST (number of elements, density, then Z and mass fraction)",
                    "Mend it, or give the material.")) from None  # fmt: skip
    return Material(name=file.name, density_g_cm3=density, mass_fractions=fractions, source=f"XCIST {file.name}")


def _box(labels: npt.NDArray[Any], number: int) -> tuple[slice, slice, slice] | None:
    """The smallest box (z, y, x slices) that holds a label."""
    there = labels == number
    found = []
    for axis in range(3):
        other = tuple(a for a in range(3) if a != axis)
        index = np.flatnonzero(there.any(other))
        if len(index) == 0:
            return None
        found.append(slice(int(index[0]), int(index[-1]) + 1))
    return (found[0], found[1], found[2])


def _file_name(name: str, taken: Container[str]) -> str:
    """The name without what files and XCIST's lists dislike, told apart from those taken."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", name)
    other = 2
    unique = plain
    while unique in taken:
        unique, other = f"{plain}_{other}", other + 1
    return unique
