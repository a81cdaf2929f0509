"""What the language refuses: the error's kind, the hint to type, the place; and hostile texts, in bounded time."""

import random
import re
import time

import pytest

from symdiff.budget import Limits
from symdiff.errors import LimitError, ParseError, ShapeError, SymdiffError, UnknownNameError
from symdiff.frontend.parser import parse
from symdiff.signature import Argument, pack

REFUSED = [
    # what people write
    ("2x", "write 2*x", "2x"), ("2 x", "write 2*x", "2 x"), ("2(x + 1)", "write 2*(x + 1)", "2("),
    ("2sin(x)", "write 2*sin(x)", "2sin"), ("x y", "write x*y", "x y"), ("(x)(y)", "write (x)*(y)", ")("),
    ("x(y+1)", "write x*(y+1) for a product", "x"), ("f(x, y) = x(y + 1)", "write x*(y + 1)", "x(y + 1)"),
    ("sin x", "write sin(x)", "sin x"), ("sin 2", "write sin(2)", "sin 2"), ("f(x) = sin x", "write sin(x)", "sin x"),
    ("sin^2(x)", "write sin(x)**2", "sin^2(x)"), ("f(x) = 1 + sin**2(x)", "write sin(x)**2", "sin**2(x)"),
    ("1 + sin^2 x", "write sin(x)**2", "sin^2 x"), ("|x|", "write abs(x)", "|x|"),
    ("1 + |x - 1|", "write abs(x - 1)", "|x - 1|"),
    ("exp[x]", "write exp(x)", "exp[x]"), ("f(x) = exp[x]", "write exp(x)", "exp[x]"), ("x²", "write x**2", "²"),
    ("3.5 + rate¹⁰", "write rate**10", "¹⁰"), ("x⁻¹", "write x**-1", "⁻¹"), ("xⁿ", "write x**n", "ⁿ"),
    ("x₁", "write x1", "₁"),
    ("0,5", "write 0.5", "0,5"), ("a, b", "write [a, b] for a vector", ","),
    ("(a, b)", "write [a, b] for a vector", ","),
    ("x**2 + y = 1", "write x**2 + y - 1 for the difference of both sides, or x**2 + y == 1 for a condition", "="),
    ("x**2 = 0", "write x**2 for the difference of both sides, or x**2 == 0 for a condition", "="),
    ("y = x = 1", "write == for a comparison", "="), ("1_000", "write 1000", "1_000"), ("0x10", "write 16", "0x10"),
    ("0b11", "write 3", "0b11"), ("007", "write 7", "007"), ("00", "write 0", "00"),
    ("3j", "write 3*j if j is a name of yours", "3j"),
    ("'a'", "write names without quotes", "'"), ('x + "a', "write names without quotes", '"'),
    ("f'{1}'", "write names without quotes", "'"), ("__import__('os')", "write names without quotes", "'os'"),
    ("x.__class__", "write names without a point", ".__class__"), ("x.sin()", "write sin(x)", ".sin"),
    ("lambda: 1", "write 1", ":"), ("x := 1", "write x = 1", ":="),
    ("x; y", "write each statement on a line of its own", ";"),
    ("x!", "write factorial(x), or != for not equal", "!"), ("a && b", "write and", "&&"),
    ("a * * b", "write **", "* *"),
    ("x < = y", "write <=", "< ="), ("x ≤ y", "write <=", "≤"), ("x·y", "write *", "·"), ("√x", "write sqrt(x)", "√"),
    ("{x}", "write ( and )", "{"), ("٣", "write 3", "٣"),
    ("x + \\\n y", "put the formula in brackets to continue it on the next line", "\\"),
    ("Δx", "write Delta_x", "Δx"), ("aα", "write a_alpha", "aα"), ("x\xa0+ 1", "write an ordinary space", "\xa0"),
    # names
    ("E*x", "write exp(1)", "E"), ("sine(x)", "did you mean sin?", "sine"),
    ("sqr(x)", "write x**2; write sqr*(x) for a product", "sqr"),
    ("f(x) = sin", 'write sin(x), or list it: ["x", "sin"]', "sin"),
    ("dot(x, y)", 'declare the shape of the vector: shapes={"x": 3}, or f(x[3]) = …', "dot"),
    ("True(x)", "write True alone", "True"), ("x = 1\nx = 2\nx", "write another name: x2 = …", "x"),
    ("x + 1\ny", "bind its value, q = …, or put a formula of several lines in brackets", "x + 1"),
    ("q = x\nx = 2\nq", "move its line up", "x"), ("q = p\np = 1\nq", "move its line up", "p"),
    ("q = q", "move its line up", "q"),
    ("x = 2\nf(x) = x", "write another name: x2 = …", "x"),
    ("sin(x) = x\nsin(2)", "write another name: sin2(…) = …", "sin"),
    ("g(x) = x\ng(x) = x\n1", "write another name: g2 = …", "g"), ("True = 1", "write True_", "True"),
    ("and = 1", "write and_", "and"),
    ("f(x, x) = x", "remove one of them", "x"), ("f(2) = 1", "write a name here", "2"),
    ("f(x[-1]) = 1", "write x[3] or x[n]", "-"),
    ("f(x y) = 1", "write , or ) here", "y"),
    ("g(a) = 2*g(a)\ng(2)", "define it further up; a function cannot call itself", "g"),
    ("g(a) = h(a)\nh(a) = g(a)\nh(2)", "define it further up; a function cannot call itself", "h"),
    # calls
    ("sin(x, y)", "write sin(x)", "sin"), ("sin()", "write sin(x)", "sin"),
    ("log()", "write log(x) or log(x, base)", "log"),
    ("sin(y=x)", "write sin(x)", "sin"), ("clip(x, lo=1, lo=2)", "remove one of them", "lo"),
    ("clip(x, low=1, hi=2)", "did you mean lo?", "clip"),
    ("clip(lo=1, x)", "write it first", "x"), ("sin(x y)", "write x*y", "x y"), ("max()", "write max(a, b)", "max"),
    ("maximum(x)", "write maximum(a, b)", "maximum"), ("polygamma(x, y)", None, "polygamma"),
    ("polygamma(0.5, x)", None, "polygamma"),
    ("polygamma(-1, x)", "write polygamma(n, x)", "polygamma"), ("polygamma(10**9, x)", None, "polygamma"),
    ("Piecewise(x, x > 0)", "write Piecewise((x, x > 0), (-x, True))", "Piecewise"),
    ("Piecewise()", "write a value", "()"),
    ("Piecewise((x, x > 0, 1))", "write Piecewise((x, x > 0), (-x, True))", "("),
    ("Piecewise(-(x, x > 0))", "write [a, b] for a vector", ","),
    ("Piecewise((x, y))", "write Piecewise((x, x > 0), (-x, True))", "Piecewise"),
    ("unit(x, y)", "write unit*(x, y) for a product", "unit"),
    ("integer_power(2, x)", None, "integer_power"), ("g(a) = a\ng(1, 2)", "write g(a)", "g"),
    # shape of the text
    ("", "write an expression, such as x**2 + 1", None),
    (" \n# nothing\n", "write an expression, such as x**2 + 1", None),
    ("x +", "write a value after +", "+"), ("x + # c\n", "write a value after +", "+"),
    ("* x", "write a value before *", "*"),
    ("x + )", "remove it, or write its (", ")"), (")x(", "remove it, or write its (", ")"),
    ("((x)", "write its )", "("),
    ("sin(x\n+ 1", "write its )", "("), ("(x + [y)", "write ]", "[y)"), ("()", "write a value", "()"),
    ("[]", "write elements, [a, b], or an index, x[0]", "[]"),
    ("(x + )", "write a value before )", ")"), ("sin(,)", "write a value before ,", ","),
    ("[x, , y]", "write a value before ,", ","),
    ("x if y > 0", "write a if c else b", "if"), ("x else y", "write a if c else b", "else"),
    ("q =", "write a value after =", "="),
    ("x if y > 0 if z > 0 else 1 else 2", "write a if (b if c else d) else e", "if"),
    ("a == not b", "write (not b)", "not"),
    ("x not y", "write x and not …", "not"), ("[a, b][x > 0]", "write where(c, x, 0)", "x > 0"),
    ("[a, b][]", "write x[0]", "]"),
    ("[a, b][::0]", "write x[start:stop]", "0"),
    ("[a, b][1:2:1:1]", "write x[start:stop:step]", ":"), ("[a, b][0.5]", None, "0.5"),
    ("x @ y", 'declare its shape: shapes={"x": (3, 3)}, or f(x[3, 3]) = …', "@"),
    ("W.T", 'declare its shape: shapes={"W": (3, 3)}, or f(W[3, 3]) = …', "T"),
    ("(a > 0)^(b > 0)", "write Xor(a, b)", "^"),
    # characters
    ("x\x00", "", "\x00"), ("x + \ud800", "", "\ud800"), ("x \u202e y", "", "\u202e"), ("х + 1", "", "х"),
    ("日", "", "日"),
    ("xª", "", "ª"), ("1e400", "write inf for infinity", "1e400"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "hint", "span"), REFUSED)
