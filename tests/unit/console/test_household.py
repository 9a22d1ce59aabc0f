"""What `rollcall up` tells its services: the user's wishes, with its own broker and places."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from rollcall.console.household import Household
from rollcall.service import config
from rollcall.service.settings import Settings


@pytest.fixture
def wished() -> Settings:
    return Settings.model_validate(
        {
            "cluster": {"name": "lab"},
            "broker": {"host": "hub.example", "port": 8883, "ca_file": "/etc/ca.crt"},
            "agent": {"node": "pi-3", "labels": {"role": "web"}},
        }
    )


def prepared(folder: Path, wished: Settings) -> Household:
    household = Household(folder / "up/rollcall.toml", wished)
    household.prepare()
    return household


def told(household: Household) -> dict[str, Any]:
    return tomllib.loads(household.file.read_text("utf-8"))


def test_the_users_names_are_kept_and_the_broker_is_our_own(
    tmp_path: Path, wished: Settings
) -> None:
    household = prepared(tmp_path, wished)
    found = told(household)
    assert (found["cluster"]["name"], found["agent"]["node"]) == ("lab", "pi-3")
    assert found["broker"]["host"] == "127.0.0.1"
    assert found["broker"]["port"] == household.port
    assert "ca_file" not in found["broker"]


def test_everything_that_is_kept_lies_in_one_folder(tmp_path: Path, wished: Settings) -> None:
    found = told(prepared(tmp_path, wished))
    places = [
        found["agent"]["state_dir"],
        found["recorder"]["database"].removeprefix("sqlite:///"),
        found["alerts"]["state_dir"],
        found["mail"]["folder"],
    ]
    assert all(place.startswith(f"{tmp_path}/up/") for place in places)


def test_the_services_can_read_what_they_are_told(tmp_path: Path, wished: Settings) -> None:
    household = prepared(tmp_path, wished)
    assert config.load(household.file, {}) == household.settings


def test_what_the_dashboard_may_do_is_the_users_wish(tmp_path: Path) -> None:
    found = told(prepared(tmp_path, Settings.model_validate({"dashboard": {"actions": True}})))
    assert found["dashboard"]["actions"]


def test_a_mail_server_of_the_user_is_used(tmp_path: Path) -> None:
    mail = {"host": "smtp.example", "to": ["a@b.example"], "from": "r@b.example"}
    found = told(prepared(tmp_path, Settings.model_validate({"mail": mail})))
    assert (found["mail"]["host"], found["mail"]["to"]) == ("smtp.example", ["a@b.example"])


def test_simulated_nodes_have_names_and_places_of_their_own(
    tmp_path: Path, wished: Settings
) -> None:
    (*_, agents) = prepared(tmp_path, wished).programs(demo_nodes=2)
    assert [program.name for program in agents] == ["agent", "demo-1", "demo-2"]
    places = {program.environment.get("ROLLCALL_AGENT__STATE_DIR") for program in agents}
    assert len(places) == 3


def test_logs_of_the_last_run_are_gone(tmp_path: Path, wished: Settings) -> None:
    household = prepared(tmp_path, wished)
    log = household.folder / "log/agent.log"
    log.write_text("old")
    household.prepare()
    assert not log.exists()
