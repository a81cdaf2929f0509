"""A graph as plain Python: a function that needs a library of arrays, such as NumPy with SciPy."""

from __future__ import annotations

import functools
import keyword
import re
from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.display.array_code import OTHER_STRUCTURE, STRUCTURE, of_record
from symdiff.display.batch_code import OTHERWISE, TOGETHER, with_batch, with_new_axes
from symdiff.display.lines import meaning
from symdiff.display.python_libraries import JAX, NUMPY, PythonLibrary, python_library
from symdiff.display.text import Outputs, output_names
from symdiff.errors import CompileError
from symdiff.ir.body import Body, Domain, NamedNodes
from symdiff.ir.graph import Graph
from symdiff.ir.inlining import without_calls
from symdiff.ops import Op, core
from symdiff.ops.base import OPERAND_NAMES, Expand, Fold, Instruction, Intrinsic, Library, Outside, Special
from symdiff.signature import Argument, parameters_of
from symdiff.trees import Branch, Structure, children_of
from symdiff.types import BOOL, FLOAT32, TensorType, fixed

LIBRARY = {
    "asin": "np.arcsin",
    "acos": "np.arccos",
    "atan": "np.arctan",
    "atan2": "np.arctan2",
    "asinh": "np.arcsinh",
    "acosh": "np.arccosh",
    "atanh": "np.arctanh",
    "pow": "np.power",
    "erf": "special.erf",
    "erfc": "special.erfc",
    "tgamma": "special.gamma",
    "lgamma": "special.gammaln",
}
"""The functions of the C library that NumPy calls otherwise, or that only SciPy has."""

COMPOSED = {
    "square": "np.square",
    "min": "np.minimum",
    "max": "np.maximum",
    "clip": "np.clip",
    "sign": "np.sign",
    "mod": "np.mod",
    "floor_divide": "np.floor_divide",
    "heaviside": "np.heaviside",
    "sinc": "np.sinc",
    "logaddexp": "np.logaddexp",
    "reciprocal": "np.reciprocal",
    "sigmoid": "special.expit",
    "xlogy": "special.xlogy",
    "polygamma": "special.polygamma",
}
"""NumPy's and SciPy's functions for operations that are defined by an expression."""

OPERATORS = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "div": "/",
    "integer_power": "**",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
    "equal": "==",
    "not_equal": "!=",
}


LENT = frozenset(
    (
        core.INPUT,
        core.INDEX,
        core.RESHAPE,
        core.BROADCAST,
        core.TRANSPOSE,
        core.DIAGONAL,
        core.EINSUM,
        core.GATHER,
        core.CUMSUM,
        core.RECURRENCE,
        core.IOTA,
    )
)
"""The operations whose arrays may lie in the memory of an operand, or cannot be written to."""


