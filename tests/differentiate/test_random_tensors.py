"""Random programs on arrays: forward and reverse mode, differences, and both orders of differentiation agree."""

import random

import numpy as np
import pytest

import symdiff as sd
from symdiff.interpret import evaluate

# A line's text, and the same, or something of the same shape, on NumPy arrays; the operands are a and b.
LINES = [
    ("{a}*{b}", lambda a, b: a * b),
    ("{a} + {b}", lambda a, b: a + b),
    ("{a} - {b}", lambda a, b: a - b),
    ("{a}/(2 + {b}**2)", lambda a, b: a + b),
    ("{a} @ {b}", lambda a, b: a @ b),
    ("sin({a})", lambda a, b: a),
    ("tanh({a})", lambda a, b: a),
    ("exp(-{a}**2)", lambda a, b: a),
    ("-{a}", lambda a, b: a),
    ("norm(1 + {a}**2)", lambda a, b: a.sum()),
    ("prod(cos({a}))", lambda a, b: a.sum()),
    ("where({a} < {b}, sqrt({b} - {a}), {a}*{b})", lambda a, b: a + b),
    ("maximum({a}, {b} + 0.1)", lambda a, b: a + b),
    ("stack([{a}, {b}])", lambda a, b: np.stack([a, b])),
]
ALONG_AXES = [
    ("sum({a}, axis=0)", lambda a, b: a.sum(0)),
    ("sum({a}, axis=-1, keepdims=True)", lambda a, b: a.sum(-1, keepdims=True)),
    ("{a}.T", lambda a, b: a.T),
    ("{a}[1:]", lambda a, b: a[1:]),
    ("{a}[..., ::-2]", lambda a, b: a[..., ::-2]),
    ("{a}[::-1]", lambda a, b: a[::-1]),
    ("{a}[0]", lambda a, b: a[0]),
    ("reshape({a}, size({a}))", lambda a, b: a.ravel()),
    ("concatenate([{a}, {b}])", lambda a, b: np.concatenate([a, b])),
    ("softmax({a}, axis=-1)", lambda a, b: a + 0 * a.max(-1, keepdims=True)),
    ("cumsum({a}, axis=0)", lambda a, b: a.cumsum(0)),
    ("outer({a}, {b})", lambda a, b: np.einsum("i,j->ij", a, b)),
    ("max({a})", lambda a, b: a.max()),
    ("take({a}, [0, 0, -1], axis=0)", lambda a, b: np.take(a, [0, 0, -1], 0)),
    ("einsum('ij,ij->ji', {a}, {b})", lambda a, b: np.einsum("ij,ij->ji", a, b.reshape(a.shape))),
]


def program(choose):
    """Shapes of inputs and lines; every line uses two of those before it."""
    n, m = choose.choice([0, 1, 2, 3, 3]), choose.choice([0, 1, 2, 3])
    shapes = {"x": (n,), "y": (m,), "A": (m, n), "s": ()}
    known = [(name, np.zeros(shape)) for name, shape in shapes.items()]
    lines = []
    while len(lines) < choose.randrange(2, 9):
        (a, first), (b, second) = choose.choice(known), choose.choice(known)
        text, same = choose.choice(LINES + ALONG_AXES if first.ndim else LINES)
        try:
            shaped = np.asarray(same(first, second))
        except (ValueError, IndexError):
            continue  # the operands do not fit
        if shaped.ndim > 3 or shaped.size > 64:
            continue
        known.append((f"t{len(lines)}", shaped))
        lines.append(f"t{len(lines)} = " + text.format(a=a, b=b))
    return shapes, lines, known[-1]


@pytest.mark.parametrize("seed", range(120))
def test_random_program(seed):
    shapes, lines, (last, shaped) = program(random.Random(seed))
    f = sd.function("\n".join([*lines, f"{last}*1"]), list(shapes), shapes=shapes)
    rng = np.random.default_rng(seed)
    point = {name: rng.uniform(0.3, 1.3, shape) for name, shape in shapes.items()}

    def numbers(d, **moved):
        table = d._name_table()
        return [np.asarray(v) for v in evaluate(d.graph, d.nodes, {table[n]: v for n, v in (point | moved).items()})]

    for name, shape in shapes.items():
        ahead, back, auto = (numbers(sd.jacobian(f, name, mode=m))[0] for m in ("forward", "reverse", "auto"))
        assert ahead.shape == (*shaped.shape, *shape)
        np.testing.assert_allclose(back, ahead, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(auto, ahead, rtol=1e-9, atol=1e-11)
        for index in list(np.ndindex(shape))[:3]:
            step = np.zeros(shape)
            step[index] = 1e-5
            up, down = (numbers(f, **{name: point[name] + sign * step})[0] for sign in (1, -1))
            np.testing.assert_allclose(ahead[(..., *index)], (up - down) / 2e-5, rtol=1e-3, atol=1e-4)
    g = sd.function("\n".join([*lines, f"sum(sin({last}))"]), list(shapes), shapes=shapes)
    second = numbers(sd.hessian(g, tuple(shapes)))
    for mode in ("reverse", "auto"):
        again = sd.jacobian(sd.grad(g, tuple(shapes)), tuple(shapes), mode=mode)
        for one, other in zip(numbers(again), second, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-9)
    (whole,) = numbers(sd.hessian(g, list(shapes)))
    np.testing.assert_array_equal(whole, whole.T)
