"""Functions on JAX's arrays: in all transformations, values and derivatives are those of the function itself."""

import pickle

import numpy as np
import pytest

import symdiff as sd
from symdiff import CallError, ShapeError

jax = pytest.importorskip("jax", reason="JAX is not installed")
jnp = jax.numpy

from symdiff.interop import jax as ours  # noqa: E402  # imports JAX

NEAR = {"rtol": 1e-12, "atol": 1e-12}


@pytest.fixture(autouse=True)
def _float64():
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


# One output by one vector: the source, and how many elements the vector has.
SCALARS = [
    ("f(x[3]) = sum(x**3)*x[0]", 3),
    ("f([a, b]) = a**2*exp(-b) + sin(a*b)", 2),
    ("f(x[4]) = log(sum(exp(x)))", 4),
    ("f(x[2]) = where(x[0] > 0, x[0]*x[1]**2, x[1])", 2),
    ("f(x[n]) = sum(tanh(x)*x)", 5),
    ("f(x[12]) = sum((x @ x)*sin(x))", 12),
]

# Several arguments that batches broadcast in: the source, and the shapes that are given.
SEVERAL = [
    ("f(x, y) = x**2*y", [(), ()]),
    ("f(x, y) = [x**2*y, sin(x*y)]", [(5,), (3, 1)]),
    ("f(A[2, 3], x[3], s) = s*(A @ x)", [(2, 3), (4, 3), ()]),
    ("f([a, b], x) = a*exp(-b*x)", [(2,), (6,)]),
    ("f(x[n], y[n]) = outer(x, y)", [(3,), (3,)]),
    ("f(A[20, 20], x[20]) = A @ sin(A @ x)", [(20, 20), (2, 3, 20)]),
]


def points(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.uniform(0.2, 1.5, size=s) for s in shapes]


def near(found, want):
    np.testing.assert_allclose(found, want, **NEAR)


@pytest.mark.parametrize(("source", "count"), SCALARS)
def test_derivatives_to_the_third_in_every_way_are_ours(source, count):
    f, mine = sd.function(source), sd.to_jax(source)
    (x,) = points([(count,)])
    v = np.linspace(-1, 1, count)

    @jax.jit
    def everything(x):
        value, linear = jax.linearize(mine, x)
        return {
            "value": (mine(x), value),
            "gradient": (jax.grad(mine)(x), jax.linear_transpose(linear, x)(1.0)[0]),
            "hessian": [jax.hessian(mine)(x), jax.jacrev(jax.jacrev(mine))(x), jax.jacrev(jax.jacfwd(mine))(x)],
            "along": jax.jvp(mine, (x,), (v,))[1],
            "product": jax.jvp(jax.grad(mine), (x,), (v,))[1],
            "third": jax.jacfwd(jax.hessian(mine))(x),
        }

    found = everything(x)
    slope, hessian = sd.grad(f)(x), sd.hessian(f)(x)
    for name, want in (("value", f(x)), ("gradient", slope), ("hessian", hessian)):
        for one in found[name]:
            near(one, want)
    near(found["along"], slope @ v)
    near(found["product"], hessian @ v)
    near(found["third"], sd.jacobian(sd.hessian(f))(x))


