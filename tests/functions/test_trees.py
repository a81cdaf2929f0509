"""Parameters and results that are dicts, lists and tuples of arrays."""

import copy
import gc
import hashlib
import inspect
import json
import pickle
import threading
import weakref
from collections import OrderedDict, namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symdiff as sd
from symdiff.display.code import python_source
from symdiff.errors import ArgumentError, CallError, ShapeError, StorageError, SymdiffError, UnknownNameError
from symdiff.functions.container import DIGEST, HEAD
from symdiff.functions.storage import from_bytes, to_bytes
from symdiff.trees import DEEPEST

Layer = namedtuple("Layer", "W b")

RNG = np.random.default_rng(7)
W1, B1, W2, B2 = RNG.normal(size=(3, 4)), RNG.normal(size=4), RNG.normal(size=(4, 1)), RNG.normal(size=1)
X, Y = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 1))


def network(w1, b1, w2, b2, x, y):
    return np.mean((np.tanh(x @ w1 + b1) @ w2 + b2 - y) ** 2)


def of_dict(params, x, y):
    return network(params["W1"], params["b1"], params["W2"], params["b2"], x, y)


def of_dicts(params, x, y):
    for layer in params[:-1]:
        x = np.tanh(x @ layer["W"] + layer["b"])
    return np.mean((x @ params[-1]["W"] + params[-1]["b"] - y) ** 2)


def of_pairs(params, x, y):
    (w1, b1), (w2, b2) = params
    return network(w1, b1, w2, b2, x, y)


def of_fields(params, x, y):
    return network(params.first.W, params.first.b, params.second.W, params.second.b, x, y)


def of_items(params, x, y):
    found = dict(params.items())
    assert list(found) == [2, "a key", "ä/ö", "ю"]
    return network(found[2], found["a key"], found["ä/ö"], found["ю"], x, y)


Two = namedtuple("Two", "first second")

# A structure: the function, its parameters with W1, b1, W2, b2 in this order, and the names of the leaves.
STRUCTURES = {
    "dict": (of_dict, {"W1": W1, "b1": B1, "W2": W2, "b2": B2}, ["W1", "b1", "W2", "b2"]),
    "list of dicts": (of_dicts, [{"W": W1, "b": B1}, {"W": W2, "b": B2}], ["0_W", "0_b", "1_W", "1_b"]),
    "tuple of dicts": (of_dicts, ({"W": W1, "b": B1}, {"W": W2, "b": B2}), ["0_W", "0_b", "1_W", "1_b"]),
    "list of tuples": (of_pairs, [(W1, B1), (W2, B2)], ["0_0", "0_1", "1_0", "1_1"]),
    "tuple of lists": (of_pairs, ([W1, B1], [W2, B2]), ["0_0", "0_1", "1_0", "1_1"]),
    "named tuples": (of_fields, Two(Layer(W1, B1), Layer(W2, B2)), ["first_W", "first_b", "second_W", "second_b"]),
    "odd keys": (of_items, {2: W1, "a key": B1, "ä/ö": W2, "ю": B2}, ["2", "a_key", None, None]),
}
IDS = list(STRUCTURES)
FLAT = sd.function(network, {"w1": (3, 4), "b1": 4, "w2": (4, 1), "b2": 1, "x": (5, 3), "y": (5, 1)})
NAMES = ("w1", "b1", "w2", "b2")
LEAVES = (W1, B1, W2, B2)


def put_together(like, leaves):
    """A tree like another with these leaves: written apart from what is tested."""
    leaves = iter(leaves)

    def follow(part):
        if isinstance(part, dict):
            return {k: follow(v) for k, v in part.items()}
        if isinstance(part, tuple) and hasattr(part, "_fields"):
            return type(part)(*[follow(v) for v in part])
        if isinstance(part, list | tuple):
            return type(part)([follow(v) for v in part])
        return next(leaves)

    return follow(like)


def assert_same(got, wanted):
    """Trees of the same kinds, with the same keys in the same order and nearly the same numbers."""
    assert type(got) is type(wanted) or np.ndim(got) == np.ndim(wanted), (type(got), type(wanted))
    if isinstance(wanted, dict):
        assert list(got) == list(wanted)
        for k in wanted:
            assert_same(got[k], wanted[k])
    elif isinstance(wanted, list | tuple):
        assert len(got) == len(wanted)
        for a, b in zip(got, wanted, strict=True):
            assert_same(a, b)
    else:
        assert np.shape(got) == np.shape(wanted)
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-12)


def shapes_of(tree):
    return put_together(tree, [(3, 4), 4, (4, 1), (1,)])


DECLARED = ["shapes", "arrays", "shapes=", "call"]


def made(kind, how):
    fun, params, _ = STRUCTURES[kind]
    if how == "shapes":
        return sd.function(fun, {"params": shapes_of(params), "x": (5, 3), "y": (5, 1)})
    if how == "arrays":
        return sd.function(fun, {"params": params, "x": X, "y": Y})
    if how == "shapes=":
        return sd.function(fun, shapes={"params": shapes_of(params), "x": (5, 3), "y": (5, 1)})
    return sd.function(fun)


@pytest.mark.parametrize("how", DECLARED)
@pytest.mark.parametrize("kind", IDS)
def test_values_and_gradients(kind, how):
    f, params = made(kind, how), STRUCTURES[kind][1]
    assert_same(f(params, X, Y), FLAT(*LEAVES, X, Y))
    assert_same(f(params=params, y=Y, x=X), FLAT(*LEAVES, X, Y))
    wanted = put_together(params, sd.grad(FLAT, NAMES)(*LEAVES, X, Y))
    assert_same(sd.grad(f, "params")(params, X, Y), wanted)
    value, slopes = sd.value_and_grad(f, ("params", "x"))(params, X, Y)
    assert_same(value, FLAT(*LEAVES, X, Y))
    assert_same(slopes, (wanted, sd.grad(FLAT, "x")(*LEAVES, X, Y)))
    assert_same(sd.grad(f)(params, X, Y)[0], wanted)


