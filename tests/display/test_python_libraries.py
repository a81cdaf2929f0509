"""Python's source gives exactly what the function gives, with NumPy, JAX and torch."""

import importlib
import warnings

import numpy as np
import pytest

import symdiff as sd
from symdiff.display.python_libraries import JAX, LIBRARIES, TORCH
from symdiff.ops import OPS
from symdiff.ops.base import Outside
from tests.ship.test_arrays import random_functions


def loaded(xp):
    """The library, with 64 bits; tests are skipped where it is not installed."""
    module = pytest.importorskip(xp.partition(".")[0], reason=f"{xp} is not installed")
    if xp == "jax.numpy":
        module.config.update("jax_enable_x64", True)
        module.config.update("jax_platforms", "cpu")
    return importlib.import_module(xp)


def emitted(f, xp="numpy"):
    """The function of the source."""
    space = {}
    exec(f.python(xp), space)
    return space[f.__name__]


SLOW = ["numpy", pytest.param("jax.numpy", marks=pytest.mark.heavy), "torch"]
"""JAX compiles every statement."""


def leaves(value):
    """The numbers and arrays in tuples, lists and dicts, in order."""
    if isinstance(value, dict):
        return [leaf for k in value for leaf in leaves(value[k])]
    if isinstance(value, tuple | list):
        return [leaf for part in value for leaf in leaves(part)]
    return [value]


def same(found, wanted, exactly, rtol=1e-12):
    kind = tuple if isinstance(wanted, tuple) else type(wanted)
    assert type(found) is kind or not (exactly or isinstance(wanted, tuple | list | dict))
    if isinstance(wanted, dict):
        assert list(found) == list(wanted)
    for a, b in zip(leaves(found), leaves(wanted), strict=True):
        assert not exactly or type(a) is type(b)
        assert np.shape(np.asarray(a)) == np.shape(b)
        assert str(np.asarray(a).dtype) == str(np.asarray(b).dtype)
        np.testing.assert_allclose(np.asarray(a), b, rtol=rtol, atol=rtol / 100)


W, X, K = np.arange(6.0).reshape(2, 3) + 0.5, np.array([0.3, -1.2, 0.7]), np.arange(12.0).reshape(2, 2, 3) / 7
CASES = [
    ("f(x) = sin(x)*x", (0.5,)),
    ("f(x, y) = x < y", (0.5, 1.0)),
    ("f(x, y) = [x*y, 3, y]", (0.5, 2.0)),
    ("f(x, y) = 3", (0.5, 2.0)),
    ("f(x, y) = where(x > 0, 1, 0) + 1/0*0", (0.5, 2.0)),
    ("f(x[3]) = x", (X,)),
    ("f(x[3]) = x[::-1]*2 + x[::-2][0]", (X,)),
    ("f(K[2, 2, 3]) = K[::-1, 1, ::-1]", (K,)),
    ("f(W[2, 3], x[3]) = tanh(W @ x) + [1, 2]", (W, X)),
    ("f(W[2, 3]) = prod(W, axis=(0, 1)) + sum(prod(W, axis=1)) + max(W) - min(W, axis=0)[1]", (W,)),
    ("f(x[3]) = norm(x) + mean(x)*std(x)", (X,)),
    ("f(x[3]) = [any(x > 0), all(x > -3)]", (X,)),
    ("f(W[2, 3]) = cumsum(W, axis=1) + cumprod(W, axis=0)", (W,)),
    ("f(x[3]) = scatter(x, \"1:4\", 6) + scatter(x, \"::-2\", 6)", (X,)),
    ("f(W[2, 3]) = scatter_add(W, [1, 1, 0], 4, axis=1)", (W,)),
    ("f(W[2, 3], x[3]) = take(W, [0, 2], axis=1) @ W[:, :2] @ [1, 2] + x[round(x[0]**2)]", (W, X)),
    ("f(W[2, 3]) = solve(W @ W.T, W[:, 0]) + inv(W @ W.T)[0] + logdet(W @ W.T)", (W,)),
    ("f(W[2, 3]) = cholesky(W @ W.T + eye(2)) @ solve_triangular(W @ W.T, W, lower=True)", (W,)),
    ("f(x[3]) = sort(x)*arange(3)", (X,)),
    ("f(W[2, 3]) = pinv(W).T + svdvals(W)[0]", (W,)),
    ("f(x[3], W[2, 3]) = recurrence(x, x, reverse=True) + sum(W, axis=0)", (X, W)),
    ("f(x[3]) = softmax(x) + logsumexp(x) + repeat(x, 2)[1:4] + diag(x)[1]", (X,)),
    ("f([a, b], x) = a*x + b", ([1.5, 2.5], 3.0)),
]  # fmt: skip


