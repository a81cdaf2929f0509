"""Sparse Jacobians and Hessians against dense ones; what a call gives, and what is refused."""

import copy
import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.sparse.linalg import splu, spsolve

import symdiff as sd

# (text, wrt, exact): whether the entries are those that are not 0 at a point.
JACOBIANS = [
    ("f(x[3]) = [x[0]*x[1], sin(x[2]), x[0]]", "x", True),
    ("f(x[3]) = [2, 3]", "x", True),
    ("f(x[3]) = [x[0]*x[1], 2*x[2] + 1]", "x[1:]", True),
    ("f(x[3], a) = [a*x[0], x[0] + 1, a]", ["a", "x"], True),
    ("f(x[3], a) = [a*x[0], x[0] + 1, a]", ["x[2]", "a", "x[0]"], True),
    ("f(x, y) = x*y", ["x", "y"], True),
    ("f(x, y) = [x*y, y, 1]", None, True),
    ("f([x, y], a) = [x*y, y/a, exp(x)]", ["x", "y"], True),
    ("q = x*y\nf = [q*x, q + y, 3*x]", ["q", "x"], True),
    ("q = [x*y, x + y]\nf = [q[0]*q[1], q[1]*x]", "q", True),
    ("q = [x*y, x + y]\nf = [q[0]*q[1], q[1]*x]", ["x", "q", "y"], True),
    ("f(A[2, 2]) = [A[0, 0]*A[1, 1] - A[0, 1]*A[1, 0], A[1, 1]]", "A", True),
    ("f(A[2, 2]) = [[A[0, 0], A[1, 1]**2], [3, A[0, 1]*A[1, 1]]]", "A", True),
    ("f(x[3]) = x", "x", True),
    ("f(x[2]) = [where(x[0] > 0.5, sqrt(x[0] - 0.5), x[1]), max(x[0], x[1])]", "x", False),
    ("f(x[4]) = [x[0]/x[1]*x[2], x[0]/x[1]/x[3], hypot(x[0], x[1]*x[2])**x[3]]", "x", True),
    ("f(x[5]) = x[1:]**2 - x[:-1]", "x", True),
    ("f(x[5], y[2]) = concatenate((x*y[0], y))", ["y", "x"], True),
    ("f(A[3, 3], x[3]) = solve(A, x)", ["x", "A"], True),
    ("f(x[3]) = x[:0]", "x", True),
    ("f(x[4]) = cumprod(x)", "x", False),
]

HESSIANS = [
    ("f(x[3]) = x[0]*x[1] + sin(x[2])", "x"),
    ("f(x[3]) = 2*x[0] - x[1]", "x"),
    ("f(x[3]) = 3", "x"),
    ("f(x, y) = x**2*y", None),
    ("f(x, y, a) = exp(x*y*a)", ["y", "x"]),
    ("f(x[4], a) = a*x[0]*x[1] + x[2]**2", ["x[1:]", "a"]),
    ("f([x, y], a) = (a - x)^2 + 100*(y - x^2)^2", ["x", "y"]),
    ("q = x*y\nf = q**2*x", "q"),
    ("f(x[3]) = where(x[0] > 0.5, sqrt(x[0] - 0.5)*x[1], x[2]**3)", "x"),
    ("f(x[4]) = x[0]/x[1]*tanh(x[2]) + x[3]**x[0]", "x"),
    ("f(x[6]) = sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)", "x"),
    ("f(x[3], A[3, 3]) = x @ A @ x", ["x", "A"]),
    ("f(x[3], lam[2], s) = s*x[0]**2*x[1] + sum(lam*[x[0]*x[1], x[1]*x[2]])", "x"),
    ("f(A[2, 2]) = logdet(A)", "A"),
    ("f(A[3, 4]) = sum(A[1:]*A[:-1]) + sum(A[:, 1:]**2*A[:, :-1])", "A"),
    ("f(A[2, 3], y[3], s) = sum(A @ y)*s + sum(y[1:]*y[:-1]) + A[0, 0]**3", ["y", "A", "s"]),
    ("f(A[2, 3], y[3], s) = sum(A @ y)*s + sum(y[1:]*y[:-1]) + A[0, 0]**3", ["s", "y", "A"]),
    ("f(x[6]) = sum(x*x[::-1])", "x"),
    ("f(x[7]) = sum(x[::2]**3*x[0:4]) + x[5]*sum(x)", "x"),
    ("f(x[5]) = sum(cumsum(x)**2)", "x"),
    ("f(x[4], y[3]) = sum(outer(x, y)**2) + sum(x)**2", ["y", "x"]),
    ("f(A[2, 3]) = sum(sin(softmax(A, axis=-1)))", "A"),
    ("f(y[5]) = sin(norm(1 + y**2))", "y"),
]

