"""Planning takes time in proportion to the steps: its data structures against simple ones, and what they look at."""

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import symdiff as sd
from symdiff.optimize.planning.fusion import Fusion
from symdiff.optimize.planning.memory import Gaps
from symdiff.optimize.planning.precedence import Precedence


@given(st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=60), st.integers(1, 15))
def test_precedence_is_reachability(pairs, count):
    """Items come in between; a relation that would close a circle is found out before it is added."""
    found, graph = Precedence(), networkx.DiGraph()
    for k, (first, last) in enumerate(pairs):
        if k % 3 == 0 and len(found.before) < count:
            graph.add_node(found.add())
        size = len(found.before)
        first, last = first % size, last % size
        if first == last:
            continue
        many = [first, (first + 1) % size] if size > 2 and (first + 1) % size != last else [first]
        assert found.may_follow(last, many) == any(networkx.has_path(graph, one, last) for one in many)
        if not found.may_follow(first, [last]):
            found.precede(first, last)
            graph.add_edge(first, last)
    assert [set(graph.predecessors(k)) for k in range(len(found.before))] == found.before


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 6), st.integers(0, 99)), max_size=80), st.integers(0, 100))
def test_gaps_are_the_lowest_free_places(calls, start):
    gaps, busy, highest = Gaps(start), [], start
    for take, size, which in calls:
        if take or not busy:
            offset = start
            for begin, end in sorted(busy):
                if offset + size <= begin:
                    break
                offset = max(offset, end)
            assert gaps.take(size) == offset
            busy.append((offset, offset + size))
            highest = max(highest, offset + size)
        else:
            gaps.give(*busy.pop(which % len(busy)))
        assert gaps.top == highest


def kalman(p, y):
    step = np.array([[1.0, 0.1, 0.0], [0.0, 1.0, 0.1], [0.0, 0.0, 0.9]])
    m, cov, loss = np.zeros(3), np.eye(3), 0.0
    for k in range(y.shape[0]):
        m, cov = step @ m, step @ cov @ step.T + np.exp(p[0]) * np.eye(3)
        s = cov[0, 0] + np.exp(p[1])
        r = y[k] - m[0]
        loss = loss + np.log(s) + r**2 / s
        m, cov = m + cov[:, 0] * (r / s), cov - np.outer(cov[:, 0], cov[0]) / s
    return loss


def recurrent(w, x):
    h = np.zeros(4)
    for k in range(x.shape[0]):
        h = np.tanh(w @ h + x[k])
    return np.sum(h**2)


CHAINS = {
    "filter": (kalman, {"p": 2}, "y", ()),
    "network": (recurrent, {"w": (4, 4)}, "x", (4,)),
}


@pytest.mark.parametrize("transform", [sd.function, sd.grad])
@pytest.mark.parametrize("chain", CHAINS)
def test_planning_looks_at_each_step_a_few_times(chain, transform, monkeypatch):
    function, shapes, data, row = CHAINS[chain]
    made = []
    plain = Fusion.__init__
    monkeypatch.setattr(Fusion, "__init__", lambda self, *args: (plain(self, *args), made.append(self))[0])
    looked: list[int] = []
    for steps in (40, 120):
        made.clear()
        f = sd.function(function, [*shapes, data], shapes={**shapes, data: (steps, *row)})
        g = f if transform is sd.function else transform(f, next(iter(shapes)))
        given_ = [np.full(s, 0.1) for s in (*shapes.values(), (steps, *row))]
        assert np.isfinite(g(*given_)).all()
        looked.append(made[-1].precedence.looked_at)
        assert len(made[-1].groups) < 40 * steps
    assert looked[1] < 5 * looked[0] + 1000  # pairs of groups: 9 times
