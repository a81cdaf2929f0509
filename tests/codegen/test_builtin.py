"""The builtin around a kernel: results, refusals to the general path, reference counts, memory, errors."""

import ctypes
import gc
import inspect
import math
import struct
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import symdiff as sd
from symdiff.codegen import builtin, builtin_code, jit
from symdiff.codegen.builtin import make_builtin, write_record
from symdiff.codegen.builtin_code import FIELDS, LARGEST_FRAME_BYTES, LARGEST_OBJECTS, LARGEST_VALUES, write_builtin
from symdiff.native import calls, objects
from symdiff.trees import arrange
from tests.concurrency import run_together

pytestmark = pytest.mark.skipif(objects.python() is None, reason="this Python has no fast calls")


class General:
    """Remembers what it is called with."""

    def __init__(self):
        self.calls = []

    def __call__(self, *args, **keywords):
        self.calls.append((args, keywords))
        return "general"


def built(function, general=None, structure=None):
    kernel = function._default().kernel
    structure = function._structure if structure is None else structure
    return make_builtin(kernel, structure, function.__name__, "doc", general or General())


def bits(value):
    if isinstance(value, tuple):
        return tuple(map(bits, value))
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape, value.tobytes()
    return type(value), struct.pack("d", value) if type(value) is float else value


