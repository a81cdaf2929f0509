"""Bodies as payloads: equal where they say the same, checked, written and read, and opened where nobody knows calls."""

import copy
import json
import pickle

import numpy as np
import pytest

import symdiff as sd
from symdiff.budget import limits
from symdiff.display.code import python_source
from symdiff.display.draw import graphviz
from symdiff.display.latex import latex
from symdiff.display.text import expression
from symdiff.errors import ArgumentError, LimitError, ShapeError, StorageError, SymdiffError, VerifyError
from symdiff.frontend.parser import parse
from symdiff.frontend.sympy_export import sympy_of
from symdiff.functions.function import Function
from symdiff.interpret import evaluate
from symdiff.ir.body import Body
from symdiff.ir.frozen import DEEPEST, Frozen, nested
from symdiff.ir.graph import Graph
from symdiff.ir.inlining import inlined, without_calls
from symdiff.ir.listing import listing
from symdiff.ir.stored import flatten, unflatten
from symdiff.ir.verify import verify
from symdiff.ops import core
from symdiff.ops.call import call_of
from symdiff.signature import Argument


def read(text, *names, shapes=(), before=()):
    """A text as a body; `before` are texts whose nodes the graph has already."""
    shapes = dict(zip(names, shapes, strict=False))
    arguments = [Argument(n, shapes.get(n, ())) for n in names]
    graph = Graph()
    for other in (*before, text):
        parsed = parse(other, arguments=arguments)
        found = Body.of(parsed.graph, [parsed.output, *parsed.names.values()]).copy(graph)
    return Body(graph, [found[parsed.names[n]] for n in names], [found[parsed.output]])


SQUARE_SUM = "u = x*y\nu*u + sin(u)"
CASES = {
    "scalars": (SQUARE_SUM, ("x", "y"), ((), ()), (0.3, 0.7)),
    "not all used": ("exp(y)", ("x", "y"), ((), ()), (0.3, 0.7)),
    "a parameter": ("x", ("x",), ((),), (0.3,)),
    "guards": ("where(x > 0, sqrt(x), 0)", ("x",), ((),), (0.4,)),
    "arrays": ("sum(tanh(A @ x)**2)", ("A", "x"), ((3, 3), (3,)), (np.eye(3) + 0.1, np.array([0.1, 0.2, 0.3]))),
    "an array": ("A @ x", ("A", "x"), ((3, 3), (3,)), (np.eye(3) + 0.1, np.array([0.1, 0.2, 0.3]))),
}


def functions(name):
    """A case as a function with a call in it, and the same without."""
    text, names, shapes, _ = CASES[name]
    graph = Graph()
    inputs = [graph.input(n, s) for n, s in zip(names, shapes, strict=True)]
    node = call_of(graph, Frozen(read(text, *names, shapes=shapes)), inputs)
    node = graph.add("mul", (graph.constant(2.0), node))
    arguments = [Argument(n, s) for n, s in zip(names, shapes, strict=True)]
    f = Function(graph, arguments, [("f", node)], names=dict(zip(names, inputs, strict=True)))
    *lines, last = text.split("\n")
    return f, sd.function("\n".join([*lines, f"2*({last})"]), list(names), shapes=dict(zip(names, shapes, strict=True)))


def equal(got, wanted):
    if isinstance(wanted, tuple):
        assert len(got) == len(wanted)
        for a, b in zip(got, wanted, strict=True):
            equal(a, b)
    else:
        np.testing.assert_array_equal(got, wanted)


# Equality


def test_equal_bodies_are_one_payload():
    first = Frozen(read(SQUARE_SUM, "x", "y"))
    second = Frozen(read(["sin(a*b)", "q = a*b\nq*q + sin(q)"][1], "a", "b", before=["b - a", "sin(a*b)"]))
    assert first == second
    assert hash(first) == hash(second)
    assert first.digest == Frozen(first).digest
    graph = Graph()
    x, y = graph.input("x"), graph.input("y")
    assert call_of(graph, first, [x, y]) == call_of(graph, second, [x, y])
    assert call_of(graph, first, [x, y]) != call_of(graph, first, [y, x])


@pytest.mark.parametrize(
    "other",
    [
        read("u = x*y\nu*u + cos(u)", "x", "y"),
        read(SQUARE_SUM, "y", "x"),
        read(SQUARE_SUM, "x", "y", "z"),
        read(SQUARE_SUM, "x", "y", shapes=[(2,), ()]),
        read("u = x*y\nu*u + sin(u) + 0", "x", "y"),
        Body(read(SQUARE_SUM, "x", "y").graph, (), ()),
    ],
)
def test_others_are_not(other):
    assert Frozen(read(SQUARE_SUM, "x", "y")) != Frozen(other)
    assert Frozen(read(SQUARE_SUM, "x", "y")) != "x*y"


