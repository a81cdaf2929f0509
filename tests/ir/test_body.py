"""Bodies: one loop over a closed graph, for every kind of domain."""

import ast
from pathlib import Path

import numpy as np
import pytest

import symdiff
from symdiff.budget import limits
from symdiff.errors import ArgumentError, IndexRangeError, LimitError, ShapeError
from symdiff.frontend.bodies import from_text
from symdiff.frontend.parser import parse
from symdiff.interpret import Values, evaluate
from symdiff.ir.body import Body, Domain, NamedNodes, Nodes
from symdiff.ir.graph import Graph
from symdiff.ops import OPS, movement
from symdiff.optimize.pipeline import optimize
from symdiff.optimize.rewrite import Rewriter
from symdiff.signature import Argument

DEEP = 100_000


class Texts(Domain[str]):
    """Prefix notation."""

    def constant(self, value):
        return repr(value)

    def input(self, name, type_):
        return f"{name}:{type_}"

    def make(self, op, args, payload):
        return f"{op.name}({', '.join(args)})" if payload is None else f"{op.name}[{payload}]({', '.join(args)})"


class Depths(Domain[int]):
    """How many operations stand on the longest way."""

    def constant(self, value):
        return 0

    def input(self, name, type_):
        return 0

    def make(self, op, args, payload):
        return 1 + max(args)


def read(text, *names):
    """A text as it stands, with the names of its lines: a body."""
    parsed = parse(text, arguments=[Argument(n) for n in names])
    return Body(parsed.graph, [parsed.names[n] for n in names], [parsed.output])


@pytest.mark.parametrize(
    ("text", "written", "depth"),
    [
        ("x", "x:float64", 0),
        ("2", "2.0", 0),
        ("x + 2*y", "add(x:float64, mul(2.0, y:float64))", 2),
        ("x**5", "integer_power[5](x:float64)", 1),
        ("where(x < y, x, 1)", "where(less(x:float64, y:float64), x:float64, 1.0)", 2),
        ("u = sin(x)\nu*u + u", "add(mul(sin(x:float64), sin(x:float64)), sin(x:float64))", 3),
    ],
)
def test_a_pass_is_a_domain(text, written, depth):
    body = read(text, "x", "y")
    assert body.fold(Texts())[body.root] == written
    assert body.fold(Depths())[body.root] == depth
    inputs = dict(zip(body.parameters, (0.3, 0.7), strict=True))
    assert body.fold(Values(), dict(inputs))[body.root] == evaluate(body.graph, [body.root], inputs)[0]


def test_names_are_the_identity_unless_a_domain_says_otherwise():
    body = read("u = sin(x)\nu*u", "x")
    plain, named = Graph(), Graph()
    body.fold(Nodes(plain))
    body.fold(NamedNodes(named))
    assert [op.name for op in plain.ops] == ["input", "sin", "mul"]
    assert [op.name for op in named.ops] == ["input", "sin", "named", "mul"]
    assert named.payloads[2] == "u"


def test_a_walk_ends_at_what_is_known():
    body = read("u = sin(x)\nexp(u) + y", "x", "y")
    (u,) = [n for n in body.order if body.graph.payloads[n] == "u"]
    x, y = body.parameters
    values = {u: "U", y: "Y"}
    found = body.fold(Texts(), values)
    assert found is values
    assert found[body.root] == "add(exp(U), Y)"
    assert x not in found
    assert body.fold(Texts(), {body.root: "all"}) == {body.root: "all"}


def test_what_is_needed_beside_a_cut_is_made():
    body = read("u = sin(x)\nu + x", "x")
    (u,) = [n for n in body.order if body.graph.payloads[n] == "u"]
    assert body.fold(Texts(), {u: "U"})[body.root] == "add(U, x:float64)"


def test_some_operations_are_made_at_their_nodes():
    body = read("exp(sin(x) + y)", "x", "y")
    graph = body.graph

    class Marked(Texts):
        special = frozenset(n for n in body.order if graph.ops[n].name == "add")

        def at(self, node, values):
            return f"<{' and '.join(values[a] for a in graph.args[node])}>"

    assert body.fold(Marked())[body.root] == "exp(<sin(x:float64) and y:float64>)"


