"""Machine code in saved functions: the same bits without LLVM, the formula when it is asked for, and doubt compiles."""

import copy
import hashlib
import itertools
import json
import os
import pickle
import platform
import subprocess
import sys

import numpy as np
import pytest

import symdiff as sd
from symdiff.codegen import jit
from symdiff.codegen.builtin_code import FIELDS
from symdiff.codegen.kept_targets import kept_target, level_features
from symdiff.functions import container, loading, storage
from symdiff.native import kept
from symdiff.native.code import can_map

pytestmark = pytest.mark.skipif(not can_map(), reason="machine code is kept on Linux only")

RNG = np.random.default_rng(5)
A = RNG.normal(size=(5, 5)) + 5 * np.eye(5)
WEIGHTS = np.linspace(0, 1, 300)
MANY = [f"x{k}" for k in range(40)]


def network(p):
    return np.sum(p["w"] @ p["b"])


# What is saved, and points
FUNCTIONS = {
    "scalars": (lambda: sd.grad("x**2*y + sin(x*y)", ["x", "y"]), [(1.5, -2.0), (0.0, 3.0)]),
    "one number": (lambda: sd.function("f(x) = gamma(x) + erfcx(x) + j0(x)"), [(1.5,), (0.2,)]),
    "results of many kinds": (
        lambda: sd.function(("x > y", "[x, y]", "x*y"), {"x": (), "y": ()}),
        [(1.0, 2.0), (3.0, 2.0)],
    ),
    "more scalars than a ufunc takes": (
        lambda: sd.grad(" + ".join(f"exp({a})*{b}" for a, b in itertools.pairwise(MANY)), MANY),
        [tuple(RNG.normal(size=40))],
    ),
    "float32": (lambda: sd.function("f(x, y) = x*exp(y)", dtype="float32"), [(1.5, 0.25)]),
    "a pack": (lambda: sd.hessian(sd.function("a**2*b + b*c", [["a", "b", "c"]])), [([1.0, 2.0, 3.0],)]),
    "arrays": (lambda: sd.value_and_grad("f(A[5, 5], b[5]) = sum(tanh(A @ b)**2) + 3", "b"), [(A, A[0])]),
    "factors": (lambda: sd.grad("f(A[5, 5]) = logdet(A) + sum(inv(A))"), [(A,)]),
    "constant arrays": (lambda: sd.function(lambda x: WEIGHTS @ x, {"x": (300,)}), [(WEIGHTS**2,)]),
    "an index": (lambda: sd.function("f(x[5], k) = x[k]*2").specialize(A[0], 3.0), [(A[0], 3.0)]),
    "a tree": (
        lambda: sd.grad(sd.function(network, {"p": {"w": (3, 4), "b": (4,)}})),
        [({"w": A[:3, :4], "b": A[0, :4]},)],
    ),
    "compiled": (lambda: sd.grad("f(x, y) = x*exp(x*y)").compile(opt=2, fp="strict"), [(1.5, 0.25)]),
    "compiled arrays": (lambda: sd.grad("f(x[50]) = sum(sin(x)**3)").compile(math="scalar"), [(np.arange(50.0),)]),
}


def same(a, b):
    """Bits and types."""
    if isinstance(a, tuple | list):
        return type(a) is type(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return type(a) is type(b) and np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True)


@pytest.fixture(params=FUNCTIONS)
def saved(request, tmp_path):
    make, points = FUNCTIONS[request.param]
    path = tmp_path / "f.sd"
    function = make()
    function.save(path, code=True)
    return function, points, path


def test_calls_have_the_same_bits(saved):
    function, points, path = saved
    for code in (True, False):
        loaded = sd.load(path, code=code)
        assert type(loaded) is type(function)
        for point in points:
            assert same(loaded(*point), function(*point))


