"""Units: what headers and other files say of inputs, results and derivatives, and which texts are refused."""

import importlib.util
import re
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symdiff as sd
from symdiff.cli import main
from symdiff.ship.formulas import functions_of
from symdiff.ship.header import described
from symdiff.ship.interface import exported, with_units
from symdiff.ship.units import LONGEST, read_units
from tests.ship.c_programs import main as main_of
from tests.ship.c_programs import needs_gcc, run_c

DRAG = sd.function("drag(v, rho) = 0.15*rho*v**2")
STATE = sd.function("energy(x[4], [a, b], M[2, 2]) = x[0]*x[1] + a*x[2]*x[3] + b*M[0, 0]")
SEVERAL = sd.function(lambda v, t: {"p": v * t, "q": v**2}, ["v", "t"])
UNITS = {"v": "m/s", "rho": "kg/m^3", "drag": "N"}

DESCRIBED = {
    "numbers": (DRAG, UNITS, ["v: a number, in m/s", "rho: a number, in kg/m^3", "drag: a number, in N"]),
    "nothing given": (DRAG, {}, ["v: a number", "rho: a number", "drag: a number"]),
    "plain numbers": (DRAG, {"v": "1", "rho": "-", "drag": "unitless"}, [", dimensionless"] * 3),
    "a gradient": (
        sd.grad(DRAG),
        UNITS,
        ["grad_drag[2]: 2 numbers, [0] by v in N/(m/s), [1] by rho in N/(kg/m^3)"],
    ),
    "a gradient by one": (sd.grad(DRAG, "v"), UNITS, ["grad_drag: a number, by v, in N/(m/s)"]),
    "a gradient by plain numbers": (sd.grad(DRAG, "v"), {**UNITS, "v": "1"}, ["by v, in N"]),
    "a gradient of plain numbers": (sd.grad(DRAG, "v"), {"v": "s", "drag": "1"}, ["by v, in 1/s"]),
    "a gradient by its own unit": (sd.grad(DRAG, "v"), {"v": "N", "drag": "N"}, ["by v, dimensionless"]),
    "a gradient, nothing given": (sd.grad(DRAG), {}, ["grad_drag[2]: 2 numbers, by v, rho"]),
    "a gradient, one unit given": (
        sd.grad(DRAG),
        {"drag": "N", "v": "s"},
        ["2 numbers, [0] by v in N/s, [1] by rho"],
    ),
    "a product": (sd.grad(DRAG, "v"), {"v": "rad", "drag": "N*m"}, ["in N*m/rad"]),
    "a quotient": (sd.grad(DRAG, "v"), {"v": "s", "drag": "m/s"}, ["in (m/s)/s"]),
    "a gradient that has its own": (sd.grad(DRAG, "v"), {**UNITS, "grad_drag": "kg/s"}, ["by v, in kg/s"]),
    "the value and the gradient": (
        sd.value_and_grad(DRAG, ("v", "rho")),
        UNITS,
        ["drag: a number, in N", "grad_drag_0: a number, by v, in N/(m/s)", "grad_drag_1: a number, by rho, in"],
    ),
    "a Hessian": (
        sd.hessian(DRAG),
        UNITS,
        [
            "hessian_drag[2, 2]: 2 x 2, row by row",
            "[0, 0] by v, v in N/(m/s)^2",
            "[0, 1] by v, rho in N/((kg/m^3)*(m/s))",
            "[1, 0] by rho, v in N/((kg/m^3)*(m/s))",
            "[1, 1] by rho, rho in N/(kg/m^3)^2",
        ],
    ),
    "a Hessian by numbers of one unit": (
        sd.hessian(DRAG),
        {"v": "m", "rho": "m", "drag": "J"},
        ["2 x 2, row by row, by v, rho, twice, in J/m^2"],
    ),
    "a Hessian by one": (sd.hessian(DRAG, "v"), UNITS, ["by v twice, in N/(m/s)^2"]),
    "a Jacobian of a gradient": (
        sd.jacobian(sd.grad(DRAG, "v"), "rho"),
        UNITS,
        ["a number, by v and by rho, in N/((kg/m^3)*(m/s))"],
    ),
    "a Jacobian of several": (
        sd.jacobian(SEVERAL, "v"),
        {"v": "m/s", "p": "m", "q": "J"},
        ["by v, in m/(m/s)", "by v, in J/(m/s)"],
    ),
    "a derivative of higher order": (sd.derivative(DRAG, "v", 3), UNITS, ["by v 3 times, in N/(m/s)^3"]),
    "a Laplacian": (sd.laplacian(DRAG), {"v": "m", "rho": "m", "drag": "K"}, ["by v, rho, twice, in K/m^2"]),
    "a tangent": (
        sd.jvp(DRAG),
        UNITS,
        ["v_rho_dot[2]: 2 numbers, [0] along v in m/s, [1] along rho in kg/m^3", "jvp_drag: a number, in N"],
    ),
    "a tangent in time": (
        sd.jvp(DRAG, "v"),
        {**UNITS, "v_dot": "m/s^2"},
        ["v_dot: a number, in m/s^2", "jvp_drag: a number, in N*(m/s^2)/(m/s)"],
    ),
    "a cotangent": (
        sd.vjp(DRAG, "v"),
        UNITS,
        ["drag_bar: a number, dimensionless", "vjp_drag: a number, by v, in N/(m/s)"],
    ),
    "a cotangent in units": (
        sd.vjp(DRAG, "v"),
        {**UNITS, "drag_bar": "m"},
        ["drag_bar: a number, in m", "by v, in N*m/(m/s)"],
    ),
    "cotangents of several": (
        sd.vjp(SEVERAL, "v"),
        {"v": "s", "p": "m", "q": "J", 'f_bar["p"]': "J", "f_bar_q": "m"},
        ["vjp_f: a number, by v, in J*m/s"],
    ),
    "a product with the Hessian": (
        sd.hvp(DRAG),
        UNITS,
        ["hvp_drag[2]: 2 numbers, [0] by v in N/(m/s), [1] by rho in N/(kg/m^3)"],
    ),
    "a gradient along a tangent": (sd.grad(sd.jvp(DRAG, "v"), "v_dot"), UNITS, ["by v_dot, in N/(m/s)"]),
    "packs and vectors": (
        STATE,
        {"x": ["m", "m", "m/s", "m/s"], "a": "kg", "b": "J", "energy": "J"},
        ["x[4]: 4 numbers, x[0..1] in m, x[2..3] in m/s", "[a, b]: 2 numbers, a in kg, b in J", "row by row\n"],
    ),
    "a gradient by a vector": (
        sd.grad(STATE, "x"),
        {"x": ["m", "m", "m/s", "m/s"], "energy": "J"},
        ["4 numbers, [0..1] by x in J/m, [2..3] by x in J/(m/s)"],
    ),
    "a gradient by a part": (
        sd.grad(STATE, "x[1:3]"),
        {"x": ["m", "m", "m/s", "m/s"], "energy": "J"},
        ["2 numbers, [0] by x in J/m, [1] by x in J/(m/s)"],
    ),
    "a Jacobian by numbers and arrays": (
        sd.jacobian(STATE, ["b", "x"]),
        {"x": "m", "b": "kg", "energy": "J"},
        ["[0] by b in J/kg, [1..4] by x in J/m"],
    ),
    "a gradient by a matrix": (sd.grad(STATE, "M"), {"M": "Pa", "energy": "J"}, ["row by row, by M, in J/Pa"]),
    "a Jacobian of a vector": (
        sd.jacobian("f(a, b) = [a*b, a, b]"),
        {"f": ["m", "m", "s"], "a": "K", "b": "V"},
        ["[0..1, 0] by a in m/K", "[0..1, 1] by b in m/V", "[2, 0] by a in s/K", "[2, 1] by b in s/V"],
    ),
    "a Jacobian of a vector by a vector": (
        sd.jacobian("f(x[2], a) = [x[0]*a, x[1], a]", "x"),
        {"f": "m", "x": "K"},
        ["3 x 2, row by row, [i, j] of f[i] by x[j], in m/K"],
    ),
    "a Jacobian by alike numbers": (
        sd.jacobian("f(a, b) = [a*b, a, b]"),
        {},
        ["3 x 2, row by row, [i, j] of f[i] by the j-th of a, b"],
    ),
    "a Jacobian of a matrix by a matrix": (
        sd.jacobian(sd.function("f(M[2, 2], a) = a*M", shapes={"a": ()}), "M"),
        {"f": "m", "M": "K"},
        ["2 x 2 x 2 x 2, row by row\n", " [i, j, k, l] of f[i, j] by M[k, l], in m/K"],
    ),
    "a Jacobian of an array of one unit": (
        sd.jacobian("f(a, b) = [a*b, a, b]"),
        {"f": "m", "a": "K", "b": "V"},
        ["[i, 0] by a in m/K, [i, 1] by b in m/V"],
    ),
    "a sparse Jacobian": (
        sd.sparse_jacobian(sd.function("f(x[2], t) = x*t", shapes={"t": ()}), ["x", "t"]),
        {"f": "m", "x": "m", "t": "s"},
        [
            "4 numbers, the entries of a sparse 2 x 3 matrix by columns",
            "at [i, 0..1] by x dimensionless, at [i, 2] by t in m/s",
        ],
    ),
    "a sparse Hessian": (
        sd.sparse_hessian("f(x[3]) = x[0]**2*x[1] + x[2]**3"),
        {"f": "J", "x": "m"},
        ["matrix by columns\n", " by x twice, in J/m^2"],
    ),
    "a sparse Jacobian of one unit": (
        sd.sparse_jacobian("f(x[3]) = x[1:]**2 - x[:2]"),
        {"f": "J", "x": "m"},
        ["a sparse 2 x 3 matrix by columns\n *         at [i, j] of f[i] by x[j], in J/m\n"],
    ),
    "a Hessian by many": (
        sd.hessian("f(a, b, c, d, e) = a*b*c*d*e"),
        {"f": "J", "a": "m", "b": "s", "c": "K", "d": "V", "e": "1"},
        ["row by row, by a, b, c, d, e, twice", "[i, j] in J*u[i]*u[j], where", "u[0] is 1/m (a)", "u[4] is 1 (e)"],
    ),
    "more than are listed": (
        sd.grad("f(x[60]) = sum(x**2)"),
        {"f": "J", "x": ["m", "s"] * 30},
        ["x[60]: 60 numbers\n", "x[23] in s\n *        ...\n", "60 numbers\n", "[23] by x in J/s\n *         ...\n */"],
    ),
    "leaves of trees": (
        sd.function(lambda p: p["w"] * p["b"], shapes={"p": {"w": (), "b": ()}}),
        {'p["w"]': "m", "p_b": "s"},
        ['p["w"]: a number, in m', 'p["b"]: a number, in s'],
    ),
    "a gradient by leaves of trees": (
        sd.grad(sd.function(lambda p: p["w"] @ p["w"] * p["b"], shapes={"p": {"w": (3,), "b": ()}}, name="f")),
        {'p["w"]': "m", "f": "m^2"},
        ['3 numbers, by p["w"], in m^2/m', 'a number, by p["b"]\n'],
    ),
    "a Hessian of what has no unit": (sd.hessian(DRAG), {"v": "m", "rho": "s"}, ["by v, rho, twice\n"]),
    "a gradient of a function for shapes": (
        sd.grad("f(x[n], t) = sum(x**2)*t", ("x", "t")).specialize([1.0, 2.0, 3.0], 1.0).compile(),
        {"x": "m", "t": "s", "f": "J"},
        ["3 numbers, by x, in J/m", "a number, by t, in J/s"],
    ),
    "the name in C": ({"my_drag": DRAG, "slope": sd.grad(DRAG, "v")}, {"v": "s", "my_drag": "N"}, ["in N\n", "in N/s"]),
    "of one function alone": (
        {"drag": DRAG, "other": sd.function("other(v) = 2*v")},
        {"v": "m/s", "other": {"v": "km/h"}},
        ["v: a number, in m/s", "v: a number, in km/h"],
    ),
    "a named line": (
        sd.grad("q = v**2\nf(v) = q*3", "q"),
        {"q": "Pa", "f": "N"},
        ["a number, by q, in N/Pa"],
    ),
}


