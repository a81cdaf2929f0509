"""Memory of dropped results: used again, never while somebody can see it, bounded, given back with resize and fork."""

import ctypes
import gc
import multiprocessing
import os
import pickle
import random
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from numpy._core.multiarray import get_handler_name

import symdiff as sd
from symdiff.codegen import recycling
from symdiff.codegen.recycling import LIMIT, SMALLEST, pool
from symdiff.native.code import READY, SHARED
from tests.concurrency import run_together

pytestmark = pytest.mark.skipif(pool() is None, reason="this NumPy has no memory handlers")
N = 2**15
X = np.linspace(0.0, 1.0, N)


@pytest.fixture
def g():
    return sd.grad("f(x, y) = sin(x) + x*y", ("x", "y"))


def test_memory_is_used_again(g):
    first = g(X, 2.0)
    places = {a.ctypes.data for a in first}
    del first
    again = g(X, 3.0)
    assert {a.ctypes.data for a in again} == places
    assert np.array_equal(again[1], X)


def test_results_are_ordinary_arrays(g):
    for r in g(X, 2.0):
        assert type(r) is np.ndarray
        assert r.base is None
        assert r.flags.owndata
        assert r.flags.writeable
        assert r.flags.c_contiguous
        assert get_handler_name(r) == "symdiff"
        assert pickle.loads(pickle.dumps(r)).tobytes() == r.tobytes()
    fresh = np.ones(3), np.ones(3)
    assert [sys.getrefcount(r) for r in g(X, 2.0)] == [sys.getrefcount(r) for r in fresh]


def test_the_handler_is_there_only_during_the_call(g):
    name = get_handler_name()
    g(X, 2.0)
    assert get_handler_name() == name
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        sd.function("log(x)")(X - 2.0)
    assert get_handler_name() == name
    with pytest.raises(ValueError, match="broadcast"):
        g(X, np.zeros(N - 1))
    assert get_handler_name() == name
    assert get_handler_name(np.empty(N)) == name
    assert get_handler_name(g(X[:8], 2.0)[0]) == name  # small results come from where they came before


def test_kept_results_are_never_overwritten(g):
    kept, choose = [], random.Random(3)
    for k in range(300):
        u, v = g(X, float(k))
        kept.append((k, u))
        if k % 3 == 0:
            kept.append((None, v))
        if len(kept) > 60:
            del kept[choose.randrange(len(kept))]
    assert len(kept) > 50
    for k, array in kept:
        assert np.array_equal(array, X if k is None else np.cos(X) + k, equal_nan=True) or np.allclose(
            array, np.cos(X) + k, rtol=1e-13
        )


@pytest.mark.parametrize("hold", [
    lambda r: r[5:], lambda r: r.reshape(2, -1).T, memoryview, lambda r: np.frombuffer(r), lambda r: r.view(np.int64),
    lambda r: np.asarray(r.__array_interface__ and r), lambda r: iter([r]), lambda r: r.real,
])  # fmt: skip
def test_views_keep_the_memory(g, hold):
    r = g(X, 7.0)[0]
    expected, place = r.copy(), r.ctypes.data
    held = hold(r)
    del r
    for k in range(20):
        assert place not in {a.ctypes.data for a in g(X, float(k))}
    held = next(held) if hasattr(held, "__next__") else held
    assert set(np.asarray(held).ravel()[:3].view(np.float64)) <= set(expected)
    del held
    gc.collect()


def test_changes_in_place(g):
    for change in (
        *(lambda r, n=n: r.resize(n, refcheck=False) for n in (10, 4 * N, 0)), lambda r: r.setflags(write=False),
        lambda r: setattr(r, "shape", (2, -1)), lambda r: setattr(r, "dtype", np.int64), lambda r: r.sort(),
        lambda r: r.fill(np.nan), lambda r: r.byteswap(inplace=True),
    ):  # fmt: skip
        for _ in range(3):
            r = g(X, 1.0)[0]
            assert r.shape == (N,)
            assert r.dtype == np.float64
            assert r.flags.writeable
            assert np.allclose(r, np.cos(X) + 1.0)
            change(r)
            del r


