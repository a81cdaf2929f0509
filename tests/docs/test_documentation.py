"""The documentation runs, and its generated pages are current."""

import doctest
import importlib
import importlib.util
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import symdiff
from symdiff.frontend.arguments import ArrayFunction
from symdiff.frontend.calls import functions, look_up

ARRAYS = {name: look_up(name) for name in functions() if isinstance(look_up(name), ArrayFunction)}

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.stem)
def test_examples_run(path):
    one_thread = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # its threads wait for each other where others compute
    done = subprocess.run([sys.executable, path], cwd=ROOT, env=one_thread, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def make():
    spec = importlib.util.spec_from_file_location("docs_make", ROOT / "docs" / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["docs/operations.md", "docs/rules.md", "symdiff/named_functions.pyi"])
def test_generated_pages_are_current(name):
    assert (ROOT / name).read_text(encoding="utf-8") == make().PAGES[name](), "run python docs/make.py"


def test_accuracy_is_current():
    """The text and the functions anywhere; the numbers, some of them, on the machine that they are of."""
    from docs import accuracy

    text = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")
    assert text.endswith(accuracy.TAIL)
    head, *rows = re.split(r"(?m)^(?=\| `)", text.removesuffix(accuracy.TAIL))
    assert re.sub(r"; [^;]*\)", "", head) == re.sub(r"; [^;]*\)", "", accuracy.head()), "run python docs/accuracy.py"
    assert [re.findall(r"\w+", row)[0] for row in rows] == list(accuracy.CASES), "run python docs/accuracy.py"
    if head == accuracy.head():
        for name in ("exp2", "log2"):
            assert rows[list(accuracy.CASES).index(name)] == accuracy.row(name), "run python docs/accuracy.py"


class Checker(doctest.OutputChecker):
    """Errors are compared letter by letter, with the places of their carets."""

    def check_output(self, want, got, optionflags):
        if want.startswith("symdiff.errors."):
            return want.rstrip() == got.rstrip()
        return super().check_output(want, got, optionflags)


@pytest.mark.parametrize("path", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name)
def test_pages_run(path):
    page = doctest.DocTestParser().get_doctest(path.read_text(encoding="utf-8"), {}, path.name, str(path), 0)
    assert doctest.DocTestRunner(Checker(), optionflags=doctest.NORMALIZE_WHITESPACE).run(page).failed == 0


def test_the_readme_shows_an_error_as_it_appears():
    assert "symdiff.errors." in (ROOT / "README.md").read_text(encoding="utf-8")


MODULES = sorted(m.name for m in pkgutil.walk_packages(symdiff.__path__, "symdiff."))


@pytest.mark.parametrize("name", MODULES)
def test_docstrings_run(name):
    failures, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failures == 0


def test_public_functions_have_runnable_examples():
    for name in (
        "function",
        "expr",
        "grad",
        "value_and_grad",
        "jacobian",
        "hessian",
        "jvp",
        "vjp",
        "hvp",
        "linearize",
        "vmap",
        "sparse_jacobian",
        "nlp",
        "sparse_hessian",
        "derivative",
        "diff",
        "define",
        "Namespace",
    ):
        assert ">>>" in getattr(symdiff, name).__doc__, name


def test_every_function_of_arrays_is_told_of():
    words = set(re.findall(r"\w+", (ROOT / "docs" / "language.md").read_text(encoding="utf-8")))
    names = {}
    for name, function in ARRAYS.items():
        names.setdefault(function.build, []).append(name)
    assert [n for n in names.values() if not words.intersection(n)] == []


def test_links_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_script_runs_the_readmes_test_command():
    command = re.search(r"<!-- test command -->\n```sh\n(.+?)\n```", (ROOT / "README.md").read_text())
    assert command
    assert "pytest" in command[1]
    assert "test command" in (ROOT / ".ci" / "run").read_text()