def test_the_formula_is_there_when_it_is_asked_for(saved):
    function, points, path = saved
    loaded = sd.load(path, code=True)
    source = loaded if isinstance(loaded, sd.Function) else loaded.origin[0]
    plain = sd.load(path)
    origin = plain if isinstance(plain, sd.Function) else plain.origin[0]
    assert str(source) == str(origin)
    assert repr(source) == repr(origin)
    assert source.ssa() == origin.ssa()
    assert source.graph.limits is None
    batch = [np.stack([np.asarray(p, float)] * 3) if not isinstance(p, dict) else None for p in points[0]]
    if all(p is not None for p in batch):
        assert same(loaded(*batch), function(*batch))
    assert same(pickle.loads(pickle.dumps(loaded))(*points[0]), function(*points[0]))
    assert same(copy.copy(loaded)(*points[0]), function(*points[0]))


def test_derivatives_of_a_loaded_function(tmp_path):
    path = tmp_path / "f.sd"
    sd.function("f(x, y) = x**3*y").save(path, code=True)
    loaded = sd.load(path, code=True)
    assert loaded(2.0, 3.0) == 24.0
    assert sd.grad(loaded)(2.0, 3.0).tolist() == [36.0, 8.0]
    assert loaded(y=3.0, x=2.0) == 24.0
    assert str(loaded(sd.symbols("a b")[0], 2.0)) == "a**3*2" or str(loaded(sd.symbols("a b")[0], 2.0)) == "2*a**3"


def test_a_sparse_function_keeps_its_code(tmp_path):
    path = tmp_path / "f.sd"
    function = sd.sparse_jacobian("f(x[6]) = x[1:]*x[:-1]")
    function.save(path, code=True)
    x = np.arange(6.0)
    assert (sd.load(path, code=True)(x) != function(x)).nnz == 0


def test_llvm_is_not_loaded(tmp_path):
    paths = []
    for name in ("scalars", "arrays", "more scalars than a ufunc takes"):
        paths.append(str(tmp_path / f"{name}.sd"))
        FUNCTIONS[name][0]().save(paths[-1], code=True)
    program = f"""
import sys, numpy as np, symdiff as sd
rng = np.random.default_rng(5)
A = rng.normal(size=(5, 5)) + 5*np.eye(5)
for path, point in zip({paths!r}, [(1.5, -2.0), (A, A[0]), (0.5,)*40]):
    sd.load(path, code=True)(*point)
print(sorted(m for m in sys.modules if m.startswith("llvmlite"))[:1])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


LOADED = """
import sys, numpy as np, symdiff as sd
loaded = set(sys.modules)
sd.load({path!r}, code=True)(*[np.array(x) if type(x) is list else x for x in {point!r}])
print(sorted(m for m in set(sys.modules) - loaded if m.startswith("symdiff")))
"""


BY_ALL_RULES = {"one number", "arrays", "factors", "constant arrays", "a tree", "float32"}
"""Functions that call SciPy, one whose arguments are taken apart, and one that numbers are converted for."""


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in BY_ALL_RULES])
def test_a_plain_call_needs_nothing_else(name, tmp_path):
    make, points = FUNCTIONS[name]
    path = str(tmp_path / "f.sd")
    make().save(path, code=True)
    point = [np.asarray(x).tolist() for x in points[0]]
    program = LOADED.format(path=path, point=point)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_calls_that_are_not_plain_go_by_all_rules(tmp_path):
    path = tmp_path / "f.sd"
    f = sd.value_and_grad("f(x[3000], k) = k*sum(x**3)", "x")
    f.save(path, code=True)
    x, loaded = np.linspace(0, 1, 3000), sd.load(path, code=True)
    assert type(loaded.__call__.__self__) is loading.FailingExactCall
    for args, keywords in [
        ((x, 2.0), {}),
        ((list(range(3000)), 2), {}),
        ((x.astype("float32"), np.float64(2)), {}),
        ((np.stack([x, x + 1]), 2.0), {}),
        ((x,), {"k": 2.0}),
        ((x[::-1], 2.0), {}),
    ]:
        assert same(loaded(*args, **keywords), f(*args, **keywords))
    for wrong in [(x,), (x, 2.0, 3.0), (x[:2], 2.0), ("x", 2.0)]:
        with pytest.raises(sd.SymdiffError) as first:
            loaded(*wrong)
        with pytest.raises(type(first.value)) as second:
            f(*wrong)
        assert str(first.value) == str(second.value)


def test_a_failing_call_says_where(tmp_path):
    path = tmp_path / "f.sd"
    f = FUNCTIONS["an index"][0]()
    f.save(path, code=True)
    with pytest.raises(sd.IndexRangeError) as first:
        sd.load(path, code=True)(A[0], 7.0)
    with pytest.raises(sd.IndexRangeError) as second:
        f(A[0], 7.0)
    assert (first.value.index, first.value.size) == (second.value.index, second.value.size) == (7, 5)
    assert sd.load(path, code=True)(A[0], 2.0) == f(A[0], 2.0)


def test_signals_are_heard_by_code_from_a_file(tmp_path):
    path = tmp_path / "f.sd"
    sd.function("f(x[3000]) = cumsum(sin(x))").save(path, code=True)
    program = f"""
