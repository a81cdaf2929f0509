"""Functions that no C library has, called in libraries of the user's own: here in a few lines of C."""

import importlib.util
import math
import re
import subprocess

import numpy as np
import pytest
import scipy.special

import symdiff as sd
from symdiff.cli import main as command
from tests.ship.c_programs import STRICT, call, main, needs_gcc, run_c
from tests.ship.test_wasm import flat, needs_node
from tests.ship.test_wasm import run as run_node

OWN = """
#include <math.h>
double my_psi(double x) {
    double shift = 0;
    while (x < 30) { shift -= 1/x; x += 1; }
    const double y = 1/(x*x);
    return shift + log(x) - 0.5/x - y*(1.0/12 - y*(1.0/120 - y*(1.0/252 - y/240)));
}
double my_jv(double order, double x) { return jn((int)order, x); }
double my_twice(double x) { return 2*x; }
"""
"""The user's library."""

F = sd.function("f(x, y) = lgamma(x)*y + jv(2, y)*sin(x)")
G = sd.grad(F)
NAMES = {"digamma": "my_psi", "jv": "my_jv"}


def wanted(x, y):
    psi, jv = scipy.special.psi, scipy.special.jv
    return np.stack(
        [psi(x) * y + jv(2, y) * np.cos(x), scipy.special.gammaln(x) + 0.5 * (jv(1, y) - jv(3, y)) * np.sin(x)], -1
    )


POINTS = np.random.default_rng(5).uniform(0.5, 4, size=(2, 7))


@needs_gcc
@pytest.mark.parametrize("kinds", [("h", "o"), ("h", "c")], ids=str)
def test_a_program_brings_the_functions(tmp_path, kinds):
    header, built = sd.emit({"g": G}, tmp_path, kinds=kinds, symbols=NAMES)
    text = header.read_text()
    assert "double my_psi(double), which is digamma, has to be linked." in text
    assert "double my_jv(double, double), which is jv, has to be linked." in text
    (tmp_path / "own.c").write_text(OWN)
    subprocess.run(["gcc", "-c", "own.c", "-o", "own.o"], cwd=tmp_path, check=True)
    blocks = [call("g", POINTS[:, k], [2]) for k in range(7)]
    if kinds[1] == "o":  # C source has no batches
        blocks.append(call("g", POINTS, [2], 7))
    said = run_c(tmp_path, main("g.h", *blocks), built, tmp_path / "own.o", flags=(*STRICT, "-Wconversion"))
    found = np.array([float.fromhex(line) for line in said.split()]).reshape(-1, 7, 2)
    np.testing.assert_allclose(found, np.broadcast_to(wanted(*POINTS), found.shape), rtol=1e-12)


