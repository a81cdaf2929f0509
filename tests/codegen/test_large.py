"""Large programs: pieces, workspace, and a compile time that stays linear."""

import ctypes
import time

import numpy as np
import pytest

import symdiff as sd
from symdiff.codegen import Options
from symdiff.codegen.layout import arrange_operands
from symdiff.codegen.pieces import cut, piece_size
from symdiff.ir.graph import Graph
from symdiff.optimize.program import Program
from symdiff.types import tensor
from tests.codegen.programs import F, compile_program, program, random_program, reference, same_bits

RNG = np.random.default_rng(5)
X = RNG.uniform(-1, 1, size=(8, 3))


def equal(prog, kernel, values=X):
    for f in (kernel.ufunc, kernel.batch_ufunc):
        assert all(map(same_bits, f(*values), reference(prog, *values)))


@pytest.mark.parametrize("piece", [1, 7, 100, 1000, 10_000])
@pytest.mark.parametrize("opt", [0, 1, 2])
def test_pieces_do_not_change_a_bit(piece, opt):
    prog = random_program(1200, seed=piece, far=0.2)
    equal(prog, compile_program(prog, Options(opt=opt, piece=piece)))


@pytest.fixture(scope="module")
def largest():
    """A program of 100,000 operations, its kernel, and the seconds of processor time that it took to compile."""
    prog = random_program(100_000)
    begin = time.process_time()
    kernel = compile_program(prog)
    return prog, kernel, time.process_time() - begin


def check_large(prog, kernel):
    assert kernel.statistics.pieces == pytest.approx(kernel.statistics.instructions / piece_size(kernel.opt), rel=0.02)
    equal(prog, kernel)


def test_large():
    prog = random_program(5_000)
    check_large(prog, compile_program(prog))


def test_largest(largest):
    prog, kernel, _ = largest
    check_large(prog, kernel)


def test_large_float32():
    prog = random_program(5000, dtype="float32")
    equal(prog, compile_program(prog), X.astype(np.float32))


def wide(count):
    """Every one of `count` values waits until all are known, as in a reverse sweep."""
    graph = Graph()
    x = graph.input((0, 0))
    values = [x]
    for k in range(count):
        values.append(graph.add("sin", (graph.add("add", (values[-1], graph.constant(k / 7))),)))
    conditions = [graph.add("less", (v, x)) for v in values[1:]]
    total = values[0]
    for value, condition in zip(reversed(values[1:]), reversed(conditions), strict=True):
        total = graph.add("add", (total, graph.add("where", (condition, value, x))))
    return Program(graph, (F,), ((total,), (values[5],), tuple(conditions)), (F, F, tensor("bool", (count,))))


def test_workspace_on_the_heap():
    prog = wide(4000)
    kernel = compile_program(prog)
    assert kernel.statistics.on_heap
    assert kernel.statistics.workspace > 16_384
    equal(prog, kernel, X[:1])
    f = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 3)(kernel.address)
    x, pair, truth = np.array([0.3]), np.zeros(2), np.zeros(4000, bool)
    expected = reference(prog, 0.3)
    for work in (None, np.zeros(kernel.statistics.workspace // 8).ctypes):
        pair[:], truth[:] = 0, False
        ins = (ctypes.c_void_p * 1)(x.ctypes.data)
        outs = (ctypes.c_void_p * 2)(pair.ctypes.data, truth.ctypes.data)
        assert f(ins, outs, work.data if work is not None else None) == 0
        assert same_bits(pair, np.array(expected[:2]))
        assert same_bits(truth, expected[2])


def test_no_memory_for_the_workspace(monkeypatch):
    """A malloc that gives nothing: outputs are NaN, NumPy is told, the C function returns 1."""
    nothing = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_size_t)(lambda size: None)
    from symdiff.codegen import batches, jit, module

    real = module.c_function
    address = ctypes.cast(nothing, ctypes.c_void_p).value
    monkeypatch.setattr(module, "c_function", lambda name: address if name == "malloc" else real(name))
    kernel = compile_program(wide(4000))
    driver = batches.write_batch()
    code = jit.link(driver.text, driver.addresses(), driver.exports, 2)
    monkeypatch.undo()
    monkeypatch.setattr("symdiff.codegen.kernel.batch_code", lambda: code)
    out = [np.ones((3, 2))[:, 0], np.ones(3), np.ones((4000, 3), bool).T]
    with pytest.warns(RuntimeWarning, match="invalid"):
        kernel.ufunc(X[0], out=tuple(out))
    assert np.isnan(out[0]).all()
    assert np.isnan(out[1]).all()
    assert not out[2].any()
    with pytest.warns(RuntimeWarning, match="invalid"):
        kernel.batch_ufunc(X[0])
    f = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 3)(kernel.address)
    pair, truth, x = np.zeros(2), np.zeros(4000, bool), np.zeros(1)
    ins = (ctypes.c_void_p * 1)(x.ctypes.data)
    outs = (ctypes.c_void_p * 2)(pair.ctypes.data, truth.ctypes.data)
    assert f(ins, outs, None) == 1
    assert np.isnan(pair).all()