OPTIONS = list(itertools.product(("full", "lower", "upper"), ("csr", "csc", "coo")))


def point(f, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.uniform(0.3, 1.3, a.shape) if a.shape else float(rng.uniform(0.3, 1.3)) for a in f.arguments]


def matrix(made, at):
    """The matrix that a call gives, after a look at its parts."""
    found = made(*at)
    kind = {"csr": sparse.csr_array, "csc": sparse.csc_array, "coo": sparse.coo_array}[made.format]
    assert type(found) is kind
    assert found.shape == made.shape == made.sparsity.shape
    assert found.nnz == made.nnz == made.sparsity.nnz
    assert found.has_canonical_format
    values = made.values(*at)
    np.testing.assert_array_equal(values, found.data)
    dense = np.zeros(made.shape)
    dense[made.rows, made.columns] = values
    np.testing.assert_array_equal(dense, found.toarray())
    np.testing.assert_array_equal(made.sparsity.toarray()[made.rows, made.columns], True)
    return dense


@pytest.mark.parametrize("format", ["csr", "csc", "coo"])
@pytest.mark.parametrize(("text", "wrt", "exact"), JACOBIANS, ids=[row[0] for row in JACOBIANS])
def test_jacobians(text, wrt, exact, format):
    f = sd.function(text, ["x", "y"]) if text.startswith("q") else sd.function(text)
    at = point(f)
    wanted = np.asarray(sd.jacobian(f, wrt)(*at))
    made = sd.sparse_jacobian(f, wrt, format=format)
    found = matrix(made, at)
    np.testing.assert_allclose(found, wanted.reshape(made.shape), rtol=1e-13, atol=1e-15)
    if exact:
        assert made.nnz == np.count_nonzero(wanted)
    if not isinstance(wrt, tuple):
        sparsity = sd.jacobian(f, wrt).sparsity
        assert sparsity.dtype == bool
        np.testing.assert_array_equal(sparsity.toarray(), made.sparsity.toarray())


@pytest.mark.parametrize(("text", "wrt"), HESSIANS, ids=[row[0] for row in HESSIANS])
def test_hessians(text, wrt):
    f = sd.function(text, ["x", "y"]) if text.startswith("q") else sd.function(text)
    at = point(f)
    wanted = np.asarray(sd.hessian(f, wrt)(*at))
    wanted = wanted.reshape(2 * (round(wanted.size**0.5),))
    for triangle, format in OPTIONS:
        made = sd.sparse_hessian(f, wrt, triangle=triangle, format=format)
        part = {"full": np.asarray, "lower": np.tril, "upper": np.triu}[triangle]
        found = matrix(made, at)
        np.testing.assert_allclose(found, part(wanted), rtol=1e-13, atol=1e-15)
        if triangle == "full":
            np.testing.assert_array_equal(found, found.T)
            np.testing.assert_array_equal(sd.hessian(f, wrt).sparsity.toarray(), made.sparsity.toarray())


@pytest.mark.parametrize("method", ["auto", "direct", "compressed"])
def test_full_hessians_are_symmetric_bit_for_bit(method):
    f = sd.function("f(A[2, 2], x[2]) = sum(sin(solve(A, x*x)))")
    found = sd.sparse_hessian(f, ["A", "x"], method=method)(*point(f)).toarray()
    np.testing.assert_array_equal(found, found.T)


