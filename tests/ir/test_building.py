"""What a graph makes of arrays: NumPy's rules, canonical contractions, and nodes that are never made."""

import numpy as np
import pytest

from symdiff.errors import ShapeError
from symdiff.interpret import evaluate
from symdiff.ir.graph import Graph
from symdiff.ir.verify import verify
from symdiff.ops import contraction, core, indexing, matrices, movement, reduction, scan

RANDOM = np.random.default_rng(5)


class Bench:
    """A graph whose inputs have random values."""

    def __init__(self):
        self.graph, self.values = Graph(), {}

    def input(self, shape):
        node = self.graph.input(f"x{len(self.values)}", shape)
        self.values[node] = RANDOM.normal(size=shape)
        return node

    def __call__(self, node):
        verify(self.graph)
        return evaluate(self.graph, [node], self.values)[0]

    def names(self, node):
        return [self.graph.ops[n].name for n in self.graph.live([node])]


PAIRS = [
    ((3, 4), (4,)), ((4,), (4, 3)), ((4,), (4,)), ((2, 3, 4), (4,)), ((2, 3, 4), (2, 4, 5)), ((3, 4), (2, 4, 5)),
    ((5, 1, 3, 4), (2, 4, 2)), ((1, 4), (4, 1)), ((3, 1), (1, 2)), ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((0,), (0,)),
    ((4,), (3, 4, 2)), ((2, 1, 1), (1, 1, 2)), ((1, 1), (1,)),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right"), PAIRS)
def test_matrix_products_follow_numpy(left, right):
    bench = Bench()
    a, b = bench.input(left), bench.input(right)
    want = bench.values[a] @ bench.values[b]
    got = bench(contraction.matmul(bench.graph, a, b))
    assert np.shape(got) == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-12)


SPECS = [
    "ij,jk->ik", "ii,i->i", "iij,j->", "iii->i", "ij->ji", "ij->", "ij->i", "i,j->ij", "i,j->", "ij,kl->il",
    "ijk,ijk->k", "ij,jk,kl->il",
    "ab,b,c->ca", "i->i", "ij,ij->ij", "ii->", "ij,ji->", "abc,ba->", "iij,ik->jk",
]  # fmt: skip
SIZES = dict(zip("abcijkl", (2, 3, 4, 3, 2, 4, 2), strict=True))


@pytest.mark.parametrize("sizes", [SIZES, dict.fromkeys("abcijkl", 1), dict.fromkeys("abcijkl", 0)], ids="n10")
@pytest.mark.parametrize("spec", SPECS)
def test_every_contraction_has_a_canonical_form(spec, sizes):
    bench = Bench()
    inner, output = spec.split("->")
    labels = inner.split(",")
    nodes = [bench.input(tuple(sizes[k] for k in own)) for own in labels]
    number = lambda own: tuple("abcijkl".index(k) for k in own)  # noqa: E731
    made = contraction.einsum(bench.graph, nodes, [number(own) for own in labels], number(output))
    want = np.einsum(spec, *[bench.values[n] for n in nodes])
    np.testing.assert_allclose(bench(made), want, rtol=1e-11, atol=1e-13)
    assert np.shape(bench(made)) == want.shape


def test_axes_of_size_1_spread_over_longer_ones():
    bench = Bench()
    a, b = bench.input((1, 3)), bench.input((4, 1))
    np.testing.assert_allclose(
        bench(contraction.einsum(bench.graph, (a, b), ((0, 1), (0, 1)), (0, 1))), bench.values[a] * bench.values[b]
    )
    np.testing.assert_allclose(
        bench(contraction.einsum(bench.graph, (a, b), ((0, 1), (0, 1)), ())), (bench.values[a] * bench.values[b]).sum()
    )


