"""Shapes that only a call fixes: sizes with names, and the shapes of arguments where nobody declares any."""

import copy
import gc
import inspect
import pickle
import threading
import weakref

import numpy as np
import pytest

import symdiff as sd
from symdiff.functions import specialize

X = np.array([1.0, 2.0, 4.0])
A = np.arange(6.0).reshape(2, 3)
SQUARE = np.array([[4.0, 1.0], [1.0, 3.0]])

NAMED = {
    # name: (make, arguments, value)
    "header": (lambda: sd.function("f(x[m], y[m]) = sum((y - x)**2)/m"), (X, 2 * X), 7.0),
    "shapes": (lambda: sd.function("sum(x)/n", shapes={"x": "n"}), (X,), 7 / 3),
    "inputs": (lambda: sd.function("sum(x)/n", {"x": "n"}), (X,), 7 / 3),
    "square": (lambda: sd.function("sum(A)/n", shapes={"A": ("n", "n")}), (SQUARE,), 4.5),
    "two names": (lambda: sd.function("f(A[m, n], x[n]) = sum(A @ x)/(m*n)"), (A, X), 41 / 6),
    "fixed beside named": (lambda: sd.function("f(A[n, 3]) = sum(A)/n"), (A,), 7.5),
    "in an index": (lambda: sd.function("f(x[n]) = x[n - 1] - x[0]"), (X,), 3.0),
    "in a line": (lambda: sd.function("k = n - 1\nf(x[n]) = sum(x)/k"), (X,), 3.5),
    "scalar beside": (lambda: sd.function("f(x[n], a) = a*sum(x)"), (X, 2.0), 14.0),
    "batch": (lambda: sd.function("f(x[n]) = sum(x)/n"), (A,), [1.0, 4.0]),
    "batches broadcast": (lambda: sd.function("f(x[n], a) = a*sum(x)"), (A, np.array([1.0, 10.0])), [3.0, 120.0]),
    "a pack beside": (lambda: sd.function("f([a, b], x[n]) = a*sum(x) + b*n"), ([1.0, 10.0], X), 37.0),
    "lists": (lambda: sd.function("f(x[n]) = sum(x)/n"), ([1, 2],), 1.5),
    "empty": (lambda: sd.function("f(x[n]) = sum(x) + n"), (np.zeros(0),), 0.0),
    "gradient": (lambda: sd.grad("f(x[n]) = sum(x**2)/n"), (X,), 2 * X / 3),
    "Hessian": (lambda: sd.hessian("f(x[n]) = sum(x**2)/n"), (X,), np.eye(3) * 2 / 3),
    "Jacobian": (lambda: sd.jacobian("f(A[m, n], x[n]) = A @ x", "x"), (A, X), A),
    "gradients apart": (lambda: sd.grad("f(x[n], a) = a*sum(x)", ("a", "x")), (X, 2.0), (7.0, [2.0, 2.0, 2.0])),
    "value and gradient": (lambda: sd.value_and_grad("f(x[n]) = sum(x)/n"), (X,), (7 / 3, [1 / 3] * 3)),
    "derivative": (lambda: sd.derivative("f(x[n], t) = t**3*sum(x)", "t", 2), (X, 2.0), 84.0),
    "twice": (lambda: sd.grad(sd.grad("f(x[n], t) = t**2*sum(x)", "t"), "x"), (X, 3.0), [6.0, 6.0, 6.0]),
    "several": (lambda: sd.function(("f(x[n]) = sum(x)", "g(x[k]) = k")), (X,), (7.0, 3.0)),
    "a dict": (lambda: sd.function({"a": "f(x[n]) = sum(x)", "b": "f(x[n]) = n"}), (X,), (7.0, 3.0)),
    "several functions": (lambda: _together("f(x[n]) = sum(x**2)/n"), (X,), (7.0, 2 * X / 3)),
    "compiled": (lambda: sd.function("f(x[n]) = sum(x)/n").compile(fp="strict"), (X,), 7 / 3),
    "traced": (lambda: sd.function(lambda x: (x * x).sum(), {"x": "n"}), (X,), 21.0),
    "a new signature": (lambda: sd.function(sd.function("f(x[n], a) = a*sum(x)"), ["a", "x"]), (2.0, X), 14.0),
}


def _together(text):
    f = sd.function(text)
    return sd.function((f, sd.grad(f)))


