"""Colours of columns and of symmetric matrices: proper, and no more than those of published orders."""

import time

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from symdiff.differentiate.sparse import coloring
from symdiff.differentiate.sparse.pattern import Pattern
from symdiff.differentiate.sparse.substitution import substitution
from symdiff.interpret import evaluate
from symdiff.ir.graph import Graph


def rows_of(matrix):
    """The counts and columns of a SciPy matrix."""
    found = sparse.csr_array(matrix)
    found.sort_indices()
    return np.diff(found.indptr), found.indices


def laplacian(*sizes):
    """The pattern of a stencil of nearest neighbours on a grid."""
    total = sparse.csr_array((1, 1))
    for size in sizes:
        line = sparse.diags_array([1.0, 1.0, 1.0], offsets=[-1, 0, 1], shape=(size, size))
        total = sparse.kron(total, sparse.eye_array(size)) + sparse.kron(sparse.eye_array(total.shape[0]), line)
    return total


def smallest_last_of_networkx(counts, columns, width):
    starts, neighbors = coloring.shared_rows(counts, columns, width)
    graph = networkx.Graph()
    graph.add_nodes_from(range(width))
    graph.add_edges_from(zip(np.repeat(np.arange(width), np.diff(starts)).tolist(), neighbors.tolist(), strict=True))
    found = networkx.greedy_color(graph, "smallest_last")
    return 1 + max(found.values(), default=0)


TABLE = [
    ("diagonal", sparse.eye_array(7), (7,), 1),
    ("band", sparse.diags_array([1.0, 1.0, 1.0], offsets=[-1, 0, 1], shape=(50, 50)), (50,), 3),
    ("wide band", sparse.diags_array([1.0] * 7, offsets=range(-3, 4), shape=(60, 60)), (60,), 7),
    ("band with gaps", sparse.diags_array([1.0, 1.0, 1.0], offsets=[-5, 0, 5], shape=(60, 60)), (60,), 3),
    ("stencil", laplacian(9, 11), (9, 11), 5),
    ("cube", laplacian(5, 6, 7), (5, 6, 7), 7),
    ("dense row", np.eye(9) + np.eye(9)[:, :1] @ np.ones((1, 9)), (9,), 9),
    ("arrow down", np.eye(9) + np.ones((9, 1)) @ np.eye(9)[:1], (9,), 2),
    ("nothing", np.zeros((3, 4)), (4,), 1),
    ("dense", np.ones((3, 4)), (2, 2), 4),
]


@pytest.mark.parametrize(("name", "matrix", "shape", "count"), TABLE, ids=[row[0] for row in TABLE])
def test_colors_of_known_matrices(name, matrix, shape, count):
    counts, columns = rows_of(matrix)
    width = int(np.prod(shape))
    colors = coloring.color_columns(counts, columns, width, [shape])
    assert coloring.is_proper(counts, columns, colors)
    assert colors.max() + 1 == count


@st.composite
def matrices(draw):
    rows, width = draw(st.integers(1, 20)), draw(st.integers(1, 20))
    seed, density = draw(st.integers(0, 10**6)), draw(st.sampled_from([0.05, 0.1, 0.2, 0.5]))
    return (np.random.default_rng(seed).random((rows, width)) < density).astype(float)


@given(matrices())
@settings(max_examples=100, deadline=None)
def test_colors_of_random_matrices_are_at_most_those_of_smallest_last(matrix):
    counts, columns = rows_of(matrix)
    width = matrix.shape[1]
    colors = coloring.color_columns(counts, columns, width, [(width,)])
    assert colors.shape == (width,)
    assert coloring.is_proper(counts, columns, colors)
    starts, neighbors = coloring.shared_rows(counts, columns, width)
    assert colors.max() < max(1, len(set(colors.tolist())))
    # among equal degrees the orders of the two may differ
    degeneracy = len(smallest_last_bound(starts, neighbors))
    assert colors.max() + 1 <= max(degeneracy, smallest_last_of_networkx(counts, columns, width))


def smallest_last_bound(starts, neighbors):
    """As many as any coloring smallest last may have: one more than the degeneracy."""
    graph = networkx.Graph()
    graph.add_nodes_from(range(len(starts) - 1))
    one = np.repeat(np.arange(len(starts) - 1), np.diff(starts)).tolist()
    graph.add_edges_from(zip(one, neighbors.tolist(), strict=True))
    return range(1 + max(networkx.core_number(graph).values(), default=0))


@given(matrices())
@settings(max_examples=60, deadline=None)
def test_coloring_in_rounds_is_proper(matrix):
    counts, columns = rows_of(matrix)
    colors = coloring._in_rounds(*coloring.shared_rows(counts, columns, matrix.shape[1]))
    assert coloring.is_proper(counts, columns, colors)
    assert np.array_equal(np.unique(colors), np.arange(colors.max() + 1))


