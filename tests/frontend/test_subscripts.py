"""Subscripts against NumPy: random ones of integers, slices, arrays, masks and expressions, in Python and as texts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symdiff as sd
from symdiff.errors import SymdiffError

SHAPE = (3, 4, 2)
VALUE = np.arange(24.0).reshape(SHAPE) ** 1.5


class Symbolic:
    """An array of integers that the formula gets as an input."""

    def __init__(self, values):
        self.values = values

    def __repr__(self):
        return f"Symbolic({self.values.tolist()})"


@st.composite
def subscripts(draw):
    """The parts of a subscript of an array with axes of sizes `SHAPE`; those that choose broadcast."""
    count = draw(st.sampled_from([1, 2, 3]))
    parts, axis = [], 0
    while axis < draw(st.integers(1, 3)):
        kind = draw(st.sampled_from(["integer", "slice", "places", "mask", "mask", "symbolic", "new"]))
        size = SHAPE[axis]
        if kind == "new":
            parts.append(None)
            continue
        if kind == "integer":
            parts.append(draw(st.integers(-size, size - 1)))
        elif kind == "slice":
            ends = st.one_of(st.none(), st.integers(-5, 5))
            parts.append(slice(draw(ends), draw(ends), draw(st.sampled_from([None, 1, 2, -1]))))
        elif kind == "mask":
            rank = draw(st.integers(1, 3 - axis))
            held = np.zeros(SHAPE[axis : axis + rank], bool)
            places = draw(st.permutations(range(held.size)))[: min(count, held.size)]
            held.ravel()[places] = True
            parts.append(held)
            axis += rank - 1
        else:
            places = np.array(draw(st.lists(st.integers(-size, size - 1), min_size=count, max_size=count)))
            places = places[:, None] if draw(st.booleans()) and count == 1 else places
            parts.append(places if kind == "places" else Symbolic(places))
        axis += 1
    if draw(st.booleans()):
        parts.insert(draw(st.sampled_from([0, len(parts)])), Ellipsis)
    return tuple(parts)


def by_numpy(parts):
    return VALUE[tuple(p.values if isinstance(p, Symbolic) else p for p in parts)]


def as_text(parts):
    def one(part):
        if isinstance(part, Symbolic):
            return part.name
        if isinstance(part, slice):
            return ":".join("" if p is None else str(p) for p in (part.start, part.stop, part.step))
        return "..." if part is Ellipsis else str(part.tolist() if isinstance(part, np.ndarray) else part)

    return ", ".join(map(one, parts))


@settings(max_examples=100, deadline=None)
@given(subscripts())
def test_a_subscript_means_what_it_means_in_numpy(parts):
    try:
        expected = by_numpy(parts)
    except IndexError:
        expected = None
    given = [p for p in parts if isinstance(p, Symbolic)]
    for k, part in enumerate(given):
        part.name = f"k{k}"
    names = ["X", *(p.name for p in given)]
    shapes = {"X": SHAPE, **{p.name: p.values.shape for p in given}}

    values = VALUE, *(p.values.astype(float) for p in given)

    def traced(X, *places):
        rest = iter(places)
        return X[tuple(next(rest) if isinstance(p, Symbolic) else p for p in parts)]

    for source in (traced, f"X[{as_text(parts)}]"):
        if expected is None:
            with pytest.raises(SymdiffError):
                sd.function(source, names, shapes=shapes)(*values)
            continue
        found = sd.function(source, names, shapes=shapes)(*values)
        assert np.shape(found) == expected.shape
        np.testing.assert_array_equal(found, expected)
    if expected is not None and expected.size:
        weights = np.arange(1.0, 1.0 + expected.size).reshape(expected.shape)
        total = sd.function(lambda *values: (weights * traced(*values)).sum(), names, shapes=shapes)
        wanted = np.zeros(SHAPE)
        np.add.at(wanted, tuple(p.values if isinstance(p, Symbolic) else p for p in parts), weights)
        np.testing.assert_allclose(sd.grad(total, "X")(*values), wanted)


def test_a_mask_of_no_elements_and_one_of_expressions():
    f = sd.function(lambda x: x[np.zeros(3, bool)], ["x"], shapes={"x": 3})
    assert f([1.0, 2.0, 3.0]).shape == (0,)
    assert sd.function(lambda x: x[[True, False]], ["x"])([1.0, 2.0]) == [1.0]  # the shape is that of the call
    with pytest.raises(SymdiffError, match="depend on values\nwrite where"):
        sd.function(lambda x: x[x > 0], ["x"], shapes={"x": 3})
    with pytest.raises(SymdiffError, match=r"a mask of shape \(2,\)"):
        sd.function("x[[True, False]]", ["x"], shapes={"x": 3})


def test_expressions_in_a_list_are_places():
    f = sd.function(lambda x, i, j: x[[i, j]], ["x", "i", "j"], shapes={"x": 3})
    np.testing.assert_array_equal(f([1.0, 2.0, 3.0], 2, 0), [3.0, 1.0])
