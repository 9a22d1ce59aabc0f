"""The whole hub on the broker that `rollcall broker init` makes, with the settings it writes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import tomli_w

from rollcall.broker.client.probe import Probe
from rollcall.broker.messages import RECEIPT, SERVICE_STATUS, ServiceOnline
from rollcall.broker.mosquitto_conf import Profile
from tests.support.own_broker import OwnBroker, rollcall
from tests.support.waiting import wait_until

SERVICES = {
    "recorder": ["rollcall.recorder"],
    "alerts": ["rollcall.alerts"],
    "lcd": ["rollcall.lcd_display", "--emulate"],
}


@pytest.fixture(params=[Profile.TLS, Profile.PASSWORD])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OwnBroker]:
    environment = os.environ | {"XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
    with OwnBroker(request.param) as broker, ExitStack() as stack:
        broker.let_in("n1")
        node = broker.endpoint("n1").model_dump(mode="json", exclude_none=True)
        agent = tmp_path / "agent.toml"
        agent.write_text(tomli_w.dumps({"broker": node, "agent": {"node": "n1", "interval": 1}}))
        configurations = {name: broker.opened.identity(name).configuration for name in SERVICES}
        programs = [
            *([*SERVICES[name], "--config", str(path)] for name, path in configurations.items()),
            ["rollcall.node_agent", "--simulate", "1", "--config", str(agent)],
        ]
        for program in programs:
            process = subprocess.Popen(
                [sys.executable, "-m", *program],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
            stack.callback(process.wait, 20)
            stack.callback(process.terminate)
        yield broker


def steered(hub: OwnBroker, identity: str, file: Path) -> subprocess.CompletedProcess[str]:
    """Put a fleet document into force as an administrator would, or somebody else."""
    configuration = hub.opened.identity(identity).configuration
    return rollcall("fleet", "apply", str(file), "--yes", "--config", str(configuration))


def test_every_program_works_with_what_the_access_list_gives_it(
    hub: OwnBroker, tmp_path: Path
) -> None:
    with Probe(hub.operator()) as operator:
        operator.subscribe("rollcall/v1/receipt/n1", "rollcall/v1/service/+/status")
        online: set[str] = set()
        receipts: list[int] = []

        def all_is_there() -> bool:
            for heard in operator.heard():
                if "/receipt/" in heard.topic:
                    receipts.append(RECEIPT.decode(heard.payload).through)
                elif isinstance(SERVICE_STATUS.decode(heard.payload), ServiceOnline):
                    online.add(heard.topic.split("/")[3])
            return online == set(SERVICES) and max(receipts, default=0) > 10

        wait_until(all_is_there, 30, what="services online, and receipts")
    admin = hub.opened.identity("admin").configuration
    done = rollcall("status", "--json", "--config", str(admin))
    assert done.returncode == 0, done.stderr
    assert [node["node"] for node in json.loads(done.stdout)["nodes"]] == ["n1"]
    file = tmp_path / "fleet.toml"
    file.write_text(
        '[groups]\nall = ["*"]\n[templates.base]\ngroups = ["all"]\nrules = ["too_hot"]'
    )
    refused = steered(hub, "recorder", file)
    assert refused.returncode == 1
    assert "the broker does not let us publish the fleet document" in refused.stderr
    applied = steered(hub, "admin", file)
    assert applied.returncode == 0, applied.stderr
    assert "applied by   n1" in applied.stdout
    checked = rollcall("broker", "check", "--folder", str(hub.folder))
    assert checked.returncode == 0, checked.stdout
    assert " ok   recorder      is connected" in checked.stdout
