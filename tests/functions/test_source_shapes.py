"""A listed name has the shape that its source has: every kind of source by every way to list names."""

import re

import numpy as np
import pytest

import symdiff as sd

sympy = pytest.importorskip("sympy")

SHAPES = [(3,), (1200,), (2, 3)]
"""Of over 1,000 elements, too: smaller ones become scalar code, which hides what is read beyond a buffer."""


def header(shape):
    return f"f(y, x[{', '.join(map(str, shape))}])"


def symbol(shape):
    return sd.symbol("x", shape)


SOURCES = {
    "text": lambda shape: f"{header(shape)} = y*sum(x**2)",
    "text with a line": lambda shape: f"g(a) = a**2\n{header(shape)} = y*sum(g(x))",
    "function": lambda shape: sd.function(f"{header(shape)} = y*sum(x**2)"),
    "expression": lambda shape: sd.symbol("y") * sd.sum(symbol(shape) ** 2),
    "expression of a function": lambda shape: sd.function(f"{header(shape)} = y*sum(x**2)").expr,
    "derivative": lambda shape: sd.grad(f"{header(shape)} = y**2/2*sum(x**2)", "y"),
    "text with sizes": lambda shape: f"f(y, x[{', '.join('nm'[: len(shape)])}]) = y*sum(x**2)",
    "function with sizes": lambda shape: sd.function(f"f(y, x[{', '.join('nm'[: len(shape)])}]) = y*sum(x**2)"),
    "matrix symbol": lambda shape: (
        sympy.Symbol("y") * sympy.Trace(sympy.MatrixSymbol("x", *two(shape)) * sympy.MatrixSymbol("x", *two(shape)).T)
    ),
}  # fmt: skip


def two(shape):
    return shape if len(shape) == 2 else (*shape, 1)


WAYS = {
    "names": lambda source, shape: sd.function(source, ["x", "y"]),
    "symbol": lambda source, shape: sd.function(source, [symbol(shape), "y"]),
    "dict": lambda source, shape: sd.function(source, {"x": shape, "y": ()}),
    "shapes": lambda source, shape: sd.function(source, ["x", "y"], shapes={"x": shape}),
    "shapes by symbol": lambda source, shape: sd.function(source, ["x", "y"], shapes={symbol(shape): shape}),
    "again": lambda source, shape: sd.function(sd.function(source, ["x", "y"]), ["x", "y"]),
    "tuple": lambda source, shape: sd.function((source, "3*x"), ["x", "y"]),
    "tuple, a text first": lambda source, shape: sd.function(("3*x", source), ["x", "y"]),
    "dict of a traced function": lambda source, shape: sd.function({"a": source, "b": lambda x, y: 3 * x}, ["x", "y"]),
}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", SOURCES)
def test_a_listed_name_has_the_shape_of_its_source(kind, way, shape):
    shape = two(shape) if kind == "matrix symbol" else shape
    f = WAYS[way](SOURCES[kind](shape), shape)
    x = np.linspace(-1.0, 2.0, int(np.prod(shape))).reshape(shape)
    parts = f(x, 2.0)
    for value in parts if isinstance(parts, tuple) else (parts,):
        np.testing.assert_allclose(value, 3 * x if np.ndim(value) else 2 * np.sum(x**2), rtol=1e-13)
    one = f if not isinstance(parts, tuple) else sd.function(SOURCES[kind](shape), ["x", "y"])
    np.testing.assert_allclose(sd.grad(one, "x")(x, 2.0), 4 * x, rtol=1e-13)
    if kind not in ("text with sizes", "function with sizes"):
        assert one.arguments[0].shape == shape
    with pytest.raises(sd.ShapeError):
        one(np.ones((*shape[:-1], 5)), 2.0) if "with sizes" not in kind else one(1.0, 2.0)


WRONG = {
    "dict": lambda source, other: sd.function(source, {"x": other, "y": ()}),
    "shapes": lambda source, other: sd.function(source, ["x", "y"], shapes={"x": other}),
    "shapes alone": lambda source, other: sd.function(source, shapes={"x": other}),
    "symbol": lambda source, other: sd.function(source, [sd.symbol("x", other), "y"]),
    "another source": lambda source, other: sd.function((source, 2 * sd.symbol("x", other)), ["x", "y"]),
    "wrt": lambda source, other: sd.grad(source, sd.symbol("x", other)),
}


@pytest.mark.parametrize("other", [(), (4,), (1000, 2), (2, 4)], ids=str)
@pytest.mark.parametrize("way", WRONG)
@pytest.mark.parametrize("kind", SOURCES)
def test_another_shape_is_refused_and_both_are_named(kind, way, other):
    shape = (2, 3)
    source = SOURCES[kind](shape)
    sized = "with sizes" in kind
    if (sized and len(other) == 2) or (not other and way in ("symbol", "wrt")) or (
        way == "wrt" and isinstance(source, sd.Function)  # there it is only the name of an input
    ):  # fmt: skip
        pytest.skip("there it is no contradiction")
    with pytest.raises(sd.ShapeError) as caught:
        WRONG[way](source, other)(np.ones(other), 2.0)
    for named in ("n", "m") if sized else map(str, shape):
        assert re.search(rf"\b{named}\b", caught.value.message), caught.value
    assert all(str(n) in caught.value.message for n in other), caught.value


@pytest.mark.parametrize("make", [
    lambda x: sd.function("x**2*y", ["x", "y"]), lambda x: sd.function(x**2 * sd.symbol("y"), ["x", "y"]),
    lambda x: sd.function(sympy.Symbol("x") ** 2 * sympy.Symbol("y"), ["x", "y"]),
])  # fmt: skip
def test_numbers_of_a_source_are_no_arrays(make):
    f = make(sd.symbol("x"))
    for source in (f, f.expr):
        with pytest.raises(sd.ShapeError, match=re.escape("(3,)")):
            sd.function(source, {"x": 3, "y": ()})


def test_symbols_bring_their_shape_to_a_text():
    w, x = sd.symbol("W", (2, 2)), sympy.MatrixSymbol("x", 2, 1)
    f = sd.function("sum(W @ x)", [x, w])
    assert f.arguments[0].shape == (2, 1)
    g = sd.grad("sum((W @ x)**2)", (x, w))
    assert [a.shape for a in g.arguments] == [(2, 1), (2, 2)]
    np.testing.assert_allclose(g([[1.0], [2.0]], np.eye(2))[0], [[2.0], [4.0]])


def test_a_number_for_a_size_that_the_source_names_binds_it():
    for source in ("f(x[n], y[n]) = sum(x*y)/n", sd.function("f(x[n], y[n]) = sum(x*y)/n")):
        f = sd.function(source, {"y": 3, "x": 3})
        assert f.arguments[0].shape == (3,)
        assert f([1.0, 2.0, 3.0], [1.0, 1.0, 1.0]) == 2.0
        with pytest.raises(sd.ShapeError, match="n is"):
            sd.function(source, {"y": 3, "x": 4})([1.0] * 3, [1.0] * 4)


def test_errors_never_show_sizes_that_nobody_gave():
    f = sd.function("f(x[n], y) = y*sum(x)/n", ["y", "x"])
    assert f(6.0, [1.0, 2.0, 3.0]) == 12.0
    with pytest.raises(sd.ShapeError, match=r"\(n,\)"):
        f(6.0, 1.0)
