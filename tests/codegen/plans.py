"""Plans by hand and at random, and what they mean in NumPy."""

from __future__ import annotations

import dataclasses
import itertools
import random
from types import SimpleNamespace

import numpy as np

from symdiff.codegen.kernel import Options
from symdiff.codegen.target import Target
from symdiff.codegen.tensors.kernel import TensorKernel
from symdiff.ir.graph import Graph
from symdiff.numeric import as_ufunc
from symdiff.ops import OPS, core
from symdiff.ops.structure import lane_fold
from symdiff.optimize.planning.forms import REDUCES
from symdiff.optimize.planning.plan import (
    Access,
    Apply,
    Buffer,
    Choose,
    Load,
    LoadAt,
    Nest,
    Number,
    Plan,
    Position,
    Range,
    Reduce,
    Scan,
    ScatterAdd,
    Store,
)
from symdiff.types import tensor


def use_lanes(monkeypatch, lanes):
    """Let code for this process have vectors of so many numbers, and no more masks than such have."""
    host = dataclasses.replace(Target.host(), lanes=lanes)
    monkeypatch.setattr(Target, "host", staticmethod(lambda: host))


def make_kernel(plan, **options):
    """A kernel for the input and output buffers of a plan, in the order of their indices."""
    sides = []
    for kind in ("input", "output"):
        found = sorted({(b.index, b.dtype, b.shape) for b in plan.buffers if b.kind == kind})
        sides.append(tuple(tensor(dtype, shape) for _, dtype, shape in found))
    single = any(b.dtype == "float32" for b in plan.buffers)
    program = SimpleNamespace(graph=Graph("float32" if single else "float64"), inputs=sides[0],
                              types=sides[1], plan=plan)  # fmt: skip
    return TensorKernel(program, Options(**{"math": "scalar", **options}))


def load(buffer, offset, strides, *within):
    return Load(Access(buffer, offset, tuple(strides)), tuple(within))


def apply(name, *operands):
    return Apply(OPS[name], operands)


def strides_of(shape):
    found, step = [], 1
    for size in reversed(shape):
        found.append(step)
        step *= size
    return tuple(reversed(found))


class Reference:
    """A plan in NumPy, element by element where order counts."""

    def __init__(self, plan):
        self.plan = plan
        self.dtype = "float32" if any(b.dtype == "float32" for b in plan.buffers) else "float64"

    def __call__(self, *inputs):
        arrays = []
        for b in self.plan.buffers:
            if b.kind == "input":
                arrays.append(np.ascontiguousarray(inputs[b.index], b.dtype).ravel().copy())
            elif b.kind == "constant":
                arrays.append(np.ascontiguousarray(self.plan.constants[b.index], b.dtype).ravel())
            else:
                arrays.append(np.zeros(int(np.prod(b.shape)), b.dtype))
        with np.errstate(all="ignore"):
            for step in self.plan.steps:
                self.step(step, arrays)
        outputs = sorted((b.index, n) for n, b in enumerate(self.plan.buffers) if b.kind == "output")
        return [arrays[n].reshape(self.plan.buffers[n].shape) for _, n in outputs]

    def step(self, step, arrays):
        if isinstance(step, ScatterAdd):
            value = arrays[step.value].reshape(step.outer, step.count, step.inner)
            result = np.zeros((step.outer, step.size, step.inner), value.dtype)
            for k, place in enumerate(arrays[step.index].tolist()):
                result[:, place] += value[:, k]
            arrays[step.result][:] = result.ravel()
            return
        grid = np.indices(step.space) if step.space else np.zeros((0,), np.int64)
        values = self.body(step.body, grid, step.space, arrays)
        if isinstance(step, Scan):
            term = values[step.term]
            factor = None if step.factor is None else values[step.factor]
            h = np.array(term)
            order = range(step.space[-1])[::-1] if step.reverse else range(step.space[-1])
            for before, k in itertools.pairwise(order):
                h[..., k] = (h[..., before] if factor is None else factor[..., k] * h[..., before]) + term[..., k]
            arrays[step.access.buffer][self.places(step.access, grid, step.space)] = h
            return
        for r in step.results:
            value = np.broadcast_to(values[r.value], step.space)
            if isinstance(r, Store):
                arrays[r.access.buffer][self.places(r.access, grid, step.space)] = value
                continue
            kept = tuple(k for k in range(len(step.space)) if k not in step.reduced)
            if r.op in (core.SUM, core.PROD):
                total = lane_fold(np.add if r.op is core.SUM else np.multiply, value, step.reduced, r.op.empty)
            else:
                total = getattr(np, r.op.word)(value, axis=step.reduced)
            places = self.places(r.access, grid, step.space)
            first = tuple(0 if k in step.reduced else slice(None) for k in range(len(step.space)))
            if 0 in [step.space[k] for k in step.reduced]:
                small = np.indices([step.space[k] for k in kept])
                places = r.access.offset + sum((r.access.strides[k] * small[n] for n, k in enumerate(kept)),
                                               np.zeros([step.space[k] for k in kept], np.int64))  # fmt: skip
                arrays[r.access.buffer][places] = total
            else:
                arrays[r.access.buffer][places[first]] = total

    @staticmethod
    def places(access, grid, space):
        found = np.full(space, access.offset)
        for k, stride in enumerate(access.strides):
            found = found + stride * grid[k]
        return found

    def body(self, body, grid, space, arrays):
        values = []
        for part in body:
            if isinstance(part, Load | LoadAt):
                inside = self.holds(part.within, grid, space)
                places = self.places(part.access, grid, space)
                if isinstance(part, LoadAt):
                    index = np.broadcast_to(values[part.index], space)
                    if np.any(inside & ((index < -part.size) | (index >= part.size))):
                        raise IndexError
                    places = places + part.stride * np.where(index < 0, index + part.size, index)
                buffer = arrays[part.access.buffer]
                assert not inside.any() or (places[inside].min() >= 0 and places[inside].max() < len(buffer))
                value = np.zeros(space, buffer.dtype)
                value[inside] = buffer[places[inside]]
                values.append(value)
            elif isinstance(part, Number):
                values.append(np.full(space, part.value, bool if isinstance(part.value, bool) else self.dtype))
            elif isinstance(part, Position):
                values.append((part.offset + part.scale * grid[part.axis]).astype(self.dtype))
            elif isinstance(part, Choose):
                values.append(np.where(self.holds(part.ranges, grid, space), values[part.inside], values[part.outside]))
            elif part.op.name == "as_index":
                values.append(np.rint(values[part.operands[0]]).astype(np.int64))
            else:
                operands = [np.asarray(values[k]) for k in part.operands]
                single = any(v.dtype == np.float32 for v in operands)
                values.append(np.asarray(as_ufunc(part.op.routine)(*operands)))
                if single and values[-1].dtype == np.float64:
                    values[-1] = values[-1].astype(np.float32)
        return values

    @staticmethod
    def holds(ranges, grid, space):
        found = np.ones(space, bool)
        for r in ranges:
            found &= (grid[r.axis] >= r.start) & (grid[r.axis] < r.stop)
        return found


