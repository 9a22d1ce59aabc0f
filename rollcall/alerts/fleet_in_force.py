"""Which fleet document is in force, what is wrong with the newest, and where its rules stand."""

from collections.abc import Mapping
from typing import Final

from rollcall.broker import fleet, messages
from rollcall.broker.codec import DecodeError
from rollcall.broker.fleet import FleetError

_BUILT_IN: Final = "built-in rules"


class FleetInForce:
    """The document in force; the built-in rules until there is one.

    `source` names it for people, `places` say where each rule stands in its file (if it says so),
    `faults` why a newer one was refused, `remarks` what it holds that does nothing.
    """

    def __init__(self) -> None:
        self.payload = b""
        self.fleet = fleet.built_in()
        self.source = _BUILT_IN
        self.places: Mapping[str, str] = {}
        self.faults: list[str] = []
        self.remarks: list[str] = []

    def take(self, payload: bytes) -> bool:
        """Put a document into force; say whether it is another one than before.

        One with a mistake is refused whole, and `faults` name every mistake.
        """
        self.faults = []
        if payload == self.payload:
            return False
        try:
            self._read(payload)
        except (DecodeError, FleetError) as error:
            found = error.problems if isinstance(error, FleetError) else [str(error)]
            self.faults = [f"fleet document refused: {problem}" for problem in found]
            return False
        self.payload = payload
        self.remarks = [
            f"rule {name} holds nowhere: no template or node names it"
            for name in self.fleet.unused_rules()
        ]
        return True

    def _read(self, payload: bytes) -> None:
        if not payload:
            self.fleet, self.source, self.places = fleet.built_in(), _BUILT_IN, {}
            return
        message = messages.FLEET.decode(payload)
        self.fleet = fleet.read(message.document)
        self.source = f"fleet revision {message.revision}"
        file = message.file or "line"
        self.places = {rule: f"{file}:{line}" for rule, line in message.lines.items()}