import ctypes, threading, numpy as np, symdiff as sd
from symdiff.native import arrays, code
sd.load({str(path)!r}, code=True)(np.ones(3000))
shared = code.SHARED
for name, table in (("interrupts", arrays.SIGNAL_FUNCTIONS), ("workspace", arrays.LOCK_FUNCTIONS)):
    count = len(arrays.SIGNAL_NAMES if name == "interrupts" else arrays.LOCK_NAMES)
    assert all((ctypes.c_size_t * count).from_address(shared[name][table])), name
main = ctypes.c_size_t.from_address(shared["interrupts"][arrays.MAIN_THREAD]).value
assert main == threading.main_thread().ident
assert sd.function("f(x[3000]) = cumsum(sin(x))")(np.ones(3000))[0] == np.sin(1.0)
assert sorted(shared) == sorted(code.SHARED)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_files_of_the_format_before_are_read(tmp_path):
    """Its digest was another, and its code was found by what it was made of."""
    path = tmp_path / "f.sd"
    sd.function("f(x, y) = x*exp(y)").save(path, code=True)
    content, data = container.open_container(memoryview(path.read_bytes()))
    del content["code"]["python"], content["code"]["call"]
    for k, entry in enumerate(content["code"]["images"][1:]):
        entry[0] = f"{k:064x}"
    text = json.dumps(content).encode()
    head = container.HEAD.pack(container.MAGIC, 2, 0, len(text), len(data))
    digest = hashlib.sha256(head + text + data).digest()
    path.write_bytes(head + digest + text + data)
    loaded = sd.load(path, code=True)
    assert loaded._case.compiled is not None
    assert loaded(2.0, 0.0) == 2.0


def test_another_python_compiles_what_reads_its_objects(tmp_path, monkeypatch):
    path = tmp_path / "f.sd"
    f = sd.function("f(x, y) = x*exp(y)")
    f.save(path, code=True)
    monkeypatch.setattr(kept, "call_identity", lambda: [kept.INTERFACE, "another"])
    loaded = sd.load(path, code=True)
    assert loaded.__dict__.get("arguments")  # made by all rules
    assert loaded(2.0, 0.5) == f(2.0, 0.5)


DIGESTS_OF_SHARED_CODE = {1: "0163c0d5e62e2980"}
"""By the interface's number. Where this fails, count `native.kept.INTERFACE` up: files hold such code, and records."""


def test_the_interface_counts_up_with_the_code_that_kernels_share():
    texts = {
        name: text.ir for name, text in jit.TEXTS.items() if name in ("builtin", "interrupts", "workspace", "pool")
    }
    sd.function("f(x[300]) = cumsum(sin(x))").save(os.devnull, code=True)
    parts = [FIELDS, *sorted(texts), *(jit.TEXTS[name].ir for name in sorted(texts))]
    assert hashlib.sha256(repr(parts).encode()).hexdigest()[:16] == DIGESTS_OF_SHARED_CODE[kept.INTERFACE]


