"""What may be set for a collector, and reading it: at the start, and again while it runs.

Every collector has a model of its options, `Options` or a subclass beside the collector, named in
its declaration (`Declaration.options`). Options are frozen: they are compared to see what changed.

How the parts meet:

* Whoever merges settings ends up with tables `{collector: {option: value}}`; `read` makes options
  of them. A key that is wrong keeps the value in force, is named in a problem, and hinders no
  other; so a document with one mistake still applies.
* `collectors.sources(account)` gives the built-in collectors as `Source`s (a declaration, and how
  to make a collector of options). Plug-ins are further `Source`s in the same list.
* `Collection(host, sources, account).apply(options)` makes what is switched on. Called again, it
  makes anew only those collectors whose own options changed; the state of all others stays.
* `Schedule.change` puts intervals and sample times into force; `Schedule.drop` ends a collector.
"""

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Final, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    ValidationInfo,
    field_validator,
)

_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)")
_SECONDS_IN: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def _seconds(written: object) -> object:
    if not isinstance(written, str):
        return written
    found = _DURATION.fullmatch(written)
    if found is None:
        raise ValueError('a time is seconds, or a number and a unit, such as "10s" or "5m"')
    seconds = float(found[1]) * _SECONDS_IN[found[2]]
    return int(seconds) if seconds.is_integer() else seconds


Interval = Annotated[int, BeforeValidator(_seconds), Field(ge=1, le=21_600)]
Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0)]
Patterns = tuple[Annotated[str, Field(min_length=1, max_length=255)], ...]


def fits(name: str, patterns: Patterns) -> bool:
    """Say whether one of `patterns` fits the whole of a name."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


class Options(BaseModel):
    """What every collector has. `interval` in whole seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    enabled: bool = Field(True, strict=True, description="whether it runs")
    interval: Interval = Field(description="time between reports")

    @property
    def sample_s(self) -> float | None:
        """Seconds between samples within the interval, where there are any."""
        return None

    @property
    def timeout_s(self) -> float:
        """Seconds after which a reading that may hang is given up."""
        return min(10.0, float(self.interval))

    def makes_same_as(self, other: Self) -> bool:
        """Say whether a collector made of these need not be made anew for `other`."""
        scheduling = {"enabled", "interval", "sample", "timeout"}
        return self.model_dump(exclude=scheduling) == other.model_dump(exclude=scheduling)


class SampledOptions(Options):
    """For a collector that can read faster than it reports; see `peaks`."""

    sample: Seconds | None = Field(
        None, description="read this often within the interval, and report the extremes"
    )

    @field_validator("sample")
    @classmethod
    def _fits_into_the_interval(cls, sample: float | None, info: ValidationInfo) -> float | None:
        interval = info.data.get("interval")
        if sample is not None and interval is not None and not 0.5 <= sample <= interval / 2:  # noqa: PLR2004 - said in the message
            raise ValueError("goes from 0.5 s to half the interval")
        return sample

    @property
    def sample_s(self) -> float | None:
        """Seconds between samples within the interval, where there are any."""
        return self.sample


class BlockingOptions(Options):
    """For a collector that may hang and therefore runs apart."""

    timeout: Annotated[float, BeforeValidator(_seconds), Field(ge=0.1, le=3600)] | None = Field(
        None, description="give a reading up after this time; default: the interval, at most 10 s"
    )

    @property
    def timeout_s(self) -> float:
        """Seconds after which a reading is given up."""
        return super().timeout_s if self.timeout is None else self.timeout


def read(
    kinds: Mapping[str, type[Options]],
    tables: Mapping[str, Mapping[str, JsonValue]],
    *,
    intervals: Mapping[str, int],
    in_force: Mapping[str, Options] | None = None,
) -> tuple[dict[str, Options], list[str]]:
    """Make options for every collector of `kinds`; give them, and what was wrong in `tables`.

    `intervals` are the seconds of those that name none. What a table does not say has its default;
    a key that is wrong has the value `in_force`, else its default.
    """
    problems = [
        f"collectors.{_shown(name)}: unknown collector{_nearest(name, kinds)}"
        for name in tables
        if name not in kinds
    ]
    before = in_force or {}
    options = {}
    for name, kind in kinds.items():
        options[name], faults = _read_one(
            kind, {"interval": intervals[name]}, tables.get(name, {}), before.get(name)
        )
        problems += [f"collectors.{name}.{fault}" for fault in faults]
    return options, problems


def _read_one(
    kind: type[Options],
    defaults: Mapping[str, JsonValue],
    table: Mapping[str, JsonValue],
    in_force: Options | None,
) -> tuple[Options, list[str]]:
    """Validate a table; wrong keys take the value in force, and if that fits no more, none."""
    kept = {} if in_force is None else in_force.model_dump(mode="json", exclude_unset=True)
    known = {key: value for key, value in table.items() if key in kind.model_fields}
    values = {**defaults, **known}
    problems = {
        key: f"{_shown(key)}: unknown option{_nearest(key, kind.model_fields)}"
        for key in table
        if key not in known
    }
    for fallback in (kept, defaults):
        try:
            return kind.model_validate(values), list(problems.values())
        except ValidationError as error:
            for fault in error.errors(include_url=False, include_input=False):
                key = str(fault["loc"][0])
                text = fault["msg"].removeprefix("Value error, ")
                problems.setdefault(key, f"{_path(fault['loc'])}: {text}")
                values.pop(key, None)
                if key in fallback:
                    values[key] = fallback[key]
    return kind.model_validate(values), list(problems.values())


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(_shown(str(part)) for part in location if part != "[key]")


def _shown(name: str) -> str:
    return ascii(name)[1:-1][:80]


def _nearest(name: str, known: Iterable[str]) -> str:
    # Imported for those who make a mistake.
    from difflib import get_close_matches  # noqa: PLC0415 - see above

    near = get_close_matches(name[:80], list(known), n=1, cutoff=0.5)
    return f'; did you mean "{near[0]}"?' if near else ""
