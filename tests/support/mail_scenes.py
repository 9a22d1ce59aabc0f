"""Mails that the service writes, each from a notice made by hand; the golden files hold them.

`python -m tests.support.mail_scenes` writes the golden files anew, to be looked at before they are
committed.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from typing import Final

from rollcall.alerts import mail
from rollcall.alerts.blindness import KEY as BLIND
from rollcall.alerts.delivery import Hold
from rollcall.alerts.digest import digest_letter
from rollcall.alerts.engine import Engine
from rollcall.alerts.grouping import Incident, MailKind, opened
from rollcall.alerts.mail import Letterhead, Stamp
from rollcall.alerts.notice import Gist, Notice, Process, ProcessList, Shared, Trend
from rollcall.alerts.rules import Rule, blindness_rule
from rollcall.alerts.state import Alert, AlertState, Change, Key
from rollcall.broker import fleet
from rollcall.broker.messages import Info, Report
from rollcall.broker.node_view import HeldReport, NodeState, NodeView, Now

GOLDEN: Final = Path(__file__).parents[1] / "golden" / "mails"
AT: Final = 1_767_582_807.0  # 2026-01-05 03:13:27 UTC
HEAD: Final = Letterhead(
    "home", "Rollcall <rollcall@example.org>", ("admin@example.org",), "5f2a90c1"
)
RULES: Final = {**Engine(fleet.built_in()).rules, "monitoring_blind": blindness_rule(60)}
LOST: Final = "offline: its connection ended without a goodbye (last will)"
FULL: Final = "disk.used_percent / is 97.1 % (limit 95 %)"
A7F3K2: Final = 0b01010_00111_01111_00011_10011_00010
INFO: Final = Info(
    hostname="pi-3",
    model="Raspberry Pi 4 Model B Rev 1.5",
    addresses=["192.168.1.13"],
    agent="1.0.0",
    description="rack 2, top",
    interval=10,
)


def now(after_s: float) -> Now:
    return Now(AT + after_s, 1000.0 + after_s)


def view(node: str, *, cpu_percent: float | None = None, info: Info | None = None) -> NodeView:
    fields = {"percent": cpu_percent}
    report = Report(epoch="0" * 16, seq=1, time=AT - 5, interval=10, fields=fields)
    reports = {"cpu": HeldReport(report, None)} if cpu_percent is not None else {}
    return NodeView(node, NodeState.OFFLINE, "lost", AT, 5.0, False, 10, info, reports)


def incident_of(rule: str, after_s: float = 30) -> Incident:
    return opened(RULES[rule], A7F3K2, now(after_s))


def fires(
    incident: Incident,
    key: Key,
    summary: str,
    after_s: float = 0,
    value: float | None = None,
) -> Incident:
    at = AT + after_s
    alert = Alert(key, AlertState.FIRING, at, value, summary, at)
    return incident.with_change(Change(key, None, alert), now(after_s), RULES.get(key.rule))


def ends(
    incident: Incident, key: Key, after_s: float, words: str, reason: str = "recovered"
) -> Incident:
    return incident.with_change(Change(key, None, None, reason, words), now(after_s))


def note(kind: MailKind, incident: Incident, after_s: float, **more: object) -> Notice:
    rules: Mapping[str, Rule] = {
        key.rule: RULES[key.rule] for key in incident.members if key.rule in RULES
    }
    known: dict[str, object] = {
        "rules": rules,
        "views": {"pi-3": view("pi-3", cpu_percent=12, info=INFO)},
        "source": "fleet revision 14",
        "places": {"disk_full": "fleet.toml:41"},
        **more,
    }
    return Notice(kind, incident, AT + after_s, **known)  # type: ignore[arg-type]


PI_3: Final = Key("node_offline", "pi-3")
NAS: Final = Key("disk_full", "nas-1", "/")
RACK: Final = [f"a-{number:02}" for number in range(1, 31)]


def _lost() -> Incident:
    return fires(incident_of("node_offline"), PI_3, LOST)


def node_offline() -> Notice:
    return note(MailKind.FIRE, _lost(), 44)


def node_back() -> Notice:
    over = ends(_lost().with_mail(now(44)), PI_3, 1671, "online again")
    return note(MailKind.END, over, 1671)


def reminder() -> Notice:
    return note(MailKind.REMINDER, _lost().with_mail(now(44)), 43_244)


def rule_removed() -> Notice:
    over = ends(_lost().with_mail(now(44)), PI_3, 600, LOST, "rule_removed")
    return note(MailKind.CLOSED, over, 600, rules={})


def _full() -> Incident:
    return fires(incident_of("disk_full", 60), NAS, FULL, value=97.1)


def disk_full() -> Notice:
    rise = [61.2, 61.3, 61.9, 63.0, 66.4, None, 71.0, 74.8, 80.1, 83.5, 88.2, 91.9, 95.3, 97.1]
    return note(MailKind.FIRE, _full(), 70, trends={NAS: Trend(120, tuple(rise))})


def cpu_high() -> Notice:
    key = Key("cpu_high", "pi-3")
    summary = "cpu.percent is 98.4 % (limit 90 %)"
    incident = fires(incident_of("cpu_high", 300), key, summary, value=98.4)
    busy = ProcessList(
        "cpu",
        AT + 2,
        (
            Process("stress-ng", 4211, "root", 71.2, 125_829_120),
            Process("python3", 917, "web", 20.4, 83_886_080),
            Process("nginx", 1033, "www-data", 3.1, 12_582_912),
            Process("kworker/u8:2", 77, "root", 0.4, None),
            Process("rollcall", 402, None, 0.3, 44_040_192),
        ),
    )
    way = (12.0, 14.1, 11.0, 13.0, 12.2, 55.0, 96.1, 97.0, 98.2, 98.4)
    return note(
        MailKind.FIRE, incident, 310, processes={"pi-3": busy}, trends={key: Trend(120, way)}
    )


def _rack() -> Incident:
    incident = incident_of("node_offline")
    for place, node in enumerate(RACK):
        incident = fires(incident, Key("node_offline", node), LOST, place // 6)
    return incident


def _rack_note(kind: MailKind, incident: Incident, after_s: float) -> Notice:
    nodes = [*RACK, "a-31", "a-32"]
    shared = Shared("site=rack-a", ("a-31", "a-32"))
    held = tuple(Key("cpu_high", node) for node in RACK[:9])
    views = {node: view(node, cpu_percent=12 + place) for place, node in enumerate(nodes)}
    closes = kind is MailKind.END
    return note(kind, incident, after_s, views=views, shared=shared, held=() if closes else held)


def rack_offline() -> Notice:
    return _rack_note(MailKind.FIRE, _rack(), 70)


def _most_back() -> Incident:
    incident = _rack().with_mail(now(70), scope="site=rack-a")
    for node in RACK:
        if node not in {"a-03", "a-08", "a-14"}:
            incident = ends(incident, Key("node_offline", node), 300, "online again")
    return incident


def rack_partly_back() -> Notice:
    return _rack_note(MailKind.UPDATE, _most_back(), 370)


def rack_back() -> Notice:
    incident = _most_back().with_mail(now(370))
    for after_s, node in ((900, "a-03"), (1200, "a-08"), (1673, "a-14")):
        incident = ends(incident, Key("node_offline", node), after_s, "online again")
    return _rack_note(MailKind.END, incident, 1686)


def flapping() -> Notice:
    return note(MailKind.FLAPPING, _lost().with_mail(now(44)), 250)


def blind() -> Notice:
    incident = fires(incident_of("monitoring_blind"), BLIND, "the link to the broker is down")
    return note(MailKind.FIRE, incident, 60, views={}, source="")


def blind_over() -> Notice:
    told = fires(incident_of("monitoring_blind"), BLIND, "the link to the broker is down")
    return note(
        MailKind.END, ends(told.with_mail(now(60)), BLIND, 600, "over"), 600, views={}, source=""
    )


def late_over() -> Notice:
    return note(MailKind.END, ends(_full().with_mail(now(55)), NAS, 240, FULL), 240)


def digest() -> EmailMessage:
    gists = [
        Gist("fire", "disk_full", "nas-1 /", "critical", f"nas-1: {FULL}.", 1, 0, AT),
        Gist("partial", "cpu_high", "several nodes", "warning", "39 alerts fire.", 39, 0, AT + 9),
        Gist("end", "node_offline", "pi-3", "critical", "pi-3: online again.", 0, 15, AT + 20),
    ]
    letter = digest_letter(gists, Hold.RATE, "20/h", AT + 180)
    return mail.compose_letter(letter, HEAD, Stamp("D4K9QX", 1, AT + 180))


NOTICES: Final[tuple[Callable[[], Notice], ...]] = (
    node_offline,
    node_back,
    reminder,
    rule_removed,
    disk_full,
    cpu_high,
    rack_offline,
    rack_partly_back,
    rack_back,
    flapping,
    blind,
    blind_over,
)


def scenes() -> dict[str, EmailMessage]:
    """All mails by the names of their golden files."""
    made = {scene.__name__: mail.compose(scene(), HEAD) for scene in NOTICES}
    late = mail.compose(late_over(), HEAD, unsent_since=AT + 55)
    return {**made, "late_over": late, "digest": digest()}


def parts(message: EmailMessage) -> dict[str, str]:
    """The golden files of a mail by their endings: headers and text, and the HTML."""
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    headers = "".join(f"{name}: {value}\n" for name, value in message.items())
    return {".txt": f"{headers}\n{plain.get_content()}", ".html": html.get_content()}


def _write() -> None:
    for name, message in scenes().items():
        for ending, text in parts(message).items():
            (GOLDEN / f"{name}{ending}").write_text(text, "utf-8")
    (GOLDEN / "disk_full.eml").write_bytes(mail.compose(disk_full(), HEAD).as_bytes())


def hostile(name: str) -> Notice:
    """A notice in which every name that a stranger can choose is `name`."""
    key = Key("disk_full", "nas-1", name)
    incident = fires(incident_of("disk_full"), key, name[:1000], value=97.1)
    info = INFO.model_copy(update={"description": name, "model": name})
    told = note(MailKind.FIRE, incident, 10, views={"nas-1": view("nas-1", info=info)})
    process = Process(name, 1, name, 1.0, 1.0)
    return replace(told, processes={"nas-1": ProcessList("cpu", AT, (process,))})


if __name__ == "__main__":
    _write()
