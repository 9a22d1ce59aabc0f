"""What the nodes of an incident have in common, and who else has it and is up.

Thirty nodes that went at once have most often one switch, one rack or one room in common; a label
that all of them announce, and others do not, names it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from rollcall.alerts.notice import Shared
from rollcall.broker.node_view import NodeState, NodeView

GroupsOf = Callable[[str, Mapping[str, str]], Iterable[str]]


def shared_by(
    nodes: Sequence[str], views: Mapping[str, NodeView], groups_of: GroupsOf
) -> Shared | None:
    """Give the label, else the fleet group, that all of `nodes` have and the fewest others.

    What the whole cluster has says nothing. None when there is nothing of the kind.
    """
    down = set(nodes)
    bearers: dict[str, set[str]] = {}
    for view in views.values():
        labels = view.info.labels if view.info else {}
        for key, value in labels.items():
            bearers.setdefault(f"{key}={value}", set()).add(view.name)
        for group in groups_of(view.name, labels):
            bearers.setdefault(f"group {group}", set()).add(view.name)
    shared = {
        what: having
        for what, having in bearers.items()
        if down <= having and len(having) < len(views)
    }
    if not shared:
        return None
    # The narrowest says most; of two alike a label says more than a group.
    what = min(shared, key=lambda each: (len(shared[each]), each.startswith("group "), each))
    up = [name for name in sorted(shared[what] - down) if views[name].state is NodeState.ONLINE]
    return Shared(what, tuple(up))
