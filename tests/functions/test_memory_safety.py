"""Native code reads and writes what it was given: sizes, axes and arguments that do not fit are refused before."""

import itertools
import random
import re

import numpy as np
import pytest

import symdiff as sd
from symdiff.frontend.arguments import ArrayFunction
from symdiff.frontend.calls import functions, look_up
from symdiff.functions.function import Function
from symdiff.ir.graph import Graph
from symdiff.ops import reduction
from symdiff.signature import Argument, pack
from symdiff.types import LARGEST_RANK

ARRAYS = {name: look_up(name) for name in functions() if isinstance(look_up(name), ArrayFunction)}

ENDS = (None, -9, -4, -3, -2, -1, 0, 1, 2, 3, 9)
STEPS = (None, 1, 2, 5, -1, -2, -5)
SLICES = [slice(*parts) for parts in itertools.product(ENDS, ENDS, STEPS)]
TOO_DEEP = f"there can be {LARGEST_RANK}"


@pytest.mark.parametrize("size", [0, 1, 3, 1003])
def test_slices_are_those_of_numpy(size):
    x = sd.symbol("x", size)
    chosen = SLICES[:: 1 if size == 3 else 7]
    f = sd.function(tuple(x[s] * 2 for s in chosen), [x])
    value = np.arange(1.0, size + 1)
    for s, got in zip(chosen, f(value), strict=True):
        np.testing.assert_array_equal(got, 2 * value[s], err_msg=str(s))


def test_derivatives_by_slices_are_their_transposes():
    x = sd.symbol("x", 4)
    f = sd.function(sum(sd.sum((k + 1.0) * x[s]) for k, s in enumerate(SLICES)), [x])
    expected = np.zeros(4)
    for k, s in enumerate(SLICES):
        expected[s] += k + 1.0
    np.testing.assert_array_equal(sd.grad(f)(np.ones(4)), expected)


@pytest.mark.parametrize("index", ["-9::-1", "9:", "2:1", "::-1", "-1:0:-2", "0:0"])
def test_scatter_is_the_transpose_of_a_slice(index):
    region = np.zeros(3)[eval(f"np.s_[{index}]")]
    f = sd.function(f"scatter(x, '{index}', (3,))", ["x"], shapes={"x": region.shape})
    expected = np.zeros(3)
    expected[eval(f"np.s_[{index}]")] = np.arange(1.0, region.size + 1)
    np.testing.assert_array_equal(f(np.arange(1.0, region.size + 1)), expected)


