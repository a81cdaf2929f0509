"""The cases of `tensors.py`: whole-array functions, the NumPy that one would write by hand, and the same for JAX."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import symdiff as sd

Call = Callable[[], Any]


@dataclass
class Case:
    """One row: ours and NumPy's call, and for peers a function of their arrays that gives what is to be compiled."""

    title: str
    function: sd.Function
    arguments: tuple[Any, ...]
    by_hand: Call
    jax: Callable[[Any, Any], Any] | None = None
    aim: float = np.inf
    options: dict[str, Any] | None = None

    def ours(self) -> Any:
        """Our call."""
        return self.function(*self.arguments, **(self.options or {}))


def simple(title: str, text: str, arrays: dict[str, Any], hand: Call, jax: Any = None) -> Case:
    """A function that is one text."""
    function = sd.function(text, list(arrays), shapes={name: np.shape(a) for name, a in arrays.items()})
    return Case(title, function, tuple(arrays.values()), hand, jax)


def training(rng: np.random.Generator) -> Case:
    """Loss and both weight gradients of a network of two layers."""
    n, d_in, hidden, d_out = 64, 1000, 100, 10
    x, y = rng.standard_normal((n, d_in)), rng.standard_normal((n, d_out))
    w1, w2 = rng.standard_normal((d_in, hidden)), rng.standard_normal((hidden, d_out))
    shapes = {"x": x.shape, "y": y.shape, "w1": w1.shape, "w2": w2.shape}
    f = sd.function("sum((maximum(x @ w1, 0) @ w2 - y)**2)", ["x", "y", "w1", "w2"], shapes=shapes)

    def by_hand() -> Any:
        h = x @ w1
        active = np.maximum(h, 0)
        error = active @ w2 - y
        slope = 2.0 * error
        below = slope @ w2.T
        below[h < 0] = 0
        return np.square(error).sum(), x.T @ below, active.T @ slope

    def jax(jax: Any, jnp: Any) -> Any:
        def loss(x: Any, y: Any, w1: Any, w2: Any) -> Any:
            return jnp.sum((jnp.maximum(x @ w1, 0) @ w2 - y) ** 2)

        return jax.value_and_grad(loss, (2, 3))

    step = sd.value_and_grad(f, ("w1", "w2"))
    return Case("training step, 64 x 1000 x 100 x 10", step, (x, y, w1, w2), by_hand, jax, 1.1)


def rosenbrock(rng: np.random.Generator, n: int, copy: bool, fresh: bool = True) -> Case:
    """The gradient of a chained Rosenbrock function, against the same in NumPy or against copying it."""
    f = sd.function("sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)", ["x"], shapes={"x": n})
    x, out = rng.uniform(-1.0, 1.0, n), np.empty(n)

    def by_hand() -> Any:
        slope = np.zeros(n)
        low, high = x[:-1], x[1:]
        curve = high - low**2
        slope[:-1] = -400 * low * curve - 2 * (1 - low)
        slope[1:] += 200 * curve
        return slope

    def jax(jax: Any, jnp: Any) -> Any:
        return jax.grad(lambda x: jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))

    title = f"chained Rosenbrock, gradient, n = {n:,}"
    if copy:
        title += ", against copyto" if fresh else ", out=, against copyto"
    hand = (lambda: np.copyto(out, x)) if copy else by_hand
    aim = 2.0 if copy and not fresh else np.inf
    return Case(title, sd.grad(f), (x,), hand, None if copy else jax, aim, None if fresh else {"out": np.empty(n)})


def rosenbrock_hessian(rng: np.random.Generator) -> Case:
    """A dense matrix of three diagonals."""
    n = 1000
    f = sd.function("sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)", ["x"], shapes={"x": n})
    x = rng.uniform(-1.0, 1.0, n)

    def by_hand() -> Any:
        found, at, low, high = np.zeros((n, n)), np.arange(n - 1), x[:-1], x[1:]
        found[at, at] = 1200 * low**2 - 400 * high + 2
        found[at + 1, at + 1] += 200
        found[at, at + 1] = found[at + 1, at] = -400 * low
        return found

    return Case("chained Rosenbrock, Hessian, n = 1000", sd.hessian(f), (x,), by_hand)


def logistic(rng: np.random.Generator) -> Case:
    """The Hessian of a logistic loss."""
    m, n = 2000, 200
    f = sd.function("sum(log(1 + exp(-y*(X @ w))))", ["w", "X", "y"], shapes={"w": n, "X": (m, n), "y": m})
    X, y, w = rng.standard_normal((m, n)), np.sign(rng.standard_normal(m)), 0.1 * rng.standard_normal(n)

    def by_hand() -> Any:
        p = 1 / (1 + np.exp(-y * (X @ w)))
        d = p * (1 - p)
        return X.T @ (d[:, None] * X)

    def jax(jax: Any, jnp: Any) -> Any:
        return jax.hessian(lambda w, X, y: jnp.sum(jnp.log(1 + jnp.exp(-y * (X @ w)))))

    return Case("logistic Hessian, 2000 x 200", sd.hessian(f, "w"), (w, X, y), by_hand, jax, 1.5)