def python_source(
    graph: Graph,
    name: str,
    arguments: Sequence[Argument] | None,
    outputs: Outputs,
    structure: Structure | None = None,
    xp: str = "numpy",
    taken: Sequence[str] = (),
    told: Sequence[str] = (),
) -> str:
    """The Python source of a function that computes the outputs, one statement for each node.

    Several outputs are returned as a tuple; or as `structure` says, named tuples as plain ones. Where all arguments are
    scalars, arrays may be given for them; parameters take the trees that the arguments are leaves of. `xp` is the
    library that it is for; no variable has one of the names `taken`, and `told` is what the function says of itself.
    Numbers are returned as NumPy's functions do, and for other libraries as arrays without axes, which they can
    differentiate.

    Raises
    ------
    ArgumentError
        For another library.
    CompileError
        Where the library lacks an operation.
    """
    library = python_library(xp)
    graph, roots = without_calls(graph, list(output_names(outputs, name).values()))
    graph, roots = _expanded(graph, roots, library)
    if arguments is None:
        arguments = [
            Argument(graph.payloads[n], graph.types[n].shape) for n in graph.live(roots) if graph.ops[n] is core.INPUT
        ]
    names = _Names(library, taken)
    function = names.new(name)
    inputs: dict[str, str] = {}
    shown: list[str] = []
    body: list[str] = []
    trees: dict[int, str] = {}
    batch: list[str] = []
    array = f"{library.alias}.{library.converts}({{}}, dtype={library.number_type(graph.dtype)})"
    number = array + "[()]" * (library is NUMPY)
    for whole in parameters_of(arguments):
        if whole.tree is not None:
            shown.append(names.new(whole.name))
            trees.update(enumerate([shown[-1] + place[len(whole.name) :] for place in whole.tree.places], whole.start))
    for k, argument in enumerate(arguments):
        parameter = names.new(argument.name)
        packs = argument.members is not None
        batch.append(f"{parameter}.shape" + f"[:{-len(argument.shape)}]" * packs)
        if k not in trees:
            shown.append(parameter)
        made = (array if packs else number).format(trees.get(k, parameter))
        body.append(f"{parameter} = {made}")
        if argument.members is None:
            inputs[argument.name] = parameter
            continue
        for member, place in zip(argument.members, argument.places, strict=True):
            inputs[member] = names.new(member)
            body.append(f"{inputs[member]} = {parameter}[..., {', '.join(map(str, place))}]")
    batches = all(a.members is not None or not a.shape for a in arguments)
    varying = _varying(graph, roots) if batches else {}
    together = ""
    if any(_wants_sizes(graph, node) for node in varying):
        together = names.new("batch")
        body += _broadcast_inputs(graph, roots, list(inputs.values()), together, library)
    writer = _Statements(graph, roots, library, names, inputs, body, together, varying)
    values = Body(graph, (), roots).fold(writer)
    results = [writer.result(r, values[r]) for r in roots]
    if batches:
        results = _in_batches(graph, roots, results, arguments, batch, body, names, library, together)
    if library is not JAX:
        results = _own(graph, roots, results, library, batches)
    if library is NUMPY:
        arrays = any(a.shape for a in arguments)
        results = [
            r if graph.types[n].shape else _number(r, graph, n, arrays) for n, r in zip(roots, results, strict=True)
        ]
    if structure is None:
        structure = 0 if isinstance(outputs, int) else tuple(range(len(roots)))
    body.append(f"return {_arranged(structure, results)}")
    lines = _head(body, library, graph.dtype)
    body = [*_docstring(told), *body]
    return "\n".join([*lines, "", "", f"def {function}({', '.join(shown)}):", *(f"    {line}" for line in body), ""])


def _docstring(lines: Sequence[str]) -> list[str]:
    """Lines as what a function says of itself."""
    if not lines:
        return []
    first, *others = [line.replace("\\", "\\\\").replace('"', '\\"') for line in lines]
    return [f'"""{first}', *others, '"""'] if others else [f'"""{first}"""']


def _number(text: str, graph: Graph, node: int, arrays: bool) -> str:
    """A number as functions return it: NumPy's where some argument is an array, otherwise Python's own."""
    if not arrays:
        return f"as_number({text})"
    dtype = graph.types[node].dtype
    return f"np.{'bool_' if dtype == BOOL else dtype}({text})" if graph.ops[node] is core.CONSTANT else f"{text}[()]"


def _own(
    graph: Graph, roots: Sequence[int], results: Sequence[str], library: PythonLibrary, batches: bool
) -> list[str]:
    """The results, copied where they may lie in the memory of an argument or of another result."""
    found: list[str] = []
    seen: set[int] = set()
    for root, text in zip(roots, results, strict=True):
        source = root
        while graph.ops[source].numpy == "{0}":
            source = graph.args[source][0]
        lent = source in seen or graph.ops[source] in LENT
        lent = lent and (batches or bool(graph.types[root].shape))
        seen.add(source)
        found.append(library.statement(f"{text}.copy()") if lent and text.isidentifier() else text)
    return found


def _head(body: Sequence[str], library: PythonLibrary, dtype: str) -> list[str]:
    """The imports, and functions that the body calls."""
    lines = [f"import {module}" for module in ("functools", "itertools") if any(f"{module}." in line for line in body)]
    lines += [""] * bool(lines)
    lines.append(library.head)
    if library.special_head and any(re.search(r"(?<![.\w])special\.", line) for line in body):
        lines.append(library.special_head)
    if library.tensors and any("number(" in line for line in body):
        lines += ["", "", "def number(value):"]
        lines.append(f"    return {library.alias}.tensor(value, dtype={library.number_type(dtype)})")
    if any("add_at(" in line for line in body):
        lines += ["", "", "def add_at(result, index, values):"]
        lines += ["    np.add.at(result, index, values)", "    return result"]
    if any("as_number(" in line for line in body):
        lines += ["", "", "def as_number(value):"]
        lines.append("    return np.asarray(value).item() if np.ndim(value) == 0 else value")
    return lines


