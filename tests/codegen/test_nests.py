"""Loop nests, recurrences and scatters in native code, bit for bit against NumPy."""

import numpy as np
import pytest

import symdiff as sd
from symdiff.codegen.target import Target
from symdiff.codegen.tensors import segments
from symdiff.optimize.planning.plan import (
    Access,
    Buffer,
    Choose,
    LoadAt,
    Nest,
    Number,
    Plan,
    Position,
    Range,
    Scan,
    ScatterAdd,
    Store,
)
from tests.codegen.plans import Reference, apply, load, make_kernel, random_inputs, random_plan, reduce, use_lanes

NUMBERS = "float64"


def check(plan, *inputs, kernel=None, **options):
    kernel = kernel or make_kernel(plan, **options)
    got = kernel.ufunc(*inputs)
    for found, wanted in zip(got if isinstance(got, tuple) else (got,), Reference(plan)(*inputs), strict=True):
        assert np.asarray(found).dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)
    return kernel


def check_random(seed, dtype="float64"):
    plan, _, buffers = random_plan(seed, dtype)
    inputs = [x.astype(dtype) if x.dtype == np.float64 else x for x in random_inputs(buffers, seed)]
    if any(0 in b.shape for b in buffers):
        make_kernel(plan)  # an empty operand: NumPy asks the caller for its size
    else:
        check(plan, *inputs)


@pytest.mark.parametrize("seed", range(120))
def test_random_nests(seed):
    check_random(seed)


@pytest.mark.parametrize("seed", range(40))
def test_random_nests_of_single_numbers(seed):
    check_random(seed, "float32")


@pytest.fixture
def masks(monkeypatch):
    """All loops over few elements are under masks, on any processor."""
    monkeypatch.setattr(Target, "has_masks", True)
    monkeypatch.setattr(segments, "LONG_BODY", 0)


@pytest.mark.parametrize("start", range(0, 120, 20))
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_random_nests_under_masks(start, dtype, masks):
    for seed in range(start, start + 20):
        check_random(seed, dtype)


@pytest.mark.parametrize(
    ("size", "copies"), [(7, 1), (8, 1), (9, 1), (16, 1), (17, 1), (63, 1), (127, 1), (129, 2), (300, 2)]
)
def test_long_code_for_few_elements_is_one_loop(size, copies, masks, monkeypatch):
    use_lanes(monkeypatch, 8)
    monkeypatch.setattr("symdiff.optimize.pipeline.MOST_UNROLLED", -1)
    formula = "*".join(f"(x**2 + {k})/(x[::-1] - {k + 3})" for k in range(4))
    f = sd.function(f"f(x[{size}]) = {formula}").compile(fp="strict")
    x = np.random.default_rng(size).normal(size=size)
    np.testing.assert_allclose(f(x), eval(formula, {"x": x}), rtol=1e-14)
    assert f.kernel.llvm_ir().count(" = fdiv ") == 4 * copies
    monkeypatch.setattr(segments, "FEW_BLOCKS", 0)
    np.testing.assert_array_equal(f(x), sd.function(f"f(x[{size}]) = {formula}").compile(fp="strict")(x))


@pytest.mark.parametrize("lanes", [1, 2, 4])
@pytest.mark.parametrize("start", range(0, 40, 10))
def test_the_bits_do_not_depend_on_the_width(lanes, start, monkeypatch):
    use_lanes(monkeypatch, lanes)
    for seed in range(start, start + 10):
        check_random(seed)


def one(space, body, *results, reduced=(), outputs, inputs):
    """A plan of one nest; buffers are the inputs, then the outputs."""
    buffers = [Buffer("input", k, NUMBERS, shape) for k, shape in enumerate(inputs)]
    buffers += [Buffer("output", k, dtype, shape) for k, (dtype, shape) in enumerate(outputs)]
    return Plan(tuple(buffers), (Nest(space, reduced, tuple(body), results),), 0)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 15, 16, 17, 23, 24, 64, 65, 1000, 4099])
