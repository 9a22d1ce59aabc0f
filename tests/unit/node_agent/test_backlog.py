"""No number is lost: the spool, the backlog, and a recorder that loses what it likes."""

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rollcall.broker.messages import BACKLOG, BACKLOG_ITEM, BacklogEvent, Receipt
from rollcall.node_agent.backlog import BacklogSender
from rollcall.node_agent.spans import merged, without
from rollcall.node_agent.spool import Spool
from rollcall.node_agent.spooled import Bounds, Item, Taken

SMALL: Final = Bounds(size_bytes=40_000, least_bytes=40_000)


class Recorder:
    """Holds numbers; hears a batch only when the wire does not lose it."""

    def __init__(self) -> None:
        self.ready = True
        self.loses = False
        self.refuses = False
        self.held: set[int] = set()
        self.void: set[int] = set()
        self.batches: list[list[int]] = []
        self.sent: list[bytes] = []

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, expiry_s: int | None = None
    ) -> bool:
        assert (topic, retain, expiry_s) == ("backlog", False, None)
        if self.refuses:
            return False
        if not self.loses:
            self.sent.append(payload)
            batch = BACKLOG.decode(payload)
            self.batches.append([int(str(report["seq"])) for report in batch.reports])
            self.held.update(self.batches[-1])
            for first, last, _ in batch.evicted:
                self.void |= set(range(first, last + 1))
        return True

    def receipt(self, epoch: str) -> Receipt:
        known = [(seq, seq) for seq in self.held | self.void]
        through = max(self.held | self.void, default=0)
        missing = list(without([(1, through)], known))
        return Receipt(database="db", epoch=epoch, through=through, missing=missing)


BODY: Final = '{"error":"failed: ' + "x" * 200 + '"}'


def at(seconds: float) -> Taken:
    return Taken("boot", round(1000 * seconds), round(1000 * seconds))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path) as opened:
        yield opened


def sender_of(spool: Spool, recorder: Recorder) -> BacklogSender:
    return BacklogSender(topic="backlog", spool=spool, client=recorder, jitter=lambda: 1.0)


def take(spool: Spool, count: int, now: Taken, body: str = BODY) -> None:
    with spool.transaction():
        spool.take([Item("cpu", body)] * count, now)


def test_what_was_taken_before_the_connection_goes_once_a_receipt_has_come(spool: Spool) -> None:
    recorder = Recorder()
    recorder.held = {1, 2}
    sender = sender_of(spool, recorder)
    take(spool, 5, at(0))
    sender.connected(at(1))
    sender.send(at(1))
    assert recorder.batches == []
    sender.heard(recorder.receipt(spool.epoch), at(1.5))
    sender.send(at(1.5))
    assert recorder.batches == [[3, 4, 5]]


def test_what_a_receipt_misses_goes_at_once_and_the_rest_has_its_time(spool: Spool) -> None:
    recorder = Recorder()
    sender = sender_of(spool, recorder)
    sender.connected(at(0))
    take(spool, 7, at(10))
    recorder.held = {1, 4, 5}
    sender.heard(recorder.receipt(spool.epoch), at(11))
    sender.send(at(11))
    assert recorder.batches == [[2, 3]]
    sender.send(at(40))
    assert recorder.batches == [[2, 3], [6, 7]]


def test_the_next_batches_go_as_soon_as_the_first_are_receipted(spool: Spool) -> None:
    recorder = Recorder()
    sender = sender_of(spool, recorder)
    take(spool, 700, at(0))
    sender.connected(at(1))
    sender.send(at(6))
    assert [len(batch) for batch in recorder.batches] == [200, 200]
    sender.send(at(7))
    assert len(recorder.batches) == 2
    sender.heard(recorder.receipt(spool.epoch), at(8))
    sender.send(at(8))
    assert [len(batch) for batch in recorder.batches] == [200, 200, 200, 100]


def test_events_go_again_like_reports(spool: Spool) -> None:
    recorder = Recorder()
    with spool.transaction():
        spool.take([Item("reboot", '{"time":1.0,"detail":{"boot":"x"}}', is_event=True)], at(0))
    sender = sender_of(spool, recorder)
    sender.connected(at(0))
    sender.send(at(6))
    (item,) = BACKLOG.decode(recorder.sent[0]).reports
    assert BACKLOG_ITEM.decode_value(item) == BacklogEvent(
        kind="reboot", seq=1, time=1.0, detail={"boot": "x"}
    )