def random_plan(seed, dtype="float64"):
    """A plan of one to three nests over inputs of several shapes, with views, paddings, gathers and reductions."""
    rng = random.Random(seed)
    sizes = [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 24, 31, 40]
    rank = rng.choice([0, 1, 1, 2, 2, 2, 3])
    space = tuple(rng.choice(sizes) for _ in range(rank))
    if rng.random() < 0.1 and rank:
        space = tuple(rng.choice([n, n, 0]) for n in space)
    if rng.random() < 0.1 and rank:
        space = (*space[:-1], rng.choice([300, 1000]))
    if int(np.prod(space)) > 30_000:
        space = tuple(min(n, 9) for n in space)
    buffers, inputs = [], []

    def add_input(shape, kind=dtype):
        buffers.append(Buffer("input", len(inputs), kind, shape))
        inputs.append(kind)
        return len(buffers) - 1

    def some_ranges():
        ranges = []
        for axis, size in enumerate(space):
            if rng.random() < 0.35:
                a, b = sorted((rng.randint(0, size), rng.randint(0, size)))
                ranges.append(Range(axis, a, b))
        return tuple(ranges)

    def some_access(ranges=()):
        """An access that fits where the ranges hold: a slice of a larger array, broadcast in some axes."""
        strides, offset, shape = [], 0, []
        steps = []
        for axis, size in enumerate(space):
            kind = rng.choice(["plain", "plain", "plain", "broadcast", "flip", "step"])
            interval = [(r.start, r.stop) for r in ranges if r.axis == axis]
            low, high = interval[0] if interval else (0, size)
            count = max(high - low, 0)
            if kind == "broadcast":
                shape.append(rng.choice([1, 2]))
                steps.append((0, 0))
            elif kind == "flip":
                shape.append(max(count, 1))
                steps.append((-1, high - 1))
            elif kind == "step":
                shape.append(max(2 * count, 1))
                steps.append((2, -2 * low))
            else:
                shape.append(max(count, 1) + 1)
                steps.append((1, -low))
        order = list(range(len(space)))
        if rng.random() < 0.3:
            rng.shuffle(order)  # a transposed view
        own = strides_of([shape[k] for k in order])
        strides = [0] * len(space)
        for k, axis in enumerate(order):
            strides[axis] = own[k] * steps[axis][0]
            offset += own[k] * steps[axis][1]
        return Access(-1, offset, tuple(strides)), tuple(shape[k] for k in order)

    def build(reduced):
        body, numbers, conditions = [], [], []

        def push(part, condition=False):
            body.append(part)
            (conditions if condition else numbers).append(len(body) - 1)

        for _ in range(rng.randint(1, 3)):
            access, shape = some_access()
            push(Load(Access(add_input(shape), access.offset, access.strides)))
        for _ in range(rng.randint(0, 8)):
            what = rng.random()
            if what < 0.12:
                push(Number(rng.choice([0.5, -2.0, 3.0])))
            elif what < 0.2 and space:
                push(Position(rng.randrange(len(space)), rng.choice([1, -3]), rng.randint(-3, 3)))
            elif what < 0.35 and space:
                ranges = some_ranges()
                access, shape = some_access(ranges)
                body.append(Load(Access(add_input(shape), access.offset, access.strides), ranges))
                push(Choose(ranges, len(body) - 1, rng.choice(numbers)))
            elif what < 0.45 and space:
                ranges = some_ranges() if rng.random() < 0.4 else ()
                size = rng.choice([1, 4, 9])
                table, shape = some_access(ranges)
                index, index_shape = some_access()
                body.append(Load(Access(add_input(index_shape, "index"), index.offset, index.strides)))
                body.append(apply("as_index", len(body) - 1))
                stride = int(np.prod(shape))
                body.append(LoadAt(Access(add_input((size, *shape)), table.offset, table.strides), stride,
                                   len(body) - 1, size, ranges))  # fmt: skip
                push(Choose(ranges, len(body) - 1, rng.choice(numbers)) if ranges else body.pop())
            elif what < 0.55:
                push(apply("less", rng.choice(numbers), rng.choice(numbers)), True)
            elif what < 0.65 and conditions:
                push(apply("where", rng.choice(conditions), rng.choice(numbers), rng.choice(numbers)))
            elif what < 0.72:
                push(apply(rng.choice(["sin", "exp"]), rng.choice(numbers)))
            elif what < 0.78 and space:
                access, shape = some_access()
                push(Load(Access(add_input(shape, "bool"), access.offset, access.strides)), True)
            else:
                push(apply(rng.choice(["add", "mul", "sub"]), rng.choice(numbers), rng.choice(numbers)))
        return body, numbers, conditions

    reduced = tuple(k for k in range(len(space)) if rng.random() < 0.45) if rng.random() < 0.6 else ()
    body, numbers, conditions = build(reduced)
    results = []
    for output in range(rng.randint(1, 3)):
        kinds = ["store"]
        if reduced:
            kinds = ["sum", "sum", "prod", "any", "all"]
            if 0 not in space:
                kinds += ["max", "min"]
            kinds += ["store"] if results else []
        kind = rng.choice(kinds)
        condition = kind in ("any", "all") or (kind == "store" and rng.random() < 0.3)
        if condition and not conditions:
            body.append(apply("less", numbers[0], numbers[-1]))
            conditions.append(len(body) - 1)
        value = rng.choice(conditions[-2:] if condition else numbers[-3:])
        axes = [k for k in range(len(space)) if kind == "store" or k not in reduced]
        if kind != "store":
            rng.shuffle(axes)
        shape = tuple(space[k] for k in axes)
        own = strides_of(shape)
        strides = tuple(own[axes.index(k)] if k in axes else 0 for k in range(len(space)))
        buffers.append(Buffer("output", output, "bool" if condition else dtype, shape))
        access = Access(len(buffers) - 1, 0, strides)
        results.append(Store(value, access) if kind == "store" else reduce(kind, value, access))
    nest = Nest(space, reduced, tuple(body), tuple(results))
    real = tuple(Buffer(b.kind, b.index, dtype if b.dtype == "index" else b.dtype, b.shape) for b in buffers)
    return Plan(real, (nest,), 0), [b.dtype for b in buffers if b.kind == "input"], buffers


def reduce(word, value, access):
    """The reduction that the language calls so."""
    return Reduce(next(op for op in REDUCES if op.word == word), value, access)


def random_inputs(buffers, seed):
    """Arrays for the inputs of a random plan; those that are indices are small integers."""
    rng = np.random.default_rng(seed)
    found = []
    for b in buffers:
        if b.kind != "input":
            continue
        if b.dtype == "bool":
            found.append(rng.random(b.shape) < 0.5)
        elif b.dtype == "index":
            found.append(np.zeros(b.shape) + rng.integers(-1, 1, b.shape))
        else:
            found.append(rng.normal(size=b.shape).astype(b.dtype))
    return found
