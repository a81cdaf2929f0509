"""Functions from outside: C functions by address, Python functions, their derivatives, errors and threads."""

import copy
import ctypes
import ctypes.util
import math
import pickle
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest

import symdiff as sd
from symdiff.display.code import python_source
from symdiff.errors import ArgumentError, DifferentiationError, ParseError, StorageError
from symdiff.frontend.calls import PROCESS
from symdiff.interpret import evaluate
from tests.functions.outside_functions import product

LIBM = ctypes.CDLL(ctypes.util.find_library("m"))
UNARY = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
ERF, EXP = UNARY(("erf", LIBM)), UNARY(("exp", LIBM))
ADDRESS = ctypes.cast(LIBM.sin, ctypes.c_void_p).value


@pytest.fixture(scope="module", autouse=True)
def _definitions():
    """The functions of these tests, gone after them."""
    kept = PROCESS.known
    sd.define("u_erf(x)", call=ERF, partials="2/sqrt(pi)*exp(-x**2)")
    sd.define("u_exp(x)", call=EXP, partials="u_exp(x)")
    sd.define("u_sin(x)", call=ADDRESS, partials=LIBM.cos)
    sd.define("u_hypot(a, b)", call=LIBM.hypot, partials={"a": "a/y", "b": "b/y"})
    sd.define("u_fma(a, b, c)", call=LIBM.fma, partials={"a": "b", "b": "a", "c": "1"})
    sd.define("u_product(x, y)", call=product, partials={"x": "y", "y": "x"})
    sd.define("u_adjoint(y, g)", call=lambda y, g: y * g, backward={"y": "adjoint*g", "g": "adjoint*y"})
    sd.define("u_four(a, b, c, d)", call=lambda a, b, c, d: a * b + c * d,
              partials={"a": "b", "b": "a", "c": "d", "d": "c"})  # fmt: skip
    sd.define("u_bare(x)", call=LIBM.tanh)
    yield
    PROCESS.known = kept