def test_refused_with_what_to_type(text, hint, span):
    with pytest.raises(SymdiffError) as caught:
        parse(text)
    error = caught.value
    assert isinstance(error, ParseError | ShapeError)
    if hint is not None:
        assert error.hint == hint
    if span is not None:
        assert text[slice(*error.span)] == span
    str(error).encode("utf-8")


MISUSED = ["sum(((A, A))**2)", "sum(((A,))*2)", "sum((())**2)", "sum((None) + A)", "roll(A, None)", "roll(A, (0, 1))",
    "roll(A, (1, 1), None)", "rot90(A, 1, 1)", "rot90(A, 1, ())", "pad(A, ())", "pad(A, (1, 2, 3))", "cov(2)",
    "corrcoef(2)", "expand_dims(A, None)", "stack([A, A], None)", "concatenate([A, A], (0, 1))", "cumsum(A, (0, 1))",
    "diff(A, 2, [0, 1])", "cross(A, A, None)", "moveaxis(A, None, -1)", "repeat(A, 2, (0, 1))", "take(A, 0, (0, 1))",
    "size(A, (0, 1))"]  # fmt: skip


@pytest.mark.parametrize("text", MISUSED)
def test_arguments_of_another_kind(text):
    with pytest.raises((ParseError, ShapeError)):
        parse(f"f(A[3, 3]) = {text}")


