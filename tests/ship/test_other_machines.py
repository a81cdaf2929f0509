"""Objects for other machines: C programs are linked with them and run by QEMU; elsewhere the symbols are looked at."""

import functools
import shutil
import struct

import numpy as np
import pytest

import symdiff as sd
from symdiff.ship.interface import SUFFIXES
from tests.ship.c_programs import ROSENBROCK, STRICT, call, flat, main, run_c, sizes_of

RNG = np.random.default_rng(3)

MACHINES = {"aarch64-linux-gnu": "qemu-aarch64", "riscv64-linux-gnu": "qemu-riscv64", "arm-linux-gnueabihf": "qemu-arm"}
"""The triple of a machine, by which its compiler is named, and what runs its programs."""


@pytest.fixture(params=MACHINES)
def machine(request):
    """The triple, and a function that runs a C program on the machine."""
    triple = request.param
    compiler, runner = f"{triple}-gcc", MACHINES[triple]
    for program in (compiler, runner):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    flags = (*STRICT, "-static")
    return triple, functools.partial(run_c, flags=flags, compiler=compiler, runner=(runner,))


def numbers(text):
    return np.array([float.fromhex(line) for line in text.split()])


def test_points_and_batches(tmp_path, machine):
    triple, run = machine
    library = {
        "f": ROSENBROCK,
        "f_grad": sd.grad(ROSENBROCK),
        "f_hess": sd.hessian(ROSENBROCK),
        "both": sd.value_and_grad(ROSENBROCK),
    }
    header, built = sd.emit(library, tmp_path, kinds=("h", "a"), target=triple)
    point, points = (0.7, -1.3), RNG.normal(size=(2, 7))
    blocks, wanted = [], []
    for name, f in library.items():
        blocks += [call(name, point, sizes_of(f, *point)), call(name, points, sizes_of(f, *point), 7)]
        wanted += [*flat(f(*point)), *flat(f(*points))]
    found = numbers(run(tmp_path, main(header.name, *blocks), built))
    np.testing.assert_allclose(found, np.concatenate([np.ravel(y) for y in wanted]), rtol=1e-13, atol=1e-13)


def test_arrays(tmp_path, machine):
    triple, run = machine
    library = {
        "layer": sd.function("layer(W[8, 12], x[12], b[8]) = tanh(W @ x + b)"),
        "solved": sd.function("solved(A[6, 6], b[6]) = solve(A, b)"),
        "slope": sd.grad(sd.function("slope(x[300]) = sum(sin(x)*x**2)")),
    }
    inputs = {
        "layer": (RNG.normal(size=(8, 12)), RNG.normal(size=12), RNG.normal(size=8)),
        "solved": (RNG.normal(size=(6, 6)) + 6 * np.eye(6), RNG.normal(size=6)),
        "slope": (RNG.normal(size=300),),
    }
    header, built = sd.emit(library, tmp_path, kinds=("h", "o"), target=triple)
    blocks = [call(name, inputs[name], sizes_of(f, *inputs[name])) for name, f in library.items()]
    found = numbers(run(tmp_path, main(header.name, *blocks), built))
    wanted = np.concatenate([np.ravel(f(*inputs[name])) for name, f in library.items()])
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


FUNCTIONS = (
    "asinh(x) atan(x) atan2(x, y) cbrt(x) cos(x) cosh(x) erf(x) erfc(x) exp(x) exp2(x) expm1(x) floor(x) fmod(x, y) "
    "gamma(x) hypot(x, y) lgamma(x) log(x) log1p(x) sin(x) sinh(x) sqrt(x) tan(x) tanh(x) x**y"
)

BOUNDS = {"cbrt(x)": 4}
"""Units in the last place by which versions of the C library differ, where those are more than 2."""


def test_every_function_is_within_2_units_in_the_last_place(tmp_path, machine):
    triple, run = machine
    texts = FUNCTIONS.replace(", ", ",").split()
    f = sd.function(f"every(x, y) = [{', '.join(texts)}]")
    header, built = f.emit(tmp_path, kinds=("h", "o"), target=triple, math="scalar")
    points = np.random.default_rng(17).uniform(0.1, 6, size=(2, 50))
    found = numbers(run(tmp_path, main(header.name, call("every", points, [len(texts)], 50)), built))
    wanted = f.compile(math="scalar")(*points)
    worst = np.max(np.abs(found.reshape(wanted.shape) - wanted) / np.spacing(np.abs(wanted)), axis=0)
    assert [(text, by) for text, by in zip(texts, worst, strict=True) if by > BOUNDS.get(text, 2)] == []


