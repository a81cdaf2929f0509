"""Special functions in every notation: texts, SciPy's functions of an Expr, SymPy's both ways; refusals."""

import numpy as np
import pytest
import scipy.special
import sympy as sp
from mpmath import mp

import symdiff as sd
from symdiff.frontend.sympy_bridge import sympy_of
from symdiff.ops import CALLABLE, OPS
from symdiff.ops.base import Special, Unavailable

x, y = sp.symbols("x y", positive=True)
POINT = {"x": 0.4, "y": 2.3}

EXPRESSIONS = [
    sp.besselj(0, x), sp.besselj(y, x), sp.bessely(1, x), sp.besseli(sp.Rational(1, 2), x), sp.besselk(y, x),
    sp.jn(2, x), sp.yn(1, x), sp.LambertW(x), sp.LambertW(-x / 2, -1), sp.Ei(x), sp.expint(3, x), sp.expint(1, x),
    sp.uppergamma(y, x), sp.lowergamma(y, x),  sp.erfinv(x), sp.erfi(x), sp.elliptic_k(x), sp.elliptic_e(x), sp.zeta(y),
    sp.harmonic(x), sp.binomial(y, x), sp.ff(y, x), sp.rf(x, y), sp.beta(x, y), sp.li(y),
    sp.KroneckerDelta(x, y), sp.SingularityFunction(y, x, 2), sp.acoth(y), sp.asech(x), sp.sinc(y),
]  # fmt: skip


@pytest.mark.parametrize("e", EXPRESSIONS, ids=str)
def test_sympy_there_and_back(e):
    f = sd.function(e)
    point = {k: v for k, v in POINT.items() if k in f.inputs}
    want = float(sp.re(e.subs({sp.Symbol(k, positive=True): v for k, v in point.items()}).evalf(30)))
    assert f(**point) == pytest.approx(want, rel=1e-12)
    back = sympy_of(f.graph, f.nodes[0])
    again = sp.re(back.subs({s: point[s.name] for s in back.free_symbols}).evalf(30))
    assert float(again) == pytest.approx(want, rel=1e-12)


UFUNCS = sorted(
    name for name, op in CALLABLE.items()
    if isinstance(getattr(scipy.special, name, None), np.ufunc)
    and set(op.kinds or "") == {"f"} and not op.payload and name not in ("kn", "yn")  # SciPy's truncate orders
)  # fmt: skip


@pytest.mark.parametrize("name", UFUNCS)
def test_functions_of_scipy_on_an_expression(name):
    """The same name, the same operands, the same value."""
    ufunc = getattr(scipy.special, name)
    point = [0.45, 0.3, 0.25][: ufunc.nin]
    f = sd.function(lambda *v: ufunc(*v), ["a", "b", "c"][: ufunc.nin])
    assert f(*point) == pytest.approx(float(np.real(ufunc(*point))), rel=1e-13, abs=1e-300)


NATIVE = [op.name for op in OPS.values() if isinstance(op.routine, Special) and not op.hidden]


@pytest.mark.parametrize("name", NATIVE)
def test_batches_are_points(name):
    """There are no vector functions for them: they are called lane by lane, with the scalar functions' bits."""
    arity = len(OPS[name].kinds)
    f = sd.function(f"f(a, b, c) = {name}({', '.join('abc'[:arity])}) + 0*(a + b + c)", ["a", "b", "c"])
    points = np.random.default_rng(0).uniform(0.1, 0.9, (3, 21))
    np.testing.assert_array_equal(f(*points), [f(*p) for p in points.T])


def test_what_has_no_derivative_is_refused():
    cases = [(op, k) for op in OPS.values() for k, p in enumerate(op.partials) if isinstance(p, Unavailable)]
    assert len(cases) > 10
    for op, k in cases:
        if op.hidden or op.payload or op.key != op.name:  # a user's, of another test
            continue
        names = list("abc"[: len(op.kinds)])
        f = sd.function(f"f({', '.join(names)}) = {op.name}({', '.join(names)})")
        with pytest.raises(sd.DifferentiationError, match=op.name):
            sd.derivative(f, names[k])


def test_orders_must_be_constant_only_where_it_matters():
    assert sd.grad("f(x) = jv(1.5, x)")(2.0) == pytest.approx(0.144545802546455993, rel=1e-13)
    assert sd.grad("f(v, x) = jv(v, x)", "x")(1.5, 2.0) == pytest.approx(0.144545802546455993, rel=1e-13)
    with pytest.raises(sd.DifferentiationError, match="by its order"):
        sd.grad("f(v, x) = jv(v, x)")
    with pytest.raises(sd.SymdiffError, match="constant integer"):
        sd.function("f(n, x) = expn(n, x)")


def differences(function, at):
    """The first and the second derivative of a function of mpmath numbers, by five points."""
    step = mp.mpf(at) * mp.mpf(10) ** -8
    a, b, c, d, e = [function(at + k * step) for k in (-2, -1, 0, 1, 2)]
    return (a - 8 * b + 8 * d - e) / (12 * step), (16 * (b + d) - a - e - 30 * c) / (12 * step**2)


SHAPES = [(0.02, 1e-3), (0.3, 0.01), (0.9, 0.99), (1.4, 2.0), (1.6, 0.5), (7.0, 4.0), (7.0, 30.0), (150.0, 140.0)]


@pytest.mark.parametrize(("a", "x"), SHAPES)
def test_gammainc_by_its_shape(a, x):
    f = sd.function("f(a, x) = gammainc(a, x)")
    upper = sd.derivative("f(a, x) = gammaincc(a, x)", "a")
    with mp.workdps(60):
        first, second = differences(lambda s: mp.gammainc(s, 0, x, regularized=True), a)
        mixed = mp.mpf(x) ** (a - 1) * mp.exp(-x) / mp.gamma(a) * (mp.ln(x) - mp.psi(0, a))
    assert sd.derivative(f, "a")(a, x) == pytest.approx(float(first), rel=1e-10)
    assert upper(a, x) == pytest.approx(-float(first), rel=1e-10)
    assert sd.derivative(f, "a", 2)(a, x) == pytest.approx(float(second), rel=1e-9)
    assert sd.derivative(sd.derivative(f, "a"), "x")(a, x) == pytest.approx(float(mixed), rel=1e-13)


BETAS = [(0.05, 0.3, 0.01), (0.3, 7.0, 0.2), (2.0, 3.0, 0.4), (2.0, 0.5, 0.99), (40.0, 30.0, 0.5), (5.0, 200.0, 0.03)]


@pytest.mark.parametrize(("a", "b", "x"), BETAS)
def test_betainc_by_its_shapes(a, b, x):
    f = sd.function("f(a, b, x) = betainc(a, b, x)")
    with mp.workdps(60):
        by_a, _ = differences(lambda s: mp.betainc(s, b, 0, x, regularized=True), a)
        by_b, _ = differences(lambda s: mp.betainc(a, s, 0, x, regularized=True), b)
        density = mp.mpf(x) ** (a - 1) * (1 - mp.mpf(x)) ** (b - 1) / mp.beta(a, b)
        mixed = density * (mp.ln(x) - mp.psi(0, a) + mp.psi(0, a + b))
    assert sd.grad(f)(a, b, x) == pytest.approx([float(by_a), float(by_b), float(density)], rel=1e-9)
    assert sd.derivative(sd.derivative(f, "a"), "x")(a, b, x) == pytest.approx(float(mixed), rel=1e-12)
    with pytest.raises(sd.DifferentiationError, match="second order"):
        sd.derivative(f, "a", 2)
