"""The same text gives the same program, plan and machine code in every process, and another one is told apart."""

import os
import subprocess
import sys
from pathlib import Path

import symdiff as sd
from tests.replay.__main__ import compare, read
from tests.replay.cases import replayed

ROOT = Path(__file__).resolve().parents[2]


def written(path, seed):
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    command = [sys.executable, "-m", "tests.replay", "write", str(path), "--small"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return path


def test_nothing_depends_on_the_hash_seed(tmp_path):
    one, other = written(tmp_path / "one.txt", "1"), written(tmp_path / "other.txt", "2")
    assert compare(one, other) == []
    found = read(one)
    assert len(found) > 140
    assert len({code for _, _, code in found.values()}) > len(found) / 3
    assert sum(plan != "-" for _, plan, _ in found.values()) > len(found) / 2


def test_differences_are_told():
    first = replayed(lambda: sd.function("f(x) = 2*x + 1"), [3.0])
    assert first == replayed(lambda: sd.function("g(y) = 2*y + 1"), [3.0])
    program, plan, code = replayed(lambda: sd.function("f(x) = 2*x + 3"), [3.0])
    assert (program != first[0], plan == first[1], code != first[2]) == (True, True, True)


def test_files_are_compared(tmp_path):
    before, after = tmp_path / "before.txt", tmp_path / "after.txt"
    before.write_text("a\t1\t2\t3\nb\t1\t2\t3\n")
    after.write_text("a\t1\t5\t6\nc\t1\t2\t3\n")
    lines = compare(before, after)
    assert [line.partition(":")[0] for line in lines] == ["b", "c", "a"]
    assert lines[-1] == "a: another plan, code"
