"""Counters into rates.

A counter that became smaller was reset (or wrapped, which looks the same): it gives no rate, and
what it shows now is the new base. The first reading gives none either. So a rate is never negative
and never invented. Pure: a reading knows when it was taken.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Counters(Generic[Key]):
    """Counters read together at `at_s` (seconds on a clock that only runs forward).

    A key holds whatever tells one thing from another of the same name: an interface is known by
    its name and its index, so that a new one does not inherit the counts of the old.
    """

    at_s: float
    counts: Mapping[Key, float]


# A column of counters of something that has a name, and an identity of its own beside it.
Column = tuple[str, str, str]


def by_name(found: Mapping[Column, float]) -> dict[str, dict[str, float]]:
    """Sort what was found by the names of the things: `{name: {column: number}}`."""
    sorted_: dict[str, dict[str, float]] = {}
    for (name, _, column), number in found.items():
        sorted_.setdefault(name, {})[column] = number
    return sorted_


def increases(before: Counters[Key] | None, now: Counters[Key]) -> dict[Key, float]:
    """Give how much each counter grew; those that are new or were reset are left out."""
    if before is None:
        return {}
    return {
        key: count - before.counts[key]
        for key, count in now.counts.items()
        if key in before.counts and count >= before.counts[key]
    }


def per_second(before: Counters[Key] | None, now: Counters[Key]) -> dict[Key, float]:
    """Give the growth of each counter a second; nothing when no time has passed."""
    elapsed_s = now.at_s - before.at_s if before else 0.0
    if elapsed_s <= 0:
        return {}
    return {key: grown / elapsed_s for key, grown in increases(before, now).items()}
