"""The cluster as OpenMetrics, read by a parser that is not ours."""

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from rollcall.broker.messages import FieldInfo, Info, Instances, Number, Report
from rollcall.broker.node_view import HeldReport, NodeState, NodeView, Now
from rollcall.dashboard.meanings import meanings
from rollcall.dashboard.openmetrics import exposition

NOW = Now(wall_s=1_767_225_600.0, monotonic_s=1000.0)
EPOCH = "9f3c21d07a5be4c8"
Fields = Mapping[str, Number]
Series = tuple[str, tuple[tuple[str, str], ...]]


def held(fields: Fields, instances: Instances | None = None, age_s: float = 5.0) -> HeldReport:
    report = Report(
        epoch=EPOCH, seq=1, time=NOW.wall_s, interval=10,
        fields=dict(fields) or None, instances=instances,
    )  # fmt: skip
    return HeldReport(report, NOW.monotonic_s - age_s)


def node(
    reports: Mapping[str, HeldReport],
    state: NodeState = NodeState.ONLINE,
    kinds: Mapping[str, str] | None = None,
    *,
    held_back: bool = False,
) -> NodeView:
    told: Any = {name: FieldInfo(unit="count", kind=kind) for name, kind in (kinds or {}).items()}  # type: ignore[arg-type]
    info = Info(hostname="pi-3", agent="1.0.0", interval=10, fields=told)
    return NodeView("pi-3", state, None, None, 5.0, held_back, 10, info, reports)


def parsed(*views: NodeView) -> tuple[dict[Series, float], dict[str, tuple[str, str, str]]]:
    """Give every sample with its labels, and each family's type, unit and help."""
    samples: dict[Series, float] = {}
    families = {}
    text = exposition(views, meanings(), NOW)
    for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
        families[family.name] = (family.type, family.unit, family.documentation)
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in samples
            assert sample.timestamp is None
            samples[key] = sample.value
    return samples, families


PI_3 = (("node", "pi-3"),)


def test_values_have_the_names_types_and_units_of_the_catalogue() -> None:
    network: Instances = {"eth0": {"received_bytes": 2**53, "up": 1}}
    samples, families = parsed(node({"cpu": held({"percent": 12.5}), "network": held({}, network)}))
    eth0 = (("instance", "eth0"), ("node", "pi-3"))
    assert samples == {
        ("rollcall_node_up", PI_3): 1,
        ("rollcall_node_last_seen_timestamp_seconds", PI_3): NOW.wall_s - 5,
        ("rollcall_metrics_left_out", ()): 0,
        ("rollcall_cpu_percent", PI_3): 12.5,
        ("rollcall_network_received_bytes_total", eth0): 2**53,
        ("rollcall_network_up", eth0): 1,
    }
    kind, unit, words = families["rollcall_network_received_bytes"]
    assert (kind, unit) == ("counter", "bytes")
    assert families["rollcall_cpu_percent"][:2] == ("gauge", "percent")
    assert families["rollcall_cpu_percent"][2].startswith("time not idle")
    assert words
    assert exposition([], {}, NOW).endswith("# EOF\n")


def test_who_is_not_online_has_no_values() -> None:
    reports = {"cpu": held({"percent": 12.5})}
    for state in (NodeState.OFFLINE, NodeState.STALE):
        samples, _ = parsed(node(reports, state))
        assert samples == {
            ("rollcall_node_up", PI_3): 0,
            ("rollcall_node_last_seen_timestamp_seconds", PI_3): NOW.wall_s - 5,
            ("rollcall_metrics_left_out", ()): 0,
        }
    samples, _ = parsed(node(reports, NodeState.OFFLINE, held_back=True))
    assert ("rollcall_node_up", PI_3) not in samples


def test_an_old_value_is_absent() -> None:
    samples, _ = parsed(node({"cpu": held({"percent": 1.0}, age_s=46), "load": held({"load1": 1})}))
    assert ("rollcall_load_load1", PI_3) in samples
    assert ("rollcall_cpu_percent", PI_3) not in samples


def test_names_that_collide_cost_only_themselves_and_are_counted() -> None:
    reports = {
        "jobs": held({"done": 1, "done_total": 2}),  # both would be rollcall_jobs_done_total
        "cpu_user": held({"percent": 3.0}),
        "cpu": held({"user_percent": 4.0}),
        "node": held({"up": 5}),
        "meter": held({"turns": -6}),
    }
    kinds = {"jobs.done": "counter", "jobs.done_total": "counter", "meter.turns": "counter"}
    samples, _ = parsed(node(reports, kinds=kinds))
    assert samples["rollcall_jobs_done_total", PI_3] == 1
    assert samples["rollcall_cpu_user_percent", PI_3] == 4
    assert samples["rollcall_node_up", PI_3] == 1
    assert samples["rollcall_metrics_left_out", ()] == 4


words = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=60)


@given(st.dictionaries(words, st.floats(allow_nan=False, allow_infinity=False), max_size=5))
def test_an_instance_comes_out_as_it_went_in(given: dict[str, float]) -> None:
    instances: Instances = {name: {"free_bytes": value} for name, value in given.items()}
    samples, _ = parsed(node({"disk": held({}, instances)}))
    found = {
        dict(labels)["instance"]: value
        for (name, labels), value in samples.items()
        if name == "rollcall_disk_free_bytes"
    }
    assert found == given


names = st.sampled_from(["a", "a_b", "a_total", "a_created", "b", "b_a", "b_a_total", "total"])
kinds_of = st.sampled_from(["gauge", "counter", "state"])


@given(
    st.dictionaries(names, st.dictionaries(names, st.integers(-2, 9), max_size=5), max_size=5),
    st.dictionaries(st.tuples(names, names), kinds_of),
)
def test_whatever_plug_ins_call_their_fields_it_can_be_read_and_all_is_accounted_for(
    said: dict[str, dict[str, int]], kinds: dict[tuple[str, str], str]
) -> None:
    reports = {name: held(fields) for name, fields in said.items() if fields}
    told = {f"{collector}.{name}": kind for (collector, name), kind in kinds.items()}
    samples, _ = parsed(node(reports, kinds=told))
    left_out = samples["rollcall_metrics_left_out", ()]
    assert len(samples) - 3 + left_out == sum(map(len, said.values()))