def _in_batches(
    graph: Graph,
    roots: Sequence[int],
    results: Sequence[str],
    arguments: Sequence[Argument],
    batch: Sequence[str],
    body: list[str],
    names: _Names,
    library: PythonLibrary,
    together: str,
) -> list[str]:
    """The results, those that do not depend on all arguments with the axes of the batch that all of these make."""
    found = list(results)
    wanted = {name for argument in arguments for name in argument.inputs[:1]} if arguments else set()
    known = bool(together)
    for k, root in enumerate(roots):
        own = {graph.payloads[n] for n in graph.live([root]) if graph.ops[n] is core.INPUT}
        if all(own.intersection(a.inputs) for a in arguments) or not wanted or (known and own):
            continue
        if not together:
            together = names.new("batch")
            body.append(f"{together} = {library.alias}.broadcast_shapes({', '.join(batch)})")
        shape = f"({together} + {fixed(graph.types[root].shape)})" if graph.types[root].shape else together
        value = found[k]
        if graph.ops[root] is core.CONSTANT and not graph.types[root].shape:
            value = _scalar(value, graph.dtype, library)
        copied = "" if library is JAX else ".copy()"
        found[k] = library.statement(f"np.broadcast_to({value}, {shape}){copied}")
    return found


def _varying(graph: Graph, roots: Sequence[int]) -> dict[int, bool]:
    """The nodes that depend on an input."""
    found: dict[int, bool] = {}
    for node in graph.live(roots):
        if graph.ops[node] is core.INPUT or any(a in found for a in graph.args[node]):
            found[node] = True
    return found


def _wants_sizes(graph: Graph, node: int) -> bool:
    """Whether a statement is another one where there are axes of a batch in front."""
    ranks = {len(graph.types[a].shape) for a in (node, *graph.args[node])}
    return graph.ops[node] in OTHERWISE or (bool(graph.ops[node].kinds) and len(ranks) > 1)


def _broadcast_inputs(
    graph: Graph, roots: Sequence[int], inputs: Sequence[str], batch: str, library: PythonLibrary
) -> list[str]:
    """Statements that give all inputs the axes of the batch, and tell their sizes."""
    lines = [f"{batch} = {library.alias}.broadcast_shapes({', '.join([f'{name}.shape' for name in inputs])})"]
    if len(inputs) > 1:
        made = library.statement(f"np.broadcast_arrays({', '.join(inputs)})")
        lines.append(f"{', '.join(inputs)} = {made}")
    return lines


def _arranged(structure: Structure, results: Sequence[str]) -> str:
    if isinstance(structure, int):
        return results[structure]
    parts = [_arranged(part, results) for part in children_of(structure)]
    if isinstance(structure, Branch) and structure.kind is dict:
        return "{" + ", ".join(f"{k!r}: {part}" for k, part in zip(structure.keys, parts, strict=True)) + "}"
    if isinstance(structure, Branch) and structure.kind is list:
        return f"[{', '.join(parts)}]"
    return f"({''.join(part + ', ' for part in parts).rstrip()})"


class _Names:
    """Python names, each given once."""

    def __init__(self, library: PythonLibrary, taken: Sequence[str] = ()) -> None:
        own = {library.alias, "special", "number"} if library is not NUMPY else {"np", "special"}
        self.used = {*own, *taken} | {
            "functools",
            "itertools",
            "float",
            "int",
            "bool",
            "list",
            "zip",
            "as_number",
            "add_at",
            "True",
            "False",
        }
        self.count = 0

    def new(self, wanted: str) -> str:
        wanted = wanted if wanted.isidentifier() else re.sub(r"\W|^(?=\d)", "_", wanted, flags=re.ASCII)
        if wanted == "v1":
            self.count += 1
            wanted = f"v{self.count}"
        while wanted in self.used or keyword.iskeyword(wanted):
            wanted += "_"
        self.used.add(wanted)
        return wanted


