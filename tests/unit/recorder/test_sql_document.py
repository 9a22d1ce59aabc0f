"""docs/sql.md: every view and column is described, and every question is answered as it says."""

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rollcall.recorder.findings import Intake
from rollcall.recorder.queries import reading
from rollcall.recorder.rollups import close_oldest
from rollcall.recorder.views import PUBLIC
from tests.support.database import EPOCH, ask, birth, end, filled, message, report

DOCUMENT = (Path(__file__).parents[3] / "docs/sql.md").read_text("utf-8")
QUESTIONS = dict(re.findall(r"\n([^\n]+\?)\n```sql\n(.*?)\n```", DOCUMENT, re.DOTALL))
HOUR_MS = 3_600_000
COLUMNS = {
    "nodes": "node state reason since last_seen silent_seconds address model os agent groups "
    "description",
    "series": "series_id node metric instance unit kind first_ts last_ts",
    "samples": "node metric instance time ts value unit",
    "latest": "node metric instance time ts age_seconds value unit state",
    "minutely": "node metric instance time ts min avg max last samples unit",
    "hourly": "node metric instance time ts min avg max last samples unit",
    "daily": "node metric instance time ts min avg max last samples unit",
    "availability": "node state reason time ts until_ts seconds",
    "gaps": "node epoch first_seq last_seq reports state",
    "events": "node time ts kind source detail",
    "alert_history": "node rule instance state severity time ts value summary incident",
    "rejected": "time ts topic reason error times payload",
    "fleet_history": "revision time ts digest document",
}


def text(ts: int) -> str:
    seconds, ms = divmod(ts, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{ms:03}Z"


def story(now_ms: int) -> list[Intake]:
    """pi-3 lives and restarts; pi-4 ran for a day and vanished half a day ago."""
    gone_ms = now_ms - 12 * HOUR_MS
    alert = {
        "state": "firing", "severity": "critical", "since": 5, "evaluated": now_ms / 1000,
        "summary": "disk / is 97 % full", "instances": {"/": {"state": "firing", "since": 5}},
    }  # fmt: skip
    reboot = {"epoch": EPOCH, "seq": 9, "time": now_ms / 1000, "kind": "reboot"}
    disks = {"/": {"used_percent": 97}, "/boot": {"used_percent": 20}}
    return [
        message("node/pi-3/status", birth(now_ms - 2 * HOUR_MS), now_ms),
        *_readings(now_ms, "pi-3", "cpu", "percent", [(-30 * HOUR_MS, 99), (-60_000, 10), (0, 20)]),
        *_readings(now_ms, "pi-3", "temperature", "celsius", [(-60_000, 50), (0, 60)], first=4),
        message("node/pi-3/metrics/disk", report(6, now_ms, {}, instances=disks), now_ms),
        message("node/pi-3/event", reboot, now_ms),
        message("alert/pi-3/disk_full", alert, now_ms),
        message("node/pi-3/info", b"what", now_ms),
        message("node/pi-4/status", birth(gone_ms - 12 * HOUR_MS), gone_ms),
        message("node/pi-4/status", end("lost"), gone_ms + 40_000),
    ]


def _readings(
    now_ms: int,
    node: str,
    collector: str,
    name: str,
    readings: list[tuple[int, float]],
    *,
    first: int = 1,
) -> list[Intake]:
    topic = f"node/{node}/metrics/{collector}"
    return [
        message(topic, report(seq, now_ms + at, {name: value}), now_ms)
        for seq, (at, value) in enumerate(readings, first)
    ]


def answers(now_ms: int) -> dict[str, list[tuple[Any, ...]]]:
    """What each question of the document is to be answered with."""
    return {
        "How is pi-3 right now?": [
            ("cpu.percent", "", 20, "percent"),
            ("disk.used_percent", "/", 97, "percent"),
            ("disk.used_percent", "/boot", 20, "percent"),
            ("temperature.celsius", "", 60, "celsius"),
        ],
        "Who is not there, and since when?": [
            ("pi-4", "offline", "lost", text(now_ms - 12 * HOUR_MS))
        ],
        "What did the processor of pi-3 do in the last 24 hours?": [
            (text(now_ms - 60_000), 10),
            (text(now_ms), 20),
        ],
        "How hot did each node get, and how warm is it on average?": [("pi-3", 60, 55)],
        "Which disks are nearly full?": [("pi-3", "/", 97)],
        "How did the processor of pi-3 fare over the last week?": [
            (text((now_ms - 30 * HOUR_MS) // HOUR_MS * HOUR_MS), 99, 99)
        ],
        "What share of the last 30 days was each node online?": [
            ("pi-3", pytest.approx(100)),
            ("pi-4", pytest.approx(50, abs=0.1)),
        ],
        "Which nodes restarted?": [("pi-3", text(now_ms))],
        "Is anything missing?": [("pi-3", 7, 8, 2)],
        "What fired, and when?": [
            ("pi-3", "disk_full", "/", "firing", text(now_ms), "disk / is 97 % full")
        ],
        "What was refused, and why?": [(text(now_ms), "rollcall/v1/node/pi-3/info", 1)],
    }


@pytest.fixture(scope="module")
def now_ms() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]
)
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, now_ms: int
) -> Iterator[str]:
    with ExitStack() as opened:
        url = f"sqlite:///{tmp_path_factory.mktemp('sql') / 'rollcall.db'}"
        if request.param == "postgresql":
            server = request.getfixturevalue("postgresql")
            url = opened.enter_context(server.databases())()
        store = opened.enter_context(filled(url, story(now_ms)))
        while store.apply(lambda connection: close_oldest(connection, now_ms)):
            pass
        yield url