@pytest.mark.parametrize("xp", SLOW)
@pytest.mark.parametrize(("text", "point"), CASES, ids=[text for text, _ in CASES])
def test_values_and_derivatives(text, point, xp):
    loaded(xp)
    f = sd.function(text)
    made = [f] if f.types[0].is_condition else [f, sd.jacobian(f)]
    for one in made:
        with np.errstate(all="ignore"):
            same(emitted(one, xp)(*point), one(*point), xp == "numpy")


def elementwise():
    for op in OPS.values():
        if op.kinds and not op.hidden and "f" in op.kinds and op.key == op.name and not isinstance(op.routine, Outside):
            yield op


AT_POLES = {"digamma", "expi"}
"""What JAX has other values of at poles."""


@pytest.mark.parametrize("xp", SLOW)
def test_every_operation(xp):
    """At kinks, ties and poles, too; what a library lacks is refused by name."""
    loaded(xp)
    lacking = set()
    for op in elementwise():
        operands = [("x < y" if kind == "c" else "xyz"[k]) for k, kind in enumerate(op.kinds)]
        f = sd.function(f"{op.name}({', '.join(['3'] * bool(op.payload) + operands)})", ["x", "y", "z"])
        try:
            found = emitted(f, xp)
        except sd.CompileError as error:
            assert f"{xp} has no function for " in str(error)  # noqa: PT017
            lacking.add(op.name)
            continue
        for point in ((0.5, 0.25, 0.75), (-1.5, 2.0, 0.0), (3.0, -2.0, 5.0), (0.0, 0.0, 0.0), (np.nan, 1.0, np.inf)):
            if xp == "jax.numpy" and op.name in AT_POLES and 0.0 in point:
                continue
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                value = np.asarray(found(*point))
            rtol = {"numpy": 1e-12, "jax.numpy": 1e-6, "torch": 1e-9}[xp]
            np.testing.assert_allclose(value, f(*point), rtol=rtol, atol=1e-14, err_msg=f"{op.name} at {point}")
    assert len(lacking) == {"numpy": 0}.get(xp, len(lacking))
    assert len(lacking) < 40


@pytest.mark.parametrize("library", [JAX, TORCH], ids=lambda library: library.name)
def test_what_the_tables_name_is_there(library):
    """And what they do not name is not there under SciPy's name."""
    module = loaded(library.name)
    special = importlib.import_module("jax.scipy.special" if library is JAX else "torch.special")
    for text in library.special.values():
        assert hasattr(special, text.rpartition(".")[2]), text
    for text in library.renamed.values():
        assert "{" in text or hasattr(module, text.rpartition(".")[2]), text
    assert not {op.routine.symbol for op in OPS.values() if hasattr(op.routine, "symbol")
                if hasattr(special, op.routine.symbol) and library.function(f"special.{op.routine.symbol}") is None
                and type(op.routine).__name__ == "Special"}  # fmt: skip


FLAT = '''\
def grad_f(x, y, z):
    """q = x + y
    grad_f(x, y, z) = [z, z, q]
    """
    x = np.asarray(x, dtype=float)[()]
    y = np.asarray(y, dtype=float)[()]
    z = np.asarray(z, dtype=float)[()]
    q = x + y
    d_q = z
    v1 = np.stack(np.broadcast_arrays(d_q, d_q, q), axis=-1)
    return v1
'''

TEXTBOOK = """\
    v1 = np.square(x)
    v2 = np.square(y)
    v3 = v1 + v2
    r = np.sqrt(v3)
    v4 = np.sin(r)
    s = v4 / r
    u = s * x
    v5 = -s
    v6 = np.exp(v5)
    v7 = u * v6
    f = v7 + r
    v8 = v6 * x
    v9 = v6 * s
    d_s = v8 - v7
"""


