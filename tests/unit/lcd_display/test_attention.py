"""What calls for somebody beside alerts and lost nodes: mails that do not get out."""

import pytest

from rollcall.broker.cluster import Cluster
from rollcall.broker.messages import ServiceOnline, encode
from rollcall.broker.node_view import Now
from rollcall.broker.topics import Address, Kind
from rollcall.lcd_display.attention import attention_of
from rollcall.lcd_display.figures import Figures

NOW = Now(1_767_225_600.0, 1000.0)


def cluster_with(mail: str) -> Cluster:
    cluster = Cluster()
    status = ServiceOnline(since=NOW.wall_s, version="1.0.0", health={"mail": mail, "queued": 3})
    address = Address(Kind.SERVICE_STATUS, "alerts")
    cluster.fold(address, encode(status), replayed=False, now=NOW)
    return cluster


@pytest.mark.parametrize(
    ("mail", "severity", "words"),
    [
        ("waiting", "warning", "no server takes them"),
        ("paused", "critical", "mend the settings"),
    ],
)
def test_mails_that_do_not_get_out_call(mail: str, severity: str, words: str) -> None:
    figures = Figures([])
    (call,) = attention_of(cluster_with(mail), figures, everywhere=True).calls
    assert (call.node, call.rule, call.severity) == ("mail", mail, severity)
    assert words in call.summary
    assert attention_of(cluster_with(mail), figures, everywhere=False).calls == []


def test_mails_that_get_out_call_for_nobody() -> None:
    assert attention_of(cluster_with("ok"), Figures([]), everywhere=True).calls == []
