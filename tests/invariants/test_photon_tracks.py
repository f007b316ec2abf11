"""Replayed photons are those of the run: their events add up to its tallies, bit for bit."""

import numpy as np
import pytest
from photon_cases import beam_and_detector, body

import physsim as ps
from physsim.errors import InvalidInput
from physsim.transport.montecarlo_job import Problem
from physsim.transport.montecarlo_result import KEV_PER_COUNT, ORDERS
from physsim.transport.montecarlo_track import KINDS, replay

COUNT = 3000


def problem(ambient="air", cutoff_kev=1.0):
    """A body along turned axes, and regions at random."""
    source, geometry = beam_and_detector()
    phantom = body(direction=((0.6, 0.8, 0.0), (-0.8, 0.6, 0.0), (0.0, 0.0, 1.0)))
    regions = np.random.default_rng(2).integers(0, 3, phantom.grid.shape).astype(np.uint8)
    run = ps.MonteCarlo(histories=COUNT, cutoff_kev=cutoff_kev)
    return Problem(phantom, source, run, geometry, 11, ambient, regions)


@pytest.fixture(scope="module")
def tracks():
    return replay(problem(), range(COUNT), threads=1)


@pytest.fixture(scope="module")
def result():
    one = problem()
    return ps.transport_photons(
        one.phantom, one.source, one.run, geometry=one.geometry, seed=11, ambient="air", regions=one.regions, threads=2
    )


def counts(kev):
    whole = kev / KEV_PER_COUNT
    assert whole == int(whole)
    return int(whole)


def test_tracks_add_up_to_the_tallies(tracks, result):
    image = np.zeros(result.image_counts.shape[1:], np.int64)
    regions = dict.fromkeys(result.regions.names, 0)
    for track in tracks:
        for event in track.events:
            if event.region is not None:
                regions[event.region] += counts(event.deposited_kev)
            if event.pixel is not None:
                image[(ORDERS.index(event.order), 0, *event.pixel)] += counts(event.energy_kev)
    assert np.array_equal(image, result.image_counts.sum(axis=0))
    assert list(regions.values()) == result.region_counts.sum(axis=0).tolist()
    assert regions["ambient"] > 0
    assert result.balance == {
        "born": sum(counts(track.born_kev) for track in tracks),
        "deposited": sum(counts(track.deposited_kev) for track in tracks),
        "detected": sum(counts(track.detected_kev) for track in tracks),
        "escaped": sum(counts(track.escaped_kev) for track in tracks),
    }
    assert {track.fingerprint for track in tracks} == {result.fingerprint}


def test_energy_of_a_track_is_balanced_exactly(tracks):
    for track in tracks:
        assert track.born_kev == track.deposited_kev + track.detected_kev + track.escaped_kev
        left = track.born_kev
        for event in track.events[1:]:
            before, left = left, event.energy_kev
            assert before == left + event.deposited_kev
            assert (event.deposited_kev > 0.0) <= (event.kind in ("Compton", "photoelectric", "fluorescence"))


def test_a_track_is_a_polygon_in_the_world(tracks):
    """Each event lies ahead of the one before; collisions lie in their voxel; detected photons in their pixel."""
    one = problem()
    grid, geometry = one.phantom.grid, one.geometry
    for track in tracks:
        assert track.events[0].kind == "born"
        assert np.linalg.norm(np.array(track.events[0].position_mm) - (0, -600, 20)) < 0.71
        for start, end in zip(track.events[:-1], track.events[1:], strict=True):
            way = np.array(end.position_mm) - np.array(start.position_mm)
            distance = np.linalg.norm(way)
            assert np.allclose(way, distance * np.array(start.direction), atol=2e-3)
        for event in track.events:
            if event.voxel is not None:
                index = grid.voxel_from_world @ np.array([*event.position_mm, 1.0])
                assert np.abs(index[:3] - event.voxel[::-1]).max() < 0.501
                assert event.material == one.phantom.materials[one.phantom.labels[event.voxel]].name
                assert event.region == f"region {one.regions[event.voxel]}"
            if event.pixel is not None:
                row, column = event.pixel
                centre = geometry.centre_mm[0] + 30 * ((column - 2) * geometry.u[0] + (row - 2.5) * geometry.v[0])
                assert np.abs(np.array(event.position_mm) - centre).max() < 15.01


def test_every_kind_of_event_occurs():
    """All but "lost", which is an error. 3 photons of 10,000 or more of each at these energies and this cut-off."""
    found = replay(problem(ambient=None, cutoff_kev=28.0), range(COUNT), threads=1)
    assert {event.kind for track in found for event in track.events} == set(KINDS) - {"lost"}
    for track in found:
        for event in track.events:
            if event.kind == "cut off":
                assert event.deposited_kev <= 28.0
                assert event is track.events[-1]


def test_one_photon_by_its_number(tracks):
    one = problem()
    track = ps.replay_photon(
        one.phantom, one.source, one.run, 2999, geometry=one.geometry, seed=11, ambient="air", regions=one.regions
    )
    assert track == tracks[2999]


@pytest.mark.parametrize("number", [-1, COUNT, 1.5, True])
def test_a_number_that_no_photon_has(number):
    one = problem()
    with pytest.raises(InvalidInput, match="the last is 2999"):
        ps.replay_photon(one.phantom, one.source, one.run, number)
