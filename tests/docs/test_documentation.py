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
from docs import check_links, figures
from symdiff.frontend.arguments import ArrayFunction
from symdiff.frontend.calls import functions, look_up
from symdiff.pictures.layout import is_installed
from tests.docs import pages

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


def reference():
    return importlib.import_module("docs.reference_pages")


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


PAGES = pages.hand_written()
NEEDS = {path: {m for b in pages.blocks(path.read_text(encoding="utf-8")) for m in b.needs} for path in PAGES}


def name_of(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_pages_run(path):
    pages.run_page(path, path.read_text(encoding="utf-8"), with_needs=False)


@pytest.mark.parametrize("path", [path for path in PAGES if NEEDS[path]], ids=name_of)
@pytest.mark.filterwarnings("default")  # the warnings of other libraries are not ours
def test_pages_run_beside_other_libraries(path):
    missing = pages.missing(sorted(NEEDS[path]))
    if missing:
        pytest.skip(f"{', '.join(missing)}: not installed")
    pages.run_page(path, path.read_text(encoding="utf-8"), with_needs=True)


def test_the_readme_shows_an_error_as_it_appears():
    assert "symdiff.errors." in (ROOT / "README.md").read_text(encoding="utf-8")


LIBRARIES = {"dask", "jax", "numba", "torch"}
"""What modules of the room `interop` are called by, and load."""

MODULES = sorted(m.name for m in pkgutil.walk_packages(symdiff.__path__, "symdiff."))


@pytest.mark.parametrize("name", MODULES)
def test_docstrings_run(name):
    if name.split(".")[1:2] == ["interop"] and name.rpartition(".")[2] in LIBRARIES:
        pytest.importorskip(name.rpartition(".")[2])
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


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_somewhere(path):
    for target in pages.links(path.read_text(encoding="utf-8")):
        file, _, anchor = target.partition("#")
        there = path.parent / file if file else path
        if "_figures" in there.parts:
            assert there.name in figures.figure_names(), target
            continue
        if "generated" in there.parts:
            assert there.name in reference().names(), target
            continue
        assert there.exists(), target
        assert not anchor or anchor in pages.anchors(there), target


HEAVY = {"two_layer_network": pytest.mark.heavy}
"""Examples that compute for seconds."""


@pytest.mark.parametrize("example", [pytest.param(e, marks=HEAVY.get(e, ())) for e in figures.FIGURES])
def test_pictures_are_drawn(example, tmp_path):
    pytest.importorskip("matplotlib")
    if not (is_installed("dot") or is_installed("grandalf")):
        pytest.skip("neither Graphviz nor grandalf is installed")
    names, said = figures.run(example)
    assert said.strip()
    for name, what, make in figures.FIGURES[example]:
        for theme in ("light", "dark"):
            make(names, tmp_path / f"{name}.svg", theme)
            assert "</svg>" in (tmp_path / f"{name}.svg").read_text(encoding="utf-8"), what


@pytest.mark.heavy
@pytest.mark.parametrize("page", figures.TUTORIALS)
def test_pictures_of_tutorials_are_drawn(page, tmp_path):
    pytest.importorskip("matplotlib")
    _, make = figures.TUTORIALS[page]
    make(figures.run_tutorial(page), tmp_path / "x.svg", "dark")
    assert "</svg>" in (tmp_path / "x.svg").read_text(encoding="utf-8")


@pytest.mark.heavy
def test_the_site_is_built_without_warnings_and_its_links_lead_somewhere(tmp_path):
    for name in ("sphinx", "furo", "myst_parser", "matplotlib"):
        pytest.importorskip(name)
    command = [sys.executable, "-m", "sphinx", "-qWn", str(ROOT / "docs"), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.rglob("*.html"))) > 80
    assert check_links.broken_links(tmp_path) == []


def test_a_broken_link_is_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="b.html#there">x</a><a href="b.html#gone">x</a><a href="c.html">x</a><a href="https://d.e/f">x</a>'
    )
    (tmp_path / "b.html").write_text('<p id="there"><img src="gone.svg"></p>')
    assert check_links.broken_links(tmp_path) == ["a.html: b.html#gone", "a.html: c.html", "b.html: gone.svg"]


def test_the_gallery_shows_every_example():
    listed = (ROOT / "docs" / "gallery" / "index.md").read_text(encoding="utf-8")
    assert {f"generated/{p.stem}" for p in (ROOT / "examples").glob("*.py")} == set(
        re.findall(r"(?m)^generated/\w+$", listed)
    )
    assert figures.FIGURES.keys() <= {p.stem for p in (ROOT / "examples").glob("*.py")}


def test_every_page_is_reached():
    """From the first page, by the lists of pages that follow one another."""
    reached, todo = set(), [ROOT / "docs" / "index.md"]
    while todo:
        path = todo.pop()
        if path in reached or not path.exists():
            continue
        reached.add(path)
        for listed in re.findall(r"(?ms)^```\{toctree\}\n(.*?)^```", path.read_text(encoding="utf-8")):
            for entry in re.findall(r"(?m)^(?!:)(\S+)$", listed):
                found = list(path.parent.glob(f"{entry}.md")) if "*" in entry else [path.parent / f"{entry}.md"]
                assert "generated" in entry or all(p.exists() for p in found), f"{path.name}: {entry}"
                todo += [p.resolve() for p in found]
    assert reached >= set(PAGES) - {ROOT / "README.md"}


@pytest.mark.parametrize(("name", "program"), [("test command", "pytest"), ("site command", "sphinx-build")])
def test_the_script_runs_the_readmes_commands(name, program):
    command = re.search(rf"<!-- {name} -->\n```sh\n(.+?)\n```", (ROOT / "README.md").read_text())
    assert command
    assert program in command[1]
    assert name in (ROOT / ".ci" / "run").read_text()
