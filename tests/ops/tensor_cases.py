"""Every operation on tensors: shapes with 0 and 1, batches, broadcasting, and what NumPy gives for real and complex."""

import numpy as np

F = {}  # name → reference (operands..., payload) on NumPy arrays, complex ones for the complex step


def reference(name):
    def add(f):
        F[name] = f
        return f

    return add


F["stack"] = lambda *a: np.stack(a[:-1])
F["concatenate"] = lambda *a: np.concatenate(a[:-1], a[-1])
F["index"] = lambda x, p: x[tuple(slice(*k) if isinstance(k, tuple) else k for k in p)]
F["broadcast"] = np.broadcast_to
F["reshape"] = np.reshape
F["transpose"] = np.transpose
F["diagonal"] = lambda x, p: np.diagonal(x, 0, *p)
F["sum"] = lambda x, p: np.sum(x, axis=p)
F["prod"] = lambda x, p: np.prod(x, axis=p)
F["norm"] = lambda x, p: np.sqrt(np.sum(x * x, axis=p))
F["any"] = lambda x, p: np.any(x, axis=p)
F["all"] = lambda x, p: np.all(x, axis=p)
F["gather"] = np.take
F["solve"] = lambda a, b, p: np.linalg.solve(a, b)
F["inv"] = lambda a, p: np.linalg.inv(a)
F["det"] = lambda a, p: np.linalg.det(a)
F["det_sign"] = lambda a, p: np.sign(np.linalg.det(a).real)
F["adjugate"] = lambda a, p: np.linalg.det(a)[..., None, None] * np.linalg.inv(a)
F["logdet"] = lambda a, p: np.log(np.linalg.det(a))
F["packed_svd"] = lambda a, p: by_matrix(a, factors)
F["pinv"] = lambda a, p: by_matrix(a, inverse_of_rows)
F["argsort"] = lambda x, p: np.argsort(x, -1, "stable")
F["as_index"] = lambda x, p: np.rint(x).astype(int)
F["iota"] = lambda p: np.indices(p[0])[p[1]]


def by_matrix(a, routine):
    """A function of matrices on a stack."""
    found = [routine(one) for one in a.reshape(-1, *a.shape[-2:])]
    return np.reshape(found, (*a.shape[:-2], *np.shape(found)[1:])) if found else np.zeros((*a.shape[:-2], 0))


def factors(a):
    """The thin singular value decomposition, as functions of complex numbers: by the eigenvalues of a product."""
    wide = len(a) < len(a[0])
    tall = a.T if wide else a
    values, v = np.linalg.eig(tall.T @ tall)
    order = np.argsort(-values.real)
    s, v = np.sqrt(values[order]), v[:, order]
    v = v / np.sqrt(np.sum(v * v, axis=0))
    u, v = (v, (tall @ v) / s) if wide else ((tall @ v) / s, v)
    signs = np.sign(np.sum(v.real * np.linalg.svd(np.real(a), full_matrices=False)[2].T, axis=0))
    return np.concatenate([(u * signs).ravel(), s, (v * signs).T.ravel()])


def inverse_of_rows(a):
    """The pseudo-inverse of a matrix of full rank."""
    return np.linalg.inv(a.T @ a) @ a.T if len(a) >= len(a[0]) else a.T @ np.linalg.inv(a @ a.T)


@reference("scatter")
def _(x, p):
    out = np.zeros(p[1], x.dtype)
    out[tuple(slice(*k) if isinstance(k, tuple) else k for k in p[0])] = x
    return out


@reference("scatter_add")
def _(g, i, p):
    axis, size = p
    out = np.zeros((*g.shape[:axis], size, *g.shape[axis + i.ndim :]), g.dtype)
    np.add.at(out, (*(slice(None),) * axis, i), g)
    return out


@reference("einsum")
def _(*a):
    (labels, output), letters = a[-1], "abcdefghij"
    spell = lambda own: "".join(letters[k] for k in own)  # noqa: E731
    return np.einsum(",".join(map(spell, labels)) + "->" + spell(output), *a[:-1])


def extremum(find):
    def f(x, axes):
        rest = [k for k in range(x.ndim) if k not in axes]
        if not x.size:
            return np.zeros([x.shape[k] for k in rest], x.dtype)
        flat = np.transpose(x, [*rest, *axes]).reshape(*[x.shape[k] for k in rest], -1)
        return np.take_along_axis(flat, find(flat.real, axis=-1)[..., None], -1)[..., 0]

    return f


F["amax"], F["amin"] = extremum(np.argmax), extremum(np.argmin)


@reference("cumsum")
def _(x, p):
    axis, reverse = p
    return np.flip(np.cumsum(np.flip(x, axis), axis), axis) if reverse else np.cumsum(x, axis)


