"""Emitted C: it compiles without a warning, gives the bits of native code, and can be read."""

import ctypes
import re

import numpy as np
import pytest

import symdiff as sd
from symdiff.display import c_code
from symdiff.display.c_names import KEYWORDS, MATH, CNames, c_comment
from symdiff.functions import c_sources
from symdiff.ops import OPS
from symdiff.ops.base import Outside, Special
from tests.emitted import COMPILER, STRICT, called, library, ulps
from tests.emitted.__main__ import disagreements, points, random_functions

pytestmark = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")

FORMULAS = {
    "exp(-theta**2/2)/sqrt(2*pi)": ["theta"],
    "exp(-((theta - theta1)/sigma)**2/2)/(sqrt(2*pi)*sigma)": ["theta", "theta1", "sigma"],
    "sqrt((x2 - x1)**2 + (y2 - y1)**2)": ["x1", "x2", "y1", "y2"],
    "G*m1*m2/((x2 - x1)**2 + (y2 - y1)**2 + (z2 - z1)**2)": ["G", "m1", "m2", "x1", "x2", "y1", "y2", "z1", "z2"],
    "q*(Ef + B*v*sin(theta))": ["q", "Ef", "B", "v", "theta"],
    "m_0/sqrt(1 - v**2/c**2)": ["m_0", "v", "c"],
    "Int_0*sin(n*theta/2)**2/sin(theta/2)**2": ["Int_0", "theta", "n"],
    "h*omega**3/(pi**2*c**2*(exp((h/(2*pi))*omega/(kb*T)) - 1))": ["omega", "T", "h", "kb", "c"],
    "n_rho*mom*tanh(mom*B/(kb*T))": ["n_rho", "mom", "B", "kb", "T"],
    "arcsin(n*sin(theta2))": ["n", "theta2"],
    "where(x > 1, log(x), abs(x)**1.5) + max(x, y)*sign(y) + min(x, y, 2)": ["x", "y"],
    "mod(x, y) + floor(x)*x + x // y + clip(x, -1, 1) + copysign(x, y) + round(y)": ["x", "y"],
}


def test_formulas_with_gradient_and_hessian(tmp_path):
    functions, cases = {}, {}
    for k, (text, names) in enumerate(FORMULAS.items()):
        f = sd.function(text, names)
        functions |= {f"f{k}": f, f"f{k}_gradient": sd.grad(f, names), f"f{k}_hessian": sd.hessian(f, names)}
        cases |= dict.fromkeys((f"f{k}", f"f{k}_gradient", f"f{k}_hessian"), points(k, len(names)))
    assert disagreements(functions, cases, tmp_path)[0] == []


def operations():
    """For each elementwise operation a call of it, and whether `math.h` has it."""
    for op in OPS.values():
        if op.kinds and not op.hidden and "f" in op.kinds and op.key == op.name and not isinstance(op.routine, Outside):
            operands = [("x < y" if kind == "c" else "xyz"[k]) for k, kind in enumerate(op.kinds)]
            text = f"{op.name}({', '.join(['3'] * bool(op.payload) + operands)})"
            try:
                sd.function(text, ["x", "y", "z"]).c()
            except sd.CompileError as error:
                yield op, text, str(error)
            else:
                yield op, text, ""


def test_every_operation(tmp_path):
    """Those that `math.h` has; all others are refused."""
    found = list(operations())
    refused = [op for op, _, error in found if error]
    assert all("math.h has no such function" in error for _, _, error in found if error)
    assert {op for op in OPS.values() if isinstance(op.routine, Special) and not op.hidden} <= {*refused}
    texts = [text for _, text, error in found if not error]
    assert len(texts) > 60
    parts = [tuple(texts[k : k + 30]) for k in range(0, len(texts), 30)]
    functions = {f"f{k}": sd.function(part, ["x", "y", "z"]) for k, part in enumerate(parts)}
    cases = dict.fromkeys(functions, points(1, 3))
    assert disagreements(functions, cases, tmp_path, "strict")[0] == []


def test_many_outputs(tmp_path):
    texts = [f"x*{k}" for k in range(1, 60)] + ["x < y", "y > 3"] + [f"y*{k}" for k in range(1, 60)]
    f = sd.function(tuple(texts), ["x", "y"], name="f")
    made = library(f.c(), tmp_path)
    point = 0.5, 4.5
    np.testing.assert_array_equal(called(made.f, f, point)[1], np.array(f(*point), float))


def test_random_programs(tmp_path):
    functions, cases = random_functions(range(5000, 5070))
    assert len(functions) > 45
    assert disagreements(functions, cases, tmp_path)[0] == []


