"""Sums of derivatives: the Laplacian, and operators that a text says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symdiff.differentiate import chain
from symdiff.differentiate.collapsed import Operator, collapsed
from symdiff.differentiate.collapsed_orders import collapsed_nested, collapsed_series
from symdiff.differentiate.jacobians import is_elementary
from symdiff.differentiate.operators import check_differentiable, tangents
from symdiff.errors import ArgumentError, DifferentiationError, Place, Source, UnknownNameError
from symdiff.frontend.lexer import NAME, tokenize
from symdiff.frontend.parser import Parsed, free_names, parse
from symdiff.functions.choosing import CLEAR, Way, cheapest
from symdiff.functions.function import Function
from symdiff.functions.record import read_source, recorded, same_results
from symdiff.functions.transforms import prepare, stable
from symdiff.functions.wrt import Wrt
from symdiff.ir.body import Body
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ops import core, movement
from symdiff.optimize.program import count_operations
from symdiff.signature import Argument


@recorded("laplacian_{f}", results=same_results)
def laplacian(fun: Any, wrt: Any = None) -> Function:
    """The Laplacian: the sum of the second derivatives by each element of the inputs, without a matrix of them.

    It is of the shape of what the function gives, of each output. Beside first derivatives, only the sum is carried
    through the formula (collapsed Taylor series): it takes less than half of the operations of the Hessian's trace.

    Parameters
    ----------
    fun : a Function, or anything that `function` takes.
    wrt : as for `grad`; of a list or tuple the sum is over all that it names.

    Raises
    ------
    ArgumentError
        As for `grad`.

    Examples
    --------
    >>> import symdiff as sd
    >>> sd.laplacian("x**2*y + y**3", ["x", "y"])(1.0, 2.0)
    16.0
    >>> float(sd.laplacian("u(x[n]) = sum(x**2)**2")([1.0, 2.0, 2.0]))
    180.0
    """
    f, targets = stable(*prepare(fun, wrt))
    graph = f.graph
    check_differentiable(graph, f.nodes)
    with collector_paused():
        found = collapsed(graph, f.nodes, Operator(tuple(_squares(graph, f.nodes, targets))))
    pairs = []
    for (title, node), second in zip(f._output_pairs(), found, strict=True):
        pairs.append((f"laplacian_{title}", movement.full_like(graph, 0.0, node) if second is None else second))
    return f._with_outputs(f"laplacian_{f.__name__}", pairs, f._structure, stable=True)


def _squares(graph: Graph, outputs: Sequence[int], targets: Wrt) -> list[tuple[int, int, int | None]]:
    """The second derivatives by each element of the targets, as terms of an operator."""
    elementary = is_elementary(graph, outputs, targets.nodes)
    weights: dict[int, int | None] = {}
    for target in targets.targets:
        for node, pick in zip(target.nodes, target.picks, strict=True):
            shape = graph.shape(node)
            weight = None
            if pick is not None:
                taken = movement.element(graph, node, pick)
                weight = movement.scatter(graph, movement.full_like(graph, 1.0, taken), pick, shape)
            if node in weights:
                one = movement.full_like(graph, 1.0, node)
                known = weights[node]
                weight = chain.add(graph, one if known is None else known, one if weight is None else weight)
            weights[node] = weight
    found: list[tuple[int, int, int | None]] = []
    for node, weight in weights.items():
        if not elementary or not graph.shape(node):
            found.append((node, node, weight))
            continue
        for element in graph.live(outputs):
            if graph.ops[element] is core.INDEX and graph.args[element] == (node,):
                own = None if weight is None else movement.element(graph, weight, graph.payloads[element])
                found.append((element, element, own))
    return found


def operator(fun: Any, text: str) -> Function:
    """A linear differential operator applied to a function, from a text such as ``"dxx + dyy"``.

    In the text `dx` is the derivative by the scalar input `x`, `dxy` the one by `x`, then by `y`, `dxxx` the third;
    inputs of several letters are best kept apart, `d_x1_x2`. They are multiplied by coefficients, which may be formulas
    in the inputs, and added up; the function's own name is its value: ``"dxx + dyy + k**2*u"``. Beside lower
    derivatives one sum is carried through the formula, as by `laplacian`. With orders above 2 the lower ones are nested
    derivatives or Taylor coefficients, or each term is differentiated by itself: what takes the fewest operations, as
    `explain()` tells.

    Raises
    ------
    ParseError
        For what is no text of the language.
    UnknownNameError
        For a name that is no input and no derivative.
    DifferentiationError
        Where the text is not linear in derivatives.

    Examples
    --------
    >>> import symdiff as sd
    >>> print(sd.operator("u(x, t, a) = exp(-a*t)*sin(x)", "dt - 2*a*dxx"))
    operator_u(x, t, a) = a*exp(-t*a)*sin(x)
    >>> sd.operator("u(x, y) = x**4*y", "dxxxx + 2*dxxy + u")(1.0, 2.0)
    74.0
    """
    f = fun if isinstance(fun, Function) else read_source(fun, None)
    return operator_of(f, tuple(dict.fromkeys(n for names in _words(f, text).values() for n in names)), text)


@recorded("operator_{f}", results=same_results, anywhere=False)
def operator_of(fun: Any, wrt: Any, text: str) -> Function:
    """As `operator`, whose text has derivatives by the inputs `wrt`."""
    f, _ = stable(*prepare(fun, wrt))
    check_differentiable(f.graph, f.nodes)
    with collector_paused():
        terms = _terms(f, text)
        high = {monomial: factor for monomial, factor in terms.items() if len(monomial) > 2}
        low = _low(f, {monomial: factor for monomial, factor in terms.items() if monomial not in high})
        if not high:
            return _summed(f, [low])
        ways = [Way.of("nested derivatives, collapsed", _summed(f, [_nested(f, terms)]))]
        alone = {monomial: factor for monomial, factor in terms.items() if len(set(monomial)) == 1}
        if high.keys() <= alone.keys():
            others = {monomial: factor for monomial, factor in terms.items() if monomial not in alone}
            ways.append(Way.of("series, collapsed", _summed(f, [_low(f, others), _by_series(f, alone)])))
        repeated = _one_by_one(f, high, CLEAR * min(way.operations for way in ways))
        if repeated is not None:
            ways.append(Way.of("one term after the other", _summed(f, [low, repeated])))
        return cheapest(ways).noted("operator")


def _summed(f: Function, parts: Sequence[list[list[int]]]) -> Function:
    """The function whose outputs are sums of parts."""
    pairs = []
    for k, (title, node) in enumerate(f._output_pairs()):
        own = [part for found in parts for part in found[k]]
        value = chain.total(f.graph, own) if own else movement.full_like(f.graph, 0.0, node)
        pairs.append((f"operator_{title}", movement.broadcast(f.graph, value, f.graph.types[node].shape)))
    return f._with_outputs(f"operator_{f.__name__}", pairs, f._structure, stable=True)


Monomial = tuple[str, ...]
"""The inputs that a term is differentiated by, in order; none for the function itself."""


def _words(f: Function, text: str) -> dict[str, Monomial]:
    """What the words of an operator's text that are no inputs stand for."""
    if not isinstance(text, str):
        raise ArgumentError(f"the operator is {type(text).__name__}", hint='a text such as "dxx + dyy"')
    tokens, free = tokenize(Source(text)), set(free_names(text))
    inputs = [n for a in f.arguments for n in a.inputs]
    arrays = {a.name for a in f.arguments if a.shape and a.members is None}
    found: dict[str, Monomial] = {}
    for k, (kind, word) in enumerate(zip(tokens.kinds, tokens.texts, strict=True)):
        if kind != NAME or word not in free or word in inputs or word in found:
            continue
        place = Place(tokens.source, tokens.starts[k], tokens.ends[k])
        if word == f.__name__:
            found[word] = ()
            continue
        ways = _readings(word, inputs)
        if len(ways) > 1:
            listed = " or ".join(", then ".join(way) for way in ways[:2])
            raise UnknownNameError(
                f"{word} can be read in two ways: by {listed}", hint=f"write d_{'_'.join(ways[0])}", place=place
            )
        if not ways:
            known = ", ".join(inputs) or "none"
            raise UnknownNameError(
                f"{word} is neither an input nor a derivative by inputs",
                hint=f"the inputs are: {known}; a derivative is d and some of these, as in dxx or d_x1_x2; "
                f"the value is {f.__name__}",
                place=place,
            )
        for name in ways[0]:
            if name in arrays:
                raise ArgumentError(
                    f"{word} is by {name}, which is an array",
                    hint=f'laplacian(f, "{name}") is the sum over its elements',
                    place=place,
                )
        found[word] = ways[0]
    if not any(found.values()):
        raise ArgumentError("the operator has no derivatives", hint='a text such as "dxx + dyy"')
    return found