def symmetric(matrix):
    size = min(matrix.shape)
    both = matrix[:size, :size] + matrix[:size, :size].T
    np.fill_diagonal(both, 0)
    found = sparse.csr_array(both)
    return found.indptr, found.indices, both != 0


@given(matrices())
@settings(max_examples=100, deadline=None)
def test_star_colorings_have_three_colors_on_every_path_of_four(matrix):
    starts, neighbors, near = symmetric(matrix)
    colors = coloring.star_coloring(starts, neighbors)
    one, other = np.nonzero(near)
    assert np.all(colors[one] != colors[other])
    for b, c in zip(one, other, strict=True):
        for a in np.flatnonzero(near[b]):
            for d in np.flatnonzero(near[c]):
                if a not in (c, d) and d != b:
                    assert len({colors[a], colors[b], colors[c], colors[d]}) > 2


@given(matrices())
@settings(max_examples=100, deadline=None)
def test_acyclic_colorings_have_three_colors_on_every_cycle(matrix):
    starts, neighbors, near = symmetric(matrix)
    colors = coloring.acyclic_coloring(starts, neighbors)
    one, other = np.nonzero(near)
    assert np.all(colors[one] != colors[other])
    for a in range(colors.max() + 1):
        for b in range(a):
            two = networkx.Graph()
            two.add_edges_from((u, v) for u, v in zip(one, other, strict=True) if {colors[u], colors[v]} == {a, b})
            assert not len(two) or networkx.is_forest(two)


@pytest.mark.parametrize(
    ("edges", "count", "star"),
    [
        ([(k, k + 1) for k in range(9)], 2, 3),
        ([(0, 1), *((0, k) for k in range(2, 6)), *((1, k) for k in range(6, 10))], 2, 3),
        ([(k, (k + 1) % 6) for k in range(6)], 3, 3),
        ([(i, j) for i in range(5) for j in range(i)], 5, 5),
        ([((k - 1) // 2, k) for k in range(1, 31)], 2, 3),
    ],
    ids=["path", "two stars", "cycle", "complete", "tree"],
)
def test_acyclic_colorings_of_known_graphs(edges, count, star):
    size = 1 + max(max(e) for e in edges)
    matrix = np.zeros((size, size))
    for i, j in edges:
        matrix[i, j] = 1
    starts, neighbors, _ = symmetric(matrix)
    assert coloring.acyclic_coloring(starts, neighbors).max() + 1 == count
    assert coloring.star_coloring(starts, neighbors).max() + 1 >= star


@given(matrices(), st.integers(0, 100))
@settings(max_examples=60, deadline=None)
def test_entries_by_substitution(matrix, seed):
    starts, neighbors, near = symmetric(matrix)
    size, rng = len(near), np.random.default_rng(seed)
    entries = np.triu(near * rng.integers(1, 9, near.shape), 1)
    entries = entries + entries.T + np.diag(rng.integers(0, 3, size))
    colors = coloring.acyclic_coloring(starts, neighbors)
    full = sparse.csr_array(entries)
    found = substitution(Pattern.of_counts((size, size), np.diff(full.indptr), full.indices), colors)
    sums = np.stack([entries[:, colors == c].sum(axis=1) for c in range(colors.max() + 1)])
    graph = Graph()
    if full.nnz:
        values = found.values(graph, graph.constant(sums.ravel().astype(float)), size)
        np.testing.assert_array_equal(evaluate(graph, [values], {})[0], full.data)
    assert found.operations <= np.count_nonzero(near)
    assert all(np.all(r.ends < len(r.places[0])) for r in found.rounds)


def test_substitution_takes_half_of_the_longest_path():
    edges = np.diag(np.ones(9), 1)
    starts, neighbors, _ = symmetric(edges)
    pattern = Pattern.of_counts((10, 10), np.diff(starts), neighbors)
    found = substitution(pattern, coloring.acyclic_coloring(starts, neighbors))
    assert [len(r.places[0]) for r in found.rounds] == [2, 2, 2, 2, 1]
    assert found.operations == 7


def test_star_colorings_of_an_arrow_need_two_colors():
    arrow = np.zeros((30, 30))
    arrow[0], arrow[:, 0] = 1, 1
    starts, neighbors, _ = symmetric(arrow)
    assert coloring.star_coloring(starts, neighbors).max() == 1


def test_large_stencils_are_colored_in_no_time():
    counts, columns = rows_of(laplacian(300, 300))
    start = time.process_time()
    colors = coloring.color_columns(counts, columns, 300 * 300, [(300, 300)])
    assert time.process_time() - start < 2.0
    assert colors.max() + 1 == 5