TANGENT = [RNG.normal(size=np.shape(leaf)) for leaf in LEAVES]


@pytest.mark.parametrize("how", ["shapes", "call"])
@pytest.mark.parametrize("kind", IDS)
def test_products(kind, how):
    f, params = made(kind, how), STRUCTURES[kind][1]
    tangent = put_together(params, TANGENT)
    j = sd.jvp(f, "params")
    assert list(inspect.signature(j).parameters) == ["params", "params_dot", "x", "y"]
    assert_same(j(params, tangent, X, Y), sd.jvp(FLAT, NAMES)(*LEAVES, *TANGENT, X, Y))
    wanted = put_together(params, sd.hvp(FLAT, NAMES)(*LEAVES, *TANGENT, X, Y))
    assert_same(sd.hvp(f, "params")(params, tangent, X, Y), wanted)
    both = sd.jvp(f, ("params", "x"))(params, X, tangent, X, Y)
    assert_same(both, sd.jvp(FLAT, (*NAMES, "x"))(*LEAVES, X, *TANGENT, X, Y))
    value, linear = sd.linearize(f, "params")(params, X, Y)
    assert_same((value, linear(tangent)), (f(params, X, Y), j(params, tangent, X, Y)))
    assert list(inspect.signature(linear).parameters) == ["params_dot"]
    if how == "shapes":
        wanted = put_together(params, sd.vjp(FLAT, NAMES)(*LEAVES, 2.0, X, Y))
        assert_same(sd.vjp(f, "params")(params, 2.0, X, Y), wanted)


@pytest.mark.parametrize("how", ["shapes", "call"])
@pytest.mark.parametrize("kind", IDS)
def test_second_derivatives_are_trees_of_trees(kind, how):
    f, params = made(kind, how), STRUCTURES[kind][1]
    rows = sd.hessian(FLAT, NAMES)(*LEAVES, X, Y)
    wanted = put_together(params, [put_together(params, row) for row in rows])
    assert_same(sd.hessian(f, "params")(params, X, Y), wanted)
    assert_same(sd.jacobian(sd.grad(f, "params"), "params")(params, X, Y), wanted)


@pytest.mark.parametrize("how", ["shapes", "call"])
@pytest.mark.parametrize("kind", IDS)
def test_leaves_and_parts_as_what_a_derivative_is_by(kind, how):
    f, params = made(kind, how), STRUCTURES[kind][1]
    flat = sd.grad(FLAT, list(NAMES))(*LEAVES, X, Y)
    assert_same(sd.grad(f, ["params"])(params, X, Y), flat)
    tags = STRUCTURES[kind][2]
    for name, tag in zip(NAMES, tags, strict=True):
        if tag is not None:
            assert_same(sd.grad(f, f"params_{tag}")(params, X, Y), sd.grad(FLAT, name)(*LEAVES, X, Y))


@pytest.mark.parametrize(
    ("kind", "wrt", "flat"),
    [
        ("dict", 'params["W1"]', "w1"),
        ("dict", "params['W1']", "w1"),
        ("dict", ' params [ "b2" ] ', "b2"),
        ("dict", 'params["W1"][1]', "w1[1]"),
        ("dict", 'params["W1"][1:, 2]', "w1[1:, 2]"),
        ("dict", ('params["W1"]', "x"), ("w1", "x")),
        ("dict", ['params["W1"]', "x"], ["w1", "x"]),
        ("list of dicts", 'params[0]["W"]', "w1"),
        ("list of dicts", 'params[-1]["b"]', "b2"),
        ("list of tuples", "params[1][0]", "w2"),
        ("named tuples", "params.second.W", "w2"),
        ("odd keys", 'params["ä/ö"]', "w2"),
        ("odd keys", "params[2]", "w1"),
    ],
)
@pytest.mark.parametrize("how", ["shapes", "call"])
def test_places_as_a_person_writes_them(kind, wrt, flat, how):
    f, params = made(kind, how), STRUCTURES[kind][1]
    assert_same(sd.grad(f, wrt)(params, X, Y), sd.grad(FLAT, flat)(*LEAVES, X, Y))


@pytest.mark.parametrize("how", ["shapes", "call"])
def test_a_part_of_a_tree_is_a_tree(how):
    f, params = made("list of dicts", how), STRUCTURES["list of dicts"][1]
    w2, b2 = sd.grad(FLAT, ("w2", "b2"))(*LEAVES, X, Y)
    assert_same(sd.grad(f, "params[1]")(params, X, Y), {"W": w2, "b": b2})
    j = sd.jvp(f, "params[1]")
    assert_same(j(params, {"W": W2, "b": B2}, X, Y), sd.jvp(FLAT, ("w2", "b2"))(*LEAVES, W2, B2, X, Y))


def test_leaves_have_names_that_nothing_else_has():
    def fun(p, p_a, x):
        return p["a"] * p["a!"] * p["a?"] * p_a * x

    f = sd.function(fun, {"p": {"a": (), "a!": (), "a?": ()}, "p_a": (), "x": ()})
    assert f.inputs == ("p_a_2", "p_a_", "p_a__2", "p_a", "x")
    assert f({"a": 2.0, "a!": 3.0, "a?": 5.0}, 7.0, 11.0) == 2310.0
    assert sd.grad(f, 'p["a"]')({"a": 2.0, "a!": 3.0, "a?": 5.0}, 7.0, 11.0) == 1155.0
    assert sd.grad(f, "p_a")({"a": 2.0, "a!": 3.0, "a?": 5.0}, 7.0, 11.0) == 330.0