class _Statements(Domain[str]):
    """Names of Python for the nodes of a graph; the statements that compute them are added to `lines`.

    A value has the name of its line, and an adjoint that of the line that it is the adjoint of, after `d_`.
    """

    def __init__(
        self,
        graph: Graph,
        roots: Sequence[int],
        library: PythonLibrary,
        names: _Names,
        inputs: Mapping[str, str],
        lines: list[str],
        batch: str,
        varying: Container[int],
    ) -> None:
        self.graph, self.library, self.names, self.inputs, self.lines = graph, library, names, inputs, lines
        self.batch, self.varying = batch, varying
        self.roots = frozenset(roots)
        self.special = range(len(graph))
        self.wanted: dict[int, str] = {}
        self.taken: dict[str, str] = {}
        self.aliases: dict[int, str] = {}
        for node in graph.live(roots):
            if graph.ops[node] is core.NAMED and graph.args[graph.args[node][0]]:
                self.wanted.setdefault(graph.args[node][0], graph.payloads[node])
        for node, (line, fresh) in graph.adjoints.items():
            op = graph.ops[node]
            if fresh and graph.args[node] and op is not core.NAMED:
                self.wanted.setdefault(node, f"d_{line}")
            elif op is not core.CONSTANT:
                self.aliases[node] = f"d_{line}"

    def constant(self, value: Any) -> str:
        """A literal, where it is used."""
        return _constant(value, self.library)

    def input(self, name: Any, type_: TensorType) -> str:
        """The parameter."""
        return self.inputs[name]

    def named(self, name: str, value: str) -> str:
        """A statement with the name of the line, where the value does not have that name already."""
        if self.taken.get(value) == name:
            return value
        return self._line(name, value)

    def at(self, node: int, values: dict[int, str]) -> str:
        """A statement with a name of its own."""
        graph = self.graph
        if node in self.roots and graph.ops[node] is core.STACK:
            values = {a: self.result(a, values[a]) for a in graph.args[node]}
        batch = self.batch if node in self.varying else ""
        values = self._in_batch(node, values) if batch else values
        return self._line(self.wanted.get(node, "v1"), _statement(graph, node, values, self.library, batch))

    def _in_batch(self, node: int, values: dict[int, str]) -> dict[int, str]:
        """The operands with the axes by which they fit each other where those of a batch are in front."""
        graph, args = self.graph, self.graph.args[node]
        if graph.ops[node] in TOGETHER:
            shapes = {a: fixed(graph.types[a].shape) for a in args if a not in self.varying}
            return {**values, **{a: with_batch(values[a], self.batch, shape) for a, shape in shapes.items()}}
        if not graph.ops[node].kinds:
            return values
        rank = len(graph.types[node].shape)
        own = {a: len(graph.types[a].shape) for a in args if a in self.varying}
        return {**values, **{a: with_new_axes(values[a], count, rank) for a, count in own.items()}}

    def result(self, node: int, value: str) -> str:
        """A result: under the name of the adjoint that it is."""
        alias = self.aliases.get(node)
        if alias is None:
            return value
        if alias not in self.taken:
            self.taken[alias] = self._line(alias, value)
        return self.taken[alias]

    def _line(self, wanted: str, value: str) -> str:
        name = self.names.new(wanted)
        self.taken[name] = wanted
        self.lines.append(f"{name} = {value}")
        return name


def _expanded(graph: Graph, roots: Sequence[int], library: PythonLibrary) -> tuple[Graph, list[int]]:
    """The graph with the operations that a library lacks as what they stand for."""
    result = Graph(graph.dtype)

    def made(op: Op, args: tuple[int, ...], payload: Any) -> int:
        if not _is_composed(op, library):
            return result.add(op, args, payload)
        body = meaning(op, payload, len(args))
        inner, (root,) = _expanded(body.graph, [body.root], library)
        found = Body.of(inner, [root])
        leaves = found.leaves
        known = {leaves[p]: a for p, a in zip(OPERAND_NAMES, args, strict=False) if p in leaves}
        return found.copy(result, known)[root]

    values = Body(graph, (), roots).fold(NamedNodes(result, made))
    result.adjoints = {values[node]: line for node, line in graph.adjoints.items() if node in values}
    return result, [values[r] for r in roots]


def _is_composed(op: Op, library: PythonLibrary) -> bool:
    if isinstance(op.routine, Intrinsic):
        return not hasattr(np, op.routine.numpy)
    if not isinstance(op.routine, Expand) or op.name in OPERATORS:
        return False
    return op.name not in COMPOSED or library.function(COMPOSED[op.name]) is None


