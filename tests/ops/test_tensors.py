"""Every operation on tensors, from one table: values, both modes, all orders, leading axes, reach."""

import numpy as np
import pytest

from symdiff.differentiate.forward import forward
from symdiff.differentiate.reverse import reverse
from symdiff.display.array_code import STRUCTURE
from symdiff.display.text import WRITTEN
from symdiff.interpret import evaluate
from symdiff.ir.graph import Graph
from symdiff.ir.verify import verify
from symdiff.ops import OPS, core, indexing, movement, reduction
from symdiff.ops.base import PAYLOADS, MatrixRoutine, Movement
from tests.ops.tensor_cases import CASES, F, identify, operands_of

SMOOTH = [c for c in CASES if OPS[c[0]].differential is not None]
TABLE = pytest.mark.parametrize("case", CASES, ids=identify)
DIFFERENTIABLE = pytest.mark.parametrize("case", SMOOTH, ids=identify)


class Node:
    """One node of an operation on inputs, with their values, and what is added for its derivatives."""

    def __init__(self, case, seed=0):
        self.name, shapes, self.payload = case
        self.arrays = operands_of(self.name, shapes, seed)
        self.graph = graph = Graph()
        self.op = OPS[self.name]
        self.values = {}
        self.args = []
        for k, array in enumerate(self.arrays):
            if array.dtype.kind == "i":
                self.args.append(indexing.integer_array(graph, array))
                continue
            node = graph.input("abcdef"[k], array.shape, "bool" if array.dtype == bool else None)
            self.args.append(node)
            self.values[node] = array
        self.node = graph.add(self.op, tuple(self.args), self.payload)
        self.random = np.random.default_rng(7)

    @property
    def active(self):
        chosen = self.op.differential.active
        return [k for k in range(len(self.args)) if chosen is None or chosen[k]]

    def input(self, shape):
        """A new input with random numbers."""
        array = self.random.normal(size=shape)
        node = self.graph.input(f"t{len(self.values)}", array.shape)
        self.values[node] = array
        return node

    def __call__(self, node):
        found = evaluate(self.graph, [node], self.values)[0]
        assert np.shape(found) == self.graph.types[node].shape
        return found

    def shape(self, node):
        return self.graph.types[node].shape

    def derivative(self, k, direction, step=1e-40):
        """By the complex step of the reference."""
        arrays = [a + 1j * step * direction if j == k else a + (0j if a.dtype.kind == "f" else 0)
                  for j, a in enumerate(self.arrays)]  # fmt: skip
        return np.imag(F[self.name](*arrays, *self.given)) / step

    @property
    def given(self):
        return (self.payload,)


def close(got, want, **tolerance):
    assert np.shape(got) == np.shape(want)
    np.testing.assert_allclose(got, want, **{"rtol": 1e-10, "atol": 1e-11, **tolerance})


def test_the_table_has_every_operation():
    tensor = {op.name for op in OPS.values() if isinstance(op.routine, Movement | MatrixRoutine)}
    assert tensor - {c[0] for c in CASES} <= {
        "named", "stop_gradient", "checkpoint", "checkpoint_adjoint", "custom", "foreign"}  # fmt: skip
    assert set(F) <= tensor


@pytest.mark.parametrize("op", [op for op in OPS.values() if isinstance(op.routine, Movement | MatrixRoutine)],
                         ids=lambda op: op.name)  # fmt: skip
def test_records_say_how_a_node_is_written_and_stored(op):
    assert op in WRITTEN or not op.hidden
    assert op.numpy or op in STRUCTURE or op.name == "foreign"  # a call of its name
    in_file = ("custom", "foreign", "call")  # what users defined, and bodies, are parts of the file
    assert op.payload is None or op.payload in PAYLOADS or op.name in in_file


@TABLE
def test_values_are_numpys(case):
    one = Node(case)
    verify(one.graph)
    want = F[one.name](*one.arrays, *one.given)
    got = one(one.node)
    assert np.asarray(got).dtype == one.graph.types[one.node].dtype
    close(got, want, rtol=1e-12)


