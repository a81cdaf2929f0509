"""Compiled functions called from C: addresses, ctypes, SciPy's integrators, a C program."""

import ctypes
import gc
import shutil
import subprocess
import threading

import numpy as np
import pytest
from scipy import LowLevelCallable
from scipy.integrate import dblquad, nquad, quad, tplquad

import symdiff as sd

POINTERS = ctypes.c_void_p


def call(f, *arrays, outputs=1, work=None):
    """The first number of each output array of the plain C function."""
    held = [np.ascontiguousarray(a, float) for a in arrays]
    results = [np.full(16, 77.0) for _ in range(outputs)]
    ins = (POINTERS * len(held))(*(a.ctypes.data for a in held))
    outs = (POINTERS * outputs)(*(r.ctypes.data for r in results))
    assert f.ctypes(ins, outs, work) == 0
    return results if outputs > 1 else results[0]


@pytest.mark.parametrize("compiled", [False, True])
def test_packed_scalars_vectors_and_outputs(compiled):
    f = sd.function("f([a, b], x, y) = a*x + b*y")
    f = f.compile() if compiled else f
    assert call(f, [1, 2], [3, 4])[0] == 11.0
    g = sd.function({"s": "x + y", "p": "x*y", "v": "[x, y, x - y]", "q": "x/y"}, ["x", "y"])
    g = g.compile() if compiled else g
    scalars, vector, last = call(g, [3, 4], outputs=3)
    assert scalars[:3].tolist() == [7, 12, 77]  # s and p follow each other: one array
    assert vector[:4].tolist() == [3, 4, -1, 77]
    assert last[:2].tolist() == [0.75, 77]
    h = sd.function("f(W[2,2], x, y, v[3]) = W[0,1]*x + W[1,0]*y + v[2]")
    assert call(h, [[1, 2], [3, 4]], [5, 6], [7, 8, 9])[0] == 2 * 5 + 3 * 6 + 9


def test_the_bits_are_those_of_a_call():
    f = sd.hessian("sin(x*y)*exp(-x) + tanh(y)", ["x", "y"])
    for x, y in np.random.default_rng(0).normal(size=(20, 2)):
        assert call(f, [x, y])[:4].tobytes() == f(float(x), float(y)).tobytes()


def test_address_and_ctypes():
    f = sd.function("x*y", ["x", "y"]).compile()
    assert f.address == f.address == f.kernel.address != 0
    assert ctypes.cast(f.ctypes, ctypes.c_void_p).value == f.address
    assert f.ctypes.restype is ctypes.c_int


def test_the_code_lives_as_long_as_what_was_handed_out():
    plain = sd.function("x*y + 1", ["x", "y"]).ctypes
    low = sd.function("f(x, a) = a*x**2").low_level_callable()
    gc.collect()
    for k in range(100):  # would be written where the code was
        sd.function(f"x*{k}")(1.0)
    x, result = np.array([3.0, 4.0]), ctypes.c_double()
    ins, outs = (POINTERS * 1)(x.ctypes.data), (POINTERS * 1)(ctypes.addressof(result))
    assert plain(ins, outs, None) == 0
    assert result.value == 13.0
    assert abs(quad(low, 0, 1, args=(3.0,))[0] - 1) < 1e-12


