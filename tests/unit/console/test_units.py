"""The units of systemd: their text, and what systemd-analyze says of them."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from rollcall.broker.broker_folder import SYSTEM_FOLDER, SYSTEM_STATE
from rollcall.console.unit_credentials import Credential, credentials, unreachable, written
from rollcall.console.units import BROKER, ROLES, Installation, system_users, unit, unit_name
from rollcall.service.settings import Settings

GOLDEN: Final = Path(__file__).parents[2] / "golden/units"
CONFIGURATION: Final = Path("/etc/rollcall/rollcall.toml")
SETTINGS: Final = Settings.model_validate(
    {
        "broker": {
            "ca_file": "/etc/rollcall/ca.crt",
            "certificate_file": "/etc/rollcall/node.crt",
            "key_file": "/etc/rollcall/node.key",
        },
        "mail": {
            "username": "rollcall",
            "password_file": "${CREDENTIALS_DIRECTORY}/smtp",
            "receivers": {
                "ops": {"webhook": "https://example.org/", "webhook_secret_file": "/etc/hook"},
                "family": {"apprise_file": "${CREDENTIALS_DIRECTORY}/family"},
            },
        },
        "recorder": {"database": "sqlite:////srv/rollcall/rollcall.db"},
        "lcd": {"bus": 3},
    }
)
EXPOSURE: Final = {
    "agent": 2.1,
    "broker": 2.4,
    "recorder": 1.2,
    "alerts": 1.2,
    "dashboard": 1.2,
    "lcd": 1.6,
}

analyzed = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def installation(role: str, program: str = "/opt/rollcall/bin/rollcall") -> Installation:
    if role == BROKER:
        return Installation(program, SYSTEM_FOLDER, writable=(SYSTEM_FOLDER, SYSTEM_STATE))
    return Installation(
        program,
        CONFIGURATION,
        credentials(role, SETTINGS),
        [folder for _, folder in written(role, SETTINGS)],
        SETTINGS.lcd.bus,
    )


@pytest.mark.parametrize("role", ROLES)
def test_each_unit_is_the_golden_one(role: str) -> None:
    golden = (GOLDEN / unit_name(role)).read_text("utf-8")
    assert unit(role, installation(role)) == golden


def test_no_golden_unit_is_left_over() -> None:
    assert {file.name for file in GOLDEN.iterdir()} == set(map(unit_name, ROLES))


@analyzed
@pytest.mark.parametrize("role", ROLES)
def test_systemd_finds_no_fault_in_a_unit(role: str, tmp_path: Path) -> None:
    file = tmp_path / unit_name(role)
    # It looks for the programs too.
    file.write_text(unit(role, installation(role, "/bin/true")), "utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", file], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@analyzed
@pytest.mark.parametrize("role", ROLES)
def test_a_unit_is_as_little_exposed_as_was_measured(role: str, tmp_path: Path) -> None:
    file = tmp_path / unit_name(role)
    file.write_text(unit(role, installation(role, "/bin/true")), "utf-8")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", file],
        capture_output=True,
        text=True,
        check=False,
    )
    told = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    assert told is not None, done.stdout + done.stderr
    assert float(told[1]) <= EXPOSURE[role]


@pytest.mark.parametrize("role", [role for role in ROLES if role != BROKER])
def test_no_unit_relies_on_a_home_which_a_dynamic_user_has_not(role: str) -> None:
    assert re.search(
        r"^Environment=XDG_DATA_HOME=\S+$", unit(role, installation(role)), re.MULTILINE
    )


def test_accounts_are_made_only_for_who_needs_them() -> None:
    assert system_users(["agent"]) == {}
    assert set(system_users(["agent", "alerts"])) == {"rollcall.conf"}
    assert set(system_users(["lcd"])) == {"rollcall-lcd.conf"}


def test_a_path_becomes_a_credential_and_a_credential_comes_from_the_store() -> None:
    found = credentials("alerts", SETTINGS)
    assert Credential(
        "broker.key_file", Path("/etc/rollcall/node.key"), "ROLLCALL_BROKER__KEY_FILE"
    ) in found  # fmt: skip
    assert Credential("smtp", Path("/etc/credstore/smtp")) in found
    assert Credential("family", Path("/etc/credstore/family")) in found
    assert [key for key, _ in unreachable("alerts", SETTINGS)] == [
        "[mail.receivers.ops] webhook_secret_file"
    ]
    assert unreachable("recorder", SETTINGS) == []


def test_a_service_gets_no_secret_that_is_another_ones() -> None:
    assert not [each for each in credentials("recorder", SETTINGS) if "smtp" in each.name]


def test_only_folders_that_were_chosen_are_opened_for_writing() -> None:
    assert written("recorder", SETTINGS) == [("[recorder] database", Path("/srv/rollcall"))]
    assert written("recorder", Settings()) == []
    assert written("alerts", SETTINGS) == []
    url = {"recorder": {"database": "postgresql://rollcall@/rollcall"}}
    assert written("recorder", Settings.model_validate(url)) == []
