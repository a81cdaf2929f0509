"""`check_grad`: derivatives compared with what other ways give, and what is said where they differ."""

import numpy as np
import pytest

import symdiff as sd
from symdiff.ops import OPS

RIGHT = {
    "scalars": ("f(x, y) = x**2*y + sin(x)*exp(-y) + tanh(x*y)", (3.0, 2.0), "complex step"),
    "a pack": ("f([a, b], x) = a*exp(-b*x)", ([1.0, 2.0], 3.0), "complex step"),
    "arrays": (
        "f(x[n], A[n, n]) = x @ A @ x + norm(x) + sum(cumsum(x))",
        (np.arange(1.0, 4.0), np.eye(3)),
        "complex step",
    ),
    "matrices": ("f(A[3, 3]) = [logdet(A), det(A), trace(inv(A))]", (np.eye(3) * 2 + 0.3,), "complex step"),
    "choices": ("f(x, y) = where(x > y, x*y, x) + max(x, y) + abs(-x) + floor(x)*y", (1.5, 0.5), "complex step"),
    "angles": ("f(x, y) = atan2(y, x) + hypot(x, y)", (-1.0, -2.0), "complex step"),
    "angles, steep": ("f(x, y) = atan2(y, x)", (0.1, 2.0), "complex step"),
    "no complex numbers": ("f(x) = lgamma(x)*erf(x)", (1.7,), "differences"),
    "Cholesky": ("f(A[2, 2]) = sum(cholesky(A @ A.T + eye(2)))", (np.array([[1.0, 0.5], [0.2, 2.0]]),), "differences"),
    "a domain's end": ("f(x) = log(x) + sqrt(x)", (1e-4,), "complex step"),
    "large and small": ("f(x, y) = 1e8*x + 1e-8*y**2", (1e-3, 1e5), "complex step"),
    "open shapes": ("f(x) = sum(x**3)", ([1.0, 2.0],), "complex step"),
}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(("text", "point", "method"), RIGHT.values(), ids=RIGHT)
def test_right_ones(text, point, method, order):
    checked = sd.check_grad(text, *point, order=order)
    assert checked.ok, checked
    assert {row.method for row in checked} == {method}
    assert all(row.difference < (1e-9 if method == "complex step" else 1e-5) for row in checked)
    assert checked.remainder is None or checked.remainder > 1.8


ELEMENTWISE = [o for o in OPS.values() if o.kinds and set(o.kinds) == {"f"} and o.result == "f"]


@pytest.mark.parametrize("op", ELEMENTWISE, ids=str)
def test_records(op):
    """Derivatives of all records agree with what other ways give, or it is said why there is none."""
    inner = [(max(low, -1.0), min(high, 2.5)) for low, high in op.domain]
    names = [f"x{k}" for k in range(len(op.kinds))]
    if op.hidden or any(p is not None and not isinstance(p, str) for p in op.partials) or len(inner) != len(names):
        pytest.skip("not a function of the language with all partials")
    point = [low + (0.37 + 0.11 * k) * (high - low) for k, (low, high) in enumerate(inner)]
    try:
        f = sd.function(f"{op.word}({', '.join(names)})", names)
    except sd.SymdiffError:
        pytest.skip("called in another way")
    checked = sd.check_grad(f, *point, rtol=1e-5)
    assert checked.ok, checked


def test_wrong_ones_are_shown():
    space = sd.Namespace()
    space.define("wrong(x) = sin(x)", backward="g*sin(x)", check=False)
    checked = sd.check_grad(sd.function("f(x, y) = wrong(x)*y", namespace=space), 1.0, 2.0)
    assert not checked.ok
    assert [row.ok for row in checked] == [False, True]
    assert checked[0].value == pytest.approx(2 * np.sin(1.0))
    assert checked[0].reference == pytest.approx(2 * np.cos(1.0))
    assert checked.remainder == pytest.approx(1.0, abs=0.1)
    lines = str(checked).splitlines()
    assert lines[0].startswith("gradient of f: 1 of 2 differ; the remainder along a random direction falls as h**1.0")
    assert lines[2].split()[:2] == ["f", "x"]
    assert lines[2].endswith("differs")
    assert "<th>reference</th>" in checked._repr_html_()


@pytest.mark.parametrize(
    ("text", "x", "said"),
    [
        ("f(x) = abs(x)", 0.0, "kink: the slope is -1 on one side and 1 on the other"),
        ("f(x) = max(x, 2*x)", 0.0, "kink: the slope is 1 on one side and 2 on the other"),
        ("f(x) = where(x > 1, x**2, x)", 1.0, "kink: the slope is 1 on one side and 2 on the other"),
        ("f(x) = floor(x)", 2.0, "jump"),
        ("f(x) = sqrt(x)", -1.0, "not finite"),
        ("f(x) = sqrt(x)", 0.0, "not finite"),
        ("f(x) = 1/x", 0.0, "not finite"),
    ],
)
def test_what_explains_a_difference(text, x, said):
    checked = sd.check_grad(text, x)
    assert checked.ok, checked
    assert [row.remark for row in checked] == [said]


def test_a_slope_outside_a_kink_is_wrong():
    space = sd.Namespace()
    space.define("steep(x) = abs(x)", partials="where(x > 0, 1, where(x < 0, -1, 7))", check=False)
    assert not sd.check_grad(sd.function("f(x) = steep(x)", namespace=space), 0.0).ok


