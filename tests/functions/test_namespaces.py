"""Namespaces: the same words with other meanings, through everything that is made of a text; definitions replaced."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
import sympy

import symdiff as sd
from symdiff.cli.emit import FORMS
from symdiff.frontend.calls import PROCESS
from symdiff.functions.recipes import restored

X = np.array([0.3, 0.7, 1.2])

# What `swell`, `level`, `twice` and `spread` mean in two namespaces, and the same in the language itself.
MEANINGS = {
    "squares": {
        "swell": ("swell(x) = x**2", {"partials": "2*x"}, "({0})**2"),
        "level": ("level(x) = x - mean(x)", {"backward": "g - mean(g)"}, "({0} - mean({0}))"),
        "twice": ("twice(x) = swell(swell(x))", {"partials": "4*x*swell(x)"}, "({0})**4"),
        "spread": ("spread(x) = sum(swell(level(x)))", {}, "sum(({0} - mean({0}))**2)"),
    },
    "sines": {
        "swell": ("swell(x) = sin(x)", {"backward": "g*cos(x)"}, "sin({0})"),
        "level": ("level(x) = x/sum(x)", {}, "({0}/sum({0}))"),
        "twice": ("twice(x) = swell(2*x)", {}, "sin(2*({0}))"),
        "spread": ("spread(x) = max(swell(x))", {"backward": "g*(swell(x) == y)*cos(x)"}, "max(sin({0}))"),
    },
}


@pytest.fixture(scope="module")
def spaces():
    made = {}
    for name, meanings in MEANINGS.items():
        made[name] = sd.Namespace()
        for text, derivatives, _ in meanings.values():
            made[name].define(text, **derivatives)
    return made


def plain(text, meanings):
    """A text with what its words mean."""
    for word, (_, _, meaning) in meanings.items():
        text = text.replace(f"{word}(x)", meaning.format("x"))
    return text


TEXTS = ["sum(swell(x)) + spread(x)", "sum(level(x)*twice(x))", "sum(swell(x)*twice(x) + swell(x))"]
TRANSFORMS = {
    "value": lambda f: f,
    "gradient": sd.grad,
    "value and gradient": sd.value_and_grad,
    "Hessian": sd.hessian,
    "Jacobian, forward": lambda f: sd.jacobian(f, "x", "forward"),
    "gradient of the gradient's sum": lambda f: (
        sd.grad(sd.function(lambda x: np.sum(sd.grad(f).expr), {"x": 3}))
        if f.arguments[0].shape == (3,)
        else sd.hessian(f)
    ),
    "hvp": lambda f: (lambda h: lambda x: h(x, x))(sd.hvp(f)),
    "jvp": lambda f: (lambda h: lambda x: h(x, x))(sd.jvp(f)),
    "vjp": lambda f: (lambda h: lambda x: h(x, 1.5))(sd.vjp(f)),
    "linearized": lambda f: lambda x: sd.linearize(f)(x)[1](x),
    "compiled": lambda f: sd.grad(f).compile(),
    "pickled": lambda f: pickle.loads(pickle.dumps(sd.grad(f))),
    "pickled, then differentiated": lambda f: sd.grad(pickle.loads(pickle.dumps(f))),
    "copied": lambda f: copy.deepcopy(sd.grad(f)),
    "several": lambda f: sd.function((f, sd.grad(f))),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
@pytest.mark.parametrize("shapes", [{"x": 3}, {"x": "n"}, None], ids=["known", "named", "open"])
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("space", MEANINGS)
def test_words_mean_what_their_namespace_says(space, text, shapes, transform, spaces):
    f = transform(sd.function(text, shapes=shapes, namespace=spaces[space]))
    wanted = transform(sd.function(plain(text, MEANINGS[space]), shapes=shapes))
    for found, right in zip(_flat(f(X)), _flat(wanted(X)), strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-13)


def _flat(results):
    return [leaf for r in results for leaf in _flat(r)] if isinstance(results, tuple) else [results]


@pytest.mark.parametrize("space", MEANINGS)
def test_mapped(space, spaces):
    f = sd.vmap(sd.function("sum(swell(x)*twice(x))", shapes={"x": 3}, namespace=spaces[space]))
    g = sd.function(plain("sum(swell(x)*twice(x))", MEANINGS[space]), shapes={"x": 3})
    for made in (f, pickle.loads(pickle.dumps(f))):
        np.testing.assert_allclose(made(np.stack([X, 2 * X])), [g(X), g(2 * X)], rtol=1e-13)


def test_two_meanings_in_one_function(spaces):
    parts = {name: sd.function("sum(swell(x)*twice(x))", shapes={"x": 3}, namespace=spaces[name]) for name in MEANINGS}
    f = sd.jacobian(sd.function(parts))
    for made in (f, pickle.loads(pickle.dumps(f))):
        for found, part in zip(made(X), parts.values(), strict=True):
            np.testing.assert_allclose(found, sd.grad(part)(X), rtol=1e-13)
    assert parts["squares"].graph is not parts["sines"].graph


SAVED = {
    "elements": "swell(x) + twice(x)",
    "layers": "sum(level(x)) + swell(x)",
    "definitions of definitions": "spread(x) + twice(x)",
}
LOADING = """
import sys
import numpy as np
import symdiff as sd
for word in ("swell", "twice", "level", "spread"):
    sd.define(f"{word}(x) = 7*x", backward="7*g")
