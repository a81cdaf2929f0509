"""Functions over one more axis: every operation against a loop, axes, shapes, files, derivatives."""

import json
import pickle

import numpy as np
import pytest

import symdiff as sd
from symdiff.functions.mapped_layers import MappedLayer
from symdiff.interpret import evaluate
from symdiff.ir.batching import LEAVES, REFUSED, RULES, batched, rule_of
from symdiff.ir.body import Body
from symdiff.ir.graph import Graph
from symdiff.ir.stored import flatten, unflatten
from symdiff.ops import OPS, indexing
from tests.ops.tensor_cases import CASES, identify, operands_of

SIZE = 3


def test_every_operation_says_how_it_is_batched():
    for op in OPS.values():
        assert (rule_of(op) is not None) + (op in LEAVES) + (op in REFUSED) == 1, op.name
    assert set(RULES) | LEAVES | set(REFUSED) <= set(OPS.values())


def evaluated(graph, node, values):
    (found,) = evaluate(graph, [node], values)
    return np.asarray(found)


@pytest.mark.parametrize("case", [c for c in CASES if c[1]], ids=identify)
def test_every_operation_on_tensors_is_a_loop(case):
    name, shapes, payload = case
    members = [operands_of(name, shapes, seed) for seed in range(SIZE)]
    count = len(shapes)
    integers = [k for k in range(count) if members[0][k].dtype.kind == "i"]
    wide = [k for k in range(count) if k not in integers]
    choices = [wide, *([[k] for k in wide] if len(wide) > 1 else [])]
    for chosen in choices:
        source, target = Graph(), Graph()
        args, known, values = [], {}, {}
        for k in range(count):
            array = members[0][k]
            if k in integers:
                args.append(indexing.integer_array(source, array))
                continue
            dtype = "bool" if array.dtype == bool else None
            args.append(source.input("abcdef"[k], array.shape, dtype))
            if k in chosen:
                known[args[k]] = target.input("abcdef"[k], (SIZE, *array.shape), dtype)
                values[known[args[k]]] = np.array([m[k] for m in members])
            else:
                values[target.input("abcdef"[k], array.shape, dtype)] = array
        node = source.add(OPS[name], tuple(args), payload)
        new, has = batched(Body.of(source, [node]), target, known, SIZE)[node]
        assert has
        got = evaluated(target, new, values)
        for i in range(SIZE):
            inputs = {args[k]: members[i if k in chosen else 0][k] for k in wide}
            want = evaluated(source, node, inputs)
            assert got[i].shape == want.shape
            np.testing.assert_allclose(got[i], want, rtol=1e-9, atol=1e-11)


# what makes indices of numbers: formula, shapes of the arguments
INDEXED = [
    ("sort(x)", [(5,)]), ("sort(x, axis=0)", [(4, 3)]), ("argsort(x)", [(5,)]), ("median(x)", [(5,)]),
    ("x[argsort(y)]", [(5,), (5,)]), ("max(x)*argmax(x)", [(5,)]), ("sum(sort(x)*arange(5))", [(5,)]),
]  # fmt: skip
FORMULAS = [
    ("tanh(x @ y)", [(2, 3), (3,)]), ("where(x > 0, sqrt(x), -x)", [(4,)]), ("x/(1 + norm(x)) + s", [(4,), ()]),
    ("solve(x, y)", [(3, 3), (3,)]), ("inv(x) @ x + det(x)", [(3, 3)]), ("logsumexp(x)", [(4,)]),
    ("concatenate((x, y))[::-1]", [(2,), (3,)]), ("outer(x, y) - x[:, None]", [(2,), (3,)]), ("[s, s**2]", [()]),
    ("cumsum(x)*prod(x) + cumprod(x)", [(4,)]), ("maximum(x, max(y))", [(2,), (3,)]), ("s*sin(s)", [()]),
    ("convolve(x, y)", [(5,), (3,)]), ("diag(x) @ y", [(3,), (3,)]),
]  # fmt: skip


def arranged(text, shapes):
    names = ["s" if not shape else "xyz"[k] for k, shape in enumerate(shapes)]
    return sd.function(text, names, shapes=dict(zip(names, shapes, strict=True))), names


