"""The messages of the contract: a model for each, and the codec that reads it.

Reading is strict about required keys, types, finite numbers and sizes, and lenient about unknown
keys, so that new versions can add some. Every fault is one `DecodeError`.
"""

import unicodedata
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    model_validator,
)

from rollcall.broker.codec import Codec, CompressibleCodec, DecodeError

MAX_BATCH_BYTES: Final = 64 * 1024
_MAX_INTEGER: Final = 2**63 - 1
_MAX_INSTANCE_BYTES: Final = 255


def _without_control_characters(text: str) -> str:
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        raise ValueError("control characters are not allowed")
    return text


def _instance(text: str) -> str:
    if not 1 <= len(text.encode("utf-8", "surrogatepass")) <= _MAX_INSTANCE_BYTES:
        raise ValueError(f"an instance has 1 to {_MAX_INSTANCE_BYTES} bytes")
    return _without_control_characters(text)


Line = Annotated[str, Field(max_length=1024), AfterValidator(_without_control_characters)]
Epoch = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Counter = Annotated[int, Field(ge=0, le=_MAX_INTEGER)]
Sequence = Annotated[int, Field(ge=1, le=_MAX_INTEGER)]
Time = Annotated[
    float, Field(ge=0, le=253_402_300_799), PlainSerializer(lambda seconds: round(seconds, 3))
]
Interval = Annotated[int, Field(ge=1, le=21_600)] | Annotated[float, Field(ge=1, le=21_600)]
FieldName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
CollectorName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
MetricName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}\.[a-z][a-z0-9_]{0,63}$")]
InstanceName = Annotated[str, AfterValidator(_instance)]
Number = Annotated[int, Field(ge=-_MAX_INTEGER, le=_MAX_INTEGER)] | float
Fields = dict[FieldName, Number | None]
Instances = dict[InstanceName, Fields]
Interrupted = Literal["stopped", "shutdown", "reboot", "lost"]
Span = tuple[Sequence, Sequence]
Eviction = tuple[Sequence, Sequence, Literal["size", "age", "power_cut", "forgotten"]]


class Message(BaseModel):
    """What all messages have in common: frozen, strict, open to unknown keys."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
        hide_input_in_errors=True,
        serialize_by_alias=True,
        # What a program never reads or writes costs it no memory.
        defer_build=True,
    )


# They are written on two threads: whichever comes first must not have to build them.
_AT_ONCE: Final = ConfigDict(defer_build=False)


class Online(Message):
    """A birth: the agent lives. Times in Unix seconds, `interval` the shortest in force."""

    model_config = _AT_ONCE

    state: Literal["online"] = "online"
    since: Time
    session: Counter
    epoch: Epoch
    interval: Interval
    seq: Counter


class Offline(Message):
    """A goodbye (`stopped`, `shutdown`, `reboot`) or the last will (`lost`, without `since`)."""

    model_config = _AT_ONCE

    state: Literal["offline"] = "offline"
    reason: Interrupted
    since: Time | None = None
    session: Counter
    epoch: Epoch


class FieldInfo(Message):
    """What a metric is: its unit, and `gauge`, `counter` or `state`."""

    unit: Line
    kind: Literal["gauge", "counter", "state"]


class Info(Message):
    """Facts about a host that hardly change."""

    hostname: Line
    model: Line | None = None
    os: Line | None = None
    kernel: Line | None = None
    architecture: Line | None = None
    cpus: Counter | None = None
    memory_bytes: Counter | None = None
    addresses: list[Line] = []
    boot: Line | None = None
    boot_time: Time | None = None
    agent: Line
    groups: list[Line] = []
    labels: dict[Line, Line] = {}
    description: Line | None = None
    interval: Interval
    collectors: dict[CollectorName, Interval] = {}
    fields: dict[MetricName, FieldInfo] = {}


def _kind_of_error(text: str) -> str:
    if not text.startswith(("unsupported:", "denied:", "timeout:", "failed:")):
        raise ValueError("begins with unsupported:, denied:, timeout: or failed:")
    return text


class Reading(Message):
    """What one collector found at one moment, without its sequence number.

    `fields` is what the node has once, `instances` what it has several of, `error` what failed.
    """

    time: Time
    interval: Interval
    fields: Fields | None = None
    instances: Instances | None = None
    error: Annotated[Line, AfterValidator(_kind_of_error)] | None = None
    clock: Literal["unsynchronized"] | None = None

    @model_validator(mode="after")
    def _says_something_once(self) -> Self:
        if self.fields is None and self.instances is None and self.error is None:
            raise ValueError("a report has fields, instances or an error")
        mine = self.fields or {}
        if any(name in mine for fields in (self.instances or {}).values() for name in fields):
            raise ValueError("a field belongs to the node or to its instances, never both")
        return self


class Report(Reading):
    """A `metrics/<collector>` message."""

    epoch: Epoch
    seq: Sequence


class Event(Message):
    """Something that happened once on a node."""

    epoch: Epoch
    seq: Sequence
    time: Time
    kind: CollectorName
    detail: dict[str, JsonValue] = {}


class BacklogReport(Reading):
    """A report within a batch: the epoch is the batch's, the collector is named."""

    collector: CollectorName
    seq: Sequence


