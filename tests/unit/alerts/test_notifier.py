"""From changes to mails, killed anywhere: nothing is told twice, nothing is forgotten."""

from collections import Counter
from email import message_from_bytes
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from rollcall.alerts.delivery import DeliveryQueue, Outcome, Sent
from rollcall.alerts.dispatch import Dispatch
from rollcall.alerts.incidents import Incidents
from rollcall.alerts.mail import Letterhead
from rollcall.alerts.notifier import Notifier, Scene
from rollcall.alerts.outbox import Outbox
from rollcall.alerts.receivers import Receiver
from rollcall.alerts.rules import Flap, Rule, Timing
from rollcall.alerts.sender import Sender
from rollcall.alerts.state import Alert, AlertState, Change, Key
from rollcall.broker.node_view import Now
from tests.support.waiting import wait_until

RULE = Rule("hot", "warning", 0, timing=Timing(0, 0, 0, 0), flap=Flap(start=1000))
RECEIVER = Receiver("default", ("a@example.org",), ("a@example.org",), "9/s", 9, 1000)


def rule_of(_key: Key) -> Rule:
    return RULE


def labels_of(_node: str) -> dict[str, str]:
    return {}


class Service:
    """The notifier with its outbox and sender, which can be killed and started again.

    `accepted` is what the mail server took, over all lives; `fires` what the service last knew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seconds = 0.0
        self._drawn = 0
        self.accepted: list[bytes] = []
        self.start()

    @property
    def now(self) -> Now:
        return Now(1_767_582_807.0 + self._seconds, self._seconds)

    def start(self) -> None:
        self.outbox = Outbox(self._path)
        self.outbox.__enter__()
        self.queue = DeliveryQueue(lambda: 1.0)
        self.sender = Sender(self._deliver)
        stored = self.outbox.load(self.now)
        self.firing = {alert.key: alert for alert in stored.alerts}
        dispatch = Dispatch(
            outbox=self.outbox,
            queue=self.queue,
            senders={"mail": self.sender},
            receivers={"default": RECEIVER},
            head=Letterhead("home", "r@example.org", (), stored.install),
            draw=self._draw,
        )
        self.notifier = Notifier(
            outbox=self.outbox, dispatch=dispatch, incidents=Incidents(self._draw)
        )
        self.notifier.restore(stored, self.now)

    def kill(self) -> None:
        """What is not committed, and what the mail server has answered, is lost."""
        self.sender.stop()
        self.outbox.__exit__(None, None, None)

    def set_firing(self, node: str, *, fires: bool) -> None:
        self._seconds += 1
        key = Key("hot", node)
        before = self.firing.pop(key, None)
        if fires:
            self.firing[key] = Alert(key, AlertState.FIRING, self._seconds, 95, "95 %", 0)
        elif before is None:
            return
        change = Change(key, before, self.firing.get(key), "recovered", "20 %")
        self.notifier.take([change], rule_of, labels_of, self.now)
        self.outbox.commit(self.now)

    def tick(self) -> None:
        self._seconds += 1
        self.notifier.tick(Scene(rule_of, labels_of), self.now)

    def drain(self) -> None:
        def is_empty() -> bool:
            self.tick()
            return len(self.queue) == 0

        wait_until(is_empty, what="all mails out")

    def _draw(self, _bits: int) -> int:
        self._drawn += 1
        return self._drawn

    def _deliver(self, _recipient: str, content: bytes) -> Outcome:
        self.accepted.append(content)
        return Sent()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fire"), st.sampled_from(["a", "b"])),
        st.tuples(st.just("end"), st.sampled_from(["a", "b"])),
        st.tuples(st.sampled_from(["tick", "kill"]), st.just("")),
    ),
    max_size=25,
)


@settings(max_examples=15, deadline=None)
@given(STEPS)
def test_killed_anywhere_every_mail_goes_out_and_is_recognised_when_it_goes_twice(
    steps: list[tuple[str, str]],
) -> None:
    with TemporaryDirectory() as folder:
        service = Service(Path(folder) / "alerts.db")
        for step, node in steps:
            if step == "tick":
                service.tick()
            elif step == "kill":
                service.kill()
                service.start()
            else:
                service.set_firing(node, fires=step == "fire")
        service.drain()
        firing = bool(service.firing)
        service.kill()
    _check(service.accepted, firing=firing)


def _check(accepted: list[bytes], *, firing: bool) -> None:
    contents = {message_from_bytes(content)["Message-ID"]: content for content in accepted}
    assert set(contents.values()) == set(accepted)
    kinds: dict[str, Counter[str]] = {}
    for message_id, content in contents.items():
        incident, sequence, *_ = message_id.strip("<").split(".")
        state = message_from_bytes(content)["Subject"].partition("]")[0].split(",")[0]
        kinds.setdefault(incident, Counter())[state.split()[0].strip("[")] += 1
        if sequence == "1":
            assert "FIRING" in state
    for count in kinds.values():
        assert count["FIRING"] >= 1
        assert count["RESOLVED"] <= 1
    still_open = [incident for incident, count in kinds.items() if not count["RESOLVED"]]
    assert len(still_open) == firing


def test_a_fault_while_sending_costs_neither_the_mail_nor_the_thread(tmp_path: Path) -> None:
    service = Service(tmp_path / "alerts.db")
    deliver, answers = service._deliver, [ZeroDivisionError("a fault of our own")]

    def faulty(recipient: str, content: bytes) -> Outcome:
        if answers:
            raise answers.pop()
        return deliver(recipient, content)

    service.sender._deliver = faulty
    service.set_firing("a", fires=True)
    service.drain()
    assert len(service.accepted) == 1
    service.kill()