def cross_entropy(rng: np.random.Generator, rows: int, classes: int) -> Case:
    """Value and gradient by the logits."""
    x, y = rng.standard_normal((rows, classes)), np.eye(classes)[rng.integers(0, classes, rows)]
    text = f"sum(logsumexp(x, axis=1) - sum(y*x, axis=1))/{rows}"
    f = sd.function(text, ["x", "y"], shapes={"x": x.shape, "y": y.shape})

    def by_hand() -> Any:
        top = x.max(axis=1, keepdims=True)
        e = np.exp(x - top)
        whole = e.sum(axis=1, keepdims=True)
        loss = (np.log(whole[:, 0]) + top[:, 0] - (y * x).sum(axis=1)).sum() / rows
        e /= whole
        e -= y
        e /= rows
        return loss, e

    def jax(jax: Any, jnp: Any) -> Any:
        def loss(x: Any, y: Any) -> Any:
            return jnp.sum(jax.nn.logsumexp(x, axis=1) - jnp.sum(y * x, axis=1)) / rows

        return jax.value_and_grad(loss)

    return Case(f"cross-entropy and gradient, {rows} x {classes}", sd.value_and_grad(f, "x"), (x, y), by_hand, jax)


def layer_norm(rng: np.random.Generator) -> Case:
    """Rows with mean 0 and variance 1, scaled."""
    x, a, b = rng.standard_normal((1000, 1000)), rng.standard_normal(1000), rng.standard_normal(1000)
    text = """d = x - mean(x, axis=1, keepdims=True)
              d/sqrt(mean(d**2, axis=1, keepdims=True) + 1e-5)*a + b"""

    def by_hand() -> Any:
        d = x - x.mean(axis=1, keepdims=True)
        return d / np.sqrt((d * d).mean(axis=1, keepdims=True) + 1e-5) * a + b

    def jax(jax: Any, jnp: Any) -> Any:
        def norm(x: Any, a: Any, b: Any) -> Any:
            d = x - jnp.mean(x, axis=1, keepdims=True)
            return d / jnp.sqrt(jnp.mean(d * d, axis=1, keepdims=True) + 1e-5) * a + b

        return norm

    return simple("layer norm, 1000 x 1000", text, {"x": x, "a": a, "b": b}, by_hand, jax)


def attention(rng: np.random.Generator) -> Case:
    """Sixteen heads."""
    q, k, v = (rng.standard_normal((16, 128, 64)) for _ in range(3))

    def by_hand() -> Any:
        s = q @ k.swapaxes(-1, -2)
        s /= 8
        s -= s.max(-1, keepdims=True)
        np.exp(s, out=s)
        s /= s.sum(-1, keepdims=True)
        return s @ v

    def jax(jax: Any, jnp: Any) -> Any:
        return lambda q, k, v: jax.nn.softmax(q @ jnp.swapaxes(k, -1, -2) / 8, axis=-1) @ v

    text = "softmax(q @ swapaxes(k, -1, -2)/8, axis=-1) @ v"
    return simple("attention, 16 x 128 x 64", text, {"q": q, "k": k, "v": v}, by_hand, jax)


def kernel_matrix(rng: np.random.Generator) -> Case:
    """The gradient of a sum over pairs of points by the points and the width."""
    n, d = 500, 8
    X, c, width = rng.standard_normal((n, d)), rng.standard_normal(n), np.array(0.1)
    text = "sum(outer(c, c)*exp(-l*sum((X[:, None, :] - X[None, :, :])**2, axis=2)))"
    f = sd.function(text, ["X", "c", "l"], shapes={"X": (n, d), "c": n, "l": ()})

    def by_hand() -> Any:
        far = X[:, None, :] - X[None, :, :]
        r = (far**2).sum(2)
        k = np.outer(c, c) * np.exp(-width * r)
        return -4 * width * np.einsum("ij,ijk->ik", k, far), -(k * r).sum()

    def jax(jax: Any, jnp: Any) -> Any:
        def total(X: Any, c: Any, l: Any) -> Any:  # noqa: E741
            return jnp.sum(jnp.outer(c, c) * jnp.exp(-l * jnp.sum((X[:, None, :] - X[None, :, :]) ** 2, axis=2)))

        return jax.grad(total, (0, 2))

    return Case("RBF kernel, gradient, 500 x 8", sd.grad(f, ("X", "l")), (X, c, width), by_hand, jax)


