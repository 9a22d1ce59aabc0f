"""Everything that pages tell, taken at one moment from the state of the cluster."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from rollcall.broker.cluster import Cluster
from rollcall.broker.messages import Severity
from rollcall.broker.node_view import OK_RANK, Now, urgency_rank, worst_first
from rollcall.lcd_display.attention import Attention, attention_of
from rollcall.lcd_display.figures import Figures, NodeFigures, figures_of
from rollcall.lcd_display.groups import Membership


@dataclass(frozen=True)
class Snapshot:
    """Numbers, calls and the worst severity by node; `now` is the moment they were taken at.

    `chosen_groups` are those whose nodes alone are shown; empty: all nodes.
    """

    now: Now
    figures: Figures = field(default_factory=Figures)
    attention: Attention = field(default_factory=Attention)
    severities: Mapping[str, Severity] = field(default_factory=dict)
    chosen_groups: Sequence[str] = ()

    @cached_property
    def worst(self) -> list[NodeFigures]:
        """All nodes in the order of the console and the dashboard, fine ones by their CPU."""
        by_name = {node.name: node for node in self.figures.nodes}
        views = worst_first((node.view for node in self.figures.nodes), self.severities)
        ordered = [by_name[view.name] for view in views]
        bad = [node for node in ordered if not self._is_fine(node)]
        fine = [node for node in ordered if self._is_fine(node)]
        return bad + sorted(fine, key=lambda node: -(node.cpu_percent or 0))

    @cached_property
    def bad(self) -> int:
        """How many nodes are not fine: those that `worst` begins with."""
        return sum(not self._is_fine(node) for node in self.figures.nodes)

    @cached_property
    def groups(self) -> dict[str, Figures]:
        """The groups that split the nodes, each with its nodes, by name."""
        members: dict[str, list[NodeFigures]] = {}
        for node in self.figures.nodes:
            for group in node.groups:
                members.setdefault(group, []).append(node)
        count = len(self.figures.nodes)
        return {
            group: Figures(members[group])
            for group in sorted(members)
            if len(members[group]) < count
        }

    def _is_fine(self, node: NodeFigures) -> bool:
        return urgency_rank(node.view, self.severities.get(node.name)) == OK_RANK


def snapshot_of(
    cluster: Cluster, now: Now, membership: Membership, chosen_groups: Collection[str]
) -> Snapshot:
    """Take the nodes of `chosen_groups`, or all nodes where none are chosen."""
    views = cluster.nodes(now)
    groups = {view.name: membership.groups_of(view) for view in views}
    if chosen_groups:
        views = [view for view in views if not groups[view.name].isdisjoint(chosen_groups)]
    figures = figures_of(views, now, groups)
    attention = attention_of(cluster, figures, everywhere=not chosen_groups)
    return Snapshot(now, figures, attention, cluster.severities(), tuple(chosen_groups))