def header(functions, folder, units):
    return sd.emit(functions, folder, name="library", kinds="h", units=units)[0].read_text(encoding="utf-8")


@pytest.mark.parametrize("case", DESCRIBED.values(), ids=DESCRIBED)
def test_what_a_header_says(tmp_path, case):
    functions, units, expected = case
    text = header(functions, tmp_path, units)
    at = 0
    for line in expected:
        assert line in text[at:]
        at = text.index(line, at) + len(line)


GOLDEN = """\
/*
 * drag_hessian: the Hessian of drag by v, rho.
 *
 * hessian_drag(v, rho) = [[0.3*rho, 0.3*v],
 *                         [0.3*v,   0]]
 *
 * in[0]  v: a number, in m/s
 * in[1]  rho: a number, in kg/m^3
 * out[0]  hessian_drag[2, 2]: 2 x 2, row by row
 *         [0, 0] by v, v in N/(m/s)^2
 *         [0, 1] by v, rho in N/((kg/m^3)*(m/s))
 *         [1, 0] by rho, v in N/((kg/m^3)*(m/s))
 *         [1, 1] by rho, rho in N/(kg/m^3)^2
 */
int drag_hessian(const double *const *in, double *const *out, void *work);
"""


def test_the_header_of_a_hessian(tmp_path):
    assert GOLDEN in header({"drag_hessian": sd.hessian(DRAG)}, tmp_path, UNITS)


