"""Laplacians and other operators of second order against traces of Hessians and repeated differentiation."""

import math
import pickle

import numpy as np
import pytest

import symdiff as sd
from symdiff.differentiate.collapsed import Operator, collapsed
from symdiff.differentiate.forward import forward
from symdiff.differentiate.partials import has_partial
from symdiff.differentiate.taylor import taylor_coefficients
from symdiff.interpret import evaluate
from symdiff.ir.graph import Graph
from symdiff.ops.base import Unavailable
from symdiff.optimize.planning.plan import Gemm
from symdiff.optimize.program import count_operations
from tests.differentiate.test_modes import formula
from tests.differentiate.test_taylor import POINTWISE, SCALARS, points_of, repeated

X = np.array([0.7, -0.4, 1.3, 0.2])
W = np.random.default_rng(0).normal(size=(5, 4))
A = np.random.default_rng(1).normal(size=(4, 4))
ARRAYS = {
    "f(x[4], W[5, 4]) = sum(tanh(W@x))": (X, W),
    "f(x[4], A[4, 4]) = x@A@x": (X, A),
    "f(x[4], A[4, 4]) = sin(x@A@x)*exp(sum(x))": (X, A),
    "f(x[4], A[4, 4]) = sum(tanh(A@tanh(A@x))*x)": (X, A),
    "f(x[4]) = sum(x**3)": (X,),
    "f(x[4]) = sum(x[1:]*x[:-1]**2)": (X,),
    "f(x[4]) = sum((x[1:] - x[:-1])**4)": (X,),
    "f(x[4]) = sum(cumsum(x)**3)": (X,),
    "f(x[4]) = sum(outer(x, x)**2*exp(x))": (X,),
    "f(x[4]) = sum(x[[1, 1, 0]]**3)*x[2]": (X,),
    "f(x[4]) = sum(concatenate([x, x**2])*concatenate([x**3, x]))": (X,),
    "f(x[4]) = sum(where(x > 0, x**3, sin(x)))": (X,),
    "f(x[4]) = sum(where(x > 0, sqrt(x), 0)*x)": (X,),
    "f(x[4]) = sum(max(x, 0.3)**2*abs(x))": (X,),
    "f(x[4]) = x[0]*x[1]**2*sin(x[2] + x[3])": (X,),
    "f(x[4]) = norm(x)": (X,),
    "f(x[4]) = prod(x)*sum(x)": (X,),
    "f(x[4]) = max(x)**2": (X,),
    "f(x[4]) = logsumexp(x)": (X,),
    "f(x[4]) = sum(softmax(x)**2)": (X,),
    "f(M[4, 4]) = trace(M@M@M)": (A,),
    "f(M[4, 4]) = sum((M@M.T)**2)": (A,),
    "f(M[4, 4]) = sum(M.T*M**2) + sum(diag(M)**3)": (A,),
    "f(M[4, 4]) = sum(reshape(M, (2, 8))[1]**3)": (A,),
    "f(M[4, 4]) = logdet(M@M.T + eye(4))": (A,),
    "f(M[4, 4]) = sum(inv(M + 9*eye(4))**2)": (A,),
    "f(M[4, 4], x[4]) = sum(solve(M + 9*eye(4), x)**2)": (A, X),
    "f(M[4, 4], x[4]) = sum(tanh(M@x)*x)": (A, X),
    "f(M[2, 2]) = M[0, 0]*M[1, 1] - M[0, 1]**2*M[1, 0]**2": (A[:2, :2],),
}


@pytest.mark.parametrize("text", ARRAYS)
def test_laplacians_are_traces_of_hessians(text):
    f, point = sd.function(text), ARRAYS[text]
    name, size = f.arguments[0].name, point[0].size
    got = sd.laplacian(f, name)(*point)
    want = np.trace(np.reshape(sd.hessian(f, name)(*point), (size, size)))
    assert got == pytest.approx(want, rel=1e-10, abs=1e-12)


