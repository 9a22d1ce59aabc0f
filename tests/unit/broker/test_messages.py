"""Messages to and from JSON bytes: strict where it matters, lenient about what is new."""

import gzip
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.broker import messages
from rollcall.broker.codec import MAX_PAYLOAD_BYTES, DecodeError
from rollcall.broker.messages import (
    ALERT,
    BACKLOG,
    BACKLOG_ITEM,
    INFO,
    RECEIPT,
    REPORT,
    STATUS,
    BacklogEvent,
    BacklogReport,
    Offline,
    Online,
    Report,
    encode,
    number_in,
)

EPOCH = "9f3c21d07a5be4c8"
REPORT_TEXT = (
    f'{{"epoch":"{EPOCH}","seq":184223,"time":1767225600.0,"interval":10,"fields":{{"percent":1}}}}'
)


def report_with(**changes: object) -> bytes:
    return json.dumps({**json.loads(REPORT_TEXT), **changes}).encode()


def test_the_contract_s_status_messages_are_read() -> None:
    online = STATUS.decode(
        b'{"state":"online","since":1767225600.1,"session":17,"epoch":"9f3c21d07a5be4c8",'
        b'"interval":10,"seq":184223}'
    )
    assert online == Online(since=1767225600.1, session=17, epoch=EPOCH, interval=10, seq=184223)
    lost = STATUS.decode(
        b'{"state":"offline","reason":"lost","session":17,"epoch":"9f3c21d07a5be4c8"}'
    )
    assert lost == Offline(reason="lost", session=17, epoch=EPOCH)


def test_the_contract_s_alert_and_receipt_are_read() -> None:
    alert = ALERT.decode(
        b'{"state":"firing","severity":"critical","metric":"disk.used_percent","threshold":95,'
        b'"since":1,"evaluated":2,"summary":"disk / is 97 % full (limit 95 %)","incident":"A7F3K2",'
        b'"flags":["acknowledged"],"instances":{"/":{"state":"firing","value":97.1,"since":1}}}'
    )
    assert alert.state == "firing"
    receipt = RECEIPT.decode(
        f'{{"database":"x","epoch":"{EPOCH}","through":9,"missing":[[3,4]]}}'.encode()
    )
    assert receipt.missing == [(3, 4)]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"new_key": [1, {}]}, id="an unknown key"),
        pytest.param({"interval": 2.5}, id="a fraction of a second"),
        pytest.param({"fields": {"percent": None}}, id="an unknown number"),
        pytest.param({"clock": "unsynchronized"}, id="the clock is marked"),
        pytest.param({"fields": None, "error": "unsupported: none"}, id="an error alone"),
        pytest.param({"instances": {"/srv ü": {"used_percent": 1.5}}}, id="an instance beside"),
    ],
)
def test_reports_that_are_fine(changes: dict[str, object]) -> None:
    assert REPORT.decode(report_with(**changes)).seq == 184223


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"epoch": "9F3C21D07A5BE4C8"}, id="epoch in upper case"),
        pytest.param({"epoch": None}, id="no epoch"),
        pytest.param({"seq": 0}, id="numbers begin with 1"),
        pytest.param({"seq": "7"}, id="a number as text"),
        pytest.param({"seq": True}, id="a truth value as a number"),
        pytest.param({"seq": 2**63}, id="a number no column holds"),
        pytest.param({"time": -1}, id="before 1970"),
        pytest.param({"time": "now"}, id="a time as text"),
        pytest.param({"interval": 0.5}, id="an interval below a second"),
        pytest.param({"interval": 21601}, id="an interval above six hours"),
        pytest.param({"fields": {"percent": "12"}}, id="a value as text"),
        pytest.param({"fields": {"percent": True}}, id="a value that is a truth value"),
        pytest.param({"fields": {"Percent": 1}}, id="a field in upper case"),
        pytest.param({"fields": {"percent": float("inf")}}, id="infinity"),
        pytest.param({"fields": {"percent": float("nan")}}, id="not a number"),
        pytest.param({"fields": []}, id="a list of fields"),
        pytest.param({"fields": None}, id="says nothing"),
        pytest.param({"error": "broken"}, id="an error without its kind"),
        pytest.param({"instances": {"": {"a": 1}}}, id="an instance without a name"),
        pytest.param({"instances": {"a\nb": {"a": 1}}}, id="a control character"),
        pytest.param({"instances": {"ü" * 128: {"a": 1}}}, id="an instance of 256 bytes"),
        pytest.param({"instances": {"/": {"percent": 1}}}, id="a field in both places"),
        pytest.param({"clock": "fine"}, id="an unknown clock state"),
    ],
)
def test_reports_that_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(DecodeError) as caught:
        REPORT.decode(report_with(**changes))
    assert caught.value.reason in {"invalid", "not_json"}
    assert number_in(report_with(**changes)) in {None, (EPOCH, 184223)}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        pytest.param(b"", "not_json", id="nothing"),
        pytest.param(b"hello", "not_json", id="words"),
        pytest.param(b"\xff\xfe", "not_json", id="not UTF-8"),
        pytest.param(b"[" * 5000 + b"]" * 5000, "not_json", id="deep"),
        pytest.param(b'{"epoch":"\\ud800"}', "not_json", id="a lone surrogate"),
        pytest.param(b"[1,2]", "invalid", id="a list"),
        pytest.param(b"null", "invalid", id="null"),
        pytest.param(b" " * (MAX_PAYLOAD_BYTES + 1), "too_large", id="too large"),
    ],
)
def test_payloads_that_are_no_report_at_all(payload: bytes, reason: str) -> None:
    for codec in (REPORT, STATUS, INFO, ALERT):
        with pytest.raises(DecodeError) as caught:
            codec.decode(payload)
        assert caught.value.reason == reason


