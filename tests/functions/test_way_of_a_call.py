"""How far a call goes: through how many of our files, once nothing has to be loaded any more."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import sys
import numpy as np
import symdiff as sd

def entered(do):
    files = set()
    def note(frame, event, _):
        name = frame.f_code.co_filename
        if event == "call" and "/symdiff/" in name:
            files.add(name.rpartition("/symdiff/")[2])
    sys.setprofile(note)
    try:
        do()
    finally:
        sys.setprofile(None)
    return files

W, x = np.ones((50, 40)), np.ones(40)
sd.function("f(x[40], W[50, 40]) = sum((2.5*W @ x)**2)")(x, W)
f = sd.function("f(x[40], W[50, 40]) = sum((1.5*W @ x)**2)")
print(len(entered(lambda: f(x, W))), len(entered(lambda: f(x, W))))
g = sd.function("f(x, y) = sin(x*y) + exp(-x**2)")
g(1.0, 2.0)
print(len(entered(lambda: g(1.0, 2.0))))
"""


def test_files_entered_by_calls():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, cwd=ROOT, check=True)
    first, second, scalar = map(int, done.stdout.split())
    assert first <= 55
    assert second <= 3
    assert scalar == 0