TEXT = """\
int f(const double *const *in, double *const *out, void *work)
{
    (void)work;
    const double x = in[0][0];
    const double y = in[1][0];
    const double r = sqrt(fma(y, y, x * x));
    const double s = sin(r) / r;
    const double q = s - y;
    out[0][0] = x < y ? q * (s + exp(-q)) : (double)NAN; /* f */
    return 0;
}
"""


def test_it_reads_as_the_formula():
    f = sd.function(
        "r = sqrt(x**2 + y**2)\ns = sin(r)/r\nq = s - y\nf = where(x < y, q*(s + exp(-q)), nan)", ["x", "y"]
    )
    text = f.c()
    assert text.endswith(TEXT), text
    assert " * s = sin(r)/r\n" in text
    assert " * in[0]: x\n * in[1]: y\n * out[0]: f\n" in text


def test_lines_keep_their_names_in_derivatives():
    f = sd.function("q = x + sin(y)\nr = q*z\nf = r*exp(q)", ["x", "y", "z"])
    text = sd.grad(f).c()
    assert re.search(r"const double q = .*x", text)
    assert re.search(r"const double r = .*z", text)
    assert text.index("double q =") < text.index("double r =")


BACKWARD = """\
    const double r = sqrt(fma(y, y, x * x));
    const double s = sin(r) / r;
    const double u = x * s;
    const double v1 = -s;
    const double v2 = exp(v1);
    const double v3 = u * v2;
    const double f = v3 + r;
    out[0][0] = f;
    const double d_s = fma(x, v2, -v3);
    const double v4 = d_s / r; /* derivative of sin(r)/r */
    const double d_r = fma(v4, cos(r), fma(v4, v1, 1.0));
    const double v5 = d_r / r; /* derivative of y**2 */
    out[1][0] = fma(x, v5, s * v2); /* grad_f[0] */
    out[1][1] = y * v5; /* grad_f[1] */
"""


def test_values_are_stored_where_they_are_computed():
    """Operations stand before what needs them, and results are written at once: few values wait for registers."""
    text = sd.function(("x*exp(x)", "sin(y)**2"), ["x", "y"]).c()
    assert text.index("out[0][0] = ") < text.index("sin(y);") < text.index("out[1][0] = "), text


def test_an_occupation_and_its_derivatives_call_one_function(tmp_path):
    f = sd.function("1/(exp(x) - 1)", ["x"])
    functions = {"f": f, "g": sd.grad(f, "x"), "h": sd.hessian(f, "x")}
    for one in functions.values():
        assert len(re.findall(r"\bexp(?:m1)?\(", re.sub(r"/\*.*?\*/", "", one.c(), flags=re.DOTALL))) == 1
    far = np.array([[x] for x in (1e-9, 0.5, 30.0, 79.9, 80.1, 700.0, 709.0, -0.5, -30.0, -100.0)])
    assert disagreements(functions, dict.fromkeys(functions, far), tmp_path)[0] == []
    assert f(720.0) == pytest.approx(np.exp(-720.0), rel=1e-9)
    assert sd.grad(f)(0.0) == -np.inf


def test_adjoints_are_called_after_their_lines():
    """First the values, then the adjoints, as a textbook has them."""
    f = sd.function("r = sqrt(x**2 + y**2)\ns = sin(r)/r\nu = s*x\nf = u*exp(-s) + r", ["x", "y"])
    text = sd.value_and_grad(f).c()
    assert BACKWARD in text, text
    circuit = sd.grad(sd.function("q = x + y\nf = q*z", ["x", "y", "z"])).c()
    assert circuit.index("    const double q = y + x;\n") < circuit.index(
        "    const double d_q = z;\n    out[0][0] = d_q;"
    )
    assert "d_q" not in sd.hessian(sd.function("q = x + y\nf = q*z", ["x", "y", "z"])).c()


def test_lines_of_small_arrays_keep_their_names():
    text = sd.function("h = W @ x\nf(x[2], W[2, 2]) = sum(h*exp(h))").c()
    assert re.search(r"const double h_0 = fma\(W_0_\d, x_\d", text), text
    assert re.search(r"const double h_1 = ", text)
    assert " * in[0]: x[2]\n * in[1]: W[2, 2]\n" in text


