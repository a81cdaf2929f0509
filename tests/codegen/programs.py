"""Programs made by hand, and their values by the interpreter."""

import dataclasses
import random

import numpy as np

from symdiff import codegen
from symdiff.interpret import evaluate
from symdiff.ir.graph import Graph, collector_paused
from symdiff.optimize.program import Program
from symdiff.types import tensor

F = tensor("float64")


def compile_program(prog, options=None):
    """Native code whose batches have the bits of points."""
    return codegen.compile_program(prog, dataclasses.replace(options or codegen.Options(), math="scalar"))


def node_types(graph, outputs, shapes):
    return tuple(tensor(graph.types[nodes[0]].dtype if nodes else graph.dtype, shape)
                 for nodes, shape in zip(outputs, shapes, strict=True))  # fmt: skip


def program(build, inputs, shapes=None, dtype="float64"):
    """`build(graph, arrays of input nodes)` returns a list of outputs: a node, or a (nested) list of nodes."""
    graph = Graph(dtype)
    types, nodes = [], []
    for k, entry in enumerate(inputs):
        shape, kind = entry if entry and isinstance(entry[-1], str) else (entry, dtype)
        types.append(tensor(kind, shape))
        cells = np.empty(shape, object)
        for e in range(cells.size):
            cells.flat[e] = graph.input((k, e), (), kind)
        nodes.append(cells if shape else cells[()])
    made = build(graph, *nodes)
    arrays = [np.array(m, object) for m in made]
    outputs = tuple(tuple(int(n) for n in a.ravel()) for a in arrays)
    shapes = shapes or [a.shape for a in arrays]
    return Program(graph, tuple(types), outputs, node_types(graph, outputs, shapes))


def reference(prog, *values):
    """The outputs at points along a leading axis, computed by the interpreter."""
    values = [np.asarray(v, t.dtype) for v, t in zip(values, prog.inputs, strict=True)]
    batch = np.broadcast_shapes(*(v.shape[: v.ndim - len(t.shape)] for v, t in zip(values, prog.inputs, strict=True)))
    given = {}
    for node, op in enumerate(prog.graph.ops):
        if op.name == "input":
            k, e = prog.graph.payloads[node]
            index = np.unravel_index(e, prog.inputs[k].shape) if prog.inputs[k].shape else ()
            given[node] = np.broadcast_to(values[k][(..., *index)], batch)
    results = []
    for nodes, type_ in zip(prog.outputs, prog.types, strict=True):
        found = evaluate(prog.graph, nodes, given)
        out = np.empty((*batch, len(nodes)), type_.dtype)
        for e, value in enumerate(found):
            out[..., e] = value
        results.append(out.reshape((*batch, *type_.shape)))
    return results


def random_program(count, calls=0.1, nin=8, nout=4, seed=0, window=50, far=0.02, dtype="float64"):
    """Straight-line code on inputs in [-1, 1], most of it live."""
    r = random.Random(seed)
    graph = Graph(dtype)
    type_ = tensor(dtype)
    with collector_paused():
        values = [graph.input((k, 0)) for k in range(nin)]
        conditions = []
        while len(graph.ops) < count + nin:
            a = values[-1 - r.randrange(min(window, len(values)))]
            b = values[r.randrange(len(values))] if r.random() < far else values[-1]
            t = r.random()
            if t < calls:
                value = graph.add(r.choice(["sin", "cos", "tanh", "atan"]), (b,))
            elif t < calls + 0.02:
                conditions.append(graph.add("less", (a, b)))
                continue
            elif t < calls + 0.04 and conditions:
                value = graph.add("where", (r.choice(conditions), a, b))
            elif t < 0.5:  # the mean and the product keep every value in [-1, 1]
                half = graph.constant(0.5)
                value = graph.add("mul", (graph.add(r.choice(["add", "sub"]), (a, b)), half))
            elif t < 0.6:
                value = graph.add("mul", (a, b))
            else:
                value = graph.add("sub", (graph.constant(0.9), graph.add("abs", (b,))))
            values.append(value)
    outputs = tuple((v,) for v in values[-nout:])
    return Program(graph, (type_,) * nin, outputs, (type_,) * nout)


def same_bits(a, b):
    """Whether two arrays are equal bit for bit, any NaN being equal to any."""
    a, b = np.asarray(a), np.asarray(b)
    assert a.dtype == b.dtype, (a.dtype, b.dtype)
    assert a.shape == b.shape, (a.shape, b.shape)
    if a.dtype == bool:
        return bool((a == b).all())
    bits = f"u{a.itemsize}"
    equal = (np.ascontiguousarray(a).view(bits) == np.ascontiguousarray(b).view(bits)) | (np.isnan(a) & np.isnan(b))
    return bool(equal.all())