SAME = {
    "erf": ("u_erf(x*b)", "erf(x*b)"),
    "its own derivative": ("u_exp(x)*b", "exp(x)*b"),
    "two operands": ("u_hypot(x, b + 1)", "hypot(x, b + 1)"),
    "three operands": ("u_fma(x, b, x*b)", "2*x*b"),
    "Python": ("u_product(x**2, b)*x", "x**3*b"),
    "operands y and g": ("u_adjoint(x, b)**2", "(x*b)**2"),
    "four operands": ("u_four(x, b, x**2, x)", "x*b + x**3"),
    "of each other": ("u_erf(u_product(u_exp(x), b))", "erf(exp(x)*b)"),
}
X, B = np.array([0.3, 0.7, 1.2, -0.4]), np.array([0.5, 2.0, -0.4, 1.1])


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("transform", [lambda f: f, sd.grad, sd.hessian, sd.jacobian], ids=["f", "grad", "hess", "jac"])
def test_numbers_and_batches(name, transform):
    ours, theirs = (transform(sd.function(text, ["x", "b"])) for text in SAME[name])
    for point in zip(X, B, strict=True):
        np.testing.assert_allclose(ours(*map(float, point)), theirs(*map(float, point)), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(ours(X, B), theirs(X, B), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(ours(X[:, None], B), theirs(X[:, None], B), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("size", [3, 40])
def test_arrays(name, size):
    x, b = np.linspace(-0.9, 1.1, size), np.linspace(0.5, -0.4, size)
    ours, theirs = (sd.function(f"sum({t})", ["x", "b"], shapes={"x": size, "b": size}) for t in SAME[name])
    for transform in (lambda f: f, lambda f: sd.grad(f, "x"), lambda f: sd.hessian(f, "x"), lambda f: sd.hvp(f, "x")):
        more = () if transform(theirs).inputs == ("x", "b") else (x,)
        got, wanted = transform(ours)(x, b, *more), transform(theirs)(x, b, *more)
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-14)
    many = np.stack([x, 2 * x, x - 0.2])
    np.testing.assert_allclose(sd.vmap(ours, (0, None))(many, b), sd.vmap(theirs, (0, None))(many, b), rtol=1e-12)


def test_open_sizes():
    f, g = sd.function("f(x[n]) = sum(u_erf(x)*u_product(x**2, 2))"), sd.function("f(x[n]) = sum(erf(x)*x**2*2)")
    for size in (3, 20, 700):
        x = np.linspace(-1, 1, size)
        assert f(x) == pytest.approx(g(x), rel=1e-12)
        np.testing.assert_allclose(sd.grad(f)(x), sd.grad(g)(x), rtol=1e-12)


@pytest.mark.parametrize("text", [ours for ours, _ in SAME.values()])
def test_the_interpreter_has_the_bits_of_native_code(text):
    f = sd.function(text, ["x", "b"])
    nodes = [dict(zip(f.names, [f.graph.input(n) for n in f.names], strict=True))[n] for n in ("x", "b")]
    for point in zip(X, B, strict=True):
        (value,) = evaluate(f.graph, f.nodes, dict(zip(nodes, point, strict=True)))
        assert f.compile(fp="strict")(*map(float, point)) == value
    (many,) = evaluate(f.graph, f.nodes, dict(zip(nodes, (X, B), strict=True)))
    np.testing.assert_array_equal(f.compile(fp="strict")(X, B), many)


def test_it_is_a_python_function_too():
    exp = sd.define("u_exp2(x)", call=LIBM.exp2)
    assert exp(3.0) == 8.0
    np.testing.assert_array_equal(exp([0.0, 1.0]), [1.0, 2.0])
    assert str(exp(sd.symbols("t"))) == "u_exp2(t)"
    assert exp.__doc__ == "Defined by its user: u_exp2(x)"


def test_numbers_of_32_bits_are_computed_in_double_and_rounded():
    f = sd.function("u_erf(x)", dtype="float32")
    x = np.linspace(-1, 1, 7, dtype=np.float32)
    np.testing.assert_array_equal(f(x), np.array([math.erf(float(v)) for v in x], np.float32))


# Derivatives


def test_without_partials_there_is_no_derivative():
    f = sd.function("x*u_bare(x)")
    assert f(0.5) == 0.5 * math.tanh(0.5)
    for transform in (sd.grad, sd.hessian, sd.jacobian, lambda f: sd.jvp(f, "x"), lambda f: sd.derivative(f, "x", 3)):
        with pytest.raises(DifferentiationError, match="u_bare has no derivative by x here") as caught:
            transform(f)
        assert 'partials={"x": "…"}' in str(caught.value)
    assert sd.grad("u_bare(2)*x")(3.0) == math.tanh(2)  # it does not depend on x


def test_functions_as_partials():
    sd.define("u_slopes(x, y)", call=lambda x, y: x * x * y, partials={"x": lambda x, y: 2 * x * y, "y": "x**2"})
    f = sd.function("u_slopes(x, y)", ["x", "y"])
    np.testing.assert_array_equal(sd.grad(f)(3.0, 2.0), [12.0, 9.0])
    with pytest.raises(DifferentiationError, match="u_slopes_by_x has no derivative by x"):
        sd.hessian(f)
    plain = sd.define("u_text(x) = sin(x)", partials=LIBM.cos)
    assert plain(0.5) == math.sin(0.5)
    assert sd.grad("u_text(x)")(0.5) == math.cos(0.5)


# Python functions


def calls(error):
    def function(x):
        if x > 1:
            raise error
        return 2 * x

    return function


@pytest.mark.parametrize("error", [ValueError("too large"), KeyboardInterrupt(), SystemExit(3), StopIteration()])
def test_what_a_python_function_raises_comes_out(error):
    space = sd.Namespace()
    space.define("u_raises(x)", call=calls(error), partials="2")
    f = sd.function("u_raises(x) + 1", namespace=space)
    batch = np.linspace(0, 2, 2001)
    total = sd.function("sum(u_raises(x) + 1)", shapes={"x": 60}, namespace=space)
    for compiled in (f, f.compile(fp="strict"), f.compile(opt=2, threads=2)):
        assert compiled(0.5) == 2.0
        for point in (2.0, batch, [3.0]):
            with pytest.raises(type(error)) as caught:
                compiled(point)
            assert caught.value is error
        assert compiled(0.5) == 2.0
    with pytest.raises(type(error)):
        total(np.full(60, 2.0))
    assert total(np.zeros(60)) == 60.0
    with pytest.raises(type(error)):
        evaluate(f.graph, f.nodes, {f.graph.input("x"): 2.0})


def test_it_is_called_no_more_after_an_error():
    seen = []

    def function(x):
        seen.append(x)
        raise RuntimeError(len(seen))

    space = sd.Namespace()
    space.define("u_once(x)", call=function)
    f = sd.function("u_once(x)", namespace=space)
    with pytest.raises(RuntimeError, match=r"^1$"):
        f(np.linspace(0, 1, 1000))
    assert len(seen) == 1


def test_it_may_call_functions_of_ours_that_fail():
    space = sd.Namespace()
    space.define("u_inner(x)", call=calls(ValueError("inner")))
    inner = sd.function("u_inner(x)", namespace=space)

    def outer(x):
        try:
            return inner(x)
        except ValueError:
            return -1.0

    space.define("u_outer(x)", call=outer)
    f = sd.function("u_outer(x) + u_inner(y)", ["x", "y"], namespace=space)
    assert f(5.0, 0.5) == 0.0
    np.testing.assert_array_equal(f([5.0, 0.5], 0.5), [0.0, 2.0])
    with pytest.raises(ValueError, match="inner"):
        f(5.0, 5.0)


@pytest.mark.parametrize("wrong", ["text", None, 1j, [1.0, 2.0]])
def test_what_is_no_number(wrong):
    space = sd.Namespace()
    space.define("u_wrong(x)", call=lambda x: wrong)
    f = sd.function("u_wrong(x)", namespace=space)
    for call in (lambda: f(1.0), lambda: f(np.ones(5))):
        with pytest.raises((TypeError, ValueError)):
            call()


def test_results_of_many_kinds():
    for result in (3, True, np.float32(1.5), np.int64(4), np.array(2.5)):
        space = sd.Namespace()
        space.define("u_kind(x)", call=lambda x, result=result: result)
        assert sd.function("u_kind(x) + 0.5", namespace=space)(1.0) == float(result) + 0.5


@pytest.mark.parametrize("threads", [1, 4])
def test_threads(threads):
    f = sd.function("u_product(x**2, b) + u_erf(x)", ["x", "b"]).compile(threads=threads)
    x = np.linspace(0, 1, 30_000)
    wanted = x**2 * 0.5 + sd.function("erf(x)")(x)
    results = {}

    def work(k):
        results[k] = f(x, 0.5), [f(float(v), 0.5) for v in x[:50]]

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert len(results) == 4
    for many, few in results.values():
        np.testing.assert_allclose(many, wanted, rtol=1e-14)
        np.testing.assert_allclose(few, wanted[:50], rtol=1e-14)


def test_errors_in_threads_stay_there():
    f = sd.function("u_product(x, b)", ["x", "b"])
    failed, right = [], []

    def work(sign):
        for _ in range(100):
            try:
                right.append(f(sign * 2.0, 1.0))
            except ArithmeticError:
                failed.append(sign)

    workers = [threading.Thread(target=work, args=(s,)) for s in (1, -1, 1, -1)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert failed == [-1] * 200
    assert right == [2.0] * 200


def test_c_functions_are_called_without_the_lock():
    """Two threads are in one at the same time: what it does takes the lock, and gives it away."""
    program = """
import ctypes, threading
import symdiff as sd
kind = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
meeting = threading.Barrier(2)
sd.define("waits(x)", call=kind(lambda x: float(meeting.wait(20) >= 0) * x))
f = sd.function("waits(x) + 1")
for call in (lambda: f(2.0), lambda: float(f([2.0])[0]), lambda: float(sd.function("sum(waits(x))")([3.0]))):
    results = []
    workers = [threading.Thread(target=lambda: results.append(call())) for _ in range(2)]
    [w.start() for w in workers]
    [w.join(30) for w in workers]
    print(results)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.stdout == 3 * "[3.0, 3.0]\n", done.stderr


def test_c_code_that_calls_a_kernel_gets_nan(monkeypatch):
    """There is nobody to raise it to: Python's hook for that is told."""
    integrate = pytest.importorskip("scipy.integrate").quad
    f = sd.function("u_product(x, 2)")
    assert integrate(f.low_level_callable(), 0, 1)[0] == pytest.approx(1.0)
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: told.append(what.exc_value))
    with warnings.catch_warnings(action="ignore"):  # about what it cannot integrate
        assert math.isnan(integrate(f.low_level_callable(), -1, 0)[0])
    assert told
    assert all(isinstance(error, ArithmeticError) for error in told)


# What is refused


@pytest.mark.parametrize(
    ("header", "options", "message"),
    [
        ("u_x(x)", {"call": 0}, "0 is no address"),
        ("u_x(x)", {"call": -5}, "-5 is no address"),
        ("u_x(x)", {"call": 2**70}, "is no address"),
        ("u_x(x)", {"call": "cos"}, "call of u_x is 'cos'"),
        ("u_x(x)", {"call": 1.5}, "call of u_x is 1.5"),
        ("u_x(x)", {"call": True}, "call of u_x is True"),
        ("u_x(x, y)", {"call": EXP, "partials": {"x": "1", "y": "1"}}, r"operands \(c_double\)"),
        ("u_x(x)", {"call": ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_double)(("exp", LIBM))}, "does not give a double"),
        ("u_x(x)", {"call": ctypes.pythonapi.PyFloat_FromDouble}, "holds Python's lock"),
        ("u_x(x)", {"call": lambda x, y: x}, "u_x is called with 1 operand"),
        ("u_x(x) = x", {"call": EXP}, "a header alone"),
        ("u_x", {"call": EXP}, "has a header"),
        ("sin(x)", {"call": EXP}, "sin is a function of the language"),
        ("u_x(x)", {"call": EXP, "partials": {"x": 1.5}}, "call of u_x_by_x is 1.5"),
        ("u_x(x)", {"call": EXP, "partials": {"z": "1"}}, "partials takes"),
        ("u_x(x)", {"call": EXP, "partials": "nowhere(x)"}, "no function called nowhere"),
        ("u_x(x)", {"call": EXP, "partials": "q"}, "q is none of its operands"),
        ("u_x(x)", {"call": EXP, "partials": "x +"}, "."),
        ("u_x(x)", {"call": EXP, "backward": {"x": EXP}}, r"double u_x_back_x\(double, double, double\)"),
        ("u_x(x, y)", {"call": LIBM.pow, "backward": LIBM.pow}, "backward takes a text or a function for each operand"),
        ("u_x(x)", {"call": EXP, "partials": "1", "backward": "g"}, "not both"),
    ],
)
def test_refusals(header, options, message):
    with pytest.raises((ArgumentError, ParseError), match=message):
        sd.define(header, **options)
    assert "u_x" not in PROCESS.known


class LikeNumba:
    """What `numba.cfunc` gives, as far as it is looked at."""

    def __init__(self, *args):
        self.address = ADDRESS
        self._sig = type("Signature", (), {"args": args})


def test_what_has_an_address():
    sd.define("u_like(x)", call=LikeNumba("float64"))
    assert sd.function("u_like(x)")(0.5) == math.sin(0.5)
    with pytest.raises(ArgumentError, match=r"operands \(int64\)"):
        sd.define("u_unlike(x)", call=LikeNumba("int64"))


def test_functions_of_ours_are_python_functions():
    ours = sd.function("f(x) = x**2 + 1").compile()
    sd.define("u_ours(x)", call=ours, partials="2*x")
    assert sd.function("u_ours(x) + 1")(3.0) == 11.0


# Printed, saved, replaced


def test_printing():
    f = sd.function("f(x, b) = u_hypot(x, b)*u_erf(x)")
    assert str(f) == "f(x, b) = u_hypot(x, b)*u_erf(x)"
    assert sd.function(str(f))(0.3, 0.4) == f(0.3, 0.4)
    assert "u" in f._repr_latex_()
    assert "u_hypot" in f.ssa()
    scope = {"u_hypot": math.hypot, "u_erf": math.erf}
    exec(python_source(f.graph, "f", f.arguments, f.nodes[0]), scope)
    assert scope["f"](0.3, 0.4) == f(0.3, 0.4)
    np.testing.assert_allclose(scope["f"](X, B), f(X, B), rtol=1e-14)


def test_pickles_refer_to_python_functions_by_name(tmp_path):
    f = sd.value_and_grad(sd.function("u_product(x**2, b)", ["x", "b"]))
    for g in (pickle.loads(pickle.dumps(f)), copy.deepcopy(f), pickle.loads(pickle.dumps(f.compile()))):
        assert g(3.0, 2.0)[0] == f(3.0, 2.0)[0] == 18.0
        with pytest.raises(ArithmeticError):
            sd.function("u_product(x, 1)")(-1.0)
    program = f"import pickle; print(pickle.loads({pickle.dumps(f)!r})(3.0, 2.0)[0])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.stdout == "18.0\n", done.stderr
    with pytest.raises(StorageError, match="u_product") as caught:
        f.save(tmp_path / "f")
    assert "pickle it" in str(caught.value)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(sd.function("u_adjoint(x, 2)"))


def test_addresses_are_not_saved(tmp_path):
    for f in (sd.function("u_erf(x)"), sd.function("sum(u_erf(x))"), sd.grad("u_exp(x)", "x")):
        for store in (lambda f: f.save(tmp_path / "f"), pickle.dumps):
            with pytest.raises(StorageError, match="C function at an address of this process"):
                store(f)
        assert copy.deepcopy(f)(0.5) == f(0.5)


def test_recipes_are_pickled(tmp_path):
    f = sd.function("sum(u_product(x, 2))")
    x = np.array([1.0, 2.0])
    assert pickle.loads(pickle.dumps(f))(x) == f(x) == 6.0


AGAIN = """
for k in (2, 3):
    space.define(f"again(x) = {k}*x")
for k in (2, 3):
    space.define("called(x)", call=lambda x, k=k: k*x)
"""


def test_the_same_line_may_define_again():
    space = sd.Namespace()
    exec(compile(AGAIN, "cell.py", "exec"), {"space": space})
    assert sd.function("again(x) + called(x)", namespace=space)(1.0) == 6.0
    exec(compile(AGAIN, "cell.py", "exec"), {"space": space})
    with pytest.raises(ArgumentError, match="again is defined already"):
        exec(compile("\n" + AGAIN, "cell.py", "exec"), {"space": space})
    with pytest.raises(ArgumentError, match="called is defined already"):
        exec(compile('space.define("called(x)", call=lambda x: x)', "other.py", "exec"), {"space": space})


@pytest.mark.parametrize("file", ["<stdin>", "<python-input-%d>", "<ipython-input-%d-ab>", "/tmp/ipykernel_9/%d.py"])
def test_a_prompt_and_a_notebook_are_one_place(file):
    space = sd.Namespace()
    for k in (2, 3):
        name = file % k if "%" in file else file
        exec(compile(f'\nspace.define("cell(x) = {k}*x")', name, "exec"), {"space": space})
    assert sd.function("cell(x)", namespace=space)(1.0) == 3.0


def test_functions_that_define_do_not_replace():
    """A helper that several libraries call would let them replace each other's."""
    space = sd.Namespace()

    def define(text):
        space.define(text)

    define("helped(x) = x")
    define("helped(x) = x")
    with pytest.raises(ArgumentError, match="helped is defined already"):
        define("helped(x) = 2*x")


def test_functions_keep_the_definition_that_they_were_made_with():
    space = sd.Namespace()
    space.define("kept(x)", call=lambda x: x + 1)
    f = sd.function("kept(x)", namespace=space)
    space.define("kept(x)", call=lambda x: x + 2, replace=True)
    assert (f(0.0), sd.function("kept(x)", namespace=space)(0.0)) == (1.0, 2.0)


def test_derivatives_are_compared_with_differences():
    assert sd.check_grad("u_erf(x)*u_product(x, 2)", 0.7).ok
    space = sd.Namespace()
    space.define("u_slip(x)", call=ERF, partials="exp(-x**2)")
    assert not sd.check_grad(sd.function("u_slip(x)", namespace=space), 0.7).ok
