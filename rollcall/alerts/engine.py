"""All alerts of all nodes: takes reports, presence and fleet documents in, gives changes out.

Pure: the time is an argument. A metric is judged only when a report brings a sample and its node is
online; whatever else is the case, the alert stays as it is (no data is no evidence). Presence is
judged whenever the caller asks, which is only while our own way to the broker is open.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from rollcall.alerts import evaluation
from rollcall.alerts.rules import Rule, rule_from
from rollcall.alerts.samples import SampleGate
from rollcall.alerts.state import Alert, Change, Key
from rollcall.broker.cluster import NodeState, NodeView, Now
from rollcall.broker.fleet import Fleet
from rollcall.broker.messages import Info, Number, Report


class Engine:
    """The alerts that are pending, firing or recovering, and the rules they come from."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._rules = _rules_of(fleet)
        self._alerts: dict[tuple[str, str], dict[str, Alert]] = {}
        self._gate = SampleGate()
        self._on_node: dict[str, tuple[Info | None, list[Rule]]] = {}

    def __iter__(self) -> Iterator[Alert]:
        """Give every alert that is not inactive."""
        for instances in self._alerts.values():
            yield from instances.values()

    @property
    def active(self) -> Iterable[tuple[str, str]]:
        """The (rule, node) pairs that have alerts."""
        return list(self._alerts)

    @property
    def rules(self) -> dict[str, Rule]:
        """All enabled rules of the document in force."""
        return dict(self._rules)

    def alerts_of(self, rule: str, node: str) -> dict[str, Alert]:
        """Give the alerts of one rule on one node, by instance."""
        return dict(self._alerts.get((rule, node), {}))

    def restore(self, alerts: Iterable[Alert]) -> list[Change]:
        """Take up alerts of before a restart; those of rules that are gone end."""
        for alert in alerts:
            self._keep(replace(alert, counted_s=None, missing_s=None))
        return self._close_where(lambda alert: alert.key.rule not in self._rules, "rule_removed")

    def adopt(self, fleet: Fleet) -> list[Change]:
        """Put another document into force; alerts of rules that ask something else end."""
        before, self._rules = self._rules, _rules_of(fleet)
        self._fleet = fleet
        self._on_node.clear()
        removed = self._close_where(lambda alert: alert.key.rule not in self._rules, "rule_removed")

        def asks_something_else(alert: Alert) -> bool:
            old = before.get(alert.key.rule)
            return old is not None and not old.asks_the_same_as(self._rules[alert.key.rule])

        return removed + self._close_where(asks_something_else, "rule_changed")

    def take_report(
        self, view: NodeView, collector: str, *, replayed: bool, now: Now
    ) -> list[Change]:
        """Judge the newest report of `collector`, which arrived at `now`, once."""
        held = view.reports.get(collector)
        if held is None:
            return []
        report = held.report
        counts = self._gate.lets_through(view.name, collector, report, replayed=replayed, now=now)
        if not counts or view.state is not NodeState.ONLINE:
            return []
        changes: list[Change] = []
        for rule in self._rules_on(view):
            if rule.limit is not None and rule.limit.collector == collector:
                changes += self._judge_report(rule, view.name, report, now)
        return changes

    def tick(self, views: Iterable[NodeView], now: Now) -> list[Change]:
        """Judge the presence of every node, and end alerts of rules that no longer apply."""
        changes: list[Change] = []
        for view in views:
            rules = self._rules_on(view)
            for rule in rules:
                if rule.limit is None:
                    changes += self._judge_presence(rule, view, now)
            if view.info is not None:
                changes += self._close_foreign(view.name, {rule.name for rule in rules})
        return changes

    def remove_node(self, node: str) -> list[Change]:
        """Forget a node and end its alerts."""
        self._gate.forget(node)
        self._on_node.pop(node, None)
        return self._close_where(lambda alert: alert.key.node == node, "node_removed")

    def pause(self) -> None:
        """Let all clocks pause: what has passed since the last samples adds nothing."""
        for alert in list(self):
            self._keep(replace(alert, counted_s=None))

    def _judge_report(self, rule: Rule, node: str, report: Report, now: Now) -> list[Change]:
        assert rule.limit is not None
        values = _values_of(report, rule.limit.field)
        changes = []
        for instance, value in values.items():
            if value is None or not rule.limit.covers(instance):
                continue
            seen = evaluation.observe_value(rule.limit, instance, value, report.interval, now)
            changes.append(self._judge(rule, Key(rule.name, node, instance), seen, now))
        if report.error is None:
            for instance, alert in self.alerts_of(rule.name, node).items():
                if instance not in values:
                    changes.append(self._apply(evaluation.note_missing(alert, now)))
        return [change for change in changes if change is not None]

    def _judge_presence(self, rule: Rule, view: NodeView, now: Now) -> list[Change]:
        seen = evaluation.observe_presence(view, now)
        change = seen and self._judge(rule, Key(rule.name, view.name), seen, now)
        return [change] if change else []

    def _judge(self, rule: Rule, key: Key, seen: evaluation.Observation, now: Now) -> Change | None:
        alert = self._alerts.get((key.rule, key.node), {}).get(key.instance)
        return self._apply(evaluation.judge(rule, key, alert, seen, now))

    def _close_foreign(self, node: str, rules: set[str]) -> list[Change]:
        if not any(name == node and rule not in rules for rule, name in self._alerts):
            return []
        return self._close_where(
            lambda alert: alert.key.node == node and alert.key.rule not in rules, "rule_removed"
        )

    def _close_where(self, condition: Callable[[Alert], bool], reason: str) -> list[Change]:
        changes = [evaluation.close(alert, reason) for alert in self if condition(alert)]
        for change in changes:
            self._apply(change)
        return changes

    def _apply(self, change: Change | None) -> Change | None:
        if change is not None and change.after is not None:
            self._keep(change.after)
        elif change is not None:
            pair = (change.key.rule, change.key.node)
            instances = self._alerts.get(pair, {})
            instances.pop(change.key.instance, None)
            if not instances:
                self._alerts.pop(pair, None)
        return change

    def _keep(self, alert: Alert) -> None:
        instances = self._alerts.setdefault((alert.key.rule, alert.key.node), {})
        instances[alert.key.instance] = alert

    def _rules_on(self, view: NodeView) -> list[Rule]:
        known = self._on_node.get(view.name)
        if known is None or known[0] is not view.info:
            labels = view.info.labels if view.info else {}
            names = self._fleet.rules_for(view.name, labels)
            known = self._on_node[view.name] = (view.info, [self._rules[name] for name in names])
        return known[1]


def _rules_of(fleet: Fleet) -> dict[str, Rule]:
    return {name: rule_from(name, table) for name, table in fleet.rules.items() if table.enabled}


def _values_of(report: Report, field: str) -> dict[str, Number | None]:
    """Give the field's number for each instance; the node's own under the empty string."""
    values = {
        instance: fields[field]
        for instance, fields in (report.instances or {}).items()
        if field in fields
    }
    if report.fields and field in report.fields:
        values[""] = report.fields[field]
    return values
