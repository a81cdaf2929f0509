"""From a graph of arrays to a plan, carried out by NumPy and compared with the interpreter."""

import math

import numpy as np
import pytest

from symdiff.interpret import evaluate
from symdiff.ir.graph import Graph
from symdiff.ops import contraction, core, indexing, matrices, movement, reduction, scan, singular_values
from symdiff.optimize import pipeline
from symdiff.optimize.planning.listing import describe_plan
from symdiff.optimize.planning.plan import Apply, Choose, Gemm, Lapack, Nest, Reduce, Scan, ScatterAdd, Sort, Store
from tests.optimize.run_plan import run_plan


@pytest.fixture(autouse=True)
def checked(monkeypatch):
    monkeypatch.setattr(pipeline, "VERIFY", True)
    monkeypatch.setattr(pipeline, "MOST_UNROLLED", -1)  # loops, however small the arrays


def values(graph, nodes, seed=0):
    random = np.random.default_rng(seed)
    found = []
    for node in nodes:
        type_ = graph.types[node]
        value = random.uniform(0.5, 2.0, type_.shape) * random.choice([-1, 1], type_.shape)
        found.append(value > 0 if type_.dtype == "bool" else value.astype(type_.dtype))
    return found


def compare(graph, inputs, outputs, given=None, fp="contract", tolerance=1e-12):
    """Optimize, run the plan, compare; the program."""
    operands = [(graph.types[n], (n,)) for n in inputs]
    program = pipeline.optimize(graph, operands, outputs, fp=fp)
    given = values(graph, inputs) if given is None else given
    wanted = evaluate(graph, outputs, dict(zip(inputs, given, strict=True)))
    for got, want in zip(run_plan(program, given), wanted, strict=True):
        assert got.shape == np.shape(want)
        if got.dtype == bool:
            np.testing.assert_array_equal(got, want)
        else:
            np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)
    return program


def arrays(*shapes, dtype="float64"):
    graph = Graph(dtype)
    return graph, [graph.input(f"x{k}", shape) for k, shape in enumerate(shapes)]


def kinds(program):
    return [type(step).__name__ for step in program.plan.steps]


def applied(step, name):
    return sum(isinstance(i, Apply) and i.op.name == name for i in step.body)


SHAPES = [(1,), (2,), (17,), (0,), (3, 4), (1, 4), (3, 1), (2, 1, 3), (2, 3, 4), (0, 3), (3, 0)]


@pytest.mark.parametrize("shape", SHAPES)
def test_elementwise(shape):
    graph, (x, y) = arrays(shape, shape)
    body = graph.add("mul", (graph.add("sin", (x,)), graph.add("add", (y, graph.constant(2.0)))))
    program = compare(graph, [x, y], [body, graph.add("less", (x, y))])
    if 0 not in shape:
        assert kinds(program) == ["Nest"]
        assert len(program.plan.steps[0].space) == (math.prod(shape) != 1)


@pytest.mark.parametrize("first", SHAPES)
@pytest.mark.parametrize("second", [(), (1,), (4,), (3, 1), (3, 4), (2, 1, 4), (0, 1)])
def test_broadcasting(first, second):
    try:
        np.broadcast_shapes(first, second)
    except ValueError:
        pytest.skip("they do not broadcast")
    graph, (x, y) = arrays(first, second)
    both = graph.add("mul", (graph.add("exp", (x,)), y))
    compare(graph, [x, y], [graph.add("add", (both, x)), reduction.sum_over(graph, both)])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["sum", "prod", "amax", "amin", "norm", "any", "all"])
def test_reductions(shape, name):
    import itertools

    graph, (x,) = arrays(shape)
    source = graph.add("less", (x, graph.constant(0.7))) if name in ("any", "all") else graph.add("neg", (x,))
    ranks = range(len(shape))
    axes = [a for n in range(len(shape) + 1) for a in itertools.combinations(ranks, n)]
    if name in ("amax", "amin"):
        axes = [a for a in axes if 0 not in [shape[k] for k in a]]
    compare(graph, [x], [graph.add(name, (source,), a) for a in axes])


@pytest.mark.parametrize("size", [1, 2, 15, 16, 17, 100])
def test_sums_have_the_interpreters_bits(size):
    graph, (x, y) = arrays((3, size), (3, size))
    terms = graph.add("mul", (graph.add("exp", (x,)), y))
    compare(
        graph, [x, y], [reduction.sum_over(graph, terms, axes) for axes in [0, 1, (0, 1)]], fp="strict", tolerance=0
    )