for path in sys.argv[1:]:
    f = sd.load(path)
    slope = sd.jacobian(f, "x", "forward")
    print(f(np.array([0.3, 0.7, 1.2])).tolist(), slope([1.0, 2.0, 3.0]).tolist())
print(sd.function("swell(x)")(1.0))
"""


@pytest.mark.parametrize("shapes", [{"x": 3}, None], ids=["known", "open"])
def test_files_mean_the_same_where_the_words_mean_something_else(shapes, tmp_path, spaces):
    wanted, paths = [], []
    for space in MEANINGS:
        for name, text in SAVED.items():
            f = sd.function(text, shapes=shapes, namespace=spaces[space])
            paths.append(str(tmp_path / f"{space} {name}"))
            f.save(paths[-1])
            slope = sd.jacobian(f, "x", "forward")
            wanted.append(f"{f(X).tolist()} {slope([1.0, 2.0, 3.0]).tolist()}")
    done = subprocess.run([sys.executable, "-c", LOADING, *paths], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [*wanted, "7.0"]


def test_definitions_of_files_that_say_only_their_texts():
    """Where a file does not say what words mean, they mean the definitions before."""
    entries = [
        {"text": "rise(x) = x + 1", "backward": {}, "partials": {"x": "1"}},
        {"text": "climb(x) = 2*rise(x)", "backward": {}, "partials": {}},
    ]
    found = restored(entries)
    assert [*found] == ["rise", "climb"]
    assert found["climb"].uses == {"rise": found["rise"]}
    assert found["rise"].op is not None


MALFORMED = {
    "no list": 3,
    "no entry": [3],
    "no text": [{"backward": {}, "partials": {}}],
    "a text that is none": [{"text": 1, "backward": {}, "partials": {}}],
    "no function": [{"text": "x**2", "backward": {}, "partials": {}}],
    "not in the language": [{"text": "f(x) = x +", "backward": {}, "partials": {}}],
    "a derivative that is none": [{"text": "f(x) = x", "backward": {"x": 1}, "partials": {}}],
    "of another operand": [{"text": "f(x) = x", "backward": {"z": "g"}, "partials": {}}],
    "words without a meaning": [{"text": "f(x) = h(x)", "backward": {}, "partials": {}, "uses": {"h": "h"}}],
    "of itself": [{"text": "f(x) = f(x)", "backward": {}, "partials": {}, "uses": {"f": "f"}}],
    "words that are none": [
        {"text": "h(x) = x", "backward": {}, "partials": {}},
        {"text": "f(x) = x", "backward": {}, "partials": {}, "uses": {"2": "h"}},
    ],
    "uses that are none": [{"text": "f(x) = x", "backward": {}, "partials": {}, "uses": ["h"]}],
    "a name that is none": [{"text": "f(x) = x", "backward": {}, "partials": {}, "name": 1}],
    "a name that cannot be shown": [{"text": "f(x) = x", "backward": {}, "partials": {}, "name": "a\u202e"}],
}


@pytest.mark.parametrize("entries", MALFORMED.values(), ids=MALFORMED)
def test_malformed_definitions_are_refused(entries):
    with pytest.raises(sd.StorageError):
        restored(entries)


def test_loading_defines_nothing(tmp_path, spaces):
    before = dict(PROCESS.known)
    sd.function("spread(x)", namespace=spaces["squares"]).save(tmp_path / "f")
    assert sd.load(tmp_path / "f")(X) == pytest.approx(np.sum((X - X.mean()) ** 2))
    assert PROCESS.known == before


WRITTEN = [("swell(x) + 1", "squares"), ("swell(x) + 1", "sines"), ("x*level(x)", "squares"), ("x*spread(x)", "sines")]


@pytest.mark.parametrize(("text", "space"), WRITTEN)
def test_shown_is_the_word_of_the_user(space, text, spaces):
    f = sd.function(text, shapes={"x": 3}, namespace=spaces[space])
    assert str(f) == f"f(x[3]) = {text}"
    assert str(sd.function(str(f), namespace=spaces[space])) == str(f)
    g = sd.function(lambda x: np.sum(f.expr), {"x": 3})
    for made in (f, sd.grad(g), sd.hessian(g), pickle.loads(pickle.dumps(f))):
        shown = [made.explain(), made.ssa(), made.ssa(optimized=True), str(made), repr(made), repr(made.expr)]
        shown += [write(made) for name, write in FORMS.items() if name not in ("assembly", "llvm")]
        shown += [str(data) for _, data in made.graph.nodes(data=True)]
        assert not any("defined_" in s for s in shown)


def test_as_python_functions(spaces):
    swell = {name: space.known["swell"] for name, space in spaces.items()}
    mine = spaces["squares"].define(*MEANINGS["squares"]["swell"][:1], **MEANINGS["squares"]["swell"][1])
    theirs = spaces["sines"].define(*MEANINGS["sines"]["swell"][:1], **MEANINGS["sines"]["swell"][1])
    assert swell == {name: space.known["swell"] for name, space in spaces.items()}  # the same again changes nothing
    assert (mine(2.0), theirs(0.0), mine.__name__) == (4.0, 0.0, "swell")
    x = sd.symbol("x")
    assert sd.function(mine(x) + theirs(x))(2.0) == pytest.approx(4.0 + np.sin(2.0), rel=1e-15)
    assert sd.grad(lambda x: mine(x) * theirs(x))(2.0) == pytest.approx(4 * np.sin(2.0) + 4 * np.cos(2.0), rel=1e-14)


def test_sympy(spaces):
    x, swell = sympy.Symbol("x"), sympy.Function("swell")
    f = sd.function(swell(x) + x, namespace=spaces["squares"])
    assert (f(3.0), sd.grad(f)(3.0)) == (12.0, 7.0)
    assert sympy.simplify(sympy.sympify(f.expr) - x**2 - x) == 0
    g = sd.function([swell(x), x], namespace=spaces["sines"])
    np.testing.assert_allclose(g(3.0), [np.sin(3.0), 3.0])
    assert sd.expr(swell(x), namespace=spaces["squares"]).graph.has_arrays is False
    apart = sd.function(swell(x) + x)  # an unknown function of SymPy's is an input elsewhere
    assert "swell" not in str(apart) or len(apart.arguments) == 2


REFUSED = {
    # a text, the namespace, what the error says, what the hint says
    "nearest of the namespace": ("swel(x)", "squares", "there is no function called swel", "swell"),
    "of another namespace": ("swell(x)", None, "there is no function called swell", ""),
    "not called": ("swell x", "squares", "swell is a function", "write swell(x)"),
    "number of operands": ("swell(x, x)", "squares", "swell takes 1 argument, not 2", "write swell(x)"),
    "no such operand": ("swell(y=x)", "sines", "swell has no parameter called y", "swell(x)"),
    "attribute": ("x.swell", "squares", "values have no attributes", "write swell(x)"),
}


@pytest.mark.parametrize(("text", "space", "message", "hint"), REFUSED.values(), ids=REFUSED)
def test_refused(text, space, message, hint, spaces):
    with pytest.raises(sd.ParseError) as caught:
        sd.function(text, namespace=spaces[space] if space else PROCESS)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_what_is_defined_for_the_process_is_told():
    kept = PROCESS.known
    try:
        sd.define("of_the_process(x) = x")
        with pytest.raises(sd.UnknownNameError, match="of_the_process in this namespace") as caught:
            sd.function("of_the_process(x)", namespace=sd.Namespace())
        assert "leave namespace= out" in caught.value.hint
        assert sd.function("of_the_process(x)")(2.0) == 2.0
    finally:
        PROCESS.known = kept


def test_refused_definitions():
    space = sd.Namespace()
    space.define("rise(x) = x + 1")
    with pytest.raises(sd.ArgumentError, match="rise is defined already: rise\\(x\\) = x \\+ 1"):
        space.define("rise(x) = x + 2")
    with pytest.raises(sd.ArgumentError, match="sin is a function of the language"):
        space.define("sin(x) = x", replace=True)
    with pytest.raises(sd.UnknownNameError, match="there is no function called rises") as caught:
        space.define("fall(x) = sum(rises(x))")
    assert "rise" in caught.value.hint
    with pytest.raises(sd.ArgumentError, match="namespace is a dict"):
        sd.function("x", namespace={})
    assert set(space.known) == {"rise"}


def test_a_definition_is_replaced():
    space = sd.Namespace()
    first = space.define("gain(x) = 2*x", partials="2")
    space.define("total(x) = sum(gain(x))")
    texts = "gain(x)", "sum(x)*gain(x)", "total(x)"
    before = [sd.function(t, namespace=space) for t in texts]
    slope = sd.grad(sd.function("f(x[n]) = sum(gain(x))", namespace=space))
    second = space.define("gain(x) = 3*x", partials="3", replace=True)
    after = [sd.function(t, namespace=space) for t in texts]
    assert (first(1.0), second(1.0)) == (2.0, 3.0)
    factors = 1.5, 1.5, 1.0  # `total` keeps the `gain` that it was made of
    for f, g, factor in zip(before, after, factors, strict=True):
        np.testing.assert_allclose(np.multiply(f(X[:2]), factor), g(X[:2]))
        np.testing.assert_allclose(np.multiply(pickle.loads(pickle.dumps(f))(X), factor), g(X))
    assert slope(X).tolist() == [2.0, 2.0, 2.0]
    with pytest.raises(sd.UnknownNameError, match="gain"):
        space.define("gain(x) = gain(x) + 1", replace=True)


def test_a_function_of_the_text_hides_a_definition(spaces):
    assert sd.function("swell(x) = x + 5\nf(x) = swell(x)", namespace=spaces["squares"])(1.0) == 6.0
