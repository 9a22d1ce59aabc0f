"""When old reports go again, and in what batches."""

import gzip
import random
from collections.abc import Callable
from typing import Any

from rollcall.broker.messages import BACKLOG, MAX_BATCH_BYTES
from rollcall.node_agent.resend import Batch, Resend, pack

EPOCH = "9f3c21d07a5be4c8"


def is_gone(_batch: Batch) -> bool:
    return False


def is_open(_batch: Batch) -> bool:
    return True


def receipted(jitter: Callable[[], float] = lambda: 1.0) -> Resend:
    resend = Resend(jitter)
    resend.connected(0, 100)
    resend.receipted(0, 50)
    return resend


def test_nothing_goes_before_a_connection() -> None:
    assert not Resend(lambda: 1.0).may_send(10**9)


def test_the_backlog_waits_for_a_receipt_or_five_seconds() -> None:
    resend = Resend(lambda: 1.0)
    resend.connected(1000, 100)
    assert not resend.may_send(5_999)
    assert resend.may_send(6_000)
    resend.connected(10_000, 100)
    resend.receipted(10_500, 40)
    assert resend.may_send(10_500)


def test_a_receipt_heard_before_the_connection_is_known_counts_for_it_alone() -> None:
    resend = Resend(lambda: 1.0)
    resend.receipted(900, 40)
    resend.connected(1000, 100)
    assert resend.may_send(1000)
    resend.disconnected()
    resend.connected(2000, 100)
    assert not resend.may_send(2000)


def test_where_receipts_come_seldom_three_of_them_may_pass() -> None:
    resend = receipted()
    assert resend.unreceipted_after_ms == 30_000
    resend.receipted(1_000, 60)
    assert resend.unreceipted_after_ms == 30_000
    resend.receipted(41_000, 70)
    assert resend.unreceipted_after_ms == 120_000
    resend.disconnected()
    resend.connected(900_000, 100)
    resend.receipted(901_000, 100)
    assert resend.unreceipted_after_ms == 120_000
    resend.receipted(901_000 + 6 * 3_600_000, 110)
    assert resend.unreceipted_after_ms == 600_000


def test_all_that_was_taken_before_the_connection_is_backlog() -> None:
    resend = Resend(lambda: 1.0)
    resend.connected(0, 100)
    assert resend.through == 100
    resend.receipted(0, 130)
    assert resend.through == 130


def test_at_most_two_batches_are_under_way() -> None:
    resend = receipted()
    for numbers in ([1, 2], [3, 4]):
        assert resend.may_send(0)
        resend.sent(0, numbers, tells=False)
    assert not resend.may_send(0)
    assert resend.spans == [(1, 2), (3, 4)]
    resend.settled(lambda batch: batch.span == (3, 4))
    assert resend.may_send(0)


def test_patience_doubles_up_to_ten_minutes_and_a_receipt_ends_that() -> None:
    resend = receipted()
    now_ms, waits_s = 0, []
    for _ in range(7):
        resend.sent(now_ms, [1], tells=False)
        (batch,) = resend.under_way
        waits_s.append((batch.until_ms - now_ms) / 1000)
        now_ms = batch.until_ms
        assert resend.may_send(now_ms)
    assert waits_s == [30, 60, 120, 240, 480, 600, 600]
    resend.sent(now_ms, [1], tells=False)
    resend.settled(is_gone)
    resend.sent(now_ms, [2], tells=False)
    assert resend.under_way[0].until_ms - now_ms == 30_000


def test_patience_is_spread_by_jitter() -> None:
    resend = receipted(random.Random(1).random)  # noqa: S311 - spreads load, protects no secret
    resend.sent(0, [1], tells=False)
    resend.sent(0, [2], tells=False)
    assert len({batch.until_ms for batch in resend.under_way}) == 2


def test_it_is_quiet_once_receipted_with_nothing_under_way() -> None:
    resend = receipted()
    quiet = [resend.is_quiet]
    resend.sent(0, [1], tells=False)
    for judge in (is_open, is_gone):
        resend.settled(judge)
        quiet.append(resend.is_quiet)
    assert quiet == [True, False, True]


def test_a_lost_connection_forgets_what_was_under_way() -> None:
    resend = receipted()
    resend.sent(0, [1], tells=True)
    resend.disconnected()
    assert resend.under_way == ()
    assert not resend.may_send(10**9)


def test_a_batch_that_only_tells_evictions_spans_no_numbers() -> None:
    resend = receipted()
    resend.sent(0, [], tells=True)
    assert resend.spans == []
    assert len(resend.under_way) == 1


def report(seq: int, size: int = 10) -> dict[str, Any]:
    text = random.Random(seq).randbytes(size).hex()  # noqa: S311 - what does not compress
    return {"collector": "cpu", "seq": seq, "time": 1.0, "interval": 10, "error": f"failed: {text}"}


def test_a_small_batch_is_plain_and_a_large_one_compressed() -> None:
    small, count = pack(EPOCH, [report(1)], [(1, 5, "size")])
    assert (small[:1], count) == (b"{", 1)
    assert BACKLOG.decode(small).evicted == [(1, 5, "size")]
    large, count = pack(EPOCH, [report(n) for n in range(1, 201)], [])
    assert (large[:2], count) == (b"\x1f\x8b", 200)
    assert [r["seq"] for r in BACKLOG.decode(large).reports] == list(range(1, 201))
    assert len(gzip.decompress(large)) > len(large)


def test_a_batch_holds_the_first_that_fit_into_64_kib() -> None:
    payload, count = pack(EPOCH, [report(n, 1000) for n in range(1, 201)], [])
    assert 0 < count < 200
    assert len(payload) <= MAX_BATCH_BYTES
    assert [r["seq"] for r in BACKLOG.decode(payload).reports] == list(range(1, count + 1))


def test_a_report_that_fits_no_batch_is_left_out() -> None:
    payload, count = pack(EPOCH, [report(1, 100_000)], [])
    assert count == 0
    assert BACKLOG.decode(payload).reports == []
