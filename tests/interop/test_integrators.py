"""Solvers of equations that call back: SciPy's, SUNDIALS's, and C code that calls machine code without Python."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import root

import symdiff as sd

VDP = "rates(t, y[2], mu) = [y[1], mu*(1 - y[0]^2)*y[1] - y[0]]"
ROBERTSON = "rates(t, y[3]) = [-0.04*y[0] + 1e4*y[1]*y[2], 0.04*y[0] - 1e4*y[1]*y[2] - 3e7*y[1]^2, 3e7*y[1]^2]"


@pytest.mark.parametrize("method", ["Radau", "BDF", "LSODA"])
def test_scipys_stiff_integrators(method):
    f, J = sd.function(VDP), sd.jacobian(VDP, "y")
    given = {"method": method, "rtol": 1e-8, "atol": 1e-8, "args": (50.0,)}
    found = solve_ivp(f, (0.0, 40.0), [2.0, 0.0], jac=J, **given)
    assert found.success
    assert found.njev > 0
    other = solve_ivp(f, (0.0, 40.0), [2.0, 0.0], **given)
    np.testing.assert_allclose(found.y[:, -1], other.y[:, -1], rtol=1e-5)


def test_scipys_integrators_with_a_sparse_jacobian():
    n = 40
    f = sd.function(
        f"rates(t, u[{n}]) = {n**2}*concatenate([[u[1] - 2*u[0]], u[2:] - 2*u[1:-1] + u[:-2], [u[-2] - 2*u[-1]]])"
    )
    J = sd.sparse_jacobian(f, "u", format="csc")
    start = np.sin(np.pi * np.arange(1, n + 1) / (n + 1))
    found = solve_ivp(f, (0.0, 0.1), start, method="Radau", jac=J, rtol=1e-9, atol=1e-11)
    rate = n**2 * (2 - 2 * np.cos(np.pi / (n + 1)))
    np.testing.assert_allclose(found.y[:, -1], np.exp(-0.1 * rate) * start, rtol=1e-6)


@pytest.mark.parametrize("method", ["hybr", "lm"])
def test_scipys_root_finders(method):
    text = "f(x[2], a) = [x[0]^2 + x[1]^2 - a, x[0] - x[1]^3]"
    f, J = sd.function(text), sd.jacobian(text, "x")
    found = root(f, [1.0, 0.5], args=(1.0,), jac=J, method=method)
    assert found.success
    assert np.abs(f(found.x, 1.0)).max() < 1e-10


class Filled:
    """Callbacks as those of SUNDIALS and PETSc: they write into arrays of the caller."""

    def __init__(self, text):
        self.f, self.J = sd.function(text), sd.jacobian(text, "y")

    def rates(self, t, y, out):
        self.f(t, y, out=out)

    def jacobian(self, t, y, rates, out):
        self.J(t, y, out=out)


def test_sundials_integrates_with_callbacks_that_write():
    cvode = pytest.importorskip("sksundae.cvode")
    given = Filled(ROBERTSON)
    times = np.array([0.0, 0.4, 4.0, 40.0])
    options = {"method": "BDF", "rtol": 1e-8, "atol": 1e-11, "linsolver": "dense"}
    found = cvode.CVODE(given.rates, jacfn=given.jacobian, **options).solve(times, np.array([1.0, 0.0, 0.0]))
    assert found.success
    np.testing.assert_allclose(found.y[-1], [0.715826, 9.18553e-06, 0.284165], rtol=1e-4)
    np.testing.assert_allclose(found.y.sum(1), 1.0, rtol=1e-7)


def test_a_callback_of_c_writes_into_memory_of_the_caller():
    """`int rhs(double t, double *y, double *ydot, void *data)`, as SUNDIALS has it, called through its address."""
    given = Filled(ROBERTSON)
    double_p = ctypes.POINTER(ctypes.c_double)
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_double, double_p, double_p, ctypes.c_void_p)

    @kind
    def rhs(t, y, out, _):
        given.rates(t, np.ctypeslib.as_array(y, (3,)), np.ctypeslib.as_array(out, (3,)))
        return 0

    y, out = np.array([0.9, 1e-5, 0.1]), np.full(3, np.nan)
    called = kind(ctypes.cast(rhs, ctypes.c_void_p).value)
    assert called(0.0, y.ctypes.data_as(double_p), out.ctypes.data_as(double_p), None) == 0
    np.testing.assert_array_equal(out, sd.function(ROBERTSON)(0.0, y))


NEWTON = """
#include <math.h>
typedef int function(const void *const *in, void *const *out, void *work);

/* One equation of two unknowns each: x is replaced by the root near it; the steps that this took, or -1. */
int newton(function *f, function *jacobian, double *x, const double *a, void *work)
{
    double r[2], J[4];
    const void *in[2] = {x, a};
    for (int k = 0; k < 50; k++) {
        void *value[1] = {r}, *matrix[1] = {J};
        if (f(in, value, work) || jacobian(in, matrix, work)) return -1;
        double d = J[0]*J[3] - J[1]*J[2];
        x[0] -= (J[3]*r[0] - J[1]*r[1])/d;
        x[1] -= (J[0]*r[1] - J[2]*r[0])/d;
        if (fabs(r[0]) + fabs(r[1]) < 1e-12) return k;
    }
    return -1;
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_a_solver_in_c_calls_machine_code(tmp_path):
    (tmp_path / "newton.c").write_text(NEWTON)
    library = tmp_path / "newton.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, tmp_path / "newton.c", "-lm"], check=True)
    newton = ctypes.CDLL(str(library)).newton
    text = "f(x[2], a) = [x[0]^2 + x[1]^2 - a, x[0] - x[1]^3]"
    f, J = sd.function(text), sd.jacobian(text, "x")
    x, a = np.array([1.0, 0.5]), np.array([1.0])
    steps = newton(f.ctypes, J.ctypes, x.ctypes.data_as(ctypes.c_void_p), a.ctypes.data_as(ctypes.c_void_p), None)
    assert 3 <= steps <= 8
    assert np.abs(f(x, 1.0)).max() < 1e-12
