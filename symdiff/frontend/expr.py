"""`Expr`: a handle on one node of a graph, with Python's operators."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn

import numpy as np

from symdiff.errors import ArgumentError, CallError, MissingAttributeError, NeedsShape, NeedsStructure, ShapeError
from symdiff.frontend.arrays.methods import ArrayMethods
from symdiff.frontend.attributes import matrix_product
from symdiff.frontend.calls import look_up
from symdiff.frontend.expr_subscripts import listed_part, numeric_part
from symdiff.frontend.given import as_float
from symdiff.frontend.handlers import FUNCTION, UFUNC, handler
from symdiff.frontend.subscripts import part_of, subscripted
from symdiff.frontend.substitution import substituted
from symdiff.guesses import EXPRESSION, missing, typed_instead
from symdiff.ir.body import Body
from symdiff.ir.graph import Graph, collector_paused
from symdiff.later import Later
from symdiff.ops import OPS, Op, core
from symdiff.types import BOOL, Dim, check_rank

SHOWN_LENGTH = 80

ABSENT: Any = None
"""What no node is: comparing with it takes no time."""

BUILD = "an array with expressions in it is made by np.stack([a, b]), np.concatenate or sd.array([[a, b], [c, d]])"
"""What to type where NumPy was to put an expression into an array of numbers."""


def _binary(name: str) -> tuple[Callable[[Expr, Any], Any], Callable[[Expr, Any], Any]]:
    op = OPS[name]

    def forward(self: Expr, other: Any) -> Any:
        if type(other) is Expr and other.graph is self.graph:
            graph = self.graph
            with graph.lock:
                return Expr(graph, graph.apply(op, (self.node, other.node)))
        if type(other) is float or type(other) is int:
            graph = self.graph
            with graph.lock:
                return Expr(graph, graph.apply(op, (self.node, graph.constant(as_float(other)))))
        return combine(op, self, other) if is_operand(other) else NotImplemented

    def reflected(self: Expr, other: Any) -> Any:
        return combine(op, other, self) if is_operand(other) else NotImplemented

    return forward, reflected


def _unary(name: str) -> Callable[[Expr], Expr]:
    op = OPS[name]
    return lambda self: combine(op, self)


class Expr(ArrayMethods):
    """A symbolic value: node `node` of `graph`. Operators, NumPy's functions and symdiff's own make new ones.

    Comparisons, `==` among them, give conditions; `hash` tells two handles on one node to be the same.
    """

    __slots__ = ("graph", "node")
    __array_priority__ = 1000.0

    def __init__(self, graph: Graph, node: int = ABSENT) -> None:
        if node is None:
            raise CallError(
                "Expr is the type of what sd.symbols and sd.expr make, and is not called",
                hint='write sd.symbols("x y") for symbols, sd.expr("x**2*y") for the expression in a text',
            )
        self.graph = graph
        self.node = node

    __add__, __radd__ = _binary("add")
    __sub__, __rsub__ = _binary("sub")
    __mul__, __rmul__ = _binary("mul")
    __truediv__, __rtruediv__ = _binary("div")
    __floordiv__, __rfloordiv__ = _binary("floor_divide")
    __mod__, __rmod__ = _binary("mod")
    __lt__, __gt__ = _binary("less")[0], _binary("greater")[0]
    __le__, __ge__ = _binary("less_equal")[0], _binary("greater_equal")[0]
    __eq__, __ne__ = _binary("equal")[0], _binary("not_equal")[0]
    __and__, __rand__ = _binary("logical_and")
    __or__, __ror__ = _binary("logical_or")
    __invert__ = _unary("logical_not")
    __neg__ = _unary("neg")
    __abs__ = _unary("abs")
    __floor__, __ceil__, __trunc__ = _unary("floor"), _unary("ceil"), _unary("trunc")
    _power, _rpower = _binary("pow")

    def __pow__(self, other: Any, modulo: None = None) -> Any:
        if modulo is not None:
            raise CallError("pow() of an Expr takes two arguments")
        return self._power(other)

    def __rpow__(self, other: Any, modulo: None = None) -> Any:
        return self._rpower(other)

    def __matmul__(self, other: Any) -> Any:
        return self._matmul(self, other) if is_operand(other) else NotImplemented

    def __rmatmul__(self, other: Any) -> Any:
        return self._matmul(other, self) if is_operand(other) else NotImplemented

    @staticmethod
    def _matmul(a: Any, b: Any) -> Expr:
        graph, (left, right) = together((a, b))
        with graph.lock:
            return Expr(graph, matrix_product(graph, left, right))

    def __divmod__(self, other: Any) -> tuple[Any, Any]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Any, Any]:
        return other // self, other % self

    def __pos__(self) -> Expr:
        return self

    def __round__(self, digits: int | None = None) -> Expr:
        if digits:
            raise CallError("an Expr is rounded to integers only", hint=f"write round(x*1e{digits})/1e{digits}")
        return combine(core.ROUND, self)

    def __xor__(self, other: Any) -> NoReturn:
        raise CallError(
            "^ is not a power in Python, which binds it looser than +",
            hint="write ** for a power, sd.logical_xor(a, b) for conditions",
        )

    __rxor__ = __xor__

    def __bool__(self) -> bool:
        raise CallError(
            f"{self._brief()} has no truth value before numbers are given",
            hint="instead of if, and, or, max, min or 0 < x < 1 write sd.where(c, a, b), a & b, a | b, sd.maximum, "
            "sd.minimum or (0 < x) & (x < 1); instead of np.array([a, b]) > 0 write np.stack([a, b]) > 0",
        )

    def __float__(self) -> float:
        raise self._has_no_value(
            "float",
            "leave float() out, and instead of the functions of math write those of sd or np, such as sd.sin; "
            f"{BUILD}; for its value make a function: sd.function(e)(1.0)",
        )

    def __int__(self) -> int:
        raise self._has_no_value(
            "int",
            "write sd.trunc(x) for its whole part; the number of turns of a loop is a constant; to choose from "
            "an array of numbers write sd.array(a)[k]",
        )

    def __index__(self) -> int:
        raise self._has_no_value(
            "an integer",
            "range() and the ends of a slice take constants; to choose from a list "
            "or an array of numbers write sd.array(a)[k]",
        )

    def __complex__(self) -> complex:
        raise self._has_no_value("complex", "write the real and the imaginary part apart")

    def _has_no_value(self, wanted: str, hint: str) -> CallError:
        article = "" if wanted.startswith("an ") else "a number of type "
        return CallError(
            f"{self._brief()} has no value before numbers are given; {article}{wanted} is asked for", hint=hint
        )

    def __hash__(self) -> int:
        return hash((id(self.graph), self.node))

    # Elements

    def __len__(self) -> int:
        if not self.shape:
            raise CallError(f"{self._brief()} is a scalar and has no length")
        size = self.shape[0]
        if isinstance(size, Dim):
            raise ShapeError(f"the size {size.name} is not known yet", hint="declare the shape with numbers")
        return size

    def __iter__(self) -> Iterator[Expr]:
        if not self.shape:
            raise CallError(f"{self._brief()} is a scalar and cannot be iterated over")
        return iter([self[k] for k in range(len(self))])

    def __contains__(self, item: Any) -> NoReturn:
        raise CallError("whether an Expr contains a value is not known before numbers are given")

    def __getitem__(self, index: Any) -> Expr:
        if isinstance(index, str) and self.graph.unshaped is not None:  # what it is of may be a dict
            self.graph.unshaped.check(self.graph, [self.node], f"the entry {index!r} of a name")
        given = index if isinstance(index, tuple) else (index,)
        graph, (node, *nodes) = together([self, *(part for part in given if is_symbolic(part))])
        found = iter(nodes)
        with graph.lock:
            parts = tuple(
                [part_of(graph, next(found)) if is_symbolic(part) else numeric_part(graph, part) for part in given]
            )
            listed = listed_part(graph, node, parts)
            return Expr(graph, subscripted(graph, node, parts) if listed is None else listed)

    def __setitem__(self, index: Any, value: Any) -> NoReturn:
        raise CallError(
            f"the elements of {self._brief()} cannot be assigned to: a formula does not change",
            hint="write x = sd.where(c, new, x) with a condition c such as np.arange(n) == k, or join the parts: "
            "x = np.concatenate([x[:k], [new], x[k + 1:]])",
        )

    @property
    def real(self) -> Expr:
        """The value itself: all values are real."""
        return self

    def conjugate(self) -> Expr:
        """The value itself: all values are real."""
        return self

    def astype(self, dtype: Any, **options: Any) -> Expr:
        """The elements as numbers of the formula's type, as whole numbers, or as the conditions that they are not 0.

        Raises
        ------
        CallError
            For other types; a formula has one type of numbers.
        """
        kind, own = np.dtype(dtype), np.dtype(self.graph.dtype)
        if kind.kind == "b":
            return self if self.dtype == kind else combine(core.NOT_EQUAL, self, 0.0)
        if kind.kind in "iu":
            return combine(core.TRUNC, self)
        if kind != own:
            raise CallError(
                f"a formula has numbers of the type {own}, not {kind}",
                hint=f'leave astype out, or make the function with dtype="{kind}"',
            )
        return combine(core.ADD, self, 0.0) if self.dtype.kind == "b" else self

    diff = Later("functions.series:diff")

    def subs(self, values: Any, value: Any = None) -> Expr:
        """This expression with values in the place of inputs or named lines, all at once.

        Parameters
        ----------
        values : from names, or the Exprs that are these inputs or lines, to numbers, arrays or other Exprs, each of
            the shape of what it stands for.
        value : that of one name, which `values` then is, as in SymPy: `e.subs(x, 2)`.

        Raises
        ------
        UnknownNameError
            For a name that no input or line has.
        ShapeError
            For a value that has another shape.
        ArgumentError
            For a key that is no name, and for two keys of one name.

        Examples
        --------
        >>> import symdiff as sd
        >>> e = sd.expr("x**2*y + sin(z)")
        >>> e.subs({"x": 3, "y": sd.expr("a + b")})
        Expr(9*(a + b) + sin(z))
        >>> x, y = sd.symbols("x y")
        >>> (x/y).subs({x: y, y: x})
        Expr(y/x)
        """
        if value is not None:
            values = {values: value}
        if not isinstance(values, Mapping):
            raise ArgumentError("subs takes a dict from names to values", hint='write e.subs({"x": 2})')
        graph, (root, *nodes) = together([self, *values.values()])
        wanted: dict[str, int] = {}
        for key, node in zip(values, nodes, strict=True):
            name = _replaced_name(key)
            if name in wanted:
                raise ArgumentError(f"{name} is given two values")
            wanted[name] = node
        with graph.lock:
            return Expr(graph, substituted(graph, root, wanted))

    def __call__(self, *args: Any, **keywords: Any) -> NoReturn:
        """Refuse: a function is called.

        Raises
        ------
        CallError
            The hint is how to make a function.
        """
        listed = ", ".join(f'"{name}"' for name in _free_names(self))
        raise CallError(
            f"{self._brief()} is an expression, and functions are called",
            hint=f"write sd.function(e, [{listed}])(…) for its value, e.subs(…) for another expression",
        )

    # How others see it

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return handler(UFUNC)(ufunc, method, inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        return handler(FUNCTION)(function, args, options)

    def __getattr__(self, name: str) -> Callable[..., Expr]:
        entry = look_up(name)  # NumPy calls x.sin() and x.arctan2(y) on the elements of an object array
        op = None if entry is None else entry.op
        if op is not None and op.payload is None and op.kinds in ("f", "ff"):
            return lambda *others: combine(op, self, *others)
        if name == "__array__" and self.graph.unshaped is not None:  # NumPy is about to take it for one object
            self.graph.unshaped.check(self.graph, (self.node,), "an array of a name")
        if self.graph.unshaped is not None and name[0] != "_" and not hasattr(np.ndarray, name):
            missing = tuple(self.graph.unshaped.inputs(self.graph, self.node))
            if missing and name == "keys":  # f(**x) asks for it, and Python replaces an AttributeError then
                return partial(_may_be_dict, missing)
            if missing:  # what it is of may be a tree
                raise NeedsStructure(f"the attribute {name} of {', '.join(missing)}", names=missing)
        if name.startswith("_"):
            raise AttributeError(f"an Expr has no attribute {name!r}")
        raise unknown_attribute_of(type(self), name)

    def _sympy_(self) -> Any:
        from symdiff.frontend.sympy_bridge import sympy_of

        return sympy_of(self.graph, self.node)

    def __str__(self) -> str:
        from symdiff.display.text import expression

        return expression(self.graph, self.node)

    def _brief(self) -> str:
        from symdiff.display.text import expression

        text = expression(self.graph, self.node, rows=False).replace("\n", "; ")
        return text if len(text) <= SHOWN_LENGTH else text[: SHOWN_LENGTH - 1] + "…"

    def __repr__(self) -> str:
        return f"Expr({self._brief()})"

    def _repr_latex_(self) -> str:
        from symdiff.display.latex import latex

        return f"$\\displaystyle {latex(self.graph, self.node)}$"

    def __copy__(self) -> Expr:
        return self

    def __deepcopy__(self, memo: Any) -> Expr:
        return self

    def __reduce__(self) -> NoReturn:
        raise ArgumentError("an Expr alone is not pickled", hint="pickle or save a function: sd.function(e)")


def _free_names(e: Expr) -> list[str]:
    """The names of the inputs that an expression is made of, in order."""
    graph = e.graph
    return [str(graph.payloads[k]) for k in graph.live([e.node]) if graph.ops[k] is core.INPUT]


def unknown_attribute_of(kind: type[Expr], name: str) -> MissingAttributeError:
    """The error for an attribute that an expression has not."""
    known = [n for n in dir(kind) if not n.startswith("_")]
    if look_up(name) is not None:
        hint = f"write sd.{name}(e)"
    else:
        hint = (
            typed_instead(name, EXPRESSION, known, "e.")
            or "dir(e) lists what there is, and sd.function(e) is a function"
        )
    return missing("an Expr", name, hint.replace("{name}", name))


def _may_be_dict(names: tuple[str, ...]) -> NoReturn:
    raise NeedsShape(f"the keys of {', '.join(names)}", names=names)


def combine(op: Op, *operands: Any) -> Expr:
    """The Expr `op(operands)`, in the graph of one of them; numbers, arrays and lists are constants.

    Raises
    ------
    ShapeError
        Where the operands do not fit.
    """
    graph, nodes = together(operands)
    with graph.lock:
        try:
            return Expr(graph, graph.apply(op, nodes))
        except ShapeError as error:
            if op.infix and op.infix.symbol in ("and", "or"):
                error.hint = "write parentheses around comparisons: (x > 0) & (y > 0)"
            raise


def together(operands: Sequence[Any]) -> tuple[Graph, list[int]]:
    """The operands as nodes of one graph: the largest of theirs, into which what the others need is imported."""
    graph = shared_graph(operands)
    return graph, [as_node(graph, item) for item in operands]


def shared_graph(operands: Sequence[Any]) -> Graph:
    """The largest graph of the operands and of what lists among them hold; a new one where there is none."""
    graph: Graph | None = None
    stack = list(operands)
    while stack:
        item = stack.pop()
        if isinstance(item, Expr):
            if graph is None or (item.graph is not graph and len(item.graph) >= len(graph)):
                graph = item.graph
        elif isinstance(item, list | tuple) or (isinstance(item, np.ndarray) and item.dtype == object):
            stack.extend(item.tolist() if isinstance(item, np.ndarray) and not item.ndim else item)
    return Graph() if graph is None else graph


def _replaced_name(key: Any) -> str:
    """The name of what a key of `subs` stands for."""
    if isinstance(key, Expr) and key.graph.ops[key.node] in (core.INPUT, core.NAMED):
        return str(key.graph.payloads[key.node])
    if is_sympy(key) and hasattr(key, "name"):
        return str(key.name)
    if not isinstance(key, str):
        shown = key._brief() if isinstance(key, Expr) else repr(key)
        raise ArgumentError(f"{shown} is neither an input nor a named line", hint="values are given for names")
    return key


def as_expr(value: Any) -> Expr:
    """A value as an Expr; numbers, arrays and lists become constants."""
    if isinstance(value, Expr):
        return value
    graph, (node,) = together((value,))
    return Expr(graph, node)


def is_operand(value: Any) -> bool:
    """Whether a value can stand beside an Expr in a formula."""
    return isinstance(value, Expr | int | float | np.generic | np.ndarray | list | tuple) or is_sympy(value)


def is_sympy(value: Any) -> bool:
    """Whether a value is an object of SymPy's, without importing it."""
    sympy = sys.modules.get("sympy")
    return sympy is not None and isinstance(value, sympy.Basic | sympy.MatrixBase | sympy.NDimArray)


