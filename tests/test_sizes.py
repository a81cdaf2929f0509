"""Sizes that are not numbers yet: their arithmetic is that of integers, and what is taken for granted is noted."""

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symdiff.sizes import Sizes, example, is_open, numbers, sizes_of, slice_bounds, slice_length

LEAST = 5
ARITHMETIC = (operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod, min, max)
COMPARISONS = (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne)
SIZES = st.integers(LEAST, 60)
STEPS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 40), st.sampled_from(ARITHMETIC), st.sampled_from(COMPARISONS)),
    max_size=14,
)


def computed(n, m, steps):
    """Values that the steps make of n and m, and the answers of comparisons among them."""
    pool, answers = [n, m, *range(-3, 9)], []
    for a, b, make, compare in steps:
        left, right = pool[a % len(pool)], pool[b % len(pool)]
        try:
            pool.append(make(left, right))
        except ZeroDivisionError:
            answers.append("zero")
            continue
        answers.append(bool(compare(left, right)))
    return pool, answers


@given(SIZES, SIZES, SIZES, SIZES, STEPS)
def test_a_size_is_the_integer_for_all_numbers_with_the_same_facts(n, m, n2, m2, steps):
    sizes = Sizes({"n": n, "m": m}, LEAST)
    pool, answers = computed(sizes["n"], sizes["m"], steps)
    wanted, wanted_answers = computed(n, m, steps)
    assert [example(v) for v in pool] == wanted
    assert answers == wanted_answers
    assert not sizes.fixed
    assert sizes.holds({"n": n, "m": m})
    other = {"n": n2, "m": m2}
    if sizes.holds(other):
        found, found_answers = computed(n2, m2, steps)
        assert [sizes.number(v, other) for v in pool] == found
        assert answers == found_answers
    for value in pool:
        low, high = sizes.reach(value)
        number = sizes.number(value, other)
        assert low is None or low <= example(value)
        assert high is None or example(value) <= high
        if sizes.holds(other):
            assert low is None or low <= number
            assert high is None or number <= high


@given(SIZES, st.integers(-9, 9) | st.none(), st.integers(-9, 9) | st.none(), st.sampled_from([None, 1, 2, 3, -1, -2]))
def test_slices_are_those_of_python(n, start, stop, step):
    sizes = Sizes({"n": n}, LEAST)
    found = slice_bounds((start, stop, step), sizes["n"])
    wanted = slice(start, stop, step).indices(n)
    assert tuple(map(example, found)) == wanted
    assert example(slice_length(*found)) == len(range(*wanted))
    assert not sizes.fixed


NEED_NUMBERS = {
    "index": operator.index, "int": int, "float": float, "range": range, "list": lambda n: [0] * n,
    "truediv": lambda n: n / 2,
    "round": round, "shift": lambda n: 1 << n, "bits": lambda n: n & 7, "power": lambda n: 2**n,
    "float product": lambda n: n * 0.5,
    "bytes": bytes, "numbers": lambda n: numbers((n,)), "float comparison": lambda n: n < 7.5,
    "divmod": lambda n: divmod(float(n), 2),
}  # fmt: skip


@pytest.mark.parametrize("use", NEED_NUMBERS.values(), ids=NEED_NUMBERS)
def test_what_needs_a_number_fixes_the_names_in_it(use):
    sizes = Sizes({"n": 7, "m": 9}, LEAST)
    assert sizes["n"] > 8 or sizes["m"] > 8
    before = len(sizes.facts)
    use(sizes["n"] + 1)
    assert list(sizes.fixed) == ["n"]
    assert sizes.before == before
    assert sizes.holds({"n": 7, "m": 30})
    assert not sizes.holds({"n": 8, "m": 30})


def test_what_follows_from_the_least_size_is_no_fact():
    sizes = Sizes({"n": 7, "m": 9}, LEAST)
    n, m = sizes["n"], sizes["m"]
    assert n > 0
    assert n - 1 != 0
    assert n * m >= 25
    assert n >= 2
    assert n * m % m == 0
    assert (n * m + 3) // m == n + 3 // m
    assert (n + 7) // 8 * 8 > 0
    assert n - (n - 3) == 3
    assert not is_open(n - (n - 3))
    assert not any(terms for terms in sizes.facts if len(terms) == 1)
    assert n < m
    assert len(sizes.facts) == 1


def test_sizes_of_two_calls_do_not_mix():
    first, second = (Sizes({"n": 7}, LEAST) for _ in range(2))
    with pytest.raises(TypeError):
        first["n"] + second["n"]
    assert sizes_of([1, first["n"]]) is first
    assert isinstance(first["n"], int)
