"""Emitted C of many functions beside the interpreter and native code.

    python -m tests.emitted --random 1000
    python -m tests.emitted FORMULAS.jsonl …

The formulas are JSON lines with `expr`, `vars` and `points`. Of each, value, gradient and Hessian are in a file, which
is compiled with -std=c99 -pedantic -Wall -Werror. Printed is what does not agree; the exit status is 0 where all does.
"""

import argparse
import json
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

import symdiff as sd
from symdiff.interpret import evaluate
from tests.emitted import called, called_here, library, ulps
from tests.fuzz.generate import scalar

CHUNK = 25


def random_text(seed):
    """A text of numbers in x, y, z, with named lines."""
    import random

    r = random.Random(f"emitted {seed}")
    lines, names = [], ["x", "y", "z"]
    for k in range(r.choice((0, 1, 2, 4))):
        lines.append(f"v{k} = {scalar(r, 3, names)}")
        names.append(f"v{k}")
    return "\n".join([*lines, scalar(r, r.randint(2, 5), names)])


def points(seed, size):
    """Points of normal numbers, and some with zeros, signs, infinities and NaN."""
    numbers = np.random.default_rng(seed)
    special = numbers.choice([0.0, -0.0, 1.0, -1.0, 2.0, np.inf, -np.inf, np.nan, 1e300, 5e-324], (3, size))
    return [*numbers.normal(size=(4, size)), *special]


def interpreted(f, at, fp):
    """What the interpreter gives for the program that was made of a function: a row for each point."""
    program = f._program(fp)
    graph, columns = program.graph, np.array(at, float).T
    starts = np.cumsum([0, *(int(np.prod(t.shape, dtype=int)) for t in program.inputs)])
    known = {
        node: columns[starts[graph.payloads[node][0]] + graph.payloads[node][1]]
        for node in range(len(graph))
        if graph.ops[node].name == "input"
    }
    found = evaluate(graph, program.roots, known)
    rows = [np.broadcast_to(np.asarray(v, float), len(at)) for v in found]
    return np.array(rows).T if rows else np.zeros((len(at), 0))


def disagreements(functions, cases, directory, fp="contract"):
    """Where the C of named functions differs from the interpreter and from native code; and how many were compared.

    `cases` gives the points for each name.
    """
    first, *rest = functions.values()
    made = library(first.c(*rest, names=list(functions), fp=fp), directory)
    wrong, compared = [], 0
    for name, f in functions.items():
        native = f.compile(fp=fp)
        for point, expected in zip(cases[name], interpreted(f, cases[name], fp), strict=True):
            status, found = called(made[name], f, point)
            _, own = called_here(f, native, point)
            compared += len(found)
            apart = max(ulps(found, own).max(initial=0), ulps(found, expected).max(initial=0))
            if status or apart:
                wrong.append((name, list(point), found, own, expected, apart))
    return wrong, compared


def random_functions(seeds):
    """Functions of random texts, by name, with points: those that C has."""
    functions, cases = {}, {}
    for seed in seeds:
        try:
            with sd.limits("untrusted"):
                f = sd.function(random_text(seed), ["x", "y", "z"])
                if seed % 2:
                    f = sd.value_and_grad(f)
                f.c()
        except sd.SymdiffError:
            continue
        functions[f"f{seed}"], cases[f"f{seed}"] = f, points(seed, 3)
    return functions, cases


def of_corpus(path):
    """Value, gradient and Hessian of the formulas of a file, with their points."""
    for k, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines()):
        case = json.loads(line)
        names = case["vars"]
        f = sd.function(case["expr"], names)
        functions = {f"f{k}": f, f"f{k}_gradient": sd.grad(f, names), f"f{k}_hessian": sd.hessian(f, names)}
        at = [[float(x) for x in p["x"]] for p in case["points"]]
        yield functions, dict.fromkeys(functions, at)


def main():
    """Compare, and print what differs."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("corpora", nargs="*", metavar="FORMULAS.jsonl")
    options.add_argument("--random", type=int, default=0, metavar="N", help="so many random programs")
    options.add_argument("--strict", action="store_true", help='with fp="strict"')
    given = options.parse_args()
    batches = [batch for path in given.corpora for batch in of_corpus(path)]
    seed = done = 0
    while done < given.random:
        batch = random_functions(range(seed, seed + CHUNK))
        seed, done = seed + CHUNK, done + len(batch[0])
        batches.append(batch)
    wrong, files, functions, compared = [], 0, 0, 0
    with tempfile.TemporaryDirectory() as directory, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for start in range(0, len(batches), CHUNK):
            own, cases = {}, {}
            for some, at in batches[start : start + CHUNK]:
                own.update(some)
                cases.update(at)
            place = Path(directory) / str(start)
            place.mkdir()
            found, count = disagreements(own, cases, place, "strict" if given.strict else "contract")
            wrong, files, functions, compared = wrong + found, files + 1, functions + len(own), compared + count
    for row in wrong:
        print(*row)
    print(f"{functions} functions in {files} files, {compared} numbers, {len(wrong)} points that differ")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
