"""What texts of the language mean: numbers, order, names, and the graph that comes out."""

import keyword
import math
import re

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from symdiff.errors import ArgumentError, ParseError, ShapeError, Source, SymdiffError, UnknownNameError
from symdiff.frontend.given import checked_name
from symdiff.frontend.lexer import END, NAME, RESERVED, tokenize
from symdiff.frontend.parser import parse
from symdiff.interpret import evaluate
from symdiff.ir.graph import Graph
from symdiff.signature import Argument, pack
from symdiff.types import Dim

POINT = {"x": 1.7, "y": -0.6, "z": 3.0, "a": 2.0, "b": 0.25, "c": -1.0}


def value(text, point=POINT, **options):
    parsed = parse(text, **options)
    given_ = {node: point[name] for name, node in parsed.names.items() if parsed.graph.ops[node].name == "input"}
    return evaluate(parsed.graph, [parsed.output], given_)[0]


ACCEPTED = [
    # precedence and association
    ("x - y - z", 1.7 + 0.6 - 3.0), ("x/z/a", 1.7 / 3.0 / 2.0), ("-x**2", -(1.7 * 1.7)), ("2**-1", 0.5),
    ("z**a**b", 3.0 ** (2.0**0.25)), ("2**-x**2", 2 ** -(1.7 * 1.7)), ("2**-1*3", 1.5), ("-x*y", 1.7 * 0.6),
    ("--x", 1.7), ("+x", 1.7), ("- -+x", 1.7), ("x^2", 1.7 * 1.7), ("2^3^2", 512.0), ("7//2*2", 6.0), ("-7//2", -4.0),
    ("-7%3", 2.0), ("7%-3", -2.0), ("x\u2212y", 2.3), ("x\u00d7z", 1.7 * 3.0), ("(x)", 1.7), ("((x - (y)))", 2.3),
    # numbers
    ("1.", 1.0), (".5", 0.5), ("1e3", 1000.0), ("1.5E-3", 0.0015), ("0", 0.0), ("0.0", 0.0), ("0e5", 0.0),
    ("1e-400", 0.0), ("9007199254740993", 9007199254740992.0), ("1/0", math.inf),
    ("0**0", 1.0), ("sqrt(-1)", math.nan),
    # conditions
    ("1 if x > 1 else 2", 1.0), ("1 if x < 1 else 2 if y < 0 else 3", 2.0),
    ("a if (b if x > 0 else c) > 0 else z", 2.0),
    ("1 < x < 2", True), ("1 < x > 2", False), ("x == x != y", True), ("3 > 2 > 1 > 0", True), ("not x > 2", True),
    ("not not x > 2", False), ("not x > 2 and y > 0", False), ("x > 2 or y < 0 and z > 0", True),
    ("(x > 2 or y < 0) and z < 0", False), ("(x > 1) & (y > 0) | (z > 0)", True), ("~(x > 1)", False),
    ("(x > 1) == True", True), ("x > 1 if y < 0 else z > 5", 1.0), ("(x > 1) + (y < 0)", 2.0), ("-(x > 1)", -1.0),
    ("(x > 1)*z", 3.0), ("where(x > 1, y, z)", -0.6), ("where(condition=x > 1, y=z, x=y)", -0.6), ("True", True),
    ("And(x > 1, y < 0, z > 0)", True), ("Or(x > 2, y > 0)", False), ("Not(x > 2)", True),
    ("Xor(x > 1, y < 0)", False),
    ("ITE(x > 1, y < 0, y > 0)", True), ("Eq(x, x)", True), ("Ne(x, x)", False), ("Lt(x, y)", False),
    ("Piecewise((x, x < 0), (y, x < 1), (z, True))", 3.0), ("Piecewise((x, x < 0))", math.nan),
    ("Piecewise((1, x > 0), (2, True), (3, True),)", 1.0),
    # calls
    ("max(x, y)", 1.7), ("min(x, y, z)", -0.6), ("Max(x, y, z, a)", 3.0), ("maximum(x, y)", 1.7), ("Max(x)", 1.7),
    ("max([x, y, z])", 3.0), ("min([[x, y], [z, a]])", -0.6), ("clip(x, hi=1, lo=0)", 1.0), ("heaviside(0)", 0.5),
    ("Heaviside(0, 1)", 1.0), ("log(8, 2)", math.log(8) / math.log(2)),
    ("log(x=8, base=2)", math.log(8) / math.log(2)),
    ("polygamma(0, z)", 0.9227843350984671), ("Abs(y)", 0.6), ("ceiling(x)", 2.0), ("Mod(x, 1)", 1.7 % 1),
    ("sec(x)", 1 / math.cos(1.7)), ("atan2(y, x)", math.atan2(-0.6, 1.7)), ("isnan(nan)", True),
    ("pow(x, 2,)", 1.7 * 1.7),
    ("leaky_relu(y)", -0.006), ("factorial(3)", 6.0), ("loggamma(z)", math.log(2)),
    # constants
    ("pi", math.pi), ("-oo", -math.inf), ("inf", math.inf), ("nan", math.nan),
    # lists and subscripts
    ("[x, y][0]", 1.7), ("[x, y][-1]", -0.6), ("[x, y, z][1:][1]", 3.0), ("[x, y, z][::2][1]", 3.0),
    ("[[x, y], [z, a]][1][0]", 3.0), ("[[x, y], [z, a]][1, 0]", 3.0), ("sum([x, y, z])", 1.7 - 0.6 + 3.0),
    ("sum([[x, y], [z, a]], axis=1)[1]", 5.0), ("sum(2*[x, y])", 2 * 1.7 - 2 * 0.6), ("[x, y][2 - 1]", -0.6),
    ("sum([x, y], keepdims=True)[0]", 1.7 - 0.6), ("[x, y][:1][0]", 1.7), ("[x, y,][::-1][0]", -0.6),
    # lines
    ("q = x + y\nq*z", (1.7 - 0.6) * 3.0), ("n = 1\nm = n + 1\n[x, y, z][m]", 3.0), ("# only\nx # this\n\n", 1.7),
    ("x\r\n", 1.7), ("q = x\ry*q", 1.7 * -0.6), ("(x +\n y)", 1.7 - 0.6), ("max(x, # c\n\n y)", 1.7), ("  x  ", 1.7),
    ("f = x*2", 3.4), ("g(u) = u**2\ng(x) + g(y)", 1.7 * 1.7 + 0.36), ("g(u, v) = u - v\ng(v=x, u=y)", -2.3),
    ("k = x\ng(u) = k*u\ng(z)", 1.7 * 3.0), ("g(u) = u + 1\nh(u) = g(g(u))\nh(x)", 3.7), ("g() = 3\ng()*x", 3 * 1.7),
    ("g(v) = v[0] - v[1]\ng([x, y])", 2.3), ("g([p, q]) = p - q\ng([x, y])", 2.3),
    ("g(n, t) = polygamma(n, t)\ng(0, z)",
     0.9227843350984671), ("g(t) = where(t, 1, 2)\ng(x > 0)", 1.0), ("pi = 3\npi*x", 3 * 1.7),
     ("E = 5\nE*x", 5 * 1.7),
    ("g(x) = x*z\ng(y)", -1.8), ("sum = x\nsum*sum(a*[x, y])", 1.7 * (2 * 1.7 + 2 * -0.6)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), ACCEPTED)