def test_constants_are_told_apart_by_their_bits():
    digests = {Frozen(read(f"x + {c}", "x")).digest for c in ("0", "-0.0", "1", "[1, 2]", "[1, 3]", "nan")}
    assert len(digests) == 6


def test_nothing_free_and_no_growth():
    body = read("x + y", "x", "y")
    with pytest.raises(ArgumentError, match="y is none of the parameters"):
        Frozen(Body(body.graph, body.parameters[:1], body.results))
    frozen = Frozen(body)
    for grow in (lambda g: g.add("sin", (0,)), lambda g: g.constant(7.0), lambda g: g.input("z")):
        with pytest.raises(SymdiffError, match="does not grow"):
            grow(frozen.graph)
    assert frozen.graph.add("add", (0, 1)) == frozen.root  # what is there is found


def test_types_are_checked():
    frozen, graph = Frozen(read("x + y", "x", "y")), Graph()
    x, w = graph.input("x"), graph.input("w", (3,))
    with pytest.raises(ShapeError, match="a body of 2 parameters is given 1 operands"):
        call_of(graph, frozen, [x])
    with pytest.raises(ShapeError, match="operand 1 has the type"):
        call_of(graph, frozen, [x, w])
    with pytest.raises(ShapeError, match="without parameters"):
        call_of(graph, Frozen(read("2 + 3")), [])


# Bodies in bodies


def tower(height, times=1):
    """Bodies in each other: sin applied so often, or a tree of so many calls in each."""
    body = Frozen(read("sin(x)", "x"))
    for _ in range(height - 1):
        graph = Graph()
        x = node = graph.input("x")
        for _ in range(times):
            node = call_of(graph, body, [node])
        body = Frozen(Body(graph, [x], [graph.add("cos", (node,))]))
    return body


def test_they_are_walked_once_each_and_to_a_depth():
    body = tower(DEEPEST, 2)
    assert body.depth == DEEPEST
    graph = Graph()
    node = call_of(graph, body, [graph.input("x")])
    found = nested(graph, [node])
    assert [b.depth for b in found] == list(range(1, DEEPEST + 1))
    verify(graph)
    with pytest.raises(ArgumentError, match="stand in each other"):
        tower(DEEPEST + 1)
    with limits(nodes=10_000), pytest.raises(LimitError):  # 2**63 calls
        inlined(graph, [node])


def test_inlined_and_evaluated():
    body = tower(6, 2)
    graph = Graph()
    x = graph.input("x")
    node = graph.named("line", graph.add("exp", (call_of(graph, body, [x]),)))
    top = graph.add("mul", (node, x))
    moved = inlined(graph, [top])
    assert core.CALL not in {graph.ops[n] for n in graph.live([moved[top]])}
    assert graph.payloads[moved[node]] == "line"
    called, plain = evaluate(graph, [top, moved[top]], {x: 0.3})
    assert called == plain
    other, (root,) = without_calls(graph, [top])
    assert core.CALL not in {other.ops[n] for n in other.live([root])}
    assert evaluate(other, [root], {other.input("x"): 0.3})[0] == plain
    bare = Graph()
    assert inlined(bare, [bare.input("x")]) == {}
    assert without_calls(bare, [0])[0] is bare


# Functions


@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives_are_those_of_the_formula(name):
    f, plain = functions(name)
    point = CASES[name][3]
    for fp in ("contract", "strict"):
        made, wanted = f._program(fp), plain._program(fp)
        assert listing(made.graph, made.roots) == listing(wanted.graph, wanted.roots)
    equal(f(*point), plain(*point))
    transforms = [sd.jacobian] if name == "an array" else [sd.grad, sd.hessian, sd.value_and_grad]
    for transform in transforms:
        equal(transform(f)(*point), transform(plain)(*point))
    if name != "an array":
        equal(sd.jacobian(sd.hessian(f, "x"), "x")(*point), sd.jacobian(sd.hessian(plain, "x"), "x")(*point))
        for mode in ("forward", "reverse"):
            equal(sd.jacobian(f, "x", mode=mode)(*point), sd.jacobian(plain, "x", mode=mode)(*point))
    many = [np.stack([p, p, p]) for p in point]
    equal(sd.vmap(f)(*many), sd.vmap(plain)(*many))
    equal(sd.jvp(f, "x")(*point, point[0]), sd.jvp(plain, "x")(*point, point[0]))


