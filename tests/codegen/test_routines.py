"""Every routine that native code has, against the interpreter, bit for bit."""

import numpy as np
import pytest

from symdiff.codegen import Options, compile_program
from symdiff.codegen.body import written_constant
from symdiff.ops import OPS
from symdiff.ops.base import Instruction, Intrinsic, Library, Special
from tests.codegen.programs import program, reference, same_bits

NATIVE = [op for op in OPS.values() if isinstance(op.routine, Instruction | Intrinsic | Library | Special)]
INTERESTING = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.0, -3.0, 1e-300, 5e-324, -1e-310, 1e300, -1e300,
               709.0, np.inf, -np.inf, np.nan, 0.1, 0.7, 170.5, -4.5, 1e16, np.pi]  # fmt: skip


def points(op, dtype):
    rng = np.random.default_rng(1)
    grids = np.meshgrid(*[INTERESTING if len(op.kinds) < 3 else INTERESTING[::2]] * len(op.kinds), indexing="ij")
    noise = rng.normal(size=(len(grids), 400)) * 10.0 ** rng.integers(-5, 4, (len(grids), 400))
    columns = [np.concatenate([g.ravel(), n]) for g, n in zip(grids, noise, strict=True)]
    with np.errstate(over="ignore"):
        return [c > 0 if k == "c" else c.astype(dtype) for c, k in zip(columns, op.kinds, strict=True)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("opt", [0, 2])
@pytest.mark.parametrize("op", NATIVE, ids=lambda op: op.name)
def test_bits_of_the_interpreter(op, opt, dtype):
    inputs = [((), "bool" if kind == "c" else dtype) for kind in op.kinds]
    prog = program(lambda g, *v: [g.add(op, v)], inputs, dtype=dtype)
    kernel = compile_program(prog, Options(opt=opt))
    values = points(op, dtype)
    (expected,) = reference(prog, *values)
    found = kernel.ufunc(*values)
    assert found.dtype == ("bool" if op.result == "c" else dtype)
    assert same_bits(found, expected)


def test_every_routine_is_here():
    assert len(NATIVE) > 45
    assert {"fma", "digamma", "where", "logical_not", "abs", "round"} <= {op.name for op in NATIVE}


@pytest.mark.parametrize("value", [0.0, -0.0, 0.1, 5e-324, 1.7976931348623157e308, np.inf, -np.inf, np.nan, 1 / 3])
def test_constants_are_exact(value):
    prog = program(lambda g: [g.constant(value)], [])
    assert same_bits(compile_program(prog).ufunc(), np.float64(value))


def test_text_of_constants():
    assert written_constant(1.0) == "0x3FF0000000000000"
    assert written_constant(-0.0) == "0x8000000000000000"
    assert (written_constant(True), written_constant(False)) == ("true", "false")


def test_float32_constants_and_rounding():
    prog = program(lambda g, x: [g.add("add", (g.add("mul", (x, g.constant(0.1))), g.constant(0.3)))],
                   [()], dtype="float32")  # fmt: skip
    x = np.linspace(-3, 3, 101, dtype=np.float32)
    found = compile_program(prog).ufunc(x)
    assert same_bits(found, x * np.float32(0.1) + np.float32(0.3))


def test_no_contraction():
    prog = program(lambda g, a, b, c: [g.add("add", (g.add("mul", (a, b)), c))], [(), (), ()])
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, 2000))
    for opt in (0, 1, 2, 3):
        assert same_bits(compile_program(prog, Options(opt=opt)).ufunc(a, b, c), a * b + c)
