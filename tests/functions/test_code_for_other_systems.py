"""Machine code of other systems in saved functions: run by QEMU where it is, in a C program and in Python."""

import json
import os
import shlex
import subprocess
import sys

import numpy as np
import pytest

import symdiff as sd
from symdiff.codegen import stored
from symdiff.codegen.kept_targets import kept_target
from symdiff.functions import container
from symdiff.native import code, kept
from symdiff.native.code import Image, can_map
from tests.codegen.image_runner import RUNNERS, run_images
from tests.functions.test_saved_code import same

pytestmark = pytest.mark.skipif(not can_map(), reason="machine code is kept on Linux only")

SYSTEMS = ("x86_64-linux", "aarch64-linux", "riscv64-linux")
RNG = np.random.default_rng(11)
A = RNG.normal(size=(5, 5)) + 5 * np.eye(5)

FUNCTIONS = {
    "scalars": (lambda: sd.grad("x**2*y + sin(x*y)*cos(x*y)", ["x", "y"]), (1.5, -2.0)),
    "one number": (lambda: sd.function("f(x) = exp(x) + tanh(x)*hypot(x, 2) + x**1.5"), (1.5,)),
    "conditions": (lambda: sd.function(("x > y", "[x, y]", "x*y"), {"x": (), "y": ()}), (1.0, 2.0)),
    "float32": (lambda: sd.function("f(x, y) = x*y + x/y", dtype="float32"), (1.5, 0.25)),
    "arrays": (lambda: sd.value_and_grad("f(A[5, 5], b[5]) = sum(tanh(A @ b)**2) + 3", "b"), (A, A[0])),
    "a long sum": (lambda: sd.grad("f(x[300]) = sum(sin(x)**3)"), (np.linspace(0, 3, 300),)),
    "a scan": (lambda: sd.function("f(x[300], y[300]) = cumsum(x*y)*exp(x)"), tuple(RNG.normal(size=(2, 300)))),
    "many pieces": (
        lambda: sd.hessian(" + ".join(f"exp(x{k})*x{(k + 1) % 30}" for k in range(30)), [f"x{k}" for k in range(30)]),
        tuple(RNG.normal(size=30)),
    ),
}  # fmt: skip


def codes(path):
    """For each kind of processor in a file: the description of its code, and the bytes."""
    content, arrays = container.open_container(memoryview(path.read_bytes()))
    first = content["code"]
    data, start, found = arrays[len(arrays) - first["bytes"] :], 0, {}
    for each in (first, *first.get("others", ())):
        end = start + each.get("own", first["bytes"])
        found[each["machine"][2]] = each, bytes(data[start:end])
        start = end
    return found


def reworked(path, change):
    """The container with its description changed, and a digest that fits."""
    content, arrays = container.open_container(memoryview(path.read_bytes()))
    change(content)
    content.setdefault("definitions", [])
    return container.closed(content, bytes(arrays))


def images(description, data):
    """The images in the order in which they can be linked, those that call nothing of others first."""
    found, at = [], 0
    for name, length, start, size, writable, imports, exports, own in description["images"]:
        found.append((name, Image(data[at : at + length], start, size, writable, imports, exports, tuple(own))))
        at += length
    names = {symbol: name for symbol, _, name in description["imports"]}
    return [(image, {}) for name, image in found[1:] if name != "builtin"] + [(found[0][1], names)]


def operands(kernel, point):
    """The operands of a kernel's loop at a point; those of results are empty memory."""
    values = [np.asarray(x, t.dtype) for x, t in zip(point, kernel.inputs, strict=True)]
    layout = kernel.layout
    given = [b"".join(values[m].tobytes() for m in operand.members) for operand in layout.inputs]
    return [*given, *(bytes(np.dtype(o.dtype).itemsize * o.size) for o in layout.outputs)]