def test_repeated_scalars_are_factors():
    """The first step of a gradient: ones contracted with an operand need no product."""
    bench = Bench()
    graph = bench.graph
    w, x, s = bench.input((3, 4)), bench.input((4,)), bench.input(())
    ones = movement.broadcast(graph, graph.constant(1.0), (3,))
    made = contraction.einsum(graph, (ones, w), ((0,), (0, 1)), (1,))
    assert graph.ops[made].name == "sum"
    np.testing.assert_allclose(bench(made), bench.values[w].sum(0))
    outer = contraction.einsum(graph, (ones, x), ((0,), (1,)), (0, 1))
    assert "einsum" not in bench.names(outer)
    np.testing.assert_allclose(bench(outer), np.outer(np.ones(3), bench.values[x]))
    both = contraction.einsum(graph, (movement.broadcast(graph, s, (5,)), ones), ((0,), (1,)), (1,))
    np.testing.assert_allclose(bench(both), 5 * bench.values[s] * np.ones(3))
    np.testing.assert_allclose(
        bench(contraction.einsum(graph, (s, w), ((), (0, 1)), (1, 0))), bench.values[s] * bench.values[w].T
    )


def test_nodes_that_are_never_made():
    graph = Graph()
    x, s = graph.input("x", (2, 3, 4)), graph.input("s")
    assert movement.transpose(graph, x, (0, 1, 2)) == x
    assert movement.transpose(graph, movement.transpose(graph, x, (1, 2, 0)), (2, 0, 1)) == x
    assert movement.swap_last(graph, movement.swap_last(graph, x)) == x
    assert movement.reshape(graph, movement.reshape(graph, x, (6, 4)), (2, 3, 4)) == x
    assert graph.args[movement.reshape(graph, movement.reshape(graph, x, (6, 4)), (24,))] == (x,)
    assert movement.broadcast(graph, x, (2, 3, 4)) == x
    assert graph.args[movement.broadcast(graph, movement.broadcast(graph, s, (3,)), (2, 3))] == (s,)
    assert reduction.sum_over(graph, x, ()) == x
    assert movement.element(graph, x, (slice(None), slice(None))) == x
    assert movement.scatter(graph, x, (slice(None),), (2, 3, 4)) == x
    assert movement.element(graph, movement.broadcast(graph, s, (2, 3)), (1, 2)) == s
    assert reduction.sum_over(graph, movement.broadcast(graph, graph.constant(2.0), (3, 4))) == graph.constant(24.0)
    assert reduction.sum_over(graph, movement.broadcast(graph, graph.constant(0.1), (3, 4))) != graph.constant(1.2)
    assert movement.concatenate(graph, [x], 1) == x
    column = graph.input("c", (5, 1))
    assert graph.ops[reduction.sum_over(graph, column, 1)].name == "reshape"
    assert scan.running_sum(graph, column, 1) == column
    assert graph.ops[reduction.reduce_over(graph, core.NORM, column, 1)].name == "reshape"
    assert indexing.as_index(graph, graph.constant(np.array([1.0, 2.0]))) == indexing.integer_array(graph, [1, 2])


INDICES = [
    (slice(1, None),), (slice(None, None, -1),), (slice(-2, None),), (slice(3, 1),), (slice(10, 20),),
    (1, slice(None, None, 2)), (slice(None), -1), (-1, -1), (slice(4, None, -2), slice(1, 2)), (slice(None, -1), 0),
    (slice(2, 2), slice(None)), (slice(-100, 100, 3),), (slice(0, None, -1),),
]  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_indices_follow_numpy(index):
    bench = Bench()
    x = bench.input((5, 3))
    made = movement.element(bench.graph, x, index)
    np.testing.assert_array_equal(bench(made), bench.values[x][index])
    back = np.zeros((5, 3))
    back[index] = bench.values[x][index]
    np.testing.assert_array_equal(bench(movement.scatter(bench.graph, made, index, (5, 3))), back)