def test_an_order_may_leave_nodes_out():
    body = read("exp(sin(x))", "x")
    (inner,) = body.graph.args[body.root]

    class Straight(Texts):
        special = (body.root,)

        def at(self, node, values):
            return f"expsin({values[body.parameters[0]]})"

    chosen = Body(body.graph, body.parameters, body.results, [n for n in body.order if n != inner])
    found = chosen.fold(Straight())
    assert found[body.root] == "expsin(x:float64)"
    assert inner not in found


def test_uses_are_counted_under_what_nodes_become():
    body = read("sin(x)*exp(y) + sin(x)", "x", "y")
    uses = {}
    found = body.fold(Texts(), uses=uses)
    assert uses["sin(x:float64)"] == 2
    assert uses["exp(y:float64)"] == 1
    assert uses[found[body.root]] == 1
    assert "x:float64" not in uses


def test_inputs_without_a_value():
    body = read("x + y", "x", "y")
    with pytest.raises(ArgumentError, match="no value is given for the input y"):
        body.fold(Values(), {body.parameters[0]: 1.0})


def test_a_domain_says_what_constants_and_operations_become():
    class Nothing(Domain[int]):
        special = range(10)

    body = read("x + 1", "x")
    with pytest.raises(NotImplementedError):
        body.fold(Nothing(), {body.parameters[0]: 0})
    body = read("sin(x)", "x")
    with pytest.raises(NotImplementedError):
        body.fold(Nothing(), {body.parameters[0]: 0})
    Nothing.special = ()
    with pytest.raises(NotImplementedError):
        body.fold(Nothing(), {body.parameters[0]: 0})


def test_an_index_out_of_range_is_told_with_its_place():
    graph = Graph()
    x, k = graph.input("x", (3,)), graph.input("k", (2,), "int64")
    body = Body(graph, (x, k), [graph.add("gather", (x, k), 0)])
    with pytest.raises(IndexRangeError, match="index 7 is out of range for axis 0 of x, which is of size 3"):
        body.fold(Values(), {x: np.ones(3), k: np.array([0, 7])})


def test_arrays_beyond_the_limit_are_refused_before_anything_is_computed():
    graph = Graph()
    x = graph.input("x", (1,))
    wide = movement.broadcast(graph, x, (1000, 1))
    with limits(bytes=4000), pytest.raises(LimitError, match=r"an array of 8,000 bytes"):
        evaluate(graph, [wide], {x: np.ones(1)})


def test_order_and_leaves():
    body = read("u = sin(x)\nu + 2", "x", "y")
    graph = body.graph
    assert body.order is body.order
    assert list(body.order) == graph.live([body.root])
    assert set(body.leaves) == {"x"}
    assert body.leaves["x"] == body.parameters[0]
    assert len(body.parameters) == 2
    assert Body.of(graph, [body.root]).parameters == (body.leaves["x"],)
    assert repr(body) == f"<Body(x, y) of {len(body.order)} nodes>"
    users = body.users()
    assert users[body.root] == 1
    assert users[body.parameters[1]] == 0


# Splicing


@pytest.mark.parametrize(
    ("text", "shapes", "result"),
    [
        ("sin(x)*y", [(), ()], ()),
        ("sin(x)*y", [(3,), ()], (3,)),
        ("sin(x)*y", [(), (2, 3)], (2, 3)),
        ("sin(x)*y + 1", [(2, 1), (3,)], (2, 3)),
        ("x", [(4,), ()], (4,)),
        ("2", [(4,), ()], ()),
    ],
)
def test_splice_with_shapes(text, shapes, result):
    body = from_text(text, ("x", "y"))
    graph = Graph()
    inputs = [graph.input(n, shape) for n, shape in zip("ab", shapes, strict=True)]
    (node,) = body.splice(graph, inputs)
    assert graph.types[node].shape == result
    arrays = [np.linspace(0.1, 0.9, int(np.prod(s))).reshape(s) for s in shapes]
    (got,) = evaluate(graph, [node], dict(zip(inputs, arrays, strict=True)))
    expected = np.vectorize(
        lambda *point: body.fold(Values(), dict(zip(body.parameters, point, strict=True)))[body.root]
    )
    np.testing.assert_array_equal(got, expected(*arrays) if result == np.broadcast_shapes(*shapes) else got)


