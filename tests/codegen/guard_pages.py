"""Random programs on operands that lie at the edges of pages with nothing beside them.

`python -m tests.codegen.guard_pages seed count`: a byte read or written beside an operand or a constant
ends the process. Where it got to stands in what it printed.
"""

from __future__ import annotations

import ctypes
import faulthandler
import mmap
import sys

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from symdiff.codegen.kernel import Options
from symdiff.codegen.layout import BYTES
from symdiff.codegen.loops import LOOP
from symdiff.codegen.tensors import loop as tensor_loop
from symdiff.codegen.tensors import module as tensor_module
from symdiff.codegen.tensors.kernel import TensorKernel
from symdiff.codegen.tensors.loop import CHECKED, CONSTANTS
from symdiff.interpret import evaluate
from symdiff.optimize import pipeline
from tests.optimize.test_plan_random import graphs

PAGE = mmap.PAGESIZE
C = ctypes.CDLL(None)
C.mprotect.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
NOTHING, READ = 0, 1


class Block:
    """So many bytes at the end or at the beginning of pages, with forbidden pages around them."""

    def __init__(self, size, at_end):
        self.size, self.body = size, -(-size // PAGE) * PAGE
        self.memory = mmap.mmap(-1, self.body + 2 * PAGE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.first = start + PAGE
        self.address = self.first + (self.body - size if at_end else 0)
        for place in (start, self.first + self.body):
            assert C.mprotect(place, PAGE, NOTHING) == 0

    def array(self, dtype):
        return np.frombuffer((ctypes.c_char * self.size).from_address(self.address), dtype)

    def close(self):
        """Make it read-only."""
        if self.body:
            assert C.mprotect(self.first, self.body, READ) == 0


def strides_for(rng, shape, loose):
    """Strides in elements, in C order or any: other orders of axes, gaps, backwards."""
    strides, step = [0] * len(shape), 1
    for k in rng.permutation(len(shape)) if loose else reversed(range(len(shape))):
        own = step * int(rng.integers(1, 4)) if loose else step
        strides[k] = -own if loose and rng.random() < 0.3 else own
        step = own * max(shape[k], 1)
    return strides


def place(rng, shape, dtype, at_end, loose):
    """A block and an array of a shape in all of it."""
    item, strides = BYTES[dtype], strides_for(rng, shape, loose)
    if 0 in shape:
        block = Block(0, at_end)
        return block, block.address, np.empty(shape, dtype), [s * item for s in strides]
    ends = [s * (n - 1) for s, n in zip(strides, shape, strict=True)]
    low = -sum(e for e in ends if e < 0)
    block = Block((1 + sum(map(abs, ends))) * item, at_end)
    flat = block.array(dtype)
    flat[...] = rng.random(flat.shape) < 0.5 if dtype == "bool" else rng.uniform(-2, 2, flat.shape)
    view = np.lib.stride_tricks.as_strided(flat[low:], shape, [s * item for s in strides])
    return block, block.address + low * item, view, [s * item for s in strides]


def run(made, fp, at_end, points, loose, entry, number):
    graph, inputs, outputs = made
    program = pipeline.optimize(graph, [(graph.types[n], (n,)) for n in inputs], outputs, fp=fp)
    if not hasattr(program, "plan"):
        return
    kernel, rng = TensorKernel(program, Options(fp=fp)), np.random.default_rng(number)
    operands, count = kernel.layout.operands, len(inputs)
    placed = [place(rng, (points, *o.shape), o.dtype, at_end, loose) for o in operands]
    for block, *_ in placed[:count]:
        block.close()
    constants = (ctypes.c_void_p * max(1, len(program.plan.constants))).from_address(kernel._code[CONSTANTS])
    kept = []
    for k, array in enumerate(program.plan.constants):
        block = Block(array.nbytes, at_end)
        block.array(array.dtype)[...] = array.ravel()
        block.close()
        kept.append(block)
        constants[k] = block.address
    steps = [p[3][0] for p in placed] + [s for p in placed for s in p[3][1:]]
    call = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 4)(kernel._code[entry])
    code = call((ctypes.c_void_p * len(placed))(*[p[1] for p in placed]), ctypes.byref(ctypes.c_ssize_t(points)),
                (ctypes.c_ssize_t * len(steps))(*steps), None)  # fmt: skip
    assert code == 0
    for point in range(points):
        here = [p[2][point] for p in placed]
        wanted = evaluate(graph, outputs, dict(zip(inputs, here[:count], strict=True)))
        for got, want in zip(here[count:], wanted, strict=True):
            np.testing.assert_allclose(np.asarray(got, float), np.asarray(want, float), rtol=1e-7, atol=1e-9)


def main():
    faulthandler.enable()
    number, count = map(int, sys.argv[1:])
    pipeline.MOST_UNROLLED = -1
    tensor_loop.LARGEST_FRAME = tensor_module.LARGEST_FRAME = 0  # the workspace is malloc's, which may notice

    @seed(number)
    @settings(max_examples=count, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(graphs(), st.sampled_from(["strict", "contract"]), st.booleans(), st.sampled_from([1, 2, 3]),
           st.booleans(), st.sampled_from([LOOP, CHECKED]), st.integers(0, 1000))  # fmt: skip
    def all_runs(made, fp, at_end, points, loose, entry, number):
        print(made[0].ops[-1].name, fp, at_end, points, loose, entry, number, flush=True)
        run(made, fp, at_end, points, loose, entry, number)

    all_runs()


if __name__ == "__main__":
    main()