def spelled(question: str, url: str) -> str:
    """A question as the document says it is written on PostgreSQL."""
    if url.startswith("sqlite"):
        return question
    return question.replace("unixepoch()", "CAST(extract(epoch FROM now()) AS bigint)")


def plan_of(question: str, url: str) -> list[str]:
    if url.startswith("sqlite"):
        return [step for *_, step in ask(url, f"EXPLAIN QUERY PLAN {question}")]
    with psycopg.connect(url) as asking:
        # A handful of rows is read faster without an index; what matters is that it can be used.
        asking.execute("SET enable_seqscan = off")
        plan = asking.execute(f"EXPLAIN {spelled(question, url)}".encode()).fetchall()
        return [step for (step,) in plan]


def test_there_is_an_answer_for_every_question() -> None:
    assert set(QUESTIONS) == set(answers(0))
    assert len(QUESTIONS) >= 10


@pytest.mark.parametrize("question", answers(0))
def test_the_question(database: str, now_ms: int, question: str) -> None:
    answer = ask(database, spelled(QUESTIONS[question], database))
    if question == "How is pi-3 right now?":
        assert all(0 <= age < 60 for *_, age in answer)
        answer = [row[:-1] for row in answer]
    if question == "What was refused, and why?":
        assert all("expected value" in error for _, _, error, _ in answer)
        answer = [(at, topic, times) for at, topic, _, times in answer]
    if question == "How did the processor of pi-3 fare over the last week?":
        assert sum(row[2] for row in answer) >= 119  # whichever hours they fell into
        answer = [answer[0]]
    assert answer == answers(now_ms)[question]


# Tables that grow for ever; aliases as the views give them. The rest has a row for each node.
GROWING = {"x", "r", "z", "w", "e", "sample", "sealed", "newest", "rollup_hour", "event"}


@pytest.mark.parametrize("question", sorted(answers(0)))
def test_the_question_is_answered_through_an_index(database: str, question: str) -> None:
    plan = plan_of(QUESTIONS[question], database)
    if database.startswith("sqlite"):
        whole = {
            step.split()[1] for step in plan if step.startswith("SCAN") and "INDEX" not in step
        }
    else:
        whole = set(re.findall(r"Seq Scan on \S+ (\S+)", "\n".join(plan)))
    assert whole & GROWING == set(), plan


def test_the_samples_of_one_series_are_found_by_the_index(database: str) -> None:
    plan = plan_of(QUESTIONS["What did the processor of pi-3 do in the last 24 hours?"], database)
    if database.startswith("sqlite"):
        found = {step for step in plan if step.startswith("SEARCH x USING PRIMARY KEY")}
        assert {step.partition("(")[2][:9] for step in found} == {"ANY(slice", "series_id"}, plan
    else:
        assert re.search(r"Index Cond: \(\(series_id = .*ts > ", "\n".join(plan)), plan


def test_the_views_have_the_columns_that_were_promised(database: str) -> None:
    found = {}
    with reading(database) as engine, engine.connect() as connection:
        for view in PUBLIC:
            found[view] = list(connection.exec_driver_sql(f"SELECT * FROM {view}").keys())
    assert found == {view: columns.split() for view, columns in COLUMNS.items()}


@pytest.mark.parametrize("view", PUBLIC)
def test_every_column_is_described(view: str) -> None:
    described = DOCUMENT.partition("## Questions")[0]
    missing = [name for name in COLUMNS[view].split() if f"`{name}`" not in described]
    assert (view in described, missing) == (True, [])
