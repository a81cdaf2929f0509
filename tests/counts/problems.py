"""The functions whose operations are counted, as others define them, and what others take for them."""

import math
from dataclasses import dataclass

import symdiff as sd


@dataclass(frozen=True)
class Row:
    """What is counted: a function, made by `make`; `most` is the mark that it has to keep.

    `what` says what is counted: all operations, or multiplications and divisions.
    """

    problem: str
    part: str
    make: object
    most: int | None = None
    what: str = "operations"


def rosenbrock(n=100):
    x = sd.symbol("x", n)
    return sd.function(sum(100 * (x[k + 1] - x[k] ** 2) ** 2 + (1 - x[k]) ** 2 for k in range(n - 1)), [x])


def speelpenning(n=50):
    x = sd.symbol("x", n)
    return sd.function(math.prod(x[k] for k in range(1, n)) * x[0], [x])


def determinant(n=4):
    """By cofactors of the first row."""
    a = sd.symbol("A", (n, n))

    def minor(row, columns):
        if len(columns) == 1:
            return a[row, columns[0]]
        total = None
        for k, column in enumerate(columns):
            term = a[row, column] * minor(row + 1, columns[:k] + columns[k + 1 :])
            total = term if total is None else total - term if k % 2 else total + term
        return total

    return sd.function(minor(0, tuple(range(n))), [a])


def rotation():
    """The matrix of a quaternion, row after row."""
    q = sd.symbol("q", 4)
    w, x, y, z = (q[k] for k in range(4))
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return sd.function([entry for row in rows for entry in row], [q])


def harmonics(degrees):
    """Real solid harmonics by recurrence, without normalization: Legendre's in z times powers of x + iy."""
    v = sd.symbol("v", 3)
    x, y, z = (v[k] for k in range(3))
    sine, cosine = [0.0, x], [1.0, y]
    for m in range(2, degrees):
        sine.append(x * cosine[m - 1] - y * sine[m - 1])
        cosine.append(x * sine[m - 1] + y * cosine[m - 1])
    legendre = {(0, 0): 1.0}
    for m in range(degrees):
        if m:
            legendre[m, m] = (1 - 2 * m) * legendre[m - 1, m - 1]
        for n in range(m + 1, degrees):
            before = (n + m - 1) * legendre[n - 2, m] if (n - 2, m) in legendre else 0
            legendre[n, m] = ((2 * n - 1) * z * legendre[n - 1, m] - before) / (n - m)
    both = {**{-m: sine[m] for m in range(1, degrees)}, **dict(enumerate(cosine))}
    return sd.function([legendre[n, abs(m)] * both[m] for n in range(degrees) for m in range(-n, n + 1)], [v])


def reactions(species=20):
    """Mass action: each two neighbours make the next one, and it falls apart again."""
    x, k, back = sd.symbol("x", species), sd.symbol("k", species - 2), sd.symbol("l", species - 2)
    change = [0.0] * species
    for i in range(species - 2):
        rate = k[i] * x[i] * x[i + 1] - back[i] * x[i + 2]
        change[i], change[i + 1], change[i + 2] = change[i] - rate, change[i + 1] - rate, change[i + 2] + rate
    return sd.function(change, [x, k, back])


def pendulum(links=10):
    """The residuals of the equations of motion in angles, their first and their second derivatives."""
    angle, speed, turn = (sd.symbol(name, links) for name in ("t", "w", "a"))
    residuals = []
    for i in range(links):
        total = 9.81 * (links - i) * sd.sin(angle[i])
        for j in range(links):
            weight, between = links - max(i, j), angle[i] - angle[j]
            if i == j:
                total = total + weight * turn[i]
            else:
                total = total + weight * (sd.cos(between) * turn[j] + sd.sin(between) * speed[j] ** 2)
        residuals.append(total)
    return sd.function(residuals, [angle, speed, turn])


def bow_tie(n=20):
    """n inputs, by way of one number, n outputs."""
    x = sd.symbol("x", n)
    t = sum(x[k] * sd.exp(x[k]) for k in range(n))
    return sd.function([sd.exp((k + 1) * t) for k in range(n)], [x])


def robot_arm():
    """Position and angles of the hand of an arm with six joints."""
    t = sd.symbols("t1 t2 t3 t4 t5 t6")
    (s1, s2, s3, s4, s5, s6), (c1, c2, c3, c4, c5, c6) = map(sd.sin, t), map(sd.cos, t)
    c23, s23 = c2 * c3 - s2 * s3, c2 * s3 + s2 * c3
    wrist = s23 * c4 * s5 - c23 * c5
    ax = s5 * (c1 * c23 * c4 + s1 * s4) + c1 * s23 * c5
    ay = s5 * (s1 * c23 * c4 - c1 * s4) + s1 * s23 * c5
    bent = c23 * s5 + s23 * c4 * c5
    nz, oz = c6 * bent - s23 * s4 * s6, -s6 * bent - s23 * s4 * c6
    reach = 175.0 + 890.0 * c2 + 50.0 * c23 + 1035.0 * s23
    results = [
        185.0 * ax + c1 * reach,
        185.0 * (s5 * (s1 * c23 * c4 + c1 * s4) + s1 * s23 * c5) + s1 * reach,
        890.0 * s2 + 575.0 + 50.0 * s23 - 1035.0 * c23 + 185.0 * wrist,
        sd.atan2(ay, ax),
        sd.atan2(sd.sqrt(1 - wrist**2), wrist),
        sd.atan2(oz, -nz),
    ]
    return sd.function(results, list(t))