def test_splice_refuses_what_does_not_fit():
    body = from_text("x + y", ("x", "y"))
    graph = Graph()
    x, y = graph.input("x", (2,)), graph.input("y", (3,))
    with pytest.raises(ShapeError):
        body.splice(graph, [x, y])
    with pytest.raises(ValueError, match="shorter"):
        body.splice(graph, [x])


def test_parameters_that_are_not_used_keep_their_position():
    body = from_text("z - x", ("x", "y", "z"))
    graph = Graph()
    nodes = [graph.constant(v) for v in (1.0, 2.0, 4.0)]
    (node,) = body.splice(graph, nodes)
    assert graph.args[node] == (nodes[2], nodes[0])
    assert set(body.leaves) == {"x", "z"}


def test_a_copy_keeps_names_places_and_inputs():
    body = read("u = sin(x)\nu/y", "x", "y")
    graph = Graph()
    graph.constant(5.0)
    mapping = body.copy(graph)
    assert set(mapping) == set(body.order)
    for node, made in mapping.items():
        assert graph.ops[made] is body.graph.ops[node]
        assert graph.places.get(made) == body.graph.places.get(node)
        assert graph.args[made] == tuple(mapping[a] for a in body.graph.args[node])
    assert graph.places
    known = {body.parameters[0]: graph.input("other")}
    assert "other" in Body.of(graph, [body.copy(graph, known)[body.root]]).leaves


def test_a_copy_has_the_limits_of_its_source():
    with limits(nodes=40):
        graph = Graph()
        node = graph.add("sin", (graph.input("x"),))
    target = Graph()
    Body.of(graph, [node]).copy(target)
    assert target.limits is not None
    assert target.limits.nodes == 40


# Size


def chain(length):
    graph = Graph()
    node = x = graph.input("x")
    for _ in range(length):
        node = graph.add("sin", (node,))
    return Body(graph, (x,), [node])


def test_nothing_recurses_on_deep_chains():
    body = chain(DEEP)
    assert body.fold(Depths())[body.root] == DEEP
    target = Graph()
    body.splice(target, [target.input("y")])
    assert len(target) == DEEP + 1
    body.copy(Graph())
    rewriter = Rewriter("float64")
    body.fold(rewriter, {body.parameters[0]: rewriter.constant(0.0)})
    assert len(rewriter.graph) == 1  # sin(0) is 0, again and again
    assert body.fold(Values(), {body.parameters[0]: 0.0})[body.root] == 0.0


def test_every_operation_reaches_its_domain():
    """Elementwise operations in a body are evaluated as they are outside of one."""
    for op in OPS.values():
        if op.kinds is None or op.payload is not None or set(op.kinds) != {"f"} or op.key != op.name:  # a user's
            continue
        graph = Graph()
        inputs = [graph.input(f"x{k}") for k in range(len(op.kinds))]
        body = Body(graph, inputs, [graph.add(op, tuple(inputs))])
        point = [0.25 + 0.125 * k for k in range(len(inputs))]
        with np.errstate(all="ignore"):
            got = body.fold(Values(), dict(zip(inputs, point, strict=True)))[body.root]
            assert np.array_equal(got, Values().make(op, point, None), equal_nan=True), op.name


# One loop

