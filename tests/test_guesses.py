"""What newcomers type who know NumPy, SymPy, JAX, PyTorch or CasADi: it works, or the error says what to type."""

import re

import numpy as np
import pytest

import symdiff as sd
from symdiff import guesses
from symdiff.functions.habits import HABITS

WORKS = [
    ("sd.lambdify(['x'], 'x**2')(3.0)", 9.0),
    ("sd.lambdify((x, y), x**2*y)(3.0, 2.0)", 18.0),
    ("sd.lambdify('x y', x**2*y, 'numpy')(3.0, 2.0)", 18.0),
    ("str(sd.Symbol('x') + 1)", "x + 1"),
    ("str(sd.diff('x**2'))", "2*x"),
    ("str(sd.diff(x**3, x, 2))", "6*x"),
    ("str((x**2*y).diff(x))", "2*x*y"),
    ("str((x**3).diff())", "3*x**2"),
    ("str((x*y).subs(x, 2))", "2*y"),
    ("f.grad()(3.0, 2.0).tolist()", [12.0, 9.0]),
    ("f.jacobian()(3.0, 2.0).tolist()", [12.0, 9.0]),
    ("f.hessian()(3.0, 2.0).tolist()", [[4.0, 6.0], [6.0, 0.0]]),
    ("str(f.diff('x'))", "2*x*y"),
    ("f.latex()", "x^{2} \\cdot y"),
    ("f(**{'x': 1, 'y': 2})", 2.0),
    ("[str(s) for s in sd.symbols(['x', 'y'])]", ["x", "y"]),
    ("[str(s) for s in sd.symbols(('x',))]", ["x"]),
    ("sd.pi", np.pi),
    ("sd.e", np.e),
    ("sd.E", np.e),
    ("sd.inf", np.inf),
    ("str(np.isnan(sd.nan))", "True"),
    ("sd.function('x**2*y', 'x y')(3.0, 2.0)", 18.0),
    ("sd.function('x**2*y', 'y, x')(2.0, 3.0)", 18.0),
    ("sd.function('x**2*y', ('x', 'y'))(3.0, 2.0)", 18.0),
    ("sd.grad(f, 1)(3.0, 2.0)", 9.0),
    ("sd.grad(f, argnums=1)(3.0, 2.0)", 9.0),
    ("sd.grad(f, argnums=-1)(3.0, 2.0)", 9.0),
    ("sd.grad(f, argnums=(0, 1))(3.0, 2.0)", (12.0, 9.0)),
    ("sd.grad(f, [1, 0])(3.0, 2.0).tolist()", [9.0, 12.0]),
    ("f.value_and_grad(np.int64(0))(3.0, 2.0)", (18.0, 12.0)),
    ("sd.hessian(f, argnums=0)(3.0, 2.0)", 4.0),
    ("sd.derivative(f, 0, 2)(3.0, 2.0)", 4.0),
    ("sd.grad(lambda x, y: x*y, argnums=1)(2.0, 3.0)", 2.0),
    ("sd.grad('f(x, [a, b]) = x*a*b', 1)(2.0, [3.0, 4.0]).tolist()", [8.0, 6.0]),
    ("sd.grad('f(x, [a, b]) = x*a*b', [0, 1])(2.0, [3.0, 4.0]).tolist()", [12.0, 8.0, 6.0]),
    ("sd.grad('f(x, y) = sum(x**2*y)', argnums=0)([2.0, 3.0], [1.0, 1.0]).tolist()", [4.0, 6.0]),
    ("sd.hvp(f, 0)(3.0, 1.0, 2.0)", 4.0),
    ("sd.derivative('x**3', n=2)(2.0)", 12.0),
    ("str(sd.function('x', dtype=np.float32).types[0])", "float32"),
    ("str(sd.function('x', dtype=float).types[0])", "float64"),
    ("str(sd.exp(x) + np.exp(x))", "2*exp(x)"),
    ("float(sd.var(np.array([1.0, 3.0])))", 1.0),
    ("sd.gradient(np.array([1.0, 3.0, 5.0])).tolist()", [2.0, 2.0, 2.0]),
]

