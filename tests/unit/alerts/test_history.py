"""What is remembered of alerts and series is on disk, and comes back as it was."""

from dataclasses import replace
from pathlib import Path

from rollcall.alerts.flapping import Turns
from rollcall.alerts.grouping import Acknowledgement, Group, MailKind, due, opened
from rollcall.alerts.means import Mean
from rollcall.alerts.outbox import Outbox
from rollcall.alerts.rules import Rule, Timing
from rollcall.alerts.state import Alert, AlertState, Change, Key
from rollcall.broker.node_view import Now

NOW = Now(1_767_582_807.0, 100.0)
LATER = Now(NOW.wall_s + 60, 5.0)
KEY = Key("disk_forecast", "nas-1", "/")
RULE = Rule("hot", "info", 0, receivers=("ops", "default"), group_by=("label:rack", "rule"))


def test_turns_and_means_come_back_and_what_is_over_is_forgotten(tmp_path: Path) -> None:
    turns = Turns(KEY, (NOW.wall_s, NOW.wall_s + 1.5), flaps=True)
    old = Mean(NOW.wall_s - 40 * 86_400, 1.0, 3)
    means = [Mean(NOW.wall_s - 600, 2.5, 30, odd=True), Mean(NOW.wall_s - 300, 3.5, 29)]
    with Outbox(tmp_path / "alerts.db") as outbox:
        outbox.put_turns(KEY, turns)
        outbox.put_turns(KEY._replace(node="gone"), Turns(KEY._replace(node="gone"), (1.0,)))
        outbox.put_means([(KEY, mean) for mean in reversed([old, *means])])
        outbox.commit(NOW)
        outbox.put_turns(KEY._replace(node="gone"), None)
        outbox.commit(NOW)
    with Outbox(tmp_path / "alerts.db") as outbox:
        stored = outbox.load(LATER)
    assert stored.turns == [turns]
    assert stored.means == {KEY: means}


def test_an_incident_keeps_its_group_its_acknowledgement_and_what_flaps(tmp_path: Path) -> None:
    key = Key("hot", "a")
    group = Group(("default", "ops"), (("label:rack", "1"), ("rule", "hot")), is_info=True)
    incident = opened(RULE, 7, NOW, group)
    alert = Alert(key, AlertState.FIRING, NOW.wall_s, 95, "hot", NOW.wall_s)
    incident = incident.with_change(
        Change(key, None, alert), NOW, replace(RULE, send_resolved=False)
    )
    incident = incident.with_flapping(key, flaps=True).with_mail(NOW)
    incident = replace(incident, acknowledged=Acknowledgement(NOW.wall_s, "eve", "mine"))
    with Outbox(tmp_path / "alerts.db") as outbox:
        outbox.put_incident(incident.id, incident)
        outbox.commit(NOW)
        (found,) = outbox.load(LATER).incidents
    assert replace(found, opened_s=incident.opened_s, told_s=incident.told_s) == incident
    assert found.told_s == LATER.monotonic_s - 60
    assert due(found, Timing(repeat_interval_s=10), LATER).reason == "acknowledged by eve"
    assert due(replace(found, acknowledged=None), Timing(), LATER).kind is not MailKind.END
