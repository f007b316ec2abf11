"""Memory kept between calls: bounded, given back on demand, without effect on any result."""

import threading

import numpy as np

import physsim as ps


def one_projection() -> np.ndarray:
    """A tile of 2 x 3 MB: a room that is kept."""
    volume = np.random.default_rng(1).random((256, 40, 40), dtype=np.float32)
    geometry = ps.Geometry.circular(
        views=2, source_axis_mm=1000, source_detector_mm=1500, rows=64, columns=64, pixel_mm=3.0
    )
    return ps.project(volume, geometry, spacing_mm=1.0, device="cpu", threads=2)


def test_a_call_keeps_rooms_and_release_gives_them_back():
    ps.release_memory()
    first = one_projection()
    assert 2 << 20 <= ps.release_memory() <= 256 << 20
    assert ps.release_memory() == 0
    assert np.array_equal(one_projection(), first)


def test_a_room_used_before_changes_no_bit():
    fresh = one_projection()
    ps.project(np.full((256, 40, 40), np.float32(7)), ps.Geometry.parallel(views=1, rows=64, columns=64, pixel_mm=1.0),
               spacing_mm=1.0, device="cpu", threads=2)  # leaves sevens behind
    assert np.array_equal(one_projection(), fresh)


def test_threads_of_the_user_share_no_room():
    truth, found = one_projection(), []
    threads = [threading.Thread(target=lambda: found.append(one_projection())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(np.array_equal(image, truth) for image in found)