NAMES_100 = [f"x{k}" for k in range(100)]
FUNCTIONS = {
    "number": lambda: sd.function("f(x, y) = sin(x*y) + exp(-x**2)"),
    "condition": lambda: sd.function("f(x, y) = x > y"),
    "vector": lambda: sd.grad("f(x, y) = sin(x*y) + exp(-x**2)"),
    "matrix": lambda: sd.hessian("f(x, y) = sin(x*y) + exp(-x**2)"),
    "pair": lambda: sd.value_and_grad("f(x, y) = sin(x*y) + exp(-x**2)"),
    "nested": lambda: sd.hessian("f(x, y) = sin(x*y) + exp(-x**2)", ("x", "y")),
    "all": lambda: sd.function(
        ("x*y", sd.grad("f(x, y) = x*y**2"), "x > y", sd.hessian("f(x, y) = x**2*y")), ["x", "y"]
    ),
    "conditions": lambda: sd.function(["x > y", "x == y"], ["x", "y"]),
    "constant": lambda: sd.function("2", ["x", "y"]),
    "one": lambda: sd.function({"a": "x + y"}, ["x", "y"]),
    "many outputs": lambda: sd.function({f"y{k}": f"x*{k} - y" for k in range(70)}, ["x", "y"]),
    "some outputs": lambda: sd.function({f"y{k}": f"x*{k} > y" if k % 3 else f"x*{k}" for k in range(30)}, ["x", "y"]),
    "packed conditions": lambda: sd.function({f"y{k}": f"x > {k}*y" for k in range(70)}, ["x", "y"]),
}  # fmt: skip
POINTS = [(1.0, 2.0), (-0.0, 0.0), (math.nan, 1.0), (math.inf, -math.inf), (5e-324, 1.7e308), (3.0, 3.0)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_are_those_of_the_general_path(name):
    f = FUNCTIONS[name]()
    general = General()
    fast = built(f, general)
    assert fast is not None
    compiled = f._default()
    for point in POINTS:
        assert bits(fast(*point)) == bits(compiled.general(*point))
        assert bits(f(*point)) == bits(compiled.general(*point))
    assert not general.calls


@pytest.mark.parametrize("count", [0, 1, 3, 8, 100, 250])
def test_any_number_of_arguments(count):
    names = [f"x{k}" for k in range(count)]
    f = sd.function(" + ".join([*(f"{k + 1}*{n}" for k, n in enumerate(names)), "0.5"]), names)
    general = General()
    fast = built(f, general)
    values = [float(k) - 3 for k in range(count)]
    assert fast(*values) == f._default().general(*values)
    assert fast(*map(int, values)) == fast(*map(np.float64, values)) == fast(*values)
    assert not general.calls
    assert fast(*values, 1.0) == "general"
    if count:
        assert fast(*values[1:]) == "general"
        g = sd.grad(f, names)
        assert built(g)(*values).tolist() == [k + 1.0 for k in range(count)]


class Number(float):
    pass


class Whole(int):
    pass


FAST = [1.5, 0, -7, 2**53 + 1, 2**62 + 1, -(2**63), 2**63 - 1, np.float64(0.1), np.float64("nan"), -0.0]
SLOW = [True, 2**63, -(2**63) - 1, 10**400, Number(2.0), Whole(2), np.float32(0.1), np.int64(3), np.bool_(True), "1",
        None, 1j, [1.0], np.array(2.0), np.array([1.0, 2.0]), object(), float, sd.symbol("q")]  # fmt: skip


@pytest.mark.parametrize("value", FAST, ids=repr)
def test_exact_numbers_are_fast(value):
    f, general = sd.function("f(x, y) = x - y"), General()
    fast = built(f, general)
    for args in ((value, 1.0), (1.0, value), (value, value)):
        assert bits(fast(*args)) == bits(f._default().general(*args))
    assert not general.calls


@pytest.mark.parametrize("value", SLOW, ids=lambda v: "an object" if type(v) is object else repr(v)[:30])
def test_everything_else_goes_on_as_it_came(value):
    general = General()
    fast = built(sd.function("f(x, y) = x - y"), general)
    for args in ((value, 1.0), (1.0, value), (value, value)):
        assert fast(*args) == "general"
        assert all(a is b for a, b in zip(general.calls[-1][0], args, strict=True))
    assert len(general.calls) == 3


@pytest.mark.parametrize(("args", "keywords"), [
    ((), {}), ((1.0,), {}), ((1.0, 2.0, 3.0), {}), ((1.0,), {"y": 2.0}), ((), {"x": 1.0, "y": 2.0}),
    ((1.0, 2.0), {"out": None}), ((1.0, 2.0), {"z": 1}),
])  # fmt: skip
def test_other_calls_go_on_as_they_came(args, keywords):
    general = General()
    fast = built(sd.function("f(x, y) = x - y"), general)
    assert fast(*args, **keywords) == "general"
    assert general.calls == [(args, keywords)]
    nothing = {}
    assert fast(1.0, 2.0, **nothing) == -1.0


def test_an_error_of_the_general_path_comes_through():
    def general(*args):
        raise KeyError(args)

    fast = built(sd.function("f(x, y) = x - y"), general)
    with pytest.raises(KeyError) as error:
        fast(1.0)
    assert error.value.args == ((1.0,),)


def test_what_has_no_builtin():
    for f in (
        sd.function("f(x[2], y) = x[0]*y"),
        sd.function("f([a, b], y) = a*y"),
        sd.function("f(x) = x*2", dtype="float32"),
        sd.jacobian(sd.function("x*2", [[], "x"]), "x"),
        sd.function({f"y{k}": f"x + {k}" for k in range(LARGEST_OBJECTS)}, ["x"]),
        sd.function("+".join(f"x{k}" for k in range(300)), [f"x{k}" for k in range(300)]),
    ):
        assert built(f) is None
        assert "built-in" not in repr(f.__call__)
    assert sd.function({f"y{k}": f"x + {k}" for k in range(200)}, ["x"])(1.0) == tuple(1.0 + k for k in range(200))


@pytest.mark.parametrize("structure", [
    (0, 1), ((0, 1), 0), (0, (1, (0, 1)), (), 1), ((), (0,), ((1,), (1, 0))), (1, 1, 1, 0, 0),
], ids=repr)  # fmt: skip
def test_any_structure(structure):
    f = sd.function(("x*y", ["x", "2*y"]), ["x", "y"])
    fast = built(f, structure=structure)
    flat = f(3.0, 4.0)
    for _ in range(3):
        got = fast(3.0, 4.0)
        assert bits(got) == bits(arrange(structure, flat))
    # an output that is handed back twice is one object, as on the general path
    found = {}

    def walk(part, value):
        if isinstance(part, int):
            assert found.setdefault(part, value) is value
            return
        for p, v in zip(part, value, strict=True):
            walk(p, v)

    walk(structure, got)
    counts = [sys.getrefcount(v) for v in found.values()]
    uses = [repr(structure).count(str(k)) for k in found]
    del got
    assert [sys.getrefcount(v) for v in found.values()] == [c - u for c, u in zip(counts, uses, strict=True)]


def test_results_are_fresh_arrays_of_their_own():
    fast = built(sd.hessian("f(x, y) = x**2*y"))
    a, b = fast(1.0, 2.0), fast(2.0, 1.0)
    assert a.flags.owndata
    assert a.flags.c_contiguous
    assert a.flags.writeable
    assert a.flags.aligned
    assert a.base is None
    assert type(a) is np.ndarray
    assert not np.shares_memory(a, b)
    assert a.tolist() == [[4.0, 2.0], [2.0, 0.0]]
    assert b.tolist() == [[2.0, 4.0], [4.0, 0.0]]
    a.resize(5)


def test_reference_counts():
    x, y, n, s = 1.0e10, -2.0e-7, 2**40, np.float64(3.25)
    watched = [x, y, n, s, np.dtype(float), np.dtype(bool), np.ndarray, True, False, None, float]
    for name, make in FUNCTIONS.items():
        fast = built(make(), lambda *args: args)
        for _ in range(3):
            fast(x, y)
        before = [sys.getrefcount(w) for w in watched]
        for _ in range(10_000):
            fast(x, y)
            fast(n, s)
            fast(x)
        assert max(abs(sys.getrefcount(w) - b) for w, b in zip(watched, before, strict=True)) <= 5, name
        result, plain = fast(x, y), float("1.5")
        assert isinstance(result, bool) or sys.getrefcount(result) == sys.getrefcount(plain), name


def test_memory_stays_flat():
    import tracemalloc

    made = [built(make()) for make in FUNCTIONS.values()]
    for fast in made:
        fast(1.0, 2.0)
    gc.collect()
    tracemalloc.start()
    try:
        for rounds in (1, 5000):
            for fast in made:
                for _ in range(rounds):
                    fast(1.0, 2.0)
                    fast(1.5, 2)
            if rounds == 1:
                before = tracemalloc.get_traced_memory()[0]
        assert tracemalloc.get_traced_memory()[0] - before < 2000
    finally:
        tracemalloc.stop()


def test_what_a_builtin_shows():
    f = sd.function("f(x, y) = x*y")
    fast = f.compile().__call__
    assert type(fast) is type(len)
    assert fast.__name__ == "f"
    assert str(inspect.signature(fast)) == "(x, y)"
    assert fast.__doc__ == "The value."
    assert sd.function("λ*x", ["λ", "x"]).compile().__call__.__name__ == "f"


def test_a_builtin_outlives_its_function_and_kernel():
    f = sd.grad("f(x, y) = x**2*y")
    f(1.0, 2.0)
    fast, compiled = f.__call__, f._case.compiled.__call__
    del f
    gc.collect()
    for k in range(5):
        sd.function(f"f(x) = x*{k}")(1.0)
    assert fast(3.0, 2.0).tolist() == compiled(3.0, 2.0).tolist() == [12.0, 9.0]
    assert fast([3.0], 2.0).tolist() == [[12.0, 9.0]]
    assert compiled(x=3.0, y=2.0).tolist() == [12.0, 9.0]


def test_a_point_leaves_no_warning_behind():
    f = sd.function("f(x) = 1/x + log(x)")
    f(2.0)
    with np.errstate(all="raise"):
        assert math.isnan(f(-math.inf)) or True
        f(0.0)
        f(-1.0)
        assert (np.array([1.0, 2.0]) * 2.0).tolist() == [2.0, 4.0]
        assert np.float64(2.0) / np.float64(4.0) == 0.5
        assert f([1.0]).tolist() == [1.0]


class Fake:
    """A kernel whose loop is a Python function."""

    def __init__(self, real, loop):
        self.real = real
        self.layout, self.inputs, self.types = real.layout, real.inputs, real.types
        self.callback = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 4)(loop)
        self.loop = ctypes.cast(self.callback, ctypes.c_void_p).value


