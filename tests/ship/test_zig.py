"""Shared libraries where there is no C compiler: linked by the package `ziglang`, for this system and for others."""

import ctypes
import importlib.util
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest

import symdiff as sd
from symdiff.ship.loaded import LoadedFunction
from tests.ship.c_programs import ROSENBROCK, bits
from tests.ship.test_other_machines import MACHINES

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="ziglang is not installed")

LIBRARY = {"f": ROSENBROCK, "f_grad": sd.grad(ROSENBROCK), "layer": sd.function("g(x[300]) = cumsum(x)*exp(x)")}


@pytest.fixture
def without_compiler(monkeypatch):
    """No C compiler is found."""
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr("symdiff.ship.linker.COMPILERS", ())


@pytest.mark.usefixtures("without_compiler")
def test_a_library_for_this_system(tmp_path):
    (path,) = sd.emit(LIBRARY, tmp_path, kinds="so", cpu="native")
    library = ctypes.CDLL(str(path))
    x = np.random.default_rng(4).normal(size=300)
    f, f_grad, layer = (LoadedFunction(library, name) for name in LIBRARY)
    assert bits(f(0.7, -1.3), f_grad(0.7, -1.3)) == bits(ROSENBROCK(0.7, -1.3), LIBRARY["f_grad"](0.7, -1.3))
    assert bits(f(x, 2 * x)) == bits(ROSENBROCK(x, 2 * x))  # by functions of vectors
    np.testing.assert_allclose(layer(x), LIBRARY["layer"](x), rtol=1e-15)


@pytest.mark.parametrize("triple", MACHINES)
def test_a_library_for_another_machine_is_run_there(tmp_path, triple):
    compiler, runner = f"{triple}-gcc", MACHINES[triple]
    for program in (compiler, runner):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    path, _ = sd.emit({"f": ROSENBROCK}, tmp_path, kinds=("so", "h"), target=triple)
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include "f.h"\nint main(void) {\n'
        "    double x = 0.7, y = -1.3, z;\n    const double *in[] = {&x, &y};\n    double *out[] = {&z};\n"
        '    if (f(in, out, 0)) return 1;\n    printf("%a", z);\n    return 0;\n}\n'
    )
    command = [compiler, tmp_path / "main.c", path, "-lm", "-o", tmp_path / "main"]
    subprocess.run(command, check=True)
    run = [runner, "-L", f"/usr/{triple}", "-E", f"LD_LIBRARY_PATH={tmp_path}", tmp_path / "main"]
    said = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    np.testing.assert_allclose(float.fromhex(said), ROSENBROCK(0.7, -1.3), rtol=1e-14)


def exported(path):
    """The names that a library of Windows exports, in their order."""
    data = path.read_bytes()
    header = struct.unpack_from("<I", data, 0x3C)[0]
    sections, size = struct.unpack_from("<H", data, header + 6)[0], struct.unpack_from("<H", data, header + 20)[0]

    def place(address):
        for k in range(sections):
            at = header + 24 + size + 40 * k
            length, start, _, offset = struct.unpack_from("<IIII", data, at + 8)
            if start <= address < start + length:
                return offset + address - start
        raise AssertionError(address)

    table = place(struct.unpack_from("<I", data, header + 24 + 112)[0])
    count, _, names = struct.unpack_from("<III", data, table + 24)
    found = struct.unpack_from(f"<{count}I", data, place(names))
    return [data[place(name) :].split(b"\0")[0].decode() for name in found]


@pytest.mark.parametrize("triple", ["x86_64-w64-windows-gnu", "aarch64-pc-windows-msvc"])
def test_a_library_for_windows(tmp_path, triple):
    path, built = sd.emit(LIBRARY, tmp_path, kinds=("so", "o"), target=triple)
    assert path.name == "f.dll"
    names = exported(path)
    assert {"f", "f_batch", "f_grad", "layer", "layer_work_bytes"} <= set(names)
    assert all(name.encode() in built.read_bytes() for name in names)
    assert b"ucrtbase.dll" in path.read_bytes()


def test_what_it_says_is_told(tmp_path):
    with pytest.raises(sd.CompileError, match=r"(?s)ziglang could not link f\.dll: .*nowhere"):
        sd.emit(LIBRARY, tmp_path, kinds="so", target="x86_64-w64-windows-gnu", libraries=["nowhere"])


def test_a_library_for_macos(tmp_path):
    (path,) = sd.emit(LIBRARY, tmp_path, kinds="so", target="arm64-apple-macosx")
    data = path.read_bytes()
    assert data[:4] == b"\xcf\xfa\xed\xfe"
    assert b"@rpath/libf.dylib" in data
    assert b"_f_grad_batch" in data


@pytest.mark.parametrize("triple", ["arm64-apple-macosx", "x86_64-apple-macosx"])
def test_an_archive_for_macos_is_linked(tmp_path, triple):
    family = triple.replace("arm64", "aarch64").split("-")[0]
    sd.emit({"f": ROSENBROCK, "g": LIBRARY["layer"]}, tmp_path, kinds=("a", "h"), target=triple)
    (tmp_path / "main.c").write_text('#include "f.h"\nint main(void) { return f_n_in() != g_n_out() && f(0, 0, 0); }\n')
    zig, target = [sys.executable, "-m", "ziglang"], ["-target", f"{family}-macos"]
    subprocess.run([*zig, "cc", *target, "-O1", "-c", "main.c", "-o", "main.o"], cwd=tmp_path, check=True)
    linked = ["main.o", "libf.a", "-lc", "-fno-compiler-rt", "-fno-ubsan-rt", "-femit-bin=main"]
    subprocess.run([*zig, "build-exe", *target, *linked], cwd=tmp_path, check=True)
    assert (tmp_path / "main").read_bytes()[:4] == b"\xcf\xfa\xed\xfe"


@pytest.mark.parametrize("triple", ["wasm32", "thumbv7em-none-eabihf", "x86_64-unknown-freebsd", "i686-windows-gnu"])
def test_systems_without_shared_libraries(tmp_path, triple):
    with pytest.raises(sd.CompileError, match=r'no shared libraries are linked for .*\n.*emit "a"'):
        sd.emit({"f": ROSENBROCK}, tmp_path, kinds="so", target=triple)


def test_a_compiler_that_is_no_command(tmp_path, monkeypatch):
    monkeypatch.setenv("CC", 'gcc "')
    with pytest.raises(sd.CompileError, match=r"\$CC is 'gcc \"': No closing quotation"):
        sd.emit({"f": ROSENBROCK}, tmp_path, kinds="so")


def test_a_library_for_another_c_library_is_not_linked_with_the_systems(tmp_path):
    (path,) = sd.emit({"f": ROSENBROCK}, tmp_path, kinds="so", target="x86_64-linux-musl")
    assert b"libc.so\0" in path.read_bytes()
    assert b"libm.so.6" not in path.read_bytes()
