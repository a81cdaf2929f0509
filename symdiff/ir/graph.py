"""The graph: append-only, interned, operands before users; a `networkx.DiGraph` as soon as somebody looks at it so."""

from __future__ import annotations

import gc
import math
import operator
import struct
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff import locks
from symdiff.budget import Limits, current, exceeded, kept_limits, stricter, time_left
from symdiff.digest import sha256
from symdiff.errors import ArgumentError, Place, ShapeError
from symdiff.guesses import GRAPH, missing, typed_instead
from symdiff.ir.unshaped import Unshaped
from symdiff.loading import load_module
from symdiff.ops import OPS, Op, core
from symdiff.ops.base import Instruction, Intrinsic
from symdiff.sizes import is_open
from symdiff.types import BOOL, FLOAT64, INT64, Shape, TensorType, fixed, known_product, tensor

if TYPE_CHECKING:
    import numpy.typing as npt

_pauses = 0
_pause_lock = locks.lock(locks.COLLECTOR)
_collector_was_on = False


class _Paused:
    """A section without the collector. A class, because a generator takes three times as long to enter and leave."""

    __slots__ = ()

    def __enter__(self) -> None:
        global _pauses, _collector_was_on
        with _pause_lock:
            if _pauses == 0:
                _collector_was_on = gc.isenabled()
                gc.disable()
            _pauses += 1

    def __exit__(self, *_: object) -> None:
        global _pauses
        with _pause_lock:
            _pauses -= 1
            if _pauses == 0 and _collector_was_on:
                gc.enable()


_PAUSED = _Paused()


def collector_paused() -> _Paused:
    """Pause Python's cyclic collector while many nodes are made (it would walk them all, again and again).

    Sections may nest and run in several threads; the caller's setting comes back after the last.
    """
    return _PAUSED


VIEW = "symdiff.ir.networkx_view"
"""The module that makes a graph a `networkx.DiGraph`, loaded with networkx when somebody looks at one so."""

LOCK = locks.lock(locks.GRAPHS)
"""Held while any graph grows. One lock for all graphs, so that importing from one into another cannot deadlock."""


class Seen:
    """An attribute that a graph has as a `networkx.DiGraph`, which it is from when somebody asks for it.

    There is one for each, and no `__getattr__`, for which CPython would look up all attributes the long way.
    """

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = name

    def __get__(self, graph: Any, owner: type[Any]) -> Any:
        if graph is None:
            return self
        load_module(VIEW).let_be_one(graph)
        return getattr(graph, self.name)


class Refused:
    """An attribute that no graph has and people ask for; the error says what to type."""

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = name

    def __get__(self, graph: Any, owner: type[Any]) -> Any:
        if graph is None:
            return self
        raise missing("a Graph", self.name, typed_instead(self.name, GRAPH, ()))


LARGEST_CONSTANT_EXPRESSION = 64
SIZE_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "neg": operator.neg,
    "floor_divide": operator.floordiv,
}
"""What is an integer, of integers."""