SAYS = [
    ("sd.gradient('x**2')", sd.CallError, "write sd.grad('x**2')"),
    ("sd.gradient(f, 'x')", sd.CallError, "write sd.grad(f, 'x')"),
    ("sd.differentiate('x**2')", sd.CallError, "write sd.grad(f)"),
    ("sd.optimize(f)", sd.CallError, "write scipy.optimize.minimize(sd.value_and_grad(f)"),
    ("sd.display(f)", sd.CallError, "write print(f)"),
    ("sd.parse('x**2')", AttributeError, 'write sd.expr("x**2*y")'),
    ("sd.var('x')", sd.CallError, "write sd.symbols('x')"),
    ("sd.Variable('x')", AttributeError, 'write sd.symbol("x")'),
    ("sd.compile('x**2')", AttributeError, "write sd.function(…)"),
    ("sd.jit(f)", AttributeError, "write sd.function(…)"),
    ("sd.eval('x**2', x=1)", AttributeError, 'write sd.function("x**2*y", ["x", "y"])(1.0, 2.0)'),
    ("sd.integrate('x')", AttributeError, "write scipy.integrate.quad(f, 0, 1)"),
    ("sd.solve('x**2 - 1')", sd.CallError, "write scipy.optimize.root(f"),
    ("sd.jacfwd(f)", AttributeError, 'write sd.jacobian(f, mode="forward")'),
    ("sd.jacobian_fn(f)", AttributeError, "write sd.jacobian"),
    ("sd.make_hessian(f)", AttributeError, "write sd.hessian"),
    ("sd.valueAndGrad(f)", AttributeError, "write sd.value_and_grad"),
    ("sd.Hessian(f)", AttributeError, "write sd.hessian"),
    ("sd.grd(f)", AttributeError, "did you mean sd.grad?"),
    ("sd.arctg(x)", AttributeError, "write sd.atan(x)"),
    ("sd.svd(x)", AttributeError, "write svdvals(A)"),
    ("sd.Piecewise((x, x > 0), (0, True))", AttributeError, "write sd.where(c, a, b)"),
    ("sd.series('exp(x)')", AttributeError, "write sd.taylor(f, name, order)"),
    ("sd.test()", AttributeError, "run python -m pytest"),
    ("sd.show_versions()", AttributeError, "run symdiff doctor"),
    ("sd.set_options()", AttributeError, "write f.compile("),
    ("sd.latex(f)", AttributeError, "f.latex()"),
    ("sd.explain(f)", AttributeError, "write f.explain(…) of a function"),
    ("sd.outputs", AttributeError, "write f.outputs of a function"),
    ("sd.optimize.minimize(f)", AttributeError, "write scipy.optimize.minimize("),
    ("sd.grad_and_value(f)", AttributeError, "write sd.value_and_grad(f)"),
    ("sd.linalg.solve", AttributeError, "write sd.solve(A, b)"),
    ("sd.expand(x)", AttributeError, "write sympy.expand(sd.to_sympy(e))"),
    ("sd.subs(x, {})", AttributeError, 'write e.subs({"x": 1.0})'),
    ("sd.jacobian(f, sparse=True)", sd.CallError, "write sd.sparse_jacobian(f)"),
    ("sd.derivative(f)", sd.ArgumentError, "use jacobian or hessian"),
    ("sd.function('x', dtype='float16')", sd.ArgumentError, '"float64" or "float32"'),
    ("sd.function('x', dtype=np.complex128)", sd.ArgumentError, '"float64" or "float32"'),
    ("sd.function('x', dtype=object())", sd.ArgumentError, '"float64" or "float32"'),
    ("sd.named(x*y, 'q')", sd.CallError, 'write sd.named("q", …)'),
    ("f.compile('fast')", sd.CallError, "write opt=…"),
    ("sd.function('x*y', 'x', 'y')", sd.CallError, 'sd.function("x**2*y", ["x", "y"])'),
    ("sd.symbols('x', 'y', 'z')", sd.CallError, 'write sd.symbols("x y z")'),
    ("f.compile(parallel=True)", sd.CallError, "write threads=0"),
    ("f.compile(optimize=3)", sd.CallError, "write opt=…"),
    ("f.compile(zzz=3)", sd.CallError, "its options are: opt, fp"),
    ("sd.zzzqqq", AttributeError, "sd.function makes functions"),
    ("sd.Function('f')", sd.CallError, 'write sd.function("f(x, y) = x**2*y")'),
    ("sd.Expr('x')", sd.CallError, 'write sd.symbols("x y")'),
    ("sd.diff(f)", sd.ArgumentError, 'give one of "x", "y"'),
    ("sd.diff(f, 'x', 'y')", sd.ArgumentError, "take the derivative again"),
    ("sd.function([x, y], x**2*y)", sd.ArgumentError, 'the formula comes first: sd.function(…, ["x", "y"])'),
    ("sd.function(['x', 'y'], 'x**2*y')", sd.ArgumentError, 'sd.function(\'x**2*y\', ["x", "y"])'),
    ("sd.function('x**2*y', x=1)", sd.CallError, "sd.function(…)(x=1.0)"),
    ("sd.function('x**2*y', wrt='x')", sd.CallError, 'sd.grad(f, "x")'),
    ("sd.function('x**2*y', name_='q')", sd.CallError, "did you mean name?"),
    ("sd.symbol('x y')", sd.ArgumentError, 'write sd.symbols("x y")'),
    ("sd.symbols('x', real=True)", sd.CallError, "leave it out: all values are real"),
    ("sd.Symbol('x', positive=True)", sd.CallError, "leave it out: all values are real"),
    ("sd.symbols([x, y])", sd.CallError, 'write sd.symbols("x y z")'),
    ("sd.grad(f, 2)", sd.ArgumentError, "positions count from 0 to 1"),
    ("sd.grad('x**2*y', 1)", sd.ArgumentError, "list the inputs"),
    ("sd.grad(f, 'x', argnums=1)", sd.CallError, "leave out argnums="),
    ("sd.grad(f, 'x', 'y')", sd.CallError, 'write ["x", "y"] for one axis'),
    ("sd.grad(f, 'x y')", sd.UnknownNameError, 'write ["x", "y"]'),
    ("sd.grad(f, 1.0)", sd.ArgumentError, "sd.grad(f)(1.0, 2.0)"),
    ("sd.grad(f, x=1.0)", sd.CallError, "values are given to a call"),
    ("sd.value_and_grad(f, has_aux=True)", sd.CallError, "leave it out"),
    ("sd.sin(f)", sd.CallError, "call it: f(…), with symbols"),
    ("sd.exp('x')", sd.CallError, "write sd.expr(text)"),
    ("np.sin(f)", sd.CallError, "write np.sin(f(x, y))"),
    ("np.ones(2)*f", sd.CallError, "f(x, y)"),
    ("f + f", sd.CallError, "write sd.function(f(x, y) + f(x, y))"),
    ("2*f", sd.CallError, "f(x, y)"),
    ("x + f", sd.CallError, "f(x, y)"),
    ("-f", sd.CallError, "write sd.function(-f(x, y))"),
    ("f({'x': 1, 'y': 2})", sd.CallError, "write f(**values)"),
    ("f((1, 2))", sd.CallError, "for numbers write f(*v)"),
    ("f()", sd.CallError, "f takes 2 arguments (x, y); missing: x, y"),
    ("f('a', 1.0)", sd.CallError, "pass a number"),
    ("f.eval(x=1, y=2)", AttributeError, "write f(x, y)"),
    ("f.name", AttributeError, "write f.__name__"),
    ("f.args", AttributeError, "write f.inputs"),
    ("f.gradient", AttributeError, "write f.grad()"),
    ("f.derivatives", AttributeError, "write f.grad()"),
    ("f.compiled", AttributeError, "f.compile(…)"),
    ("f.source", AttributeError, "f.c()"),
    ("f.at(x=1)", AttributeError, 'write f.expr.subs({"x": 1.0})'),
    ("f.sin()", AttributeError, "write sd.sin(f(x, y))"),
    ("f.show()", AttributeError, "f.dot()"),
    ("f.to_latex()", AttributeError, "write f.latex()"),
    ("f.zzzqqq", AttributeError, "dir(f) lists all"),
    ("f.compile().grad()", AttributeError, "ask the function that it was made from"),
    ("f.compile().evaluate(1.0, 2.0)", AttributeError, "write f(x, y)"),
    ("f.graph.draw()", AttributeError, "f.dot()"),
    ("(x*y).grad()", AttributeError, 'write sd.grad(e, ["x", "y"])'),
    ("(x*y).evalf()", AttributeError, 'write sd.function(e, ["x", "y"])(1.0, 2.0)'),
    ("(x*y).free_symbols", AttributeError, "write sd.function(e).inputs"),
    ("(x*y).latex()", AttributeError, "write sd.function(e).latex(…)"),
    ("(x*y).expand()", AttributeError, "sympy.sympify(e)"),
    ("(x*y).clip2()", AttributeError, "did you mean e.clip?"),
    ("(x*y)(1.0, 2.0)", sd.CallError, 'write sd.function(e, ["x", "y"])(…)'),
    ("sd.load('nofile')", FileNotFoundError, "nofile"),
]


