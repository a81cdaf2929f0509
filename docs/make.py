"""Write the pages that come from the records: `python docs/make.py`; a test checks that they are current."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

import symdiff
from symdiff.frontend.calls import functions
from symdiff.ops import DEFINITIONS, FAMILIES, OPS
from symdiff.ops.base import Expand, MatrixRoutine, Movement, Op, Unavailable
from symdiff.optimize.rules import RULES

HERE = Path(__file__).parent

HEAD = """# Operations

This page is generated from the records in `symdiff/ops` by `python docs/make.py`.

In the partials `a, b, c` are the operands, `y` is the result and `n` the number that belongs to the operation. A
partial is an expression of the language, so derivatives of every order follow from it. `where(c, p, 0)` in a partial
is a guard: what stands on its other side never touches a derivative. An empty partial is zero everywhere.

The tables from "Movement of elements" on have the operations on whole arrays: one node whatever the size. Functions of
the language are written with them (`mean`, `trace`, `softmax`, …). A linear operation maps tangents as it maps values,
and adjoints by its transpose; `d` stands for a tangent in the rules of the others.

## Edges and kinks

One rule set for all operations, each at its own operands (compositions follow the chain rule):

* the true derivative wherever the function is differentiable;
* at a finite kink the mean of the one-sided slopes (`abs` at 0: 0; a tie of `max`: 1/2 each), except `relu`,
  `leaky_relu` and `elu`, which take the left side at 0 as their field does;
* at a vertical tangent the signed infinity (`sqrt` at 0: inf);
* where no limit exists, and for a NaN operand: NaN;
* steps (`floor`, `sign`, conditions) have derivative 0 everywhere;
* `where` has the derivative of the branch taken, also at seams and isolated points; the other branch never contributes.

| operation | at its edges |
| --- | --- |
"""


def call(op: Op) -> str:
    """How a formula writes the operation."""
    if op.infix is not None:
        symbol = op.infix.symbol
        return f"`{symbol} a`" if op.infix.prefix else f"`a {symbol} b`"
    required = len(op.parameters) - len(op.defaults)
    shown = [p if k < required else f"{p}={op.defaults[k - required]:g}" for k, p in enumerate(op.parameters)]
    return f"`{op.name}({', '.join(shown)})`"


def cell(text: str) -> str:
    """Text that may stand in a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def meaning(op: Op) -> str:
    """What computes the value."""
    routine = op.routine
    if isinstance(routine, Expand):
        return "an expression made for each n" if op.payload is not None else f"`{cell(routine.of(None))}`"
    return next((f"`{getattr(routine, f)}`" for f in ("opcode", "name", "symbol") if hasattr(routine, f)), "")


def partial(given: str | Unavailable | None) -> str:
    """A partial in the table."""
    if isinstance(given, Unavailable):
        return f"none {given.by}"
    return "" if given is None else f"`{cell(given)}`"


def records_of(module: object) -> list[Op]:
    """The records that a module makes, in its order."""
    text = Path(str(module.__file__)).read_text(encoding="utf-8")  # type: ignore[attr-defined]
    return [op for op in OPS.values() if re.search(rf'\b(Op|_compare)\(\s*"{op.name}"', text)]


def tensors(records: list[Op]) -> list[str]:
    """The table of operations on whole arrays."""
    lines = ["| operation | meaning | carries | derivative |", "| --- | --- | --- | --- |"]
    for op in records:
        rule = "" if op.differential is None else op.differential.text
        lines.append(f"| `{op.name}` | {cell(op.doc)} | {op.payload or ''} | {cell(rule)} |")
    return lines


def row(op: Op) -> str:
    """The row of an elementwise operation."""
    name = f"`{op.name}` (internal)" if op.hidden else call(op)
    partials = "; ".join(partial(p) for p in op.partials)
    aliases = ", ".join(f"`{a}`" for a in op.aliases)
    return f"| {name} | {cell(op.doc)} | {aliases} | {partials} | {meaning(op)} |"


def operations() -> str:
    """docs/operations.md."""
    lines = [HEAD.rstrip("\n")]
    lines += [f"| `{op.name}` | {cell(op.edges)} |" for op in OPS.values() if op.edges]
    for title, module in FAMILIES.items():
        records = records_of(module)
        if all(op.hidden and isinstance(op.routine, Movement | MatrixRoutine) for op in records):
            lines += ["", f"## {title}", "", *tensors(records)]
            continue
        lines += ["", f"## {title}", "", "| operation | meaning | also called | partials | computed as |",
                  "| --- | --- | --- | --- | --- |"]  # fmt: skip
        lines += map(row, records)
    lines += ["", "## Other names", "", "Functions that are another way to write an expression:", "",
              "| function | expression | meaning |", "| --- | --- | --- |"]  # fmt: skip
    for (name, _), d in DEFINITIONS.items():
        lines.append(f"| `{name}({', '.join(d.parameters)})` | `{cell(d.text)}` | {cell(d.doc)} |")
    return "\n".join(lines) + "\n"


def rules() -> str:
    """docs/rules.md."""
    lines = ["# Rewriting rules", "",
             "This page is generated from `symdiff/optimize/rules.py` by `python docs/make.py`.", "",
             "`EXACT` rules give the same bits on every double (NaN payloads aside); `STRUCTURAL` ones use zeros that",
             "differentiation itself created; `STABLE` ones hold over the reals and are nowhere less accurate (off",
             'with `fp="strict"`); `REAL` ones hold over the reals only (on with `fp="fast"`).', "",
             "| rule | pattern | replacement | holds |", "| --- | --- | --- | --- |"]  # fmt: skip
    for rule in RULES:
        holds = getattr(rule.holds, "name", str(rule.holds))
        lines.append(f"| {rule.name} | `{cell(rule.pattern)}` | `{cell(rule.replacement)}` | {holds} |")
    return "\n".join(lines) + "\n"


def named_functions() -> str:
    """symdiff/named_functions.pyi: what type checkers know of `symdiff.sin` and the others."""
    lines = ["# The functions of the language, as attributes of the package: written by `python docs/make.py`.",
             "from symdiff.frontend.annotations import Called", ""]  # fmt: skip
    own = set(symdiff.__all__)
    lines += [f"{name}: Called" for name in functions() if name not in own and not keyword.iskeyword(name)]
    return "\n".join(lines) + "\n"


PAGES = {
    "docs/operations.md": operations,
    "docs/rules.md": rules,
    "symdiff/named_functions.pyi": named_functions,
}

if __name__ == "__main__":
    for name, write in PAGES.items():
        (HERE.parent / name).write_text(write(), encoding="utf-8")
