"""Whatever stands in a document: it is read, or refused in words, and nothing else happens."""

from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollcall.broker import fleet
from rollcall.broker.fleet import FleetError
from rollcall.broker.fleet.inspection import Known, inspect
from rollcall.broker.fleet.source import Source
from rollcall.console.fleet_catalogue import collectors

TEXT = (
    "groups templates nodes rules rule_defaults collectors override unset description all pis base "
    "pi-3 cpu disk process gpu interval sample enabled exclude cpu_high busy kind metric threshold "
    "clear for and receivers inhibits * pi-* label:role=web label: 10s -1 cpu.percent cpu. "
    "collectors.cpu collectors.cpu.interval presence forecast Ä"
)
WORDS = st.sampled_from(TEXT.split())
LEAVES = st.one_of(WORDS, st.none(), st.booleans(), st.integers(-2, 99), st.floats(-1, 1))
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=4)),
    max_leaves=12,
)
TABLE = st.dictionaries(WORDS, VALUES, max_size=4)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "groups": st.lists(WORDS, max_size=2),
        "rules": st.lists(WORDS, max_size=3),
        "unset": st.lists(WORDS, max_size=2),
        "collectors": st.dictionaries(WORDS, TABLE | VALUES, max_size=3),
        "override": st.dictionaries(WORDS, TABLE, max_size=3),
    },
)
# Half right, so that what is right meets what is wrong.
DOCUMENTS = st.one_of(
    TABLE,
    st.fixed_dictionaries(
        {},
        optional={
            "groups": st.dictionaries(WORDS, st.lists(WORDS, max_size=3) | VALUES, max_size=3),
            "templates": st.dictionaries(WORDS, SETTINGS | VALUES, max_size=3),
            "nodes": st.dictionaries(WORDS, SETTINGS | VALUES, max_size=3),
            "rules": st.dictionaries(WORDS, TABLE | VALUES, max_size=3),
            "rule_defaults": TABLE,
        },
    ),
)
KNOWN = (Known(collectors()), Known(collectors(), {"pi-3": {"role": "web"}, "nas": {}}))


@given(DOCUMENTS)
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_a_document_is_read_or_refused_in_words(document: dict[str, Any]) -> None:
    for known in KNOWN:
        accepted, findings = inspect(Source(document, {}), known)
        assert all("\n" not in each.text for each in findings)
        if accepted is not None:
            assert accepted.effective("pi-3", {"role": "web"}) == fleet.read(document).effective(
                "pi-3", {"role": "web"}
            )
    with suppress(FleetError):
        read = fleet.read(document)
        read.rules_for("pi-3", {})
        read.conflicts_on("pi-3", {"role": "web"})