U2 = np.random.default_rng(2).normal(size=(5, 6))
STENCILS = {
    "f(x[6]) = sum(x[::-1]*x**2)": "x",
    "f(x[6]) = sum(x[::-1]**2*sin(x))": "x",
    "f(x[6]) = sum((x[::2]*x[1::2])**3)": "x",
    "f(x[6]) = sum(x[::2]**2*x[:3]**3)": "x",
    "f(x[6]) = sum(exp(x[1:][:-1]*x[2:]))": "x",
    "f(x[6]) = sum(x[4:1:-1]**3*x[:3])": "x",
    "f(x[6]) = sum((x[1:]*x[0])**2*x[5])": "x",
    "f(x[6]) = x[1:] @ x[:-1]**3": "x",
    "f(x[6]) = sum(cos(outer(x[1:], x[:-1])))": "x",
    "f(x[6]) = sum(tanh(cumsum(x[2:])*x[:4]))": "x",
    "f(x[6], y) = sum((x[2:] - 2*x[1:-1] + x[:-2])**4*y**2)": ("x", "y"),
    "f(x[6]) = sum((x[2:] - 2*x[1:-1] + x[:-2])**4)*x[0]": "x[1:5]",
    "f(x[6]) = sum(where(x[1:] > x[:-1], (x[1:] - x[:-1])**3, x[1:]*x[:-1]))": "x",
    "f(u[5, 6]) = sum((u[1:] - u[:-1])**4) + sum((u[:, 1:] - u[:, :-1])**2*u[:, 1:])": "u",
    "f(u[5, 6]) = sum((4*u[1:-1, 1:-1] - u[2:, 1:-1] - u[:-2, 1:-1] - u[1:-1, 2:] - u[1:-1, :-2])**4)": "u",
    "f(u[5, 6]) = sum(u[1:3, ::2]**2*u[2, 3]*u[3:, 1::2])": "u",
    "f(u[5, 6]) = sum(exp(u[1:] @ u[:4].T))": "u",
    "f(u[5, 6]) = sum(u[:, 0]*u[:, 1:].T**3)": "u",
    "f(u[5, 6]) = sum(mean(u[1:], axis=0)**2*u[0])": "u",
}


@pytest.mark.parametrize("text", STENCILS)
def test_slices(text):
    """What is taken from an array stays tied to it."""
    point = [U2] if "u[5" in text else [np.array([0.7, -0.4, 1.3, 0.2, -0.9, 0.5])]
    point += [1.7] * ("y)" in text.split("=")[0])
    wrt = STENCILS[text]
    hessian = sd.hessian(text, wrt)(*point)
    blocks = [hessian[k][k] for k in range(2)] if isinstance(wrt, tuple) else [hessian]
    want = sum(np.trace(np.reshape(b, (math.isqrt(np.size(b)),) * 2)) for b in blocks)
    assert sd.laplacian(text, wrt)(*point) == pytest.approx(want, rel=1e-11, abs=1e-12)


def test_stencils_of_large_arrays_take_no_matrix():
    f = sd.laplacian("f(x[n]) = sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)")
    x = np.linspace(-1, 1, 1_000_000)
    want = 200 * (x.size - 1) + 2 * (x.size - 1) + np.sum(1200 * x[:-1] ** 2 - 400 * x[1:])
    assert f(x) == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize(("op", "payload"), SCALARS)
