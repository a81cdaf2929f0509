"""Second derivatives against JAX and CasADi: the Laplacian of a network, and a sparse Hessian.

    python tests/benchmarks/derivatives.py

What is not installed is named and left out. The ways are the best ones that a person would write: JAX's Laplacian is
the trace of forward over reverse mode at all points at once, or of one direction after the other; its sparse Hessian
the products of the Hessian with three vectors of 0 and 1 (columns of one colour), from which the entries are taken.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from timing import interleaved, one_processor, table

import symdiff as sd

POINTS, INPUTS, WIDTH = 1000, 50, 64
SIZE = 10_000
NETWORK = "w @ tanh(W3 @ tanh(W2 @ tanh(W1 @ x + b1) + b2) + b3)"
CHAINED = "sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)"


def library(name: str) -> Any:
    """A library that symdiff is compared with; None where it is not there."""
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name} is not installed")
        return None


def laplacian() -> dict[str, Any]:
    """Calls that give the Laplacian of a network with three layers at many points, by name, the first one ours."""
    rng = np.random.default_rng(0)
    shapes = {"x": (INPUTS,), "W1": (WIDTH, INPUTS), "b1": (WIDTH,), "W2": (WIDTH, WIDTH), "b2": (WIDTH,)}
    shapes |= {"W3": (WIDTH, WIDTH), "b3": (WIDTH,), "w": (WIDTH,)}
    f = sd.function(NETWORK, list(shapes), shapes=shapes)
    weights = [rng.normal(size=s) / 8 for s in list(shapes.values())[1:]]
    points = rng.normal(size=(POINTS, INPUTS))
    ours, hessian = sd.laplacian(f, "x"), sd.hessian(f, "x")
    traced = sd.function(lambda *args: sd.trace(hessian(*args)), shapes)
    wanted = ours(points, *weights)
    calls = {
        "symdiff": lambda: ours(points, *weights),
        "symdiff, trace of the Hessian": lambda: traced(points, *weights),
        **laplacian_by_jax(points, weights),
    }
    for call in calls.values():
        np.testing.assert_allclose(call(), wanted, rtol=1e-8, atol=1e-10)
    return calls


def laplacian_by_jax(points: Any, weights: list[Any]) -> dict[str, Any]:
    """The same by JAX."""
    jax = library("jax")
    if jax is None:
        return {}
    jnp = jax.numpy

    def value(x: Any, *given: Any) -> Any:
        W1, b1, W2, b2, W3, b3, w = given
        return w @ jnp.tanh(W3 @ jnp.tanh(W2 @ jnp.tanh(W1 @ x + b1) + b2) + b3)

    slope, directions = jax.grad(value), jnp.eye(INPUTS)

    def at_once(x: Any, *given: Any) -> Any:
        return jnp.trace(jax.jacfwd(slope)(x, *given))

    def one_by_one(x: Any, *given: Any) -> Any:
        def curvature(k: Any) -> Any:
            return jax.jvp(lambda x: slope(x, *given), (x,), (directions[k],))[1][k]

        return jax.lax.fori_loop(0, INPUTS, lambda k, total: total + curvature(k), 0.0)

    lifted = (0, *(None,) * len(weights))
    theirs = {name: jax.jit(jax.vmap(way, lifted)) for name, way in (("once", at_once), ("loop", one_by_one))}
    own = [jnp.asarray(a) for a in (points, *weights)]
    return {
        "JAX, forward over reverse": lambda: theirs["once"](*own).block_until_ready(),
        "JAX, one direction after the other": lambda: theirs["loop"](*own).block_until_ready(),
    }


def sparse_hessian() -> dict[str, Any]:
    """Calls that give the entries of the Hessian of a chained Rosenbrock function, by name, the first one ours."""
    x = np.random.default_rng(0).uniform(-1, 1, SIZE)
    ours = sd.sparse_hessian(sd.function(CHAINED, ["x"], shapes={"x": SIZE}), "x")
    matrix = ours(x)
    return {
        "symdiff": lambda: ours(x),
        "symdiff, into a matrix": lambda: ours(x, out=matrix),
        **sparse_hessian_by_jax(ours, x),
        **sparse_hessian_by_casadi(ours, x),
    }


def sparse_hessian_by_jax(ours: Any, x: Any) -> dict[str, Any]:
    """The same by JAX, in the places that ours has."""
    jax = library("jax")
    if jax is None:
        return {}
    jnp = jax.numpy

    def value(x: Any) -> Any:
        return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    seeds = jnp.asarray(np.arange(SIZE) % 3 == np.arange(3)[:, None], float)
    places = jnp.asarray(ours.columns % 3), jnp.asarray(ours.rows)

    @jax.jit
    def theirs(x: Any) -> Any:
        product = jax.vmap(lambda seed: jax.jvp(jax.grad(value), (x,), (seed,))[1])
        return product(seeds)[places]

    own = jnp.asarray(x)
    np.testing.assert_allclose(theirs(own), ours.values(x), rtol=1e-9)
    return {"JAX, three products, hand-compressed": lambda: theirs(own).block_until_ready()}


def sparse_hessian_by_casadi(ours: Any, x: Any) -> dict[str, Any]:
    """The same by CasADi."""
    casadi = library("casadi")
    if casadi is None:
        return {}
    named = casadi.SX.sym("x", SIZE)
    formula = casadi.sumsqr(10 * (named[1:] - named[:-1] ** 2)) + casadi.sumsqr(1 - named[:-1])
    theirs, given = casadi.Function("h", [named], [casadi.hessian(formula, named)[0]]), casadi.DM(x)
    np.testing.assert_allclose(theirs(given).nonzeros(), ours(x).tocsc().data, rtol=1e-9)
    return {"CasADi": lambda: theirs(given)}


CASES = {
    f"Laplacian of a tanh network, {INPUTS} inputs, three layers of {WIDTH}, {POINTS:,} points": laplacian,
    f"sparse Hessian of a chained Rosenbrock function, n = {SIZE:,}": sparse_hessian,
}


def main() -> None:
    """Print the tables."""
    one_processor()
    for title, made in CASES.items():
        seconds = interleaved(made(), 11)
        least = seconds["symdiff"]
        rows = [[name, f"{1e6 * t:,.1f} us", f"{least / t:.2f}"] for name, t in seconds.items()]
        print(title, table(("way", "a call", "ours, as a part"), rows), sep="\n\n", end="\n\n")


if __name__ == "__main__":
    main()
