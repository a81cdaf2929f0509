"""Targets: what triples mean, what is refused, and that nothing of this machine is in code for another one."""

import os
import re
import subprocess
import sys

import pytest

import symdiff as sd
from symdiff.codegen.target import Target
from symdiff.codegen.triples import normal

NORMAL = {
    "x86_64-unknown-linux-gnu": "x86_64-unknown-linux-gnu",
    "aarch64-linux-gnu": "aarch64-unknown-linux-gnu",
    "AArch64-Linux-GNU": "aarch64-unknown-linux-gnu",
    "aarch64-none-linux-gnu": "aarch64-none-linux-gnu",
    "x86_64-linux-musl": "x86_64-unknown-linux-musl",
    "x86-64-alpine-linux-musl": "x86_64-alpine-linux-musl",
    "aarch64-linux-android21": "aarch64-unknown-linux-android21",
    "amd64": "x86_64-unknown-unknown",
    "i686-pc-windows-msvc": "i686-pc-windows-msvc",
    "x86_64-windows-gnu": "x86_64-pc-windows-gnu",
    "x86_64-w64-mingw32": "x86_64-w64-windows-gnu",
    "arm64-apple-darwin23.1.0": "arm64-apple-darwin23.1.0",
    "arm64-apple-darwin": "arm64-apple-macosx11.0",
    "aarch64-macos-none": "aarch64-apple-macosx11.0",
    "x86_64-macos": "x86_64-apple-macosx10.13",
    "x86_64-apple-macosx12.1": "x86_64-apple-macosx12.1",
    "arm-linux-gnueabihf": "armv7-unknown-linux-gnueabihf",
    "arm-linux-gnueabi": "arm-unknown-linux-gnueabi",
    "armv7a-none-eabi": "armv7a-unknown-none-eabi",
    "thumbv7em-none-eabihf": "thumbv7em-unknown-none-eabihf",
    "riscv32-unknown-elf": "riscv32-unknown-none-elf",
    "riscv64-linux-gnu": "riscv64-unknown-linux-gnu",
    "ppc64le-linux-gnu": "powerpc64le-unknown-linux-gnu",
    "wasm32": "wasm32-unknown-unknown",
    "wasm32-wasi": "wasm32-unknown-wasi",
    "nvptx64-nvidia-cuda": "nvptx64-nvidia-cuda",
    "x86_64-unknown-freebsd14": "x86_64-unknown-freebsd14",
}


@pytest.mark.parametrize("triple", NORMAL)
def test_a_triple_in_the_places_that_llvm_reads(triple):
    assert normal(triple) == NORMAL[triple]
    assert normal(NORMAL[triple]) == NORMAL[triple]
    assert Target.of(triple) == Target.of(NORMAL[triple])


SYSTEMS = {
    "x86_64-windows-gnu": ("windows", "coff", b"\x64\x86"),
    "aarch64-macos": ("macos", "macho", b"\xcf\xfa\xed\xfe"),
    "x86_64-linux-musl": ("linux", "elf", b"\x7fELF"),
    "armv7a-none-eabi": ("none", "elf", b"\x7fELF"),
    "wasm32": ("wasm", "wasm", b"\0asm"),
}


@pytest.mark.parametrize("triple", SYSTEMS)
def test_objects_are_in_the_format_of_the_system(tmp_path, triple):
    system, format_, begin = SYSTEMS[triple]
    target = Target.of(triple)
    assert (target.system, target.object_format) == (system, format_)
    (path,) = sd.emit("f(x) = x*x", tmp_path, kinds="o", target=triple)
    assert path.read_bytes().startswith(begin)