@pytest.mark.parametrize(("text", "shapes"), INDEXED + FORMULAS, ids=str)
def test_formulas_are_loops_with_every_choice_of_axes(text, shapes):
    f, _ = arranged(text, shapes)
    r = np.random.default_rng(5)
    members = [r.normal(size=(SIZE, *s)) + (2 * np.eye(3) if s == (3, 3) else 0.0) for s in shapes]
    for axes in {(0,) * len(shapes), (0, *(None,) * (len(shapes) - 1)), (*(None,) * (len(shapes) - 1), 0)}:
        given = [m if a == 0 else m[0] for m, a in zip(members, axes, strict=True)]
        got = sd.vmap(f, axes)(*given)
        want = np.array([f(*[m[i if a == 0 else 0] for m, a in zip(members, axes, strict=True)]) for i in range(SIZE)])
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("text", ["f(x, y) = tanh(x @ y)*sum(x)", "f(x[m, n], y[n]) = tanh(x @ y)*sum(x)"])
@pytest.mark.parametrize("size", [1, 3, 20])
def test_open_shapes_and_axes(text, size):
    f, r = sd.function(text), np.random.default_rng(0)
    x, y = r.normal(size=(2, 3, size)), r.normal(size=(3, size))
    got = sd.vmap(f, (-1, 1), out_axes=1)(x, y)
    want = np.stack([f(np.ascontiguousarray(x[..., k]), np.ascontiguousarray(y[:, k])) for k in range(size)], 1)
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_gradients_of_samples():
    loss = sd.function("loss(w[3, 2], x[3], y[2]) = sum((tanh(x @ w) - y)**2)")
    r = np.random.default_rng(1)
    w, x, y = r.normal(size=(3, 2)), r.normal(size=(5, 3)), r.normal(size=(5, 2))
    each, one = sd.vmap(sd.grad(loss, "w"), (None, 0, 0)), sd.grad(loss, "w")
    np.testing.assert_allclose(each(w, x, y), [one(w, x[k], y[k]) for k in range(5)], rtol=1e-12)
    assert [str(a) for a in each.arguments] == ["w[3, 2]", "x[batch, 3]", "y[batch, 2]"]
    again = pickle.loads(pickle.dumps(each))
    np.testing.assert_array_equal(again(w, x, y), each(w, x, y))


COMPOSED = [
    lambda f: sd.grad(f, "x"), lambda f: sd.hessian(f, "x"), lambda f: sd.value_and_grad(f, "x"),
]  # fmt: skip


@pytest.mark.parametrize("text", ["f(x[3]) = sum(exp(x)*cumsum(x))", "f(x) = sum(exp(x)*cumsum(x))"])
@pytest.mark.parametrize("k", range(len(COMPOSED)))
def test_of_transforms(text, k):
    made, x = COMPOSED[k](sd.function(text)), np.linspace(0, 1, 12).reshape(4, 3)
    got, want = sd.vmap(made)(x), [made(row) for row in x]
    if isinstance(got, tuple):
        for one, parts in zip(got, zip(*want, strict=True), strict=True):
            np.testing.assert_allclose(one, parts, rtol=1e-12)
    else:
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_transforms_of_it():
    x = np.linspace(0, 1, 12).reshape(4, 3)
    mapped = sd.vmap("f(x[3]) = sum(exp(x))")
    np.testing.assert_allclose(sd.vjp(mapped, "x")(x, np.ones(4)), np.exp(x))
    np.testing.assert_allclose(sd.jvp(mapped, "x")(x, x), np.sum(x * np.exp(x), 1))
    assert sd.jacobian(mapped, "x")(x).shape == (4, 4, 3)