@pytest.mark.parametrize("family", RUNNERS)
def test_kept_code_runs_on_other_processors(family, tmp_path):
    runs, wanted = [], []
    for make, point in FUNCTIONS.values():
        function = make()
        function.save(tmp_path / "f.sd", code=[f"{family}-linux"])
        kernel = function.compile().kernel
        runs.append(
            (
                images(*codes(tmp_path / "f.sd")[family]),
                "k",
                kernel.layout.contiguous_strides(),
                operands(kernel, point),
            )
        )
        wanted.append((kernel.layout.outputs, function(*point)))
    found = run_images(family, runs, tmp_path)
    for name, (failed, parts), (outputs, results) in zip(FUNCTIONS, found, wanted, strict=True):
        given = np.concatenate(
            [np.frombuffer(part, o.dtype) for o, part in zip(outputs, parts[-len(outputs) :], strict=True)]
        )
        flat = [np.ravel(r) for r in (results if isinstance(results, tuple) else (results,))]
        assert failed == 0
        np.testing.assert_allclose(given, np.concatenate(flat), rtol=1e-6 if name == "float32" else 1e-13, err_msg=name)


def test_a_file_has_code_of_several_systems(tmp_path):
    path, again = tmp_path / "f.sd", tmp_path / "g.sd"
    make, point = FUNCTIONS["scalars"]
    make().save(path, code=["native", *SYSTEMS])
    make().save(again, code=["native", *SYSTEMS])
    assert path.read_bytes() == again.read_bytes()
    assert set(codes(path)) == {"x86_64", "aarch64", "riscv64"}
    assert same(sd.load(path, code=True)(*point), make()(*point))
    assert same(sd.load(path)(*point), make()(*point))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_code_for_any_system_of_this_kind_is_used_without_llvm(name, tmp_path):
    make, point = FUNCTIONS[name]
    path = tmp_path / "f.sd"
    function = make().compile(math="scalar") if name == "a scan" else make()
    function.save(path, code=[f"{os.uname().machine}-linux"])
    description, _ = codes(path)[os.uname().machine]
    assert kept.fits(description)
    assert kept.knows_this_python(description)
    loaded = sd.load(path, code=True)
    if isinstance(loaded, sd.Function):
        assert loaded._case.compiled is not None or loaded._known is not None
    results = [r if isinstance(r, tuple) else (r,) for r in (loaded(*point), function(*point))]
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6 if name == "float32" else 1e-13)


def test_on_another_processor_the_function_is_compiled(tmp_path):
    make, point = FUNCTIONS["arrays"]
    path = tmp_path / "f.sd"
    others = [name for name in SYSTEMS if not name.startswith(os.uname().machine)]
    make().save(path, code=others)
    for description, _ in codes(path).values():
        assert not kept.fits(description)
    assert same(sd.load(path, code=True)(*point), make()(*point))


def test_levels_of_x86_64_on_any_linux(tmp_path):
    make, point = FUNCTIONS["a long sum"]
    path = tmp_path / "f.sd"
    wide = {}
    for name in ("x86_64-linux", "x86_64-v3-linux", "x86_64-v4-linux"):
        target, features, is_own = kept_target(name)
        wide[name] = target.lanes
        assert not is_own
        make().save(path, code=[name])
        (description, _) = codes(path)["x86_64"]
        assert description["features"].split() == sorted(features)
        assert kept.fits(description) == (os.uname().machine == "x86_64" and kept.processor_features() >= {*features})
        np.testing.assert_allclose(sd.load(path, code=True)(*point), make()(*point), rtol=1e-13)
    assert wide == {"x86_64-linux": 2, "x86_64-v3-linux": 4, "x86_64-v4-linux": 8}


def older(monkeypatch):
    monkeypatch.setattr(kept, "c_library", lambda: ("glibc 2.27",))


def none(monkeypatch):
    monkeypatch.setattr(kept, "c_library", lambda: ("Linux", "6.1"))


def numpy_1(monkeypatch):
    monkeypatch.setattr(kept.np, "__version__", "1.26.4")