def test_float32(tmp_path, machine):
    triple, run = machine
    f = sd.function("f(x[5]) = exp(x)*x[0] + x", dtype="float32")
    f.emit(tmp_path, kinds=("h", "o"), target=triple)
    x = RNG.normal(size=5).astype(np.float32)
    source = main("f.h", call("f", [x], [5]).replace("double", "float"))
    found = numbers(run(tmp_path, source, tmp_path / "f.o"))
    np.testing.assert_allclose(found, f(x), rtol=3e-7)


def coff_symbols(data):
    """The names that a COFF object defines and those that it takes from elsewhere."""
    at, count = struct.unpack_from("<II", data, 8)
    texts, found, k = at + 18 * count, {True: [], False: []}, 0
    while k < count:
        record = data[at + 18 * k : at + 18 * (k + 1)]
        zero, offset = struct.unpack_from("<II", record)
        name = data[texts + offset :].split(b"\0")[0] if zero == 0 else record[:8].rstrip(b"\0")
        section, _, storage, more = struct.unpack_from("<hHBB", record, 12)
        if storage == 2:  # external
            found[section > 0].append(name.decode())
        k += 1 + more
    return found[True], found[False]


def macho_symbols(data):
    """The same of a Mach-O object of 64 bits."""
    commands, at, found = struct.unpack_from("<I", data, 16)[0], 32, {True: [], False: []}
    for _ in range(commands):
        command, size = struct.unpack_from("<II", data, at)
        if command == 2:  # LC_SYMTAB
            first, count, texts, _ = struct.unpack_from("<IIII", data, at + 8)
            for k in range(count):
                name, kind, section, _, _ = struct.unpack_from("<IBBHQ", data, first + 16 * k)
                if kind & 1:  # external
                    found[section > 0].append(data[texts + name :].split(b"\0")[0].decode())
        at += size
    return found[True], found[False]


WITHOUT_A_RUN = {
    "x86_64-w64-windows-gnu": (coff_symbols, "", ".obj"),
    "x86_64-pc-windows-msvc": (coff_symbols, "", ".obj"),
    "aarch64-pc-windows-msvc": (coff_symbols, "", ".obj"),
    "arm64-apple-macosx": (macho_symbols, "_", ".o"),
    "x86_64-apple-macosx": (macho_symbols, "_", ".o"),
}


@pytest.mark.parametrize("triple", WITHOUT_A_RUN)
def test_the_symbols_of_windows_and_macos_objects(tmp_path, triple):
    symbols, mark, suffix = WITHOUT_A_RUN[triple]
    library = {"f": ROSENBROCK, "solved": sd.function("solved(A[40, 40], B[40, 40]) = A @ B")}
    (built,) = sd.emit(library, tmp_path, kinds="o", target=triple)
    assert built.name == f"f{suffix}"
    defined, undefined = symbols(built.read_bytes())
    named = [f"{mark}{name}{s}" for name in library for s in SUFFIXES if s != "_sparsity"]
    shared = ("own.", "__real@", "__xmm@", "__ymm@")  # what several objects may have, such as constants
    assert sorted(name for name in defined if not any(part in name for part in shared)) == sorted(named)
    wanted = {f"{mark}{name}" for name in ("cos", "dgemm_", "exp", "sin")}
    assert wanted <= set(undefined) <= wanted | {f"{mark}mem{name}" for name in ("set", "cpy")} | {"_fltused"}


@pytest.mark.parametrize("triple", ["x86_64-pc-windows-msvc", "aarch64-pc-windows-msvc", "i686-w64-windows-gnu"])
def test_the_index_of_an_archive_has_the_names_that_the_object_has(tmp_path, triple):
    built, archive = sd.emit({"f": ROSENBROCK}, tmp_path, kinds=("o", "a"), target=triple)
    data = archive.read_bytes()
    count = int.from_bytes(data[68:72], "big")
    indexed = data[72 + 4 * count :].split(b"\0")[:count]
    assert count == len(SUFFIXES) - 1  # it is no sparse matrix
    assert {name.decode() for name in indexed} <= set(coff_symbols(built.read_bytes())[0])
