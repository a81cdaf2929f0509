"""Texts whose names have no shapes yet: what is wrong in them whatever the shapes are is said at once, and where."""

import pytest

import symdiff as sd
from symdiff.frontend.lexer import tokenize

WRONG = [
    # text, inputs, message, what the caret is under
    ("sum(x) + y^", None, "a value was expected after ^", "^"),
    ("x[0] + foo(x)", None, "there is no function called foo", "foo"),
    ("x[0] + foo(x)", ["x"], "there is no function called foo", "foo"),
    ("x[0] + y +", None, "a value was expected after +", "+"),
    ("sum(x) + det([1, 2])", ["x"], "det takes a square matrix", "det"),
    ("sum(x) + sin(1, 2)", ["x"], "sin takes 1 argument, not 2", "sin"),
    ("sum(x) + 1e400", ["x"], "this number overflows", "1e400"),
    ("a = sum(x)\nb = a + c\nc = 2\nb", ["x"], "c is used above the line that binds it", "c"),
    ("sum(x) + [1, 2][5]", ["x"], "out of range", "["),
    ("sum(x) + [1, 2] @ [1, 2, 3]", ["x"], "@", "@"),
    ("sum(x)*z", ["x"], "z is not among the inputs", "z"),
    ("g(a) = a +\nsum(x)", ["x"], "a value was expected after +", "+"),
    ("g(a) = foo(a)\nsum(x)", ["x"], "there is no function called foo", "foo"),
    ("g(a) = det(a)\nsum(x) + g([1, 2])", ["x"], "det takes a square matrix", "det"),
    ("x[0:1:2:3] + sum(y)", None, "a slice has at most three parts", None),
    ("sum(x) + y[", None, "never closed", "["),
    ("f(x[n]) = sum(x) + y", None, "y is not among the inputs", "y"),
    ("f(x[n]) = sum(x) + foo(x)", None, "there is no function called foo", "foo"),
]


@pytest.mark.parametrize(("text", "inputs", "message", "at"), WRONG)
def test_what_no_shape_makes_right_is_refused_at_once(text, inputs, message, at):
    with pytest.raises(sd.SymdiffError, match=message.replace("^", r"\^").replace("+", r"\+")) as caught:
        sd.function(text, inputs)
    assert caught.value.span is not None
    if at is not None:
        assert text[slice(*caught.value.span)].startswith(at)


RIGHT = [
    # what a shape may make right is no mistake: (text, call, value)
    ("sum(x) + x[1]", ([1.0, 2.0],), 5.0),
    ("x @ y + sum(x*y)", ([1.0, 2.0], [3.0, 4.0]), 22.0),
    ("g(a, b) = a @ b\ng(x, x) + g(y, [1, 2])", ([1.0, 2.0], [3.0, 4.0]), 16.0),
    ("q = x.T @ x\nr = q*2\nr + x.size", ([1.0, 2.0],), 12.0),
    ("g([a, b]) = a - b\ng(x) + sum(x)", ([1.0, 2.0],), 2.0),
    ("where(sum(x) > 0, x[0], det(y))", ([1.0, 2.0], [[1.0]]), 1.0),
    ("max(x, axis=0) + Piecewise((x[0], y > 0), (x[1], True))", ([1.0, 2.0], -1.0), 4.0),
    ("x[-1] + x[y.size - 1]", ([1.0, 2.0], [0.0, 0.0]), 4.0),
]


@pytest.mark.parametrize(("text", "args", "value"), RIGHT)
def test_what_a_shape_makes_right_waits_for_the_call(text, args, value):
    names = ["x", "y"][: len(args)]
    assert sd.function(text, names)(*args) == value


READ = [
    ("sum(x) + x[1]*3", [[1.0, 2.0]], sd.grad),
    ("f(x[n]) = sum(x**2)/n", [[1.0, 2.0]], sd.grad),
    ("q = A @ x\nq @ q", [[[1.0, 2.0]], [1.0, 2.0]], lambda f: sd.grad(f, "x")),
    ("f(x) = sum(x**2)", [[1.0, 2.0]], sd.hessian),
    ("f(x, y) = x*y", [1.0, 2.0], sd.hessian),
]


@pytest.mark.parametrize(("text", "args", "transform"), READ)
def test_a_text_is_tokenized_and_read_once(text, args, transform, monkeypatch):
    read = []

    def counted(source):
        read.append(source.text)
        return tokenize(source)

    monkeypatch.setattr("symdiff.frontend.parser.tokenize", counted)
    monkeypatch.setattr("symdiff.frontend.lexer.tokenize", counted)
    names = ["A", "x"] if "A" in text else None
    f = sd.function(text, names)
    made = transform(f)
    made(*args)
    made([*args[0], *args[0]] if isinstance(args[0], list) and len(args) == 1 else args[0], *args[1:])
    assert read.count(text) == 1