def test_names_of_c_are_left_alone(tmp_path):
    names = [
        "double",
        "restrict",
        "y0",
        "NAN",
        "out",
        "t",
        "θ",
        "time",
        "é",
        "main",
        "work",
        "v1",
        "_x",
        "x__y",
        "X1f",
        "M_E",
        "M_PI",
        "OVERFLOW",
        "HUGE",
        "size_t",
        "unix",
    ]
    f = sd.function("int = " + "*".join(f"{n}" for n in names) + "\nprintf = int*exp(int)\nprintf**2", names)
    point = np.linspace(0.5, 1.5, len(names))
    made = library(f.c(f, sd.grad(f, names), names=["log", "printf", "v1"]), tmp_path, "-std=gnu17", *STRICT[1:])
    status, found = called(made["log_"], f, point)
    assert (status, found[0]) == (0, f(*point))
    text = f.c()
    assert "const double theta = " in text
    assert "const double time = " in text
    declared = re.findall(r"const \w+ (\w+) =", text)
    assert len(declared) == len(set(declared))
    assert not set(declared) & (KEYWORDS | MATH)


def test_names_are_given_once():
    names = CNames()
    assert [names.new(n) for n in ("q", "q", "q_2", "q")] == ["q", "q_2", "q_2_2", "q_3"]
    inner = CNames(names)
    assert inner.new("q", "_value") == "q_value"
    assert inner.new("θ") == "theta"
    assert inner.new("2") == "x2"
    assert inner.new("__a__b") == "a_b"


def test_comments_cannot_end_early():
    assert c_comment("x*/y /* ??/") == "x* /y / * ? ?/"
    f = sd.function("f(x) = x").c(names=["f"])
    assert f.count("/*") == f.count("*/")


def long_function():
    terms = [f"sin(x{k % 7}*x{(3 * k + 1) % 7})*exp(-x{k % 5}/{k + 2})" for k in range(90)]
    return sd.value_and_grad(sd.function("+".join(terms), [f"x{k}" for k in range(7)]))