def test_what_is_looked_at():
    f = sd.function("f(x[3], y, [a, b]) = sum(x)*y + a*b")
    point = ([1.0, 2.0, 3.0], 2.0, [3.0, 4.0])
    assert [row.input for row in sd.check_grad(f, *point)] == ["x[0]", "x[1]", "x[2]", "y", "a", "b"]
    assert [row.input for row in sd.check_grad(f, *point, wrt="y")] == ["y"]
    assert [row.input for row in sd.check_grad(f, *point, wrt=["x", "b"])] == ["x[0]", "x[1]", "x[2]", "b"]
    long = sd.check_grad("f(x[n]) = sum(x**2)", np.linspace(-1, 1, 1000))
    assert len(long) == 200
    assert ", chosen of 1000" in str(long)
    assert "and 180 more" in str(long)
    tree = sd.check_grad(lambda p, x: {"s": sum(p["W"] @ x)}, {"W": np.ones((2, 3))}, np.arange(3.0))
    assert tree.ok
    assert len(tree) == 9
    both = sd.check_grad(sd.function({"p": "x*y", "q": "x + y"}, ["x", "y"]), 2.0, 3.0, order=2)
    assert both.ok
    assert {row.output.partition("/")[0] for row in both} <= {"dp", "dq"}


def test_refused():
    with pytest.raises(sd.ArgumentError, match="order is 3"):
        sd.check_grad("x**2", 1.0, order=3)
    with pytest.raises(sd.UnknownNameError, match="z is no input"):
        sd.check_grad("f(x) = x**2", 1.0, wrt="z")
    with pytest.raises(sd.ArgumentError, match="one point; x has shape"):
        sd.check_grad("f(x) = x**2", [1.0, 2.0])
    with pytest.raises(sd.ArgumentError, match="nothing to differentiate by"):
        sd.check_grad(sd.function("2.0", []))


WRONG = {
    "backward": (lambda d: d("w_a(x) = sin(x)", backward="g*sin(x)"), "w_a: backward says .* derivative by x at x = "),
    "partials": (
        lambda d: d("w_b(x, y) = erf(x)*y", partials={"x": "y", "y": "erf(x)"}),
        "w_b: partials says .* derivative by x at x = ",
    ),
    "an array": (
        lambda d: d("w_c(x[n], A[n, n]) = A @ x", backward={"x": "A.T @ g", "A": "outer(x, g)"}),
        "w_c: backward says .* derivative by A",
    ),
    "one of the branches": (lambda d: d("w_d(x) = abs(x)", partials="1"), "w_d: partials says 1 .* at x = -"),
}


@pytest.mark.parametrize(("wrong", "message"), WRONG.values(), ids=WRONG)
def test_definitions_are_checked(wrong, message):
    space = sd.Namespace()
    for _ in range(2):  # the second time, too
        with pytest.raises(sd.ArgumentError, match=message) as caught:
            wrong(space.define)
        assert caught.value.hint == "where it is meant to be another, write check=False"
    assert not space.known
    wrong(lambda text, **options: space.define(text, **options, check=False))
    assert len(space.known) == 1


def test_definitions_that_are_right():
    space = sd.Namespace()
    space.define("r_a(x) = where(x > 1.1, 1/(x - x), x)", partials="where(x > 1.1, 0, 1)")  # not finite there
    space.define("r_b(x[n, n]) = cholesky(x)", backward="g")  # not positive definite at random points
    space.define("r_c(x[200]) = 2*x", backward="3*g")  # too large to look at
    space.define("r_d(x) = lgamma(x)", partials="digamma(x)")
    assert len(space.known) == 4


NAMED = [
    ("j_a(x) = floor(x)", "1", "its expression 0: constant between the jumps of floor"),
    ("j_b(x) = sign(x)*2 + ceil(x)", "1", "its expression 0: constant between the jumps of sign, ceil"),
    ("j_c(x) = where(x > 0, 1, 0)", "1", "its expression 0: constant between the jumps of where"),
    ("j_d(x) = heaviside(x, 0.5)*erf(0)", "1", "its expression 0: constant between the jumps of heaviside"),
    ("j_e(x) = abs(x)", "0", "its expression 1"),
    ("j_f(x) = x - x", "1", "its expression 0"),
    ("j_g(x) = max(erf(0)*x, x - x0)", "7", "at a kink: the slope is 0 on one side and 1 on the other"),
    ("j_h(x) = lgamma(2.5)*floor(x)", "1", "its expression 0: constant between the jumps of floor"),
]


@pytest.mark.parametrize(("text", "partial", "said"), NAMED, ids=[row[0] for row in NAMED])
def test_jumps_and_kinks_of_definitions_are_named(text, partial, said):
    first = np.random.default_rng(1).uniform(0.2, 0.8)  # where the check looks first
    with pytest.raises(sd.ArgumentError) as caught:
        sd.Namespace().define(text.replace("x0", repr(float(first))), partials=partial)
    assert caught.value.message.endswith(said)


def test_slopes_between_the_sides_of_a_kink_are_right():
    first = float(np.random.default_rng(1).uniform(0.2, 0.8))
    text = f"between(x) = max(0*x, x - {first!r})"
    sd.Namespace().define(text, partials=f"where(x == {first!r}, 0.25, where(x > {first!r}, 1, 0))")
    text = f"between(x) = max(lgamma(x)*0, x - {first!r})"  # by differences
    sd.Namespace().define(text, partials=f"where(x == {first!r}, 0.25, where(x > {first!r}, 1, 0))")
    sd.Namespace().define(f"jump(x) = lgamma(x)*0 + floor(x + {1 - first!r})", partials="digamma(x)*0")
