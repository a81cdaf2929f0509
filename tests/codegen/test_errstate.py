"""Floating-point exceptions: points never warn, batches obey np.errstate."""

import warnings

import numpy as np
import pytest

from symdiff.codegen import Options, compile_program
from symdiff.ops import OPS
from symdiff.ops.base import Instruction, Intrinsic, Library, Special
from tests.codegen.programs import program, random_program

NUMBERS = [op for op in OPS.values()
           if isinstance(op.routine, Instruction | Intrinsic | Library | Special) and "c" not in op.kinds]  # fmt: skip


def kernel(build, inputs=((),), **options):
    return compile_program(program(build, inputs), Options(**options))


@pytest.mark.parametrize("opt", [0, 2])
@pytest.mark.parametrize("op", NUMBERS, ids=lambda op: op.name)
def test_points_never_warn(op, opt):
    f = kernel(lambda g, *v: [g.add(op, v)], [()] * len(op.kinds), opt=opt).ufunc
    worst = [0.0, -0.0, -1.0, -2.5, 1e308, -1e308, 1e-308, np.inf, -np.inf, np.nan, 2.0, 5e-324]
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        for x in worst:
            for y in worst if len(op.kinds) > 1 else [0.0]:
                f(*(x, y, 1.0)[: len(op.kinds)])


def outcome(f, *args):
    """The kinds of exceptions, in the order in which NumPy looks at them."""
    seen = []
    old = np.geterrcall()
    np.seterrcall(lambda kind, flag: seen.append(kind))
    try:
        with np.errstate(all="call"):
            f(*args)
    finally:
        np.seterrcall(old)
    return seen


BUILDS = {
    "log": lambda g, x: [g.add("log", (x,))],
    "1/x": lambda g, x: [g.add("div", (g.constant(1.0), x))],
    "exp": lambda g, x: [g.add("exp", (x,))],
    "x-x": lambda g, x: [g.add("sub", (x, x))],
    "1/(1+exp(x))": lambda g, x: [g.add("div", (g.constant(1.0), g.add("add", (g.constant(1.0), g.add("exp", (x,))))))],
    "where": lambda g, x: [
        g.add("where", (g.add("greater", (x, g.constant(0.0))), g.add("sqrt", (x,)), g.constant(0.0)))
    ],
    "nan": lambda g, x: [g.constant(np.nan)],
    "-x*x": lambda g, x: [g.add("neg", (g.add("mul", (x, x)),))],
    "both": lambda g, x: [g.add("log", (x,)), g.add("div", (g.constant(1.0), x))],
}
CASES = [
    ("log", [1.0, 2.0], []),
    ("log", [1.0, -1.0], ["invalid value"]),
    ("log", [0.0, 1.0], ["divide by zero"]),
    ("log", [0.0, 1.0, -2.0], ["divide by zero", "invalid value"]),
    ("log", [np.nan, 1.0], []),
    ("log", [np.inf, 1.0], []),
    ("log", [-np.inf, 1.0], ["invalid value"]),
    ("1/x", [0.0], ["divide by zero"]),
    ("1/x", [5e-324], ["overflow"]),
    ("1/x", [np.inf, np.nan], []),
    ("exp", [1000.0, 1.0], ["overflow"]),
    ("exp", [-1000.0], []),
    ("exp", [np.inf], []),
    ("x-x", [np.inf], ["invalid value"]),
    ("x-x", [np.nan], []),
    ("1/(1+exp(x))", [1000.0, -1000.0, 0.0], []),
    ("where", [-1.0, 2.0], []),
    ("nan", [1.0], []),
    ("-x*x", [1e200, 1.0], ["overflow"]),
    ("both", [0.0], ["divide by zero"]),
    ("both", [-1.0, 1.0], ["invalid value"]),
    ("both", [-1.0, 0.0], ["divide by zero", "invalid value"]),
]