def test_second_derivatives_of_every_record(op, payload):
    """The operator dxx + c*dxy of an operation on curves in x and y, against forward mode twice."""
    graph = Graph()
    x, y = graph.input("x"), graph.input("y")
    starts = [graph.input(n) for n in "abc"[: len(op.kinds)]]
    closed = [isinstance(p, Unavailable) for p in op.partials]
    args = []
    for k, start in enumerate(starts):
        if op.kinds[k] == "c":
            start = graph.add("greater", (start, graph.constant(0.5)))
        elif has_partial(op, k) and not closed[min(k, len(closed) - 1)] and not (args and "inc" in op.name):
            curve = graph.add("square", (graph.add("sub", (x, graph.add("mul", (graph.constant(0.3 + k), y)))),))
            line = graph.add("mul", (graph.constant(0.5 - 0.2 * k), graph.add("add", (x, y))))
            start = graph.add("add", (start, graph.add("add", (line, curve))))
        args.append(start)
    node = graph.add(op, tuple(args), payload)
    one, c = graph.constant(1.0), graph.constant(-0.7)
    (by_x,) = forward(graph, [node], {x: one})
    if by_x is None:
        pytest.skip("there is no derivative")
    if op.name in ("betainc_by_a", "betainc_by_b", "betainc", "betaincc"):
        for make in (
            lambda: collapsed(graph, [node], Operator(((x, x, None),))),
            lambda: forward(graph, [by_x], {x: one}),
        ):
            with pytest.raises(sd.DifferentiationError, match="second order"):
                make()
        return
    (got,) = collapsed(graph, [node], Operator(((x, x, None), (x, y, c))))
    terms = [forward(graph, [by_x], {v: one})[0] for v in (x, y)]
    want = [graph.constant(0.0) if t is None else t for t in terms]
    compared = 0
    for point in points_of(op):
        values = {x: 0.0, y: 0.0, **dict(zip(starts, point, strict=True))}
        dxx, dxy = evaluate(graph, want, values)
        found = 0.0 if got is None else evaluate(graph, [got], values)[0]
        scale = abs(dxx) + abs(dxy)
        np.testing.assert_allclose(found, dxx - 0.7 * dxy, rtol=1e-9, atol=1e-10 * scale)
        compared += math.isfinite(scale)
    assert compared >= 1


@pytest.mark.parametrize(("text", "point"), POINTWISE)
def test_conventions_at_kinks_and_branches(text, point):
    f = sd.function(text)
    graph, x = f.graph, f._name_table()["x"]
    (found,) = collapsed(graph, f.nodes, Operator(((x, x, None),)))
    assert found is not None
    got, half = evaluate(graph, [found, repeated(graph, f.nodes[0], x, 2)[2]], {x: point})
    np.testing.assert_allclose(got, 2 * half, rtol=1e-12, atol=1e-15)


NETWORK = "f(x[n], W[m, n], b[m], V[m, m], w[m]) = w @ tanh(V @ tanh(W @ x + b))"


def network(n, m):
    random = np.random.default_rng(n)
    return [random.normal(size=s) / 3 for s in ((n,), (m, n), (m,), (m, m), (m,))]


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 5), (20, 7)])
def test_networks_with_sizes_by_name(n, m):
    point = network(n, m)
    want = np.trace(sd.hessian(NETWORK, "x")(*point))
    assert sd.laplacian(NETWORK, "x")(*point) == pytest.approx(want, rel=1e-11)


def test_a_network_takes_less_than_half_of_the_operations_of_a_trace():
    def operations(f):
        return sum(count_operations(f.graph, f.nodes).values())

    f = sd.function(
        NETWORK.replace("n", "50", 1).replace("m, n", "64, 50").replace("m, m", "64, 64").replace("[m]", "[64]")
    )
    assert operations(sd.laplacian(f, "x")) < 0.55 * operations(sd.hessian(f, "x"))
    assert len(sd.laplacian(f, "x").graph.live(sd.laplacian(f, "x").nodes)) < 60


def test_products_of_layers_transpose_nothing():
    """BLAS is slower where it has to; of few inputs, loops along them are."""
    text = "f(x[n], U[64, n], V[64, 64], W[64, 64], w[64]) = w @ tanh(W @ tanh(V @ tanh(U @ x)))"
    f = sd.function(text.replace("n]", "50]"))
    laplacian = sd.laplacian(f, "x")
    gemms = [step for step in laplacian._program().plan.steps if isinstance(step, Gemm)]
    assert [(g.a.row, g.b.row, g.c.row) for g in gemms] == [(1, 1, 1)] * 2  # in the order of columns: nothing is
    hessian = sum(count_operations(sd.hessian(f, "x").graph, sd.hessian(f, "x").nodes).values())
    assert laplacian.stats()["operations"] < 0.45 * hessian
    assert (
        "nest 3x64: 1 operation, reads 1, writes 1, reduces axes 0"
        in sd.laplacian(text.replace("n]", "3]"), "x").explain()
    )
    random = np.random.default_rng(0)
    for n in (3, 50):
        f = sd.function(text.replace("n]", f"{n}]"))
        point = [random.normal(size=a.shape) / 8 for a in f.arguments]
        assert sd.laplacian(f, "x")(*point) == pytest.approx(np.trace(sd.hessian(f, "x")(*point)), rel=1e-11)


