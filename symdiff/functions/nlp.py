"""Nonlinear programs as solvers take them: the callbacks of Ipopt and SciPy, from an objective and constraints."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.errors import ArgumentError, ShapeError, UnknownNameError, nearest
from symdiff.frontend.expr import Expr
from symdiff.functions.build import function
from symdiff.functions.function import Function
from symdiff.functions.inputs import name_of
from symdiff.functions.record import read_source
from symdiff.functions.sparse import sparse_hessian, sparse_jacobian
from symdiff.functions.sparse_function import SparseFunction
from symdiff.functions.transforms import grad, one_scalar
from symdiff.functions.tree_arguments import free_name
from symdiff.ir.graph import Graph
from symdiff.ops import core, movement, reduction
from symdiff.signature import Argument
from symdiff.types import Shape, fixed, show

WITHOUT_SLOPES = frozenset(("nelder-mead", "powell", "cobyla", "cobyqa"))
WITH_HESSIANS = frozenset(("trust-constr", "newton-cg", "dogleg", "trust-ncg", "trust-krylov", "trust-exact"))
"""Methods of SciPy's `minimize` that take no gradient, and those that take second derivatives."""

Vector = np.ndarray[Any, np.dtype[np.float64]]


def nlp(
    objective: Any,
    constraints: Any = None,
    wrt: Any = None,
    *,
    parameters: Mapping[str, Any] | None = None,
) -> NonlinearProgram:
    """A nonlinear program: minimize an objective, where constraints lie between bounds, for any solver.

    Its methods have the names and the conventions of cyipopt, so that it is the `problem_obj` of ``cyipopt.Problem``;
    `scipy` gives what ``scipy.optimize.minimize`` takes, and `nlopt` sets up an ``nlopt.opt``. Derivatives are exact
    and sparse: the Jacobian of the constraints, and the lower triangle of the Hessian of
    ``obj_factor*objective + lagrange @ constraints``.

    Parameters
    ----------
    objective : a Function, or anything that `function` takes, whose value is one number.
    constraints : one function, or a list of them, whose elements are the constraints, one after the other; None where
        there are none.
    wrt : the variables: a name, or a list of names, whose scalars in C order are the vector that solvers work on. By
        default the first argument of the objective.
    parameters : the values of the other arguments, by name.

    Raises
    ------
    ArgumentError
        For variables that are no arguments of any function, and for parameters without a value.
    DifferentiationError
        For an objective that is not scalar-valued.
    ShapeError
        Where two functions have arguments of one name and different shapes, or those of variables are not declared.

    Examples
    --------
    >>> import numpy as np
    >>> import symdiff as sd
    >>> from scipy.optimize import minimize
    >>> problem = sd.nlp("f(x[2], a) = (x[0] - a)**2 + x[1]**2", "c(x[2]) = x[0]*x[1]", "x", parameters={"a": 1.0})
    >>> problem
    <NonlinearProgram of 2 variables, 1 constraint: 2 entries in the Jacobian, 3 in the Hessian>
    >>> problem.hessian(np.zeros(2), np.ones(1), 1.0)
    array([2., 1., 2.])
    >>> problem.hessianstructure()
    (array([0, 1, 1], dtype=int32), array([0, 0, 1], dtype=int32))
    >>> found = minimize(x0=[1.0, 1.0], **problem.scipy(lower=1.0))
    >>> bool(found.success), found.x.round(3)
    (True, array([1.38 , 0.725]))
    """
    listed = constraints if isinstance(constraints, list | tuple) else [] if constraints is None else [constraints]
    functions = [f if isinstance(f, Function) else read_source(f, wrt) for f in (objective, *listed)]
    functions = [_of_known_shapes(f, parameters or {}) for f in functions]
    one_scalar(functions[0], "the gradient of the objective")
    return NonlinearProgram(functions[0], functions[1:], _variables(functions, wrt), parameters or {})


def _of_known_shapes(f: Function, parameters: Mapping[str, Any]) -> Function:
    """A function with shapes that are not declared taken from the values of parameters."""
    if f._cases is None:
        return f
    shapes = {a.name: np.shape(parameters[a.name]) if a.name in parameters else a.shape for a in f.arguments}
    for a in f.arguments:
        if a.name not in parameters and (a.deferred or any(type(size) is not int for size in a.shape)):
            raise ShapeError(
                f"nlp: the shape of {a.written} in {f.__name__} is known at each call only", hint="declare shapes"
            )
    return f._for_shapes(shapes)