def test_numbers_of_leaves_may_be_batches():
    f = sd.function(lambda p, x: p["a"] * np.exp(-p["b"] * x))
    x = np.linspace(0.0, 1.0, 7)
    p = {"a": 2.0, "b": 0.5}
    np.testing.assert_allclose(f(p, x), 2.0 * np.exp(-0.5 * x))
    slopes = sd.grad(f, "p")(p, x)
    np.testing.assert_allclose(slopes["b"], -2.0 * x * np.exp(-0.5 * x))
    assert f({"a": 2, "b": np.float32(0.5)}, 0.0) == 2.0
    assert type(sd.grad(f, "p")(p, 1.0)["a"]) is float


def test_leading_axes_of_leaves_are_batches_where_shapes_are_declared():
    f = made("dict", "shapes")
    many = {k: np.stack([v, 2 * v]) for k, v in STRUCTURES["dict"][1].items()}
    got = f(many, X, Y)
    twice = f({k: 2 * v for k, v in STRUCTURES["dict"][1].items()}, X, Y)
    np.testing.assert_allclose(got, [f(STRUCTURES["dict"][1], X, Y), twice])
    slopes = sd.grad(f, "params")(many, X, Y)
    assert {k: v.shape for k, v in slopes.items()} == {"W1": (2, 3, 4), "b1": (2, 4), "W2": (2, 4, 1), "b2": (2, 1)}


def test_sizes_by_name():
    f = sd.function(
        of_dict, {"params": {"W1": ("n", "m"), "b1": "m", "W2": ("m", 1), "b2": 1}, "x": ("k", "n"), "y": ("k", 1)}
    )
    params = STRUCTURES["dict"][1]
    assert_same(f(params, X, Y), FLAT(*LEAVES, X, Y))
    assert_same(sd.grad(f, "params")(params, X, Y), put_together(params, sd.grad(FLAT, NAMES)(*LEAVES, X, Y)))
    with pytest.raises(ShapeError, match=r'm is 4 in params\["W1"\]\[n, m\] and 3 in params\["b1"\]\[m\]'):
        f({**params, "b1": np.ones(3)}, X, Y)


def test_many_sizes_share_code():
    f = sd.grad(sd.function(of_dict), "params")
    for n in (20, 21, 30):
        x, y = np.ones((n, 3)), np.ones((n, 1))
        slopes = f(STRUCTURES["dict"][1], x, y)
        g = sd.grad(
            sd.function(network, {"w1": (3, 4), "b1": 4, "w2": (4, 1), "b2": 1, "x": (n, 3), "y": (n, 1)}), NAMES
        )
        assert_same(slopes, put_together(slopes, g(*LEAVES, x, y)))


def test_float32():
    f = sd.function(of_dict, {"params": shapes_of(STRUCTURES["dict"][1]), "x": (5, 3), "y": (5, 1)}, dtype="float32")
    slopes = sd.grad(f, "params")(STRUCTURES["dict"][1], X, Y)
    assert {v.dtype for v in slopes.values()} == {np.dtype("float32")}


@pytest.mark.parametrize("how", ["shapes", "call"])
@pytest.mark.parametrize("kind", IDS)
def test_vmap(kind, how):
    f, params = made(kind, how), STRUCTURES[kind][1]
    xs, ys = np.stack([X, -X, 2 * X]), np.stack([Y, Y, -Y])
    each = sd.vmap(sd.grad(f, "params"), (None, 0, 0))(params, xs, ys)
    rows = [sd.grad(FLAT, NAMES)(*LEAVES, x, y) for x, y in zip(xs, ys, strict=True)]
    assert_same(each, put_together(params, [np.stack(part) for part in zip(*rows, strict=True)]))
    many = put_together(params, [np.stack([leaf, leaf / 2]) for leaf in LEAVES])
    got = sd.vmap(f, (0, None, None))(many, X, Y)
    np.testing.assert_allclose(got, [FLAT(*LEAVES, X, Y), FLAT(*[leaf / 2 for leaf in LEAVES], X, Y)])
    assert_same(sd.grad(sd.function(lambda v: 2 * sd.function(f)(params, v, Y), {"v": (5, 3)}), "v")(X),
                2 * sd.grad(FLAT, "x")(*LEAVES, X, Y))  # fmt: skip


@pytest.mark.parametrize("how", ["shapes", "call"])
@pytest.mark.parametrize("kind", IDS)
def test_functions_are_called_with_trees_of_expressions(kind, how):
    f, params = made(kind, how), STRUCTURES[kind][1]

    def tripled(params, x, y):
        return 3.0 * f(params, x, y)

    for g in (sd.function(tripled), sd.function(tripled, {"params": params, "x": X, "y": Y})):
        wanted = put_together(params, [3.0 * v for v in sd.grad(FLAT, NAMES)(*LEAVES, X, Y)])
        assert_same(sd.grad(g, "params")(params, X, Y), wanted)


RESULTS = {
    "dict": (lambda x: {"b": x, "a": 2 * x}, {"b": 3.0, "a": 6.0}),
    "dict of dicts": (lambda x: {"p": {"q": x}, 1: x + 1}, {"p": {"q": 3.0}, 1: 4.0}),
    "list of dicts": (lambda x: [{"W": x}, {"W": x * x}], [{"W": 3.0}, {"W": 9.0}]),
    "tuple": (lambda x: (x, (x + 1, x + 2)), (3.0, (4.0, 5.0))),
    "named tuple": (lambda x: Layer(x, {"c": x}), Layer(3.0, {"c": 3.0})),
    "odd keys": (lambda x: {"a b": x, "for": x + 1, "ю": x + 2}, {"a b": 3.0, "for": 4.0, "ю": 5.0}),
    "ordered dict": (lambda x: OrderedDict(z=x, a=x), {"z": 3.0, "a": 3.0}),
    "list of vectors": (lambda x: {"v": [x, 2 * x]}, {"v": np.array([3.0, 6.0])}),
}


