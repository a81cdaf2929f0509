"""Every operation against mpmath: value, derivatives of orders 1 to 3, edges. One table, no code per operation."""

import itertools
import math
from pathlib import Path

import mpmath
import numpy as np
import pytest
from mpmath import mp

from symdiff.differentiate.operators import iterated
from symdiff.errors import DifferentiationError
from symdiff.functions.series import derivative
from symdiff.ops import DEFINITIONS, FAMILIES, OPS
from symdiff.ops.base import Expand
from tests.ops import oracle

NUMERIC = [
    pytest.param(op, n, id=f"{op.name}{'' if n is None else n}")
    for op in OPS.values()
    if op.exact is not None and op.result == "f"
    for n in (op.samples or (None,))
]


def derivatives_of(op, payload, total):
    """(orders, Function) for every mixed partial of one total order."""
    base = oracle.function_of(op, payload)
    for orders in oracle.orders_of(op, total):
        f = base
        for name, n in zip("abc", orders, strict=False):
            if n:
                f = derivative(f, name, n)
        yield orders, f


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize(("op", "payload"), NUMERIC)
def test_orders_agree_with_mpmath(op, payload, order):
    if all(p is None for p in op.partials) and order:
        pytest.skip("the derivative is zero everywhere by definition; test_steps covers it")
    if order and all(oracle.is_closed(op, k) for k in range(len(op.kinds))):
        pytest.skip("there is no derivative")
    if op.name in oracle.COSTLY and order > 0:
        pytest.skip("the heavy suite has it")
    check_orders(op, payload, order)


DEFINED = [pytest.param(d, id=f"{d.name}{len(d.parameters)}") for d in DEFINITIONS.values() if d.exact]


@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize("definition", DEFINED)
def test_definitions_agree_with_mpmath(definition, order):
    """What is written through other functions keeps their digits, at both ends and in every derivative."""
    check_orders(oracle.written(definition), None, order)


@pytest.mark.heavy
@pytest.mark.parametrize("order", [0, 1, 2, 3])
@pytest.mark.parametrize(("op", "payload"), [p for p in NUMERIC if len(p.values[0].kinds) > 1])
def test_orders_agree_with_mpmath_on_the_wide_grid(op, payload, order):
    check_orders(op, payload, order, wide=True)


def check_orders(op, payload, order, wide=False):
    exact = oracle.exact(op, payload)
    wrong, compared = [], 0
    for orders, f in derivatives_of(op, payload, order):
        for x in oracle.points(op, wide):
            try:
                want = oracle.derivative_of(exact, orders, x)
                scale = oracle.scale_of(exact, orders, x)
            except (ValueError, ZeroDivisionError, mpmath.libmp.NoConvergence):
                continue
            compared += 1
            got = f(*x)
            if not oracle.close(got, want, scale):
                wrong.append(f"{orders} at {x}: {got!r} instead of {mp.nstr(want, 20)}")
    assert compared >= 10
    assert not wrong, f"{len(wrong)} of {compared}: " + "; ".join(wrong[:8])


@pytest.mark.parametrize("op", [op for op in OPS.values() if op.partials and all(p is None for p in op.partials)
                                and op.result == "f" and op.exact])  # fmt: skip
def test_steps_have_derivative_zero(op):
    f = oracle.function_of(op)
    for k in range(len(op.kinds)):
        g = derivative(f, "abc"[k], 1)
        assert all(g(*x) == 0.0 for x in oracle.points(op)[::7])


@pytest.mark.parametrize("op", list(OPS.values()), ids=lambda op: op.name)
def test_records_are_complete(op):
    assert op.doc
    count = 0 if op.kinds is None else len(op.kinds)
    assert (op.name in ("input", "constant", "size", "call")) == (op.routine is None)  # they carry what they are
    if op.kinds is not None and op.partials:
        assert len(op.partials) == count
    if op.kinds and not op.hidden:
        assert len(op.parameters) == count + (1 if op.payload else 0)
    assert any(f'"{op.name}"' in Path(m.__file__).read_text() for m in FAMILIES.values())


def test_partials_are_closed_under_differentiation():
    """Every operation that a partial mentions has a derivative itself, wherever a number flows through it."""
    for op in OPS.values():
        if op.key != op.name:
            continue  # a user's, of another test
        if op.kinds and "f" in op.kinds and op.result == "f" and not op.payload and not oracle.is_closed(op, 0):
            f = oracle.function_of(op)
            node = f.graph.input("a", (), f.graph.types[f._name_table()["a"]].dtype)
            if f.graph.types[node].is_condition:
                continue
            if op.name in ("betainc", "betaincc"):
                with pytest.raises(DifferentiationError, match="second order"):
                    iterated(f.graph, f.nodes[0], node, 2)
                continue
            assert iterated(f.graph, f.nodes[0], node, 4) >= 0


