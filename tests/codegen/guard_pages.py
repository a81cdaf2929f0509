"""Random programs on operands that lie at the edges of pages with nothing beside them.

`python -m tests.codegen.guard_pages seed count`: a byte read or written beside an operand or a constant
ends the process. Where it got to stands in what it printed. With `open` for the seed the programs are those of
`open_formulas` and of random formulas, for `count` sizes each, whose code is made for many sizes.
"""

from __future__ import annotations

import ctypes
import faulthandler
import itertools
import mmap
import sys

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import symdiff as sd
from symdiff.codegen.kernel import Options
from symdiff.codegen.layout import BYTES
from symdiff.codegen.loops import LOOP
from symdiff.codegen.tensors import kernel as tensor_kernel
from symdiff.codegen.tensors import loop as tensor_loop
from symdiff.codegen.tensors.kernel import TensorKernel
from symdiff.codegen.tensors.loop import CHECKED, CONSTANTS
from symdiff.functions.running import Bound
from symdiff.interpret import evaluate
from symdiff.optimize import pipeline
from tests.functions.open_formulas import FORMULAS, RANKS, arguments, names, random_formula
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


def called(kernel, count, rng, at_end, points, loose, entry, data=None, given=None):
    """The operands at each of some points, after a call; `given` are values for the inputs, else they are random."""
    placed = [place(rng, (points, *o.shape), o.dtype, at_end, loose) for o in kernel.layout.operands]
    for k, (block, _, view, _) in enumerate(placed[:count]):
        if given is not None:
            view[...] = given[k]
        block.close()
    steps = [p[3][0] for p in placed] + [s for p in placed for s in p[3][1:]]
    call = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 4)(kernel._code[entry])
    code = call((ctypes.c_void_p * len(placed))(*[p[1] for p in placed]), ctypes.byref(ctypes.c_ssize_t(points)),
                (ctypes.c_ssize_t * len(steps))(*steps), data)  # fmt: skip
    assert code == 0
    return [[p[2][point].copy() for p in placed] for point in range(points)]


def run_open(f, sizes, number):
    """A function with open sizes for some of them; what its code gives is compared with code for these sizes alone."""
    rng = np.random.default_rng(number)
    args = arguments(f, sizes, rng)
    bound = f._cases.running.table[f._cases.key(list(args))]
    if not isinstance(bound, Bound):
        return
    kernel, made = bound.kernel, f.specialize(*args)
    wanted = made.compile()(*args)
    for at_end, loose in itertools.product((True, False), repeat=2):
        entry = (LOOP, CHECKED)[int(rng.integers(2))]
        found = called(kernel, len(args), rng, at_end, 2, loose, entry, kernel._values.ctypes.data, args)
        for here in found:
            for got, want in zip(here[len(args) :], wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
                np.testing.assert_allclose(got, want, rtol=1e-7, atol=1e-9)


def all_open(count):
    """Every formula for so many sizes."""
    cases = {name: transform(sd.function(text)) for name, (text, transform) in FORMULAS.items()}
    for number in range(20):
        text, by = random_formula(number)
        cases[f"random {number}"] = sd.value_and_grad(text, by)
    for case, f in cases.items():
        for number in range(count):
            rng = np.random.default_rng(number)
            # large ones now and then: their rows begin where vectors do
            sizes = {name: int(rng.integers(16, 1500 if rng.random() < 0.1 else 70))
                     for name in names(f, RANKS.get(case, 1))}  # fmt: skip
            print(case, sizes, flush=True)
            run_open(f, sizes, number)


def run(made, fp, at_end, points, loose, entry, number):
    graph, inputs, outputs = made
    program = pipeline.optimize(graph, [(graph.types[n], (n,)) for n in inputs], outputs, fp=fp)
    if not hasattr(program, "plan"):
        return
    kernel, rng = TensorKernel(program, Options(fp=fp)), np.random.default_rng(number)
    constants = (ctypes.c_void_p * max(1, len(program.plan.constants))).from_address(kernel._code[CONSTANTS])
    kept = []
    for k, array in enumerate(program.plan.constants):
        block = Block(array.nbytes, at_end)
        block.array(array.dtype)[...] = array.ravel()
        block.close()
        kept.append(block)
        constants[k] = block.address
    count = len(inputs)
    for here in called(kernel, count, rng, at_end, points, loose, entry):
        wanted = evaluate(graph, outputs, dict(zip(inputs, here[:count], strict=True)))
        for got, want in zip(here[count:], wanted, strict=True):
            np.testing.assert_allclose(np.asarray(got, float), np.asarray(want, float), rtol=1e-7, atol=1e-9)


def main():
    faulthandler.enable()
    count = int(sys.argv[2])
    tensor_loop.LARGEST_FRAME = tensor_kernel.LARGEST_FRAME = 0  # the workspace is malloc's, which may notice
    if sys.argv[1] == "open":
        all_open(count)
        return
    number = int(sys.argv[1])
    pipeline.MOST_UNROLLED = -1

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
