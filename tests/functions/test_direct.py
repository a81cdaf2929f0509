"""Calls by CPython's vectorcall: the same as calls by the method, whatever lies in the slot."""

import copy
import gc
import pickle
import subprocess
import sys
import textwrap
import weakref

import numpy as np
import pytest

import symdiff as sd
from symdiff.codegen import builtin_code
from symdiff.functions import direct
from symdiff.functions.compiled import CompiledCase
from symdiff.functions.function import Function
from symdiff.native import objects
from tests.concurrency import run_together

HAVE_VECTORCALL = direct.HAVE_VECTORCALL
enabled = pytest.mark.skipif(direct.Direct is direct.Plain, reason="this Python has no vectorcall for such classes")


@enabled
def test_both_classes_are_called_directly():
    assert {Function, CompiledCase} <= direct._enabled
    assert Function.__flags__ & CompiledCase.__flags__ & HAVE_VECTORCALL
    f = sd.function("x*y", ["x", "y"])
    assert direct._word(f, direct.ADDRESS) == 0
    assert f(2.0, 3.0) == 6.0
    assert direct._word(f, direct.ADDRESS) == builtin_code.builtin_code()[builtin_code.FORWARD]
    assert objects.python().slot == direct.SLOT


CALLS = [
    lambda f: f(2.0, 3.0), lambda f: f(2, y=3), lambda f: f(y=3, x=2.0), lambda f: f(*[2.0], y=3),
    lambda f: f([1.0, 2.0], 3.0), lambda f: f(2.0), lambda f: f(), lambda f: f(1, 2, 3), lambda f: f(2.0, z=3),
    lambda f: f(2.0, 3.0, x=1), lambda f: f("a", 2.0), lambda f: list(map(f, [1.0, 2.0], [3.0, 4.0])),
]  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_calls_are_those_of_the_method(call):
    f = sd.function("f(x, y) = x*y")
    f(1.0, 1.0)

    def outcome(what):
        try:
            return np.asarray(call(what)).tolist()
        except (sd.SymdiffError, TypeError) as error:
            return type(error), str(error)

    for function in (f, f.compile()):
        assert outcome(function) == outcome(lambda *a, g=function, **k: type(g).__call__.__get__(g)(*a, **k))


@pytest.mark.parametrize("make", [lambda f: f, lambda f: f.compile()])
def test_what_lies_in_the_slot_is_called(make):
    f = make(sd.function("x*y", ["x", "y"]))
    assert f(2.0, 3.0) == 6.0
    kept, slot = f.__call__, type(f).__call__
    slot.__set__(f, lambda *args, **keywords: (args, keywords))
    assert f(1, 2, z=3) == ((1, 2), {"z": 3})
    slot.__delete__(f)
    with pytest.raises((SystemError, AttributeError, TypeError)):
        f(2.0, 3.0)
    slot.__set__(f, kept)
    assert f(2.0, 3.0) == 6.0


@pytest.mark.parametrize("make", [
    lambda: sd.function("x*y", ["x", "y"]), lambda: sd.function("x*y", ["x", "y"]).compile(),
    lambda: sd.grad("sum(x*y)", ["x", "y"]),
])  # fmt: skip
@pytest.mark.parametrize("called_before", [False, True])
def test_the_slot_is_not_written_by_users(make, called_before):
    f = make()
    value = f(2.0, 3.0) if called_before else None
    for change in (lambda: setattr(f, "__call__", f), lambda: setattr(f, "__call__", None),
                   lambda: delattr(f, "__call__")):  # fmt: skip
        with pytest.raises(AttributeError, match=r"the __call__ of a (Compiled)?Function cannot be changed"):
            change()
        assert value is None or np.array_equal(f(2.0, 3.0), value)
    assert np.shape(f(2.0, 3.0)) in ((), (2,))


def test_the_slot_changes_during_the_call():
    f = sd.function("x*y", ["x", "y"])
    f(2.0, 3.0)
    slot, gone = Function.__call__, []

    class Target:
        def __call__(self, *args):
            slot.__set__(f, len)
            gc.collect()
            gone.append(watched() is None)
            return args

    target = Target()
    watched = weakref.ref(target)
    slot.__set__(f, target)
    del target
    assert f(1, 2) == (1, 2)
    assert gone == [False]
    assert watched() is None
    assert f([1, 2, 3]) == 3


def test_subclasses_keep_their_own_call():
    class Own(Function):
        def __call__(self, *args):
            return "own"

    class Heir(Function):
        pass

    f = sd.function("x*y", ["x", "y"])
    f(1.0, 1.0)
    for cls, expected in ((Own, "own"), (Heir, 6.0)):
        g = cls.__new__(cls)
        g.__dict__.update(f.__dict__)
        g._make_callable()
        assert g(2.0, 3.0) == expected


def test_copies_and_pickles():
    f = sd.grad("f(x, y) = x*y**2")
    f(1.0, 2.0)
    for g in (copy.copy(f), copy.deepcopy(f), pickle.loads(pickle.dumps(f)), copy.copy(f.compile())):
        for _ in range(3):
            assert g(1.0, 2.0).tolist() == [4.0, 4.0]


def test_arguments_and_targets_are_given_back():
    f = sd.function("x*y", ["x", "y"])
    x, y = 1.0e10, -2.0e7
    f(x, y)
    before = [sys.getrefcount(v) for v in (x, y, f, f.__call__)]
    for _ in range(10_000):
        f(x, y)
    assert [sys.getrefcount(v) for v in (x, y, f, f.__call__)] == before
    watched = weakref.ref(f)
    del f
    assert watched() is None


def test_threads_replace_and_call():
    f = sd.grad("f(x, y) = x*y").compile(opt=0)
    kernels = [f.kernel, sd.grad("f(x, y) = x*y").compile(opt=2).kernel]
    wrong = []

    def work(k):
        for n in range(300):
            if k == 0:
                f.replace(kernels[n % 2])
            elif f(2.0, float(k)).tolist() != [k, 2.0]:
                wrong.append(k)

    run_together(work, 6)
    assert not wrong


@pytest.mark.parametrize("change", ["name = 'other'", "name = 'cpython'; ctypes.pythonapi = Without()"])
def test_without_vectorcall(change):
    code = f"""
        import ctypes, sys
        import numpy, networkx
        class Without:
            api = ctypes.pythonapi
            def __getattr__(self, name):
                if name == "PyVectorcall_Call":
                    raise AttributeError(name)
                return getattr(self.api, name)
            def __getitem__(self, name):
                return self.api[name]
        sys.implementation.{change}
        import symdiff as sd
        from symdiff.functions import direct
        assert direct.Direct is direct.Plain and not direct._enabled
        f = sd.grad("f(x, y) = x*y")
        assert f(2.0, 3.0).tolist() == f(2.0, 3.0).tolist() == [3.0, 2.0]
        assert f.compile()([1.0], y=3.0).tolist() == [[3.0, 1.0]]
        print("fine")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120)
    assert done.stdout == "fine\n", done.stderr


def test_a_function_is_called_at_exit():
    code = """
        import symdiff as sd, sys
        class Late:
            def __init__(self): self.f = sd.grad("f(x, y) = x*y"); self.f(1.0, 2.0)
            def __del__(self): print(self.f(2.0, 3.0).tolist(), flush=True)
        sys.late = Late()
        late = Late()
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split("\n")) <= {"[3.0, 2.0]", ""}