def answered(call):
    f = sd.function("f(x, y) = x**2*y")
    x, y = sd.symbols("x y")
    return eval(call, {"sd": sd, "np": np, "f": f, "x": x, "y": y})


@pytest.mark.parametrize(("call", "value"), WORKS)
def test_what_works(call, value):
    assert answered(call) == value


@pytest.mark.parametrize(("call", "kind", "words"), SAYS)
def test_what_says_what_to_type(call, kind, words):
    with pytest.raises(kind) as caught:
        answered(call)
    assert words in str(caught.value)
    if kind is AttributeError:
        assert isinstance(caught.value, sd.MissingAttributeError)


def test_names_in_the_tables_are_guesses():
    """None of them exists, so none of the hints is out of date."""
    f, (x, _) = sd.function("f(x, y) = x**2*y"), sd.symbols("x y")
    places = [
        (sd, guesses.MODULE, HABITS),
        (f, guesses.FUNCTION, ()),
        (x, guesses.EXPRESSION, ()),
        (f.graph, guesses.GRAPH, ()),
    ]
    for thing, table, known in places:
        assert len(table.typed) > 2
        for name in table.typed.keys() - set(known):
            found = getattr(thing, name, None)
            assert found is None or isinstance(found, guesses.NotCalled), (thing, name)


