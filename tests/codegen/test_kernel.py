"""Calls through NumPy: cores, batches, strides, casts, packing, and what the kernel says about itself."""

import ctypes
from dataclasses import replace

import numpy as np
import pytest

from symdiff.codegen import Options
from symdiff.codegen.layout import arrange_operands, operand_limit
from symdiff.codegen.status import portable
from symdiff.errors import ArgumentError, CompileError
from symdiff.types import tensor
from tests.codegen.programs import compile_program, program, random_program, reference, same_bits

RNG = np.random.default_rng(3)


def two_outputs(g, x, y):
    return [g.add("add", (g.add("mul", (x, y)), g.add("sin", (x,)))), g.add("less", (x, y))]


@pytest.fixture(scope="module")
def plain():
    prog = program(two_outputs, [(), ()])
    return prog, compile_program(prog)


def test_points(plain):
    prog, kernel = plain
    value, condition = kernel.ufunc(0.5, 2.0)
    assert isinstance(value, np.float64)
    assert isinstance(condition, np.bool_)
    assert same_bits(value, reference(prog, 0.5, 2.0)[0])
    assert condition


@pytest.mark.parametrize("which", ["ufunc", "batch_ufunc"])
def test_batches_of_every_layout(plain, which):
    prog, kernel = plain
    f = getattr(kernel, which)
    base = RNG.normal(size=(6, 8))
    frozen = base.copy()
    frozen.flags.writeable = False
    cases = [
        (base, 2.0),
        (base, base[0]),
        (base[:, :1], base[:1]),
        (base.T, base.T),
        (base[::-1, ::-2], base[:, ::2]),
        (frozen, frozen[::-1]),
        (base[:0], base[:0]),
        (np.asfortranarray(base), base),
        (np.float64(1.5), base),
        (np.array(1.5), np.array(2.5)),
    ]
    for x, y in cases:
        for found, expected in zip(f(x, y), reference(prog, x, y), strict=True):
            assert same_bits(found, expected)


def test_casts(plain):
    prog, kernel = plain
    x = np.arange(12).reshape(3, 4)
    for a in (x, x.astype(np.float32), x.astype(bool), x.astype(">f8"), x.astype(np.int8)[:, ::2], x.tolist()):
        a_float = np.asarray(a).astype(float)
        for f in (kernel.ufunc, kernel.batch_ufunc):
            assert same_bits(f(a, 2)[0], reference(prog, a_float, 2.0)[0])
    for bad in (1j, np.array([1j]), np.array(["a"]), object()):
        with pytest.raises(TypeError):
            kernel.ufunc(bad, 1.0)


def test_unaligned_operands_are_copied_by_numpy(plain):
    prog, kernel = plain
    raw = np.zeros(8 * 5 + 1, np.uint8)
    x = raw[1:].view(np.float64)
    x[:] = np.arange(5)
    assert not x.flags.aligned
    assert same_bits(kernel.ufunc(x, 2.0)[0], reference(prog, x.copy(), 2.0)[0])


@pytest.mark.parametrize("which", ["ufunc", "batch_ufunc"])
@pytest.mark.parametrize("piece", [1, 1000])
def test_out_where_and_overlap(which, piece):
    prog = program(two_outputs, [(), ()])
    f = getattr(compile_program(prog, Options(piece=piece)), which)
    x, y = RNG.normal(size=(2, 50))
    value, _ = reference(prog, x, y)
    out, truth = np.full(50, 7.0), np.zeros(50, bool)
    mask = np.arange(50) % 3 == 0
    got = f(x, y, out=(out, truth), where=mask)
    assert got[0] is out
    assert same_bits(out, np.where(mask, value, 7.0))
    a = x.copy()
    f(a, y, out=(a, None))
    assert same_bits(a, value)
    both = np.concatenate([x, y])
    shifted = both.copy()
    f(shifted[:50], y, out=(shifted[1:51], None))
    assert same_bits(shifted[1:51], value)
    single = np.zeros(50, np.float32)
    f(x, y, out=(single, None), casting="same_kind")
    assert same_bits(single, value.astype(np.float32))


