"""Functions in code that Numba compiles: of numbers, arrays and batches, with results in arrays."""

import gc

import numpy as np
import pytest

import symdiff as sd
from symdiff import ArgumentError, CallError, ShapeError

numba = pytest.importorskip("numba", reason="Numba is not installed")

from numba.core.errors import NumbaWarning, TypingError  # noqa: E402

NEAR = {"rtol": 1e-12, "atol": 1e-12}

# The function, and the shapes of values for its arguments: () is a number.
CASES = [
    (sd.function("f(x, y) = x**2*sin(y)"), [[(), ()], [(5,), ()], [(3, 1), (4,)]]),
    (sd.hessian("f(x[3]) = sum(x**3)*x[0]"), [[(3,)], [(2, 2, 3)]]),
    (sd.function("f(A[9, 9], x[9]) = A @ x"), [[(9, 9), (4, 9)]]),
    (sd.value_and_grad("f([a, b], x) = a*exp(-b*x)", ["a", "b"]), [[(2,), ()], [(2,), (6,)]]),
    (sd.function(("x*y", ("x > y", "[x, y]")), ["x", "y"]), [[(), ()], [(4,), ()]]),
]
WITH_SHAPES = [(f, shapes) for f, listed in CASES for shapes in listed]


def same(found, want):
    if isinstance(want, tuple):
        assert isinstance(found, tuple)
        for a, b in zip(found, want, strict=True):
            same(a, b)
    else:
        assert np.shape(found) == np.shape(want)
        assert np.asarray(found).dtype == np.asarray(want).dtype
        np.testing.assert_allclose(found, want, **NEAR)


def calling(f, *, out=False):
    """Compiled code that calls it."""
    mine, names = sd.to_numba(f), ", ".join(f"a{k}" for k in range(len(f.arguments)))
    space = {"mine": mine}
    exec(f"def run({names}{', out' if out else ''}): return mine({names}{', out=out' if out else ''})", space)
    return numba.njit(space["run"])


