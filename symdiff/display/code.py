"""A graph as plain Python: a function that needs a library of arrays, such as NumPy with SciPy."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.display.array_code import STRUCTURE, TORCH_STRUCTURE, of_record
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
from symdiff.types import TensorType, fixed

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


def python_source(
    graph: Graph,
    name: str,
    arguments: Sequence[Argument] | None,
    outputs: Outputs,
    structure: Structure | None = None,
    xp: str = "numpy",
) -> str:
    """The Python source of a function that computes the outputs, one statement for each node.

    Several outputs are returned as a tuple; or as `structure` says, named tuples as plain ones. Where all arguments are
    scalars, arrays may be given for them; parameters take the trees that the arguments are leaves of. `xp` is the
    library that it is for. Numbers are returned as NumPy's functions do, and for other libraries as arrays without
    axes, which they can differentiate.

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
    names = _Names(library)
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
    writer = _Statements(graph, roots, library, names, inputs, body)
    values = Body(graph, (), roots).fold(writer)
    results = [writer.result(r, values[r]) for r in roots]
    if all(a.members is not None or not a.shape for a in arguments):
        results = _in_batches(graph, roots, results, arguments, batch, body, names, library)
    if library is NUMPY:
        arrays = any(a.shape for a in arguments)
        results = [
            r if graph.types[n].shape else _number(r, graph.ops[n] is core.CONSTANT, arrays)
            for n, r in zip(roots, results, strict=True)
        ]
    if structure is None:
        structure = 0 if isinstance(outputs, int) else tuple(range(len(roots)))
    body.append(f"return {_arranged(structure, results)}")
    lines = _head(body, library, graph.dtype)
    return "\n".join([*lines, "", "", f"def {function}({', '.join(shown)}):", *(f"    {line}" for line in body), ""])


def _number(text: str, literal: bool, arrays: bool) -> str:
    """A number as functions return it: NumPy's where some argument is an array, otherwise Python's own."""
    return f"as_number({text})" if not arrays else f"np.float64({text})" if literal else f"{text}[()]"


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
) -> list[str]:
    """The results, those that do not depend on all arguments with the axes of the batch that all of these make."""
    found = list(results)
    wanted = {name for argument in arguments for name in argument.inputs[:1]} if arguments else set()
    together = ""
    for k, root in enumerate(roots):
        own = {graph.payloads[n] for n in graph.live([root]) if graph.ops[n] is core.INPUT}
        if all(own.intersection(a.inputs) for a in arguments) or not wanted:
            continue
        if not together:
            together = names.new("batch")
            body.append(f"{together} = {library.alias}.broadcast_shapes({', '.join(batch)})")
        shape = f"({together} + {fixed(graph.types[root].shape)})" if graph.types[root].shape else together
        value = found[k]
        if library.tensors and graph.ops[root] is core.CONSTANT and not graph.types[root].shape:
            value = _tensor(value)
        copied = "" if library is JAX else ".copy()"
        found[k] = library.statement(f"np.broadcast_to({value}, {shape}){copied}")
    return found


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

    def __init__(self, library: PythonLibrary) -> None:
        own = {library.alias, "special", "number"} if library is not NUMPY else {"np", "special"}
        self.used = own | {
            "functools",
            "itertools",
            "float",
            "int",
            "bool",
            "list",
            "zip",
            "as_number",
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
    ) -> None:
        self.graph, self.library, self.names, self.inputs, self.lines = graph, library, names, inputs, lines
        self.roots = frozenset(roots)
        self.special = range(len(graph))
        self.wanted: dict[int, str] = {}
        self.taken: dict[str, str] = {}
        self.aliases: dict[int, str] = {}
        for node in graph.live(roots):
            if graph.ops[node] is core.NAMED and graph.args[graph.args[node][0]]:
                self.wanted.setdefault(graph.args[node][0], graph.payloads[node])
        for node, (line, fresh) in graph.adjoints.items():
            named = graph.ops[node] is core.NAMED
            if fresh and graph.args[node] and not named:
                self.wanted.setdefault(node, f"d_{line}")
            elif graph.ops[node] is core.INPUT or named:
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
        return self._line(self.wanted.get(node, "v1"), _statement(graph, node, values, self.library))

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


def _tensor(text: str) -> str:
    """A number as an array of a library that takes its own arrays alone."""
    return f"torch.tensor({text})" if text in ("True", "False") else f"number({text})"


def _statement(graph: Graph, node: int, values: Mapping[int, str], library: PythonLibrary) -> str:
    op, payload, operands = graph.ops[node], graph.payloads[node], graph.args[node]
    args = [values[a] for a in operands]
    numbers = [graph.ops[a] is core.CONSTANT and not graph.types[a].shape for a in operands]
    if library.tensors and (op.name not in OPERATORS or all(numbers)):
        args = [_tensor(text) if plain else text for text, plain in zip(args, numbers, strict=True)]
    if op is core.FOREIGN:
        _check_outside(op, payload.name, library)
        return f"{payload.name}({', '.join(args)})"
    if op.numpy or op in STRUCTURE:
        shapes = [fixed(graph.types[a].shape) for a in (node, *operands)]
        special = TORCH_STRUCTURE.get(op) if library.tensors else None
        if special is None and op.numpy:
            return library.statement(of_record(op, args, payload, *shapes))
        return library.statement((special or STRUCTURE[op])(args, payload, *shapes))
    if args and all(numbers) and not library.tensors:
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