def weaker(monkeypatch):
    monkeypatch.setattr(kept, "processor_features", lambda: frozenset({"fpu"}))


@pytest.mark.parametrize("change", [older, none, numpy_1, weaker])
def test_any_doubt_compiles_again(change, tmp_path, monkeypatch):
    make, point = FUNCTIONS["scalars"]
    path = tmp_path / "f.sd"
    make().save(path, code=[f"{os.uname().machine}-linux"])
    (description, _) = codes(path)[os.uname().machine]
    with monkeypatch.context() as context:
        change(context)
        caches = [kept.machine_identity, kept.identity_of_any]
        for each in caches:
            each.cache_clear()
        try:
            assert not kept.fits(description)
            assert same(sd.load(path, code=True)(*point), make()(*point))
        finally:
            for each in caches:
                each.cache_clear()
    assert kept.fits(description)


def test_a_processor_that_the_system_does_not_describe_is_a_doubt(tmp_path, monkeypatch):
    make, point = FUNCTIONS["scalars"]
    monkeypatch.setattr(kept, "processor_text", lambda: "")
    monkeypatch.setattr(stored, "processor_text", lambda: "")
    make().save(tmp_path / "f.sd", code=True)
    description, _ = codes(tmp_path / "f.sd")[os.uname().machine]
    assert not kept.fits(description)
    assert same(sd.load(tmp_path / "f.sd", code=True)(*point), make()(*point))


def test_a_newer_c_library_is_no_doubt(monkeypatch):
    for version in ("2.28", "2.36", "2.100", "3.0"):
        monkeypatch.setattr(kept, "c_library", lambda version=version: (f"glibc {version}",))
        kept.identity_of_any.cache_clear()
        assert kept.identity_of_any() == kept.system_identity("linux", os.uname().machine, kept.ANY_LIBRARY)
    kept.identity_of_any.cache_clear()


def test_functions_that_are_not_there_compile_again(tmp_path):
    make, point = FUNCTIONS["one number"]
    path = tmp_path / "f.sd"
    make().save(path, code=[f"{os.uname().machine}-linux"])

    def change(content):
        for entry in content["code"]["imports"]:
            if entry[2] == "hypot":
                entry[2] = "hypot_of_tomorrow"

    path.write_bytes(reworked(path, change))
    assert sd.load(path, code=True)(*point) == make()(*point)


@pytest.mark.parametrize("name", ["scalars", "arrays"])
def test_where_memory_is_not_executed_the_function_is_compiled(name, tmp_path, monkeypatch):
    make, point = FUNCTIONS[name]
    wanted = make()(*point)
    make().save(tmp_path / "f.sd", code=["native", *SYSTEMS])
    system = code._system()
    monkeypatch.setattr(code, "_system", lambda: (system[0], lambda *_: -1, system[2]))
    assert same(sd.load(tmp_path / "f.sd", code=True)(*point), wanted)