GAMMA = 1.4


def roe_1d():
    """The flux of Roe for the Euler equations in one dimension: density, momentum, energy left and right."""
    left, right = sd.symbols("l0 l1 l2"), sd.symbols("r0 r1 r2")
    roots = [sd.sqrt(s[0]) for s in (left, right)]
    speeds = [s[1] / s[0] for s in (left, right)]
    pressures = [(GAMMA - 1) * (s[2] - 0.5 * s[1] ** 2 / s[0]) for s in (left, right)]
    enthalpies = [(s[2] + p) / s[0] for s, p in zip((left, right), pressures, strict=True)]
    mean = lambda a: (roots[0] * a[0] + roots[1] * a[1]) / (roots[0] + roots[1])  # noqa: E731
    root = sd.sqrt(left[0] * right[0])
    u, h = mean(speeds), mean(enthalpies)
    sound2 = (GAMMA - 1) * (h - 0.5 * u**2)
    sound = sd.sqrt(sound2)
    dp, dv = pressures[1] - pressures[0], speeds[1] - speeds[0]
    c0 = (right[0] - left[0] - dp / sound2) * abs(u)
    c1, c2 = (dv + dp / (sound * root)) * abs(u + sound), (dv - dp / (sound * root)) * abs(u)
    scale = 0.5 * root / sound
    waves = [
        c0 + scale * c1 - scale * c2,
        c0 * u + scale * c1 * (u + sound) - scale * c2 * (u - sound),
        c0 * 0.5 * u**2 + scale * c1 * (h + u * sound) - scale * c2 * (h - u * sound),
    ]
    fluxes = [(s[1], p + s[1] * v, v * (p + s[2])) for s, p, v in zip((left, right), pressures, speeds, strict=True)]
    return sd.function([0.5 * (a + b - w) for a, b, w in zip(*fluxes, waves, strict=True)], [*left, *right])


def roe_3d():
    """The same in three dimensions, in the form that the published orders are of."""
    left, right = sd.symbols("l0 l1 l2 l3 l4"), sd.symbols("r0 r1 r2 r3 r4")
    sides = left, right
    roots = [sd.sqrt(s[0]) for s in sides]
    speeds = [[s[k] / s[0] for k in (1, 2, 3)] for s in sides]
    pressures = [(GAMMA - 1) * (s[4] - 0.5 * (s[1] ** 2 + s[2] ** 2 + s[3] ** 2) / s[0]) for s in sides]
    enthalpies = [(s[4] + p) / s[0] for s, p in zip(sides, pressures, strict=True)]
    mean = lambda a, b: (roots[0] * a + roots[1] * b) / (roots[0] + roots[1])  # noqa: E731
    u, v, w = (mean(a, b) for a, b in zip(*speeds, strict=True))
    h = mean(*enthalpies)
    square = u**2 + v**2 + w**2
    sound2 = (GAMMA - 1) * (h - 0.5 * square)
    sound = sd.sqrt(sound2)
    d0, d1, d2, d3, d4 = (b - a for a, b in zip(left, right, strict=True))
    up, down = u + sound, u - sound
    c3 = (GAMMA - 1) / sound2 * ((h - square) * d0 + (u * d1 + v * d2 + w * d3) - d4) * u
    c2, c1 = (d3 / w - d1) * u, (d2 / v - d0) * u
    k1, k2 = d0 - c3, (d1 - u * d0) / sound
    c0, c4 = 0.5 * (k1 - k2) * down, 0.5 * (k1 + k2) * up
    waves = [
        c0 + c3 + c4 * up,
        c0 * down + c3 * u + c4 * up,
        c0 * v + c1 * v + c3 * v + c4 * v,
        c0 * w + c2 * w + c3 * w + c4 * w,
        c0 * (h - u * sound) + c1 * v**2 + c2 * w**2 + c3 * 0.5 * square + c4 * (h + u * sound),
    ]
    fluxes = [
        (s[1], p + s[1] * a[0], s[2] * a[1], s[3] * a[2], a[0] * (p + s[4]))
        for s, p, a in zip(sides, pressures, speeds, strict=True)
    ]
    return sd.function([0.5 * (a + b - c) for a, b, c in zip(*fluxes, waves, strict=True)], [*left, *right])


