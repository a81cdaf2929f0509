"""The commands of docs/shipping.md are run as they stand there, and its texts are those of the examples."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "shipping.md").read_text(encoding="utf-8")
BLOCKS = {name: re.findall(rf"(?ms)^```{name}\n(.*?)^```", PAGE) for name in ("sh", "cmake", "cpp", "js")}

NEEDS = {"embedded": ("gcc",), "cmake": ("cmake", "g++")}

SAID = {
    "embedded": "3.0 s: angle  0.0009, torque  -0.0035",
    "cmake": "a = 2.511375, b = 0.803457, loss = 1.792e-04",
}


@pytest.fixture
def examples(tmp_path):
    """A copy of the examples, and the environment in which `symdiff` is the command of this tree."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("build"))
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "symdiff"
    code = "import sys; from symdiff.cli import main; sys.exit(main())"
    command.write_text(f"#!/bin/sh\nPYTHONPATH='{ROOT}' exec '{sys.executable}' -c '{code}' \"$@\"\n")
    command.chmod(0o755)
    return tmp_path, {**os.environ, "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def run(lines, folder, environment):
    command = ["bash", "-euo", "pipefail", "-c", lines]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", NEEDS)
def test_the_commands_of_an_example(examples, name):
    missing = [tool for tool in ("bash", *NEEDS[name]) if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)}: not installed")
    (lines,) = [block for block in BLOCKS["sh"] if block.startswith(f"cd examples/{name}\n")]
    assert SAID[name] in run(lines, *examples).splitlines()[-1]


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="there is no compiler for ARM's controllers")
def test_the_controller_is_compiled_for_arm(examples):
    folder, environment = examples
    generate, cross = [block.splitlines() for block in BLOCKS["sh"] if "cost.c" in block]
    run("\n".join([*generate[:2], *cross]), folder, environment)


def test_the_texts_of_the_page_are_those_of_the_examples():
    (cmake,) = BLOCKS["cmake"]
    assert cmake in (ROOT / "examples" / "cmake" / "CMakeLists.txt").read_text()
    (cpp,) = BLOCKS["cpp"]
    given = (ROOT / "examples" / "cmake" / "main.cpp").read_text()
    assert all(line in given for line in cpp.splitlines())
    formulas = (ROOT / "examples" / "embedded" / "cost.txt").read_text()
    (text,) = re.findall(r"(?ms)^```text\n(.*?)^```", PAGE)
    assert all(line in formulas for line in text.splitlines() if line != "...")
