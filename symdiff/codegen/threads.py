"""Big batches on several threads: each computes a slice of the batch with the same ufunc, so results are the same.

NumPy lets go of the interpreter's lock while a ufunc runs. The slices run without warnings; what they saw is told by
one call in the caller's thread, so that np.errstate rules as it does for one thread.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from symdiff.codegen import jit
from symdiff.codegen.layout import Layout, Operand
from symdiff.codegen.module import assemble_module
from symdiff.codegen.status import status
from symdiff.native.calls import make_ufunc
from symdiff.native.code import Code

SMALLEST = 2_000_000
"""Operations, over all points, of a slice; a batch of less than two slices is computed by one thread. (Measured: to
start slices in another thread takes about 100 µs, an operation of one point 0.1 ns.)"""

SHARES = 4
"""Slices for each thread, so that one that is slow does not keep the others waiting."""

RAISE = "exceptions"


def processors() -> int:
    """How many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not every operating system tells
        return os.cpu_count() or 1


@functools.cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, f"symdiff-{process}")


@functools.cache
def _exceptions() -> Code:
    """A loop `int exceptions(char **args, …)` that raises the floating-point exceptions of its operand, a number."""
    state = status()
    choose = []
    for k, bit in enumerate((state.divide, state.overflow, state.invalid)):
        choose += [f"%b{k} = and i32 %bits, {1 << k}", f"%c{k} = icmp ne i32 %b{k}, 0"]
        choose.append(f"%d{k} = select i1 %c{k}, i32 {bit}, i32 0")
    lines = [
        f"define i32 @{RAISE}(ptr %args, ptr %dims, ptr %steps, ptr %data) #0 {{",
        *state.allocate,
        "%a = load ptr, ptr %args",
        "%x = load double, ptr %a",
        "%bits = fptoui double %x to i32",
        *choose,
        *state.get("%before"),
        "%e = or i32 %d0, %d1",
        "%f = or i32 %e, %d2",
        "%g = or i32 %f, %before",
        *state.put("%g"),
        "ret i32 0",
        "}",
    ]
    module = assemble_module(state.declarations, lines, state.functions, [RAISE])
    return jit.link(module.text, module.addresses(), module.exports, 1)