def _constant(value: Any, library: PythonLibrary) -> str:
    if isinstance(value, np.ndarray):
        make = f"{library.alias}.{'tensor' if library.tensors else 'array'}"
        return f"{make}({_literal(value.tolist(), library)}, dtype={library.types[value.dtype.name]})"
    text = _literal(value, library)
    return f"({text})" if text.startswith("-") else text


def _literal(value: Any, library: PythonLibrary) -> str:
    return repr(value).replace("nan", f"{library.alias}.nan").replace("inf", f"{library.alias}.inf")


def _scalar(text: str, dtype: str, library: PythonLibrary) -> str:
    """A number of a library that takes its own arrays alone, or of another size than Python's, as one of these."""
    condition = text in ("True", "False")
    if library.tensors:
        return f"torch.tensor({text})" if condition else f"number({text})"
    return text if condition or dtype != FLOAT32 else f"{library.number_type(dtype)}({text})"


def _statement(graph: Graph, node: int, values: Mapping[int, str], library: PythonLibrary, batch: str) -> str:
    op, payload, operands = graph.ops[node], graph.payloads[node], graph.args[node]
    args = [values[a] for a in operands]
    numbers = [graph.ops[a] is core.CONSTANT and not graph.types[a].shape for a in operands]
    if op.name not in OPERATORS or all(numbers):
        args = [
            _scalar(text, graph.dtype, library) if plain else text for text, plain in zip(args, numbers, strict=True)
        ]
    if op is core.FOREIGN:
        _check_outside(op, payload.name, library)
        return f"{payload.name}({', '.join(args)})"
    if op.numpy or op in STRUCTURE:
        shapes = [fixed(graph.types[a].shape) for a in (node, *operands)]
        if batch and op in OTHERWISE:
            text = OTHERWISE[op](batch, args, payload, *shapes)
        elif op in OTHER_STRUCTURE.get(library.name, {}):
            text = OTHER_STRUCTURE[library.name][op](args, payload, *shapes)
        else:
            written = functools.partial(of_record, op) if op.numpy else STRUCTURE[op]
            text = written(args, payload, *shapes)
        if graph.dtype == FLOAT32:
            text = text.replace(".astype(float)", ".astype(np.float32)")
        return library.statement(text)
    if args and all(numbers) and not library.tensors and graph.dtype != FLOAT32:
        # Python's own floats raise where those of libraries give inf
        args[0] = f"np.float64({args[0]})" if library is NUMPY else f"{library.alias}.asarray({args[0]})"
    order = [] if payload is None else [str(payload)]
    if op.name in OPERATORS:
        return f" {OPERATORS[op.name]} ".join([*args, *(f"({n})" if n[0] == "-" else n for n in order)])
    routine = op.routine
    if isinstance(routine, Fold):
        return f"functools.reduce({_function(COMPOSED[routine.name], op, library)}, ({', '.join(args)}))"
    if isinstance(routine, Outside):
        _check_outside(op, op.name, library)
        return f"np.vectorize({op.name}, otypes=[float])({', '.join(args)})"  # the name that it has where it is defined
    if op.name in COMPOSED:
        function = COMPOSED[op.name]
    elif isinstance(routine, Library):
        function = LIBRARY.get(routine.symbol, f"np.{routine.symbol}")
    elif isinstance(routine, Special):
        function = f"special.{routine.symbol}"
    else:
        assert isinstance(routine, Instruction | Intrinsic), op.name
        function = f"np.{routine.numpy}"
    made = _function(function, op, library)
    return made.format(*args) if "{" in made else f"{made}({', '.join([*order, *args])})"


def _function(name: str, op: Op, library: PythonLibrary) -> str:
    found = library.function(name)
    if found is None:
        raise CompileError(
            f"{library.name} has no function for {op.word}", hint='with xp="numpy" the source calls SciPy\'s'
        )
    return found


def _check_outside(op: Op, name: str, library: PythonLibrary) -> None:
    if not library.outside:
        raise CompileError(
            f"{name} is a function from outside: {library.name} cannot look into it",
            hint=f'define {name} by a formula, or write the source for xp="numpy"',
        )