@pytest.mark.parametrize("owner", ["MODULE", "FUNCTION", "EXPRESSION", "GRAPH"])
def test_hints_name_what_there_is(owner):
    """Each `sd.name` of a hint is a name of the module, each `{f}.name` an attribute of functions."""
    f = sd.function("f(x, y) = x**2*y")
    typed = " ".join(getattr(guesses, owner).typed.values())
    for name in re.findall(r"\bsd\.(\w+)", typed):
        assert hasattr(sd, name), name
    for name in re.findall(r"(?:\{f\}|\bf)\.(\w+)", typed):
        assert hasattr(f, name), name


def test_probing_for_attributes_is_answered_as_python_does():
    f, x = sd.function("f(x, y) = x**2*y"), sd.symbols("x")
    for thing in (sd, f, f.compile(), x, f.graph):
        assert not hasattr(thing, "__array_interface__")
        assert not hasattr(thing, "_repr_png_")
        assert not hasattr(thing, "zzz")
        assert getattr(thing, "zzz", 3) == 3
    with pytest.raises(AttributeError):
        sd.__wrapped__  # noqa: B018


def test_what_a_property_raises_is_not_replaced():
    with pytest.raises(sd.ShapeError, match="the shapes of x"):
        sd.function("f(x) = sum(x)").ctypes  # noqa: B018


def test_type_checkers_and_editors_do_not_see_guesses():
    assert {"lambdify", "parse", "pi"}.isdisjoint(dir(sd))
    assert {"eval", "args"}.isdisjoint(dir(sd.function("x", ["x"])))