def values(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [float(rng.uniform(0.2, 1.5)) if s == () else rng.uniform(0.2, 1.5, size=s) for s in shapes]


@pytest.mark.parametrize(("f", "shapes"), WITH_SHAPES, ids=lambda v: str(v)[:30])
def test_results_are_ours(f, shapes):
    given = values(shapes)
    same(calling(f)(*given), f(*given))
    same(sd.to_numba(f)(*given), f(*given))


@pytest.mark.heavy  # Numba takes seconds to compile what converts arrays
def test_arrays_lie_in_any_way():
    f = sd.function("f(A[2, 3], x[3], y) = y*(A @ x)", shapes={"y": ()})
    run = calling(f)
    a, x, y = values([(4, 2, 3), (4, 3), (4,)])
    for given in ((np.asfortranarray(a[0]), x[0, ::-1], np.array(2.0)), (a[:, :, ::-1], x[:1], y[::-1]),
                  (a.astype("f4"), np.ones((4, 3), int), 2)):  # fmt: skip
        same(run(*given), f(*given))


def test_results_are_written_into_arrays():
    g = sd.grad("f(x[3]) = sum(x**3)*x[0]")
    run, (x, rows) = calling(g, out=True), values([(3,), (4, 3)])
    for given in (x, rows):
        out = np.empty(given.shape)
        assert run(given, out) is not None
        same(out, g(given))
    columns = np.empty((3, 4)).T
    run(rows, columns)
    same(columns, g(rows))
    pair = sd.value_and_grad("f(x[3]) = sum(x**3)*x[0]")
    into = np.empty(4), np.empty((4, 3))
    calling(pair, out=True)(rows, into)
    same(into, pair(rows))
    for out, says in ((np.empty(2), "out has another shape"), (np.empty((3, 3)), "takes arrays of float64 with 1 axes"),
                      (np.empty(3, "f4"), "takes arrays of float64")):  # fmt: skip
        with pytest.raises((ValueError, TypingError), match=says):
            run(x, out)


def test_in_loops_and_threads():
    f, mine = sd.function("f(x, y) = sin(x)*y"), sd.to_numba("f(x, y) = sin(x)*y")

    @numba.njit(parallel=True, nogil=True)
    def total(xs):
        found = np.empty_like(xs)
        for k in numba.prange(len(xs)):
            found[k] = mine(xs[k], 2.0)
        return found

    xs = np.linspace(0, 3, 1000)
    same(total(xs), f(xs, 2.0))

    @numba.njit
    def newton(x):  # of x*exp(x) = 1
        for _ in range(20):
            value, slope = both(x)
            x -= value / slope
        return x

    both = sd.to_numba(sd.value_and_grad("f(x) = x*exp(x) - 1"))
    assert abs(newton(1.0) - 0.5671432904097838) < 1e-14


def test_the_code_lives_as_long_as_what_calls_it():
    run = calling(sd.function("f(x, y) = 7*x - y"))
    assert run(2.0, 1.0) == 13.0
    gc.collect()
    for k in range(100):  # would be written where the code was
        sd.function(f"x*{k}")(1.0)
    assert run(2.0, 1.0) == 13.0


def test_addresses_are_not_kept_in_files(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    mine = sd.to_numba("f(x) = 3*x")
    with pytest.warns(NumbaWarning, match="dynamic globals"):
        assert numba.njit(cache=True)(lambda x: mine(x))(2.0) == 6.0


def test_single_precision_and_many_arguments():
    single = sd.function("f(x, a) = a*x**2", dtype="float32")
    run = calling(single)
    assert run(np.float32(3), np.float32(2)) == 18.0
    assert run(np.ones(3, "f4"), 2.0).dtype == np.float32
    names = [f"x{k}" for k in range(80)]
    many = sd.grad(sd.function(" + ".join(f"{k}*{n}**2" for k, n in enumerate(names)), names))
    same(calling(many)(*map(float, range(80))), many(*map(float, range(80))))
    assert many.compile().kernel.packed
    with pytest.raises(TypingError, match="too many arguments for batches"):
        calling(many)(np.ones(2), *map(float, range(79)))


@pytest.mark.parametrize(
    ("f", "error", "says"),
    [(sd.function("f(x[n]) = sum(x)"), ShapeError, r"f\.specialize\(x\)"),
     (sd.function("x*y"), ArgumentError, "nothing orders.*\nlist them"),
     (sd.function(lambda p: p["a"], shapes={"p": {"a": 2}}), ArgumentError, "takes a tree"),
     (sd.function({"a": "x", "b": "2*x"}, ["x"]), None, ""),
     (sd.function(lambda x: {"a": x}, ["x"]), ArgumentError, "gives dicts")],
)  # fmt: skip
def test_what_is_refused(f, error, says):
    if error is None:
        assert calling(f)(2.0) == (2.0, 4.0)
        return
    with pytest.raises(error, match=says):
        sd.to_numba(f)


def test_functions_of_python_are_refused_and_of_c_are_not():
    space = sd.Namespace()
    space.define("slow(x)", call=lambda x: x + 1, partials="1 + 0*x")
    with pytest.raises(CallError, match="calls Python functions"):
        sd.to_numba(sd.function("f(x) = slow(x)", namespace=space))
    double = numba.cfunc("float64(float64)")(lambda x: 2 * x)
    space.define("double(x)", call=double, partials="2 + 0*x")
    assert calling(sd.function("f(x) = double(x) + 1", namespace=space))(3.0) == 7.0


def test_errors_of_types_shapes_and_indices():
    run = calling(sd.function("f(x[3], k) = take(x, k)", shapes={"k": ()}))
    assert run(np.arange(3.0), 2.0) == 2.0
    with pytest.raises(IndexError, match="an index is out of range"):
        run(np.arange(3.0), 3.0)
    with pytest.raises(ValueError, match=r"x\[3\] has another shape"):
        run(np.arange(4.0), 1.0)
    with pytest.raises(TypingError, match=r"x\[3\] got unicode_type; it takes real numbers"):
        run("a", 1.0)
    with pytest.raises(TypingError, match="complex"):
        calling(sd.function("f(x) = 2*x"))(1j)
