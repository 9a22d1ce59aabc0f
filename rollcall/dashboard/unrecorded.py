"""Which silences were nobody's but our own: times that should have been recorded, and were not.

While the recorder, the broker or the whole machine is away, nothing is recorded of anybody: that is
one gap of all nodes. Else a node that was online without a record has a gap of its own. What a node
was while nobody listened is not known; it goes on being what it was last. Pure; times in
milliseconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

_LEAST_MS: Final = 120_000

Part = tuple[int, int]


class Gap(NamedTuple):
    """Nothing was recorded from `ts` up to `until_ts`; of `node`, or of any where that is None."""

    node: str | None
    ts: int
    until_ts: int


class Stay(NamedTuple):
    """What a node was from `ts` up to `until_ts`, the end of the window where it lasts."""

    node: str
    state: str
    ts: int
    until_ts: int


def gaps(silences: Mapping[str, Sequence[Part]], stays: Iterable[Stay]) -> list[Gap]:
    """Give the gaps of all nodes together, then those of single nodes, each in order of time.

    `silences` has every node that was ever recorded, with the parts of the window in which nothing
    of it was.
    """
    there: dict[str, list[Part]] = {}
    online: dict[str, list[Part]] = {}
    for stay in stays:
        part = (stay.ts, stay.until_ts)
        if stay.state != "offline":
            there.setdefault(stay.node, []).append(part)
        if stay.state == "online":
            online.setdefault(stay.node, []).append(part)
    wanted = _joined(part for parts in there.values() for part in parts)
    of_all = _long(overlap(_common(list(silences.values())), wanted))
    found = [Gap(None, *part) for part in of_all]
    for node, parts in sorted(silences.items()):
        missing = without(overlap(parts, _joined(online.get(node, []))), of_all)
        found += [Gap(node, *part) for part in _long(missing)]
    return found


def overlap(some: Sequence[Part], others: Sequence[Part]) -> list[Part]:
    """Give the parts that lie in both, of parts in order of time."""
    found = []
    for a, b in some:
        found += [(max(a, c), min(b, d)) for c, d in others if max(a, c) < min(b, d)]
    return found


def without(some: Sequence[Part], others: Sequence[Part]) -> list[Part]:
    """Give what of some parts lies in none of the others."""
    left = list(some)
    for c, d in others:
        left = [
            rest for a, b in left for rest in ((a, min(b, c)), (max(a, d), b)) if rest[0] < rest[1]
        ]
    return left


def _common(several: Sequence[Sequence[Part]]) -> list[Part]:
    if not several:
        return []
    common = list(several[0])
    for parts in several[1:]:
        common = overlap(common, parts)
        if not common:
            return []
    return common


def _joined(parts: Iterable[Part]) -> list[Part]:
    joined: list[Part] = []
    for a, b in sorted(parts):
        if joined and a <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(b, joined[-1][1]))
        else:
            joined.append((a, b))
    return joined


def _long(parts: Iterable[Part]) -> list[Part]:
    return [(a, b) for a, b in parts if b - a >= _LEAST_MS]
