"""Products with derivative matrices: jvp, vjp and hvp against the matrices, in all kinds of inputs and outputs."""

import inspect
import math
import pickle
import statistics
import time

import numpy as np
import pytest

import symdiff as sd
from tests.fuzz.generate import program

RNG = np.random.default_rng(3)


def close(got, want, rtol=1e-10):
    if isinstance(want, tuple):
        assert isinstance(got, tuple)
        assert len(got) == len(want)
        for a, b in zip(got, want, strict=True):
            close(a, b, rtol)
        return
    assert np.shape(got) == np.shape(want)
    np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * 1e-2)


def leaves(value):
    return [v for part in value for v in leaves(part)] if isinstance(value, tuple) else [value]


# formula, wrt, point: scalars, lists, packs, named lines, parts, tuples, arrays, several outputs
def identify(value):
    """Names of functions instead of their addresses."""
    return value.__name__ if callable(value) else str(value)


FORMULAS = [
    ("f(x, y) = sin(x*y) + exp(-x**2)", ["x", "y"], (0.3, 0.7)),
    ("f(x, y) = x**2*y", "x", (0.3, 0.7)),
    ("f(x, y) = x**2*y", None, (0.3, 0.7)),
    ("f(x, y) = x**2*y", ("x", "y"), (0.3, 0.7)),
    ("f(x, y) = x**2*y", ["y"], (0.3, 0.7)),
    ("f([x, y], a) = (a - x)^2 + 100*(y - x^2)^2", ["x", "y"], ([-1.2, 1.0], 1.0)),
    ("f([x, y], a) = (a - x)^2 + 100*(y - x^2)^2", None, ([-1.2, 1.0], 1.0)),
    ("f(x[3]) = x[0]*x[1]**2 + x[2]", "x", ([0.3, 0.7, 2.0],)),
    ("f(x[3]) = x[0]*x[1]**2*x[2]", "x[1:]", ([0.3, 0.7, 2.0],)),
    ("f(x[3]) = x[0]*x[1]**2*x[2]", ("x[0]", "x[2]"), ([0.3, 0.7, 2.0],)),
    ("f(x[3], a) = sum(a*sin(x)**2)", ["x", "a"], ([0.3, 0.7, 2.0], 1.5)),
    ("f(x[3], a) = sum(a*sin(x)**2)", "x[::2]", ([0.3, 0.7, 2.0], 1.5)),
    ("f(x[2, 3], y[3]) = prod(x @ y)", ("x", "y"), (RNG.normal(size=(2, 3)), RNG.normal(size=3))),
    ("f(x[2, 3], y[3]) = sum(exp(x @ y))", ["x", "y"], (RNG.normal(size=(2, 3)), RNG.normal(size=3))),
    ("f(A[3, 3]) = logdet(A @ A.T + eye(3))", "A", (RNG.normal(size=(3, 3)),)),
    ("f(A[3, 3], b[3]) = sum(solve(A, b)**2)", ("A", "b"), (RNG.normal(size=(3, 3)) + 3 * np.eye(3), [1.0, 2.0, 3.0])),
    ("f(x[4]) = sum(sort(x)*arange(4)) + max(x)*sum(cumsum(x)**2)", "x", ([0.3, -0.7, 2.0, 0.1],)),
    ("f(x[3]) = sum(where(x > 0, log(x), x**2))", "x", ([0.3, -0.7, 2.0],)),
    ("f(x[4]) = sum(softmax(x)**2)", "x", ([0.3, -0.7, 2.0, 0.1],)),
    ("q = x + y\nf = q*z**2", "q", (0.3, 0.7, 2.0)),
    ("q = x + y\nf = q**2*z**2", ("q", "z"), (0.3, 0.7, 2.0)),
]
VECTORS = [
    ("f(x[2]) = [x[0]*x[1], x[0]**3, exp(x[1])]", "x", ([0.3, 0.7],)),
    ("f([x, y], a) = [x*y*a, x/y]", ["x", "y"], ([0.3, 0.7], 2.0)),
    ("f(x, y) = [x*y, x + y, x**2]", None, (0.3, 0.7)),
    ("f(x[3], W[2, 3]) = tanh(W @ x)", ("x", "W"), ([0.3, 0.7, 1.0], RNG.normal(size=(2, 3)))),
    ("f(x[3], W[2, 3]) = outer(W @ x, x)", "x", ([0.3, 0.7, 1.0], RNG.normal(size=(2, 3)))),
    (("x[0]*x[1]", "f(x[3]) = cumsum(x)**2"), "x", ([0.3, 0.7, 1.0],)),
    ({"p": "x*y", "q": "[x, y**2]"}, ("x", "y"), (0.3, 0.7)),
]


