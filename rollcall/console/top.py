"""`rollcall top`: the cluster live, in the whole terminal."""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import click
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rollcall.broker.client import BrokerClient
from rollcall.broker.cluster import Cluster
from rollcall.broker.codec import DecodeError
from rollcall.broker.node_view import Now
from rollcall.broker.session import Arrived, BrokerError, Item, Lost, Ready
from rollcall.broker.topics import Kind, TopicError, Topics
from rollcall.console.gather import filters_of, now
from rollcall.console.identity import identity_of, may_read_answers
from rollcall.console.keys import Keys
from rollcall.console.marks import MARKS
from rollcall.console.options import EXIT_OUT_OF_REACH, CommandError, Options, shared
from rollcall.console.recording import RECORDING, recording_of
from rollcall.console.row_numbers import numbers
from rollcall.console.show import node_lines
from rollcall.console.summary import Row, Summary, document
from rollcall.console.terminal import console, has_shapes, is_live
from rollcall.console.top_past import Database, Past
from rollcall.console.top_past import node_lines as recorded_lines
from rollcall.console.top_view import (
    Link,
    Wishes,
    arranged,
    header,
    header_of_database,
    header_of_past,
    plain,
    rows_of,
    sparkline,
)
from rollcall.console.words import age
from rollcall.dashboard.trend import Trend
from rollcall.service.settings import Broker

_REDRAW_S: Final = 1.0
_KEY_S: Final = 0.1
_PLAIN_EVERY_S: Final = 5.0
_HINT: Final = "q quit   / filter   s sort   Enter open   arrows move   [ ] time ({ } by hours)"
_NO_TRENDS: Final[Mapping[str, Trend]] = MappingProxyType({})


@dataclass(slots=True)
class Scene:
    """What was heard: the cluster, the last minutes of each node, and our own way to the broker."""

    topics: Topics
    cluster: Cluster = field(default_factory=Cluster)
    trends: dict[str, Trend] = field(default_factory=dict)
    link: Link = field(default_factory=lambda: Link(False, time.time(), "connecting"))

    def take(self, item: Item, at: Now) -> None:
        """Take in what came; what cannot be read is passed over."""
        match item:
            case Ready():
                self.cluster.connected(at)
                self.link = Link(True, at.wall_s)
            case Lost(reason):
                since = self.link.since if not self.link.connected else at.wall_s
                self.link = Link(False, since, reason)
            case Arrived():
                try:
                    self._fold(item, at)
                except (TopicError, DecodeError):
                    return

    def _fold(self, arrived: Arrived, at: Now) -> None:
        address = self.topics.parse(arrived.topic)
        self.cluster.fold(address, arrived.payload, replayed=arrived.replayed, now=at)
        if address.kind is not Kind.METRICS or address.leaf != "cpu" or arrived.replayed:
            return
        view = self.cluster.node(address.name, at)
        value = view.value("cpu.percent", at) if view else None
        if value is not None:
            self.trends.setdefault(address.name, Trend()).take(value.number, at.wall_s)


@dataclass(frozen=True, slots=True)
class Shown:
    """One frame: its first line, its rows, and where they come from.

    `past` is None for the live cluster; its trends are told of nothing else.
    """

    head: str
    rows: list[Row]
    past: Past | None
    trends: Mapping[str, Trend]
    live: bool


def shown(scene: Scene, database: Database, wishes: Wishes, at: Now, *, unicode: bool) -> Shown:
    """Choose what is shown: the past that was asked for, the cluster, else what is known last."""
    if wishes.at is not None:
        past = database.then(wishes.at)
        rows = arranged(past.rows, wishes)
        head = header_of_past(rows, wishes.at, at, unicode=unicode)
        return Shown(f"{head}   {past.failure}".rstrip(), rows, past, _NO_TRENDS, live=False)
    if not scene.link.connected and not scene.cluster.nodes(at):
        past = database.last(at.wall_s)
        rows = arranged(past.rows, wishes)
        head = header_of_database(rows, scene.link, at, unicode=unicode)
        return Shown(f"{head}   {past.failure}".rstrip(), rows, past, _NO_TRENDS, live=False)
    rows = rows_of(scene.cluster, at, wishes)
    recording = database.dated(recording_of(scene.cluster.services))
    head = header(scene.cluster, rows, scene.link, at, unicode=unicode, recording=recording)
    return Shown(head, rows, None, scene.trends, live=scene.link.connected)


@click.command()
@shared
@click.pass_obj
def top(options: Options) -> None:
    """Show the cluster live: full screen in a terminal, plain lines in a pipe, --json as lines."""
    settings = options.settings()
    topics = Topics(settings.broker.prefix)
    hears_answers = may_read_answers(identity_of(settings.broker))
    scene = Scene(topics, Cluster(hears_answers=hears_answers))
    database = Database(settings.recorder.database)
    with _connected(settings.broker, topics) as client:
        if options.json:
            _tell_json(client, scene, database)
        elif is_live() and sys.stdin.isatty():
            _fill_screen(client, scene, database)
        else:
            _tell_plain(client, scene, database)