def test_meaning(text, expected):
    result = value(text)
    assert isinstance(expected, bool) == (np.asarray(result).dtype == bool)
    np.testing.assert_allclose(result, expected, rtol=1e-14, equal_nan=True)


def leaf():
    return st.sampled_from(["x", "y", "z", "1", "2", "0.5", "3.25"])


def grow(inner):
    binary = st.sampled_from([" + ", " - ", "*", "/", "//", "%", "**", "+", "-"])
    return st.one_of(
        st.tuples(inner, binary, inner).map("".join),
        st.tuples(st.sampled_from(["-", "+", "- "]), inner).map("".join),
        inner.map("({})".format),
        st.tuples(inner, st.sampled_from(["<", " <= ", ">", "==", "!="]), inner, inner, inner).map(
            lambda t: f"({t[3]} if {t[0]}{t[1]}{t[2]} else {t[4]})"
        ),
        st.tuples(inner, st.sampled_from([" and ", " or "]), inner, st.sampled_from(["not ", ""])).map(
            lambda t: f"(1.0 if {t[3]}{t[0]} < 1{t[1]}{t[2]} > y else z)"
        ),
    )


@given(st.recursive(leaf(), grow, max_leaves=12))
@settings(max_examples=400, deadline=None)
def test_precedence_is_pythons(text):
    names = {name: np.float64(v) for name, v in POINT.items()} | {"number": np.float64}
    numbers = re.sub(r"[0-9][0-9.]*", r"number(\g<0>)", text)
    with np.errstate(all="ignore"):
        expected = float(eval(numbers, names))
    if not math.isfinite(expected) or abs(expected) > 1e200:
        return
    np.testing.assert_allclose(value(text), expected, rtol=1e-9, atol=1e-12)


