"""Functions as SymPy's expressions and back, under public names."""

import numpy as np
import pytest
import sympy as sp

import symdiff as sd

x, y = sp.symbols("x y")

FORMULAS = [
    ("f(x, y) = x**2*sin(y)", x**2 * sp.sin(y)),
    ("f(x, y) = where(x > y, x, y)", sp.Piecewise((x, x > y), (y, True))),
    ("f(x, y) = [x*y, x]", sp.Array([x * y, x])),
    ("f(x, y) = [[x, y], [y, x]]", sp.ImmutableMatrix([[x, y], [y, x]])),
    ("f([x, y]) = exp(x)/y", sp.exp(x) / y),
]


@pytest.mark.parametrize(("source", "expression"), FORMULAS)
def test_there_and_back(source, expression):
    f = sd.function(source)
    for found in (sd.to_sympy(f), sd.to_sympy(source), f.to_sympy(), f.compile()._sympy_(), sp.sympify(f)):
        assert found == expression or sp.simplify(found - expression) == 0
    back = sd.from_sympy(sd.to_sympy(f), [x, y])
    given = (np.array([0.3, 0.7]),) if "[x, y])" in source else (0.3, 0.7)
    np.testing.assert_allclose(back(0.3, 0.7), f(*given), rtol=1e-15)


@pytest.mark.parametrize("source", [s for s, _ in FORMULAS[:1]] + ["f(x, y) = tanh(x*y)/(1 + exp(-x))"])
def test_derivatives_of_both_agree(source):
    f = sd.function(source)
    formula, values = sd.to_sympy(f), {x: sp.Rational(3, 10), y: sp.Rational(7, 10)}
    gradient = [formula.diff(v).evalf(30, values) for v in (x, y)]
    np.testing.assert_allclose(f.grad()(0.3, 0.7), [float(v) for v in gradient], rtol=1e-12)
    hessian = [[formula.diff(v, w).evalf(30, values) for v in (x, y)] for w in (x, y)]
    np.testing.assert_allclose(f.hessian()(0.3, 0.7), np.array(hessian, float), rtol=1e-12)
    ours = sd.to_sympy(f.grad())
    for k, v in enumerate((x, y)):
        assert abs((ours[k] - formula.diff(v)).subs(values).evalf()) < 1e-12


def test_several_outputs_expressions_and_arrays():
    assert sd.to_sympy(sd.function({"a": "x*y", "b": "x"}, ["x", "y"])) == (x * y, x)
    assert sp.sympify(sd.function(("x*y", "x"), ["x", "y"])) == sp.Tuple(x * y, x)
    assert sd.to_sympy(sd.symbol("x") ** 2) == x**2
    base = sp.IndexedBase("v")
    assert sd.to_sympy("f(v[2]) = sum(v**2)") == base[0] ** 2 + base[1] ** 2
    assert sd.from_sympy([x + y, x * y], [x, y])(2.0, 3.0).tolist() == [5.0, 6.0]
    assert sd.from_sympy(x > y, [x, y])(2.0, 3.0) is False


def test_what_is_refused():
    with pytest.raises(sd.ArgumentError, match=r"type str is no SymPy expression\nsd\.function takes"):
        sd.from_sympy("x**2")
    with pytest.raises(sd.ShapeError, match=r"f\.specialize\(x\)"):
        sd.to_sympy("f(x[n]) = sum(x)")
    with pytest.raises(sd.ArgumentError, match="no counterpart"):
        sd.to_sympy("f(A[9, 9]) = sum(pinv(A))")