@pytest.mark.parametrize("method", ["auto", "direct", "compressed"])
@pytest.mark.parametrize(
    ("text", "wrt", "size"),
    [("f(x, y[0]) = x**2", "y", 0), ("f(x, y[0]) = x**2*sum(y)", ["y", "x"], 1), ("f(x[0]) = sum(x**2)", "x", 0)],
)
def test_matrices_of_no_size(text, wrt, size, method):
    f = sd.function(text)
    H, J = sd.sparse_hessian(f, wrt, method=method), sd.sparse_jacobian(f, wrt, method=method)
    assert matrix(H, point(f)).shape == (size, size)
    assert matrix(J, point(f)).shape == (1, size)


UNARY = ("sin({})", "exp(-{}**2)", "{}**3", "-{}", "sqrt({}**2 + 1)", "{}/2", "log(2 + {}**2)", "tanh({})")
BINARY = (
    "{} + {}",
    "{} - {}",
    "{}*{}",
    "{}/(2 + sin({}))",
    "where({} > {}, a, b)",
    "max({}, {})",
    "hypot({}, 1 + {}**2)",
)


@st.composite
def formulas(draw):
    """Lines of formulas in the elements of x, of which later ones use earlier ones, and how many there are."""
    size = draw(st.integers(1, 6))
    terms = [f"x[{k}]" for k in range(size)]
    lines = []
    for n in range(draw(st.integers(1, 12))):
        pattern = draw(st.sampled_from(UNARY + BINARY))
        a, b = draw(st.sampled_from(terms)), draw(st.sampled_from(terms))
        text = pattern.replace("a, b", f"{a}*{b}, {a}").format(a, b)
        lines.append(f"t{n} = {text}")
        terms += [f"t{n}"] * 2
    return size, lines, draw(st.lists(st.sampled_from(terms), min_size=1, max_size=4))