@contextmanager
def _connected(broker: Broker, topics: Topics) -> Iterator[BrokerClient]:
    try:
        with BrokerClient(broker, client_id="", subscriptions=filters_of(topics)) as client:
            yield client
    except BrokerError as error:
        raise CommandError(str(error), "rollcall config", EXIT_OUT_OF_REACH) from error


def _listen(client: BrokerClient, scene: Scene, for_s: float) -> None:
    """Take in what comes within `for_s` seconds."""
    until_s = time.monotonic() + for_s
    while (left_s := until_s - time.monotonic()) > 0:
        item = client.receive(left_s)
        if item is not None:
            scene.take(item, now())


def _tell_json(client: BrokerClient, scene: Scene, database: Database) -> None:
    """Print a JSON document a line, one a second, for ever."""
    while True:
        _listen(client, scene, _REDRAW_S)
        moment = now()
        frame = shown(scene, database, Wishes(), moment, unicode=True)
        source = "broker" if frame.past is None else "database"
        recording = RECORDING
        if frame.past is None:
            recording = database.dated(recording_of(scene.cluster.services))
        told = document(Summary(frame.rows, [], recording), moment, source)
        click.echo(json.dumps(told | {"live": frame.live}))


def _tell_plain(client: BrokerClient, scene: Scene, database: Database) -> None:
    unicode = has_shapes()
    _listen(client, scene, _REDRAW_S)
    while True:
        moment = now()
        frame = shown(scene, database, Wishes(), moment, unicode=unicode)
        clock = time.strftime("%H:%M:%S", time.localtime(moment.wall_s))
        click.echo(f"{clock}  {frame.head}")
        trends = None if frame.past else frame.trends
        for line in plain(frame.rows, trends, moment, unicode=unicode):
            click.echo(line)
        _listen(client, scene, _PLAIN_EVERY_S)


def _fill_screen(client: BrokerClient, scene: Scene, database: Database) -> None:
    # Asked before the terminal is taken over, which hides its encoding.
    screen, unicode = console(), has_shapes()
    wishes, drawn_s = Wishes(), 0.0
    with Keys() as keys, Live(console=screen, screen=True, auto_refresh=False) as live:
        while True:
            _listen(client, scene, 0.02)
            key = keys.read(_KEY_S)
            if key == "q" and not wishes.typing:
                return
            moment = now()
            if key is not None or time.monotonic() - drawn_s >= _REDRAW_S:
                drawn_s = time.monotonic()
                frame = shown(scene, database, wishes, moment, unicode=unicode)
                if key is not None:
                    wishes = wishes.after(key, frame.rows).travelled(key, moment.wall_s)
                    frame = shown(scene, database, wishes, moment, unicode=unicode)
                picture = _screen(screen.height, scene, frame, wishes, moment, unicode=unicode)
                live.update(picture, refresh=True)


def _screen(
    height: int, scene: Scene, frame: Shown, wishes: Wishes, moment: Now, *, unicode: bool
) -> Group:
    room = max(1, height - 4)
    clock = time.strftime("%H:%M:%S", time.localtime(moment.wall_s))
    head = Text(f"{clock}  {frame.head}", no_wrap=True, overflow="ellipsis")
    head.stylize("bold" if frame.live else "bold red" if wishes.at is None else "bold reverse")
    foot = Text(f"filter: {wishes.wanted}_" if wishes.typing else _HINT, style="dim")
    if not wishes.typing:
        filtered = f"   filter {wishes.wanted}" if wishes.wanted else ""
        foot.append(f"   sorted by {wishes.sort}{filtered}")
    opened = _opened(scene, frame, wishes.opened, moment) if wishes.opened else []
    if opened:
        return Group(head, Text("\n".join(opened[:room])), foot)
    first = max(0, min(wishes.cursor - room // 2, len(frame.rows) - room))
    rows = frame.rows[first : first + room]
    table = _table(rows, wishes.cursor - first, frame, moment, unicode=unicode)
    return Group(head, table, foot)


def _opened(scene: Scene, frame: Shown, node: str, moment: Now) -> list[str]:
    """Give all that is known of a node, from where the frame comes from; nothing: it is gone."""
    if frame.past is not None:
        at = frame.past.at
        return [
            line for row in frame.past.rows if row.node == node for line in recorded_lines(row, at)
        ]
    view = scene.cluster.node(node, moment)
    return [] if view is None else node_lines(view, moment, scene.cluster)


def _table(rows: list[Row], cursor: int, frame: Shown, moment: Now, *, unicode: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", expand=True)
    for name in ("", "NODE", "STATE"):
        table.add_column(name, no_wrap=True)
    trend = "LAST 20 MINUTES" if frame.past is None else ""
    for name in ("CPU", trend, "MEM", "DISK", "TEMP", "UPTIME", "AGE"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", overflow="ellipsis", no_wrap=True, ratio=1)
    for number, row in enumerate(rows):
        mark, word, style = MARKS[row.verdict]
        cpu, *others = numbers(row, unicode=unicode)
        drawn = sparkline(frame.trends.get(row.node), moment, unicode=unicode)
        table.add_row(
            Text(mark if unicode else word, style=style),
            Text(row.node),
            Text(row.verdict, style=style),
            cpu,
            drawn if frame.past is None else "",
            *others,
            age(row.age_s),
            Text(row.remark),
            style="reverse" if number == cursor else None,
        )
    return table
