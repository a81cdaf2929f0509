"""Kernels of programs of tensors: operands in any strides, batches, exceptions, failures, memory."""

import ctypes
import gc
import sys
import threading
import warnings

import numpy as np
import pytest

import symdiff as sd
from symdiff.errors import SymdiffError
from symdiff.ops import core
from symdiff.optimize.planning.plan import Access, Buffer, Nest, Number, Plan, Reduce, Store
from tests.codegen.plans import apply, load, make_kernel


def two_steps(count, constants=()):
    """y = 2*x + c through a work buffer of the size of x, and the sum of y."""
    size = -(-8 * count // 64) * 64
    buffers = (Buffer("input", 0, "float64", (2, count)), Buffer("work", 0, "float64", (2, count)),
               Buffer("output", 0, "float64", (count, 2)), Buffer("output", 1, "float64", ()),
               Buffer("constant", 0, "float64", (count,)))  # fmt: skip
    double = Nest((2, count), (), (load(0, 0, (count, 1)), Number(2.0), apply("mul", 0, 1)),
                  (Store(2, Access(1, 0, (count, 1))),))  # fmt: skip
    shift = Nest((2, count), (), (load(1, 0, (count, 1)), load(4, 0, (0, 1)), apply("add", 0, 1)),
                 (Store(2, Access(2, 0, (1, 2))),))  # fmt: skip
    total = Nest((2 * count,), (0,), (load(2, 0, (1,)),), (Reduce(core.SUM, 0, Access(3, 0, (0,))),))
    return Plan(buffers, (double, shift, total), 2 * size, (constants,))


@pytest.mark.parametrize("count", [3, 2000], ids=["stack", "heap"])
def test_operands_in_any_strides(count):
    constants = np.arange(float(count))
    kernel = make_kernel(two_steps(count, constants))
    rng = np.random.default_rng(1)
    x = rng.normal(size=(4, 3, 2, count))
    wanted = np.swapaxes(2 * x + constants, -1, -2)
    for given in (x, np.asfortranarray(x), x[::-1][::-1], np.repeat(x, 2, -1)[..., ::2]):
        y, total = kernel.batch(given)
        np.testing.assert_array_equal(y, wanted)
        np.testing.assert_allclose(total, wanted.sum((-1, -2)))
    out = np.full((4, 3, 2 * count, 2), 7.0)
    kernel.batch(x, out=(out[:, :, ::2], None))
    np.testing.assert_array_equal(out[:, :, ::2], wanted)
    assert (out[:, :, 1::2] == 7).all()


def test_the_workspace_is_kept_from_call_to_call_and_freed_with_the_kernel():
    resource = pytest.importorskip("resource")
    if sys.platform != "linux":
        pytest.skip("reads the size of the process from /proc")

    def pages():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * resource.getpagesize()

    count = 1_000_000
    x = np.ones((2, count))
    constants = np.zeros(count)
    make_kernel(two_steps(count, constants)).ufunc(x)
    gc.collect()
    before = pages()
    for _ in range(5):
        kernel = make_kernel(two_steps(count, constants))
        for _ in range(3):
            kernel.ufunc(x)
    del kernel
    gc.collect()
    assert pages() - before < 16 * count


def test_calls_from_many_threads():
    count = 5000
    constants = np.arange(float(count))
    kernel = make_kernel(two_steps(count, constants))
    wrong = []

    def work(seed):
        x = np.random.default_rng(seed).normal(size=(2, count))
        for _ in range(50):
            if not np.array_equal(kernel.ufunc(x)[0], (2 * x + constants).T):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_ufunc_keeps_the_code_and_the_constants():
    ufunc = make_kernel(two_steps(3, np.arange(3.0))).ufunc
    gc.collect()
    np.testing.assert_array_equal(ufunc(np.zeros((2, 3)))[0], np.arange(3.0)[:, None] + np.zeros(2))


def divide():
    plan = Plan((Buffer("input", 0, "float64", (4,)), Buffer("output", 0, "float64", (4,))),
                (Nest((4,), (), (Number(1.0), load(0, 0, (1,)), apply("div", 0, 1)), (Store(2, Access(1, 0, (1,))),)),),
                0)  # fmt: skip
    return make_kernel(plan)


def test_errstate_rules_over_batches():
    kernel, x = divide(), np.array([[1.0, 2, 3, 4], [1.0, 0, 3, 4]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kernel.ufunc(x)
        kernel.batch(x[0])  # lanes that do not count divide by zero
        kernel.batch(np.array([1.0, np.nan, np.inf, 2]))
        with pytest.raises(RuntimeWarning, match="divide by zero"):
            kernel.batch(x)
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        kernel.batch(x)
    with np.errstate(all="ignore"):
        assert kernel.batch(x)[1, 1] == np.inf


def test_an_index_out_of_range_raises_and_says_where():
    f = sd.function("f(x[5], i[3]) = x[i]").compile()
    x = np.arange(5.0)
    np.testing.assert_array_equal(f(x, [4, -5, 0]), [4, 0, 0])
    with pytest.raises(SymdiffError, match=r"index 7 is out of range for axis 0 of x, which is of size 5"):
        f(x, [1, 7, 2])
    batch = np.zeros((3, 4, 3))
    batch[2, 1, 2] = -6
    with pytest.raises(SymdiffError, match=r"index -6 .* size 5, at batch point \(2, 1\)"):
        f(x, batch)
    with pytest.raises(SymdiffError, match=r"at batch point 1"):
        f(x, [[0, 0, 0], [0, np.nan, 0]])
    np.testing.assert_array_equal(f(x, [4, -5, 0]), [4, 0, 0])


@pytest.mark.parametrize("threads", [1, 3])
def test_failures_in_threads(threads):
    f = sd.function("f(x[5], i[3]) = x[i]*exp(x[0])").compile(threads=threads)
    index = np.zeros((20_000, 3))
    assert f(np.arange(5.0), index).shape == (20_000, 3)
    index[12_345, 1] = 5
    with pytest.raises(SymdiffError, match="index 5 is out of range"):
        f(np.arange(5.0), index)


LOOPS = [
    "f(x[30]) = cumsum(x)*prod(x)",
    "f(x[40,5]) = sum(exp(x)*sin(x), axis=0)",
    "f(x[5,6,17]) = sum(x*x, axis=(0,2))",
    "f(x[6,50]) = softmax(x, axis=1)",
    "f(x[40]) = concatenate([x[3:10], sin(x), x[::-2]])",
    "f(x[9,4]) = roll(x, 2, axis=0)*where(x > 1, x, exp(x))",
    "f(x[20], y[20]) = all(x < y)",
    "f(x, y) = sum(x*arange(1, 100) + y)",
]


@pytest.mark.parametrize("text", LOOPS)
def test_the_interpreter_gives_the_same_bits(text, monkeypatch):
    from symdiff.interpret import evaluate

    monkeypatch.setattr("symdiff.optimize.pipeline.MOST_UNROLLED", -1)
    f = sd.function(text, shapes=None if "[" in text else {"x": (), "y": ()})
    functions = [f] if "all" in text else [f, sd.jacobian(f)]
    rng = np.random.default_rng(1)
    values = [rng.uniform(0.2, 1.8, a.shape) for a in f.arguments]
    for function in functions:
        compiled = function.compile(math="scalar", fp="strict")
        leaves = dict(zip((function._name_table()[a.name] for a in f.arguments), values, strict=True))
        got = compiled(*values)
        wanted = evaluate(function.graph, function.nodes, leaves)
        for a, b in zip(got if isinstance(got, tuple) else (got,), wanted, strict=True):
            np.testing.assert_array_equal(a, b)


def test_statistics_and_text():
    f = sd.function("f(x[100000]) = sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)")
    gradient = sd.grad(f)
    stats = gradient.stats()
    assert (stats["kernels"], stats["blas_calls"], stats["workspace_bytes"]) == (1, 0, 0)
    product = sd.function("f(A[300,300], B[300,300]) = sum((A @ B)**2)")
    assert product.stats()["blas_calls"] == 1
    assert gradient.llvm_ir() == sd.grad(f).llvm_ir()
    assert "define i32 @k(" in gradient.llvm_ir()
    assert len(gradient.assembly()) > 1000


def test_the_plain_c_function():
    kernel = make_kernel(two_steps(2000, np.arange(2000.0)))
    call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(kernel.address)
    x, y, total = np.ones((2, 2000)), np.empty((2000, 2)), np.empty(1)
    given = (ctypes.c_void_p * 1)(x.ctypes.data)
    made = (ctypes.c_void_p * 2)(y.ctypes.data, total.ctypes.data)
    assert call(given, made, None) == 0
    np.testing.assert_array_equal(y, 2 + np.arange(2000.0)[:, None] + np.zeros(2))
    assert total[0] == y.sum()


def test_a_scalar_result_may_replace_a_scalar_operand(monkeypatch):
    monkeypatch.setattr("symdiff.optimize.pipeline.MOST_UNROLLED", -1)
    f = sd.function("f(x, y) = [sum(x*arange(1, 100)), y]", shapes={"x": (), "y": ()}).compile()
    x = np.linspace(0, 1, 50)
    np.testing.assert_array_equal(f(x, x)[:, 1], x)
    g = sd.function("g(x) = sum(x*arange(1, 100)) + x", shapes={"x": ()}).compile()
    wanted = g(x)
    np.testing.assert_array_equal(g(x, out=x), wanted)


def test_single_numbers(monkeypatch):
    monkeypatch.setattr("symdiff.optimize.pipeline.MOST_UNROLLED", -1)
    f = sd.function("f(x[37]) = sum(exp(x)*x)", dtype="float32")
    x = np.linspace(0, 1, 37, dtype=np.float32)
    value, slope = f(x), sd.grad(f)(x)
    assert slope.dtype == np.float32
    np.testing.assert_allclose(value, np.sum(np.exp(x) * x), rtol=1e-6)
    np.testing.assert_allclose(slope, np.exp(x) * (1 + x), rtol=1e-6)


def test_steps_that_differ_in_their_buffers_only_share_a_function():
    lines = ["h0 = tanh(x[0] @ U)", *(f"h{t} = tanh(x[{t}] @ U + h{t - 1} @ V)" for t in range(1, 12))]
    shapes = {"x": (12, 4, 30), "U": (30, 30), "V": (30, 30)}
    f = sd.function("\n".join([*lines, "sum(h11**2)"]), ["x", "U", "V"], shapes=shapes)
    g = sd.grad(f, ("U", "V"))
    assert g.stats()["kernels"] + g.stats()["blas_calls"] > 40
    assert g.llvm_ir().count("define internal i32 @t") < 20
    assert "load i64, ptr %b0n" in g.llvm_ir()  # where its buffers lie is looked up
    rng = np.random.default_rng(0)
    x, u, v = rng.standard_normal((12, 4, 30)), rng.standard_normal((30, 30)) / 6, rng.standard_normal((30, 30)) / 6
    h = np.tanh(x[0] @ u)
    for t in range(1, 12):
        h = np.tanh(x[t] @ u + h @ v)
    assert f(x, u, v) == pytest.approx((h**2).sum(), rel=1e-12)
    slope, step = g(x, u, v)[1], 1e-6
    for k in ((0, 0), (29, 3)):
        move = np.zeros((30, 30))
        move[k] = step
        assert slope[k] == pytest.approx((f(x, u, v + move) - f(x, u, v - move)) / (2 * step), rel=1e-5, abs=1e-6)


def test_a_step_that_is_like_no_other_knows_its_places():
    f = sd.function("f(x[2000], y[2000]) = sum(sort(x*y)*y)").compile()
    x, y = np.random.default_rng(0).normal(size=(2, 2000))
    assert f(x, y) == pytest.approx(np.sum(np.sort(x * y) * y), rel=1e-12)
    assert "load i64, ptr %b" not in f.kernel.llvm_ir()
    assert (f.kernel.opt, f.kernel.batch_opt) == (1, 1)


def test_numbers_that_compare_equal_are_not_shared():
    """0.0 and -0.0, in steps that are the same otherwise."""
    stores = [Nest((20,), (), (Number(value),), (Store(0, Access(k, 0, (1,))),)) for k, value in enumerate((0.0, -0.0))]
    plan = Plan(tuple(Buffer("output", k, "float64", (20,)) for k in range(2)), tuple(stores), 0)
    first, second = make_kernel(plan).ufunc()
    assert not np.signbit(first).any()
    assert np.signbit(second).all()


def plain(f, *arrays):
    """What the plain C function gives for whole arrays and one output of the same type, and its code."""
    result = np.zeros(f.general._types[0].shape)
    given = (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
    call = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(f.address)
    return call(given, (ctypes.c_void_p * 1)(result.ctypes.data), None), result


def test_the_plain_c_function_tells_by_its_result_alone(monkeypatch):
    from symdiff.native.code import failures

    f = sd.function("f(x[5000], i[3]) = x[i]*sum(x)").compile()
    failures.first = None
    x = np.ones(5000)
    assert plain(f, x, np.array([0.0, 5000, 1]))[0] == 2
    assert failures.first is None  # Python was not called
    code, result = plain(f, x, np.array([0.0, -1, 1]))
    assert code == 0
    np.testing.assert_array_equal(result, [5000.0] * 3)


BEYOND = [
    "f(x[2]) = sum(cumsum(broadcast_to(x, (2147483648, 1073741824, 2)), axis=0)**2)",
    "f(x[1073741824], y[1073741824]) = sum(cumsum(outer(x, y), axis=0)*cumsum(outer(x, y), axis=1))",
    "f(x[2]) = cumsum(broadcast_to(x, (2147483648, 1073741824, 2)), axis=1)",
    "f(x[1099511627776], y[1099511627776]) = sum(sin(outer(x, y)))",
]


@pytest.mark.parametrize("text", BEYOND)
def test_sizes_that_no_machine_counts_to(text):
    refused = pytest.raises(SymdiffError, match=r"more than memory can have|would never end")
    with sd.limits(elements=2**200, bytes=2**200, operations=2**200), refused:
        sd.function(text).compile()


def test_no_memory_for_the_workspace():
    with sd.limits(bytes=2**60):
        f = sd.function("f(x[1000000], y[1000000]) = sum(cumsum(outer(x, y), axis=0)**2)")
        with pytest.raises(SymdiffError, match="no memory for the workspace"):
            f(np.ones(10**6), np.ones(10**6))


LONG = {
    "a point": ("f(x[1000000]) = sum(sin(x)*exp(cos(x))*tanh(x)*log(2 + sin(x)))", (10**6,)),
    "a batch": ("f(x[100000]) = sum(sin(x)*exp(cos(x))*tanh(x)*log(2 + sin(x)))", (10, 100_000)),
}


@pytest.mark.parametrize(("text", "shape"), LONG.values(), ids=LONG)
def test_other_threads_run_meanwhile(text, shape):
    f, x = sd.function(text).compile(math="scalar", fp="strict"), np.ones(shape)
    f(x)
    done, ticks = threading.Event(), []

    def tick():
        while not done.wait(0.0005):
            ticks.append(1)

    other = threading.Thread(target=tick)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(30)  # nobody is made to give the lock away
    try:
        other.start()
        for _ in range(5):
            before = len(ticks)
            f(x)
            if len(ticks) > before + 3:
                break
        else:
            pytest.fail("no other thread ran")
    finally:
        done.set()
        sys.setswitchinterval(interval)
        other.join()
