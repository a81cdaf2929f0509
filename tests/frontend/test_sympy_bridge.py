"""SymPy expressions to graphs and back, against SymPy's own numbers."""

import hashlib
import math
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import sympy as sp

import symdiff as sd
from symdiff.differentiate.operators import iterated
from symdiff.display.text import expression
from symdiff.errors import ArgumentError, Open, SymdiffError
from symdiff.frontend.bodies import expansion
from symdiff.frontend.expr import Expr
from symdiff.frontend.parser import parse
from symdiff.frontend.symbols import symbols
from symdiff.frontend.sympy_bridge import graph_of_sympy, read_sympy, symbol_name, sympy_of
from symdiff.frontend.sympy_export import LONGEST_EXPANSION
from symdiff.interpret import evaluate
from symdiff.ir.graph import Graph
from symdiff.ir.unshaped import Unshaped
from symdiff.ops import OPS, movement
from symdiff.ops.base import Expand
from symdiff.signature import Argument

x, y, z, t = sp.symbols("x y z t")
R = sp.Rational
EXPRESSIONS = [
    x - y, y - x, x + 1, x / 3, 2 * x / 3, -x / y**2, -2 / x, -1 / x, 1 / (x * y), x / (y * z), sp.sqrt(x),
    1 / sp.sqrt(x),
    sp.sqrt(x) / sp.sqrt(y), x ** R(-3, 2), x ** R(1, 3), x ** R(2, 7), x**-4, x**17, x**y, 2**x, x ** (-y),
    R(1, 3) * x + R(5, 7),
    R(10**20 + 1, 3**45) * x, sp.Float("0.1") * x, -1.5 * x, sp.exp(-(x**2)), sp.exp(1), sp.E**2 + x, sp.pi * x / 2,
    sp.sin(x) * sp.cos(y) - sp.tan(z), sp.sec(x) + sp.csc(y) + sp.cot(z), sp.asin(x / 4),
    sp.acos(x / 4) + sp.atan(y) + sp.acot(x), sp.asec(x + 2) + sp.acsc(y + 2), sp.atan2(x, y), sp.sinh(x) / sp.cosh(y),
    sp.tanh(x) + sp.sech(x) + sp.csch(y) + sp.coth(z), sp.asinh(x) + sp.acosh(y + 1) + sp.atanh(x / 4),
    sp.asech(x / 4) + sp.acsch(y) + sp.acoth(z + 2), sp.log(x) + sp.log(y, 2), sp.log(x, z), sp.Abs(x - 1),
    sp.sign(x - 1),
    sp.Heaviside(x - 1), sp.Heaviside(x - 1, 0), sp.floor(x * 3.1) + sp.ceiling(y * 3.1) + sp.frac(5.1 * z),
    sp.Mod(x * 7, 3), sp.Mod(-x, y),
    sp.Max(x, y, z), sp.Min(x, 2, y), sp.erf(x) + sp.erfc(y), sp.gamma(x), sp.loggamma(x), sp.digamma(x),
    sp.polygamma(2, x),
    sp.polygamma(0, y), sp.factorial(x), sp.beta(x, y),
    sp.Piecewise((x, x > 1), (-x, True)), sp.Piecewise((x, x > 3), (y, y > 3)),
    sp.Piecewise((x, (x > 1) & (y < 2)), (y, z > 0)),
    sp.Piecewise((1, sp.Or(x > 1, ~(y < 2))), (sp.Piecewise((2, sp.Ne(x, y)), (3, True)), True)),
    sp.ITE(x > 1, y > 1, z > 1),
    sp.And(x > 0, y < 1, z > 0), sp.Eq(x, y), x >= y, sp.Not(x > 1),
    sp.UnevaluatedExpr(x + 1) * 2, sp.cbrt(x) + sp.root(y, 5), (x + y) ** 2 * (x - y) ** -2, sp.sin(x) ** -2,
    (x + 1) ** (y + 1),
    sp.sin(sp.cos(sp.tan(x))), x * y * z - x * y + 3 * z - 1, sp.diff(sp.exp(sp.sin(x) * y), x, 2),
    sp.Add(x, sp.Mul(-1, x, evaluate=False), evaluate=False), 3 * (x + y), -(x + y), -x - y, sp.Integer(3), R(1, 3),
    sp.oo * sp.sign(x), sp.GoldenRatio + sp.EulerGamma * x, sp.Catalan * x + sp.TribonacciConstant,
    sp.Implies(x > 1, y > 1), sp.re(x) + sp.conjugate(y),
]  # fmt: skip
OTHER_TEXTS = [
    sp.sinc(x), sp.sinc(x - x / 2) * 2, sp.Xor(x > 1, y > 1), sp.real_root(x, 3),
]  # fmt: skip
"""Expressions that convert, but whose text means something else in the language, or is refused there."""
POINTS = [(1.25, 0.75, 2.5), (0.3, 1.9, 0.6), (2.75, 3.25, 1.125)]