class Graph:
    """Nodes 0, 1, 2, …; operands come before users, so the order of ids is a topological order.

    The flat lists `ops`, `args`, `payloads` and `types` hold the nodes. Who asks for what only a `networkx.DiGraph` has
    makes it one (`ir/networkx_view.py`): nodes with the attributes `op`, `args`, `payload`, `type`; an edge from each
    operand to its user.

    Nodes are interned: adding an equal (op, args, payload) again returns the existing id.

    `limits` are those that it was made under, beside those that hold where it grows; `has_arrays` says whether any node
    is an array; `plain` are nodes of which it is known that they have no other form (`optimize.forms`); `symmetric` has
    the arrays that are derivatives of one number, each axis by the elements of the same nodes: so they are symmetric;
    `adjoints` has what reverse mode found to be adjoints of named lines, with these names and whether it made the node;
    `written` is how many nodes there were when the formula was complete; differentiation appends others (0: unknown).
    """

    def __init__(self, dtype: str = FLOAT64) -> None:
        self.ops: list[Op] = []
        self.args: list[tuple[int, ...]] = []
        self.payloads: list[Any] = []
        self.types: list[TensorType] = []
        self.lock = LOCK
        self.places: dict[int, Place] = {}
        self.dtype = dtype
        self.unshaped: Unshaped | None = None
        self.has_sizes = False
        self.has_arrays = False
        self.limits: Limits | None = kept_limits()
        self._checked = current()
        self._enough = 0
        self._interned: dict[Any, int] = {}
        self.plain: set[int] = set()
        self.symmetric: dict[int, tuple[int, ...]] = {}
        self.adjoints: dict[int, tuple[str, bool]] = {}
        self.written = 0
        self._walked: tuple[tuple[int, ...], list[int]] = ((), [])
        self._number = tensor(dtype, ())

    # Making nodes

    def add(self, op: str | Op, args: tuple[int, ...] = (), payload: Any = None) -> int:
        """The node `op(args)`; the types of the operands are checked when it is new.

        Raises
        ------
        ShapeError
            Where the operands' types do not fit; the message names the operation and the shapes.
        """
        if isinstance(op, str):
            op = OPS[op]
        key = (op.key, args, payload)
        found = self._interned.get(key)
        if found is not None:
            return found
        types = self.types
        number = self._number
        for a in args:
            if types[a] is not number:
                if self.unshaped is not None and any(types[a].shape for a in args):
                    self.unshaped.check(self, args, f"{op.name} of an array and a name")
                type_ = op.type_rule(op, [types[a] for a in args], payload)
                break
        else:  # scalar numbers only: the common case of the elementwise rule
            if args and op.result == "f" and op.kinds == "f" * len(args):
                type_ = number
            else:
                type_ = op.type_rule(op, [types[a] for a in args] or [number], payload)
                if self.unshaped is not None and type_.shape and op is not LIST:
                    self.unshaped.check(self, args, f"{op.name} of a name")
                if op is core.SIZE:
                    self.has_sizes = True
        return self._append(key, op, args, payload, type_)

    def _append(self, key: Any, op: Op, args: tuple[int, ...], payload: Any, type_: TensorType) -> int:
        node = len(self.ops)
        if current() is not self._checked or node >= self._enough:
            self._check_nodes(node, args)
        if type_.shape:
            self.has_arrays = True
            if (count := known_product(type_.shape)) > self._checked.elements:
                raise exceeded("elements", count, f"an array of {count:,} elements", place=self._derived(args))
        self.ops.append(op)
        self.args.append(args)
        self.payloads.append(payload)
        self.types.append(type_)
        self._interned[key] = node
        return node

    def _check_nodes(self, node: int, args: Sequence[int]) -> None:
        """Refuse a node too many, and look at the time; noted is until when that need not be asked again."""
        limits = current()
        if node >= limits.nodes:
            raise exceeded("nodes", 2 * node, f"more than {limits.nodes:,} nodes", place=self._derived(args))
        time_left(node)
        # those of the process can be assigned to at any time
        self._checked, self._enough = limits, min(limits.nodes, node + (1024 if limits.__dict__ else 64))

    def _derived(self, args: Sequence[int]) -> Place | None:
        """Where in a text the operands of a new node come from; who reads a text knows better."""
        places = [self.places[a] for a in args if a in self.places]
        return places[-1]._replace(derived=True) if places else None

    def apply(self, op: str | Op, args: Sequence[int], payload: Any = None) -> int:
        """As `add`, for what a person writes: conditions count as 0 and 1 among numbers, powers become chains."""
        if isinstance(op, str):
            op = OPS[op]
        kinds = op.kinds
        if kinds and len(kinds) == len(args):
            types, number = self.types, self._number
            for k, a in enumerate(args):
                if types[a] is not number and kinds[k] == "f" and types[a].dtype == BOOL:
                    args = (*args[:k], self.as_number(a), *args[k + 1 :])
        args = tuple(args)
        if self.has_sizes and op.name in SIZE_ARITHMETIC:
            size = self._size_of(op, args)
            if size is not None:
                return size
        simpler = None
        if op.canonical is not None:
            simpler = op.canonical(self, self._made, args, payload)
        elif op.written is not None:
            simpler = op.written(self, args)
        return self.add(op, args, payload) if simpler is None else simpler

    def _made(self, op: str | Op, args: tuple[int, ...], payload: Any = None) -> int:
        return self.constant(payload) if op == "constant" else self.apply(op, args, payload)

    def _size_of(self, op: Op, args: tuple[int, ...]) -> int | None:
        """The size that arithmetic of sizes and integers gives; None where other numbers are in it."""
        values: list[Any] = []
        for a in args:
            value = self.payloads[a]
            if self.ops[a] is core.CONSTANT and type(value) is float and value.is_integer():
                value = int(value)
            elif self.ops[a] is not core.SIZE:
                return None
            values.append(value)
        return self.constant(SIZE_ARITHMETIC[op.name](*values)) if any(map(is_open, values)) else None

    def as_number(self, node: int) -> int:
        """A condition as the number 1 or 0; numbers as they are."""
        if self.types[node].dtype != BOOL:
            return node
        return self.add(core.WHERE, (node, self.constant(1.0), self.constant(0.0)))

    def constant(self, value: float | bool | npt.NDArray[Any]) -> int:
        """A constant, keyed by its bits: 0.0 and -0.0 differ, and NaN equals NaN. Arrays are copied.

        Arrays of int64 are indices and stay int64; others become numbers of the graph's type, or conditions.
        """
        if type(value) is float and self.dtype == FLOAT64:
            if value != value:
                value = math.nan  # one NaN: neither its sign nor its payload means anything
            key: Any = struct.pack("<d", value)
            type_ = self._number
        elif isinstance(value, bool | np.bool_):
            value = bool(value)
            key = ("constant", value)
            type_ = tensor(BOOL)
        elif isinstance(value, float | int | np.floating | np.integer):
            if is_open(value):
                return self.add(core.SIZE, (), value)
            value = float(value) if self.dtype == FLOAT64 else float(np.float32(value))
            if value != value:
                value = math.nan
            key = struct.pack("<d", value)
            type_ = self._number
        else:
            dtype = str(value.dtype) if value.dtype in (BOOL, INT64) else self.dtype
            array = np.array(value, dtype=dtype, order="C", copy=True)
            if array.ndim == 0 and dtype != INT64:
                return self.constant(array[()])
            array.flags.writeable = False
            value = array
            key = (array.dtype.str, array.shape, sha256(array.tobytes()))
            type_ = tensor(str(array.dtype), array.shape)
        found = self._interned.get(key)
        return found if found is not None else self._append(key, core.CONSTANT, (), value, type_)

    def input(self, name: str, shape: Shape = (), dtype: str | None = None) -> int:
        """The argument called `name`.

        Raises
        ------
        ShapeError
            Where the graph has an input of this name and another type.
        """
        type_ = tensor(dtype or self.dtype, shape)
        key = ("input", (), name)
        found = self._interned.get(key)
        if found is None:
            return self._append(key, core.INPUT, (), name, type_)
        if self.types[found] != type_:
            raise ShapeError(f"{name} is declared as {self.types[found]} and as {type_}")
        return found

    def input_type(self, name: str) -> TensorType | None:
        """The type of the argument called `name`; None where there is none."""
        found = self._interned.get(("input", (), name))
        return None if found is None else self.types[found]

    def named(self, name: str, node: int) -> int:
        """The line `name = node`: the identity for every pass, a place to cut the graph at for derivatives."""
        return self.add(core.NAMED, (node,), name)

    def limit_as(self, other: Graph) -> None:
        """Hold the limits of another graph too, whose nodes this one gets."""
        self.limits = stricter(self.limits, other.limits)

    # Looking at nodes

    def shape(self, node: int) -> tuple[int, ...]:
        """The shape of a node, whose sizes are known numbers.

        Raises
        ------
        NeedsShape
            Where it depends on inputs that nobody gave a shape.
        """
        if self.unshaped is not None:
            self.unshaped.check(self, (node,), "the shape of a name")
        return fixed(self.types[node].shape)

    def live(self, roots: Iterable[int], stop: Iterable[int] = ()) -> list[int]:
        """The ids that `roots` depend on, and they themselves, ascending; not past the nodes in `stop`."""
        barrier, key = set(stop), tuple(roots)
        known, found = self._walked
        if known == key and not barrier:  # passes ask one after the other; operands never change
            return found.copy()
        operands = self.args.__getitem__
        level = set(key) - barrier
        seen = barrier | level
        while level:
            level = set(chain.from_iterable(map(operands, level))) - seen
            seen |= level
        if barrier:
            return sorted(seen - barrier)
        found = sorted(seen)
        self._walked = key, found
        return found.copy()

    def constant_value(self, node: int) -> float | None:
        """The number that a small expression of constants has, otherwise None."""
        if self.ops[node] is core.CONSTANT:
            return None if isinstance(self.payloads[node], np.ndarray) else float(self.payloads[node])
        found: set[int] = set()
        stack = [node]
        while stack:
            at = stack.pop()
            if at in found:
                continue
            op = self.ops[at]
            scalar = self.types[at] is self._number
            exact = op in (core.CONSTANT, core.NAMED) or (
                isinstance(op.routine, Instruction | Intrinsic) and hasattr(np, op.routine.numpy)
            )
            if not (scalar and exact) or len(found) >= LARGEST_CONSTANT_EXPRESSION:
                return None
            found.add(at)
            stack.extend(self.args[at])
        values: dict[int, Any] = {}
        with np.errstate(all="ignore"):
            for at in sorted(found):
                op, operands = self.ops[at], [values[a] for a in self.args[at]]
                if isinstance(op.routine, Instruction | Intrinsic):
                    values[at] = getattr(np, op.routine.numpy)(*operands)
                else:
                    values[at] = operands[0] if operands else np.dtype(self.dtype).type(self.payloads[at])
        return float(values[node])

    def __len__(self) -> int:
        return len(self.ops)

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.ops)))

    def __contains__(self, node: object) -> bool:
        return isinstance(node, int) and 0 <= node < len(self.ops)

    def __getitem__(self, node: int) -> Any:
        """The users of a node, with the attributes of the edges, as networkx has it."""
        return self.adj[node]

    def __repr__(self) -> str:
        return f"<Graph of {len(self.ops)} nodes>"

    # Being a `networkx.DiGraph`, which networkx need not be loaded for

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    @property  # type: ignore[misc]
    def __class__(self) -> type[Graph]:
        """The class, for `isinstance`: that of a `networkx.DiGraph` where anybody can know one."""
        if type(self) is not Graph or "networkx" not in sys.modules:
            return type(self)
        view: type[Graph] = load_module(VIEW).NetworkxView
        return view

    def __getstate__(self) -> dict[str, Any]:
        raise ArgumentError("a graph alone is not pickled", hint="pickle or save the Function")


