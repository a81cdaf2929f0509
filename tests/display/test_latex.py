"""LaTeX from the records' notation."""

import numpy as np
import pytest

from symdiff.display.latex import identifier, latex
from symdiff.frontend.expr import Expr
from symdiff.frontend.parser import parse
from symdiff.frontend.symbols import named, symbol
from symdiff.ir.graph import Graph
from symdiff.ops import OPS


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("x + y - 1.5", "x + y - 1.5"),
        ("(x + y)*z", r"\left(x + y\right) \cdot z"),
        ("x/(y + 1)", r"\frac{x}{y + 1}"),
        ("(x/y)**2", r"\left(\frac{x}{y}\right)^{2}"),
        ("x**(y + 1)", "x^{y + 1}"),
        ("x**-3", "x^{-3}"),
        ("-x**2", "-x^{2}"),
        ("(-x)**2", r"\left(-x\right)^{2}"),
        ("sin(x)**2", r"\sin^{2}\left(x\right)"),
        ("exp(-x)", "e^{-x}"),
        ("sqrt(x + 1)", r"\sqrt{x + 1}"),
        ("abs(x + 1)", r"\left|x + 1\right|"),
        ("floor(x + 1)", r"\left\lfloor x + 1 \right\rfloor"),
        ("max(x, y, 2)", r"\max\left(x, y, 2\right)"),
        ("polygamma(2, x)", r"\psi^{(2)}\left(x\right)"),
        ("where(x < y, -x, 1)", r"\begin{cases} -x & x < y \\ 1 & \text{otherwise} \end{cases}"),
        ("x < y and not y >= 2", r"x < y \wedge \neg y \geq 2"),
        ("2.5e-7*pi", r"2.5 \cdot 10^{-7} \cdot \pi"),
        ("[x, 1]", r"\begin{bmatrix} x \\ 1 \end{bmatrix}"),
        ("[[x, 1], [2, y]]", r"\begin{bmatrix} x & 1 \\ 2 & y \end{bmatrix}"),
        ("inf*x", r"\infty \cdot x"),
    ],
)
def test_notation(text, wanted):
    parsed = parse(text)
    assert latex(parsed.graph, parsed.output, simplify=False) == wanted


@pytest.mark.parametrize(
    ("plain", "wanted"),
    [("x", "x"), ("x1", "x_{1}"), ("x_1", "x_{1}"), ("theta", r"\theta"), ("theta_dot", r"\theta_{\mathit{dot}}"),
     ("speed", r"\mathit{speed}"), ("lambda_", r"\lambda"), ("α", "α"), ("a%b", r"\mathit{a\%b}")],
)  # fmt: skip
def test_names(plain, wanted):
    assert identifier(plain) == wanted


@pytest.mark.parametrize("op", [op for op in OPS.values() if op.kinds], ids=lambda op: op.name)
def test_braces_balance(op):
    graph = Graph()
    x, y, z = (graph.input(n) for n in "xyz")
    sums = graph.add("add", (x, y)), graph.add("neg", (y,)), graph.add("sub", (z, x))
    args = [graph.add("less", (x, y)) if k == "c" else sums[i] for i, k in enumerate(op.kinds)]
    text = latex(graph, graph.add(op, tuple(args), op.samples[0] if op.payload else None))
    assert text.count("{") == text.count("}")
    assert text.count(r"\left") == text.count(r"\right")
    assert "{}" not in text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("W @ x", r"W \, x"), ("W.T @ u", r"W^{T} \, u"), ("(W + 1) @ x", r"\left(W + 1\right) \, x"), ("W.T", "W^{T}"),
        ("inv(W @ W.T)", r"\left(W \, W^{T}\right)^{-1}"), ("sum(x)", r"\operatorname{sum}\left(x\right)"),
        ("max(W, axis=1)", r"\max_{1}\left(W\right)"), ("norm(x)", r"\left\|x\right\|"), ("x @ x", r"x \, x"),
        ("concatenate([x, u])", r"\operatorname{concatenate}\left(x, u\right)"),
    ],
)  # fmt: skip
def test_arrays_of_a_formula(text, wanted):
    parsed = parse(text, shapes={"W": (2, 3), "x": (3,), "u": (2,)})
    assert latex(parsed.graph, parsed.output) == wanted


def test_lines_and_limits():
    x = symbol("x")
    q = named("q", x + 1)
    assert latex(q.graph, (q * q).node) == r"\begin{aligned} q &= x + 1 \\ & q^{2} \end{aligned}"
    e = x
    for _ in range(60):
        e = e * np.sin(e) + 1
    assert len(latex(e.graph, e.node)) < 8000
    assert r"\vdots" in latex(e.graph, e.node)
    for _ in range(100_000):
        x = np.sin(x) + 1
    assert "200,002 operations" in latex(x.graph, x.node).replace("200,003", "200,002")
    assert symbol("x")._repr_latex_() == r"$\displaystyle x$"


def test_arrays():
    graph = Graph()
    assert latex(graph, graph.constant(np.array([1.0, -2.0]))) == r"\begin{bmatrix} 1 \\ -2 \end{bmatrix}"
    w = Expr(graph, graph.input("W", (2, 2)))
    assert latex(graph, w[0, 1].node) == "W_{0, 1}"