def numbers(graph, node, point):
    inputs = {graph.input(n): v for n, v in zip("xyz", point, strict=True)}
    return float(evaluate(graph, [node], inputs)[0])


def wanted(e, point):
    if isinstance(e, sp.logic.boolalg.Boolean) and not isinstance(e, sp.Symbol):
        return float(bool(e.subs(dict(zip((x, y, z), point, strict=True)))))
    e = e.doit()
    exact = {s: sp.Float(v, 40) for s, v in zip((x, y, z), point, strict=True)}
    value = sp.N(e.subs(exact), 30)
    return float(value) if value.is_real or value in (sp.oo, -sp.oo) else math.nan


@pytest.mark.parametrize("e", EXPRESSIONS, ids=str)
def test_values_agree_with_sympy_and_its_text(e):
    graph, node, names = graph_of_sympy(e)
    assert set(names) == {str(s) for s in e.free_symbols}
    read = parse(str(e), arguments=[Argument(n) for n in "xyz"])
    for point in POINTS:
        value = numbers(graph, node, point)
        np.testing.assert_allclose(value, wanted(e, point), rtol=3e-13, atol=1e-15)
        np.testing.assert_allclose(numbers(read.graph, read.output, point), value, rtol=3e-14, atol=1e-15)
        again = parse(expression(graph, node, simplify=False), arguments=[Argument(n) for n in "xyz"])
        np.testing.assert_array_equal(numbers(again.graph, again.output, point), value)


@pytest.mark.parametrize("e", OTHER_TEXTS, ids=str)
def test_values_agree_with_sympy(e):
    graph, node, _ = graph_of_sympy(e)
    for point in POINTS:
        np.testing.assert_allclose(numbers(graph, node, point), wanted(e, point), rtol=3e-13)


