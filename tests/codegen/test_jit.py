"""Engines: lifetimes, memory, threads and forks."""

import gc
import os
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest

from symdiff.codegen import Options, has_fma, jit
from symdiff.errors import CompileError
from symdiff.native.calls import _Head, _kept_for_ever
from symdiff.ops.base import Library
from tests.codegen.programs import compile_program, program, random_program, reference, same_bits


def line(k=1.0):
    return program(lambda g, x: [g.add("mul", (g.add("sin", (x,)), g.constant(k)))], [()])


def rss():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_bad_text_is_refused_not_fatal():
    undefined = "define i32 @k(i32 %x) { %y = add i32 %z, 1\n %z = add i32 %x, 1\n ret i32 %y }"
    for text in (undefined, "define i32 @k() { ret i64 0 }", "nonsense", "define i32 @k() { ret i32 %v }"):
        with pytest.raises(CompileError, match="LLVM"):
            jit.link(text, {}, ["k"], 0)
        with pytest.raises(CompileError, match="LLVM"):
            jit.assembly(text, 0)


def test_a_missing_symbol_is_an_error():
    with pytest.raises(CompileError):
        jit.link("declare i32 @m_0()\ndefine i32 @k() { %r = call i32 @m_0()\n ret i32 %r }", {}, ["k"], 0)


def test_a_missing_routine_is_an_error_before_compiling(monkeypatch):
    from symdiff.codegen import module

    with pytest.raises(CompileError, match="no_such_function"):
        module.Module("", (("m_0", Library("no_such_function")),)).addresses()
    with pytest.raises(CompileError, match="no_such_function"):
        module.c_function("no_such_function")


def test_a_ufunc_outlives_its_kernel():
    progs = [line(float(k)) for k in range(200)]
    ufuncs = [(k, compile_program(p).ufunc, compile_program(p).batch_ufunc) for k, p in enumerate(progs)]
    gc.collect()
    x = np.linspace(0, 1, 50)
    for k, f, b in ufuncs:
        assert same_bits(f(x), np.array([f(v) for v in x]))
        assert same_bits(f(x), b(x))
        assert abs(f(1.0) - k * np.sin(1.0)) < 1e-12


def test_code_goes_with_its_last_owner(monkeypatch):
    kernel = compile_program(line())
    f, b = kernel.ufunc, kernel.batch_ufunc
    tracker = weakref.ref(kernel._code)
    del kernel
    gc.collect()
    assert tracker() is not None
    assert f(0.5) == b(0.5)
    assert f.__name__ == "kernel"
    del f, b
    gc.collect()
    assert tracker() is None
    assert _kept_for_ever == []


def test_the_head_of_a_ufunc_is_where_numpy_says():
    head = _Head.from_address(id(np.add))
    assert (head.nin, head.nout, head.nargs) == (2, 1, 3)


@pytest.mark.parametrize("cycles", [300, pytest.param(2000, marks=pytest.mark.heavy)])
def test_compiling_and_dropping_is_flat(cycles):
    prog = line()
    x = np.ones(3)

    def cycle(count):
        for _ in range(count):
            kernel = compile_program(prog)
            kernel.ufunc(x)
            kernel.batch_ufunc(x)
        gc.collect()
        return rss()

    before = cycle(cycles)
    slope = (cycle(cycles) - before) / cycles
    print(f"{slope:.0f} bytes a kernel")
    assert slope < 2000


def test_threads():
    progs = [random_program(300, seed=k) for k in range(8)]
    x = np.random.default_rng(0).uniform(-1, 1, size=(8, 4))
    expected = [reference(p, *x) for p in progs]
    errors = []
    barrier = threading.Barrier(8)

    def work(k):
        try:
            barrier.wait()
            for _ in range(15):
                kernel = compile_program(progs[k])
                for f in (kernel.ufunc, kernel.batch_ufunc):
                    assert all(map(same_bits, f(*x), expected[k]))
                assert kernel.address == kernel.address
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert errors == []


def test_one_kernel_in_many_threads():
    kernel = compile_program(random_program(5000), Options())
    x = np.random.default_rng(0).uniform(-1, 1, size=(8, 200))
    expected = kernel.ufunc(*x)
    results = [None] * 8

    def work(k):
        results[k] = [kernel.batch_ufunc(*x) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(same_bits(a, b) for many in results for r in many for a, b in zip(r, expected, strict=True))


FORK = """
import os, sys, threading, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from tests.codegen.programs import compile_program, random_program
kept = compile_program(random_program(50))
stop = False
def work():
    prog = random_program(800)
    while not stop:
        compile_program(prog)
thread = threading.Thread(target=work); thread.start()
for k in range(12):
    time.sleep(0.01 * (k % 3))
    child = os.fork()
    if child == 0:
        mine = compile_program(random_program(60, seed=k))
        ok = mine.ufunc(*[0.1] * 8)[0] == mine.batch_ufunc(*[0.1] * 8)[0] and kept.ufunc(*[0.1] * 8)[0] < 2
        os._exit(0 if ok else 1)
    end = time.time() + 20
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        if time.time() > end:
            os.kill(child, 9); os.waitpid(child, 0); print("hung"); stop = True; thread.join(); sys.exit(3)
        time.sleep(0.002)
    if status:
        print("child failed", status); stop = True; thread.join(); sys.exit(4)
stop = True
thread.join()
print("fine")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_fork_while_another_thread_compiles():
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "fine"), done.stderr


def test_ends_quietly_with_kernels_alive():
    """Nothing is freed in the wrong order when the interpreter ends."""
    code = (
        "from tests.codegen.programs import compile_program, random_program\n"
        "ks = [compile_program(random_program(20, seed=k)) for k in range(70)]\nus = [k.ufunc for k in ks]\n"
        "bs = [k.batch_ufunc for k in ks]\nprint(bs[3](*[0.1] * 8)[0] == us[3](*[0.1] * 8)[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def test_fused_multiply_add_is_known():
    assert has_fma() in (True, False)


def test_import_of_the_package_does_not_load_llvm():
    code = "import sys, symdiff.ir.graph\nprint('llvmlite' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "False\n"


def test_no_more_code_than_the_system_maps(tmp_path, monkeypatch):
    """Refused before LLVM would end the process; what is dropped makes room again."""
    limit, maps = tmp_path / "limit", tmp_path / "maps"
    limit.write_text(f"{jit.MAPS_FOR_OTHERS + 1000}\n")
    maps.write_text("one\n" * 100)
    room = jit.Room(str(limit), str(maps))
    room._unseen = 0
    monkeypatch.setattr(jit, "_room", room)
    kept = []

    def fill():
        while len(kept) < 2000:
            room.take()
            kept.append(None)
            maps.write_text("one\n" * (100 + jit.MAPS_OF_CODE * len(kept)))

    with pytest.raises(CompileError, match="as many compiled functions as the system"):
        fill()
    assert (900 - jit.MAPS_OF_CODE) // jit.MAPS_OF_CODE <= len(kept) <= 900 // jit.MAPS_OF_CODE
    with pytest.raises(CompileError, match="drop functions"):
        compile_program(line(7.25))
    maps.write_text("one\n" * 500)
    compile_program(line(7.25))
    jit.Room(str(tmp_path / "none")).take()
