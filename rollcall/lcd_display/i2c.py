"""The only user of smbus2: one display on an I2C bus, and errno turned into named errors.

A fault on the bus leaves the display in an unknown phase: whoever gets an error has to
resynchronize, never to send the same bytes again.
"""

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal, Protocol

_FIRST_PROBED: Final = (0x27, 0x3F)
_PROBED: Final = (
    *_FIRST_PROBED,
    *(
        address
        for address in (*range(0x20, 0x28), *range(0x38, 0x40))
        if address not in _FIRST_PROBED
    ),
)


class DisplayError(Exception):
    """The display cannot be used now; the text says why and what to try."""


class NotAcknowledgedError(DisplayError):
    """Nothing answers at the address."""


class BusStuckError(DisplayError):
    """A line of the bus is held low."""


class BusFaultError(DisplayError):
    """The bus reports a fault that has no better name."""


class RefusedError(DisplayError):
    """The adapter or the system does not let us: size, permission, another driver, ambiguity."""


class ForbiddenError(RefusedError):
    """We have no permission to use the bus."""


class TakenError(RefusedError):
    """A driver of the kernel owns the device at the address."""


class _TooLongError(RefusedError):
    """The adapter takes only shorter messages."""


class NoBusError(DisplayError):
    """There is no such bus, or nothing to talk to it with."""


_SMBUS2_MISSING: Final = "smbus2 is not installed; install rollcall-mqtt[lcd]"
_NACK: Final = (NotAcknowledgedError, "check power, wiring and [lcd] address")
_STUCK: Final = (
    BusStuckError,
    "a line of the bus is held low: switch the display's power off and on",
)
_ABSENT: Final = (
    NoBusError,
    "switch I2C on (raspi-config, Interface Options) and check [lcd] bus, or use --emulate",
)
_SIZE: Final = (RefusedError, "the adapter does not take plain I2C messages; use another bus")
_LONGEST_MESSAGE_BYTES: Final = 8192
_MEANING: Final[dict[int, tuple[type[DisplayError], str]]] = {
    errno.EREMOTEIO: _NACK,
    errno.ENXIO: _NACK,
    errno.ETIMEDOUT: _STUCK,
    errno.EAGAIN: _STUCK,
    errno.EIO: (BusFaultError, "the bus was disturbed: shorten the wires"),
    errno.EINVAL: _SIZE,
    errno.EOPNOTSUPP: (_TooLongError, _SIZE[1]),
    errno.ENOENT: _ABSENT,
    errno.ENODEV: _ABSENT,
    errno.EACCES: (ForbiddenError, "join the group i2c: sudo usermod -aG i2c $USER"),
    errno.EBUSY: (TakenError, "a kernel driver owns the device; unload it"),
}


class Bus(Protocol):
    """What we use of `smbus2.SMBus`; the emulator has the same."""

    def read_byte(self, i2c_addr: int) -> int: ...  # noqa: D102 - smbus2's names
    def i2c_rdwr(self, *messages: Any) -> None: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class Port:
    """The expander at one address of a bus. Every method raises DisplayError.

    `make_message` is `smbus2.i2c_msg.write`. `one_by_one` is for expanders that take only the first
    byte of a transaction.
    """

    def __init__(self, bus: Bus, address: int, make_message: Callable[[int, bytes], Any]) -> None:
        self.address = address
        self.one_by_one = False
        self._bus = bus
        self._make_message = make_message
        self._longest_bytes = _LONGEST_MESSAGE_BYTES

    def write(self, pieces: Sequence[bytes]) -> None:
        """Put bytes on the expander's pins, one after another, in one transaction.

        An adapter that says a message is too long gets it in halves, cut between `pieces`, and
        never gets such a long one again. It says so before it sends anything.
        """
        message = b"".join(pieces)
        if self.one_by_one:
            for place in range(len(message)):
                self._send(message[place : place + 1])
            return
        divisible = len(pieces) > 1
        if len(message) <= self._longest_bytes or not divisible:
            try:
                self._send(message)
            except _TooLongError:
                if not divisible:
                    raise
                self._longest_bytes = len(message) - 1
            else:
                return
        middle = len(pieces) // 2
        self.write(pieces[:middle])
        self.write(pieces[middle:])

    def _send(self, message: bytes) -> None:
        with _translated(self.address):
            self._bus.i2c_rdwr(self._make_message(self.address, message))

    def read(self) -> int:
        """Give the expander's pins."""
        with _translated(self.address):
            return self._bus.read_byte(self.address)

    def close(self) -> None:
        """Give the bus back."""
        with _translated(self.address):
            self._bus.close()


def open_bus(number: int) -> Bus:
    """Open /dev/i2c-`number`. Raises DisplayError."""
    try:
        from smbus2 import SMBus  # noqa: PLC0415 - an optional part: most machines have no display
    except ImportError as error:
        raise NoBusError(_SMBUS2_MISSING) from error
    with _translated(None, number):
        bus: Bus = SMBus(number)
        return bus


def open_port(bus: Bus, address: int | Literal["auto"]) -> Port:
    """Find the display on `bus`, without writing a byte. Raises DisplayError, and closes it then.

    `auto` asks the addresses that backpacks can have; exactly one has to answer.
    """
    try:
        from smbus2 import i2c_msg  # noqa: PLC0415 - see open_bus

        found = _only(*_asked(bus)) if address == "auto" else address
        port = Port(bus, found, i2c_msg.write)
        port.read()
    except ImportError as error:
        raise NoBusError(_SMBUS2_MISSING) from error
    except DisplayError:
        bus.close()
        raise
    return port


def answering(bus: Bus) -> list[int]:
    """Give the addresses of backpacks at which something answers to being read; writes nothing.

    Raises DisplayError when the bus itself fails.
    """
    return _asked(bus)[0]


def _asked(bus: Bus) -> tuple[list[int], TakenError | None]:
    """Give the addresses that answer, and what was said of one that a driver owns."""
    found, owned = [], None
    for address in _PROBED:
        try:
            with _translated(address):
                bus.read_byte(address)
        except NotAcknowledgedError:
            continue
        except TakenError as error:
            owned = error
            continue
        found.append(address)
    return found, owned


def _only(addresses: list[int], owned: TakenError | None) -> int:
    if not addresses and owned:
        raise owned
    if not addresses:
        raise NotAcknowledgedError(
            "no display answers at 0x20-0x27 or 0x38-0x3F; check power and wiring of SDA and SCL"
        )
    if len(addresses) > 1:
        listed = ", ".join(f"0x{address:02x}" for address in addresses)
        raise RefusedError(f"several devices answer: {listed}; set [lcd] address to one of them")
    return addresses[0]


@contextmanager
def _translated(address: int | None, bus_number: int | None = None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f"/dev/i2c-{bus_number}" if address is None else f"0x{address:02x}"
        kind, advice = _MEANING.get(error.errno or 0, (BusFaultError, "check the wiring"))
        raise kind(f"{where}: {error.strerror or error}; {advice}") from error
