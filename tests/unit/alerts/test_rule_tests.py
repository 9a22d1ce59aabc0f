"""Rule tests, as people write them in TOML: what passes, what fails, what is refused."""

import tomllib
from typing import Any

import pytest

from rollcall.alerts import rule_tests
from rollcall.alerts.rule_tests import Outcome
from rollcall.alerts.series_notation import Nothing, steps
from rollcall.broker import fleet
from rollcall.broker.fleet import FleetError

BUSY = """
[[test]]
name = "a busy spell is an alert"
node = "web-1"
labels = { role = "web" }
series = [ { metric = "cpu.percent", values = "50x2 95x40 70" } ]
status = [ { at = "9m", state = "offline", reason = "lost" } ]
expect = [ { at = "5m", rule = "cpu_high", state = "pending", value = 95 } ]
mails = [
  { at = "340s", kind = "fire", rules = ["cpu_high"] },
  { at = "440s", kind = "end" },
  { at = "580s", kind = "fire" },
]
"""


def played(text: str, document: dict[str, Any] | None = None) -> Outcome:
    (test,) = rule_tests.read(tomllib.loads(text)).test
    return rule_tests.run(test, fleet.read(document or {}, everywhere=document is None))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("95", [95]),
        ("95x2", [95, 95, 95]),
        ("10+5x2", [10, 15, 20]),
        ("10-5x3", [10, 5, 0, -5]),
        ("-1.5", [-1.5]),
        ("_x2 null", [Nothing.NO_REPORT, Nothing.NO_REPORT, Nothing.NULL]),
        ("error gonex2", [Nothing.ERROR, Nothing.GONE, Nothing.GONE]),
    ],
)
def test_a_series_is_read_step_by_step(written: str, expected: list[object]) -> None:
    assert list(steps(written)) == expected


@pytest.mark.parametrize("written", ["", "95x", "abc", "95 + 4", "x4", "1x9999999", "1x999999"])
def test_a_series_that_cannot_be_read_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"step|series"):
        steps(written)


def test_what_comes_as_expected_passes() -> None:
    assert played(BUSY).failures == []


@pytest.mark.parametrize(
    ("change", "failures"),
    [
        pytest.param(
            ('at = "340s"', 'at = "345s"'),
            [
                "at 345s: no mail fire of cpu_high",
                "at 340s: a mail fire (cpu_high on web-1) was not expected",
            ],
            id="a mail at another time",
        ),
        pytest.param(
            ('state = "pending", value = 95', 'state = "firing"'),
            ["at 300s: cpu_high web-1 is pending, expected firing"],
            id="another state",
        ),
        pytest.param(
            ("value = 95", "value = 96"),
            ["at 300s: cpu_high web-1 has the value 95.0, expected 96"],
            id="another value",
        ),
        pytest.param(
            (', kind = "end"', ', kind = "closed"'),
            [
                "at 440s: no mail closed",
                "at 440s: a mail end (cpu_high on web-1) was not expected",
            ],
            id="another kind of mail",
        ),
    ],
)
def test_what_comes_otherwise_fails_and_is_named(
    change: tuple[str, str], failures: list[str]
) -> None:
    assert played(BUSY.replace(*change)).failures == failures


def test_the_time_line_tells_what_happened_in_order() -> None:
    lines = list(rule_tests.time_line(played(BUSY)))
    assert lines[0].split() == ["30s", "cpu_high", "web-1:", "inactive", "->", "pending"]
    assert lines[2].split()[:3] == ["340s", "mail", "fire"]
    assert len(lines) == 8


def test_series_of_one_collector_share_reports_and_conditions_see_them() -> None:
    document = {
        "groups": {"web": ["label:role=web"]},
        "templates": {"web": {"groups": ["web"], "rules": ["filling"]}},
        "rules": {
            "filling": {
                "kind": "threshold",
                "metric": "disk.used_percent",
                "threshold": 80,
                "and": {"metric": "disk.free_bytes", "op": "<", "threshold": 100},
            }
        },
    }
    text = """
    [[test]]
    name = "both"
    labels = { role = "web" }
    interval = "60s"
    series = [
      { metric = "disk.used_percent", instance = "/", values = "90x3" },
      { metric = "disk.free_bytes", instance = "/", values = "500 99x2" },
    ]
    expect = [
      { at = "0s", rule = "filling", instance = "/", state = "inactive" },
      { at = "1m", rule = "filling", instance = "/", state = "firing", value = 90 },
    ]
    """
    assert played(text, document).failures == []
    elsewhere = played(text.replace('role = "web"', 'role = "db"'), document).failures
    assert elsewhere == ["at 60s: filling node-1 / is inactive, expected firing"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        pytest.param(('"50x2 95x40 70"', '"50y"'), '"50y" is no step', id="the notation"),
        pytest.param(('at = "9m"', 'at = "9 minutes"'), "a duration is", id="a time"),
        pytest.param(("status =", "statuses ="), 'did you mean "status"?', id="a key"),
        pytest.param(('kind = "end"', 'kind = "bang"'), "test.0.mails.1.kind", id="a kind"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_the_place(
    change: tuple[str, str], problem: str
) -> None:
    with pytest.raises(FleetError, match=problem.replace("?", r"\?")):
        played(BUSY.replace(*change))
