"""All ways to derivatives of orders 1 to 3 agree, on random functions and on formulas of files.

    python -m tests.agreement --graphs 2000 --jobs 1 FORMULAS.jsonl …

Formulas in numbers are compared with differences of sixty digits, programs on arrays with differences. Files have JSON
lines: formulas with `expr`, `vars` and `points`, functions of a vector x with `vector_expr`, `n` and `points`, and
programs on arrays with `expr`, `inputs`, `wrt` and `derivative_value`. What disagrees is printed with its seed;
`python -m tests.agreement --show 123` prints one and all of its ways. The exit status is 0 where all agree.
"""

import argparse
import concurrent.futures
import multiprocessing
import sys
from pathlib import Path

import numpy as np

from tests.agreement.checks import check, check_line, disagreements, file_cases, random_case


def main():
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.agreement", description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="*", metavar="FORMULAS.jsonl")
    parser.add_argument("--graphs", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--show", type=int, metavar="SEED", help="show one")
    options = parser.parse_args()
    if options.show is not None:
        case, point = random_case(options.show)
        print(case.scalar, point, sep="\n")
        for order in (1, 2, 3):
            for name, way in case.ways(order):
                value = way(point)
                print(order, name, np.asarray(getattr(value, "value", value)).round(6).tolist())
        print(*disagreements(case, point)[0], sep="\n")
        return 0
    seeds = range(options.seed, options.seed + options.graphs)
    context = multiprocessing.get_context("spawn")
    wrong = total = bad = 0
    with concurrent.futures.ProcessPoolExecutor(options.jobs, mp_context=context) as pool:
        for path in options.files:
            lines, own, differ = list(file_cases(path)), 0, 0
            for line, (found, pairs) in zip(lines, pool.map(check_line, lines), strict=True):
                own += pairs
                differ += bool(found)
                for what in found:
                    print(f"{line['id']}: {what}", flush=True)
            print(f"{Path(path).stem}: {len(lines)} formulas, {own:,} pairs, {differ} disagree", flush=True)
            wrong += differ
        for seed, (found, pairs) in zip(seeds, pool.map(check, seeds, chunksize=10), strict=True):
            total += pairs
            bad += bool(found)
            for what in found:
                print(f"seed {seed}: {what}", flush=True)
            if (seed + 1 - options.seed) % 100 == 0:
                print(f"{seed + 1 - options.seed} done", file=sys.stderr, flush=True)
    print(f"{len(seeds)} random functions, {total:,} pairs, {bad} functions disagree", flush=True)
    return 1 if wrong or bad else 0


if __name__ == "__main__":
    sys.exit(main())
