"""Sparse derivatives of whole arrays: entries and values against dense Jacobians."""

import random

import numpy as np
import pytest

import symdiff as sd
from symdiff.differentiate.sparse.layout import entries_of
from symdiff.differentiate.sparse.sweep import sparse_patches
from symdiff.interpret import evaluate
from tests.differentiate.test_random_tensors import program

G = "[3, 0, 0, 2, -1]"

# (text, shapes, exact): whether the entries are those that are not 0 at a point, and not more.
TABLE = [
    ("x", {"x": (4,)}, True),
    ("sin(x)*x", {"x": (4,)}, True),
    ("x[1:] - x[:-1]**2", {"x": (5,)}, True),
    ("x[::2]*x[1::2]", {"x": (6,)}, True),
    ("x[::-1]*x", {"x": (5,)}, True),
    ("x[1]*x", {"x": (4,)}, True),
    ("x*y", {"x": (3,), "y": ()}, True),
    ("sum(x**2)", {"x": (4,)}, True),
    ("mean(A, axis=0)", {"A": (2, 3)}, True),
    ("A.T*2 + A.T**2", {"A": (2, 3)}, True),
    ("A*x", {"A": (2, 3), "x": (3,)}, True),
    ("outer(x, y)", {"x": (3,), "y": (2,)}, True),
    ("A @ x", {"A": (2, 3), "x": (3,)}, True),
    ("A @ B", {"A": (2, 3), "B": (3, 2)}, True),
    ("einsum('ij,kj,k->ik', A, B, x)", {"A": (2, 3), "B": (4, 3), "x": (4,)}, True),
    ("trace(A) + diag(A)", {"A": (3, 3)}, True),
    ("diag(A[1:, :2])", {"A": (3, 3)}, True),
    ("diag(A[1:, 0:1]*x)", {"A": (3, 3), "x": (3,)}, True),
    ("reshape(x, (2, 3))[:, 1:]**2", {"x": (6,)}, True),
    ("reshape(A, 6)[1:] - reshape(A, 6)[:-1]", {"A": (2, 3)}, True),
    ("reshape(A, (3, 2))*y", {"A": (2, 3), "y": (2,)}, True),
    ("reshape(A.T, 6)[::2]", {"A": (2, 3)}, True),
    ("reshape(reshape(x, (2, 2, 3))[::-1, :, 1:], 8)**2", {"x": (12,)}, True),
    ("reshape(x[1:9], (4, 2)).T", {"x": (10,)}, True),
    ("reshape(reshape(x, (3, 4))[:, :3], 9)[1:8]", {"x": (12,)}, True),
    ("pad(x, 2)[1:] + pad(x, 2)[:-1]", {"x": (4,)}, True),
    ("concatenate((x[1:], y, x))**2", {"x": (3,), "y": (2,)}, True),
    ("stack((x, x[::-1]), axis=1)*x[0]", {"x": (3,)}, True),
    ("[x[0]*x[1], x[1]*x[2], 4]", {"x": (3,)}, True),
    (f"take(x, {G})**2", {"x": (4,)}, True),
    (f"take(A, {G}, axis=1)*take(A, {G}, axis=1)[:, ::-1]", {"A": (2, 4)}, True),
    ("x[[[0, 2], [2, 2]]]*x[1]", {"x": (4,)}, True),
    ("cumsum(x**2)", {"x": (4,)}, True),
    ("cumsum(A[:, ::-1], axis=1)*A", {"A": (2, 3)}, True),
    ("x[1:] - cumsum(x)[1:]", {"x": (4,)}, False),
    ("cumprod(x)", {"x": (3,)}, False),
    ("prod(A, axis=1)*A[:, 0]", {"A": (3, 2)}, True),
    ("max(A, axis=0) + norm(A, axis=0)", {"A": (3, 2)}, False),
    ("where(x > 0.8, sqrt(x - 0.8), x**2)", {"x": (5,)}, True),
    ("where(x > 0.8, sqrt(x - 0.8), x[::-1])[1:]*y", {"x": (5,), "y": ()}, False),
    ("sum(where(A > 0.8, log(A - 0.8), 1), axis=1)", {"A": (3, 3)}, False),
    ("[y, 2]*x", {"x": (2,), "y": ()}, True),
    ("x[0]*0 + [1, 2]", {"x": (2,)}, True),
    ("zeros(3)*y", {"y": ()}, True),
    ("x[:0]", {"x": (3,)}, True),
    ("roll(x, 1) - 2*x + roll(x, -1)", {"x": (6,)}, True),
    ("convolve(x, [1, 2, 3])", {"x": (5,)}, True),
    ("diag(x)[1:]", {"x": (4,)}, True),
    ("tril(A) @ x", {"A": (3, 3), "x": (3,)}, False),
    ("0*x + [1, 2]*y", {"x": (2,), "y": ()}, True),
    ("[[1, 0, 0], [2, 0, 1]] @ x", {"x": (3,)}, True),
    ("stop_gradient(x)*x", {"x": (3,)}, True),
    ("pad(A, 1)[:-2, 1:-1] + pad(A, 1)[2:, 1:-1] - 4*exp(A) + pad(A, 1)[1:-1, :-2] + pad(A, 1)[1:-1, 2:]",
     {"A": (4, 5)}, True),
    ("A[:-2, 1:-1] + A[2:, 1:-1] - 4*exp(A[1:-1, 1:-1]) + A[1:-1, :-2]*A[1:-1, 2:]", {"A": (4, 5)}, True),
]  # fmt: skip

