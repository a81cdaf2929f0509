"""A graph is a `networkx.DiGraph` for whoever looks at it so, and networkx is not loaded before."""

import subprocess
import sys
import threading

import networkx as nx
import pytest

import symdiff as sd
from symdiff.ir.graph import NETWORKX, Graph

EDGES = [(0, 3), (1, 4), (3, 4)]


def made():
    return sd.function("f(x, y) = x**2*y").graph


def test_it_is_one_before_anything_is_asked_of_it():
    assert isinstance(made(), nx.DiGraph)
    assert isinstance(made(), sd.Graph)
    assert isinstance(sd.Graph(), nx.DiGraph)
    assert not isinstance(made(), nx.MultiDiGraph)


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (lambda g: list(g.edges), EDGES),
        (lambda g: g.number_of_nodes(), 5),
        (lambda g: g.in_degree(4), 2),
        (lambda g: g.nodes[3]["op"], "square"),
        (lambda g: dict(g[1]), {4: {}}),
        (lambda g: list(g), [0, 1, 2, 3, 4]),
        (lambda g: (4 in g, 5 in g, "x" in g), (True, False, False)),
        (lambda g: list(nx.topological_sort(g)), [0, 1, 2, 3, 4]),
        (lambda g: nx.ancestors(g, 4), {0, 1, 3}),
        (lambda g: sorted(nx.DiGraph(g).edges), EDGES),
        (lambda g: sorted(g.copy().reverse().edges), [(3, 0), (4, 1), (4, 3)]),
        (lambda g: g.graph, {}),
        (lambda g: len(g), 5),
    ],
)
def test_what_a_fresh_graph_answers(ask, answer):
    assert ask(made()) == answer


def test_nodes_that_come_later_are_seen():
    f = sd.function("f(x, y) = x**2*y")
    before = list(f.graph.edges)
    sd.grad(f)
    assert before == EDGES
    assert f.graph.number_of_nodes() == len(f.graph) == len(f.graph.ops) > 5
    assert list(f.graph.edges)[:2] != []


def test_all_that_networkx_has_makes_it_one():
    """The table has every attribute, and a view has networkx's own in the place of those that make one."""
    own = set(dir(object)) | set(dir(list)) | {"__dict__", "__module__", "__weakref__"}
    assert set(dir(nx.DiGraph)) | set(vars(nx.DiGraph())) - own <= set(NETWORKX) | set(dir(Graph))
    assert {name for name in NETWORKX if not hasattr(nx.DiGraph(), name)} == set()
    for name in NETWORKX:
        graph = made()
        assert hasattr(graph, name), name
        assert type(graph).__name__ == "NetworkxView"
    assert "__getattr__" not in vars(Graph)  # it would make all attributes slow


def test_what_no_graph_has():
    assert not hasattr(made(), "nothere")
    with pytest.raises(sd.SymdiffError, match="cannot be changed from outside"):
        made().add_edge(0, 1)


def test_threads_that_look_at_the_same_time_see_the_same():
    for _ in range(20):
        graph, found, together = made(), [], threading.Barrier(4)

        def look(graph=graph, found=found, together=together):
            together.wait()
            found.append(sorted(graph.edges))

        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [EDGES] * 4


def test_networkx_is_loaded_when_somebody_looks():
    code = """
import sys, symdiff as sd
f = sd.function("f(x, y) = x**2*y")
sd.grad(f)(1.0, 2.0), sd.hessian(f)(1.0, 2.0), str(f), len(f.graph), list(f.graph), 3 in f.graph
assert isinstance(f.graph, sd.Graph) and not isinstance(f.graph, str)
assert "networkx" not in sys.modules
f.graph.edges
assert "networkx" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