def made(source, point):
    if isinstance(source, str) and "\n" in source:
        return sd.function(source, ["x", "y", "z"])
    if isinstance(source, dict):
        return sd.function(source, ["x", "y"])
    if isinstance(source, tuple):
        return sd.function(source, {"x": 3})
    return sd.function(source)


def placed(product, point, added):
    """The point with the added values in the places that the product has for them."""
    at = [k for k, a in enumerate(product.arguments) if "_dot" in a.name or "_bar" in a.name]
    values, rest, more = [], iter(point), iter(added)
    for k in range(len(product.arguments)):
        values.append(next(more) if k in at else next(rest))
    return values


def known(f, point):
    """The function for the shapes of a point."""
    return f.specialize(*point) if hasattr(f, "specialize") else f


def directions(product):
    return [RNG.normal(size=a.shape) for a in product.arguments if "_dot" in a.name or "_bar" in a.name]


def along(block, direction):
    """A derivative of shape S + T times a direction of shape T."""
    return np.tensordot(block, direction, np.ndim(direction))


@pytest.mark.parametrize(("source", "wrt", "point"), FORMULAS + VECTORS, ids=str)
def test_jvp_is_the_jacobian_times_the_tangent(source, wrt, point):
    f = made(source, point)
    product, whole = sd.jvp(f, wrt), sd.jacobian(f, wrt)(*point)
    given = directions(sd.jvp(known(f, point), wrt))
    got, several = leaves(product(*placed(product, point, given))), not isinstance(f(*point), tuple)
    rows = [whole] if several else list(whole)
    for one, row in zip(got, rows, strict=True):
        row = row if isinstance(row, tuple) else (row,)
        close(one, sum(along(block, d) for block, d in zip(row, given, strict=True)))


@pytest.mark.parametrize(("source", "wrt", "point"), FORMULAS + VECTORS, ids=str)
def test_vjp_is_the_cotangent_times_the_jacobian(source, wrt, point):
    f = made(source, point)
    product, whole = sd.vjp(f, wrt), sd.jacobian(f, wrt)(*point)
    given = directions(sd.vjp(known(f, point), wrt))
    assert len(given) == len(known(f, point).outputs)
    rows = [whole] if len(given) == 1 else list(whole)
    rows = [row if isinstance(row, tuple) else (row,) for row in rows]
    want = [
        sum(np.tensordot(bar, row[k], np.ndim(bar)) for bar, row in zip(given, rows, strict=True))
        for k in range(len(rows[0]))
    ]
    got = product(*placed(product, point, given))
    close(got, tuple(want) if isinstance(got, tuple) else want[0])


@pytest.mark.parametrize(("source", "wrt", "point"), FORMULAS, ids=str)
def test_hvp_is_the_hessian_times_the_direction(source, wrt, point):
    f = made(source, point)
    product, whole = sd.hvp(f, wrt), sd.hessian(f, wrt)(*point)
    given = directions(sd.hvp(known(f, point), wrt))
    got = product(*placed(product, point, given))
    whole = whole if isinstance(whole, tuple) else ((whole,),)
    want = tuple(sum(along(block, d) for block, d in zip(row, given, strict=True)) for row in whole)
    close(got, want if isinstance(got, tuple) else want[0])


