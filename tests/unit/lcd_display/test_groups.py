"""A display of some groups: their nodes alone, what calls about them, and nobody else."""

import pytest

from rollcall.broker.cluster import Cluster
from rollcall.broker.fleet import FleetError
from rollcall.broker.messages import Fleet
from rollcall.lcd_display.groups import Membership
from rollcall.lcd_display.hd44780 import SIZES
from rollcall.lcd_display.overview import overview
from tests.support.scenes import MOMENT, NOW, Scene, load
from tests.support.screens import SCREENS, present

GLASS = SIZES["20x4"]
GROUPS = {"web": ["web-*"], "red": ["label:colour=red"]}


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    for name in ("web-1", "web-2", "db-1"):
        scene.node(name, load(10), labels={"colour": "red" if name == "web-2" else "blue"})
    scene.fleet(GROUPS)
    return scene


def test_only_the_nodes_of_the_chosen_groups_are_shown_and_counted(scene: Scene) -> None:
    for groups, names in ((("web",), ["web-1", "web-2"]), (("red",), ["web-2"])):
        shown = scene.snapshot(groups=groups)
        assert [node.name for node in shown.figures.nodes] == names
    assert len(scene.snapshot(groups=("web", "red")).figures.nodes) == 2


def test_an_alert_about_a_node_of_another_group_does_not_call_here(scene: Scene) -> None:
    scene.alert("db-1", "disk_full")
    scene.offline("db-1")
    assert scene.snapshot(groups=("web",)).attention.loud == 0
    assert scene.snapshot().attention.loud == 2


def test_an_alert_about_a_node_that_nobody_has_seen_calls_where_all_are_shown(
    scene: Scene,
) -> None:
    scene.alert("ghost", "disk_full")
    assert scene.snapshot().attention.loud == 1
    assert scene.snapshot(groups=("web",)).attention.loud == 0


def test_without_a_node_of_its_groups_the_glass_says_of_which(scene: Scene) -> None:
    assert present(GLASS, scene.snapshot(groups=("gone",))).lines[3] == "no node of gone     "


def test_a_label_that_changes_changes_the_group(scene: Scene) -> None:
    scene.snapshot(groups=("red",))
    scene.node("db-1", load(10), labels={"colour": "red"})
    scene.node("web-2", load(10), labels={"colour": "blue"})
    shown = scene.snapshot(groups=("red",)).figures.nodes
    assert [node.name for node in shown] == ["db-1"]


def test_a_document_that_is_refused_leaves_the_one_before_in_force(scene: Scene) -> None:
    wrong = Fleet(revision=2, digest="sha256:1", document={"groups": {"web": "web-*"}})
    with pytest.raises(FleetError):
        scene.membership.put_in_force(wrong)
    assert len(scene.snapshot(groups=("web",)).figures.nodes) == 2
    scene.membership.put_in_force(None)
    assert scene.snapshot(groups=("web",)).figures.nodes == []


def test_groups_that_split_the_nodes_are_told_and_others_are_not(scene: Scene) -> None:
    assert sorted(scene.snapshot().groups) == ["red", "web"]
    scene.fleet({**GROUPS, "all": ["*"], "none": ["nas-*"]})
    assert sorted(scene.snapshot().groups) == ["red", "web"]


def test_nobody_is_in_a_group_before_a_document_is_there() -> None:
    scene = Scene()
    scene.node("web-1", load(1))
    view = scene.cluster.node("web-1", NOW)
    assert view
    assert Membership().groups_of(view) == frozenset()
    assert Cluster().fleet is None


def test_without_the_alert_service_no_summary_is_told() -> None:
    scene = Scene(alerts_online=False)
    for name in ("pi-1", "pi-2"):
        scene.node(name, load(1))
    scene.alert("pi-1", "disk_full", summary="disk / is 97 % full", ago_s=120)
    assert present(GLASS, scene.snapshot()).lines == (
        "!! 1/1 CRITICAL   !!",
        "pi-1   disk_full  2m",
        "alert service away  ",
        "                    ",
    )
    assert present(SIZES["16x2"], scene.snapshot()).lines[1] == "disk_full       "
    assert overview(GLASS, scene.snapshot(), MOMENT)[0] == "2/2 online !?♥ 12:04"
    assert "alert service" not in "".join(SCREENS["20x4/states/alert_critical"]())
