"""Functions on tensors: values and derivatives of every order are those of the function itself."""

import copy
import pickle

import numpy as np
import pytest

import symdiff as sd
from symdiff import CallError
from symdiff.interop import flat_functions

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")  # PyTorch's own, of parts it loads itself
NEAR = {"rtol": 1e-12, "atol": 1e-12}

# One output by one vector: the source, and how many elements the vector has.
SCALARS = [
    ("f(x[3]) = sum(x**3)*x[0]", 3),
    ("f([a, b]) = a**2*exp(-b) + sin(a*b)", 2),
    ("f(x[4]) = log(sum(exp(x)))", 4),
    ("f(x[2]) = where(x[0] > 0, x[0]*x[1]**2, x[1])", 2),
    ("f(x[n]) = sum(tanh(x)*x)", 5),
]

# Several arguments that batches broadcast in: the source, and the shapes that are given.
SEVERAL = [
    ("f(x, y) = x**2*y", [(), ()]),
    ("f(x, y) = [x**2*y, sin(x*y)]", [(5,), (3, 1)]),
    ("f(A[2, 3], x[3], s) = s*(A @ x)", [(2, 3), (4, 3), ()]),
    ("f([a, b], x) = a*exp(-b*x)", [(2,), (6,)]),
    ("f(x[n], y[n]) = outer(x, y)", [(3,), (3,)]),
]