@pytest.mark.parametrize("kind", RESULTS)
def test_results(kind):
    fun, wanted = RESULTS[kind]
    f = sd.function(fun)
    got = f(3.0)
    assert_same(got, wanted)
    assert type(got) is type(wanted)
    assert len(set(f.outputs)) == len(f.outputs)
    batch = f(np.array([3.0, 3.0]))
    assert type(batch) is type(wanted)
    assert_same(f.compile()(3.0), wanted)
    again = pickle.loads(pickle.dumps(f))
    assert_same(
        tuple(again(3.0)) if kind == "named tuple" else again(3.0), tuple(wanted) if kind == "named tuple" else wanted
    )
    slopes = sd.jacobian(f)(3.0)
    assert type(slopes) is type(wanted)
    assert_same(sd.jvp(f)(3.0, 1.0), slopes)
    assert str(f)
    assert repr(f)


def test_lists_of_arrays_are_one_array_and_lists_of_tuples_stay_lists():
    f = sd.function(lambda W, b: [(2 * W, b), (W, 3 * b)], {"W": (2, 2), "b": 2})
    got = f(np.eye(2), np.ones(2))
    assert_same(got, [(2 * np.eye(2), np.ones(2)), (np.eye(2), 3 * np.ones(2))])
    assert sd.function(lambda a, b: [a, b], {"a": 2, "b": 2})([1, 2], [3, 4]).shape == (2, 2)


def test_cotangents_of_a_tree_are_a_tree():
    f = sd.function(lambda p: {"u": p["a"] * p["b"], "v": np.sum(p["a"])}, {"p": {"a": 3, "b": 3}})
    v = sd.vjp(f)
    assert list(inspect.signature(v).parameters) == ["p", "f_bar"]
    p, bar = {"a": np.arange(3.0), "b": np.ones(3) * 2}, {"u": np.array([1.0, 0, 2]), "v": 5.0}
    assert_same(v(p, bar), {"a": np.array([7.0, 5.0, 9.0]), "b": np.array([0.0, 0.0, 4.0])})


def test_a_dict_of_sources_is_a_tuple_as_ever():
    assert sd.function({"a": "x", "b": "y"}, ["x", "y"])(1.0, 2.0) == (1.0, 2.0)


# What is shown of them


def test_how_they_look():
    f = sd.function(of_dict, {"params": shapes_of(STRUCTURES["dict"][1]), "x": (5, 3), "y": (5, 1)})
    assert repr(f) == (
        '<Function of_dict(params={"W1": (3, 4), "b1": (4,), "W2": (4, 1), "b2": (1,)}, x[5, 3], y[5, 1]) '
        "-> float64, 16 nodes>"
    )
    assert list(inspect.signature(f).parameters) == ["params", "x", "y"]
    assert f.inputs == ("params_W1", "params_b1", "params_W2", "params_b2", "x", "y")
    assert str(f).startswith("of_dict(params_W1[3, 4], params_b1[4], ")
    assert repr(sd.function(of_dict)) == "<Function of_dict(params, x, y), shapes known at each call>"
    special = sd.function(of_dict).specialize(STRUCTURES["dict"][1], X, Y)
    assert repr(special) == repr(f)
    opened = sd.function(of_dict)
    opened(STRUCTURES["dict"][1], X, Y)
    assert 'for trees, <Function of_dict(params={"W1": …, "b1": …, "W2": …, "b2": …}, x, y)' in opened.explain()
    each = sd.vmap(f, (None, 0, 0))
    with pytest.raises(ShapeError, match=r"vmap_of_dict\.specialize\(params, x, y\)"):
        each.stats()
    large = sd.function(lambda p: sum(p), {"p": [()] * 100})
    assert repr(large).startswith("<Function f(p={100 arrays}) -> float64")


# Storage


@pytest.mark.parametrize("kind", IDS)
def test_they_are_pickled_and_saved(kind, tmp_path):
    f, params = made(kind, "shapes"), STRUCTURES[kind][1]
    for g in (f, sd.grad(f, "params"), sd.jvp(f, "params"), sd.function(STRUCTURES[kind][0]).specialize(params, X, Y)):
        point = (params, params, X, Y) if "jvp" in g.__name__ else (params, X, Y)
        wanted = g(*point)
        g.save(tmp_path / "f")
        for again in (pickle.loads(pickle.dumps(g)), copy.deepcopy(g), sd.load(tmp_path / "f")):
            assert repr(again) == repr(g)
            got = again(*point)
            if kind != "named tuples":
                assert_same(got, wanted)
            elif isinstance(got, tuple):
                assert got._fields == wanted._fields
                assert_same([list(part) for part in got], [list(part) for part in wanted])
    compiled = pickle.loads(pickle.dumps(f.compile()))
    assert_same(compiled(params, X, Y), f(params, X, Y))


def test_recipes_keep_trees():
    f, params = made("list of dicts", "shapes"), STRUCTURES["list of dicts"][1]
    each = sd.vmap(sd.grad(f, "params"), (None, 0, 0))
    xs, ys = np.stack([X, -X]), np.stack([Y, Y])
    for g in (each, sd.jvp(sd.vmap(f, (None, 0, 0)), "params")):
        again = pickle.loads(pickle.dumps(g))
        assert repr(again) == repr(g)
        point = (params, xs, ys) if g is each else (params, params, xs, ys)
        assert_same(again(*point), g(*point))


def test_pickles_of_results_with_one_name():
    f = sd.function(lambda x: (x, x + 1.0))
    assert pickle.loads(pickle.dumps(f))(1.0) == (1.0, 2.0)


