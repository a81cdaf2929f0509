"""What an operation is: one record, from which its parser entry, derivative, native code, tests and docs follow.

The texts in a record are expressions of symdiff's own language. In them `a, b, c` are the operands, `y` is the result
and a name from `payload` (`n`) is the number that the node carries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from symdiff.dataclass import dataclass
from symdiff.errors import ShapeError
from symdiff.types import BOOL, FLOAT64, INT64, TensorType, broadcast_shapes, tensor

if TYPE_CHECKING:
    from symdiff.ir.graph import Graph

OPERAND_NAMES = "abc"
INFINITY = float("inf")


@dataclass(frozen=True, slots=True)
class Instruction:
    """An LLVM instruction, or a comparison (`fcmp olt`), and the NumPy function that gives the same bits."""

    opcode: str
    numpy: str


@dataclass(frozen=True, slots=True)
class Intrinsic:
    """An LLVM intrinsic that is one exact IEEE operation, and the NumPy function that gives the same bits."""

    name: str
    numpy: str


@dataclass(frozen=True, slots=True)
class Library:
    """A function of the platform's C mathematics library; `vector`: glibc's libmvec has it, too, and it was checked."""

    symbol: str
    vector: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Special:
    """A function of `scipy.special.cython_special`."""

    symbol: str


@dataclass(frozen=True, slots=True)
class Outside:
    """A function that a user gave, of doubles.

    Attributes
    ----------
    symbol : what tells it from all others.
    operands : how many numbers it takes.
    address : of C's `double f(double, …)`.
    function : the Python function that is called there; None where it is one of C.
    owner : what has to live as long as the address is called.
    """

    symbol: str
    operands: int
    address: int = field(compare=False)
    function: Callable[..., Any] | None = field(compare=False)
    owner: object = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Expand:
    """An expression in the language; a callable makes it from the node's payload."""

    text: str | Callable[[int], str]

    def of(self, payload: object) -> str:
        """The expression for one node."""
        return self.text if isinstance(self.text, str) else self.text(payload)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The partial by an operand that nobody can give: `by` says which operand it is, `hint` what to do instead."""

    by: str
    hint: str


@dataclass(frozen=True, slots=True)
class Fold:
    """A two-operand operation applied from the left over any number of operands."""

    name: str


@dataclass(frozen=True, slots=True)
class Movement:
    """The meaning of an operation that moves, adds and multiplies elements, on NumPy arrays.

    `evaluate(*operands, payload)` is the reference. It works on arrays of objects that add and multiply as well, unless
    `unrolled(call, *operands, payload)` is there for them: `call(name, *elements)` applies an elementwise operation.
    """

    evaluate: Callable[..., Any]
    unrolled: Callable[..., Any] | None = None


WorkSize = Callable[[int, int, int], tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class MatrixRoutine:
    """The meaning of an operation of linear algebra on the last two axes, or of one on whole lines: a library's.

    `unrolled(call, *operands, payload)` is the same by elementwise operations, rounded in another order, for matrices
    of few rows; None where the library always does it. `work(rows, columns, bytes of an element)` says how many bytes
    the library's routine needs for one matrix beside its operands: for a copy or for factors, for pivots, and to work
    with; None where it needs none.
    """

    evaluate: Callable[..., Any]
    unrolled: Callable[..., Any] | None = None
    work: WorkSize | None = None


ScalarRoutine = Instruction | Intrinsic | Library | Special | Outside
"""The routines that native code has for one element."""

Routine = ScalarRoutine | Expand | Fold | Movement | MatrixRoutine
TypeRule = Callable[["Op", Sequence[TensorType], Any], TensorType]
Make = Callable[..., int]
"""Given (record or name, operands, payload), the id of a node; with the name `constant`, of a constant."""

Canonical = Callable[["Graph", Make, tuple[int, ...], Any], int | None]
Lower = Callable[[Make, tuple[int, ...], Any, Sequence[TensorType]], int]
Flops = Callable[[Sequence[TensorType], TensorType, Any], dict[str, int]]


@dataclass(frozen=True, slots=True)
class Infix:
    """How an operation is written between (or, `prefix`, before) its operands.

    `power` is the binding strength, larger binds tighter; `right` associates to the right.
    """

    symbol: str
    power: int
    right: bool = False
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Differential:
    """How an operation on tensors maps tangents and adjoints.

    Every array that is passed may have `lead` more axes in front, the same for all; results have them too. `node`
    names the operation, its operands and its payload through the graph.

    Attributes
    ----------
    pushforward : (graph, tangents of the operands, node, lead), the tangent of the node; a missing tangent is None.
    pullback : (graph, adjoint, node, k, lead), the adjoint of operand k.
    reach : (graph, mask, node, k, lead, forward), for a mask of numbers ≥ 0 in place of the tangent of operand k (or,
        not `forward`, of the adjoint): positive where the result depends on an element whose mask is. None: the linear
        map itself, whose coefficients are ≥ 0.
    active : which operands have a derivative; None for all.
    selects : whether some coefficients are 0 by selection, as those of `where`, so that `reach` says more than that
        everything is reached, even for a mask of ones.
    text : the rule as a textbook writes it, for the documentation.
    """

    pushforward: Callable[[Graph, list[int | None], int, int], int]
    pullback: Callable[[Graph, int, int, int, int], int]
    reach: Callable[[Graph, int, int, int, int, bool], int] | None = None
    active: tuple[bool, ...] | None = None
    selects: bool = False
    text: str = "linear"

    def has(self, k: int) -> bool:
        """Whether there is a derivative by operand k."""
        return self.active is None or self.active[k]


@dataclass(frozen=True, eq=False, slots=True)
class Op:
    """One operation.

    Attributes
    ----------
    name : what the language, the listings and the tables call it.
    kinds : a letter for each operand, `f` a number, `c` a condition; None for any number of operands.
    result : `f`, `c`.
    routine : its numeric meaning, the same one for the interpreter and for native code.
    partials : the derivative by each operand; None where it is zero wherever it exists; Unavailable where
        differentiating by the operand is refused.
    tally : of an operation on any number of operands: a term summed over all operands, `t` in `partials`.
    exact : the mathematical definition in mpmath's terms, the oracle of the tests and of the documentation.
    domain : for each operand the open interval in which the function is real and smooth.
    singular : points inside the domain where it is not (poles, kinks).
    edges : what happens at kinks, ties, poles and ends, in words.
    parameters, defaults : as a user calls it; `aliases` other names that users type; hidden ones can't be called.
    elsewhere : what other languages call it, where that is no name here: the error says what to type.
    inverse : the inverse function, where one is written by an exponent of -1.
    parity : "even" or "odd", where a sign of the operand goes into or out of the function without a changed bit.
    payload : what belongs to the node itself: the name of an integer, which is given first in a call, or the kind of
        what an operation on tensors carries (`PAYLOADS` has them).
    at_zero : of an operation that carries an order: the operation that it is at the order 0, where it has none itself.
    signed : of an operation that carries an order: whether it may be negative.
    finite : whether the result is finite wherever the operands are, overflow aside: where it enters a derivative as a
        factor, no mask has to keep it from a branch that was not taken.
    differential : of an operation on tensors: its derivative.
    empty : of an operation on tensors: each element of its result where an operand has no elements; None where that is
        no number of its own.
    flops : of an operation on tensors: given (types of the operands, type of the result, payload), how many
        floating-point operations it takes, by the names of elementwise operations; None where it takes none.
    numpy : of an operation on tensors: the NumPy expression, `{0}`, `{1}`, … for the operands and `{shape}` and
        `{axes}` for the result's shape and for the axes of a reduction, counted from the end, `{payload}` for what
        the node carries.
    lower : of an operation on tensors that loops do not have: given (make, operands, payload, types of the operands),
        the node that `make(record or name, operands, payload)` makes of simpler ones; `make("constant", (), value)` a
        constant.
    sympy : the operation as an expression of SymPy's in the operands (and `n`), where SymPy has one; where it is a call
        of one of its classes on the operands in order, objects of that class become the operation. Empty: what the
        operation expands to is converted; None: that would be of no use, and is refused.
    written : given (graph, args), the id of the node that a person means who writes it, or None: the operation itself.
    canonical : given (graph, make, args, payload), the id of a simpler node that means the same, or None. Nodes are
        made with `make(record or name, args, payload)`: by a graph that grows, and by the optimizer.
    word : what the language calls it, where that is another word than its name.
    key : what tells it from all others: its name, unless a user defined it, whose word another may use, too.
    """

    name: str
    kinds: str | None = "f"
    result: str = "f"
    routine: Routine | None = None
    partials: tuple[str | Unavailable | None, ...] = ()
    tally: str | None = None
    doc: str = ""
    exact: str | None = None
    domain: tuple[tuple[float, float], ...] = ((-INFINITY, INFINITY),)
    singular: tuple[float, ...] = ()
    samples: tuple[int, ...] = ()
    edges: str = ""
    parameters: tuple[str, ...] = ()
    defaults: tuple[float, ...] = ()
    aliases: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    inverse: str = ""
    parity: str = ""
    payload: str | None = None
    at_zero: str | None = None
    signed: bool = False
    infix: Infix | None = None
    latex: str | None = None
    sympy: str | None = ""
    commutative: bool = False
    hidden: bool = False
    finite: bool = False
    differential: Differential | None = None
    flops: Flops | None = None
    empty: float | bool | None = None
    numpy: str = ""
    lower: Lower | None = None
    type_rule: TypeRule = field(default=lambda op, types, payload: elementwise(op, types))
    written: Callable[[Graph, tuple[int, ...]], int | None] | None = None
    canonical: Canonical | None = None
    word: str = ""
    key: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "word", self.word or self.name)
        object.__setattr__(self, "key", self.key or self.name)

    def __repr__(self) -> str:
        return f"<Op {self.name}>"

    def __reduce__(self) -> tuple[object, ...]:
        return operation, (self.key,)


@dataclass(frozen=True, slots=True)
class Stored:
    """How files hold a kind of what nodes carry: `read` trusts nothing, `write` makes what JSON can hold."""

    read: Callable[[Any], Any]
    write: Callable[[Any], Any] | None = None


PAYLOADS: dict[str, Stored] = {}
"""The kinds of what nodes carry, by what records call them. Others are integers, bodies, or what users defined."""


def payload_kind(name: str, read: Callable[[Any], Any], write: Callable[[Any], Any] | None = None) -> str:
    """The name of a kind of payload, which is in the table from now on."""
    PAYLOADS[name] = Stored(read, write)
    return name


OPS: dict[str, Op] = {}
"""Every operation, by its key, which is its name."""

STABLE_FORMS: dict[str, tuple[str, str]] = {}
"""Rules that a family of operations has for expressions of users, by name: a pattern, and the form that is stable.

