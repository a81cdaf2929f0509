"""No figure of docs/operation-counts.md gets worse, and all keep their marks."""

import numpy as np
import pytest

import symdiff as sd
from tests.counts.__main__ import CORPORA, MOST, PAGE, count, operations
from tests.counts.problems import MULTIPLICATIONS, ROWS, black_scholes, bow_tie, harmonics, in_mode, roe_3d

SLOW = ("solid harmonics, L = 20", "Roe's flux, 3-D")


def written():
    """The figures of the page, by function, derivative and what is counted."""
    found = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().replace(",", "") for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[2].isdigit():
            found[cells[0], cells[1], "operations"] = int(cells[2])
        elif len(cells) == 6 and cells[1].isdigit():
            found[cells[0], "Jacobian", MULTIPLICATIONS] = int(cells[1])
    return found


CASES = [
    pytest.param(row, id=f"{row.problem}: {row.part}", marks=[pytest.mark.heavy] if row.problem in SLOW else [])
    for row in ROWS
]


@pytest.mark.parametrize("row", CASES)
def test_no_figure_gets_worse(row):
    counted = count(row)
    assert counted <= written()[row.problem.replace(",", ""), row.part, row.what]
    if row.most is not None:
        assert counted < row.most if row.what == MULTIPLICATIONS else counted <= row.most


def test_cross_country_is_cheaper_than_both_where_a_function_is_narrow():
    for make, share in ((bow_tie, 0.6), (black_scholes, 0.85), (roe_3d, 0.95)):
        crossed, forward, reverse = (
            sum(operations(in_mode(make, mode)()).values()) for mode in ("cross-country", "forward", "reverse")
        )
        assert crossed < share * min(forward, reverse)


def test_the_functions_counted_are_those_of_the_literature():
    x, y, z = 0.3, -0.8, 0.5
    got = harmonics(4)([x, y, z])
    # l = 0, 1, 2 by hand: Legendre's functions of z times the recurrences of x and y
    np.testing.assert_allclose(got[:4], [1, -x, z, -y], rtol=1e-15)
    np.testing.assert_allclose(got[6], (3 * z * z - 1) / 2, rtol=1e-15)
    # the same state left and right: the flux of Roe is the flux
    state = [1.2, 0.3, 0.4, 0.1, 2.5]
    flux = roe_3d()(*state, *state)
    pressure = 0.4 * (2.5 - 0.5 * (0.3**2 + 0.4**2 + 0.1**2) / 1.2)
    speed = 0.3 / 1.2
    np.testing.assert_allclose(flux[0], 0.3, rtol=1e-14)
    np.testing.assert_allclose(flux[1], pressure + 0.3 * speed, rtol=1e-14)
    np.testing.assert_allclose(flux[4], speed * (pressure + 2.5), rtol=1e-14)
    greeks = sd.jacobian(black_scholes())(100.0, 110.0, 0.03, 0.2, 0.7)
    np.testing.assert_allclose(greeks, greeks.T, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("asin(l/(n*d))", {"l": (), "n": (), "d": ()}),
        ("asin(n*sin(t))", {"n": (), "t": ()}),
        ("w/c", {"w": (), "c": ()}),
        ("sum((x[:-1]**2)**(x[1:]**2 + 1) + (x[1:]**2)**(x[:-1]**2 + 1))", {"x": (5,)}),
        ("sum(abs(x))*prod(abs(x))", {"x": (5,)}),
    ],
)
def test_value_and_gradient_take_at_most_five_values(text, shapes):
    f = sd.function(text, list(shapes), shapes=shapes)
    together = sd.value_and_grad(f, tuple(shapes))
    assert sum(operations(together).values()) <= MOST * sum(operations(f).values())


def test_no_formula_of_others_takes_more_than_five_values():
    rows = [line.strip("|").split("|") for line in PAGE.read_text(encoding="utf-8").partition(CORPORA)[2].splitlines()]
    assert len(rows) >= 2
    for _, number, _, largest, worst in rows:
        assert int(number) > 20
        assert max(float(one.split()[-1]) for one in worst.split(",")) == float(largest) <= MOST