@pytest.mark.parametrize("e", EXPRESSIONS + OTHER_TEXTS, ids=str)
def test_back_to_sympy(e):
    graph, node, _ = graph_of_sympy(e)
    back = sympy_of(graph, node)
    for point in POINTS:
        np.testing.assert_allclose(wanted(back, point), wanted(e, point), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("op", [op for op in OPS.values() if op.kinds], ids=lambda op: op.name)
def test_every_operation_has_a_counterpart(op):
    graph = Graph()
    inputs = [graph.input(n) for n in "xyz"]
    args = [graph.add("less", (inputs[0], inputs[1])) if k == "c" else inputs[i] for i, k in enumerate(op.kinds)]
    node = graph.add(op, tuple(args), op.samples[0] if op.payload else None)
    long = op.sympy == "" and isinstance(op.routine, Expand) and (
        len(expansion(op, op.samples[0] if op.payload else None).order) > LONGEST_EXPANSION)  # fmt: skip
    if op.sympy is None or (long and not op.sympy):
        with pytest.raises(ArgumentError, match="no counterpart"):
            sympy_of(graph, node)
        return
    back = sympy_of(graph, node)
    for point in [(0.5, 0.25, 0.75), (1.5, 0.75, 2.5), (2.5, 2.5, 1.0)]:
        value = numbers(graph, node, point)
        if not math.isnan(value) and op.name != "erfcinv":  # of which SymPy gives no number
            np.testing.assert_allclose(wanted(back, point), value, rtol=1e-11, atol=1e-15)


q = sp.Function("q")
LEAVES = [
    (q(t), "q"), (sp.Derivative(q(t), t), "q_t"), (sp.Derivative(q(t), (t, 2)), "q_tt"), (sp.Symbol("I_{xx}"), "I_xx"),
    (sp.IndexedBase("x")[1], "x_1"), (sp.IndexedBase("x")[1, 2], "x_1_2"), (sp.Symbol(r"\alpha"), "alpha"),
    (sp.Symbol("v'"), "v"), (sp.Symbol("lambda"), "lambda"), (sp.Symbol("if"), "if_"), (sp.Symbol("2x"), "_2x"),
    (sp.Symbol("aα"), "a_alpha"), (sp.Symbol("Δx"), "Delta_x"), (sp.Symbol("θ₁"), "θ1"), (sp.Symbol("日"), "u65E5"),
    (sp.Symbol("x" * 70), "x" * 55 + "_" + hashlib.sha256(b"x" * 70).hexdigest()[:8]), (sp.Symbol("ñ日"), "n_u65E5"),
    (sp.Dummy("d"), "d"), (sp.Symbol("λ"), "λ"), (sp.MatrixSymbol("W", 2, 3), "W"), (sp.Symbol("_"), "_"),
]  # fmt: skip


@pytest.mark.parametrize(("leaf", "name"), LEAVES, ids=[n for _, n in LEAVES])
def test_names(leaf, name):
    assert symbol_name(leaf) == name
    graph, node, names = graph_of_sympy(leaf)
    assert names == {name: leaf}
    assert graph.payloads[node] == name


@pytest.mark.parametrize(
    ("e", "message"),
    [
        (sp.I * x, "imaginary unit"), (sp.zoo, "zoo"), (sp.airyai(x), "airyai"), (sp.Integral(x, x), "doit"),
        (sp.Derivative(sp.sin(x), x), "doit"), (x + sp.Symbol("x", real=True), "two different symbols are called x"),
        (q(t) + sp.Symbol("q"), "two different"), (q(x) + q(y), "two different"),
        (x + sp.Integer(10) ** 400, "too large"),
        (sp.MatrixSlice(sp.MatrixSymbol("A", 2, 2), (0, 1), (0, 2)), "as_explicit"), (sp.fresnels(x), "fresnels"),
        (sp.polygamma(y, x), "constant integer"),
        (sp.MatrixSymbol("A", sp.Symbol("n"), 2), "size"),
        (sp.Interval(0, 1), "Interval"), (sp.Contains(x, sp.Interval(0, 1)), "Contains"),
        (sp.conjugate(sp.log(x)), "real=True"),
        (sp.Symbol("A", commutative=False) + 1, "commute"),
    ],
    ids=str,
)  # fmt: skip
def test_refusals_say_what(e, message):
    with pytest.raises(ArgumentError, match=message) as caught:
        graph_of_sympy(e)
    assert isinstance(caught.value, SymdiffError)


MATRICES = [
    sp.Matrix([x, y]),
    sp.Matrix([[x, y]]),
    sp.Matrix([[x, 1], [y, 2]]),
    sp.SparseMatrix(2, 2, {(0, 1): x}),
    sp.ImmutableMatrix([[x * y]]),
]


@pytest.mark.parametrize("matrix", MATRICES)
def test_matrices_keep_their_shape(matrix):
    graph, node, _ = graph_of_sympy(matrix)
    assert graph.types[node].shape == matrix.shape
    assert sympy_of(graph, node) == sp.ImmutableMatrix(matrix)


@pytest.mark.parametrize("name", ["det", "inv", "logdet", "det_sign", "adjugate"])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_linear_algebra_of_few_rows(name, size):
    f = sd.function(f"{name}(A)", ["A"], shapes={"A": (size, size)})
    back, a = sp.sympify(f.expr), np.random.default_rng(size).standard_normal((size, size))
    found = sp.lambdify([sp.MatrixSymbol("A", size, size)], back)(a)
    np.testing.assert_allclose(np.asarray(found, float), f(a), rtol=1e-10, atol=1e-12)
    with pytest.raises(SymdiffError, match="too large a formula"):
        sp.sympify(sd.function(f"{name}(A)", ["A"], shapes={"A": (5, 5)}).expr)


def test_arrays_and_elements():
    graph, node, _ = graph_of_sympy(sp.Array([x, y, 1]))
    assert graph.types[node].shape == (3,)
    assert sympy_of(graph, node) == sp.Array([x, y, 1])
    w = sp.MatrixSymbol("W", 2, 3)
    graph, node, _ = graph_of_sympy(w[1, 2] + w[0, 0])
    assert expression(graph, node) == "W[0, 0] + W[1, 2]"
    graph = Graph()
    assert sympy_of(graph, movement.element(graph, graph.input("v", (3,)), (1,))) == sp.IndexedBase("v")[1]


def test_sharing_is_kept():
    e = x
    for _ in range(60):
        e = sp.Add(e, sp.Mul(e, y, evaluate=False), evaluate=False)
    started = time.process_time()
    graph, node, _ = graph_of_sympy(e)
    assert time.process_time() - started < 0.5
    assert len(graph) == 122
    point = (1.0, 0.5, 0.0)
    assert numbers(graph, node, point) == pytest.approx(1.5**60)


def test_deep_chains_convert_without_recursion():
    e = x
    for _ in range(5000):
        e = sp.Add(sp.Mul(e, y, evaluate=False), sp.Integer(1), evaluate=False)
    graph, node, _ = graph_of_sympy(e)
    assert numbers(graph, node, (1.0, 1.0, 0.0)) == 5001.0


def test_long_sums_export_fast():
    names = symbols("a1:3001")
    started = time.process_time()
    back = sp.sympify(sum(names))
    assert time.process_time() - started < 5
    assert len(back.args) == 3000


def test_expr_is_sympifiable_and_mixes():
    a, b = symbols("x y")
    assert sp.sympify(a * b + 1) == x * y + 1
    e = a + x**2
    assert isinstance(e, Expr)
    assert str(e) == "x + x**2"
    assert str(sp.Symbol("x") * 2 + a) in ("2*x + x", "3*x")


def test_order_does_not_depend_on_the_hash_seed():
    program = (
        "import sympy as sp\n"
        "from symdiff.frontend.sympy_bridge import graph_of_sympy\n"
        "from symdiff.display.text import expression\n"
        "v = sp.symbols('a:h')\n"
        "e = sum(sp.sin(p)*q for p in v for q in v) + sp.Max(*v)\n"
        "e += sp.Piecewise((1, sp.And(*[s > 0 for s in v])), (2, True))\n"
        "e = e*sp.Min(*v)*sp.exp(sum(v))/sp.prod(v)\n"
        "print(expression(*graph_of_sympy(e)[:2]), list(graph_of_sympy(e)[2]))\n"
    )
    shown = set()
    for seed in ("1", "2", "77"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        shown.add(done.stdout)
    assert len(shown) == 1


MATRICES = [
    (lambda A, B, x: A * x, lambda A, B, x: A @ x),
    (lambda A, B, x: 2 * A * B + A, lambda A, B, x: 2 * A @ B + A),
    (lambda A, B, x: A.T * B.I, lambda A, B, x: A.T @ np.linalg.inv(B)),
    (lambda A, B, x: A**2, lambda A, B, x: A @ A),
    (lambda A, B, x: sp.Determinant(A * B), lambda A, B, x: np.linalg.det(A @ B)),
    (lambda A, B, x: sp.Trace(A * B) + 1, lambda A, B, x: np.trace(A @ B) + 1),
    (lambda A, B, x: sp.HadamardProduct(A, B), lambda A, B, x: A * B),
    (lambda A, B, x: A - B, lambda A, B, x: A - B),
    (lambda A, B, x: A + sp.Identity(3), lambda A, B, x: A + np.eye(3)),
    (lambda A, B, x: (x.T * A * x)[0, 0], lambda A, B, x: (x.T @ A @ x)[0, 0]),
    (lambda A, B, x: sp.exp(A[0, 1]) * (A * B)[1, 2], lambda A, B, x: np.exp(A[0, 1]) * (A @ B)[1, 2]),
    (lambda A, B, x: sp.Matrix([[1, 2, 3]]) * A, lambda A, B, x: np.array([[1, 2, 3]]) @ A),
    (lambda A, B, x: sp.KroneckerProduct(A, B), lambda A, B, x: np.kron(A, B)),
    (lambda A, B, x: sp.KroneckerProduct(A, x, B), lambda A, B, x: np.kron(np.kron(A, x), B)),
    (lambda A, B, x: A.applyfunc(sp.sin), lambda A, B, x: np.sin(A)),
    (
        lambda A, B, x: (A * x).applyfunc(sp.Lambda(sp.Symbol("t"), sp.exp(sp.Symbol("t")) + 2)),
        lambda A, B, x: np.exp(A @ x) + 2,
    ),
    (lambda A, B, x: A.applyfunc(sp.Lambda(sp.Symbol("t"), sp.Integer(3))), lambda A, B, x: np.full((3, 3), 3.0)),
    (lambda A, B, x: sp.DiagMatrix(x) * A, lambda A, B, x: np.diag(x[:, 0]) @ A),
    (lambda A, B, x: sp.BlockMatrix([[A, B, x], [B, A, x]]), lambda A, B, x: np.block([[A, B, x], [B, A, x]])),
    (lambda A, B, x: sp.Adjoint(A), lambda A, B, x: A.T),
]


@pytest.mark.parametrize(("expression", "wanted"), MATRICES, ids=range(len(MATRICES)))
def test_matrix_expressions(expression, wanted):
    rng = np.random.default_rng(4)
    values = {"A": rng.normal(size=(3, 3)), "B": rng.normal(size=(3, 3)), "x": rng.normal(size=(3, 1))}
    symbols = [sp.MatrixSymbol(n, *v.shape) for n, v in values.items()]
    graph, node = graph_of_sympy(expression(*symbols))[:2]
    given = {graph.input(n, v.shape): v for n, v in values.items()}
    np.testing.assert_allclose(evaluate(graph, [node], given)[0], wanted(*values.values()), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("e", "listed", "names"), [
    (x * y + 1, {}, None), (x * sp.MatrixSymbol("M", 2, 2), {}, ("x",)), (y * sp.MatrixSymbol("M", 2, 2), {}, None),
    (sp.IndexedBase("v")[1] + y, {"v": None}, ("v",)), (sp.IndexedBase("v")[1] + y, {"v": (3,)}, None),
])  # fmt: skip
def test_what_is_open_is_a_value(e, listed, names):
    graph = Graph()
    graph.unshaped = Unshaped()
    graph.unshaped.add("x")  # another source has it, and did not say what it is
    found = read_sympy(e, graph, listed, iterated, {})
    assert (found.names if isinstance(found, Open) else None) == names
    if names is None:
        assert graph.types[found.nodes[found.body.root]] == found.body.graph.types[found.body.root]