@reference("recurrence")
def _(a, b, p):
    axis, reverse = p
    a, b = (np.flip(v, axis) if reverse else v for v in (a, b))
    a, b = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
    h = [b[0]] if len(b) else []
    for k in range(1, len(b)):
        h.append(a[k] * h[-1] + b[k])
    out = np.moveaxis(np.array(h).reshape(b.shape), 0, axis)
    return np.flip(out, axis) if reverse else out


@reference("solve_triangular")
def _(t, b, p):
    lower, transposed = p
    t = np.tril(t) if lower else np.triu(t)
    return np.linalg.solve(np.swapaxes(t, -1, -2) if transposed else t, b)


@reference("cholesky")
def _(a, p):
    """Of the symmetric part; plain products, so that the complex step goes through."""
    a = (a + np.swapaxes(a, -1, -2)) / 2
    n = a.shape[-1]
    out = np.zeros(a.shape, a.dtype)
    for j in range(n):
        for i in range(j, n):
            rest = a[..., i, j] - (out[..., i, :j] * out[..., j, :j]).sum(-1)
            out[..., i, j] = np.sqrt(rest) if i == j else rest / out[..., j, j]
    return out


AXES = [((3,), (0,)), ((2, 3), (1,)), ((2, 3, 2), (0, 2)), ((2, 1, 3), (1, 2)), ((1,), (0,)), ((2, 0), (0,)),
        ((5, 4), (0,)), ((20,), (0,)), ((2, 3), (0, 1))]  # fmt: skip
NOTHING = [((0,), (0,)), ((2, 0, 3), (1,))]
SCANS = [((4,), (0, False)), ((4,), (0, True)), ((2, 3), (0, False)), ((2, 3, 2), (1, True)), ((1,), (0, False)),
         ((0,), (0, True)), ((2, 0), (0, False)), ((2, 2), (1, False))]  # fmt: skip
SQUARE = [((n,), None) for n in [(3, 3), (1, 1), (0, 0), (2, 3, 3), (2, 1, 4, 4), (0, 2, 2), (5, 5)]]
SYSTEMS = [[(3, 3), (3, 2)], [(1, 1), (1, 1)], [(2, 3, 3), (3, 1)], [(3, 3), (2, 3, 2)], [(2, 1, 2, 2), (3, 2, 2)],
           [(0, 0), (0, 2)], [(2, 2), (2, 0)], [(1, 2, 2), (4, 2, 1)]]  # fmt: skip
TRIANGLES = [(True, False), (True, True), (False, False), (False, True)]


def one(rows):
    return [([shape], payload) for shape, payload in rows]


def at(*indices):
    return np.array(indices[0] if indices else [], int)