def test_forward_and_backward_values_have_names():
    assert sd.grad(sd.function("q = x + y\nf = q*z", ["x", "y", "z"])).python().endswith(FLAT)
    f = sd.function("r = sqrt(x**2 + y**2)\ns = sin(r)/r\nu = s*x\nf = u*exp(-s) + r", ["x", "y"])
    text = sd.value_and_grad(f).python()
    assert TEXTBOOK in text, text
    assert "    d_r = " in text
    assert text.index("    d_s = ") < text.index("    d_r = ")


def test_an_adjoint_that_the_formula_has_anyway():
    text = sd.value_and_grad(sd.function("q = x + y\nf(x, y, z) = q*sin(z)")).python()
    assert "    v1 = np.sin(z)\n" in text
    assert "    d_q = v1\n" in text


def test_functions_tell_their_formula():
    f = sd.function('h(x[3]) = scatter(x, "1:4", 6) + 1')
    space = {}
    exec(f.python(), space)
    assert space["h"].__doc__ == str(f)
    assert '"1:4"' in str(f)


def test_names_are_given_once():
    f = sd.function("q = x + 1\nr = q\ns = exp(q)\nt = s\nfloat = t*r\nf = float + as_number", ["x", "as_number"])
    text = f.python()
    assert "    q = x + 1.0\n    r = q\n    s = np.exp(q)\n    t = s\n" in text
    assert emitted(f)(0.5, 2.0) == f(0.5, 2.0)


def test_trees_and_tuples():
    f = sd.function(
        lambda p, x: {"a": p["W"] @ x, "b": [p["c"], (x, p["c"] > 1)]}, {"p": {"W": (2, 3), "c": ()}, "x": 3}
    )
    point = {"W": W, "c": 2.0}, X
    same(emitted(f)(*point), f(*point), True)
    g = sd.grad(sd.function(lambda p, x: np.sum(p["W"] @ x) * p["c"], {"p": {"W": (2, 3), "c": ()}, "x": 3}), "p")
    same(emitted(g)(*point), g(*point), True)


@pytest.mark.parametrize("xp", LIBRARIES)
def test_batches(xp):
    loaded(xp)
    x, y = np.linspace(0.1, 1.0, 4), np.array([[2.0], [3.0]])
    for text in ("f(x, y) = x*y", "f(x, y) = 3", "f(x, y) = [x, 1]", "f([a, b], x) = [a, x]"):
        f = sd.function(text)
        point = (np.ones((4, 2)), x) if "a" in f.names else (x, y)
        same(emitted(f, xp)(*point), f(*point), xp == "numpy")
    f = sd.value_and_grad(sd.function("f(x, y) = 2*x + y**2"))
    same(emitted(f, xp)(x, y), f(x, y), xp == "numpy")


THROUGH_ARRAYS = [
    "x*[x, y] + x", "[x, y] @ [y, 2]", "[[x, y], [y, 2]] @ [x, 1]", "outer([x, y], [1, x]).T",
    "reshape([[x, y], [y, 2]], 4)", "sort([x, y, 0.4])", "solve([[x, y], [y, 2]], [1, x])",
    "concatenate([[x, y], [1, 2]])", "[1, 2]*x", "full(3, x) + arange(3)", 'scatter([x, y], "::-2", 4)',
    "scatter_add([x, y], [1, 1], 3)", "take([[x, y], [1, 2]], [1, 0, 1], axis=1)",
    "[[x, 1, 3], [y, 2, 4]][:, round(x)]", "where(x > 0.4, [x, y], [1, 2])", "softmax([x, y, 1])",
    "recurrence([x, y], [y, 1])", "min([[x, y], [y, 1]], axis=0)", "broadcast_to([[x], [y]], (2, 3))",
    "[1, x*0 + 1] + [[1, 2], [3, y]]",
]  # fmt: skip
"""What is no operation on each element, of numbers of which there may be many."""


