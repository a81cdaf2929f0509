"""Formulas on arrays of sizes that calls fix, and arguments of any sizes for them."""

import random

import symdiff as sd
from symdiff.types import Dim


def value(f):
    return f


def grad(*wrt):
    return lambda f: sd.grad(f, *wrt)


def both(*wrt):
    return lambda f: sd.value_and_grad(f, *wrt)


def hessian(*wrt):
    return lambda f: sd.hessian(f, *wrt)


ROSENBROCK = "f(x[n]) = sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)"
LOGISTIC = "f(w[d], X[n, d], y[n]) = sum(log(1 + exp(-y*(X @ w))))/n + sum(w**2)"

FORMULAS = {
    "scalar parameter": ("f(a, x[n], y[n]) = sum((y - exp(-a*x))**2)/n", both("a")),
    "Rosenbrock": (ROSENBROCK, both("x")),
    "Rosenbrock, second": (ROSENBROCK, hessian("x")),
    "elementwise": ("f(x[n]) = x*sin(x)/n + n", value),
    "elementwise, by all": ("f(x[n]) = x*sin(x)", lambda f: sd.jacobian(f, "x")),
    "moments": ("f(x[n]) = mean((x - mean(x))**2) + std(x)", both("x")),
    "outer": ("f(x[n], y[m]) = sum(exp(-(x[:, None] - y[None, :])**2), axis=1)", value),
    "outer, by one": ("f(x[n], y[m]) = sum(sum(exp(-(x[:, None] - y)**2), axis=0)**2)/m", grad("x")),
    "axes": ("f(X[n, m]) = sum(mean(X, axis=0)**2) + sum(max(X, axis=1))", both("X")),
    "rows": ("f(X[n, 3]) = sum(X**2, axis=1)*X[:, 0]", value),
    "columns": ("f(X[3, n]) = sum(X**2, axis=0)*X[2]", value),
    "extrema": ("f(x[n]) = max(x) - min(x)*logsumexp(x) + norm(x)", grad("x")),
    "conditions": ("f(x[n]) = sum(where(x > 0, sqrt(x + 3), x*x)) + any(x > 2)", both("x")),
    "product": ("f(x[n]) = prod(1 + 0.01*x)", value),
    "positions": ("f(x[n]) = sum(x*arange(n))/(n + 1)", both("x")),
    "from both ends": ("f(x[n]) = sum(x[2:]*x[:-2]) + x[0]*x[-1] + x[n - 2]", both("x")),
    "steps": ("f(x[n]) = sum(x[::2])*x[1]", value),
    "backwards": ("f(x[n]) = sum(x[::-1]*x)", both("x")),
    "joined": ("f(x[n], y[m]) = sum(concatenate([x, y])**2)", grad("y")),
    "transposed": ("f(X[n, m]) = X.T*2", value),
    "weights": ("f(W[m, n], x[n]) = sum(tanh(W @ x))", both("W")),
    "logistic": (LOGISTIC, both("w")),
    "logistic, second": (LOGISTIC, hessian("w")),
    "matrices": ("f(A[n, k], B[k, m]) = A @ B", value),
    "gathered": ("f(a[m], x[n], g[n]) = sum((a[g] - x)**2)", both("a")),
    "cumulated": ("f(x[n]) = sum(cumsum(x)**2)", value),
    "batched rows": ("f(x[n, m]) = sum(x[1:] - x[:-1], axis=0)", value),
    "undeclared": ("sum(x**2)*x[0] + size(x)", value),
    "undeclared matrix": ("mean(X, axis=0) + X[0]", value),
    "powers": ("f(x[n]) = sum(abs(x/2)**n) + sum((x/2)**(n - 14))", both("x")),
    "numbers of sizes": ("f(x[n]) = (n - 1)*sum(x)/(2*n + 1)**2 + n//3", both("x")),
    "halves": ("f(x[n]) = sum(x[n//2:])*x[n//3]", value),
    "sorted": ("f(x[n]) = sum(sort(x)[2:]*x[:-2])", both("x")),
    "sorted rows": ("f(X[n, m]) = sum(sort(X, axis=1)[:, :3], axis=0)", value),
    "interpolated": ("f(x[n], p[m]) = sum(interp(x, arange(m), p))", both("p")),
    "size of 1": ("f(x[n]) = sum(x*x[:1])", both("x")),
}
"""A text and what is made of its function: all of them have kernels for many sizes."""

RANKS = {"undeclared": 1, "undeclared matrix": 2}


def names(f, rank=1):
    """The names of the sizes of a function."""
    named = {n.name: None for a in f.arguments for n in a.shape if isinstance(n, Dim)}
    return list(named) or [f"axis {k}" for k in range(rank)]


def arguments(f, sizes, rng):
    """Arguments for sizes by name; `g` are indices of an axis m."""
    found = []
    for a in f.arguments:
        shape = tuple(sizes[n.name] if isinstance(n, Dim) else n for n in a.shape)
        if a.deferred:
            shape = tuple(sizes.values())
        if a.name == "g":
            found.append(rng.integers(0, sizes["m"], shape))
        else:
            found.append(rng.uniform(-2, 2, shape) if shape else float(rng.uniform(-2, 2)))
    return found


def random_formula(number):
    """A formula on a and x[n], y[n], A[n, m], v[m], made by chance, and what it is differentiated by."""
    chance = random.Random(number)

    def vector(depth, axis):
        leaves = {"n": ["x", "y", "A[:, 0]", "A[:, -1]", "(arange(n)/n)"], "m": ["v", "A[0]", "A[-1]"]}[axis]
        if depth == 0 or chance.random() < 0.15:
            return chance.choice(leaves)
        kind = chance.randrange(9)
        if kind < 4:
            return f"({vector(depth - 1, axis)} {chance.choice('+-*')} {vector(depth - 1, axis)})"
        if kind == 4:
            return f"{chance.choice(['sin', 'exp', 'tanh', 'abs'])}(0.3*{vector(depth - 1, axis)})"
        if kind == 5:
            return f"({scalar(depth - 1)}*{vector(depth - 1, axis)})"
        if kind == 6:
            return f"concatenate([{vector(depth - 1, axis)}[1:], {vector(depth - 1, axis)}[:1]])"
        if kind == 7:
            return f"where({vector(depth - 1, axis)} > 0, {vector(depth - 1, axis)}, {scalar(0)})"
        other = "m" if axis == "n" else "n"
        return f"(sum({matrix(depth - 1)}, axis={1 if axis == 'n' else 0})/{other})"

    def matrix(depth):
        if depth <= 0 or chance.random() < 0.3:
            return "A"
        return chance.choice(
            [
                f"({matrix(depth - 1)} * {matrix(depth - 1)})",
                f"({vector(depth - 1, 'n')}[:, None] - {vector(depth - 1, 'm')})",
                f"cos({matrix(depth - 1)})",
            ]
        )

    def scalar(depth):
        if depth <= 0:
            return chance.choice(["a", "0.5", "n/(m + n)", "x[0]", "x[-1]"])
        axis = chance.choice("nm")
        return chance.choice([
            f"mean({vector(depth - 1, axis)})", f"sum({vector(depth - 1, axis)})", f"max({vector(depth - 1, axis)})",
            f"sum({matrix(depth - 1)})", f"sum({vector(depth - 1, 'n')}[1:]*{vector(depth - 1, 'n')}[:-1])",
        ])  # fmt: skip

    body = f"{scalar(3)} + 0*(a + sum(x) + sum(y) + sum(v) + sum(A))"
    return f"f(a, x[n], y[n], A[n, m], v[m]) = {body}", chance.choice(["a", "x", "v", "A"])
