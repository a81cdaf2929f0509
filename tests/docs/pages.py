"""The blocks of code on a page of the documentation, and what runs them.

A block with prompts is a doctest, another one is run as it stands, all of a page in one namespace. A comment right
above a block says otherwise: `<!-- needs torch, cc -->` that it runs where these modules and programs are, `<!-- not
run: why -->` that it does not run. `<!-- page needs torch -->` says it of a whole page. In `<div class="columns">` the
last expressions of the blocks have one value.
"""

from __future__ import annotations

import ast
import doctest
import re
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]

FENCE = re.compile(
    r"^(?P<fence>`{3,})(?P<language>[\w{}-]*)[^\n]*\n(?P<text>.*?)^(?P=fence)[ ]*$", re.MULTILINE | re.DOTALL
)
COMMENT = re.compile(r"<!-- (needs|not run:) ([^\n]*?) *-->\n\Z")
COLUMNS = re.compile(r'^<div class="columns">$(.*?)^</div>$', re.MULTILINE | re.DOTALL)


def hand_written():
    """The pages that are part of the repository."""
    folder = ROOT / "docs"
    return [ROOT / "README.md", *(p for p in sorted(folder.rglob("*.md")) if "generated" not in p.parts)]


@dataclass(frozen=True)
class Block:
    """A block of code, where it begins, and what stands above it."""

    language: str
    text: str
    start: int
    line: int
    needs: tuple[str, ...]
    runs: bool


def blocks(text):
    """The blocks of a page, in order."""
    whole = re.search(r"^<!-- page needs ([^\n]*?) *-->$", text, re.MULTILINE)
    always = listed(whole[1]) if whole else ()
    for found in FENCE.finditer(text):
        above = COMMENT.search(text[max(0, found.start() - 300) : found.start()])
        needs = listed(above[2]) if above and above[1] == "needs" else ()
        runs = not (above and above[1] == "not run:")
        line = text.count("\n", 0, found.start()) + 1
        yield Block(found["language"], found["text"], found.start(), line, (*always, *needs), runs)


def listed(names):
    """Names between commas."""
    return tuple(name.strip() for name in names.split(","))


PROGRAMS = {"cc", "dot", "node"}
"""What pages need that is no module; modules may bring programs of their names, for other Pythons too."""


def missing(names):
    """Those of some modules and programs that are not installed."""
    return [name for name in names if (shutil.which if name in PROGRAMS else find_spec)(name) is None]


class Checker(doctest.OutputChecker):
    """Errors are compared letter by letter, with the places of their carets."""

    def check_output(self, want, got, optionflags):
        if want.startswith("symdiff.errors."):
            return want.rstrip() == got.rstrip()
        return super().check_output(want, got, optionflags)


OPTIONS = doctest.NORMALIZE_WHITESPACE


def run_doctest(block, name, path, namespace):
    """Run a block with prompts."""
    test = doctest.DocTestParser().get_doctest(block.text, {}, name, str(path), block.line)
    test.globs = namespace
    assert doctest.DocTestRunner(Checker(), optionflags=OPTIONS).run(test, clear_globs=False).failed == 0


def run_code(block, path, namespace):
    """Run a block without prompts; returns the value of its last expression, None where it has none."""
    tree = ast.parse(block.text, str(path))
    ast.increment_lineno(tree, block.line)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, str(path), "exec"), namespace)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), str(path), "eval"), namespace)


def run_page(path, text, with_needs):
    """Run the blocks of a page; those that need a module only `with_needs`."""
    namespace = {"__name__": "__page__"}
    columns = [(found.start(), found.end()) for found in COLUMNS.finditer(text)]
    values = {}
    for block in blocks(text):
        if block.language != "python" or not block.runs or (block.needs and not with_needs):
            continue
        if ">>>" in block.text:
            run_doctest(block, path.name, path, namespace)
            continue
        value = run_code(block, path, namespace)
        for k, (start, end) in enumerate(columns):
            if start < block.start < end:
                values.setdefault(k, []).append((block.line, value))
    for (line, value), *others in values.values():
        for _, other in others:
            assert same(value, other), f"{path.name}, line {line}: {value} and {other}"


def same(one, other):
    """Whether two libraries gave the same numbers."""
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    return np.shape(one) == np.shape(other) and np.allclose(one, other, rtol=1e-9, atol=1e-12)


# Links


def slug(heading):
    """The anchor of a heading, as GitHub and MyST make it."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower().replace("`", "")
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def without_code(text):
    """A page without its blocks and without code in lines."""
    return re.sub(r"`[^`\n]*`", "``", FENCE.sub("", text))


def anchors(path):
    """The anchors of a page; those of headings that are there twice have a number."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#{1,6} +(.+?) *$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE):
        name = slug(heading)
        count = found.setdefault(name, 0)
        found[name] += 1
        if count:
            found[f"{name}-{count}"] = 1
    return found.keys()


def links(text):
    """The targets of links inside the documentation."""
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(text)):
        if not re.match(r"[a-z]+:", target):
            yield target
