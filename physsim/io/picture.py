"""A radiograph as a labelled picture: caption, scale bar and side marker drawn around exact pixels.

Pixels are never resampled (small images are enlarged by a whole factor). The font is DejaVu Sans as matplotlib ships
it; same input, same bytes.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message
from physsim.io.png import write_png
from physsim.io.presentation import Window, display_levels, log_attenuation, percentile_window

DISCLAIMER = "physsim, for research, not for clinical use"
_SMALLEST_WIDTH = 640  # pixels; narrower images are enlarged so that the caption can be read
_ROUND_LENGTHS_MM = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def write_radiograph_png(path: str | Path, signal: npt.NDArray[Any], pixel_mm: float, caption: Sequence[str], *,
                         open_field: float | npt.NDArray[Any] | None = None, window: Window | None = None,
                         bits: int = 16, patient_orientation: tuple[str, str] | None = None,
                         plane: str = "detector plane", overwrite: bool = False) -> Window:
    """Write a labelled PNG of `signal` (rows, columns), first row on top; returns the window used.

    With `open_field` (signal without a patient) the picture shows ln(open field / signal), dense parts white; without
    it the signal itself. `window` defaults to the percentiles 0.5 and 99.5. `pixel_mm` is the pitch in `plane`, which
    the scale bar names. `patient_orientation` (DICOM letters of the row and column directions) places the side marker.
    """
    if bits not in (8, 16):
        raise InvalidInput(message(f"bits={bits}", "a grey PNG has 8 or 16 bits", "Give 8 or 16."))
    values = np.asarray(signal, np.float64) if open_field is None else log_attenuation(signal, open_field)
    window = percentile_window(values) if window is None else window
    levels = display_levels(values, window, bits)
    picture = labelled_picture(levels, pixel_mm, [*caption, DISCLAIMER], patient_orientation, plane)
    zoom = _zoom(levels.shape[1])
    write_png(path, picture, pixel_mm / zoom, {"Description": "; ".join([*caption, DISCLAIMER])}, overwrite)
    return window


def labelled_picture(levels: npt.NDArray[Any], pixel_mm: float, caption: Sequence[str],
                     patient_orientation: tuple[str, str] | None = None,
                     plane: str = "detector plane") -> npt.NDArray[Any]:
    """`levels` (rows, columns) uint8 or uint16 with a strip below it: scale bar, then one line a caption entry."""
    from PIL import Image as Canvas
    from PIL import ImageDraw

    if not pixel_mm > 0:
        raise InvalidInput(message(f"pixel_mm={pixel_mm}", "pixels must be larger than 0 mm", "Did you mean 0.2?"))
    zoom = _zoom(levels.shape[1])
    image = np.repeat(np.repeat(levels, zoom, 0), zoom, 1)
    columns = image.shape[1]
    size = max(14, columns // 55)
    font, line = font_of(size), round(1.45 * size)
    lines = [part for text in caption for part in _wrapped(text, font, columns - 2 * size)]
    strip = Canvas.new("L", (columns, line * (len(lines) + 2) + size), 0)
    draw = ImageDraw.Draw(strip)
    length_mm = max((length for length in _ROUND_LENGTHS_MM if length <= 0.3 * levels.shape[1] * pixel_mm),
                    default=0.3 * levels.shape[1] * pixel_mm)
    bar = round(length_mm / pixel_mm * zoom)
    top, thick = size, max(2, size // 6)
    draw.rectangle((size, top, size + bar - 1, top + thick - 1), fill=255)
    for end in (size, size + bar - thick):
        draw.rectangle((end, top - thick, end + thick - 1, top + 2 * thick - 1), fill=255)
    draw.text((size + bar + size, top + thick // 2), f"{length_mm:g} mm at the {plane}", 255, font, anchor="lm")
    for number, text in enumerate(lines):
        draw.text((size, 2 * size + number * line), text, 255, font)
    full_scale = image.dtype.type(257 if image.dtype == np.uint16 else 1)  # 255 to white
    side = {"L": "R", "R": "L"}.get(patient_orientation[0][:1]) if patient_orientation else None
    if side is not None and min(image.shape) > 4 * size:
        marker = np.asarray(_marker(side, size))
        image[size:size + len(marker), size:size + len(marker)] = marker * full_scale
    below: npt.NDArray[Any] = np.asarray(strip) * full_scale
    return np.concatenate([image, below])


def _marker(side: str, size: int) -> Any:
    """The letter of the patient's side that lies at the left edge, white in a black box."""
    from PIL import Image as Canvas
    from PIL import ImageDraw

    box = 2 * size + 1
    canvas = Canvas.new("L", (box, box), 0)
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((0, 0, box - 1, box - 1), outline=255, width=max(2, size // 8))
    draw.text((box // 2, box // 2), side, 255, font_of(round(1.4 * size)), anchor="mm")
    return canvas


def _wrapped(text: str, font: Any, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _zoom(columns: int) -> int:
    return max(1, -(-_SMALLEST_WIDTH // columns)) if columns < _SMALLEST_WIDTH else 1


def font_of(size: int) -> Any:
    """The font of all pictures at a size in pixels (PIL)."""
    from PIL import ImageFont

    found = importlib.util.find_spec("matplotlib")
    assert found is not None  # a dependency of physsim
    assert found.origin is not None
    return ImageFont.truetype(str(Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"), size,
                              layout_engine=ImageFont.Layout.BASIC)
