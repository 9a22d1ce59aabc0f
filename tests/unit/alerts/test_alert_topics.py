"""What the alert topics say, also to a broker that does not always listen."""

import json
from collections.abc import Sequence
from dataclasses import replace

from rollcall.alerts.alert_topics import AlertTopics, alert_message
from rollcall.alerts.rules import Limit, Rule, Series
from rollcall.alerts.state import Alert, AlertState, Change, Key
from rollcall.broker.messages import Flag
from rollcall.broker.topics import Topics

RULE = Rule(
    "disk_full", "critical", 60, question=Limit(">=", 95, 92), series=Series("disk.used_percent")
)
PAIR = ("disk_full", "nas-1")
TOPIC = "rollcall/v1/alert/nas-1/disk_full"
FULL = Alert(
    Key("disk_full", "nas-1", "/"), AlertState.FIRING, 100.0, 97.1, "/ is 97.1 %", evaluated=200.0
)
DATA = replace(
    FULL, key=Key("disk_full", "nas-1", "/data"), state=AlertState.PENDING, summary="/data is 96 %"
)


class Wire:
    """A broker that listens, or not."""

    def __init__(self) -> None:
        self.open = True
        self.sent: list[tuple[str, bytes, bool]] = []

    def publish(self, topic: str, payload: bytes, retained: bool) -> bool:  # noqa: FBT001 - the seam
        if self.open:
            self.sent.append((topic, payload, retained))
        return self.open


def message(*alerts: Alert, flags: Sequence[Flag] = ()) -> dict[str, object]:
    by_instance = {alert.key.instance: alert for alert in alerts}
    made = alert_message(RULE, by_instance, "A7F3K2", flags)
    found: dict[str, object] = json.loads(made.model_dump_json(exclude_none=True))
    return found


def test_a_message_tells_the_worst_first_and_every_instance() -> None:
    assert message(DATA, FULL) == {
        "state": "firing",
        "severity": "critical",
        "metric": "disk.used_percent",
        "threshold": 95,
        "since": 100.0,
        "evaluated": 200.0,
        "summary": "/ is 97.1 %, and 1 more",
        "incident": "A7F3K2",
        "flags": [],
        "instances": {
            "/": {"state": "firing", "value": 97.1, "since": 100.0},
            "/data": {"state": "pending", "value": 97.1, "since": 100.0},
        },
    }


def test_flags_say_recovering_and_stale() -> None:
    recovering = replace(FULL, state=AlertState.RECOVERING)
    assert message(recovering)["flags"] == ["recovering"]
    assert message(recovering, FULL, DATA, flags=["stale"])["flags"] == ["stale"]
    assert message(recovering)["state"] == "firing"


def test_a_pending_alert_has_no_incident() -> None:
    assert "incident" not in message(DATA)


def test_only_what_is_new_is_published() -> None:
    wire = Wire()
    topics = AlertTopics(Topics(), wire.publish)
    said = alert_message(RULE, {"/": FULL}, None)
    later = alert_message(RULE, {"/": replace(FULL, evaluated=300)}, None)
    other = alert_message(RULE, {"/": replace(FULL, value=98)}, None)
    for one in (said, later, other):
        topics.sync({PAIR: one})
    assert len(wire.sent) == 2
    topics.reconnected()
    topics.sync({PAIR: other})
    assert wire.sent[2] == wire.sent[1]


def test_an_end_is_said_and_the_topic_is_emptied_also_when_the_broker_was_away() -> None:
    wire = Wire()
    topics = AlertTopics(Topics(), wire.publish)
    topics.sync({PAIR: alert_message(RULE, {"/": FULL}, None)})
    wire.open = False
    topics.ended(Change(FULL.key, FULL, None, "recovered"), "A7F3K2", 400.0)
    topics.sync({})
    wire.open = True
    topics.sync({})
    topics.sync({})
    ending = b'{"state":"ended","reason":"recovered","time":400.0,"incident":"A7F3K2"}'
    assert wire.sent[1:] == [(TOPIC, ending, False), (TOPIC, b"", True)]


def test_what_nobody_holds_is_emptied() -> None:
    wire = Wire()
    topics = AlertTopics(Topics(), wire.publish)
    topics.found(*PAIR)
    topics.sync({})
    assert wire.sent == [(TOPIC, b"", True)]
