"""All alerts of all nodes: takes reports, presence and fleet documents in, gives changes out.

Pure: the time is an argument. A metric is judged only when a report brings a sample and its node is
online; whatever else is the case, the alert stays as it is (no data is no evidence). What time
alone decides (presence, silence) is judged whenever the caller asks, which is only while our own
way to the broker is open.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from rollcall.alerts import evaluation, node_rules
from rollcall.alerts.evaluation import Observation
from rollcall.alerts.last_heard import Heard, LastHeard
from rollcall.alerts.lookback import Lookback, Sample
from rollcall.alerts.node_rules import NodeRules
from rollcall.alerts.rules import Absence, Limit, Rule, rule_from
from rollcall.alerts.samples import SampleGate
from rollcall.alerts.state import Alert, Change, Key
from rollcall.broker.cluster import HOLD_DOWN_S
from rollcall.broker.fleet import Fleet
from rollcall.broker.messages import Number, Report
from rollcall.broker.node_view import NodeState, NodeView, Now


class Engine:
    """The alerts that are pending, firing or recovering, and the rules they come from."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._rules = _rules_of(fleet)
        self._alerts: dict[tuple[str, str], dict[str, Alert]] = {}
        self._rules_of_node: dict[str, set[str]] = {}
        self._gate = SampleGate()
        self._heard = LastHeard()
        self._heard.metrics = _metrics_heard(fleet)
        self._on_node: dict[str, NodeRules] = {}
        self._changed_rules: set[str] = set()
        self._connected_s: float | None = None
        self.lookback = Lookback()

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
        """All enabled rules of the document in force, before nodes override them."""
        return dict(self._rules)

    @property
    def conflicts(self) -> list[str]:
        """The overrides that are left out somewhere, because they do not fit together."""
        found = (conflict for rules in self._on_node.values() for conflict in rules.conflicts)
        return list(dict.fromkeys(found))

    def rule_for(self, key: Key) -> Rule | None:
        """Give the rule of an alert as it holds on its node; None where it holds no more."""
        known = self._on_node.get(key.node)
        return known.by_name.get(key.rule) if known else self._rules.get(key.rule)

    def alerts_of(self, rule: str, node: str) -> dict[str, Alert]:
        """Give the alerts of one rule on one node, by instance."""
        return dict(self._alerts.get((rule, node), {}))

    def restore(self, alerts: Iterable[Alert]) -> list[Change]:
        """Take up alerts of before a restart; those of rules that are gone end."""
        for alert in alerts:
            self._keep(replace(alert, counted_s=None, missing_s=None))
        return self._close_where(lambda alert: alert.key.rule not in self._rules, "rule_removed")

    def adopt(self, fleet: Fleet) -> list[Change]:
        """Put another document into force; alerts of rules that ask something else end.

        Rules whose limits have changed judge the newest value again with the next `tick`.
        """
        before = {alert.key: self.rule_for(alert.key) for alert in self}
        on_node = self._on_node
        self._fleet, self._rules = fleet, _rules_of(fleet)
        self._on_node = {
            node: node_rules.rules_on(fleet, node, known.info) for node, known in on_node.items()
        }
        for node, rules in self._on_node.items():
            self._changed_rules |= rules.judging_otherwise_than(on_node[node])
        self._heard.metrics = _metrics_heard(fleet)
        self.lookback.ask_again()
        removed = self._close_where(lambda alert: alert.key.rule not in self._rules, "rule_removed")

        def asks_something_else(alert: Alert) -> bool:
            old, new = before[alert.key], self.rule_for(alert.key)
            return old is not None and new is not None and not old.asks_the_same_as(new)

        return removed + self._close_where(asks_something_else, "rule_changed")

    def connected(self, now: Now) -> None:
        """Note that our own connection was made, or the broker restarted: the hold-down begins."""
        self._connected_s = now.monotonic_s
        self.pause()

    def take_report(
        self, view: NodeView, collector: str, *, replayed: bool, now: Now
    ) -> list[Change]:
        """Judge the newest report of `collector`, which arrived at `now`, once."""
        held = view.reports.get(collector)
        if held is None:
            return []
        report = held.report
        rules = self._rules_on(view).by_collector.get(collector, [])
        if rules:
            self._note_heard(view.name, collector, report, held.age_s(now), now)
        counts = self._gate.lets_through(view.name, collector, report, replayed=replayed, now=now)
        if not counts or view.state is not NodeState.ONLINE:
            return []
        changes: list[Change] = []
        for rule in rules:
            changes += self._judge_report(rule, view, report, now)
        return changes

    def tick(self, views: Iterable[NodeView], now: Now) -> list[Change]:
        """Judge what time alone decides, and end alerts of rules that no longer apply."""
        changes: list[Change] = []
        for view in views:
            rules = self._rules_on(view)
            for rule in rules.presence:
                changes += self._judge_presence(rule, view, now)
            if view.state is NodeState.ONLINE:
                self._heard.online(view.name, now.monotonic_s)
                for rule in rules.silence:
                    changes += self._judge_silence(rule, view, now)
                if self._changed_rules:
                    changes += self._judge_again(rules, view, now)
            else:
                self._heard.offline(view.name)
            if view.info is not None:
                changes += self._close_foreign(view.name, rules)
        self._changed_rules.clear()
        return changes

    def remove_node(self, node: str) -> list[Change]:
        """Forget a node and end its alerts."""
        self._gate.forget(node)
        self._heard.forget(node)
        self.lookback.forget(node)
        self._on_node.pop(node, None)
        return self._close_where(lambda alert: alert.key.node == node, "node_removed")

    def pause(self) -> None:
        """Let all clocks pause: what has passed since the last samples adds nothing."""
        self._heard.pause()
        for alert in list(self):
            self._keep(replace(alert, counted_s=None))

    def _judge_report(
        self, rule: Rule, view: NodeView, report: Report, now: Now, *, again: bool = False
    ) -> list[Change]:
        assert rule.series is not None
        values = _values_of(report, rule.series.field)
        changes: list[Change | None] = []
        alerts = self._alerts.get((rule.name, view.name), {})
        limit = rule.question if isinstance(rule.question, Limit) else None
        for instance, value in values.items():
            if value is None or not rule.series.covers(instance):
                continue
            # Nearly all samples are of this kind: nothing is wrong, and nothing was.
            if instance not in alerts and limit is not None and not limit.is_breached_by(value):
                continue
            key = Key(rule.name, view.name, instance)
            seen = self._observe(rule, key, value, report.interval, view, now, again=again)
            if seen is not None:
                changes.append(self._judge(rule, key, seen, now))
        if report.error is None and not isinstance(rule.question, Absence) and not again:
            for instance, alert in list(alerts.items()):
                if instance not in values:
                    missing = evaluation.note_missing(alert, rule.series.gone_after_s, now)
                    changes.append(self._apply(missing))
        return [change for change in changes if change is not None]

    def _observe(
        self,
        rule: Rule,
        key: Key,
        value: Number,
        interval_s: float,
        view: NodeView,
        now: Now,
        *,
        again: bool,
    ) -> Observation | None:
        also = _condition_holds(rule, key, view, now)
        if isinstance(rule.question, Limit):
            if also is None:
                return None
            return evaluation.observe_value(rule, key, value, interval_s, now, also=also)
        if isinstance(rule.question, Absence):
            return evaluation.observe_silence(rule, key, 0.0, interval_s, now, held_back=False)
        if again:
            return None
        seen = self.lookback.observe(rule, Sample(key, value, interval_s, also is True), now)
        return None if also is None else seen

    def _judge_again(self, rules: NodeRules, view: NodeView, now: Now) -> list[Change]:
        """Judge the newest fresh values by limits that have changed."""
        changes: list[Change] = []
        for name in self._changed_rules & rules.by_name.keys():
            rule = rules.by_name[name]
            held = view.reports.get(rule.series.collector) if rule.series else None
            if rule.series is None or held is None or held.arrived_s is None:
                continue
            age_s = now.monotonic_s - held.arrived_s
            if age_s <= rule.series.silence_s(held.report.interval):
                changes += self._judge_report(rule, view, held.report, now, again=True)
        return changes

    def _judge_presence(self, rule: Rule, view: NodeView, now: Now) -> list[Change]:
        seen = evaluation.observe_presence(rule, view, now)
        change = seen and self._judge(rule, Key(rule.name, view.name), seen, now)
        return [change] if change else []

    def _judge_silence(self, rule: Rule, view: NodeView, now: Now) -> list[Change]:
        series = rule.series
        assert series is not None
        is_absence = isinstance(rule.question, Absence)
        named = node_rules.named_instances(rule) if is_absence else []
        silent = self._heard.silent_s(
            view.name, series.metric, named, view.interval_s, now.monotonic_s
        )
        changes: list[Change | None] = []
        for instance, (silent_s, interval_s) in silent.items():
            key = Key(rule.name, view.name, instance)
            alert = self._alerts.get((rule.name, view.name), {}).get(instance)
            is_silent = silent_s > series.silence_s(interval_s)
            if not series.covers(instance) or not (is_silent or (is_absence and alert)):
                continue
            if series.no_data == "resolve" and not is_absence:
                changes.append(self._apply(evaluation.close(alert, "no_data") if alert else None))
                continue
            held_back = self._is_held_down(now)
            seen = evaluation.observe_silence(
                rule, key, silent_s, interval_s, now, held_back=held_back
            )
            changes.append(self._judge(rule, key, seen, now))
        if is_absence:
            gone = self._alerts.get((rule.name, view.name), {}).keys() - silent.keys()
            changes += [
                self._apply(evaluation.close(alert, "instance_gone"))
                for instance, alert in self.alerts_of(rule.name, view.name).items()
                if instance in gone
            ]
        return [change for change in changes if change is not None]

    def _is_held_down(self, now: Now) -> bool:
        connected_s = self._connected_s
        return connected_s is not None and now.monotonic_s - connected_s < HOLD_DOWN_S

    def _note_heard(
        self, node: str, collector: str, report: Report, age_s: float | None, now: Now
    ) -> None:
        for metric in self._heard.metrics:
            name, _, field = metric.partition(".")
            if name != collector or age_s is None:
                continue
            heard = Heard(now.monotonic_s - age_s, report.interval)
            for instance, value in _values_of(report, field).items():
                if value is not None:
                    self._heard.note(node, metric, instance, heard)

    def _judge(self, rule: Rule, key: Key, seen: Observation, now: Now) -> Change | None:
        alert = self._alerts.get((key.rule, key.node), {}).get(key.instance)
        return self._apply(evaluation.judge(rule, key, alert, seen, now))

    def _close_foreign(self, node: str, rules: NodeRules) -> list[Change]:
        foreign = self._rules_of_node.get(node, set()) - rules.by_name.keys()
        changes = [
            evaluation.close(alert, "rule_removed")
            for rule in sorted(foreign)
            for alert in self.alerts_of(rule, node).values()
        ]
        for change in changes:
            self._apply(change)
        return changes

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
                self._rules_of_node.get(change.key.node, set()).discard(change.key.rule)
        return change

    def _keep(self, alert: Alert) -> None:
        pair = (alert.key.rule, alert.key.node)
        self._alerts.setdefault(pair, {})[alert.key.instance] = alert
        self._rules_of_node.setdefault(alert.key.node, set()).add(alert.key.rule)

    def _rules_on(self, view: NodeView) -> NodeRules:
        known = self._on_node.get(view.name)
        if known is None or known.info is not view.info:
            known = node_rules.rules_on(self._fleet, view.name, view.info)
            self._on_node[view.name] = known
        return known


def _rules_of(fleet: Fleet) -> dict[str, Rule]:
    return {name: rule_from(name, table) for name, table in fleet.rules.items() if table.enabled}


def _metrics_heard(fleet: Fleet) -> frozenset[str]:
    rules = _rules_of(fleet).values()
    return frozenset(
        rule.metric for rule in rules if rule.metric and node_rules.minds_silence(rule)
    )


def _condition_holds(rule: Rule, key: Key, view: NodeView, now: Now) -> bool | None:
    """Say whether the rule's second condition holds; None when nobody can say."""
    if rule.also is None:
        return True
    of_instance = view.value(rule.also.metric, now, key.instance) if key.instance else None
    value = of_instance or view.value(rule.also.metric, now)
    if value is None or not value.fresh:
        return None
    return rule.also.holds_for(value.number)


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
