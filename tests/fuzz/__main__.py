"""Random texts and programs in child processes: no signal, no hang, no exception outside symdiff's family.

    python -m tests.fuzz --texts 200000 --programs 20000 --jobs 2

Each is read, called, differentiated, batched, printed and pickled under the limits for strangers. What goes wrong is
printed with its seed; `python -m tests.fuzz --show text 123` prints and runs one. The exit status is 0 where nothing
went wrong.
"""

import argparse
import itertools
import pickle
import queue
import subprocess
import sys
import threading
import time
import traceback
import warnings

import numpy as np

from tests.fuzz.generate import program, text

PATIENCE = 10.0
"""Seconds of processor time for one text; by the clock six times as many, for a machine that others use, too."""

START = 120.0
"""Seconds by the clock until a child has begun its first text."""

CHUNK = 250


def run(kind, seed):
    """Do everything with one text or program; errors of the family are fine."""
    import symdiff as sd

    numbers = np.random.default_rng(seed)
    if kind == "text":
        source, shapes = text(seed), dict.fromkeys("xyz", ())
    else:
        source, shapes = program(seed)
    point = [numbers.normal(size=shape) if shape else float(numbers.normal()) for shape in shapes.values()]
    batch = [np.stack([p, p]) for p in point]

    def tried(action):
        try:
            return action()
        except sd.SymdiffError as error:
            return str(error) and None

    with warnings.catch_warnings(), sd.limits("untrusted"):
        warnings.simplefilter("ignore")
        f = tried(lambda: sd.function(source, shapes))
        if f is None:
            return
        tried(lambda: f(*point))
        tried(lambda: f(*batch))
        tried(lambda: str(f) + repr(f) + f.ssa())
        tried(lambda: pickle.loads(pickle.dumps(f))(*point))
        for transform in (sd.grad, sd.jacobian):
            g = tried(lambda transform=transform: transform(f, ("x", "y")))
            if g is not None:
                tried(lambda g=g: g(*point))
        if kind == "program":
            g = tried(lambda: sd.grad(f, tuple(shapes)))
            if g is not None:
                tried(lambda: g(*batch))
                tried(lambda: sd.hessian(f, "s")(*point))


def child(kind, first, last):
    """Run some seeds, and say of each that it begins and how it ended."""
    for seed in range(first, last):
        print("begin", seed, flush=True)
        start = time.process_time()
        try:
            run(kind, seed)
        except BaseException:  # that is what is looked for
            print("failed", seed, repr(traceback.format_exc(limit=-3)), flush=True)
        if time.process_time() - start > PATIENCE:
            print("failed", seed, repr(f"{time.process_time() - start:.1f} s"), flush=True)
    print("done", flush=True)


def command(kind, first, last):
    """What starts a child."""
    return [sys.executable, "-m", "tests.fuzz", "--child", kind, str(first), str(last)]


def watch(kind, first, last):
    """Run seeds in a child; what went wrong as (seed, what), and the seed to go on with."""
    process = subprocess.Popen(command(kind, first, last), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = queue.Queue()

    def read():
        for line in itertools.chain(iter(process.stdout.readline, ""), ("",)):
            lines.put(line)

    threading.Thread(target=read).start()
    seed, wrong, wait = first, [], START
    while True:
        try:
            line = lines.get(timeout=wait)
        except queue.Empty:
            process.kill()
            process.communicate()
            return [*wrong, (seed, "hangs")], seed + 1
        word, _, rest = line.strip().partition(" ")
        if word == "done":
            process.communicate()
            return wrong, last
        if word == "begin":
            seed, wait = int(rest), 6 * PATIENCE
        elif word == "failed":
            wrong.append((seed, rest.partition(" ")[2]))
        else:
            _, errors = process.communicate()
            return [*wrong, (seed, f"the process ended with {process.returncode}: {errors[-300:]}")], seed + 1


def fuzz(kind, count, jobs, start=0):
    """Run `count` seeds in child processes; what went wrong."""
    chunks, found, lock = itertools.count(start, CHUNK), [], threading.Lock()

    def work():
        while True:
            with lock:
                first = next(chunks)
            end = min(first + CHUNK, start + count)
            if first >= start + count:
                return
            while first < end:
                wrong, first = watch(kind, first, end)
                for seed, what in wrong:
                    print(f"{kind} {seed}: {what}", flush=True)
                found.extend(wrong)

    threads = [threading.Thread(target=work) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def main():
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--programs", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--show", nargs=2, metavar=("KIND", "SEED"), help="run one: text or program, and its seed")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        kind, first, last = options.child
        child(kind, int(first), int(last))
        return 0
    if options.show:
        kind, seed = options.show[0], int(options.show[1])
        print(text(seed) if kind == "text" else program(seed)[0])
        run(kind, seed)
        return 0
    wrong = []
    for kind, count in (("text", options.texts), ("program", options.programs)):
        found = fuzz(kind, count, options.jobs, options.seed)
        print(f"{count} {kind}s: {len(found)} went wrong", flush=True)
        wrong += found
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
