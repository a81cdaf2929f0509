"""The cache of object code: the same results with it, and every doubt is a miss."""

import ctypes
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import symdiff as sd
from symdiff import numeric
from symdiff.cli import main
from symdiff.codegen import cache, jit
from symdiff.errors import CompileError
from symdiff.ops.base import Library

IR = """declare double @sine(double)
define double @f(double %x) {
  %y = call double @sine(double %x)
  %z = fadd double %y, 2.5
  ret double %z
}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    path = tmp_path / "cache"
    monkeypatch.setenv("SYMDIFF_CACHE_DIR", str(path))
    monkeypatch.delenv("SYMDIFF_CACHE", raising=False)
    monkeypatch.setattr(cache, "_counts", cache._Counts())
    return path


def load(cached=True, ir=IR):
    """The value at 0.5 of the function in a module."""
    libm = {"sine": numeric.address(Library("sin"))} if "@sine" in ir else {}
    code = jit.link(ir, libm, ["f"], 2, cached=cached)
    return ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(code["f"])(0.5)


VALUE = np.sin(0.5) + 2.5


def counts():
    info = cache.cache_info()
    return info.hits, info.misses, info.refused, info.unwritten


def entries(folder):
    return sorted(p for p in folder.iterdir() if p.name.endswith(cache.SUFFIX))


def test_off_unless_asked(folder, monkeypatch):
    assert load(None) == load(False) == VALUE
    assert sd.function("x + 17")(1.0) == 18.0
    assert not folder.exists()
    assert counts() == (0, 0, 0, 0)
    monkeypatch.setenv("SYMDIFF_CACHE", "0")
    assert not cache.is_on(None)
    monkeypatch.setenv("SYMDIFF_CACHE", "1")
    assert cache.is_on(None)
    assert not cache.is_on(False)


def test_a_miss_then_hits(folder):
    assert load() == VALUE
    assert counts() == (0, 1, 0, 0)
    (entry,) = entries(folder)
    assert load() == VALUE
    assert load() == VALUE
    assert counts() == (2, 1, 0, 0)
    assert sorted(os.listdir(folder)) == [entry.name]
    if os.name == "posix":
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(entry.stat().st_mode) == 0o600


def test_a_module_with_an_address_of_this_process_is_not_kept(folder):
    assert load(ir="define double @f(double %x) {\n %p = inttoptr i64 8 to ptr\n ret double %x\n}") == 0.5
    assert not folder.exists()


def test_what_llvm_refuses_is_an_error_and_not_kept(folder):
    for text in ("nonsense", "define i32 @f() { ret i64 0 }"):
        with pytest.raises(CompileError, match="LLVM"):
            jit.link(text, {}, ["f"], 0, cached=True)
    assert not folder.exists()


def test_the_key_holds_all_that_decides():
    target = ("x86_64-linux", "skylake", "+avx2", "0.50.0", "(22, 1, 0)")
    keys = {cache.key(IR, 2, target), cache.key(IR + " ", 2, target), cache.key(IR, 1, target)}
    for k in range(len(target)):
        keys.add(cache.key(IR, 2, (*target[:k], target[k] + "x", *target[k + 1 :])))
    keys.add(cache.key(IR, 2, ("x86_64-linuxs", "kylake", *target[2:])))
    assert len(keys) == 9
    assert cache.key(IR, 2, target) == cache.key(IR, 2, target)


def test_another_version_of_symdiff_is_another_key(monkeypatch):
    before = cache.key(IR, 2, ())
    monkeypatch.setattr(cache, "VERSION", "99.0")
    assert cache.key(IR, 2, ()) != before


def flip(at):
    def change(path):
        data = bytearray(path.read_bytes())
        data[at] ^= 0x10
        path.write_bytes(data)

    return change


def cut(length):
    return lambda path: path.write_bytes(path.read_bytes()[:length])


def link(path):
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


def other_entry(path):
    data = cache.unpack(path.name.removesuffix(cache.SUFFIX), path.read_bytes())
    path.write_bytes(cache.packed_entry("0" * 64, data))


def folder_in_its_place(path):
    path.unlink()
    path.mkdir()


def pipe(path):
    path.unlink()
    os.mkfifo(path)


DAMAGE = {
    "empty": cut(0),
    "half a head": cut(20),
    "head only": cut(cache.HEAD.size),
    "cut off": cut(-100),
    "one byte less": cut(-1),
    "one byte more": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "flipped magic": flip(0),
    "other format": flip(8),
    "flipped key": flip(15),
    "flipped length": flip(44),
    "flipped digest": flip(60),
    "flipped code": flip(-50),
    "all zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "another entry": other_entry,
    "link": link,
    "dangling link": lambda path: (path.unlink(), path.symlink_to("/nonexistent")),
    "others may write": lambda path: path.chmod(0o622),
    "folder": folder_in_its_place,
    "pipe": pipe,
}


@pytest.mark.skipif(os.name != "posix", reason="links and permissions of POSIX")
@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_a_miss(folder, name):
    assert load() == VALUE
    (entry,) = entries(folder)
    whole = entry.read_bytes()
    DAMAGE[name](entry)
    assert load() == VALUE
    assert counts()[:3] == (0, 2, 1)
    assert load() == VALUE
    if name == "folder":
        assert counts() == (0, 3, 2, 2)
    else:  # it was written again, whole
        assert counts() == (1, 2, 1, 0)
        assert entry.read_bytes() == whole
        assert not entry.is_symlink()


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners")
def test_the_files_of_another_user_are_refused(folder, monkeypatch):
    load()
    own = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: own + 1)
    assert load() == VALUE
    assert counts() == (0, 2, 1, 1)


def linked_folder(folder):
    folder.rename(folder.parent / "real")
    folder.symlink_to(folder.parent / "real")


def file_as_folder(folder):
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_text("")


@pytest.mark.skipif(os.name != "posix", reason="links and permissions of POSIX")
@pytest.mark.parametrize("change", [lambda f: f.chmod(0o777), lambda f: f.chmod(0o770), linked_folder, file_as_folder],
                         ids=["all may write", "the group may write", "link", "file"])  # fmt: skip
def test_a_folder_that_is_not_ours_alone_is_not_used(folder, change):
    load()
    change(folder)
    assert load() == VALUE
    assert counts() == (0, 2, 1, 1)


def refuse_to_write(monkeypatch, what, number):
    real = getattr(os, what)

    def call(*args, **keywords):
        if what != "open" or args[1] & os.O_CREAT:
            raise OSError(number, os.strerror(number))
        return real(*args, **keywords)

    monkeypatch.setattr(os, what, call)


@pytest.mark.parametrize(
    ("what", "number"), [("open", 30), ("open", 13), ("fsync", 28), ("replace", 28), ("makedirs", 13)]
)
def test_a_disk_that_takes_nothing(folder, monkeypatch, what, number):
    """Read-only, no permission, full."""
    with monkeypatch.context() as patch:
        refuse_to_write(patch, what, number)
        assert load() == load() == VALUE
        assert counts() == (0, 2, 0, 2)
        assert not folder.exists() or os.listdir(folder) == []
    assert load() == load() == VALUE
    assert counts() == (1, 3, 0, 2)


def test_a_read_only_folder_is_read(folder):
    load()
    folder.chmod(0o500)
    try:
        assert load() == VALUE
        assert counts()[0] == 1
    finally:
        folder.chmod(0o700)


def test_the_entries_unused_for_longest_go_first(folder, monkeypatch):
    names = [f"{k:064x}" for k in range(6)]
    for k, name in enumerate(names):
        assert cache.write_entry(name, bytes([k + 1]) * 1000)
        os.utime(folder / (name + cache.SUFFIX), (1000 + k, 1000 + k))
    assert cache.read_entry(names[0]) == b"\1" * 1000  # used now
    monkeypatch.setenv("SYMDIFF_CACHE_SIZE", str(4 * (1000 + cache.HEAD.size)))
    left_behind = folder / f".{names[0]}.1.1.tmp"
    left_behind.write_bytes(b"x")
    os.utime(left_behind, (1, 1))
    being_written = folder / f".{names[0]}.1.2.tmp"
    being_written.write_bytes(b"x")
    (folder / "a user's file").write_text("kept")
    assert cache.write_entry("f" * 64, b"new" * 300)
    found = {p.name.removesuffix(cache.SUFFIX) for p in entries(folder)}
    assert found == {names[0], names[5], "f" * 64}
    assert not left_behind.exists()
    assert being_written.exists()
    assert (folder / "a user's file").exists()
    info = cache.cache_info()
    assert info.size <= info.limit == 4 * (1000 + cache.HEAD.size)


def test_clear_and_the_command(folder, capsys):
    load()
    (folder / "mine").write_text("kept")
    assert main(["cache", "info"]) == 0
    shown = capsys.readouterr().out
    assert str(folder) in shown
    assert "entries: 1\n" in shown
    assert main(["cache", "clear"]) == 0
    assert capsys.readouterr().out == "removed 1 entry\n"
    assert os.listdir(folder) == ["mine"]
    assert main(["cache", "info", "--json"]) == 0
    assert '"entries": 0' in capsys.readouterr().out
    assert cache.cache_clear() == 0


@pytest.mark.parametrize(("system", "environment", "want"), [
    ("linux", {"SYMDIFF_CACHE_DIR": "/there"}, "/there"),
    ("linux", {"XDG_CACHE_HOME": "/var/c"}, "/var/c/symdiff"),
    ("linux", {"XDG_CACHE_HOME": "relative", "HOME": "/home/u"}, "/home/u/.cache/symdiff"),
    ("linux", {"HOME": "/home/u"}, "/home/u/.cache/symdiff"),
    ("darwin", {"HOME": "/Users/u"}, "/Users/u/Library/Caches/symdiff"),
    ("win32", {"LOCALAPPDATA": "/appdata"}, "/appdata/symdiff/Cache"),
])  # fmt: skip
@pytest.mark.skipif(os.name != "posix", reason="paths of POSIX")
def test_where_it_is(monkeypatch, system, environment, want):
    for name in ("SYMDIFF_CACHE_DIR", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", system)
    assert cache.directory() == Path(want)


def test_no_home_is_no_error(folder, monkeypatch, capsys):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("SYMDIFF_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.setattr(sys, "platform", "linux")
    assert load() == VALUE
    assert (cache._counts.misses, cache._counts.refused, cache._counts.unwritten) == (1, 1, 1)
    assert main(["cache", "info"]) == 1
    assert "SYMDIFF_CACHE_DIR" in capsys.readouterr().err


def test_code_that_llvm_cannot_load_is_made_again(folder, monkeypatch):
    """An entry that is whole, and yet not object code."""
    real = cache.fetch

    def junk(ir, opt, target, make):
        return real(ir, opt, target, lambda: b"\x7fELF nonsense")

    monkeypatch.setattr(cache, "fetch", junk)
    assert load() == VALUE
    assert entries(folder) == []


RUN = """
import sys
import symdiff as sd
from symdiff.codegen import cache
print("ready", flush=True)
sys.stdin.readline()
for k in range(12):
    f = sd.grad(f"sin(x*{k % 6} + y)*exp(-y)", ["x", "y"])
    print(f(0.3, 0.4).tobytes().hex())
