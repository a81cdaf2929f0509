"""A graph as plain Python: a function that needs NumPy, and SciPy where NumPy lacks a function."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.display.array_code import STRUCTURE, of_record
from symdiff.display.lines import meaning
from symdiff.display.text import Outputs, output_names
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
) -> str:
    """The Python source of a function that computes the outputs, one statement for each node.

    Several outputs are returned as a tuple; or as `structure` says, named tuples as plain ones. Where all arguments are
    scalars, arrays may be given for them; parameters take the trees that the arguments are leaves of.
    """
    graph, roots = without_calls(graph, list(output_names(outputs, name).values()))
    graph, roots = _expanded(graph, roots)
    if arguments is None:
        arguments = [
            Argument(graph.payloads[n], graph.types[n].shape) for n in graph.live(roots) if graph.ops[n] is core.INPUT
        ]
    names = _Names()
    function = names.new(name)
    inputs: dict[str, str] = {}
    shown: list[str] = []
    body: list[str] = []
    trees: dict[int, str] = {}
    for whole in parameters_of(arguments):
        if whole.tree is not None:
            shown.append(names.new(whole.name))
            trees.update(enumerate([shown[-1] + place[len(whole.name) :] for place in whole.tree.places], whole.start))
    for k, argument in enumerate(arguments):
        parameter = names.new(argument.name)
        if k in trees:
            inputs[argument.name] = parameter
            body.append(f"{parameter} = np.asarray({trees[k]}, dtype=float)[()]")
            continue
        shown.append(parameter)
        if argument.members is None:
            inputs[argument.name] = parameter
            body.append(f"{parameter} = np.asarray({parameter}, dtype=float)[()]")
            continue
        body.append(f"{parameter} = np.asarray({parameter}, dtype=float)")
        for member, place in zip(argument.members, argument.places, strict=True):
            inputs[member] = names.new(member)
            body.append(f"{inputs[member]} = {parameter}[..., {', '.join(map(str, place))}]")
    values = Body(graph, (), roots).fold(_Statements(graph, names, inputs, body))
    if structure is None:
        structure = 0 if isinstance(outputs, int) else tuple(range(len(roots)))
    body.append(f"return {_arranged(structure, [values[r] for r in roots])}")
    lines = [f"import {module}" for module in ("functools", "itertools") if any(f"{module}." in line for line in body)]
    lines += [""] * bool(lines)
    lines.append("import numpy as np")
    if any("special." in line for line in body):
        lines.append("from scipy import special")
    return "\n".join([*lines, "", "", f"def {function}({', '.join(shown)}):", *(f"    {line}" for line in body), ""])


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

    def __init__(self) -> None:
        self.used = {"np", "special", "functools", "itertools", "float", "list", "zip"}
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
    """Names of Python for the nodes of a graph; the statements that compute them are added to `lines`."""

    def __init__(self, graph: Graph, names: _Names, inputs: Mapping[str, str], lines: list[str]) -> None:
        self.graph, self.names, self.inputs, self.lines = graph, names, inputs, lines
        self.special = range(len(graph))

    def constant(self, value: Any) -> str:
        """A literal, where it is used."""
        return _constant(value)

    def input(self, name: Any, type_: TensorType) -> str:
        """The parameter."""
        return self.inputs[name]

    def named(self, name: str, value: str) -> str:
        """A statement with the name of the line."""
        return self._line(name, value)

    def at(self, node: int, values: dict[int, str]) -> str:
        """A statement with a name of its own."""
        return self._line("v1", _statement(self.graph, node, values))

    def _line(self, wanted: str, value: str) -> str:
        name = self.names.new(wanted)
        self.lines.append(f"{name} = {value}")
        return name


def _expanded(graph: Graph, roots: Sequence[int]) -> tuple[Graph, list[int]]:
    """The graph with the operations that neither NumPy nor SciPy has as what they stand for."""
    result = Graph(graph.dtype)

    def made(op: Op, args: tuple[int, ...], payload: Any) -> int:
        if not _is_composed(op):
            return result.add(op, args, payload)
        body = meaning(op, payload, len(args))
        inner, (root,) = _expanded(body.graph, [body.root])
        found = Body.of(inner, [root])
        leaves = found.leaves
        known = {leaves[p]: a for p, a in zip(OPERAND_NAMES, args, strict=False) if p in leaves}
        return found.copy(result, known)[root]

    values = Body(graph, (), roots).fold(NamedNodes(result, made))
    return result, [values[r] for r in roots]


def _is_composed(op: Op) -> bool:
    if isinstance(op.routine, Intrinsic):
        return not hasattr(np, op.routine.numpy)
    return isinstance(op.routine, Expand) and op.name not in COMPOSED and op.name not in OPERATORS


def _constant(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"np.array({_literal(value.tolist())}, dtype={value.dtype.name!r})"
    text = _literal(value)
    return f"({text})" if text.startswith("-") else text


def _literal(value: Any) -> str:
    return repr(value).replace("nan", "np.nan").replace("inf", "np.inf")


def _statement(graph: Graph, node: int, values: Mapping[int, str]) -> str:
    op, payload, operands = graph.ops[node], graph.payloads[node], graph.args[node]
    args = [values[a] for a in operands]
    if op is core.FOREIGN:
        return f"{payload.name}({', '.join(args)})"
    if op.numpy or op in STRUCTURE:
        shapes = [fixed(graph.types[a].shape) for a in (node, *operands)]
        return of_record(op, args, payload, *shapes) if op.numpy else STRUCTURE[op](args, payload, *shapes)
    if all(isinstance(graph.payloads[a], float) and graph.ops[a] is core.CONSTANT for a in operands):
        args[0] = f"np.float64({args[0]})"  # Python's own floats raise where NumPy's give inf
    numbers = [] if payload is None else [str(payload)]
    if op.name in OPERATORS:
        return f" {OPERATORS[op.name]} ".join([*args, *(f"({n})" if n[0] == "-" else n for n in numbers)])
    routine = op.routine
    if isinstance(routine, Fold):
        return f"functools.reduce({COMPOSED[routine.name]}, ({', '.join(args)}))"
    if op.name in COMPOSED:
        function = COMPOSED[op.name]
    elif isinstance(routine, Library):
        function = LIBRARY.get(routine.symbol, f"np.{routine.symbol}")
    elif isinstance(routine, Special):
        function = f"special.{routine.symbol}"
    elif isinstance(routine, Outside):
        function = f"np.vectorize({op.name}, otypes=[float])"  # of the name that it has where it is defined
    else:
        assert isinstance(routine, Instruction | Intrinsic), op.name
        function = f"np.{routine.numpy}"
    return f"{function}({', '.join([*numbers, *args])})"
