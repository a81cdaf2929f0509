"""Contractions: the order, what becomes loops and what matrix products, and that the numbers stay."""

import itertools

import numpy as np
import pytest

from symdiff.ir.graph import Graph
from symdiff.ops import contraction, indexing, movement, reduction
from symdiff.optimize.contraction_order import find_path, order_contractions, written_path
from symdiff.optimize.planning.gemm import Strided, labelled_strides, match_gemm

RNG = np.random.default_rng(3)


def parse(subscripts):
    """The labels of operands and of the result, as integers."""
    left, output = subscripts.split("->")
    number = {c: k for k, c in enumerate(dict.fromkeys(c for c in subscripts if c.isalpha()))}
    return [tuple(number[c] for c in part) for part in left.split(",")], tuple(number[c] for c in output)


def matrix_products(a, b, payload):
    """An einsum node by what `match_gemm` says; its result is never computed elsewhere and moved."""
    (first, second), output = payload
    sizes = dict(zip(first + second, a.shape + b.shape, strict=True))
    views = [Strided(labels, labelled_strides(labels, sizes)) for labels in (first, second, output)]
    match = match_gemm(sizes, *views)
    assert match.copies[2] is None
    assert match.m * match.n * match.k > 0
    a, b = (
        x if order is None else x.transpose([labels.index(k) for k in order])
        for x, labels, order in zip((a, b), (first, second), match.copies, strict=False)
    )
    return by_products(match, a, b, tuple(sizes[x] for x in output))


def by_products(match, a, b, shape):
    """The result, element by element of the batch, of matrix products on flat buffers in C order."""
    c = np.full(shape, np.nan)
    flat = [np.ascontiguousarray(a).reshape(-1), np.ascontiguousarray(b).reshape(-1), c.reshape(-1)]
    for point in itertools.product(*map(range, match.batch)):
        views = []
        for x, (row, column, steps), size in zip(
            flat, (match.a, match.b, match.c), ((match.m, match.k), (match.k, match.n), (match.m, match.n)), strict=True
        ):
            start = sum(p * s for p, s in zip(point, steps, strict=True))
            views.append(np.lib.stride_tricks.as_strided(x[start:], size, (row * 8, column * 8), writeable=True))
        views[2][...] = views[0] @ views[1]
    return c


PLAIN = {"mul": np.multiply, "add": np.add, "equal": np.equal, "where": np.where}


def execute(graph, roots, values):
    """The values of `roots`; also the names of the operations, and the largest array on the way."""
    found, largest = {}, 0
    live = graph.live(roots)
    for node in live:
        op, args, payload = graph.ops[node], [found[a] for a in graph.args[node]], graph.payloads[node]
        if op.name == "input":
            found[node] = values[payload]
        elif op.name == "constant":
            found[node] = np.asarray(payload)
        elif op.name == "einsum":
            found[node] = matrix_products(*args, payload)
        elif op.name in PLAIN:
            found[node] = PLAIN[op.name](*args)
        else:
            found[node] = np.asarray(op.routine.evaluate(*args, payload) if args else op.routine.evaluate(payload))
        assert found[node].shape == graph.types[node].shape
        if op.name == "einsum":
            largest = max(largest, found[node].size)
    names = [graph.ops[node].name for node in live if graph.args[node]]
    return [found[node] for node in roots], names, largest


def check(graph, roots, values, expected, fp="contract"):
    """The operations after ordering, once the numbers are right."""
    ordered, new_roots = order_contractions(graph, roots, fp)
    got, names, largest = execute(ordered, new_roots, values)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10)
    return names, largest


def arrays(graph, shapes):
    values = {f"x{k}": RNG.normal(size=shape) for k, shape in enumerate(shapes)}
    return [graph.input(name, v.shape) for name, v in values.items()], values