@pytest.mark.parametrize(
    "index",
    [
        (slice(1, None),),
        (slice(None, -1),),
        (slice(None, None, -1),),
        (slice(None, None, 2),),
        (slice(5, 1, -2),),
        (3,),
        (slice(2, 2),),
        (slice(None, None, 3), 1),
        (slice(None), slice(3, None, -1)),
        (0, 0),
    ],
)
def test_slices_and_pads(index):
    shape = (7,) if len(index) == 1 else (7, 4)
    graph, (x,) = arrays(shape)
    part = movement.element(graph, graph.add("square", (x,)), index)
    sine = graph.add("sin", (part,))
    padded = movement.scatter(graph, sine, index, shape)
    inner = movement.element(graph, graph.add("mul", (padded, x)), index)
    compare(graph, [x], [part, padded, graph.add("add", (padded, x)), inner, reduction.sum_over(graph, padded)])


def test_movements():
    graph, (x, y) = arrays((3, 4), (2, 4))
    square = graph.add("square", (x,))
    both = movement.concatenate(graph, [square, y], 0)
    outputs = [
        movement.transpose(graph, square, (1, 0)),
        both,
        graph.add("mul", (both, graph.constant(2.0))),
        movement.reshape(graph, square, (2, 6)),
        graph.add("sin", (movement.reshape(graph, movement.transpose(graph, square, (1, 0)), (2, 6)),)),
        movement.concatenate(graph, [y, movement.element(graph, square, (slice(2),))], 1),
        movement.element(graph, both, (slice(None, None, -1),)),
        movement.stack(graph, [square, x], 1),
        indexing.main_diagonal(graph, square),
        movement.broadcast(graph, movement.element(graph, y, (0,)), (5, 4)),
        graph.add("exp", (movement.stack(graph, [square, x]),)),
        reduction.sum_over(graph, indexing.main_diagonal(graph, movement.reshape(graph, y, (2, 2, 2)), 0, 2)),
        graph.add("mul", (indexing.iota(graph, (3, 4), 1), indexing.iota(graph, (3, 4)))),
        indexing.iota(graph, (5,)),
        x,
        y,
        square,
        movement.reshape(graph, x, (12,)),
        movement.broadcast(graph, graph.constant(3.0), (2, 2)),
        graph.constant(np.arange(3.0)),
        graph.add("sin", (movement.reshape(graph, graph.add("cos", (x,)), (2, 2, 3)),)),
        movement.reshape(graph, indexing.iota(graph, (12,)), (3, 4)),
        indexing.eye(graph, 3, 4, 1),
    ]
    compare(graph, [x, y], outputs)


def rosenbrock(n):
    graph = Graph()
    x = graph.input("x", (n,))
    head, tail = movement.element(graph, x, (slice(None, -1),)), movement.element(graph, x, (slice(1, None),))
    first = graph.add("sub", (tail, graph.add("square", (head,))))
    second = graph.add("sub", (graph.constant(1.0), head))
    hundred = graph.constant(100.0)
    value = reduction.sum_over(
        graph,
        graph.add("add", (graph.add("mul", (hundred, graph.add("square", (first,)))), graph.add("square", (second,)))),
    )
    by_first = graph.add("mul", (graph.constant(200.0), first))
    by_head = graph.add(
        "sub",
        (
            graph.add("mul", (graph.constant(-2.0), second)),
            graph.add("mul", (by_first, graph.add("add", (head, head)))),
        ),
    )
    gradient = graph.add(
        "add",
        (
            movement.scatter(graph, by_first, (slice(1, None),), (n,)),
            movement.scatter(graph, by_head, (slice(None, -1),), (n,)),
        ),
    )
    return graph, x, value, gradient


@pytest.mark.parametrize("n", [2, 3, 10, 1000])
def test_the_gradient_of_the_chained_rosenbrock_is_one_nest(n):
    graph, x, value, gradient = rosenbrock(n)
    program = compare(graph, [x], [gradient], tolerance=1e-9)
    if n > 2:
        assert kinds(program) == ["Nest"]
        assert program.plan.workspace == 0
        (nest,) = program.plan.steps
        assert sum(isinstance(i, Choose) for i in nest.body) == 2
    compare(graph, [x], [value, gradient], tolerance=1e-9)


def test_rows_are_reduced_along_memory_whatever_else_is_read():
    graph, (x,) = arrays((50, 60))
    mean = movement.reshape(graph, reduction.sum_over(graph, x, (1,)), (50, 1))
    apart = graph.add("sub", (x, mean))
    program = compare(graph, [x], [reduction.sum_over(graph, graph.add("mul", (apart, apart)), (1,))], tolerance=1e-10)
    assert [step.reduced for step in program.plan.steps] == [(1,), (1,)]


