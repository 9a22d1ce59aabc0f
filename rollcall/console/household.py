"""Where `rollcall up` keeps its things, what its services are told, and which programs they are."""

import sys
from pathlib import Path
from typing import Any, Final

import tomli_w

from rollcall.broker.mosquitto import PrivateMosquitto, free_port, is_free
from rollcall.console.run import PROGRAMS
from rollcall.console.supervisor import Program
from rollcall.service.settings import Settings

_PORT: Final = 18830
_WEB_PORT: Final = 8080


class Household:
    """Everything in the folder of `file`; `settings` are the user's, with our own places.

    `file` is the configuration that the services read, and by which other commands find us.
    """

    def __init__(self, file: Path, wished: Settings) -> None:
        self.file = file
        self.folder = file.parent
        self.port = _PORT if is_free(_PORT) else free_port()
        self._web_port = _WEB_PORT if is_free(_WEB_PORT) else free_port()
        self.settings = Settings.model_validate(self._settled(wished))

    @property
    def database(self) -> Path:
        """The recorder's SQLite file."""
        return self.folder / "rollcall.db"

    def prepare(self) -> None:
        """Make the folders, the services' configuration and the broker's. Raises OSError."""
        self._log("agent").parent.mkdir(parents=True, exist_ok=True)
        for log in self._log("agent").parent.iterdir():
            log.unlink()
        values = self.settings.model_dump(mode="json", by_alias=True, exclude_none=True)
        self.file.write_text(tomli_w.dumps(values), "utf-8")
        PrivateMosquitto(self.folder / "broker", self.port).configure()

    def programs(self, demo_nodes: int) -> list[list[Program]]:
        """Give the programs in groups, in the order of starting.

        Raises MosquittoError when there is no Mosquitto.
        """
        broker = PrivateMosquitto(self.folder / "broker", self.port)
        services = [self._service(name) for name in ("recorder", "alerts", "dashboard")]
        lcd = self._service("lcd", "--emulate", talks=True)
        demo = [self._demo_node(number) for number in range(1, demo_nodes + 1)]
        return [
            [Program("broker", broker.command, self._log("broker"))],
            [*services, lcd],
            [self._service("agent"), *demo],
        ]

    def _service(self, name: str, *arguments: str, talks: bool = False) -> Program:
        return Program(name, self._command(name, *arguments), self._log(name), talks=talks)

    def _demo_node(self, number: int) -> Program:
        name = f"demo-{number}"
        return Program(
            name,
            self._command("agent", "--simulate", str(number)),
            self._log(name),
            environment={
                "ROLLCALL_AGENT__NODE": name,
                "ROLLCALL_AGENT__STATE_DIR": str(self.folder / "demo" / name),
                "ROLLCALL_AGENT__DESCRIPTION": "a simulated node",
            },
        )

    def _command(self, name: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", PROGRAMS[name], "--config", str(self.file), *arguments]

    def _log(self, name: str) -> Path:
        return self.folder / "log" / f"{name}.log"

    def _settled(self, wished: Settings) -> dict[str, Any]:
        values = wished.model_dump(mode="python", by_alias=True)
        values["broker"] = {"host": "127.0.0.1", "port": self.port}
        values["agent"]["state_dir"] = self.folder / "agent"
        values["recorder"]["database"] = f"sqlite:///{self.database}"
        values["alerts"]["state_dir"] = self.folder / "alerts"
        values["dashboard"] = {
            "listen": f"127.0.0.1:{self._web_port}",
            "state_dir": self.folder / "dashboard",
            "actions": wished.dashboard.actions,
        }
        if not wished.mail.host:
            values["mail"]["folder"] = self.folder / "mail"
        return values
