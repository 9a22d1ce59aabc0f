"""What the loop decides by itself."""

from rollcall.broker.topics import Topics
from rollcall.lcd_display.display import Heartbeat, subscriptions


def test_the_heart_beats_on_what_is_received_at_most_once_a_second() -> None:
    heart = Heartbeat()
    phases = []
    for at_s in (10.0, 10.2, 10.9, 11.0, 11.5, 12.1):
        heart.received(at_s)
        phases.append(heart.beat)
    assert phases == [True, True, True, False, False, True]


def test_nodes_are_listened_to_without_acknowledgement_and_the_rest_with() -> None:
    assert dict(subscriptions(Topics())) == {
        "rollcall/v1/node/+/status": 0,
        "rollcall/v1/node/+/info": 0,
        "rollcall/v1/node/+/metrics/cpu": 0,
        "rollcall/v1/node/+/metrics/memory": 0,
        "rollcall/v1/node/+/metrics/temperature": 0,
        "rollcall/v1/alert/+/+": 1,
        "rollcall/v1/service/+/status": 1,
        "rollcall/v1/control/fleet": 1,
    }
