"""Saving, loading, pickling, copying: the same function comes back, and nothing hostile gets in."""

import copy
import hashlib
import json
import multiprocessing
import os
import pickle
import struct
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import differential_evolution

import symdiff as sd
from symdiff.functions import container, storage
from symdiff.functions.container import HEAD
from symdiff.functions.storage import from_bytes, to_bytes
from symdiff.ir.flat import canonical_order
from symdiff.ir.graph import Graph
from symdiff.ir.stored import flatten, unflatten
from symdiff.ir.verify import verify
from symdiff.ops import OPS
from tests.ops.tensor_cases import TABLE

LEAVES = ("input", "constant")
STRUCTURAL = {
    "named": [("a",)],
    "stop_gradient": [(None,)],
    "checkpoint": [(None,)],
    "checkpoint_adjoint": [(None,)],
    "index": [((1,),), (((0, 2, 1),),), (((2, None, -1), 0),)],
    "scatter": [((((0, 3, 2), (0, 4, 1)), (4, 4)),)],
    "sum": [((0,),), ((),), ((0, 1),)],
    "broadcast": [((3, 2, 4),), ((2, 4),)],
    "reshape": [((8,),), ((1, 2, 2, 2),)],
}


def cases():
    for name, op in OPS.items():
        if name in LEAVES or (name in TABLE and name not in STRUCTURAL):  # tests/ir/test_flat.py has the others
            continue
        if name in STRUCTURAL:
            yield from ((name, case[0], "tensor") for case in STRUCTURAL[name])
        elif op.payload is not None:
            yield from ((name, n, "scalar") for n in op.samples)
        else:
            yield name, None, "scalar"
            yield name, None, "tensor"


def built(name, payload, kind):
    graph, op = Graph(), OPS[name]
    shape = (2, 4) if kind == "tensor" else ()
    if name in ("named", "stop_gradient", *STRUCTURAL):
        kinds = "f"
    else:
        kinds = op.kinds if op.kinds is not None else "fff"
    args = []
    for k, letter in enumerate(kinds):
        x = graph.input(f"x{k}", shape)
        args.append(x if letter == "f" else graph.add("less", (x, graph.constant(0.5))))
    return graph, graph.add(name, tuple(args), payload)


def round_trip(graph, roots):
    description, data, place = flatten(graph, roots)
    text = json.dumps(description, default=container._plain)
    back, ids = unflatten(json.loads(text), memoryview(data), graph.dtype)
    verify(back)
    for node, k in place.items():
        new = ids[k]
        assert back.ops[new] is graph.ops[node]
        assert back.types[new] == graph.types[node]
        assert back.args[new] == tuple(ids[place[a]] for a in graph.args[node])
        if graph.ops[node].name != "constant":
            assert back.payloads[new] == graph.payloads[node]
    assert flatten(back, [ids[place[r]] for r in roots])[:2] == (description, data)
    return back, ids, place


@pytest.mark.parametrize(("name", "payload", "kind"), list(cases()), ids=str)
def test_every_operation(name, payload, kind):
    graph, root = built(name, payload, kind)
    round_trip(graph, [root])


BITS = [0x0, 0x8000000000000000, 0x1, 0x7FF0000000000000, 0xFFF0000000000000, 0x7FF8000000000000, 0x7FF8000000000123,
        0xFFF8DEADBEEF0001, 0x3FF0000000000001]  # fmt: skip


def test_constants_keep_their_bits():
    graph = Graph()
    values = [struct.unpack("<d", struct.pack("<Q", b))[0] for b in BITS]
    nodes = [graph.constant(v) for v in values]
    nodes += [graph.constant(True), graph.constant(False), graph.constant(np.array([True, False]))]
    nodes.append(graph.constant(np.array(BITS, "<u8").view("<f8").reshape(3, 3)))
    nodes.append(graph.constant(np.empty((0, 3))))
    back, ids, place = round_trip(graph, nodes)
    for node in nodes:
        old, new = graph.payloads[node], back.payloads[ids[place[node]]]
        assert np.asarray(old).tobytes() == np.asarray(new).tobytes()
        assert type(old) is type(new)


