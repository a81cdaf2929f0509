"""Values of other libraries: what has labels, units or masks answers for itself or is refused; messages say what to
type."""

import decimal
import fractions

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
import sympy

import symdiff as sd
from symdiff.errors import CallError, ShapeError, SymdiffError


class Labelled:
    """Entries with labels, which NumPy's protocol aligns."""

    def __init__(self, **entries):
        self.entries = entries
        self.shape = (len(entries),)

    def __array__(self, dtype=None, copy=None):
        return np.array(list(self.entries.values()), dtype or float)

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        labels = next(i.entries for i in inputs if isinstance(i, Labelled))
        found = {}
        for label in labels:
            at = [i.entries[label] if isinstance(i, Labelled) else i for i in inputs]
            found[label] = getattr(ufunc, method)(*at, **options)
        if isinstance(next(iter(found.values())), tuple):
            return tuple(
                Labelled(**dict(zip(found, column, strict=True))) for column in zip(*found.values(), strict=True)
            )
        return Labelled(**found)


class Quantity:
    """A number with a unit, which takes no strange ufunc."""

    def __init__(self, value):
        self.value, self.shape = value, np.shape(value)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.value, dtype or float)

    def __float__(self):
        return float(self.value)

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        return NotImplemented


class Closed(Quantity):
    """What takes part in no ufunc at all."""

    __array_ufunc__ = None


class OldStyle:
    """A labelled array by the protocol from before NumPy asked: a priority alone."""

    __array_priority__ = 1000

    def __init__(self, value):
        self.value, self.shape = value, np.shape(value)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.value, dtype or float)


class Units(np.ndarray):
    """A subclass of ndarray with a protocol of its own."""

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        raise TypeError("unknown ufunc")


FIRST, SECOND = Labelled(a=1.0, b=2.0), Labelled(b=10.0, a=20.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("x*y", [20.0, 20.0]), ("x*y + 1", [21.0, 21.0]), ("atan2(x, y)", np.arctan2([1.0, 2.0], [20.0, 10.0])),
     ("where(x < y, x, y)", [1.0, 2.0]), ("x > y", [False, False])],
)  # fmt: skip
def test_functions_of_numbers_are_handed_to_the_protocol(text, expected):
    f = sd.function(text, ["x", "y"])
    for call in (f, f.compile(), lambda x, y: f(x=x, y=y)):
        found = call(FIRST, SECOND)
        assert list(found.entries) == ["a", "b"]
        np.testing.assert_allclose(list(found.entries.values()), expected)


def test_several_results_and_numbers_beside():
    f = sd.function(("x*y + z", "x - y"), ["x", "y", "z"])
    product, difference = f(FIRST, SECOND, [1.0])
    assert product.entries == {"a": 21.0, "b": 21.0}
    assert difference.entries == {"a": -19.0, "b": -8.0}


WITH_ARRAYS = [
    (sd.grad("f(x, y) = x*y"), 2), (sd.function("f(x[2]) = sum(x**2)"), 1), (sd.function("sum(x*y)"), 2),
    (sd.function("f([a, b]) = a*b"), 1), (sd.function("f(x[n]) = sum(x)"), 1),
    (sd.function([f"x{k}" for k in range(80)], [f"x{k}" for k in range(80)]), 80),
    (sd.function("[x, y]", ["x", "y"]), 2),
]  # fmt: skip


@pytest.mark.parametrize("value", [FIRST, Quantity([1.0, 2.0]), OldStyle([1.0, 2.0]),
                                   np.array([1.0, 2.0]).view(Units)], ids=lambda v: type(v).__name__)  # fmt: skip
@pytest.mark.parametrize(("f", "count"), WITH_ARRAYS)
def test_functions_of_arrays_refuse_them(f, count, value):
    names = list(f.__signature__.parameters)
    arguments = (value,) * count if f._ordered else ()
    keywords = {} if f._ordered else dict.fromkeys(names, value)
    with pytest.raises(CallError, match=type(value).__name__) as caught:
        f(*arguments, **keywords)
    assert caught.value.hint.startswith("pass ")


@pytest.mark.parametrize("value", [Quantity(3.0), Closed(3.0), OldStyle([3.0]),
                                   np.array([1.0]).view(Units)], ids=lambda v: type(v).__name__)  # fmt: skip
def test_what_takes_no_strange_ufunc_is_refused_and_says_so(value):
    f = sd.function("f(x, y) = x*y + 1")
    with pytest.raises(CallError, match=f"f: x got a .*{type(value).__name__}"):
        f(value, 2.0)
    with pytest.raises(CallError, match="y got a list with a"):
        f(1.0, [value, value])


def test_masks_stay_or_are_refused():
    masked = np.ma.array([1.0, 2.0], mask=[True, False])
    found = sd.function("f(x, y) = x*y")(masked, 3.0)
    assert found.mask.tolist() == [True, False]
    assert found[1] == 6.0
    for f in (sd.grad("f(x, y) = x*y"), sd.function("[x, y]", ["x", "y"])):
        with pytest.raises(CallError, match="masked values"):
            f(masked, 3.0)
        np.testing.assert_array_equal(f(np.ma.array([1.0, 2.0]), 3.0), f(np.array([1.0, 2.0]), 3.0))
    with pytest.raises(CallError, match="a list with"):
        sd.function("f(x[2]) = sum(x)")([masked[0], masked[1]])


