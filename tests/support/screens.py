"""Every page at every size of glass and number of nodes, drawn from the scenes.

`python -m tests.support.screens` writes the golden files anew: look at the difference before you
commit it.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from rollcall.lcd_display.carousel import Carousel
from rollcall.lcd_display.hd44780 import SIZES, Geometry
from rollcall.lcd_display.page import Link, LinkState, Page
from rollcall.lcd_display.pages import PAGES, Presenter, alert_page, drawn
from rollcall.lcd_display.snapshot import Snapshot
from rollcall.lcd_display.state_pages import goodbye
from tests.support import scenes
from tests.support.scenes import CONNECTED, LOCAL, MOMENT, NOW, WALL_S, Scene

GOLDEN: Final = Path(__file__).parents[1] / "golden" / "screens"

LOST: Final = Link(LinkState.LOST, "192.168.1.2", 1883, WALL_S - 372, 372, 12, 8)
NEW: Final = Link(LinkState.CONNECTING, "192.168.1.2", 1883, WALL_S, 0)
CLUSTERS: Final[Mapping[str, Callable[[], Scene]]] = MappingProxyType(
    {
        "1": scenes.one_node,
        "5": scenes.five_nodes,
        "5_one_silent": scenes.five_nodes_one_silent,
        "5_held_back": scenes.held_back,
        "20": scenes.twenty_nodes,
        "200": scenes.two_hundred_nodes,
        "2000": scenes.two_thousand_nodes,
    }
)
_CALLING: Final = "5_calling"


@cache
def snapshot_of_cluster(name: str) -> Snapshot:
    """The cluster called `name`, taken once: drawing changes nothing."""
    scene = scenes.five_nodes_calling if name == _CALLING else CLUSTERS[name]
    return scene().snapshot()


def present(glass: Geometry, snapshot: Snapshot, link: Link = CONNECTED) -> Page:
    """The page that is due first."""
    return Presenter(glass, "1.0.0", (), Carousel()).page(snapshot, link, MOMENT)


def _drawings() -> Iterator[tuple[str, Callable[[], tuple[str, ...]]]]:
    for size, glass in SIZES.items():
        yield from _states(size, glass)
        for cluster in CLUSTERS:
            for page in PAGES:
                for which in ("first", "last"):
                    name = f"{size}/{cluster}/{page}/{which}"
                    yield name, partial(_part, glass, cluster, page, last=which == "last")


def _part(glass: Geometry, cluster: str, page: str, *, last: bool) -> tuple[str, ...]:
    """Draw the first or last part of a page; nothing where a page has none, or one part only."""
    snapshot = snapshot_of_cluster(cluster)
    parts = PAGES[page].parts(glass, snapshot)
    if parts == 0 or (last and parts == 1):
        return ()
    return drawn(glass, snapshot, MOMENT, page, parts - 1 if last else 0).lines


def _states(size: str, glass: Geometry) -> Iterator[tuple[str, Callable[[], tuple[str, ...]]]]:
    nobody = Snapshot(NOW)
    yield f"{size}/states/boot", lambda: present(glass, nobody, NEW).lines
    yield f"{size}/states/connected", lambda: present(glass, nobody).lines
    yield f"{size}/states/broker_lost", lambda: present(glass, nobody, LOST).lines
    yield f"{size}/states/nothing_fresh", lambda: present(glass, scenes.silent().snapshot()).lines
    yield f"{size}/states/goodbye", lambda: goodbye(glass, LOCAL)
    names = ("critical", "lost", "warning", "acknowledged")
    for place, name in enumerate(names):
        yield f"{size}/states/alert_{name}", partial(_alert, glass, place)


def _alert(glass: Geometry, place: int) -> tuple[str, ...]:
    return alert_page(glass, snapshot_of_cluster(_CALLING), MOMENT, place).lines


# Each is drawn once: drawing a page of two thousand nodes is not free.
SCREENS: Final[Mapping[str, Callable[[], tuple[str, ...]]]] = MappingProxyType(
    {name: once for name, draw in _drawings() if (once := cache(draw))()}
)


def geometry_of_screen(name: str) -> Geometry:
    """The glass that a screen is for."""
    return SIZES[name.partition("/")[0]]


@cache
def golden_texts() -> Mapping[Path, str]:
    """Every golden file with its content: the screens of one glass and one cluster."""
    texts: dict[Path, str] = {}
    for name, draw in SCREENS.items():
        size, cluster, title = name.split("/", 2)
        file = GOLDEN / size / f"{cluster}.txt"
        rows = "".join(f"|{line}|\n" for line in draw())
        texts[file] = texts.get(file, "") + f"{title.removesuffix('/first')}\n{rows}"
    return MappingProxyType(texts)


if __name__ == "__main__":
    for file, text in golden_texts().items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