def test_resize_keeps_contents(g):
    r = g(X, 1.0)[1]
    r.resize(3 * N)
    assert np.array_equal(r[:N], X)
    assert not r[N:].any()
    r.resize(7)
    assert np.array_equal(r, X[:7])


def test_what_is_kept_is_bounded():
    f = sd.function("x + 1")
    recycled = pool()[0]
    choose = random.Random(1)
    alive = []
    for _ in range(400):
        n = choose.choice([SMALLEST // 8, SMALLEST // 8 - 1, 50_000, 200_000, 900_000, 2_000_000, 2**21, 2**21 + 1])
        r = f(np.ones(n))
        assert r.size == n
        assert r[0] == r[-1] == 2.0
        alive.append(r)
        if len(alive) > 3:
            del alive[choose.randrange(4)]
        assert 0 <= recycled.held <= LIMIT
        assert recycled.blocks <= 2 * recycling.PLACES
    del alive, r
    assert 0 < recycled.held <= LIMIT


needs_lending = pytest.mark.skipif(recycling.share_of_memory() == 0, reason="no madvise")
MB = 2**20


class Blocks(recycling.Pool):
    """A pool of its own, whose functions take bytes and places."""

    def __init__(self, limit=100 * MB):
        for made in (READY, SHARED):  # code of its own, of what its text is now
            made.pop("pool", None)
        super().__init__()
        self.limit(limit)
        state = ctypes.addressof(self._state)
        take = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)(self._code["take"])
        give = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)(self._code["give"])
        self.take, self.give = lambda count: take(state, count), lambda place: give(state, place, 0)

    def limit(self, limit):
        """Let larger blocks take so many bytes."""
        self._state[recycling.STATE + recycling.PLACES + 2] = limit


@pytest.fixture
def blocks():
    return Blocks()


@needs_lending
@pytest.mark.parametrize(
    ("given", "asked", "again"),
    [(17, 17, True), (20, 17, True), (24, 17, False), (17, 18, False), (100, 90, True), (101, 101, False)],
)
def test_larger_blocks_are_used_again_where_they_fit(blocks, given, asked, again):
    place = blocks.take(given * MB)
    blocks.give(place)
    assert blocks.lent == (given * MB if given <= 100 else 0)
    assert blocks.held == 0
    other = blocks.take(asked * MB)
    assert (other == place) >= again
    assert blocks.lent == (0 if again or given > 100 else given * MB)
    blocks.give(other)


@needs_lending
def test_larger_blocks_make_room_for_each_other(blocks):
    places = [blocks.take(40 * MB) for _ in range(4)]
    for place in places:
        blocks.give(place)
    assert blocks.lent == 80 * MB
    small = blocks.take(MB)
    blocks.give(small)
    assert (blocks.held, blocks.lent, blocks.blocks) == (MB, 80 * MB, 3)


@needs_lending
def test_a_larger_block_that_nobody_wants_is_freed(blocks):
    blocks.give(blocks.take(17 * MB))
    for k in range(recycling.PASSES + 1):
        assert blocks.lent == 17 * MB, k
        other = blocks.take(60 * MB)
        blocks.limit(0)
        blocks.give(other)  # it is not kept
        blocks.limit(100 * MB)
    assert (blocks.lent, blocks.blocks) == (0, 0)


@needs_lending
def test_what_the_system_does_not_listen_to_is_not_kept(monkeypatch):
    monkeypatch.setattr(recycling, "CODE", recycling.CODE.replace(f"i32 {recycling.FREE_LATER})", "i32 -1)"))
    blocks = Blocks()
    for size, kept in ((MB, MB), (20 * MB, MB)):
        blocks.give(blocks.take(size))
        assert (blocks.held, blocks.lent) == (kept, 0)


