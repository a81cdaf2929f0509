"""The libraries that symdiff is compared with, each as a small adapter that computes the same thing.

An adapter is made of the formula as a text and gives, where it can, `gradient(x, y)` at a point, `batch(X, Y)` for the
gradient at many points, and `hypot(x, y)`, the smallest call. What has no derivatives (Numba, NumPy, C) gets SymPy's.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import math
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FORMULA = "sin(x*y) + exp(-x**2)*log({one} + y**2)/sqrt(1 + x**2 + y**2)"
FUNCTIONS = ("sin", "cos", "exp", "log", "sqrt")  # the order matters below
C_FLAGS = ("-O3", "-march=native", "-ffast-math")


class Peer:
    """One library; a method that it lacks is left out of the tables."""

    name = ""
    module = ""
    note = ""
    compiles = True

    def __init__(self) -> None:
        self.library: Any = importlib.import_module(self.module)

    def build(self, text: str) -> Callable[[float, float], Any]:
        """The gradient at a point, as a callable, from the formula."""
        raise NotImplementedError

    def batch(self, text: str, x: Any, y: Any) -> Callable[[], Any]:
        """A call that gives the gradient at all points."""
        raise NotImplementedError

    def hypot(self) -> Callable[[float, float], Any]:
        """The callable for hypot(x, y)."""
        raise NotImplementedError

    @property
    def version(self) -> str:
        """The version that is installed."""
        return importlib.metadata.version(self.module)

    def _read(self, text: str, x: Any, y: Any, source: Any = None) -> Any:
        """The text as an expression of the library, by Python's operators."""
        source = source or self.library
        return eval(text, {name: getattr(source, name) for name in FUNCTIONS}, {"x": x, "y": y})


class Symdiff(Peer):
    """symdiff itself."""

    name = module = "symdiff"

    def build(self, text: str) -> Callable[[float, float], Any]:
        """The gradient as one vector."""
        return self.library.grad(self.library.function(text, ["x", "y"]))

    def batch(self, text: str, x: Any, y: Any) -> Callable[[], Any]:
        """One array a variable, fresh at every call."""
        g = self.library.grad(self.library.function(text, ["x", "y"]), ("x", "y"))
        return lambda: g(x, y)

    def hypot(self) -> Callable[[float, float], Any]:
        """A Function."""
        return self.library.function("hypot(x, y)", ["x", "y"])

    @property
    def version(self) -> str:
        """The version that is imported, which need not be installed."""
        return self.library.__version__


class SymdiffOut(Symdiff):
    """symdiff into arrays that exist, as the C loop does."""

    name = "symdiff, out="
    build = Peer.build
    hypot = Peer.hypot

    def batch(self, text: str, x: Any, y: Any) -> Callable[[], Any]:
        """The same two arrays at every call."""
        g = self.library.grad(self.library.function(text, ["x", "y"]), ("x", "y"))
        out = (np.empty_like(x), np.empty_like(x))
        return lambda: g(x, y, out=out)


class CasADi(Peer):
    """CasADi's virtual machine."""

    name, module = "CasADi", "casadi"

    def build(self, text: str) -> Callable[[float, float], Any]:
        """A CasADi Function of two scalars."""
        ca = self.library
        x, y = ca.SX.sym("x"), ca.SX.sym("y")
        f = self._read(text, x, y)
        return ca.Function("g", [x, y], [ca.gradient(f, ca.vertcat(x, y))])

    def batch(self, text: str, x: Any, y: Any) -> Callable[[], Any]:
        """The Function called with rows of points, which CasADi maps."""
        g, rows = self.build(text), (x[None, :], y[None, :])
        return lambda: g(*rows)

    def hypot(self) -> Callable[[float, float], Any]:
        """A CasADi Function."""
        ca = self.library
        x, y = ca.SX.sym("x"), ca.SX.sym("y")
        return ca.Function("h", [x, y], [ca.hypot(x, y)])


class Jax(Peer):
    """JAX, compiled by XLA."""

    name, module = "JAX", "jax"

    def build(self, text: str) -> Callable[[float, float], Any]:
        """A jitted gradient."""
        return self._blocking(self._gradient(text))

    def batch(self, text: str, x: Any, y: Any) -> Callable[[], Any]:
        """A jitted, mapped gradient of arrays that are on the device."""
        g = self._blocking(self.library.vmap(self._gradient(text)))
        there = self.library.numpy.asarray(x), self.library.numpy.asarray(y)
        return lambda: g(*there)

    def hypot(self) -> Callable[[float, float], Any]:
        """A jitted function."""
        return self._blocking(self.library.numpy.hypot)

    def _gradient(self, text: str) -> Any:
        return self.library.grad(lambda x, y: self._read(text, x, y, self.library.numpy), argnums=(0, 1))

    def _blocking(self, function: Any) -> Any:
        compiled, ready = self.library.jit(function), self.library.block_until_ready
        return lambda *args: ready(compiled(*args))