@pytest.mark.parametrize("piece", [1, 1000])
@pytest.mark.parametrize(("name", "values", "expected"), CASES)
def test_batches_raise_what_results_show(name, values, expected, piece):
    f = kernel(BUILDS[name], piece=piece).batch_ufunc
    x = np.array(values)
    assert outcome(f, x) == expected
    assert outcome(f, np.repeat(x, 1000)[::-7]) == expected
    if f.nout == 1:  # and where the inputs are overwritten
        assert outcome(lambda a: f(a, out=a), x.copy()) == expected


def test_the_flags_of_one_point_do_not_excuse_another():
    """An overflow inside (result finite) beside a division by zero: only the latter is raised."""
    f = kernel(BUILDS["1/(1+exp(x))"]).batch_ufunc
    assert outcome(f, np.array([1000.0])) == []

    def build(g, x, y):
        one = g.constant(1.0)
        hidden = g.add("div", (one, g.add("add", (one, g.add("exp", (x,))))))
        return [g.add("add", (hidden, g.add("div", (one, y))))]

    f = kernel(build, [(), ()]).batch_ufunc
    assert outcome(f, np.array([1000.0, 0.0]), np.array([1.0, 0.0])) == ["divide by zero"]


def test_cores():
    def build(g, x, y):
        return [[g.add("div", (x[i], y)) for i in range(3)]]

    f = kernel(build, [(3,), ()]).batch_ufunc
    x = np.ones((4, 3))
    assert outcome(f, x, 1.0) == []
    assert outcome(f, x, 0.0) == ["divide by zero"]
    x[2, 1] = np.nan
    assert outcome(f, x[2], 0.0) == []
    assert outcome(f, x, 0.0) == ["divide by zero"]
    x[:] = 0
    assert outcome(f, x.T[:, ::-1].T, np.array([1.0, 2.0, 0.0, 3.0])) == ["invalid value"]


@pytest.mark.parametrize("piece", [1, 1000])
def test_cores_in_place(piece):
    f = kernel(lambda g, x: [[g.add("div", (x[1], x[0])), g.add("log", (x[1],))]], [(2,)], piece=piece).batch_ufunc
    for rows, expected in [
        ([[1.0, 2.0], [3.0, 4.0]], []),
        ([[1.0, 2.0], [0.0, 4.0]], ["divide by zero"]),
        ([[np.nan, -1.0], [np.inf, 0.0], [1.0, 1.0]], []),
        ([[1.0, -1.0], [1.0, 0.0]], ["divide by zero", "invalid value"]),
    ]:
        x = np.array(rows)
        with np.errstate(all="ignore"):
            correct = np.stack([x[:, 1] / x[:, 0], np.log(x[:, 1])], axis=1)
        assert outcome(lambda: f(x, out=x), *[]) == expected  # noqa: B023
        np.testing.assert_array_equal(x, correct)


def test_float32():
    prog = program(lambda g, x: [g.add("mul", (x, x))], [()], dtype="float32")
    f = compile_program(prog).batch_ufunc
    assert outcome(f, np.array([1e30], np.float32)) == ["overflow"]
    x = np.array([2, np.inf, np.nan], np.float32)
    assert outcome(lambda a: f(a, out=a), x) == []


def test_warnings_name_the_function():
    f = kernel(BUILDS["log"], name="f").batch_ufunc
    with pytest.warns(RuntimeWarning, match="invalid value encountered in f"):
        f(np.array([-1.0]))
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        f(np.array([-1.0]))
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError):
        f(np.array([-1.0]))


def test_the_caller_s_flags_survive():
    """A kernel inside another computation does not hide what that raised; NumPy clears flags before each of its own."""
    f = kernel(BUILDS["log"])
    x = np.array([-1.0, 1.0])
    assert outcome(lambda: (f.ufunc(x), np.log(x))) == ["invalid value"]
    assert outcome(lambda: (np.log(x), f.ufunc(x))) == ["invalid value"]


def test_large_program_in_pieces():
    f = compile_program(random_program(3000)).batch_ufunc
    assert outcome(f, *[np.full(3, 0.1)] * 8) == []
    assert outcome(f, np.array([0.1, np.inf]), *[np.full(2, 0.1)] * 7) == ["invalid value"]