# Signatures: f, transform, wrt, the arguments
SIGNATURES = [
    ("f(x, y) = x*y", sd.jvp, "x", "x, x_dot, y"),
    ("f(x, y) = x*y", sd.jvp, ["x", "y"], "x, y, x_y_dot[2]"),
    ("f(x, y) = x*y", sd.jvp, ("x", "y"), "x, y, x_dot, y_dot"),
    ("f(x, y, a) = x*y*a", sd.hvp, ("y", "x"), "x, y, y_dot, x_dot, a"),
    ("f(x[2], a) = [x[0]*a, x[1]]", sd.vjp, "x", "x[2], f_bar[2], a"),
    ("f(x, x_dot) = x*x_dot", sd.jvp, "x", "x, x_dot_2, x_dot"),
    ("f([x, y], a) = x*y*a", sd.hvp, ["x", "y"], "[x, y], x_y_dot[2], a"),
    ("f(x[n], a) = a*sum(x)", sd.hvp, "x", "x[n], x_dot[n], a"),
    ("f(x[n], a) = a*x", sd.vjp, "x", "x[n], f_bar, a"),
    ("f(x[n]) = x**2", sd.vjp, "x", "x[n], f_bar[n]"),
    ("f(x[n]) = [sum(x), 1]", sd.vjp, "x", "x[n], f_bar[2]"),
    ("f(x[n], y[m]) = outer(x, y)", sd.vjp, None, "x[n], y[m], f_bar[n, m]"),
    ("f(x[n], y[m]) = outer(x, y)", sd.jvp, ["x"], "x[n], x_dot[n], y[m]"),
    ("f(x, a) = a*sum(x)", sd.jvp, "x", "x, x_dot, a"),
]


@pytest.mark.parametrize(("text", "transform", "wrt", "arguments"), SIGNATURES, ids=identify)
def test_where_new_arguments_go_and_what_they_are_called(text, transform, wrt, arguments):
    product = transform(text, wrt)
    assert ", ".join(map(str, product.arguments)) == arguments
    names = [a.name for a in product.arguments]
    assert list(inspect.signature(product).parameters) == names


def test_names_of_products_of_products():
    f = sd.function("f(x) = x**5")
    twice = sd.jvp(sd.jvp(f, "x"), "x")
    assert [a.name for a in twice.arguments] == ["x", "x_dot_2", "x_dot"]
    assert twice(2.0, 3.0, 5.0) == 20 * 8 * 15
    by_tangent = sd.jvp(sd.jvp(f, "x"), "x_dot")
    assert [a.name for a in by_tangent.arguments] == ["x", "x_dot", "x_dot_dot"]
    assert by_tangent(2.0, 3.0, 7.0) == 80 * 7


def test_a_name_of_another_shape_in_the_same_graph():
    f = sd.function("f(x[2]) = x[0]**2*x[1]")
    whole, part = sd.jvp(f, "x"), sd.jvp(f, "x[0]")
    assert [str(a) for a in whole.arguments] == ["x[2]", "x_dot[2]"]
    assert [str(a) for a in part.arguments] == ["x[2]", "x_dot"]
    assert whole([2.0, 3.0], [1.0, 0.0]) == part([2.0, 3.0], 1.0) == 12.0


COMPOSED = [
    (lambda f: sd.grad(sd.jvp(f, "x"), "x"), lambda h, d: h @ d),
    (lambda f: sd.jvp(sd.grad(f, "x"), "x"), lambda h, d: h @ d),
    (lambda f: sd.vjp(sd.grad(f, "x"), "x"), lambda h, d: h @ d),
    (lambda f: sd.jacobian(sd.hvp(f, "x"), "x_dot"), lambda h, d: h),
    (lambda f: sd.jacobian(sd.jvp(sd.grad(f, "x"), "x"), "x_dot"), lambda h, d: h),
]
OPENED = ["f(x[3]) = x[0]**3*x[1] + x[2]*sin(x[1])", "f(x[3]) = sum(exp(x)**2*cumsum(x))",
          "f(x[n]) = sum(exp(x)**2*cumsum(x))", "f(x) = sum(exp(x)**2*cumsum(x))"]  # fmt: skip


@pytest.mark.parametrize("text", OPENED)
@pytest.mark.parametrize("k", range(len(COMPOSED)))
def test_compositions(text, k):
    f, x, d = sd.function(text), np.array([0.3, 0.7, 1.1]), np.array([1.0, -2.0, 0.5])
    transform, want = COMPOSED[k]
    close(transform(f)(x, d), want(sd.hessian(f, "x")(x), d))