def _readings(word: str, inputs: Sequence[str]) -> list[Monomial]:
    """The ways to read a word as d and the names of inputs: two of them at most."""
    if not word.startswith("d"):
        return []
    apart = word.startswith("d_")
    rest = word[2:] if apart else word[1:]
    ways: list[list[Monomial]] = [[()], *[[] for _ in rest]]
    for end in range(1, len(rest) + 1):
        for name in inputs:
            start = end - len(name)
            if start < 0 or rest[start:end] != name:
                continue
            if apart and start:
                if rest[start - 1] != "_":
                    continue
                start -= 1
                if not start:
                    continue
            ways[end] += [(*way, name) for way in ways[start][:2]]
        ways[end] = ways[end][:2]
    return [way for way in ways[-1] if way]


def _terms(f: Function, text: str) -> dict[Monomial, int | None]:
    """The coefficient of each derivative in an operator's text, as a node of the function's graph; None for 1."""
    words, graph, table = _words(f, text), f.graph, f._name_table()
    inputs = {n: table[n] for a in f.arguments for n in a.inputs}
    arguments = [Argument(n, graph.shape(node)) for n, node in inputs.items()] + [Argument(w) for w in words]
    parsed = parse(text, arguments=arguments, dtype=graph.dtype)
    source = parsed.graph
    symbols = {parsed.names[w]: monomial for w, monomial in words.items()}
    within = set(symbols)
    for node in source.live([parsed.output]):
        if any(a in within for a in source.args[node]):
            within.add(node)
    found: dict[Monomial, list[int | None]] = {}
    stack: list[tuple[int, int | None]] = [(parsed.output, None)]
    while stack:
        node, factor = stack.pop()
        op, args = source.ops[node], source.args[node]
        if node in symbols:
            found.setdefault(symbols[node], []).append(factor)
        elif node not in within:
            raise _refused(
                "a term of the operator has no derivative", f"write c*{f.__name__} for a factor c", parsed, node
            )
        elif op is core.NAMED:
            stack.append((args[0], factor))
        elif op is core.ADD:
            stack += [(args[1], factor), (args[0], factor)]
        elif op is core.SUB:
            stack += [(args[1], _product(source, source.constant(-1.0), factor)), (args[0], factor)]
        elif op is core.NEG:
            stack.append((args[0], _product(source, source.constant(-1.0), factor)))
        elif op is core.MUL and not (args[0] in within and args[1] in within):
            inner, other = args if args[0] in within else args[::-1]
            stack.append((inner, _product(source, other, factor)))
        elif op is core.DIV and args[1] not in within:
            one = source.constant(1.0) if factor is None else factor
            stack.append((args[0], chain.divide(source, one, args[1])))
        else:
            raise _refused(
                "the operator is not linear in derivatives",
                "a product of derivatives is one word: dxx is the second derivative, dxy a mixed one",
                parsed,
                node,
            )
    given = [inputs[n] for n in inputs]
    result: dict[Monomial, int | None] = {}
    for monomial, factors in found.items():
        ones = [source.constant(1.0) if c is None else c for c in factors]
        total = chain.total(source, ones)
        if source.types[total].shape:
            raise _refused("a coefficient is an array", "coefficients are numbers", parsed, total)
        (node,) = Body(source, [parsed.names[n] for n in inputs], [total]).splice(graph, given)
        result[monomial] = None if chain.number_at(graph, node) == 1.0 else node
    return result


