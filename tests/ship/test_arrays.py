"""Functions of arrays in libraries: loops, BLAS and LAPACK, workspaces, sparse matrices; the bits are those of here."""

import subprocess
from fractions import Fraction

import numpy as np
import pytest

import symdiff as sd
from symdiff.interpret import evaluate
from tests.fuzz.generate import program, text
from tests.ship.c_programs import STRICT, bits, call, flat, main, needs_gcc, printed, run_c, sizes_of
from tests.ship.libraries import blas_flags, blas_names, loaded, needs_blas, needs_cc, needs_openblas

RNG = np.random.default_rng(8)

NETWORK = sd.function(
    "loss(W1[48, 40], b1[48], W2[10, 48], x[64, 40], y[64, 10]) = mean((tanh(x @ W1.T + b1) @ W2.T - y)**2)"
)
STEP = sd.value_and_grad(NETWORK, ("W1", "b1", "W2"))


@needs_gcc
@needs_blas
def test_a_step_of_a_network_with_blas(tmp_path):
    header, built = sd.emit({"network": STEP}, tmp_path, kinds=("h", "o"), math="scalar")
    names = blas_names(header.read_text())
    assert "dgemm_" in names
    point = [RNG.normal(size=a.shape) for a in STEP.arguments]
    wanted = STEP.compile(math="scalar")(*point)
    value, gradients = wanted
    sizes = [1, *(np.size(g) for g in gradients)]
    source = main(header.name, call("network", point, sizes))
    found = printed(run_c(tmp_path, source, built, *blas_flags(tmp_path, names)))
    assert found == bits(value, *gradients)


@needs_gcc
@needs_openblas
def test_a_step_of_a_network_with_the_blas_of_the_system(tmp_path):
    header, built = sd.emit({"network": STEP}, tmp_path, kinds=("h", "a"))
    point = [RNG.normal(size=a.shape) for a in STEP.arguments]
    value, gradients = STEP(*point)
    source = main(header.name, call("network", point, [1, *(np.size(g) for g in gradients)]))
    found = [float.fromhex(line) for line in run_c(tmp_path, source, built, "-lopenblas", flags=STRICT).split()]
    np.testing.assert_allclose(found, np.concatenate([[value], *map(np.ravel, gradients)]), rtol=1e-12, atol=1e-14)


@needs_gcc
@needs_blas
def test_linear_algebra_by_lapack(tmp_path):
    functions = {
        "solution": sd.function("f(A[20, 20], b[20]) = solve(A, b)"),
        "factor": sd.function("f(A[20, 20]) = cholesky(A @ A.T)"),
        "inverse": sd.function("f(A[20, 20]) = inv(A)"),
        "volume": sd.function("f(A[20, 20]) = det(A) + logdet(A @ A.T)"),
    }
    header, built = sd.emit(functions, tmp_path, kinds=("h", "o"))
    names = blas_names(header.read_text())
    assert {"dgetrf_", "dpotrf_", "dgetri_", "dtrsm_"} <= set(names)
    point = [RNG.normal(size=(20, 20)), RNG.normal(size=20)]
    given = {name: point[: len(f.arguments)] for name, f in functions.items()}
    blocks = [call(name, given[name], sizes_of(f, *given[name])) for name, f in functions.items()]
    found = printed(run_c(tmp_path, main(header.name, *blocks), built, *blas_flags(tmp_path, names)))
    assert found == bits(*[f(*given[name]) for name, f in functions.items()])


@needs_gcc
def test_arrays_in_batches_and_an_index_out_of_range(tmp_path):
    f = sd.function("x[i]*cumsum(x)", {"x": (7,), "i": ()})
    sd.emit({"f": f}, tmp_path, kinds=("h", "a"))
    good = [RNG.normal(size=(5, 7)), np.array([0.0, 3.0, -1.0, 6.0, 2.0])]
    source = main(
        "f.h",
        call("f", good, [7], 5),
        "double x[7] = {0}, i = 7, y[7], *out[] = {y};",
        "const double *in[] = {x, &i};",
        "void *work = malloc(f_work_bytes() + 1);",
        "if (f(in, out, work) != SYMDIFF_BAD_INDEX) return 1;",
        "free(work);",
    )
    assert printed(run_c(tmp_path, source, tmp_path / "libf.a")) == bits(f(*good))