ALLOWED = {
    ("display/draw.py", "graphviz"): "draws each node by its id; nothing becomes of operands",
    ("ir/batching.py", "batched"): "makes two things of a node, its new one and whether it has the axis, by its shapes",
    ("codegen/tensors/standalone.py", "_point"): "looks at the buffers of a plan, not at a graph",
    (
        "display/code.py",
        "_in_batches",
    ): "asks which inputs results depend on; nothing becomes of operands",
    ("differentiate/elimination.py", "can_eliminate"): "looks for arrays that are no leaf; nothing becomes of operands",
    ("optimize/planning/fusion.py", "_results"): "asks whether a result is in memory already",
    ("ir/flat.py", "flatten_alone"): "writes the format of files, where constants and inputs are records of their own",
    ("ir/stored.py", "_build"): "reads that format; there is no graph to walk yet",
    ("optimize/patterns.py", "_compile"): "walks a pattern from its root down, in the order in which it is matched",
    ("optimize/planning/check.py", "check_plan"): "looks at the buffers of a plan, not at a graph",
    ("optimize/program.py", "verify"): "checks each node by itself; nothing becomes of operands",
}
"""Functions with a loop that tells constants and inputs apart, and why it is not `Body.fold`."""

LEAVES = {"constant": "constant", "CONSTANT": "constant", "input": "input", "INPUT": "input"}
LOOPS = ast.For | ast.While | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def leaves_compared(loop):
    """The kinds of leaves that something is compared with in a loop."""
    parts = [part for node in ast.walk(loop) if isinstance(node, ast.Compare) for part in ast.walk(node)]
    words = [
        next((w for k in ("id", "attr", "value") if isinstance(w := getattr(part, k, None), str)), None)
        for part in parts
    ]
    return {LEAVES[word] for word in words if isinstance(word, str) and word in LEAVES}


def loops_of_their_own(source):
    """The names of the functions with a loop that has cases for constants and for inputs."""
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    return {
        function.name
        for function in functions
        for loop in ast.walk(function)
        if isinstance(loop, LOOPS) and len(leaves_compared(loop)) == 2
    }


def test_there_is_one_loop():
    package = Path(symdiff.__file__).parent
    found = {
        (str(path.relative_to(package)), name)
        for path in package.rglob("*.py")
        for name in loops_of_their_own(path.read_text())
    }
    assert found - {("ir/body.py", "fold")} == set(ALLOWED)
    assert ("ir/body.py", "fold") in found


@pytest.mark.parametrize(
    ("source", "is_one"),
    [
        ("for n in graph.live(r):\n  if op is CONSTANT: a()\n  elif op is INPUT: b()", True),
        ("for n in order:\n  if op.name == 'constant': a()\n  elif 'input' == op.name: b()", True),
        ("while stack:\n  if ops[n] in (CONSTANT, INPUT): a()", True),
        ("x = [n for n in live if ops[n].name not in ('constant', 'input')]", True),
        ("for n in graph.live(r):\n  if op is CONSTANT: a()", False),
        ("for n in graph.live(r):\n  if op is INPUT: a()", False),
        ("if op is CONSTANT: a()\nelif op is INPUT: b()", False),
    ],
)
def test_loops_are_found(source, is_one):
    body = "\n".join(f"  {line}" for line in source.splitlines())
    assert bool(loops_of_their_own(f"def f():\n{body}")) == is_one


# What holds bodies


def test_functions_give_their_bodies():
    f = symdiff.function("f(x, p[2]) = [sin(x)*p[0], p[1]]")
    body = f.body
    assert [f.graph.payloads[n] for n in body.parameters] == ["x", "p"]
    assert body.results == f.nodes
    point = dict(zip(body.parameters, (0.3, np.array([2.0, 5.0])), strict=True))
    found = body.fold(Values(), point)
    np.testing.assert_array_equal(np.array([found[n] for n in body.results])[0], f(0.3, [2.0, 5.0]))


@pytest.mark.parametrize("text", ["f(x, y) = sin(x*y) + x*y", "f(W[70,80], x[80]) = sum((W @ x)**2)"])
def test_programs_give_their_bodies(text):
    f = symdiff.function(text)
    operands = [(f.graph.types[n], (n,)) for n in f.body.parameters]
    program = optimize(f.graph, operands, list(f.nodes))
    assert len(program.body.order) == len(program.graph)
    assert len(program.body.parameters) == len(operands)
    assert list(program.body.results) == list(program.roots)
