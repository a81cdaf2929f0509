"""lmfit, iminuit and emcee fit with our functions and derivatives as they are."""

import inspect

import numpy as np
import pytest

import symdiff as sd

pytestmark = [pytest.mark.filterwarnings("default")]  # of the libraries

MODEL = "decay(x, a, k, c) = a*exp(-k*x) + c"
TRUTH, SIGMA = {"a": 2.5, "k": 1.3, "c": 0.5}, 0.05
X = np.linspace(0.0, 4.0, 101)
Y = 2.5 * np.exp(-1.3 * X) + 0.5 + np.random.default_rng(0).normal(0.0, SIGMA, X.size)


def decay():
    return sd.function(MODEL)


def best():
    """Least squares, by Gauss and Newton with the derivatives alone."""
    f, J = decay(), sd.jacobian(MODEL, ["a", "k", "c"])
    p = np.array(list(TRUTH.values()))
    for _ in range(20):
        p = p - np.linalg.lstsq(J(X, *p), f(X, *p) - Y)[0]
    errors = np.sqrt(np.diag(np.linalg.inv(J(X, *p).T @ J(X, *p))))
    return p, errors


def test_a_model_of_lmfit():
    lmfit = pytest.importorskip("lmfit")
    f, J = decay(), sd.jacobian(MODEL, ["a", "k", "c"])
    model = lmfit.Model(f)
    assert (model.independent_vars, model.param_names) == (["x"], ["a", "k", "c"])
    seen = []

    def slope(parameters, data, weights, x):
        seen.append(-J(x, **parameters.valuesdict()))  # of data - model
        return seen[-1]

    start = model.make_params(a=1.0, k=1.0, c=0.0)
    found = model.fit(Y, start, x=X, fit_kws={"Dfun": slope, "xtol": 1e-14, "ftol": 1e-14})
    assert found.success
    assert seen
    p, errors = best()
    np.testing.assert_allclose(list(found.best_values.values()), p, rtol=1e-7)
    scale = np.sqrt(found.redchi)
    np.testing.assert_allclose([v.stderr for v in found.params.values()], errors * scale, rtol=1e-6)
    assert found.nfev < model.fit(Y, start, x=X).nfev


@pytest.mark.parametrize("method", ["leastsq", "least_squares"])
def test_lmfit_with_bounds_and_a_fixed_parameter(method):
    """It asks for the columns of the parameters that vary, and scales them for their bounds itself."""
    lmfit = pytest.importorskip("lmfit")
    f = decay()
    start = lmfit.create_params(a={"value": 1.0, "min": 0.0}, k={"value": 1.0, "min": 0.1, "max": 5.0}, c=0.5)
    start["c"].vary = False
    varying = [name for name, p in start.items() if p.vary]
    J = sd.jacobian(f, varying)
    found = lmfit.minimize(
        lambda p, x, y: f(x, **p.valuesdict()) - y,
        start,
        method,
        args=(X, Y),
        Dfun=lambda p, x, y: J(x, **p.valuesdict()),
    )
    assert found.success
    assert found.params["c"].value == 0.5
    p = found.params.valuesdict()
    slope = J(X, **p).T @ (f(X, **p) - Y)
    assert np.abs(slope).max() < 1e-4


def minimum(costs, **start):
    iminuit = pytest.importorskip("iminuit")
    made = iminuit.Minuit(costs, **start)
    made.strategy, made.tol = 2, 1e-6
    made.migrad()
    assert made.valid
    assert made.ngrad > 0
    return made


def test_minuit_minimizes_a_function_of_scalars():
    iminuit = pytest.importorskip("iminuit")
    f = sd.function("f(a, b) = (a - 1)^2 + 3*(b - a)^4 + 2*(b - a)^2")
    made = iminuit.Minuit(f, a=0.0, b=0.0, grad=sd.grad(f))
    assert made.parameters == ("a", "b")
    made.migrad()
    assert made.valid
    assert made.ngrad > 0
    np.testing.assert_allclose(made.values, [1.0, 1.0], atol=1e-2)
    np.testing.assert_allclose(made.fcn.gradient([0.3, 0.4]), sd.grad(f)(0.3, 0.4), rtol=1e-12)


