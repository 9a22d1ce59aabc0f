"""`rollcall lcd png FILE`: a page as the display would show it, as a picture."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from rollcall import __version__
from rollcall.broker.fleet import FleetError
from rollcall.console.gather import gather, now
from rollcall.console.options import CommandError, Options, shared
from rollcall.lcd_display.assembly import geometry_of, presenter
from rollcall.lcd_display.carousel import ALERT
from rollcall.lcd_display.groups import Membership
from rollcall.lcd_display.page import Link, LinkState, Moment, Page
from rollcall.lcd_display.pages import PAGES, STATES, drawn, state_page
from rollcall.lcd_display.photograph import photograph
from rollcall.lcd_display.png import COLOURS
from rollcall.lcd_display.snapshot import Snapshot, snapshot_of
from rollcall.service.settings import Broker, Settings

_STATE_OF_LINK: Final = {"broker_lost": LinkState.LOST, "boot": LinkState.CONNECTING}


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--page",
    type=click.Choice([*PAGES, ALERT, *STATES]),
    help="Which page; default: the one that is due first.",
)
@click.option("--part", type=click.IntRange(min=1), default=1, help="Which part of it, from 1.")
@click.option(
    "--colour", type=click.Choice(list(COLOURS)), default="blue", help="The colour of the glass."
)
@shared
@click.pass_obj
def png(options: Options, file: Path, page: str | None, part: int, colour: str) -> None:
    """Draw a page into FILE, as the display of the section [lcd] would show it now."""
    settings = options.settings()
    found = _page(settings, page, part - 1)
    if not found.lines:
        raise _nothing(found)
    picture = photograph(settings.lcd, found.lines, colour=colour)
    try:
        file.write_bytes(picture)
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}", "another FILE") from error
    click.echo(f"{file}: {found.name}, part {found.part + 1} of {found.parts}")


def _page(settings: Settings, name: str | None, part: int) -> Page:
    glass = geometry_of(settings.lcd)
    at = now()
    moment = Moment(at, datetime.fromtimestamp(at.wall_s, UTC).astimezone(), beat=True)
    link = _link(settings.broker, _STATE_OF_LINK.get(name or "", LinkState.CONNECTED), at.wall_s)
    if name in STATES:
        return state_page(glass, link, moment, name, version=__version__)
    snapshot = _snapshot(settings, moment)
    if name is not None and (snapshot.figures.nodes or name == ALERT):
        return drawn(glass, snapshot, moment, name, part)
    return presenter(settings.lcd, version=__version__).page(snapshot, link, moment)


def _snapshot(settings: Settings, moment: Moment) -> Snapshot:
    cluster, _ = gather(settings.broker)
    membership = Membership()
    try:
        membership.put_in_force(cluster.fleet)
    except FleetError as error:
        click.echo(f"the fleet document is passed over: {error}", err=True)
    return snapshot_of(cluster, moment.now, membership, settings.lcd.groups)


def _link(broker: Broker, state: LinkState, since: float) -> Link:
    return Link(state, broker.host, broker.port, since, 0)


def _nothing(page: Page) -> CommandError:
    if page.parts == 0:
        return CommandError(f"the page {page.name} has nothing to tell now", "--page overview")
    return CommandError(f"the page {page.name} has {page.parts} parts", f"--part {page.parts}")
