"""Threads, forks and spawned processes while formulas are parsed, differentiated and compiled."""

import multiprocessing
import os
import threading
import time

import pytest

import symdiff as sd

FORK = hasattr(os, "fork")


def work(k):
    f = sd.function(f"sin(x*y)*{k} + exp(-x**2)", ["x", "y"])
    return float(sd.grad(f)(1.0, 2.0)[0])


def in_child(task):
    """The exit status of a child that runs `task`, or None where it hangs."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            task()
            status = 0
        finally:
            os._exit(status)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return None


@pytest.mark.skipif(not FORK, reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fork_while_other_threads_compile():
    stop = threading.Event()
    shared = sd.function("x**2 + y", ["x", "y"])

    def busy(start):
        k = start
        while not stop.is_set():
            work(k)
            k += 2

    threads = [threading.Thread(target=busy, args=(n,)) for n in range(2)]
    for t in threads:
        t.start()
    try:
        for k in range(12):
            assert in_child(lambda k=k: (work(10_000 + k), shared(1.0, 2.0), sd.grad(shared)(1.0, 2.0))) == 0
    finally:
        stop.set()
        for t in threads:
            t.join()


@pytest.mark.skipif(not FORK, reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fork_during_the_first_call_of_the_same_function():
    names = [f"x{k}" for k in range(50)]
    f = sd.grad(sd.function(" + ".join(f"sin({a}*{b})" for a in names for b in names[:20]), names))
    point = [0.1] * 50
    first = threading.Thread(target=f, args=point)
    first.start()
    time.sleep(0.05)
    assert in_child(lambda: f(*point)) == 0
    first.join()


def test_eight_threads_compile_and_call_at_once():
    results = {}

    def run(n):
        results[n] = [work(k) for k in range(n, n + 6)]

    threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == {n: [work(k) for k in range(n, n + 6)] for n in range(8)}


def test_threads_that_differentiate_one_function():
    f = sd.function("sin(x*y)*exp(x) + x**3*y", ["x", "y"])
    want = sd.hessian("sin(x*y)*exp(x) + x**3*y", ["x", "y"])(0.5, 0.7).tolist()
    found = []

    def run():
        found.append(sd.hessian(f)(0.5, 0.7).tolist())

    threads = [threading.Thread(target=run) for _ in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == [want] * 16


def test_spawned_processes():
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(work, range(4)) == [work(k) for k in range(4)]


@pytest.mark.skipif(not FORK, reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fork_while_an_entry_point_is_made():
    from symdiff.codegen.kernel import lazy

    begun = threading.Event()

    class Kernel:
        def __init__(self, seconds):
            self.seconds = seconds

        @lazy
        def ufunc(self):
            begun.set()
            time.sleep(self.seconds)
            return self.seconds

    slow = Kernel(0.5)
    thread = threading.Thread(target=lambda: slow.ufunc)
    thread.start()
    begun.wait()
    assert in_child(lambda: Kernel(0.0).ufunc) == 0
    assert in_child(lambda: slow.ufunc) == 0
    thread.join()
    assert slow.ufunc == 0.5