def changed(change):
    """The bytes of a function with another description."""
    f = sd.function(lambda p, x: {"a": p["a"] * p["b"], "b": x}, {"p": {"a": (), "b": ()}, "x": ()})
    data = to_bytes(f)
    magic, version, flags, text, size = HEAD.unpack(data[: HEAD.size])
    start = HEAD.size + DIGEST
    content = json.loads(data[start : start + text])
    change(content)
    text = json.dumps(content).encode("ascii")
    head = HEAD.pack(magic, version, flags, len(text), size)
    rest = data[len(data) - size :]
    return head + hashlib.sha256(head + text + rest).digest() + text + rest


HOSTILE = {
    "no list": lambda c: c.update(trees={"p": 1}),
    "no tree": lambda c: c.update(trees=[[0, "p", [0]]]),
    "no name": lambda c: c.update(trees=[[0, "p q", [["dict", "a", "b"], 0, 1, -2]]]),
    "name of another": lambda c: c.update(trees=[[0, "x", [["dict", "a", "b"], 0, 1, -2]]]),
    "too many leaves": lambda c: c.update(trees=[[0, "p", [["list"], 0, 1, 2, 3, -2]]]),
    "a leaf twice": lambda c: c.update(trees=[[0, "p", [["list"], 0, 0, -2]]]),
    "leaves turned": lambda c: c.update(trees=[[0, "p", [["list"], 1, 0, -2]]]),
    "not from 0": lambda c: c.update(trees=[[0, "p", [["list"], 1, 2, -2]]]),
    "trees that overlap": lambda c: c.update(trees=[[0, "p", [-1, 0, 1, -2]], [1, "q", [-1, 0, 1, -2]]]),
    "beyond the end": lambda c: c.update(trees=[[3, "p", [-1, 0, -2]]]),
    "negative": lambda c: c.update(trees=[[-1, "p", [-1, 0, -2]]]),
    "too few keys": lambda c: c.update(trees=[[0, "p", [["dict", "a"], 0, 1, -2]]]),
    "a key twice": lambda c: c.update(trees=[[0, "p", [["dict", "a", "a"], 0, 1, -2]]]),
    "a key of another type": lambda c: c.update(trees=[[0, "p", [["dict", "a", [1]], 0, 1, -2]]]),
    "True for a key": lambda c: c.update(trees=[[0, "p", [["dict", "a", True], 0, 1, -2]]]),
    "keys of a list": lambda c: c.update(trees=[[0, "p", [["list", "a", "b"], 0, 1, -2]]]),
    "unknown kind": lambda c: c.update(trees=[[0, "p", [["set"], 0, 1, -2]]]),
    "no kind": lambda c: c.update(trees=[[0, "p", [[], 0, 1, -2]]]),
    "a field that is code": lambda c: c.update(trees=[[0, "p", [["tuple", "T", "a", "b=__import__('os')"], 0, 1, -2]]]),
    "a field of Python": lambda c: c.update(trees=[[0, "p", [["tuple", "T", "a", "for"], 0, 1, -2]]]),
    "a private field": lambda c: c.update(trees=[[0, "p", [["tuple", "T", "a", "_replace"], 0, 1, -2]]]),
    "a field twice": lambda c: c.update(trees=[[0, "p", [["tuple", "T", "a", "a"], 0, 1, -2]]]),
    "not closed": lambda c: c.update(trees=[[0, "p", [["list"], 0, 1]]]),
    "closed twice": lambda c: c.update(trees=[[0, "p", [["list"], 0, 1, -2, -2]]]),
    "deep": lambda c: c.update(trees=[[0, "p", [["list"]] * 5000 + [0, 1] + [-2] * 5000]]),
    "a result beyond the end": lambda c: c.update(structure=[["list"], 0, 2, -2]),
    "results of an unknown kind": lambda c: c.update(structure=[["os.system", "ls"], 0, 1, -2]),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_files_are_refused(what):
    assert from_bytes(changed(lambda c: None))({"a": 2.0, "b": 3.0}, 1.0) == {"a": 6.0, "b": 1.0}
    with pytest.raises(StorageError):
        from_bytes(changed(HOSTILE[what]))


# Errors

D = STRUCTURES["dict"][1]


def without(key):
    return {k: v for k, v in D.items() if k != key}


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (without("b2"), CallError, '"b2" is missing'),
        ({**D, "b3": B2}, CallError, '"b3" is too much'),
        ({**without("W1"), "w1": W1}, CallError, '"W1" is missing and "w1" is too much'),
        ({**without("W1"), "W_1": W1}, CallError, "did you mean W1"),
        (W1, CallError, r"params is a dict, an array of shape \(3, 4\) was given"),
        ([W1, B1], CallError, "params is a dict, a list was given"),
        (None, CallError, "params is a dict, None was given"),
        ({**D, "W1": {"a": W1}}, CallError, r'params\["W1"\] got a dict'),
        (
            {**D, "W1": W1.T},
            ShapeError,
            r'params\["W1"\]\[3, 4\] has shape \(3, 4\), the value given has shape \(4, 3\)',
        ),
        ({**D, "W1": None}, CallError, r'params\["W1"\]\[3, 4\] got None'),
        ({**D, "W1": "text"}, CallError, r'params\["W1"\]\[3, 4\] got a text'),
        ({**D, "W1": 1j}, CallError, r'params\["W1"\]\[3, 4\] got complex'),
    ],
)
def test_values_that_do_not_fit(value, kind, message):
    f = made("dict", "shapes")
    with pytest.raises(kind, match=message):
        f(value, X, Y)
    with pytest.raises(kind, match=message):
        f.compile()(value, X, Y)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("list of dicts", [D], "params is a list of 2 entries, one of 1 was given"),
        ("list of dicts", [{"W": W1, "b": B1}, {"W": W2}], r'params\[1\]: "b" is missing'),
        ("list of dicts", {"W": W1}, "params is a list of 2, a dict was given"),
        ("list of tuples", [(W1, B1), (W2,)], r"params\[1\] is a tuple of 2 entries"),
        ("named tuples", (Layer(W1, B1), Layer(W2, B2)), "named tuple Two with the fields first, second"),
        ("named tuples", Two(Layer(W1, B1), 3.0), r"params\.second is a named tuple Layer of 2, a float was given"),
    ],
)
def test_other_structures(kind, value, message):
    with pytest.raises(CallError, match=message):
        made(kind, "shapes")(value, X, Y)


