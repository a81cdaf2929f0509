"""A whole module: its declarations, its functions, and what has to be linked to it."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from symdiff import numeric
from symdiff.codegen.body import is_of_c
from symdiff.codegen.fills import fill_declarations
from symdiff.codegen.layout import Layout
from symdiff.codegen.loops import LOOP, WrittenLoop, write_loop
from symdiff.codegen.pieces import PIECE, Piece, cut
from symdiff.codegen.target import Target
from symdiff.codegen.tensors import blas
from symdiff.codegen.vector_loops import BODY, write_vector_body
from symdiff.codegen.vector_math import VectorLibrary
from symdiff.dataclass import dataclass
from symdiff.errors import CompileError
from symdiff.native.kept import vector_address
from symdiff.native.lapack import blas_address
from symdiff.ops.base import Library, Routine

if TYPE_CHECKING:
    from symdiff.native.code import Code
    from symdiff.optimize.program import Program

ATTRIBUTES = (
    "attributes #0 = { nounwind }",
    "attributes #1 = { nounwind noinline }",
    "attributes #2 = { nounwind noinline optnone }",
)
"""Of functions that others call, of those that only this module calls, and of those that do nothing but call others:
optimizing these would make nothing faster, and take a fifth of LLVM's time for arrays. Nothing here throws: without
this, tables for unwinding would be made and registered."""

# Processors without the instruction call the C function.
FALLBACKS = ("floor", "ceil", "trunc", "rint", "fma", "sqrt")


LOCK_DECLARATIONS = {"step_aside": "declare ptr @step_aside() #0", "step_back": "declare void @step_back(ptr) #0"}
"""The functions that give Python's lock away and take it back."""


@dataclass(frozen=True, slots=True)
class Support:
    """A function of ours that is compiled once in a process and serves all kernels; `code` gives what holds it."""

    name: str
    code: Callable[[], Code]


Import = Routine | VectorLibrary | blas.Blas | Support | str


@dataclass(frozen=True, slots=True)
class Module:
    """The text of a module.

    Attributes
    ----------
    text : LLVM IR.
    imports : symbol → what it stands for: a routine, a function of vectors, one of BLAS, one for all kernels, or
        the name of a C function.
    exports : the symbols that are looked up after loading.
    """

    text: str
    imports: tuple[tuple[str, Import], ...]
    exports: tuple[str, ...] = (LOOP,)

    def addresses(self) -> dict[str, int]:
        """The addresses of the imports.

        Raises
        ------
        CompileError
            Where one does not exist, before anything is compiled.
        """
        return {symbol: _address(what) for symbol, what in self.imports}


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a kernel consists of.

    Attributes
    ----------
    instructions : operations, loads and stores not counted.
    pieces : functions that the straight-line code was cut into.
    crossings : how often a piece reads a value of an earlier one.
    workspace : bytes for the values that cross.
    on_heap : whether they are too many for the stack.
    nests, library_calls : of a program of tensors: its loops, and its calls of BLAS and LAPACK.
    """

    instructions: int
    pieces: int
    crossings: int
    workspace: int
    on_heap: bool
    nests: int = 1
    library_calls: int = 0


def write_module(
    program: Program, layout: Layout, size: int = PIECE, target: Target | None = None
) -> tuple[Module, Statistics]:
    """The module of a kernel, cut into functions of about `size` operations.

    Where it gives Python's lock away, who links it adds the functions of `LOCK_DECLARATIONS`.
    """
    target = target or Target.host()
    state = target.status
    pieces, slots = cut(program, size)
    written = write_loop(program, layout, pieces, slots, target)
    declarations = [*state.declarations]
    imports = [(name, name) for name in state.functions]
    if any(is_of_c(what) for _, what in written.routines.imports):
        declarations += LOCK_DECLARATIONS.values()
    if written.on_heap:
        declarations += ["declare ptr @malloc(i64) #0", "declare void @free(ptr) #0"]
        imports += [("malloc", "malloc"), ("free", "free")]
    module = _finish(written, pieces, declarations, imports, LOOP)
    count = sum(1 for piece in pieces for node in piece.nodes if program.graph.args[node])
    crossings = sum(len(piece.loads) for piece in pieces)
    return module, Statistics(count, len(pieces), crossings, written.workspace, written.on_heap)


def write_vector_module(
    program: Program, layout: Layout, lanes: int, vector: bool, size: int = PIECE
) -> tuple[Module, int]:
    """The module of the vector body, and the bytes of workspace that it needs."""
    pieces, slots = cut(program, size)
    written = write_vector_body(program, layout, pieces, slots, lanes, vector)
    return _finish(written, pieces, [], [], BODY), written.workspace


def _finish(
    written: WrittenLoop,
    pieces: Sequence[Piece],
    declarations: Sequence[str],
    imports: Sequence[tuple[str, Import]],
    export: str,
) -> Module:
    routines = written.routines
    fallbacks: dict[str, Import] = {}
    for name, full in routines.intrinsics:
        if name in FALLBACKS:
            single = name + "f" if full.endswith("f32") else name
            fallbacks[single] = single
    functions = fill_declarations([output for piece in pieces for output in piece.fills])
    fallbacks.update({name: name for name in functions})
    text = "\n".join([*routines.declarations, *declarations, *functions.values(), *written.lines, *ATTRIBUTES, ""])
    return Module(text, (*routines.imports, *imports, *fallbacks.items()), (export,))


def _address(what: Import) -> int:
    if isinstance(what, VectorLibrary):
        return vector_address(what.symbol)
    if isinstance(what, blas.Blas):
        return blas_address(what.name)
    if isinstance(what, Support):
        return what.code()[what.name]
    return c_function(what) if isinstance(what, str) else numeric.address(what)


def assemble_module(
    declarations: Sequence[str], lines: Sequence[str], imports: Sequence[str], exports: Sequence[str]
) -> Module:
    """A module of functions that are written by hand; imports are C functions under their own names."""
    text = "\n".join([*declarations, *lines, *ATTRIBUTES, ""])
    return Module(text, tuple((name, name) for name in imports), tuple(exports))


def c_function(name: str) -> int:
    """The address of a function of the C library.

    Raises
    ------
    CompileError
        Where it has none of that name.
    """
    try:
        return numeric.address(Library(name))
    except CompileError:
        if sys.platform == "win32":
            raise
    try:  # malloc and free are not in the mathematics library
        found = ctypes.cast(getattr(ctypes.CDLL(None), name), ctypes.c_void_p).value
    except AttributeError:
        found = None
    if not found:
        raise CompileError(f"the C library of this platform has no function {name}")
    return found
