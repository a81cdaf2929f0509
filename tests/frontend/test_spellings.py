"""What other languages write: each text is refused with what to type here, and that is read."""

import re

import pytest

import symdiff as sd
from symdiff.errors import SymdiffError
from symdiff.frontend import spellings
from symdiff.frontend.calls import is_function
from symdiff.ops import OPS

NAMES = ["x", "y", "a", "b"]

TEXTS = {  # text: what its hint tells to type
    "x>0 ? a : b": "write a if x>0 else b", "x > 0 ? a : y > 0 ? a : b": "a if c else b",
    "if(x>0, a, b)": "where(x>0, a, b)",
    "If[x>0, a, b]": "where(x>0, a, b)", "iif(x>0, a, b)": "where(x>0, a, b)", "ifelse(x>0, a, b)": "where(x>0, a, b)",
    "if_else(x>0, a, b)": "where(x>0, a, b)", "if3(x>0, a, b)": "where(x>0, a, b)",
    "piecewise(a, x>1, b)": "Piecewise((a",
    "x>0 || y>0": "write or", "x>0 && y>0": "write and", "!(x>0)": "write not", "x!": "factorial(x)",
    "||x||": "norm(x)",
    "x < 20 & y > 0": "write (x < 20) & (y > 0), or and", "where(x < 2 | y > 0, x, 1)": "(x < 2) | (y > 0), or or",
    "x > 0 AND y > 0": "write and", "x mod y": "write %", "x <> y": "write !=", "x ~= y": "write !=",
    "x .* y": "write *",
    "x ./ y": "write /", "x .^ 2": "write ^", "x'": "write A.T", "a\\b": "write solve(A, b)", "inverse(x)": "inv(x)",
    "vertcat(x, y)": "[x, y] for a vector", "horzcat(x, y)": "hstack([x, y])", "step(x)": "heaviside(x, 0.5)",
    "sumsqr([x, y])": "sum(x**2)", "norm_2([x, y])": "norm([x, y])", "cube(x)": "x**3", "Sin[x]": "sin(x)",
    "Sqrt(x)": "sqrt(x)",
    "EXP(x)": "exp(x)", "ArcTan[x]": "arctan(x)", "sin^-1(x)": "asin(x)", "exp^-1(x)": "log(x)",
    "gamma^-1(x)": "1/gamma(x)",
    "sin x": "sin(x)", "sin^2(x)": "sin(x)**2", "π*x": "write pi", "PI*x": "write pi", "e^x": "write exp(x)",
    "e**(x*y)": "write exp(x*y)", "x + e": "write exp(1)", "where(x > 0, x, NaN)": "write nan", "x*true": "write True",
    "x + Infinity": "write inf", r"\frac{a}{b}": "write a/b", r"\frac{a + 1}{b}": "write (a + 1)/b",
    r"\sin x": "write sin(x)",
    r"\sqrt{x}": "write sqrt(x)", r"x + \pi": "solve|pi", r"\alpha": "alpha", "1.0d0*x": "write 1.0e0",
    "2.5f*x": "write 2.5",
    "x <= y ? x : y": "write x if x <= y else y", "f = x >= 0 ? x : y": "write x if x >= 0 else y",
    "x => 0": "write >=",
    "where(x=<0, x, y)": "write <=", "x === y": "write ==", "x is 0": "write ==", r"x \cdot y": "write *",
    r"\mathrm{exp}": "write exp", "if x > 0 then y": "where(c, a, b)", "NOT x > 0": "write not",
    "Math.sin(x)": "write sin",
    "return x": "leave return out", "sind(x)": "sin(deg2rad(x))", "\\frac{x}{y} + a": "write x/y",
    "sum(x**2 for y in a)": "a Python function", "grad(x**2)": "sd.grad", "lg(x)": "log10(x)", "tg(x)": "tan(x)",
    "stddev(x)": "std(x)", "hyp1f1(a, b, x)": "sd.define", "hyp2f1(a, b, x, y)": "sd.define",
    "rem(x, y)": "fmod",
}  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_a_spelling_of_another_language_is_refused_with_what_to_type(text):
    with pytest.raises(SymdiffError) as caught:
        sd.function(text, NAMES)
    assert any(part in caught.value.hint for part in TEXTS[text].split("|")) or TEXTS[text] in caught.value.hint, str(
        caught.value
    )


@pytest.mark.parametrize("text", [t for t, hint in TEXTS.items() if "write" in hint])
def test_what_a_hint_tells_to_type_is_read(text):
    with pytest.raises(SymdiffError) as caught:
        sd.function(text, NAMES)
    told = re.search(r"write ([^,;]*[()][^;]*?)(?:, or .*| for .*|;.*)?$", caught.value.hint)
    if told and "A" not in told[1]:
        sd.function(told[1], NAMES)


@pytest.mark.parametrize("name", spellings.VALUES)
def test_constants_of_other_languages_are_names_only_where_somebody_lists_them(name):
    for text in (f"x*{name}", f"sum(x)*{name}", f"y = x*{name}\ny + 1"):
        with pytest.raises(SymdiffError, match="or a name of yours") as caught:
            sd.function(text)
        assert caught.value.hint == f"write {spellings.VALUES[name]}"
    assert sd.function(f"x*{name}", ["x", name])(2.0, 3.0) == 6.0
    assert sd.function(f"f(x, {name}) = x*{name}")(2.0, 3.0) == 6.0
    assert sd.function(f"{name} = 3\nx*{name}", ["x"])(2.0) == 6.0


def test_what_is_spelled_otherwise_is_not_in_the_language():
    for name in (*spellings.CALLS, *spellings.WORDS, *(n for op in OPS.values() for n in op.elsewhere)):
        assert not is_function(name) or name in ("mod", "div", "And", "Or"), name


@pytest.mark.parametrize("name", ["hyp2f1", "fresnel", "sph_harm", "KroneckerDelta", "odeint"])
def test_functions_that_do_not_exist_are_not_taken_for_others(name):
    if not is_function(name):
        with pytest.raises(SymdiffError, match=f"{name} is not available"):
            sd.function(f"{name}(x)", ["x"])


def test_a_transpose_is_proposed_in_the_users_names():
    with pytest.raises(SymdiffError, match=r"write W\.T @ x"):
        sd.function("W @ x", ["W", "x"], shapes={"W": (3, 4), "x": 3})
    with pytest.raises(SymdiffError, match=r"write A\.T @ B"):
        sd.function("(2*W) @ (x + 1)", ["W", "x"], shapes={"W": (3, 4), "x": (3, 2)})


def test_the_inverse_of_a_number():
    with pytest.raises(SymdiffError, match="write 1/x for a number"):
        sd.function("f(x) = inv(x)")(2.0)


def test_numbers_beside_conditions_are_refused_and_conditions_are_not():
    f = sd.function("where(x > 0 & y > 0, 1, 2)".replace("x > 0 & y > 0", "(x > 0) & (y > 0) | (x < -1)"), ["x", "y"])
    assert (f(1.0, 1.0), f(1.0, -1.0), f(-2.0, 0.0)) == (1.0, 2.0, 1.0)
