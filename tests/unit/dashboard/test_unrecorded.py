"""Which silences were nobody's but our own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.dashboard.unrecorded import Gap, Part, Stay, gaps, overlap, without

M = 60_000
END = 60 * M


def online(node: str, ts: int = 0, until_ts: int = END) -> Stay:
    return Stay(node, "online", ts, until_ts)


@pytest.mark.parametrize(
    ("silences", "stays", "found"),
    [
        pytest.param(
            {"a": [(5 * M, 9 * M)], "b": [(4 * M, 8 * M)]},
            [online("a"), online("b")],
            [Gap(None, 5 * M, 8 * M)],
            id="all-were-silent-so-nobody-listened",
        ),
        pytest.param(
            {"a": [(5 * M, 9 * M)], "b": []},
            [online("a"), online("b")],
            [Gap("a", 5 * M, 9 * M)],
            id="one-was-online-without-a-record",
        ),
        pytest.param(
            {"a": [(5 * M, 9 * M)], "b": []},
            [Stay("a", "offline", 4 * M, 9 * M), online("b")],
            [],
            id="one-was-away-and-said-so",
        ),
        pytest.param(
            {"a": [(5 * M, 9 * M)], "b": [(0, END)]},
            [online("a"), Stay("b", "offline", 0, END)],
            [Gap(None, 5 * M, 9 * M)],
            id="who-was-not-there-hides-no-gap",
        ),
        pytest.param(
            {"a": [(40 * M, END)], "b": [(40 * M, END)]},
            [online("a", 0, 40 * M), Stay("a", "stale", 40 * M, END), online("b")],
            [Gap(None, 40 * M, END)],
            id="who-seems-stale-was-not-listened-to",
        ),
        pytest.param(
            {"a": [(0, END)]}, [Stay("a", "offline", 0, END)], [], id="nobody-was-expected"
        ),
        pytest.param(
            {"a": [(0, 30 * M)]}, [online("a", 30 * M)], [], id="before-its-first-birth-is-no-gap"
        ),
        pytest.param({"a": [(5 * M, 6 * M)]}, [online("a")], [], id="a-minute-is-none"),
        pytest.param({}, [], [], id="nothing-was-ever-recorded"),
    ],
)
def test_gaps_are_those_that_nothing_else_explains(
    silences: dict[str, list[Part]], stays: list[Stay], found: list[Gap]
) -> None:
    assert gaps(silences, stays) == found


edges = st.lists(st.integers(0, 40), unique=True, max_size=10).map(sorted)
parts = edges.map(lambda found: list(zip(found[::2], found[1::2], strict=False)))


@given(parts, parts)
def test_parts_are_cut_exactly(some: list[Part], others: list[Part]) -> None:
    def inside(each: list[Part]) -> set[int]:
        return {moment for start, end in each for moment in range(start, end)}

    assert inside(overlap(some, others)) == inside(some) & inside(others)
    assert inside(without(some, others)) == inside(some) - inside(others)