RECTANGLES = [(1, 1), (3, 3), (4, 2), (2, 4), (3, 1), (1, 3), (2, 3, 2), (2, 1, 2, 2)]
MATRICES = ("inv", "det", "det_sign", "adjugate", "logdet", "cholesky")
# name → (shapes of the operands or indices, payload)
TABLE = {
    "stack": [([(2,)] * 3, None), ([()], None), ([(2, 0)] * 2, None), ([()] * 3, None)],
    "concatenate": [([(2, 3), (1, 3)], 0), ([(2, 3), (2, 0), (2, 1)], 1), ([(0,)], 0)],
    "index": one([
        ((4,), (1,)), ((4,), ((1, 4, 1),)), ((4,), ((3, None, -1),)), ((5, 3), ((0, 5, 2), 1)), ((5, 3), (2,)),
        ((5, 3), ((4, 1, 1),)), ((2, 3, 4), (0, (0, 3, 1), (3, None, -2))), ((0, 2), ((0, 0, 1),)),
        ((5,), ((4, 0, -3),)),
    ]),
    "scatter": one([
        ((), ((1,), (3,))), ((2,), (((1, 3, 1),), (4,))), ((2,), (((3, None, -2),), (4,))), ((3,), ((1,), (2, 3))),
        ((0,), (((2, 2, 1),), (4,))),
    ]),
    "broadcast": one([
        ((), (2, 3)), ((3,), (2, 3)), ((2, 1), (2, 3)), ((1,), (0,)), ((1, 3), (4, 2, 3)), ((1, 1), (1, 1)),
        ((), (0, 2)),
    ]),
    "reshape": one([((2, 3), (6,)), ((6,), (3, 1, 2)), ((), (1, 1)), ((0, 3), (0,))]),
    "transpose": one([
        ((2, 3), (1, 0)), ((2, 3, 4), (2, 0, 1)), ((3,), (0,)), ((0, 2), (1, 0)), ((), ()), ((1, 3, 1), (1, 2, 0)),
    ]),
    "diagonal": one([
        ((3, 3), (0, 1)), ((2, 4), (0, 1)), ((4, 2), (1, 0)), ((1, 3), (0, 1)), ((2, 3, 2), (0, 2)),
        ((3, 2, 4, 2), (3, 1)), ((0, 3), (0, 1)), ((0, 2, 2), (1, 2)), ((3, 5, 2), (2, 0)),
    ]),
    **{name: one(AXES + NOTHING) for name in ("sum", "prod", "norm", "any", "all")},
    **{name: one(AXES) for name in ("amax", "amin")},
    "einsum": [
        ([(2, 3), (3,)], (((0, 1), (1,)), (0,))), ([(2, 3), (3, 4)], (((0, 1), (1, 2)), (0, 2))),
        ([(3,), (3,)], (((0,), (0,)), ())), ([(3,), (2,)], (((0,), (1,)), (1, 0))),
        ([(2, 3, 4), (2, 4, 5)], (((0, 1, 2), (0, 2, 3)), (0, 1, 3))), ([(3,), (3,)], (((0,), (0,)), (0,))),
        ([(2, 3), (3, 2), (2,)], (((0, 1), (1, 2), (2,)), (0,))),
        ([(2, 0), (0, 3)], (((0, 1), (1, 2)), (0, 2))), ([(0, 2), (2,)], (((0, 1), (1,)), (0,))),
        ([(1, 1), (1, 3)], (((0, 1), (1, 2)), (2, 0))), ([(2, 20), (20, 2)], (((0, 1), (1, 2)), (0, 2))),
        ([(2, 3)] * 2, (((0, 1), (0, 1)), ())), ([(50, 40), (40, 40)], (((0, 1), (1, 2)), (2, 0))),
    ],
    "cumsum": one(SCANS),
    "recurrence": [([shape, shape], payload) for shape, payload in SCANS],
    "gather": [
        ([(4,), at([0, 3, 3])], 0), ([(3, 4), at([[0, 1], [-1, 1]])], 1), ([(3, 4, 2), at(2)], 1), ([(3, 2), at()], 0),
        ([(2, 0), at([1, 1])], 0), ([(0, 2), at()], 0),
    ],
    "scatter_add": [
        ([(3,), at([0, 3, 3])], (0, 4)), ([(3, 2, 2), at([[0, 1], [-1, 1]])], (1, 4)), ([(3, 2), at(2)], (1, 4)),
        ([(0, 2), at()], (0, 3)), ([(2, 0), at([1, 1])], (0, 2)),
    ],
    "argsort": one([((5,), None), ((2, 3), None), ((1,), None), ((0, 2), None), ((2, 0), None), ((3, 2, 130), None)]),
    "as_index": one([((3,), None), ((), None), ((0, 2), None)]),
    "iota": [([], ((3,), 0)), ([], ((2, 3), 1)), ([], ((0, 2), 1)), ([], ((1, 1, 4), 2))],
    **{name: [([shape], None) for (shape,), _ in SQUARE] for name in MATRICES},
    "packed_svd": [([shape], None) for shape in RECTANGLES],
    "pinv": [([shape], 1e-15) for shape in RECTANGLES],
    "solve": [(shapes, None) for shapes in SYSTEMS],
    "solve_triangular": [(shapes, payload) for shapes in SYSTEMS for payload in TRIANGLES],
}  # fmt: skip
CASES = [(name, shapes, payload) for name, rows in TABLE.items() for shapes, payload in rows]


def operands_of(name, shapes, seed=0):
    """Random operands: numbers away from kinks and ties, matrices that are well conditioned, conditions."""
    random = np.random.default_rng(seed + len(name))
    found = []
    for k, shape in enumerate(shapes):
        if isinstance(shape, np.ndarray):
            found.append(shape)
        elif name in ("any", "all"):
            found.append(random.random(shape) < 0.5)
        elif name == "cholesky":
            a = random.normal(size=shape)
            found.append(a @ np.swapaxes(a, -1, -2) + 2 * np.eye(shape[-1]))
        elif name in (*MATRICES, "packed_svd", "solve", "solve_triangular") and k == 0:
            found.append(random.normal(size=shape) + 4 * np.eye(*shape[-2:]))
        else:
            steps = random.permutation(np.prod(shape, dtype=int)).reshape(shape)
            found.append(0.3 * (steps % 12) + 0.01 * steps - 0.7 + 0.005 * random.random(shape))
    return found


def identify(case):
    name, shapes, payload = case
    show = lambda s: f"index{s.shape}" if isinstance(s, np.ndarray) else str(s)  # noqa: E731
    return f"{name}-{','.join(map(show, shapes))}-{payload}".replace(" ", "")
