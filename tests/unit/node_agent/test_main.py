"""The program's edges: names, and what it may import."""

import hashlib
import subprocess
import sys

import pytest

from rollcall.node_agent.program import node_name
from rollcall.node_agent.simulation import SimulatedHost
from rollcall.service.config import ConfigError
from tests.support.hosts import RecordedHost

FORBIDDEN = (
    *("click", "rich", "sqlalchemy", "alembic", "starlette", "smbus2", "pydantic_settings"),
    # Of the standard library, what our libraries import for what we do not use.
    *("importlib.metadata", "urllib.request", "http.client", "email.parser", "zoneinfo"),
    *("ssl", "_hashlib", "shutil", "difflib", "gzip"),
    # Of our own, what only a document needs.
    "rollcall.broker.fleet",
)


def test_a_configured_name_wins_over_that_of_the_host() -> None:
    assert node_name("kitchen", RecordedHost("pi4", "t0")) == "kitchen"
    assert node_name(None, RecordedHost("pi4", "t0")) == "pi-3"


@pytest.mark.parametrize("name", ["Pi_3", "recorder", "", "a/b"])
def test_a_name_that_is_not_allowed_is_a_fault_of_the_configuration(name: str) -> None:
    with pytest.raises(ConfigError, match="node"):
        node_name(name, SimulatedHost(1))


_IMPORT = """
import sys, rollcall.node_agent.__main__, rollcall.node_agent.simulation
from pathlib import Path
from rollcall.node_agent import program
from rollcall.service import lifecycle, settings

lifecycle.parser("agent", "").add_argument("--more", type=int)
"""


def _printed(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_node_needs_only_paho_and_pydantic() -> None:
    program = (
        f"{_IMPORT}program.client_for(settings.Broker())\n"
        f"print('paho' in sys.modules, [name for name in {FORBIDDEN} if name in sys.modules])"
    )
    assert _printed(program) == "True []"


def test_with_tls_paho_gets_the_real_thing() -> None:
    program = (
        f"{_IMPORT}program.client_for(settings.Broker(ca_file=Path('ca.crt')))\n"
        "import ssl, paho.mqtt.client; print(paho.mqtt.client.ssl is ssl)"
    )
    assert _printed(program) == "True"


def test_hashes_without_openssl_are_the_same() -> None:
    program = f"{_IMPORT}import hashlib; print(hashlib.sha256(b'pi-3').hexdigest())"
    assert _printed(program) == hashlib.sha256(b"pi-3").hexdigest()
