"""No byte is touched beside an operand or a constant: see guard_pages.py."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="protects pages as Linux does")

ROOT = Path(__file__).parents[2]


def explore(seed, count):
    done = subprocess.run([sys.executable, "-m", "tests.codegen.guard_pages", str(seed), str(count)],
                          capture_output=True, text=True, timeout=600, cwd=ROOT)  # fmt: skip
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-3000:]
    assert done.stdout.count("\n") >= count / 2


def test_random_programs():
    explore(1, 60)


def test_code_for_many_sizes():
    explore("open", 1)


@pytest.mark.heavy
def test_code_for_many_more_sizes():
    explore("open", 40)


@pytest.mark.heavy
@pytest.mark.parametrize("seed", range(2, 8))
def test_many_random_programs(seed):
    explore(seed, 400)
