"""From the start of a process: `python tests/benchmarks/start.py`.

Each line is a process of its own, with its modules compiled before; NumPy's import, the measure, takes turns with the
others. Printed are medians, and their ratios to NumPy's.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FUNCTION = "import symdiff as sd; f = sd.function('f(x, y) = x**2*y')"
LINES = {
    "import numpy": "import numpy",
    "import symdiff": "import symdiff",
    "a function": FUNCTION,
    "its first value": f"{FUNCTION}; f(1.0, 2.0)",
    "a first gradient": "import symdiff as sd; g = sd.grad('f(x, y) = x**2*y'); g(1.0, 2.0)",
    "one from a file": "import symdiff as sd; g = sd.load(FILE, code=True); g(*[0.5]*128)",
}
SAVE = """import symdiff as sd
names = [f"x{k}" for k in range(128)]
sd.grad(" + ".join(f"sin({n})*{m}" for n, m in zip(names, names[1:] + names[:1])), names).save(FILE, code=True)"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        file = repr(os.path.join(folder, "g.symdiff"))

        def run(code: str) -> float:
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code.replace("FILE", file)], env=environment, check=True)
            return time.perf_counter() - start

        run(SAVE)
        times: dict[str, list[float]] = {name: [] for name in LINES}
        for code in LINES.values():
            run(code)  # compiles its modules
        for _ in range(rounds):
            for name, code in LINES.items():
                times[name].append(run(code))
    medians = {name: statistics.median(found) for name, found in times.items()}
    for name, median in medians.items():
        print(f"{name:20} {median:6.3f} s {median / medians['import numpy']:6.2f}")


if __name__ == "__main__":
    main()