@settings(max_examples=50, deadline=None)
@given(formulas(), st.sampled_from(OPTIONS), st.integers(0, 5))
def test_random_formulas_of_orders_one_to_three(made, options, seed):
    size, lines, outputs = made
    at = np.random.default_rng(seed).uniform(-1.5, 1.5, size)
    shapes = {"x": size}
    triangle, format = options
    f = sd.function("\n".join([*lines, f"[{', '.join(outputs)}]"]), shapes=shapes)
    scalar = sd.function("\n".join([*lines, " + ".join(outputs)]), shapes=shapes)
    J, K = sd.sparse_jacobian(f, "x", format=format), sd.sparse_hessian(scalar, "x", triangle=triangle, format=format)
    dense, second = np.asarray(sd.jacobian(f, "x")(at)), np.asarray(sd.hessian(scalar, "x")(at))
    part = {"full": np.asarray, "lower": np.tril, "upper": np.triu}[triangle]
    np.testing.assert_allclose(J(at).toarray(), dense, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(K(at).toarray(), part(second), rtol=1e-8, atol=1e-8)
    if K.nnz:
        third = sd.jacobian(sd.hessian(scalar, "x"), "x")(at)[K.rows, K.columns]
        again = sd.sparse_jacobian(K.values, "x")
        np.testing.assert_allclose(again(at).toarray(), third, rtol=1e-7, atol=1e-7)


def test_forward_and_reverse_sweeps_agree():
    from symdiff.differentiate.sparse.scalars import jacobian_entries
    from symdiff.interpret import evaluate

    f = sd.function("f(x[5]) = [x[0]*x[1]*sin(x[2]/x[0]), exp(x[3]*x[1])/x[4], where(x[0] > 1, x[1]**2, x[2]*x[3])]")
    graph, target = f.graph, f._name_table()["x"]
    roots = [int(n) for n in graph.args[f.nodes[0]]]
    ways = {mode: jacobian_entries(graph, roots, [target], mode) for mode in ("forward", "reverse")}
    at = np.random.default_rng(0).uniform(0.5, 1.5, 5)
    values = {mode: np.array(evaluate(graph, way.nodes, {target: at})) for mode, way in ways.items()}
    np.testing.assert_array_equal(ways["forward"].pattern.columns, ways["reverse"].pattern.columns)
    np.testing.assert_array_equal(ways["forward"].pattern.starts, ways["reverse"].pattern.starts)
    np.testing.assert_allclose(values["forward"], values["reverse"], rtol=1e-14)


def swing_up(m, z, n):
    """The trapezoidal rule for a cart with a pole, as `examples` of collocation have it: 4(n - 1) defects."""

    def dynamics(theta, v, w, u):
        s, c = m.sin(theta), m.cos(theta)
        mass = 1 + 0.1 * s**2
        return [
            v,
            w,
            (u + 0.1 * s * (0.5 * w**2 + 9.81 * c)) / mass,
            (-u * c - 0.05 * w**2 * c * s - 10.791 * s) / (0.5 * mass),
        ]

    out = []
    for k in range(n - 1):
        a, b, u = [z[4 * k + i] for i in range(4)], [z[4 * k + 4 + i] for i in range(4)], z[4 * n + k]
        fa, fb = dynamics(*a[1:], u), dynamics(*b[1:], u)
        out += [b[i] - a[i] - 0.025 * (fa[i] + fb[i]) for i in range(4)]
    return out


def effort(z, n):
    """The cost of a swing-up."""
    return sum((z[4 * n - 4 + i] - target) ** 2 for i, target in enumerate((0.0, np.pi, 0.0, 0.0))) * 100 + 0.05 * sum(
        z[4 * n + k] ** 2 for k in range(n - 1)
    )


@pytest.mark.parametrize("fewest", [0, 10**9], ids=["rolled", "straight"])
def test_loops_of_scalars_have_the_same_derivatives_however_they_are_found(fewest, monkeypatch):
    from symdiff.functions import sparse as module

    monkeypatch.setattr(module, "FEWEST_NODES", fewest)
    monkeypatch.setattr(module, "ARRAY_NODES", 0)
    n = 10
    c = sd.function(lambda z: sd.stack(swing_up(sd, z, n)), {"z": 5 * n - 1})
    shapes = {"z": 5 * n - 1, "lam": 4 * (n - 1), "s": ()}
    lagrangian = sd.function(lambda z, lam, s: s * effort(z, n) + sd.sum(lam * c(z)), shapes)
    J = sd.sparse_jacobian(c, "z")
    at = [np.random.default_rng(0).normal(size=5 * n - 1), np.random.default_rng(1).normal(size=4 * (n - 1)), 2.0]
    dense = sd.jacobian(c, "z")(at[0])
    np.testing.assert_allclose(J(at[0]).toarray(), dense, rtol=1e-12, atol=1e-14)
    assert J.nnz == np.count_nonzero(dense) == 20 * (n - 1)
    dense = sd.hessian(lagrangian, "z")(*at)
    for triangle in ("full", "lower", "upper"):
        K = sd.sparse_hessian(lagrangian, "z", triangle=triangle)
        part = {"full": np.asarray, "lower": np.tril, "upper": np.triu}[triangle](dense)
        np.testing.assert_allclose(K(*at).toarray(), part, rtol=1e-11, atol=1e-12)
        assert K.nnz == np.count_nonzero(part)
    assert ("patches" in J.explain()) == (fewest == 0)
    assert J.stats()["operations"] <= 5443 * (n - 1) / 49
    assert sd.sparse_hessian(lagrangian, "z", triangle="lower").stats()["operations"] <= 12981 * (n - 1) / 49


def test_few_scalars_are_not_made_many_arrays():
    """Of pairs of bodies each force is a class of its own, and arrays of them would be more than there are scalars."""
    from symdiff.functions import sparse as module

    def forces(x, n=10):
        total = [0.0] * n
        for i in range(n):
            for j in range(i):
                pull = (x[i] - x[j]) / (sd.sqrt((x[i] - x[j]) ** 2 + (x[n + i] - x[n + j]) ** 2) + 0.1) ** 3
                total[i], total[j] = total[i] + pull, total[j] - pull
        return sd.stack(total)

    f = sd.function(forces, {"x": 20})
    before, module.FEWEST_NODES = module.FEWEST_NODES, 0
    try:
        J = sd.sparse_jacobian(f)
    finally:
        module.FEWEST_NODES = before
    assert "patches" not in J.explain()
    at = np.random.default_rng(0).normal(size=20)
    np.testing.assert_allclose(J(at).toarray(), sd.jacobian(f)(at), rtol=1e-12, atol=1e-13)


def test_sympy_trees_and_functions_of_users():
    sympy = pytest.importorskip("sympy")
    x, y = sympy.symbols("x y")
    J = sd.sparse_jacobian(sympy.Matrix([x * y, y**2]), [x, y])
    np.testing.assert_array_equal(J(2.0, 3.0).toarray(), [[3, 2], [0, 6]])
    tree = sd.function(lambda p, x: p["a"] * x * p["b"][0], ["p", "x"])
    J = sd.sparse_jacobian(tree, "x")
    np.testing.assert_array_equal(J({"a": 2.0, "b": [3.0]}, np.ones(2)).toarray(), 6 * np.eye(2))
    words = sd.Namespace()
    words.define("soft(x, y) = log(exp(x) + exp(y))", backward={"x": "g/(1 + exp(y - x))", "y": "g/(1 + exp(x - y))"})
    words.define("spread(x) = x*sum(x)", backward={"x": "g*sum(x) + sum(g*x)"})
    for text, entries in (("f(x[3]) = [soft(x[0], x[1])*x[2], x[1]]", 4), ("f(x[3]) = spread(x)", 9)):
        f = sd.function(text, namespace=words)
        J, at = sd.sparse_jacobian(f), np.array([0.3, 0.5, 0.7])
        assert J.nnz == entries
        np.testing.assert_allclose(J(at).toarray(), sd.jacobian(f)(at), rtol=1e-14)


# What a call gives


@pytest.fixture(scope="module")
def laplacian():
    """A matrix that can be factored."""
    return sd.sparse_jacobian("f(x[6]) = pad(x, 1)[2:] + pad(x, 1)[:-2] - 4*x - x**2")


def test_calls_share_indices_that_nobody_can_change(laplacian):
    one, other = laplacian(np.ones(6)), laplacian(np.zeros(6))
    assert one.indices is other.indices
    assert one.indptr is other.indptr
    assert not np.shares_memory(one.data, other.data)
    with pytest.raises(ValueError, match="read-only"):
        one.indices[0] = 1


@pytest.mark.parametrize("format", ["csr", "csc", "coo"])
def test_scipy_takes_what_a_call_gives(format):
    made = sd.sparse_jacobian("f(x[6]) = pad(x, 1)[2:] + pad(x, 1)[:-2] - 4*x - x**2", format=format)
    at = np.linspace(0, 1, 6)
    found, dense = made(at), made(at).toarray()
    checked = {
        "product": (found @ at, dense @ at),
        "transpose": (found.T.toarray(), dense.T),
        "square": ((found @ found).toarray(), dense @ dense),
        "sum": ((found + found).toarray(), 2 * dense),
        "scaled": ((3 * found).toarray(), 3 * dense),
        "columns": (found.tocsc()[:, 2:4].toarray(), dense[:, 2:4]),
        "solution": (spsolve(found.tocsc(), at), np.linalg.solve(dense, at)),
        "factors": (splu(found.tocsc()).solve(at), np.linalg.solve(dense, at)),
        "copy": (found.copy().toarray(), dense),
        "pickle": (pickle.loads(pickle.dumps(found)).toarray(), dense),
        "diagonal": (found.diagonal(), np.diag(dense)),
        "lists": (found.tolil().toarray(), dense),
    }
    for name, (result, wanted) in checked.items():
        np.testing.assert_allclose(result, wanted, rtol=1e-12, err_msg=name)
    assert "6 × 6" in str(found) or "(6, 6)" in str(found)


@pytest.mark.parametrize("format", ["csr", "csc", "coo"])
def test_out_is_overwritten_in_place(format):
    made = sd.sparse_jacobian("f(x[3]) = x[1:]**2 - x[:-1]", format=format)
    one, other = np.array([1.0, 2.0, 3.0]), np.array([3.0, 5.0, 7.0])
    kept = made(one)
    data = kept.data
    assert made(other, out=kept) is kept
    assert kept.data is data
    np.testing.assert_array_equal(kept.toarray(), made(other).toarray())
    vector = np.empty(made.nnz)
    assert made(one, out=vector) is vector
    np.testing.assert_array_equal(vector, made.values(one))
    for wrong in (np.empty(3), made(one).toarray(), "no", 3.0, sparse.csr_array(np.eye(3))):
        with pytest.raises(sd.CallError, match="out= takes"):
            made(one, out=wrong)
    elsewhere = sparse.csr_array(([1.0] * 4, [0, 1, 0, 1], [0, 2, 4]), shape=(2, 3))
    for wrong in (sparse.csr_array(np.ones((1, 4))), elsewhere, elsewhere.tocoo(), elsewhere.tocsc()):
        with pytest.raises(sd.CallError, match="out= is no"):
            made(one, out=wrong)


@pytest.mark.parametrize("format", ["csr", "csc", "coo"])
def test_the_structure_of_a_copy_can_change(format):
    made = sd.sparse_jacobian("f(x[3]) = x[1:]**2 - x[:-1]", format=format)
    at = np.array([1.0, 0.0, 3.0])
    found = made(at).copy()
    found.eliminate_zeros()
    assert (found.nnz, made(at).nnz) == (3, 4)
    np.testing.assert_array_equal(found.toarray(), made(at).toarray())


def test_a_batch_is_refused_and_its_values_are_not(laplacian):
    batch = np.random.default_rng(0).normal(size=(3, 6))
    with pytest.raises(sd.CallError, match="a batch of sparse matrices") as caught:
        laplacian(batch)
    assert "values" in caught.value.hint
    values = laplacian.values(batch)
    assert values.shape == (3, laplacian.nnz)
    np.testing.assert_array_equal(values[1], laplacian(batch[1]).data)
    with pytest.raises(sd.ShapeError, match="output operand") as caught:
        laplacian(batch, out=np.empty(laplacian.nnz))


def test_expressions_go_to_the_values():
    made = sd.sparse_jacobian("f(x, y) = [x*y, y]", ["x", "y"])
    x, y = sd.symbols("x y")
    with pytest.raises(sd.CallError, match="no sparse matrix"):
        made(x, y)
    assert str(made.values(x, y)) == "[y, x, 1]"


def test_it_is_pickled_saved_and_compiled(tmp_path, laplacian):
    at = np.linspace(0, 1, 6)
    wanted = laplacian(at).toarray()
    twins = [pickle.loads(pickle.dumps(laplacian)), copy.deepcopy(laplacian), laplacian.compile(fp="strict")]
    twins.append(pickle.loads(pickle.dumps(twins[-1])))
    laplacian.save(tmp_path / "j.symdiff")
    twins.append(sd.load(tmp_path / "j.symdiff"))
    for twin in twins:
        assert repr(twin) == repr(laplacian) == "<SparseFunction sparse_jacobian_f(x[6]) -> 6×6 csr, 16 entries>"
        np.testing.assert_allclose(twin(at).toarray(), wanted, rtol=1e-15)
    for format in ("csc", "coo"):
        made = sd.sparse_hessian("f(x[3]) = x[0]*x[1]*x[2]", triangle="lower", format=format)
        twin = pickle.loads(pickle.dumps(made))
        np.testing.assert_array_equal(twin(at[:3]).toarray(), made(at[:3]).toarray())


def test_damaged_files_are_refused(laplacian):
    from symdiff.functions import storage

    data = laplacian.to_bytes()
    for place in range(0, len(data), 211):
        broken = bytearray(data)
        broken[place] ^= 1
        with pytest.raises(sd.StorageError):
            storage.from_bytes(bytes(broken))
    values = storage.to_bytes(laplacian.values)

    def container(starts, columns, values, **changes):
        content = {
            "kind": storage.SPARSE,
            "name": "f",
            "format": "csr",
            "shape": [6, 6],
            "entries": 16,
            "definitions": [],
        }
        arrays = b"".join(np.asarray(a, "<i8").tobytes() for a in (starts, columns))
        return storage.closed({**content, **changes}, arrays + values)

    pattern = laplacian.layout.pattern
    starts, columns = pattern.starts.copy(), pattern.columns.copy()
    np.testing.assert_array_equal(storage.from_bytes(container(starts, columns, values)).rows, laplacian.rows)
    other = storage.to_bytes(sd.function("f(x[6]) = x"))
    swapped, outside, late = columns.copy(), columns.copy(), starts.copy()
    swapped[:2], outside[3], late[1] = swapped[1::-1], 6, 17
    for broken in (
        container(starts, columns, other),
        container(starts, swapped, values),
        container(starts, outside, values),
        container(late, columns, values),
        container(starts, columns, values, format="lil"),
        container(starts, columns, values, entries=10**9),
        container(starts, columns, values, shape=[6]),
        container(starts, columns, laplacian.to_bytes()),
    ):
        with pytest.raises(sd.StorageError):
            storage.from_bytes(broken)


def test_it_tells_what_it_is(laplacian):
    assert laplacian.explain().startswith("sparse jacobian: direct")
    assert laplacian.stats()["operations"] == 6  # fused
    assert laplacian.inputs == ("x",)
    assert str(laplacian.__signature__) == str(laplacian.values.__signature__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        laplacian.nothing  # noqa: B018
    made = sd.sparse_jacobian("f(x[6]) = [x[0]*x[1], x[2], x[3]]")
    assert "forward mode; operations: forward" in made.explain() or "reverse mode" in made.explain()


# Shapes that a call fixes


def test_shapes_that_a_call_fixes():
    J = sd.sparse_jacobian("f(x) = x[1:]**2 - x[:-1]")
    H = sd.sparse_hessian("f(x[n], a) = a*sum(x**3)", "x", triangle="lower", format="csc")
    assert repr(J) == "<SparseFunction sparse_jacobian_f(x), shapes known at a call>"
    for size in (2, 5, 2):
        at = np.linspace(1, 2, size)
        np.testing.assert_allclose(J(at).toarray(), sd.jacobian("f(x) = x[1:]**2 - x[:-1]")(at))
        np.testing.assert_allclose(H(at, 2.0).toarray(), np.diag(12 * at))
        assert J.values(at).shape == (2 * (size - 1),)
    at = np.ones(3)
    assert J.specialize(at) is J.specialize(2 * at)
    assert J.specialize(at).shape == (2, 3)
    assert J(2 * at, out=J(at)).data[1] == 4


@pytest.mark.parametrize(
    ("make", "at"),
    [
        (lambda: sd.sparse_jacobian("f(x) = x[1:]**2 - x[:-1]", format="csc"), (3,)),
        (lambda: sd.sparse_hessian("f(x[n], a) = a*sum(x[1:]*x[:-1])", "x", triangle="upper"), (4, ())),
        (lambda: sd.sparse_hessian("f(x[n], a) = a*sum(x**3)", ["a", "x"], method="compressed", format="coo"), (3, ())),
        (lambda: sd.sparse_jacobian(sd.grad("f(x[n]) = sum(x[1:]*x[:-1]**2)"), method="direct"), (5,)),
        (lambda: sd.sparse_jacobian(sd.function("f(x[n], y[n]) = x*y", ["x", "y"]), ["y", "x[1:]"]), (3, 3)),
    ],
)
def test_functions_of_open_shapes_are_saved_as_they_are_made(make, at, tmp_path):
    made, point = make(), [np.linspace(1.0, 2.0, size) if size != () else 0.7 for size in at]
    made.save(tmp_path / "made.symdiff")
    for twin in (sd.load(tmp_path / "made.symdiff"), pickle.loads(pickle.dumps(made))):
        assert repr(twin) == repr(made)
        one, other = twin(*point), made(*point)
        assert type(one) is type(other)
        np.testing.assert_array_equal(one.toarray(), other.toarray())
        assert twin.options == made.options
        assert twin.specialize(*point).explain() == made.specialize(*point).explain()


def test_files_that_hold_no_function_of_open_shapes_are_refused():
    from symdiff.functions import storage

    made = sd.sparse_jacobian("f(x) = x[1:]**2 - x[:-1]")
    values = storage.to_bytes(made.function)

    def container(data=values, **changes):
        content = {"kind": storage.SPARSE, "name": "f", "transform": "sparse_jacobian", "wrt": "x",
                   "options": {"format": "csr", "method": "auto"}, "definitions": []}  # fmt: skip
        return storage.closed({**content, **changes}, data)

    assert storage.from_bytes(container())(np.ones(3)).nnz == 4
    for broken in (
        container(transform="sparse_tensor"),
        container(transform=["sparse_jacobian"]),
        container(options={"format": "csr"}),
        container(options={"format": "csr", "method": "fast"}),
        container(options={"format": ["csr"], "method": "auto"}),
        container(options=None),
        container(wrt=3),
        container(wrt=[["x"]]),
        container(name=None),
        container(storage.to_bytes(sd.function("f(x[2]) = x"))),
        container(made.to_bytes()),
        container(b""),
    ):
        with pytest.raises(sd.StorageError):
            storage.from_bytes(broken)


# What is refused


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: sd.sparse_jacobian("f(x[2]) = x", format="lil"), sd.ArgumentError, "format"),
        (lambda: sd.sparse_jacobian("f(x[2]) = x", method="fast"), sd.ArgumentError, "method"),
        (lambda: sd.sparse_hessian("f(x[2]) = x[0]", triangle="left"), sd.ArgumentError, "triangle"),
        (lambda: sd.sparse_jacobian("f(x[2], y[2]) = x*y"), sd.ArgumentError, "several arrays"),
        (lambda: sd.sparse_jacobian("f(x[2], y[2]) = x*y", ("x", "y")), sd.ArgumentError, "tuple"),
        (lambda: sd.sparse_jacobian("f(x[2], y[2]) = x*y", ("x",)), sd.ArgumentError, "tuple"),
        (lambda: sd.sparse_jacobian(("x*y", "x"), ["x", "y"]), sd.DifferentiationError, "2 outputs"),
        (lambda: sd.sparse_hessian("f(x[2]) = x", "x"), sd.DifferentiationError, "Hessian"),
        (lambda: sd.sparse_jacobian("f(x[2]) = x > 1", "x"), sd.DifferentiationError, "condition"),
        (lambda: sd.sparse_jacobian("f(x[2]) = x", "y"), sd.UnknownNameError, "y"),
        (lambda: sd.jacobian("f(x[2], y[2]) = x*y").sparsity, sd.ArgumentError, "several arrays"),
        (lambda: sd.jacobian(("x*y", "x"), ["x", "y"]).sparsity, sd.ArgumentError, "2 outputs"),
        (lambda: sd.function("f(x[2]) = x").sparsity, sd.ArgumentError, "Jacobian or Hessian"),
        (lambda: sd.grad(sd.hessian("f(x) = x**3")).sparsity, sd.ArgumentError, "Jacobian or Hessian"),
        (lambda: sd.jacobian("f(x) = sum(x)").sparsity, sd.ShapeError, "at each call"),
        (lambda: sd.sparse_jacobian("f(x) = x[1:]").sparsity, sd.ShapeError, "at each call"),
        (
            lambda: sd.sparse_jacobian(lambda x: sd.sum(x**2) * x[1:], "x").save("nowhere"),
            sd.StorageError,
            "Python function whose shapes",
        ),
        (lambda: sd.sparse_jacobian("x*y"), sd.ArgumentError, "nothing orders them"),
    ],
)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()