def test_a_report_that_fits_no_batch_is_given_up_and_told(spool: Spool) -> None:
    noise = random.Random(1).randbytes(100_000).hex()  # noqa: S311 - what does not compress
    take(spool, 1, at(0), '{"error":"failed: ' + noise + '"}')
    take(spool, 1, at(0))
    recorder = Recorder()
    sender = sender_of(spool, recorder)
    sender.connected(at(0))
    sender.send(at(6))
    assert recorder.held == {2}
    assert recorder.void == {1}


def test_while_the_wire_refuses_nothing_counts_as_sent(spool: Spool) -> None:
    recorder = Recorder()
    recorder.refuses = True
    sender = sender_of(spool, recorder)
    take(spool, 3, at(0))
    sender.connected(at(0))
    sender.send(at(6))
    recorder.refuses = False
    sender.send(at(7))
    assert recorder.batches == [[1, 2, 3]]


class NothingIsLost(RuleBasedStateMachine):
    """Any order of taking, losing, receipts, evictions, restarts and pauses."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.recorder = Recorder()
        self.boottime_ms = 0
        self.old_receipts: list[Receipt] = []
        self.open()

    def open(self) -> None:
        self.spool = Spool(Path(self.folder.name), SMALL)
        self.spool.__enter__()
        self.sender = sender_of(self.spool, self.recorder)
        self.sender.connected(self.now)

    @property
    def now(self) -> Taken:
        return Taken("boot", self.boottime_ms, self.boottime_ms)

    @rule(count=st.integers(1, 40), arrives=st.booleans())
    def take_and_publish(self, count: int, *, arrives: bool) -> None:
        with self.spool.transaction():
            self.sender.settle(self.now)
            stored = self.spool.take([Item("cpu", BODY)] * count, self.now)
            self.spool.evict(self.now, 10**12)
        if arrives:
            self.recorder.held.update(each.seq for each in stored)

    @rule(loses=st.booleans())
    def send_backlog(self, *, loses: bool) -> None:
        self.recorder.loses = loses
        self.sender.send(self.now)

    @rule()
    def hear_a_receipt(self) -> None:
        receipt = self.recorder.receipt(self.spool.epoch)
        self.old_receipts.append(receipt)
        self.sender.heard(receipt, self.now)

    @rule(data=st.data())
    def hear_an_old_receipt_again(self, data: st.DataObject) -> None:
        if self.old_receipts:
            self.sender.heard(data.draw(st.sampled_from(self.old_receipts)), self.now)

    @rule(seconds=st.integers(1, 700))
    def wait(self, seconds: int) -> None:
        self.boottime_ms += 1000 * seconds

    @rule()
    def restart(self) -> None:
        self.spool._db.close()
        self.open()

    @invariant()
    def every_number_is_received_or_held_or_will_be_told(self) -> None:
        spool = self.spool
        held = {stored.seq for stored in spool.waiting(10**9, [], 10**6)}
        told = {n for first, last, _ in spool._evicted() for n in range(first, last + 1)}
        accounted = self.recorder.held | self.recorder.void | held | told
        assert set(range(1, spool.last_seq + 1)) <= accounted

    @invariant()
    def only_what_the_recorder_has_is_forgotten(self) -> None:
        for first, last, reason in self.spool._evicted():
            if reason == "forgotten":
                known = self.recorder.held | self.recorder.void
                assert set(range(first, last + 1)) <= known

    def teardown(self) -> None:
        # Given a wire that works, and time, the recorder knows all and the spool is empty.
        self.recorder.loses = False
        for _ in range(60):
            self.boottime_ms += 700_000
            self.sender.send(self.now)
            self.sender.heard(self.recorder.receipt(self.spool.epoch), self.now)
            with self.spool.transaction():
                self.sender.settle(self.now)
        known = merged((seq, seq) for seq in self.recorder.held | self.recorder.void)
        assert list(without([(1, self.spool.last_seq)], known)) == []
        assert self.spool.waiting(10**9, [], 10) == []
        assert self.spool.evicted() == []
        self.spool._db.close()
        self.folder.cleanup()


NothingIsLost.TestCase.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
TestNothingIsLost = NothingIsLost.TestCase