@pytest.mark.parametrize("change", ["machine", "features", "limits"])
def test_any_doubt_compiles_again(change, tmp_path, monkeypatch):
    path = tmp_path / "f.sd"
    sd.function("f(x, y) = x*exp(y)").save(path, code=True)
    if change == "machine":
        monkeypatch.setattr(kept, "machine_identity", lambda: ["another"])
    elif change == "features":
        monkeypatch.setattr(kept, "processor_text", str)
    loaded = sd.load(path, code=True) if change != "limits" else None
    if change == "limits":
        with sd.limits(operations=1), pytest.raises(sd.LimitError):
            sd.load(path, code=True)(1.0, 2.0)
        return
    assert loaded._case.compiled is None
    assert loaded(2.0, 0.0) == 2.0


def test_code_is_used_only_by_who_asks(tmp_path):
    path = tmp_path / "f.sd"
    sd.function("f(x, y) = x*exp(y)").save(path, code=True)
    assert sd.load(path)._case.compiled is None
    assert sd.load(path, code=True)._case.compiled is not None


def test_what_cannot_be_kept_is_refused(tmp_path):
    with pytest.raises(sd.errors.StorageError, match="arrays of any size"):
        sd.function("f(x) = sum(x**2)").save(tmp_path / "f.sd", code=True)
    assert not (tmp_path / "f.sd").exists()
    specialized = sd.function("f(x) = sum(x**2)").specialize([1.0, 2.0])
    specialized.save(tmp_path / "f.sd", code=True)
    assert sd.load(tmp_path / "f.sd", code=True)([1.0, 2.0]) == 5.0


def reworked(path, change):
    """The container with its description changed, and a digest that fits."""
    content, arrays = container.open_container(memoryview(path.read_bytes()))
    change(content)
    content.setdefault("definitions", [])
    return storage.closed(content, bytes(arrays))