@needs_gcc
def test_a_long_function_without_workspace_is_called_without(tmp_path):
    f = sd.function("f(A[1, 1000]) = sum(A, axis=0)")
    sd.emit({"f": f}, tmp_path, kinds=("h", "a"))
    a = RNG.normal(size=(1, 1000))
    source = main("f.h", "if (f_work_bytes()) return 2;", call("f", [a], [1000]))
    assert printed(run_c(tmp_path, source, tmp_path / "libf.a")) == bits(f(a))


@needs_gcc
def test_a_sparse_jacobian_by_compressed_columns(tmp_path):
    f = sd.function("f(x[6]) = [x[0]*x[1], x[2]**2, x[1]*x[5], sin(x[4])*x[0]]")
    jacobian = sd.sparse_jacobian(f)
    jacobian_c = {"f": f, "f_jac": jacobian}
    header, built = sd.emit(jacobian_c, tmp_path, kinds=("h", "o"))
    x = RNG.normal(size=6)
    sparsity = """
    const int64_t *s = f_jac_sparsity();
    printf("%" PRId64 " %" PRId64, s[0], s[1]);
    for (int64_t j = 0; j <= s[1] + s[2 + s[1]]; j++) printf(" %" PRId64, s[2 + j]);
    printf("\\n");
"""
    said = run_c(tmp_path, main(header.name, sparsity, call("f_jac", [x], [jacobian.nnz])), built)
    first, _, rest = said.partition("\n")
    matrix = jacobian(x).tocsc()
    matrix.sort_indices()
    assert list(map(int, first.split())) == [4, 6, *matrix.indptr, *matrix.indices]
    assert printed(rest) == bits(matrix.data)


@pytest.mark.parametrize("triple", ["thumbv7em-none-eabihf", "i686-linux-gnu", "riscv64-linux-gnu"])
def test_arrays_for_other_machines(tmp_path, triple):
    f = sd.function("f(x[9, 9], y[9]) = sum(cumsum(tanh(x @ y))) + x[3] @ solve(x, y)")
    header, built = sd.emit(sd.grad(f, "x"), tmp_path, kinds=("h", "o"), target=triple)
    assert built.read_bytes().startswith(b"\x7fELF")
    assert "work is null" in header.read_text()


@needs_cc
def test_the_module_of_python(tmp_path):
    f = sd.function("f(W[2, 3], x[3]) = tanh(W @ x)")
    value = sd.function("q(a, b) = a*b")
    hessian = sd.function("h(x[30]) = sum((x[1:] - x[:-1]**2)**2)")
    functions = {
        "f": f,
        "pair": sd.value_and_grad(sd.function("s(x[3]) = sum(x**3)")),
        "q": value,
        "lambda": sd.sparse_hessian(hessian),
        "single": sd.function("g(x[3]) = exp(x)", dtype="float32"),
    }
    module = loaded(functions, tmp_path, "few", math="scalar")
    w, x = RNG.normal(size=(2, 3)), RNG.normal(size=(4, 5, 3))
    assert bits(module.f(w, x[0, 0])) == bits(f(w, x[0, 0]))
    assert bits(module.f(w, x)) == bits(f.compile(math="scalar")(w, x))
    assert module.f(w, x).shape == (4, 5, 2)
    number, gradient = module.pair([1.0, 2.0, 3.0])
    assert (number, gradient.tolist()) == (36.0, [3.0, 12.0, 27.0])
    assert module.q(2, 3.5) == 7.0
    assert type(module.q(2, 3.5)) is float
    assert module.q(np.zeros((0, 2)), 1.0).shape == (0, 2)
    y = RNG.normal(size=30)
    assert np.array_equal(module.lambda_.matrix(y).toarray(), functions["lambda"](y).toarray())
    assert module.single(x[0, 0]).dtype == np.float32
    assert bits(module.single(x[0, 0])) == bits(functions["single"](x[0, 0]))
    with pytest.raises(ValueError, match=r"W\[2, 3\] has the shape \(2, 3\), not \(3, 3\)"):
        module.f(np.ones((3, 3)), [1.0, 2.0, 3.0])
    with pytest.raises(TypeError, match="f takes 2 inputs"):
        module.f(w)
    assert repr(module.q) == "<LoadedFunction q(a, b) -> q>"
    assert "symdiff" not in {line.split()[1] for line in (tmp_path / "few.py").read_text().splitlines()
                             if line.startswith(("import ", "from "))}  # fmt: skip


