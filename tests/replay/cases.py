"""What is replayed: formulas of files, whole-array functions, functions with open sizes, random texts and programs."""

import itertools
import json
import warnings
from pathlib import Path

import numpy as np

import symdiff as sd
from symdiff.optimize.program import TensorProgram
from tests.benchmarks.array_cases import cases as array_cases
from tests.functions.open_formulas import FORMULAS, RANKS, arguments, names
from tests.fuzz.generate import program, text
from tests.replay.digest import digest, recorded

LARGEST = 200_000
"""Elements of the largest array of a case that is run in the small set."""


def replayed(make, *points):
    """The digests of a function: its program, its plan, its machine code for these points; or its error's."""
    with warnings.catch_warnings(), recorded() as objects:
        warnings.simplefilter("ignore")
        try:
            f = make()
            for point in points:
                f(*point)
            made = f.specialize(*points[0]) if hasattr(f, "specialize") else f
            code = made._program()
        except sd.SymdiffError as error:
            return digest(f"{type(error).__name__}: {error}"), "-", "-"
    plan = code.plan if isinstance(code, TensorProgram) else "scalar"
    parts = (code.graph, code.inputs, code.outputs, code.types)
    return digest(parts), digest(plan), digest(list(objects))


def formulas(path, limit=None):
    """The value, the gradient and the Hessian of each formula of a file: JSON lines with `expr`, `vars`, `points`."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    for k, case in enumerate(map(json.loads, lines[:limit])):
        if "expr" not in case or not case.get("vars"):
            continue
        wanted, point = case["vars"], [float(v) for v in (case.get("points") or [case])[0]["x"]]
        batch = [np.array([v, v + 0.25, v]) for v in point]
        for title, transform in (("value", None), ("grad", sd.grad), ("hessian", sd.hessian)):

            def make(case=case, wanted=wanted, transform=transform):
                f = sd.function(case["expr"], wanted)
                return f if transform is None else transform(f, wanted)

            yield f"{Path(path).name} {k} {title}", replayed(make, point, batch)


def arrays(small):
    """The whole-array functions of the benchmarks."""
    for case in array_cases(np.random.default_rng(3)):
        if not small or sum(np.size(a) for a in case.arguments) < LARGEST:
            f = case.function
            yield f"array {case.title}", replayed(lambda f=f: sd.function(f), case.arguments)


def open_sizes(step):
    """Functions of arrays of any size, for two sets of sizes: one made for them alone, one that serves others, too."""
    for title, (source, transform) in itertools.islice(FORMULAS.items(), 0, None, step):
        numbers = np.random.default_rng(5)
        f = sd.function(source)
        sizes = names(f, RANKS.get(title, 1))
        points = [arguments(f, {n: least + k for k, n in enumerate(sizes)}, numbers) for least in (4, 40)]
        yield f"open {title}", replayed(lambda f=f, transform=transform: transform(f), *points)


def randoms(texts, programs):
    """Random texts and programs, their values and gradients."""
    with sd.limits("untrusted"):
        for kind, count in (("text", texts), ("program", programs)):
            for seed in range(count):
                source, shapes = (text(seed), dict.fromkeys("xyz", ())) if kind == "text" else program(seed)
                numbers = np.random.default_rng(seed)
                point = [numbers.normal(size=shape) if shape else float(numbers.normal()) for shape in shapes.values()]
                wrt = tuple(n for n, shape in shapes.items() if shape) or "x"
                yield f"{kind} {seed}", replayed(lambda s=source, h=shapes: sd.function(s, h), point)
                yield f"{kind} {seed} grad", replayed(lambda s=source, h=shapes, w=wrt: sd.grad(sd.function(s, h), w),
                                                      point)  # fmt: skip


def all_cases(paths=(), texts=60, programs=8, small=True):
    """(title, digests) of every case; `small`: few of each."""
    for path in paths:
        yield from formulas(path)
    yield from arrays(small)
    yield from open_sizes(4 if small else 1)
    yield from randoms(texts, programs)