def heart_dipole():
    """The human heart dipole problem of MINPACK-2."""
    x = sd.symbols("x1 x2 x3 x4 x5 x6 x7 x8")
    a, b, c, d, t, u, v, w = x
    cubes = [p * (p**2 - 3 * q**2) for p, q in ((t, v), (v, t), (u, w), (w, u))]
    results = [
        a + b - 0.485,
        c + d + 0.0019,
        t * a + u * b - v * c - w * d + 0.0581,
        v * a + w * b + t * c + u * d - 0.015,
        a * (t**2 - v**2) - 2 * c * t * v + b * (u**2 - w**2) - 2 * d * u * w - 0.105,
        c * (t**2 - v**2) + 2 * a * t * v + d * (u**2 - w**2) + 2 * b * u * w - 0.0406,
        a * cubes[0] + c * cubes[1] + b * cubes[2] + d * cubes[3] - 0.167,
        c * cubes[0] - a * cubes[1] + d * cubes[2] - b * cubes[3] + 0.399,
    ]
    return sd.function(results, list(x))


def propane():
    """The combustion of propane of MINPACK-2, its full formulation."""
    x = sd.symbols("x1 x2 x3 x4 x5 x6 x7 x8 x9 x10 x11")
    a, b, c, d, e, f, g, h, i, j, k = x
    pressure, ratio = 40.0, 10.0
    root = sd.sqrt(pressure / k)
    results = [
        a + d - 3,
        2 * a + b + d + g + h + i + 2 * j - ratio,
        2 * b + 2 * e + f + g - 8,
        2 * c + i - 4 * ratio,
        1.93e-1 * b * d - a * e,
        2.597e-3 * sd.sqrt(b * d) - sd.sqrt(a) * f * root,
        3.448e-3 * sd.sqrt(a * b) - sd.sqrt(d) * g * root,
        1.799e-5 * a - d * h * pressure / k,
        2.155e-4 * a * sd.sqrt(c) - d * i * root,
        3.846e-5 * a**2 - d**2 * j * pressure / k,
        k - a - b - c - d - e - f - g - h - i - j,
    ]
    return sd.function(results, list(x))


def black_scholes():
    """The price of a call: its first derivatives, whose Jacobian are the greeks of second order."""
    spot, strike, rate, sigma, time = names = sd.symbols("S K r sigma T")
    forward = sd.exp(rate * time) * spot
    normal = lambda z: (1 + sd.erf(z / math.sqrt(2))) / 2  # noqa: E731
    spread = sigma * sd.sqrt(time)
    first = (sd.log(forward / strike) + sigma**2 / 2 * time) / spread
    price = sd.exp(-rate * time) * (forward * normal(first) - strike * normal(first - spread))
    return sd.grad(sd.function(price, list(names)))


def gradient(make):
    return lambda: sd.grad(make())


def jacobian(make):
    return lambda: sd.jacobian(make())


def both(make):
    """The values and the Jacobian."""

    def made():
        f = make()
        return sd.function((f, sd.jacobian(f)))

    return made


def in_mode(make, mode):
    return lambda: sd.jacobian(make(), mode=mode)


def _harmonics(degrees):
    return lambda: harmonics(degrees)


MULTIPLICATIONS = "multiplications and divisions"
ELIMINATED = [
    ("arm of six joints", robot_arm, 231),
    ("Roe's flux, 1-D", roe_1d, 320),
    ("Roe's flux, 3-D", roe_3d, 784),
    ("human heart dipole", heart_dipole, 148),
    ("propane combustion", propane, 88),
    ("Black and Scholes, second order", black_scholes, 311),
]
"""Functions for which elimination orders were published, with the multiplications of the best: of elimination alone,
while ours are all of the program, with the values and the local partials."""

ROWS = [
    Row("Rosenbrock, n = 100", "value", rosenbrock),
    Row("Rosenbrock, n = 100", "gradient", gradient(rosenbrock), 891),
    Row("Rosenbrock, n = 100", "lower Hessian", lambda: sd.sparse_hessian(rosenbrock(), "x", triangle="lower"), 990),
    Row("Speelpenning's product, n = 50", "value", speelpenning),
    Row("Speelpenning's product, n = 50", "gradient", gradient(speelpenning), 144),
    Row("determinant, 4 × 4, by cofactors", "value", determinant, 45),
    Row("determinant, 4 × 4, by cofactors", "gradient", gradient(determinant), 160),
    Row("rotation of a quaternion", "value", rotation),
    Row("rotation of a quaternion", "Jacobian", jacobian(rotation), 18),
    *(
        row
        for degrees, most in ((5, 131), (9, 585), (20, 3324))
        for row in (
            Row(f"solid harmonics, L = {degrees}", "value", _harmonics(degrees)),
            Row(f"solid harmonics, L = {degrees}", "value and Jacobian", both(_harmonics(degrees)), most),
        )
    ),
    Row("reactions of 20 species", "value", reactions),
    Row("reactions of 20 species", "Jacobian", lambda: sd.jacobian(reactions(), "x")),
    Row("pendulum of 10 links", "value", pendulum),
    Row("pendulum of 10 links", "Jacobian", jacobian(pendulum)),
    Row("bow tie, 20 to 1 to 20", "value", bow_tie),
    Row("bow tie, 20 to 1 to 20", "Jacobian", jacobian(bow_tie), 550),
    *(Row(title, "Jacobian", jacobian(make), most, MULTIPLICATIONS) for title, make, most in ELIMINATED),
]