class Threaded:
    """A ufunc whose big batches are spread over threads.

    Attributes
    ----------
    ufunc : what computes the slices, and everything that is not a plain big batch.
    threads : how many there are.
    """

    def __init__(self, ufunc: np.ufunc, layout: Layout, operations: int, threads: int) -> None:
        self.ufunc = ufunc
        self.threads = threads or processors()
        self._layout = layout
        self._least = max(2, SMALLEST // max(1, operations))
        self._raise: np.ufunc | None = None

    def __call__(self, *values: Any, **options: Any) -> Any:
        """As the ufunc."""
        if self.threads < 2 or set(options) - {"out", "where"}:
            return self.ufunc(*values, **options)
        plan = self._plan(values, options)
        return self.ufunc(*values, **options) if plan is None else self._spread(*plan)

    def _plan(self, values: Sequence[Any], options: dict[str, Any]) -> Any:
        """The arrays, the outputs and the axis to be cut; None where one thread has to do it."""
        layout = self._layout
        if any(isinstance(v, np.ndarray) and type(v) is not np.ndarray for v in values):
            return None
        inputs = [np.asarray(v) for v in values]
        if len(inputs) != len(layout.inputs):
            return None
        where = options.get("where", True)
        mask = None if where is True else np.asarray(where)
        ranks = [a.ndim - len(o.shape) for a, o in zip(inputs, layout.inputs, strict=True)]
        if min(ranks, default=0) < 0:
            return None
        try:
            batch = np.broadcast_shapes(
                *(a.shape[:r] for a, r in zip(inputs, ranks, strict=True)), () if mask is None else mask.shape
            )
        except ValueError:
            return None
        if not batch or np.prod(batch) < 2 * self._least:
            return None
        given = options.get("out")
        outputs = list(given) if isinstance(given, tuple) else [given] * len(layout.outputs)
        if len(outputs) != len(layout.outputs):
            return None
        if mask is not None and any(o is None for o in outputs):
            return None
        for k, (array, operand) in enumerate(zip(outputs, layout.outputs, strict=True)):
            if array is None:
                outputs[k] = self._empty(operand, batch, [a for a, r in zip(inputs, ranks, strict=True) if r])
            elif not isinstance(array, np.ndarray) or array.shape[: len(batch)] != batch:
                return None
        if not self._apart(inputs if mask is None else [*inputs, mask], outputs, given is not None):
            return None
        axis = next((k for k, n in enumerate(batch) if n >= self.threads), int(np.argmax(batch)))
        return inputs, ranks, mask, outputs, batch, axis

    @staticmethod
    def _empty(operand: Operand, batch: tuple[int, ...], inputs: list[Any]) -> Any:
        """A new output, in the order that NumPy would choose."""
        full = [a for a in inputs if a.ndim >= len(batch) and not operand.shape]
        fortran = bool(full) and all(a.flags.f_contiguous and not a.flags.c_contiguous for a in full)
        return np.empty(batch + operand.shape, operand.dtype, order="F" if fortran else "C")

    @staticmethod
    def _apart(inputs: Sequence[Any], outputs: Sequence[Any], given: bool) -> bool:
        """Whether no slice writes what another one reads or writes."""
        if not given:
            return True
        for k, output in enumerate(outputs):
            for array in [*inputs, *outputs[:k]]:
                same = array.__array_interface__["data"] == output.__array_interface__["data"]
                alike = same and array.shape == output.shape and array.strides == output.strides
                if not alike and np.may_share_memory(array, output):
                    return False
        return True

    def _spread(
        self, inputs: list[Any], ranks: list[int], mask: Any, outputs: list[Any], batch: tuple[int, ...], axis: int
    ) -> Any:
        size = batch[axis]
        points = int(np.prod(batch))
        count = max(2, min(size, self.threads * SHARES, points // self._least))
        edges = [size * k // count for k in range(count + 1)]

        def cut(array: Any, rank: int, low: int, high: int) -> Any:
            at = axis - (len(batch) - rank)
            if at < 0 or array.shape[at] == 1:
                return array
            return array[(slice(None),) * at + (slice(low, high),)]

        def run(low: int, high: int) -> int:
            seen = 0

            def note(kind: str, _flag: int) -> None:
                nonlocal seen
                seen |= {"d": 1, "o": 2, "i": 4}.get(kind[0], 0)

            values = [cut(a, r, low, high) for a, r in zip(inputs, ranks, strict=True)]
            targets = tuple(cut(o, len(batch), low, high) for o in outputs)
            options = {} if mask is None else {"where": cut(mask, mask.ndim, low, high)}
            with np.errstate(divide="call", over="call", invalid="call", call=note):
                self.ufunc(*values, out=targets, **options)
            return seen

        pool = _pool(self.threads - 1, os.getpid())
        queue = deque(itertools.pairwise(edges))

        def work() -> int:
            """Compute slices while there are any; the exceptions that were seen."""
            seen = 0
            while True:
                try:
                    ends = queue.popleft()
                except IndexError:
                    return seen
                seen |= run(*ends)

        futures = [pool.submit(work) for _ in range(min(self.threads, count) - 1)]
        try:
            exceptions = work()
        finally:
            queue.clear()
            wait(futures)
        for future in futures:
            exceptions |= future.result()
        if exceptions:
            self._tell(exceptions)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _tell(self, exceptions: int) -> None:
        """Raise these exceptions in this thread, in the name of the ufunc."""
        if self._raise is None:
            number = Operand("float64", (), (0,))
            loop = _exceptions()[RAISE]
            self._raise = make_ufunc(Layout((number,), (number,), False), loop, 0, self.ufunc.__name__, "", [])
        self._raise(float(exceptions))