WRONG = {
    "no kernel": lambda code: code["images"].clear(),
    "no images": lambda code: code.pop("images"),
    "a longer image": lambda code: code["images"][0].__setitem__(1, 10**9),
    "a smaller image": lambda code: code["images"][0].__setitem__(3, 3),
    "a place outside": lambda code: code["images"][0][5].update(m_0=10**6),
    "a negative place": lambda code: code["images"][0][6].update(k=-5),
    "own places": lambda code: code["images"][0].__setitem__(7, [10**6]),
    "another import": lambda code: code["imports"].__setitem__(0, ["m_0", "python", "exit"]),
    "a name that is none": lambda code: code["imports"].__setitem__(0, [1, 2, 3]),
    "no import": lambda code: code["imports"].clear(),
    "statistics": lambda code: code.__setitem__("statistics", [1, 2]),
    "a level": lambda code: code.__setitem__("level", 9),
    "types": lambda code: code.__setitem__("types", [["complex", []]]),
    "sizes": lambda code: code.__setitem__("types", [["float64", [-1]]]),
    "bytes": lambda code: code.__setitem__("bytes", 10**9),
    "takes": lambda code: code.__setitem__("takes", "much"),
    "a word of the record": lambda code: code["call"]["record"].__setitem__(0, "print"),
    "a fraction in the record": lambda code: code["call"]["record"].__setitem__(0, 1.5),
    "another call": lambda code: code.__setitem__("call", {"operands": ["dd", 1, 2, None], "shapes": [[]]}),
    "no call": lambda code: code.__setitem__("call", {}),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_description_that_is_none_is_refused(wrong, tmp_path):
    path = tmp_path / "f.sd"
    sd.function("f(x, y) = x*exp(y)").save(path, code=True)
    path.write_bytes(reworked(path, lambda content: WRONG[wrong](content["code"])))
    with pytest.raises(sd.SymdiffError):
        sd.load(path, code=True)(x=1.0, y=2.0)  # what a plain call does not need is read when it is needed


def test_a_changed_byte_is_seen(tmp_path):
    path = tmp_path / "f.sd"
    sd.function("f(x, y) = x*exp(y)").save(path, code=True)
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    with pytest.raises(sd.errors.StorageError, match="damaged"):
        sd.load(path, code=True)


def test_the_files_of_one_formula_are_the_same(tmp_path):
    first, second = tmp_path / "a.sd", tmp_path / "b.sd"
    for path in (first, second):
        sd.function("f(x, y) = x*exp(y)").save(path, code=True)
    assert first.read_bytes() == second.read_bytes()
    assert json.loads(json.dumps(container.open_container(memoryview(first.read_bytes()))[0]))["code"]["level"] == 0


LEVELS = ["x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"]

SCALAR = {
    "scalars": lambda: sd.grad("f(x, y) = x**2*y + sin(x*y) + hypot(x, y)").compile(math="scalar"),
    "arrays": lambda: sd.value_and_grad("f(A[5, 5], b[5]) = sum(tanh(A @ b)**2)", "b").compile(math="scalar"),
    "loops": lambda: sd.function("f(x[300], y[300]) = cumsum(x*y)*exp(x) + sum(x*y)").compile(math="scalar"),
    "constants": lambda: sd.function(lambda x: WEIGHTS @ x, {"x": (300,)}).compile(math="scalar"),
}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="these are levels of x86-64")
@pytest.mark.parametrize("make", SCALAR.values(), ids=SCALAR)
def test_code_for_other_processors_has_the_same_bits(make, tmp_path, monkeypatch):
    function, path = make(), tmp_path / "f.sd"
    point = [RNG.normal(size=a.shape) if a.shape else 0.75 for a in function.arguments]
    wanted = function(*point)
    function.save(path, code=LEVELS)
    for level in reversed(LEVELS):
        able = frozenset(level_features(level))
        if not able <= kept.processor_features():
            continue
        with monkeypatch.context() as context:
            context.setattr(kept, "processor_text", lambda able=able: " ".join(able))
            loaded = sd.load(path, code=True)
            assert same(loaded(*point), wanted)
            content, data = container.open_container(memoryview(path.read_bytes()))
            code = data[len(data) - content["code"]["bytes"] :]
            chosen, own = kept.fitting(content["code"], code)
            assert sorted(level_features(level)) == chosen["features"].split()
            assert len(own) == chosen["own"]
    with monkeypatch.context() as context:
        context.setattr(kept, "processor_text", str)
        assert kept.fits(content["code"]) is False
        assert same(sd.load(path, code=True)(*point), wanted)


def test_older_processors_get_older_instructions():
    f = sd.function("f(x[300], y[300]) = x*y + 1").compile()
    texts = {}
    for level in ("x86-64", "x86-64-v3"):
        target = kept_target(level).target
        texts[level] = f.kernel.written_for(target)[0].text
        assert (target.cpu, target.has_fma, target.is_host) == (level, level == "x86-64-v3", True)
    assert "<2 x double>" in texts["x86-64"]
    assert "<4 x double>" not in texts["x86-64"]
    assert "<4 x double>" in texts["x86-64-v3"]


@pytest.mark.parametrize("name", ["aarch64-linux-gnu", "skylake", ""])
def test_processors_that_no_code_is_kept_for(name, tmp_path):
    with pytest.raises(sd.StorageError, match="no machine code is kept for"):
        sd.function("f(x) = x").save(tmp_path / "f.sd", code=["native", name])


@pytest.mark.parametrize("change", [{"others": [3]}, {"others": "x"}, {"own": -1}, {"others": [{"own": 10**9}]}])
def test_descriptions_of_other_processors_that_are_none(change, tmp_path):
    path = tmp_path / "f.sd"
    sd.function("f(x) = x*2").save(path, code=["x86-64", "x86-64-v2"])
    content, data = container.open_container(memoryview(path.read_bytes()))
    content["code"] = {**content["code"], "machine": ["another"], **change}
    content.setdefault("definitions", [])
    path.write_bytes(storage.closed(content, bytes(data)))
    with pytest.raises(sd.StorageError, match="code"):
        sd.load(path, code=True)
