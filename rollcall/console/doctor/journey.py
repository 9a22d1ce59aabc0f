"""The way of one node's readings, from its sensors to the database, and where it stops. Pure."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rollcall.broker.messages import Receipt, ServiceOnline
from rollcall.broker.node_view import HeldReport, NodeState, NodeView, Now, stale_after_s
from rollcall.console.doctor.broker_checks import Failure
from rollcall.console.doctor.findings import Finding, Verdict
from rollcall.console.doctor.node_checks import clock_off, is_unsynchronized
from rollcall.console.options import EXIT_OUT_OF_REACH
from rollcall.console.words import age, iso, moment

if TYPE_CHECKING:
    from rollcall.recorder.checkup import NodeCheckup  # needs SQLAlchemy, which nodes have not

_BEHIND_S: Final = 60.0
_LATELY_S: Final = 600.0
_POWER: Final = {"under_voltage": "under-voltage", "throttled": "throttled"}
_WENT: Final = {
    "lost": "then the last will: it vanished",
    "stopped": "then its agent was stopped",
    "shutdown": "then its host was shut down",
    "reboot": "then its host went for a restart",
}


class Step(NamedTuple):
    """One stretch of the way: what is known of it, and whether that is as it should be."""

    place: str
    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True)
class JourneySeen:
    """What was gathered of `node` by `now`.

    `view` is None where it was never heard; `stored` is what the database holds, or why it cannot
    be asked. `receipt_arrived_s` is monotonic, None for a retained one. `start_recorder` is the
    command that starts one. `failure`: why the broker cannot be asked.
    """

    node: str
    now: Now
    view: NodeView | None
    stored: "NodeCheckup | Exception"
    receipt: Receipt | None = None
    receipt_arrived_s: float | None = None
    recorder: ServiceOnline | None = None
    drift: str | None = None
    failure: Failure | None = None
    start_recorder: str = "rollcall run recorder"

    @property
    def newest(self) -> HeldReport | None:
        """Give the newest report that reached the broker."""
        reports = self.view.reports.values() if self.view else ()
        return max(reports, key=lambda held: held.report.seq, default=None)


def steps(seen: JourneySeen) -> list[Step]:
    """Give the way, stretch by stretch, as far as anything is known of it."""
    found = [*_at_node(seen), *_at_broker(seen), *_at_recorder(seen), *_in_database(seen)]
    return [*found, *_beside(seen)]


def conclusion(seen: JourneySeen) -> Finding:
    """Say in one sentence where the way ends, and give one command to try."""
    for judge in (_unreachable, _absent, _refused, _not_received, _not_stored, _besides):
        found = judge(seen)
        if found is not None:
            return found
    newest = seen.newest
    what = (
        f"a report taken at {moment(newest.report.time, seen.now.wall_s)}"
        if newest
        else "its status"
    )
    text = f"{what} came all the way into the database"
    return Finding(seen.node, "ok", text, remedy=f"rollcall show {seen.node}")


def document(seen: JourneySeen, end: Finding) -> dict[str, Any]:
    """Give the way and its `end` as the document of `--json`."""
    return {
        "schema": 1,
        "time": iso(seen.now.wall_s),
        "ts": round(seen.now.wall_s * 1000),
        "node": seen.node,
        "steps": [step._asdict() for step in steps(seen)],
        "verdict": end.verdict,
        "conclusion": end.text,
        "why": end.why or None,
        "try": end.remedy,
    }


def _at_node(seen: JourneySeen) -> Iterator[Step]:
    view = seen.view
    if view is None:
        return
    verdict: Verdict = "ok" if view.state is NodeState.ONLINE else _worded(view.state)
    since = f" since {moment(view.since, seen.now.wall_s)}" if view.since else ""
    reason = f" ({view.reason})" if view.reason else ""
    agent = f", agent {view.info.agent}" if view.info else ""
    model = f" on {view.info.model}" if view.info and view.info.model else ""
    yield Step("agent", verdict, f"{view.state}{reason}{since}{agent}{model}")
    well = {name: held for name, held in view.reports.items() if held.report.error is None}
    if well:
        names = ", ".join(sorted(well))
        yield Step("sensors", "ok", f"{len(well)} collectors report: {names}")
    for name, held in sorted(view.reports.items()):
        if held.report.error is not None:
            none = held.report.error.startswith("unsupported:")
            yield Step("sensors", "ok" if none else "warning", f"{name}: {held.report.error}")
        elif _is_old(view, held, seen.now):
            yield Step("sensors", "warning", f"{name}: nothing for {age(held.age_s(seen.now))}")


def _worded(state: NodeState) -> Verdict:
    match state:
        case NodeState.OFFLINE:
            return "offline"
        case NodeState.STALE:
            return "stale"
    return "unknown"


def _is_old(view: NodeView, held: HeldReport, now: Now) -> bool:
    age_s = held.age_s(now)
    too_old = age_s is not None and age_s > stale_after_s(held.report.interval)
    return view.state is NodeState.ONLINE and too_old


def _at_broker(seen: JourneySeen) -> Iterator[Step]:
    if seen.failure is not None:
        yield Step("broker", "critical", seen.failure.text)
        return
    newest = seen.newest
    if newest is None:
        yield Step("broker", "warning", f"retains no report of {seen.node}")
        return
    taken = moment(newest.report.time, seen.now.wall_s)
    if newest.arrived_s is None:
        how = "retained"
    else:
        arrived = seen.now.wall_s - (seen.now.monotonic_s - newest.arrived_s)
        how = f"heard live {arrived - newest.report.time:+.1f} s from then"
    yield Step("broker", "ok", f"number {newest.report.seq}, taken {taken}, {how}")


def _at_recorder(seen: JourneySeen) -> Iterator[Step]:
    receipt, newest = seen.receipt, seen.newest
    if seen.failure is not None:
        return
    if receipt is None:
        yield Step("receipt", "unknown", "none is retained, or this identity may not read it")
    elif newest is not None and receipt.epoch != newest.report.epoch:
        yield Step("receipt", "warning", "is for an earlier life of the agent (another epoch)")
    else:
        under_way = max(newest.report.seq - receipt.through, 0) if newest else 0
        more = f", {under_way} are under way" if under_way else ""
        lost = sum(last - first + 1 for first, last in receipt.missing)
        missing = f", {lost} are asked for again" if lost else ""
        verdict: Verdict = "warning" if lost else "ok"
        text = f"through number {receipt.through}{_receipt_time(seen)}{more}{missing}"
        yield Step("receipt", verdict, text)


def _receipt_time(seen: JourneySeen) -> str:
    newest = seen.newest
    if newest is None or seen.receipt_arrived_s is None:
        return ""
    arrived = seen.now.wall_s - (seen.now.monotonic_s - seen.receipt_arrived_s)
    return f", heard live {arrived - newest.report.time:+.1f} s from when that was taken"


def _in_database(seen: JourneySeen) -> Iterator[Step]:
    stored = seen.stored
    if isinstance(stored, Exception):
        yield Step("database", "unknown", f"cannot be asked: {stored}")
        return
    if stored.newest_ts:
        newest_s = max(stored.newest_ts.values()) / 1000
        yield Step("database", "ok", f"newest sample taken {moment(newest_s, seen.now.wall_s)}")
    else:
        yield Step("database", "warning", f"holds no sample of {seen.node}")
    for gap in stored.gaps[:5]:
        reports = gap.last_seq - gap.first_seq + 1
        what = "not here yet" if gap.state == "open" else f"will never come ({gap.state})"
        text = f"{reports} reports from number {gap.first_seq} on: {what}"
        yield Step("database", "ok" if gap.state == "open" else "warning", text)
    for one in stored.refused[:3]:
        text = f"{one.times} refused, last {moment(one.ts / 1000, seen.now.wall_s)}: {one.error}"
        yield Step("database", "warning", text)


def _beside(seen: JourneySeen) -> Iterator[Step]:
    if seen.view is None:
        return
    off = clock_off(seen.view, seen.now)
    if off is not None:
        yield Step("clock", "warning", str(off))
    elif is_unsynchronized(seen.view):
        yield Step("clock", "warning", "nothing keeps it right, it says itself")
    if seen.drift:
        yield Step("fleet", "warning", seen.drift)
    elif seen.view.applied is not None and seen.view.applied.revision:
        yield Step("fleet", "ok", f"follows revision {seen.view.applied.revision}")
    for field_name, word in _POWER.items():
        if _flag(seen.view, f"{field_name}_since_boot"):
            yield Step("power", "warning", f"{word} since its host started")
    events = () if isinstance(seen.stored, Exception) else seen.stored.events
    for event in events[:5]:
        yield Step("event", "ok", f"{moment(event.ts / 1000, seen.now.wall_s)} {event.kind}")


def _flag(view: NodeView, name: str) -> bool:
    held = view.reports.get("power")
    return bool(held and (held.report.fields or {}).get(name))


def _unreachable(seen: JourneySeen) -> Finding | None:
    if seen.failure is None:
        return None
    text = f"the way cannot be followed: {seen.failure.text}"
    code = EXIT_OUT_OF_REACH
    return Finding(seen.node, "critical", text, remedy=seen.failure.remedy, code=code)


def _absent(seen: JourneySeen) -> Finding | None:
    view = seen.view
    if view is None:
        text = f"{seen.node} was never heard at this broker"
        return Finding(seen.node, "critical", text, remedy="rollcall status")
    ssh = f"ssh {seen.node} sudo systemctl"
    match view.state:
        case NodeState.OFFLINE:
            return _gone(seen, view)
        case NodeState.STALE:
            text = f"it stops at the agent: connected, but silent for {age(view.age_s)}"
            why = "the agent hangs, or its connection has died and nobody has noticed yet"
            remedy = f"{ssh} restart rollcall-agent"
            return Finding(seen.node, "stale", text, why=why, remedy=remedy)
        case NodeState.UNKNOWN:
            text = "it never said that it lives: what is retained is left from another time"
            remedy = f"{ssh} status rollcall-agent"
            return Finding(seen.node, "unknown", text, remedy=remedy)
    working = [held for held in view.reports.values() if held.report.error is None]
    if not working:
        text = "it stops at the sensors: the agent lives, and no collector reports"
        remedy = f"rollcall fleet show --effective {seen.node}"
        return Finding(seen.node, "critical", text, remedy=remedy)
    return None


def _gone(seen: JourneySeen, view: NodeView) -> Finding:
    newest = seen.newest
    last = f"last report {moment(newest.report.time, seen.now.wall_s)}, " if newest else ""
    went = _WENT.get(view.reason or "", "then it went offline")
    missing = f"; {_missing(seen)}"
    low = _flag(view, "under_voltage_since_boot") or _flag(view, "under_voltage")
    why = "its supply voltage was too low: look at its power supply" if low else ""
    text = f"{last}{went}{missing}"
    if view.reason == "stopped":
        remedy = f"ssh {seen.node} sudo systemctl start rollcall-agent"
    else:
        addresses = view.info.addresses if view.info else []
        remedy = f"ping -c 3 {shlex.quote(addresses[0] if addresses else seen.node)}"
    return Finding(seen.node, "offline", text, why=why, remedy=remedy)


def _missing(seen: JourneySeen) -> str:
    if isinstance(seen.stored, Exception):
        return "whether anything is missing cannot be asked"
    missing = {True: 0, False: 0}
    for gap in seen.stored.gaps:
        missing[gap.state == "open"] += gap.last_seq - gap.first_seq + 1
    told = [f"{missing[True]} reports are still there"] if missing[True] else []
    told += [f"{missing[False]} will never come"] if missing[False] else []
    return ", ".join(told) or "nothing is missing"


def _refused(seen: JourneySeen) -> Finding | None:
    if isinstance(seen.stored, Exception) or not seen.stored.refused:
        return None
    newest = seen.stored.refused[0]
    if seen.now.wall_s - newest.ts / 1000 > _LATELY_S:
        return None
    text = f"it stops at the recorder, which refuses it: {newest.error}"
    remedy = f"ssh {seen.node} sudo timedatectl set-ntp true"
    if newest.reason != "clock_ahead":
        remedy = f"ssh {seen.node} journalctl --unit rollcall-agent --lines 50"
    return Finding(seen.node, "critical", text, remedy=remedy)


def _not_received(seen: JourneySeen) -> Finding | None:
    database = str(seen.recorder.health.get("database", "ok")) if seen.recorder else ""
    if seen.recorder is not None and database == "ok":
        return None
    why = "its agent keeps the reports and sends them again"
    if seen.recorder is None:
        text = "it stops at the recorder, which is not there"
        return Finding(seen.node, "critical", text, why=why, remedy=seen.start_recorder)
    text = f"it stops at the database, which the recorder cannot write: {database}"
    return Finding(seen.node, "critical", text, why=why, remedy="rollcall doctor")


def _not_stored(seen: JourneySeen) -> Finding | None:
    newest, stored = seen.newest, seen.stored
    if isinstance(stored, Exception):
        text = "it reaches the recorder; whether it is stored cannot be asked here"
        why, code = str(stored), EXIT_OUT_OF_REACH
        remedy = "rollcall config explain recorder.database"
        return Finding(seen.node, "unknown", text, why=why, remedy=remedy, code=code)
    held_s = max(stored.newest_ts.values(), default=0) / 1000
    if newest is None or newest.report.time - held_s <= _BEHIND_S:
        return None
    last = (
        f"the newest is of {moment(held_s, seen.now.wall_s)}"
        if held_s
        else "it holds nothing of it"
    )
    receipt = seen.receipt
    if receipt is not None and receipt.epoch == newest.report.epoch:
        behind = newest.report.seq - receipt.through
        if behind <= len(seen.view.reports if seen.view else ()):
            text = f"it is receipted, but not in this database: {last}"
            why = "the recorder writes to another database than the one that is asked here"
            remedy = "rollcall config show --origin"
            return Finding(seen.node, "critical", text, why=why, remedy=remedy)
    text = f"it stops between broker and database: {last}"
    return Finding(seen.node, "critical", text, remedy=seen.start_recorder)


def _besides(seen: JourneySeen) -> Finding | None:
    if seen.view is None:
        return None
    off = clock_off(seen.view, seen.now)
    if off is not None:
        text = f"it comes all the way, under a wrong time: its clock is {off}"
        remedy = f"ssh {seen.node} sudo timedatectl set-ntp true"
        return Finding(seen.node, "warning", text, remedy=remedy)
    failing = [
        f"{name}: {held.report.error}"
        for name, held in sorted(seen.view.reports.items())
        if held.report.error and not held.report.error.startswith("unsupported:")
    ]
    if failing:
        text = f"it comes all the way, but not all of it: {failing[0]}"
        return Finding(seen.node, "warning", text, remedy=f"rollcall show {seen.node}")
    if seen.drift:
        text = f"it comes all the way, but the node does not do as told: {seen.drift}"
        remedy = f"rollcall fleet show --effective {seen.node}"
        return Finding(seen.node, "warning", text, remedy=remedy)
    return None