def test_what_laplacians_are_by():
    f = sd.function("f(x[3], y, a) = a*sum(x**3)*y**2")
    x = np.array([1.0, 2.0, 3.0])
    assert sd.laplacian(f, "x")(x, 2.0, 0.5) == 0.5 * 36 * 4
    assert sd.laplacian(f, ("x", "y"))(x, 2.0, 0.5) == 0.5 * 36 * 4 + 36.0
    assert sd.laplacian(f, ["x", "y"])(x, 2.0, 0.5) == 0.5 * 36 * 4 + 36.0
    assert sd.laplacian(f, "x[1:]")(x, 2.0, 0.5) == 0.5 * 30 * 4
    assert sd.laplacian(f, "x[2]")(x, 2.0, 0.5) == 0.5 * 18 * 4
    assert sd.laplacian(f, "y")(x, 2.0, 0.5) == 36.0
    assert sd.laplacian(f)(x, 2.0, 0.5) == sd.laplacian(f, ("x", "y"))(x, 2.0, 0.5)
    elements = sd.function("f(x[3]) = x[0]**3*x[1] + x[1]**2*x[2]**4")
    assert sd.laplacian(elements, "x[1:]")([1.0, 2.0, 3.0]) == 2 * 81 + 4 * 12 * 9
    packed = sd.function("f([b, c], x) = b**2*c**3*x")
    assert sd.laplacian(packed, ["b", "c"])([1.0, 2.0], 3.0) == 3 * (2 * 8 + 6 * 2)
    line = sd.function("q = x*y\nf = q**3 + x**2", ["x", "y"])
    assert sd.laplacian(line, "q")(2.0, 3.0) == 36.0


def test_outputs_of_any_shape_and_batches():
    f = sd.function("f(x[2], t) = t*[x[0]**2, x[0]*x[1], x[1]**3]")
    assert sd.laplacian(f, "x")([1.0, 2.0], 0.5).tolist() == [1.0, 0.0, 6.0]
    assert sd.laplacian(f, "x")(np.ones((7, 2)), 2.0).shape == (7, 3)
    several = sd.laplacian(sd.function({"a": "x*y**2", "b": "x**2"}, ["x", "y"]))
    assert several(1.0, 2.0) == (2.0, 2.0)
    points = np.linspace(0.1, 2, 9)
    np.testing.assert_allclose(
        sd.laplacian("sin(x)*y**2", ["x", "y"])(points, 0.5), -np.sin(points) / 4 + 2 * np.sin(points)
    )
    assert sd.laplacian("f(x[3]) = sum(x)", "x")([1.0, 2.0, 3.0]) == 0.0
    assert sd.laplacian(sd.function("sum(exp(x))"), "x")([0.0, 0.0]) == 2.0