class Heyoka(Peer):
    """heyoka's compiled functions."""

    name, module = "heyoka", "heyoka"

    def build(self, text: str) -> Callable[[float, float], Any]:
        """A compiled function of an array of two."""
        compiled = self._compiled(text)
        return lambda x, y: compiled(np.array([x, y]))

    def batch(self, text: str, x: Any, y: Any) -> Callable[[], Any]:
        """The compiled function of an array of columns."""
        compiled, points = self._compiled(text), np.array([x, y])
        return lambda: compiled(points)

    def hypot(self) -> Callable[[float, float], Any]:
        """A compiled function of an array of two."""
        hy = self.library
        x, y = hy.make_vars("x", "y")
        compiled = hy.cfunc([hy.sqrt(x * x + y * y)], vars=[x, y])
        return lambda x, y: compiled(np.array([x, y]))

    def _compiled(self, text: str) -> Any:
        hy = self.library
        x, y = hy.make_vars("x", "y")
        f = self._read(text, x, y)
        return hy.cfunc([hy.diff(f, x), hy.diff(f, y)], vars=[x, y])


class SymEngine(Peer):
    """SymEngine, with its LLVM backend where the wheel has it."""

    name, module = "SymEngine", "symengine"

    def build(self, text: str) -> Callable[[float, float], Any]:
        """A Lambdify of an array of two."""
        compiled = self._compiled(text)
        return lambda x, y: compiled(np.array([x, y]))

    def batch(self, text: str, x: Any, y: Any) -> Callable[[], Any]:
        """The Lambdify of an array of rows."""
        compiled, points = self._compiled(text), np.stack([x, y], axis=1)
        return lambda: compiled(points)

    def hypot(self) -> Callable[[float, float], Any]:
        """A Lambdify of an array of two."""
        x, y = self.library.symbols("x y")
        compiled = self._lambdify([x, y], [self.library.sqrt(x * x + y * y)])
        return lambda x, y: compiled(np.array([x, y]))

    def _compiled(self, text: str) -> Any:
        x, y = self.library.symbols("x y")
        f = self.library.sympify(text)
        return self._lambdify([x, y], [f.diff(x), f.diff(y)])

    def _lambdify(self, inputs: Any, outputs: Any) -> Any:
        backend = "llvm" if getattr(self.library, "have_llvm", False) else "lambda"
        self.note = f"backend {backend}"
        return self.library.Lambdify(inputs, outputs, cse=True, backend=backend)


class SymPy(Peer):
    """SymPy's lambdify onto Python's mathematics (points) and NumPy (batches)."""

    name, module = "SymPy lambdify", "sympy"

    def build(self, text: str) -> Callable[[float, float], Any]:
        """A Python function."""
        return self.library.lambdify(*self.gradient(text), modules="math", cse=True)

    def batch(self, text: str, x: Any, y: Any) -> Callable[[], Any]:
        """A Python function of arrays."""
        g = self.library.lambdify(*self.gradient(text), modules="numpy", cse=True)
        return lambda: g(x, y)

    def hypot(self) -> Callable[[float, float], Any]:
        """A Python function."""
        x, y = self.library.symbols("x y")
        return self.library.lambdify([x, y], self.library.sqrt(x * x + y * y), modules="math")

    def gradient(self, text: str) -> tuple[list[Any], list[Any]]:
        """The symbols and the partial derivatives."""
        x, y = self.library.symbols("x y")
        f = self.library.sympify(text)
        return [x, y], [f.diff(x), f.diff(y)]


def by_hand(module: Any, one: float) -> Callable[[Any, Any], tuple[Any, Any]]:
    """The gradient as a careful programmer writes it, with the functions of a module."""
    cos, exp, log, sqrt = (getattr(module, name) for name in FUNCTIONS if name != "sin")

    def gradient(x: Any, y: Any) -> tuple[Any, Any]:
        xx, yy = x * x, y * y
        c, e, inside = cos(x * y), exp(-xx), one + yy
        logarithm, s = log(inside), 1.0 + xx + yy
        a = e / sqrt(s)
        b = a * logarithm
        return y * c - x * b * (2.0 + 1.0 / s), x * c + y * (2.0 * a / inside - b / s)

    return gradient


class Numba(Peer):
    """Numba on the gradient written by hand; a loop over points, with fastmath."""

    name, module, note = "Numba", "numba", "gradient by hand"

    def build(self, text: str) -> Callable[[float, float], Any]:
        """A compiled function."""
        return self.library.njit(by_hand(math, _one(text)))

    def batch(self, text: str, x: Any, y: Any) -> Callable[[], Any]:
        """A compiled loop into two arrays that exist."""
        one = self.library.njit(fastmath=True)(by_hand(math, _one(text)))

        def loop(x: Any, y: Any, u: Any, v: Any) -> None:
            for k in range(x.size):
                u[k], v[k] = one(x[k], y[k])

        compiled, out = self.library.njit(fastmath=True)(loop), (np.empty_like(x), np.empty_like(x))
        return lambda: (compiled(x, y, *out), out)[1]

    def hypot(self) -> Callable[[float, float], Any]:
        """A compiled function."""
        hypot = math.hypot
        return self.library.njit(lambda x, y: hypot(x, y))