info = cache.cache_info()
print(info.hits, info.misses, info.refused, info.unwritten, file=sys.stderr)
"""


def start(folder):
    """A process that has loaded what it needs, and waits for a line."""
    environment = {**os.environ, "SYMDIFF_CACHE": "1", "SYMDIFF_CACHE_DIR": str(folder)}
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([sys.executable, "-c", RUN], text=True, env=environment, **pipes)


def go_on(processes):
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    return [process.communicate(timeout=120) for process in processes]


def test_two_writers_and_a_later_reader(folder):
    both = [start(folder), start(folder)]
    results = go_on(both)
    assert [p.returncode for p in both] == [0, 0], results
    assert results[0][0] == results[1][0]
    for _, err in results:
        assert err.split()[2:] == ["0", "0"]
    last = start(folder)
    ((out, err),) = go_on([last])
    assert out == results[0][0]
    hits, misses, refused, unwritten = map(int, err.split())
    assert hits >= 6
    assert (misses, refused, unwritten) == (0, 0, 0)
    assert all(p.name.endswith(cache.SUFFIX) for p in folder.iterdir())


def test_asked_for_by_one_function(folder):
    f = sd.hessian("sin(x*y)*exp(-x)", ["x", "y"])
    plain = f.compile(opt=1)
    assert not folder.exists()
    first, second = f.compile(opt=1, cache=True), f.compile(opt=1, cache=True)
    assert counts()[:2][1] >= 1
    assert counts()[0] >= 1
    x, y = np.linspace(-1, 1, 50), np.linspace(0, 2, 50)
    for c in (first, second):
        assert c(0.3, 0.4).tobytes() == plain(0.3, 0.4).tobytes()
        assert c(x, y).tobytes() == plain(x, y).tobytes()


def test_functions_of_arrays_are_kept(folder):
    for k in (2.0, 3.0, 2.0):
        f = sd.function(f"f(x[5000]) = cumsum({k}*x)").compile(cache=True)
        np.testing.assert_allclose(f(np.ones(5000)), k * np.arange(1, 5001))
        np.testing.assert_allclose(f(np.ones((5000, 2)).T), np.tile(k * np.arange(1, 5001), (2, 1)))
    info = cache.cache_info()
    assert (info.entries, info.hits) == (2, 1)


def test_constant_arrays_are_not_part_of_what_is_kept(folder):
    for k in (2.0, 3.0):
        constant = np.full(5000, k)
        f = sd.function(lambda x, c=constant: (x * c).sum(), {"x": (5000,)}).compile(cache=True)
        assert f(np.ones(5000)) == 5000 * k
