"""Silences and maintenance windows: whom not to tell about what, and until when.

Pure. A silenced alert is judged and published, with a flag; people are not told. When the silence
ends, what then differs from what they were last told is told.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from rollcall.alerts.state import Key
from rollcall.alerts.wording import moment

GROUP: Final = "group:"
LABEL: Final = "label:"

InGroup = Callable[[str, str], bool]
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Silence:
    """Who is meant: any of `nodes`, and `rule`, and `instance` (globs); from when to when.

    A node is meant by a glob of its name, as `label:KEY=VALUE`, or as `group:NAME` of the fleet
    document. `starts_at` and `ends_at` are Unix seconds.
    """

    id: str
    nodes: tuple[str, ...]
    rule: str
    instance: str
    starts_at: float
    ends_at: float
    comment: str = ""

    def is_in_force(self, wall_s: float) -> bool:
        """Whether it holds now."""
        return self.starts_at <= wall_s < self.ends_at

    def covers(self, key: Key, labels: Labels, in_group: InGroup) -> bool:
        """Say whether it means this alert; `in_group(group, node)` asks the fleet document."""
        return (
            fnmatchcase(key.rule, self.rule)
            and fnmatchcase(key.instance, self.instance)
            and any(_means(pattern, key.node, labels, in_group) for pattern in self.nodes)
        )


class Silences:
    """The silences that are in force or to come, by id."""

    def __init__(self, silences: Iterable[Silence] = ()) -> None:
        self._silences = {silence.id: silence for silence in silences}

    def __iter__(self) -> Iterator[Silence]:
        """Give them by their ends."""
        return iter(sorted(self._silences.values(), key=lambda silence: silence.ends_at))

    def add(self, silence: Silence) -> None:
        """Take one up; one with the same id is replaced."""
        self._silences[silence.id] = silence

    def end(self, name: str) -> Silence | None:
        """Take one out; None when there is none of this id."""
        return self._silences.pop(name, None)

    def take_ended(self, wall_s: float) -> list[Silence]:
        """Take out those that are over."""
        over = [silence for silence in self._silences.values() if silence.ends_at <= wall_s]
        for silence in over:
            del self._silences[silence.id]
        return over

    def held(
        self,
        keys: Iterable[Key],
        labels_of: Callable[[str], Labels],
        in_group: InGroup,
        wall_s: float,
    ) -> dict[Key, str]:
        """Give those of `keys` that are silenced now, and why."""
        in_force = [silence for silence in self if silence.is_in_force(wall_s)]
        found = {}
        for key in keys if in_force else ():
            for silence in in_force:
                if silence.covers(key, labels_of(key.node), in_group):
                    found[key] = f"silenced until {moment(silence.ends_at)} ({silence.id})"
        return found


def _means(pattern: str, node: str, labels: Labels, in_group: InGroup) -> bool:
    if pattern.startswith(GROUP):
        return in_group(pattern.removeprefix(GROUP), node)
    if pattern.startswith(LABEL):
        name, _, value = pattern.removeprefix(LABEL).partition("=")
        return labels.get(name) == value
    return fnmatchcase(node, pattern)