def test_what_is_put_together_of_parts_that_are_is_written_once():
    """Stacks within concatenations, as entries of a band in the order of rows, go straight to their places."""
    graph, (x, y) = arrays((6, 4), (24,))
    sine, line = graph.add("sin", (x,)), graph.add("cos", (y,))
    pairs = movement.reshape(graph, movement.stack(graph, [sine, x], 2), (6, 8))
    rows = movement.reshape(graph, movement.concatenate(graph, [pairs, graph.add("neg", (x,))], 1), (72,))
    ends = movement.element(graph, line, (slice(2),))
    whole = movement.concatenate(graph, [ends, rows, ends], 0)
    program = compare(graph, [x, y], [whole])
    assert program.plan.workspace == 0
    assert all(isinstance(step, Nest) and isinstance(step.results[0], Store) for step in program.plan.steps)


def test_parts_that_are_needed_elsewhere_or_lie_apart_are_read():
    graph, (x, y) = arrays((6, 4), (12,))
    joined = movement.concatenate(graph, [graph.add("sin", (y,)), graph.add("cos", (y,))], 0)
    apart = movement.concatenate(graph, [movement.reshape(graph, joined, (6, 4)), x], 1)
    again = movement.concatenate(graph, [movement.reshape(graph, joined, (6, 4)), x], 0)
    flipped = movement.element(graph, joined, (slice(None, None, -1),))
    compare(graph, [x, y], [apart])
    compare(graph, [x, y], [apart, again, flipped, joined])
    compare(graph, [x, y], [again, reduction.sum_over(graph, joined)])


def test_sizes_do_not_show():
    programs = []
    for n in (10, 1_000_000):
        graph, x, value, gradient = rosenbrock(n)
        programs.append(pipeline.optimize(graph, [(graph.types[x], (x,))], [value, gradient]))
    small, large = programs
    assert len(small.graph) == len(large.graph)
    assert [len(s.body) for s in small.plan.steps] == [len(s.body) for s in large.plan.steps]


def test_softmax_keeps_the_exponentials():
    graph, (x,) = arrays((64, 100))
    shifted = graph.add("sub", (x, movement.reshape(graph, reduction.reduce_over(graph, core.AMAX, x, 1), (64, 1))))
    power = graph.add("exp", (shifted,))
    total = movement.reshape(graph, reduction.sum_over(graph, power, 1), (64, 1))
    program = compare(graph, [x], [graph.add("div", (power, total))])
    assert kinds(program) == ["Nest"] * 4  # the second, of 64 numbers, replaces maxima that are infinite
    assert [applied(step, "exp") for step in program.plan.steps] == [0, 0, 1, 0]
    names = [b.kind for b in program.plan.buffers]
    assert names.count("work") == 2  # the maxima and the sums: the powers lie in the result


@pytest.mark.parametrize(("m", "n", "k"), [(40, 30, 20), (40, 1, 200), (1, 30, 300), (3, 2, 4), (17, 17, 17)])
def test_matrix_products(m, n, k):
    graph, (a, b, c, d) = arrays((m, k), (k, n), (k, m), (n, k))
    outputs = [
        contraction.matmul(graph, a, b),
        contraction.matmul(graph, movement.transpose(graph, c, (1, 0)), b),
        contraction.matmul(graph, a, movement.transpose(graph, d, (1, 0))),
        movement.transpose(graph, contraction.matmul(graph, a, b), (1, 0)),
        contraction.matmul(graph, graph.add("sin", (a,)), b),
        contraction.einsum(graph, (a, b), ((0, 1), (1, 2)), (2, 0)),
        graph.add("tanh", (contraction.matmul(graph, a, graph.add("neg", (b,))),)),
    ]
    for output in outputs:
        compare(graph, [a, b, c, d], [output], tolerance=1e-10)
    program = compare(graph, [a, b, c, d], outputs, tolerance=1e-10)
    if min(m, n) > 1:
        assert any(isinstance(s, Gemm) for s in program.plan.steps) == (m * n * k > 4096)


