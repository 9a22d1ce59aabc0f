"""Merging settings: the later layer wins, tables merge, lists replace, `null` takes away."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from rollcall.broker import fleet
from rollcall.broker.fleet import FleetError, Layer
from rollcall.broker.fleet.merge import merge, without

KEYS = st.sampled_from("abc")
LEAVES: st.SearchStrategy[Any] = st.one_of(
    st.integers(0, 3), st.sampled_from(["x", "y"]), st.lists(st.integers(0, 3), max_size=2)
)
SETTINGS: st.SearchStrategy[Any] = st.dictionaries(
    KEYS, st.recursive(LEAVES, lambda inner: st.dictionaries(KEYS, inner, max_size=3)), max_size=3
)
PATCHES: st.SearchStrategy[Any] = st.dictionaries(
    KEYS,
    st.recursive(
        st.one_of(LEAVES, st.none()), lambda inner: st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_size=3,
)


def leaves(table: Mapping[str, JsonValue], above: tuple[str, ...] = ()) -> Iterator[Any]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from leaves(value, (*above, key))
        else:
            yield (*above, key), value


def at(table: JsonValue, path: tuple[str, ...]) -> JsonValue:
    for key in path:
        table = table[key] if isinstance(table, dict) and key in table else None
    return table


def by_rfc_7396(target: Any, patch: Any) -> Any:
    """MergePatch as section 2 of RFC 7396 writes it down."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = by_rfc_7396(result.get(key), value)
    return result


def numbered(tables: list[Any]) -> list[Layer]:
    return [Layer(f"layer {number}", table) for number, table in enumerate(tables)]


@given(st.lists(PATCHES, max_size=5))
def test_layers_merge_as_json_merge_patch_says(tables: list[Any]) -> None:
    expected: Any = {}
    for table in tables:
        expected = by_rfc_7396(expected, table)
    assert merge(numbered(tables)).table == expected


@given(st.lists(PATCHES, max_size=5))
def test_every_value_has_an_origin_and_stands_there(tables: list[Any]) -> None:
    layers = numbered(tables)
    merged = merge(layers)
    by_name = {layer.origin: layer.table for layer in layers}
    found = dict(leaves(merged.table))
    assert merged.origins.keys() == found.keys()
    for path, value in found.items():
        assert at(dict(by_name[merged.origins[path]]), path) == value


@given(st.lists(PATCHES, max_size=4), SETTINGS)
def test_whatever_the_last_layer_sets_is_in_force(tables: list[Any], last: Any) -> None:
    merged = merge(numbered([*tables, last]))
    for path, value in leaves(last):
        assert at(merged.table, path) == value
        assert merged.origins[path] == f"layer {len(tables)}"


@given(st.lists(PATCHES, max_size=4), st.lists(KEYS, min_size=1, max_size=3))
def test_what_is_taken_away_last_is_gone_and_nothing_else_is(
    tables: list[Any], path: list[str]
) -> None:
    before = dict(leaves(merge(numbered(tables)).table))
    gone = tuple(path)
    after = dict(leaves(merge(numbered([*tables, without([gone])])).table))
    kept = {
        other: value
        for other, value in before.items()
        if other[: len(gone)] != gone and gone[: len(other)] != other
    }
    assert after == kept


@given(st.lists(PATCHES, max_size=4))
def test_merging_leaves_its_layers_as_they_were(tables: list[Any]) -> None:
    copies = [repr(table) for table in tables]
    merge([*numbered(tables), *numbered(tables)])
    assert [repr(table) for table in tables] == copies