TABLE = [
    ("ij,jk->ik", "abc"),
    ("ij,kj->ik", "abc"),
    ("ji,jk->ik", "abc"),
    ("ij,jk->ki", "abc"),
    ("ij,j->i", "ab"),
    ("ij,i->j", "ab"),
    ("i,i->", "a"),
    ("i,j->ij", "ab"),
    ("i,j->ji", "ab"),
    ("ij,ij->", "ab"),
    ("ij,ji->", "ab"),
    ("ij,ij->ij", "ab"),
    ("bij,bjk->bik", "dabc"),
    ("bij,bjk->ikb", "dabc"),
    ("bij,jk->bik", "dabc"),
    ("ij,bjk->bik", "dabc"),
    ("bij,bkj->bik", "dabc"),
    ("bi,bi->b", "da"),
    ("bij,bj->bi", "dab"),
    ("ijk,kl->ijl", "abcd"),
    ("ijk,kl->jil", "abcd"),
    ("ijk,jkl->il", "abcd"),
    ("ijk,kjl->il", "abcd"),
    ("ijkl,kl->ij", "abcd"),
    ("mn,m,mp->np", "abc"),
    ("ij,jk,kl->il", "abcd"),
    ("ij,jk,k->i", "abc"),
    ("i,ij,j->", "ab"),
    ("ij,jk,kl,l->i", "abcd"),
    ("i,j,k->ijk", "abc"),
    ("i,i,ij->j", "ab"),
    ("ij,i->ij", "ab"),
    ("ij,jk,ki->", "abc"),
    ("ib,jb->ijb", "abd"),
]
SIZES = [(20, 30, 25, 4), (3, 4, 5, 2), (1, 7, 3, 2), (7, 1, 3, 1), (0, 3, 4, 2), (4, 0, 2, 3), (1, 1, 1, 1)]


@pytest.mark.parametrize("fp", ["contract", "strict"])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize(("subscripts", "letters"), TABLE)
def test_every_contraction_is_einsum(subscripts, letters, sizes, fp):
    size = dict(zip("abcd", sizes, strict=True))
    labels, output = parse(subscripts)
    names = list(dict.fromkeys(c for c in subscripts if c.isalpha()))
    of = {name: size[letter] for name, letter in zip(names, letters, strict=True)}
    shapes = [tuple(of[c] for c in part) for part in subscripts.split("->")[0].split(",")]
    graph = Graph()
    nodes, values = arrays(graph, shapes)
    root = contraction.einsum(graph, nodes, labels, output)
    names, _ = check(graph, [root], values, [np.einsum(subscripts, *values.values())], fp)
    if max(of.values()) < 10:
        assert "einsum" not in names


def test_matrix_chains_end_in_matrix_times_vector():
    graph = Graph()
    (a, b, x), values = arrays(graph, [(80, 90), (90, 70), (70,)])
    expected = values["x0"] @ (values["x1"] @ values["x2"])
    left = contraction.matmul(graph, contraction.matmul(graph, a, b), x)
    right = contraction.matmul(graph, a, contraction.matmul(graph, b, x))
    for root in (left, right):
        names, largest = check(graph, [root], values, [expected])
        assert "einsum" not in names  # rows of a matrix times a vector are loops
        assert names.count("sum") == 2
        assert largest == 0


def test_columns_times_a_vector_are_a_call():
    graph = Graph()
    (a, x), values = arrays(graph, [(80, 90), (80,)])
    names, _ = check(
        graph,
        [contraction.matmul(graph, movement.transpose(graph, a, (1, 0)), x)],
        values,
        [values["x0"].T @ values["x1"]],
    )
    assert names == ["einsum"]


def test_rows_times_a_vector_are_loops_until_the_matrix_is_large():
    for shape, call in (((1100, 1000), True), ((20000, 100), False), ((500, 500), False)):
        graph = Graph()
        (a, x), values = arrays(graph, [shape, shape[1:]])
        names, _ = check(graph, [contraction.matmul(graph, a, x)], values, [values["x0"] @ values["x1"]])
        assert ("einsum" in names) == call
        squares = graph.add("mul", (a, a))  # these need not be stored
        names, _ = check(graph, [contraction.matmul(graph, squares, x)], values, [values["x0"] ** 2 @ values["x1"]])
        assert "einsum" not in names


def test_a_weighted_gram_matrix_is_one_scaling_and_one_product():
    graph = Graph()
    (x, d), values = arrays(graph, [(300, 40), (300,)])
    expected = values["x0"].T @ (values["x1"][:, None] * values["x0"])
    root = contraction.einsum(graph, (x, d, x), ((0, 1), (0,), (0, 2)), (1, 2))
    names, largest = check(graph, [root], values, [expected])
    assert sorted(names) == ["einsum", "mul", "reshape"]
    assert largest == 40 * 40
    # The same, as it comes out of a chain of products.
    scaled = contraction.einsum(graph, (x, d), ((0, 1), (0,)), (0, 1))
    root = contraction.matmul(graph, movement.transpose(graph, x, (1, 0)), scaled)
    assert sorted(check(graph, [root], values, [expected])[0]) == ["einsum", "mul", "reshape"]


