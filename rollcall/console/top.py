"""`rollcall top`: the cluster live, in the whole terminal."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rollcall.broker.client import BrokerClient
from rollcall.broker.cluster import Cluster, Now
from rollcall.broker.codec import DecodeError
from rollcall.broker.session import Arrived, BrokerError, Item, Lost, Ready
from rollcall.broker.topics import Kind, TopicError, Topics
from rollcall.console.gather import filters_of, now
from rollcall.console.identity import identity_of, may_read_answers
from rollcall.console.keys import Keys
from rollcall.console.marks import MARKS
from rollcall.console.options import EXIT_OUT_OF_REACH, CommandError, Options, shared
from rollcall.console.show import node_lines
from rollcall.console.summary import Row, Summary, document
from rollcall.console.top_view import Link, Wishes, header, plain, rows_of, sparkline
from rollcall.console.words import age, degrees, percent
from rollcall.dashboard.trend import Trend
from rollcall.service.settings import Broker

_REDRAW_S: Final = 1.0
_KEY_S: Final = 0.1
_PLAIN_EVERY_S: Final = 5.0
_HINT: Final = "q quit   / filter   s sort   Enter open   arrows move"


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


@click.command()
@shared
@click.pass_obj
def top(options: Options) -> None:
    """Show the cluster live: full screen in a terminal, plain lines in a pipe, --json as lines."""
    broker = options.settings().broker
    topics = Topics(broker.prefix)
    scene = Scene(topics, Cluster(hears_answers=may_read_answers(identity_of(broker))))
    with _connected(broker, topics) as client:
        if options.json:
            _tell_json(client, scene)
        elif sys.stdout.isatty() and sys.stdin.isatty():
            _fill_screen(client, scene)
        else:
            _tell_plain(client, scene)


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


def _tell_json(client: BrokerClient, scene: Scene) -> None:
    """Print a JSON document a line, one a second, for ever."""
    while True:
        _listen(client, scene, _REDRAW_S)
        moment = now()
        rows = rows_of(scene.cluster, moment, Wishes())
        told = document(Summary(rows, []), moment) | {"live": scene.link.connected}
        click.echo(json.dumps(told))


def _tell_plain(client: BrokerClient, scene: Scene) -> None:
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    _listen(client, scene, _REDRAW_S)
    while True:
        moment = now()
        rows = rows_of(scene.cluster, moment, Wishes())
        clock = time.strftime("%H:%M:%S", time.localtime(moment.wall_s))
        click.echo(f"{clock}  {header(scene.cluster, rows, scene.link, moment, unicode=unicode)}")
        for line in plain(rows, scene.trends, moment, unicode=unicode):
            click.echo(line)
        _listen(client, scene, _PLAIN_EVERY_S)


def _fill_screen(client: BrokerClient, scene: Scene) -> None:
    console = Console(highlight=False)
    wishes, drawn_s = Wishes(), 0.0
    with Keys() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            _listen(client, scene, 0.02)
            moment = now()
            rows = rows_of(scene.cluster, moment, wishes)
            key = keys.read(_KEY_S)
            if key == "q" and not wishes.typing:
                return
            if key is not None:
                wishes = wishes.after(key, rows)
                rows = rows_of(scene.cluster, moment, wishes)
            if key is not None or time.monotonic() - drawn_s >= _REDRAW_S:
                drawn_s = time.monotonic()
                live.update(_screen(console, scene, rows, wishes, moment), refresh=True)


def _screen(console: Console, scene: Scene, rows: list[Row], wishes: Wishes, moment: Now) -> Group:
    unicode = (console.encoding or "").lower().startswith("utf")
    room = max(1, console.height - 4)
    clock = time.strftime("%H:%M:%S", time.localtime(moment.wall_s))
    head = Text(f"{clock}  {header(scene.cluster, rows, scene.link, moment, unicode=unicode)}")
    head.stylize("bold" if scene.link.connected else "bold red")
    foot = Text(f"filter: {wishes.wanted}_" if wishes.typing else _HINT, style="dim")
    if not wishes.typing:
        filtered = f"   filter {wishes.wanted}" if wishes.wanted else ""
        foot.append(f"   sorted by {wishes.sort}{filtered}")
    view = scene.cluster.node(wishes.opened, moment) if wishes.opened else None
    if view is not None:
        lines = node_lines(view, moment, scene.cluster)[:room]
        return Group(head, Text("\n".join(lines)), foot)
    first = max(0, min(wishes.cursor - room // 2, len(rows) - room))
    table = _table(rows[first : first + room], wishes.cursor - first, scene, moment, unicode)
    return Group(head, table, foot)


def _table(
    rows: list[Row],
    cursor: int,
    scene: Scene,
    moment: Now,
    unicode: bool,  # noqa: FBT001 - of the terminal
) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", expand=True)
    for name in ("", "NODE", "STATE"):
        table.add_column(name, no_wrap=True)
    for name in ("CPU", "LAST 20 MINUTES", "MEM", "DISK", "TEMP", "UPTIME", "AGE"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", overflow="ellipsis", no_wrap=True, ratio=1)
    for number, row in enumerate(rows):
        mark, word, style = MARKS[row.verdict]
        temperature = degrees(row.celsius)
        table.add_row(
            Text(mark if unicode else word, style=style),
            Text(row.node),
            Text(row.verdict, style=style),
            percent(row.cpu_percent),
            sparkline(scene.trends.get(row.node), moment, unicode=unicode),
            percent(row.memory_percent),
            percent(row.disk_percent),
            temperature if unicode else temperature.replace("°", "C"),
            "-" if row.uptime_s is None else age(row.uptime_s),
            age(row.age_s),
            Text(row.remark),
            style="reverse" if number == cursor else None,
        )
    return table