@pytest.mark.parametrize("kind", ["sum", "prod", "max", "min"])
def test_reductions_of_a_row(kind, count):
    if not count and kind in ("max", "min"):
        return
    plan = one((count,), [load(0, 0, (1,))], reduce(kind, 0, Access(1, 0, (0,))), reduced=(0,),
               inputs=[(max(count, 1),)], outputs=[(NUMBERS, ())])  # fmt: skip
    x = np.random.default_rng(count).normal(1, 0.2, max(count, 1))
    check(plan, x)
    x[count // 2] = np.nan
    check(plan, x)


@pytest.mark.parametrize("space", [(3, 5), (16, 5), (17, 300), (40, 1100), (9, 4097)])
@pytest.mark.parametrize("kind", ["sum", "prod", "max"])
def test_reductions_over_an_outer_axis(space, kind):
    plan = one(space, [load(0, 0, (space[1], 1))], reduce(kind, 0, Access(1, 0, (0, 1))), reduced=(0,), inputs=[space],
               outputs=[(NUMBERS, space[1:])])  # fmt: skip
    check(plan, np.random.default_rng(1).normal(1, 0.2, space))


@pytest.mark.parametrize("reduced", [(0, 1), (0, 2), (1, 2), (0, 1, 2), (1,)])
@pytest.mark.parametrize("space", [(3, 4, 5), (4, 7, 9), (5, 16, 24)])
def test_sums_over_several_axes_are_one_sequence(space, reduced):
    kept = [k for k in range(3) if k not in reduced]
    shape = tuple(space[k] for k in kept)
    own = np.cumprod([1, *shape[::-1]])[::-1][1:]
    strides = tuple(int(own[kept.index(k)]) if k in kept else 0 for k in range(3))
    product = apply("mul", 0, 0)
    plan = one(space, [load(0, 0, (space[1] * space[2], space[2], 1)), product],
               reduce("sum", 1, Access(1, 0, strides)), Store(1, Access(2, 0, (space[1] * space[2], space[2], 1))),
               reduced=reduced, inputs=[space], outputs=[(NUMBERS, shape), (NUMBERS, space)])  # fmt: skip
    check(plan, np.random.default_rng(1).normal(size=space))


LONG = [  # space, reduced axes, elements left out at the ends of the last axis
    ((511,), (0,), 0), ((512,), (0,), 0), ((1029,), (0,), 0), ((8192 + 7,), (0,), 3), ((140_003,), (0,), 0),
    ((512, 3), (0,), 0), ((8200, 9), (0,), 1), ((1030, 300), (0,), 0), ((70_001, 2), (0,), 0),
    ((3, 512), (1,), 0), ((2, 9001), (1,), 5), ((60, 57), (0, 1), 2), ((60, 64), (0, 1), 0), ((8, 1024), (0, 1), 0),
    ((33, 3, 47), (0, 2), 0), ((40, 3, 64), (0, 2), 4), ((90, 40, 7), (0, 1), 0), ((3, 40, 40), (1, 2), 1),
]  # fmt: skip


@pytest.mark.parametrize("lanes", [1, 2, 4, 8])
@pytest.mark.parametrize(("space", "reduced", "out"), LONG)
def test_long_sums_have_one_order_at_every_width(space, reduced, out, lanes, monkeypatch):
    use_lanes(monkeypatch, lanes)
    kept = [k for k in range(len(space)) if k not in reduced]
    shape = tuple(space[k] for k in kept)
    own = np.cumprod([1, *shape[::-1]])[::-1][1:]
    strides = tuple(int(own[kept.index(k)]) if k in kept else 0 for k in range(len(space)))
    steps = tuple(int(n) for n in np.cumprod([1, *space[::-1]])[::-1][1:])
    within = Range(len(space) - 1, out, space[-1] - out)
    body = [load(0, 0, steps), load(0, 0, steps, within), Number(0.25), Choose((within,), 1, 2), apply("mul", 0, 0)]
    plan = one(space, body, *(reduce(kind, value, Access(n, 0, strides)) for n, (kind, value) in
                              enumerate([("sum", 3), ("max", 0), ("sum", 4), ("prod", 2)], 1)),
               reduced=reduced, inputs=[space], outputs=[(NUMBERS, shape)] * 4)  # fmt: skip
    check(plan, np.random.default_rng(1).normal(size=space))


def test_a_sum_of_negative_zeros_is_one():
    plan = one((20,), [load(0, 0, (1,))], reduce("sum", 0, Access(1, 0, (0,))), reduced=(0,), inputs=[(20,)],
               outputs=[(NUMBERS, ())])  # fmt: skip
    assert np.signbit(check(plan, np.full(20, -0.0)).ufunc(np.full(20, -0.0)))
    assert np.signbit(sd.function("f(x[20000]) = sum(x)")(np.full(20_000, -0.0)))


@pytest.mark.parametrize("count", [2, 5, 9, 16, 41, 1030, 5000])
def test_neighbours_are_read_within_their_ranges(count):
    low, high = Range(0, 0, count - 1), Range(0, 1, count)
    body = [
        load(0, 0, (1,)), load(0, 1, (1,), low), load(0, -1, (1,), high), Number(0.5), Choose((low,), 1, 3),
        Choose((high,), 2, 3), apply("sub", 4, 5), apply("mul", 6, 0), Position(0, 2, -1), apply("add", 7, 8),
    ]  # fmt: skip
    plan = one((count,), body, Store(9, Access(1, 0, (1,))), inputs=[(count,)], outputs=[(NUMBERS, (count,))])
    x = np.random.default_rng(1).normal(size=count + 3)
    kernel = check(plan, x[:count].copy())
    for shift in range(4):  # blocks begin where vectors do in memory
        out = np.empty(count + shift)[shift:]
        np.testing.assert_array_equal(kernel.ufunc(x[:count], out=out), Reference(plan)(x[:count])[0])


def test_many_segments_become_masks():
    count = 700
    body = [load(0, 0, (1,)), Number(0.0)]
    for k in range(count // 2):
        span = Range(0, 2 * k, 2 * k + 1)
        body += [load(0, k, (0,), span), Choose((span,), len(body), len(body) - 1)]
    plan = one((count,), [*body, apply("add", 0, len(body) - 1)], Store(len(body), Access(1, 0, (1,))),
               inputs=[(count,)], outputs=[(NUMBERS, (count,))])  # fmt: skip
    check(plan, np.random.default_rng(1).normal(size=count))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("space", [(2,), (7,), (8,), (9,), (33,), (3, 17), (2, 3, 20)])
@pytest.mark.parametrize("factor", [False, True])
def test_recurrences(space, reverse, factor):
    strides = tuple(int(n) for n in np.cumprod([1, *space[::-1]])[::-1][1:])
    edge = Range(len(space) - 1, 1, space[-1])
    body = (load(0, 0, strides), load(1, -1, strides, edge), Number(0.25), Choose((edge,), 1, 2))
    buffers = (*(Buffer("input", k, NUMBERS, space) for k in range(2)), Buffer("output", 0, NUMBERS, space))
    scan = Scan(space, reverse, body, 3 if factor else None, 0, Access(2, 0, strides))
    rng = np.random.default_rng(1)
    check(Plan(buffers, (scan,), 0), rng.normal(size=space), rng.normal(size=space))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("shape", [(2, 3), (5, 8), (7, 9), (4, 40), (3, 6, 17)])
@pytest.mark.parametrize("factor", [False, True])
def test_recurrences_across_rows(shape, reverse, factor):
    along = len(shape) - 2  # the axis before the last of an array in C order
    order = [*range(along), along + 1, along]
    whole = [int(n) for n in np.cumprod([1, *shape[::-1]])[::-1][1:]]
    space, strides = tuple(shape[k] for k in order), tuple(whole[k] for k in order)
    edge = Range(len(shape) - 1, 1, shape[along])
    body = (load(0, 0, strides), load(1, -shape[-1], strides, edge), Number(0.25), Choose((edge,), 1, 2))
    buffers = (*(Buffer("input", k, NUMBERS, shape) for k in range(2)), Buffer("output", 0, NUMBERS, shape))
    scan = Scan(space, reverse, body, 3 if factor else None, 0, Access(2, 0, strides))
    rng = np.random.default_rng(1)
    check(Plan(buffers, (scan,), 0), rng.normal(size=shape), rng.normal(size=shape))


@pytest.mark.parametrize(("outer", "count", "inner", "size"), [(1, 9, 1, 4), (3, 5, 11, 2), (2, 4, 8, 5), (1, 0, 3, 2)])
def test_scatter_adds_in_the_order_of_the_index(outer, count, inner, size):
    buffers = (Buffer("input", 0, NUMBERS, (outer, max(count, 1), inner)), Buffer("constant", 0, "int64", (count,)),
               Buffer("output", 0, NUMBERS, (outer, size, inner)))  # fmt: skip
    index = np.random.default_rng(2).integers(-size, size, count)
    plan = Plan(buffers, (ScatterAdd(0, 1, 2, outer, count, inner, size),), 0, (index,))
    kernel = make_kernel(plan)
    x = np.random.default_rng(1).normal(size=(outer, max(count, 1), inner))
    wanted = np.zeros((outer, size, inner))
    for k, place in enumerate(index):
        wanted[:, place] += x[:, k]
    np.testing.assert_array_equal(kernel.ufunc(x), wanted)


def test_rows_are_gathered_as_rows():
    body = (load(1, 0, (1, 0)), LoadAt(Access(0, 0, (0, 1)), 20, 0, 6), apply("mul", 1, 1))
    buffers = (Buffer("input", 0, NUMBERS, (6, 20)), Buffer("constant", 0, "int64", (4,)),
               Buffer("output", 0, NUMBERS, (4, 20)))  # fmt: skip
    index = np.array([5, -6, 2, 2])
    plan = Plan(buffers, (Nest((4, 20), (), body, (Store(2, Access(2, 0, (20, 1))),)),), 0, (index,))
    kernel = check(plan, np.random.default_rng(1).normal(size=(6, 20)))
    assert "masked.gather" not in kernel.llvm_ir()


def test_vector_functions_give_an_element_the_same_bits_wherever_it_stands():
    def kernel(count):
        plan = one((count,), [load(0, 0, (1,)), apply("exp", 0)], Store(1, Access(1, 0, (1,))), inputs=[(count,)],
                   outputs=[(NUMBERS, (count,))])  # fmt: skip
        return make_kernel(plan, math="vector")

    x = np.random.default_rng(1).normal(size=2000)
    whole = kernel(2000).ufunc(x)
    for count in (2, 3, 8, 13, 1500):
        np.testing.assert_array_equal(kernel(count).ufunc(x[:count]), whole[:count])
