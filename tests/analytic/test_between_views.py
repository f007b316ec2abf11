"""Images between the known views of a scan: exact where they must be, with an error that is stated and holds."""

import numpy as np
import pytest

from physsim.imaging.scan.between_views import bend, between, enough

VIEWS = 1000
AT = np.arange(VIEWS)


def some(count, closed=False):
    return np.arange(count) * VIEWS // count if closed else np.rint(np.linspace(0, VIEWS - 1, count)).astype(np.int64)


def rim(width, reach=18.0, columns=48):
    """(views, columns) of a body's bright edges, `width` columns wide, that go to and fro twice a turn, on a background
    whose slope jumps where an edge passes a column."""
    turn = 2.0 * np.pi * AT[:, None] / VIEWS
    place, edge = np.arange(columns) - 0.5 * (columns - 1), reach * (0.8 + 0.2 * np.cos(2.0 * turn))
    bright = sum(np.exp(-0.5 * ((place - side * edge) / width) ** 2) for side in (-1.0, 1.0))
    return 1.0 + bright + 0.3 * np.maximum(0.0, edge - np.abs(place)) / reach


def error(known, images, period):
    told = between(known, images[known], AT, period)
    return np.sqrt(np.mean((told - images) ** 2)) / images.mean()


def test_polynomials_of_degree_five_go_through_and_known_views_stay():
    known = some(37)
    images = np.stack([(AT / VIEWS) ** 5 - (AT / VIEWS) ** 2, np.cos(AT / 60.0)], axis=1)
    told = between(known, images[known], AT, None)
    np.testing.assert_allclose(told[:, 0], images[:, 0], atol=1e-12)
    np.testing.assert_allclose(told[known], images[known], atol=1e-12)


def test_closed_scans_have_no_ends():
    known = some(40, closed=True)
    wave = np.cos(2.0 * np.pi * 3.0 * AT / VIEWS)[:, None]
    apart = between(known, wave[known], AT, float(VIEWS)) - wave
    assert np.abs(apart).max() < 2e-4  # degree 5, 13 nodes a wave
    assert np.abs(apart[:12]).max() == pytest.approx(np.abs(apart[500:512]).max(), rel=0.1)


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("width", [0.4, 0.7, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("count", [64, 97, 128, 168])
def test_the_error_that_is_stated_holds_for_rims_that_move(count, width, closed):
    """A body's edge moves by 0.13 columns a view of 168: what is stated from the known views alone is more than what
    the views between them err by, and not without end."""
    known, images = some(count, closed), rim(width)
    stated = bend(known, images[known], VIEWS, float(VIEWS) if closed else None)
    found = error(known, images, float(VIEWS) if closed else None)
    assert found <= stated
    assert stated < 40.0 * found + 1e-3


def test_nothing_is_lost_where_all_views_are_known():
    assert bend(AT, rim(1.0), VIEWS, None) == 0.0


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize(("width", "share"), [(8.0, 4), (0.9, 2), (0.4, 1)])
def test_as_many_views_are_taken_as_rims_ask_for(width, share, closed):
    """Each fourth, each second or every one of those wanted at most, none of them twice."""
    every, period = (some(96, True), float(VIEWS)) if closed else (some(97), None)
    images, asked = rim(width, 8.0), []

    def images_of(views):
        asked.extend(views.tolist())
        return images[views], 2.0 * images[views]

    known, (found, other), lost = enough(every, VIEWS, period, 0.01, images_of)
    np.testing.assert_array_equal(known, every[::share])
    assert sorted(asked) == known.tolist()
    np.testing.assert_array_equal(found, images[known])
    np.testing.assert_array_equal(other, 2.0 * images[known])
    assert lost == bend(known, images[known], VIEWS, period)
    assert error(known, images, period) <= lost