def test_minuit_minimizes_a_function_of_a_vector():
    iminuit = pytest.importorskip("iminuit")
    f = sd.function("f(p[2]) = (p[0] - 1)^2 + 2*(p[1] - p[0])^2")
    made = iminuit.Minuit(f, [0.0, 0.0], grad=sd.grad(f))
    made.migrad()
    assert made.valid
    np.testing.assert_allclose(made.values, [1.0, 1.0], atol=1e-6)
    made.hesse()
    np.testing.assert_allclose(made.covariance, 2 * np.linalg.inv(sd.hessian(f)(made.values)), rtol=1e-3)


def test_a_cost_of_minuit_with_our_derivatives():
    cost = pytest.importorskip("iminuit.cost")
    slopes = sd.vmap(sd.jacobian(MODEL, ["a", "k", "c"]), (0, None, None, None), -1)  # a row for each parameter
    costs = cost.LeastSquares(X, Y, SIGMA, decay(), grad=slopes)
    assert costs.has_grad
    total = sd.grad("chi2(a, k, c, x[n], y[n], s) = sum((a*exp(-k*x) + c - y)**2)/s**2", ["a", "k", "c"])
    np.testing.assert_allclose(costs.grad(1.0, 1.1, 0.2), total(1.0, 1.1, 0.2, X, Y, SIGMA), rtol=1e-12)
    made = minimum(costs, a=1.0, k=1.0, c=0.0)
    p, errors = best()
    np.testing.assert_allclose(made.values, p, rtol=1e-5)
    made.hesse()
    np.testing.assert_allclose(made.errors, errors * SIGMA, rtol=0.02)


def test_a_likelihood_of_minuit_with_our_derivatives():
    cost = pytest.importorskip("iminuit.cost")
    sample = np.random.default_rng(1).normal(1.0, 2.0, 500)
    density = sd.function("density(x, mu, sigma) = exp(-((x - mu)/sigma)**2/2)/(sigma*sqrt(2*pi))")
    slopes = sd.vmap(sd.jacobian(density, ["mu", "sigma"]), (0, None, None), -1)
    costs = cost.UnbinnedNLL(sample, density, grad=slopes)
    text = "nll(mu, sigma, x[n]) = sum(((x - mu)/sigma)**2 + 2*log(sigma))"
    np.testing.assert_allclose(costs.grad(0.5, 1.5), sd.grad(text, ["mu", "sigma"])(0.5, 1.5, sample), rtol=1e-12)
    made = minimum(costs, mu=0.5, sigma=1.5)
    np.testing.assert_allclose(made.values, [sample.mean(), sample.std()], rtol=1e-5)


OPEN = sd.function("f(a, x[n]) = sum((x - a)**2)")


def test_what_looks_for_c_functions_finds_none_before_shapes_are_known():
    assert not hasattr(OPEN, "ctypes")
    with pytest.raises(sd.ShapeError, match="known at each call"):
        OPEN.ctypes  # noqa: B018
    assert hasattr(decay(), "ctypes")
    assert list(inspect.signature(OPEN).parameters) == ["a", "x"]


def test_minuit_takes_functions_whose_shapes_calls_say():
    util = pytest.importorskip("iminuit.util")
    assert util.describe(OPEN) == ["a", "x"]


def test_emcee_gives_all_walkers_at_once():
    emcee = pytest.importorskip("emcee")
    f = sd.function("log_p(p[3], x[n], y[n], s) = -0.5*sum((p[0]*exp(-p[1]*x) + p[2] - y)**2)/s**2")
    rng = np.random.default_rng(2)
    p, errors = best()
    walkers = p + SIGMA * errors * rng.normal(size=(24, 3))
    sampler = emcee.EnsembleSampler(24, 3, f, args=(X, Y, SIGMA), vectorize=True)
    sampler.random_state = np.random.RandomState(3).get_state()
    sampler.run_mcmc(walkers, 400)
    np.testing.assert_array_equal(sampler.compute_log_prob(walkers)[0], [f(w, X, Y, SIGMA) for w in walkers])
    chain = sampler.get_chain(discard=100, flat=True)
    np.testing.assert_allclose(chain.mean(0), p, atol=0.01)
    np.testing.assert_allclose(chain.std(0), errors * SIGMA, rtol=0.2)