FUNCTIONS = {
    "scalar": lambda: sd.function("f(x, y) = sin(x*y) + exp(-x**2)"),
    "pack": lambda: sd.function("r([b1, b2], x, y) = b1*(1 - exp(-b2*x)) - y"),
    "named pack": lambda: sd.function("b1 + b2*x", {"b": ["b1", "b2"], "x": ()}),
    "gradient": lambda: sd.grad("q = x + y\nf = q*z", ["x", "y", "z"]),
    "pair": lambda: sd.value_and_grad("x**2*y", ("x", "y")),
    "hessian tuple": lambda: sd.hessian("f(x, W[2]) = x**3*W[0] + W[1]", ("x", "W")),
    "jacobian": lambda: sd.jacobian("[x*y, x + y]", ["x", "y"]),
    "dict": lambda: sd.function({"a": "x + y", "b": "x > y", "c": "x*(0 - inf)"}, ["x", "y"]),
    "single": lambda: sd.function("x*0.1 + y", ["x", "y"], dtype="float32"),
    "unused": lambda: sd.function("x", ["x", "unused"]),
    "constant": lambda: sd.function("1/0", []),
    "unordered": lambda: sd.function("x**2*y"),
    "shape": lambda: sd.function("f(W[2,2], x[2]) = [W[0, 0]*x[0], W[1, 1]*x[1]]"),
    "payloads": lambda: sd.derivative("lgamma(x) + sinc(x) + x**7", "x", 2),
    "unicode": lambda: sd.function("λ*μ + 1", ["λ", "μ"], name="fläche"),
}
MARKED = {n: make() for n, make in FUNCTIONS.items()}


def point(f):
    rng = np.random.default_rng(7)
    return {a.name: rng.uniform(0.5, 2.0, a.shape) for a in f.arguments}


def called(f):
    values = point(f) if isinstance(f, sd.Function) else None
    if any(a.anonymous for a in f.arguments):
        return f(*values.values())
    return f(**values)


def same(a, b):
    if isinstance(a, tuple):
        assert isinstance(b, tuple)
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert type(a) is type(b)
        assert np.asarray(a).dtype == np.asarray(b).dtype
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.mark.parametrize("name", MARKED)
@pytest.mark.parametrize("way", ["file", "pickle", "bytes"])
def test_round_trip(name, way, tmp_path):
    f = FUNCTIONS[name]()
    if way == "file":
        f.save(tmp_path / "f.symdiff")
        g = sd.load(tmp_path / "f.symdiff")
        assert os.listdir(tmp_path) == ["f.symdiff"]
    elif way == "pickle":
        g = pickle.loads(pickle.dumps(f))
    else:
        g = from_bytes(to_bytes(f))
    assert str(g) == str(f)
    assert repr(g) == repr(f)
    for what in ("inputs", "outputs", "names", "_structure", "_ordered", "arguments", "types", "__name__"):
        assert getattr(g, what) == getattr(f, what), what
    assert g.explain() == f.explain()
    assert to_bytes(g) == to_bytes(f)
    assert g.graph is not f.graph
    same(called(f), called(g))
    assert g.llvm_ir() == f.llvm_ir()


def test_derivatives_of_a_loaded_function():
    f = sd.function("q = x + y\nf = sin(q)*z", ["x", "y", "z"])
    g = from_bytes(to_bytes(f))
    for wrt in (None, "q", ("x", "z")):
        same(sd.grad(f, wrt)(1.0, 2.0, 3.0), sd.grad(g, wrt)(1.0, 2.0, 3.0))


def test_only_what_the_function_needs():
    f = sd.function("f(x, y) = sin(x*y)")
    before = to_bytes(f)
    sd.hessian(f)
    sd.derivative(f, "x", 5)
    assert to_bytes(f) == before
    assert len(from_bytes(before).graph) < 10 < len(f.graph)


def test_the_same_bytes_in_every_process():
    code = ("import symdiff as sd\nfrom symdiff.functions.storage import to_bytes\nimport hashlib\n"
            "f = sd.hessian('a*sin(b*x) + c*exp(-d*y)', ['x', 'y'])\n"
            "print(hashlib.sha256(to_bytes(f)).hexdigest())")  # fmt: skip
    found = set()
    for seed in ("0", "1", "77"):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120,
                              env={**os.environ, "PYTHONHASHSEED": seed}, check=True)  # fmt: skip
        found.add(done.stdout)
    assert len(found) == 1


