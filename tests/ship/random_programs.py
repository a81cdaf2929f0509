"""Random programs through every kind of file: `python -m tests.ship.random_programs --programs 1000`.

The answers of each are those of the interpreter, bit for bit, by `fp="strict"`. Objects, archives and assembly language
are linked by the C compiler, C and C++ compiled by it, LLVM's intermediate representation by llvmlite; the modules of
Python are loaded. WebAssembly has JavaScript's mathematical functions, so there programs that call none are held to the
bits, and others to 1e-6. Kernels are assembled by `ptxas`; those without libdevice's functions are also run: as the one
thread of a kernel, compiled for this machine from the module that `ptx` is made of.
"""

import argparse
import ctypes
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np

import symdiff as sd
from symdiff.interpret import evaluate
from symdiff.ship.emit import emit
from symdiff.ship.loaded import LoadedFunction
from symdiff.ship.package import KINDS
from tests.ship.c_programs import bits, flat, values
from tests.ship.test_arrays import random_functions
from tests.ship.test_ptx import NVPTX, PTXAS, assembled, threads

DEVICE = re.compile(r"@__nv_|@llvm\.nvvm\.(?!read\.ptx\.sreg\.)|@own\.__internal")
"""What only NVIDIA's processors have."""

PART = 100
"""Programs in one library."""

LINKED = {
    "so": [],
    "o": [],
    "a": ["-Wl,--whole-archive"],
    "s": [],
    "c": ["-std=c99", "-O1", "-Wall", "-Werror"],
    "ll": [],
}
"""The kinds that become shared libraries, and what the compiler is told for each."""

FILES = {"so": "libpart.so", "o": "part.o", "a": "libpart.a", "s": "part.s", "c": "part.c", "ll": "part.ll"}

ONE_BY_ONE = ("c", "wasm", "ptx")
"""The kinds that refuse some functions, and are written on their own."""

TOOLS = {"hpp": "g++", "wasm": "node", "ptx": PTXAS or "ptxas"}
"""What a kind takes beside the C compiler."""


def run(*command, **options):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=1200, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: {done.stderr[-2000:]}")
    return done.stdout


def accepted(functions, kind, folder):
    """Those of the functions that a kind of file can hold."""
    found = {}
    for name, f in functions.items():
        try:
            emit({name: f}, folder, kinds=kind, fp="strict")
        except sd.CompileError:
            continue
        found[name] = f
    return found


def by_library(functions, points, kind, folder):
    """The answers of a library that is linked of a kind of file."""
    path = made = folder / FILES[kind]
    if kind == "ll":
        path = folder / "compiled.o"
        path.write_bytes(compiled(made.read_text()))
    if kind != "so":
        made = folder / f"linked_{kind}.so"
        run("cc", "-shared", "-fPIC", *LINKED[kind], path, "-Wl,--no-whole-archive", "-lm", "-o", made)
    library = ctypes.CDLL(str(made))
    return {name: flat(LoadedFunction(library, name)(*points[name])) for name in functions}


def compiled(text):
    """The object of a module in LLVM's intermediate representation, which says what it is for."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(text)
    made = llvm.Target.from_triple(module.triple).create_target_machine(cpu="x86-64-v3", opt=2, reloc="pic")
    return made.emit_object(module)


def by_python(functions, points, folder):
    """The answers of the module of Python."""
    spec = importlib.util.spec_from_file_location(f"part_{folder.name}", folder / "part.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: flat(getattr(module, name)(*points[name])) for name in functions}


def by_threads(functions, points, folder):
    """The answers of kernels that call no function of libdevice; the others are assembled alone."""
    assembled(folder / "part.ptx")
    print(f"{len(functions)} kernels assembled", flush=True)
    found = {}
    for name, f in functions.items():
        emit({name: f}, folder / name, kinds="ll", target=NVPTX, fp="strict")
        if DEVICE.search((folder / name / f"{name}.ll").read_text()) is None:
            inputs = [np.asarray(x, np.float64)[np.newaxis] for x in points[name]]
            with np.errstate(all="ignore"):
                sizes = [np.size(y) for y in flat(f(*points[name]))]
            found[name], status = threads(folder / name, name, inputs, sizes, np.float64, 1, 1)
            if status:
                raise RuntimeError(f"{name} failed with {status}")
    return found


def by_cpp(functions, points, folder):
    """The answers of a program of C++."""
    shown = """
