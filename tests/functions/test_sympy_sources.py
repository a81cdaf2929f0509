"""Functions of SymPy's objects: what may be a source and an input, expressions over the reals, elements of arrays."""

import pickle

import numpy as np
import pytest
import sympy as sp
import sympy.physics.units as units
from hypothesis import given
from hypothesis import strategies as st
from sympy.utilities.lambdify import implemented_function

import symdiff as sd
from symdiff.display.code import python_source
from symdiff.errors import ArgumentError, LimitError, ShapeError, StorageError, SymdiffError, UnknownNameError
from symdiff.frontend.sympy_bridge import CLASSES
from symdiff.frontend.sympy_leaves import symbol_name

x, y, t = sp.symbols("x y t")
i, j = sp.symbols("i j", integer=True)
q, u = sp.Function("q")(t), sp.Function("u")(t)
POINTS = (-2.5, -0.75, 0.5, 1.0, 3.25)

# Over the reals: the right values are those of complex arithmetic

ROOTS = [
    sp.sqrt(-x), 1 / sp.sqrt(-x), sp.sqrt(1 - x), sp.sqrt(x), x ** sp.Rational(1, 3), (-x) ** sp.Rational(-2, 3),
    sp.log(x), sp.log(-x), x * sp.sqrt(-x), sp.sqrt(-x) + x, sp.sqrt(x * (1 - x)),
]  # fmt: skip
COMPLEX = [sp.exp(sp.I * x), (x + 2 * sp.I) ** 2, 1 / (x + sp.I), x + sp.I * x**2]
PARTS = {sp.re: np.real, sp.im: np.imag, sp.arg: np.angle, sp.Abs: np.abs}


@pytest.mark.parametrize(
    ("part", "inner"),
    [(p, e) for p in (sp.re, sp.im) for e in ROOTS + COMPLEX] + [(p, e) for p in (sp.arg, sp.Abs) for e in COMPLEX],
    ids=str,
)
def test_parts_of_complex_values(part, inner):
    f, wanted = sd.function(part(inner), [x]), sp.lambdify(x, inner, "mpmath")
    for point in POINTS:
        assert f(point) == pytest.approx(PARTS[part](complex(wanted(point))), rel=1e-12, abs=1e-14), point


@pytest.mark.parametrize("inner", [sp.sqrt(-x), 1 / sp.sqrt(-x), sp.sqrt(1 - x)], ids=str)
def test_derivatives_of_imaginary_parts(inner):
    slope, wanted = sd.grad(sp.im(inner), x), sp.lambdify(x, sp.diff(inner, x), "mpmath")
    for point in (1.5, 4.0, 9.0):
        assert slope(point) == pytest.approx(complex(wanted(point)).imag, rel=1e-12)


SYMBOLS = [sp.Symbol("x"), sp.Symbol("x", real=True), sp.Symbol("x", complex=True), sp.Symbol("x", extended_real=True)]


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_parts_of_inputs(symbol):
    for e, wanted in [(sp.re(symbol), -2.0), (sp.im(symbol), 0.0), (sp.conjugate(symbol), -2.0),
                      (sp.arg(symbol), np.pi), (sp.re(symbol * y), -6.0)]:  # fmt: skip
        assert sd.function(e, [symbol, y])(-2.0, 3.0) == wanted


@pytest.mark.parametrize(
    "f",
    [sp.Abs, sp.floor, sp.ceiling, sp.frac, sp.sign, sp.re, sp.conjugate, lambda x: sp.Mod(x, 3),
     lambda x: sp.Abs(x) * sp.floor(x), lambda x: sp.sin(sp.frac(x)) + x**2],
    ids=range(10),
)  # fmt: skip
def test_derivatives_that_sympy_leaves_are_ours(f):
    for order in (1, 2):
        given, ours = sd.function(f(x).diff(x, order), [x]), sd.derivative(f(x), x, order)
        for point in (-2.25, 0.75, 3.5):
            assert given(point) == pytest.approx(ours(point), rel=1e-14)


def test_derivatives_by_time_of_what_depends_on_it():
    speed = sd.function(sp.Abs(q).diff(t), [q, q.diff(t)])
    assert speed(-2.0, 3.0) == -3.0
    with pytest.raises(ArgumentError, match="cannot evaluate"):
        sd.function(sp.Function("f")(x**2).diff(x), [x])