NO_NUMBERS = {
    "text": ("2", "a takes real numbers, not str32"),
    "nothing": (None, "a takes real numbers, not NoneType"),
    "complex": (np.array([2 + 1j]), "a takes real numbers, not complex128"),
    "days": (np.datetime64("2020-01-01"), "a takes real numbers, not datetime64"),
    "things": ([1.0, object()], "a takes real numbers, not list"),
}


@needs_cc
def test_what_the_module_of_python_refuses(tmp_path):
    sparse = sd.sparse_hessian("h(x[4]) = sum(x[1:]*x[:-1]**2)")
    module = loaded(
        {"q": sd.function("q(a, b) = a*b"), "h": sparse, "flat": sd.sparse_hessian("e(x[3]) = sum(x)")},
        tmp_path,
        "refusing",
    )
    for value, said in NO_NUMBERS.values():
        with pytest.raises(TypeError, match=said):
            module.q(value, 3.0)
    assert module.q(Fraction(1, 4), True) == 0.25
    with pytest.raises(TypeError, match=r"q takes 2 inputs \(a, b\), not 3"):
        module.q(1, 2, 3)
    with pytest.raises(ValueError, match=r"q: there is no batch of \(3,\) of a, \(4,\) of b"):
        module.q(np.ones(3), np.ones(4))
    shape, starts, rows = module.flat.sparsity
    assert (shape, starts.tolist(), rows.dtype) == ((3, 3), [0, 0, 0, 0], np.int64)
    with pytest.raises(AttributeError, match="q gives no sparse matrix"):
        module.q.matrix(1.0, 2.0)
    with pytest.raises(ValueError, match=r"h.matrix is of one point, and this is a batch of \(2,\)"):
        module.h.matrix(np.ones((2, 4)))


@needs_cc
@needs_openblas
def test_the_module_of_python_is_linked_with_the_blas_that_is_there(tmp_path):
    f = sd.function("f(A[20, 20], b[20]) = solve(A, b)")
    a, b = RNG.normal(size=(20, 20)), RNG.normal(size=20)
    np.testing.assert_allclose(loaded(f, tmp_path, "algebra").f(a, b), np.linalg.solve(a, b), rtol=1e-9)


@needs_cc
def test_the_module_of_python_is_refused_where_nothing_has_what_it_calls(tmp_path, monkeypatch):
    monkeypatch.setattr("symdiff.ship.linker.ALGEBRA", (("nothing_of_that_name",),))
    with pytest.raises(sd.CompileError, match=r"nothing is found here that has .*dgetrf_.*and Python brings none"):
        sd.emit("f(A[20, 20], b[20]) = solve(A, b)", tmp_path, kinds="ctypes")
    with pytest.raises(sd.CompileError, match=r"(?s)my_psi.*name the library that has it"):
        sd.emit("f(x) = digamma(x)", tmp_path, kinds="ctypes", symbols={"digamma": "my_psi"})
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("CC", "nothing-of-that-name")
    with pytest.raises(sd.CompileError, match="nothing-of-that-name cannot be run: No such file"):
        sd.emit("f(x) = x", tmp_path, kinds="so")


