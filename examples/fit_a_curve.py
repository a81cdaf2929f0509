"""A least-squares fit with SciPy: the residual and its Jacobian go in as they are."""

import numpy as np
from scipy.optimize import least_squares

import symdiff as sd

r = sd.function("r([b1, b2], x, y) = b1*(1 - exp(-b2*x)) - y")
x = np.linspace(0.5, 6, 40)
y = 2.5 * (1 - np.exp(-0.7 * x)) + 0.01 * np.sin(40 * x)

fit = least_squares(r, [1.0, 0.2], jac=sd.jacobian(r, ["b1", "b2"]), args=(x, y))
print("b =", fit.x, "after", fit.nfev, "evaluations")
assert np.allclose(fit.x, [2.5, 0.7], atol=0.01)
