"""NLopt minimizes nonlinear programs, and plain functions with their gradients."""

import numpy as np
import pytest

import symdiff as sd
from tests.functions.test_nlp import HS071, program

nlopt = pytest.importorskip("nlopt")


def optimizer(problem, algorithm, **given):
    made = nlopt.opt(algorithm, problem.n)
    problem.nlopt(made, **given)
    made.set_xtol_rel(1e-10)
    made.set_maxeval(2000)
    return made


def test_hs071():
    made = optimizer(program("hs071"), nlopt.LD_SLSQP, lower=[25, 40], upper=[np.inf, 40])
    made.set_lower_bounds(1.0)
    made.set_upper_bounds(5.0)
    x = made.optimize(np.array([1.0, 5.0, 5.0, 1.0]))
    np.testing.assert_allclose(x, [1, 4.74299963, 3.82114998, 1.37940829], rtol=1e-6)
    assert made.last_optimum_value() == pytest.approx(17.0140173, rel=1e-7)


@pytest.mark.parametrize("algorithm", ["LD_MMA", "LD_CCSAQ", "LD_SLSQP"])
def test_constraints_with_bounds_on_both_sides(algorithm):
    problem = sd.nlp("f(x[2]) = (x[0] - 3)**2 + (x[1] + 2)**2", "c(x[2]) = [x[0]*x[1], x[0], x[1]]")
    made = optimizer(problem, getattr(nlopt, algorithm), lower=[-1.0, -5.0, -np.inf], upper=[1.0, 5.0, 5.0])
    x = made.optimize(np.array([1.0, 0.5]))
    assert x[0] * x[1] == pytest.approx(-1.0, abs=1e-6)
    lagrange = problem.gradient(x) / np.array([x[1], x[0]])
    assert lagrange[0] == pytest.approx(lagrange[1], rel=1e-4)


@pytest.mark.parametrize("algorithm", ["LD_LBFGS", "LD_TNEWTON_PRECOND_RESTART", "LD_VAR2", "LN_NELDERMEAD"])
def test_no_constraints(algorithm):
    problem = sd.nlp("f(x[3], a) = sum((x - a)**2) + sum(x**4)", parameters={"a": 2.0})
    x = optimizer(problem, getattr(nlopt, algorithm)).optimize(np.array([0.5, 0.1, 1.0]))
    np.testing.assert_allclose(problem.gradient(x), 0.0, atol=1e-4)


def test_what_it_is_given_are_our_derivatives():
    """Through the functions that an optimizer gets, which write into its arrays."""
    given = {}

    class Recorder:
        def get_dimension(self):
            return 4

        def set_min_objective(self, f):
            given["objective"] = f

        def add_equality_mconstraint(self, f, tolerance):
            given["equal"], given["tolerance"] = f, tolerance

        def add_inequality_mconstraint(self, f, tolerance):
            given["at least"] = f

    program("hs071").nlopt(Recorder(), lower=[25, 40], upper=[np.inf, 40], tolerance=1e-6)
    x = np.array([1.0, 2.0, 3.0, 4.0])
    slope = np.zeros(4)
    assert given["objective"](x, slope) == sd.function(HS071[0])(x)
    np.testing.assert_allclose(slope, sd.grad(HS071[0])(x), rtol=1e-12)
    for name, text, bound, sign in (("at least", HS071[1][0], 25, -1), ("equal", HS071[1][1], 40, 1)):
        values, rows = np.zeros(1), np.zeros((1, 4))
        given[name](values, x, rows)
        assert values[0] == sign * (sd.function(text)(x) - bound)
        np.testing.assert_allclose(rows[0], sign * sd.grad(text)(x), rtol=1e-12)
        given[name](values, x, np.zeros(0))
    np.testing.assert_array_equal(given["tolerance"], [1e-6])


def test_another_number_of_variables():
    with pytest.raises(sd.ArgumentError, match="2 variables, the program 4"):
        program("hs071").nlopt(nlopt.opt(nlopt.LD_MMA, 2))


def test_a_plain_function():
    f = sd.value_and_grad("f(x[2]) = (1 - x[0])**2 + 100*(x[1] - x[0]**2)**2")

    def objective(x, slope):
        value, found = f(x)
        if slope.size:
            slope[:] = found
        return value

    made = nlopt.opt(nlopt.LD_LBFGS, 2)
    made.set_min_objective(objective)
    made.set_ftol_rel(1e-14)
    np.testing.assert_allclose(made.optimize(np.array([-1.2, 1.0])), [1.0, 1.0], rtol=1e-6)