@pytest.mark.parametrize("xp", SLOW)
@pytest.mark.parametrize("text", THROUGH_ARRAYS)
def test_batches_through_arrays(text, xp):
    loaded(xp)
    f = sd.function(text, {"x": (), "y": ()})
    row, column = np.array([0.35, 0.15, 0.8]), np.array([[0.2], [0.9]])
    for one in (f, sd.jacobian(f)):
        for point in ((0.35, 0.6), (row, 0.6), (column, row)):
            same(emitted(one, xp)(*point), one(*point), xp == "numpy")


@pytest.mark.parametrize("xp", LIBRARIES)
def test_batches_of_hessians_and_packs(xp):
    loaded(xp)
    f = sd.hessian(sd.function("f(x, y) = x**2*sin(y) + x"))
    same(emitted(f, xp)(np.array([[0.2], [0.9]]), np.array([0.3, 0.4])), f([[0.2], [0.9]], [0.3, 0.4]), xp == "numpy")
    g = sd.function("f([a, b], x) = outer([a, b], [x, 1])")
    point = np.arange(8.0).reshape(4, 2), np.arange(4.0)
    same(emitted(g, xp)(*point), g(*point), xp == "numpy")


EXTREMES = [
    "cumprod(x)", "recurrence(x, x)", "recurrence(x, x, reverse=True)", "scatter_add(x, [0, 1, 1], 3)",
    "scatter_add([x, 2*x], [2, 0, 2], 4, axis=1)", "scatter_add(x, [-1, 0, -1], 2)", "sinc(x)", "sort(x)", "norm(x/2)",
    "softmax(x)", "logsumexp(x)", "max(x)", "cumsum(x)",
]  # fmt: skip


@pytest.mark.parametrize("xp", SLOW)
@pytest.mark.parametrize("text", EXTREMES)
def test_infinite_and_large_values(text, xp):
    loaded(xp)
    f = sd.function(text, {"x": (3,)})
    found = emitted(f, xp)
    for point in ([np.inf, 1, 2], [np.nan, 1, 2], [-np.inf, np.inf, 2], [1e308, 2, 3], [1e200, 0, -0.0], [3, 3, 3]):
        with np.errstate(all="ignore"):
            if xp == "numpy" or (text, point[0]) != ("sinc(x)", 1e308):
                same(found(np.array(point)), f(point), xp == "numpy")


LENT = [
    "x",
    "x[::-1]",
    "x[1:]",
    "x[None, :]",
    "W.T",
    "ravel(W)",
    "broadcast_to(x, (2, 3))",
    "diag(W[:, :2])",
    "q = x\nr = q\nr",
]


@pytest.mark.parametrize("xp", ["numpy", "torch"])
@pytest.mark.parametrize("text", LENT)
def test_results_are_memory_of_their_own(text, xp):
    loaded(xp)
    f = sd.function(text, {"x": (3,), "W": (2, 3)})
    given = np.array(X), np.array(W)
    value = emitted(f, xp)(*given)
    value[...] = -99.0
    assert (np.asarray(value) == -99.0).all()
    np.testing.assert_array_equal(given[0], X)
    np.testing.assert_array_equal(given[1], W)
    twice = sd.function(lambda x: [x * 2, (x * 2, x[0])], {"x": 3})
    one, (two, _) = emitted(twice, xp)(X)
    one[0] = -99.0
    assert two[0] == 2 * X[0]


@pytest.mark.parametrize("format", ["csr", "csc", "coo"])
def test_sparse_matrices(format):
    f = sd.sparse_jacobian(sd.function("f(x[4]) = [x[0]*x[1], sin(x[2]), x[0] + x[3]**2, x[1]*x[2], 2]"), format=format)
    point = np.array([0.5, 1.5, 2.5, 3.5])
    found, wanted = emitted(f)(point), f(point)
    assert type(found) is type(wanted)
    assert found.shape == wanted.shape
    np.testing.assert_array_equal(found.toarray(), wanted.toarray())
    with pytest.raises(sd.CompileError, match="torch"):
        f.python("torch")


def test_floats():
    f = sd.function("f(x[3]) = x*0.1", dtype="float32")
    found = emitted(f)(X)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, f(X))
    assert type(emitted(sd.function("f(x) = x", dtype="float32"))(0.1)) is float


