"""When a node is asked for its processes, and what is made of the answer."""

import pytest
from pydantic import JsonValue

from rollcall.alerts.rules import Rule
from rollcall.alerts.snapshots import Snapshots
from rollcall.alerts.state import Alert, AlertState, Change, Key
from rollcall.alerts.trends import Trends
from rollcall.broker.messages import Reply, Report, encode
from rollcall.broker.node_view import Now

KEY = Key("cpu_high", "pi-3")
BUSY: dict[str, JsonValue] = {
    "name": "stress",
    "pid": 7,
    "cpu_percent": 98.0,
    "resident_bytes": 1024,
}


def at(seconds: float) -> Now:
    return Now(1_000_000 + seconds, seconds)


def rule_of(_key: Key) -> Rule:
    return Rule("cpu_high", "warning", 0, snapshot="cpu")


def alert(state: AlertState) -> Alert:
    return Alert(KEY, state, 1, 95, "95 %", 1)


BEGINS = Change(KEY, None, alert(AlertState.PENDING))
FIRES = Change(KEY, alert(AlertState.PENDING), alert(AlertState.FIRING))
ENDS = Change(KEY, alert(AlertState.FIRING), None, "recovered")


class Asking:
    def __init__(self) -> None:
        self.snapshots = Snapshots(lambda _bits: 0xABC)

    def asked(self, change: Change, seconds: float, *, online: bool = True) -> bool:
        return bool(self.snapshots.questions([change], rule_of, lambda _node: online, at(seconds)))


def test_a_breach_asks_once_in_five_minutes_and_firing_on_an_old_list() -> None:
    asking = Asking()
    assert asking.asked(BEGINS, 0)
    assert not asking.asked(FIRES, 60)
    assert asking.asked(FIRES, 61)
    assert not asking.asked(ENDS, 400)
    assert not asking.asked(BEGINS, 300)
    assert asking.asked(BEGINS, 361)


def test_a_node_that_is_away_is_not_asked() -> None:
    assert not Asking().asked(BEGINS, 0, online=False)


def test_a_rule_without_snapshot_asks_nothing() -> None:
    snapshots = Snapshots(lambda _bits: 1)
    plain = Rule("cpu_high", "warning", 0)
    assert not snapshots.questions([BEGINS], lambda _key: plain, lambda _node: True, at(0))


def test_the_answer_is_kept_while_it_says_something_of_the_present() -> None:
    asking = Asking()
    asking.asked(BEGINS, 0)
    reply = Reply(id="x", ok=True, result={"by": "cpu", "processes": [BUSY] * 9})
    name = "snapshot-0000000000000abc"
    asking.snapshots.take_reply("pi-3", name, encode(reply), at(1))
    found = asking.snapshots.of("pi-3", at(2))
    assert found is not None
    assert (found.by, len(found.processes), found.processes[0].name) == ("cpu", 5, "stress")
    assert asking.snapshots.of("pi-3", at(1000)) is None


@pytest.mark.parametrize(
    ("node", "reply"),
    [
        pytest.param("pi-4", Reply(id="x", ok=True, result={"processes": [BUSY]}), id="not asked"),
        pytest.param("pi-3", Reply(id="x", ok=False, error="no"), id="a refusal"),
        pytest.param("pi-3", Reply(id="x", ok=True, result={"processes": "?"}), id="nonsense"),
        pytest.param("pi-3", Reply(id="x", ok=True, result=[1]), id="no table"),
    ],
)
def test_an_answer_that_is_none_is_passed_over(node: str, reply: Reply) -> None:
    asking = Asking()
    asking.asked(BEGINS, 0)
    asking.snapshots.take_reply(node, "snapshot-0000000000000abc", encode(reply), at(1))
    assert asking.snapshots.of("pi-3", at(2)) is None


def report(percent: float) -> Report:
    return Report(epoch="0" * 16, seq=1, time=1, interval=10, fields={"percent": percent})


def test_a_trend_is_of_two_minute_means_with_the_newest_value_last_and_gaps_shown() -> None:
    trends = Trends()
    trends.watch(["cpu.percent", None])
    for seconds, percent in ((0, 10), (60, 20), (125, 40), (500, 95), (510, 97)):
        trends.note("pi-3", "cpu", report(percent), at(seconds))
    trends.note("pi-3", "memory", report(1), at(500))
    trend = trends.of("pi-3", "cpu.percent", "", at(520))
    assert trend is not None
    assert list(trend.values) == [15, 40, None, None, 97]
    assert trends.of("pi-3", "memory.percent", "", at(520)) is None
    trends.forget("pi-3")
    assert trends.of("pi-3", "cpu.percent", "", at(520)) is None


def test_a_trend_reaches_back_an_hour() -> None:
    trends = Trends()
    trends.watch(["cpu.percent"])
    for step in range(100):
        trends.note("pi-3", "cpu", report(step), at(step * 120))
    trend = trends.of("pi-3", "cpu.percent", "", at(99 * 120))
    assert trend is not None
    assert list(trend.values) == list(range(70, 100))
