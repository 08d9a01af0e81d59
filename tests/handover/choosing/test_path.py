"""Degrees or metres, and what a path says."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.handover.path import METRES_A_DEGREE, curvature, heading_change_rate, in_degrees, paces, speed, steps
from quintet.handover.sights import Sight
from tests.handover.choosing.world import sight

Track = list[tuple[float, float]]


def walk(places: Track, seconds: float = 1.0) -> list[Sight]:
    return [sight(number * seconds, None, {"a": -80}, place=place) for number, place in enumerate(places)]


def metres(track: Track, latitude: float = 51.9, longitude: float = -8.5) -> Track:
    """(east, north) in metres as degrees there."""
    wide = METRES_A_DEGREE * math.cos(math.radians(latitude))
    return [(latitude + north / METRES_A_DEGREE, longitude + east / wide) for east, north in track]


def test_a_drive_in_degrees_and_in_metres_is_the_same() -> None:
    track: Track = [(0, 0), (10, 0), (20, 0), (27, 7), (27, 17)]
    plane, globe = steps(walk(track)), steps(walk(metres(track)))
    for one, other in zip(plane, globe, strict=True):
        assert (other.east, other.north) == pytest.approx((one.east, one.north), rel=1e-3, abs=1e-3)
    assert heading_change_rate(globe) == pytest.approx(heading_change_rate(plane), rel=1e-3)
    assert curvature(globe) == pytest.approx(curvature(plane), rel=1e-3)


@pytest.mark.parametrize(
    ("places", "degrees"),
    [
        ([(51.89, -8.49), (51.8901, -8.4902)], True),
        ([(0.0, 0.0), (0.0005, 0.0)], True),
        ([(-22.3, -53.7), (-21.3, -53.7)], False),
        ([(0.0, 0.0), (0.5, 0.5)], False),
        ([(400.0, 300.0), (400.0, 300.0001)], False),
        ([(51.89, -8.49)], True),
        ([], True),
    ],
)
def test_degrees_are_told_from_metres(places: Track, degrees: bool) -> None:
    assert in_degrees(walk(places)) == degrees


def test_a_jump_of_gps_makes_no_metres_of_degrees() -> None:
    track = [(51.89 + 1e-4 * number, -8.49) for number in range(9)]
    track[4] = (51.893, -8.49)
    assert in_degrees(walk(track))


def test_a_circle_has_its_curvature() -> None:
    radius, angle = 50.0, 0.2
    circle = [(radius * math.cos(angle * step), radius * math.sin(angle * step)) for step in range(8)]
    path = steps(walk(circle))
    assert curvature(path) == pytest.approx(1 / radius, rel=0.01)
    assert heading_change_rate(path) == pytest.approx(angle)
    assert speed(path) == pytest.approx(radius * angle, rel=0.01)


def test_who_stands_has_no_heading_to_change() -> None:
    path = steps(walk([(400, 300), (400.01, 300), (400, 300.01)]))
    assert (curvature(path), heading_change_rate(path)) == (0.0, 0.0)


def test_turning_round_is_half_a_turn() -> None:
    assert heading_change_rate(steps(walk([(0, 0), (10, 0), (0, 0)]))) == pytest.approx(math.pi)


def test_the_shorter_way_round_is_the_turn() -> None:
    angles = [math.radians(170), math.radians(-170)]
    path = [(0.0, 0.0)]
    for angle in angles:
        path.append((path[-1][0] + 10 * math.cos(angle), path[-1][1] + 10 * math.sin(angle)))
    assert heading_change_rate(steps(walk(path))) == pytest.approx(math.radians(20))


def test_paces_that_were_not_sent_come_of_positions() -> None:
    sights = walk([(0, 0), (10, 0), (15, 0)])
    sights[1] = sight(1.0, None, {"a": -80}, place=(10, 0), velocity=7.0)
    assert paces(sights) == [0.0, 7.0, 5.0]


@given(st.lists(st.tuples(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12)), max_size=6), st.floats(0, 1e12))
def test_whatever_comes_is_finite(places: Track, seconds: float) -> None:
    path = steps(walk(places, seconds))
    assert math.isfinite(curvature(path))
    assert math.isfinite(heading_change_rate(path))
    assert math.isfinite(speed(path) or 0.0)