WORDS = {
    "the gradient of drag by v, rho": sd.grad(DRAG),
    "the value of drag and its gradient by v": sd.value_and_grad(DRAG, "v"),
    "the Jacobian of f by v, t": sd.jacobian(SEVERAL),
    "the Hessian of drag by v": sd.hessian(DRAG, "v"),
    "the derivative of drag along v_dot": sd.jvp(DRAG, "v"),
    "the gradient by v of drag weighed by drag_bar": sd.vjp(DRAG, "v"),
    "the product of the Hessian of drag by v, rho with v_rho_dot": sd.hvp(DRAG),
    "the third derivative of drag by v": sd.derivative(DRAG, "v", 3),
    "the Laplacian of drag by v, rho": sd.laplacian(DRAG),
    "the Hessian of drag by v, rho, a sparse matrix": sd.sparse_hessian(DRAG),
    "the Jacobian of grad_drag by rho": sd.jacobian(sd.grad(DRAG, "v"), "rho"),
}


@pytest.mark.parametrize("words", WORDS)
def test_a_header_says_which_derivative_a_function_is(tmp_path, words):
    assert f"\n * g: {words}.\n *\n" in header({"g": WORDS[words]}, tmp_path, {})


def test_a_header_of_c_source_is_for_any_machine(tmp_path):
    f = sd.function("f(x) = sin(x)")
    text = f.emit(tmp_path, kinds=("c", "h"))[1].read_text()
    assert text.startswith(f"/*\n * f.h: the functions of f.c, written by symdiff {sd.__version__}\n")
    assert "f.c may call functions of <math.h>: link with -lm." in text
    assert "linux" not in text
    text = sd.emit(sd.function("f(x) = sin(x)"), tmp_path, kinds=("c", "h", "a"), target="aarch64-linux-gnu")[
        1
    ].read_text()
    assert "compiled by symdiff" in text
    assert "aarch64-unknown-linux-gnu" in text


