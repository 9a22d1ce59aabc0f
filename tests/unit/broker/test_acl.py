"""The access list: what the tree says, to the letter."""

from pathlib import Path

import pytest

from rollcall.broker.acl import access_list
from rollcall.broker.topics import Kind, Role, TopicError, Topics, branch_of, role_of
from tests.support.access import AccessList, covers

GOLDEN = Path(__file__).parents[2] / "golden/broker/acl"
TOPICS = Topics()
SERVICES = ("recorder", "recorder-2", "alerts", "lcd", "dashboard", "homeassistant", "admin")
ACCESS = AccessList(access_list(TOPICS, SERVICES))


def test_the_list_is_the_golden_one() -> None:
    assert access_list(TOPICS, SERVICES) == GOLDEN.read_text("utf-8")


def test_the_list_follows_the_prefix() -> None:
    assert "rollcall/" not in access_list(Topics("lab"), SERVICES)


@pytest.mark.parametrize("name", ["pi-3", "bridge", "recorder-a/b", "recorder-+", "recorder-\nx"])
def test_only_services_get_lines_of_their_own(name: str) -> None:
    with pytest.raises(TopicError):
        access_list(TOPICS, [name])


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_can_pose_as_a_node(name: str) -> None:
    assert not ACCESS.may(name, "write", f"rollcall/v1/node/{name}/status")
    assert not ACCESS.may(name, "read", f"rollcall/v1/node/{name}/status")


@pytest.mark.parametrize("kind", Kind)
def test_a_node_writes_nothing_in_the_name_of_another(kind: Kind) -> None:
    names = ["pi-4" if level in {"<node>", "<name>"} else "x" for level in places(kind)]
    assert not ACCESS.may("pi-3", "write", TOPICS.topic(kind, *names))


@pytest.mark.parametrize("kind", [kind for kind in Kind if branch_of(kind).levels[0] == "node"])
def test_a_node_writes_all_of_its_own(kind: Kind) -> None:
    names = ["pi-3" if level == "<node>" else "x" for level in places(kind)]
    assert ACCESS.may("pi-3", "write", TOPICS.topic(kind, *names))


@pytest.mark.parametrize(
    ("user", "role"),
    [
        ("recorder", Role.RECORDER),
        ("recorder-2", Role.RECORDER),
        ("admin-ann", Role.ADMIN),
        ("recorders", Role.NODE),
        ("pi-3", Role.NODE),
    ],
)
def test_a_suffix_leaves_the_role(user: str, role: Role) -> None:
    assert role_of(user) is role


@pytest.mark.parametrize(
    ("wide", "narrow", "is_covered"),
    [
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/+", "a/#", False),
        ("a/+/c", "a/+/c", True),
        ("#", "$SYS/x", False),
        ("a/b", "a/+", False),
    ],
)
def test_the_second_reading_knows_how_filters_match(
    wide: str,
    narrow: str,
    is_covered: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert covers(wide, narrow) is is_covered


def places(kind: Kind) -> list[str]:
    return [level for level in branch_of(kind).levels if level.startswith("<")]
