"""What mypy says of programs of users: nothing of right ones, and what is wrong of wrong ones."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

RIGHT = """
import numpy as np

import symdiff as sd

f = sd.function("f(x, y) = x*y")
total: float = f(1.0, 2.0) + 1
values = f(np.ones(3), 2.0)
shape: tuple[int, ...] = values.shape
value, slope = sd.value_and_grad(f, "x")(1.0, 2.0)
x, y = sd.symbols("x y")
e: sd.Expr = sd.sin(x) * y + sd.where(x > 0, x, y)
number: float = sd.sin(1.0)
inlined: sd.Expr = f(x, 2.0)
shown: sd.Expr = sd.grad(f, "x").expr
g: sd.Function = sd.hessian(f)
compiled: sd.CompiledFunction = g.compile(opt=2)
matrix = compiled(1.0, 2.0)
print(matrix[0, 1], f.inputs, f.stats()["operations"])
"""

WRONG = [
    ("f.notthere", '"Function" has no attribute "notthere"'),
    ("sd.nothere", 'Module has no attribute "nothere"'),
    ('sd.function("x", input=["x"])', 'Unexpected keyword argument "input"'),
    ('sd.grad(f, wrtt="x")', 'Unexpected keyword argument "wrtt"'),
    ("f.compile(optt=2)", 'Unexpected keyword argument "optt"'),
    ("a: str = f(1.0, 2.0)", "Incompatible types in assignment"),
    ("b: dict[str, int] = sd.sin(x)", "Incompatible types in assignment"),
    ("c: str = f.expr", "Incompatible types in assignment"),
    ("f.compile()(1.0, 2.0).nothere", 'has no attribute "nothere"'),
]


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    """What mypy says of a program, its lines by number."""
    folder = tmp_path_factory.mktemp("user")

    def run(text):
        (folder / "user.py").write_text(text)
        command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--no-error-summary",
                   "--config-file=", f"--cache-dir={folder / 'cache'}", "user.py"]  # fmt: skip
        done = subprocess.run(command, cwd=folder, env={"MYPYPATH": str(ROOT), "PATH": ""}, capture_output=True,
                              text=True, timeout=600)  # fmt: skip
        lines = [line.split(":", 3) for line in done.stdout.splitlines() if ": error:" in line]
        assert not done.stderr, done.stderr
        return {int(number): message for _, number, _, message in lines}

    return run


def test_right_and_wrong_programs(check):
    assert check(RIGHT) == {}
    found = check("\n".join(['import symdiff as sd; f = sd.function("f(x, y) = x*y"); x = sd.symbol("x")',
                             *(line for line, _ in WRONG)]))  # fmt: skip
    for number, (line, message) in enumerate(WRONG, 2):
        assert message in found.get(number, ""), line
    assert len(found) == len(WRONG)