def test_an_error_never_quotes_the_payload() -> None:
    with pytest.raises(DecodeError) as caught:
        REPORT.decode(report_with(epoch="hunter2-secret"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("squeeze", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_batch_is_read_and_its_items_one_by_one(
    squeeze: Callable[[bytes], bytes],
) -> None:
    text = (
        f'{{"epoch":"{EPOCH}","reports":['
        '{"collector":"cpu","seq":1,"time":1,"interval":10,"fields":{"percent":1}},'
        '{"kind":"reboot","seq":2,"time":1,"detail":{"boot":"x"}},{"seq":"bad"}],'
        '"evicted":[[3,9,"size"]]}'
    )
    batch = BACKLOG.decode(squeeze(text.encode()))
    assert batch.evicted == [(3, 9, "size")]
    assert isinstance(BACKLOG_ITEM.decode_value(batch.reports[0]), BacklogReport)
    assert isinstance(BACKLOG_ITEM.decode_value(batch.reports[1]), BacklogEvent)
    with pytest.raises(DecodeError):
        BACKLOG_ITEM.decode_value(batch.reports[2])


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        pytest.param(gzip.compress(b" " * 50_000_000), "too_large", id="a gzip bomb"),
        pytest.param(gzip.compress(b"{}")[:-4], "not_gzip", id="cut off"),
        pytest.param(b"\x1f\x8bgarbage", "not_gzip", id="damaged"),
        pytest.param(gzip.compress(b"{}"), "invalid", id="empty inside"),
        pytest.param(b"x" * (MAX_PAYLOAD_BYTES + 1), "too_large", id="too large"),
    ],
)
def test_batches_that_are_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        BACKLOG.decode(payload)
    assert caught.value.reason == reason


NUMBERS = st.one_of(
    st.none(),
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
)
FIELDS = st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True), NUMBERS)


@given(
    fields=FIELDS,
    seq=st.integers(1, 2**63 - 1),
    time=st.floats(0, 4e9),
    interval=st.integers(1, 21_600),
)
def test_a_report_survives_the_way_to_bytes_and_back(
    fields: dict[str, int | float | None], seq: int, time: float, interval: int
) -> None:
    report = Report(epoch=EPOCH, seq=seq, time=round(time, 3), interval=interval, fields=fields)
    assert REPORT.decode(encode(report)) == report


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_the_one_error(payload: bytes) -> None:
    for codec in (REPORT, STATUS, BACKLOG, INFO):
        try:
            decoded = codec.decode(payload)
        except DecodeError:
            continue
        assert isinstance(decoded, messages.Message)


def test_times_are_written_to_the_millisecond_and_nothing_unset_is_written() -> None:
    status = Online(since=1.23456, session=1, epoch=EPOCH, interval=10, seq=3)
    assert encode(status) == (
        b'{"state":"online","since":1.235,"session":1,"epoch":"9f3c21d07a5be4c8",'
        b'"interval":10,"seq":3}'
    )
    assert b"since" not in encode(Offline(reason="lost", session=1, epoch=EPOCH))