def test_expansions_use_primitive_operations_in_the_end():
    for op in OPS.values():
        if isinstance(op.routine, Expand):
            assert op.routine.of(op.samples[0] if op.samples else None)


@pytest.mark.parametrize("op", [op for op in OPS.values() if op.finite and op.kinds], ids=lambda op: op.name)
def test_what_is_called_finite_is_finite(op):
    f = oracle.function_of(op)
    for x in itertools.product([-3.5, -1.0, -1e-300, -0.0, 0.0, 0.5, 1.0, 40.0], repeat=len(op.kinds)):
        point = [v > 0 if kind == "c" else v for v, kind in zip(x, op.kinds, strict=True)]
        assert math.isfinite(f(*point)), point


NAN = math.nan
INF = math.inf
# name, operands, value, first derivatives: the documented conventions at kinks, ties, poles and ends.
EDGES = [
    ("sqrt", (0.0,), 0.0, (INF,)),
    ("sqrt", (-1.0,), NAN, (NAN,)),
    ("cbrt", (0.0,), 0.0, (INF,)),
    ("log", (0.0,), -INF, (INF,)),
    ("log", (-1.0,), NAN, (-1.0,)),
    ("log1p", (-1.0,), -INF, (INF,)),
    ("asin", (1.0,), math.pi / 2, (INF,)),
    ("asin", (-1.0,), -math.pi / 2, (INF,)),
    ("acos", (1.0,), 0.0, (-INF,)),
    ("acosh", (1.0,), 0.0, (INF,)),
    ("acosh", (-2.0,), NAN, (NAN,)),
    ("atanh", (1.0,), INF, (INF,)),
    ("abs", (0.0,), 0.0, (0.0,)),
    ("abs", (-0.0,), 0.0, (0.0,)),
    ("sign", (0.0,), 0.0, (0.0,)),
    ("floor", (2.0,), 2.0, (0.0,)),
    ("max", (1.0, 1.0), 1.0, (0.5, 0.5)),
    ("min", (1.0, 1.0), 1.0, (0.5, 0.5)),
    ("max", (NAN, 1.0), NAN, (NAN, NAN)),
    ("min", (1.0, NAN), NAN, (NAN, NAN)),
    ("max", (INF, INF), INF, (0.5, 0.5)),
    ("clip", (-1.0, 0.0, 1.0), 0.0, (0.0, 1.0, 0.0)),
    ("clip", (0.0, 0.0, 1.0), 0.0, (0.5, 0.5, 0.0)),
    ("clip", (1.0, 0.0, 1.0), 1.0, (0.5, 0.0, 0.5)),
    ("clip", (2.0, 0.0, 1.0), 1.0, (0.0, 0.0, 1.0)),
    ("relu", (0.0,), 0.0, (0.0,)),
    ("relu", (NAN,), NAN, (NAN,)),
    ("leaky_relu", (0.0, 0.25), 0.0, (0.25, 0.0)),
    ("elu", (0.0, 1.0), 0.0, (1.0, 0.0)),
    ("heaviside", (0.0, 0.5), 0.5, (0.0, 1.0)),
    ("copysign", (0.0, -1.0), -0.0, (0.0, 0.0)),
    ("pow", (0.0, 0.0), 1.0, (0.0, 0.0)),
    ("pow", (0.0, 2.0), 0.0, (0.0, 0.0)),
    ("pow", (0.0, 0.5), 0.0, (INF, 0.0)),
    ("pow", (0.0, -1.0), INF, (-INF, -INF)),
    ("pow", (-2.0, 2.0), 4.0, (-4.0, NAN)),
    ("pow", (NAN, 0.0), 1.0, (NAN, NAN)),
    ("atan2", (0.0, 0.0), 0.0, (NAN, NAN)),
    ("hypot", (0.0, 0.0), 0.0, (0.0, 0.0)),
    ("hypot", (INF, 1.0), INF, (NAN, 0.0)),
    ("xlogy", (0.0, 0.0), 0.0, (-INF, 0.0)),
    ("xlogy", (0.0, 2.0), 0.0, (math.log(2.0), 0.0)),
    ("sinc", (0.0,), 1.0, (0.0,)),
    ("sinc", (10.0,), 0.0, (0.1,)),
    ("mod", (2.0, 1.0), 0.0, (1.0, -2.0)),
    ("mod", (-1.0, 3.0), 2.0, (1.0, 1.0)),
    ("floor_divide", (-7.0, 2.0), -4.0, (0.0, 0.0)),
    ("fmod", (-7.0, 2.0), -1.0, (1.0, 3.0)),
    ("div", (1.0, 0.0), INF, (INF, -INF)),
    ("reciprocal", (-0.0,), -INF, (-INF,)),
    ("logaddexp", (1000.0, 1000.0), 1000.0 + math.log(2.0), (0.5, 0.5)),
    ("logaddexp", (-INF, -INF), -INF, (NAN, NAN)),
    ("softplus", (1000.0,), 1000.0, (1.0,)),
    ("softplus", (-1000.0,), 0.0, (0.0,)),
    ("sigmoid", (-1000.0,), 0.0, (0.0,)),
    ("gamma", (0.0,), INF, (-INF,)),
    ("lgamma", (0.0,), INF, (-INF,)),
    ("digamma", (0.0,), -INF, (INF,)),
    ("erfcx", (INF,), 0.0, (0.0,)),
    ("erfcx", (-INF,), INF, (-INF,)),
    ("log_ndtr", (INF,), 0.0, (0.0,)),
    ("log_ndtr", (-INF,), -INF, (INF,)),
    ("log1mexp", (0.0,), -INF, (-INF,)),
    ("logcosh", (INF,), INF, (1.0,)),
    ("beta", (0.0, 1.0), INF, (-INF, NAN)),
    ("betaln", (0.0, 1.0), INF, (-INF, 0.0)),
    ("exp", (-INF,), 0.0, (0.0,)),
    ("tanh", (INF,), 1.0, (0.0,)),
    ("atan", (INF,), math.pi / 2, (0.0,)),
]