@pytest.mark.parametrize("which", ["ufunc", "batch_ufunc"])
@pytest.mark.parametrize("piece", [1, 1000])
def test_outputs_over_inputs_crosswise(which, piece):
    """In place with several outputs: every input is read before an output is written."""
    prog = program(
        lambda g, x, y: [y, x, g.add("add", (g.add("sin", (x,)), g.add("cos", (y,))))], [(), ()]
    )  # fmt: skip
    f = getattr(compile_program(prog, Options(piece=piece)), which)
    x, y = RNG.normal(size=(2, 40))
    a, b = x.copy(), y.copy()
    _, _, last = f(a, b, out=(a, b, None))
    assert same_bits(a, y)
    assert same_bits(b, x)
    assert same_bits(last, reference(prog, x, y)[2])


def test_methods_of_a_ufunc():
    prog = program(lambda g, x, y: [g.add("add", (x, y))], [(), ()])
    for f in (compile_program(prog).ufunc, compile_program(prog).batch_ufunc):
        assert f.reduce(np.arange(10.0)) == 45
        assert same_bits(f.accumulate(np.arange(5.0)), np.array([0.0, 1, 3, 6, 10]))
        assert same_bits(f.outer(np.arange(2.0), np.arange(3.0)), np.add.outer(np.arange(2.0), np.arange(3.0)))


def matrix_build(g, w, x, a):
    rows = [g.add("add", (g.add("mul", (w[i, 0], x[0])), g.add("mul", (w[i, 1], x[1])))) for i in range(3)]
    outer = [[g.add("mul", (r, g.add("exp", (a,)))) for r in rows] for _ in range(2)]
    return [rows, outer, g.add("less", (rows[0], a))]


@pytest.mark.parametrize("which", ["ufunc", "batch_ufunc"])
@pytest.mark.parametrize("piece", [2, 1000])
def test_vector_and_matrix_cores(which, piece):
    prog = program(matrix_build, [(3, 2), (2,), ()])
    kernel = compile_program(prog, Options(piece=piece))
    f = getattr(kernel, which)
    assert f.signature == "(3,2),(2),()->(3),(2,3),()"
    w, x, a = RNG.normal(size=(5, 3, 2)), RNG.normal(size=(4, 1, 2)), RNG.normal(size=5)
    strided = np.asfortranarray(np.concatenate([w, w], axis=2))[:, ::-1, ::2]
    full = [(w, x, a), (w[0], x[0, 0], 1.0), (w[::-1], x[0, :, ::-1], a), (strided, x, a[::-1])]
    for args in [*full, (w[:0], x[0], a[:0])]:
        for found, expected in zip(f(*args), reference(prog, *args), strict=True):
            assert same_bits(found, expected)
    with pytest.raises(ValueError, match="core dimension"):
        f(w[:, :2], x, a)


@pytest.mark.parametrize("which", ["ufunc", "batch_ufunc"])
def test_output_over_the_vector_input(which):
    prog = program(lambda g, x: [[g.add("add", (x[2], x[1])), g.add("sin", (x[0],)), x[0]]], [(3,)])
    for piece in (1, 1000):
        f = getattr(compile_program(prog, Options(piece=piece)), which)
        x = RNG.normal(size=(7, 3))
        expected = reference(prog, x)[0]
        f(x, out=x)
        assert same_bits(x, expected)