LIST = core.STACK
"""Makes an array of scalars that stay apart in it: a list of results is one for each element of a batch."""

__all__ = ["Graph", "collector_paused"]

NETWORKX = (
    *("__networkx_backend__", "__networkx_cache__", "_adj", "_node", "_pred", "_succ", "graph"),
    *("add_edge", "add_edges_from", "add_node", "add_nodes_from", "add_weighted_edges_from", "adj", "adjacency"),
    *("adjlist_inner_dict_factory", "adjlist_outer_dict_factory", "clear", "clear_edges", "copy", "degree"),
    *("edge_attr_dict_factory", "edge_subgraph", "edges", "get_edge_data", "graph_attr_dict_factory", "has_edge"),
    *("has_node", "has_predecessor", "has_successor", "in_degree", "in_edges", "is_directed", "is_multigraph", "name"),
    *("nbunch_iter", "neighbors", "node_attr_dict_factory", "node_dict_factory", "nodes", "number_of_edges"),
    *("number_of_nodes", "order", "out_degree", "out_edges", "pred", "predecessors", "remove_edge"),
    *("remove_edges_from", "remove_node", "remove_nodes_from", "reverse", "size", "subgraph", "succ", "successors"),
    *("to_directed", "to_directed_class", "to_undirected", "to_undirected_class", "update"),
)
"""The attributes of a `networkx.DiGraph`."""

for _kind, _names in ((Seen, NETWORKX), (Refused, GRAPH.typed)):
    for _name in _names:
        _attribute = _kind()
        _attribute.__set_name__(Graph, _name)
        setattr(Graph, _name, _attribute)
