"""Vectors and matrices are written as a person would: rows one below the other, columns aligned."""

import numpy as np
import pytest

import symdiff as sd

# what is printed, its text, its LaTeX
MATRICES = [
    (
        sd.hessian("f(x, y) = x**2*y"),
        "hessian_f(x, y) = [[2*y, 2*x],\n                   [2*x, 0]]",
        r"\begin{bmatrix} 2 \cdot y & 2 \cdot x \\ 2 \cdot x & 0 \end{bmatrix}",
    ),
    (
        sd.hessian("f(x, y) = x**2 + 3*x*y"),
        "hessian_f(x, y) = [[2, 3],\n                   [3, 0]]",
        r"\begin{bmatrix} 2 & 3 \\ 3 & 0 \end{bmatrix}",
    ),
    (
        sd.jacobian("[x*y, x + y, sin(x)]", ["x", "y"]),
        "jacobian_f(x, y) = [[y,      x],\n                    [1,      1],\n                    [cos(x), 0]]",
        r"\begin{bmatrix} y & x \\ 1 & 1 \\ \cos\left(x\right) & 0 \end{bmatrix}",
    ),
    (
        sd.hessian("f([a, b]) = a**3*b"),
        "hessian_f([a, b]) = [[6*a*b,  3*a**2],\n                     [3*a**2, 0]]",
        r"\begin{bmatrix} 6 \cdot a \cdot b & 3 \cdot a^{2} \\ 3 \cdot a^{2} & 0 \end{bmatrix}",
    ),
    (
        sd.grad("f(x, y) = x**2*y"),
        "grad_f(x, y) = [2*x*y, x**2]",
        r"\begin{bmatrix} 2 \cdot x \cdot y \\ x^{2} \end{bmatrix}",
    ),
    (
        sd.grad("f(x, y, z) = sin(x*y)*exp(-x*z) + log(z)"),
        "grad_f(x, y, z) = [y*exp(-x*z)*cos(x*y) - z*sin(x*y)*exp(-x*z),\n"
        "                   x*exp(-x*z)*cos(x*y),\n"
        "                   1/z - x*sin(x*y)*exp(-x*z)]",
        None,
    ),
    (
        sd.hessian("f(x, y, z) = sin(x*y)*exp(z)*tanh(x + z) + log(x + y*z)/z").expr[:2, 1],
        None,
        None,
    ),
    (sd.function("f(x) = [[x, 1], [2, 3]] @ [x, 1]"), "f(x) = [[x, 1], [2, 3]] @ [x, 1]", None),
    (sd.function("f(x) = [[x, 1, 10]]"), "f(x) = [[x, 1, 10]]", None),
    (
        sd.function("f(x) = [[[x, 1], [2, 3]], [[x, 1], [10, x]]]"),
        "f(x) = [[[x, 1], [2, 3]], [[x, 1], [10, x]]]",
        None,
    ),
    (
        sd.function("M = [[x, 1], [1, 10*x]]\nf(x) = M @ M"),
        "M = [[x, 1],\n     [1, 10*x]]\nf(x) = M @ M",
        None,
    ),
    (sd.function("f(x[30]) = " + str(list(range(30))) + "*x"), None, None),
    (sd.function("f(x) = [" + ", ".join(f"{k}*x" for k in range(2, 30)) + "]"), None, None),
]


@pytest.mark.parametrize(("f", "text", "tex"), MATRICES, ids=[str(k) for k in range(len(MATRICES))])
def test_matrices(f, text, tex):
    shown = str(f)
    if text is not None:
        assert shown == text
    if tex is not None:
        assert f._repr_latex_() == f"$${tex}$$"
    own = f if isinstance(f, sd.Function) else sd.function(f, ["x", "y", "z"])
    again = sd.function(shown) if isinstance(f, sd.Function) else sd.function(shown, ["x", "y", "z"])
    point = (0.3, 0.4, 0.7)[: len(own.inputs)]
    if own.arguments[0].shape or own.arguments[0].members:
        point = (np.linspace(0.3, 0.4, 2 if own.arguments[0].members else 30),)
    np.testing.assert_allclose(again(*point), own(*point), rtol=1e-13)


def test_columns_of_a_matrix_with_shared_lines():
    h = sd.hessian("f(x, y, z) = sin(x*y)*exp(-z*x) + log(z)")
    assert str(h).splitlines()[-3:] == [
        "hessian_f(x, y, z) = [[z**2*t1*t2 - 2*y*z*t2*t3 - y**2*t1*t2, t4,  t5],",
        "                      [t4,                                    -t6, t7],",
        "                      [t5,                                    t7,  t6 - 1/z**2]]",
    ]
    tex = h._repr_latex_()
    assert tex.startswith(r"$$\begin{aligned} t_{1} &= ")
    assert r"& t_{4} & t_{5} \\ t_{4} & -t_{6} & t_{7} \\" in tex
    np.testing.assert_allclose(sd.function(str(h))(0.3, 0.4, 0.7), h(0.3, 0.4, 0.7), rtol=1e-13)


def test_lines_that_would_get_too_long_are_not_aligned():
    wide = sd.hessian("a(x, y) = x**4*y**3*exp(x + y)")
    lines = str(wide).splitlines()
    head = next(k for k, line in enumerate(lines) if "(x, y)" in line)
    assert len(lines) == head + 2
    assert lines[head + 1].index("[") == lines[head].index("[[") + 1
    assert "  " not in lines[head]
    np.testing.assert_allclose(sd.function(str(wide))(0.3, 0.4), wide(0.3, 0.4), rtol=1e-13)


def test_an_entry_is_an_expression():
    h = sd.hessian("f(x, y) = x**2*y*exp(-x)")
    assert str(h.expr[1, 1]) == "0"
    assert str(h.expr[0, 1]) == "2*x*exp(-x) - x**2*exp(-x)"
    assert repr(sd.hessian("x**2*y", ["x", "y"]).expr) == "Expr([[2*y, 2*x], [2*x, 0]])"
    assert str(sd.grad("f(x, y) = x**2*y").expr[0]) == "2*x*y"
    assert sd.function(h.expr[0, 1])(2.0) == pytest.approx(0.0, abs=1e-15)
    rows, value = h.expr, h(0.3, 0.7)
    for index in (
        0,
        1,
        -1,
        (1, 0),
        (-1, -2),
        slice(1),
        (slice(None), 1),
        (slice(None, None, -1), 0),
        (0, slice(1)),
        ...,
    ):
        assert np.array_equal(sd.function(rows[index], ["x", "y"])(0.3, 0.7), value[index]), index
    with pytest.raises(sd.ShapeError, match="2 is out of range"):
        rows[0, 2]
    with pytest.raises(sd.ShapeError, match="3 indices"):
        rows[0, 1, 1]


def test_what_a_message_quotes_stays_on_one_line():
    with pytest.raises(sd.CallError) as error:
        bool(sd.hessian("x**2*y", ["x", "y"]).expr)
    assert error.value.message.startswith("[[2*y, 2*x], [2*x, 0]] has no truth value")
