"""The nodes of a graph as a graph of networkx, and as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._types import ConnectionInfo, MemberInfo, NodeInfo


def topology(nodes: list[NodeInfo], neighbors: list[ConnectionInfo], members: list[MemberInfo]) -> Any:
    """This node first; `own`, `peer` and `name` of each; `rtt` in seconds and `utility` of each link of this node."""
    import networkx

    names = {member.peer: member.name for member in members}
    made: Any = networkx.Graph()
    for at, node in enumerate(nodes):
        name = names.get(node.peer) or node.peer.short
        made.add_node(str(node.node), own=at == 0, peer=str(node.peer), name=name, attributes=node.attributes)
    own = str(nodes[0].node)
    for link in neighbors:
        other = str(link.node)
        if other not in made:
            made.add_node(other, own=False, peer=str(link.peer), name=link.peer.short, attributes="")
        made.add_edge(own, other, rtt=link.rtt.total_seconds() if link.rtt else None, utility=link.utility)
    return made


def plot(made: Any, axes: Any = None) -> Any:
    """Draws a topology; this node stands out."""
    import networkx
    from matplotlib import pyplot

    axes = axes if axes is not None else pyplot.subplots()[1]
    where = networkx.spring_layout(made, seed=1)
    colors = ["#d95f02" if own else "#7fb3d5" for _, own in made.nodes(data="own")]
    networkx.draw_networkx(made, where, ax=axes, node_color=colors, with_labels=False, node_size=260)
    below = {node: (x, y - 0.12) for node, (x, y) in where.items()}
    names, ground = dict(made.nodes(data="name")), {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
    networkx.draw_networkx_labels(made, below, labels=names, ax=axes, font_size=9, bbox=ground)
    axes.margins(0.15)
    times = {ends: f"{rtt * 1000:.1f} ms" for *ends_, rtt in made.edges(data="rtt") if rtt for ends in [tuple(ends_)]}
    networkx.draw_networkx_edge_labels(made, where, edge_labels=times, ax=axes, font_size=8)
    axes.set_axis_off()
    return axes
