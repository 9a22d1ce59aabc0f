"""What may be configured: the sections of `rollcall.toml`, with a default for every key.

Times are whole seconds. Secrets never stand here: a `*_file` key names the file that holds one.
"""

import math
import os
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator

Port = Annotated[int, Field(ge=1, le=65_535)]
Seconds = Annotated[int, Field(ge=1)]


def data_folder() -> Path:
    """Where everything lies that Rollcall keeps for this user, by the XDG base directories."""
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "rollcall"


Place = Annotated[Path, AfterValidator(Path.expanduser)]


Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]


_SECONDS_IN: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

Span = Annotated[str, Field(pattern=r"^[0-9]{1,6}[smhd]$")]
Rate = Annotated[str, Field(pattern=r"^[0-9]{1,6}/[smhd]$")]


def seconds_of(span: str) -> float:
    """Give the seconds of a `Span` such as `2m`."""
    return float(int(span[:-1]) * _SECONDS_IN[span[-1]])


def per_second(rate: str) -> float:
    """Give how many a second a `Rate` such as `20/h` allows."""
    count, _, unit = rate.partition("/")
    return int(count) / _SECONDS_IN[unit]


class Section(BaseModel):
    """A section of the file: an unknown key is an error, and errors never quote a value."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Cluster(Section):
    """The cluster as a whole."""

    name: Text = Field("home", min_length=1, max_length=63, description="names it in mails")


class Broker(Section):
    """The way to Mosquitto."""

    host: str = Field("127.0.0.1", min_length=1, description="host name or address")
    port: Port = Field(1883, description="TCP port")
    ca_file: Place | None = Field(None, description="certificate authority; switches TLS on")
    certificate_file: Place | None = Field(None, description="our certificate, with mutual TLS")
    key_file: Place | None = Field(None, description="the key of our certificate")
    username: str | None = Field(None, description="user name, where passwords are used")
    password_file: Place | None = Field(None, description="file that holds the password")
    prefix: str = Field(
        "rollcall", pattern=r"^[A-Za-z0-9_-]{1,64}$", description="first topic level"
    )
    keep_alive: Annotated[int, Field(ge=5, le=110)] = Field(
        15, description="seconds of silence after which the broker asks"
    )
    will_delay: Annotated[int, Field(ge=0, le=60)] = Field(
        2, description="seconds between a lost connection and the last will"
    )


class Program(Section):
    """A program whose output is a report; it stands here alone, never in the fleet document."""

    command: list[Annotated[str, Field(min_length=1)]] = Field(
        min_length=1, description="the program and its arguments, without a shell"
    )


class Agent(Section):
    """The agent on this host."""

    node: str | None = Field(None, description="node name; default: the host name")
    interval: Annotated[int, Field(ge=1, le=21_600)] = Field(
        10, description="seconds between reports of collectors without an interval of their own"
    )
    labels: dict[Text, Text] = Field({}, description="labels that the node announces")
    description: Text | None = Field(None, description="where or what it is")
    state_dir: Place = Field(
        default_factory=lambda: data_folder() / "agent", description="folder of the spool"
    )
    collectors: dict[str, dict[str, JsonValue]] = Field(
        {}, description='options by collector: [agent.collectors.cpu] interval = "2s"'
    )
    programs: dict[str, Program] = Field(
        {}, alias="exec", description='programs as collectors: [agent.exec.NAME] command = ["..."]'
    )
    textfile_dir: Place | None = Field(
        None, description="folder of *.prom files; switches the collector textfile on"
    )


_DAYS_IN: Final = {"d": 1, "w": 7, "y": 365}
Kept = Annotated[str, Field(pattern=r"^([1-9]\d{0,3}[dwy]|forever)$")]


def kept_days(written: str) -> float:
    """Give how many days `30d`, `8w`, `5y` or `forever` are; for ever is infinity."""
    return math.inf if written == "forever" else int(written[:-1]) * _DAYS_IN[written[-1]]


class Keep(Section):
    """How long the recorder keeps what: days (30d), weeks (8w), years (5y) or forever."""

    raw: Kept = Field("30d", description="samples as they came")
    minutely: Kept = Field("90d", description="roll-ups of minutes; at least as long as raw")
    hourly: Kept = Field("5y", description="roll-ups of hours; at least as long as minutely")
    daily: Kept = Field("forever", description="roll-ups of days; at least as long as hourly")

    @model_validator(mode="after")
    def _coarser_is_kept_longer(self) -> Self:
        levels = [(name, getattr(self, name)) for name in type(self).model_fields]
        for (fine, short), (coarse, long) in pairwise(levels):
            if kept_days(short) > kept_days(long):
                raise ValueError(f"{coarse} ({long}) is shorter than {fine} ({short})")
        return self


class Recorder(Section):
    """The recorder."""

    database: str = Field(
        default_factory=lambda: f"sqlite:///{data_folder() / 'rollcall.db'}",
        description="URL of the database: sqlite:///path/to/rollcall.db or "
        "postgresql://user@host/db",
    )
    name: str = Field(
        "recorder", pattern=r"^recorder(-[a-z0-9-]{1,40})?$", description="its service name"
    )
    shared: bool = Field(
        False,
        description="whether recorders of other names divide the work on the same PostgreSQL",
    )
    keep: Keep = Field(Keep(), description="how long what is kept")


class Alerts(Section):
    """The alert service."""

    state_dir: Place = Field(
        default_factory=lambda: data_folder() / "alerts", description="folder of its own database"
    )


class Receiver(Section):
    """One receiver that rules name: people's addresses, or programs."""

    to: list[str] = Field([], description="addresses of the readers")
    max_rate: Rate | None = Field(None, description="default: that of [mail]")
    webhook: str | None = Field(
        None, pattern=r"^https?://[^\s]+$", description="URL that gets each message as JSON"
    )
    webhook_secret_file: Place | None = Field(
        None, description="file that holds the secret by which its messages are signed"
    )
    webhook_ca_file: Place | None = Field(
        None, description="certificate authority of the webhook's server"
    )
    apprise_file: Place | None = Field(
        None, description="file of Apprise URLs, one a line; needs the package apprise"
    )


