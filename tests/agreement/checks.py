"""Random functions and formulas of files, and whether all ways to their derivatives agree."""

import contextlib
import json
import random
import traceback
import warnings
from pathlib import Path

import numpy as np

import symdiff as sd
from tests.agreement.ways import Arrays, Formula
from tests.differentiate.test_modes import formula
from tests.differentiate.test_random_tensors import program

CLOSE, LOOSE = 1e-8, 1e-4
"""How far apart ways may be, and differences of float64, in the largest entry of all."""

MOST_THIRD = 4
"""Of formulas with more inputs order 3 is by the first ones."""

LONG = 3000
"""Of formulas with more characters, or more inputs, orders 1 and 2 are compared with the values that files give."""

LONGEST_THIRD = 60_000
"""Of longer ones there is no order 3: differences of sixty digits would take minutes."""


def random_case(seed):
    """A function and a point: two of three are formulas in numbers, the others programs on arrays."""
    choose, numbers = random.Random(seed), np.random.default_rng(seed)
    if seed % 3:
        *lines, scalar = formula(seed, choose.randrange(4, 13)).splitlines()
        outputs = [line.partition(" = ")[0] for line in lines[-3:]]
        return Formula(lines, outputs, scalar, "xyz"), numbers.uniform(-1.5, 1.5, 3)
    while True:
        shapes, lines, (last, shaped) = program(choose)
        wrt = choose.choice([name for name, shape in shapes.items() if shape and 0 not in shape] or ["s"])
        if lines and shaped.size:
            with contextlib.suppress(sd.ShapeError):  # the program's NumPy takes some shapes that are refused here
                case = Arrays(lines, last, shapes, wrt)
                return case, [numbers.uniform(0.3, 1.3, shape) for shape in shapes.values()]


def same(one, other, tolerance, allowed=0.0):
    """Whether two arrays are: where they are not finite, and otherwise in the largest entry, `allowed` aside."""
    one, other = np.asarray(one, float), np.asarray(other, float)
    if one.shape != other.shape or not np.array_equal(np.isfinite(one), np.isfinite(other)):
        return False
    finite = np.isfinite(one)
    scale = max(1e-3, np.max(np.abs(other[finite]), initial=0))
    return np.max(np.abs(one[finite] - other[finite]), initial=0) <= tolerance * scale + allowed


def disagreements(case, point, orders=(1, 2, 3), amplified=1.0):
    """What disagrees, a line each, and how many pairs were compared."""
    found, pairs = [], 0
    for order in orders:
        made = [(name, way(point)) for name, way in case.ways(order)]
        (first, whole), *others = made
        for name, value in others:
            pairs += 1
            want = value.of(whole) if hasattr(value, "of") else whole
            value_at = getattr(value, "value", value)
            if getattr(value, "loose", False) and not same(value_at, want, LOOSE, value.error):
                found.append(f"order {order}: {name} and {first}")
            elif not getattr(value, "loose", False) and not same(value_at, want, CLOSE * amplified):
                found.append(f"order {order}: {name} and {first}: {np.ravel(value_at)[:4]}, {np.ravel(want)[:4]}")
        exact = case.known.get(order)
        if exact is None and isinstance(case, Formula):
            exact = case.exact(order, point)
        if exact is not None:
            pairs += len(made)
            exact = exact.reshape(whole.shape)
            smooth = np.isfinite(whole)  # what has a kink everywhere has no higher derivative
            if not same(np.where(smooth, whole, 0), np.where(smooth, exact, 0), CLOSE * amplified):
                found.append(
                    f"order {order}: {first} and exact differences: {np.ravel(whole)[:9]}, {np.ravel(exact)[:9]}"
                )
    return found, pairs


def check(seed):
    """The disagreements of one random function, and the number of pairs."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return disagreements(*random_case(seed))
        except Exception:
            return [traceback.format_exc(limit=-4)], 0


def file_cases(path):
    """The lines of a file that have formulas and points."""
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if "inputs" in case or case.get("points"):
            yield case


def file_checks(line):
    """The cases of a line of a file: triples of the case, a point, and the orders that it is of."""
    if "inputs" in line:  # a program on arrays, by one of them
        inputs = {name: np.asarray(value, float) for name, value in line["inputs"].items()}
        arrays = Arrays([], line["expr"], {name: value.shape for name, value in inputs.items()}, line["wrt"])
        arrays.known = {1: np.asarray(line["derivative_value"], float)}
        return [(arrays, list(inputs.values()), (1, 2, 3))]
    at = line["points"][-1]
    first, second = np.asarray(at["grad"], float), np.asarray(at["hess"], float)
    if "vector_expr" in line:
        text = line["vector_expr"]
        arrays = Arrays([f"n = {line['n']}"], f"({text})", {"x": (line["n"],)}, "x", text)
        arrays.known = {1: first, 2: second}
        return [(arrays, [np.asarray(at["x"], float)], (1, 2, 3))]
    names, text = line["vars"], line["expr"]
    few = Formula([], [text], text, names, names[:MOST_THIRD])
    if len(names) <= MOST_THIRD and len(text) <= LONG:
        return [(few, at["x"], (1, 2, 3))]
    whole = Formula([], [text], text, names)
    whole.known = {1: first, 2: second}
    return [(whole, at["x"], (1, 2)), (few, at["x"], (3,) if len(text) <= LONGEST_THIRD else ())]


def check_line(line):
    """The disagreements of a line of a file, and the number of pairs."""
    at = line.get("points", [{}])[-1]
    amplified = 100 * max(1.0, at.get("cond_f", at.get("mp", at).get("cond_f", 1.0)))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            made = [disagreements(case, point, orders, amplified) for case, point, orders in file_checks(line)]
        except Exception:
            return [traceback.format_exc(limit=-4)], 0
    return [what for found, _ in made for what in found], sum(pairs for _, pairs in made)