def test_three_axes():
    prog = program(lambda g, x: [x.transpose(2, 0, 1)], [(2, 3, 4)])
    x = RNG.normal(size=(5, 2, 3, 4))
    assert same_bits(compile_program(prog).ufunc(x), np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def test_constants_and_inputs_as_outputs():
    prog = program(lambda g, x: [g.constant(2.5), g.constant(True), x, g.constant(False)], [()])
    x = np.array([1.0, -0.0, np.nan])
    for f in (compile_program(prog).ufunc, compile_program(prog).batch_ufunc):
        two, true, same, false = f(x)
        assert (two == 2.5).all()
        assert true.all()
        assert not false.any()
        assert same_bits(same, x)
    assert f(1.0) == (2.5, True, 1.0, False)


def test_bool_inputs():
    def build(g, c, x):
        return [g.add("where", (c, x, g.constant(-1.0))), g.add("logical_not", (c,))]

    kernel = compile_program(program(build, [((), "bool"), ()]))
    value, flipped = kernel.ufunc(np.array([True, False]), 3.0)
    assert value.tolist() == [3, -1]
    assert flipped.tolist() == [False, True]


def test_no_inputs():
    prog = program(lambda g: [g.add("sin", (g.constant(1.0),)), [g.constant(1.0), g.constant(2.0)]], [])
    for f in (compile_program(prog).ufunc, compile_program(prog).batch_ufunc):
        value, pair = f()
        assert value == np.sin(1.0)
        assert pair.tolist() == [1, 2]
    scalar = compile_program(program(lambda g: [g.constant(3.0)], []))
    assert scalar.ufunc() == 3.0
    assert scalar.ufunc(out=np.zeros(4)).tolist() == [3.0] * 4


def test_empty_cores():
    prog = program(lambda g, b, x: [g.add("sin", (x,)), []], [(0,), ()], shapes=[(), (0,)])
    kernel = compile_program(prog)
    assert kernel.layout.signature == "(z),()->(),(z)"
    for f in (kernel.ufunc, kernel.batch_ufunc):
        value, empty = f(np.zeros((3, 0)), 1.0)
        assert same_bits(value, reference(prog, np.zeros((3, 0)), 1.0)[0])
        assert empty.shape == (3, 0)
    alone = compile_program(program(lambda g, x: [[]], [()], shapes=[(0,)]))
    assert alone.layout.signature == "()->(1)"
    assert alone.ufunc(np.zeros(4)).shape == (4, 1)


def test_the_limit_of_operands():
    limit = operand_limit()
    assert limit >= 32
    most = program(lambda g, *v: [g.add("add", (v[0], v[-1]))], [()] * (limit - 1))
    kernel = compile_program(most)
    assert not kernel.packed
    assert kernel.ufunc(*range(limit - 1)) == limit - 2
    more = compile_program(program(lambda g, *v: [g.add("sub", (v[-1], v[1]))], [()] * limit))
    assert more.packed
    for f in (more.ufunc, more.batch_ufunc):
        assert f(np.arange(float(limit))) == limit - 2
        assert f(np.arange(2.0 * limit).reshape(2, limit)).tolist() == [limit - 2] * 2


def test_packing_with_arrays_conditions_and_many_outputs():
    inputs = [()] * 40 + [(2,)] + [((), "bool")] + [()] * 40

    def build(g, *v):
        scalars = [v[k] for k in range(82) if k not in (40, 41)]
        return [*[g.add("mul", (s, v[40][1])) for s in scalars], g.add("logical_not", (v[41],)), v[40]]

    prog = program(build, inputs)
    kernel = compile_program(prog)
    assert kernel.packed
    assert kernel.layout.signature == "(80),(1),(2)->(80),(1),(2)"
    assert kernel.layout.inputs[0].members == tuple(k for k in range(82) if k not in (40, 41))
    x, w = RNG.normal(size=(3, 80)), RNG.normal(size=2)
    values, flipped, same = kernel.ufunc(x, [True], w)
    assert same_bits(values, x * w[1])
    assert not flipped.any()
    assert same_bits(same, np.broadcast_to(w, (3, 2)))
    apart = arrange_operands([tensor("float64", (2,))] * 70, [tensor("float64")])
    assert len(apart.inputs) == 70
    assert not apart.packed
    with pytest.raises(CompileError, match="int64"):
        arrange_operands([tensor("int64")], [tensor("float64")])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_plain_c_function(dtype):
    def build(g, x, y, w, c, z):
        total = g.add("add", (g.add("mul", (x, y)), g.add("mul", (w[1, 0], z))))
        return [total, g.add("where", (c, x, z)), w, g.add("less", (x, z))]

    prog = program(build, [(), (), (2, 2), ((), "bool"), ()], dtype=dtype)
    for piece in (1, 1000):
        kernel = compile_program(prog, Options(piece=piece))
        f = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(kernel.address)
        w = np.arange(4, dtype=dtype).reshape(2, 2)
        ins = [np.array([2.0, 3.0], dtype), w, np.array([True]), np.array([5], dtype)]
        outs = [np.zeros(2, dtype), np.zeros((2, 2), dtype), np.zeros(1, bool)]
        given = (ctypes.c_void_p * 4)(*[a.ctypes.data for a in ins])
        taken = (ctypes.c_void_p * 3)(*[a.ctypes.data for a in outs])
        assert f(given, taken, None) == 0
        assert outs[0].tolist() == [2 * 3 + 2 * 5, 2.0]
        assert same_bits(outs[1], ins[1])
        assert outs[2].tolist() == [True]


def test_text_is_deterministic_and_has_no_names():
    first = compile_program(program(matrix_build, [(3, 2), (2,), ()]), Options(name="secret", doc="secret"))
    second = compile_program(program(matrix_build, [(3, 2), (2,), ()]))
    assert first.llvm_ir() == second.llvm_ir()
    assert "secret" not in first.llvm_ir()
    assert first.ufunc.__name__ == "secret"
    assert "fast" not in first.llvm_ir()
    assert "contract" not in first.llvm_ir()


def test_what_a_kernel_tells():
    kernel = compile_program(random_program(3000), Options(piece=1000))
    assert kernel.statistics.pieces == 3
    assert 2000 < kernel.statistics.instructions <= 3000
    assert kernel.statistics.workspace > 0
    assert "define internal void @p2" in kernel.llvm_ir()
    assert "ret" in compile_program(program(two_outputs, [(), ()])).assembly()
    assert "3 functions" in repr(kernel)


def test_options():
    with pytest.raises(ArgumentError):
        Options(opt=7)
    with pytest.raises(ArgumentError):
        Options(piece=0)
    small, large = compile_program(random_program(100)), compile_program(random_program(30_000))
    assert (small.batch_opt, large.batch_opt) == (2, 0)
    assert small.opt == (0 if small.lanes > 1 else 2)
    assert compile_program(random_program(100), Options(opt=1)).opt == 1


def test_portable_status_gives_the_same(monkeypatch):
    """The lines for processors other than x86 work here too."""
    from symdiff.codegen import Target, batches, jit, module
    from symdiff.native import calls

    state = portable("x86_64")
    prog = program(lambda g, x: [g.add("log", (x,))], [()])
    layout = arrange_operands(prog.inputs, prog.types)
    text, _ = module.write_module(prog, layout, target=replace(Target.host(), status=state))
    code = jit.link(text.text, text.addresses(), text.exports, 2)
    batch = batches.write_batch(state)
    loud = jit.link(batch.text, batch.addresses(), batch.exports, 2)
    description = batches.describe_kernel(layout, code["k"])
    quiet = calls.make_ufunc(layout, code["k"], 0, "f", "", [code])
    raising = calls.make_ufunc(layout, loud["batch"], description.ctypes.data, "f", "", [code, loud, description])
    with np.errstate(all="raise"):
        assert np.isnan(quiet(-1.0))
        assert raising(1.0) == 0.0
        with pytest.raises(FloatingPointError, match="invalid"):
            raising(np.array([1.0, -1.0]))
        with pytest.raises(FloatingPointError, match="divide"):
            raising(np.array([1.0, 0.0]))