def test_twice_packs_and_several_outputs(tmp_path):
    product = sd.vmap(sd.vmap("f(x, y) = x*y", (0, None)), (None, 0))
    assert product([1.0, 2.0], [3.0, 4.0, 5.0]).tolist() == [[3, 6], [4, 8], [5, 10]]
    packed = sd.vmap("f([a, b], x) = a*x + b", (0, None))
    assert packed([[0.0, 1.0], [2.0, 3.0]], 2.0).tolist() == [1.0, 7.0]
    several = sd.vmap(sd.function({"p": "x*y", "q": "y"}, ["x", "y"]), (0, None))
    p, q = several([1.0, 2.0], 3.0)
    assert (p.tolist(), q.tolist()) == ([3.0, 6.0], [3.0, 3.0])
    several.save(tmp_path / "f")
    assert sd.load(tmp_path / "f")([1.0, 2.0], 3.0)[0].tolist() == [3.0, 6.0]


def test_indices_out_of_range_are_refused():
    f = sd.function("f(x[3], i) = x[i]", shapes={"i": ()})
    mapped = sd.vmap(f, (0, 0))
    assert mapped(np.arange(6.0).reshape(2, 3), [1.0, -1.0]).tolist() == [1.0, 5.0]
    with pytest.raises(sd.IndexRangeError):
        mapped(np.arange(6.0).reshape(2, 3), [3.0, 0.0])


@pytest.fixture(scope="module")
def space():
    """Functions with derivatives of their own, two of them wrong, so that one sees whose derivative is taken."""
    found = sd.Namespace()
    found.define("shares(x[n]) = exp(x - max(x))/sum(exp(x - max(x)))", backward="y*(g - sum(g*y))", check=False)
    back = {"x": "7*sum(g*w)*ones_like(x)", "w": "3*g*sum(x)"}
    found.define("scaled(x[n], w[n]) = w*sum(x)", backward=back, check=False)
    adjoints = {"A": lambda A, x, y, g: np.outer(g, x), "x": lambda A, x, y, g: 5 * A.T @ g}
    found.define("applied(A[m, n], x[n])[m]", call=lambda A, x: A @ x, backward=adjoints)
    found.define(
        "text_applied(A[m, n], x[n])[m]", call=lambda A, x: A @ x, backward={"A": "outer(g, x)", "x": "5*g @ A"}
    )
    return found


OF_USERS = {
    "shares": "f(x[3], w[3]) = shares(x*w)**2",
    "both": "f(x[3], w[3]) = scaled(shares(x), shares(w)*x)",
    "applied": "f(x[3], w[3]) = sin(applied(outer(x, w), w*w))",
    "text_applied": "f(x[3], w[3]) = sin(text_applied(outer(x, w), w*w))",
}


def of_users(name, axes, space):
    rng = np.random.default_rng(4)
    x, w = (rng.uniform(0.2, 1, (4, 3) if a == 0 else (3,)) for a in axes)
    pairs = [(x[k] if axes[0] == 0 else x, w[k] if axes[1] == 0 else w) for k in range(4)]
    return sd.function(OF_USERS[name], namespace=space), x, w, pairs


@pytest.mark.parametrize(("name", "axes"), [*((name, (0, None)) for name in OF_USERS), ("both", (0, 0))])
def test_functions_of_users_keep_their_derivatives(name, axes, space):
    """Mapped and then differentiated, and differentiated and then mapped."""
    f, x, w, pairs = of_users(name, axes, space)
    slope = sd.grad(sd.function(lambda x, w: sd.sum(f(x, w)), {"x": (3,), "w": (3,)}), ("x", "w"))
    each = [slope(*pair) for pair in pairs]
    for got, wanted in zip(sd.vmap(slope, axes)(x, w), zip(*each, strict=True), strict=True):
        np.testing.assert_allclose(got, np.stack(wanted), rtol=1e-12, atol=1e-14)
    whole = sd.vmap(f, axes)
    total = sd.function(lambda x, w: sd.sum(whole(x, w)), {"x": x.shape, "w": w.shape})
    for k, (got, axis) in enumerate(zip(sd.grad(total, ("x", "w"))(x, w), axes, strict=True)):
        wanted = np.stack([one[k] for one in each])
        np.testing.assert_allclose(got, wanted if axis == 0 else wanted.sum(0), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("name", "mode"), [("shares", "reverse"), ("shares", "forward"), ("applied", "reverse")])
