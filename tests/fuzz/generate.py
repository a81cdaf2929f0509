"""Random texts and programs: valid by the grammar, mutated, and random; the same for the same seed."""

import random

SCALARS = ("sin", "cos", "exp", "log", "sqrt", "abs", "tanh", "erf", "gamma", "sigmoid", "floor", "sign", "atan")
PAIRS = ("maximum", "minimum", "hypot", "atan2", "mod", "logaddexp", "power")
NUMBERS = ("0", "1", "2", "-1", "0.5", "3", "1e300", "1e-300", "inf", "nan", "pi", "7", "10**9", "2**31", "-3")
WHOLE = ("sum", "prod", "max", "min", "mean", "std", "norm", "cumsum", "sort", "argmax", "len", "any", "ravel")
MAKERS = ("arange({n})", "ones({n})", "zeros(({n}, {m}))", "eye({n})", "linspace(0, 1, {n})", "full({n}, x)",
          "[x, y, 1]")  # fmt: skip
PIECES = (
    *SCALARS, *PAIRS, *WHOLE, *NUMBERS, "x", "y", "z", "f", "(", ")", "[", "]", ",", ":", "=", "==", "<", ">=",
    "+", "-", "*", "**", "/", "//", "%", "@", "^", ".T", ".shape", "...", "None", "if", "else", "and", "not", "where(",
    "Piecewise(",
    "\n", " ", "  ", "'ij,j->i'", "é", "α", "²", "−", "\u0300", "\u202e", "\0", "#", "_", "1.", ".5", "e", "reshape(",
    "concatenate((", "repeat(", "einsum(", "einsum('", "pad(", "scatter(", "gather(", "broadcast_to(", "solve(", "inv(",
)  # fmt: skip


def scalar(r, depth, names):
    """An expression, mostly of numbers."""
    if depth <= 0 or r.random() < 0.2:
        return r.choice(names) if r.random() < 0.7 else r.choice(NUMBERS)
    kind, a, b = r.random(), scalar(r, depth - 1, names), scalar(r, depth - 1, names)
    if kind < 0.5:
        return f"({a} {r.choice(('+', '-', '*', '/', '**', '%', '//'))} {b})"
    if kind < 0.75:
        return f"{r.choice(SCALARS)}({a})"
    if kind < 0.85:
        return f"{r.choice(PAIRS)}({a}, {b})"
    if kind < 0.95:
        return f"where({a} {r.choice(('<', '>', '<=', '==', '!='))} {b}, {a}, {b})"
    return array(r, depth - 1, names) if r.random() < 0.5 else f"{r.choice(WHOLE)}({array(r, depth - 1, names)})"


def array(r, depth, names):
    """An expression, mostly of arrays."""
    n, m = r.choice((0, 1, 2, 3, 5, 40, 1100, 10**6, 10**12)) if r.random() < 0.1 else r.randint(0, 6), r.randint(0, 5)
    if depth <= 0 or r.random() < 0.3:
        return r.choice(MAKERS).format(n=n, m=m)
    a, b = array(r, depth - 1, names), array(r, depth - 1, names)
    forms = (
        f"({a} + {b})", f"({a}*{scalar(r, depth - 1, names)})", f"({a} @ {b})", f"outer({a}, {b})", f"{a}.T",
        f"{a}[{r.randint(-4, 4)}]", f"{a}[{r.randint(-4, 4)}:{r.randint(-4, 9)}:{r.choice((-2, -1, 1, 2, 3))}]",
        f"concatenate(({a}, {b}))", f"[{a}, {b}]", f"repeat({a}, {n})", f"tile({a}, {m})", f"reshape({a}, ({n}, {m}))",
        f"broadcast_to({a}, ({m}, {n}))", f"cumsum({a})", f"sort({a})", f"where({a} > 0, {a}, {b})", f"roll({a}, {m})",
        f"pad({a}, {m})", f"diag({a})", f"solve({a}, {b})", f"inv({a})", f"det({a})", f"convolve({a}, {b})",
    )  # fmt: skip
    return r.choice(forms)


def text(seed):
    """A text in x, y, z: valid by the grammar, one with a few changes, or pieces and characters at random."""
    r = random.Random(f"text {seed}")
    kind = r.random()
    if kind > 0.85:
        return "".join(r.choice(PIECES) for _ in range(r.randint(1, 30)))
    lines, names = [], ["x", "y", "z"]
    for k in range(r.choice((0, 0, 0, 1, 2, 4))):
        if r.random() < 0.3:
            lines.append(f"g{k}(a, b) = {scalar(r, 2, [*names, 'a', 'b', 'a'])}")
            names.append(f"g{k}({r.choice(names)}, {r.choice(names)})")
        else:
            lines.append(f"v{k} = {scalar(r, 3, names)}")
            names.append(f"v{k}")
    lines.append(scalar(r, r.randint(1, 5), names))
    made = "\n".join(lines)
    if kind > 0.5:
        for _ in range(r.randint(1, 4)):
            at = r.randrange(len(made) + 1)
            change = r.random()
            middle = "" if change < 0.3 else r.choice(PIECES)
            made = made[:at] + middle + made[at + (change < 0.6) * r.randint(1, 3) :]
    return made


def program(seed):
    """A text on arrays of which the code is loops, and the shapes of its arguments."""
    r = random.Random(f"program {seed}")
    n, m = r.choice((1, 3, 17, 40, 1000)), r.choice((1, 2, 33, 64))
    shapes = {"x": (n,), "y": (m,), "A": (m, n), "s": ()}
    pool = {"x": "n", "y": "m", "A": "mn", "s": ""}
    lines = []
    for k in range(r.randint(2, 9)):
        name, kind = f"v{k}", r.choice(tuple(pool.values()))
        same = [p for p, shape in pool.items() if shape == kind]
        a, b = r.choice(same), r.choice(same)
        options = [
            (f"{r.choice(SCALARS)}({a})", kind), (f"{a} {r.choice('+-*/')} {b}", kind), (f"{a}*s", kind),
            (f"where({a} > {b}, {a}, {b})", kind), (f"s + {r.choice(('sum', 'max', 'mean', 'norm'))}({a})", ""),
        ]  # fmt: skip
        if kind:
            options += [
                (f"cumsum({a}, axis={len(kind) - 1})", kind), (f"flip({a})", kind),
                (f"roll({a}, {r.randint(-3, 3)})", kind),
                (f"sort({a})", kind), (f"{a}[::-1]", kind), (f"concatenate(({a}, {b}))[:len({a})]", kind),
            ]  # fmt: skip
        options += [("A @ x", "m"), ("A.T @ y", "n"), ("outer(y, x)", "mn"), ("sum(A, axis=0)", "n"), ("A*x", "mn"),
                    ("s*arange(1500)[3]", ""), ("sum(s*arange(1500))", "")]  # fmt: skip
        expression, pool[name] = r.choice(options)
        lines.append(f"{name} = {expression}")
    last = r.choice([name for name in pool if name.startswith("v")])
    return "\n".join([*lines, r.choice((last, f"sum({last}**2)", f"sum({last})"))]), shapes