@pytest.mark.parametrize("case", [c for c in CASES if c[0] not in ("any", "all", "as_index")], ids=identify)
def test_single_precision_stays(case):
    name, shapes, payload = case
    graph, values, args = Graph("float32"), {}, []
    for k, array in enumerate(operands_of(name, shapes)):
        if array.dtype.kind == "i":
            args.append(indexing.integer_array(graph, array))
        else:
            args.append(graph.input("abcdef"[k], array.shape))
            values[args[-1]] = array
    node = graph.add(name, tuple(args), payload)
    verify(graph)
    assert graph.types[node].dtype == "float32"
    assert np.asarray(evaluate(graph, [node], values)[0]).dtype == np.float32


@DIFFERENTIABLE
def test_first_derivatives_in_both_modes(case):
    one = Node(case)
    graph, rules = one.graph, one.op.differential
    for k in one.active:
        t, g = one.input(one.shape(one.args[k])), one.input(one.shape(one.node))
        tangents = [None] * len(one.args)
        tangents[k] = t
        pushed, pulled = rules.pushforward(graph, tangents, one.node, 0), rules.pullback(graph, g, one.node, k, 0)
        verify(graph)
        close(one(pushed), one.derivative(k, one.values[t]), rtol=1e-9)
        assert one.shape(pulled) == one.shape(one.args[k])
        close(np.sum(one(pushed) * one.values[g]), np.sum(one(pulled) * one.values[t]), rtol=1e-9)
    if len(one.active) > 1:
        every = [one.input(one.shape(a)) if k in one.active else None for k, a in enumerate(one.args)]
        got = one(rules.pushforward(graph, every, one.node, 0))
        close(got, sum(one.derivative(k, one.values[every[k]]) for k in one.active), rtol=1e-9)


@DIFFERENTIABLE
@pytest.mark.parametrize("lead", [(2,), (2, 3), (1,), (0,)], ids=str)
def test_leading_axes_are_loops(case, lead):
    one = Node(case)
    graph, rules = one.graph, one.op.differential
    count = len(lead)
    for k in one.active:
        t, g = one.input((*lead, *one.shape(one.args[k]))), one.input((*lead, *one.shape(one.node)))
        tangents = [None] * len(one.args)
        tangents[k] = t
        pushed = one(rules.pushforward(graph, tangents, one.node, count))
        pulled = one(rules.pullback(graph, g, one.node, k, count))
        verify(graph)
        assert pushed.shape == (*lead, *one.shape(one.node))
        assert pulled.shape == (*lead, *one.shape(one.args[k]))
        for at in np.ndindex(*lead):
            alone = [None] * len(one.args)
            alone[k] = movement.element(graph, t, at)
            close(pushed[at], one(rules.pushforward(graph, alone, one.node, 0)))
            close(pulled[at], one(rules.pullback(graph, movement.element(graph, g, at), one.node, k, 0)))


@DIFFERENTIABLE
def test_second_order_by_differentiating_again(case):
    """The gradient's derivative, forwards and backwards, against differences of the gradient."""
    one = Node(case)
    graph = one.graph
    targets = [one.args[k] for k in one.active]
    weight = one.input(one.shape(one.node))
    square = graph.add("mul", (graph.add("mul", (one.node, one.node)), weight))
    value = reduction.sum_over(graph, square)
    gradients = reverse(graph, value, graph.constant(1.0), targets)
    directions = [one.input(one.shape(a)) for a in targets]
    if one.name == "cholesky":  # the derivative by a symmetric matrix; the value reads one triangle only
        for d in directions:
            one.values[d] = one.values[d] + np.swapaxes(one.values[d], -1, -2)
    pairs = zip(gradients, directions, strict=True)
    slope = None
    for gradient, direction in pairs:
        if gradient is not None:
            part = reduction.sum_over(graph, graph.add("mul", (gradient, direction)))
            slope = part if slope is None else graph.add("add", (slope, part))
    if slope is None:
        return
    ahead = forward(graph, [slope], dict(zip(targets, directions, strict=True)))[0]
    back = reverse(graph, slope, graph.constant(1.0), targets)
    verify(graph)
    found = 0.0 if ahead is None else one(ahead)
    twice = sum(np.sum(one(b) * one.values[d]) for b, d in zip(back, directions, strict=True) if b is not None)
    close(found, twice, rtol=1e-8, atol=1e-9)
    start = {n: one.values[n] for n in targets}
    h = 1e-4
    around = []
    for s in (-2, -1, 1, 2):
        for n, d in zip(targets, directions, strict=True):
            one.values[n] = start[n] + s * h * one.values[d]
        around.append(one(slope))
    want = (around[0] - 8 * around[1] + 8 * around[2] - around[3]) / (12 * h)
    close(found, want, rtol=1e-6, atol=1e-6 * max(1.0, abs(around[1])))


