"""Peaks: what a number was between two reports, so that a short spike is not lost.

A collector that samples is read more often than it reports. Beside the plain field, which keeps
its meaning (the last value, or the mean of the interval for rates and shares), stand its least,
mean and greatest sample as `min_`, `avg_` and `max_` fields: prefixes, so that the unit stays last.
Rates and shares have no `avg_`: the plain field is their mean. Pure.
"""

from dataclasses import dataclass, field, replace

from rollcall.node_agent.collectors.declaration import Declaration, Field, Found, Number

_ByName = dict[str, list[float]]


def with_peaks(declared: Declaration) -> Declaration:
    """Give the declaration of a collector that samples: with the fields of its peaks."""
    return replace(
        declared,
        fields=_expanded(declared.fields),
        instance_fields=_expanded(declared.instance_fields),
    )


def _expanded(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    words = {"min": "least", "avg": "mean", "max": "greatest"}
    return tuple(
        each
        for plain in fields
        for each in (
            plain,
            *(
                Field(
                    f"{peak}_{plain.name}",
                    f"{words[peak]} sample of `{plain.name}` in the interval",
                    plain.unit,
                    plain.kind,
                )
                for peak in plain.peaks
            ),
        )
    )


@dataclass(slots=True)
class Peaks:
    """Collects the samples of one interval."""

    declared: Declaration
    _fields: _ByName = field(default_factory=dict)
    _instances: dict[str, _ByName] = field(default_factory=dict)

    def add(self, sample: Found) -> None:
        """Take in a sample."""
        _append(self._fields, sample.fields or {}, self.declared.fields)
        for name, values in (sample.instances or {}).items():
            kept = self._instances.setdefault(name, {})
            _append(kept, values, self.declared.instance_fields)

    def close(self, found: Found) -> Found:
        """Give what was found at the end of the interval with its peaks; begin a new interval.

        An instance that is no longer there has none.
        """
        fields, instances = self._fields, self._instances
        self._fields, self._instances = {}, {}
        return replace(
            found,
            fields=_widened(found.fields, fields, self.declared.fields),
            instances=None
            if found.instances is None
            else {
                name: _widened(values, instances.get(name, {}), self.declared.instance_fields) or {}
                for name, values in found.instances.items()
            },
        )


def _append(kept: _ByName, values: dict[str, Number], declared: tuple[Field, ...]) -> None:
    for each in declared:
        if each.peaks and each.name in values:
            kept.setdefault(each.name, []).append(values[each.name])


def _widened(
    plain: dict[str, Number] | None, samples: _ByName, declared: tuple[Field, ...]
) -> dict[str, Number] | None:
    if plain is None:
        return None
    widened = dict(plain)
    for each in declared:
        seen = samples.get(each.name)
        if not seen:
            continue
        # The plain value was read at another instant than the last sample; it lies between.
        within = [*seen, plain[each.name]] if each.name in plain else seen
        peaks = {"min": min(within), "avg": sum(seen) / len(seen), "max": max(within)}
        widened |= {f"{peak}_{each.name}": peaks[peak] for peak in each.peaks}
    return widened