def test_batched_and_odd_contractions():
    graph, (a, b, c) = arrays((5, 8, 9), (5, 9, 7), (9, 5, 8))
    outputs = [
        contraction.matmul(graph, a, b),
        contraction.einsum(graph, (a, b), ((0, 1, 2), (0, 2, 3)), (1, 3)),
        contraction.einsum(graph, (a, c), ((0, 1, 2), (2, 0, 3)), (1, 3)),
        contraction.einsum(graph, (a, c), ((0, 1, 2), (2, 0, 1)), ()),
        contraction.einsum(graph, (a, a), ((0, 1, 2), (0, 1, 2)), (1,)),
        contraction.einsum(graph, (a, b), ((0, 1, 2), (3, 2, 4)), (0, 4, 3, 1)),
        contraction.einsum(graph, (a, b, c), ((0, 1, 2), (0, 3, 4), (5, 0, 1)), (3, 5)),
        contraction.einsum(
            graph,
            (movement.element(graph, a, (slice(None), slice(None, None, 2), slice(None, None, 2))), a),
            ((0, 1, 2), (0, 3, 4)),
            (1, 2, 3, 4),
        ),
    ]
    for output in outputs:
        compare(graph, [a, b, c], [output], tolerance=1e-10)
    compare(graph, [a, b, c], outputs, tolerance=1e-10)


def test_the_hessian_of_a_logistic_loss_is_one_product():
    graph, (x, w, y) = arrays((200, 30), (30,), (200,))
    margin = graph.add("mul", (y, contraction.matmul(graph, x, w)))
    p = graph.add("sigmoid", (graph.add("neg", (margin,)),))
    d = graph.add("mul", (graph.add("mul", (p, graph.add("sub", (graph.constant(1.0), p)))), graph.add("square", (y,))))
    program = compare(
        graph, [x, w, y], [contraction.einsum(graph, (x, d, x), ((0, 1), (0,), (0, 2)), (1, 2))], tolerance=1e-9
    )
    assert kinds(program).count("Gemm") == 1
    assert max(math.prod(b.shape) for b in program.plan.buffers) == 200 * 30


def test_sums_of_products_are_matrix_products():
    graph, (x, y) = arrays((50, 20), (20, 30))
    wide = graph.add("mul", (movement.reshape(graph, x, (50, 20, 1)), y))
    program = compare(graph, [x, y], [reduction.sum_over(graph, wide, 1)], tolerance=1e-10)
    assert kinds(program) == ["Gemm"]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("axis", [0, 1])
def test_scans(axis, reverse):
    for shape in [(4, 5), (1, 1), (1, 4), (4, 1), (0, 2)]:
        graph, (x, y) = arrays(shape, shape)
        square = graph.add("square", (x,))
        outputs = [
            scan.running_sum(graph, square, axis, reverse),
            scan.recurrence(graph, graph.add("sin", (x,)), y, axis, reverse),
        ]
        outputs += [reduction.sum_over(graph, graph.add("exp", (outputs[1],)))]
        program = compare(graph, [x, y], outputs)
        assert kinds(program).count("Scan") == (2 if min(shape) and shape[axis] > 1 else 0)


def test_gather_and_scatter():
    graph, (x, labels) = arrays((6, 4), (5,))
    index = indexing.as_index(graph, labels)
    places = indexing.integer_array(graph, [[0, -1], [2, 2]])
    rows = indexing.gather(graph, graph.add("exp", (x,)), index, 0)
    outputs = [
        rows,
        indexing.gather(graph, x, places, 1),
        indexing.gather(graph, movement.transpose(graph, x, (1, 0)), index, 1),
        indexing.scatter_add(graph, rows, index, 0, 6),
        indexing.scatter_add(graph, indexing.gather(graph, x, places, 1), places, 1, 4),
        reduction.sum_over(graph, indexing.gather(graph, x, indexing.integer_array(graph, [0, 3, 3]), 0)),
        indexing.gather(graph, x, indexing.integer_array(graph, 2), 0),
    ]
    given = [np.arange(24.0).reshape(6, 4) / 7, np.array([0.0, 5.0, -1.0, 2.0, 2.0])]
    program = compare(graph, [x, labels], outputs, given)
    assert any(isinstance(s, ScatterAdd) for s in program.plan.steps)
    operands = [(graph.types[n], (n,)) for n in (x, labels)]
    with pytest.raises(IndexError):
        run_plan(pipeline.optimize(graph, operands, [rows]), [given[0], given[1] + 1])


