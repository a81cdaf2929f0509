"""The wrapper for C++20: a program of spans gets the bits of the same functions here."""

import shutil
import subprocess

import numpy as np
import pytest

import symdiff as sd
from tests.ship.c_programs import ROSENBROCK, bits, flat, printed, values

RNG = np.random.default_rng(6)
STRICT = ("-std=c++20", "-pedantic", "-Wall", "-Wextra", "-Wshadow", "-Werror")

needs_cpp = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")

FUNCTIONS = {
    "rosenbrock": ROSENBROCK,  # of the name that the namespace has
    "both": sd.value_and_grad(ROSENBROCK),
    "hess": sd.hessian(ROSENBROCK),
    "support": sd.function("z() = 3"),
    "large": sd.function("f([a, b], W[40, 40], v[40]) = cumsum(a*W + b*v)"),
    "pick": sd.function("x[i]*cumsum(x)", {"x": (7,), "i": ()}),
    "sparse": sd.sparse_jacobian(sd.function("f(x[4]) = [x[0]*x[1], sin(x[2]), x[0] + x[3]**2]"), format="csc"),
    "into": sd.function("w(y) = y**3"),  # of the name that a member has
    "into_": sd.function("w(y) = y**5"),
    "names": sd.function("q(n, found, in, std, double, θ, errno) = n*found + in*std + double*θ + errno"),
    "single": sd.function("g(x[3]) = exp(x)", dtype="float32"),
}


def run_cpp(folder, source, *given, flags=()):
    """What a C++ program prints."""
    text, program = folder / "main.cpp", folder / "main"
    text.write_text(source, encoding="utf-8")
    command = ["g++", *STRICT, *flags, f"-I{folder}", str(text), *map(str, given), "-lm", "-o", str(program)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, built.stderr
    done = subprocess.run([str(program)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_cpp
def test_a_program_gets_the_same_bits(tmp_path):
    _, library = sd.emit(FUNCTIONS, tmp_path, kinds=("hpp", "a"), math="scalar")
    w, v, x = RNG.normal(size=(40, 40)), RNG.normal(size=40), RNG.normal(size=7)
    points = [RNG.normal(size=(5, 7)), np.array([0.0, 3.0, -1.0, 6.0, 2.0])]
    source = f"""
#include "rosenbrock.hpp"
#include <cstdio>
using namespace rosenbrock;
template <class Numbers> void show(const Numbers &numbers) {{ for (double y : numbers) std::printf("%a\\n", y); }}
static double w[] = {{{values(w)}}}, v[] = {{{values(v)}}}, many[] = {{{values(points[0])}}};
int main()
{{
    const std::array<double, 7> x{{{values(x)}}};
    rosenbrock::rosenbrock value;
    std::printf("%a\\n", value(0.7, -1.3));
    auto [number, gradient] = both()(0.7, -1.3);
    std::printf("%a\\n", number);
    show(gradient);
    std::array<double, 4> matrix = hess()(0.7, -1.3);
    show(matrix);
    const double one[] = {{0.5}};
    const std::size_t beyond = (std::size_t{{1}} << 62) + 1;  // times 4 it is 4
    try {{ hess().batch(beyond, one, one, matrix); return 1; }} catch (const std::invalid_argument &) {{}}
    std::printf("%a\\n", support()());
    const double ab[] = {{2.0, -3.0}};
    std::vector<double> sums = large()(ab, w, v);
    show(sums);
    pick picked;
    show(picked(x, 2.0));
    std::array<double, 7> written;
    if (picked.into(x, 7.0, written) != 2) return 1;
    try {{ picked(x, -8.0); return 1; }} catch (const std::out_of_range &) {{}}
    std::array<double, 35> results;
    const double indices[] = {{0, 3, -1, 6, 2}};
    picked.batch(5, many, indices, results);
    show(results);
    picked.batch(5, x, indices, results);
    show(results);
    try {{ picked.batch(4, many, indices, results); return 1; }} catch (const std::invalid_argument &) {{}}
    static_assert(sparse::rows == 3 && sparse::columns == 4 && sparse::entries == 5);
    show(sparse()(std::span(x).last<4>()));
    for (auto start : sparse::starts()) std::printf("%d.0\\n", static_cast<int>(start));
    for (auto row : sparse::row_of_entry()) std::printf("%d.0\\n", static_cast<int>(row));
    std::printf("%a\\n", names()(1, 2, 3, 4, 5, 6, 7));
    std::printf("%a %a\\n", into_3()(2), into_()(2));
    const float floats[] = {{0.5f, 1.0f, 2.0f}};
    std::array<float, 3> e = single()(floats);
    show(e);
    return 0;
}}
"""
    found = printed(run_cpp(tmp_path, source, library, flags=("-fsanitize=address",)))
    f = FUNCTIONS
    matrix = f["sparse"](x[3:])
    wanted = [
        *[y for name in ("rosenbrock", "both", "hess") for y in flat(f[name](0.7, -1.3))],
        3.0,
        f["large"]([2.0, -3.0], w, v),
        f["pick"](x, 2),
        f["pick"].compile(math="scalar")(*points),
        np.stack([f["pick"](x, k) for k in points[1]]),
        matrix.data,
        matrix.indptr,
        matrix.indices,
        f["names"](1, 2, 3, 4, 5, 6, 7),
        8.0,
        32.0,
        f["single"]([0.5, 1.0, 2.0]),
    ]
    assert found == bits(*wanted)


@needs_cpp
def test_beside_the_header_of_c_and_without_exceptions(tmp_path):
    _, _, library = sd.emit({"f": ROSENBROCK}, tmp_path, kinds=("h", "hpp", "a"), name="lib")
    source = """
#include "lib.h"
#include "lib.hpp"
#include <cstdio>
int main() { std::printf("%a %d", lib::f()(0.7, -1.3), static_cast<int>(f_n_in())); }
"""
    found = run_cpp(tmp_path, source, library, flags=("-fno-exceptions",)).split()
    assert (float.fromhex(found[0]), found[1]) == (ROSENBROCK(0.7, -1.3), "2")


def test_std_is_no_name_in_cpp(tmp_path):
    with pytest.raises(sd.ArgumentError, match="std has a meaning in C"):
        sd.emit({"std": ROSENBROCK}, tmp_path, kinds="hpp")
