"""LLVM in this process: engines that are shared by some kernels each, and machine code that lives as long as its owner.

Measured: an engine for each kernel costs ten times the memory of a shared one, but a shared one never gives back all
of what a dropped kernel used; so a new one is started every `KERNELS_PER_ENGINE` kernels, and each kernel holds its
own.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from symdiff import budget, locks, reporting
from symdiff.codegen import cache
from symdiff.codegen.image import NoImage, lay_out
from symdiff.codegen.llvm import llvm, llvm_lock, version
from symdiff.codegen.target import Target, host_processor
from symdiff.errors import CompileError
from symdiff.native.code import Code, MappedCode, NoExecution, can_map, page_size, share
from symdiff.native.kept import ready_code

KERNELS_PER_ENGINE = 64

LARGEST_MAPPED = 2**14
"""Bytes of objects that we link ourselves; for larger ones an engine takes less time."""

LONG = 100_000
"""Characters of modules that take long to compile, from about 30 ms on."""

KERNEL_BYTES = 58_000
"""What an engine takes for a kernel beside its machine code (measured)."""

ADDRESS = re.compile(r"inttoptr \(?i64 -?[0-9]")
"""An address that is written into the code."""

MAPS_OF_CODE, MAPS_FOR_OTHERS = 3, 2000
"""Memory maps that one module's code takes at most, and those that are left to the rest of the process."""

_lock = threading.RLock()
_engines: list[Any] = []
"""The engine that takes new kernels."""
_names = itertools.count()


class LinkedCode(Code):
    """Machine code that an engine has linked."""

    __slots__ = ("_engine", "_tracker")

    def __init__(self, engine: Any, tracker: Any, size: int) -> None:
        self._engine = engine
        self._tracker = tracker
        self.bytes = KERNEL_BYTES + size

    def __getitem__(self, symbol: str) -> int:
        """The address of an exported symbol."""
        return int(self._tracker[symbol])

    def __del__(self) -> None:
        # The code goes before the engine that holds it.
        tracker = getattr(self, "_tracker", None)
        self._tracker = None
        del tracker
        self._engine = None


class Room:
    """How many maps of memory the system still allows: where there are none left, LLVM ends the process.

    It is looked up now and then, the more often the fewer there are; systems that do not tell have no bound.
    """

    def __init__(self, limit: str = "/proc/sys/vm/max_map_count", maps: str = "/proc/self/maps") -> None:
        self.limit, self.maps = limit, maps
        self._unseen = 1000

    def take(self) -> None:
        """Count one module more.

        Raises
        ------
        CompileError
            Where its code could find no room.
        """
        if self._unseen > 0:
            self._unseen -= 1
            return
        try:
            with open(self.limit, "rb") as limit, open(self.maps, "rb") as maps:
                left = int(limit.read()) - MAPS_FOR_OTHERS - sum(1 for _ in maps)
        except (OSError, ValueError):
            self._unseen = 1000
            return
        if left < MAPS_OF_CODE:
            raise CompileError(
                "this process holds as many compiled functions as the system lets it map into memory",
                hint=f"drop functions that are not needed, or raise the number in {self.limit}",
            )
        self._unseen = left // (2 * MAPS_OF_CODE)


_room = Room()


NEAR = sys.platform == "linux"
"""Whether a module's code and constants are linked as one piece of memory, so that they are addressed relative to each
other and others through a table. Where code may lie anywhere, each constant and each call takes an address of 64 bits:
that compiles a tenth slower, a large module a fifth, and runs slower."""


def target_machine(opt: int) -> Any:
    """A new target machine for this processor; an engine needs one of its own."""
    cpu, features = host_processor()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    if NEAR:
        return target.create_target_machine(cpu=cpu, features=features, opt=opt, reloc="pic", codemodel="small")
    return target.create_target_machine(cpu=cpu, features=features, opt=opt, jit=True)


def _engine() -> Any:
    """A new engine, which links each module by itself."""
    return llvm.create_lljit_compiler(target_machine(0), use_jit_link=NEAR, suppress_errors=True)


def _mapped(code: bytes, imports: Mapping[str, int], exports: tuple[str, ...]) -> Code | None:
    """An object linked by ourselves, which takes a third of an engine's time, and memory; None where it cannot be.

    Raises
    ------
    CompileError
        Where its code could find no room.
    """
    if not can_map():
        return None
    try:
        image = lay_out(code, exports, page_size())
        if not image.imports.keys() <= imports.keys():
            return None
        with _lock:
            _room.take()
        return MappedCode(image, imports)
    except (NoImage, NoExecution):
        return None
    except OSError as error:
        raise CompileError(f"the system has no memory for code: {error}") from error