def _product(graph: Graph, a: int, b: int | None) -> int:
    return a if b is None else chain.multiply(graph, a, b)


def _refused(message: str, hint: str, parsed: Parsed, node: int) -> DifferentiationError:
    return DifferentiationError(message, hint=hint, place=parsed.graph.places.get(node))


def _low(f: Function, terms: Mapping[Monomial, int | None]) -> list[list[int]]:
    """For each output the parts of orders 0 to 2."""
    graph, table = f.graph, f._name_table()
    one = graph.constant(1.0)
    pairs: dict[tuple[int, int], int | None] = {}
    firsts: dict[int, int] = {}
    parts: list[list[int]] = [[] for _ in f.nodes]
    for monomial, factor in terms.items():
        nodes = sorted(table[n] for n in monomial)
        if len(nodes) == 2:
            key = nodes[0], nodes[1]
            both = [one if c is None else c for c in (pairs.get(key, factor), factor)]
            pairs[key] = chain.add(graph, *both) if key in pairs else factor  # dxy and dyx
        elif len(nodes) == 1:
            firsts[nodes[0]] = one if factor is None else factor
    if pairs or firsts:
        low = Operator(tuple((i, j, c) for (i, j), c in pairs.items()), tuple(firsts.items()))
        for own, node in zip(parts, collapsed(graph, f.nodes, low), strict=True):
            if node is not None:
                own.append(node)
    if () in terms:
        for own, node in zip(parts, f.nodes, strict=True):
            own.append(_product(graph, node, terms[()]))
    return parts


