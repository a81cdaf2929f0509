"""What each pass makes of some formulas, word for word. `SYMDIFF_UPDATE_GOLDEN=1 pytest` writes the files anew."""

import os
from pathlib import Path

import pytest

from symdiff.frontend.parser import parse
from symdiff.ir.listing import listing
from symdiff.optimize import pipeline
from symdiff.optimize.pipeline import finish
from symdiff.signature import Argument
from symdiff.types import tensor

GOLDEN = Path(__file__).parent.parent / "golden"
FORMULAS = {
    "signs_and_neutral_elements": ("contract", "(-x)*(-y)*1 - (-(x/2))*3 + (y - 0)/(-1) + sin(-x)", "x y"),
    "common_subexpressions": ("contract", "[x**2 + x*x, square(x)/y, (y*x)*(x*y), 1/y + y**-1]", "x y"),
    "constants": ("contract", "[exp(1)*x, 2**10 + tanh(0.5), 0/0, -(0*x), where(1 < 2, x, y)]", "x y"),
    "stable_forms": ("contract", "[log(1 + exp(x*y)), exp(x) - 1, 1/(1 + exp(-y)), 1 - tanh(x)**2]", "x y"),
    "stable_forms_strict": ("strict", "[log(1 + exp(x*y)), exp(x) - 1, 1/(1 + exp(-y)), 1 - tanh(x)**2]", "x y"),
    "selections": ("contract", "where(not x > 0, where(x > 0, y, sqrt(x)), y) + max(x, y, 1)", "x y"),
    "fused": ("contract", "[x*y + z, x*y - z, z - x*y, 2 - 3*x, x*y + y*z]", "x y z"),
    "reals": ("fast", "[x - x, x/x, log(exp(y)), (x + 1) + 2, x/3, sqrt(x*x), sin(x)**2 + cos(x)**2]", "x y"),
    "tensors": ("contract", "[sum(W*v), sum((W*W)[0, 1:]), v[0]]", "W v"),
}
SHAPES = {"W": (2, 2), "v": (2,)}


@pytest.mark.parametrize("name", FORMULAS)
def test_passes(name, monkeypatch):
    monkeypatch.setattr(pipeline, "VERIFY", True)
    fp, text, inputs = FORMULAS[name]
    arguments = [Argument(n, SHAPES.get(n, ())) for n in inputs.split()]
    parsed = parse(text, arguments=arguments)
    graph = parsed.graph
    operands = [(tensor("float64", a.shape), (graph.input(a.name, a.shape),)) for a in arguments]
    parts = [f"# {text}\n\n# fp={fp}, as parsed\n{listing(graph, [parsed.output])}"]

    def trace(done, made, roots):
        shown = made, roots
        if done != "finish":
            shown = finish(made, roots)
        parts.append(f"# {done}\n{listing(*shown)}")

    pipeline.optimize(graph, operands, [parsed.output], fp=fp, trace=trace)
    text = "\n".join(parts)
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("SYMDIFF_UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")
