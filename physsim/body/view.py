"""A phantom on one page: slices in three planes, radiographs, surfaces, names and masses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from physsim.body.report import report
from physsim.io.picture import DISCLAIMER, font_of
from physsim.phantom.merge import merged_overlays
from physsim.phantom.pictures import grey_of_hu, radiograph, slice_hu, square, surface_picture

if TYPE_CHECKING:
    from physsim.phantom.phantom import Phantom

_WIDE, _HIGH = 2200, 800  # pixels that the pictures may take
_GAP = 14  # pixels between them
_TEXT, _LINE, _COLUMN = 13, 17, 360  # pixels: size of letters, from line to line, width of a column of the table
_MOST_AXIAL = 4
_NUMBER = 62  # pixels of a column of numbers
_INK, _FAINT = 235, 150


def page(phantom: Phantom) -> tuple[npt.NDArray[np.uint8], float]:
    """The page as grey pixels (rows, columns), and the size of a picture's pixel in mm.

    Axial slices at even heights, a coronal and a sagittal slice through the middle of what is not air, radiographs from
    the back and from the right (parallel rays), the skin from the front and the left, the bones from the front, all at
    one scale; then each organ's volume and mass. Overlays are averaged into the voxels.
    """
    from PIL import Image as Canvas
    from PIL import ImageDraw

    table = report(phantom)
    pictures, pixel_mm = _pictures(merged_overlays(phantom))
    lines = caption_lines(table, pixel_mm)
    rows = _table(table)
    columns = max(1, (_WIDE + _GAP) // _COLUMN)
    deep = -(-len(rows) // columns)
    top = _GAP + _LINE * (len(lines) + 1)
    tall = max(len(picture) for _, picture in pictures)
    width = max(_WIDE, sum(picture.shape[1] + _GAP for _, picture in pictures)) + _GAP
    canvas = Canvas.new("L", (width, top + tall + 3 * _LINE + deep * _LINE + _GAP), 0)
    draw, font = ImageDraw.Draw(canvas), font_of(_TEXT)
    for n, line in enumerate(lines):
        draw.text((_GAP, _GAP + n * _LINE), line, _INK if n == 0 else _FAINT, font_of(_TEXT + 3) if n == 0 else font)
    x = _GAP
    for title, picture in pictures:
        draw.text((x, top - _LINE - 2), title, _FAINT, font)
        canvas.paste(Canvas.fromarray(np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)), (x, top))
        x += picture.shape[1] + _GAP
    for n, (text, *values) in enumerate(rows):
        at = _GAP + n // deep * _COLUMN, top + tall + 2 * _LINE + n % deep * _LINE
        edge = at[0] + _COLUMN - 2 * _GAP
        for value in values[::-1]:
            draw.text((edge, at[1]), value, _INK, font, anchor="ra")
            edge -= max(_NUMBER, int(font.getlength(value)) + _GAP)
        draw.text(at, _cut(text, font, edge - at[0]), _FAINT, font)
    return np.asarray(canvas), pixel_mm


def _pictures(phantom: Phantom) -> tuple[list[tuple[str, npt.NDArray[np.float32]]], float]:
    nz, ny, nx = phantom.grid.shape
    sx, sy, sz = phantom.grid.spacing_mm
    axial = int(np.clip(nz * sz / (ny * sy + 1.0), 1, _MOST_AXIAL))
    wide, deep, high = nx * sx, ny * sy, nz * sz
    pixel_mm = max((5 * wide + 4 * deep) / (_WIDE - 9 * _GAP), high / _HIGH, axial * deep / _HIGH)
    middle_y, middle_x = _middle(phantom)
    slices = [grey_of_hu(slice_hu(phantom, "axial", k)) for k in _heights(nz, axial)]
    column = [square(one, sy, sx, pixel_mm) for one in slices]
    beams = {"x-ray, back": (radiograph(phantom, "y"), sx), "right": (radiograph(phantom, "x"), sy)}
    found = [
        (f"axial, {axial} heights" if axial > 1 else "axial", np.concatenate(column)),
        ("coronal", square(grey_of_hu(slice_hu(phantom, "coronal", middle_y)), sz, sx, pixel_mm)),
        ("sagittal", square(grey_of_hu(slice_hu(phantom, "sagittal", middle_x)), sz, sy, pixel_mm)),
    ]
    for title, (beam, step) in beams.items():
        found.append((title, square(_shown(beam), sz, step, pixel_mm)))
    found.append(("skin", square(surface_picture(phantom, "front", "skin"), sz, sx, pixel_mm)))
    found.append(("skin, left", square(surface_picture(phantom, "left", "skin"), sz, sy, pixel_mm)))
    found.append(("bones", square(surface_picture(phantom, "front", "bone"), sz, sx, pixel_mm)))
    return found, pixel_mm


def _heights(nz: int, count: int) -> list[int]:
    """Slices at even heights, the highest first."""
    return [int(nz * (1.0 - (n + 0.5) / count)) for n in range(count)]


def _middle(phantom: Phantom) -> tuple[int, int]:
    """The row and the column through the middle of the mass in the upper half, where a body is one piece."""
    upper = phantom.density_g_cm3((slice(phantom.grid.shape[0] // 2, None, 4),))
    mass = upper.sum(0, dtype=np.float64)
    rows, columns = np.arange(mass.shape[0]), np.arange(mass.shape[1])
    total = max(float(mass.sum()), 1e-12)
    return round(float(mass.sum(1) @ rows) / total), round(float(mass.sum(0) @ columns) / total)


def _shown(beam: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Grey of line integrals: a logarithmic detector whose latitude ends at the thickest half percent."""
    inside = beam[beam > 5.0]
    high = float(np.percentile(inside, 99.5)) if inside.size else 1.0
    return np.asarray(np.clip(beam / high, 0.0, 1.0))


def caption_lines(table: dict[str, Any], pixel_mm: float | None = None) -> list[str]:
    """What a page says about a phantom: its name, its voxels, its patient."""
    nz, ny, nx = table["shape_zyx"]
    x, y, z = table["spacing_mm"]
    size = f"{nx} x {ny} x {nz} voxels of {x:g} x {y:g} x {z:g} mm (x, y, z); {table['mass_g'] / 1000:.2f} kg in all"
    pixel = "" if pixel_mm is None else f"; {pixel_mm:.3g} mm a pixel"
    lines = [table["name"] or "phantom", f"{size}{pixel}; {DISCLAIMER}"]
    if patient := table["made_from"].get("patient"):
        shown = {key: value for key, value in patient.items() if value not in (None, {}) and key != "schema_version"}
        lines.append(", ".join(f"{key} {value}" for key, value in shown.items()))
    return lines


def _table(table: dict[str, Any]) -> list[tuple[str, ...]]:
    """Lines: a name, and the values at its right."""
    compared = any(row["difference_percent"] is not None for row in table["organs"])
    rows: list[tuple[str, ...]] = [("organ", "cm3", "g", "%") if compared else ("organ", "cm3", "g")]
    for row in table["organs"]:
        values = [short(row["volume_cm3"]), short(row["mass_g"])]
        if compared:
            difference = row["difference_percent"]
            values.append("" if difference is None else f"{difference:+.1f}")
        rows.append((row["name"], *values))
    for row in table["lesions"]:
        rows.append((f"lesion: {row['name']}", f"{row['diameter_mm']:.1f} mm of {row['material']}"))
    return rows


def short(value: float) -> str:
    """Three digits or more."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def _cut(text: str, font: Any, room: int) -> str:
    """The text, shortened to fit."""
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "...") > room:
        text = text[:-1]
    return text + "..."
