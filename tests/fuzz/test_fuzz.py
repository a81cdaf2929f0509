"""A small part of `python -m tests.fuzz`, and that it would see what it looks for."""

import os
import sys

import pytest

from tests.fuzz import __main__ as fuzzing


@pytest.mark.parametrize(("kind", "count"), [("text", 100), ("program", 4)])
def test_nothing_goes_wrong(kind, count):
    assert fuzzing.fuzz(kind, count, 1, start=1_000_000) == []


@pytest.mark.parametrize(("line", "what"), [
    ("import os; os.abort()", "ended with -6"), ("import time; time.sleep(60)", "hangs"), ("1/0", "ZeroDivisionError"),
])  # fmt: skip
def test_crashes_hangs_and_foreign_errors_are_found(line, what, monkeypatch, tmp_path):
    script = tmp_path / "child.py"
    script.write_text(
        f"import sys\nsys.path.insert(0, {os.getcwd()!r})\nfrom tests.fuzz import __main__ as fuzzing\n"
        f"def run(kind, seed):\n    if seed == 3:\n        {line}\n"
        "fuzzing.run = run\nfuzzing.child('text', *map(int, sys.argv[1:]))\n"
    )
    monkeypatch.setattr(fuzzing, "PATIENCE", 0.5)
    monkeypatch.setattr(fuzzing, "command", lambda kind, *ends: [sys.executable, str(script), *map(str, ends)])
    ((seed, found),) = fuzzing.fuzz("text", 6, 1)
    assert seed == 3
    assert what in found