REFUSED = {
    "(-1)**(1/3)": ((-1) ** sp.Rational(1, 3), "not real"), "acos(2)": (sp.acos(2), "not real"),
    "atanh(3)": (sp.atanh(3), "not real"), "nested": (sp.sqrt(1 - sp.sqrt(2)), "not real"),
    "log(-2)": (sp.log(-2, evaluate=False), "not real"), "sqrt(-2)": (sp.sqrt(-2), "imaginary unit"),
    "zoo": (sp.zoo, "division by zero"), "DiracDelta": (sp.Heaviside(x).diff(x), r"sd\.grad"),
    "Subs": (sp.Function("f")(x**2).diff(x), r"sd\.grad"), "a set": (sp.FiniteSet(x, y), "order"),
    "Sum to oo": (sp.Sum(1 / i**2, (i, 1, sp.oo)), "ends numbers"), "Sum to n": (sp.Sum(x, (i, 1, j)), "ends numbers"),
    "Product to n": (sp.Product(x, (i, 1, j)), "ends numbers"), "Integral": (sp.Integral(x**x, (x, 0, y)), "doit"),
    "unit": (x * units.meter, "unit"), "re of a function": (sp.re(sp.loggamma(x)), "real=True"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_what_to_type(name):
    e, words = REFUSED[name]
    with pytest.raises(SymdiffError, match=words):
        sd.function(e if name in ("a set",) else x + e)


def test_sums_that_are_too_long():
    with pytest.raises(LimitError, match="200,000"):
        sd.function(sp.Sum(x**i, (i, 1, 200_000)))


@pytest.mark.parametrize("name", [n for n in CLASSES if n in ("exp", "log", "sin", "cosh", "gamma", "erf", "sign")])
def test_functions_of_matrices_are_refused(name):
    matrix = sp.MatrixSymbol("A", 2, 2)
    for argument in (matrix, 2 * matrix, matrix + matrix.T):
        with pytest.raises(ArgumentError, match="applyfunc"):
            sd.function(getattr(sp, name)(argument))


# Sources


APPLIED = [
    (q, 2.0), ([q, q**2], [2.0, 4.0]), ((q, q**2), (2.0, 4.0)), ({"a": q, "b": q**2}, (2.0, 4.0)),
    (sp.Matrix([q]), [[2.0]]), (sp.Tuple(q, 3 * q), (2.0, 6.0)), (np.array([q, 2 * q]), [2.0, 4.0]),
    ([[q, 1], [0, q]], [[2, 1], [0, 2]]), (np.array([[q, 1], [0, q]]), [[2, 1], [0, 2]]), (np.array(q**2), 4.0),
    ([np.array([q, 1]), [q, q]], [[2, 1], [2, 2]]), (sp.MutableDenseNDimArray([q, 1]), [2, 1]),
    (sp.Poly(q**2 + 1, q), 5.0), (np.array([sd.expr("q"), 1.0]), [2, 1]),
]  # fmt: skip


@pytest.mark.parametrize(("source", "wanted"), APPLIED, ids=range(len(APPLIED)))
def test_sources(source, wanted):
    for inputs in ([q], ["q"], None):
        found = sd.function(source, inputs)(2.0)
        for a, b in zip(*((f,) if not isinstance(f, tuple) else f for f in (found, wanted)), strict=True):
            np.testing.assert_array_equal(a, b)
            assert np.shape(a) == np.shape(b)


def test_a_lambda_brings_its_inputs():
    assert sd.function(sp.Lambda((x, y), x - y))(5.0, 3.0) == 2.0
    assert sd.function(sp.Lambda(((x, y), t), x - y + t))([5.0, 3.0], 1.0) == 3.0
    assert sd.grad(sp.Lambda((y, x), x**2 * y))(2.0, 3.0).tolist() == [9.0, 12.0]
    assert sd.function(sp.Poly(x**2 * y, y, x))(2.0, 3.0) == 18.0


def test_undefined_functions():
    g = implemented_function("g", lambda v: 2 * v)
    with pytest.raises(ArgumentError, match=r"sd\.define"):
        sd.function(g(x) + 1, [x])
    with pytest.raises(UnknownNameError, match=r"sd\.define"):
        sd.function(sp.Function("g")(x) + 1, [x])
    assert sd.function(sp.Function("g")(x) + 1, [x, "g"])(1.0, 5.0) == 6.0
    sd.define("halved_in_sympy(a) = a/2")
    f = sd.function(sp.Function("halved_in_sympy")(x**2), [x])
    assert (f(4.0), sd.grad(f)(4.0)) == (8.0, 4.0)


@given(st.text(min_size=1, max_size=90).filter(lambda s: s.strip() and s.isprintable()))
def test_every_symbol_has_a_name(text):
    symbol = sp.Symbol(text)
    name = symbol_name(symbol)
    assert name.isidentifier()
    assert sd.function(symbol**2, [symbol])(3.0) == 9.0


# Arrays: elements, sums, packs

xs = sp.IndexedBase("xs")
LISTED = [[xs], ["xs"], {"xs": 4}, [sp.IndexedBase("xs", shape=(4,))], {"xs": "n"}, [sd.symbol("xs", 4)],
          [sp.DeferredVector("xs")]]  # fmt: skip
FORMULAS = [xs[0] * xs[2] + xs[3], sp.Sum(xs[i] ** 2, (i, 0, 3)), sp.Product(xs[i], (i, 0, 3)),
            sp.Sum(xs[i] * xs[i + 1], (i, 0, 2)), sp.Sum(sp.Product(xs[j], (j, 0, i)), (i, 0, 3))]  # fmt: skip


@pytest.mark.parametrize("inputs", LISTED, ids=str)
@pytest.mark.parametrize("formula", FORMULAS, ids=str)
def test_elements_of_a_listed_array(formula, inputs):
    point = np.array([2.0, 9.0, 4.0, -1.0])
    explicit = formula.doit()
    elements = [xs[k] for k in range(4)]
    wanted = sp.lambdify(elements, explicit)(*point)
    f = sd.function(formula, inputs)
    assert f(point) == pytest.approx(wanted, rel=1e-14)
    slopes = [sp.lambdify(elements, explicit.diff(e))(*point) for e in elements]
    np.testing.assert_allclose(sd.grad(f)(point), slopes, rtol=1e-14)
    np.testing.assert_allclose(sd.grad(formula, xs)(point), slopes, rtol=1e-14)


def test_elements_are_scalars_where_the_array_is_not_listed():
    assert sd.function(xs[0] * xs[2], [[xs[0], xs[2]]])([2.0, 4.0]) == 8.0
    assert sd.function(xs[0] * xs[2]).inputs == ("xs_0", "xs_2")
    assert sd.function(sp.Matrix([xs[1], xs[0]]), [xs])([2.0, 3.0]).tolist() == [[3.0], [2.0]]
    v = sp.DeferredVector("v")
    assert sd.function(v[0] * v[1], [v])([2.0, 3.0]) == 6.0


def test_elements_out_of_range_and_without_a_number():
    with pytest.raises(ShapeError, match=r"xs\[3\]"):
        sd.function(xs[3], {"xs": 3})
    with pytest.raises(SymdiffError, match=r"xs\[3\]"):
        sd.function(xs[3], [xs])([1.0, 2.0])
    with pytest.raises(ArgumentError, match="index"):
        sd.function(xs[i], {"xs": 3, "i": ()})
    with pytest.raises(StorageError, match="shapes="):
        pickle.dumps(sd.function(xs[0], [xs]))


@pytest.mark.parametrize("e", [
    sp.Sum(x**i / sp.factorial(i), (i, 0, 5)), sp.Product(x + i, (i, 1, 4)),
    sp.Sum(sp.Product(x + i * j, (j, 1, i)), (i, 1, 4)), sp.Sum(x, (i, 3, 2)), sp.Sum(i * x**j, (i, 0, 2), (j, 1, 3)),
], ids=str)  # fmt: skip
def test_finite_sums(e):
    assert sd.function(e, [x])(1.25) == pytest.approx(float(e.subs(x, sp.Rational(5, 4)).doit()), rel=1e-14)


@pytest.mark.parametrize("shape", [(2, 1), (1, 3), (2, 2), (3,)])
@pytest.mark.parametrize("numpy", [False, True])
def test_a_matrix_of_symbols_is_one_argument(shape, numpy):
    names = sp.symbols(f"a:{np.prod(shape)}")
    symbols = np.array(names, object).reshape(shape) if numpy else sp.Array(names, shape)
    if not numpy and len(shape) == 2:
        symbols = sp.Matrix(*shape, names)
    f = sd.function(sum(k * n**2 for k, n in enumerate(names, 1)), [symbols, "b"])
    point = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    weights = np.arange(1, 1 + np.prod(shape)).reshape(shape)
    assert f(point, 0.0) == np.sum(weights * point**2)
    np.testing.assert_array_equal(f(np.stack([point, 2 * point]), 0.0), np.array([1, 4]) * np.sum(weights * point**2))
    gradient, _ = sd.grad(f)(point, 0.0)
    np.testing.assert_array_equal(gradient, 2 * weights * point)
    again = pickle.loads(pickle.dumps(f))
    assert again(point, 0.0) == f(point, 0.0)
    assert f(sd.symbol("p", shape), 0.0).graph is not None
    np.testing.assert_array_equal(sd.hessian(f, names[0])(point, 0.0), 2.0)
    assert f.steps(point, 0.0)[str(names[-1])].value == point.flat[-1]
    space = {}
    exec(python_source(f.graph, "f", f.arguments, f.nodes[0]), space)
    assert space["f"](point, 0.0) == f(point, 0.0)
    with pytest.raises(ShapeError):
        f(np.ones((7, 7)), 0.0)
