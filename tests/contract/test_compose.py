"""Docker Compose: what it starts, how closed that is, and that it fits image and settings."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from rollcall.service.settings import Section, Settings

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "deploy/docker"
FILE: Final = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
SERVICES: Final[dict[str, dict[str, Any]]] = FILE["services"]
OURS: Final = [name for name, each in SERVICES.items() if each["image"] == "rollcall-hub"]
LONG_RUNNING: Final = [name for name in SERVICES if name != "init"]
DOCKERFILE: Final = (FOLDER / "Dockerfile").read_text("utf-8")


def test_every_service_of_the_hub_is_there_and_the_display_on_request() -> None:
    assert set(SERVICES) == {
        "init", "broker", "database", "recorder", "alerts", "dashboard", "lcd"
    }  # fmt: skip
    assert {name: each["profiles"] for name, each in SERVICES.items() if "profiles" in each} == {
        "lcd": ["lcd"]
    }


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_can_write_nothing_but_its_volumes_and_gain_no_right(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert name in OURS or service["user"] == "postgres"


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_a_service_waits_until_everything_is_made_and_says_how_it_fares(name: str) -> None:
    service = SERVICES[name]
    assert service["depends_on"] == {"init": {"condition": "service_completed_successfully"}}
    assert service["restart"] == "unless-stopped"
    assert service["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", sorted(set(LONG_RUNNING) & set(OURS)))
def test_each_of_our_services_is_watched(name: str) -> None:
    assert SERVICES[name]["command"][:2] == ["rollcall-watched", "rollcall"]
    assert SERVICES[name]["healthcheck"]["test"] == ["CMD", "rollcall-watched", "--check"]


def test_only_the_broker_is_open_to_the_network() -> None:
    ports = {name: each["ports"] for name, each in SERVICES.items() if "ports" in each}
    assert ports == {"broker": ["8883:8883", "8443:8443"], "dashboard": ["127.0.0.1:8080:8080"]}


def test_the_authority_is_where_nodes_are_let_in_and_nowhere_else() -> None:
    whole = "broker:/var/lib/rollcall/broker"
    holders = [name for name, each in SERVICES.items() if whole in each.get("volumes", [])]
    assert holders == ["init", "broker"]


def test_every_volume_is_declared_and_begins_as_a_folder_of_the_image() -> None:
    made = re.findall(r"--mode=\d+ ([^&]+)&&", DOCKERFILE.replace("\\\n", " "))
    folders = {Path("/var/lib/rollcall", name) for each in made for name in each.split()}
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source, target, *_ = volume.split(":")
            if source.startswith("/"):
                continue
            assert source in FILE["volumes"], volume
            if name in OURS:
                assert Path(target) in folders, volume


def test_every_variable_is_a_key_of_the_settings() -> None:
    for name in OURS:
        for line in SERVICES[name].get("environment", []):
            variable = line.partition("=")[0]
            if "__" not in variable:
                continue
            section, _, key = variable.removeprefix("ROLLCALL_").lower().partition("__")
            model = Settings.model_fields[section].annotation
            assert isinstance(model, type)
            assert issubclass(model, Section)
            fields = model.model_fields
            assert key in {field.alias or each for each, field in fields.items()}, variable


def test_the_image_is_made_from_this_checkout_and_its_lock_file() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    for source in " ".join(copied).split():
        assert (ROOT / source).exists(), source
    assert "--no-deps --requirement requirements.lock" in DOCKERFILE
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    assert ignored[0] == "*"


def test_docker_compose_itself_takes_the_file() -> None:
    compose = shutil.which("docker-compose")
    if compose is None:
        pytest.skip("docker-compose is not installed; ./run test installs it")
    done = subprocess.run(
        [compose, "--file", FOLDER / "compose.yaml", "--profile", "lcd", "config"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert set(yaml.safe_load(done.stdout)["services"]) == set(SERVICES)
