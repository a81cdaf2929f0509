"""A library on its way: its functions, what was made of them, and the kinds of files that are written."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

from symdiff.codegen.compile import write_program
from symdiff.codegen.kernel import point_level
from symdiff.codegen.objects import LinkedModule
from symdiff.codegen.standalone import Standalone
from symdiff.codegen.target import Target
from symdiff.dataclass import dataclass
from symdiff.errors import ArgumentError
from symdiff.ship.answers import write_answers
from symdiff.ship.interface import Exported
from symdiff.ship.libdevice import libdevice
from symdiff.ship.symbols import ForeignFunction

MARKED = ("windows", "i386")
"""Where names have a mark in objects, as they have on macOS: in the interface of Windows for 32 bits."""


@dataclass(frozen=True)
class Package:
    """The functions of a library, and what the kinds of files are made from; everything is made once.

    Attributes
    ----------
    name : of the library: its files are called by it.
    functions : in order.
    target : the machine that it is for.
    vectors : whether batches may call functions of vectors.
    libraries : what a shared library is linked with beside the C library; CUDA's libdevice for kernels.
    foreign : C functions of the user's that are called for some of ours.
    is_alone : whether a shared library has to bring all that it calls, as no program does that loads it.
    is_source : whether the functions are there as C source alone, for whichever machine.
    """

    name: str
    functions: tuple[Exported, ...]
    target: Target
    vectors: bool = True
    libraries: tuple[str, ...] = ()
    foreign: tuple[ForeignFunction, ...] = ()
    is_alone: bool = False
    is_source: bool = False

    def with_target(self, target: Target) -> Package:
        """The same library for a machine, which learns what users call their functions."""
        names = tuple([(symbol.word, symbol.name) for symbol in self.foreign])
        pairs = target.has_sincos and not any(word in ("sin", "cos") for word, _ in names)
        return replace(self, target=replace(target, symbols=names, has_sincos=pairs))

    @functools.cached_property
    def written(self) -> tuple[Standalone, ...]:
        """The module of each function.

        Raises
        ------
        ArgumentError
            Where one has the name of what the code calls.
        """
        found = tuple([write_program(f.program, f.name, self.target, self.vectors) for f in self.functions])
        own = {f.name for f in self.functions}
        for name in itertools.chain.from_iterable(code.outside for code in found):
            if name in own:
                raise ArgumentError(
                    f"a function called {name} would take the place of the one that the code calls",
                    hint=f'another name: sd.emit({{"my_{name}": …}}, …)',
                )
        return found

    @functools.cached_property
    def module(self) -> LinkedModule:
        """The module of the library."""
        opt = min(point_level(f.program) for f in self.functions)
        texts = [code.text for code in self.written]
        if self.target.has_kernels:  # which alone can be called
            called = sorted({name for code in self.written for name in code.outside})
            return LinkedModule(texts, self.target, opt, libdevice(self.target, called, self.libraries))
        answers = [
            "\n".join(write_answers(f, code, self.target)) for f, code in zip(self.functions, self.written, strict=True)
        ]
        return LinkedModule([*texts, "\n".join(answers)], self.target, opt)

    @functools.cached_property
    def outside(self) -> tuple[str, ...]:
        """The functions that it calls, which whoever links it brings."""
        known = {f.name for f in self.functions}
        return tuple([name for name in self.module.called if name not in known])

    @property
    def called_foreign(self) -> tuple[ForeignFunction, ...]:
        """The functions of the user's that it calls."""
        return tuple([symbol for symbol in self.foreign if symbol.name in self.outside])

    @property
    def algebra(self) -> list[str]:
        """The functions of BLAS and LAPACK among them."""
        named = {symbol.name for symbol in self.foreign}
        return [name for name in self.outside if name.endswith("_") and name not in named]

    @functools.cached_property
    def object_code(self) -> bytes:
        """The object file."""
        if self.target.has_kernels:
            raise ArgumentError(f"LLVM makes no objects for {self.target.triple}", hint='emit "ptx"')
        return self.module.object_code()

    @property
    def symbols(self) -> list[str]:
        """The symbols that the object defines, as linkers know them."""
        is_marked = self.target.object_format == "macho" or (self.target.system, self.target.family) == MARKED
        mark = "_" if is_marked else ""
        return [mark + name for name in self.module.defined]


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of file.

    Attributes
    ----------
    name : what users call it.
    file : the name of the file, from the package.
    make : what is in it.
    doc : what it is.
    needs : the kinds that it is of no use without: they are written, too.
    triple : the target that it is for where none is named; "": this system.
    """

    name: str
    file: Callable[[Package], str]
    make: Callable[[Package], bytes]
    doc: str
    needs: tuple[str, ...] = ()
    triple: str = ""


KINDS: dict[str, FileKind] = {}
"""Every kind of file by its name."""

ALIASES = {"py": "ctypes", "obj": "o", "lib": "a", "dll": "so", "dylib": "so", "d.mts": "d.ts"}
"""Other words for kinds: the endings that their files have."""


def add_kind(
    name: str, file: Callable[[Package], str], doc: str, needs: tuple[str, ...] = (), triple: str = ""
) -> Callable[[Callable[[Package], bytes]], None]:
    """A decorator: the function makes the files of a kind."""

    def add(make: Callable[[Package], bytes]) -> None:
        KINDS[name] = FileKind(name, file, make, doc, needs, triple)

    return add


def chosen_kinds(names: Sequence[str]) -> list[FileKind]:
    """The kinds by their names, and those that they need.

    Raises
    ------
    ArgumentError
        For a name that is none.
    """
    for name in names:
        if name not in KINDS and name not in ALIASES:
            raise ArgumentError(f"there is no kind of file {name!r}", hint=f"there are {', '.join(sorted(KINDS))}")
    names = [ALIASES.get(name, name) for name in names]
    every = dict.fromkeys(names)
    for name in names:
        every.update(dict.fromkeys(KINDS[name].needs))
    return [KINDS[name] for name in every]
