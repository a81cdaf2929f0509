"""Projects of CMake and of pkg-config find a library in the folder that it was written to."""

import re
import shlex
import shutil
import subprocess

import pytest

import symdiff as sd
from tests.ship.c_programs import ROSENBROCK

MAIN = """
#include <stdio.h>
#include <rosenbrock.h>
int main(void)
{
    const double x = 0.7, y = -1.3;
    const double *in[] = {&x, &y};
    double value, gradient[2], *out[] = {&value, gradient};
    if (rosenbrock(in, out, 0)) return 1;
    printf("%a %a %a", value, gradient[0], gradient[1]);
    return 0;
}
"""

LISTS = """
cmake_minimum_required(VERSION 3.16)
project(consumer C)
find_package(rosenbrock 0.1 CONFIG REQUIRED)
find_package(rosenbrock 99 CONFIG QUIET)
if(rosenbrock_FOUND)
  message(FATAL_ERROR "it is no version 99")
endif()
find_package(rosenbrock CONFIG REQUIRED)
find_package(rosenbrock CONFIG REQUIRED)
add_executable(consumer main.c)
target_link_libraries(consumer PRIVATE rosenbrock::rosenbrock)
"""


def needs(*programs):
    missing = [name for name in programs if shutil.which(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)}: not installed")


def run(*command, **options):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A consumer, and a library in `lib` that was moved there after it had been written."""
    top = tmp_path_factory.mktemp("build files")
    both = sd.value_and_grad(ROSENBROCK)
    sd.emit({"rosenbrock": both}, top / "made", kinds=("pc", "cmake", *(["so"] if shutil.which("cc") else [])))
    (top / "made").rename(top / "lib")
    (top / "main.c").write_text(MAIN)
    (top / "CMakeLists.txt").write_text(LISTS)
    return top


def is_right(said):
    value, gradient = sd.value_and_grad(ROSENBROCK)(0.7, -1.3)
    return [float.fromhex(word) for word in said.split()] == [value, *gradient]


@needs("cmake", "cc")
@pytest.mark.parametrize("shared", ["ON", "OFF"])
def test_a_project_of_cmake(folder, shared):
    build = folder / f"build_{shared}"
    run("cmake", "-S", folder, "-B", build, f"-DCMAKE_PREFIX_PATH={folder / 'lib'}", f"-DBUILD_SHARED_LIBS={shared}")
    run("cmake", "--build", build)
    assert is_right(run(build / "consumer"))
    if shutil.which("ldd"):
        assert ("librosenbrock.so" in run("ldd", build / "consumer")) == (shared == "ON")


@needs("pkg-config", "gcc")
def test_a_project_of_pkg_config(folder, monkeypatch):
    monkeypatch.setenv("PKG_CONFIG_PATH", str(folder / "lib"))
    flags = shlex.split(run("pkg-config", "--cflags", "--libs", "rosenbrock"))
    program = folder / "consumer"
    run("gcc", "-Wall", "-Wextra", "-Werror", folder / "main.c", *flags, f"-Wl,-rpath,{folder / 'lib'}", "-o", program)
    assert is_right(run(program))


ALGEBRA = sd.function("f(A[20, 20], b[20]) = solve(A, b)")


@pytest.mark.parametrize(("libraries", "pc", "cmake"), [
    ((), "-lf -llapack -lblas -lm", "LAPACK::LAPACK;BLAS::BLAS;m"),
    (("openblas",), "-lf -lopenblas -lm", "openblas;m"),
    ("openblas", "-lf -lopenblas -lm", "openblas;m"),
    (["/opt/lib/libmine.so"], "-lf /opt/lib/libmine.so -lm", "/opt/lib/libmine.so;m"),
])  # fmt: skip
def test_blas_and_lapack_are_linked(tmp_path, libraries, pc, cmake):
    config, found, *_ = sd.emit({"f": ALGEBRA}, tmp_path, kinds=("pc", "cmake"), libraries=libraries)
    assert config.read_text().splitlines()[-1] == f"Libs: -L${{pcfiledir}} {pc}"
    text = found.read_text()
    assert f'INTERFACE_LINK_LIBRARIES "{cmake}"' in text
    assert re.findall(r"find_dependency\((\w+)\)", text) == ([] if libraries else ["LAPACK", "BLAS"])