def is_symbolic(value: Any) -> bool:
    """Whether a value is an Expr or a SymPy object, or a list or object array that holds one."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, Expr) or is_sympy(item):
            return True
        if isinstance(item, list | tuple):
            stack.extend(item)
        elif isinstance(item, np.ndarray) and item.dtype == object:
            stack.extend(item.ravel().tolist())
    return False


def as_node(graph: Graph, value: Any) -> int:
    """The node of `graph` for an Expr (imported if it is another's), a number, an array or a nested list.

    Raises
    ------
    CallError
        For values that are no numbers: texts, complex numbers, objects.
    """
    if isinstance(value, Expr):
        if value.graph is graph:
            return value.node
        with collector_paused():
            return Body.of(value.graph, [value.node]).copy(graph)[value.node]
    with graph.lock:
        if isinstance(value, bool | float | np.bool_ | np.floating | np.integer):
            return graph.constant(value)  # type: ignore[arg-type]
        if isinstance(value, int):
            return graph.constant(as_float(value))
        if isinstance(value, np.ndarray):
            if value.dtype.kind in "biuf":
                return graph.constant(value if value.dtype.kind == "b" else value.astype(float))
            if value.dtype == object:
                value = value.tolist()
                return as_node(graph, value)
        if isinstance(value, list | tuple):
            return _as_stack(graph, value)
    if is_sympy(value):
        from symdiff.frontend.sympy_bridge import graph_of_sympy

        return graph_of_sympy(value, graph)[1]
    kind = type(value).__name__
    if isinstance(value, complex | np.complexfloating) or getattr(value, "dtype", np.dtype(float)).kind == "c":
        raise CallError("complex numbers are not supported")
    hint = "write sd.expr(text) for the expression in a text" if isinstance(value, str) else ""
    if callable(value):
        hint = f"call it: {getattr(value, '__name__', 'f')}(…), with symbols for its inputs, is an expression"
    raise CallError(f"a value of type {kind} is no number or expression", hint=hint)


def _as_stack(graph: Graph, values: Sequence[Any]) -> int:
    """The node of a list: a constant array where it holds numbers only, a stack otherwise."""
    if not values:
        return graph.constant(np.zeros(0))
    flat, depth = list(values), 1
    while flat and all(isinstance(v, list | tuple) for v in flat):
        flat, depth = [entry for v in flat for entry in v], depth + 1
        check_rank(depth)
    if all(isinstance(v, int | float | np.number | np.bool_) for v in flat):
        if any(isinstance(v, int) and not isinstance(v, bool) and abs(v) > 2**53 for v in flat):
            flat = [as_float(v) if isinstance(v, int) else v for v in flat]
        try:
            array = np.array(values, dtype=None if flat else float)
            return graph.constant(array if array.dtype == BOOL else array.astype(float))
        except ValueError:
            raise ShapeError("the rows of a list have different lengths") from None
    nested = [v for v in flat if isinstance(v, list | tuple)]
    while nested:  # not by recursion before it is known to end soon
        nested, depth = [e for v in nested for e in v if isinstance(e, list | tuple)], depth + 1
        check_rank(depth)
    nodes = [as_node(graph, v) for v in values]
    if any(graph.types[n].dtype != BOOL for n in nodes):
        nodes = [graph.as_number(n) for n in nodes]
    return graph.add(core.STACK, tuple(nodes))