def test_no_workspace_is_a_memory_error():
    f = FUNCTIONS["all"]()
    fake = Fake(f._default().kernel, lambda *_: 1)
    fast = make_builtin(fake, f._structure, "f", "", General())
    before = sys.getrefcount(np.dtype(float))
    for _ in range(1000):
        with pytest.raises(MemoryError):
            fast(1.0, 2.0)
    assert abs(sys.getrefcount(np.dtype(float)) - before) < 5


def test_big_kernels_find_their_own_workspace():
    terms = " + ".join(f"sin(x*{k}.5)*cos(y + {k})" for k in range(3000))
    f = sd.grad(f"f(x, y) = {terms}")
    kernel = f._default().kernel
    assert kernel.statistics.pieces > 1
    assert bits(built(f)(0.1, 0.2)) == bits(f._default().general(0.1, 0.2))


NO_MEMORY = """
    import _testcapi, gc, sys
    import numpy as np
    import symdiff as sd
    matrix = sd.hessian("f(x, y) = x**2*y", ("x", "y"))
    both = sd.function(("x*y", sd.grad("f(x, y) = x*y**2"), "x > y", matrix), ["x", "y"])
    f, g = sd.function("f(x, y) = x*y"), sd.grad("f(x, y) = x*y")
    for h in (f, g, both):
        h(1.0, 2.0)
        fast = h.__call__
        args = 1.5, 2.5
        free = [[float(k) for k in range(500)], [(k,) for k in range(3000)], [(k, k, k, k) for k in range(3000)]]
        failed = 0
        before = sys.getrefcount(np.dtype(float))
        keep = []  # use up the free lists, so that memory is asked for
        for k in range(400):
            _testcapi.set_nomemory(k % 40, k % 40 + 1)
            try:
                keep.append(fast(*args))
            except MemoryError:
                failed += 1
            finally:
                _testcapi.remove_mem_hooks()
        arrays = sum(isinstance(p, np.ndarray) for r in keep for p in (r if isinstance(r, tuple) else (r,)))
        assert sys.getrefcount(np.dtype(float)) - before <= arrays + 2
        assert failed, h
        del keep
        gc.collect()
        assert abs(sys.getrefcount(np.dtype(float)) - before) <= 2
    print("fine")
"""


