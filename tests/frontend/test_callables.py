"""What a text may call: an entry for every name, kinds from annotations, and a lexer that knows no function."""

import ast
import inspect
from pathlib import Path

import pytest

import symdiff as sd
from symdiff.frontend import lexer
from symdiff.frontend.arguments import ANNOTATIONS, Array, ArrayFunction, Axis, Flag, Kind, Text, language
from symdiff.frontend.arrays.methods import ArrayMethods
from symdiff.frontend.attributes import METHODS
from symdiff.frontend.calls import FUNCTIONS, functions, is_function, look_up
from symdiff.frontend.functions import function_named


def test_kinds_are_those_of_the_annotations():
    """Also where a builder is given names that other builders use for something else."""
    for function in map(look_up, functions()):
        if not isinstance(function, ArrayFunction):
            continue
        annotations = [p.annotation for p in inspect.signature(function.build).parameters.values()][1:]
        kinds = [ANNOTATIONS[text.removesuffix(" | None")] for text in annotations]
        assert [function.kind(p) for p in function.parameters] == kinds, function.name


@pytest.fixture
def _odd():
    def build(graph, axis: "Array", x: "Flag" = False, shape: "Axis" = None, size: "Text" = "") -> int:
        return axis

    language("odd_names")(build)
    yield
    del FUNCTIONS["odd_names"]


@pytest.mark.usefixtures("_odd")
def test_no_kind_follows_from_a_name():
    kinds = [FUNCTIONS["odd_names"].kind(p) for p in ("axis", "x", "shape", "size")]
    assert kinds == [Kind.ARRAY, Kind.FLAG, Kind.AXES, Kind.TEXT]
    assert FUNCTIONS["odd_names"].takes_texts
    assert sd.function('f(x[2]) = odd_names(x, True, None, "word")')([1.0, 2.0]).tolist() == [1.0, 2.0]
    with pytest.raises(sd.ParseError, match="x of odd_names must be True or False"):
        sd.function("f(x[2]) = odd_names(x, x)")


def test_a_builder_without_kinds_is_refused():
    def build(graph, x: "int") -> int:
        return x

    with pytest.raises(KeyError):
        language("without_kinds")(build)
    assert not is_function("without_kinds")


def test_the_lexer_knows_no_function():
    tree = ast.parse(Path(lexer.__file__).read_text(encoding="utf-8"))
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and isinstance(node.body[0], ast.Expr)
    }
    words = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in documentation}
    assert "and" in words
    assert words.isdisjoint(functions())


TEXTS = [  # a text, what it is as text, the shape of x
    ('einsum("i,i->", x, x)', 3), ("norm(x, 'fro')", (2, 2)), ('pad(x, 1, mode="edge")', 3),
    ("x.ravel(order='F')", (2, 2)),
    ('reshape(x, (4,), order="F")', (2, 2)), ('take(x, [0, 5], mode = "clip")', 3), ('searchsorted(x, 1, "left")', 3),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shape"), TEXTS)
def test_arguments_in_quotes(text, shape):
    assert sd.function(text, shapes={"x": shape}).arguments[0].shape == (
        shape if isinstance(shape, tuple) else (shape,)
    )


REFUSED = [  # a text, what the caret is under
    ("sum(x, 'a')", "'a'"), ("x.sum('a')", "'a'"), ("h(a) = a\nh('x')", "'x'"), ("Piecewise('a')", "'a'"),
    ("max(x, \"a\")", '"a"'), ("pad(x, ('a', 1))", "'"), ("foo('a')", "'a'"), ("norm(x, 'a' + 1)", "'a'"),
    ("norm('a' 'b')", "'"), ("norm(x, -'a')", "'"), ("einsum(['a'], x)", "'"), ("x['a']", "'"),
    ("sum(axis='a')", "'a'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "under"), REFUSED)
def test_texts_in_quotes_elsewhere_are_refused(text, under):
    with pytest.raises(sd.ParseError, match="a formula holds no texts in quotes") as caught:
        sd.function(text)
    place = caught.value.place
    assert place.source.text[place.start : place.end] == under
    assert caught.value.hint == "write names without quotes"


@pytest.mark.parametrize("name", functions())
def test_the_table_has_all_that_is_known_of_a_function(name):
    """Its names in other languages' words, its Python function and the hint of a wrong call come from one entry."""
    entry = look_up(name)
    assert entry.name == name
    assert entry.usage.startswith(f"{name}(")
    function = function_named(name)
    assert (function.__name__, function.__doc__) == (name, entry.documentation)
    assert function.__doc__
    assert inspect.signature(function) == entry.signature
    assert getattr(sd, name).__doc__ == entry.documentation or name in sd.__all__
    taken = [k for k, p in entry.signature.parameters.items() if p.kind is p.VAR_POSITIONAL]
    with pytest.raises(sd.ParseError) as caught:
        sd.function(f"{name}(x, no_parameter=1)", shapes={"x": 3})
    assert taken or "no_parameter" in caught.value.message or "argument" in caught.value.message


def test_every_method_of_an_expression_is_one_of_a_text():
    own = {n for n, value in vars(ArrayMethods).items() if callable(value) and n[0] != "_"}
    assert own == METHODS
    assert all(is_function(name) for name in METHODS)