def nested(depth, leaf=1.0):
    for _ in range(depth):
        leaf = {"a": leaf}
    return leaf


def endless():
    found = []
    found.append(found)
    found.append(np.ones(2))
    return found


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "params is empty"),
        ({"W": {}}, r'params\["W"\] is empty'),
        (namedtuple("Empty", "")(), "params is empty"),
        ({(1, 2): W1}, r"params has the key \(1, 2\) of type tuple"),
        ({True: W1}, "params has the key True of type bool"),
        (nested(DEEPEST + 1), f"more than {DEEPEST} lists"),
        (nested(100_000), f"more than {DEEPEST} lists"),
        (endless(), f"more than {DEEPEST} lists"),
        ({**D, "W1": "text"}, r'params\["W1"\] got a text'),
        ({**D, "W1": None}, r'params\["W1"\] got None'),
    ],
    ids=range(10),
)
def test_trees_that_are_none(value, message):
    f = sd.function(of_dict)
    with pytest.raises(SymdiffError, match=message):
        f(value, X, Y)
    with pytest.raises(SymdiffError, match=message.replace("got", "(got|)")):
        sd.grad(f, "params")(value, X, Y)


def test_trees_of_the_deepest_kind():
    def fun(p, x):
        while isinstance(p, dict):
            p = p["a"]
        return p * x

    for f in (sd.function(fun, {"p": nested(DEEPEST, ()), "x": ()}), sd.function(lambda p, x: fun(p["a"], x))):
        assert f(nested(DEEPEST, 3.0), 2.0) == 6.0
        assert sd.grad(f, "p")(nested(DEEPEST, 3.0), 2.0) == nested(DEEPEST, 2.0)


@pytest.mark.parametrize(
    ("wrt", "message"),
    [
        ('params["W3"]', r'params has no key "W3"'),
        ("params[0]", "params has no key 0"),
        ("parms", "did you mean params"),
        ("params_W3", "params_W3 is neither"),
        ('params["W1"]["x"]', "."),
    ],
)
def test_wrong_places(wrt, message):
    with pytest.raises(SymdiffError, match=message):
        sd.grad(made("dict", "shapes"), wrt)


def test_open_functions_refuse_wrong_places_at_the_call():
    with pytest.raises(UnknownNameError, match="parms is neither"):
        sd.grad(sd.function(of_dict), "parms")
    with pytest.raises(UnknownNameError, match='no key "W3"'):
        sd.grad(sd.function(of_dict), 'params["W3"]')(D, X, Y)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("x + y", {"shapes": {"x": {"a": 3}}}, "Python function"),
        ("x + y", {"inputs": {"x": {"a": 3}, "y": ()}}, "Python function"),
        (of_dict, {"inputs": {"params": {}, "x": (), "y": ()}}, "params is empty"),
        (of_dict, {"shapes": {"params": {"a": "two words"}}}, "name"),
        (of_dict, {"shapes": {"parms": {"a": 3}}}, "did you mean params"),
        (of_dict, {"shapes": {"params": nested(1000)}}, f"more than {DEEPEST}"),
    ],
)
def test_wrong_declarations(source, options, message):
    with pytest.raises(SymdiffError, match=message):
        sd.function(source, **options)


def test_a_text_takes_no_tree():
    with pytest.raises(CallError, match="got a dict"):
        sd.function("f(x) = sum(x**2)")({"a": 1.0})
    with pytest.raises(CallError, match="got a dict"):
        sd.function("f(x) = x**2")({"a": 1.0})


def test_tangents_are_of_the_same_structure():
    j = sd.jvp(made("dict", "call"), "params")
    with pytest.raises(CallError, match=r'params_dot.*"W1" is missing'):
        j(D, without("W1"), X, Y)
    with pytest.raises(SymdiffError):
        sd.jvp(sd.function(lambda x: np.sum(x)), "x")(X, {"a": X})


def test_keys_in_another_order_are_the_same_tree():
    f = sd.function(of_dict)
    g = sd.grad(f, "params")
    first = g(D, X, Y)
    turned = g(dict(reversed(D.items())), X, Y)
    assert list(first) == list(D)
    assert all(np.array_equal(first[k], turned[k]) for k in D)
    assert len(g._cases.trees.cases) == 1


def test_structures_take_turns():
    f = sd.function(lambda p, x: sum(np.sum(v * x) for v in (p.values() if isinstance(p, dict) else p)))
    for _ in range(2):
        assert f({"a": X, "b": X}, X) == pytest.approx(2 * np.sum(X * X))
        assert f([X, X, X], X) == pytest.approx(3 * np.sum(X * X))
        assert f({"a": X}, X) == pytest.approx(np.sum(X * X))


def test_lists_of_numbers_are_arrays():
    f = sd.function(lambda x: np.sum(x**2))
    assert f([1.0, 2.0]) == 5.0
    assert f([[1.0], [2.0]]) == 5.0
    assert f(()) == 0.0
    g = sd.function(lambda p: np.sum(p["v"]) + len(p["w"]))
    assert g({"v": [1.0, 2.0], "w": [X, Y]}) == 5.0


# Networks