REFUSED = {
    "a misspelled system": (("x86_64-linx-gnu",), {}, r"'linx' .* no system .*\n.*did you mean linux\?"),
    "a misspelled environment": (("aarch64-linux-gmu",), {}, r"'gmu' .* no environment .*\n.*did you mean gnu\?"),
    "big-endian numbers": (("s390x-linux-gnu",), {}, "'s390x' .* no processor .*\n.*there are x86_64, "),
    "big-endian ARM": (("armeb-linux-gnueabihf",), {}, "'armeb' .* no processor"),
    "addresses of 32 bits on x86-64": (("x86_64-linux-gnux32",), {}, "'gnux32' .* no environment"),
    "what ends LLVM's process": (("bpf",), {}, "'bpf' .* no processor"),
    "a system alone": (("linux",), {}, "'linux' .* no processor"),
    "too many words": (("x86_64-pc-linux-gnu-x",), {}, "'gnu-x' .* no environment"),
    "a processor of another family": (("aarch64-linux-gnu",), {"cpu": "skylake"}, "no processor 'skylake'"),
    "a misspelled processor": (("x86_64-linux-gnu",), {"cpu": "skylak"}, r"'skylak' .*\n.*did you mean skylake\?"),
    "what only lists processors": (("x86_64-linux-gnu",), {"cpu": "help"}, "no processor 'help'"),
    "a misspelled feature": (("x86_64-linux-gnu",), {"features": "+avx3"}, r"no feature 'avx3' .*\n.*did you mean avx"),
    "a feature of the own processor": ((), {"cpu": "native", "features": "+avx2x"}, "no feature 'avx2x'"),
    "a feature without a sign": (("x86_64-linux-gnu",), {"features": "avx2"}, "features are 'avx2'.*\n.*its sign"),
    "no registers for numbers": (
        ("thumbv7m-none-eabihf",),
        {"cpu": "cortex-m3"},
        "passes numbers in registers .*cortex-m3 may have none",
    ),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_refusals(case, capfd):
    given, options, said = case
    with pytest.raises(sd.ArgumentError, match=said):
        Target.of(*given, **options)
    assert capfd.readouterr().err == ""


def assembly(folder, triple, text="f(x, y) = sin(x) + floor(y)"):
    return sd.emit(text, folder, kinds="s", target=triple)[0].read_text()


@pytest.mark.parametrize("triple", ["arm-linux-gnueabihf", "armv6l-linux-gnueabihf", "thumbv7em-none-eabihf"])
def test_arm_passes_numbers_in_registers_for_them_where_the_triple_says_so(tmp_path, triple):
    text = assembly(tmp_path, triple)
    assert re.search(r"\.eabi_attribute\s+28, 1", text)
    assert "__aeabi_dadd" in text or re.search(r"\bvadd\.f64\s", text)
    soft = assembly(tmp_path, triple.replace("hf", ""))
    assert not re.search(r"\.eabi_attribute\s+28, 1", soft)


def test_intel_processors_of_32_bits_round_to_doubles(tmp_path):
    text = assembly(tmp_path, "i686-linux-gnu", "f(x, y) = x*y")
    assert "mulsd" in text
    assert "fmul" not in text


SHIP = """
def ship(folder):
    import symdiff as sd

    f = sd.function("f(x, y, v[3]) = exp(x)*y + sum(v*v*x) + fmod(x, y)", shapes={"x": (), "y": ()})
    g = sd.function("g(A[4, 4], x[4]) = tanh(A @ x)")
    functions = {"f": f, "f_grad": sd.grad(f, "v"), "g": g, "s": sd.sparse_jacobian(g, "x")}
    for triple in ("x86_64-linux-gnu", "aarch64-linux-gnu"):
        sd.emit(functions, f"{folder}/{triple}", kinds=("o", "h"), target=triple)
    sd.emit(functions, folder, kinds=("wasm", "ll"))
"""

ELSEWHERE = """
import sys
from symdiff.codegen.llvm import llvm
llvm.get_host_cpu_name = lambda: "x86-64"
llvm.get_host_cpu_features().__class__.flatten = lambda self: "+sse2"
ship(sys.argv[1])
"""


def test_files_are_the_same_bytes_from_every_process_and_machine(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    names = {}
    exec(SHIP, names)
    names["ship"](here)
    command = [sys.executable, "-c", SHIP + ELSEWHERE, there]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": "77"})
    first, second = ({p.relative_to(k): p.read_bytes() for p in k.rglob("*.*")} for k in (here, there))
    assert len(first) == 8
    assert sorted(first) == sorted(second)
    assert [name for name in first if first[name] != second[name]] == []