@pytest.mark.parametrize("options", [{}, {"opt": 0}, {"fp": "strict"}, {"opt": 3, "fp": "fast"}])
def test_compiled_functions(options, tmp_path):
    f = sd.grad("f([a, b], x) = a*exp(-b*x) + x*x*a", "x")
    c = f.compile(**options)
    c.save(tmp_path / "c")
    for d in (pickle.loads(pickle.dumps(c)), sd.load(tmp_path / "c"), copy.copy(c), copy.deepcopy(c)):
        assert type(d) is type(c)
        assert isinstance(d, sd.CompiledFunction)
        same(c([1.5, 0.3], 2.0), d([1.5, 0.3], 2.0))
        assert (d.kernel.options.fp, d.kernel.opt) == (c.kernel.options.fp, c.kernel.opt)


def test_copies():
    f = sd.function("f(x, y) = x*y")
    for g in (copy.copy(f), copy.deepcopy(f), copy.deepcopy({"f": [f]})["f"][0]):
        assert g(3.0, 4.0) == 12.0
        assert str(sd.grad(g)) == str(sd.grad(f))


def test_pickles_of_one_function_are_compiled_once():
    f = sd.function("f(x) = x*x + 1")
    data = pickle.dumps(f)
    first = pickle.loads(data)
    assert first(2.0) == 5.0
    assert pickle.loads(data) is first
    assert pickle.dumps(first) == data


def test_deep_and_wide():
    x = sd.symbol("x")
    e = x
    for k in range(50_000):
        e = sd.sin(e) + (k % 7) * 0.5
    f = sd.function(e, ["x"])
    assert len(f.graph.live(f.nodes)) >= 100_000
    g = pickle.loads(pickle.dumps(f))
    assert to_bytes(g) == to_bytes(f)
    assert len(g.graph) == len(f.graph.live(f.nodes))
    wide = sd.function([f"{k}*x" for k in range(2000)], ["x"])
    same(wide(2.0), from_bytes(to_bytes(wide))(2.0))


def test_order_does_not_recurse_and_puts_operands_first():
    graph = Graph()
    node = graph.input("x")
    for _ in range(100_000):
        node = graph.add("mul", (node, node))
    order = canonical_order(graph, [node])
    assert order == list(range(len(graph)))


def test_threads():
    f = sd.hessian("sin(x*y)*exp(x)", ["x", "y"])
    want = to_bytes(f)
    wrong = []

    def work():
        for _ in range(20):
            if to_bytes(pickle.loads(pickle.dumps(f))) != want:
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


# Damage


def sealed(text, data, version=container.FORMAT):
    """A container whose digest is right, whatever is in it."""
    text = text if isinstance(text, bytes) else json.dumps(text).encode()
    head = HEAD.pack(container.MAGIC, version, 0, len(text), len(data))
    return head + hashlib.sha256(head + text + data).digest() + text + data


def parts(data):
    _, _, _, text, size = HEAD.unpack(data[: HEAD.size])
    start = HEAD.size + container.DIGEST
    assert len(data) == start + text + size
    return json.loads(data[start : start + text]), data[start + text :]


SMALL = to_bytes(sd.value_and_grad("q = sin(x)*y\nf = q + x**3", ["x", "y"]))
TENSOR = to_bytes(sd.hessian("f(x, W[2]) = x**3*W[0] + W[1] + maximum(x, 2)", ("x", "W")))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_flipped_bits(data):
    content = bytearray(SMALL)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    if bytes(content) != SMALL:
        with pytest.raises(sd.StorageError):
            from_bytes(bytes(content))


def test_every_truncation():
    for length in range(len(SMALL)):
        with pytest.raises(sd.StorageError):
            from_bytes(SMALL[:length])
    with pytest.raises(sd.StorageError):
        from_bytes(SMALL + b"\0")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(data):
    for content in (data, container.MAGIC + data, sealed(data, b""), sealed(b"{}", data), sealed(b"[" + data, data)):
        with pytest.raises(sd.StorageError):
            from_bytes(content)


