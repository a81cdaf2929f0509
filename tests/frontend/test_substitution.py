"""Values and expressions in the place of names."""

import numpy as np
import pytest
import sympy

import symdiff as sd

x, y = sd.symbols("x y")

# expression, what is put in, the text of the result
CASES = [
    ("x**2*y + sin(z)", {"x": 3, "y": sd.expr("a + b")}, "9*(a + b) + sin(z)"),
    ("x**2*y + sin(z)", {"x": 0.1, "z": 0}, "y*0.1**2"),
    ("x**2*y + sin(z)", {}, "x**2*y + sin(z)"),
    ("x/y", {"x": sd.expr("y"), "y": sd.expr("x")}, "y/x"),
    ("x/y", {x: y, y: x}, "y/x"),
    ("x/y", {sympy.Symbol("x"): sympy.Symbol("t") ** 2}, "t**2/y"),
    ("x/y", {"x": np.float64(2.0), y: np.int64(3)}, "2/3"),
    ("x*(x + 1)", {"x": sd.expr("x + 1")}, "(x + 1)*(x + 2)"),
    ("x*2", {"x": True}, "2"),
    ("q = x + 1\nq*q*y", {"q": 3}, "9*y"),
    ("q = x + 1\nq*q*y", {"x": sd.expr("u*v")}, "q = u*v + 1\ny*q**2"),
    ("[x*y, x + y]", {"y": 2}, "[2*x, x + 2]"),
    ("f(v[3], s) = sum(s*v)", {"v": [1, 2, 3]}, "sum(s*[1, 2, 3])"),
    ("f(v[2], s) = sum(s*v)", {"v": [x, y]}, "sum(s*[x, y])"),
    ("f(v[2], s) = v*s", {"v": np.array([1.0, 2.0]), "s": x}, "x*[1, 2]"),
    ("where(x > 0, log(x), y)", {"x": 1}, "0"),
]


@pytest.mark.parametrize(("text", "values", "shown"), CASES, ids=[t.replace("\n", "; ") for t, _, _ in CASES])
def test_values(text, values, shown):
    e = sd.expr(text, shapes={"s": ()} if "[" in text and "s)" in text else None)
    before, count = str(e), e.node
    assert str(e.subs(values)) == shown
    assert (str(e), e.node) == (before, count)


REFUSED = [
    ({"xx": 1}, sd.UnknownNameError, "no input or line is called xx", "did you mean x?"),
    ({"temperature": 1}, sd.UnknownNameError, "no input or line is called temperature", "there is x, y, z"),
    ({"x": [1.0, 2.0]}, sd.ShapeError, r"x has shape \(\), the value given for it has shape \(2,\)", "call a function"),
    ({"v": [1.0, 2.0]}, sd.UnknownNameError, "no input or line is called v", "there is"),
    ({x + 1: 2}, sd.ArgumentError, r"x \+ 1 is neither an input nor a named line", "names"),
    ({1: 2}, sd.ArgumentError, "1 is neither", "names"),
    ({x: 1, "x": 2}, sd.ArgumentError, "x is given two values", ""),
    ("x", sd.ArgumentError, "subs takes a dict", 'e.subs({"x": 2})'),
    ({"x": "y"}, sd.CallError, "a value of type str", "sd.expr"),
    ({"x": 1j}, sd.CallError, "complex", ""),
    ({"x": None}, sd.CallError, "NoneType", ""),
]


@pytest.mark.parametrize(("values", "kind", "message", "hint"), REFUSED, ids=[str(k) for k in range(len(REFUSED))])
def test_refusals(values, kind, message, hint):
    with pytest.raises(kind, match=message) as error:
        sd.expr("x**2*y + sin(z)").subs(values)
    assert hint in error.value.hint


def test_shapes_of_arrays():
    e = sd.expr("f(v[3]) = sum(v**2)")
    for value in (1.0, [1.0, 2.0], np.ones((3, 1))):
        with pytest.raises(sd.ShapeError, match=r"v has shape \(3,\)"):
            e.subs({"v": value})


def test_a_name_that_this_entry_has_not():
    h = sd.hessian("f(x, y) = x**2*y").expr
    at = {"x": 1, "y": 3}
    assert [[str(h[i, j].subs(at)) for j in range(2)] for i in range(2)] == [["6", "2"], ["2", "0"]]
    assert str(h.subs(at)) == "[[6, 2],\n [2, 0]]"


def test_the_value_is_that_of_a_call():
    f = sd.function("f(x, y, z) = exp(x*y)*sin(z) + z/(x - y)")
    assert sd.function(f.expr.subs({"x": 0.3, "z": 0.7}), ["y"])(0.2) == pytest.approx(f(0.3, 0.2, 0.7), rel=1e-15)
    inner = sd.grad(sd.function(f.expr.subs({"y": x**2}), ["x", "z"]), "x")
    step = 1e-6
    slope = (f(0.3 + step, (0.3 + step) ** 2, 0.7) - f(0.3 - step, (0.3 - step) ** 2, 0.7)) / (2 * step)
    assert inner(0.3, 0.7) == pytest.approx(slope, rel=1e-8)


def test_a_long_chain():
    e = x
    for _ in range(50_000):
        e = np.sin(e) + 1
    assert sd.function(e.subs({"x": 0.5}), [])() == sd.function(e, ["x"])(0.5)