def check(found, wanted):
    if isinstance(wanted, tuple):
        assert isinstance(found, tuple)
        assert len(found) == len(wanted)
        for a, b in zip(found, wanted, strict=True):
            check(a, b)
    else:
        assert np.shape(found) == np.shape(wanted)
        np.testing.assert_allclose(found, wanted, rtol=1e-13)


@pytest.mark.parametrize(("make", "arguments", "wanted"), NAMED.values(), ids=NAMED)
def test_sizes_with_names(make, arguments, wanted):
    f = make()
    check(f(*arguments), wanted)
    check(f(*arguments), wanted)


DEFERRED = {
    "sum": (lambda: sd.function("sum(x)"), (X,), 7.0),
    "sum of a matrix": (lambda: sd.function("sum(x)"), (A,), 15.0),
    "element": (lambda: sd.function("x[0] + x[-1]"), (X,), 5.0),
    "matrix": (lambda: sd.function("f(W, x) = W @ x"), (A, X), A @ X),
    "transpose": (lambda: sd.function("A.T"), (A,), A.T),
    "scalar beside": (lambda: sd.function("f(x, a) = a*sum(x)"), (X, 2.0), 14.0),
    "array for a scalar": (lambda: sd.function("f(x, a) = a*sum(x)"), (X, X), 7 * X),
    "never a batch": (lambda: sd.function("f(x, y) = sum(x)*y"), (A, A), 15 * A),
    "declared beside": (lambda: sd.function("f(W[2, 3], x) = W @ x"), (A, X), A @ X),
    "declared batch": (lambda: sd.function("f(x, y[3]) = sum(x)*sum(y)"), (X, A), [21.0, 84.0]),
    "named beside": (lambda: sd.function("f(x[n], y) = n*y[0]"), (X, [5.0]), 15.0),
    "declared a scalar": (lambda: sd.function("sum(x)", shapes={"x": ()}), (2.0,), 2.0),
    "declared scalar": (lambda: sd.function("f(x, a) = a*sum(x)", shapes={"a": ()}), (X, [1.0, 2.0]), [7.0, 14.0]),
    "lines": (lambda: sd.function("q = x - sum(x)\nsum(q**2)"), (X,), 36 + 25 + 9.0),
    "gradient": (lambda: sd.grad("sum(x**2)"), (X,), 2 * X),
    "gradient of a matrix": (lambda: sd.grad("sum(x**2)"), (A,), 2 * A),
    "gradient by a part": (lambda: sd.grad("sum(x**2)", "x[1:]"), (X,), 2 * X[1:]),
    "gradient by a line": (lambda: sd.grad("q = 2*x\nsum(q**2)", "q"), (X,), 4 * X),
    "order of wrt": (lambda: sd.grad("t*sum(x)", ("x", "t")), (X, 2.0), ([2.0, 2.0, 2.0], 7.0)),
    "Hessian": (lambda: sd.hessian("sum(x**2)"), (X,), 2 * np.eye(3)),
    "Jacobian": (lambda: sd.jacobian("f(W, x) = W @ x", "x"), (A, X), A),
    "Jacobian mode": (lambda: sd.jacobian("f(W, x) = W @ x", "x", mode="reverse"), (A, X), A),
    "together": (lambda: _together("sum(x**2)"), (X,), (21.0, 2 * X)),
    "outputs": (lambda: sd.function("q = 2*x\ns = sum(q)", outputs=("q", "s")), (X,), (2 * X, 14.0)),
    "list of sources": (lambda: sd.function(["sum(x)", "x[0]"]), (X,), [7.0, 1.0]),
    "traced": (lambda: sd.function(lambda x: (x**2).sum(), ["x"]), (X,), 21.0),
    "traced, gradient": (lambda: sd.grad(lambda x: (x**2).sum()), (X,), 2 * X),
    "traced, element": (lambda: sd.function(lambda x, y: x[0] * y), (X, 3.0), 3.0),
    "compiled": (lambda: sd.grad("sum(x**2)").compile(fp="strict", opt=1), (X,), 2 * X),
    "settled later": (lambda: sd.function(sd.function("sum(x)"), shapes={"x": 3}), (np.stack([X, X]),), [7.0, 7.0]),
    "named later": (lambda: sd.function(sd.function("sum(x)"), shapes={"x": "n"}), (np.stack([X, X]),), [7.0, 7.0]),
}


