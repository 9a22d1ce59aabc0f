"""From changes of alerts to notices: which incident, whether to tell of it now, what to tell.

Everything is in the outbox before it happens: an incident before its notice, a notice's rows before
they are sent. What a crash interrupts is found there, and goes on.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from rollcall.alerts.dispatch import Dispatch
from rollcall.alerts.grouping import Acknowledgement, Decision, Incident
from rollcall.alerts.incidents import Incidents, LabelsOf, RuleOf
from rollcall.alerts.letter import scope
from rollcall.alerts.notice import Notice, ProcessList, Shared, Trend
from rollcall.alerts.outbox import Outbox, Stored
from rollcall.alerts.silences import InGroup, Silence, Silences
from rollcall.alerts.state import Change, Key
from rollcall.broker.node_view import NodeView, Now

_log = logging.getLogger(__name__)


def _none_of(_subject: object) -> None:
    """Know nothing of it."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known of the cluster at one moment; what costs something is asked for when needed.

    `inhibited` are the alerts that others keep back, and why; `views` gives all nodes; `shared`
    what the members' nodes have in common. `places` says where each rule stands. With `quiet` only
    being blind is told.
    """

    rule_of: RuleOf
    labels_of: LabelsOf
    in_group: InGroup = field(default=lambda _group, _node: False)
    inhibited: Mapping[Key, str] = field(default_factory=dict)
    views: Callable[[], Mapping[str, NodeView]] = field(default=dict)
    shared: Callable[[Sequence[str], Mapping[str, NodeView]], Shared | None] = field(
        default=lambda _nodes, _views: None
    )
    trend_of: Callable[[Key], Trend | None] = field(default=_none_of)
    processes_of: Callable[[str], ProcessList | None] = field(default=_none_of)
    source: str = ""
    places: Mapping[str, str] = field(default_factory=dict)
    quiet: bool = False


class Notifier:
    """Tells people: keeps incidents and silences, on disk too, and makes notices of what is due."""

    def __init__(self, *, outbox: Outbox, dispatch: Dispatch, incidents: Incidents) -> None:
        self._outbox = outbox
        self._dispatch = dispatch
        self.incidents = incidents
        self.silences = Silences()

    def restore(self, stored: Stored, now: Now) -> None:
        """Take up what was going on before a restart."""
        self.incidents.restore(stored.incidents, stored.turns)
        self.silences = Silences(stored.silences)
        self._dispatch.restore(stored, now)

    def take(
        self, changes: Iterable[Change], rule_of: RuleOf, labels_of: LabelsOf, now: Now
    ) -> None:
        """Note what happened to alerts; written with the outbox's next commit."""
        changes = list(changes)
        for change in changes:
            if change.is_transition:
                self._outbox.put_alert(change.key, change.after)
        self.incidents.take(changes, rule_of, labels_of, now)
        self._store()

    def tick(self, scene: Scene, now: Now) -> None:
        """Write the messages that are due, take outcomes, and send."""
        for over in self.silences.take_ended(now.wall_s):
            self._outbox.put_silence(over.id, None)
        held = self.held(scene, now)
        # Sixty notices at once look at the same nodes.
        scene = replace(scene, views=cache(scene.views))
        for incident, decision in self.incidents.due(scene.rule_of, held, now, quiet=scene.quiet):
            _log.info("incident %s: %s: %s", incident.id, decision.kind, decision.reason)
            notice = _notice(incident, decision, scene, held, now)
            self._dispatch.tell(notice, now)
            self.incidents.told(incident, now, held, scope(notice))
        self._store()
        self._dispatch.tick(now)

    @property
    def has_outcomes(self) -> bool:
        """Whether something that was under way has come back since the last tick."""
        return self._dispatch.has_outcomes

    def finish(self, now: Now) -> None:
        """Wait, for ten seconds at most, for what is under way, and note what became of it."""
        self._dispatch.finish(now)

    def held(self, scene: Scene, now: Now) -> dict[Key, str]:
        """Give the members of open incidents that are not to be told of now, and why."""
        keys = [key for incident in self.incidents.open for key in incident.members]
        return {**scene.inhibited, **self.silenced(keys, scene, now)}

    def silenced(self, keys: Iterable[Key], scene: Scene, now: Now) -> dict[Key, str]:
        """Give those of `keys` that are silenced now, and why."""
        return self.silences.held(keys, scene.labels_of, scene.in_group, now.wall_s)

    def silence(self, silence: Silence) -> None:
        """Put a silence into force, on disk with the next commit."""
        self.silences.add(silence)
        self._outbox.put_silence(silence.id, silence)

    def end_silence(self, name: str) -> Silence | None:
        """End a silence; None when there is none of this id."""
        self._outbox.put_silence(name, None)
        return self.silences.end(name)

    def acknowledge(self, name: str, acknowledgement: Acknowledgement) -> Incident | None:
        """Note that somebody has taken an incident on; None when none is open under this id."""
        incident = self.incidents.by_id(name)
        if incident is not None:
            self.incidents.put(replace(incident, acknowledged=acknowledgement))
            self._store()
        return incident

    def incident_of(self, key: Key) -> Incident | None:
        """Give the open incident of an alert."""
        return self.incidents.of(key)

    def undelivered(self, incident: str) -> str:
        """Say why something of an incident has not got out yet; nothing when all has."""
        return self._dispatch.undelivered(incident)

    def _store(self) -> None:
        for name, incident in self.incidents.changed_incidents().items():
            self._outbox.put_incident(name, incident)
        for key, turns in self.incidents.changed_turns().items():
            self._outbox.put_turns(key, turns)


def _notice(
    incident: Incident, decision: Decision, scene: Scene, held: Mapping[Key, str], now: Now
) -> Notice:
    assert decision.kind is not None
    views = scene.views()
    keys = list(incident.members)
    nodes = list(dict.fromkeys(key.node for key in keys if key not in held))
    rules = {key.rule: rule for key in keys if (rule := scene.rule_of(key)) is not None}
    trends = {key: trend for key in keys if (trend := scene.trend_of(key)) is not None}
    processes = {node: found for node in nodes if (found := scene.processes_of(node)) is not None}
    return Notice(
        kind=decision.kind,
        incident=incident,
        at=now.wall_s,
        source=scene.source,
        rules=rules,
        views=views,
        shared=scene.shared(nodes, views) if len(nodes) > 1 else None,
        held=[key for key in scene.inhibited if key.node in nodes],
        suppressed={key: held[key] for key in keys if key in held},
        trends=trends,
        processes=processes,
        places=scene.places,
    )
