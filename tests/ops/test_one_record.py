"""An elementwise operation is one record: registered from outside, it works everywhere, and nothing else names it."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

RECORD = """
import symdiff as sd
from symdiff.ops.base import Expand, Op, register

register(
    Op(
        "gudermannian", routine=Expand("2*atan(expm1(a)/(exp(a) + 1))"), partials=("sech(a)",), finite=True,
        doc="Gudermannian function, which links circular and hyperbolic angles", exact="2*atan(tanh(a/2))",
        parameters=("x",),
        latex=r"\\\\operatorname{{gd}}\\\\left({}\\\\right)", aliases=("gd",), elsewhere=("gudermann",),
        sympy="2*atan(tanh(a/2))", parity="odd", inverse="asinh",
    )
)
"""

USES = {
    "parse": 'assert sd.function("gd(x) + 1")(0.0) == 1.0',
    "derivative": 'assert abs(sd.grad("gudermannian(x)")(0.3) - 1/math.cosh(0.3)) < 1e-15',
    "native and interpreter": '''
f = sd.function("gudermannian(x)*x", ["x"])
points = np.linspace(-3, 3, 7)
assert np.array_equal(f.compile(fp="strict", math="scalar")(points), evaluate(f.graph, f.nodes, {0: points})[0])
assert np.allclose(f(points), 2*np.arctan(np.tanh(points/2))*points, rtol=1e-14)''',
    "arrays": 'assert np.allclose(sd.grad("f(x[3]) = sum(gd(x))")(np.ones(3)), 1/np.cosh(1))',
    "traced": 'assert abs(sd.grad(lambda x: sd.gudermannian(x)**2)(1.0) - 2*0.8657694832396586/math.cosh(1)) < 1e-14',
    "parity": 'assert sd.function("gd(-x) + gd(x)").compile(fp="fast")(0.7) == 0.0',
    "SymPy": '''
import sympy
x = sympy.Symbol("x")
assert sympy.simplify(sympy.sympify(sd.expr("gd(x)")) - 2*sympy.atan(sympy.tanh(x/2))) == 0''',
    "LaTeX": r'assert "\\operatorname{gd}" in sd.function("gd(x)")._repr_latex_()',
    "text": 'assert sd.function(str(sd.function("gd(x)*2")))(0.5) == sd.function("gd(x)*2")(0.5)',
    "hints": '''
for text, word in (("gudermann(x)", "write gudermannian(x)"), ("gudermannian^-1(x)", "asinh")):
    try:
        sd.function(text)
    except sd.SymdiffError as error:
        assert word in str(error), error
    else:
        raise AssertionError(text)''',
    "documentation": '''
sys.path.insert(0, "docs")
import make
assert "Gudermannian function" in make.row(OPS["gudermannian"])''',
    "storage": 'assert pickle.loads(pickle.dumps(sd.function("gd(x)")))(0.5) == sd.function("gd(x)")(0.5)',
}  # fmt: skip


def test_a_new_record_works_everywhere():
    lines = [RECORD, "import math, pickle, sys", "import numpy as np", "from symdiff.interpret import evaluate",
             "from symdiff.ops import OPS"]  # fmt: skip
    for what, use in USES.items():
        lines += [f"print({what!r}, flush=True)", use]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_but_its_record_names_an_operation():
    paths = sorted((ROOT / "symdiff").rglob("*.py"))
    found = [p for p in paths if re.search(r"\btanh\b", p.read_text(encoding="utf-8"))]
    assert [p.name for p in found] == ["hyperbolic.py"]
