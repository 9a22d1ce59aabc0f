"""The pages by name, which of them a cluster of a size gets, and which one is due."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from rollcall.lcd_display import cluster_pages, node_pages
from rollcall.lcd_display.alert_pages import alert
from rollcall.lcd_display.carousel import ALERT, OVERVIEW, Carousel, Turn
from rollcall.lcd_display.hd44780 import Geometry
from rollcall.lcd_display.layout import TALL
from rollcall.lcd_display.overview import FEW_NODES, ROW_OF_NODES, overview
from rollcall.lcd_display.page import Link, LinkState, Moment, Page
from rollcall.lcd_display.snapshot import Snapshot
from rollcall.lcd_display.state_pages import boot, broker_lost, goodbye, nothing_fresh

_Lines = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """How many parts a page has (0: nothing to tell), and how one of them is drawn."""

    parts: Callable[[Geometry, Snapshot], int]
    draw: Callable[[Geometry, Snapshot, Moment, int], _Lines]


def _overview(glass: Geometry, snapshot: Snapshot, moment: Moment, _part: int) -> _Lines:
    return overview(glass, snapshot, moment)


PAGES: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        OVERVIEW: Kind(lambda _glass, _snapshot: 1, _overview),
        "detail": Kind(node_pages.detail_parts, node_pages.detail),
        "nodes": Kind(node_pages.nodes_parts, node_pages.nodes),
        "addresses": Kind(node_pages.addresses_parts, node_pages.addresses),
        "compact": Kind(node_pages.compact_parts, node_pages.compact),
        "worst": Kind(node_pages.worst_parts, node_pages.worst),
        "heat": Kind(cluster_pages.heat_parts, cluster_pages.heat),
        "histogram": Kind(lambda _glass, _snapshot: 1, cluster_pages.histogram),
        "groups": Kind(cluster_pages.groups_parts, cluster_pages.groups),
    }
)

STATES: Final = ("boot", "broker_lost", "goodbye")


def usual_pages(glass: Geometry, snapshot: Snapshot) -> tuple[str, ...]:
    """Give the pages that a cluster of this size gets where none are chosen, in their order."""
    nodes = snapshot.figures.nodes
    if len(nodes) == 1:
        return OVERVIEW, "detail"
    if len(nodes) <= FEW_NODES:
        return OVERVIEW, "nodes", "addresses"
    if len(nodes) > ROW_OF_NODES:
        return OVERVIEW, "worst", "heat", "histogram", "groups"
    listed = "compact" if node_pages.common_network(nodes) else "addresses"
    cells = () if glass.rows >= TALL else ("heat",)
    return OVERVIEW, *cells, "worst", listed


@dataclass(frozen=True, slots=True)
class Presenter:
    """Gives the page that is due on one display. `wanted` are its pages; empty: the usual ones."""

    glass: Geometry
    version: str
    wanted: Sequence[str]
    carousel: Carousel

    def page(self, snapshot: Snapshot, link: Link, moment: Moment) -> Page:
        """Choose the page that is due, and draw it."""
        alone = self._alone(snapshot, link, moment)
        if alone is not None:
            return alone
        pages = self._parts(snapshot)
        turn = self.carousel.turn(snapshot.attention.calls, pages, moment.now.monotonic_s)
        return replace(self._drawn(turn, snapshot, moment), alerting=self.carousel.alerting)

    def _alone(self, snapshot: Snapshot, link: Link, moment: Moment) -> Page | None:
        if link.state is LinkState.LOST:
            return Page("broker_lost", broker_lost(self.glass, link, moment))
        if link.state is LinkState.CONNECTING or not snapshot.figures.nodes:
            return Page("boot", boot(self.glass, link, snapshot, version=self.version))
        if snapshot.figures.is_mostly_silent:
            return Page("nothing_fresh", nothing_fresh(self.glass, snapshot))
        return None

    def _parts(self, snapshot: Snapshot) -> dict[str, int]:
        wanted = self.wanted or usual_pages(self.glass, snapshot)
        parts = {name: PAGES[name].parts(self.glass, snapshot) for name in wanted}
        return {name: count for name, count in parts.items() if count}

    def _drawn(self, turn: Turn, snapshot: Snapshot, moment: Moment) -> Page:
        calls = snapshot.attention.calls
        if turn.page == ALERT:
            place = next(i for i, call in enumerate(calls) if call.key == turn.call)
            return alert_page(self.glass, snapshot, moment, place)
        return drawn(self.glass, snapshot, moment, turn.page, turn.part)


def drawn(glass: Geometry, snapshot: Snapshot, moment: Moment, name: str, part: int = 0) -> Page:
    """Draw one part of the page called `name`; empty if there is nothing to tell, or no such part.

    The parts of `alert` are the calls.
    """
    if name == ALERT:
        return alert_page(glass, snapshot, moment, part)
    kind = PAGES[name]
    parts = kind.parts(glass, snapshot)
    lines = kind.draw(glass, snapshot, moment, part) if 0 <= part < parts else ()
    return Page(name, lines, part, parts)


def alert_page(glass: Geometry, snapshot: Snapshot, moment: Moment, place: int) -> Page:
    """Draw the page of the call at `place` of all that call; empty if there is none."""
    calls = snapshot.attention.calls
    found = 0 <= place < len(calls)
    lines = alert(glass, snapshot, moment, calls, place) if found else ()
    return Page(ALERT, lines, place, len(calls))


def state_page(glass: Geometry, link: Link, moment: Moment, name: str, *, version: str) -> Page:
    """Draw a page that tells nothing of nodes: one of `STATES`."""
    nobody = Snapshot(moment.now)
    lines = {
        "boot": lambda: boot(glass, link, nobody, version=version),
        "broker_lost": lambda: broker_lost(glass, link, moment),
        "goodbye": lambda: goodbye(glass, moment.local),
    }
    return Page(name, lines[name]())
