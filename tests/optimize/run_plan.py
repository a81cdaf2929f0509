"""A plan carried out by NumPy, step after step, in one block of memory: what the emitters' code has to give."""

import math

import numpy as np

from symdiff.interpret import compute
from symdiff.ops import OPS, core
from symdiff.ops.structure import lane_fold
from symdiff.optimize.planning.plan import (
    Access,
    Apply,
    Choose,
    Gemm,
    Lapack,
    Load,
    LoadAt,
    Nest,
    Number,
    Position,
    Scan,
    ScatterAdd,
    Sort,
    Store,
)

STEPS = {core.SUM: np.add, core.PROD: np.multiply}
OTHERS = {core.AMAX: np.max, core.AMIN: np.min, core.ANY: np.any, core.ALL: np.all}
POISON = 1e30  # what no result may depend on


def run_plan(program, arguments):
    """The outputs of a TensorProgram for arrays of its operands' shapes."""
    plan, dtype = program.plan, program.graph.dtype
    memory = np.full(plan.workspace, 0x5A, np.uint8)
    given = [np.ascontiguousarray(a, t.dtype).reshape(-1) for a, t in zip(arguments, program.inputs, strict=True)]
    kept = [a.copy() for a in given]
    results = [
        np.full(math.prod(t.shape), POISON if t.dtype.startswith("float") else 1, t.dtype) for t in program.types
    ]
    buffers = []
    for b in plan.buffers:
        size = math.prod(b.shape)
        if b.kind == "work":
            width = np.dtype(b.dtype).itemsize
            buffers.append(memory[b.offset : b.offset + size * width].view(b.dtype))
        elif b.kind == "constant":
            buffers.append(plan.constants[b.index].reshape(-1))
        else:
            buffers.append((given if b.kind == "input" else results)[b.index])
    with np.errstate(all="ignore"):
        for step in plan.steps:
            RUN[type(step)](step, buffers, dtype)
    for one, before in zip(given, kept, strict=True):
        np.testing.assert_array_equal(one, before)  # inputs are never written
    return [r.reshape(t.shape) for r, t in zip(results, program.types, strict=True)]


def places(access, space):
    """The place of the element at every point."""
    found = np.full(space, access.offset, np.int64)
    for axis, (stride, size) in enumerate(zip(access.strides, space, strict=True)):
        found += stride * grid(space, axis, size)
    return found


def grid(space, axis, size):
    return np.arange(size).reshape([-1 if k == axis else 1 for k in range(len(space))])


def holds(ranges, space):
    found = np.ones(space, bool)
    for r in ranges:
        at = grid(space, r.axis, space[r.axis])
        found &= (at >= r.start) & (at < r.stop)
    return found


def read(buffer, at, within, space):
    inside = holds(within, space)
    assert (at[inside] >= 0).all()
    assert (at[inside] < buffer.size).all()
    found = np.full(space, POISON if buffer.dtype.kind == "f" else 1).astype(buffer.dtype)
    found[inside] = buffer[at[inside]]
    return found


def body_values(step, buffers, dtype):
    space, values = step.space, []
    for i in step.body:
        if isinstance(i, Load):
            values.append(read(buffers[i.access.buffer], places(i.access, space), i.within, space))
        elif isinstance(i, LoadAt):
            inside = holds(i.within, space)
            index = np.where(inside, values[i.index], 0)
            assert index.dtype == np.int64
            if ((index < -i.size) | (index >= i.size)).any():
                raise IndexError("index out of range")
            at = places(i.access, space) + i.stride * np.where(index < 0, index + i.size, index)
            values.append(read(buffers[i.access.buffer], at, i.within, space))
        elif isinstance(i, Number):
            values.append(np.full(space, i.value, bool if isinstance(i.value, bool) else dtype))
        elif isinstance(i, Position):
            values.append(np.broadcast_to(i.offset + i.scale * grid(space, i.axis, space[i.axis]), space).astype(dtype))
        elif isinstance(i, Choose):
            values.append(np.where(holds(i.ranges, space), values[i.inside], values[i.outside]))
        else:
            assert isinstance(i, Apply)
            values.append(np.asarray(compute(i.op, None, [values[k] for k in i.operands], dtype)))
    return values


def run_nest(step, buffers, dtype):
    values = body_values(step, buffers, dtype)
    for result in step.results:
        buffer, value, at = buffers[result.access.buffer], values[result.value], places(result.access, step.space)
        if isinstance(result, Store):
            assert len(np.unique(at)) == at.size
            assert value.dtype == buffer.dtype
        else:
            axes = step.reduced
            at = at[tuple(0 if k in axes else slice(None) for k in range(at.ndim))]
            value = reduced(result.op, value, axes)
        buffer[at] = value


def reduced(op, value, axes):
    if op in STEPS:
        return lane_fold(STEPS[op], value, axes, op.empty)
    return OTHERS[op](value, axis=axes)


def run_scan(step, buffers, dtype):
    values = body_values(step, buffers, dtype)
    term = values[step.term]
    factor = np.ones_like(term) if step.factor is None else values[step.factor]
    order = range(step.space[-1])
    found = np.empty_like(term)
    before = None
    for k in reversed(order) if step.reverse else order:
        found[..., k] = term[..., k] if before is None else factor[..., k] * found[..., before] + term[..., k]
        before = k
    buffers[step.access.buffer][places(step.access, step.space)] = found


def run_gemm(step, buffers, dtype):
    def matrix(m, rows, columns):
        return places(Access(m.buffer, m.offset, (*m.batch, m.row, m.column)), (*step.batch, rows, columns))

    a = buffers[step.a.buffer][matrix(step.a, step.m, step.k)]
    b = buffers[step.b.buffer][matrix(step.b, step.k, step.n)]
    buffers[step.c.buffer][matrix(step.c, step.m, step.n)] = a @ b


def run_lapack(step, buffers, dtype):
    shape = (step.n, step.columns if step.name == "packed_svd" else step.n)
    a = buffers[step.operands[0]].reshape((*step.batch, *shape))
    if step.name.startswith("solve"):
        b = buffers[step.operands[1]].reshape((*step.batch, step.n, step.columns))
        if step.name != "solve":
            a = np.tril(a) if "lower" in step.name else np.triu(a)
            a = np.swapaxes(a, -1, -2) if step.name.endswith("_t") else a
        found = np.linalg.solve(a, b)
    elif step.name == "logdet":
        found = np.linalg.slogdet(a)[1]
    else:
        found = compute(OPS[step.name], None, [a], dtype)
    buffers[step.result][:] = np.ravel(found)


def run_scatter(step, buffers, dtype):
    value = buffers[step.value].reshape((step.outer, step.count, step.inner))
    result = buffers[step.result].reshape((step.outer, step.size, step.inner))
    result[:] = 0
    for k, at in enumerate(buffers[step.index]):
        result[:, at] += value[:, k]


def run_sort(step, buffers, dtype):
    lines = buffers[step.value].reshape((step.count, step.size))
    buffers[step.result][:] = np.argsort(lines, -1, "stable").ravel()


RUN = {Sort: run_sort, Nest: run_nest, Scan: run_scan, Gemm: run_gemm, Lapack: run_lapack, ScatterAdd: run_scatter}
