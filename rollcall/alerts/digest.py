"""The digest: one letter for all that had to wait, because of the rate or for its hour."""

from collections.abc import Sequence
from typing import Final

from rollcall.alerts import wording
from rollcall.alerts.delivery import Hold
from rollcall.alerts.letter import MAX_ROWS, Letter, Row, Section, Tone
from rollcall.alerts.notice import Gist

_WORDS: Final = {"h": "hour", "m": "minute", "s": "second", "d": "day"}


def digest_letter(gists: Sequence[Gist], hold: Hold, max_rate: str, at: float) -> Letter:
    """Write the digest of what each incident would have told last; at least one."""
    rules = sorted({gist.rule for gist in gists})
    firing, over = sum(gist.firing for gist in gists), sum(gist.over for gist in gists)
    total = firing + over
    title = f"{rules[0] if len(rules) == 1 else 'several rules'}"
    rows = [_row(gist, at) for gist in sorted(gists, key=lambda gist: (-gist.firing, gist.at))]
    return Letter(
        state=f"DIGEST {total}",
        tone=_tone(gists),
        title=title,
        headline=f"{total} alert{'' if total == 1 else 's'}, {_why(hold, max_rate)}: "
        f"{firing} firing, {over} over.",
        sections=(Section("Since (UTC)", tuple(rows[:MAX_ROWS]), max(len(rows) - MAX_ROWS, 0)),),
        commands=(("All of them", "rollcall alerts list --all"),),
    )


def _why(hold: Hold, max_rate: str) -> str:
    if hold is Hold.DAILY:
        return "the digest of the day"
    count, _, unit = max_rate.partition("/")
    return f"more than {count} mails {'an' if unit == 'h' else 'a'} {_WORDS[unit]}"


def _row(gist: Gist, at: float) -> Row:
    place = f"{wording.clean(gist.rule)} on {wording.clean(gist.scope)}"
    return Row(wording.clock(gist.at, at), place, wording.printable(gist.text))


def _tone(gists: Sequence[Gist]) -> Tone:
    firing = {gist.severity for gist in gists if gist.firing}
    tones: tuple[Tone, ...] = ("critical", "warning", "info")
    return next((tone for tone in tones if tone in firing), "over")