def harmless(content):
    """A refusal with a StorageError, or a function that keeps every promise."""
    try:
        f = from_bytes(content)
    except sd.StorageError:
        return
    verify(f.graph)
    assert repr(f)
    assert str(f)
    assert f.ssa()
    assert to_bytes(f)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([SMALL, TENSOR]), st.data())
def test_flipped_arrays_with_a_right_digest(source, data):
    content, arrays = parts(source)
    arrays = bytearray(arrays)
    for _ in range(data.draw(st.integers(1, 3))):
        arrays[data.draw(st.integers(0, len(arrays) - 1))] = data.draw(st.integers(0, 255))
    harmless(sealed(content, bytes(arrays)))


def paths(value, at=()):
    stack = [(value, at)]
    while stack:
        value, at = stack.pop()
        yield at
        if isinstance(value, dict | list):
            entries = value.items() if isinstance(value, dict) else enumerate(value)
            stack += [(v, (*at, k)) for k, v in entries]


NASTY = [
    None, True, -1, 0, 1, 2, 3, 99, 2**31, 2**40, 2**64, 10**400, 1.5, "", "x", "a b", "__import__('os')", "y" * 5000,
    [], {}, [[]], [0], [-1], [1, 2], [2**31, 2**31], [[0, None, 0]], [[0, 1]], {"a": 1}, "float64", "input", "stack",
    "add", [1] * 40, [-1] * 500, "\ud800", "x\0",
]  # fmt: skip


@settings(max_examples=800, deadline=None)
@given(st.sampled_from([SMALL, TENSOR]), st.data())
def test_changed_descriptions_with_a_right_digest(source, data):
    content, arrays = parts(source)
    for _ in range(data.draw(st.integers(1, 2))):
        *way, last = data.draw(st.sampled_from([p for p in paths(content) if p]))
        at = content
        for step in way:
            at = at[step]
        if isinstance(at, list) and data.draw(st.booleans()):
            del at[last]
        else:
            at[last] = copy.deepcopy(data.draw(st.sampled_from(NASTY)))
    harmless(sealed(content, arrays))


def changed(change, source=SMALL):
    content, arrays = parts(source)
    change(content)
    return sealed(content, arrays)


REFUSED = {
    "newer": (sealed({}, b"", container.FORMAT_WITH_CODE + 1), "newer symdiff"),
    "zero": (sealed({}, b"", 0), "damaged"),
    "empty": (b"", "not a function"),
    "a pickle": (pickle.dumps([1, 2]), "not a function"),
    "deep": (sealed(b"[" * 100_000, b""), "not a function of symdiff"),
    "large integer": (sealed(b'{"kind": ' + b"9" * 10_000 + b"}", b""), "not a function of symdiff"),
    "unknown operation": (changed(lambda c: c["graph"]["operations"].__setitem__(0, "system")), "no operation 'system"),
    "unknown option": (changed(lambda c: c.update(kind="CompiledFunction", options={"shell": "x"})), "no option"),
    "kind": (changed(lambda c: c.update(kind="object")), "neither"),
    "wrong option": (changed(lambda c: c.update(kind="CompiledFunction", options={"opt": 17})), "opt is 17"),
    "nodes": (changed(lambda c: c["graph"].update(nodes=2**40)), "number of nodes"),
    "deep outputs": (changed(lambda c: c.update(structure=[-1] * 200 + [0] + [-2] * 200)), "too deep"),
    "an output twice": (changed(lambda c: c["outputs"].__setitem__(1, c["outputs"][0])), "twice"),
    "no argument": (changed(lambda c: c["arguments"][0].__setitem__(0, "z")), "is not an input"),
    "argument's shape": (changed(lambda c: c["arguments"][0].__setitem__(1, [3])), "another shape"),
    "dtype": (changed(lambda c: c.update(dtype="object")), "type of numbers"),
}