def test_many_threads_and_a_workspace_of_ones_own():
    f = sd.function([f"sin(x*{k}) + y" for k in range(8)], ["x", "y"]).compile()
    size = f.kernel.statistics.workspace
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        own = np.empty(size // 8 + 1)
        for x, y in rng.normal(size=(200, 2)):
            for given in (None, own.ctypes.data):
                if call(f, [x, y], work=given)[:8].tobytes() != f(float(x), float(y)).tobytes():
                    wrong.append((x, y))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def near(a, b):
    np.testing.assert_allclose(a[0], b[0], rtol=1e-13)


def test_quad():
    one = sd.function("exp(-x*x)").low_level_callable()
    assert isinstance(one, LowLevelCallable)
    assert one.signature == "double (double)"
    near(quad(one, -np.inf, np.inf), quad(lambda x: np.exp(-x * x), -np.inf, np.inf))
    several = sd.function("f(x, a, b) = sin(a*x) + b").low_level_callable()
    assert several.signature == "double (int, double *)"
    near(quad(several, 0, 2, args=(3.0, 0.5)), quad(lambda x, a, b: np.sin(a * x) + b, 0, 2, args=(3.0, 0.5)))
    wave = sd.function("f(x, a) = 1/(x + a)").compile().low_level_callable()
    near(quad(wave, 0, 1, args=(2.0,), weight="cos", wvar=5), quad(lambda x, a: 1 / (x + a), 0, 1, args=(2.0,),
                                                                    weight="cos", wvar=5))  # fmt: skip


def test_a_derivative_in_quad():
    f = sd.function("f(x, a) = sin(a*x)")
    by_a = sd.grad(f, "a").low_level_callable()
    near(quad(by_a, 0, 1, args=(2.0,)), quad(lambda x, a: x * np.cos(a * x), 0, 1, args=(2.0,)))


def test_nquad_dblquad_tplquad():
    f = sd.function("f(x, y, z, a) = x*y**2 + a*sin(z)").low_level_callable()

    def python(x, y, z, a):
        return x * y**2 + a * np.sin(z)

    ranges = [(0, 1), (0, 2), (-1, 3)]
    near(nquad(f, ranges, args=(1.5,)), nquad(python, ranges, args=(1.5,)))
    near(tplquad(f, 0, 1, 0, 1, 0, 1, args=(1.5,)), tplquad(python, 0, 1, 0, 1, 0, 1, args=(1.5,)))
    g = sd.function("f(y, x) = x*y**2").low_level_callable()
    near(dblquad(g, 0, 2, lambda x: 0, lambda x: x), dblquad(lambda y, x: x * y**2, 0, 2, lambda x: 0, lambda x: x))
    near(nquad(sd.function("x**2").low_level_callable(), [(0, 1)]), (1 / 3,))


def test_packs_vectors_and_very_many_inputs_are_one_array():
    f = sd.function("f(x, [a, b], c[2, 2], d) = x + 10*a + 100*b + 1000*c[0, 1] + 10000*c[1, 1] + 100000*d")
    value, _ = quad(f.low_level_callable(), 0, 1, args=(1, 2, 7, 3, 7, 4, 5))
    assert abs(value - (0.5 + 10 + 200 + 3000 + 40000 + 500000)) < 1e-6
    names = [f"x{k}" for k in range(80)]
    many = sd.function(" + ".join(f"{k + 1}*{n}" for k, n in enumerate(names)), names)
    assert many.compile().kernel.packed
    values = tuple(map(float, range(1, 80)))
    assert abs(quad(many.low_level_callable(), 0, 1, args=values)[0] - many(0.5, *values)) < 1e-6


def test_too_few_numbers_are_nan_and_not_read():
    f = sd.function("f(x, a, b) = x + a + b").low_level_callable().function
    values = (ctypes.c_double * 3)(1, 2, 3)
    assert f(3, values) == 6.0
    for count in (-1, 0, 1, 2, 4):
        assert np.isnan(f(count, values))


@pytest.mark.parametrize(("source", "options", "words"), [
    ("[x, y]", {}, "one number"), ("x > y", {}, "float64"), ("x*y", {"dtype": "float32"}, "float64"),
    ("1.5", {"inputs": []}, "no inputs"),
])  # fmt: skip
def test_refusals(source, options, words):
    with pytest.raises(sd.ArgumentError, match=words):
        sd.function(source, **{"inputs": ["x", "y"], **options}).low_level_callable()


def test_what_cannot_be_one_array_is_refused():
    names = ", ".join(f"x{k}" for k in range(70))
    f = sd.function(f"f({names}, v[2], z) = x0 + v[0] + z")
    with pytest.raises(sd.ArgumentError, match="one array"):
        f.low_level_callable()


PROGRAM = r"""
#include <math.h>
typedef int (*symdiff_function)(const void *const *in, void *const *out, void *work);

/* The sum of f over a grid, and the number of calls that failed. */
int sum(symdiff_function f, double a, long count, double *total)
{
    int failed = 0;
    *total = 0;
    for (long k = 0; k < count; k++) {
        double scalars[2] = {a, k / (double) count}, result;
        const void *in[1] = {scalars};
        void *out[1] = {&result};
        failed += f(in, out, 0) != 0;
        *total += result;
    }
    return failed;
}
"""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler")
def test_a_c_program(tmp_path):
    (tmp_path / "sum.c").write_text(PROGRAM)
    library = tmp_path / "sum.so"
    options = ["-Wall", "-Werror", "-O1", "-shared", "-fPIC"]
    subprocess.run(["gcc", *options, "-o", library, tmp_path / "sum.c"], check=True)
    f = sd.function("f(a, x) = exp(-a*x)").compile()
    sum_ = ctypes.CDLL(str(library)).sum
    sum_.argtypes = [ctypes.c_void_p, ctypes.c_double, ctypes.c_long, ctypes.c_void_p]
    total = ctypes.c_double()
    assert sum_(f.address, 0.5, 1000, ctypes.addressof(total)) == 0
    want = 0.0
    for k in range(1000):
        want += f(0.5, k / 1000)
    assert total.value == want