class BacklogEvent(Message):
    """An event within a batch."""

    kind: CollectorName
    seq: Sequence
    time: Time
    detail: dict[str, JsonValue] = {}


class Backlog(Message):
    """A batch of what was not received in time.

    The items stay undecoded, so that one bad item costs only itself; see `BACKLOG_ITEM`.
    """

    epoch: Epoch
    reports: list[dict[str, JsonValue]] = []
    evicted: list[Eviction] = []


class Receipt(Message):
    """The recorder durably holds every number of `epoch` up to `through` except `missing`."""

    database: Line
    epoch: Epoch
    through: Counter
    missing: list[Span] = []


class Applied(Message):
    """Which fleet revision runs on a node, and what was wrong with it."""

    revision: Counter
    digest: Line
    problems: list[Line] = []
    collectors: dict[CollectorName, dict[str, JsonValue]] = {}


class Fleet(Message):
    """The fleet document in force, as published; `rollcall.broker.fleet` reads `document`.

    `file` names the file it was written in, `lines` the line of each rule's table there.
    """

    revision: Counter
    digest: Line
    document: dict[str, JsonValue]
    file: Line | None = None
    lines: dict[Line, Counter] = {}


class Command(Message):
    """A request to a node or service; further keys are the command's own."""

    model_config = ConfigDict(extra="allow")

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    command: CollectorName
    expires: Time | None = None


class Reply(Message):
    """The answer to a command."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    ok: bool
    result: JsonValue = None
    error: Line | None = None


Severity = Literal["info", "warning", "critical"]
Flag = Literal["acknowledged", "silenced", "inhibited", "recovering", "flapping", "stale"]


class AlertInstance(Message):
    """One instance of an alert; the one without a name is keyed by the empty string."""

    state: Literal["pending", "firing"]
    value: Number | None = None
    since: Time


class Alert(Message):
    """An alert that is pending or firing."""

    state: Literal["pending", "firing"]
    severity: Severity
    metric: MetricName | None = None
    threshold: Number | None = None
    since: Time
    evaluated: Time
    summary: Line
    incident: Line | None = None
    flags: list[Flag] = []
    instances: dict[str, AlertInstance] = {}


class AlertEnded(Message):
    """The message, not retained, that says an alert is over."""

    state: Literal["ended"] = "ended"
    reason: Line
    time: Time | None = None
    incident: Line | None = None


class ServiceOnline(Message):
    """A service lives; `health` is its own account of how it fares."""

    model_config = _AT_ONCE

    state: Literal["online"] = "online"
    since: Time
    version: Line
    health: dict[str, JsonValue] = {}


class ServiceOffline(Message):
    """A service stopped, or was lost (the last will)."""

    model_config = _AT_ONCE

    state: Literal["offline"] = "offline"
    reason: Interrupted
    since: Time | None = None


STATUS: Final = Codec[Online | Offline](Annotated[Online | Offline, Field(discriminator="state")])
INFO: Final = Codec[Info](Info)
REPORT: Final = Codec[Report](Report)
EVENT: Final = Codec[Event](Event)
BACKLOG: Final = CompressibleCodec[Backlog](Backlog)
BACKLOG_ITEM: Final = Codec[BacklogReport | BacklogEvent](BacklogReport | BacklogEvent)
RECEIPT: Final = Codec[Receipt](Receipt)
APPLIED: Final = Codec[Applied](Applied)
FLEET: Final = Codec[Fleet](Fleet)
COMMAND: Final = Codec[Command](Command)
REPLY: Final = Codec[Reply](Reply)
ALERT: Final = Codec[Alert | AlertEnded](
    Annotated[Alert | AlertEnded, Field(discriminator="state")]
)
SERVICE_STATUS: Final = Codec[ServiceOnline | ServiceOffline](
    Annotated[ServiceOnline | ServiceOffline, Field(discriminator="state")]
)


def encode(message: Message) -> bytes:
    """Write a message as compact JSON in UTF-8; what is `None` stays out."""
    return message.model_dump_json(exclude_none=True).encode()


class _Numbered(Message):
    epoch: Epoch
    seq: Sequence


_NUMBERED: Final = Codec[_Numbered](_Numbered)


def number_in(payload: bytes) -> tuple[str, int] | None:
    """Find (`epoch`, `seq`) in a report or event that was refused; None when unreadable."""
    try:
        found = _NUMBERED.decode(payload)
    except DecodeError:
        return None
    return found.epoch, found.seq