def test_without_madvise_only_smaller_blocks_are_kept(monkeypatch):
    monkeypatch.setattr(recycling, "LINUX", False)
    monkeypatch.setattr(recycling, "DARWIN", False)
    blocks = Blocks(recycling.share_of_memory())
    for size, kept in ((MB, MB), (20 * MB, MB)):
        blocks.give(blocks.take(size))
        assert (blocks.held, blocks.lent) == (kept, 0)


@needs_lending
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_system_may_take_what_lies_there(blocks):
    def lazy():
        with open("/proc/self/smaps_rollup") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("LazyFree"))

    place = blocks.take(64 * MB)
    ctypes.memset(place, 1, 64 * MB)
    before = lazy()
    blocks.give(place)
    assert lazy() - before > 60 * MB
    assert blocks.take(64 * MB) == place
    ctypes.memset(place, 2, 64 * MB)
    assert lazy() - before < MB
    assert ctypes.string_at(place, 64 * MB) == b"\2" * (64 * MB)
    blocks.give(place)


@needs_lending
def test_larger_results_are_used_again():
    f = sd.function("f(x[3000000]) = 2*x")
    x = np.linspace(0.0, 1.0, 3_000_000)
    first = f(x)
    place = first.ctypes.data
    del first
    kept = f(x)
    assert kept.ctypes.data == place
    assert np.array_equal(kept, 2 * x)
    assert f(x + 1).ctypes.data != place
    assert np.array_equal(kept, 2 * x)


def test_threads():
    f = sd.grad("f(x, y) = sin(x) + x*y", ("x", "y"))
    f(X, 1.0)
    wrong = []

    def work(k):
        mine = []
        for n in range(40):
            u, v = f(X, float(k * 100 + n))
            mine.append((k * 100 + n, u))
            mine = mine[-(n % 5) :]
            if not np.array_equal(v, X) or any(abs(a[0] - 1.0 - c) > 1e-9 for c, a in mine):
                wrong.append(k)

    run_together(work, 8)
    gc.collect()
    assert not wrong
    assert 0 <= pool()[0].held <= LIMIT


def test_threads_of_a_batch():
    f = sd.grad("f(x, y) = sin(x) + x*y", ("x", "y"))
    x = np.linspace(0.0, 1.0, 1_000_000)
    one = f(x, 2.0)
    for _ in range(3):
        two = f.compile(threads=2)(x, 2.0)
        assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_other_arguments(g):
    class Own(np.ndarray):
        pass

    own = g(X.view(Own), 2.0)
    assert all(type(r) is Own for r in own)
    assert np.array_equal(np.asarray(own[1]), X)
    out = (np.empty(N), np.empty(N))
    assert g(X, 2.0, out=out)[0] is out[0]
    masked = np.full((2, N), 5.0)
    g(X, 2.0, out=tuple(masked), where=X > 0.5)
    assert (masked[:, X <= 0.5] == 5.0).all()
    fortran = np.asfortranarray(np.ones((300, 200)))
    assert g(fortran, 2.0)[0].flags.f_contiguous
    outer = sd.function("f(x, y) = x*y")(X[:400, None], X[None, :400])
    assert get_handler_name(outer) == "symdiff"
    assert np.array_equal(outer, np.outer(X[:400], X[:400]))
    assert sd.function("x > 0.5")(np.resize(X, 200_000)).dtype == bool


def test_no_handlers(monkeypatch, g):
    monkeypatch.setattr(recycling, "pool", lambda: None)
    assert np.array_equal(g(X, 2.0)[1], X)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_fork(g):
    g(X, 1.0)

    def child():
        results = [g(X, float(k))[1] for k in range(5)]
        os._exit(0 if all(np.array_equal(r, X) for r in results) else 1)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(60)
    assert process.exitcode == 0


def test_arrays_that_live_until_the_end():
    code = """
        import sys, numpy as np, symdiff as sd
        f = sd.function("x*2")
        sys.kept = kept = [f(np.ones(100_000)) for _ in range(5)]
        np.kept = f(np.ones(50_000))
        class Late:
            array = f(np.ones(100_000))
            def __del__(self): self.array.resize(10)
        late = Late()
        print("fine")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr
