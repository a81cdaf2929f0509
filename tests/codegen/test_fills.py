"""Many outputs that are constants or copies: constants are written together, stores count when code is cut."""

import re

import numpy as np
import pytest

from symdiff.codegen import Options
from symdiff.codegen.fills import FEWEST, filled_outputs
from symdiff.codegen.layout import arrange_operands
from symdiff.codegen.module import write_module, write_vector_module
from symdiff.codegen.pieces import STORES, cut, piece_size
from symdiff.types import product
from tests.codegen.programs import compile_program, program, reference, same_bits

RNG = np.random.default_rng(3)

CONSTANTS = {
    "zeros": lambda k: 0.0,
    "ones": lambda k: 1.0,
    "negative zeros": lambda k: -0.0,
    "different": lambda k: k / 3,
    "not finite": lambda k: (np.nan, np.inf, -np.inf)[k % 3],
}
SHAPES = [(FEWEST - 1,), (FEWEST + 1,), (100,), (20, 15), (5, 4, 6), (1, 50, 1)]


def sparse(shape, value, every, copied=False, dtype="float64", conditions=False):
    """Constants of this shape, of which some are elements of the input, products of them, or comparisons."""

    def build(g, x, y):
        cells = []
        for k in range(product(shape)):
            element = x[k % len(x)]
            made = element if copied else g.add("mul", (element, y))
            if conditions:
                cells.append(g.add("less", (element, y)) if k % every == 1 else g.constant(bool(value(k))))
            else:
                cells.append(made if k % every == 1 else g.constant(float(value(k))))
        return [np.array(cells, object).reshape(shape), [g.add("add", (x[0], y))] * 3]

    return program(build, [(4,), ()], dtype=dtype)


def placed(shape, dtype, batch):
    """Results in C order, reversed, with gaps, and with their axes the other way round."""
    whole = (*batch, *shape)
    yield np.ones(whole, dtype)
    yield np.ones((*whole[:-1], whole[-1] * 3), dtype)[..., ::-3]
    yield np.ones(whole[::-1], dtype).T


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("constants", CONSTANTS)
def test_constants_are_written_together(shape, constants):
    prog = sparse(shape, CONSTANTS[constants], 7)
    assert filled_outputs(prog) == ([0] if product(shape) > FEWEST + FEWEST // 6 else [])
    for opt, piece in ((0, None), (2, 10)):
        check(prog, Options(opt=opt, piece=piece))


@pytest.mark.parametrize(("dtype", "conditions"), [("float32", False), ("float64", True), ("float32", True)])
@pytest.mark.parametrize("value", ["zeros", "different"])
def test_other_types(dtype, conditions, value):
    check(sparse((9, 11), CONSTANTS[value], 5, dtype=dtype, conditions=conditions), Options())


def check(prog, options):
    kernel = compile_program(prog, options)
    type_ = prog.types[0]
    for batch in ((), (21,)):
        x, y = RNG.normal(size=(*batch, 4)), RNG.normal(size=batch)
        x, y = x.astype(prog.inputs[0].dtype), y.astype(prog.inputs[1].dtype)
        expected = reference(prog, x, y)
        for f in (kernel.ufunc, kernel.batch_ufunc):
            for out in placed(type_.shape, type_.dtype, batch):
                assert all(map(same_bits, f(x, y, out=(out, None)), expected))


@pytest.mark.parametrize("piece", [3, 40, 1000])
def test_the_result_may_be_the_argument(piece):
    """All inputs are read before any constant is written."""

    def build(g, x):
        return [[x[-1 - k] if k % 9 == 1 else g.add("neg", (x[k],)) if k % 9 == 2 else g.constant(2.5)
                 for k in range(len(x))]]  # fmt: skip

    prog = program(build, [(90,)])
    assert filled_outputs(prog) == [0]
    kernel = compile_program(prog, Options(piece=piece))
    for batch in ((), (17,)):
        for f in (kernel.ufunc, kernel.batch_ufunc):
            x = RNG.normal(size=(*batch, 90))
            (expected,) = reference(prog, x)
            f(x, out=x)
            assert same_bits(x, expected)


@pytest.mark.parametrize("opt", [0, 1, 2])
@pytest.mark.parametrize("every", [1, 2, 50])
@pytest.mark.parametrize("copied", [True, False], ids=["copies", "products"])
@pytest.mark.parametrize("lanes", [1, 4])
def test_no_function_writes_much(opt, every, copied, lanes):
    """Whatever the level: code whose functions have a bounded number of stores, and in all not more than are needed."""
    count = 5000
    prog = sparse((count,), CONSTANTS["zeros"], every, copied) if every > 1 else dense(count, copied)
    pieces, _ = cut(prog, piece_size(opt))
    assert max(len(piece.stores) for piece in pieces) <= 1.5 * STORES
    layout = arrange_operands(prog.inputs, prog.types)
    write = write_module if lanes == 1 else lambda *args: write_vector_module(*args[:2], lanes, False, args[2])
    text = write(prog, layout, piece_size(opt))[0].text
    functions = re.findall(r"define .*?\n}", text, re.S)
    written = [len(re.findall(r"^store (?:double|<4 x double>) ", f, re.M)) for f in functions]
    assert max(written) <= 1.5 * STORES + piece_size(opt)  # what crosses, too
    expected = count // every
    assert expected <= sum(written) <= 1.2 * expected + 100


def dense(count, copied):
    def build(g, x, y):
        made = [x[k % len(x)] for k in range(count)]
        return [made if copied else [g.add("mul", (element, y)) for element in made]]

    return program(build, [(4,), ()])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("count", [1000, 30_000])
def test_points_are_compiled_at_level_0(dtype, count):
    kernel = compile_program(dense(100, True) if count < 10_000 else sparse((count,), float, 3, dtype=dtype))
    assert kernel.opt == 0


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_batches_of_one_lane_have_a_level_of_their_own(dtype):
    prog = sparse((40,), CONSTANTS["zeros"], 2, dtype=dtype)
    kernel = compile_program(prog)
    assert (kernel.opt, kernel.batch_opt) == (0, 2)
    check(prog, Options())