@pytest.mark.parametrize("text", OPENED)
def test_third_derivatives_by_products(text):
    f, x = sd.function(text), np.array([0.3, 0.7, 1.1])
    third = sd.jacobian(sd.hessian(f, "x"), "x")(x)
    one, two = np.array([1.0, -2.0, 0.5]), np.array([0.2, 0.3, -0.4])
    close(sd.jvp(sd.hvp(f, "x"), "x")(x, two, one), np.einsum("ijk,j,k", third, one, two))
    close(sd.hvp(sd.jvp(f, "x"), "x")(x, two, one), np.einsum("ijk,j,k", third, one, two))


# Open shapes, batches, types, files

OPEN_CASES = [
    ("f(x[n], a) = a*sin(x)", "x", lambda n: (np.linspace(0, 1, n), 2.0)),
    ("f(x, a) = sum(x)*a*sin(x)", "x", lambda n: (np.linspace(0, 1, n), 2.0)),
    ("f(W[m, n], x[n]) = tanh(W @ x)", None, lambda n: (np.ones((3, n)) / n, np.linspace(0, 1, n))),
    ("f(W, x) = tanh(W @ x)", None, lambda n: (np.ones((3, n)) / n, np.linspace(0, 1, n))),
    ("f(W, x) = tanh(W @ x)", ["W", "x"], lambda n: (np.ones((3, n)) / n, np.linspace(0, 1, n))),
    ("f(x) = [sum(x), x[0]*x[1]]", "x[1:]", lambda n: (np.linspace(0, 1, n),)),
]


@pytest.mark.parametrize(("text", "wrt", "point"), OPEN_CASES, ids=identify)
@pytest.mark.parametrize("n", [2, 5, 20, 33])
def test_open_shapes_give_what_known_ones_do(text, wrt, point, n):
    f, values = sd.function(text), point(n)
    settled = f.specialize(*values)
    wrt = wrt or tuple(f.inputs)
    for transform in (sd.jvp, sd.vjp):
        opened, closed = transform(f, wrt), transform(settled, wrt)
        given = placed(closed, values, directions(closed))
        close(opened(*given), closed(*given), 1e-9)
        close(pickle.loads(pickle.dumps(opened))(*given), opened(*given))


def test_a_tangent_of_another_shape_is_refused():
    for text in ("f(x) = sum(x**2)", "f(x[n]) = sum(x**2)", "f(x[3]) = sum(x**2)"):
        for n in (3, 20):
            if "[3]" in text and n != 3:
                continue
            with pytest.raises(sd.ShapeError):
                sd.jvp(text, "x")(np.ones(n), np.ones(n + 1))


def test_outputs_that_cannot_be_counted_are_refused():
    def two(x):
        return x.sum(), x

    f = sd.vjp(two, "x")
    with pytest.raises(sd.ArgumentError, match="a cotangent for each output"):
        f([1.0, 2.0], 1.0)


def test_sources(tmp_path):
    sympy = pytest.importorskip("sympy")
    x, y = sympy.symbols("x y")
    assert sd.jvp(x**2 * y, x)(x=3.0, y=2.0, x_dot=1.0) == 12.0
    assert sd.hvp(lambda x, y: x**2 * y, ["x", "y"])(3.0, 2.0, [1.0, 0.0]).tolist() == [4.0, 6.0]
    a, b = sd.symbols("a b")
    assert sd.vjp(a**2 * b, [a, b])(3.0, 2.0, 2.0).tolist() == [24.0, 18.0]


@pytest.mark.parametrize("transform", [sd.jvp, sd.vjp, sd.hvp])
def test_printing_files_batches_and_types(transform, tmp_path):
    f = sd.function("f([x, y], a) = a*exp(x)*y**2")
    product = transform(f, ["x", "y"])
    point = [[0.3, 0.7], *((2.0,) if transform is sd.vjp else ([1.0, 2.0],)), 1.5]
    want = product(*point)
    again = sd.function(str(product))
    close(again(*point), want)
    product.save(tmp_path / "p")
    close(sd.load(tmp_path / "p")(*point), want)
    batch = [np.array([p] * 4) for p in point]
    close(product(*batch), np.array([want] * 4))
    close(product.compile(fp="strict")(*point), want)
    single = transform(sd.function("f([x, y], a) = a*exp(x)*y**2", dtype="float32"), ["x", "y"])
    close(single(*[np.float32(p) for p in point]), np.float32(want), 1e-5)
    assert product._stable


