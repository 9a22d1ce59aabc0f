"""`rollcall service`, as a user runs it; and what its units start, without systemd."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from rollcall.broker.broker_folder import Plan
from rollcall.broker.mosquitto import free_port
from rollcall.broker.mosquitto_conf import Profile
from rollcall.console import service, systemd
from rollcall.console.options import CommandError, Options
from rollcall.console.units import BROKER, ROLES, unit_name
from tests.support.supervisor import SupervisorUnderTest

UNITS: Final = "etc/systemd/system"
SYSTEMCTL: Final = """#!/bin/sh
echo "$@" >> {log}
case "$1" in
    show) printf 'ActiveState=active\\nSubState=running\\nStatusText=connected\\nNRestarts=0\\n' ;;
    disable) {disable} ;;
esac
"""

needs_rollcall = pytest.mark.skipif(
    not Path(sys.executable).with_name("rollcall").is_file(), reason="rollcall is not installed"
)


def rollcall(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rollcall.console", "service", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_units_are_written_below_a_root_and_removed_again(tmp_path: Path) -> None:
    done = rollcall("install", "agent", "alerts", "agent", "--root", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    agent, alerts = (tmp_path / UNITS / unit_name(role) for role in ("agent", "alerts"))
    assert done.stdout.splitlines() == [
        f"wrote {tmp_path}/etc/sysusers.d/rollcall.conf",
        f"wrote {agent}",
        f"wrote {alerts}",
        "systemd does not run this system, so nothing was started; there:",
        f"  systemctl daemon-reload && systemctl enable --now {agent.name} {alerts.name}",
        "To undo all of it: rollcall service uninstall agent alerts",
    ]
    assert oct(agent.stat().st_mode)[-3:] == "644"
    agent.write_text("by hand")
    again = rollcall("install", "agent", "alerts", "--root", tmp_path)
    assert f"replaced {agent}" in again.stdout
    assert f"unchanged {alerts}" in again.stdout

    status = rollcall("status", "--json", "--root", tmp_path)
    assert status.returncode == 0
    told = json.loads(status.stdout)
    assert told["services"]["agent"] == {"unit": str(agent)}
    assert told["services"]["lcd"] == {"unit": "not installed"}

    gone = rollcall("uninstall", "--root", tmp_path)
    assert gone.stdout.splitlines() == [
        f"removed {agent}",
        f"removed {alerts}",
        f"removed {tmp_path}/etc/sysusers.d/rollcall.conf",
        "What they recorded stays in /var/lib/rollcall and /var/lib/rollcall-agent.",
        "The account stays, as the files are its own: sudo userdel rollcall",
    ]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert rollcall("uninstall", "--root", tmp_path).stdout == "nothing of it is installed\n"


def test_the_account_stays_known_while_another_service_needs_it(tmp_path: Path) -> None:
    rollcall("install", "alerts", "recorder", "--root", tmp_path)
    rollcall("uninstall", "alerts", "--root", tmp_path)
    assert (tmp_path / "etc/sysusers.d/rollcall.conf").is_file()


def test_a_dry_run_prints_the_files_and_writes_none(tmp_path: Path) -> None:
    done = rollcall("install", "lcd", "--dry-run", "--program", "/usr/bin/rollcall", "--root", tmp_path)  # fmt: skip # noqa: E501
    assert f"--- {tmp_path}/{UNITS}/rollcall-lcd.service" in done.stdout
    assert "ExecStopPost=-/usr/bin/rollcall lcd goodbye --config %d/rollcall.toml" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_configuration_that_is_not_there_or_wrong_writes_nothing(tmp_path: Path) -> None:
    missing = rollcall("install", "agent", "--root", tmp_path, "--config", tmp_path / "none.toml")
    assert missing.returncode == 1
    assert f"there is no {tmp_path}/none.toml" in missing.stderr
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[broker]\nhots = 'hub'\n")
    refused = rollcall("install", "agent", "--root", tmp_path, "--config", wrong)
    assert refused.returncode == 78
    assert 'did you mean "host"?' in refused.stderr
    assert list(tmp_path.iterdir()) == [wrong]


def test_a_role_that_is_none_is_named() -> None:
    done = rollcall("install", "postgresql")
    assert done.returncode == 2
    assert "'postgresql' is not one of" in done.stderr


def test_the_unit_of_a_broker_asks_for_one_that_was_made_and_that_is_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(service, "SYSTEM_FOLDER", tmp_path)
    with pytest.raises(CommandError, match="holds no broker"):
        service._text(BROKER, Options(), "/usr/bin/rollcall", check=True)
    assert BROKER not in service._fitting_here()
    plan = Plan(profile=Profile.TLS, port=8883, prefix="rollcall", hosts=("hub",), addresses=())
    (tmp_path / "broker.json").write_text(plan.model_dump_json())
    text = service._text(BROKER, Options(), "/usr/bin/rollcall", check=True)
    assert f"ExecStart=/usr/bin/rollcall broker run --folder {tmp_path}\n" in text
    assert BROKER in service._fitting_here()
    theirs = plan.model_copy(update={"drop_in": Path("/etc/mosquitto/conf.d/rollcall.conf")})
    (tmp_path / "broker.json").write_text(theirs.model_dump_json())
    with pytest.raises(CommandError, match="has its unit"):
        service._text(BROKER, Options(), "/usr/bin/rollcall", check=True)
    assert BROKER not in service._fitting_here()


def test_a_hub_that_is_a_node_too_keeps_the_identities_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    system, identity = tmp_path / "rollcall.toml", tmp_path / "broker/identities/alerts"
    identity.mkdir(parents=True)
    (identity / "rollcall.toml").write_text("")
    monkeypatch.setattr(service, "SYSTEM_FOLDER", tmp_path / "broker")
    monkeypatch.setattr(service, "_SYSTEM_CONFIGURATION", system)
    assert service._configuration("alerts", Options()) == identity / "rollcall.toml"
    system.write_text(f'[broker]\nca_file = "{tmp_path}/ca.crt"\n[agent]\nnode = "hub"\n')
    assert service._configuration("alerts", Options()) == identity / "rollcall.toml"
    assert service._configuration("agent", Options()) == system
    system.write_text('[mail]\nhost = "smtp"\n')
    assert service._configuration("alerts", Options()) == system


def test_who_cannot_write_there_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    done = rollcall("install", "agent", "--root", "/proc")
    assert done.returncode == 1
    assert done.stderr.startswith("error: /proc/etc: No such file or directory\ntry: ")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    denied = service._cannot(PermissionError(13, "Permission denied", "/etc/systemd"))
    assert denied.remedy.startswith("sudo ")


def test_a_program_or_a_database_that_services_cannot_see_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/home/me/rollcall/.venv/bin/python3")
    with pytest.raises(CommandError, match="which services cannot see"):
        service._this_program(check=True)
    home = tmp_path / "home.toml"
    home.write_text('[recorder]\ndatabase = "sqlite:////home/me/rollcall.db"\n')
    options = Options(config=home)
    with pytest.raises(CommandError, match=r"\[recorder\] database lies in /home/me"):
        service._text("recorder", options, "/usr/bin/rollcall", check=True)


def test_where_systemd_runs_it_is_told_and_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    command = tmp_path / "systemctl"
    command.write_text(SYSTEMCTL.format(log=log, disable="echo 'Access denied' >&2; exit 1"))
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(systemd, "_RUNNING", tmp_path)
    target = service._Target(Path("/"))
    service._start(target, ["agent", "alerts"])
    assert log.read_text().splitlines() == [
        "daemon-reload",
        "enable rollcall-agent.service rollcall-alerts.service",
        "restart rollcall-agent.service rollcall-alerts.service",
    ]
    assert "started" in capsys.readouterr().out
    assert systemd.state_of("rollcall-agent.service")["StatusText"] == "connected"
    with pytest.raises(CommandError, match="Access denied"):
        systemd.systemctl("disable", "--now", "rollcall-agent.service")


@needs_rollcall
@pytest.mark.parametrize("role", [role for role in ROLES if role != BROKER])
def test_what_a_unit_starts_becomes_ready_with_its_environment_and_credentials(
    role: str, tmp_path: Path
) -> None:
    """systemd's part (users, limits, folders) is not played here, only its variables."""
    secrets, state = tmp_path / "credentials", tmp_path / "state"
    secrets.mkdir()
    state.mkdir()
    file = tmp_path / "rollcall.toml"
    file.write_text(
        f'[broker]\nport = 1\nusername = "x"\npassword_file = "{tmp_path}/password"\n'
        f'[agent]\nnode = "pi-1"\n[dashboard]\nlisten = "127.0.0.1:{free_port()}"\n'
    )
    (tmp_path / "password").write_text("secret")
    done = rollcall("install", role, "--root", tmp_path / "system", "--config", file)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "system" / UNITS / unit_name(role)).read_text("utf-8")
    text = text.replace("%d", str(secrets)).replace("%S", str(state))
    for name, source in re.findall(r"^LoadCredential=([^:\n]+):(.+)$", text, re.MULTILINE):
        shutil.copy(source, secrets / name)
    (tmp_path / "password").unlink()
    (command,) = re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)
    environment = dict(re.findall(r"^Environment=([^=\n]+)=(.+)$", text, re.MULTILINE))
    if role == "lcd":
        environment["XDG_DATA_HOME"] = str(state)
    with SupervisorUnderTest(str(tmp_path / "notify")) as supervisor:
        own = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "NOTIFY_SOCKET": supervisor.address}
        with (tmp_path / "log").open("w") as log:
            process = subprocess.Popen(command.split(), env={**own, **environment}, stderr=log)
        try:
            supervisor.wait_for("READY=1")
        finally:
            process.terminate()
            code = process.wait(15)
    assert code == 0, (tmp_path / "log").read_text()
