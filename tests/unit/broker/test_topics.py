"""The topic tree: building, parsing, and who may be called what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollcall.broker.topics import (
    BRANCHES,
    Address,
    Branch,
    Kind,
    TopicError,
    Topics,
    is_node_name,
    node_name_from,
)

TOPICS = Topics()
EXAMPLES = {
    "<node>": "pi-3",
    "<name>": "recorder",
    "<collector>": "cpu",
    "<rule>": "disk_full",
    "<id>": "7c1E_-",
}


@pytest.mark.parametrize("branch", BRANCHES, ids=lambda branch: str(branch.kind))
def test_every_branch_parses_back_to_what_it_was_built_of(branch: Branch) -> None:
    names = [EXAMPLES[level] for level in branch.levels if level in EXAMPLES]
    topic = TOPICS.topic(branch.kind, *names)
    assert TOPICS.parse(topic) == Address(branch.kind, *names)


def test_no_topic_is_both_a_leaf_and_a_parent() -> None:
    levels = [branch.levels for branch in BRANCHES]
    parents = {path[:depth] for path in levels for depth in range(1, len(path))}
    assert not parents & set(levels)


def test_the_prefix_can_be_another() -> None:
    topics = Topics("lab")
    assert topics.topic(Kind.STATUS, "a") == "lab/v1/node/a/status"
    with pytest.raises(TopicError):
        topics.parse("rollcall/v1/node/a/status")


@pytest.mark.parametrize("prefix", ["", "a/b", "a+", "#", "a b"])
def test_a_prefix_that_is_not_one_level_is_refused(prefix: str) -> None:
    with pytest.raises(TopicError):
        Topics(prefix)


@pytest.mark.parametrize(
    ("name", "legal"),
    [
        pytest.param("pi-3", True, id="the usual"),
        pytest.param("a", True, id="one letter"),
        pytest.param("a" * 63, True, id="the longest"),
        pytest.param("a" * 64, False, id="too long"),
        pytest.param("-a", False, id="a hyphen first"),
        pytest.param("a-", False, id="a hyphen last"),
        pytest.param("A", False, id="upper case"),
        pytest.param("a.b", False, id="a dot"),
        pytest.param("a/b", False, id="two levels"),
        pytest.param("+", False, id="a wildcard"),
        pytest.param("", False, id="nothing"),
        pytest.param("pi-3\n", False, id="a line end"),
        pytest.param("recorder", False, id="a service"),
        pytest.param("lcd-hall", False, id="a service with a suffix"),
        pytest.param("lcdpanel", True, id="only begins like a service"),
    ],
)
def test_node_names(name: str, legal: bool) -> None:  # noqa: FBT001 - a column of the table
    assert is_node_name(name) is legal


@pytest.mark.parametrize(
    ("hostname", "node"),
    [
        ("Pi-3.local", "pi-3-local"),
        ("RACK_7", "rack-7"),
        ("--x--", "x"),
        ("a" * 80, "a" * 63),
    ],
)
def test_a_host_name_becomes_a_node_name(hostname: str, node: str) -> None:
    assert node_name_from(hostname) == node


@pytest.mark.parametrize("hostname", ["", "...", "Recorder"])
def test_a_host_name_of_which_nothing_legal_is_left_is_an_error(hostname: str) -> None:
    with pytest.raises(TopicError, match="set \\[agent\\] node"):
        node_name_from(hostname)


def test_wildcards_belong_into_filters_only() -> None:
    assert TOPICS.topic_filter(Kind.METRICS, "+", "cpu") == "rollcall/v1/node/+/metrics/cpu"
    with pytest.raises(TopicError):
        TOPICS.topic(Kind.METRICS, "+", "cpu")


@given(st.text(max_size=60))
def test_parsing_any_text_gives_an_address_or_the_one_error(text: str) -> None:
    for topic in (text, f"rollcall/v1/{text}", f"rollcall/v1/node/{text}/status"):
        try:
            address = TOPICS.parse(topic)
        except TopicError:
            continue
        assert address.kind in Kind


@given(st.text(max_size=80))
def test_a_node_name_made_of_any_host_name_is_legal(hostname: str) -> None:
    try:
        node = node_name_from(hostname)
    except TopicError:
        return
    assert is_node_name(node)