def test_untaken_branches_do_not_poison():
    f = sd.function("f(x[3]) = sum(where(x > 0, sqrt(x), 0))")
    x = np.array([1.0, 0.0, -1.0])
    assert sd.jvp(f, "x")(x, np.ones(3)) == 0.5
    assert sd.vjp(f, "x")(x, 2.0).tolist() == [1.0, 0.0, 0.0]
    assert sd.hvp(f, "x")(x, np.ones(3)).tolist() == [-0.25, 0.0, 0.0]


def test_refusals():
    with pytest.raises(sd.DifferentiationError, match=r"outputs|shape"):
        sd.hvp("f(x[2]) = x**2", "x")
    with pytest.raises(sd.DifferentiationError, match="condition"):
        sd.jvp("f(x) = x > 1", "x")
    with pytest.raises(sd.UnknownNameError):
        sd.vjp("f(x) = x**2", "y")


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_have_one_derivative_both_ways(seed):
    """The inner product of a cotangent with the tangent of the result is that of the adjoint with the tangent."""
    text, shapes = program(seed)
    try:
        f = sd.function(text, dict(shapes))
        forward, back = sd.jvp(f, ("x", "s")), sd.vjp(f, ("x", "s"))
    except sd.SymdiffError:
        return
    r = np.random.default_rng(seed)
    point = [r.uniform(0.5, 1.5, size=s) for s in shapes.values()]
    dots = directions(forward)
    moved = forward(*placed(forward, point, dots))
    bar = [r.normal(size=np.shape(moved))]
    pulled = back(*placed(back, point, bar))
    one = np.sum(np.asarray(moved) * bar[0])
    two = sum(np.sum(p * d) for p, d in zip(pulled, dots, strict=True))
    scale = np.sum(np.abs(np.asarray(moved) * bar[0])) + sum(
        np.sum(np.abs(p * d)) for p, d in zip(pulled, dots, strict=True)
    )
    if math.isfinite(scale):
        assert abs(one - two) <= 1e-8 * scale + 1e-300


# Costs

TEXTS = [
    "exp(-theta**2/2)/sqrt(2*pi)", "sqrt((x2-x1)**2+(y2-y1)**2)", "G*m1*m2/((x2-x1)**2+(y2-y1)**2+(z2-z1)**2)",
    "(x-u*t)/sqrt(1-u**2/c**2)", "q1*q2/(4*pi*eps*r**2)", "n0*exp(-m*g*x/(kb*T))", "I0*(exp(q*V/(kb*T))-1)",
    "100*(x2-x1*x1)**2+(1-x1)**2", "beta*(1+alpha*cos(theta))", "asin(n*sin(theta2))", "(h/(2*pi))**2/(2*En*d**2)",
    "(1.5-x1*(1-x2))**2+(2.25-x1*(1-x2*x2))**2+(2.625-x1*(1-x2*x2*x2))**2", "m0/sqrt(1-v**2/c**2)",
]  # fmt: skip


def test_a_hvp_costs_at_most_two_and_a_half_gradients():
    ratios = []
    for text in TEXTS:
        free = [a.name for a in sd.function(text).arguments]
        f = sd.function(text, free)
        ratios.append(sd.hvp(f, free).stats()["operations"] / sd.grad(f, free).stats()["operations"])
    assert statistics.median(ratios) <= 2.5


