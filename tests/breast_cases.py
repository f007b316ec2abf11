"""A small breast and protocols for it, for the tests of mammography."""

from functools import cache

import physsim as ps

PIXEL_MM = 1.12


@cache
def small_breast(view="CC", side="L"):
    """Class D, 40 mm from chest wall to nipple, 35 mm between the plates, voxels of 1 mm."""
    return ps.breast("D", view, side, spacing_mm=1.0, length_mm=40, half_width_mm=40)


def mammogram(view="CC", side="L", **changes):
    """The shipped protocol with large pixels, on the part of the detector that the small breast covers."""
    wide = ps.protocols.mammogram(view=view, side=side, pixel_mm=PIXEL_MM)  # read out together: they hold more charge
    return wide.changed(**{"columns": 52, "rows": 96} | changes)


def tomosynthesis(views=5, **changes):
    """Likewise, of a few views."""
    wide = ps.protocols.tomosynthesis(pixel_mm=PIXEL_MM)
    return wide.changed(**{"views": views, "columns": 52, "rows": 96} | changes)