EDGES = {
    "no_inputs": (sd.function("3.5", []), []),
    "an_input": (sd.function("f(x, y[3]) = y"), [1.0, [1.0, 2.0, 3.0]]),
    "zeros": (sd.function("f(x) = zeros((4, 5))"), [1.0]),
    "constants": (sd.function(f"f(x) = [x, {', '.join(map(str, range(60)))}]"), [1.5]),
    "no_elements": (sd.function("x[:0]", {"x": (3,)}), [[1.0, 2.0, 3.0]]),
    "unused": (sd.function("f(x, W[3, 4]) = x**2"), [2.0, np.ones((3, 4))]),
    "other_alphabets": (sd.function("f(α, β) = α*β"), [2.0, 3.0]),
    "several": (sd.function({"product": "x*y", "greater": "x > y"}, ["x", "y"]), [2.0, 3.0]),
    "conditions": (sd.function("f(x[4]) = x > 1"), [[0.0, 1.0, 2.0, np.nan]]),
    "many_inputs": (
        sd.grad(sd.function(f"f({', '.join(f'x{k}' for k in range(70))}) = {'*'.join(f'x{k}' for k in range(70))}")),
        list(np.linspace(0.5, 1.5, 70)),
    ),
    "compiled": (sd.function("f(x, y) = x*y + sin(x)").compile(fp="strict"), [0.3, 0.7]),
    "singles": (sd.function("f(A[3, 3], x[3]) = tanh(A @ x)/3", dtype="float32"), [np.eye(3), [0.1, 0.2, 0.3]]),
}


@needs_cc
def test_edges(tmp_path):
    module = loaded({name: f for name, (f, _) in EDGES.items()}, tmp_path, "edges", math="scalar")
    for name, (f, point) in EDGES.items():
        function, here = getattr(module, name), flat(f(*point))
        assert bits(*flat(function(*point))) == bits(*here), name
        if point:
            batches = flat(function(*(np.stack([np.asarray(p)] * 5) for p in point)))
            assert bits(*(y[3] for y in batches)) == bits(*here), name
    flags = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"]
    (header,) = sd.emit({name: f for name, (f, _) in EDGES.items()}, tmp_path, name="edges", kinds="h")
    for language in ("c", "c++"):
        done = subprocess.run(["cc", *flags, "-x", language, header], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def random_functions(count):
    """Random functions with a point of each: as many as asked for that have one."""
    found, points, seed = {}, {}, 0
    while len(found) < count:
        seed += 1
        source, shapes = program(seed) if seed % 2 else (text(seed), dict.fromkeys("xyz", ()))
        numbers = np.random.default_rng(seed)
        point = [numbers.normal(size=shape) if shape else float(numbers.normal()) for shape in shapes.values()]
        try:
            with sd.limits("untrusted"), np.errstate(all="ignore"):
                f = sd.function(source, shapes)
                f(*point)
        except sd.SymdiffError:
            continue
        if f.outputs and f.stats()["blas_calls"] == 0:
            found[f"p{seed}"], points[f"p{seed}"] = f, point
    return found, points


@needs_cc
@pytest.mark.parametrize("count", [12, pytest.param(1000, marks=pytest.mark.heavy)])
def test_random_programs_in_one_library(tmp_path, count):
    every, points = random_functions(count)
    names = list(every)
    for part in range(0, count, 200):
        _compare({name: every[name] for name in names[part : part + 200]}, points, tmp_path)


def _compare(functions, points, folder):
    module = loaded(functions, folder, f"contracted_{len(list(folder.iterdir()))}", math="scalar")
    strict = loaded(functions, folder, f"strict_{len(list(folder.iterdir()))}", fp="strict")
    for name, f in functions.items():
        point = points[name]
        with np.errstate(all="ignore"):
            here = flat(f.compile(math="scalar")(*point))
            read = evaluate(f.graph, f.nodes, dict(zip(f.body.parameters, point, strict=True)))
        assert bits(*flat(getattr(module, name)(*point))) == bits(*here), name
        assert bits(*flat(getattr(strict, name)(*point))) == bits(*read), name