@pytest.mark.parametrize(
    ("text", "way"),
    [
        ("f(m, b, t) = -m*b*cos(t)", "hvp: reverse over forward"),
        ("f(x, y) = (x - y)/(1 - x*y)", "hvp: forward over reverse"),
        ("f(m, x, y, z) = m*sqrt(x**2 + y**2 + z**2)", "hvp: reverse over forward"),
        ("f(x[4]) = " + " + ".join(f"sin(x[{i}]*x[{j}])" for i in range(4) for j in range(i)), "hvp: "),
    ],
)
def test_a_product_with_a_hessian_is_the_cheaper_of_two_ways(text, way):
    f = sd.function(text)
    wrt = [a.name for a in f.arguments]
    made = sd.hvp(f, wrt)
    assert made.explain().startswith(way)
    tangent = f"{'_'.join(wrt)}_dot"
    ahead, back = sd.jvp(sd.grad(f, wrt), wrt), sd.grad(sd.jvp(f, wrt), wrt)
    assert made.stats()["operations"] <= min(w.stats()["operations"] for w in (ahead, back))
    values = {n: RNG.uniform(0.5, 1.5, 4) if f.arguments[0].shape else RNG.uniform(0.5, 1.5) for n in wrt}
    direction = RNG.normal(size=made(**values, **{tangent: np.zeros(4 if len(wrt) == 1 else len(wrt))}).shape)
    for other in (ahead, back):
        close(made(**values, **{tangent: direction}), other(**values, **{tangent: direction}))


SCALING = [
    "f(x[{n}]) = sum(exp(x)*cumsum(x)**2)",
    "f(x[{n}]) = sum(sort(x)**3)",
    "f(x[{n}]) = logsumexp(x)",
    "f(x[{n}]) = sum(where(x > 0.5, log(x), x**2))",
]


@pytest.mark.parametrize("text", SCALING)
def test_products_never_form_a_matrix(text):
    for transform, most in ((sd.jvp, 60), (sd.vjp, 60), (sd.hvp, 200)):
        made = transform(text.format(n=3000), "x")
        assert made.stats()["operations"] <= most * 3000
        assert made.stats()["workspace_bytes"] <= 100 * 8 * 3000


def test_a_hvp_of_a_network_makes_no_array_larger_than_its_weights():
    loss = sd.function("loss(w[50, 40], x[60, 50], y[60, 40]) = sum((tanh(x @ w) - y)**2)")
    product = sd.hvp(loss, "w")
    graph = product.graph
    assert max(np.prod(graph.types[n].shape) for n in graph.live(product.nodes)) <= 60 * 50


# SciPy

ROSENBROCK = "f(x[n]) = sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)"


@pytest.mark.parametrize("method", ["trust-krylov", "Newton-CG", "trust-ncg", "trust-constr"])
@pytest.mark.parametrize("text", [ROSENBROCK, ROSENBROCK.replace("x[n]", "x[6]"), ROSENBROCK.replace("x[n]", "x")])
def test_hvp_is_scipys_hessp(method, text):
    optimize = pytest.importorskip("scipy.optimize")
    f = sd.function(text)
    found = optimize.minimize(f, np.full(6, 0.8), jac=sd.grad(f, "x"), hessp=sd.hvp(f, "x"), method=method)
    np.testing.assert_allclose(found.x, np.ones(6), atol=1e-4)


def test_hvp_with_parameters_is_scipys_hessp():
    optimize = pytest.importorskip("scipy.optimize")
    h = sd.function("h([x, y], a) = (a - x)^2 + 100*(y - x^2)^2")
    found = optimize.minimize(
        sd.value_and_grad(h, ["x", "y"]), [-1.2, 1.0], args=(1.0,), jac=True, hessp=sd.hvp(h, ["x", "y"]),
        method="trust-krylov",
    )  # fmt: skip
    np.testing.assert_allclose(found.x, [1, 1], atol=1e-3)


def test_a_jacobian_of_a_vjp_is_the_hessian_of_a_constraint():
    optimize = pytest.importorskip("scipy.optimize")
    f = sd.function("f(x[2]) = 100*(x[1] - x[0]**2)**2 + (1 - x[0])**2")
    c = sd.function("c(x[2]) = [x[0]**2 + x[1], x[0]**2 - x[1]]")
    constraint = optimize.NonlinearConstraint(
        c, -np.inf, 1, jac=sd.jacobian(c, "x"), hess=sd.jacobian(sd.vjp(c, "x"), "x")
    )
    found = optimize.minimize(
        f, [0.1, 0.2], jac=sd.grad(f, "x"), hessp=sd.hvp(f, "x"), method="trust-constr", constraints=[constraint]
    )
    assert found.success
    x = optimize.minimize_scalar(
        lambda x: 100 * (1 - 2 * x**2) ** 2 + (1 - x) ** 2, bounds=(0, 1)
    ).x  # on x0**2 + x1 = 1
    np.testing.assert_allclose(found.x, [x, 1 - x**2], atol=1e-4)


