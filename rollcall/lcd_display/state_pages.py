"""Pages that stand alone, because there is nothing to tell of the nodes: and why there is not."""

from datetime import datetime

from rollcall.lcd_display import layout
from rollcall.lcd_display.hd44780 import Geometry
from rollcall.lcd_display.layout import TALL, UNKNOWN, WIDE, first_fitting, row
from rollcall.lcd_display.page import Link, LinkState, Moment
from rollcall.lcd_display.snapshot import Snapshot


def boot(glass: Geometry, link: Link, snapshot: Snapshot, *, version: str) -> tuple[str, ...]:
    """Draw what stands there before the first node is heard of."""
    connected = link.state is LinkState.CONNECTED
    way = "connected" if connected else "connecting..."
    tries = f"try {link.attempts}" if link.attempts > 1 and not connected else ""
    seen = f"{layout.nodes(0)} seen"
    if snapshot.chosen_groups:
        seen = f"no node of {', '.join(snapshot.chosen_groups)}"
    columns = glass.columns
    if glass.rows < TALL:
        short = first_fitting(columns, f"connecting {tries}") if tries else way
        return row(columns, f"Rollcall {version}"), row(columns, seen if connected else short)
    return (
        row(columns, f"Rollcall {version}"),
        row(columns, first_fitting(columns, f"broker {link.host}", _end(link.host, columns))),
        row(columns, way, tries if columns >= WIDE else ""),
        row(columns, seen if columns >= WIDE or not tries else tries),
    )


def broker_lost(glass: Geometry, link: Link, moment: Moment) -> tuple[str, ...]:
    """Draw the loss of the broker: no values."""
    columns = glass.columns
    title = row(columns, "BROKER LOST", layout.duration(link.lasted_s))
    next_s = None if link.next_s is None else max(round(link.next_s), 0)
    if glass.rows < TALL:
        due = "" if next_s is None else f", next {next_s}s"
        since = f"since {moment.time_of(link.since):%H:%M:%S}"
        return title, row(columns, f"try {link.attempts}{due}" if link.attempts else since)
    port = f":{link.port}"
    due = "" if next_s is None else f" next in {next_s}s"
    tries = first_fitting(columns, f"try {link.attempts}{due}", f"try {link.attempts}")
    return (
        title,
        row(columns, _end(link.host, columns - len(port)) + port),
        row(columns, f"since {moment.time_of(link.since):%H:%M:%S}"),
        row(columns, tries if link.attempts else ""),
    )


def nothing_fresh(glass: Geometry, snapshot: Snapshot) -> tuple[str, ...]:
    """Draw that most of the cluster is silent."""
    figures, columns = snapshot.figures, glass.columns
    ages_s = [node.view.age_s for node in figures.nodes if node.view.age_s is not None]
    newest = layout.age(min(ages_s)) if ages_s else UNKNOWN
    silent, total = layout.count(len(figures.silent)), layout.count(len(figures.nodes))
    cpu, ram = layout.percent(figures.cpu_total_percent), layout.percent(figures.memory_percent)
    nodes = layout.nodes(len(figures.nodes))
    title = "?? NO FRESH DATA  ??" if columns >= WIDE else "? NO FRESH DATA"
    if glass.rows < TALL:
        stale = first_fitting(
            columns - len(newest) - 1, f"{silent}/{total} stale", f"{silent}/{total} old"
        )
        return row(columns, title), row(columns, stale.ljust(11), f"{newest} ")
    return (
        row(columns, title),
        row(columns, "newest report" if columns >= WIDE else "newest", newest),
        row(
            columns, first_fitting(columns, f"{silent} of {nodes} stale", f"{silent}/{total} stale")
        ),
        row(columns, f"CPU {cpu:>4}   RAM {ram:>4}" if columns >= WIDE else f"C{cpu:>4} R{ram:>4}"),
    )


def goodbye(glass: Geometry, local: datetime) -> tuple[str, ...]:
    """Draw what stays on the glass when nobody writes to it any more."""
    columns = glass.columns
    if glass.rows < TALL:
        when = f"{local:%Y-%m-%d %H:%M:%S}" if columns >= WIDE else f"{local:%m-%d %H:%M}"
        return row(columns, "DISPLAY STOPPED"), row(columns, when)
    return (
        row(columns, "DISPLAY STOPPED"),
        row(
            columns, f"{local:%Y-%m-%d %H:%M:%S}" if columns >= WIDE else f"{local:%Y-%m-%d %H:%M}"
        ),
        row(columns, "not live any more" if columns >= WIDE else "not live now"),
        row(columns, ""),
    )


def _end(host: str, width: int) -> str:
    """Keep the end of a long address: that is what differs."""
    return host[-width:]
