"""`rollcall fleet` as a person uses it: real agents, a real broker, the real command."""

import json
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from rollcall.broker.fleet.published import sealed
from rollcall.broker.messages import Fleet, Offline, Online, encode
from rollcall.broker.topics import Kind
from rollcall.console.__main__ import main
from tests.support.mqtt import BrokerUnderTest
from tests.support.steered import TOPICS, SteeredAgents, steered_agents
from tests.support.waiting import wait_until

FLEET = TOPICS.topic(Kind.FLEET)
EPOCH = "9f3c21d07a5be4c8"
FILE = """\
[groups]
all = ["*"]
web = ["web-*"]

[templates.base]
groups = ["all"]
rules = ["node_offline", "cpu_high"]
collectors.cpu = { interval = "5s" }

[templates.web]
groups = ["web"]
collectors.cpu = { interval = "2s" }
"""


class Desk:
    """A person at the command line, with a file and a database."""

    def __init__(
        self,
        folder: Path,
        broker: BrokerUnderTest,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.file = folder / "fleet.toml"
        self.file.write_text(FILE)
        self.database = folder / "rollcall.db"
        self._broker = broker
        self._configuration = folder / "desk.toml"
        sections = {
            "broker": {"port": broker.port},
            "recorder": {"database": f"sqlite:///{self.database}"},
        }
        self._configuration.write_text(tomli_w.dumps(sections))
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Run `rollcall fleet ARGUMENTS`; give exit code, output, and what is said beside."""
        line = ["rollcall", "fleet", *arguments, "--config", str(self._configuration)]
        self._monkeypatch.setattr(sys, "argv", line)
        code = main()
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def json(self, *arguments: str) -> dict[str, Any]:
        code, out, err = self(*arguments, "--json")
        assert out, (code, err)
        answer: dict[str, Any] = json.loads(out)
        assert answer["schema"] == 1
        return answer

    def edit(self, old: str, new: str) -> None:
        text = self.file.read_text()
        assert old in text
        self.file.write_text(text.replace(old, new))

    def apply(self, *more: str) -> tuple[int, str, str]:
        return self("apply", str(self.file), "--yes", *more)

    def retained(self) -> Fleet:
        [(_, payload)] = self._broker.subscribe_for(FLEET)
        return Fleet.model_validate_json(payload)

    def record(self, message: Fleet, ts: int) -> None:
        """Write a document into the database, where people find it: in `fleet_history`."""
        with closing(sqlite3.connect(self.database)) as db, db:
            db.execute("CREATE TABLE IF NOT EXISTS fleet_history (revision, ts, digest, document)")
            row = (message.revision, ts, message.digest, json.dumps(message.document))
            db.execute("INSERT INTO fleet_history VALUES (?, ?, ?, ?)", row)


@pytest.fixture
def desk(
    tmp_path: Path,
    broker: BrokerUnderTest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Desk:
    return Desk(tmp_path, broker, monkeypatch, capsys)


@pytest.fixture
def agents(broker: BrokerUnderTest, tmp_path: Path) -> Iterator[SteeredAgents]:
    with steered_agents(tmp_path, broker) as running:
        yield running


def pretend(broker: BrokerUnderTest, node: str, state: str) -> None:
    """A node that says how it is, and never answers."""
    message: Any = Online(since=1, session=1, epoch=EPOCH, interval=10, seq=0)
    if state == "offline":
        message = Offline(reason="stopped", session=1, epoch=EPOCH)
    broker.publish(TOPICS.topic(Kind.STATUS, node), encode(message), retain=True)


def test_from_an_empty_file_to_a_rolled_back_mistake(
    desk: Desk, agents: SteeredAgents, broker: BrokerUnderTest
) -> None:
    for node in ("web-1", "db-1"):
        agents.start(node)
    agents.wait_for_revision(0)
    pretend(broker, "nas", "offline")

    code, out, err = desk("diff", str(desk.file))
    assert code == 0, err
    assert '  collectors.cpu.interval = "2s" (was not set)' in out
    code, out, _ = desk.apply()
    assert code == 3
    assert out.splitlines()[-3:] == [
        "Revision 1 is in force.",
        "  applied by   db-1, web-1 (2 nodes)",
        "  offline      nas; takes it on coming back",
    ]
    agents.wait_for_interval("web-1", "cpu", 2)
    first = desk.retained()
    desk.record(first, 1000)
    assert (first.file, first.lines) == ("fleet.toml", {})

    desk.edit('"2s"', '"1s"')
    answer = desk.json("apply", str(desk.file), "--yes")
    assert answer["changes"] == [
        {
            "key": "collectors.cpu.interval",
            "before": '"2s"',
            "after": '"1s"',
            "nodes": ["web-1"],
        }
    ]
    assert {node: each["answer"] for node, each in answer["nodes"].items()} == {
        "db-1": "applied",
        "nas": "offline",
        "web-1": "applied",
    }
    desk.record(desk.retained(), 2000)
    agents.wait_for_interval("web-1", "cpu", 1)

    code, out, err = desk("rollback", "--yes")
    assert code == 3
    assert "Back to revision 1 of 1970-01-01T00:00:01.000Z." in err
    assert out.splitlines()[:2] == ["web-1:", '  collectors.cpu.interval = "2s" (was "1s")']
    back = desk.retained()
    assert (back.revision, back.digest, back.document) == (3, first.digest, first.document)
    agents.wait_for_interval("web-1", "cpu", 2)
    assert agents.applied("db-1")["collectors"]["cpu"]["interval"] == 5


def test_show_gives_the_document_back_and_tells_where_each_value_comes_from(
    desk: Desk, agents: SteeredAgents
) -> None:
    assert desk("show")[0] == 1
    agents.start("web-1", interval_s=3)
    agents.wait_for_revision(0)
    desk.edit('"web-*"]', '"web-*"]\n\n[nodes.web-1]\ndescription = "here"')
    assert desk.apply()[0] == 0
    again = desk.file.with_name("again.toml")
    _, out, _ = desk("show")
    assert out.startswith("# Revision 1, followed by 1 of 1 node.\n")
    again.write_text(out)
    assert desk("diff", str(again))[1] == "Nothing changes for the one node.\n"
    shown = desk.json("show", "--effective", "web-1")
    assert (shown["groups"], shown["templates"]) == (["all", "web"], ["base", "web"])
    values = {row["key"]: (row["value"], row["origin"]) for row in shown["values"]}
    assert values["cpu.interval"] == ("2s", "templates.web")
    assert values["description"] == ("here", "nodes.web-1")
    assert values["memory.interval"] == (3, "the node's own file")
    assert values["disk.interval"] == (60, "default")
    assert "cpu.interval" in desk("show", "--effective", "web-1")[1]
    code, _, err = desk("show", "--effective", "web-9")
    assert code == 0
    assert "the broker knows no such node" in err


def test_a_broker_that_lost_everything_gets_the_document_back_from_the_database(
    desk: Desk, agents: SteeredAgents, broker: BrokerUnderTest
) -> None:
    agents.start("web-1")
    agents.wait_for_revision(0)
    assert desk.apply()[0] == 0
    lost = desk.retained()
    desk.record(lost, 1000)
    broker.stop()
    broker.start()
    wait_until(lambda: broker.subscribe_for(TOPICS.topic(Kind.APPLIED, "web-1")))
    code, _, err = desk("show")
    assert (code, "no fleet document is in force" in err) == (1, True)
    assert desk.json("show", "--effective", "web-1")["drift"] == "fleet revision 1, which is gone"
    assert desk("rollback", "--yes")[0] == 0
    back = desk.retained()
    assert (back.revision, back.digest) == (2, lost.digest)


def test_a_document_with_a_fault_is_published_nowhere(desk: Desk, broker: BrokerUnderTest) -> None:
    desk.edit('interval = "5s"', 'intervall = "5s"')
    fault = (
        f"{desk.file}:8: fault: templates.base.collectors.cpu.intervall: "
        'unknown option; did you mean "interval"?'
    )
    code, out, _ = desk("check", str(desk.file))
    assert (code, out.splitlines()[0]) == (78, fault)
    for command in (("diff",), ("apply", "--yes")):
        code, out, err = desk(*command, str(desk.file))
        assert (code, out, err.splitlines()[0]) == (78, "", fault)
    assert not desk.json("check", str(desk.file))["valid"]
    assert not desk.json("apply", str(desk.file), "--yes")["valid"]
    desk.file.write_text("[groups")
    code, out, _ = desk("check", str(desk.file))
    assert code == 78
    assert "is not TOML" in out
    assert broker.subscribe_for(FLEET) == []


def test_what_cannot_be_read_is_said_and_replaced(desk: Desk, broker: BrokerUnderTest) -> None:
    broker.publish(FLEET, b"rubbish", retain=True)
    code, _, err = desk("show")
    assert code == 1
    assert "no fleet document is in force; unreadable retained messages: 1" in err
    assert desk.apply()[0] == 0
    assert desk.retained().revision == 1


def test_nothing_is_put_into_force_unless_somebody_agrees(
    desk: Desk, broker: BrokerUnderTest
) -> None:
    for more in ((), ("--json",)):
        code, _, err = desk("apply", str(desk.file), *more)
        assert code == 2
        assert "again with --yes" in err
    assert broker.subscribe_for(FLEET) == []
    assert desk.apply()[0] == 0
    assert desk.retained().revision == 1
    code, out, _ = desk("apply", str(desk.file))
    assert code == 0
    assert "Revision 1 is in force already." in out


def test_of_two_administrators_the_one_who_is_overtaken_is_told(
    desk: Desk, broker: BrokerUnderTest
) -> None:
    pretend(broker, "web-1", "online")
    said: list[tuple[int, str, str]] = []
    waits = threading.Thread(target=lambda: said.append(desk.apply("--timeout", "20")))
    waits.start()
    wait_until(lambda: broker.subscribe_for(FLEET))
    broker.publish(FLEET, encode(sealed({}, 2)), retain=True)
    waits.join()
    [(code, _, err)] = said
    assert code == 1
    assert "revision 2 is in force; revision 1 was yours, and is overwritten" in err


def test_a_document_that_came_while_somebody_thought_is_not_overwritten(
    desk: Desk, broker: BrokerUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def agrees(*_: object, **__: object) -> bool:
        broker.publish(FLEET, encode(sealed({}, 7)), retain=True)
        return True

    monkeypatch.setattr("click.confirm", agrees)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    code, _, err = desk("apply", str(desk.file))
    assert code == 1
    assert "revision 7 is in force; nothing was published" in err
    assert desk.retained().revision == 7


def test_who_does_not_answer_is_named_when_the_time_is_over(
    desk: Desk, broker: BrokerUnderTest
) -> None:
    pretend(broker, "web-1", "online")
    code, out, _ = desk.apply("--timeout", "0.5")
    assert code == 3
    assert out.splitlines()[-1] == "  no answer    web-1"


def test_without_a_database_there_is_no_way_back(desk: Desk) -> None:
    code, _, err = desk("rollback", "--yes")
    assert code == 5
    assert "the database cannot be asked" in err
    assert desk.apply()[0] == 0
    desk.record(desk.retained(), 1000)
    code, _, err = desk("rollback", "--yes")
    assert code == 1
    assert "no other fleet document" in err


def test_the_way_back_leads_past_what_nobody_could_follow(
    desk: Desk, broker: BrokerUnderTest
) -> None:
    assert desk.apply()[0] == 0
    good = desk.retained()
    desk.record(good, 1000)
    for revision in (2, 3):
        wrong = sealed({"grups": {}, "groups": {f"g{revision}": []}}, revision)
        desk.record(wrong, 1000 * revision)
        broker.publish(FLEET, encode(wrong), retain=True)
    code, _, err = desk("diff", str(desk.file))
    assert code == 0
    assert "revision 3, published as it is, is invalid (grups: unknown key" in err
    assert desk("rollback", "--yes")[0] == 0
    back = desk.retained()
    assert (back.revision, back.digest) == (4, good.digest)