def test_a_formula_is_no_derivative(tmp_path):
    assert " * g: " not in header({"g": DRAG}, tmp_path, {})


CALLED = {
    "numbers": ({"g": sd.value_and_grad(DRAG)}, (1.0, 1.0)),
    "arrays": ({"g": STATE}, ([0.0] * 4, [0.0] * 2, [[0.0] * 2] * 2)),
    "float": ({"g": sd.function("g(x[3], k) = k*x + 1", shapes={"k": ()}, dtype="float32")}, ([0.0] * 3, 1.0)),
    "names of C": ({"g": sd.function("g(int, out, work, g_batch) = int + out + work + g_batch")}, (1.0, 1.0, 1.0, 1.0)),
    "the second": ({"f": sd.function("f() = 3"), "g": sd.grad(DRAG)}, (1.0, 1.0)),
}


@needs_gcc
@pytest.mark.parametrize("case", CALLED.values(), ids=CALLED)
def test_the_call_in_a_header_can_be_copied(tmp_path, case):
    functions, point = case
    sd.emit(functions, tmp_path, name="library", kinds=("h", "a"))
    text = (tmp_path / "library.h").read_text()
    said, _, rest = text.partition(" * A call of g")[2].partition("\n *\n")
    code = rest.partition("\n *\n")[0].replace("\n * ", "\n").removeprefix(" * ")
    results = re.findall(r"\w+", said.partition("is in ")[2].partition(" where")[0].replace(" and ", " "))
    expected = functions["g"](*point)
    expected = expected if isinstance(expected, tuple) else (expected,)
    assert len(results) == len(expected)
    prints = []
    for name, value in zip(results, expected, strict=True):
        elements = [f"{name}[{k}]" for k in range(np.size(value))] if np.ndim(value) else [name]
        prints += [f'printf("%.17g\\n", (double){element});' for element in elements]
    source = main_of("library.h", code, "if (code) return 1;", *prints, "free(work);")
    found = [float(line) for line in run_c(tmp_path, source, tmp_path / "liblibrary.a").split()]
    np.testing.assert_array_equal(found, np.concatenate([np.ravel(value) for value in expected]))


