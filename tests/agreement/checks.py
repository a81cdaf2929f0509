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

FEWER, SHORTER = 6, 3000
"""Of formulas with more inputs or characters orders 1 and 2 are compared with the values that files give."""


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


def same(one, other, tolerance):
    """Whether two arrays are: where they are not finite, and otherwise in the largest entry."""
    one, other = np.asarray(one, float), np.asarray(other, float)
    if one.shape != other.shape or not np.array_equal(np.isfinite(one), np.isfinite(other)):
        return False
    finite = np.isfinite(one)
    scale = max(1e-3, np.max(np.abs(other[finite]), initial=0))
    return np.max(np.abs(one[finite] - other[finite]), initial=0) <= tolerance * scale


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
            if getattr(value, "loose", False) and not same(value_at, want, LOOSE):
                found.append(f"order {order}: {name} and {first}")
            elif not getattr(value, "loose", False) and not same(value_at, want, CLOSE * amplified):
                found.append(f"order {order}: {name} and {first}: {np.ravel(value_at)[:4]}, {np.ravel(want)[:4]}")
        if isinstance(case, Formula):
            pairs += len(made)
            exact = case.known[order] if case.known else case.exact(order, point)
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
    """The formulas of a file with their points."""
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if "expr" in case and case.get("vars") and case.get("points"):
            yield case


def check_file(path):
    """The disagreements of the formulas of a file by their ids, and the numbers of formulas and pairs."""
    found, count, pairs = [], 0, 0
    for case in file_cases(path):
        names, at = case["vars"], case["points"][-1]
        amplified = 100 * max(1.0, at.get("cond_f", at.get("mp", at).get("cond_f", 1.0)))
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                made = Formula([], [case["expr"]], case["expr"], names)
                orders = (1, 2, 3)
                if len(names) > FEWER or len(case["expr"]) > SHORTER:
                    made.known = {1: np.array([at["grad"]], float), 2: np.array(at["hess"], float)}
                    orders = (1, 2)
                wrong, own = disagreements(made, at["x"], orders, amplified)
            except Exception:
                wrong, own = [traceback.format_exc(limit=-4)], 0
        count, pairs = count + 1, pairs + own
        found += [f"{case['id']}: {what}" for what in wrong]
    return found, count, pairs