def test_quadratic_forms():
    graph = Graph()
    (x, a), values = arrays(graph, [(90,), (90, 90)])
    root = contraction.matmul(graph, contraction.matmul(graph, x, a), x)
    names, largest = check(graph, [root], values, [values["x0"] @ values["x1"] @ values["x0"]])
    assert "einsum" not in names
    assert largest == 0


def test_what_has_other_users_is_not_merged():
    graph = Graph()
    (a, b, x), values = arrays(graph, [(80, 90), (90, 70), (70,)])
    product = contraction.matmul(graph, a, b)
    root = contraction.matmul(graph, product, x)
    both = values["x0"] @ values["x1"]
    names, _ = check(graph, [root, product], values, [both @ values["x2"], both])
    assert names.count("einsum") == 1
    assert names.count("sum") == 1


def test_strict_keeps_the_written_order():
    graph = Graph()
    (a, b, x), values = arrays(graph, [(80, 90), (90, 70), (70,)])
    root = contraction.matmul(graph, contraction.matmul(graph, a, b), x)
    names, _ = check(graph, [root], values, [values["x0"] @ values["x1"] @ values["x2"]], "strict")
    assert names.count("einsum") == 1
    assert written_path(4) == [(0, 1), (4, 2), (5, 3)]


def test_sums_of_products_are_never_formed():
    graph = Graph()
    (a, b), values = arrays(graph, [(80, 90), (90, 70)])
    root = reduction.sum_over(graph, movement.transpose(graph, contraction.matmul(graph, a, b), (1, 0)))
    names, largest = check(graph, [root], values, [(values["x0"] @ values["x1"]).sum()])
    assert "einsum" not in names
    assert largest == 0


def test_broadcasts_are_seen_through():
    graph = Graph()
    (a, x), values = arrays(graph, [(80, 90), (1, 70)])
    wide = movement.broadcast(graph, x, (90, 70))
    expected = values["x0"] @ np.broadcast_to(values["x1"], (90, 70))
    names, _ = check(graph, [contraction.matmul(graph, a, wide)], values, [expected])
    assert "einsum" not in names
    ones = movement.broadcast(graph, graph.constant(1.0), (80,))
    names, _ = check(graph, [contraction.matmul(graph, ones, a)], values, [values["x0"].sum(axis=0)])
    assert names == ["sum"]
    graph = Graph()
    (y,), values = arrays(graph, [(1,)])
    product = graph.add(
        "einsum", (graph.add("broadcast", (y,), (5,)), graph.add("broadcast", (y,), (5,))), (((0,), (0,)), ())
    )
    check(graph, [product], values, [5 * values["x0"][0] ** 2])


def diagonal_matrix(graph, node):
    size = graph.shape(node)[0]
    places = graph.add("equal", (indexing.iota(graph, (size, size), 0), indexing.iota(graph, (size, size), 1)))
    return graph.add("where", (places, movement.reshape(graph, node, (size, 1)), graph.constant(0.0)))


def test_diagonal_matrices_are_never_formed():
    graph = Graph()
    (x, d, a), values = arrays(graph, [(300, 40), (300,), (300, 300)])
    x0, x1, x2 = values.values()
    d = diagonal_matrix(graph, d)
    roots = [
        contraction.matmul(graph, contraction.matmul(graph, movement.transpose(graph, x, (1, 0)), d), x),
        contraction.matmul(graph, d, x),
        contraction.matmul(graph, a, d),
        contraction.matmul(graph, d, graph.constant(np.ones(300))),
        contraction.matmul(graph, d, d),
        reduction.sum_over(graph, contraction.matmul(graph, a, d)),
        contraction.einsum(graph, (a, d), ((0, 1), (0, 1)), ()),
    ]
    expected = [
        x0.T @ (x1[:, None] * x0),
        x1[:, None] * x0,
        x2 * x1,
        x1,
        np.diag(x1 * x1),
        (x2 * x1).sum(),
        np.sum(np.diag(x2) * x1),
    ]
    for k, (root, value) in enumerate(zip(roots, expected, strict=True)):
        ordered, new = order_contractions(graph, [root])
        found, names, _ = execute(ordered, new, values)
        np.testing.assert_allclose(found[0], value, rtol=1e-9, atol=1e-9)
        assert names.count("einsum") == (k == 0)
        assert "where" not in names or k == 4
    eye = indexing.eye(graph, 300, 300)
    ordered, new = order_contractions(graph, [contraction.matmul(graph, a, eye), contraction.matmul(graph, eye, a)])
    assert [ordered.ops[node].name for node in new] == ["input", "input"]