def _one_by_one(f: Function, terms: Mapping[Monomial, int | None], most: float) -> list[list[int]] | None:
    """For each output the parts of higher orders, differentiated again and again.

    None as soon as that takes more than `most` operations.
    """
    graph, table = f.graph, f._name_table()
    one = graph.constant(1.0)
    known: dict[tuple[int, ...], list[int]] = {(): list(f.nodes)}
    parts: list[list[int]] = [[] for _ in f.nodes]
    for monomial, factor in terms.items():
        by = tuple(sorted(table[n] for n in monomial))
        for k in range(1, len(by) + 1):
            if by[:k] not in known:
                known[by[:k]] = tangents(graph, known[by[: k - 1]], {by[k - 1]: one})
                if sum(count_operations(graph, known[by[:k]]).values()) > most:
                    return None
        for own, node in zip(parts, known[by], strict=True):
            own.append(_product(graph, node, factor))
    return parts


def _by_series(f: Function, terms: Mapping[Monomial, int | None]) -> list[list[int]]:
    """For each output the parts of terms that are by one input each, by Taylor coefficients."""
    table = f._name_table()
    found = {(table[monomial[0]], len(monomial)): _node(f.graph, factor) for monomial, factor in terms.items()}
    return _listed(collapsed_series(f.graph, f.nodes, found))


def _nested(f: Function, terms: Mapping[Monomial, int | None]) -> list[list[int]]:
    """For each output all parts by nested derivatives."""
    graph, table = f.graph, f._name_table()
    found: dict[tuple[int, ...], int] = {}
    for monomial, factor in terms.items():
        index, node = tuple(sorted(table[n] for n in monomial)), _node(graph, factor)
        found[index] = chain.add(graph, found[index], node) if index in found else node  # dxy and dyx
    return _listed(collapsed_nested(graph, f.nodes, found))


def _node(graph: Graph, factor: int | None) -> int:
    return graph.constant(1.0) if factor is None else factor


def _listed(found: Sequence[int | None]) -> list[list[int]]:
    return [[] if node is None else [node] for node in found]
