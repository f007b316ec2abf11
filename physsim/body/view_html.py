"""A phantom as one page of HTML that needs no server and loads nothing: three planes with sliders, and its organs.

All slices travel as one PNG inside the page: red is grey, green and blue are the organ's number. The browser draws it
on a canvas and reads the voxels back.
"""

from __future__ import annotations

import base64
import json
import math
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from physsim.body.report import report
from physsim.body.view import caption_lines, short
from physsim.io.png import png_bytes
from physsim.phantom.merge import merged_overlays
from physsim.phantom.pictures import GREY, GREY_HU, grey_of_hu, relative_attenuation

if TYPE_CHECKING:
    from physsim.phantom.phantom import Phantom

MOST_VOXELS = 6_000_000  # of the page: two fifths of a byte each
_MOST_SIDE = 12_000  # pixels of the PNG: browsers draw 16,384
_HIGH = 640  # pixels of the tallest picture


def html_page(phantom: Phantom) -> str:
    """The page. Voxels are thinned out by whole steps until the page holds at most MOST_VOXELS of them."""
    table = report(phantom)
    phantom = merged_overlays(phantom)
    step, where = _thinning(phantom.grid.shape)
    grey, organs = _grey_and_organs(phantom, where)
    sheet, across = _sheet(grey, organs)
    nz, ny, nx = grey.shape
    spacing = [size * step for size in phantom.grid.spacing_mm]
    first = phantom.grid.world_from_voxel @ np.array([*(one.start for one in where[::-1]), 1.0])
    centres, number = _centres(organs), {name: n for n, name in enumerate(phantom.truth.names())}
    data = {
        "title": table["name"] or "phantom",
        "caption": "; ".join(caption_lines(table)[1:]),
        "shape_zyx": [nz, ny, nx],
        "spacing_mm": spacing,
        "origin_mm": [round(float(v), 3) for v in first[:3]],
        "across": across,
        "zoom": _HIGH / max(nz * spacing[2], ny * spacing[1], nx * spacing[0]),
        "start": [nz // 2, ny // 2, nx // 2],
        "names": list(phantom.truth.names()) or ["(no organs)"],
        "centres": centres,
        "hu_of_grey": [round(float(v)) for v in np.interp(np.arange(256) / 255, GREY, GREY_HU)],
        "rows": [{"organ": number.get(row["name"], -1), "cells": _cells(row)} for row in table["organs"]],
    }
    text = Path(__file__).with_name("view_page.html").read_text(encoding="utf-8")
    # A "</script>" in a name would end the data early.
    shown = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    text = text.replace("TITLE", escape(str(data["title"]))).replace("DATA", shown)
    return text.replace("SHEET", base64.b64encode(png_bytes(sheet)).decode())


def _thinning(shape: tuple[int, int, int]) -> tuple[int, tuple[slice, slice, slice]]:
    """The step along all axes that leaves at most MOST_VOXELS, and the voxels that stay."""
    step = 1
    while math.prod(-(-n // step) for n in shape) > MOST_VOXELS:
        step += 1
    z, y, x = (slice(min(step // 2, n - 1), None, step) for n in shape)
    return step, (z, y, x)


def _grey_and_organs(phantom: Phantom, where: tuple[slice, slice, slice]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    grey = np.rint(255 * grey_of_hu(1000.0 * (relative_attenuation(phantom, where) - 1.0))).astype(np.uint8)
    labels = phantom.truth.organ_labels
    organs = np.zeros(grey.shape, np.uint16) if labels is None else labels[where].astype(np.uint16)
    return grey, organs


def _sheet(grey: npt.NDArray[Any], organs: npt.NDArray[Any]) -> tuple[npt.NDArray[np.uint8], int]:
    """All slices in rows of `across`: (rows, columns, 3) uint8."""
    nz, ny, nx = grey.shape
    across = max(1, min(nz, round(math.sqrt(nz * ny / nx)), _MOST_SIDE // nx))
    down = -(-nz // across)
    sheet = np.zeros((down * ny, across * nx, 3), np.uint8)
    for k in range(nz):
        row, column = divmod(k, across)
        part = sheet[row * ny : (row + 1) * ny, column * nx : (column + 1) * nx]
        part[..., 0], part[..., 1], part[..., 2] = grey[k], organs[k] & 255, organs[k] >> 8
    return sheet, across


def _centres(organs: npt.NDArray[Any]) -> list[list[int] | None]:
    """Of each organ the voxel (z, y, x) of it that is nearest to its middle; None where it has none."""
    flat = organs.ravel()
    order = np.argsort(flat, kind="stable")
    bounds = np.searchsorted(flat[order], np.arange(int(flat.max()) + 2))
    found: list[list[int] | None] = []
    for low, high in pairwise(bounds):
        if low == high:
            found.append(None)
            continue
        voxels = np.stack(np.unravel_index(order[low:high], organs.shape), axis=1)
        nearest = ((voxels - voxels.mean(0)) ** 2).sum(1).argmin()
        found.append([int(n) for n in voxels[nearest]])
    return found


def _cells(row: dict[str, Any]) -> list[str]:
    difference, reference = row["difference_percent"], row["reference_g"]
    return [
        row["name"], short(row["volume_cm3"]), short(row["mass_g"]), "" if reference is None else short(reference),
        "" if difference is None else f"{difference:+.2f}", row["source"] or "",
    ]  # fmt: skip
