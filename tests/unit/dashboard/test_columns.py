"""What a chart is given: a place for everything, and nothing where nothing was recorded."""

from hypothesis import given
from hypothesis import strategies as st

from rollcall.dashboard.columns import Point, Span, gridded, holes, share, silence_after, single

MINUTE = 60_000
START = 1_767_225_600_000


def sample(seconds: float, value: float = 1.0) -> Point:
    return Point(START + int(seconds * 1000), value, value, value, 1)


def test_every_bucket_has_its_place_and_an_empty_one_is_empty() -> None:
    points = [Point(START, 1, 2, 3, 6), Point(START + 2 * MINUTE, 4, 5, 6, 6)]
    columns = gridded(points, START + 10_000, START + 3 * MINUTE, MINUTE)
    assert columns.times == [START / 1000, START / 1000 + 60, START / 1000 + 120]
    assert columns.low == [1, None, 4]
    assert columns.mean == [2, None, 5]
    assert columns.high == [3, None, 6]
    assert columns.samples == [6, 0, 6]


def test_a_line_through_samples_breaks_where_some_are_missing() -> None:
    points = [sample(0), sample(10), sample(20), sample(60), sample(70)]
    assert single(points).mean == [1, 1, 1, None, 1, 1]


def test_one_late_sample_breaks_nothing() -> None:
    points = [sample(0), sample(10), sample(20), sample(44), sample(54)]
    assert None not in single(points).mean


def test_a_hole_is_told_but_for_what_is_explained() -> None:
    points = [sample(second) for second in (0, 10, 20, 500, 510)]
    offline = Span("offline", START + 100_000, START + 400_000)
    found = holes(points, START, START + 520_000, silence_after(points), [offline])
    assert found == [
        Span("unrecorded", START + 20_000, START + 100_000),
        Span("unrecorded", START + 400_000, START + 500_000),
    ]


def test_without_any_point_the_whole_window_is_a_hole() -> None:
    found = holes([], START, START + MINUTE, 1000, [])
    assert found == [Span("unrecorded", START, START + MINUTE)]
    assert share(found, START, START + MINUTE) == 0


def test_the_share_counts_only_what_lies_in_the_window() -> None:
    lost = [Span("offline", START - MINUTE, START + MINUTE)]
    assert share(lost, START, START + 4 * MINUTE) == 0.75


@given(st.lists(st.integers(0, 10_000), unique=True), st.integers(1, 500))
def test_no_point_is_lost_and_none_is_invented(times: list[int], bucket_s: int) -> None:
    bucket = bucket_s * 1000
    found = {START + time * 1000 // bucket * bucket for time in times}
    points = [Point(ts - ts % bucket, 1, 1, 1, 1) for ts in sorted(found)]
    unique = {point.ts: point for point in points}
    columns = gridded(unique.values(), START - START % bucket, START + 10_001_000, bucket)
    assert sum(columns.samples) == len(unique)
    assert len(columns.times) == len(columns.mean) == len(columns.samples)
    assert sum(samples.samples for samples in points) == sum(
        count for count in single(points).samples
    )
