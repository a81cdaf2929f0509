"""Sorting in native code beside NumPy's: ties, zeros of both signs, NaN, infinities, lines along any axis."""

import numpy as np
import pytest

import symdiff as sd
from symdiff.errors import SymdiffError


def special(count, dtype, rng):
    """Numbers of all magnitudes, many of them equal."""
    x = (rng.standard_normal(count) * 10.0 ** rng.integers(-30, 30, count)).astype(dtype)
    x[rng.integers(0, count, count // 4)] = x[0]
    x[rng.integers(0, count, 7)] = [0.0, -0.0, np.inf, -np.inf, np.finfo(dtype).tiny / 4, -0.0, np.finfo(dtype).max]
    return x


LINES = {
    "of all magnitudes": special,
    "with NaN": lambda n, dtype, rng: np.where(rng.random(n) < 0.1, -np.nan, special(n, dtype, rng)).astype(dtype),
    "equal": lambda n, dtype, rng: np.full(n, -2.5, dtype),
    "descending": lambda n, dtype, rng: -np.arange(n).astype(dtype),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("count", [64, 129, 257, 9000])
def test_lines(count, dtype):
    rng = np.random.default_rng(count)
    places, values = (sd.function(f"{name}(x)", ["x"], shapes={"x": (count,)}, dtype=dtype)
                      for name in ("argsort", "sort"))  # fmt: skip
    for line in LINES.values():
        x = line(count, dtype, rng)
        assert np.array_equal(places(x), np.argsort(x, kind="stable"))
        assert np.array_equal(values(x), np.sort(x, kind="stable"), equal_nan=True)


@pytest.mark.parametrize("count", [3, 128, 129, 10_001])
def test_quantiles_of_any_length(count):
    x = np.random.default_rng(1).standard_normal(count)
    for text, want in [("median(x)", np.median(x)), ("quantile(x, 0.3)", np.quantile(x, 0.3)),
                       ("percentile(x, 99)", np.percentile(x, 99))]:  # fmt: skip
        assert sd.function(f"f(x[n]) = {text}")(x) == pytest.approx(want, rel=1e-14)
    slope = sd.grad("f(x[n]) = median(x)**2")(x)
    assert slope.sum() == pytest.approx(2 * np.median(x))
    assert np.count_nonzero(slope) == 2 - count % 2


@pytest.mark.parametrize(("shape", "axis"), [((200, 3), 0), ((3, 200), 1), ((2, 150, 4), 1), ((2, 3, 140), None)])
def test_axes_and_batches(shape, axis):
    x = np.random.default_rng(2).standard_normal((5, *shape))
    f = sd.function(f"sort(x, axis={axis})", ["x"], shapes={"x": shape})
    assert np.array_equal(f(x), np.stack([np.sort(one, axis) for one in x]))
    assert np.array_equal(f(x[0]), np.sort(x[0], axis))
    assert "sort" in f.explain()


def test_places_that_single_precision_does_not_have_are_refused():
    text = "sum(sort(x, axis=1))"
    with pytest.raises(SymdiffError, match="no numbers of float32"):
        sd.function(text, ["x"], shapes={"x": (5000, 4000)}, dtype="float32")
    assert sd.function(text, ["x"], shapes={"x": (5000, 4000)}).outputs