def test_long_programs_are_cut_into_functions(tmp_path, monkeypatch):
    monkeypatch.setattr(c_sources, "PIECE", 100)
    f = long_function()
    assert f.c().count("static void value_and_grad_f_part") > 4
    point = np.linspace(0.2, 1.4, 7)
    assert disagreements({"f": f}, {"f": [point]}, tmp_path)[0] == []
    monkeypatch.setattr(c_code, "LARGEST_STACK", 3)
    (tmp_path / "other").mkdir()
    made = library(f.c(names=["f"]), tmp_path / "other")
    made.f_work_bytes.restype = ctypes.c_size_t
    size = made.f_work_bytes()
    assert size % 8 == 0
    assert size > 24
    assert called(made.f, f, point)[0] == 1
    given = np.full(size // 8, np.nan)
    status, found = called(made.f, f, point, work=given.ctypes.data)
    value, gradient = f(*point)
    assert status == 0
    np.testing.assert_array_equal(found, [value, *gradient])


def test_small_parts(tmp_path, monkeypatch):
    """Conditions and inputs go from part to part, too."""
    monkeypatch.setattr(c_sources, "PIECE", 2)
    texts = "where(x < y and y < 3, sin(x) + exp(y)*x, x)", "x < y or cos(x) > y", "7", "x"
    f = sd.function(texts, ["x", "y"], name="f")
    functions, cases = {"f": f}, {"f": [(1.0, 2.0), (2.0, 1.0), (0.0, 4.0)]}
    assert disagreements(functions, cases, tmp_path)[0] == []
    assert f.c().count("static void") > 2


def test_constants_in_tables(tmp_path):
    f = sd.jacobian(sd.function("f(x[9]) = concatenate([x**2, [1.5, 2, 3]*sum(x[:3])])"))
    text = f.c()
    assert "for (int i = 0; i < 108; i++)" in text
    assert "static const double jacobian_f_constants0[108]" in text
    assert disagreements({"jacobian_f": f}, {"jacobian_f": [np.arange(9.0)]}, tmp_path)[0] == []


def test_conditions_are_1_and_0(tmp_path):
    f = sd.function(("x < y", "x*y", "x > y or not x < 1"), ["x", "y"], name="f")
    made = library(f.c(), tmp_path)
    for point in ((1.0, 2.0), (3.0, 2.0), (np.nan, 1.0)):
        np.testing.assert_array_equal(called(made.f, f, point)[1], np.array(f(*point), float))


@pytest.mark.parametrize("format", ["csr", "csc", "coo"])
def test_sparse_matrices_are_in_columns(tmp_path, format):
    f = sd.function("f(x[4]) = [x[0]*x[1], sin(x[2]), x[0] + x[3]**2, x[1]*x[2], 2]")
    jacobian = sd.sparse_jacobian(f, format=format)
    made = library(jacobian.c(f, names=["jac", "value"]), tmp_path)
    made.jac_sparsity.restype = ctypes.POINTER(ctypes.c_int64)
    rows, columns = made.jac_sparsity()[:2]
    assert (rows, columns) == jacobian.shape
    starts = made.jac_sparsity()[2 : columns + 3]
    indices = made.jac_sparsity()[columns + 3 : columns + 3 + starts[-1]]
    point = np.array([0.5, 1.5, 2.5, 3.5])
    expected = jacobian(point).tocsc()
    status, entries = called(made.jac, jacobian.values, point)
    assert status == 0
    np.testing.assert_array_equal(starts, expected.indptr)
    np.testing.assert_array_equal(indices, expected.indices)
    np.testing.assert_array_equal(entries, expected.data)
    np.testing.assert_array_equal(called(made.value, f, point)[1], f(point))


def test_floats(tmp_path):
    f = sd.function("f(x, y) = where(x > 0.1, sin(x)*0.1 + y**2.5, nan) + floor(x) + exp(-y)")
    g = sd.grad(f)
    text = f.c(g, dtype="float32")
    flags = (*STRICT, "-Wdouble-promotion", "-Wfloat-conversion")
    made = library(text, tmp_path, *flags)
    for word in ("sinf(", "0.1f", "powf(", "const float *const *in"):
        assert word in text
    for point in ((0.75, 1.25), (2.5, 0.5)):
        for one in (f, g):
            _, found = called(made[one.__name__], one, np.float32(point), "float32")
            np.testing.assert_allclose(found, np.ravel(one(*point)), rtol=1e-6)
    single = sd.function("f(x) = x*0.1 + inf", dtype="float32").c()
    assert "INFINITY" in single
    assert "const float x = " in single
    assert "INFINITY" in sd.function("f(x) = x*0.1 + 1e300").c(dtype="float32")


def test_packs_and_arrays(tmp_path):
    f = sd.function("f([a, b], x, y, v[3], z) = a*x + b*y + sum(v)*z")
    assert " * in[0]: [a, b]\n * in[1]: x\n * in[2]: y\n * in[3]: v[3]\n * in[4]: z\n" in f.c()
    point = np.arange(1.0, 9.0)
    assert disagreements({"f": f}, {"f": [point]}, tmp_path)[0] == []


REFUSED = [
    (lambda: sd.function("f(x[500, 500]) = x @ x").c(), sd.CompileError, "loops and BLAS: that comes with the Builder"),
    (lambda: sd.function("f(x) = digamma(x)").c(), sd.CompileError, "digamma: math.h has no such function"),
    (lambda: sd.function("f(x[n]) = sum(x)").c(), sd.ShapeError, "known at each call only"),
    (lambda: sd.function("f(x) = x").c(dtype="float16"), sd.ArgumentError, "float16"),
    (lambda: sd.function("f(x) = x").c(fp="loose"), sd.ArgumentError, "loose"),
    (lambda: sd.function("f(x) = x").c(names=["a", "b"]), sd.ArgumentError, "2 names for 1"),
    (lambda: sd.function("f(x) = x").c(lambda x: x), sd.ArgumentError, "not a Function"),
    (
        lambda: sd.function("f(x) = x").c(sd.function("g(x) = x", dtype="float32")),
        sd.ArgumentError,
        "float64 and of float32",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "words"), REFUSED)
def test_refusals(call, kind, words):
    with pytest.raises(kind, match=re.escape(words)):
        call()


def test_functions_from_outside_are_refused():
    space = sd.Namespace()
    space.define("outside(x)", call=lambda x: x + 1)
    with pytest.raises(sd.CompileError, match=r"outside: math\.h has no such function"):
        sd.function("f(x) = outside(x)*2", namespace=space).c()


def test_ulps():
    assert ulps([1.0, np.nan, 0.0, np.inf], [1.0, np.nan, -0.0, np.inf]).tolist() == [0, 0, 0, 0]
    assert ulps([1.0, np.nan, np.inf], [1.0 + 2**-52, 1.0, 1.0]).tolist() == [1, np.inf, np.inf]


def test_few_constants_are_written_one_by_one(tmp_path):
    f = sd.hessian("f(x[6]) = x[0]*x[3] + x[1]*x[4] + x[2]**2*x[5]", "x")
    text = f.c()
    assert "_constants" not in text
    assert "for (" not in text
    x = np.arange(1.0, 7.0)
    status, found = called(library(text, tmp_path)["hessian_f"], f, x)
    assert status == 0
    assert found.reshape(6, 6).tolist() == f(x).tolist()
