"""SciPy's solvers take our functions exactly as they are: no lambda in between."""

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import curve_fit, least_squares, minimize, root

import symdiff as sd

X = np.linspace(0.5, 6.0, 40)
Y = 2.5 * (1 - np.exp(-0.7 * X))


def test_least_squares():
    r = sd.function("r([b1, b2], x, y) = b1*(1 - exp(-b2*x)) - y")
    b0 = [1.0, 0.2]
    fit = least_squares(r, b0, jac=sd.jacobian(r, ["b1", "b2"]), args=(X, Y))
    assert fit.success
    np.testing.assert_allclose(fit.x, [2.5, 0.7], rtol=1e-8)
    assert sd.jacobian(r, ["b1", "b2"])(np.array(b0), X, Y).shape == (40, 2)


def test_minimize_with_gradient_hessian_and_args():
    h = sd.function("h([x, y], a) = (a - x)^2 + 100*(y - x^2)^2")
    x0 = [-1.2, 1.0]
    best = minimize(sd.value_and_grad(h, ["x", "y"]), x0, args=(1.0,), jac=True, hess=sd.hessian(h, ["x", "y"]),
                    method="trust-exact")  # fmt: skip
    assert best.success
    np.testing.assert_allclose(best.x, [1.0, 1.0], rtol=1e-7)


def test_curve_fit_without_a_start():
    f = sd.function("f(x, a, b) = a*exp(-b*x)")
    data = 2.0 * np.exp(-0.5 * X)
    found, _ = curve_fit(f, X, data)
    np.testing.assert_allclose(found, [2.0, 0.5], rtol=1e-6)
    found, _ = curve_fit(f, X, data, jac=sd.jacobian(f, ["a", "b"]))
    np.testing.assert_allclose(found, [2.0, 0.5], rtol=1e-6)


def test_solve_ivp_bdf_with_jacobian():
    rhs = sd.function("rhs(t, [A, B, C], [k1, k2, k3]) = [-k1*A + k2*B*C, k1*A - k2*B*C - k3*B^2, k3*B^2]")
    k = (0.04, 1e4, 3e7)
    run = solve_ivp(rhs, (0, 1e5), [1, 0, 0], method="BDF", jac=sd.jacobian(rhs, ["A", "B", "C"]), args=(k,))
    assert run.success
    assert abs(run.y[:, -1].sum() - 1) < 1e-6
    np.testing.assert_allclose(run.y[2, -1], 0.9826, atol=2e-3)


def test_root_with_one_kernel_for_value_and_jacobian():
    F = sd.function("F([x, y]) = [x**2 + y**2 - 4, x*y - 1]")
    both = sd.function((F, sd.jacobian(F, ["x", "y"])))
    solution = root(both, [2.0, 0.5], jac=True)
    assert solution.success
    np.testing.assert_allclose(F(solution.x), [0, 0], atol=1e-10)