@pytest.mark.parametrize("kind", ["h", "hpp", "c", "d.ts"])
def test_files_that_have_the_same_lines(tmp_path, kind):
    text = sd.emit(sd.grad(DRAG), tmp_path, kinds=kind, units=UNITS)[0].read_text()
    assert "* grad_drag: the gradient of drag by v, rho.\n" in text
    assert " v: a number, in m/s" in text
    assert "grad_drag[2]: 2 numbers, [0] by v in N/(m/s), [1] by rho in N/(kg/m^3)" in text


def test_kernels_have_them_in_ascii(tmp_path):
    pytest.importorskip("llvmlite")
    text = sd.emit(sd.function("f(θ) = 2*θ"), tmp_path, kinds="ptx", units={"θ": "µrad"})[0].read_bytes()
    assert rb"in[0]  \u03b8: a number, in \xb5rad" in text


@needs_gcc
def test_the_module_of_python_has_them(tmp_path):
    path = sd.emit({"slope": sd.grad(DRAG, "v")}, tmp_path, kinds="ctypes", units=UNITS)[0]
    spec = importlib.util.spec_from_file_location("slope", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.slope.__doc__.splitlines() == [
        "slope: the gradient of drag by v.",
        "",
        "grad_drag(v, rho) = 0.3*v*rho",
        "",
        "v: a number, in m/s",
        "rho: a number, in kg/m^3",
        "-> grad_drag: a number, by v, in N/(m/s)",
    ]


HOMOGENEOUS = sd.function(
    "work(x[4], [a, b], M[2, 2], k) = k*(x[0]*x[2] + x[1]*x[3]) + a*b*x[0] + sum(M*M)*x[1]", shapes={"k": ()}
)
SCALED = {"x": ["m", "m", "s", "s"], "a": "V", "b": "N", "M": "Pa", "k": "A", "work": "J"}
SCALES = {"m": 4.0, "s": 2.0, "V": 8.0, "N": 32.0, "Pa": 16.0, "A": 128.0, "J": 1024.0}
"""What numbers in these units are multiplied by, where each term of the value is by the same power of 2."""

TRANSFORMED = {
    "a gradient": sd.grad(HOMOGENEOUS),
    "a gradient by a list": sd.grad(HOMOGENEOUS, ["b", "x", "k"]),
    "a gradient by parts": sd.grad(HOMOGENEOUS, ("x[::-1]", "x[1:3]", "x[2]", "M[:, 0]", ["M", "a"])),
    "the value and the gradient": sd.value_and_grad(HOMOGENEOUS, "x"),
    "a Hessian": sd.hessian(HOMOGENEOUS, ["x", "k", "b"]),
    "a Hessian by a tuple": sd.hessian(HOMOGENEOUS, ("x", "M", "a")),
    "a Jacobian of a gradient": sd.jacobian(sd.grad(HOMOGENEOUS, ["x", "a"]), ["M", "k", "b"]),
    "a Jacobian of gradients": sd.jacobian(sd.grad(HOMOGENEOUS, ("x", "M")), ("x", "a")),
    "a tangent": sd.jvp(HOMOGENEOUS, ["x", "k"]),
    "tangents": sd.jvp(HOMOGENEOUS, ("x", "M")),
    "a cotangent": sd.vjp(HOMOGENEOUS, "x"),
    "a product with the Hessian": sd.hvp(HOMOGENEOUS, ["x", "a", "b"]),
    "a gradient of a product": sd.grad(sd.jvp(HOMOGENEOUS, "x")),
    "a derivative": sd.derivative(HOMOGENEOUS, "a", 1),
    "a sparse Hessian": sd.sparse_hessian(HOMOGENEOUS, ["x", "k", "b"]),
    "a sparse Jacobian": sd.sparse_jacobian(sd.grad(HOMOGENEOUS, ["a", "x"]), ["x", "M"]),
    "a sparse triangle": sd.sparse_hessian(HOMOGENEOUS, "x", triangle="lower", format="csc"),
}


def factors(units):
    """What each number of an array is multiplied by where the inputs are in other units."""

    def factor(unit):
        return float(np.prod([SCALES[text] ** power for text, power in unit.powers]))

    found = np.ones(())
    for axes in units:
        found = np.multiply.outer(found, np.reshape([factor(unit) for unit in axes.elements], axes.shape))
    return found


@pytest.mark.parametrize("name", TRANSFORMED)
def test_numbers_in_other_units_are_multiplied_as_their_units_say(name):
    f = TRANSFORMED[name]
    (one,) = exported({"g": f}, None, SCALED)
    rng = np.random.default_rng(3)
    point = [rng.integers(1, 9, a.shape).astype(float) for a in one.inputs]
    moved = [value * factors(a.units) for value, a in zip(point, one.inputs, strict=True)]
    values = f.values if one.sparsity else f
    before, after = (flattened(values(*given)) for given in (point, moved))
    assert any(np.any(value) for value in before)
    for value, other, array in zip(before, after, one.outputs, strict=True):
        by = factors(array.units)
        np.testing.assert_array_equal(other, value * (by[f.rows, f.columns] if one.sparsity else by))


def flattened(value):
    """The arrays of a result, in order."""
    return [a for part in value for a in flattened(part)] if isinstance(value, tuple) else [value]


REFUSED = {
    "the end of a comment": ({"v": "m*/s"}, r"has \*/, which no comment of C can hold"),
    "the begin of a comment": ({"v": "m/*s"}, r"has /\*"),
    "a line that goes on": ({"v": "m\\"}, "which no comment of C can hold"),
    "a trigraph": ({"v": "m??/"}, r"has \?\?"),
    "two lines": ({"v": "m\ns"}, "characters that are not printed"),
    "text from right to left": ({"v": "m\u202es"}, "characters that are not printed"),
    "a long text": ({"v": "m" * (LONGEST + 1)}, "longer than"),
    "nothing": ({"v": " "}, "is empty"),
    "a number": ({"v": 3}, "the unit of v is int"),
    "no name": ({3: "m"}, "is no name"),
    "no dict": ("v=m/s", "units is str"),
    "an unknown name": ({"rhp": "m"}, "a unit of rhp, which nothing is called\ndid you mean rho"),
    "an unknown name unlike others": ({"xyz": "m"}, "there are drag, v, rho"),
    "an unknown function": ({"drug": {"v": "m"}}, "units of drug, which is no function here\ndid you mean drag"),
    "an unknown name of a function": ({"drag": {"w": "m"}}, "a unit of w, which nothing in drag is called"),
    "a list for a number": ({"v": ["m", "s"]}, "2 units of v, which is a number"),
    "an empty list": ({"v": []}, "an empty list"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_refusals(tmp_path, case):
    units, said = case
    with pytest.raises(sd.ArgumentError, match=said):
        DRAG.emit(tmp_path / "new", kinds="h", units=units)
    assert not (tmp_path / "new").exists()


def test_a_list_has_a_unit_for_each_number(tmp_path):
    with pytest.raises(sd.ArgumentError, match=r"2 units of x, which has the shape \[4\]"):
        STATE.emit(tmp_path, kinds="h", units={"x": ["m", "s"]})


READ = {
    "v=m/s": {"v": "m/s"},
    "v in m/s, rho = kg/m^3": {"v": "m/s", "rho": "kg/m^3"},
    "x, y in m, t in s": {"x": "m", "y": "m", "t": "s"},
    "x in [m, m/s], L in in": {"x": ["m", "m/s"], "L": "in"},
    "a in J/(kg K), b=%": {"a": "J/(kg K)", "b": "%"},
    "µ in 1": {"μ": "1"},
    "": {},
}


@pytest.mark.parametrize("text", READ)
def test_texts_of_units(text):
    assert read_units(text) == READ[text]


TEXT = """\
# A car; units are those of SI, units: are not read here.
# units: v in m/s, rho in kg/m^3
k = 0.5
drag(v, rho, c) = k*c*rho*v**2   # units: drag in N, c in 1
# Units: v in km/h, lift in lbf
lift(v, rho) = rho*v
"""


def test_comments_give_units_to_the_functions_below():
    found = functions_of(TEXT).units
    assert found == {
        "drag": {"v": "m/s", "rho": "kg/m^3", "drag": "N", "c": "1"},
        "lift": {"v": "km/h", "rho": "kg/m^3", "lift": "lbf"},
    }


def test_units_of_a_text_and_of_the_command(tmp_path, capsys):
    formulas = tmp_path / "car.txt"
    formulas.write_text(TEXT)
    given = ["compile", str(formulas), "-o", str(tmp_path), "--of", "value,drag:grad", "--as", "h"]
    assert main([*given, "--units", "lift=kN"]) == 0
    said = re.findall(r"(?:in|out)\[\d\]  (.*)", (tmp_path / "drag.h").read_text())
    assert said[:4] == [
        "v: a number, in m/s",
        "rho: a number, in kg/m^3",
        "c: a number, dimensionless",
        "drag: a number, in N",
    ]
    assert said[-3:] == ["v: a number, in km/h", "rho: a number, in kg/m^3", "lift: a number, in kN"]
    assert "[0] by v in N/(m/s), [1] by rho in N/(kg/m^3), [2] by c in N" in said[7]


MISREAD = {
    "no unit": ("# units: SI\nf(x) = x", "the unit of SI is missing", "SI"),
    "no name": ("# units: 3 in m\nf(x) = x", "this is no name with its unit", "3 in m"),
    "twice": ("# units: x in m, x in s\nf(x) = x", "the unit of x is there twice", "x in s"),
    "an unknown name": ("# units: y in m\nf(x) = x", "a unit of y, which nothing is called", "y"),
    "a name above": ("f(x) = x\n# units: x in m\ng(y) = y", "a unit of x, which nothing is called", "x"),
    "the end of a comment": ("# units: x in m*/\nf(x) = x", r"the unit of x has \*/", "x in m*/"),
    "nothing": ("# units: x in \nf(x) = x", "no name with its unit|is missing", "x in"),
    "a stray comma": ("# units: x in m,\nf(x) = x", "this is no name", None),
}


@pytest.mark.parametrize("case", MISREAD.values(), ids=MISREAD)
def test_comments_that_cannot_be_read(case):
    text, said, place = case
    with pytest.raises(sd.ParseError, match=said) as caught:
        functions_of(text)
    if place is not None:
        start, end = caught.value.span
        assert text[start:end] == place


def test_other_comments_are_comments():
    assert functions_of("# unit v in m/s\n# unitsv: x\n# the units: x\nf(x) = x").units == {}


ODD = {"v": "µ°C·Ω/m²", "rho": "%\"'`$@#<>&;//", "drag": "*", "x": "?", "energy": "/"}


@needs_gcc
@pytest.mark.parametrize("compiler", ["gcc", "g++"])
def test_headers_compile(tmp_path, compiler):
    functions = {f"f{k}": f for k, (f, _, _) in enumerate(DESCRIBED.values()) if not isinstance(f, dict)}
    text = header(functions, tmp_path, ODD)
    check_header(text, tmp_path, compiler)
    assert max(map(len, text.splitlines())) < 120


@needs_gcc
@pytest.mark.parametrize(
    ("kind", "compiler"), [("hpp", ["g++", "-std=c++20"]), ("c", ["gcc", "-std=c99", "-pedantic"])]
)
def test_other_files_compile(tmp_path, kind, compiler):
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"{compiler[0]} is not installed")
    path = sd.emit(
        {"f": DRAG, "g": sd.hessian(DRAG)}, tmp_path, kinds=kind, name="library", units={n: ODD[n] for n in UNITS}
    )[0]
    command = [*compiler, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-xc++" if kind == "hpp" else "-xc", path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def check_header(text, folder, compiler):
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    path = folder / "checked.h"
    path.write_text(text, encoding="utf-8")
    language = {"gcc": ["-std=c99", "-x", "c"], "g++": ["-std=c++11", "-x", "c++"]}[compiler]
    flags = ["-pedantic", "-Wall", "-Wextra", "-Wcomment", "-Wtrigraphs", "-Werror", "-fsyntax-only"]
    command = [compiler, *language, *flags, f"-I{folder}", "-"]
    done = subprocess.run(command, input='#include "checked.h"\nint x;\n', capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


LETTERS = st.characters(exclude_categories=("C", "Zl", "Zp"), codec="utf-8") | st.sampled_from(" */?\\'\"")
TEXTS = st.text(LETTERS, min_size=1, max_size=12)
PARTS = ("*/", "/*", "\\", "??")


@needs_gcc
def test_any_printable_unit_gives_a_header_that_compiles(tmp_path):
    functions = exported({"f": sd.hessian(DRAG), "g": sd.grad(DRAG)}, None)
    comments = []

    @settings(max_examples=120, deadline=None)
    @given(TEXTS, TEXTS, TEXTS)
    def collect(one, two, three):
        units = {"v": one, "rho": two, "drag": three}
        stripped = [unit.strip() for unit in units.values()]
        taken = all(u and u.isprintable() and not any(part in u for part in PARTS) for u in stripped)
        try:
            comments.extend([described(f) for f in with_units(functions, units)])
            assert taken
        except sd.ArgumentError:
            assert not taken

    collect()
    assert len(comments) > 40
    text = "\n".join([f"{comment}\nint f{k}(void);" for k, comment in enumerate(comments)])
    for compiler in ("gcc", "g++"):
        check_header(text, tmp_path, compiler)
    assert len(re.findall(r"^int f\d+", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL), re.M)) == len(comments)
