"""All ways to the derivatives of orders 1 to 3 of a function of numbers, as arrays by name."""

import itertools

import mpmath
import numpy as np

import symdiff as sd
from symdiff.differentiate.collapsed_orders import collapsed_nested, collapsed_series
from symdiff.functions.transforms import prepare, stable
from symdiff.interpret import evaluate

MODES = ("forward", "reverse", "direct", "compressed", "cross-country")
METHODS = ("direct", "compressed")
DIGITS = 60
JUMPS = {"floor", "ceil", "trunc", "round", "sign", "floor_divide", "heaviside"}
"""Operations that differences see as slopes."""

NAMES = ["sin", "cos", "tan", "tanh", "sinh", "cosh", "exp", "log", "sqrt", "atan", "asin", "acos", "asinh", "erf",
         "hypot", "atan2", "expm1", "pi"]  # fmt: skip
MP = {name: getattr(mpmath, name) for name in NAMES} | {
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "sinc": mpmath.sincpi,
    "abs": abs,
    "max": max,
    "min": min,
    "where": lambda c, a, b: a if c else b,
}


class Formula:
    """A formula in numbers: lines that say names, and outputs in these; the scalar is what orders 2 and 3 are of.

    Derivatives are by `wrt`, all names by default; `known` are those that somebody else has found, by order.
    """

    def __init__(self, lines, outputs, scalar, names, wrt=None):
        self.lines, self.names, self.wrt = list(lines), list(names), list(wrt or names)
        self.vector = sd.function("\n".join([*lines, f"[{', '.join(outputs)}]"]), self.names)
        self.scalar = sd.function("\n".join([*lines, scalar]), self.names)
        self.known = {}
        self.texts = {1: outputs, 2: [scalar], 3: [scalar]}

    def exact(self, order, point):
        """The derivatives by differences of many digits, the order of the names first to last."""
        names, count = self.names, len(self.wrt)
        codes = [compile(line.partition(" = ")[2], "", "eval") for line in self.lines]
        targets = [line.partition(" = ")[0] for line in self.lines]
        found = []
        with mpmath.workdps(DIGITS):
            at = tuple(mpmath.mpf(float(x)) for x in point)
            for text in self.texts[order]:
                last = compile(text, "", "eval")

                def value(*x, last=last):
                    known = {**MP, **dict(zip(names, x, strict=True))}
                    for target, code in zip(targets, codes, strict=True):
                        known[target] = eval(code, {}, known)
                    return mpmath.mpf(eval(last, {}, known))

                result = np.empty((count,) * order)
                for index in itertools.combinations_with_replacement(range(count), order):
                    chosen = [self.wrt[k] for k in index]
                    orders = tuple(chosen.count(n) for n in names)
                    slope = float(mpmath.diff(value, at, orders))
                    for place in itertools.permutations(index):
                        result[place] = slope
                found.append(result)
        return np.stack(found) if order == 1 else found[0]

    def ways(self, order):
        """Pairs of a name and what gives the derivatives at a point, in an array as of `exact`."""
        return {1: self._first, 2: self._second, 3: self._third}[order]()

    def _first(self):
        f, names = self.vector, self.wrt
        for mode in (*MODES, "auto"):
            yield f"{mode} mode", numbers(sd.jacobian(f, names, mode=mode))
        for method in METHODS:
            yield f"sparse, {method}", filled(sd.sparse_jacobian(f, names, method=method))
        yield "repetition", stacked([numbers(sd.derivative(f, n)) for n in names], -1)
        series = [numbers(sd.taylor(f, n, 1)) for n in names]
        yield "series", lambda point: np.stack([s(point)[1] for s in series], -1)

    def _second(self):
        f, names, count = self.scalar, self.wrt, len(self.wrt)
        yield "Hessian", numbers(sd.hessian(f, names))
        gradient = sd.grad(f, names)
        for mode in MODES:
            yield f"{mode} mode of the gradient", numbers(sd.jacobian(gradient, names, mode=mode))
        for method in METHODS:
            yield f"sparse, {method}", filled(sd.sparse_hessian(f, names, method=method))
        yield "repetition", self._repeated(2)
        yield "series", self._diagonal(2)
        pairs = list(itertools.combinations_with_replacement(range(count), 2))
        operators = [numbers(sd.operator(f, f"d_{names[i]}_{names[j]}")) for i, j in pairs]
        yield "collapsed", symmetric(count, 2, pairs, operators)

    def _third(self):
        f, names, count = self.scalar, self.wrt, len(self.wrt)
        hessian = sd.hessian(f, names)
        for mode in ("auto", *MODES):
            yield f"{mode} mode of the Hessian", numbers(sd.jacobian(hessian, names, mode=mode))
        yield "repetition", self._repeated(3)
        yield "series", self._diagonal(3)
        f, _ = stable(*prepare(f, names))
        graph, table = f.graph, f._name_table()
        inputs, one, zero = [table[n] for n in names], graph.constant(1.0), graph.constant(0.0)
        triples = list(itertools.combinations_with_replacement(range(count), 3))
        nested = [collapsed_nested(graph, f.nodes, {tuple(sorted(inputs[k] for k in t)): one}) for t in triples]
        yield "collapsed", symmetric(count, 3, triples, [at_nodes(f, [zero if n is None else n]) for (n,) in nested])
        both = collapsed_series(graph, f.nodes, {(x, 3): one for x in inputs})
        total = at_nodes(f, [zero if n is None else n for n in both])
        yield "collapsed series", lambda point: Trace(total(point))

    def _repeated(self, order):
        def made(f, left):
            return numbers(f) if not left else stacked([made(sd.derivative(f, n), left - 1) for n in self.wrt], -1)

        return made(self.scalar, order)

    def _diagonal(self, order):
        series = [numbers(sd.taylor(self.scalar, n, order)) for n in self.wrt]
        scale = float(np.prod(range(1, order + 1)))
        return lambda point: Diagonal([scale * s(point)[order] for s in series])