def test_a_newton_krylov_solve_of_a_hundred_thousand_unknowns():
    """The Bratu problem u'' + exp(u) = 0, u = 0 at both ends, by Newton's method with preconditioned GMRES."""
    linalg = pytest.importorskip("scipy.sparse.linalg")
    sparse = pytest.importorskip("scipy.sparse")
    count = 100_000
    step = 1.0 / (count + 1)
    residual = sd.function(
        "r(u[n], h) = concatenate((u[1:], zeros(1))) - 2*u + concatenate((zeros(1), u[:-1])) + h**2*exp(u)"
    )
    product = sd.jvp(residual, "u")
    laplace = sparse.diags([1.0, -2.0, 1.0], [-1, 0, 1], (count, count), format="csc")
    solver = linalg.splu(laplace)
    u, start = np.zeros(count), time.process_time()
    for _ in range(6):
        operator = linalg.LinearOperator((count, count), lambda v, u=u: product(u, v.ravel(), step))
        inverse = linalg.LinearOperator((count, count), solver.solve)
        change, _ = linalg.gmres(operator, -residual(u, step), M=inverse, rtol=1e-4, restart=10, maxiter=2)
        u = u + change
        if np.abs(change).max() < 1e-8:
            break
    theta = 1.5171645990507543  # theta = sqrt(2) cosh(theta/4), the lower branch at 1
    np.testing.assert_allclose(u.max(), 2 * math.log(math.cosh(theta / 4)), rtol=1e-6)
    assert time.process_time() - start < 30


@pytest.mark.parametrize(("source", "wrt", "point"), FORMULAS + VECTORS, ids=str)
def test_linearize_gives_the_value_and_what_jvp_gives(source, wrt, point):
    f = made(source, point)
    product = sd.jvp(known(f, point), wrt)
    value, linear = sd.linearize(f, wrt)(*point)
    close(value, f(*point))
    for _ in range(2):
        given = directions(product)
        close(linear(*given), product(*placed(product, point, given)))
    again = pickle.loads(pickle.dumps(sd.linearize(f, wrt)))
    close(again(*point)[1](*given), linear(*given))


def test_linearize_computes_nothing_of_the_point_again():
    f = sd.function("f(x[100], W[80, 100]) = tanh(W @ exp(x))")
    _, linear = sd.linearize(f, "x")(np.linspace(0, 1, 100), np.full((80, 100), 1e-3))
    counted = linear.function.stats()["by_operation"]
    assert not set(counted) & {"exp", "tanh", "cosh"}
    assert list(inspect.signature(linear).parameters) == ["x_dot"]


def test_linearize_of_batches_and_types():
    f = sd.function("f(x, a) = where(x > 0, a*exp(x), x**2)")
    x = np.array([0.3, -0.7])
    value, linear = sd.linearize(f, "x")(x, 2.0)
    close(value, f(x, 2.0))
    close(linear(np.ones(2)), sd.jvp(f, "x")(x, np.ones(2), 2.0))
    single = sd.linearize(sd.function("f(x[2]) = [x[0]*x[1], 3]", dtype="float32"), "x")
    _, linear = single(np.float32([1.0, 2.0]))
    got = linear(np.float32([1.0, 1.0]))
    assert got.dtype == np.float32
    assert got.tolist() == [3.0, 0.0]


def test_linearize_of_a_formula_of_many_numbers():
    text = "f(x[60]) = " + " + ".join(f"sin(x[{k}]*x[{k + 1}])" for k in range(59))
    x = np.linspace(0.1, 1, 60)
    value, linear = sd.linearize(text, "x")(x)
    close(linear(x), sd.jvp(text, "x")(x, x))
    assert len(linear.residuals) == 1
    batched, linear = sd.linearize(text, "x")(np.array([x, 2 * x]))
    close(batched[0], value)
    close(linear(np.array([x, x]))[0], sd.jvp(text, "x")(x, x))