def test_a_width_of_padding_for_a_number():
    parse("pad(2, (0, 1))")


CONDITIONS = [
    "x and y",
    "not x",
    "x or y > 0",
    "x if y else z",
    "x & y",
    "x | (y > 0)",
    "~x",
    "where(x, 1, 2)",
    "And(x, y)",
    "Or(x)",
]


@pytest.mark.parametrize("text", CONDITIONS)
def test_numbers_are_not_conditions(text):
    with pytest.raises(ShapeError, match="x != 0") as caught:
        parse(text)
    assert caught.value.span is not None


def test_code_points_are_named():
    for text, name in [("x \u202e", "U+202E RIGHT-TO-LEFT OVERRIDE"), ("х", "U+0445 CYRILLIC SMALL LETTER HA"),
    ("\x00", r"U+0000"),
                       ("x\u200b", "U+200B ZERO WIDTH SPACE"), ("x\u0300x\u0430", "U+0430")]:  # fmt: skip
        with pytest.raises(ParseError, match=name.replace("+", r"\+")):
            parse(text)


def test_limits(monkeypatch):
    with pytest.raises(LimitError, match="digits"):
        parse("1" * 401)
    with pytest.raises(LimitError, match="65 characters"):
        parse("x" * 65)
    parse("x" * 64)
    monkeypatch.setattr(Limits, "text", 10)
    with pytest.raises(LimitError, match="characters") as caught:
        parse("x" * 11)
    assert "symdiff.Limits.text" in caught.value.hint
    monkeypatch.setattr(Limits, "text", 1000)
    monkeypatch.setattr(Limits, "tokens", 5)
    with pytest.raises(LimitError, match="tokens"):
        parse("x+x+x+x")
    monkeypatch.setattr(Limits, "nodes", 3)
    monkeypatch.setattr(Limits, "tokens", 50)
    with pytest.raises(LimitError, match="nodes") as caught:
        parse("x + y*z")
    assert caught.value.span is not None


def test_packs_and_duplicates():
    with pytest.raises(SymdiffError, match="twice"):
        parse("x", arguments=[Argument("x"), pack(("y", "x"))])
    with pytest.raises(UnknownNameError):
        parse("x_y", arguments=[pack(("x", "y"))])


COUNT = 100_000


def helpers(body, count):
    """Functions each of which calls the one above it."""
    lines = [f"a{k}(x) = {body.format(k - 1)}" for k in range(1, count)]
    return "\n".join(["a0(x) = x", *lines, f"a{count - 1}(y)"])


