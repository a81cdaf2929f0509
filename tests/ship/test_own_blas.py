"""Products and decompositions of matrices where there is no BLAS: loops of the library's own, against NumPy."""

import shutil
import subprocess

import numpy as np
import pytest

import symdiff as sd
from symdiff.codegen.target import Target
from tests.ship.c_programs import flat
from tests.ship.libraries import loaded, needs_cc
from tests.ship.test_ptx import NVPTX, threads
from tests.ship.test_wasm import needs_node, run

FUNCTIONS = {
    "product": "f(A[50, 37], B[37, 41]) = A @ B",
    "by_rows": "f(A[50, 37], B[41, 37]) = A @ B.T",
    "by_columns": "f(A[37, 50], B[37, 41]) = A.T @ B",
    "symmetric": "f(A[50, 37]) = A @ A.T",
    "vector": "f(A[300, 300], x[300]) = A.T @ x",
    "many": "f(A[5, 30, 20], B[5, 20, 25]) = A @ B",
    "solution": "f(A[20, 20], b[20]) = solve(A, b)",
    "solutions": "f(A[20, 20], B[20, 7]) = solve(A, B)",
    "factor": "f(A[20, 20]) = cholesky(A @ A.T + 0.1*eye(20))",
    "inverse": "f(A[20, 20]) = inv(A)",
    "volume": "f(A[20, 20]) = [det(A), logdet(A @ A.T)]",
}
NETWORK = sd.function(
    "loss(W1[48, 40], b1[48], W2[10, 48], x[64, 40], y[64, 10]) = mean((tanh(x @ W1.T + b1) @ W2.T - y)**2)"
)
LIBRARY = {
    **{name: sd.function(text) for name, text in FUNCTIONS.items()},
    "adjugate": sd.grad(sd.function("f(A[20, 20]) = det(A)")),
    "step": sd.value_and_grad(NETWORK, ("W1", "b1", "W2")),
    "single": sd.function("f(A[50, 37], B[37, 41]) = A @ B", dtype="float32"),
}


def point(f):
    numbers = np.random.default_rng(21)
    return [numbers.normal(size=a.shape) for a in f.arguments]


def flattened(result):
    return np.concatenate([np.ravel(y) for part in flat(result) for y in flat(part)])


def error(found, wanted):
    """The largest difference, beside the largest number."""
    return np.max(np.abs(found - wanted)) / np.max(np.abs(wanted))


@needs_cc
@pytest.mark.parametrize("cpu", ["x86-64", "x86-64-v3"])
def test_the_values_are_those_of_blas(tmp_path, cpu):
    doubles = {name: f for name, f in LIBRARY.items() if name != "single"}
    module = loaded(doubles, tmp_path, "doubles", blas=False, cpu=cpu)
    for name, f in doubles.items():
        assert error(flattened(getattr(module, name)(*point(f))), flattened(f(*point(f)))) < 1e-13, name
    singles = loaded({"single": LIBRARY["single"]}, tmp_path, "singles", blas=False, cpu=cpu)
    given = point(LIBRARY["single"])
    assert error(singles.single(*given), LIBRARY["single"](*given)) < 1e-6


@needs_cc
def test_singular_matrices_and_numbers_that_are_none(tmp_path):
    names = ("solution", "inverse", "volume", "factor", "product")
    module = loaded({name: LIBRARY[name] for name in names}, tmp_path, "edges", blas=False)
    A, b = np.random.default_rng(2).normal(size=(2, 20, 20))
    A[7] = 0
    assert np.isnan(module.solution(A, b[0])).all()
    assert np.isnan(module.inverse(A)).all()
    assert module.volume(A).tolist() == [0.0, -np.inf]
    assert np.isnan(module.factor(A + np.nan)).all()
    given = point(LIBRARY["product"])
    given[0][3, 5] = np.nan
    found = module.product(*given)
    assert np.isnan(found[3]).all()
    assert np.isfinite(np.delete(found, 3, 0)).all()


@needs_node
def test_in_webassembly(tmp_path):
    names = ("product", "solution", "inverse", "volume", "factor")
    sd.emit({name: LIBRARY[name] for name in names}, tmp_path, kinds="wasm", name="algebra")
    for name in names:
        given = point(LIBRARY[name])
        body = f"return flat(m.{name}(...v.given))"
        said = run(tmp_path, "algebra", body, given=[x.tolist() for x in given])
        assert error(np.array(said), flattened(LIBRARY[name](*given))) < 1e-13, name


@pytest.mark.parametrize("name", ["product", "solution", "volume"])
def test_in_kernels(tmp_path, name):
    f = LIBRARY[name] if name != "volume" else sd.function("f(A[20, 20]) = det(A)")
    sd.emit({name: f}, tmp_path, kinds="ll", target=NVPTX)
    given = point(f)
    wanted = flattened(f(*given))
    made, status = threads(tmp_path, name, [x[np.newaxis] for x in given], [wanted.size], np.float64, 1, 1)
    assert status == 0
    assert error(made[0][0], wanted) < 1e-13


@pytest.mark.parametrize(("triple", "blas"), [
    ("x86_64-linux-gnu", True), ("arm64-apple-macosx", True), ("wasm32", False), ("arm-none-eabi", False),
])  # fmt: skip
def test_which_targets_have_one(tmp_path, triple, blas):
    assert Target.of(triple).has_blas == blas
    (text,) = sd.emit(LIBRARY["product"], tmp_path, kinds="ll", target=triple)
    assert ("declare void @dgemm_(" in text.read_text()) == blas
    (text,) = sd.emit(LIBRARY["product"], tmp_path, kinds="ll", target=triple, blas=not blas)
    assert ("declare void @dgemm_(" in text.read_text()) != blas


def test_singular_values_are_refused_without_lapack(tmp_path):
    f = sd.function("f(A[9, 9]) = svdvals(A)")
    with pytest.raises(sd.CompileError, match="wasm32-unknown-unknown has no LAPACK, whose dgesdd is called"):
        sd.emit(f, tmp_path, kinds="wasm")


def test_a_library_without_blas_calls_none(tmp_path):
    header, library, config = sd.emit(LIBRARY["solution"], tmp_path, kinds=("h", "a", "pc"), blas=False)
    assert "BLAS" not in header.read_text()
    assert "blas" not in config.read_text()
    if shutil.which("nm"):
        names = subprocess.run(["nm", "-u", library], capture_output=True, text=True, check=True).stdout.split()
        assert {name for name in names if name.endswith("_")} == set()