def test_pandas():
    pandas = pytest.importorskip("pandas")
    f = sd.function("f(x, y) = x*y")
    found = f(pandas.Series([1.0, 2.0], ["a", "b"]), pandas.Series([10.0, 20.0], ["b", "a"]))
    assert found["a"] == found["b"] == 20.0
    with pytest.raises(CallError, match="to_numpy"):
        sd.grad(f)(pandas.DataFrame({"a": found}), 2.0)


def test_xarray():
    xarray = pytest.importorskip("xarray")
    f = sd.function("f(x, y) = x*y")
    found = f(xarray.DataArray([1.0, 2.0], dims="u"), xarray.DataArray([3.0, 4.0], dims="v"))
    assert found.values.tolist() == [[3.0, 4.0], [6.0, 8.0]]


def test_units_of_others():
    for name, hint in (("pint", "magnitude"), ("astropy.units", "to_value")):
        units = pytest.importorskip(name)
        length = (units.UnitRegistry().Quantity if name == "pint" else units.Quantity)([1.0, 2.0], "m")
        for f in (sd.function("f(x) = x + 1"), sd.function("f(x[2]) = sum(x)")):
            with pytest.raises(CallError, match=hint):
                f(length)


def test_dask():
    array = pytest.importorskip("dask.array")
    np.testing.assert_array_equal(sd.function("f(x) = 2*x")(array.ones(4, chunks=2)).compute(), np.full(4, 2.0))


@pytest.mark.parametrize(
    ("value", "says"),
    [(None, "got None.*\n.*nan"), ("2", r"got a text \('2'\)"), (sympy.Float(0.25), r"sympy Float.*\npass float\(x\)"),
     (decimal.Decimal(2), r"pass float\(x\)"), (fractions.Fraction(1, 2), r"pass float\(x\)"), (1j, "complex"),
     (object(), "a object.*\npass a number"), ({}, "a dict"), (np.array(["a"]), "a text"), ([1.0, None], "None"),
     (scipy.sparse.eye_array(2), r"a sparse matrix.*\npass A\.toarray\(\)"), (np.datetime64("2020-01-01"), "datetime"),
     ([1.0, [2.0, 3.0]], "not an array")],
)  # fmt: skip
@pytest.mark.parametrize("f", [sd.function("f(x) = 2*x"), sd.function("f(x[2]) = sum(x)"), sd.function("sum(x)")],
                         ids=["number", "array", "open"])  # fmt: skip
def test_values_that_are_no_numbers_are_named(f, value, says):
    with pytest.raises(SymdiffError, match=says):
        f(value)


@pytest.mark.parametrize(
    ("source", "arguments", "says"),
    [("f(x, y, z) = x + y*z",
    ([1.0, 2.0, 3.0],), r"write f\(\[x, y, z\]\) = …, or list the inputs as \[\[\"x\", \"y\", \"z\"\]"),
     ("f(x, y, a) = x*y*a", (np.ones(2), 3.0), r"got one of shape \(2,\); for one vector write f\(\[x, y\], a\)"),
     ("f([x, y]) = x*y", (1.0, 2.0), r"pass \[1\.0, 2\.0\].*or write f\(x, y\)"),
     ("f(t, [x, y], a) = x*y", (0, 1, 2.5, 3),
                                                              r"pass 0, \[1, 2\.5\], 3"),
     ("f(x[3]) = sum(x)", (1, 2, 3), r"pass \[1, 2, 3\]"), ("f(x, y) = x*y", (1.0,), "missing: y"),
     ("f(t, [x, y]) = [x, y]", (0.0, np.ones((2, 1))), r"columns\?.*pass y\.T"),
     ("f(t, [x, y]) = [x, y]", (0.0, np.ones((2, 5))), r"columns\?.*vectorized"),
     ("f(x[2, 3]) = sum(x)", (np.ones((2, 3, 4)),), r"np\.moveaxis\(y, -1, 0\)"),
     ("f(x[2]) = sum(x)", (np.ones(5),), "batch axes")],
)  # fmt: skip
def test_calls_with_the_wrong_arguments_say_what_to_pass(source, arguments, says):
    with pytest.raises((CallError, ShapeError), match=says):
        sd.function(source)(*arguments)


def test_scipy_gets_the_hint():
    with pytest.raises(CallError, match=r"write f\(\[x, y\]\)"):
        scipy.optimize.minimize(sd.function("f(x, y) = (x - 1)**2 + (y - 2)**2"), [0.0, 1.0])


def test_a_derivative_by_everything_says_so():
    r = sd.function("r([b1, b2], x, y) = b1*(1 - exp(-b2*x)) - y")
    jacobian = sd.jacobian(r)
    with pytest.raises(CallError, match=r"the derivative by \[b1, b2\], x, y, as none was named"):
        jacobian([1.0, 2.0])
    _by_all = jacobian([1.0, 2.0], np.ones(3), np.ones(3))
    assert isinstance(_by_all, tuple)
    assert [p.shape for p in _by_all] == [(3, 2), (3,), (3,)]
    with pytest.raises(CallError, match=r"derivatives by every argument\nname what"):
        np.atleast_2d(_by_all)
    x, y = np.arange(1.0, 4.0), np.array([0.5, 0.8, 0.9])
    with pytest.raises(CallError, match="name what"):
        scipy.optimize.least_squares(r, [1.0, 1.0], jac=jacobian, args=(x, y))
    fit = scipy.optimize.least_squares(r, [1.0, 1.0], jac=sd.jacobian(r, ["b1", "b2"]), args=(x, y))
    assert fit.success


def test_lists_of_expressions_are_inlined():
    x, y = sd.symbols("x y")
    assert str(sd.function("f([a, b]) = a*b")([x, y])) == "x*y"