def likelihood(rng: np.random.Generator) -> Case:
    """The logarithm of a normal density."""
    n = 300
    a = rng.standard_normal((n, n))
    S, y = a @ a.T + n * np.eye(n), rng.standard_normal(n)
    text = """L = cholesky(S)
              z = solve_triangular(L, y, lower=True)
              -0.5*sum(z**2) - sum(log(diag(L)))"""

    def by_hand() -> Any:
        from scipy.linalg import solve_triangular

        L = np.linalg.cholesky(S)
        z = solve_triangular(L, y, lower=True)
        return -0.5 * (z @ z) - np.log(np.diag(L)).sum()

    return simple("normal log-likelihood, 300 x 300", text, {"S": S, "y": y}, by_hand)


def passes(rng: np.random.Generator) -> Iterator[Case]:
    """Single operations on a million numbers, which memory bounds."""
    x, v, z = rng.standard_normal((1000, 1000)), rng.standard_normal(1000), rng.standard_normal(10**6)
    i = rng.integers(0, z.size, z.size)
    yield simple(
        "sum of rows, 1000 x 1000", "sum(x, axis=1)", {"x": x}, lambda: x.sum(1), lambda j, jnp: lambda x: x.sum(1)
    )
    yield simple("sum of columns, 1000 x 1000", "sum(x, axis=0)", {"x": x}, lambda: x.sum(0),
                 lambda j, jnp: lambda x: x.sum(0))  # fmt: skip
    yield simple("variances of rows, 1000 x 1000", "var(x, axis=1)", {"x": x}, lambda: x.var(1),
                 lambda j, jnp: lambda x: x.var(1))  # fmt: skip
    yield simple("sum of squares, 10^6", "sum(z**2)", {"z": z}, lambda: z @ z, lambda j, jnp: lambda z: jnp.sum(z**2))
    yield simple("variance, 10^6", "var(z)", {"z": z}, lambda: z.var(), lambda j, jnp: jnp.var)
    yield simple("tanh(x + v), 1000 x 1000", "tanh(x + v)", {"x": x, "v": v}, lambda: np.tanh(x + v),
                 lambda j, jnp: lambda x, v: jnp.tanh(x + v))  # fmt: skip
    yield simple("cumsum, 10^6", "cumsum(z)", {"z": z}, lambda: np.cumsum(z), lambda j, jnp: jnp.cumsum)
    yield simple("cumsum of columns, 1000 x 1000", "cumsum(x, axis=0)", {"x": x}, lambda: np.cumsum(x, 0),
                 lambda j, jnp: lambda x: jnp.cumsum(x, 0))  # fmt: skip
    numbers = i.astype(float)
    yield simple("gather, 10^6", "z[i]", {"z": z, "i": numbers}, lambda: z[i])
    taken = sd.function("sum(w*take(z, i))", ["z", "i", "w"], shapes={"z": z.shape, "i": i.shape, "w": z.shape})
    weights = rng.standard_normal(z.size)
    yield Case("scatter, 10^6", sd.grad(taken, "z"), (z, numbers, weights), lambda: np.bincount(i, weights, z.size))


def small(rng: np.random.Generator) -> Iterator[Case]:
    """What a call costs, and many small problems at once."""
    yield rosenbrock(rng, 10, False)
    A, x = rng.standard_normal((10, 10)), rng.standard_normal(10)
    yield simple(
        "matrix times vector, 10 x 10", "A @ x", {"A": A, "x": x}, lambda: A @ x, lambda j, jnp: lambda A, x: A @ x
    )
    yield cross_entropy(rng, 64, 10)
    B = rng.standard_normal((10**5, 3, 3)) + 3 * np.eye(3)
    b = rng.standard_normal((10**5, 3))
    for title, text, hand in (
        ("matrix times vector", "B @ b", lambda: np.einsum("kij,kj->ki", B, b)),
        ("solve", "solve(B, b)", lambda: np.linalg.solve(B, b[..., None])[..., 0]),
    ):
        function = sd.function(text, ["B", "b"], shapes={"B": (3, 3), "b": 3})
        yield Case(f"{title}, a batch of 10^5, 3 x 3", function, (B, b), hand)


def cases(rng: np.random.Generator) -> Iterator[Case]:
    """All rows."""
    yield training(rng)
    yield rosenbrock(rng, 1_000_000, True, fresh=False)
    yield rosenbrock(rng, 1_000_000, True)
    yield rosenbrock(rng, 1_000_000, False)
    yield rosenbrock_hessian(rng)
    yield logistic(rng)
    yield cross_entropy(rng, 1000, 1000)
    yield layer_norm(rng)
    yield attention(rng)
    yield kernel_matrix(rng)
    yield likelihood(rng)
    yield from passes(rng)
    yield from small(rng)