def test_jacobians_of_functions_of_users(name, mode, space):
    f, x, w, pairs = of_users(name, (0, None), space)
    slope = sd.jacobian(f, "x", mode=mode)
    each = [slope(*pair) for pair in pairs]
    found = sd.jacobian(sd.vmap(f, (0, None)), "x", mode=mode)(x, w)
    for k, one in enumerate(each):
        np.testing.assert_allclose(found[k, :, k], one, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ["shares", "text_applied"])
def test_functions_of_users_over_two_axes(name, space):
    f, x, w, _ = of_users(name, (0, None), space)
    whole = sd.vmap(f, (0, None))
    one = sd.grad(sd.function(lambda x, w: sd.sum(whole(x, w) ** 2), {"x": x.shape, "w": w.shape}), "w")
    over = sd.function(lambda x, b: sd.sum(sd.vmap(whole, (None, 0))(x, b) ** 2), {"x": x.shape, "b": (2, 3)})
    several = np.stack([w, w + 0.1])
    np.testing.assert_allclose(sd.grad(over, "b")(x, several), [one(x, v) for v in several], rtol=1e-12)


@pytest.mark.parametrize("name", ["shares", "both"])
def test_calls_over_axes_are_saved(name, space, tmp_path):
    f, x, w, _ = of_users(name, (0, None), space)
    whole = sd.vmap(f, (0, None))
    one = sd.function(lambda x, w: sd.sum(whole(x, w) ** 2), {"x": x.shape, "w": w.shape})
    two = sd.function(lambda x, b: sd.sum(sd.vmap(whole, (None, 0))(x, b) ** 2), {"x": x.shape, "b": (2, 3)})
    for g, at in ((one, (x, w)), (two, (x, np.stack([w, w + 0.1])))):
        g.save(tmp_path / "g")
        again = sd.load(tmp_path / "g")
        assert again(*at) == g(*at)
        wrt = g.names[-1]
        np.testing.assert_array_equal(sd.grad(again, wrt)(*at), sd.grad(g, wrt)(*at))
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(sd.grad(g, wrt)))(*at), sd.grad(g, wrt)(*at))


def test_axes_of_calls_are_read_with_distrust(space):
    f = sd.vmap(sd.function("f(x[3]) = shares(x)", namespace=space))
    g = sd.function(lambda x: sd.sum(f(x) ** 2), {"x": (2, 3)})
    description, data, _ = flatten(g.graph, g.nodes)
    (place,) = [k for k, item in enumerate(description["payloads"]) if isinstance(item, MappedLayer)]
    layer = description["payloads"][place].base

    def read(said):
        description["payloads"][place] = said
        return unflatten(json.loads(json.dumps(description)), memoryview(data), "float64", {"shares": layer})

    graph, ids = read(["shares", [[True], [False]]])
    assert MappedLayer(MappedLayer(layer, (True,)), (False,)) in [graph.payloads[n] for n in ids]
    for wrong in (["shares"], ["shares", [[1]]], ["shares", [[True, True]]], ["shares", True], ["other", [[True]]]):
        with pytest.raises(sd.StorageError):
            read(wrong)


REFUSALS = [
    (lambda: sd.vmap("f(x, y) = x*y", (0,)), sd.ArgumentError, "1 entries"),
    (lambda: sd.vmap("f(x, y) = x*y", None), sd.ArgumentError, "no argument"),
    (lambda: sd.vmap("f(x, y) = x*y", (0, "a")), sd.ArgumentError, "in_axes"),
    (lambda: sd.vmap("f(x) = x", 2), sd.ArgumentError, "axes"),
    (lambda: sd.vmap("f(x) = x", out_axes="a"), sd.ArgumentError, "out_axes"),
    (lambda: sd.vmap("f(x, y) = x*y")([1.0, 2.0], [1.0, 2.0, 3.0]), sd.ShapeError, "batch is 2"),
    (lambda: sd.vmap("f(x, y) = x @ y")(np.ones((2, 3)), np.ones((4, 3))), sd.ShapeError, "members"),
]


@pytest.mark.parametrize(("call", "kind", "words"), REFUSALS)
def test_refusals(call, kind, words):
    with pytest.raises(kind, match=words):
        call()