@DIFFERENTIABLE
@pytest.mark.parametrize("lead", [(), (2,)], ids=str)
def test_reach_covers_all_that_a_value_goes_to(case, lead):
    """Where the derivative by an element is not 0, the mask of that element reaches."""
    one = Node(case)
    graph, rules = one.graph, one.op.differential
    count = len(lead)

    def moved(mask, k, ahead):
        if rules.reach is not None:
            return rules.reach(graph, mask, one.node, k, count, ahead)
        if not ahead:
            return rules.pullback(graph, mask, one.node, k, count)
        tangents = [None] * len(one.args)
        tangents[k] = mask
        return rules.pushforward(graph, tangents, one.node, count)

    for k in one.active:
        for ahead in (True, False):
            source = one.shape(one.args[k] if ahead else one.node)
            target = one.shape(one.node if ahead else one.args[k])
            mask = graph.input(f"m{k}{ahead}", (*lead, *source))
            reached = moved(mask, k, ahead)
            for at in list(np.ndindex(*source))[:6]:
                unit = np.zeros(source)
                unit[at] = 1.0
                one.values[mask] = np.broadcast_to(unit, (*lead, *source))
                got = one(reached)
                assert got.shape == (*lead, *target)
                assert not np.any(got < 0)
                tangents = [None] * len(one.args)
                seed = graph.constant(unit)
                if ahead:
                    tangents[k] = seed
                    slope = one(rules.pushforward(graph, tangents, one.node, 0))
                else:
                    slope = one(rules.pullback(graph, seed, one.node, k, 0))
                assert np.all((got > 0) | (slope == 0))


@pytest.mark.parametrize("name", [op.name for op in OPS.values() if op.flops is not None])
def test_operations_are_counted(name):
    for case in CASES:
        if case[0] == name:
            one = Node(case)
            found = one.op.flops([one.graph.types[a] for a in one.args], one.graph.types[one.node], one.payload)
            assert all(key in OPS and isinstance(n, int) and n >= 0 for key, n in found.items())


NOTHING = np.zeros(0)
WITHOUT_ELEMENTS = {
    **dict.fromkeys((core.SUM, core.PROD, core.NORM), (np.zeros((0, 3)), (0,))),
    **dict.fromkeys((core.ANY, core.ALL), (np.zeros((0, 3), bool), (0,))),
    **dict.fromkeys((core.DET, core.DET_SIGN, core.LOGDET), (np.zeros((0, 0)), None)),
    core.EINSUM: (NOTHING, NOTHING, (((0,), (0,)), ())),
    core.SCATTER: (NOTHING, (((0, 0, 1),), (4,))),
    core.SCATTER_ADD: (NOTHING, NOTHING.astype(np.int64), (0, 4)),
}


@pytest.mark.parametrize("op", WITHOUT_ELEMENTS, ids=lambda op: op.name)
def test_records_say_what_an_operand_without_elements_gives(op):
    got = np.asarray(op.routine.evaluate(*WITHOUT_ELEMENTS[op]))
    assert got.size
    assert (got == op.empty).all()
    assert got.dtype == np.asarray(op.empty).dtype


def test_no_other_record_says_what_nothing_gives():
    assert {op for op in OPS.values() if op.empty is not None} == set(WITHOUT_ELEMENTS)