def test_laplacians_are_functions_again():
    f = sd.laplacian("f(x, y) = exp(x*y)", ["x", "y"])
    slope = sd.grad(f, ["x", "y"])(0.5, 0.7)
    e, x, y = math.exp(0.35), 0.5, 0.7
    total = (x * x + y * y) * e
    np.testing.assert_allclose(slope, [2 * x * e + y * total, 2 * y * e + x * total], rtol=1e-13)
    again = sd.laplacian(f, ["x", "y"])(0.5, 0.7)
    assert again == pytest.approx(sd.operator("f(x, y) = exp(x*y)", "dxxxx + 2*dxxyy + dyyyy")(0.5, 0.7), rel=1e-12)
    loss = sd.grad(NETWORK.replace("f(", "g("), "w")
    parameters = network(4, 3)
    by_weights = sd.grad(sd.laplacian(NETWORK, "x"), "w")(*parameters)
    assert by_weights.shape == loss(*parameters).shape
    step = 1e-6
    moved = [*parameters[:4], parameters[4] + step * np.eye(3)[1]]
    lap = sd.laplacian(NETWORK, "x")
    assert by_weights[1] == pytest.approx((lap(*moved) - lap(*parameters)) / step, rel=1e-5)
    assert pickle.loads(pickle.dumps(lap))(*parameters) == lap(*parameters)
    known = sd.laplacian("f(x[2]) = sum(x**4)", "x")
    assert pickle.loads(pickle.dumps(known))([1.0, 2.0]) == 60.0


# Operators as texts

U = "u(x, y, a) = x**4*y**2 + sin(a*x*y)"


def derivative(*names):
    f = sd.function(U)
    for name in names:
        f = sd.derivative(f, name)
    return f(0.6, 0.9, 1.7)


OPERATORS = {
    "dxx + dyy": lambda: derivative(*"xx") + derivative(*"yy"),
    "dx": lambda: derivative("x"),
    "dxx - 2*dxy + dyy": lambda: derivative(*"xx") - 2 * derivative(*"xy") + derivative(*"yy"),
    "-(dxy + dyx)/2 + 3*dx": lambda: -derivative(*"xy") + 3 * derivative("x"),
    "a**2*dxx + x*y*dxy - da + u": lambda: 1.7**2 * derivative(*"xx") + 0.54 * derivative(*"xy") - derivative("a")
    + derivative(),
    "dxxxx + 2*dxxyy + dyyyy": lambda: derivative(*"xxxx") + 2 * derivative(*"xxyy") + derivative(*"yyyy"),
    "d_x_x_y + d_y": lambda: derivative(*"xxy") + derivative("y"),
    "k = a + 1\nk*dxx + dyy/k": lambda: 2.7 * derivative(*"xx") + derivative(*"yy") / 2.7,
    "daxy*a": lambda: 1.7 * derivative(*"axy"),
}  # fmt: skip


@pytest.mark.parametrize("text", OPERATORS)
def test_operators(text):
    assert sd.operator(U, text)(0.6, 0.9, 1.7) == pytest.approx(OPERATORS[text](), rel=1e-12)


def test_operators_of_functions_with_open_shapes_and_several_outputs():
    g = sd.operator("u(x, m[k]) = x**2*sum(m)", "dxx*m[0] + u")
    assert g(2.0, [1.0, 2.0]) == 18.0
    assert pickle.loads(pickle.dumps(g))(2.0, [1.0, 2.0]) == 18.0
    assert sd.operator("u(x, m) = x**3*sum(m)", "dxx")(2.0, [1.0, 2.0]) == 36.0
    heat = sd.operator("u(x, t, a) = exp(-a*t)*sin(x)", "dt - a*dxx")
    assert abs(heat(0.3, 0.5, 2.0)) < 1e-15
    both = sd.operator(sd.function(("x*y**2", "[x, y**3]"), ["x", "y"]), "dxx + dyy")
    assert both(2.0, 3.0)[0] == 4.0
    assert both(2.0, 3.0)[1].tolist() == [0.0, 18.0]
    assert sd.operator(U, "dxx + dyy")(np.ones(5), np.ones(5), 0.5).shape == (5,)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("dxx + 1", sd.DifferentiationError, "a term of the operator has no derivative\ndxx + 1\n      ^\nwrite c*u"),
        ("dx*dx", sd.DifferentiationError, "not linear in derivatives\ndx*dx\n^^^^^"),
        ("2*dxx**2", sd.DifferentiationError, "not linear in derivatives\n2*dxx**2\n  ^^^^^^"),
        ("1/dx", sd.DifferentiationError, "not linear"),
        ("dx + w", sd.UnknownNameError, "w is neither an input nor a derivative by inputs\ndx + w\n     ^"),
        ("dxz", sd.UnknownNameError, "dxz is neither"),
        ("d_", sd.UnknownNameError, "d_ is neither"),
        ("dM", sd.ArgumentError, "dM is by M, which is an array\ndM\n^^\nlaplacian"),
        ("M*dx", sd.DifferentiationError, "a coefficient is an array"),
        ("2", sd.ArgumentError, "the operator has no derivatives"),
        ("", sd.ParseError, "the formula is empty"),
        ("dxx +", sd.ParseError, "a value was expected"),
        (3, sd.ArgumentError, "the operator is int"),
    ],
)
def test_refusals_of_operators(text, error, message):
    with pytest.raises(error) as caught:
        sd.operator("u(x, y, M[2]) = x*y*sum(M)", text)
    assert message in str(caught.value)