def tensors(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [torch.tensor(rng.uniform(0.2, 1.5, size=s), dtype=torch.float64, requires_grad=True) for s in shapes]


def near(found, want):
    np.testing.assert_allclose(np.asarray(found.detach()), want, **NEAR)


@pytest.mark.parametrize(("source", "count"), SCALARS)
def test_derivatives_to_the_third_are_ours(source, count):
    f, mine = sd.function(source), sd.to_torch(source)
    (x,) = tensors([(count,)])
    point = x.detach().numpy()
    near(mine(x), f(point))
    (slope,) = torch.autograd.grad(mine(x), x, create_graph=True)
    near(slope, sd.grad(f)(point))
    hessian = sd.hessian(f)(point)
    for k in range(count):
        near(torch.autograd.grad(slope[k], x, retain_graph=True)[0], hessian[k])
    near(torch.func.hessian(mine)(x.detach()), hessian)
    near(torch.func.jacrev(torch.func.jacrev(mine))(x.detach()), hessian)
    near(torch.autograd.functional.hessian(mine, x.detach()), hessian)
    third = sd.jacobian(sd.hessian(f))(point)
    near(torch.func.jacfwd(torch.func.hessian(mine))(x.detach()), third)
    v = torch.linspace(-1, 1, count, dtype=torch.float64)
    near(torch.func.jvp(mine, (x.detach(),), (v,))[1], sd.grad(f)(point) @ v.numpy())


@pytest.mark.parametrize(("source", "shapes"), SEVERAL)
def test_pytorch_finds_the_derivatives_consistent(source, shapes):
    mine, given = sd.to_torch(source), tensors(shapes)
    near(mine(*given), sd.function(source)(*[t.detach().numpy() for t in given]))
    assert torch.autograd.gradcheck(mine, given, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(mine, given, check_fwd_over_rev=True)


@pytest.mark.parametrize(("source", "count"), SCALARS)
def test_vmap_of_values_gradients_and_hessians(source, count):
    f, mine = sd.function(source), sd.to_torch(source)
    points = np.random.default_rng(1).uniform(0.2, 1.5, size=(7, count))
    batch = torch.from_numpy(points)
    near(torch.func.vmap(mine)(batch), f(points))
    near(torch.func.vmap(mine, in_dims=1)(batch.T), f(points))
    near(torch.func.vmap(torch.func.grad(mine))(batch), sd.grad(f)(points))
    near(torch.func.vmap(torch.func.hessian(mine), in_dims=1)(batch.T), sd.hessian(f)(points))


def test_vmap_of_one_argument_and_in_another():
    f, mine = sd.function("f(x[3], y) = sum(x**2)*y"), sd.to_torch("f(x[3], y) = sum(x**2)*y")
    x, y = (t.detach() for t in tensors([(4, 3), (5,)]))
    one = torch.func.vmap(mine, in_dims=(None, 0))
    want = f(x.numpy()[:, None], y.numpy())
    near(torch.func.vmap(one, in_dims=(0, None))(x, y), want)
    near(torch.func.vmap(mine, in_dims=(None, 0), out_dims=1)(x, y), want)  # the batch that it has comes after


def test_batches_add_up_in_the_gradient():
    x, y = tensors([(5,), (3, 1)])
    sd.to_torch("f(x, y) = x**2*y")(x, y).sum().backward()
    near(x.grad, 2 * x.detach().numpy() * y.detach().numpy().sum())
    near(y.grad, np.full((3, 1), (x.detach().numpy() ** 2).sum()))


def test_several_outputs_trees_and_conditions():
    def model(p, x):
        return {"value": p["w"] @ x + p["b"], "first": x[0]}

    for shapes in ({"p": {"w": (2, 3), "b": 2}, "x": 3}, None):
        mine = sd.to_torch(sd.function(model, shapes=shapes))
        w, b, x = tensors([(2, 3), (2,), (3,)])
        found = mine({"w": w, "b": b}, x)
        assert list(found) == ["value", "first"]
        near(found["value"], (w @ x + b).detach())
        (found["value"].sum() + 2 * found["first"]).backward()
        near(w.grad, np.tile(x.detach(), (2, 1)))
        near(x.grad, w.detach().sum(0).numpy() + np.array([2, 0, 0]))
    pair = sd.to_torch(sd.function(("x*y", "x > y"), ["x", "y"]))
    x, y = tensors([(4,), ()])
    product, larger = pair(x, y=y)
    assert larger.dtype == torch.bool
    assert not larger.requires_grad
    near(torch.autograd.grad(product.sum(), x)[0], np.full(4, y.item()))
    _, (along, none) = torch.func.jvp(
        pair, (x.detach(), y.detach()), (torch.ones(4).double(), torch.zeros(()).double())
    )
    near(along, np.full(4, y.item()))
    assert not none.any()


def test_only_what_is_needed_is_differentiated(monkeypatch):
    asked = []
    kept = flat_functions.FlatFunction._vjp
    monkeypatch.setattr(flat_functions.FlatFunction, "_vjp", lambda self, by: (asked.append(by), kept(self, by))[1])
    x, y = tensors([(), ()])
    sd.to_torch("f(x, y) = x**2*y")(x.detach(), y).backward()
    assert asked == [(1,)]


def test_numbers_are_read_where_they_lie_and_results_are_not_copied(monkeypatch):
    seen = []
    kept = flat_functions.FlatFunction.__call__

    def spy(self, values):
        found = kept(self, values)
        seen.append((values, found))
        return found

    monkeypatch.setattr(flat_functions.FlatFunction, "__call__", spy)
    whole = torch.arange(12.0, dtype=torch.float64).reshape(3, 4)
    part = whole.T[1:]  # strides of its own
    result = sd.to_torch("f(x) = 2*x")(part)
    ((given,), (found,)), *_ = seen
    assert given.__array_interface__["data"][0] == part.data_ptr()
    assert given.strides == (8, 32)
    assert found.__array_interface__["data"][0] == result.data_ptr()
    near(result, 2 * part.numpy())


@pytest.mark.parametrize(
    ("dtype", "given", "want"),
    [("float64", torch.float64, torch.float64), ("float64", torch.float32, torch.float32),
     ("float64", torch.int64, torch.float64), ("float32", torch.float32, torch.float32),
     ("float32", torch.float64, torch.float32)],
)  # fmt: skip
def test_types_stay(dtype, given, want):
    mine = sd.to_torch(sd.function("f(x, a) = a*x**2", dtype=dtype))
    for x in (torch.tensor([1, 2, 3], dtype=given), torch.tensor(3, dtype=given)):
        for a in (2.0, 2, np.float64(2.0)):
            assert mine(x, a).dtype == want
        if given.is_floating_point:
            x.requires_grad_()
            mine(x, 2.0).sum().backward()
            assert x.grad.dtype == given
            near(x.grad, 4 * x.detach().numpy())


@pytest.mark.parametrize(
    ("value", "says"),
    [(torch.ones(2, device="meta"), r"x got a tensor on the device meta\n.*pass x\.cpu\(\)"),
     (torch.ones(2, dtype=torch.complex64), "complex numbers"),
     (torch.ones(2, dtype=torch.float16), r"float16\npass x\.float\(\)"),
     (torch.eye(2).to_sparse(), r"layout torch\.sparse_coo\npass x\.to_dense"),
     ("a", "a text"), (None, "got None"), (["a"], "a list")],
)  # fmt: skip
def test_what_is_refused(value, says):
    with pytest.raises(CallError, match=says):
        sd.to_torch("f(x) = 2*x")(value)


def test_it_trains_copies_and_pickles():
    mine = pickle.loads(pickle.dumps(copy.deepcopy(sd.to_torch("f(x, a, b) = a*exp(-b*x)"))))
    x = torch.linspace(0, 2, 20, dtype=torch.float64)
    want = 2 * torch.exp(-1.5 * x)
    a, b = (torch.tensor(1.0, dtype=torch.float64, requires_grad=True) for _ in range(2))
    optimizer = torch.optim.LBFGS([a, b], max_iter=60)

    def closure():
        optimizer.zero_grad()
        loss = ((mine(x, a, b) - want) ** 2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    np.testing.assert_allclose([a.item(), b.item()], [2.0, 1.5], rtol=1e-4)


def test_in_the_middle_of_a_network():
    torch.manual_seed(0)
    mine = sd.to_torch("f(x[3]) = [x[0]*x[1], sin(x[2])]")
    first, last = torch.nn.Linear(4, 3), torch.nn.Linear(2, 1)
    rows = torch.randn(6, 4)
    last(mine(first(rows))).sum().backward()
    found = first.weight.grad.clone()
    first.zero_grad()
    hidden = first(rows)
    last(torch.stack([hidden[:, 0] * hidden[:, 1], torch.sin(hidden[:, 2])], -1)).sum().backward()
    torch.testing.assert_close(found, first.weight.grad)