SINGLE = [
    "[x, 1]",
    "3",
    "where(x < y, 1, 0)",
    "[[x, 1], [y, 2]]",
    "arange(3)*x",
    "sort([x, y, 1])",
    "1/3 + 0*x",
    "x < y",
]


@pytest.mark.parametrize("xp", SLOW)
@pytest.mark.parametrize("text", SINGLE)
def test_floats_stay_floats(text, xp):
    loaded(xp)
    f = sd.function(text, {"x": (), "y": ()}, dtype="float32")
    for point in ((0.5, 1.5), (np.arange(3.0), 1.5)):
        found, wanted = np.asarray(emitted(f, xp)(*point)), np.asarray(f(*point))
        assert found.dtype == (np.float32 if xp != "numpy" and wanted.dtype == np.float64 else wanted.dtype)
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_sparse_matrices_of_floats_and_of_constants():
    for text in ("[x*y, 3*x]", "[2*x + y, 3]", "[3, 4]"):
        f = sd.sparse_jacobian(sd.function(text, ["x", "y"], dtype="float32"))
        assert emitted(f)(1.0, 3.0).dtype == f(1.0, 3.0).dtype == np.float32
    f = sd.sparse_jacobian(sd.function("[sparse*data, 2]", ["sparse", "data"]))
    np.testing.assert_array_equal(emitted(f)(2.0, 3.0).toarray(), f(2.0, 3.0).toarray())


def test_libraries_differentiate_the_source():
    loaded("jax.numpy")
    import jax

    f = sd.function("h = W @ x\nf(x[3], W[2, 3]) = sum(h*exp(-h))*x[0]")
    slopes = jax.jit(jax.grad(emitted(f, "jax.numpy")))(X, W)
    np.testing.assert_allclose(slopes, sd.grad(f, "x")(X, W), rtol=1e-12)


def test_torch_differentiates_the_source():
    torch = loaded("torch")
    f = sd.function("h = W @ x\nf(x[3], W[2, 3]) = sum(h*exp(-h))*x[0]")
    x = torch.tensor(X, requires_grad=True)
    emitted(f, "torch")(x, W).backward()
    np.testing.assert_allclose(x.grad, sd.grad(f, "x")(X, W), rtol=1e-12)


def test_refusals():
    f = sd.function("f(x) = jv(2, x)")
    for xp in ("jax.numpy", "torch"):
        with pytest.raises(sd.CompileError, match=f"{xp} has no function for jv"):
            f.python(xp)
    with pytest.raises(sd.ArgumentError, match="xp is 'cupy'"):
        f.python("cupy")
    space = sd.Namespace()
    space.define("outside(x)", call=lambda x: x + 1)
    g = sd.function("f(x) = outside(x)*2", namespace=space)
    assert "np.vectorize(outside" in g.python()
    with pytest.raises(sd.CompileError, match="outside is a function from outside: torch cannot look into it"):
        g.python("torch")


HEAVY = pytest.mark.heavy
CHAOTIC = "sin(gamma(3**exp(1)))"
"""What makes of the last digit of a number another number."""


@pytest.mark.parametrize(
    ("xp", "count"),
    [
        ("numpy", 30),
        *(pytest.param(xp, n, marks=HEAVY) for xp, n in (("numpy", 1000), ("torch", 1000), ("jax.numpy", 300))),
    ],
)
def test_random_programs(xp, count):
    """At a point, and those of numbers at several."""
    loaded(xp)
    functions, points = random_functions(count)
    refused = 0
    for name, f in functions.items():
        if CHAOTIC in str(f):
            continue
        try:
            found = emitted(f, xp)
        except sd.CompileError as error:
            assert f"{xp} has no function for " in str(error)  # noqa: PT017
            refused += 1
            continue
        given = [points[name]]
        if all(np.ndim(x) == 0 for x in given[0]):
            given.append([x * np.linspace(0.5, 1.5, k + 2)[(..., *(None,) * k)] for k, x in enumerate(given[0])])
        for point in given:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                same(found(*point), f(*point), xp == "numpy", rtol=1e-6)
    assert refused <= (count // 10 if xp == "torch" else 0)
