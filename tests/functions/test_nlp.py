"""Nonlinear programs: the callbacks of cyipopt against dense derivatives, and problems that SciPy solves with them."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import Bounds, minimize

import symdiff as sd
from tests.functions.test_sparse import effort, swing_up

HS071 = ("f(x[4]) = x[0]*x[3]*(x[0] + x[1] + x[2]) + x[2]", ["c(x[4]) = prod(x)", "d(x[4]) = sum(x**2)"])

# (objective, constraints, wrt, parameters)
PROGRAMS = {
    "hs071": (*HS071, "x", {}),
    "one vector of constraints": (HS071[0], "c(x[4]) = [x[0]*x[1], x[2]**2, x[3]]", None, {}),
    "no constraints": ("f(x[3], a) = a*x[0]**2*x[1] + exp(x[2])", None, "x", {"a": 2.0}),
    "parameters": (
        "f(x[2], a) = (x[0] - a)**2 + x[1]**2",
        ["c(x[2], w[2]) = w @ x", "d(x[2], a) = [x[0]*a, x[1]]"],
        "x",
        {"a": 2.0, "w": [1.0, 3.0]},
    ),
    "scalars": ("f(x, y, a) = a*x**2*y", "c(y, x) = [x*y, x + sin(y)]", ["y", "x"], {"a": 3.0}),
    "several arrays": ("f(A[2, 2], x[2]) = sum((A @ x)**2)", "c(x[2], A[2, 2]) = A*x", ["x", "A"], {}),
    "a pack": ("f([x, y], a) = (a - x)^2 + 100*(y - x^2)^2", "c([x, y]) = x*y", "x_y", {"a": 1.0}),
    "shapes of parameters are those of their values": (
        "f(x[2], a) = sum((x - a)**2)",
        "c(x[2], W[m, 2]) = W @ x",
        "x",
        {"a": 2.0, "W": np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]])},
    ),
    "linear": ("f(x[3]) = sum(x)", "c(x[3]) = x[1:] - x[:-1]", "x", {}),
}


def program(name):
    objective, constraints, wrt, parameters = PROGRAMS[name]
    return sd.nlp(objective, constraints, wrt, parameters=parameters)


def dense(problem, x, lagrange, factor):
    """Central differences of the gradient and of the constraints: (Jacobian, Hessian of the Lagrangian)."""
    h, n = 1e-5, problem.n

    def slope(f, x):
        return np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(n)])

    def lagrangian_slope(x):
        jacobian = slope(problem.constraints, x).T
        return factor * problem.gradient(x) + (lagrange @ jacobian if problem.m else 0)

    return slope(problem.constraints, x).T.reshape(problem.m, n), slope(lagrangian_slope, x)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_callbacks_of_cyipopt(name):
    problem = program(name)
    rng = np.random.default_rng(0)
    x, lagrange, factor = rng.uniform(0.4, 1.4, problem.n), rng.normal(size=problem.m), 1.7
    assert type(problem.objective(x)) is float
    assert problem.gradient(x).shape == (problem.n,)
    assert problem.constraints(x).shape == (problem.m,)
    steps = 1e-6 * np.eye(problem.n)
    differences = [(problem.objective(x + e) - problem.objective(x - e)) / 2e-6 for e in steps]
    np.testing.assert_allclose(problem.gradient(x), differences, rtol=1e-6, atol=1e-7)
    jacobian, hessian = dense(problem, x, lagrange, factor)
    found = np.zeros((problem.m, problem.n))
    found[problem.jacobianstructure()] = problem.jacobian(x)
    np.testing.assert_allclose(found, jacobian, rtol=1e-6, atol=1e-7)
    found = np.zeros((problem.n, problem.n))
    rows, columns = problem.hessianstructure()
    assert np.all(columns <= rows)
    found[rows, columns] = problem.hessian(x, lagrange, factor)
    np.testing.assert_allclose(found, np.tril(hessian), rtol=1e-4, atol=1e-4)


def test_other_parameters_need_no_new_code():
    problem = program("parameters")
    other = problem.with_parameters(a=5.0)
    x = np.array([0.3, 0.4])
    assert problem.objective(x) == pytest.approx(1.7**2 + 0.16)
    assert other.objective(x) == pytest.approx(4.7**2 + 0.16)
    assert other.parameters == {"a": 5.0, "w": [1.0, 3.0]}
    assert other._second is problem._second
    twin = pickle.loads(pickle.dumps(other))
    np.testing.assert_array_equal(twin.constraints(x), other.constraints(x))
    assert repr(twin) == repr(other)


@pytest.mark.filterwarnings("ignore:.*are ignored by this method", "ignore:Equality and inequality")
@pytest.mark.parametrize("method", ["trust-constr", "SLSQP"])
def test_scipy_solves_hs071(method):
    problem = program("hs071")
    given = problem.scipy(lower=[25, 40], upper=[np.inf, 40], method=method)
    options = {"trust-constr": {"gtol": 1e-9, "xtol": 1e-12}}.get(method, {})
    found = minimize(x0=[1.0, 5.0, 5.0, 1.0], bounds=Bounds(1, 5), options=options, **given)
    np.testing.assert_allclose(found.x, [1, 4.74299963, 3.82114998, 1.37940829], rtol=1e-4)
    assert found.fun == pytest.approx(17.0140173, rel=1e-5)


def test_scipy_swings_a_pole_up():
    n = 6
    shapes = {"z": 5 * n - 1}
    problem = sd.nlp(
        sd.function(lambda z: effort(z, n), shapes),
        [sd.function(lambda z: sd.stack(swing_up(sd, z, n)), shapes), sd.function(lambda z: z[:4], shapes)],
    )
    found = minimize(x0=np.zeros(5 * n - 1), options={"maxiter": 300}, **problem.scipy())
    assert found.constr_violation < 1e-6
    assert found.optimality < 1e-4
    assert np.abs(problem.constraints(found.x)).max() < 1e-6
    assert found.fun < problem.objective(np.zeros(5 * n - 1))


def test_matrices_for_scipy():
    problem = program("hs071")
    x = np.array([1.0, 2.0, 3.0, 4.0])
    given, dense = problem.scipy(), problem.scipy(method="trust-exact")
    hessian = given["hess"](x)
    assert isinstance(hessian, sparse.csr_array)
    wanted = sd.hessian(HS071[0])(x)
    np.testing.assert_allclose(hessian.toarray(), wanted)
    np.testing.assert_allclose(dense["hess"](x), wanted)
    constraint = given["constraints"]
    assert (constraint.lb, constraint.ub) == (0.0, 0.0)
    assert problem.scipy(lower=1.0)["constraints"].ub == np.inf
    np.testing.assert_allclose(constraint.jac(x).toarray(), [24 / x, 2 * x])
    np.testing.assert_allclose(constraint.hess(x, np.array([0.0, 1.0])).toarray(), 2 * np.eye(4))
    assert "constraints" not in program("no constraints").scipy()
    assert problem.scipy(method="COBYLA").keys() == {"method", "fun", "constraints"}
    assert problem.scipy(method="SLSQP").keys() == {"method", "fun", "jac", "constraints"}


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: sd.nlp("f(x[2]) = x"), sd.DifferentiationError, "objective"),
        (lambda: sd.nlp("f(x) = sum(x)"), sd.ShapeError, "at each call"),
        (lambda: sd.nlp("f(x[2]) = sum(x)", "c(x[3]) = x"), sd.ShapeError, "x has shapes"),
        (lambda: sd.nlp("f(x[2]) = sum(x)", wrt="y"), sd.UnknownNameError, "y"),
        (lambda: sd.nlp("f(x[2], y) = sum(x)*y", wrt=("x", "y")), sd.ArgumentError, "one vector"),
        (lambda: sd.nlp("f(x[2], a) = sum(x)*a", wrt="x"), sd.ArgumentError, "no value for a"),
        (lambda: sd.nlp("f(x[2]) = sum(x)", wrt="x", parameters={"b": 1}), sd.UnknownNameError, "b"),
        (lambda: sd.nlp("f() = 1"), sd.ArgumentError, "no arguments"),
    ],
)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()