@pytest.mark.parametrize("change", [
    {"name": "f\x1b[2J"}, {"name": "f(x):\n    import os\ndef g"}, {"notes": ["\x1b]0;title\x07"]}, {"name": 3},
    *({"kind": "CompiledFunction", "options": {option: value}} for option, value in (
        ("opt", "2"), ("opt", True), ("fp", 1), ("fp", None), ("math", False), ("threads", "all"), ("threads", None),
        ("cache", 1), ("background", "yes"), ("opt", [2]), ("\x1b[2J", 1))),
], ids=str)  # fmt: skip
def test_what_reaches_a_terminal_and_the_types_of_options_are_checked(change):
    with pytest.raises(sd.StorageError) as caught:
        storage.from_bytes(changed(lambda content: content.update(change)))
    assert "\x1b" not in str(caught.value)


OPEN = to_bytes(sd.function("a*sum(x) + b", [["a", "b"], "x"], shapes={"x": "n"}))


@pytest.mark.parametrize("change", [
    {"name": "f\x1b[2J"}, {"inputs": [["a\x1b[2J", [2], ["a", "b"], True], ["x", ["n"], None, False]]},
    {"inputs": [[7, [2], ["a", "b"], True], ["x", ["n"], None, False]]},
    {"inputs": [["a_b", [3], ["a", "b"], True], ["x", ["n"], None, False]]},
    {"inputs": [["a_b", [2], ["a", "b"], 1], ["x", ["n"], None, False]]},
], ids=str)  # fmt: skip
def test_recipes_are_checked_as_functions_are(change):
    assert storage.from_bytes(changed(lambda content: None, OPEN))([2.0, 1.0], [1.0, 2.0]) == 7.0
    with pytest.raises(sd.StorageError) as caught:
        storage.from_bytes(changed(lambda content: content["recipe"].update(change), OPEN))
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, tmp_path):
    content, words = REFUSED[name]
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(sd.SymdiffError, match=words) as caught:
        sd.load(path)
    assert any("file" in note for note in caught.value.__notes__)
    assert isinstance(caught.value, ValueError)


def test_operands_come_first():
    content, arrays = parts(SMALL)
    nodes, operands = content["graph"]["nodes"], content["graph"]["operands"]
    for k in range(operands):
        for wrong in (nodes, nodes - 1, 2**32 - 1):
            changed_arrays = bytearray(arrays)
            at = 6 * nodes + 4 * k
            before = struct.unpack_from("<I", changed_arrays, at)[0]
            struct.pack_into("<I", changed_arrays, at, wrong)
            if wrong != before and wrong >= nodes:
                with pytest.raises(sd.StorageError, match="operand"):
                    from_bytes(sealed(content, bytes(changed_arrays)))


def test_missing_files_are_the_systems_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        sd.load(tmp_path / "none")
    with pytest.raises(OSError):  # noqa: PT011
        sd.function("x").save(tmp_path / "no" / "folder")


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "f"
    sd.function("x").save(path)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        sd.function("x + 1").save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["f"]


def test_a_link_is_followed_and_a_device_is_not_replaced(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    sd.function("x").save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert sd.load(tmp_path / "real")(2.0) == 2.0
    if os.path.exists(os.devnull) and sys.platform != "win32":
        sd.function("x").save(os.devnull)
        assert not os.path.isfile(os.devnull)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_private_file_stays_private(tmp_path):
    path = tmp_path / "f"
    sd.function("x").save(path)
    path.chmod(0o600)
    sd.function("x + 1").save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert sd.load(path)(1.0) == 2.0


# Other processes


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_process_pool(method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("not on this system")
    f = sd.function("f(x, y) = sin(x*y) + exp(-x**2)")
    g = sd.grad(f).compile(fp="strict")
    f(1.0, 2.0)
    xs, ys = np.linspace(0, 1, 40).tolist(), np.linspace(1, 2, 40).tolist()
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        same(tuple(pool.map(f, xs, ys, chunksize=5)), tuple(map(f, xs, ys)))
        same(pool.submit(g, 1.0, 2.0).result(timeout=60), g(1.0, 2.0))


def test_differential_evolution_in_processes():
    f = sd.function("f([x, y], a) = (a - x)^2 + 100*(y - x^2)^2")
    found = differential_evolution(f, [(-2, 2), (-2, 2)], args=(1.0,), workers=-1, updating="deferred", seed=1,
                                   maxiter=150, tol=1e-8)  # fmt: skip
    np.testing.assert_allclose(found.x, [1, 1], rtol=1e-4)