@pytest.mark.parametrize(("source", "shapes"), SEVERAL)
def test_several_arguments(source, shapes):
    f, mine, given = sd.function(source), sd.to_jax(source), points(shapes)
    want, back = f(*given), np.random.default_rng(1).normal(size=np.shape(f(*given)))
    near(mine(*given), want)
    along = points(shapes, 2)
    slopes = jax.jit(lambda *x: jax.vjp(mine, *x)[1](back))(*given)
    moved = jax.jit(lambda *x: jax.jvp(mine, x, tuple(along))[1])(*given)
    near(sum(np.sum(s * d) for s, d in zip(slopes, along, strict=True)), np.sum(moved * back))
    step = 1e-6
    beside = [f(*(g + s * step * d for g, d in zip(given, along, strict=True))) for s in (1, -1)]
    np.testing.assert_allclose(moved, (beside[0] - beside[1]) / (2 * step), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(("source", "count"), SCALARS[:3])
def test_vmap_of_values_gradients_and_hessians(source, count):
    f, mine = sd.function(source), sd.to_jax(source)
    (rows,) = points([(7, count)])
    near(jax.jit(jax.vmap(mine))(rows), f(rows))
    near(jax.jit(jax.vmap(mine, in_axes=1))(rows.T), f(rows))
    near(jax.jit(jax.vmap(jax.grad(mine)))(rows), sd.grad(f)(rows))
    near(jax.jit(jax.vmap(jax.hessian(mine), in_axes=1))(rows.T), sd.hessian(f)(rows))


def test_vmap_of_one_argument_in_another_and_in_loops():
    f, mine = sd.function("f(x[3], y) = sum(x**2)*y"), sd.to_jax("f(x[3], y) = sum(x**2)*y")
    x, y = points([(4, 3), (5,)])
    want = f(x[:, None], y)
    near(jax.jit(jax.vmap(jax.vmap(mine, in_axes=(None, 0)), in_axes=(0, None)))(x, y), want)
    near(jax.jit(jax.vmap(mine, in_axes=(None, 0), out_axes=1))(x, y), want)  # the batch that it has comes after
    near(jax.lax.map(lambda row: mine(row, 2.0), x), f(x, 2.0))
    near(jax.grad(lambda t: jax.lax.scan(lambda c, _: (mine(x[0], c) / 5, None), t, None, length=3)[0])(1.0),
         (np.sum(x[0] ** 2) / 5) ** 3)  # fmt: skip


def test_xla_calls_the_code_and_python_where_the_code_needs_it(monkeypatch):
    def refused(*arrays, own):
        raise AssertionError("Python was asked")

    monkeypatch.setattr(ours, "_by_python", refused)
    near(sd.to_jax("f(x, y) = 3*x*y")(2.0, np.ones(3)), np.full(3, 6.0))
    near(sd.to_jax("f(A[9, 9]) = inv(A)")(np.eye(9) * 2), np.eye(9) / 2)
    monkeypatch.undo()
    space = sd.Namespace()
    space.define("slow(x)", call=lambda x: x + 1, partials="1 + 0*x")
    mine = sd.to_jax(sd.function("f(x) = slow(x)**2", namespace=space))
    near(jax.jit(jax.vmap(jax.value_and_grad(mine)))(np.arange(3.0)), [[1.0, 4.0, 9.0], [2.0, 4.0, 6.0]])


def test_both_ways_have_one_result():
    for source, shapes in SEVERAL:
        own = ours.for_call(sd.function(source), tuple(points(shapes)), {})
        arrays = [jnp.asarray(a) for a in points(shapes)]
        for a, b in zip(ours._by_code(*arrays, own=own), ours._by_python(*arrays, own=own), strict=True):
            assert a.shape == b.shape
            near(a, b)


def test_several_outputs_trees_conditions_and_many_numbers():
    def model(p, x):
        return {"value": p["w"] @ x + p["b"], "first": x[0]}

    for shapes in ({"p": {"w": (2, 3), "b": 2}, "x": 3}, None):
        mine = sd.to_jax(sd.function(model, shapes=shapes))
        w, b, x = points([(2, 3), (2,), (3,)])
        found = mine({"w": w, "b": b}, x)
        assert list(found) == ["value", "first"]
        near(found["value"], w @ x + b)
        slope = jax.grad(lambda p, x, mine=mine: mine(p, x)["value"].sum())({"w": w, "b": b}, x)
        near(slope["w"], np.tile(x, (2, 1)))
    pair = sd.to_jax(sd.function(("x*y", "x > y"), ["x", "y"]))
    product, larger = pair(np.arange(3.0), y=1.0)
    assert larger.dtype == bool
    assert larger.tolist() == [False, False, True]
    near(jax.grad(lambda x: pair(x, 3.0)[0])(2.0), 3.0)
    near(product, np.arange(3.0))
    names = [f"x{k}" for k in range(80)]
    many = sd.to_jax(sd.function(" + ".join(f"{k}*{n}**2" for k, n in enumerate(names)), names))
    near(jax.grad(many, argnums=79)(*[1.0] * 80), 158.0)
    near(sd.to_jax("f(x[0], y) = sum(x) + y")(np.zeros(0), 2.0), 2.0)
    assert sd.to_jax("f(x) = 2*x")(np.zeros((0, 3))).shape == (0, 3)


def test_single_precision():
    mine = sd.to_jax(sd.function("f(x, a) = a*x**2", dtype="float32"))
    jax.config.update("jax_enable_x64", False)
    for x in (3.0, np.ones(3), jnp.ones(3, jnp.float32), jnp.arange(3)):
        assert mine(x, 2.0).dtype == np.float32
    near(jax.vmap(jax.grad(mine), in_axes=(0, None))(jnp.arange(3.0), 2.0), [0, 4, 8])
    with pytest.raises(
        CallError, match=r'float64, which JAX rounds.*\ntype jax\.config\.update\("jax_enable_x64", True'
    ):
        sd.to_jax("f(x) = 2*x")(1.0)


@pytest.mark.parametrize(
    ("value", "says"),
    [("a", "x got a text"), (None, "x got None"), (1j, "complex"), (np.array(["a"]), "x got a"),
     ([1.0, [2.0]], "x got")],
)  # fmt: skip
def test_what_is_refused(value, says):
    with pytest.raises(CallError, match=says):
        sd.to_jax("f(x) = 2*x")(value)


def test_errors_of_shapes_and_indices():
    with pytest.raises(ShapeError, match=r"x\[3\] has shape \(3,\), the value given has shape \(4,\)"):
        sd.to_jax("f(x[3]) = sum(x)")(np.ones(4))
    with pytest.raises(Exception, match="f: an index is out of range"):
        jax.jit(sd.to_jax("f(x[3], k) = take(x, k)"))(np.ones(3), 7.0).block_until_ready()


def test_the_name_for_xla_says_what_it_computes():
    """JAX keeps compiled programs in files: a name must not mean something else in another process."""

    def name(source):
        own = ours.for_call(sd.function(source), (1.0, 2.0), {})
        return ours.handler_of(own)[0]

    assert name("f(x, y) = x*y") == name("f(x, y) = x*y") != name("f(x, y) = x*y + 1")
    mine = pickle.loads(pickle.dumps(sd.to_jax("f(x, y) = x*y")))
    near(mine(2.0, 3.0), 6.0)
