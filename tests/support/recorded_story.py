"""A few hours of two nodes, recorded: what readers of the database are tested with.

`pi-3` reports each minute for three hours and a bit, reboots, and has an incident; `pi-4` has one
report and says goodbye.
"""

from rollcall.recorder.findings import Arrival, Freshness, Intake
from rollcall.recorder.intake import read
from rollcall.recorder.rollups import DAY_MS, HOUR_MS, MINUTE_MS, close_oldest
from rollcall.recorder.store import Store
from tests.support.database import EPOCH, TOPICS, birth, end, message, report

T0 = 1_767_225_600_000  # midnight
NOW = T0 + 3 * HOUR_MS + 5 * MINUTE_MS


def cpu(seq: int, at_ms: int, value: float, node: str = "pi-3") -> Intake:
    said = report(seq, at_ms, {"percent": value})
    return message(f"node/{node}/metrics/cpu", said, at_ms)


def listened(node: str, payload: bytes, at_ms: int) -> Intake:
    """A live status of a node that we have listened to for long."""
    topic = f"{TOPICS.root}/node/{node}/status"
    arrival = Arrival(at_ms, Freshness.LIVE, T0 - DAY_MS)
    return Intake(topic, payload, at_ms, tuple(read(TOPICS, topic, payload, arrival)))


def alert(state: str, at_ms: int) -> Intake:
    said = {
        "state": state, "severity": "critical", "since": 5, "evaluated": at_ms / 1000,
        "summary": "disk / is full", "incident": "A7F3K2",
        "instances": {"/": {"state": state, "value": 97, "since": 5}},
    }  # fmt: skip
    return message("alert/pi-3/disk_full", said, at_ms)


def story() -> list[Intake]:
    readings = [cpu(n, T0 + n * MINUTE_MS, float(n % 50)) for n in range(1, 185)]
    reboot = {"epoch": EPOCH, "seq": 190, "time": T0 / 1000, "kind": "reboot"}
    return [
        message("node/pi-3/status", birth(T0), T0),
        *readings,
        cpu(1, T0 + HOUR_MS, 99, "pi-4"),
        message("node/pi-4/status", birth(T0 + HOUR_MS), T0 + HOUR_MS),
        message("node/pi-4/status", end("stopped", since_ms=T0 + 2 * HOUR_MS), T0 + 2 * HOUR_MS),
        alert("pending", T0 + HOUR_MS),
        alert("firing", T0 + HOUR_MS + 1000),
        message("alert/pi-3/disk_full", b"", T0 + 2 * HOUR_MS),
        message("node/pi-3/event", reboot, T0),
    ]


def recorded(store: Store) -> None:
    """Store the story, and close its hours."""
    store.commit(story())
    while store.apply(lambda connection: close_oldest(connection, NOW)):
        pass
