"""Sine and cosine of one angle by one call, and the code that one point in arrays runs."""

from dataclasses import replace

import numpy as np
import pytest

import symdiff as sd
from symdiff.codegen import Target, pairs, target
from symdiff.codegen.pieces import cut
from tests.concurrency import run_together

needs_sincos = pytest.mark.skipif(not pairs.has_sincos(), reason="sincos of this platform is not known to be the same")


def angles(count):
    """Of all magnitudes, and those that are special."""
    rng = np.random.default_rng(5)
    any_bits = rng.integers(0, 2**64, count // 2, np.uint64).view(np.float64)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -1e-310, 1.7e308, np.pi / 2, np.pi, 105414350.0]
    return np.concatenate([any_bits, rng.uniform(-10, 10, count // 2), special])


@needs_sincos
def test_the_bits_are_those_of_sin_and_cos():
    both = sd.function(("sin(x)", "cos(x)"), ["x"]).compile(math="scalar", opt=0).kernel
    assert "sine" in both.llvm_ir()
    x = angles(1_000_000)
    for got, name in zip(both.ufunc(x), ("sin", "cos"), strict=True):
        alone = sd.function(f"{name}(x)").compile().kernel.ufunc(x)
        assert got.tobytes() == alone.tobytes()


def chain(count):
    """Reverse mode needs the cosine of each sine long after it."""
    lines = [f"t{k} = sin({f't{k - 1}' if k else 'x'}*1.5 + y)" for k in range(count)]
    return sd.value_and_grad("\n".join([*lines, f"t{count - 1}"]), ["x", "y"])


@needs_sincos
def test_pairs_meet_over_pieces():
    f = chain(400)
    program = f._program()
    pieces, _ = cut(program, 100)
    names = program.graph.ops
    together = sum(len(pairs.find_pairs(program.graph, p.nodes)) for p in pieces)
    calls = sum(names[n].name in ("sin", "cos") for p in pieces for n in p.nodes)
    assert len(pieces) > 10
    assert together >= calls - 2 * len(pieces)


def test_order_stays_topological():
    program = chain(100)._program()
    seen = set()
    for piece in cut(program, 50)[0]:
        for node in piece.nodes:
            assert all(a in seen or not program.graph.args[a] for a in program.graph.args[node])
            assert node not in seen
            seen.add(node)


def test_bits_with_and_without_sincos(monkeypatch):
    f = chain(60)
    one = [f.compile(opt=opt, math="scalar") for opt in (0, 1, 2)]
    without = replace(Target.host(), has_sincos=False)
    monkeypatch.setattr(target, "host_target", lambda: without)
    two = f.compile(opt=0, math="scalar")
    assert "sine" not in two.kernel.llvm_ir()
    for point in [(0.3, 1.2), (1e300, 2.0), (np.inf, 0.0), (-0.0, 0.0)]:
        expected = two(*point)
        for c in one:
            with np.errstate(all="ignore"):
                got, batch = c(*point), c(np.array([point[0]] * 3), point[1])
            assert np.array(got[0]).tobytes() == np.array(expected[0]).tobytes()
            assert got[1].tobytes() == expected[1].tobytes() == batch[1][2].tobytes()


def test_float32_keeps_its_calls():
    f = sd.function(("sin(x)", "cos(x)"), ["x"], dtype="float32")
    assert [float(v) for v in f(np.float32(0.5))] == [float(np.float32(np.sin(0.5))), float(np.float32(np.cos(0.5)))]


def test_one_point_in_an_array_runs_the_code_for_points():
    f = sd.grad(sd.function("sin(a)*exp(b) + c**3", [["a", "b", "c"]]), ["a", "b", "c"])
    x = np.array([0.3, -1.2, 2.0])
    compiled = f.compile()
    scalar = f.compile(math="scalar")
    out = np.empty(3)
    for given in (x, x.tolist(), x[::-1][::-1], np.array([*x, 0.0])[:3]):
        assert compiled(given).tobytes() == scalar(given).tobytes()
        assert compiled(given, out=out) is out
        assert out.tobytes() == scalar(given).tobytes()
    assert "batch_ufunc" not in compiled.kernel.__dict__  # no code for vectors was made
    assert compiled(x[None]).shape == (1, 3)
    assert "batch_ufunc" in compiled.kernel.__dict__


def test_one_point_in_an_array_never_warns():
    f = sd.function("sum(log(x))", shapes={"x": (2,)})
    with np.errstate(invalid="raise"):
        assert np.isnan(f(np.array([1.0, -1.0])))
        with pytest.raises(FloatingPointError):
            f(np.array([[1.0, -1.0]]))  # a batch of one


def test_one_point_from_many_threads():
    f = sd.function("sum(sin(x)*x)", shapes={"x": (50,)})
    x = np.linspace(0.0, 1.0, 50)
    results = []
    run_together(lambda k: results.append((k, float(f(x + k)))), 8)
    assert sorted(results) == [(k, float(f(x + k))) for k in range(8)]
