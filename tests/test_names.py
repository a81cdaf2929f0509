"""One word, one thing: public names of modules are defined once, and the glossary says what the chief ones are."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "symdiff"

TWICE = {"diff", "sum_over"}
"""`diff` is a derivative of Python's and a difference of the language's, as SymPy and NumPy have it; `sum_over` adds
along axes of an array in a graph, and of shards on many machines."""


def definitions():
    """Public top-level functions and classes: the modules that define each."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, set()).add(module)
    return found


def test_a_name_is_defined_once():
    twice = {name: sorted(modules) for name, modules in definitions().items() if len(modules) > 1}
    assert twice.keys() == TWICE, twice


def test_the_glossary_names_what_there_is():
    text = (
        (ROOT / "docs" / "architecture.md")
        .read_text(encoding="utf-8")
        .partition("## Glossary")[2]
        .partition("\n## ")[0]
    )
    rows = re.findall(r"^\| (\w+) \| ([^|]+) \|\s*`?([\w.]*)`?\s*\|$", text, re.MULTILINE)
    assert len(rows) > 30
    assert [word.lower() for word, _, _ in rows] == sorted({word.lower() for word, _, _ in rows})
    known = definitions()
    for word, _, module in rows:
        if module:
            assert known.get(word) == {f"symdiff.{module}"}, word