x, y = sympy.symbols("x y")
SYMPY = [
    x**2 - y / 3, sympy.exp(-(x**2)) * sympy.sin(y), sympy.Piecewise((x, x > y), (y**2, x < -1),
    (sympy.sqrt(x), True)),
    sympy.Max(x, y, 2), sympy.Min(x, -y), sympy.Abs(x - y), sympy.ceiling(x) + sympy.floor(y), sympy.Mod(x, 3),
    sympy.loggamma(x), sympy.polygamma(0, x), sympy.atan2(y, x), sympy.sign(y), sympy.cbrt(x), sympy.Heaviside(y),
    sympy.Piecewise((1, (x > 0) & (y > 0)), (2, (x > 5) | ~(y > 3)),
    (3, True)),
    sympy.Piecewise((x, sympy.Eq(x, y)), (y, True)),
    sympy.Rational(1, 3) * x ** sympy.Rational(-3, 2), sympy.sec(x) + sympy.acot(y), sympy.pi * x, sympy.erf(x),
]  # fmt: skip


@pytest.mark.parametrize("expression", SYMPY, ids=str)
def test_text_of_sympy_expressions_means_the_same(expression):
    expected = float(expression.subs({x: 1.7, y: -0.6}).evalf())
    np.testing.assert_allclose(value(str(expression)), expected, rtol=1e-13)


def test_header_declares_arguments():
    parsed = parse("f([b1, b2], x[3], W[2, n], t,) = b1*x[0] + b2*t")
    assert parsed.arguments == (
        pack(("b1", "b2")), Argument("x", (3,)), Argument("W", (2, Dim("n"))), Argument("t"),
    )  # fmt: skip
    assert parsed.output_name == "f"
    assert list(parsed.names) == ["b1", "b2", "x", "W", "t"]
    assert parse("f([]) = 1").arguments == (pack(()),)
    assert parse("f() = 1").arguments == ()


def test_header_on_the_last_line_declares_for_all_lines():
    parsed = parse("q = x[0] + y\nf(x[2], y) = q*q")
    assert [a.name for a in parsed.arguments] == ["x", "y"]
    assert parsed.graph.ops[parsed.names["q"]].name == "named"


def test_named_packs_are_vectors():
    parsed = parse("b[1] + b2 + sum(b)", arguments=[pack(("b1", "b2"), "b"), Argument("t")])
    names = parsed.names
    assert evaluate(parsed.graph, [parsed.output], {names["b1"]: 2.0, names["b2"]: 3.0}) == [11.0]
    assert parsed.graph.args[names["b"]] == (names["b1"], names["b2"])


def test_free_names_in_order_of_appearance():
    parsed = parse("lambda*S + e*λ + beta*gamma(I)")
    assert parsed.free == ("lambda", "S", "e", "λ", "beta", "I")
    assert parsed.arguments is None
    assert parse("ｘ + x").free == ("x",)
    assert parse("µ").free == ("μ",)


def test_shapes_of_undeclared_names():
    parsed = parse("sum(x) + W[1, 2]", shapes={"x": (3,), "W": (2, 3), "elsewhere": (1,)})
    assert str(parsed.graph.types[parsed.names["W"]]) == "float64[2, 3]"
    assert parse("f(x) = sum(x)", shapes={"x": (3,)}).arguments == (Argument("x", (3,)),)
    with pytest.raises(ArgumentError, match="did you mean rate"):
        parse("rate + 1", arguments=[Argument("rate")], shapes={"rat": (3,)})


