"""Object code on disk, off unless asked for: another process that needs the same code loads it instead of compiling.

An entry is found by the digest of all that decides what LLVM makes: the text, the level, the versions, the processor,
the C library. It is trusted as the package's own files are: whoever can write to the folder can run code, so the
folder and every file must belong to this user and be closed to the others' writing. What is not exactly as it was
written (LLVM would crash) is a miss. No fault of the disk is an error: the code is compiled, and the fault counted.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import stat
import struct
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from symdiff import locks
from symdiff.dataclass import dataclass
from symdiff.errors import ArgumentError
from symdiff.native.kept import c_library
from symdiff.version import VERSION

MAGIC = b"\x93sdcode\n"
FORMAT = 1
HEAD = struct.Struct("<8sI32sQ32s")
"""Magic, format, the key, the length of the code, its SHA-256 digest."""

SUFFIX = ".sdcode"
ENTRY = re.compile(r"[0-9a-f]{64}\.sdcode")
TEMPORARY = re.compile(r"\.[0-9a-f]{64}\.\d+\.\d+\.tmp")
ABANDONED = 3600.0
"""Seconds after which the temporary file of a writer is taken to be left behind."""

LARGEST, LARGEST_ENTRY = 512 * 2**20, 256 * 2**20
"""Bytes that all entries may take (SYMDIFF_CACHE_SIZE changes it), and one."""

KEPT = 0.8
"""The part of the limit to which the entries that were not used for longest are removed once it is passed."""

VARIABLE = "SYMDIFF_CACHE"
_ON = ("1", "true", "yes", "on")
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """The state of the cache on disk, and what this process had of it.

    Attributes
    ----------
    directory, entries, size, limit : where it is, how many entries it has, their bytes and the most they may take.
    hits, misses : of this process.
    refused : misses because an entry or the folder was not as it must be.
    unwritten : entries that could not be written.
    """

    directory: str
    entries: int
    size: int
    limit: int
    hits: int
    misses: int
    refused: int
    unwritten: int


class _Counts:
    """What this process had of the cache."""

    def __init__(self) -> None:
        self.lock = locks.lock(locks.CACHE)
        self.hits = self.misses = self.refused = self.unwritten = 0
        self.size: int | None = None

    def add(self, name: str) -> None:
        with self.lock:
            setattr(self, name, getattr(self, name) + 1)


_counts = _Counts()


def is_on(asked: bool | None) -> bool:
    """Whether to use the cache: as asked, else as the environment variable SYMDIFF_CACHE says, else not."""
    return os.environ.get(VARIABLE, "").strip().lower() in _ON if asked is None else asked


def directory() -> Path:
    """The folder: SYMDIFF_CACHE_DIR, else `symdiff` in the user's cache folder of this system.

    Raises
    ------
    ArgumentError
        Where nothing is chosen and this user has no home.
    """
    chosen = os.environ.get("SYMDIFF_CACHE_DIR")
    if chosen:
        return Path(os.path.abspath(chosen))
    try:
        if sys.platform == "win32":
            return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "symdiff" / "Cache"
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "symdiff"
        base = os.environ.get("XDG_CACHE_HOME", "")
        return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "symdiff"
    except RuntimeError:
        raise ArgumentError("this user has no home folder to cache in", hint="set SYMDIFF_CACHE_DIR") from None


def limit() -> int:
    """The most bytes that the entries may take."""
    text = os.environ.get("SYMDIFF_CACHE_SIZE", "")
    return int(text) if text.isdecimal() and len(text) < 20 else LARGEST


def key(ir: str, opt: int, target: Sequence[str]) -> str:
    """What an entry is found by; `target` tells LLVM, the machine and its features."""
    parts = [str(FORMAT), VERSION, str(opt), *target, *c_library(), ir]
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def fetch(ir: str, opt: int, target: Sequence[str], make: Callable[[], bytes]) -> bytes:
    """The object code of a module: from the disk, or what `make` gives, which is then kept."""
    name = key(ir, opt, target)
    found = read_entry(name)
    if found is not None:
        return found
    made = make()
    write_entry(name, made)
    return made


def read_entry(name: str) -> bytes | None:
    """The code of an entry, or None where there is none, or one that is not exactly as it was written."""
    try:
        code = _read(directory(), name)
    except FileNotFoundError:
        code = None
    except (OSError, ValueError, MemoryError):
        code = None
        _counts.add("refused")
    _counts.add("misses" if code is None else "hits")
    return code


def _read(folder: Path, name: str) -> bytes:
    _check(os.lstat(folder), stat.S_ISDIR)
    path = folder / (name + SUFFIX)
    flags = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_BINARY"))
    if not hasattr(os, "O_NOFOLLOW"):
        _check(os.lstat(path), stat.S_ISREG)
    with open(os.open(path, flags), "rb") as stream:
        info = os.fstat(stream.fileno())
        _check(info, stat.S_ISREG)
        if info.st_size > LARGEST_ENTRY + HEAD.size:
            raise ValueError("too large")
        data = stream.read(info.st_size + 1)
    code = unpack(name, data)
    with contextlib.suppress(OSError):
        os.utime(path)  # the time of the last use
    return code


def _check(info: os.stat_result, kind: Callable[[int], bool]) -> None:
    """Refuse a folder or file that is not what it should be, or that somebody else can write to."""
    mine = not hasattr(os, "getuid") or (info.st_uid == os.getuid() and not info.st_mode & 0o022)
    if not kind(info.st_mode) or not mine:
        raise PermissionError("not a file or folder of this user alone")


def packed_entry(name: str, code: bytes) -> bytes:
    """An entry as it stands on disk."""
    return HEAD.pack(MAGIC, FORMAT, bytes.fromhex(name), len(code), hashlib.sha256(code).digest()) + code


def unpack(name: str, data: bytes) -> bytes:
    """The code of an entry.

    Raises
    ------
    ValueError
        Where it is not whole, or not the entry of this name.
    """
    if len(data) < HEAD.size:
        raise ValueError("cut off")
    code = data[HEAD.size :]
    if not code or data != packed_entry(name, code):
        raise ValueError("damaged")
    return code


def write_entry(name: str, code: bytes) -> bool:
    """Keep an entry, which appears as a whole or not at all; whether that succeeded."""
    try:
        folder = directory()
        os.makedirs(folder, mode=0o700, exist_ok=True)
        _check(os.lstat(folder), stat.S_ISDIR)
        _write(folder, name, packed_entry(name, code))
    except (OSError, ValueError):
        _counts.add("unwritten")
        return False
    _shrink(folder, len(code) + HEAD.size)
    return True


def _write(folder: Path, name: str, data: bytes) -> None:
    temporary = folder / f".{name}.{os.getpid()}.{next(_numbers)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    flags |= sum(getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"))
    descriptor = os.open(temporary, flags, 0o600)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, folder / (name + SUFFIX))
    except BaseException:
        _unlink(temporary)
        raise


def _unlink(path: str | os.PathLike[str]) -> bool:
    try:
        os.unlink(path)
    except OSError:
        return False
    return True


def _entries(folder: Path) -> list[tuple[float, int, str]]:
    """When each entry was used last, its size and its path, the one unused for longest first."""
    found = []
    try:
        with os.scandir(folder) as listed:
            for item in listed:
                if ENTRY.fullmatch(item.name) or TEMPORARY.fullmatch(item.name):
                    try:
                        info = item.stat(follow_symlinks=False)
                    except OSError:  # another process removed it
                        continue
                    found.append((info.st_mtime, info.st_size, item.path))
    except OSError:
        return []
    return sorted(found)


def _shrink(folder: Path, added: int) -> None:
    """Remove the entries that were not used for longest where all take more than the limit."""
    with _counts.lock:
        if _counts.size is not None and _counts.size + added <= limit():
            _counts.size += added
            return
        entries, most = _entries(folder), limit()
        total = sum(size for _, size, _ in entries)
        allowed = most if total <= most else most * KEPT
        now = time.time()
        for used, size, path in entries:
            abandoned = path.endswith(".tmp") and now - used > ABANDONED
            if (total > allowed or abandoned) and _unlink(path):
                total -= size
        _counts.size = total


def forget(name: str) -> None:
    """Remove an entry."""
    _unlink(directory() / (name + SUFFIX))


def cache_info() -> CacheInfo:
    """Where the cache is, what it holds, and what this process had of it."""
    folder = directory()
    entries = [size for _, size, path in _entries(folder) if path.endswith(SUFFIX)]
    c = _counts
    return CacheInfo(str(folder), len(entries), sum(entries), limit(), c.hits, c.misses, c.refused, c.unwritten)


def cache_clear() -> int:
    """Remove all entries, and nothing else from the folder; how many there were."""
    removed = sum(_unlink(path) and path.endswith(SUFFIX) for _, _, path in _entries(directory()))
    with _counts.lock:
        _counts.size = None
    return removed