@needs_gcc
def test_a_shared_library_is_linked_with_them(tmp_path):
    (tmp_path / "own.c").write_text(OWN)
    subprocess.run(["gcc", "-shared", "-fPIC", "own.c", "-o", "libown.so", "-lm"], cwd=tmp_path, check=True)
    own = [str(tmp_path / "libown.so")]
    path = sd.emit({"g": G}, tmp_path, name="library", kinds="ctypes", symbols=NAMES, libraries=own)[0]
    spec = importlib.util.spec_from_file_location("library", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    np.testing.assert_allclose(module.g(*POINTS), wanted(*POINTS), rtol=1e-12)


@needs_gcc
def test_c_source_of_floats(tmp_path):
    f = sd.function("f(x) = -digamma(x)*x", dtype="float32")
    header, built = sd.emit(f, tmp_path, kinds=("h", "c"), symbols={"psi": "my_psi"})
    assert "-(float)my_psi(" in built.read_text() or "(float)my_psi(" in built.read_text()
    (tmp_path / "own.c").write_text(OWN)
    source = main(header.name, call("f", [[2.5]], [1]).replace("double", "float"))
    subprocess.run(["gcc", "-c", "own.c", "-o", "own.o"], cwd=tmp_path, check=True)
    said = run_c(tmp_path, source, built, tmp_path / "own.o", flags=(*STRICT, "-Wconversion"))
    np.testing.assert_allclose(float.fromhex(said), -2.5 * scipy.special.psi(2.5), rtol=1e-6)


@needs_gcc
def test_a_function_of_the_users_own_and_arrays(tmp_path):
    twice = sd.define("twice(x)", call=lambda x: 2 * x, partials="2", replace=True)
    f = sd.function("f(x[50]) = sum(twice(x)*digamma(x))")
    assert twice is not None
    header, built = sd.emit(f, tmp_path, kinds=("h", "o"), symbols={"twice": "my_twice", "digamma": "my_psi"})
    (tmp_path / "own.c").write_text(OWN)
    subprocess.run(["gcc", "-c", "own.c", "-o", "own.o"], cwd=tmp_path, check=True)
    x = np.linspace(1, 3, 50)
    found = float.fromhex(run_c(tmp_path, main(header.name, call("f", [x], [1])), built, tmp_path / "own.o"))
    np.testing.assert_allclose(found, np.sum(2 * x * scipy.special.psi(x)), rtol=1e-12)


@needs_node
def test_a_webassembly_module_is_given_functions_of_javascript(tmp_path):
    f = sd.function("f(x, y) = erf(x)*jv(2, y)")
    sd.emit(f, tmp_path, kinds="wasm", symbols={"erf": "erf", "jv": "my_jv"})
    body = """
        const { load: again } = await import("./f.mjs");
        const missing = await again(undefined, { erf: Math.sin }).catch((error) => error.message);
        const own = await again(undefined, { erf: (x) => 2*x, my_jv: (n, x) => n + x });
        return [missing, own.f(3, 4)]"""
    with pytest.raises(AssertionError, match=r"load\(source, \{ erf, my_jv \}\) needs these functions"):
        run_node(tmp_path, "f", "return 0")
    source = (tmp_path / "main.mjs").read_text()
    (tmp_path / "main.mjs").write_text("console.log(JSON.stringify(await (async () => {" + body + "})()))")
    done = subprocess.run(["node", "main.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "load" in source
    assert done.stdout.strip() == '["load(source, { my_jv }) needs these functions",36]'
    types = (tmp_path / "f.d.mts").read_text()
    assert "functions: { erf(x: number): number; my_jv(x: number, y: number): number }): Promise" in types
    assert flat(math.pi) == (math.pi,)


REFUSED = {
    "an unknown function": ({"digama": "my_psi"}, r"no function 'digama' .*\n.*did you mean digamma\?"),
    "an operator": ({"add": "my_add"}, "no function 'add'"),
    "no name": ({"digamma": "my-psi"}, "'my-psi' is no name in C"),
    "a word of C": ({"digamma": "double"}, "'double' is no name in C"),
    "another function": ({"digamma": "sin"}, "sin is another function in C"),
    "a function of the library": ({"digamma": "g_batch"}, "g_batch is a function of this library, of g"),
    "two functions": ({"digamma": "own", "jv": "own"}, "own would stand for digamma and for jv"),
    "no dict": ("digamma=my_psi", "symbols are 'digamma=my_psi'"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_refusals(tmp_path, case):
    with pytest.raises(sd.ArgumentError, match=case[1]):
        sd.emit({"g": G}, tmp_path, symbols=case[0])


def test_what_is_missing_is_named_with_what_to_do(tmp_path):
    with pytest.raises(sd.CompileError, match=r'(?s)digamma is SciPy\'s.*symbols=\{"digamma": "…"\}'):
        sd.emit({"g": G}, tmp_path)
    with pytest.raises(sd.CompileError, match=r'(?s)digamma: math.h has no such.*symbols=\{"digamma": "…"\}'):
        sd.emit({"g": G}, tmp_path, kinds="c")
    with pytest.raises(sd.CompileError, match=r'(?s)JavaScript has no tgamma.*symbols=\{"gamma": "tgamma"\}'):
        sd.emit("f(x) = gamma(x)", tmp_path, kinds="wasm")
    with pytest.raises(sd.CompileError, match=r"a kernel cannot call my_jv, my_psi\n.*libdevice alone"):
        sd.emit({"g": sd.function("g(x) = digamma(x)*jv(2, x)")}, tmp_path, kinds="ptx", symbols=NAMES)


def test_the_command(tmp_path, capsys):
    (tmp_path / "f.txt").write_text("f(x) = digamma(x)*jv(2, x)")
    options = [str(tmp_path / "f.txt"), "-o", str(tmp_path), "--symbol", "digamma=my_psi", "--symbol", "jv=my_jv"]
    assert command(["compile", *options]) == 0
    assert "my_jv(double, double)" in (tmp_path / "f.h").read_text()
    capsys.readouterr()
    assert command(["compile", *options[:-1], "jv"]) != 0
    assert re.search("--symbol jv", capsys.readouterr().err)