They are tried before those of `optimize/rules.py`, which says what they mean.
"""

CALLABLE: dict[str, Op] = {}
"""The operations that a formula can call, by their names and aliases."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A function of the language that is only another way to write an expression; it never becomes a node.

    `exact`, `domain` and `singular` are those of a record, for the tests: operands are `a, b, c` in the order of the
    parameters.
    """

    name: str
    parameters: tuple[str, ...]
    text: str
    doc: str
    exact: str | None
    domain: tuple[tuple[float, float], ...]
    singular: tuple[float, ...]


DEFINITIONS: dict[tuple[str, int], Definition] = {}
"""Functions by name and number of operands that stand for an expression."""


_followers: list[Callable[[Op], None]] = []


def follow(add: Callable[[Op], None]) -> None:
    """Hand every record to `add`, those that are there and those that come."""
    for record in list(OPS.values()):
        add(record)
    _followers.append(add)


def register(*records: Op) -> tuple[Op, ...]:
    """The records, which are in the table from now on.

    Raises
    ------
    ValueError
        Where a name is taken.
    """
    for record in records:
        if record.key in OPS:
            raise ValueError(f"there are two operations called {record.key}")
        OPS[record.key] = record
        if not record.hidden and record.key == record.name:
            for name in (record.name, *record.aliases):
                if name in CALLABLE:
                    raise ValueError(f"there are two functions called {name}")
                CALLABLE[name] = record
        for add in _followers:
            add(record)
    return records


def alias(
    name: str,
    parameters: str,
    text: str,
    doc: str,
    exact: str | None = None,
    domain: tuple[tuple[float, float], ...] = ((-INFINITY, INFINITY),),
    singular: tuple[float, ...] = (),
) -> None:
    """Let formulas call `name` for the expression `text` in its parameters."""
    names = tuple(parameters.split())
    DEFINITIONS[name, len(names)] = Definition(name, names, text, doc, exact, domain, singular)


def operation(key: str) -> Op:
    """The record of an operation."""
    return OPS[key]


def elementwise(op: Op, types: Sequence[TensorType]) -> TensorType:
    """The type rule of operations that act on each element: NumPy broadcasting, one float type."""
    kinds = op.kinds or "f" * len(types)
    if len(types) != len(kinds):
        raise ShapeError(f"{op.name} takes {len(kinds)} operands, not {len(types)}")
    dtype = None
    for kind, type_ in zip(kinds, types, strict=True):
        if kind == "f" and type_.dtype == dtype:  # as the operand before
            continue
        if (kind == "c") != (type_.dtype == BOOL):
            wanted, got = ("a condition", "a number") if kind == "c" else ("a number", "a condition")
            hint = "write x != 0 for the condition that x is not zero" if kind == "c" else "write where(c, 1, 0)"
            raise ShapeError(f"{op.name} takes {wanted} here, not {got}", hint=hint)
        if type_.dtype == INT64:
            raise ShapeError(f"{op.name} takes numbers, not indices (int64)")
        if kind == "f":
            if dtype is not None and type_.dtype != dtype:
                raise ShapeError(f"{op.name}: operands of types {dtype} and {type_.dtype}")
            dtype = type_.dtype
    shape = types[0].shape
    for type_ in types:
        if type_.shape != shape:
            shape = broadcast_shapes(op.name, [t.shape for t in types])
            break
    return tensor(BOOL if op.result == "c" else dtype or FLOAT64, shape)
