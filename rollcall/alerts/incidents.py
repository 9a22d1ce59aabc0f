"""The open incidents: takes changes of alerts in, answers what is due to be told.

Pure: the time is an argument, random bits are drawn from outside. What a restart has to find again
is handed out by `changed_incidents` and `changed_turns`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from rollcall.alerts import grouping
from rollcall.alerts.flapping import Flapping, Turns
from rollcall.alerts.grouping import Decision, Incident
from rollcall.alerts.rules import BLIND, Flap, Rule, Timing
from rollcall.alerts.state import Change, Key
from rollcall.broker.node_view import Now

RuleOf = Callable[[Key], Rule | None]
LabelsOf = Callable[[str], Mapping[str, str]]


class Incidents:
    """Open incidents and their members; `draw(bits)` gives random bits for names."""

    def __init__(self, draw: Callable[[int], int]) -> None:
        self._draw = draw
        self._open: dict[str, Incident] = {}
        self._of_key: dict[Key, str] = {}
        self._of_group: dict[grouping.Group, str] = {}
        self._changed: dict[str, Incident | None] = {}
        self._flapping = Flapping()

    def restore(self, incidents: Iterable[Incident], turns: Iterable[Turns] = ()) -> None:
        """Take up what was going on before a restart."""
        for incident in incidents:
            self._keep(incident)
        self._flapping.restore(turns)
        self._changed.clear()

    @property
    def open(self) -> list[Incident]:
        """All open incidents, the oldest first."""
        return sorted(self._open.values(), key=lambda incident: incident.opened_at)

    def by_id(self, name: str) -> Incident | None:
        """Give an open incident by its id."""
        return self._open.get(name)

    def of(self, key: Key) -> Incident | None:
        """Give the open incident that an alert is or was a member of."""
        name = self._of_key.get(key)
        return None if name is None else self._open.get(name)

    def flaps(self, key: Key) -> bool:
        """Say whether an alert comes and goes."""
        return self._flapping.flaps(key)

    def put(self, incident: Incident) -> None:
        """Replace an open incident, as acknowledging does."""
        self._keep(incident)

    def take(
        self, changes: Iterable[Change], rule_of: RuleOf, labels_of: LabelsOf, now: Now
    ) -> None:
        """Note what happened to alerts; a value that follows the samples is not stored."""
        for change in changes:
            self._take(change, rule_of(change.key), labels_of, now)

    def due(
        self, rule_of: RuleOf, held: Mapping[Key, str], now: Now, *, quiet: bool = False
    ) -> list[tuple[Incident, Decision]]:
        """Give the incidents that people are to be told of now, and why; drop what is over.

        With `quiet` only being blind is told.
        """
        self._settle(rule_of, now)
        found = []
        for incident in self.open:
            if incident.is_over_untold:
                self._drop(incident)
                continue
            if quiet and incident.rule != BLIND:
                continue
            decision = grouping.due(incident, timing_of(incident, rule_of), now, held)
            if decision.kind is not None:
                found.append((incident, decision))
        return found

    def why(self, incident: Incident, rule_of: RuleOf, held: Mapping[Key, str], now: Now) -> str:
        """Say why an incident is, or is not, to be told now."""
        return grouping.due(incident, timing_of(incident, rule_of), now, held).reason

    def told(
        self, incident: Incident, now: Now, held: Mapping[Key, str], scope: str | None = None
    ) -> Incident:
        """Note that a mail has told of an incident; gives it as it is then."""
        after = incident.with_mail(now, held, scope)
        if after.is_over_untold:
            self._drop(after)
        else:
            self._keep(after)
        return after

    def changed_incidents(self) -> dict[str, Incident | None]:
        """Hand out, once, the incidents to be stored; None for one that is closed."""
        changed, self._changed = self._changed, {}
        return changed

    def changed_turns(self) -> dict[Key, Turns | None]:
        """Hand out, once, the transitions to be stored; None for those to be forgotten."""
        changed, self._flapping.changed = self._flapping.changed, {}
        return changed

    def _take(self, change: Change, rule: Rule | None, labels_of: LabelsOf, now: Now) -> None:
        self._flapping.note(change, now.wall_s)
        incident = self.of(change.key)
        if incident is None:
            if rule is None or change.after is None or not change.after.is_told:
                return
            group = grouping.group_of(rule, change.key, labels_of(change.key.node))
            name = self._of_group.get(group)
            incident = self._open[name] if name else self._opened(rule, group, now)
        followed = incident.with_change(change, now, rule)
        if self._flapping.flaps(change.key):
            followed = followed.with_flapping(change.key, flaps=True)
        if followed is not incident:
            self._keep(followed, stored=change.is_transition)

    def _opened(self, rule: Rule, group: grouping.Group, now: Now) -> Incident:
        incident = grouping.opened(rule, self._draw(grouping.ID_BITS), now, group)
        while incident.id in self._open:
            incident = grouping.opened(rule, self._draw(grouping.ID_BITS), now, group)
        return incident

    def _settle(self, rule_of: RuleOf, now: Now) -> None:
        def flap_of(key: Key) -> Flap:
            rule = rule_of(key)
            return rule.flap if rule else Flap()

        for key, flaps in self._flapping.step(flap_of, now.wall_s):
            incident = self.of(key)
            if incident is not None:
                self._keep(incident.with_flapping(key, flaps=flaps))

    def _keep(self, incident: Incident, *, stored: bool = True) -> None:
        before = self._open.get(incident.id)
        self._open[incident.id] = incident
        self._of_group[incident.group] = incident.id
        for key in before.members.keys() - incident.members.keys() if before else ():
            self._of_key.pop(key, None)
        self._of_key.update(dict.fromkeys(incident.members, incident.id))
        if stored:
            self._changed[incident.id] = incident

    def _drop(self, incident: Incident) -> None:
        known = self._open.pop(incident.id, incident)
        self._of_group.pop(incident.group, None)
        for key in known.members.keys() | incident.members.keys():
            self._of_key.pop(key, None)
        self._changed[incident.id] = None


def timing_of(incident: Incident, rule_of: RuleOf) -> Timing:
    """Give the timing of an incident: of its members' rules, the shortest of each."""
    rules = [rule for rule in map(rule_of, incident.members) if rule is not None]
    timings = list(dict.fromkeys(rule.timing for rule in rules))
    if len(timings) <= 1:
        return timings[0] if timings else Timing()
    repeats = [each.repeat_interval_s for each in timings if each.repeat_interval_s]
    return replace(
        timings[0],
        group_wait_s=min(each.group_wait_s for each in timings),
        group_wait_max_s=min(each.group_wait_max_s for each in timings),
        group_interval_s=min(each.group_interval_s for each in timings),
        repeat_interval_s=min(repeats, default=0.0),
    )
