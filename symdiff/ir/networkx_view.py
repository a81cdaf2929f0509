"""A graph as a `networkx.DiGraph`: loaded, with networkx, when somebody looks at one so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import networkx as nx

from symdiff.errors import SymdiffError
from symdiff.ir.graph import LOCK, NETWORKX, Graph


def _read_only(*_: Any, **__: Any) -> NoReturn:
    raise SymdiffError(
        "the graph of a function cannot be changed from outside",
        hint="graph.copy() gives a plain networkx.DiGraph of your own",
    )


class NetworkxView(Graph, nx.DiGraph):  # type: ignore[misc]
    """A graph as a read-only `networkx.DiGraph`, whose dictionaries are made of the flat lists when they are read."""

    _shown: int
    """So many nodes are in the dictionaries."""

    def _show(self) -> None:
        """Bring networkx's dictionaries up to date with the nodes added since they were last looked at."""
        if self._shown == len(self.ops):
            return
        with self.lock:
            node_attributes, successors, predecessors = self._nx_node, self._nx_succ, self._nx_pred
            for node in range(self._shown, len(self.ops)):
                node_attributes[node] = {
                    "op": self.ops[node].name,
                    "args": self.args[node],
                    "payload": self.payloads[node],
                    "type": self.types[node],
                }
                successors[node] = {}
                before: dict[int, dict[str, Any]] = {}
                predecessors[node] = before
                for a in self.args[node]:
                    before[a] = successors[a][node] = {}
            self._shown = len(self.ops)

    def _shown_dictionary(name: str) -> Any:
        def get(self: NetworkxView) -> Any:
            self._show()
            return self.__dict__[name]

        def put(self: NetworkxView, value: Any) -> None:
            self.__dict__[name] = value

        return property(get, put)

    _node = _shown_dictionary("_nx_node")
    _succ = _shown_dictionary("_nx_succ")
    _adj = _shown_dictionary("_nx_succ")
    _pred = _shown_dictionary("_nx_pred")
    # networkx keeps these views and would not look again.
    adj = succ = property(lambda self: nx.classes.coreviews.AdjacencyView(self._succ))
    pred = property(lambda self: nx.classes.coreviews.AdjacencyView(self._pred))
    nodes = property(lambda self: nx.classes.reportviews.NodeView(self))
    edges = out_edges = property(lambda self: nx.classes.reportviews.OutEdgeView(self))
    in_edges = property(lambda self: nx.classes.reportviews.InEdgeView(self))
    degree = property(lambda self: nx.classes.reportviews.DiDegreeView(self))
    in_degree = property(lambda self: nx.classes.reportviews.InDegreeView(self))
    out_degree = property(lambda self: nx.classes.reportviews.OutDegreeView(self))

    add_node = add_nodes_from = remove_node = remove_nodes_from = _read_only
    add_edge = add_edges_from = add_weighted_edges_from = remove_edge = remove_edges_from = _read_only
    update = clear = clear_edges = _read_only

    def to_directed_class(self) -> type[nx.DiGraph]:
        """Networkx makes its copies with this class."""
        return nx.DiGraph  # type: ignore[no-any-return]

    def copy(self, as_view: bool = False) -> nx.DiGraph:
        """A plain `networkx.DiGraph` with the same nodes, edges and attributes."""
        plain = nx.DiGraph()
        plain.add_nodes_from((n, dict(d)) for n, d in self._node.items())
        plain.add_edges_from((a, n) for n, args in enumerate(self.args) for a in args)
        return plain

    def subgraph(self, nodes: Iterable[int]) -> nx.DiGraph:
        """A plain `networkx.DiGraph` of some of the nodes."""
        return self.copy().subgraph(nodes)

    def reverse(self, copy: bool = True) -> nx.DiGraph:
        """A plain `networkx.DiGraph` whose edges lead from users to operands."""
        return self.copy().reverse()


for _name in NETWORKX:  # before those by which a Graph becomes one
    _own = next((c.__dict__[_name] for c in (NetworkxView, *nx.DiGraph.__mro__) if _name in c.__dict__), None)
    if _own is not None:
        setattr(NetworkxView, _name, _own)

_CLASS: Any = object.__dict__["__class__"]
"""Through this an object's class is written, which a `Graph` answers itself."""


def let_be_one(graph: Graph) -> None:
    """Let a graph be a `NetworkxView` from now on."""
    with LOCK:
        if type(graph) is Graph:
            empty = object.__new__(NetworkxView)
            nx.DiGraph.__init__(empty)
            graph.__dict__.update(empty.__dict__, _shown=0)
            _CLASS.__set__(graph, NetworkxView)