def _variables(functions: Sequence[Function], wrt: Any) -> list[Argument]:
    """The arguments that are the variables, in order."""
    known = {a.name: a for f in reversed(functions) for a in f.arguments}
    if wrt is None:
        if not functions[0].arguments:
            raise ArgumentError("nlp: the objective has no arguments")
        wrt = [functions[0].arguments[0].name]
    if isinstance(wrt, tuple):
        raise ArgumentError("nlp: the variables are one vector", hint=f"list them: {list(wrt)!r}")
    found = []
    for item in wrt if isinstance(wrt, list) else [wrt]:
        name = name_of(item)
        if name not in known:
            raise UnknownNameError(f"nlp: no function has an argument {name}", hint=nearest(name, list(known)))
        found.append(known[name])
    for f in functions:
        for argument in f.arguments:
            if argument.shape != known[argument.name].shape:
                shapes = f"{show(argument.shape)} and {show(known[argument.name].shape)}"
                raise ShapeError(f"nlp: {argument.name} has shapes {shapes} in two functions")
    return found


class NonlinearProgram:
    """An objective, constraints and their derivatives as callbacks of solvers, made by `nlp`.

    Attributes
    ----------
    n, m : the numbers of variables and of constraints.
    parameters : the values of the other arguments.
    """

    def __init__(
        self,
        objective: Function,
        constraints: Sequence[Function],
        variables: Sequence[Argument],
        parameters: Mapping[str, Any],
    ) -> None:
        self._sources = (objective, tuple(constraints), tuple(variables))
        names = {v.name for v in variables}
        given = [a for f in (objective, *constraints) for a in f.arguments if a.name not in names]
        self._given = list({a.name: a for a in given}.values())
        one = len(variables) == 1 and len(fixed(variables[0].shape)) == 1
        title = variables[0].name if one else free_name("variables", {a.name for a in self._given})
        self.n = sum(math.prod(fixed(v.shape)) for v in variables)
        whole = Whole(title, variables, self._given, self.n)
        f, rows = whole.of(objective), [whole.of(c) for c in constraints]
        self.m = sum(math.prod(fixed(t.shape)) for c in rows for t in c.types)
        self._value, self._slope = f, grad(f, title)
        self._rows = whole.joined(rows) if self.m else None
        self._jacobian = sparse_jacobian(self._rows, title) if self._rows is not None else None
        self._second = sparse_hessian(whole.lagrangian(f, self._rows, self.m), title, triangle="lower")
        self._title = title
        self._full: list[Any] = []
        self._set(parameters)

    def _set(self, parameters: Mapping[str, Any]) -> None:
        names = [a.name for a in self._given]
        for name in parameters:
            if name not in names:
                raise UnknownNameError(f"nlp: no function has an argument {name}", hint=nearest(name, names))
        missing = [n for n in names if n not in parameters]
        if missing:
            raise ArgumentError(
                f"nlp: no value for {', '.join(missing)}", hint=f'parameters={{"{missing[0]}": …}}, or list it in wrt'
            )
        self.parameters = dict(parameters)
        self._values = tuple(parameters[n] for n in names)

    def __repr__(self) -> str:
        constraints = f"{self.m} constraint{'s' * (self.m != 1)}"
        entries = 0 if self._jacobian is None else self._jacobian.nnz
        return (
            f"<NonlinearProgram of {self.n} variable{'s' * (self.n != 1)}, {constraints}: {entries} entries in the "
            f"Jacobian, {self._second.nnz} in the Hessian>"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return NonlinearProgram, (*self._sources, self.parameters)

    def with_parameters(self, **parameters: Any) -> NonlinearProgram:
        """The same program with other values of some parameters; nothing is derived or compiled again."""
        made = NonlinearProgram.__new__(NonlinearProgram)
        made.__dict__.update(self.__dict__)
        made._set({**self.parameters, **parameters})
        return made

    # The names and conventions of cyipopt

    def objective(self, x: Vector) -> float:
        """The objective."""
        return float(self._value(x, *self._values))

    def gradient(self, x: Vector) -> Vector:
        """Its gradient, (n,)."""
        return self._slope(x, *self._values)  # type: ignore[no-any-return]

    def constraints(self, x: Vector) -> Vector:
        """The constraints, (m,)."""
        return np.zeros(0) if self._rows is None else self._rows(x, *self._values)

    def jacobian(self, x: Vector) -> Vector:
        """The entries of the Jacobian of the constraints, in the places that `jacobianstructure` says."""
        if self._jacobian is None:
            return np.zeros(0)
        found: Vector = self._jacobian.values(x, *self._values)
        return found

    def jacobianstructure(self) -> tuple[Any, Any]:
        """The rows and columns of the entries of the Jacobian."""
        if self._jacobian is None:
            return np.zeros(0, np.int32), np.zeros(0, np.int32)
        return self._jacobian.rows, self._jacobian.columns

    def hessian(self, x: Vector, lagrange: Vector, obj_factor: float) -> Vector:
        """The entries of the lower triangle of the Hessian of ``obj_factor*objective + lagrange @ constraints``."""
        found: Vector = self._entries(x, lagrange, obj_factor)
        return found

    def _entries(self, x: Any, lagrange: Any, factor: float) -> Any:
        if self.m:
            return self._second.values(x, *self._values, lagrange, factor)
        return self._second.values(x, *self._values, factor)

    def hessianstructure(self) -> tuple[Any, Any]:
        """The rows and columns of the entries of the Hessian."""
        return self._second.rows, self._second.columns

    # SciPy

    def scipy(self, lower: Any = 0.0, upper: Any = None, method: str = "trust-constr") -> dict[str, Any]:
        """Keyword arguments for ``scipy.optimize.minimize``: method, fun, and what the method uses of derivatives.

        Matrices are sparse for "trust-constr", for other methods dense, as they need them. For "ipopt" they are those
        of ``cyipopt.minimize_ipopt``, which takes second derivatives with constraints of one bound each.

        Parameters
        ----------
        lower, upper : the bounds of the constraints, (m,) or one for all. `upper` is `lower` where it is None and
            `lower` is 0, which makes equations, and else infinity.
        method : the method of `minimize`, or "ipopt".
        """
        symmetric, word = _Symmetric(self._second), method.lower()
        if word == "ipopt":
            return self._minimize_ipopt(symmetric, lower, upper)

        def shaped(matrix: Any) -> Any:
            return matrix if word == "trust-constr" else matrix.toarray()

        given: dict[str, Any] = {"method": method, "fun": self.objective}
        if word not in WITHOUT_SLOPES:
            given["jac"] = self.gradient
        nothing = np.zeros(self.m)
        if word in WITH_HESSIANS:
            given["hess"] = lambda x: shaped(symmetric(self._entries(x, nothing, 1.0)))
        jacobian = self._jacobian
        if jacobian is not None:
            from scipy.optimize import NonlinearConstraint

            lower, upper = _bounds(lower, upper)
            more: dict[str, Any] = {}
            if word not in WITHOUT_SLOPES:
                more["jac"] = lambda x: shaped(jacobian(x, *self._values))
            if word in WITH_HESSIANS:
                more["hess"] = lambda x, v: shaped(symmetric(self._entries(x, v, 0.0)))
            given["constraints"] = NonlinearConstraint(self.constraints, lower, upper, **more)
        return given

    def _minimize_ipopt(self, symmetric: _Symmetric, lower: Any, upper: Any) -> dict[str, Any]:
        def curve(x: Vector, lagrange: Vector, factor: float) -> Any:
            return symmetric(self._entries(x, lagrange, factor)).toarray()

        def constraint(rows: Any, sign: float, bound: Vector, equal: bool) -> dict[str, Any]:
            matrix = self._jacobian
            assert matrix is not None

            def hessian(x: Vector, multipliers: Vector) -> Any:
                lagrange = np.zeros(self.m)
                lagrange[rows] = sign * multipliers
                return curve(x, lagrange, 0.0)

            return {
                "type": "eq" if equal else "ineq",
                "fun": lambda x: sign * (self.constraints(x)[rows] - bound),
                "jac": lambda x: sign * matrix(x, *self._values).toarray()[rows],
                "hess": hessian,
            }

        return {
            "fun": self.objective,
            "jac": self.gradient,
            "hess": lambda x: curve(x, np.zeros(self.m), 1.0),
            "constraints": [constraint(*one) for one in self._one_sided(lower, upper)],
        }

    # NLopt

    def nlopt(self, optimizer: Any, lower: Any = 0.0, upper: Any = None, tolerance: float = 1e-8) -> None:
        """Give an ``nlopt.opt`` the objective, to minimize, and the constraints, with their derivatives.

        Parameters
        ----------
        optimizer : an ``nlopt.opt`` of `n` variables.
        lower, upper : the bounds of the constraints, as for `scipy`.
        tolerance : by how much constraints may be violated.

        Raises
        ------
        ArgumentError
            For an optimizer of another number of variables.

        Examples
        --------
        See docs/howto/nlopt.md.
        """
        if optimizer.get_dimension() != self.n:
            raise ArgumentError(f"the optimizer has {optimizer.get_dimension()} variables, the program {self.n}")

        def objective(x: Vector, slope: Vector) -> float:
            if slope.size:
                slope[:] = self.gradient(x)
            return self.objective(x)

        optimizer.set_min_objective(objective)
        equation, inequality = optimizer.add_equality_mconstraint, optimizer.add_inequality_mconstraint
        for rows, sign, bound, equal in self._one_sided(lower, upper):
            add = equation if equal else inequality
            add(self._negative(rows, sign if equal else -sign, bound), np.full(len(rows), tolerance))

    def _one_sided(self, lower: Any, upper: Any) -> Iterator[tuple[Any, float, Vector, bool]]:
        """The constraints with one bound each: some rows, of which ``sign*(row - bound)`` is 0, or not negative."""
        low, high = (np.broadcast_to(np.asarray(b, np.float64), (self.m,)) for b in _bounds(lower, upper))
        equal = low == high
        for chosen, sign, bound in (
            (equal, 1.0, low),
            (~equal & np.isfinite(low), 1.0, low),
            (~equal & np.isfinite(high), -1.0, high),
        ):
            if chosen.any():
                yield np.flatnonzero(chosen), sign, bound[chosen], chosen is equal

    def _negative(self, rows: Any, sign: float, bound: Vector) -> Any:
        """Some constraints as NLopt takes them: ``sign*(row - bound)``, which is not to be positive."""
        matrix = self._jacobian
        assert matrix is not None

        def constraint(result: Vector, x: Vector, slope: Vector) -> None:
            result[:] = sign * (self.constraints(x)[rows] - bound)
            if slope.size:
                slope[:] = sign * matrix(x, *self._values).toarray()[rows]

        return constraint


def _bounds(lower: Any, upper: Any) -> tuple[Any, Any]:
    """The bounds of constraints: `upper` is `lower` where it is None and `lower` is 0, and else infinity."""
    if upper is None:
        upper = lower if np.all(np.asarray(lower) == 0) else np.inf
    return lower, upper


class _Symmetric:
    """Makes the whole matrix of the entries of its lower triangle."""

    def __init__(self, second: SparseFunction) -> None:
        pattern, self._order = second.layout.pattern.mirrored()
        self._wrap = type(second.layout)(pattern, "csr").wrapper()

    def __call__(self, entries: Vector) -> Any:
        return self._wrap(entries[self._order])


class Whole:
    """Functions of single arguments as functions of the vector of all variables and the parameters."""

    def __init__(self, title: str, variables: Sequence[Argument], given: Sequence[Argument], count: int) -> None:
        self.title, self.variables, self.given, self.count = title, variables, given, count
        self.inputs: dict[str, Shape] = {title: (count,), **{a.name: a.shape for a in given}}

    def of(self, f: Function) -> Function:
        """A function of the vector and all parameters."""
        order = [a.name for a in f.arguments]
        if order == list(self.inputs) and all(a.members is None for a in f.arguments):
            return f
        return self._traced(lambda parts: f(*[parts[n] for n in order]), f.__name__)

    def _traced(self, make: Any, name: str, more: Mapping[str, Shape] | None = None) -> Function:
        inputs = {**self.inputs, **(more or {})}

        def traced(*values: Expr) -> Any:
            known = dict(zip(inputs, values, strict=True))
            return make({**known, **self._parts(known[self.title])})

        return function(traced, inputs, name=name)

    def _parts(self, vector: Expr) -> dict[str, Expr]:
        graph: Graph = vector.graph
        found, first = {}, 0
        for v in self.variables:
            shape = fixed(v.shape)
            size = math.prod(shape)
            if not shape:
                part = movement.element(graph, vector.node, (first,))
            elif v.name == self.title:
                part = vector.node
            else:
                part = movement.element(graph, vector.node, (slice(first, first + size),))
                part = movement.reshape(graph, part, shape)
            found[v.name] = Expr(graph, part)
            first += size
        return found

    def joined(self, rows: Sequence[Function]) -> Function:
        """All constraints as one vector."""
        if len(rows) == 1 and [len(t.shape) for t in rows[0].types] == [1]:
            return rows[0]

        def make(parts: Mapping[str, Expr]) -> Expr:
            flat: list[int] = []
            graph = parts[self.title].graph
            for f in rows:
                found = f(*[parts[n] for n in self.inputs])
                for e in found if isinstance(found, tuple) else (found,):
                    flat.append(movement.reshape(graph, e.node, (math.prod(graph.shape(e.node)),)))
            return Expr(graph, movement.concatenate(graph, flat, 0))

        return self._traced(make, "constraints")

    def lagrangian(self, f: Function, rows: Function | None, count: int) -> Function:
        """The Lagrangian, a function of the multipliers and the factor of the objective too."""
        taken = set(self.inputs)
        factor, lagrange = free_name("obj_factor", taken), free_name("lagrange", taken)
        more: dict[str, Shape] = {factor: ()} if rows is None else {lagrange: (count,), factor: ()}

        def make(parts: Mapping[str, Expr]) -> Any:
            own = [parts[n] for n in self.inputs]
            value = parts[factor] * f(*own)
            if rows is None:
                return value
            graph = value.graph
            product = graph.add(core.MUL, (parts[lagrange].node, rows(*own).node))
            return value + Expr(graph, reduction.sum_over(graph, product, (0,)))

        return self._traced(make, "lagrangian", more)