def link(
    ir: str,
    imports: Mapping[str, int],
    exports: Iterable[str],
    opt: int,
    verify: bool = True,
    cached: bool | None = None,
) -> Code:
    """Compile a module and load it; `imports` are the addresses of the symbols that it declares.

    `cached` tells whether to look for its object code on disk, and to keep it there; None: as the environment says.

    Raises
    ------
    CompileError
        Where LLVM refuses it, or the process holds as much code as the system can map.
    """
    asked = cached or (cached is None and cache.VARIABLE in os.environ)
    from_disk = asked and cache.is_on(cached) and ADDRESS.search(ir) is None  # an address is of this process alone
    try:
        if from_disk:
            code = cache.fetch(ir, opt, _target(), lambda: _object_code(ir, opt, verify))
        else:
            code = _object_code(ir, opt, verify)
        mapped = _mapped(code, imports, tuple(exports)) if len(code) <= LARGEST_MAPPED else None
        if mapped is not None:
            return mapped
        builder = llvm.JITLibraryBuilder().add_object_img(code)
        for symbol, address in imports.items():
            builder.import_symbol(symbol, address)
        for symbol in exports:
            builder.export_symbol(symbol)
        with _lock:
            _room.take()
            number = next(_names)
            if number % KERNELS_PER_ENGINE == 0:
                _engines[:] = [_engine()]
            engine, name = _engines[0], f"k{number}"
        return LinkedCode(engine, builder.link(engine, name), len(code))
    except CompileError:
        raise
    except RuntimeError as error:
        if from_disk:  # whole, and yet not what LLVM can load
            cache.forget(cache.key(ir, opt, _target()))
            return link(ir, imports, exports, opt, verify, cached=False)
        raise CompileError(f"LLVM refused the code: {error}") from error


class SharedText(NamedTuple):
    """What code that all kernels share was made of."""

    ir: str
    exports: tuple[str, ...]
    level: int


TEXTS: dict[str, SharedText] = {}
"""The texts of `native.code.SHARED`, by the same names."""


def link_support(
    name: str,
    ir: str,
    imports: Mapping[str, int],
    exports: Iterable[str],
    level: int = 2,
    prepare: Callable[[Code], object] | None = None,
) -> Code:
    """Code that is written by hand for all kernels, made once in a process. Where it lies ready, nothing is compiled.

    `prepare` is called with new code, before it is used.
    """
    exports = tuple(exports)
    TEXTS[name] = SharedText(ir, exports, level)

    def make() -> Code:
        code = link(ir, imports, exports, level, verify=False)
        if prepare is not None:
            prepare(code)
        return code

    return ready_code(name, imports, prepare) or share(name, make)


def object_code(ir: str, opt: int, other: Target | None = None) -> bytes:
    """The object file of a module, for this processor or another one.

    Raises
    ------
    CompileError
        Where LLVM refuses it.
    """
    return _object_code(ir, opt, True, other)


@functools.cache
def _target() -> tuple[str, ...]:
    """What machine code depends on beside its module and level: the processor and the compiler."""
    return (llvm.get_process_triple(), *host_processor(), *version())


@functools.cache
def _compiler(opt: int, other: Target | None = None) -> Any:
    """The target machine that compiles at a level; llvmlite lets in one thread at a time."""
    return target_machine(opt) if other is None else other.machine(opt)


def _object_code(ir: str, opt: int, verify: bool, other: Target | None = None) -> bytes:
    """Machine code, not linked yet. It takes a tenth less time than where an engine compiles it.

    Raises
    ------
    LimitError
        Where it takes longer than the limits allow.
    """

    def compiled() -> bytes:
        code: bytes = _compiler(opt, other).emit_object(parse_module(ir, verify))
        return code

    if len(ir) >= LONG:
        budget.stage("machine code", ir.count("\ndefine "))
    left = budget.time_left()
    return compiled() if len(ir) < LONG else _patiently(compiled, budget.current().seconds if left is None else left)


def _patiently(work: Callable[[], bytes], seconds: float) -> bytes:
    """What `work` gives, which is done in another thread: Python hears no signals while LLVM compiles.

    Where somebody interrupts it, or it takes too long, LLVM goes on by itself to the end of the module.
    """
    done = threading.Event()
    results: list[bytes | BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # it is raised where it is waited for
            results.append(error)
        done.set()

    threading.Thread(target=run, name="symdiff compiles").start()
    end = time.monotonic() + seconds
    while not done.wait(max(0.0, min(end - time.monotonic(), reporting.EVERY))):
        budget.time_left()
        if time.monotonic() >= end:
            raise budget.too_slow()
    if isinstance(results[0], BaseException):
        raise results[0]
    return results[0]


def parse_module(ir: str, verify: bool = True, context: Any = None) -> Any:
    """A module, which LLVM has checked, in a context of its own where none is given.

    Raises
    ------
    CompileError
        Where it is not well formed.
    """
    try:
        module = llvm.parse_assembly(ir, context=context or llvm.create_context())
        if verify:
            module.verify()
    except RuntimeError as error:
        raise CompileError(f"LLVM refused the code: {error}") from error
    return module


def assembly(ir: str, opt: int) -> str:
    """The machine's assembly language for a module."""
    module = parse_module(ir)
    return str(target_machine(opt).emit_assembly(module))


_forking: list[Any] = []
"""LLVM's locks that forks under way have taken."""


# A fork while another thread compiles would leave LLVM's lock taken for ever in the child.
def _before_fork() -> None:
    _lock.acquire()
    loaded = llvm_lock()
    if loaded is not None:
        loaded.__enter__()
    _forking.append(loaded)


def _after_fork() -> None:
    loaded = _forking.pop()
    if loaded is not None:
        loaded.__exit__(None, None, None)
    _lock.release()


locks.guard(locks.ENGINES, _before_fork, _after_fork)