PARTS = [
    "x", "A", "x[0]", "A[0]", "-1", "0", "2", "-3", "5", "(2, -1)", "(-1,)", "(-2, -3)", "(0, 3)", "-20", "[1, -1]",
    "0.5", "(x, x)", "[x, x]", "zeros((0, 3))", "'1:'", "'::-1'", "'::0'", "'0'", "True", "None", "[[[x]]]",
    "x[-9::-1]",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_calls_of_array_functions_have_the_shape_of_their_type(seed):
    """Over 1,000 elements, because what takes fewer operations becomes scalar code."""
    rng = random.Random(seed)
    made = 0
    for _ in range(150):
        function = ARRAYS[rng.choice(sorted(ARRAYS))]
        args = [rng.choice(PARTS) for _ in range(rng.randint(1, max(1, min(4, len(function.parameters)))))]
        if function.optional and rng.random() < 0.4:
            args.append(f"{rng.choice(sorted(function.optional))}={rng.choice(PARTS)}")
        text = f"{function.name}({', '.join(args)})"
        try:
            f = sd.function(text, ["x", "A"], shapes={"x": 1200, "A": (40, 30)})
        except sd.SymdiffError:
            continue
        assert all(size >= 0 for t in f.types for size in t.shape), text
        if sum(np.prod(t.shape) for t in f.types) < 1e5:
            made += 1
            with np.errstate(all="ignore"):
                assert np.shape(f(np.ones(1200), np.ones((40, 30)))) == f.types[0].shape, text
    assert made


@pytest.mark.parametrize("text", [
    "broadcast_to(x[0], -2000)", "repeat(x, -1)", "tile(x, -2)", "vander(x, -3)", "zeros(-1)", "eye(3, -2)",
    "reshape(x, (-2, -1500))", "concatenate((broadcast_to(x[0], -2000), x, x))", "scatter(x[0], '0', (-3,))",
    "full((2, -2), x[0])", "linspace(0, 1, -3)",
])  # fmt: skip
def test_negative_sizes_are_refused(text):
    with pytest.raises(sd.SymdiffError) as caught:
        sd.function(text, ["x"], shapes={"x": 3000})
    assert caught.value.span is not None


HOLLOW = [(0,), (1000, 0), (0, 3), (3, 0, 2), (2**40, 0), (0, 2**40)]


@pytest.mark.parametrize("shape", HOLLOW)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_results_without_entries_have_their_shape(shape, dtype):
    f = sd.function((f"x*zeros({shape})", "x*y"), ["x", "y"], shapes={"x": (), "y": ()}, dtype=dtype)
    for g in (f, f.compile()):
        for args in ((2.0, 3.0), (2, 3), (np.float64(2.0), 3), (True, 3.0), (np.array(2.0), 3.0)):
            empty, value = g(*args)
            assert empty.shape == shape
            assert value == args[0] * 3
        empty, value = g(np.ones((5, 1)), np.ones(2))
        assert (empty.shape, value.shape) == ((5, 2, *shape), (5, 2))
    assert sd.jacobian(f, "x")(2.0, 3.0)[0].shape == shape


@pytest.mark.parametrize("depth", [33, LARGEST_RANK - 2, LARGEST_RANK])
@pytest.mark.parametrize("entry", ["x*y", "1", "x*zeros(2000)"])
def test_lists_may_be_nested_as_deeply_as_arrays(depth, entry):
    depth -= entry == "x*zeros(2000)"
    f = sd.function("[" * depth + entry + "]" * depth, ["x", "y"], shapes={"x": (), "y": ()})
    assert np.ndim(f(2.0, 3.0)) == len(f.types[0].shape) <= LARGEST_RANK
    if f.types[0].shape == (1,) * LARGEST_RANK:
        with pytest.raises(sd.ShapeError, match=TOO_DEEP):
            f(np.ones(3), 2.0)


@pytest.mark.parametrize("make", [
    lambda n: sd.function("[" * n + "x" + "]" * n, ["x"]),
    lambda n: sd.function("x + " + "[" * n + "1" + "]" * n, ["x"]),
    lambda n: sd.function(lambda x: nested(x, n), ["x"]), lambda n: sd.function(lambda x: x + nested(1.0, n), ["x"]),
    lambda n: sd.function(f"reshape(x, ({'1, ' * n}))", ["x"], shapes={"x": 1}),
    lambda n: sd.function(f"x[{'None, ' * n}]", ["x"], shapes={"x": 1}),
    lambda n: sd.jacobian("[" * LARGEST_RANK + "x*y" + "]" * LARGEST_RANK, ["x", "y"]),
    lambda n: sd.jacobian(sd.function("[" * (n - 3) + "x" + "]" * (n - 3), ["x"], shapes={"x": (2, 3)})),
])  # fmt: skip
@pytest.mark.parametrize("depth", [LARGEST_RANK + 1, 100, 3000])
def test_more_axes_than_arrays_have_are_refused(make, depth):
    with pytest.raises(sd.ShapeError, match=TOO_DEEP):
        make(depth)


def test_too_many_axes_are_pointed_at():
    with pytest.raises(sd.ShapeError) as caught:
        sd.function("y + " + "[" * 70 + "x" + "]" * 70, ["x", "y"])
    assert caught.value.span == (4 + 70 - LARGEST_RANK - 1, 4 + 70 - LARGEST_RANK)


def nested(value, depth):
    for _ in range(depth):
        value = [value]
    return value


ARGUMENTS = [
    Argument("x", (3,)), Argument("x"), Argument("x", (2000,)), Argument("x", (3, 1)), Argument("y", (3,)),
    pack(("x",)), pack(("x", "y")), Argument("z"),
]  # fmt: skip


@pytest.mark.parametrize("shape", [(), (3,), (2000,)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("arguments", [*itertools.permutations(ARGUMENTS, 1), *itertools.permutations(ARGUMENTS, 2)],
                         ids=lambda arguments: " ".join(map(str, arguments)))  # fmt: skip
def test_arguments_that_are_not_the_graphs_inputs_are_refused(shape, dtype, arguments):
    graph = Graph(dtype)
    names = {"x": graph.input("x", shape), "y": graph.input("y")}
    names["z"] = graph.named("z", names["y"])
    fits = all(
        n in ("x", "y") and (() if a.members is not None else a.shape) == graph.types[names[n]].shape
        for a in arguments for n in a.inputs
    )  # fmt: skip
    output = reduction.sum_over(graph, graph.add("mul", (names["x"], names["y"])))
    if fits:
        made = Function(graph, arguments, [("f", output)], names=names)
        assert made.arguments == arguments
        return
    with pytest.raises(sd.ShapeError, match=re.escape("the argument")):
        Function(graph, arguments, [("f", output)], names=names)


def test_powers_of_matrices_of_any_length_are_made_without_recursion():
    for sign in "", "-":
        f = sd.function(f"matrix_power({sign}eye(30)*x, 255)", ["x"], shapes={"x": ()})
        np.testing.assert_array_equal(f(1.0), float(sign + "1") * np.eye(30))