def test_training_by_a_plain_loop():
    def loss(params, x, y):
        return np.mean((np.tanh(x @ params["W1"] + params["b1"]) @ params["W2"] + params["b2"] - y) ** 2)

    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 2))
    y = x[:, :1] * x[:, 1:]
    params = {
        "W1": rng.normal(size=(2, 16)),
        "b1": np.zeros(16),
        "W2": 0.1 * rng.normal(size=(16, 1)),
        "b2": np.zeros(1),
    }
    step = sd.value_and_grad(sd.function(loss), "params")
    before, _ = step(params, x, y)
    for _ in range(500):
        value, slopes = step(params, x, y)
        params = {k: v - 0.3 * slopes[k] for k, v in params.items()}
    assert value < 0.1 * before


def test_training_by_scipy_with_an_explicit_ravel():
    from scipy.optimize import minimize

    params = STRUCTURES["dict"][1]
    f = made("dict", "shapes")
    flat, jac = f, sd.grad(f, ["params"])
    sizes = np.cumsum([v.size for v in params.values()])[:-1]

    def tree(v):
        return {k: part.reshape(p.shape) for (k, p), part in zip(params.items(), np.split(v, sizes), strict=True)}

    start = np.concatenate([v.ravel() for v in params.values()])
    found = minimize(lambda v: flat(tree(v), X, Y), start, jac=lambda v: jac(tree(v), X, Y), method="BFGS")
    assert found.fun < 1e-6


def test_a_step_as_a_function_returns_the_tree():
    f = made("dict", "shapes")
    g = sd.grad(f, "params")

    def step(params, x, y):
        return {k: params[k] - 0.1 * slope for k, slope in g(params, x, y).items()}

    once = sd.function(step, {"params": D, "x": X, "y": Y})
    slopes = g(D, X, Y)
    assert_same(once(D, X, Y), {k: D[k] - 0.1 * slopes[k] for k in D})


# Functions made of functions

MIXED = [{"W": np.ones((2, 3))}, 2.0]
V = np.arange(3.0)


def weighted(p, x):
    return np.sum(p[0]["W"] @ x) * p[1]


SLOPES = [{"W": np.tile(2 * V, (2, 1))}, 6.0]


@pytest.mark.parametrize("how", ["shapes", "call"])
def test_functions_under_another_signature_and_several_in_one(how):
    f = sd.function(weighted, {"p": [{"W": (2, 3)}, ()], "x": 3}) if how == "shapes" else sd.function(weighted)
    turned = sd.function(f, ["x", "p"])
    assert turned(V, MIXED) == 12.0
    assert_same(sd.grad(turned, "p")(V, MIXED), SLOPES)
    declared = sd.function(f, {"x": 3, "p": [{"W": (2, 3)}, ()]})
    assert repr(declared).startswith('<Function weighted(x[3], p=[{"W": (2, 3)}, ()]) -> float64')
    assert declared(V, MIXED) == 12.0
    assert_same(sd.function((f, sd.grad(f, "p")))(MIXED, V), (12.0, SLOPES))
    assert_same(sd.function({"value": f, "slopes": sd.grad(f, "p")})(MIXED, V), (12.0, SLOPES))
    assert_same(sd.function((weighted, lambda p, x: p[1] * 2))(MIXED, V), (12.0, 4.0))
    assert sd.function(lambda q, x: f(q, x) + f(q, 2 * x))(MIXED, V) == 36.0
    assert sd.function(lambda q, x: f([{"W": q["W"]}, q["c"]], x))({"W": np.ones((2, 3)), "c": 2.0}, V) == 12.0


def test_pythons_source_takes_and_gives_trees():
    def fun(p, x):
        return {"a": p.first[0]["W"] @ x, 'q"': [{"z": x}, (p.second, x)]}

    f = sd.function(fun, {"p": Two([{"W": (2, 3)}], ()), "x": 3})
    namespace = {}
    exec(python_source(f.graph, f.__name__, f.arguments, dict(f._output_pairs()), f._structure), namespace)
    point = Two([{"W": np.arange(6.0).reshape(2, 3)}], 2.0), V
    assert_same(namespace["fun"](*point), f(*point))


def test_steps_of_a_tree():
    f = sd.function(lambda p: p["a"] * p["b"], {"p": {"a": (), "b": ()}})
    assert f.steps({"a": 2.0, "b": 3.0})["p_a"].gradient == 3.0


def test_results_are_written_into_out():
    f = sd.function(lambda p, x: p["W"] @ x, {"p": {"W": (2, 3)}, "x": 3})
    out = np.empty(2)
    assert f({"W": np.ones((2, 3))}, V, out=out) is out
    assert out.tolist() == [3.0, 3.0]
    g = sd.function(lambda p, x: p["W"] @ x)
    assert g({"W": np.ones((2, 3))}, V, out=out) is out


def test_arguments_are_needed():
    f = made("dict", "shapes")
    with pytest.raises(CallError, match="takes 3 arguments"):
        f(D, X)
    with pytest.raises(CallError, match="has no input parms"):
        f(parms=D, x=X, y=Y)
    with pytest.raises(ArgumentError):
        sd.vmap(f, (0, 0))


# What Python code does with trees


def unpacked(W, b, x):
    return np.sum(np.tanh(W @ x + b))


WAYS = {
    "by keyword": lambda p, x: unpacked(**p, x=x),
    "by position": lambda p, x: unpacked(*p.values(), x),
    "in": lambda p, x: unpacked(p["W"], 0 if "c" in p else p["b"], x),
    "get": lambda p, x: unpacked(p["W"], p.get("b", 0), x) + p.get("c", 0),
    "popped": lambda p, x: unpacked(p.pop("W"), p.pop("b"), x),
    "updated": lambda p, x: p.update(W=1.0 * p["W"]) or unpacked(p["W"], p["b"], x),
    "matched": lambda p, x: unpacked(*[v for _, v in sorted(p.items())], x),
}


