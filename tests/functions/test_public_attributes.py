"""What a user finds on a Function: what a user needs; the rest has an underscore."""

import symdiff as sd

FUNCTION = {
    "address", "arguments", "assembly", "body", "c", "compile", "ctypes", "dot", "emit", "explain", "expr", "graph",
    "inputs", "latex", "llvm", "llvm_ir", "low_level_callable", "names", "nodes", "outputs", "python", "save",
    "sparsity", "specialize", "ssa", "stats", "steps", "types",
}  # fmt: skip


def public(value):
    return {name for name in dir(value) if not name.startswith("_")}


def test_functions_have_what_users_need():
    assert public(sd.function("f(x, y) = x*y")) == FUNCTION
    assert public(sd.function("f(x[n]) = sum(x)")) == FUNCTION
    assert public(sd.grad(sd.function("sum(x)"))) == FUNCTION


def test_each_of_them_is_documented():
    for name in FUNCTION - {"arguments"}:
        assert getattr(sd.function.__globals__["Function"], name).__doc__, name
