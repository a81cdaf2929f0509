"""Count, and write docs/operation-counts.md; with files of formulas, as JSON lines with `expr` and `vars`, those too.

python -m tests.counts [FORMULAS.jsonl …]
"""

import json
import statistics
import sys
from pathlib import Path

import symdiff as sd
from tests.counts.problems import ELIMINATED, MULTIPLICATIONS, ROWS, bow_tie, in_mode

PAGE = Path(__file__).parents[2] / "docs" / "operation-counts.md"

HEAD = """# Operation counts

This page is written by `python -m tests.counts`; a test checks that no figure gets worse.

Counted are the operations of the program that is compiled, at one point: elementary functions count one each, and so
does a fused multiply-add; without these, with `fp="strict"`, a program has those of the second column. The marks are
the counts of CasADi 3.8 after its own elimination of common subexpressions, which has no fused multiply-add.

| function | derivative | operations | without fused | mark |
| --- | --- | --- | --- | --- |
"""

BETWEEN = """
## Cross-country elimination

Multiplications and divisions of Jacobians, all that there are in the program: those of the values and of the local
partials, too. The marks are the multiplications of the best elimination orders that were published (Lohoff and
Neftci, Optimizing Automatic Differentiation with Deep Reinforcement Learning, 2024), of the elimination alone.

| function | multiplications and divisions | mark | operations: cross-country | forward | reverse |
| --- | --- | --- | --- | --- | --- |
"""

CORPORA = """
## Value and gradient over formulas of others

The operations of the value and the gradient together, over those of the value: at most 5 for every formula.

| formulas | number | median | largest | those with the largest |
| --- | --- | --- | --- | --- |
"""

MOST, WORST = 5, 5
"""How many times the operations of the value, and how many of the worst are listed."""


def operations(f, fp="contract"):
    """The operations of a function's program, by name."""
    known = f if isinstance(f, sd.Function) else f.values  # the entries of a sparse matrix
    return dict(known._program(fp).counts.after)


def multiplications(counts):
    """How many of them multiply or divide."""
    return sum(counts.get(name, 0) for name in ("mul", "fma", "div"))


def count(row):
    """What a row counts."""
    counts = operations(row.make())
    return multiplications(counts) if row.what == MULTIPLICATIONS else sum(counts.values())


def tables():
    """The page without the part on formulas of others."""
    lines = [HEAD.rstrip("\n")]
    for row in ROWS:
        if row.what != MULTIPLICATIONS:
            f = row.make()
            plain = sum(operations(f, "strict").values())
            mark = f"{row.most:,}" if row.most else ""
            lines.append(f"| {row.problem} | {row.part} | {sum(operations(f).values()):,} | {plain:,} | {mark} |")
    lines += BETWEEN.rstrip("\n").splitlines()
    for title, make, most in [*ELIMINATED, ("bow tie, 20 to 1 to 20", bow_tie, None)]:
        found = {mode: operations(in_mode(make, mode)()) for mode in ("auto", "cross-country", "forward", "reverse")}
        three = " | ".join(f"{sum(found[mode].values()):,}" for mode in ("cross-country", "forward", "reverse"))
        lines.append(f"| {title} | {multiplications(found['auto']):,} | {most or ''} | {three} |")
    return "\n".join(lines) + "\n"


def ratios(path):
    """For each formula of a file (operations of value and gradient over those of the value, its id)."""
    found = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if "expr" in case and case.get("vars"):
            f, wrt = sd.function(case["expr"], case["vars"]), case["vars"]
        elif "vector_expr" in case:
            f, wrt = sd.function(f"n = {case['n']}\n{case['vector_expr']}", shapes={"x": case["n"]}), "x"
        else:
            continue
        value = sum(operations(f).values())
        if value:
            together = sum(operations(sd.value_and_grad(f, wrt)).values())
            found.append((together / value, case["id"].rpartition("/")[2]))
    return found


def corpora(paths):
    """The part on formulas of others."""
    lines = [CORPORA.rstrip("\n")]
    for path in paths:
        found = ratios(path)
        middle, worst = statistics.median(r for r, _ in found), sorted(found, reverse=True)[:WORST]
        titles = ", ".join(f"{title} {ratio:.2f}" for ratio, title in worst)
        lines.append(f"| {Path(path).stem} | {len(found)} | {middle:.2f} | {worst[0][0]:.2f} | {titles} |")
        if worst[0][0] > MOST:
            print(f"{path}: {titles}", file=sys.stderr)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    kept = PAGE.read_text(encoding="utf-8").partition(CORPORA)[2] if PAGE.exists() else ""
    PAGE.write_text(tables() + (corpora(sys.argv[1:]) if sys.argv[1:] else CORPORA + kept), encoding="utf-8")