@pytest.mark.parametrize("name", CASES)
def test_what_is_printed_is_the_formula(name):
    f, plain = functions(name)
    node, root = f.nodes[0], plain.nodes[0]
    assert core.CALL in f.graph.ops
    size = len(f.graph)
    if "\n" not in CASES[name][0]:
        for written in (expression, latex):
            for simplify in (True, False):
                args = plain.graph, root
                assert written(f.graph, node, simplify=simplify) == written(*args, simplify=simplify)
    assert "call" not in graphviz(f.graph, node)
    g = sd.function(str(f)) if name != "not all used" else sd.function(str(f), ["x", "y"])
    scope = {}
    exec(python_source(f.graph, "f", f.arguments, node), scope)
    assert len(f.graph) == size  # nothing was added by looking
    equal(g(*CASES[name][3]), f(*CASES[name][3]))
    np.testing.assert_allclose(scope["f"](*CASES[name][3]), f(*CASES[name][3]), rtol=1e-14)
    if name == "scalars":
        assert sympy_of(f.graph, node).subs({"x": 0.3, "y": 0.7}).evalf() == pytest.approx(float(f(0.3, 0.7)))
        assert f.steps(0.3, 0.7)["x"].gradient == pytest.approx(sd.grad(f)(0.3, 0.7)[0])


def test_the_listing_has_the_bodies():
    f, _ = functions("a parameter")
    (body,) = nested(f.graph, f.graph.live(f.nodes))
    name = f"body {body.digest[:8]}"
    assert f.ssa() == (
        "%0 = input x : float64\n"
        f"%1 = call %0, {name}\n"
        "%2 = constant 2.0\n"
        "%3 = mul %2, %1\n"
        "return f=%3\n"
        f"\n{name}:\n"
        "%0 = input p0 : float64\n"
        "return %0\n"
    )


# Files


def carried(f):
    return [b.digest for b in nested(f.graph, f.graph.live(f.nodes))]


def test_copies_pickles_and_files(tmp_path):
    for name in CASES:
        f, _ = functions(name)
        point = CASES[name][3]
        f.save(tmp_path / "f")
        for other in (pickle.loads(pickle.dumps(f)), sd.load(tmp_path / "f"), copy.deepcopy(f)):
            assert carried(other) == carried(f)
            verify(other.graph)
            equal(other(*point), f(*point))


def deep():
    graph = Graph()
    x = graph.input("x")
    node = call_of(graph, tower(3, 2), [x])
    return graph, graph.add("add", (node, call_of(graph, Frozen(read("x*x", "x")), [x])))


def test_flat_and_back():
    graph, root = deep()
    description, data, place = flatten(graph, [root])
    back, ids = unflatten(json.loads(json.dumps(description)), memoryview(data), graph.dtype)
    verify(back)
    assert flatten(back, [ids[place[root]]])[:2] == (description, data)
    assert set(nested(back, range(len(back)))) == set(nested(graph, range(len(graph))))


JUNK = [None, True, -1, 0, 1, 2, 7, 2**40, 0.5, "a", [], [0], {}, [{}], [["float64", []]], [["float64", [3]]]]


def spoiled(value, junk):
    """Everything that a description becomes by putting junk at one place in it."""
    if isinstance(value, dict):
        parts = [(k, v) for k, v in value.items()]
    elif isinstance(value, list):
        parts = list(enumerate(value))
    else:
        parts = []
    for k, v in parts:
        for inner in (*junk, *spoiled(v, junk)):
            changed = value.copy()
            changed[k] = inner
            yield changed


def test_damaged_files_are_refused():
    graph, root = deep()
    description, data, _ = flatten(graph, [root])
    refused = 0
    for changed in spoiled(description, JUNK):
        try:
            back, _ = unflatten(changed, memoryview(data), graph.dtype)
        except StorageError:
            refused += 1
            continue
        verify(back)
    assert refused > 500
    for k in range(0, len(data), 3):
        damaged = bytearray(data)
        damaged[k] ^= 0x15
        try:
            back, _ = unflatten(description, memoryview(bytes(damaged)), graph.dtype)
        except StorageError:
            continue
        verify(back)


def test_limits_count_what_is_in_bodies():
    graph, root = deep()
    description, data, _ = flatten(graph, [root])
    total = len(graph) + sum(len(b.graph) for b in nested(graph, range(len(graph))))
    with limits(nodes=total - 1), pytest.raises(StorageError):
        unflatten(description, memoryview(data), graph.dtype)
    with limits(nodes=total):
        unflatten(description, memoryview(data), graph.dtype)


# Verify


def test_a_body_that_was_changed_is_found():
    body = Frozen(read("sin(x) + 1", "x"))
    graph = Graph()
    call_of(graph, body, [graph.input("x")])
    verify(graph)
    kept = body.graph.ops[1]
    body.graph.ops[1] = core.EXP
    with pytest.raises(VerifyError, match="digest"):
        verify(graph)
    body.graph.ops[1] = kept
    verify(graph)
    body.graph.args[1] = (2,)
    with pytest.raises(VerifyError, match="does not come before"):
        verify(graph)


def test_operands_that_do_not_fit_are_found():
    graph = Graph()
    node = call_of(graph, Frozen(read("x", "x")), [graph.input("x")])
    graph.payloads[node] = Frozen(read("x + y", "x", "y"))
    with pytest.raises(VerifyError, match="do not fit"):
        verify(graph)