UNKNOWN = [
    ("solve(A, y)*y", {"A": (2, 2), "y": (2,)}, [[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]]),
    ("inv(A)[0]", {"A": (2, 2)}, [[1, 1, 1, 1], [1, 1, 1, 1]]),
    ("logdet(A)*x", {"A": (2, 2), "x": (2,)}, [[1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 0, 1]]),
    ("sort(x)[:2] + x[1:]", {"x": (3,)}, [[1, 1, 1], [1, 1, 1]]),
    ("cumprod(x)", {"x": (3,)}, [[1, 0, 0], [1, 1, 0], [1, 1, 1]]),
    ("reshape(logdet(reshape(x, (2, 2, 2))), 2)", {"x": (8,)}, [[1] * 4 + [0] * 4, [0] * 4 + [1] * 4]),
]


def sparse(f, names):
    """The entries of the Jacobian by all of some inputs, (rows, columns), and the node of the values in their order."""
    table = f._name_table()
    targets, graph = [table[name] for name in names], f.graph
    width = sum(int(np.prod(graph.shape(t))) for t in targets)
    (patches,) = sparse_patches(graph, list(f.nodes), targets)
    found = entries_of(graph, patches, graph.shape(f.nodes[0]), width)
    rows = np.repeat(np.arange(len(found.counts)), found.counts)
    assert len(rows) == len(found.columns)
    flat = rows * width + found.columns
    assert np.all(flat[1:] > flat[:-1]), "entries in the order of rows and columns, each once"
    return rows, found.columns, found.values, (len(found.counts), width)


def point(f, shapes, seed=0):
    rng = np.random.default_rng(seed)
    table = f._name_table()
    return {table[name]: rng.uniform(0.3, 1.3, shape) for name, shape in shapes.items()}


def dense(f, shapes, at):
    """The whole Jacobian, by all inputs one after the other."""
    parts = []
    for name, shape in shapes.items():
        d = sd.jacobian(f, name)
        own = {d._name_table()[n]: at[f._name_table()[n]] for n in shapes}
        found = np.asarray(evaluate(d.graph, d.nodes, own)[0])
        rows = int(np.prod(f.graph.shape(f.nodes[0])))
        parts.append(found.reshape(rows, int(np.prod(shape))))
    return np.concatenate(parts, 1)


def check(f, shapes, exact, seed=0):
    rows, columns, values, size = sparse(f, shapes)
    at = point(f, shapes, seed)
    wanted = dense(f, shapes, at)
    assert wanted.shape == size or not wanted.size
    inside = np.zeros(size, bool)
    inside[rows, columns] = True
    if wanted.size:
        assert not np.any(wanted[~inside])
        if exact:
            assert len(rows) == np.count_nonzero(wanted)
    if values is not None:
        (found,) = evaluate(f.graph, [values], at)
        assert np.shape(found) == (len(rows),)
        if wanted.size:
            np.testing.assert_allclose(found, wanted[rows, columns], rtol=1e-12, atol=1e-14)
    return values


@pytest.mark.parametrize(("text", "shapes", "exact"), TABLE, ids=[row[0] for row in TABLE])
def test_entries_and_values_are_those_of_the_dense_jacobian(text, shapes, exact):
    f = sd.function(text, list(shapes), shapes=shapes)
    values = check(f, shapes, exact)
    assert values is not None or "cumprod" in text


@pytest.mark.parametrize(("text", "shapes", "wanted"), UNKNOWN, ids=[row[0] for row in UNKNOWN])
def test_entries_of_operations_without_a_rule_for_values(text, shapes, wanted):
    f = sd.function(text, list(shapes), shapes=shapes)
    rows, columns, values, size = sparse(f, shapes)
    found = np.zeros(size, int)
    found[rows, columns] = 1
    assert values is None
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("seed", range(100))
def test_random_programs(seed):
    shapes, lines, (last, _) = program(random.Random(seed))
    f = sd.function("\n".join([*lines, f"{last}*1"]), list(shapes), shapes=shapes)
    check(f, shapes, False, seed)


LARGE = [
    ("sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)", (10**5,), sd.sparse_hessian, 299998),
    (
        "pad(x, 1)[:-2, 1:-1] + pad(x, 1)[2:, 1:-1] - 4*x + pad(x, 1)[1:-1, :-2] + pad(x, 1)[1:-1, 2:] + 0.01*exp(x)",
        (300, 400),
        sd.sparse_jacobian,
        5 * 300 * 400 - 2 * (300 + 400),
    ),
]


@pytest.mark.parametrize(("text", "shape", "make", "count"), LARGE, ids=["band", "stencil"])
def test_large_bands_and_stencils_are_a_few_operations_on_whole_arrays(text, shape, make, count):
    """No array but the result is written, and along a direction it is the derivative."""
    f = sd.function(text, ["x"], shapes={"x": shape})
    found = make(f)
    assert found.nnz == count
    assert "workspace 0 bytes" in found.explain()
    assert found.rows.dtype == found.columns.dtype == np.int32
    x, v = np.random.default_rng(0).uniform(0.3, 1.3, (2, *shape))
    along = (sd.hvp if make is sd.sparse_hessian else sd.jvp)(f, "x")(x, v)
    np.testing.assert_allclose(found(x) @ v.ravel(), np.ravel(along), rtol=1e-9, atol=1e-9)
