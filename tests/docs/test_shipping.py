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

NEEDS = {"embedded": ("gcc",), "cmake": ("cmake", "g++"), "browser": ("node",)}

SAID = {
    "embedded": "3.0 s: angle  0.0009, torque  -0.0035",
    "cmake": "a = 2.511375, b = 0.803457, loss = 1.792e-04",
    "browser": "131 steps to (1.0440, 0.0000), height -0.6283",
}

PAGE_IN_NODE = """
const drawn = { lines: 0 }, said = {}, image = { data: new Uint8ClampedArray(4 * 480 * 480) };
const context = {
  createImageData: () => image, putImageData() {}, beginPath() {}, lineTo: () => drawn.lines++, stroke() {},
};
let click;
const canvas = { width: 480, height: 480, getContext: () => context, addEventListener: (_, f) => { click = f; } };
globalThis.document = { getElementById: (id) => (id === "map" ? canvas : said) };
await import("./page.mjs");
click({ offsetX: 400, offsetY: 120 });
console.log(image.data.slice(0, 4).join(), drawn.lines, said.textContent);
"""
"""The page with a stand-in for the browser's document, on which someone clicks."""


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
    said = run(lines, *examples)
    assert SAID[name] in said.splitlines()[-1]
    if name == "browser":
        (examples[0] / "examples" / "browser" / "here.mjs").write_text(PAGE_IN_NODE)
        said = run("cd examples/browser; node here.mjs", *examples)
        assert said == "241,237,135,255 132 131 steps to (1.0440, 0.0000), height -0.6283\n"


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_the_module_of_python(examples):
    (lines,) = [block for block in BLOCKS["sh"] if "--as ctypes" in block]
    code = "import curve; print(curve.loss_value_and_grad([2.0, 0.0], [1.0]*20, [3.0]*20)[0])"
    assert run(f"{lines}cd build/python; '{sys.executable}' -c '{code}'", *examples).endswith("\n1.0\n")


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