DOCUMENT: dict[str, Any] = {
    "groups": {"all": ["*"], "pis": ["pi-*"], "web": ["web-?", "label:role=web"]},
    "templates": {
        "base": {
            "groups": ["all"],
            "collectors": {
                "cpu": {"interval": "10s", "per_core": True},
                "process": {"groups": {"python": "python*", "nginx": "nginx"}},
                "disk": {"exclude": ["tmpfs", "squashfs"]},
            },
        },
        "web": {"groups": ["web"], "collectors": {"cpu": {"interval": "5s"}}},
        "pi": {
            "groups": ["pis"],
            "unset": ["collectors.cpu.per_core", 'collectors.process.groups."nginx"'],
            "collectors": {"cpu": {"interval": "1s"}},
        },
    },
    "nodes": {
        "pi-3": {
            "description": "rack 2, top",
            "unset": ["collectors.process.groups"],
            "collectors": {
                "process": {"groups": {"crawlers": "crawl*"}},
                "disk": {"exclude": ["vfat"]},
            },
        },
        "pi-4": {"collectors": {"cpu": {"interval": None}, "disk": None}},
    },
}


@pytest.mark.parametrize(
    ("node", "labels", "expected"),
    [
        pytest.param("nas", {}, ("all",), id="by the star"),
        pytest.param("pi-1", {}, ("all", "pis"), id="by a pattern"),
        pytest.param("web-1", {}, ("all", "web"), id="by a question mark"),
        pytest.param("web-12", {}, ("all",), id="a question mark is one letter"),
        pytest.param("pi-1", {"role": "web"}, ("all", "pis", "web"), id="by a label too"),
        pytest.param("nas", {"role": "webs"}, ("all",), id="a label is no pattern"),
    ],
)
def test_a_node_is_in_the_groups_that_mean_it(
    node: str, labels: dict[str, str], expected: tuple[str, ...]
) -> None:
    assert fleet.read(DOCUMENT).groups_of(node, labels) == expected


def test_templates_merge_in_order_and_the_node_wins() -> None:
    found = fleet.read(DOCUMENT).effective("pi-3", {"role": "web"})
    assert found.templates == ("base", "web", "pi")
    assert found.description == "rack 2, top"
    assert found.collectors == {
        "cpu": {"interval": "1s"},
        "process": {"groups": {"crawlers": "crawl*"}},
        "disk": {"exclude": ["vfat"]},
    }
    assert found.origins == {
        ("description",): "nodes.pi-3",
        ("collectors", "cpu", "interval"): "templates.pi",
        ("collectors", "process", "groups", "crawlers"): "nodes.pi-3",
        ("collectors", "disk", "exclude"): "nodes.pi-3",
    }


def test_the_document_wins_over_the_local_file_and_can_take_its_keys_away() -> None:
    local = Layer(
        "local file",
        {
            "description": "of the host itself",
            "collectors": {"cpu": {"interval": 2}, "disk": {"timeout": 3}, "load": {"interval": 7}},
        },
    )
    found = fleet.read(DOCUMENT).effective("pi-4", {}, [local])
    assert found.collectors == {
        "cpu": {},
        "process": {"groups": {"python": "python*"}},
        "load": {"interval": 7},
    }
    assert found.description == "of the host itself"
    assert found.origins["description",] == "local file"
    assert fleet.built_in().effective("pi-4", {}, [local]).collectors == local.table["collectors"]


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("cpu.interval", id="without collectors"),
        pytest.param("collectors", id="all of them"),
        pytest.param("collectors..cpu", id="no key"),
        pytest.param("collectors.cpu = 0 #", id="more than a key"),
        pytest.param("collectors.cpu\nx", id="two lines"),
        pytest.param("", id="nothing"),
    ],
)
def test_what_is_unset_must_be_a_key_of_a_collector(written: str) -> None:
    with pytest.raises(FleetError) as raised:
        fleet.read({"nodes": {"pi-1": {"unset": [written]}}})
    assert "nodes.pi-1.unset.0" in raised.value.problems[0]


@pytest.mark.long
def test_the_settings_of_ten_thousand_nodes_cost_ten_thousand_merges_of_their_own_layers() -> None:
    names = [f"pi-{number}" for number in range(10_000)]
    document = DOCUMENT | {
        "nodes": {name: {"collectors": {"cpu": {"interval": "2s"}}} for name in names[::2]}
    }
    read = fleet.read(document)
    settings = [read.effective(name, {}) for name in names]
    assert sum(each.collectors["cpu"] == {"interval": "2s"} for each in settings) == 5_000
    assert all(len(each.origins) == 3 for each in settings)