class Mail(Section):
    """Who gets mail, and through which server."""

    host: str = Field("", description="SMTP server; empty: mails are written into `folder`")
    port: Port | None = Field(None, description="default: 587, with security tls 465, none 25")
    security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="never falls back to a weaker one"
    )
    username: str | None = Field(None, description="user name at the SMTP server")
    password_file: Place | None = Field(None, description="file that holds the password")
    ca_file: Place | None = Field(None, description="certificate authority of the SMTP server")
    sender: str = Field("rollcall@localhost", alias="from", description="address of the sender")
    to: list[str] = Field(["root@localhost"], min_length=1, description="addresses of the readers")
    folder: Place = Field(
        default_factory=lambda: data_folder() / "mail",
        description="where mails go as .eml files while no host is set",
    )
    ehlo: Text = Field("", description="how we call ourselves to the server, where it minds")
    max_rate: Rate = Field("20/h", description="mails to one receiver; the rest goes as a digest")
    burst: Annotated[int, Field(ge=1, le=1000)] = Field(
        5, description="so many mails may go at once before `max_rate` holds"
    )
    digest_at: str = Field(
        "07:00",
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
        description="when the daily digest of severity info goes, in the time of this host",
    )
    late_after: Span = Field(
        "2m", description="an unsent mail older than this gives way to one that tells all"
    )
    give_up_after: Span = Field("48h", description="how long a failing mail is tried")
    receivers: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,19}$")], Receiver] = Field(
        {}, description='more receivers, by name: [mail.receivers.ops] to = ["ops@example.org"]'
    )


class Lcd(Section):
    """The character display."""

    name: str = Field("lcd", pattern=r"^lcd(-[a-z0-9-]{1,40})?$", description="its service name")
    bus: Annotated[int, Field(ge=0, le=255)] = Field(1, description="I2C bus: /dev/i2c-N")
    address: Annotated[int, Field(ge=0x08, le=0x77)] | Literal["auto"] = Field(
        "auto", description="I2C address such as 0x27, or auto"
    )
    size: Literal["20x4"] = Field("20x4", description="columns x rows")


class Settings(Section):
    """The whole file."""

    cluster: Cluster = Cluster()
    broker: Broker = Broker()
    agent: Agent = Field(default_factory=Agent)
    recorder: Recorder = Field(default_factory=Recorder)
    alerts: Alerts = Field(default_factory=Alerts)
    mail: Mail = Field(default_factory=Mail)
    lcd: Lcd = Lcd()