HOSTILE = {
    "parentheses": ("(" * 1_000_000 + "x" + ")" * 1_000_000, None),
    "open": ("(" * 1_000_000, "never closed"),
    "closed": (")" * 1_000_000, "closes nothing"),
    "brackets": ("[" * 1_000_000, "never closed"),
    "sum": ("+".join(["x"] * COUNT), None),
    "minuses": ("-" * COUNT + "x", None),
    "nested calls": ("sin(" * COUNT + "x" + ")" * COUNT, None),
    "powers": ("**".join(["x"] * COUNT), None),
    "chain": ("<".join(["x", "y"] * (COUNT // 2)), None),
    "choices": ("x if y > 0 else " * COUNT + "z", None),
    "nots": ("not " * COUNT + "(x > 0)", None),
    "operands": ("max(" + ",".join(f"x{k}" for k in range(COUNT)) + ")", None),
    "pairs": ("Piecewise(" + ",".join(f"(x, y < {k})" for k in range(20_000)) + ")", None),
    "lines": ("\n".join(["a0 = x"] + [f"a{k} = a{k - 1}*x" for k in range(1, 50_000)]), None),
    "helpers": (helpers("a{0}(x)*x", 50_000), None),
    "doubling helpers": (helpers("a{0}(a{0}(x))", 500), None),
    "unknown names": ("f() = " + "+".join(f"x{k}" for k in range(50_000)), "and 49990 more"),
    "equals": ("x" + "= " * COUNT, "comparison"),
    "commas": ("[" + "," * COUNT + "]", "before ,"),
    "digits": ("9" * 1_000_000, "digits"),
    "name": ("x" * 1_000_000, "characters"),
    "combining": ("x" + "\u0301" * 1_000_000, "characters|name"),
    "juxtaposed": ("x " * COUNT, "missing"),
    "bars": ("|" * COUNT, "abs"),
    "quotes": ("'" * COUNT, "quotes"),
    "newlines": ("\n" * 1_000_000 + "x", None),
    "comment": ("x #" + "(" * 1_000_000, None),
    "subscripts": ("x" + "[0]" * COUNT, "scalar"),
    "transposes": ("a = [1, x]\na" + ".T" * COUNT, None),
    "products": ("a = [1, x]\n" + "a*(a @ a)*" * (COUNT // 5) + "a", None),
    "sums": ("\n".join(["a0 = [x, y]"] + [f"a{k} = a{k - 1}*sum(sum(a{k - 1}))" for k in range(1, 20_000)]), None),
    "tuples": ("reshape(x, " + "(" * COUNT + ")" * COUNT + ")", "scalar"),
    "texts": ("einsum(" + "'a'," * COUNT + "x)", "einsum"),
    "doubling": ("\n".join(["a0 = x + y"] + [f"a{k} = a{k - 1}*a{k - 1}" for k in range(1, 5_000)]), None),
    "tower": ("9**9**9**9", "overflows"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_take_linear_time(name):
    text, message = HOSTILE[name]
    start = time.process_time()
    if message is None:
        parse(text)
    else:
        with pytest.raises(ParseError if name not in ("subscripts", "tuples") else ShapeError, match=message) as caught:
            parse(text)
        assert len(str(caught.value)) < 2000
    # Ten times what it takes on a slow machine: what is not linear takes minutes.
    assert time.process_time() - start < 1 + 30e-6 * len(text)


PIECES = [
    "x", "y", "sin", "max", "(", ")", "[", "]", ",", ":", "=", "==", "<", "+", "-", "*", "**", "^", "if", "else",
    "and", "not", "~",
    "&", "|", "1", "2.5", "0", "x[", "g(x)=", "\n", "Piecewise((", "(x, x>0)", "log", "polygamma", "sum", "E", "pi",
    "True", ".T", ".sum(", "None", "...", "norm(x, 'fro')", "reshape(x, (2, 1))", "axis=", "einsum(\"i\", x)",
    "concatenate((",
    "arange(", ".shape", "@", "//", ":=", "_", "²", "Δx", "a=", "−", "#c\n", "007", "1e400", "'", "\x00", "\ud800",
    "ｘ", "ⁿ", "\u0301",
    "x¹⁰", "nan",
]  # fmt: skip
SIGNATURES = [{}, {"shapes": {"x": (2,)}}, {"arguments": [Argument("x", (3,)), Argument("y")]},
              {"arguments": [pack(("x", "y"), "v")]}]  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_any_text_gives_a_graph_or_an_error_with_a_place(seed):
    rng = random.Random(seed)
    accepted, unplaced = 0, []
    for _ in range(4_000):
        text = "".join(rng.choice(PIECES) + rng.choice(["", " "]) for _ in range(rng.randint(1, 12)))
        try:
            parse(text, **rng.choice(SIGNATURES))
            accepted += 1
        except SymdiffError as error:
            if not str(error) or (error.place is None and not re.search("empty|shape", error.message)):
                unplaced.append(text)
    assert not unplaced
    assert accepted > 20