#include "part.hpp"
#include <cstdio>
void show(double y) { std::printf("%a ", y); }
template <class Numbers> void show(const Numbers &numbers) { for (double y : numbers) show(y); }
template <class... Each> void show(const std::tuple<Each...> &all)
{
    std::apply([](const auto &...each) { (show(each), ...); }, all);
}
"""
    lines = ["int main()", "{"]
    for name in functions:
        given = []
        for k, x in enumerate(points[name]):
            text = re.sub(r"\bnan\b", "NAN", values(x))
            if np.ndim(x):
                lines.append(f"    static const double {name}_{k}[] = {{{text}}};")
                given.append(f"{name}_{k}")
            else:
                given.append(text)
        lines.append(f'    show(part::{name}()({", ".join(given)})); std::puts("");')
    (folder / "main.cpp").write_text(shown + "\n".join([*lines, "}", ""]))
    run("g++", "-std=c++20", "-Wall", "-Wextra", "-Werror", folder / "main.cpp", folder / "libpart.a", "-o",
        folder / "main")  # fmt: skip
    printed = run(folder / "main").split("\n")
    return {
        name: [np.array([float.fromhex(word) for word in line.split()])]
        for name, line in zip(functions, printed, strict=False)
    }


def by_node(functions, points, folder):
    """The answers of a WebAssembly module in Node, and the functions among them that call JavaScript's."""
    given = {name: [np.ravel(x).tolist() if np.ndim(x) else x for x in points[name]] for name in functions}
    (folder / "points.json").write_text(json.dumps(given))
    (folder / "main.mjs").write_text("""
import { readFileSync } from "node:fs";
import { load } from "./part.mjs";
const m = await load(), said = {};
const points = JSON.parse(readFileSync("points.json"));
const flat = (x) => (ArrayBuffer.isView(x) ? Array.from(x) : Array.isArray(x) ? x.flatMap(flat) : [x]);
for (const [name, point] of Object.entries(points)) said[name] = flat(m[name](...point)).map(String);
console.log(JSON.stringify(said));
""")
    said = json.loads(run("node", "main.mjs", cwd=folder))
    return {name: [np.array([float(word) for word in said[name]])] for name in functions}


def close(found, wanted):
    """Whether numbers are those that were wanted, but for roundings."""
    one, two = (np.concatenate([np.ravel(np.asarray(y, np.float64)) for y in all_]) for all_ in (found, wanted))
    with np.errstate(all="ignore"):
        return one.shape == two.shape and np.allclose(one, two, rtol=1e-6, atol=1e-9, equal_nan=True)


def compare(functions, points, kind, folder):
    """The functions that a kind holds, and those whose answers differ."""
    if kind in ONE_BY_ONE:
        functions = accepted(functions, kind, folder)
        if functions:
            emit(functions, folder, kinds=kind, name="part", fp="strict")
    if not functions:
        return 0, []
    if kind in ASKED:
        found = ASKED[kind](functions, points, folder)
    else:
        found = by_library(functions, points, kind, folder)
    wrong = []
    for name in found:
        f = functions[name]
        with np.errstate(all="ignore"):
            read = flat(evaluate(f.graph, f.nodes, dict(zip(f.body.parameters, points[name], strict=True))))
        same = bits(*found[name]) == bits(*read)
        if not same and not (kind == "wasm" and close(found[name], read)):
            wrong.append(name)
            print(f"{kind} {name}: {found[name]} is not {read}\n{f}", file=sys.stderr)
    return len(found), wrong


ASKED = {"hpp": by_cpp, "wasm": by_node, "ctypes": by_python, "ptx": by_threads}
"""How the kinds are asked that become no shared library here."""


def main():
    command = argparse.ArgumentParser(description=__doc__)
    command.add_argument("--programs", type=int, default=1000)
    options = command.parse_args()
    kinds = [kind for kind in (*LINKED, *ASKED) if kind in KINDS and shutil.which(TOOLS.get(kind, "cc"))]
    functions, points = random_functions(options.programs)
    names = list(functions)
    counts, wrong = dict.fromkeys(kinds, 0), dict.fromkeys(kinds, 0)
    for start in range(0, len(names), PART):
        part = {name: functions[name] for name in names[start : start + PART]}
        with tempfile.TemporaryDirectory() as folder:
            emit(part, folder, kinds=[kind for kind in kinds if kind not in ONE_BY_ONE], name="part", fp="strict")
            for kind in kinds:
                count, differing = compare(part, points, kind, Path(folder))
                counts[kind] += count
                wrong[kind] += len(differing)
        print(f"{start + len(part)} programs", flush=True)
    told = ", ".join([f"{kind} {counts[kind] - wrong[kind]} of {counts[kind]}" for kind in kinds])
    print(f"{len(names)} programs agree with the interpreter in {told}")
    return 1 if any(wrong.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