@pytest.mark.parametrize(("make", "arguments", "wanted"), DEFERRED.values(), ids=DEFERRED)
def test_shapes_of_the_call(make, arguments, wanted):
    f = make()
    check(f(*arguments), wanted)
    check(f(*arguments), wanted)


def test_another_shape_is_another_specialization():
    f = sd.function("sum(x**2)")
    g = sd.grad(f)
    for shape in [(3,), (2, 2), (), (1,), (0,), (3,)]:
        x = np.full(shape, 2.0)
        assert f(x) == 4 * x.size
        check(g(x), np.full(shape, 4.0))
    assert isinstance(f(2.0), float)


def test_those_used_last_are_kept_as_memory_allows(monkeypatch):
    f = sd.function("f(x[n]) = sum(x)/n")
    sizes = range(1, 101)
    made = [f.specialize(np.zeros(n)) for n in sizes]
    assert [f.specialize(np.zeros(n)) for n in sizes] == made  # 64 was no limit
    each = made[0]._held_bytes()
    monkeypatch.setattr(specialize, "KEPT_BYTES", f._cases.table.bytes + each // 2)
    assert f.specialize(np.zeros(1)) is made[0]  # used again
    f.specialize(np.zeros(101))
    assert f.specialize(np.zeros(1)) is made[0]
    assert f.specialize(np.zeros(2)) is not made[1]
    assert f._cases.table.bytes <= specialize.KEPT_BYTES
    assert "MiB" in f.explain()


def test_what_is_compiled_weighs_more(monkeypatch):
    f = sd.function("f(x[n]) = sum(x)/n")
    f.specialize(np.zeros(300))
    before = f._cases.table.bytes
    f.specialize(np.zeros(300))(np.zeros(300))
    assert f._cases.table.bytes > before + 10_000  # its memory for code alone is pages
    monkeypatch.setattr(specialize, "KEPT_BYTES", 1)  # the last one is kept whatever it takes
    for n in 301, 302:
        f.specialize(np.zeros(n))
        assert len(f._cases.table) == 1


def test_derivatives_share_the_graph_of_a_specialization():
    f = sd.function("sum(sin(x))")
    g, h = sd.grad(f), sd.hessian(f)
    assert f.specialize(X).graph is g.specialize(X).graph is h.specialize(X).graph
    assert f.specialize(X).graph is not f.specialize(A).graph


def test_many_threads_make_one():
    made = []

    class Counting:
        def __init__(self, recipe):
            self.recipe = recipe

        def build(self, shapes):
            made.append(shapes)
            return self.recipe.build(shapes)

    f = sd.function("sum(x**2)")
    f._cases.recipe = Counting(f._cases.recipe)
    results, start = [], threading.Barrier(8)

    def call():
        start.wait()
        results.append(f(X))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == [21.0] * 8
    assert len(made) == 1


def test_nothing_keeps_a_dropped_function():
    f = sd.function("sum(x**2)")
    f(X)
    dropped = weakref.ref(f)
    del f
    gc.collect()
    assert dropped() is None


KNOWN_LATER = {
    "graph": lambda f: f.graph,
    "stats": lambda f: f.stats(),
    "ssa": lambda f: f.ssa(),
    "llvm": lambda f: f.llvm(),
    "llvm_ir": lambda f: f.llvm_ir(),
    "c": lambda f: f.c(),
    "python": lambda f: f.python(),
    "latex": lambda f: f.latex(),
    "dot": lambda f: f.dot(),
    "assembly": lambda f: f.assembly(),
    "types": lambda f: f.types,
    "expr": lambda f: f.expr,
    "outputs": lambda f: f.outputs,
    "address": lambda f: f.address,
    "ctypes": lambda f: f.ctypes,
    "kernel": lambda f: f.compile().kernel,
    "address of what is compiled": lambda f: f.compile().address,
}


@pytest.mark.parametrize("look", KNOWN_LATER.values(), ids=KNOWN_LATER)
def test_what_needs_shapes_says_how_to_declare_them(look):
    with pytest.raises(sd.ShapeError, match=r"shapes of W, x") as caught:
        look(sd.function("f(W, x) = sum(W @ x)"))
    assert 'shapes={"W": 3, "x": 3}' in str(caught.value)
    assert "f.specialize(W, x)" in str(caught.value)
    with pytest.raises(sd.ShapeError, match=r"sizes in A\[m, n\]") as caught:
        look(sd.grad(sd.function("f(A[m, n], t) = t*sum(A)"), "A"))
    assert "grad_f(A[3, 3], t) = …" in str(caught.value)


def test_specialize_gives_the_ordinary_function():
    f = sd.function("f(x[n]) = sum(x**2)/n")
    g = sd.grad(f).specialize(X)
    assert g._cases is None
    assert g.stats()["nodes"] > 0
    assert str(f.specialize(X)) == "f(x[3]) = sum(x**2)/3"
    check(g(np.stack([X, 2 * X])), np.stack([2 * X / 3, 4 * X / 3]))


def test_it_looks_like_a_function():
    f = sd.function("f(x[n], lambda_) = lambda_*sum(x)")
    assert isinstance(f, sd.Function)
    assert repr(f) == "<Function f(x[n], lambda_), shapes known at each call>"
    assert str(f) == "f(x[n], lambda_) = lambda_*sum(x)"
    assert str(inspect.signature(f)) == "(x, lambda_)"
    assert f.inputs == ("x", "lambda_")
    g = sd.grad(sd.function("q = 2*x\ng = sum(q**2)"))
    assert repr(g) == "<Function grad_g(x), shapes known at each call>"
    assert g.names == ("x", "q", "g")
    assert str(g).startswith("grad(f) of\nq = 2*x")
    assert repr(sd.derivative("t*sum(x)", "t", 2)) == "<Function d2_f(t, x), shapes known at each call>"
    assert isinstance(f.compile(), sd.CompiledFunction)
    assert repr(f.compile()) == "<CompiledFunction f(x[n], lambda_)>"
    assert f.compile().arguments == f.arguments
    assert str(inspect.signature(f.compile())) == "(x, lambda_)"
    assert not hasattr(f.compile(), "general")  # what one set of shapes has
    table = sd.function("f(x) = sum(x**2)").steps([1.0, 2.0])
    assert table[-1].value == 5.0


def test_keywords_and_options():
    f = sd.function("f(x, a) = a*x[::-1]")
    check(f(a=2.0, x=X), 2 * X[::-1])
    out = np.empty(3)
    assert f(X, 2.0, out=out) is out
    check(out, 2 * X[::-1])
    g = sd.function("sum(x)*y")
    check(g(y=2.0, x=X), 14.0)
    with pytest.raises(sd.CallError, match="nothing orders"):
        g(X, 2.0)
    with pytest.raises(sd.ArgumentError, match="nothing orders"):
        sd.grad(g)
    check(sd.grad(g, "x")(x=X, y=2.0), [2.0, 2.0, 2.0])


def test_inlining():
    f = sd.function("f(x) = sum(x**2)")
    x = sd.symbol("x", 3)
    assert str(f(x)) == "sum(x**2)"
    check(sd.function(f(2 * x))(X), 84.0)
    check(sd.function(sd.grad(f)(x))(X), 2 * X)
    named = sd.function("g(x[n], y[n]) = sum(x*y)/n")
    check(sd.function(named(x, x))(X), 7.0)
    with pytest.raises(sd.ShapeError, match="n is 3 in x"):
        named(x, sd.symbol("z", 2))
    with pytest.raises(sd.ShapeError, match=r"x\[3\]"):
        sd.function("f(x[3]) = sum(x)")(sd.symbol("z", 2))
    inside = sd.function(lambda x: f(x) + 1, ["x"])
    check(inside(X), 22.0)


PICKLED = {
    "deferred": lambda: sd.function("sum(x**2)"),
    "gradient": lambda: sd.grad("sum(x**2)"),
    "by a tuple": lambda: sd.grad("f(x) = sum(x**2)", ("x",)),
    "reordered": lambda: sd.function(sd.function("sum(x**2)"), ["x"], name="other"),
    "named": lambda: sd.function("f(x[n]) = sum(x)/n"),
    "shapes": lambda: sd.function("sum(x)/n", {"x": "n"}, name="mean"),
    "compiled": lambda: sd.hessian("sum(x**2)").compile(opt=1),
    "together": lambda: _together("sum(x**2)"),
    "a dict": lambda: sd.function({"a": "sum(x)", "b": ["x[0]", "x[1]"]}),
}


@pytest.mark.parametrize("make", PICKLED.values(), ids=PICKLED)
def test_stored(make, tmp_path):
    f = make()
    wanted = f(X)
    f.save(tmp_path / "f")
    for g in (pickle.loads(pickle.dumps(f)), copy.copy(f), copy.deepcopy(f), sd.load(tmp_path / "f")):
        assert repr(g) == repr(f)
        assert type(g) is type(f)
        check(g(X), wanted)


def test_python_code_is_not_stored():
    with pytest.raises(sd.StorageError, match="Python function"):
        pickle.dumps(sd.function(lambda x: x[0] + 1, ["x"]))


REFUSED = {
    "sizes differ": (
        lambda: sd.function("f(x[m], y[m]) = sum(x*y)")(X, X[:2]),
        sd.ShapeError,
        r"m is 3 in x\[m\] and 2 in y\[m\]",
    ),
    "sizes of one differ": (lambda: sd.function("f(A[n, n]) = sum(A)")(A), sd.ShapeError, r"n is 2 in A.* and 3 in A"),
    "too few axes": (lambda: sd.function("f(A[m, n]) = sum(A)")(X), sd.ShapeError, r"A\[m, n\] has shape \(m, n\)"),
    "a scalar": (lambda: sd.function("f(x[n]) = sum(x)")(1.0), sd.ShapeError, r"x\[n\] has shape \(n,\)"),
    "fixed size": (lambda: sd.function("f(A[n, 2]) = sum(A)")(A), sd.ShapeError, r"A\[2, 2\]|\(2, 3\)"),
    "input and size": (lambda: sd.function("f(n, x[n]) = sum(x)"), sd.SymdiffError, r"n is"),
    "not scalar": (lambda: sd.grad("f(x[n]) = 2*x"), sd.DifferentiationError, "gradient"),
    "not scalar, deferred": (lambda: sd.grad("2*x - sum(x)")(X), sd.DifferentiationError, "gradient"),
    "unknown wrt": (lambda: sd.grad("sum(x)", "z"), sd.UnknownNameError, "z is neither"),
    "unknown wrt, named": (lambda: sd.grad("f(x[n]) = sum(x)", "z"), sd.UnknownNameError, "z is neither"),
    "a set": (lambda: sd.grad("sum(x)", {"x"}), sd.ArgumentError, "set"),
    "empty wrt": (lambda: sd.grad("sum(x)", []), sd.ArgumentError, "empty"),
    "an order": (lambda: sd.derivative("t*sum(x)", "t", -1), sd.ArgumentError, "order"),
    "a mode": (lambda: sd.jacobian("2*x - sum(x)", mode="sideways"), sd.ArgumentError, "mode"),
    "unknown option": (lambda: sd.function("sum(x)").compile(level=3), TypeError, "level"),
    "unknown name": (lambda: sd.function("f(x) = sum(x) + z"), sd.UnknownNameError, "z"),
    "unknown name, named": (lambda: sd.function("f(x[n]) = sum(x) + z"), sd.UnknownNameError, "z"),
    "unknown function": (lambda: sd.function("f(x[n]) = summ(x)"), sd.UnknownNameError, "summ"),
    "ragged": (lambda: sd.function("sum(x)")([[1.0], [1.0, 2.0]]), sd.CallError, "x is not an array"),
    "complex": (lambda: sd.function("sum(x)")([1j]), sd.CallError, "x.* complex"),
    "text": (lambda: sd.function("f(x[n]) = sum(x)")(["a"]), sd.CallError, "x.*got a text"),
    "too many": (lambda: sd.function("sum(x)")(X, X), sd.CallError, "takes 1 argument"),
    "does not fit": (lambda: sd.function("f(W, x) = W @ x")(A, A), sd.ShapeError, r"\(2, 3\)"),
}


@pytest.mark.parametrize(("act", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(act, error, message):
    with pytest.raises(error, match=message):
        act()


MADE = {
    "deferred": lambda: sd.function("sum(x**2)"),
    "gradient": lambda: sd.grad("sum(x**2)"),
    "sizes": lambda: sd.function("f(x[n]) = sum(x**2)"),
    "compiled": lambda: sd.function("f(x[n]) = sum(x**2)").compile(),
    "traced": lambda: sd.function(lambda x: (x**2).sum(), ["x"]),
}


def _filled_tables():
    return sum(type(found) is specialize.CaseTable and len(found) > 0 for found in gc.get_objects())


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_what_was_made_for_shapes_goes_with_the_function(make):
    gc.collect()
    gc.disable()  # it counts objects, not the memory of native code
    try:
        before = _filled_tables()
        f = make()
        f(X)
        dropped = weakref.ref(f)
        assert _filled_tables() > before
        del f
        assert dropped() is None
        assert _filled_tables() == before
    finally:
        gc.enable()
