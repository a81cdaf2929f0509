"""Files of pictures: kinds, colours, the ones that are kept, notebooks."""

import html
import importlib.util
import re
import shutil
import xml.etree.ElementTree as ElementTree

import pytest

import symdiff as sd
from docs.images import FOLDER, IMAGES
from symdiff.errors import ArgumentError
from symdiff.pictures import layout, picture

ENGINES = [name for name in layout.ENGINES if layout.is_installed(name)]
pytestmark = pytest.mark.skipif(not ENGINES, reason="neither Graphviz nor grandalf is installed")

QZ = sd.function("q = x + y\nf = q*z", ["x", "y", "z"])


def texts(svg):
    return [e.text for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("}text")]


@pytest.mark.parametrize("engine", ENGINES)
def test_svg_is_the_same_each_time_and_says_the_same_wherever_things_are(engine):
    svg = QZ.draw(-2, 5, -4, layout=engine).svg()
    assert svg == QZ.draw(-2, 5, -4, layout=engine).svg()
    told = [*"x", "−2", "−4", "y", "5", "−4", "z", "−4", "3", "+", "q", "=", "3", "−4", "×", "f", "=", "−12", "1"]
    assert texts(svg) == told


def test_colours():
    drawn = QZ.draw(-2, 5, -4)
    assert "prefers-color-scheme: dark" in drawn.svg()
    assert drawn.svg("light").count("@media") == drawn.svg("dark").count("@media") == 0
    assert "$" not in drawn.svg()


HEADS = {"svg": b"<svg ", "html": b"<!doctype html>", "dot": b"digraph {", "png": b"\x89PNG", "pdf": b"%PDF"}


@pytest.mark.parametrize(("kind", "head"), HEADS.items())
def test_kinds_of_files(tmp_path, kind, head):
    if kind in ("png", "pdf") and importlib.util.find_spec("cairosvg") is None and shutil.which("dot") is None:
        pytest.skip("neither cairosvg nor Graphviz is installed")
    path = QZ.draw(-2, 5, -4).save(tmp_path / f"circuit.{kind}")
    assert path.read_bytes().startswith(head)


def test_dot_has_names_values_and_gradients():
    text = QZ.draw(-2, 5, -4).dot()
    assert 'n3 [label="+", shape=ellipse];' in text
    assert 'n3 -> n4 [label="q = 3\\n−4"];' in text
    assert 'r4 [label="f = −12\\n1", shape=plaintext];' in text


def test_without_a_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(layout, "is_installed", lambda name: False)
    with pytest.raises(ArgumentError, match=r"\[draw\]"):
        QZ.draw().svg()


def test_a_notebook_shows_small_pictures_at_once_and_large_ones_as_a_page():
    assert "<svg" in QZ.draw()._repr_html_()
    assert QZ.draw()._repr_svg_() == QZ.draw().svg()
    lines = "\n".join(f"h{k} = sin(h{k - 1}*{k})/(1 + h{k - 1}**2)" for k in range(1, 20))
    large = sd.function(f"h0 = x\n{lines}\nh19*2", ["x"]).draw()._repr_html_()
    assert large.startswith("<iframe srcdoc=")
    assert "<script>" not in large


@pytest.mark.parametrize("name", IMAGES)
def test_the_pictures_that_are_kept_say_what_they_would_say_now(name):
    kept = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    assert sorted(texts(kept)) == sorted(texts(IMAGES[name]().svg()))


def test_the_readme_shows_one():
    readme = (FOLDER.parents[1] / "README.md").read_text(encoding="utf-8")
    assert re.search(r"!\[[^\]]+\]\(docs/images/neuron\.svg\)", readme)


def test_a_page_takes_nothing_from_elsewhere():
    page = QZ.draw(-2, 5, -4).html()
    assert "default-src 'none'" in page
    assert not re.search(r"""(src|href)=|url\(|@import|fetch\(|innerHTML|\beval\b""", page)
    assert set(re.findall(r"https?://[^\"' ]+", page)) == {"http://www.w3.org/2000/svg"}


CELLS = [
    'import symdiff as sd\nf = sd.function("q = x + y\\nf = q*z", ["x", "y", "z"])\nf',
    "f.draw(-2, 5, -4)",
    "f.steps(-2, 5, -4)",
]


@pytest.mark.skipif(
    any(importlib.util.find_spec(n) is None for n in ("nbconvert", "nbformat", "ipykernel")),
    reason="nbconvert or ipykernel is not installed",
)
def test_a_notebook_shows_formula_picture_and_table(tmp_path, monkeypatch):
    import nbformat
    from nbconvert import HTMLExporter
    from nbconvert.preprocessors import ExecutePreprocessor

    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    ExecutePreprocessor(timeout=60).preprocess(notebook, {"metadata": {"path": str(FOLDER.parents[1])}})
    formula, drawn, table = [cell.outputs[0]["data"] for cell in notebook.cells]
    assert formula["text/latex"] == sd.function("q = x + y\nf = q*z", ["x", "y", "z"])._repr_latex_()
    assert drawn["image/svg+xml"].startswith("<svg")
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert html.escape(formula["text/latex"], quote=False) in page
    assert '<table class="symdiff-steps">' in page
    assert table["text/html"].count("<tr>") == 6
    assert 'class="symdiff-picture"' in page


def test_draw_by_graphviz_alone(tmp_path, monkeypatch):
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    found = importlib.util.find_spec
    monkeypatch.setattr(picture.importlib.util, "find_spec", lambda n: None if n == "cairosvg" else found(n))
    assert QZ.draw().save(tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