def test_header_and_arguments_agree():
    given_ = [Argument("y"), Argument("x", (2,)), pack(("a", "b"), "p")]
    parsed = parse("f(x, [a, b], y) = x[0] + p[1] + y", arguments=given_)
    assert parsed.arguments == (given_[1], given_[2], given_[0])
    with pytest.raises(ParseError, match=r"only the header has y; only the inputs have z"):
        parse("f(x, y) = x", arguments=[Argument("x"), Argument("z")])
    with pytest.raises(ShapeError, match="shapes"):
        parse("f(x[3]) = x", arguments=[Argument("x", (2,))])


def test_lines_are_nodes_of_their_own_and_constants_are_not():
    parsed = parse("n = 2*3\na = x + 1\nb = x + 1\nf = a*b*n")
    graph, names = parsed.graph, parsed.names
    assert [graph.ops[names[k]].name for k in "ab"] == ["named", "named"]
    assert names["a"] != names["b"]
    assert graph.ops[names["n"]].name == "mul"
    assert parsed.output == names["f"]
    assert graph.payloads[parsed.output] == "f"


def test_a_line_through_a_helper_varies_with_what_the_helper_sees():
    parsed = parse("k = x\ng(u) = u*k\np = g(2)\nq = g(2)\np + q")
    assert parsed.graph.ops[parsed.names["q"]].name == "named"
    parsed = parse("g(u) = u*2\np = g(2)\nq = g(2)\np + q + x")
    assert parsed.graph.ops[parsed.names["q"]].name == "mul"


def test_given_graph_is_extended():
    graph = Graph()
    first = parse("x*y", graph=graph)
    second = parse("x*y + 1", graph=graph)
    assert graph.args[second.output][0] == first.output


def test_middle_of_a_chain_is_evaluated_once():
    parsed = parse("x < exp(y) < z")
    assert [op.name for op in parsed.graph.ops].count("exp") == 1


def test_places_are_the_spans_of_subexpressions():
    text = "f(x, y) = sin(x*y) + (x - 2)*exp(-y)"
    parsed = parse(text)
    spans = {text[p.start : p.end] for p in parsed.graph.places.values()}
    assert {"sin(x*y)", "x*y", "(x - 2)*exp(-y)", "x - 2", "-y", "exp(-y)", "2",
            "sin(x*y) + (x - 2)*exp(-y)"} == spans  # fmt: skip


def test_float32():
    parsed = parse("x + 0.1", dtype="float32")
    assert parsed.graph.payloads[parsed.graph.args[parsed.output][1]] == float(np.float32(0.1))
    with pytest.raises(ParseError, match="overflows float32"):
        parse("1e39", dtype="float32")


def test_all_missing_names_are_listed_at_once():
    with pytest.raises(UnknownNameError) as caught:
        parse("q = alpha*x1\ng(t) = t*k\nf(x, alpha_) = q + z + g(x)")
    error = caught.value
    assert error.message == "alpha (did you mean alpha_?), x1 (did you mean x?), k, z are not among the inputs"
    assert error.span == (4, 9)
    assert error.hint == 'list them: ["x", "alpha_", "alpha", "x1", "k", "z"]'


def test_errors_inside_operations_are_located():
    with pytest.raises(ShapeError) as caught:
        parse("f(x[2], y[3]) = 1 + x*y")
    assert caught.value.span == (21, 22)
    with pytest.raises(ShapeError) as caught:
        parse("g(a) = a and a\nf(x) = g(x)")
    assert caught.value.span == (9, 12)


def test_shape_hints():
    with pytest.raises(ShapeError) as caught:
        parse("y + x[4]")
    assert caught.value.hint == 'write shapes={"x": 5}, or f(x[5]) = …'
    with pytest.raises(ShapeError) as caught:
        parse("W[0, 1]")
    assert caught.value.hint == 'write shapes={"W": (3, 3)}, or f(W[3, 3]) = …'


@pytest.mark.parametrize(
    "name", [*keyword.kwlist, "x", "_", "x1", "e", "E", "pi", "αβ", "x" * 64, "x" * 65, "1x", "a b", ""]
)
def test_names_are_those_that_texts_have(name):
    try:
        tokens = tokenize(Source(name))
        allowed = tokens.kinds[:2] == [NAME, END] and tokens.texts[0] not in RESERVED
    except SymdiffError:
        allowed = False
    if allowed:
        assert checked_name(name) == tokens.texts[0]
    else:
        with pytest.raises(SymdiffError):
            checked_name(name)