class Arrays:
    """A program on arrays, by one of its inputs; orders 2 and 3 are of `scalar`, by default a sum of sines."""

    def __init__(self, lines, last, shapes, wrt, scalar=None):
        self.shapes, self.wrt, self.known = shapes, wrt, {}
        scalar = scalar or f"sum(sin({last}))"
        self.vector = sd.function("\n".join([*lines, f"{last}*1"]), list(shapes), shapes=shapes)
        self.scalar = sd.function("\n".join([*lines, scalar]), list(shapes), shapes=shapes)

    def ways(self, order):
        """Pairs of a name and what gives the derivatives at a point (a list), in one shape."""
        f, wrt = (self.vector if order == 1 else self.scalar), self.wrt
        title, source = {
            1: lambda: ("", f),
            2: lambda: (" of the gradient", sd.grad(f, wrt)),
            3: lambda: (" of the Hessian", sd.hessian(f, wrt)),
        }[order]()
        if order == 2:
            yield "Hessian", numbers(sd.hessian(f, wrt))
        for mode in (*MODES[:4], "auto"):
            yield f"{mode} mode{title}", numbers(sd.jacobian(source, wrt, mode=mode))
        for method in METHODS if order < 3 else ():
            made = sd.sparse_jacobian if order == 1 else sd.sparse_hessian
            shape = (self.vector.types[0].shape if order == 1 else self.shapes[wrt]) + self.shapes[wrt]
            dense = filled(made(f, wrt, method=method))
            yield f"sparse, {method}", lambda point, dense=dense, shape=shape: dense(point).reshape(shape)
        series = sd.taylor(f, (wrt,), order)
        yield "series", lambda point: Along(self, series, order, point)
        if JUMPS.isdisjoint(f.graph.ops[n].name for n in f.graph.live(f.nodes)):
            yield "differences", lambda point: Along(self, None, order, point)


class Along:
    """Derivatives along a line: by series, or by differences of the derivatives of one order less."""

    def __init__(self, program, series, order, point):
        shape = program.shapes[program.wrt]
        self.line = np.random.default_rng(0).uniform(-1, 1, shape)
        self.count, self.order, self.loose, self.error = len(shape), order, series is None, 0.0
        at = list(program.shapes).index(program.wrt)
        if series is not None:
            given = [*point[: at + 1], self.line, *point[at + 1 :]]
            self.value = float(np.prod(range(1, order + 1))) * numbers(series)(given)[order]
            return
        wrt = program.wrt
        f = (
            program.vector
            if order == 1
            else sd.grad(program.scalar, wrt)
            if order == 2
            else sd.hessian(program.scalar, wrt)
        )
        value = numbers(f)

        def moved(step):
            return value([x + step * self.line if k == at else x for k, x in enumerate(point)])

        for scale in (1, 0.02, 0.0004):  # smaller steps where the function is steep
            self.value, self.error = extrapolated(moved, scale)
            if self.error <= 1e-5 * np.max(np.abs(self.value), initial=1e-3):
                break

    def of(self, array):
        """The same of a whole tensor."""
        for _ in range(1 if self.loose else self.order):
            array = np.tensordot(array, self.line, self.count)
        return array


def extrapolated(value, scale):
    """The slope of a function of a step at 0, and how far its last two extrapolations are apart."""
    central = [(value(h) - value(-h)) / (2 * h) for h in (2e-3 * scale, 1e-3 * scale, 5e-4 * scale)]
    first = [(4 * b - a) / 3 for a, b in itertools.pairwise(central)]
    return (16 * first[1] - first[0]) / 15, float(np.max(np.abs(first[1] - first[0]), initial=0))


class Diagonal(list):
    """Derivatives by one and the same name each."""

    def of(self, array):
        return np.array([array[(k,) * array.ndim] for k in range(len(self))])


class Trace(float):
    """Their sum."""

    def of(self, array):
        return sum(array[(k,) * array.ndim] for k in range(array.shape[0]))


def at_nodes(f, nodes):
    """What gives the one node of a function's graph at a point."""
    table = [f._name_table()[n] for n in f.names if n in {i for a in f.arguments for i in a.inputs}]

    def value(point):
        with np.errstate(all="ignore"):
            return np.asarray(evaluate(f.graph, nodes, dict(zip(table, point, strict=True)))[0])

    return value


def numbers(f):
    """What gives the value of a function at a point, by the interpreter."""
    return at_nodes(f, f.nodes)


def filled(sparse):
    """What gives a sparse matrix as an array of its kind."""
    values, shape = numbers(sparse.values), sparse.shape

    def dense(point):
        found = np.zeros(shape)
        found[sparse.rows, sparse.columns] = values(point)
        return found

    return dense


def stacked(parts, axis):
    """What gives several arrays, stacked."""
    return lambda point: np.stack([part(point) for part in parts], axis)


def symmetric(count, order, places, parts):
    """What gives a symmetric tensor, of which `parts` give the entries at some places."""

    def tensor(point):
        found = np.empty((count,) * order)
        for place, part in zip(places, parts, strict=True):
            for own in itertools.permutations(place):
                found[own] = part(point)
        return found

    return tensor