def test_scans_masks_and_products():
    bench = Bench()
    graph = bench.graph
    x = bench.input((3, 4))
    value = bench.values[x]
    for axis in (0, 1, -1):
        np.testing.assert_allclose(bench(scan.running_sum(graph, x, axis)), np.cumsum(value, axis))
        np.testing.assert_allclose(bench(scan.running_product(graph, x, axis)), np.cumprod(value, axis))
    np.testing.assert_allclose(bench(scan.running_product(graph, x, 1, True)), np.cumprod(value[:, ::-1], 1)[:, ::-1])
    np.testing.assert_allclose(bench(scan.exclusive_products(graph, x, (0, 1))), value.prod() / value)
    np.testing.assert_allclose(bench(scan.exclusive_products(graph, x, (0,))), value.prod(0) / value)
    np.testing.assert_array_equal(bench(movement.shifted(graph, x, 1, 1)), np.pad(value, ((0, 0), (1, 0)))[:, :-1])
    np.testing.assert_array_equal(bench(movement.shifted(graph, x, 0, -2)), np.pad(value, ((0, 2), (0, 0)))[2:])
    np.testing.assert_array_equal(bench(movement.shifted(graph, x, 0, 9)), np.zeros((3, 4)))
    for k in (-1, 0, 2):
        np.testing.assert_array_equal(bench(indexing.eye(graph, 3, 4, k)), np.eye(3, 4, k))
        np.testing.assert_array_equal(bench(indexing.triangle(graph, x, True, k)), np.tril(value, k))
        np.testing.assert_array_equal(bench(indexing.triangle(graph, x, False, k)), np.triu(value, k))
    np.testing.assert_array_equal(bench(movement.stack(graph, [x, x], 1)), np.stack([value, value], 1))
    np.testing.assert_array_equal(bench(movement.stack(graph, [x, x], -1)), np.stack([value, value], -1))
    rows = [[2, 0], [1, -1]]
    np.testing.assert_array_equal(bench(indexing.gather(graph, x, indexing.integer_array(graph, rows), 0)), value[rows])


MATRICES = [(1, 1), (2, 2), (3, 3), (4, 4), (0, 0), (2, 3, 3), (3, 1, 1), (2, 2, 2), (2, 5, 5)]


@pytest.mark.parametrize("shape", MATRICES, ids=str)
def test_linear_algebra(shape):
    bench = Bench()
    graph = bench.graph
    a = bench.input(shape)
    np.testing.assert_allclose(bench(matrices.det(graph, a)), np.linalg.det(bench.values[a]), rtol=1e-10)
    np.testing.assert_allclose(
        bench(matrices.logdet(graph, a)), np.linalg.slogdet(bench.values[a])[1], rtol=1e-10, atol=1e-12
    )
    b = bench.input((shape[-1],))
    want = np.linalg.solve(bench.values[a], bench.values[b])
    np.testing.assert_allclose(bench(matrices.solve(graph, a, b)), want, rtol=1e-10)


def test_the_number_of_nodes_does_not_depend_on_sizes():
    def made(n):
        graph = Graph()
        x, w = graph.input("x", (n,)), graph.input("w", (n, n))
        reduction.reduce_over(graph, core.PROD, contraction.matmul(graph, w, x))
        scan.exclusive_products(graph, x, (0,))
        scan.running_product(graph, indexing.triangle(graph, w, True), 1)
        indexing.main_diagonal(graph, indexing.eye(graph, n, n))
        movement.element(graph, x, (slice(None, None, -2),))
        return len(graph)

    assert made(10) == made(10**6)


@pytest.mark.parametrize("index", [(3,), (-4,), (0, 2), (0, 0, 0), ((0, 3, 1), 5)])
def test_nodes_of_elements_that_there_are_not_cannot_be_made(index):
    graph = Graph()
    x = graph.input("x", (3, 2))
    with pytest.raises(ShapeError, match=r"out of range|indices"):
        graph.add("index", (x,), index)