class NumPy(Peer):
    """The gradient written by hand with NumPy's functions."""

    name, module, note, compiles = "NumPy", "numpy", "gradient by hand", False

    def build(self, text: str) -> Callable[[float, float], Any]:
        """A Python function."""
        return by_hand(np, _one(text))

    def batch(self, text: str, x: Any, y: Any) -> Callable[[], Any]:
        """A Python function of arrays."""
        g = by_hand(np, _one(text))
        return lambda: g(x, y)

    def hypot(self) -> Callable[[float, float], Any]:
        """The ufunc."""
        return np.hypot


class Python(Peer):
    """Python's own functions: the least that a call can cost."""

    name, module, note, compiles = "Python's math", "math", "gradient by hand", False
    version = ""

    def build(self, text: str) -> Callable[[float, float], Any]:
        """A Python function."""
        return by_hand(math, _one(text))

    def hypot(self) -> Callable[[float, float], Any]:
        """The builtin."""
        return math.hypot


C_SOURCE = """
#include <math.h>
static inline void one(double x, double y, double *u, double *v) {
    double xx = x*x, yy = y*y, c = cos(x*y), e = exp(-xx), inside = %(one)r + yy, s = 1.0 + xx + yy;
    double a = e/sqrt(s), b = a*log(inside);
    *u = y*c - x*b*(2.0 + 1.0/s);
    *v = x*c + y*(2.0*a/inside - b/s);
}
void point(double x, double y, double *out) { one(x, y, out, out + 1); }
void batch(long n, const double *restrict x, const double *restrict y, double *restrict u, double *restrict v) {
    for (long k = 0; k < n; k++) one(x[k], y[k], u + k, v + k);
}
double smallest(double x, double y) { return hypot(x, y); }
"""


class C(Peer):
    """A loop written by hand in C, called through ctypes: the limit for a batch."""

    name, module, note = "C loop", "ctypes", "gradient by hand, " + " ".join(C_FLAGS)

    def __init__(self) -> None:
        super().__init__()
        self.version = subprocess.run(["gcc", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout

    version = ""

    def build(self, text: str) -> Callable[[float, float], Any]:
        """A ctypes function that writes two numbers."""
        point = self._load(text).point
        out = (ctypes.c_double * 2)()
        point.argtypes, point.restype = (ctypes.c_double, ctypes.c_double, ctypes.c_double * 2), None

        def call(x: float, y: float) -> Any:
            point(x, y, out)
            return out

        return call

    def batch(self, text: str, x: Any, y: Any) -> Callable[[], Any]:
        """The loop into two arrays that exist."""
        loop = self._load(text).batch
        out = (np.empty_like(x), np.empty_like(x))
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (x, y, *out)]
        loop.restype = None
        return lambda: (loop(ctypes.c_long(x.size), *pointers), out)[1]

    def hypot(self) -> Callable[[float, float], Any]:
        """A ctypes function."""
        found = self._load(FORMULA.format(one=1.0)).smallest
        found.argtypes, found.restype = (ctypes.c_double, ctypes.c_double), ctypes.c_double
        return found

    def _load(self, text: str) -> Any:
        return compile_c(C_SOURCE % {"one": _one(text)})


def compile_c(source: str, flags: tuple[str, ...] = C_FLAGS) -> ctypes.CDLL:
    """A shared library of a C source; its files are gone when it is loaded."""
    with tempfile.TemporaryDirectory() as folder:
        code, library = Path(folder, "loop.c"), Path(folder, "loop.so")
        code.write_text(source)
        subprocess.run(["gcc", *flags, "-shared", "-fPIC", code, "-o", library, "-lm"], check=True)
        return ctypes.CDLL(str(library))


def _one(text: str) -> float:
    """The constant that makes a text different from others."""
    return float(text.split("log(")[1].split(" + ")[0])


PEERS: tuple[type[Peer], ...] = (Symdiff, SymdiffOut, CasADi, Jax, Heyoka, SymEngine, Numba, SymPy, NumPy, Python, C)


def available(names: list[str] | None = None) -> tuple[list[Peer], list[str]]:
    """The peers that can be imported, and a line for each that cannot."""
    found, absent = [], []
    for kind in PEERS:
        if names and kind.module not in names and kind not in (Symdiff, SymdiffOut):
            continue
        try:
            found.append(kind())
        except (ImportError, OSError, subprocess.CalledProcessError) as error:
            absent.append(f"{kind.name}: left out ({error})")
    return found, absent