def test_words_that_can_be_read_in_two_ways():
    f = sd.function("u(x, xx) = x**3*xx**2")
    with pytest.raises(sd.UnknownNameError, match="dxx can be read in two ways: by x, then x or xx"):
        sd.operator(f, "dxx")
    assert sd.operator(f, "d_x_x")(2.0, 3.0) == 108.0
    assert sd.operator(f, "d_xx")(2.0, 3.0) == 48.0


@pytest.mark.parametrize("seed", range(20))
def test_random_functions(seed):
    """Formulas of arrays and numbers, of random shapes and operations."""
    random = np.random.default_rng(seed)
    parts = ["sin(x)", "x*x[::-1]", "(A@x)**2", "exp(-x**2)*y", "cumsum(x)*x", "tanh(A.T@x + y)", "sum(x)*x", "y**2*x",
             "where(x > y, x*y, x**3)", "x/(2 + x**2)"]  # fmt: skip
    chosen = random.choice(parts, 4, replace=False)
    text = f"f(x[3], y, A[3, 3]) = sum(({chosen[0]} + {chosen[1]})*({chosen[2]}) + {chosen[3]})"
    point = random.normal(size=3), random.normal(), random.normal(size=(3, 3))
    hessian = sd.hessian(text, ["x", "y"])(*point)
    assert sd.laplacian(text, ["x", "y"])(*point) == pytest.approx(np.trace(hessian), rel=1e-10, abs=1e-11)


@pytest.mark.parametrize("seed", range(30))
def test_random_formulas_with_branches(seed):
    """Series and operators, at points where branches and kinks are."""
    f = sd.function(formula(seed), ["x", "y", "z"])
    graph, table = f.graph, f._name_table()
    inputs = [table[n] for n in "xyz"]
    zero = graph.constant(0.0)
    (series,) = taylor_coefficients(graph, f.nodes, {inputs[0]: graph.constant(1.0)}, 4)
    wanted = repeated(graph, f.nodes[0], inputs[0], 4)
    (second,) = collapsed(graph, f.nodes, Operator(tuple((n, n, None) for n in inputs)))
    halves = [repeated(graph, f.nodes[0], n, 2)[2] for n in inputs]
    for point in ((0.3, -0.7, 1.1), (0.0, 0.0, 0.0), (1.0, 1.0, -1.0), (-2.0, 0.5, 0.5)):
        values = dict(zip(inputs, point, strict=True))
        got = evaluate(graph, [zero if c is None else c for c in series], values)
        want = evaluate(graph, wanted, values)
        scale = max([1.0, *(abs(w) for w in want if math.isfinite(w))])
        np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-10 * scale)
        got = evaluate(graph, [zero if second is None else second], values)[0]
        np.testing.assert_allclose(got, 2 * sum(evaluate(graph, halves, values)), rtol=1e-9, atol=1e-10)


def test_what_the_other_branch_has_stays_out_of_a_product_with_zero():
    assert sd.laplacian("min(cos(atan2(z*y, z)), x**2)", ["x", "y", "z"])(0.0, 0.0, 0.0) == 2.0