def test_more_inputs_than_a_piece_has_operations():
    """Vector inputs in several pieces, outputs that are inputs, and the same array as input and output."""

    def build(g, x):
        out = [g.add("sub", (x[k], x[-1 - k])) for k in range(len(x))]
        out[3], out[-2] = x[-1], x[0]
        return [out]

    prog = program(build, [(300,)])
    for piece in (10, 64, 1000):
        kernel = compile_program(prog, Options(piece=piece))
        x = RNG.normal(size=(4, 300))
        (expected,) = reference(prog, x)
        assert same_bits(kernel.ufunc(x), expected)
        for f in (kernel.ufunc, kernel.batch_ufunc):
            a = x.copy()
            f(a, out=a)
            assert same_bits(a, expected)


def test_slots_are_used_again():
    prog = random_program(20_000, far=0.0)
    pieces, slots = cut(prog)
    crossings = sum(len(p.saves) for p in pieces)
    assert slots < 200 < crossings
    for piece in pieces:
        assert len({slot for _, slot in piece.loads}) == len(piece.loads)
        assert not {slot for _, slot in piece.saves} & {slot for _, slot in piece.loads}


def test_cost_of_an_operation_does_not_grow(largest):
    compile_program(random_program(20))
    costs = {100_000: largest[2] / largest[1].statistics.instructions * 1e6}
    for count in (1_000, 10_000):
        prog = random_program(count)
        best = np.inf
        for _ in range(3):
            begin = time.process_time()
            kernel = compile_program(prog)
            best = min(best, time.process_time() - begin)
        costs[count] = best / kernel.statistics.instructions * 1e6
    print({count: f"{cost:.1f} µs/op" for count, cost in costs.items()})
    assert costs[100_000] < 2 * costs[1_000]
    assert costs[10_000] < 2 * costs[1_000]


def test_waiting_values_do_not_explode():
    begin = time.process_time()
    kernel = compile_program(wide(10_000))
    assert kernel.opt == 0
    assert time.process_time() - begin < 8


def test_many_outputs_of_one_node():
    prog = program(lambda g, x: [[g.add("sin", (x,))] * 50], [()])
    assert same_bits(compile_program(prog).ufunc(0.5), reference(prog, 0.5)[0])
    assert arrange_operands(prog.inputs, prog.types).signature == "()->(50)"


@pytest.mark.parametrize("text", ["sum(A, axis=0)", "sin(A)[0]"])
@pytest.mark.parametrize("count", [300, 500, 1000])
def test_batches_of_many_values_that_wait_compile_soon(text, count):
    f = sd.function(text, ["A"], shapes={"A": (1, count)})
    begin = time.process_time()
    f(np.ones((2, 1, count)))
    assert time.process_time() - begin < 4