def test_masks_that_are_no_diagonal_stay():
    graph = Graph()
    (a,), values = arrays(graph, [(5, 5)])
    places = graph.add(
        "equal",
        (graph.add("add", (indexing.iota(graph, (5, 5), 0), graph.constant(1.0))), indexing.iota(graph, (5, 5), 1)),
    )
    shift = graph.add("where", (places, graph.constant(1.0), graph.constant(0.0)))
    check(graph, [contraction.matmul(graph, a, shift)], values, [values["x0"] @ np.eye(5, k=1)])
    row = graph.add("equal", (indexing.iota(graph, (5, 5), 0), indexing.iota(graph, (5, 5), 0)))
    ones = graph.add("where", (row, graph.constant(1.0), graph.constant(0.0)))
    check(graph, [contraction.matmul(graph, a, ones)], values, [values["x0"] @ np.ones((5, 5))])


def test_long_chains_are_fast():
    graph = Graph()
    nodes, values = arrays(graph, [(30, 30)] * 300 + [(30,)])
    for k in values:
        values[k] = values[k] / 6
    root = nodes[0]
    for node in nodes[1:]:
        root = contraction.matmul(graph, root, node)
    expected = values["x300"]
    for k in reversed(range(300)):
        expected = values[f"x{k}"] @ expected
    names, _ = check(graph, [root], values, [expected])
    assert "einsum" not in names


def test_the_training_step_has_no_transposes():
    graph = Graph()
    (x, w1, g), values = arrays(graph, [(64, 1000), (1000, 100), (64, 100)])
    first = contraction.einsum(graph, (x, w1), ((0, 1), (1, 2)), (0, 2))
    second = contraction.einsum(graph, (g, x), ((0, 2), (0, 1)), (1, 2))
    third = contraction.einsum(graph, (g, w1), ((0, 2), (1, 2)), (0, 1))
    v = list(values.values())
    names, _ = check(graph, [first, second, third], values, [v[0] @ v[1], v[0].T @ v[2], v[2] @ v[1].T])
    assert names == ["einsum"] * 3


# Paths


@pytest.mark.parametrize("seed", range(60))
def test_paths_cost_no_more_than_the_best(seed):
    rng = np.random.default_rng(seed)
    sizes = {k: int(rng.integers(2, 9)) for k in range(6)}
    operands = [tuple(int(x) for x in rng.permutation(6)[: rng.integers(1, 4)]) for _ in range(rng.integers(3, 5))]
    output = tuple(sorted({x for own in operands for x in own} & {0, 1}))
    found = find_path(operands, output, sizes)
    limit = max(np.prod([sizes[x] for x in own]) for own in (*operands, output))
    costs = [cost(path, operands, output, sizes) for path in every_path(len(operands))]
    bounded = [work for work, largest in costs if largest <= limit]
    work, largest = cost(found, operands, output, sizes)
    assert work == (min(bounded) if bounded else min(work for work, _ in costs))
    assert not bounded or largest <= limit


def every_path(number):
    def walk(alive, new, path):
        if len(alive) == 1:
            yield path
        for one, other in itertools.combinations(alive, 2):
            rest = [k for k in alive if k not in (one, other)]
            yield from walk([*rest, new], new + 1, [*path, (one, other)])

    return walk(list(range(number)), number, [])


def cost(path, operands, output, sizes):
    sets, alive = [set(own) for own in operands], set(range(len(operands)))
    for k in alive:  # what one operand alone has is summed before
        sets[k] &= set(output).union(*(sets[j] for j in alive if j != k))
    work = largest = 0
    for one, other in path:
        alive -= {one, other}
        both = sets[one] | sets[other]
        kept = both & set(output).union(*(sets[k] for k in alive))
        alive.add(len(sets))
        sets.append(kept)
        work += int(np.prod([sizes[x] for x in both])) * (1 if kept == both else 2)
        largest = max(largest, int(np.prod([sizes[x] for x in kept])))
    return work, largest