@pytest.mark.parametrize("way", WAYS)
def test_ways_to_look_into_a_tree(way):
    p = {"W": RNG.normal(size=(2, 3)), "b": RNG.normal(size=2)}
    got = sd.grad(WAYS[way], "p")(p, V)
    t = 1 - np.tanh(p["W"] @ V + p["b"]) ** 2
    np.testing.assert_allclose(got["W"], np.outer(t, V))
    np.testing.assert_allclose(got["b"], t)
    assert list(p) == ["W", "b"]


def test_a_step_for_every_leaf_has_the_shapes_of_the_leaves():
    step = sd.function(lambda p, g: {k: p[k] - 0.5 * g[k] for k in p})
    p = {"W": np.ones((2, 3)), "b": np.ones(3), "c": 1.0}
    assert_same(step(p, p), {"W": np.full((2, 3), 0.5), "b": np.full(3, 0.5), "c": 0.5})


def test_whether_arrays_are_batches_depends_on_the_call_alone():
    g = sd.grad(lambda p, x: p["a"] * x, "p")
    for _ in range(2):
        assert g({"a": 2.0}, V)["a"].tolist() == V.tolist()
        with pytest.raises(SymdiffError, match=r"shape \(3,\)"):
            g({"a": np.ones(3)}, V)


def test_cotangents_of_functions_whose_structure_a_call_says():
    W, x = RNG.normal(size=(2, 3)), RNG.normal(size=3)
    one = sd.vjp(lambda p, x: p["W"] @ x, "p")
    np.testing.assert_allclose(one({"W": W}, [1.0, 2.0], x)["W"], np.outer([1, 2], x))
    several = sd.vjp(lambda p, x: {"y": p["W"] @ x, "z": x}, "p")
    np.testing.assert_allclose(several({"W": W}, {"z": x, "y": [1.0, 2.0]}, x)["W"], np.outer([1, 2], x))
    np.testing.assert_allclose(sd.vjp(lambda A, x: A @ x, "x")(W, x, [1.0, 2.0]), [1, 2] @ W)
    with pytest.raises(ArgumentError, match="a cotangent for each output"):
        sd.vjp(lambda p, x: (p["W"] @ x, x), "p")({"W": W}, x, x)
    with pytest.raises(SymdiffError):
        several({"W": W}, {"z": x, "u": [1.0, 2.0]}, x)


def test_names_that_an_expression_has_not_are_wrong_at_the_call():
    f = sd.function(lambda x: x.weights)
    with pytest.raises(CallError, match="no attribute 'weights'"):
        f(1.0)
    assert sd.function(lambda x: x * 2 if hasattr(x, "weights") else x)(2.0) == 2.0
    with pytest.raises(CallError, match="sort"):
        sd.function(lambda x: x.sort())


def test_functions_are_freed():
    for f in (sd.function(weighted), sd.function(weighted, {"p": [{"W": (2, 3)}, ()], "x": 3})):
        assert f(MIXED, V) == 12.0
    held = weakref.ref(f)
    gc.disable()
    try:
        del f
        assert held() is None
    finally:
        gc.enable()


def test_many_threads_make_a_function_once():
    g, found = sd.grad(weighted, "p"), []
    threads = [threading.Thread(target=lambda: found.append(g(MIXED, V))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in found:
        assert_same(one, SLOPES)
    assert len(g._cases.trees.cases) == 1


def trees(depth):
    """Trees of at most so many levels."""
    number = st.floats(-2.0, 2.0)
    found = number | st.lists(number, min_size=1, max_size=3).map(np.array)
    for _ in range(depth):
        several = st.lists(found, min_size=1, max_size=3)
        keyed = st.dictionaries(st.text(max_size=4) | st.integers(-3, 3), found, min_size=1, max_size=3)
        found = found | several | several.map(tuple) | keyed | st.builds(Layer, found, found)
    return found


def flattened(tree):
    """The leaves in order: a list or tuple of numbers alone is one."""
    if isinstance(tree, dict):
        return [leaf for v in tree.values() for leaf in flattened(v)]
    if isinstance(tree, list | tuple) and (isinstance(tree, Layer) or not all_numbers(tree)):
        return [leaf for v in tree for leaf in flattened(v)]
    return [tree]


def all_numbers(tree):
    if isinstance(tree, list | tuple) and not isinstance(tree, Layer):
        return all(map(all_numbers, tree))
    return isinstance(tree, float)


@settings(max_examples=60, deadline=None)
@given(
    tree=st.dictionaries(st.text(max_size=4), trees(2), min_size=1, max_size=2) | st.builds(Layer, trees(2), trees(1))
)
def test_any_tree_goes_in_and_comes_out(tree):
    try:
        flat = [np.asarray(leaf, float) for leaf in flattened(tree)]
    except ValueError:  # the rows of a list differ
        return

    def total(p):
        found, stack = 0.0, [p]
        while stack:
            item = stack.pop()
            if isinstance(item, dict):
                stack.extend(item.values())
            elif isinstance(item, list | tuple):
                stack.extend(item)
            else:
                found = found + np.sum(item**2)
        return found

    first = next(iter(tree)) if isinstance(tree, dict) else 0
    f = sd.function(lambda p: total(p) if p[first] is not None else 0.0)
    slopes = sd.grad(f)(tree)
    for got, leaf in zip(flattened(slopes), flat, strict=True):
        np.testing.assert_allclose(got, 2 * leaf)
    special = f.specialize(tree)
    again = pickle.loads(pickle.dumps(special))
    assert again(tree) == special(tree)
    assert repr(again) == repr(special)
    names = special.inputs
    assert len(set(names)) == len(names) == len(flat)
    for k, parameter in enumerate(special.arguments[0].place.tree.places):
        assert_same(sd.grad(special, parameter)(tree), sd.grad(special, names[k])(tree))
