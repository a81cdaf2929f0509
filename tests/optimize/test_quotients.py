"""Constants over one divisor: it is divided by once, where the others follow without another rounding."""

import numpy as np
import pytest

import symdiff as sd
from symdiff.interpret import evaluate

# formula, operations left
SHARED = [
    ("[1/a, 0.5/a]", {"div": 1, "mul": 1}),
    ("[0.5/a, 1/a, 2/a]", {"div": 1, "mul": 2}),
    ("[1/a, -4/a]", {"div": 1, "mul": 1}),
    ("[3/a, 1.5/a, 1/a]", {"div": 2, "mul": 1}),
    ("[1/a, 3/a]", {"div": 2}),
    ("[1/a, 0.5/b]", {"div": 2}),
]
EXTREMES = [5e-324, 4e-309, 1.7e-308, 3e-300, 0.3, 1.0, 7.0, 3e300, 8.9e307, 1.7e308, np.inf, 0.0]


@pytest.mark.parametrize(("text", "wanted"), SHARED)
def test_constants_over_one_divisor_share_it(text, wanted):
    f = sd.function(text, ["a", "b"])
    assert dict(f._program().counts.after) == wanted
    assert dict(f._program("strict").counts.after) == {"div": text.count("/")}


@pytest.mark.parametrize(("text", "wanted"), SHARED)
def test_their_values_are_those_of_divisions(text, wanted):
    f = sd.function(text, ["a", "b"])
    for x in [*EXTREMES, *(-x for x in EXTREMES), np.nan]:
        given = dict(zip((f._name_table()[n] for n in "ab"), (x, x), strict=True))
        got, want = np.array(f(x, x)), np.array(evaluate(f.graph, f.nodes, given)[0])
        # what is below all normal numbers has fewer digits
        np.testing.assert_allclose(got, want, rtol=0 if np.all(np.abs(want) > 1e-307) else 1e-15, atol=5e-324)


def test_the_gradient_of_a_quotient_by_a_root_divides_by_it_no_more_often():
    f = sd.grad("a*b/sqrt(a + b)", ["a", "b"])
    assert f.stats()["by_operation"]["div"] == 3