def test_linear_algebra():
    graph, (a, b, c) = arrays((4, 4), (4, 3), (2, 4, 4))
    spd = graph.add(
        "add", (contraction.matmul(graph, a, movement.transpose(graph, a, (1, 0))), indexing.eye(graph, 4, 4))
    )
    factor = matrices.cholesky(graph, spd)
    outputs = [
        matrices.solve(graph, a, b),
        matrices.inv(graph, a),
        matrices.det(graph, a),
        matrices.logdet(graph, c),
        factor,
        matrices.solve(graph, c, b),
        matrices.solve_triangular(graph, factor, b),
        matrices.solve_triangular(graph, factor, b, True, True),
        matrices.inv(graph, c),
        contraction.matmul(graph, matrices.inv(graph, spd), b),
        matrices.inv(graph, movement.transpose(graph, a, (1, 0))),
        matrices.det_sign(graph, c),
        graph.add("adjugate", (c,)),
        singular_values.packed_svd(graph, b),
        singular_values.pinv(graph, c),
        contraction.matmul(graph, singular_values.pinv(graph, b), a),
        graph.add("argsort", (c,)),
    ]
    program = compare(graph, [a, b, c], outputs, tolerance=1e-8)
    assert sum(isinstance(s, Lapack) for s in program.plan.steps) >= 14
    assert sum(isinstance(s, Sort) for s in program.plan.steps) == 1


def test_one_pass_serves_value_and_gradient():
    graph, (x,) = arrays((1000,))
    power = graph.add("exp", (x,))
    program = compare(graph, [x], [reduction.sum_over(graph, power), power])
    assert kinds(program) == ["Nest"]
    assert sorted(type(r).__name__ for r in program.plan.steps[0].results) == ["Reduce", "Store"]


def test_scalars_are_computed_once():
    graph, (x, s) = arrays((500,), ())
    factor = graph.add("div", (graph.add("exp", (s,)), reduction.sum_over(graph, x)))
    program = compare(graph, [x, s], [graph.add("mul", (x, factor))])
    spaces = [step.space for step in program.plan.steps]
    assert spaces == [(500,), (), (500,)]
    assert [applied(step, "exp") for step in program.plan.steps] == [0, 1, 0]


def test_memory_is_shared():
    graph, (x,) = arrays((40, 40))
    node = x
    for _ in range(6):
        node = graph.add("tanh", (contraction.matmul(graph, node, x),))
    program = compare(graph, [x], [node], tolerance=1e-9)
    assert program.plan.workspace <= 2 * 8 * 1600
    assert program.plan.library_calls == 6


def test_packed_scalars_and_other_types():
    graph = Graph("float32")
    x, c = graph.input("x", (3, 2)), graph.input("c", (2,), "bool")
    a, b = graph.input("a"), graph.input("b")
    found = graph.add("where", (c, graph.add("mul", (x, a)), b))
    operands = [(graph.types[x], (x,)), (graph.types[c], (c,))]
    from symdiff.types import tensor

    operands.append((tensor("float32", (2,)), (a, b)))
    program = pipeline.optimize(graph, operands, [found])
    values_ = np.arange(6, dtype=np.float32).reshape(3, 2)
    (got,) = run_plan(program, [values_, np.array([True, False]), np.array([2.0, 7.0], np.float32)])
    np.testing.assert_array_equal(got, np.where([True, False], values_ * 2, np.float32(7.0)))
    assert got.dtype == np.float32


def test_the_description_of_a_plan():
    graph, (a, b) = arrays((64, 32), (32, 48))
    product = contraction.matmul(graph, a, b)
    program = compare(graph, [a, b], [reduction.sum_over(graph, graph.add("sin", (product,)), 1)], tolerance=1e-10)
    assert describe_plan(program.plan) == [
        "gemm 64x48x32 nn",
        "nest 64x48: 1 operation, reads 1, writes 1, reduces axes 1",
        "workspace 24,576 bytes",
    ]


def test_results_of_steps_are_of_known_kinds():
    graph, (x,) = arrays((4, 8))
    program = compare(graph, [x], [reduction.sum_over(graph, graph.add("exp", (x,)), 0), scan.running_sum(graph, x, 0)])
    for step in program.plan.steps:
        assert isinstance(step, Nest | Scan)
        if isinstance(step, Nest):
            assert all(isinstance(r, Store | Reduce) for r in step.results)


def test_values_that_one_loop_needs_twice_are_computed_in_it_once():
    """A chain and its adjoints, which need the values of the chain again, are one loop without any memory."""
    graph, (w,) = arrays((1000,))
    layers = [w]
    for _ in range(4):
        layers.append(graph.add("tanh", (layers[-1],)))
    slope = graph.constant(1.0)
    for value in layers[:0:-1]:
        slope = graph.add("mul", (slope, graph.add("sub", (graph.constant(1.0), graph.add("square", (value,))))))
    program = compare(graph, [w], [slope], tolerance=1e-12)
    assert kinds(program) == ["Nest"]
    assert program.plan.workspace == 0
    (nest,) = program.plan.steps
    assert sum(isinstance(i, Apply) and i.op.name == "tanh" for i in nest.body) <= 4
