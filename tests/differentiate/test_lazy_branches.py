"""Random nested branches with singular sides, against dual numbers that evaluate only the branch that is taken."""

import math
import random
from dataclasses import dataclass

import numpy as np
import pytest

import symdiff as sd

POINTS = [(x, y) for x in (-1.0, -0.3, 0.7, 2.0) for y in (-2.0, 0.4, 1.5)]


@dataclass
class Dual:
    value: float
    slope: float


class NotFinite(Exception):
    """Something on the branch taken is infinite or NaN: no oracle there."""


def divide(a, b):
    if b == 0:
        raise NotFinite
    return a / b


FUNCTIONS = {
    "sqrt": (math.sqrt, lambda v, y: divide(0.5, y)),
    "log": (math.log, lambda v, y: divide(1.0, v)),
    "exp": (math.exp, lambda v, y: y),
    "sin": (math.sin, lambda v, y: math.cos(v)),
}


def tree(choose, known, depth):
    if depth == 0 or choose.random() < 0.2:
        return choose.choice(known)
    kind = choose.choice([*FUNCTIONS, "+", "*", "-", "/", "where", "where"])
    if kind in FUNCTIONS:
        return kind, tree(choose, known, depth - 1)
    if kind == "where":
        side, bound = choose.choice("<>"), choose.choice(["0", "0.5", "-0.5"])
        sides = tree(choose, known, depth - 1), tree(choose, known, depth - 1)
        return "where", side, tree(choose, known, 1), bound, *sides
    return kind, tree(choose, known, depth - 1), tree(choose, known, depth - 1)


def text(t):
    if isinstance(t, str):
        return t
    if t[0] == "where":
        return f"where({text(t[2])} {t[1]} {t[3]}, {text(t[4])}, {text(t[5])})"
    return f"{t[0]}({text(t[1])})" if len(t) == 2 else f"({text(t[1])} {t[0]} {text(t[2])})"


def evaluate(t, lines, known):
    """The value and slope of a tree; lines are evaluated where the branch taken needs them."""
    if isinstance(t, str):
        if t not in known:
            known[t] = evaluate(lines[t], lines, known)
        return known[t]
    if t[0] == "where":
        at, bound = evaluate(t[2], lines, known).value, float(t[3])
        return evaluate(t[4] if (at < bound if t[1] == "<" else at > bound) else t[5], lines, known)
    a = evaluate(t[1], lines, known)
    try:
        if len(t) == 2:
            function, slope = FUNCTIONS[t[0]]
            y = function(a.value)
            result = Dual(y, slope(a.value, y) * a.slope)
        else:
            b = evaluate(t[2], lines, known)
            if t[0] in "+-":
                sign = 1 if t[0] == "+" else -1
                result = Dual(a.value + sign * b.value, a.slope + sign * b.slope)
            elif t[0] == "*":
                result = Dual(a.value * b.value, a.slope * b.value + a.value * b.slope)
            else:
                y = divide(a.value, b.value)
                result = Dual(y, (a.slope - y * b.slope) / b.value)
    except (ValueError, OverflowError):
        raise NotFinite from None
    if not (math.isfinite(result.value) and math.isfinite(result.slope)):
        raise NotFinite
    return result


def gradient(t, lines, x, y):
    return [evaluate(t, lines, {"x": Dual(x, float(j == 0)), "y": Dual(y, float(j == 1))}).slope for j in (0, 1)]


@pytest.mark.parametrize("batch", range(10))
def test_branches_not_taken_never_count(batch):
    compared = 0
    for seed in range(batch * 20, batch * 20 + 20):
        choose, known, lines = random.Random(seed), ["x", "y"], {}
        for k in range(3):
            lines[f"t{k}"] = tree(choose, known, 3)
            known.append(f"t{k}")
        last = tree(choose, known, 3)
        source = "\n".join([*(f"{name} = {text(t)}" for name, t in lines.items()), text(last)])
        f = sd.function(source, ["x", "y"])
        modes = [sd.jacobian(f, ["x", "y"], mode=m).compile(fp="strict") for m in ("forward", "reverse")]
        second = sd.hessian(f).compile(fp="strict")
        for x, y in POINTS:
            try:
                want = gradient(last, lines, x, y)
                near = [gradient(last, lines, x + h, y + k) for h, k in ((1e-5, 0), (-1e-5, 0), (0, 1e-5), (0, -1e-5))]
            except NotFinite:
                continue
            compared += 1
            size = max(1.0, *map(abs, want))
            for mode in modes:
                np.testing.assert_allclose(mode(x, y), want, rtol=1e-7, atol=1e-9 * size, err_msg=source)
            ahead = np.array([np.subtract(near[0], want), np.subtract(near[2], want)]) / 1e-5
            back = np.array([np.subtract(want, near[1]), np.subtract(want, near[3])]) / 1e-5
            scale = max(size, np.abs(ahead).max())
            if np.abs(ahead - back).max() < 1e-2 * scale:  # no seam in between
                mean = (ahead + back) / 2
                np.testing.assert_allclose(second(x, y), mean, rtol=1e-2, atol=1e-2 * scale, err_msg=source)
    assert compared > 20