def test_out_of_memory_is_raised_at_every_step():
    pytest.importorskip("_testcapi")
    command = [sys.executable, "-c", textwrap.dedent(NO_MEMORY)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout == "fine\n", done.stderr


def test_many_threads():
    f = sd.value_and_grad("f(x, y) = sin(x*y) + exp(-x**2)")
    fast = built(f)
    want = {k: bits(f._default().general(k / 7, 2.0)) for k in range(64)}
    wrong = []

    def work(k):
        for _ in range(500):
            if bits(fast(k / 7, 2.0)) != want[k]:
                wrong.append(k)

    run_together(work, 64, interval=1e-6)
    assert not wrong


def test_the_code_is_well_formed_and_one_for_all():
    text, imports = write_builtin(objects.python())
    jit.parse_module(text)
    assert all(imports.values())
    assert "inttoptr" not in text  # no address of this process: the code may be kept on disk
    assert str(id(float)) not in text
    assert not any(name in text for name in calls.PYTHON_FUNCTIONS)
    assert builtin_code.builtin_code() is builtin_code.builtin_code()
    assert LARGEST_FRAME_BYTES <= 4096


def test_records_that_do_not_fit_are_refused():
    f = sd.function(("x", "y"), ["x", "y"])
    kernel = f._default().kernel
    assert write_record(kernel, (0, 1))[FIELDS.index("arity")] == 2
    assert {w for w in write_record(kernel, (0, 1)) if type(w) is str} <= {calls.LOOP_ADDRESS, *calls.OBJECTS}
    assert write_record(kernel, 0) is None  # an output that nobody gets
    assert write_record(kernel, (0, 1, *[()] * LARGEST_OBJECTS)) is None
    assert LARGEST_VALUES == 8 * 256


@pytest.mark.parametrize("change", [
    lambda m: m.setattr(sys.implementation, "name", "other"),
    lambda m: m.setattr(objects, "_word", lambda thing, offset: 0),
    lambda m: m.setattr(objects, "_double", lambda thing, offset: 1.0),
    lambda m: m.setattr(calls, "array_slot", lambda slot: None),
    lambda m: m.setattr(sys, "_is_gil_enabled", lambda: False, raising=False),
    lambda m: m.setattr(sys, "version", "3.14 free-threading build"),
    lambda m: m.setattr(calls, "PYTHON_FUNCTIONS", (*calls.PYTHON_FUNCTIONS, "PyNo_SuchFunction")),
])  # fmt: skip
def test_where_anything_is_unknown_the_general_path_stays(monkeypatch, change):
    objects.python.cache_clear()
    builtin_code.builtin_code.cache_clear()
    try:
        change(monkeypatch)
        assert objects.python() is None
        assert builtin_code.builtin_code() is None
        f = sd.grad("f(x, y) = x**2*y")
        assert f(3.0, 2.0).tolist() == [12.0, 9.0]
        assert type(f.__call__) is not type(len)
        assert f._default()(3, 2).tolist() == [12.0, 9.0]
        with pytest.raises(sd.CallError):
            f(1.0)
    finally:
        monkeypatch.undo()
        objects.python.cache_clear()
        builtin_code.builtin_code.cache_clear()
    assert type(sd.function("f(x) = x").compile().__call__) is type(len)
    assert builtin.builtin_code is builtin_code.builtin_code
