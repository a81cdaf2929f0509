"""Functions with more arrays than NumPy's ufuncs can have operands."""

import numpy as np
import pytest

import symdiff as sd
from symdiff.codegen.layout import operand_limit
from symdiff.errors import CallError, ShapeError

COUNT = 40


def network(size):
    """A deep network with weights of its own in every layer, and its gradient by all of them."""
    lines, h = [], "x"
    for k in range(COUNT):
        lines.append(f"h{k} = tanh({h} @ W{k})")
        h = f"h{k}"
    names = ["x", *(f"W{k}" for k in range(COUNT))]
    shapes = dict.fromkeys(names, (size, size)) | {"x": size}
    f = sd.function("\n".join([*lines, f"sum({h}**2)"]), names, shapes=shapes)
    return f, sd.value_and_grad(f, tuple(names[1:]))


def arguments(size):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(size), *(rng.standard_normal((size, size)) / np.sqrt(size) for _ in range(COUNT))]


def by_hand(x, *weights):
    values = [x]
    for w in weights:
        values.append(np.tanh(values[-1] @ w))
    slope, slopes = 2 * values[-1], []
    for w, y, below in zip(weights[::-1], values[::-1], values[-2::-1], strict=False):
        inner = slope * (1 - y * y)
        slopes.insert(0, np.outer(below, inner))
        slope = w @ inner
    return values[-1] @ values[-1], slopes


@pytest.mark.parametrize("size", [2, 20])
def test_gradients_by_many_arrays(size):
    assert operand_limit() < 2 * COUNT + 2
    _, g = network(size)
    values = arguments(size)
    loss, slopes = g(*values)
    want, wanted = by_hand(*values)
    assert isinstance(loss, float)
    assert loss == pytest.approx(want, rel=1e-10)
    assert len(slopes) == COUNT
    for found, close in zip(slopes, wanted, strict=True):
        np.testing.assert_allclose(found, close, atol=1e-12)


@pytest.mark.parametrize("size", [2, 20])
def test_batches_strides_and_out(size):
    _, g = network(size)
    values = arguments(size)
    xs = np.random.default_rng(1).standard_normal((3, 2, size))
    values[2] = np.asfortranarray(values[2])
    loss, slopes = g(xs, *values[1:])
    assert loss.shape == (3, 2)
    assert slopes[0].shape == (3, 2, size, size)
    one, alone = g(xs[2, 1], *values[1:])
    assert loss[2, 1] == one
    np.testing.assert_array_equal(slopes[5][2, 1], alone[5])
    out = (np.empty(()), *(np.empty((size, size)).T for _ in range(COUNT)))
    again, same = g(xs[2, 1], *values[1:], out=out)
    assert again is out[0]
    assert again == one
    assert same[5] is out[6]
    np.testing.assert_array_equal(out[6], alone[5])


def test_what_is_refused():
    _, g = network(20)
    values = arguments(20)
    with pytest.raises(ShapeError):
        g(np.zeros((3, 20)), np.zeros((2, 20, 20)), *values[2:])
    with pytest.raises(CallError, match="where"):
        g(*values, where=np.array([True]))