WRONG = {
    "a beginning behind the end": lambda image: image.__setitem__(2, image[1] + 1),
    "a beginning that runs into what follows": lambda image: image.__setitem__(2, image[4] + 1),
    "no beginning": lambda image: image.__setitem__(2, -1),
    "an end behind the end": lambda image: image.__setitem__(3, image[1] - 1),
    "what is written behind the end": lambda image: image.__setitem__(4, image[3] + 1),
    "an address behind the end": lambda image: image[5].update({next(iter(image[5])): image[3] - 4}),
    "a missing part": lambda image: image.pop(),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_description_that_is_none_is_refused(wrong, tmp_path):
    path = tmp_path / "f.sd"
    FUNCTIONS["scalars"][0]().save(path, code=["riscv64-linux", f"{os.uname().machine}-linux"])

    def change(content):
        for each in (content["code"], *content["code"]["others"]):
            WRONG[wrong](each["images"][0])

    path.write_bytes(reworked(path, change))
    with pytest.raises(sd.StorageError):
        sd.load(path, code=True)


@pytest.mark.parametrize("place", [-1, -1000, -5000])
def test_a_changed_byte_of_any_systems_code_is_seen(place, tmp_path):
    path = tmp_path / "f.sd"
    FUNCTIONS["scalars"][0]().save(path, code=SYSTEMS)
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(sd.StorageError, match="damaged"):
        sd.load(path, code=True)


@pytest.mark.parametrize("name", ["macos", "aarch64-macos", "x86_64-windows", "wasm32", "linux", "aarch64", 3])
def test_systems_that_no_code_is_kept_for(name, tmp_path):
    with pytest.raises(sd.SymdiffError, match="is for Linux" if isinstance(name, str) else "code") as caught:
        sd.function("f(x) = x").save(tmp_path / "f.sd", code=[name])
    assert "aarch64-linux" in str(caught.value) or not isinstance(name, str)
    assert not (tmp_path / "f.sd").exists()


def test_without_other_libraries_code_is_called_and_what_needs_them_says_so(tmp_path):
    make, point = FUNCTIONS["scalars"]
    make().save(tmp_path / "f.sd", code=SYSTEMS)
    sd.function("f(x) = j0(x)").save(tmp_path / "special.sd", code=SYSTEMS)
    sd.function("f(A[40, 40], b[40]) = solve(A, b)").save(tmp_path / "solve.sd", code=SYSTEMS)
    program = f"""
import sys
sys.modules["llvmlite"] = sys.modules["scipy"] = None
import numpy as np, symdiff as sd
f = sd.load({str(tmp_path / "f.sd")!r}, code=True)
print(f(*{point!r}).tolist())
for path, *values in (("f", np.zeros(3), 1.0), ("special", 1.0), ("solve", np.eye(40), np.ones(40))):
    try:
        sd.load(f"{tmp_path}/{{path}}.sd", code=True)(*values)
    except sd.CompileError as error:
        print(error.message, error.hint)
    sys.modules.pop("llvmlite", None)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    np.testing.assert_allclose(json.loads(lines[0]), make()(*point), rtol=1e-13)
    assert lines[1].startswith("functions are compiled by llvmlite, which cannot be imported")
    assert "pip install llvmlite" in lines[1]
    assert [line.partition(":")[0] for line in lines[2:]] == [
        "j0 is SciPy's, which cannot be imported",
        "dgetrf is SciPy's, which cannot be imported",
    ]


READER = """
import json, sys
import numpy as np
import symdiff as sd
for path, point, wanted in json.load(open(sys.argv[1])):
    found = sd.load(path, code=True)(*[np.array(x) if isinstance(x, list) else x for x in point])
    flat = np.concatenate([np.ravel(y) for y in (found if isinstance(found, tuple) else (found,))])
    np.testing.assert_allclose(flat, wanted, rtol=1e-6 if "float32" in path else 1e-13, err_msg=path)
assert not [name for name in sys.modules if name.startswith("llvmlite")]
print("all are right")
"""


@pytest.mark.heavy
@pytest.mark.parametrize("family", RUNNERS)
def test_files_are_loaded_by_python_on_another_processor(family, tmp_path):
    variable = f"SYMDIFF_PYTHON_{family.upper()}"
    command = os.environ.get(variable)
    if not command:
        pytest.skip(f"{variable} names no command that runs Python of this version with NumPy on {family}")
    entries = []
    for name, (make, point) in FUNCTIONS.items():
        path, function = tmp_path / f"{name}.sd", make()
        function.save(path, code=SYSTEMS)
        results = function(*point)
        flat = [np.ravel(y).astype(float) for y in (results if isinstance(results, tuple) else (results,))]
        given = [np.asarray(x).tolist() for x in point]
        entries.append([str(path), given, np.concatenate(flat).tolist()])
    (tmp_path / "entries.json").write_text(json.dumps(entries), encoding="utf-8")
    done = subprocess.run(
        [*shlex.split(command), "-c", READER, str(tmp_path / "entries.json")],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.stdout.strip() == "all are right", done.stderr