@pytest.mark.parametrize(("name", "x", "value", "slopes"), EDGES)
def test_edges(name, x, value, slopes):
    f = oracle.function_of(OPS[name])
    np.testing.assert_allclose(f(*x), value, rtol=1e-15, atol=0)
    got = [derivative(f, "abc"[k], 1)(*x) for k in range(len(x))]
    np.testing.assert_allclose(got, slopes, rtol=1e-15, atol=0)


@pytest.mark.parametrize("op", [op for op in OPS.values() if op.kinds and set(op.kinds) == {"f"} and op.result == "f"
                                and not op.payload], ids=lambda op: op.name)  # fmt: skip
def test_nan_in_nan_out(op):
    """A NaN operand is never dropped, except where IEEE and the field say so (x**0, 1**x, hypot(inf, ·), xlogy)."""
    f = oracle.function_of(op)
    for k in range(len(op.kinds)):
        x = [2.0] * len(op.kinds)
        x[k] = NAN
        drops = {
            ("heaviside", 1),
            ("leaky_relu", 1),
            ("elu", 1),
            ("copysign", 1),
            ("kinked", 1),
            ("kinked", 2),
            ("direction", 2),
            ("surrogate", 1),
        }
        if (op.name, k) in drops:
            continue
        assert math.isnan(f(*x)), (op.name, k)


def test_sinc_near_zero():
    d2 = derivative("sinc(x)", "x", 2)
    assert d2(0.0) == pytest.approx(-(math.pi**2) / 3, rel=1e-15)
    assert derivative("sinc(x)", "x", 1)(1e-300) == pytest.approx(-(math.pi**2) / 3 * 1e-300, rel=1e-14)


def test_ties_of_several_operands_share_equally():
    from symdiff import grad

    g = grad("max(a, b, c, d)", ["a", "b", "c", "d"])
    np.testing.assert_array_equal(g(1.0, 2.0, 2.0, 2.0), [0, 1 / 3, 1 / 3, 1 / 3])
    np.testing.assert_array_equal(grad("min(a, b, c)", ["a", "b", "c"])(1.0, 2.0, 2.0), [1, 0, 0])
    assert np.isnan(grad("max(a, b, c)", ["a", "b", "c"])(1.0, NAN, 2.0)).all()


def test_beta_of_negative_arguments():
    """The sign is that of the gamma functions; log|beta| and the gradient follow, on both sides of every pole."""
    beta, betaln = (oracle.function_of(OPS[name]) for name in ("beta", "betaln"))
    slope = derivative(beta, "a", 1)
    values = [-20.25, -3.6875, -1.5, -0.375, 0.25, 2.5, 30.125]
    for a, b in itertools.product(values, repeat=2):
        if min(a, b) > 0 or (a + b).is_integer():
            continue
        with mp.workdps(40):
            want = mp.gamma(a) * mp.gamma(b) / mp.gamma(mp.mpf(a) + b)
            rate = mp.psi(0, a) - mp.psi(0, mp.mpf(a) + b)
        assert beta(a, b) == pytest.approx(float(want), rel=1e-13), (a, b)
        assert betaln(a, b) == pytest.approx(float(mp.ln(abs(want))), rel=1e-13, abs=1e-13), (a, b)
        assert slope(a, b) == pytest.approx(float(want * rate), rel=1e-12), (a, b)
    assert [beta(-2.0, 1.0), beta(-3.0, 2.0)] == pytest.approx([-1 / 2, 1 / 6], rel=1e-14)
