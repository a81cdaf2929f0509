"""What a user finds on a Function: what a user needs; the rest has an underscore."""

import ast
import inspect
import subprocess
import sys

import pytest

import symdiff as sd
from symdiff.functions import methods

OWN = {
    "address", "arguments", "assembly", "body", "compile", "ctypes", "emit", "expr", "graph", "has_grad", "has_hessian",
    "inputs", "llvm", "llvm_ir", "low_level_callable", "names", "nodes", "outputs", "save", "sparsity", "specialize",
    "stats", "types",
}  # fmt: skip
HANDED_ON = {
    "c", "check_grad", "derivative", "diff", "dot", "draw", "explain", "grad", "hessian", "hvp", "jacobian", "jvp",
    "laplacian", "latex", "linearize", "plot", "python", "simplify", "sparse_hessian", "sparse_jacobian", "ssa",
    "steps", "taylor", "to_jax", "to_numba", "to_sympy", "to_torch", "value_and_grad", "vjp", "vmap",
}  # fmt: skip
"""The methods that are functions of other modules."""

FUNCTION = OWN | HANDED_ON


def public(value):
    return {name for name in dir(value) if not name.startswith("_")}


def test_functions_have_what_users_need():
    assert public(sd.function("f(x, y) = x*y")) == FUNCTION
    assert public(sd.function("f(x[n]) = sum(x)")) == FUNCTION
    assert public(sd.grad(sd.function("sum(x)"))) == FUNCTION


def test_each_of_them_is_documented():
    for name in FUNCTION:
        assert getattr(sd.Function, name).__doc__, name


def test_methods_are_the_functions_of_their_modules():
    f = sd.function("f(x, y) = x**2*y")
    assert methods.METHODS.keys() == HANDED_ON
    for name, place in methods.METHODS.items():
        method = getattr(f, name)
        module, _, wanted = place.partition(":")
        function = getattr(sys.modules[f"symdiff.{module}"], wanted)
        assert method.__func__ is function
        assert name not in sd.__all__ or getattr(sd, name) is function
        parameters = list(inspect.signature(function).parameters.values())
        assert list(inspect.signature(method).parameters.values()) == parameters[1:]


METHOD_CALLS = [
    (lambda f: f.grad()(3.0, 2.0).tolist(), [12.0, 9.0]),
    (lambda f: f.grad("x")(3.0, 2.0), 12.0),
    (lambda f: f.value_and_grad()(3.0, 2.0)[0], 18.0),
    (lambda f: f.hessian()(3.0, 2.0).tolist(), [[4.0, 6.0], [6.0, 0.0]]),
    (lambda f: f.jacobian(wrt=("y",))(3.0, 2.0), (9.0,)),
    (lambda f: f.derivative("x", 2)(3.0, 2.0), 4.0),
    (lambda f: str(f.diff("x")), "2*x*y"),
    (lambda f: f.taylor("x", 1)(3.0, 2.0).tolist(), [18.0, 12.0]),
    (lambda f: f.hvp("x")(3.0, 1.0, 2.0), 4.0),
    (lambda f: f.check_grad(3.0, 2.0).ok, True),
]


@pytest.mark.parametrize(("call", "value"), METHOD_CALLS)
def test_methods_give_what_the_functions_give(call, value):
    assert call(sd.function("f(x, y) = x**2*y")) == value


def test_a_method_is_loaded_when_it_is_first_used():
    code = (
        "import sys, symdiff as sd; from symdiff.functions.methods import Methods; f = sd.function('x**2', ['x'])\n"
        "assert 'symdiff.functions.series' not in sys.modules\n"
        "assert f.derivative('x')(2.0) == 4.0 and 'symdiff.functions.series' in sys.modules\n"
        "assert Methods.derivative is sd.derivative\n"
        "import pydoc; text = pydoc.render_doc(sd.Function, renderer=pydoc.plaintext)\n"
        "assert 'The Taylor coefficients' in text and 'taylor(fun' in text"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_type_checkers_know_each_method():
    """The class that they see has the signature of each function."""
    tree = ast.parse(inspect.getsource(methods))
    typed = next(n for n in ast.walk(tree) if isinstance(n, ast.ClassDef) and n.name == "Methods")
    known = {}
    exec("from __future__ import annotations\n" + ast.unparse(typed), known)
    seen = {n: v for n, v in vars(known["Methods"]).items() if not n.startswith("_")}
    assert seen.keys() == methods.METHODS.keys()
    for name, stub in seen.items():
        written, real = inspect.signature(stub), inspect.signature(getattr(sd.Function, name))
        assert list(written.parameters.values())[1:] == list(real.parameters.values())[1:], name
        assert name == "simplify" or written.return_annotation == real.return_annotation, name
