"""Ipopt, through cyipopt, works on nonlinear programs as they are: HS071, a control problem, no constraints."""

import numpy as np
import pytest

import symdiff as sd
from tests.functions.test_nlp import PROGRAMS, program

cyipopt = pytest.importorskip("cyipopt")

FREE = 2e19
"""What Ipopt takes for infinity."""


def solver(problem, lb=-FREE, ub=FREE, cl=0.0, cu=0.0, **options):
    bounds = [
        np.broadcast_to(b, size) for b, size in ((lb, problem.n), (ub, problem.n), (cl, problem.m), (cu, problem.m))
    ]
    made = cyipopt.Problem(problem.n, problem.m, problem, *bounds)
    for name, value in {"print_level": 0, "sb": "yes", "nlp_scaling_method": "none", **options}.items():
        made.add_option(name, value)
    return made


def test_hs071():
    ipopt = solver(program("hs071"), 1.0, 5.0, [25.0, 40.0], [FREE, 40.0], tol=1e-10)
    x, info = ipopt.solve(np.array([1.0, 5.0, 5.0, 1.0]))
    assert info["status"] == 0
    np.testing.assert_allclose(x, [1, 4.74299963, 3.82114998, 1.37940829], rtol=1e-7)
    assert info["obj_val"] == pytest.approx(17.0140173, rel=1e-8)
    np.testing.assert_allclose(info["mult_g"], [-0.55229366, 0.16146857], rtol=1e-6)


@pytest.mark.parametrize("name", [n for n in PROGRAMS if n != "linear"])
def test_its_own_check_of_derivatives_finds_no_error(name, tmp_path):
    log = tmp_path / "ipopt.txt"
    problem = program(name)
    ipopt = solver(
        problem,
        derivative_test="second-order",
        derivative_test_tol=1e-3,
        derivative_test_perturbation=1e-7,
        max_iter=0,
        file_print_level=5,
        output_file=str(log),
    )
    ipopt.solve(np.linspace(0.5, 1.5, problem.n))
    assert "No errors detected by derivative checker." in log.read_text()


class Recorder:
    """A program, and what Ipopt got from it, at which points."""

    def __init__(self, problem):
        self.problem, self.calls = problem, {}

    def __getattr__(self, name):
        method = getattr(self.problem, name)
        if name.endswith("structure"):
            return method

        def recorded(*args):
            found = method(*args)
            self.calls.setdefault(name, []).append((*map(np.copy, args), np.copy(found)))
            return found

        return recorded if callable(method) else method


@pytest.mark.parametrize("name", ["hs071", "one vector of constraints", "parameters"])
def test_what_it_gets_are_dense_derivatives_to_rounding(name):
    recorder = Recorder(program(name))
    solver(recorder, 0.1, 5.0, -3.0, 30.0, max_iter=20).solve(np.linspace(1.0, 2.0, recorder.n))
    objective, constraints, _, parameters = PROGRAMS[name]
    rows = [sd.jacobian(c, "x") for c in np.atleast_1d(constraints)]
    bent = [sd.jacobian(f, "x") for f in rows]
    slope, curve = sd.grad(objective, "x"), sd.hessian(objective, "x")

    def at(f, x):
        return f(*[x if a.name == "x" else parameters[a.name] for a in f.arguments])

    def close(found, wanted):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)

    n = recorder.n
    for x, found in recorder.calls["gradient"]:
        close(found, at(slope, x))
    for x, found in recorder.calls["jacobian"]:
        wanted = np.concatenate([at(f, x).reshape(-1, n) for f in rows])
        close(found, wanted[recorder.jacobianstructure()])
    for x, lagrange, factor, found in recorder.calls["hessian"]:
        tensor = np.concatenate([at(f, x).reshape(-1, n, n) for f in bent])
        wanted = factor * at(curve, x) + np.tensordot(lagrange, tensor, 1)
        close(found, wanted[recorder.hessianstructure()])
    assert min(len(recorder.calls[k]) for k in ("gradient", "jacobian", "hessian")) > 2


def control(n):
    """Van der Pol's oscillator from (0, 1) to rest in 5 s with n steps of the trapezoidal rule, with |u| ≤ 0.8."""
    h = 5.0 / n

    def effort(x, v, u):
        return h * sd.sum(x**2 + v**2 + u**2)

    def steps(x, v, u):
        speed = (1 - x**2) * v - x + u
        return sd.concatenate(
            [
                x[1:] - x[:-1] - h / 2 * (v[1:] + v[:-1]),
                v[1:] - v[:-1] - h / 2 * (speed[1:] + speed[:-1]),
                sd.stack([x[0], v[0] - 1, x[n], v[n]]),
            ]
        )

    shapes = {"x": (n + 1,), "v": (n + 1,), "u": (n + 1,)}
    return sd.nlp(sd.function(effort, shapes), sd.function(steps, shapes), ["x", "v", "u"])


def test_a_control_problem_with_its_exact_sparse_hessian():
    n = 400
    problem = control(n)
    assert (problem.n, problem.m) == (1203, 804)
    assert len(problem.hessian(np.zeros(problem.n), np.ones(problem.m), 1.0)) < 5 * problem.n
    bound = np.concatenate([np.full(2 * (n + 1), FREE), np.full(n + 1, 0.8)])
    x, info = solver(problem, -bound, bound, tol=1e-9).solve(np.zeros(problem.n))
    assert info["status"] == 0
    assert np.abs(problem.constraints(x)).max() < 1e-9
    u = x[2 * (n + 1) :]
    assert u.min() == pytest.approx(-0.8, abs=1e-6)
    rows, columns = problem.jacobianstructure()
    stationary = problem.gradient(x) - info["mult_x_L"] + info["mult_x_U"]
    np.add.at(stationary, columns, problem.jacobian(x) * info["mult_g"][rows])
    assert np.abs(stationary).max() < 1e-8
    coarse = control(n // 2)
    bound = np.concatenate([np.full(n + 2, FREE), np.full(n // 2 + 1, 0.8)])
    _, half = solver(coarse, -bound, bound, tol=1e-9).solve(np.zeros(coarse.n))
    assert info["obj_val"] == pytest.approx(half["obj_val"], rel=0.02)


def test_scipys_signature():
    given = program("hs071").scipy(lower=[25, 40], upper=[np.inf, 40], method="ipopt")
    found = cyipopt.minimize_ipopt(x0=[1.0, 5.0, 5.0, 1.0], bounds=[(1.0, 5.0)] * 4, **given)
    assert found.success
    np.testing.assert_allclose(found.x, [1, 4.74299963, 3.82114998, 1.37940829], rtol=1e-6)
    assert found.nit <= 10  # more with differences, or another sign


def test_scipys_signature_with_two_sides_and_without_constraints():
    problem = sd.nlp("f(x[2]) = (x[0] - 3)**2 + (x[1] + 2)**2", "c(x[2]) = [x[0]*x[1], x[0], x[1]]")
    bounds = {"lower": [-1.0, -5.0, -np.inf], "upper": [1.0, 5.0, 5.0]}
    found = cyipopt.minimize_ipopt(x0=[1.0, 0.5], **problem.scipy(method="ipopt", **bounds))
    assert found.success
    assert found.x.prod() == pytest.approx(-1.0, abs=1e-6)
    free = sd.nlp("f(x[2]) = (x[0] - 3)**2 + (x[1] + 2)**4 + x[1]**2")
    found = cyipopt.minimize_ipopt(x0=[1.0, 0.5], **free.scipy(method="ipopt"))
    assert found.success
    np.testing.assert_allclose(free.gradient(found.x), 0.0, atol=1e-6)
