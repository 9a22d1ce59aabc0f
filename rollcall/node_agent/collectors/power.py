"""Power and throttling of a Raspberry Pi, as its firmware tells.

The firmware keeps a word of flags: bit 0 under-voltage, 1 frequency capped, 2 throttled, 3 soft
temperature limit; 16 bits higher, what has happened. The kernel's own driver polls the word every
2 s and clears those upper bits, so they are not "since boot"; what happened is put together here,
from every sample, and kept by the agent for as long as the host runs.

The voltage driver `rpi_volt` tells of under-voltage in mainline kernels too, but of nothing else.
Boards of the Zero family cannot sense under-voltage: there the flag would always be 0, so it is
absent. Nothing is inferred from voltages or clock rates.

On a Raspberry Pi whose kernel has neither, `vcgencmd` is asked, now and then and on a thread of its
own; it needs the group `video`.
"""

import re
from typing import Final

from pydantic import Field

from rollcall.node_agent.account import Account
from rollcall.node_agent.collectors.declaration import (
    Declaration,
    Found,
    Number,
    UnsupportedError,
    counter,
    gauge,
    state,
)
from rollcall.node_agent.host import Host
from rollcall.node_agent.in_background import InBackground
from rollcall.node_agent.options import SampledOptions, Seconds

_CHIPS: Final = "/sys/class/hwmon"
_DRIVER: Final = "/sys/bus/platform/drivers/raspberrypi-firmware"
_BOARD: Final = "/proc/device-tree/model"
_WITHOUT_SENSE: Final = "Raspberry Pi Zero"
_UNDER_VOLTAGE: Final = "under_voltage"
_FLAGS: Final = {
    _UNDER_VOLTAGE: 0,
    "frequency_capped": 1,
    "throttled": 2,
    "soft_temperature_limit": 3,
}
_HAPPENED: Final = 16
_VCGENCMD: Final = ("vcgencmd", "get_throttled")
_ASKED_EVERY_S: Final = 10.0
_ANSWERS_WITHIN_S: Final = 5.0
_IS_ONE: Final = "Raspberry Pi"
_WORDS: Final = {
    _UNDER_VOLTAGE: "the supply voltage is too low",
    "frequency_capped": "the clock rate is held down",
    "throttled": "the processor is throttled",
    "soft_temperature_limit": "the soft temperature limit is reached",
}


class PowerOptions(SampledOptions):
    """How often it looks."""

    sample: Seconds | None = Field(
        2.0, description="look this often: the driver shows no more than its last 2 s"
    )

    @property
    def sample_s(self) -> float | None:
        """Seconds between samples; none where a report comes as often."""
        return self.sample if self.sample is not None and 2 * self.sample <= self.interval else None


class Power:
    """Flags now, flags since the host started, and how often and how long. Read it every 2 s."""

    declaration = Declaration(
        "power",
        "Power and throttling of a Raspberry Pi",
        fields=(
            gauge("throttled_code", "the firmware's word of flags, as it is"),
            *(state(name, f"whether {text}") for name, text in _WORDS.items()),
            *(
                state(f"{name}_since_boot", f"whether {text}, or was since the host started")
                for name, text in _WORDS.items()
            ),
            *(
                counter(f"{name}_events", f"times since the agent started that {text}")
                for name, text in _WORDS.items()
            ),
            *(
                counter(f"{name}_seconds", f"time since the agent started in which {text}")
                for name, text in _WORDS.items()
            ),
        ),
        options=PowerOptions,
    )

    def __init__(self, account: Account) -> None:
        self._account = account
        self._now: dict[str, bool] = {}
        self._at_s: float | None = None
        self._events: dict[str, int] = {}
        self._seconds: dict[str, float] = {}
        self._vcgencmd = InBackground(
            _VCGENCMD, every_s=_ASKED_EVERY_S, timeout_s=_ANSWERS_WITHIN_S
        )

    def collect(self, host: Host) -> Found:
        """Read the flags and add them up. Raises UnsupportedError, OSError, ValueError."""
        at_s = host.boottime_s()
        code, alarm = _code(host), _alarm(host)
        if code is None and alarm is None and _board(host).startswith(_IS_ONE):
            self._vcgencmd.look(host)
            code = parse_answer(self._vcgencmd.answer or "")
        now = flags(code, alarm, senses_voltage=not _board(host).startswith(_WITHOUT_SENSE))
        if not now:
            complaint = self._vcgencmd.complaint or self._vcgencmd.answer
            why = f"; vcgencmd: {complaint.strip()}" if complaint else ""
            raise UnsupportedError(f"no Raspberry Pi that tells of its power{why}")
        self._add(now, at_s)
        happened = 0 if code is None else code >> _HAPPENED
        self._account.since_boot |= {
            name for name, is_on in now.items() if is_on or happened >> _FLAGS[name] & 1
        }
        fields: dict[str, Number] = {} if code is None else {"throttled_code": code}
        for name, is_on in now.items():
            fields |= {
                name: int(is_on),
                f"{name}_since_boot": int(name in self._account.since_boot),
                f"{name}_events": self._events.get(name, 0),
                f"{name}_seconds": self._seconds.get(name, 0.0),
            }
        return Found(fields)

    def _add(self, now: dict[str, bool], at_s: float) -> None:
        passed_s = 0.0 if self._at_s is None else at_s - self._at_s
        for name, is_on in now.items():
            if is_on and not self._now.get(name, False):
                self._events[name] = self._events.get(name, 0) + 1
            if self._now.get(name, False):
                self._seconds[name] = self._seconds.get(name, 0.0) + passed_s
        self._now, self._at_s = now, at_s


def flags(code: int | None, alarm: bool | None, *, senses_voltage: bool) -> dict[str, bool]:  # noqa: FBT001 - two readings of one thing, each may be absent
    """Give the flags that have a source, each on or off."""
    found = {} if code is None else {name: bool(code >> bit & 1) for name, bit in _FLAGS.items()}
    if alarm is not None:
        # It holds for the whole time since the driver's last look, not for this instant alone.
        found[_UNDER_VOLTAGE] = alarm or found.get(_UNDER_VOLTAGE, False)
    if not senses_voltage:
        found.pop(_UNDER_VOLTAGE, None)
    return found


def parse_code(text: str) -> int:
    """Give the word of flags from `get_throttled`: hexadecimal. Raises ValueError."""
    return int(text, 16)


def parse_answer(text: str) -> int | None:
    """Give the word of flags that `vcgencmd get_throttled` prints, None from any other text."""
    found = re.fullmatch(r"throttled=0x([0-9a-fA-F]{1,8})\s*", text)
    return parse_code(found[1]) if found else None


def _code(host: Host) -> int | None:
    if not host.exists(_DRIVER):
        return None
    paths = (f"{_DRIVER}/{name}/get_throttled" for name in host.listing(_DRIVER))
    path = next((path for path in paths if host.exists(path)), None)
    return None if path is None else parse_code(host.read(path))


def _alarm(host: Host) -> bool | None:
    if not host.exists(_CHIPS):
        return None
    for folder in host.listing(_CHIPS):
        path = f"{_CHIPS}/{folder}"
        if (
            host.exists(f"{path}/in0_lcrit_alarm")
            and host.read(f"{path}/name").strip() == "rpi_volt"
        ):
            return int(host.read(f"{path}/in0_lcrit_alarm")) != 0
    return None


def _board(host: Host) -> str:
    return host.read(_BOARD) if host.exists(_BOARD) else ""