def test_many_operands():
    sizes = {k: 3 + k % 4 for k in range(41)}
    operands = [(k, k + 1) for k in range(40)]
    path = find_path(operands, (0, 40), sizes)
    assert len(path) == 39
    assert sorted(k for pair in path for k in pair) == list(range(78))
    assert find_path([(k,) for k in range(12)], tuple(range(12)), dict.fromkeys(range(12), 2))
    assert find_path([(0,)], (0,), {0: 3}) == []


# Matrix products on strided operands

M, N, K, B = 0, 1, 2, 3


@pytest.mark.parametrize(
    ("a", "b", "c", "copies"),
    [
        (((M, K), (40, 1)), ((K, N), (30, 1)), ((M, N), (30, 1)), ()),
        (((M, K), (1, 20)), ((K, N), (1, 40)), ((M, N), (1, 20)), ()),
        (((M, K), (100, 1)), ((K, N), (90, 1)), ((M, N), (50, 1)), ()),  # slices
        (((M, K), (80, 2)), ((K, N), (30, 1)), ((M, N), (30, 1)), (0,)),  # every second column
        (((M, K), (40, 1)), ((K, N), (30, -1)), ((M, N), (30, 1)), (1,)),  # reversed
        (((M, K), (40, 1)), ((K, N), (0, 1)), ((M, N), (30, 1)), (1,)),  # repeated
        (((M, K), (1, 1)), ((K, N), (30, 1)), ((M, N), (30, 1)), (0,)),  # a sliding window
        (((M, K), (40, 1)), ((K, N), (30, 1)), ((M, N), (60, 2)), (2,)),
        (((B, M, K), (800, 40, 1)), ((K, N), (30, 1)), ((B, M, N), (600, 30, 1)), ()),
        (((B, M, K), (0, 40, 1)), ((B, K, N), (1200, 30, 1)), ((B, M, N), (600, 30, 1)), ()),
        (((M, B, K), (200, 40, 1)), ((B, K, N), (1200, 30, 1)), ((M, B, N), (150, 30, 1)), ()),
    ],
)
def test_strides(a, b, c, copies):
    sizes = {M: 20, N: 30, K: 40, B: 5}
    match = match_gemm(sizes, Strided(*a), Strided(*b), Strided(*c))
    assert tuple(k for k, one in enumerate(match.copies) if one is not None) == copies
    step = match.gemm(3, 7, 4, 8, 5, 9)
    assert (step.a.offset, step.b.buffer, step.c.offset, step.m, step.n, step.k) == (7, 4, 9, match.m, match.n, match.k)
    for (row, column, _), rows, columns in ((match.a, match.m, match.k), (match.b, match.k, match.n)):
        assert (column == 1 and row >= columns) or (row == 1 and column >= rows)


def test_groups_of_axes_are_one_axis_where_they_can_be():
    sizes = {0: 6, 1: 7, 2: 40, 3: 30}
    whole = match_gemm(sizes, *(Strided(x, labelled_strides(x, sizes)) for x in ((0, 1, 2), (2, 3), (0, 1, 3))))
    assert (whole.m, whole.n, whole.k, whole.batch) == (42, 30, 40, ())
    looped = match_gemm(sizes, *(Strided(x, labelled_strides(x, sizes)) for x in ((0, 1, 2), (2, 3), (1, 0, 3))))
    assert (looped.m, looped.n, looped.k, looped.batch, looped.copies) == (7, 30, 40, (6,), (None, None, None))
    assert looped.c == (180, 1, (30,))
    sizes = {0: 60, 1: 30, 2: 3, 3: 50}
    copied = match_gemm(sizes, *(Strided(x, labelled_strides(x, sizes)) for x in ((0, 1, 2), (2, 3), (1, 0, 3))))
    assert (copied.m, copied.batch, copied.copies) == (1800, (), ((1, 0, 2), None, None))


def test_contracted_groups_in_different_orders_need_a_copy_of_the_smaller():
    sizes = {0: 50, 1: 6, 2: 7, 3: 30}
    match = match_gemm(sizes, *(Strided(x, labelled_strides(x, sizes)) for x in ((0, 1, 2), (2, 1, 3), (0, 3))))
    assert match.copies == (None, (1, 2, 3), None)
    assert (match.m, match.n, match.k) == (50, 30, 42)


def test_sizes_past_32_bits_are_left_to_loops():
    sizes = {0: 2**31, 1: 2, 2: 2}
    assert match_gemm(sizes, *(Strided(x, labelled_strides(x, sizes)) for x in ((0, 1), (1, 2), (0, 2)))) is None
