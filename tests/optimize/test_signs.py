"""Where the signs of products end up: at factors that several of them share, without a changed bit."""

import numpy as np
import pytest

import symdiff as sd
from symdiff.interpret import evaluate

# formula, fp, operations left
SHARED = [
    ("[-(a*b), -(a*c), -(a*d)]", "strict", {"mul": 3, "neg": 1}),
    ("[-(a/b), -(a/c), -(d/b)]", "strict", {"div": 3, "neg": 2}),
    ("[-(a*b), -(c*d)]", "strict", {"mul": 2, "neg": 2}),
    ("[-(a*b), -(a*c), -(b*c)]", "strict", {"mul": 3, "neg": 2}),
    ("[-(a*b), sin(-(a*b)), a*b]", "strict", {"mul": 1, "neg": 2, "sin": 1}),
    ("[-a, -(a*b)]", "strict", {"mul": 1, "neg": 1}),
    ("[a - b*c, d - b*a]", "contract", {"fma": 2, "neg": 1}),
    ("[a - b*c, d - b*a, -(b*d)]", "contract", {"fma": 2, "mul": 1, "neg": 1}),
    ("[a - b*c, d - c*a, -b, -c]", "contract", {"fma": 2, "neg": 2}),
    ("[a - 2*b, d - 2*c]", "contract", {"fma": 2}),
    ("[b*c - a, -a]", "contract", {"fma": 1, "neg": 1}),
]


@pytest.mark.parametrize(("text", "fp", "wanted"), SHARED)
def test_signs_are_taken_once(text, fp, wanted):
    f = sd.function(text, list("abcd"))
    counts = dict(f._program(fp).counts.after)
    if "sin" in wanted:  # an odd function lets its sign out
        counts = {name: counts.get(name, 0) for name in ("mul", "sin")} | {"neg": counts["neg"]}
    assert counts == wanted
    for x in np.random.default_rng(1).normal(size=(20, 4)):
        given = dict(zip((f._name_table()[n] for n in "abcd"), x, strict=True))
        got, want = f.compile(fp=fp)(*x), evaluate(f.graph, f.nodes, given)[0]
        if fp == "strict":
            np.testing.assert_array_equal(got, want)
        np.testing.assert_allclose(got, want, rtol=1e-15, atol=1e-15)


def test_a_jacobian_of_an_outer_product_has_no_sign_for_each_entry():
    names = [f"x{k}" for k in range(10)]
    f = sd.function([f"cos({k + 1}*(" + " + ".join(f"sin({n})" for n in names) + "))" for k in range(10)], names)
    assert sd.jacobian(f, names).stats()["by_operation"].get("neg", 0) <= 10
